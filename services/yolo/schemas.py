"""What ``POST /v1/detect`` takes and answers."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0, le=1)]


class DetectOptions(BaseModel):
    """Options of a request, as form fields, query parameters or members of the JSON body."""

    model_config = ConfigDict(extra="forbid")

    model: str | None = Field(
        None, max_length=128, description="Model that must answer; default: the service's own."
    )
    confidence: Share = Field(0.25, description="What scores above it is reported, 0 to 1.")
    iou: Share = Field(
        0.7,
        description="Of two boxes of a class that overlap more than this, the better one stays.",
    )
    max_detections: int = Field(300, ge=1, le=3000, description="Most detections of a picture.")
    classes: list[int | str] | None = Field(
        None, min_length=1, max_length=1000, description="Report only these classes, by name or id."
    )
    image_size: int | None = Field(
        None,
        ge=32,
        description="Long side that the picture is resized to, in pixels; default: the model's.",
    )
    tile_size: int | None = Field(
        None,
        ge=64,
        description="Also look at tiles of this side, in pixels of the picture; default: no tiles.",
    )
    tile_overlap: float = Field(
        0.2, ge=0, le=0.9, description="Least overlap of neighbouring tiles, as a share of a side."
    )


class ImageSize(BaseModel):
    """Size of a picture, upright (EXIF orientation applied), in pixels."""

    width: int
    height: int


class Box(BaseModel):
    """Corners in pixels of the picture, origin top left, ``x2`` and ``y2`` exclusive."""

    x1: float
    y1: float
    x2: float
    y2: float


class Keypoint(BaseModel):
    """A point of a pose, in pixels of the picture."""

    x: float
    y: float
    confidence: float | None = None


class Detection(BaseModel):
    """One thing found."""

    class_id: int
    class_name: str
    confidence: float = Field(description="0 to 1.")
    box: Box
    polygon: list[tuple[float, float]] | None = Field(
        None, description="Outline (segment) or four corners (obb), in pixels of the picture."
    )
    keypoints: list[Keypoint] | None = Field(None, description="Pose only.")


class ClassScore(BaseModel):
    """A class of a picture, for models that classify."""

    class_id: int
    class_name: str
    confidence: float


class ItemError(BaseModel):
    """Why a picture of a batch has no answer."""

    code: str
    message: str


class PictureResult(BaseModel):
    """The answer for one picture of the request."""

    index: int = Field(description="Place of the picture in the request, from 0.")
    image: ImageSize | None = None
    detections: list[Detection] = []
    classes: list[ClassScore] | None = Field(None, description="Best first; classify only.")
    timing_ms: dict[str, float] | None = Field(
        None, description="What this picture cost: its own preparation, its share of the batch."
    )
    error: ItemError | None = None


class DetectAnswer(BaseModel):
    """Answer of ``POST /v1/detect``."""

    model: str
    task: str
    results: list[PictureResult]
    timing_ms: dict[str, float]
    warnings: list[str]
