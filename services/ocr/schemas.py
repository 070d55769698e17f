"""Request options and answers of ``/v1/ocr``."""

from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
)

Point = tuple[float, float]
MIN_TILE_PX = 256


def _zero_or_odd(width_px: int) -> int:
    if width_px not in (0, 3, 5, 7):
        raise ValueError("should be 0, 3, 5 or 7")
    return width_px


class OcrOptions(BaseModel):
    """Options of a request, as form fields, query parameters or JSON members."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    languages: list[Annotated[str, Field(max_length=32)]] = Field(
        default=[], max_length=16, description="Languages to read, ISO 639-1; default: all."
    )
    pages: str | None = Field(
        None, max_length=1000, description="Pages of a PDF, for example `1-3,7`; default: all."
    )
    dpi: int = Field(200, ge=36, le=1200, description="Resolution at which a PDF is rendered.")
    min_confidence: float = Field(0.5, ge=0, le=1, description="Least confidence of a line.")
    clahe: bool = Field(False, description="Even out the light of the page (CLAHE).")
    blur: Annotated[int, AfterValidator(_zero_or_odd)] = Field(
        0, ge=0, le=7, description="Width in pixels of a median filter against specks; 0: none."
    )
    deskew: bool = Field(False, description="Turn a page that slopes by up to 15 degrees level.")
    tile_overlap: int = Field(
        128, ge=0, le=1024, description="Least overlap of two tiles, in pixels."
    )
    tile_size: int = Field(
        0,
        ge=0,
        le=4096,
        description="Search large pages in tiles of at most this side, in pixels; 0: as a whole.",
    )
    words: bool = Field(False, description="Give each line's words with their places.")
    response_format: Literal["json", "text", "markdown", "hocr"] = "json"

    @field_validator("tile_size")
    @classmethod
    def _holds_its_overlaps(cls, side_px: int, info: ValidationInfo) -> int:
        if side_px and side_px < max(MIN_TILE_PX, 2 * info.data.get("tile_overlap", 0)):
            raise ValueError(f"should be 0, or at least {MIN_TILE_PX} and twice tile_overlap")
        return side_px


class Box(BaseModel):
    """Upright box in pixels of the page; x2 and y2 are exclusive."""

    x1: float
    y1: float
    x2: float
    y2: float


class OcrWord(BaseModel):
    """A word of a line."""

    text: str
    polygon: list[Point] = Field(
        description="Four corners, clockwise from the text's own top left."
    )
    box: Box


class OcrLine(BaseModel):
    """A line of text."""

    id: str
    text: str
    confidence: float
    polygon: list[Point] = Field(
        description="Four corners, clockwise from the text's own top left."
    )
    box: Box
    angle_deg: float = Field(description="Direction of the text, clockwise, in (-180, 180].")
    order: int = Field(description="Place in reading order on the page, from 0.")
    model: str = Field(description="Recogniser that read the line.")
    words: list[OcrWord] | None = None


class OcrPage(BaseModel):
    """Text of one page."""

    page: int = Field(description="Number of the page, from 1.")
    width: int
    height: int
    dpi: int | None = Field(description="Resolution of the rendering; null for a picture.")
    text: str = Field(description="All lines in reading order.")
    lines: list[OcrLine]


class OcrAnswer(BaseModel):
    """Answer of ``/v1/ocr``."""

    model: str
    page_count: int = Field(description="Pages of the document.")
    pages: list[OcrPage]
    timing_ms: dict[str, float]
    warnings: list[str]
