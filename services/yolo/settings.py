"""Settings of the yolo service: variables ``YOLO_…``."""

from typing import ClassVar, Literal

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from shared.cache_settings import CachedServiceSettings


class YoloSettings(CachedServiceSettings):
    """What an operator can tell the yolo service."""

    model_config = SettingsConfigDict(env_prefix="YOLO_")

    library_variables: ClassVar[frozenset[str]] = frozenset(
        {"YOLO_OFFLINE", "YOLO_AUTOINSTALL", "YOLO_CONFIG_DIR", "YOLO_VERBOSE"}
    )

    engine: Literal["auto", "onnxruntime", "openvino", "torch"] = Field(
        "auto",
        description=(
            "What runs the model. auto: torch for .pt; for .onnx on a CPU the faster of ONNX "
            "Runtime and OpenVINO, measured at start."
        ),
    )
    exact: bool = Field(
        False, description="Calculate in float32 also where half precision would be faster."
    )
    max_batch_size: int = Field(
        0, ge=0, le=256, description="Most pictures in one batch; 0 measures at start what pays."
    )
    max_images: int = Field(32, ge=1, le=256, description="Most pictures in one request.")
    max_pixels: int = Field(
        100_000_000, ge=1024, description="Largest picture, in pixels; beyond it 413."
    )
    max_image_size: int = Field(
        1920, ge=32, le=8192, description="Largest image_size a request may ask for, in pixels."
    )
    max_tiles: int = Field(128, ge=1, le=4096, description="Most tiles of one picture.")
