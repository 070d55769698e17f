"""What ``POST /v1/drawings/analyze`` takes and answers."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Status = Literal["ok", "failed", "timeout", "skipped"]


class AnalyzeOptions(BaseModel):
    """Options of a request, as form fields, query parameters or members of the JSON body."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    pages: str | None = Field(
        None, max_length=1000, description="Pages of a PDF, for example `1-3,7`; default: all."
    )
    dpi: int = Field(
        200, ge=72, le=600, description="Resolution of the pixels in which a PDF is answered."
    )
    ocr: Literal["auto", "always", "never"] = Field(
        "auto", description="Whether text is read from the picture; auto: of pages without text."
    )
    symbols: bool = Field(True, description="Whether views, frames and symbols are detected.")
    languages: str | None = Field(
        None, max_length=64, description="Languages of the OCR, such as `ko,en`; default: its own."
    )
    general_tolerance: str | None = Field(
        None,
        max_length=64,
        description="General tolerance where the sheet states none, such as `ISO 2768-mK`.",
    )
    unit: Literal["mm", "in"] | None = Field(
        None, description="Unit of length where the sheet states none; default: mm."
    )
    material: str | None = Field(
        None, max_length=64, description="Material as in /v1/tolerance/catalog; never guessed."
    )
    process: str | None = Field(
        None, max_length=64, description="Process as in /v1/tolerance/catalog; never guessed."
    )
    page: int | None = Field(None, ge=1, description="Page that is drawn for `Accept: image/png`.")


class BoxBody(BaseModel):
    """Upright box in pixels of the page; x2 and y2 are exclusive."""

    x1: float
    y1: float
    x2: float
    y2: float


class Placed(BaseModel):
    """Something that stands on a page."""

    id: str
    page: int
    text: str = Field(description='As it stands there; "\\n" between stacked lines.')
    box: BoxBody
    confidence: float = Field(description="0 to 1; 1 for text of a PDF.")


class DimensionBody(Placed):
    """A dimension with its limits."""

    type: str
    nominal: float | None
    unit: str | None
    count: int | None = None
    upper: float | None = Field(description="Upper limit deviation from the nominal size, signed.")
    lower: float | None = Field(description="Lower limit deviation.")
    upper_limit: float | None
    lower_limit: float | None
    tolerance_source: Literal["explicit", "fit", "general", "none"]
    basis: str = Field(description="Where a computed tolerance comes from, or why there is none.")
    fit: str | None = None
    is_basic: bool = False
    is_reference: bool = False
    is_through: bool = False
    depth: float | None = None
    thread: str | None = None
    chamfer_angle_deg: float | None = None
    step: str | None = None
    steps: list[dict[str, Any]] = []
    modifiers: list[str] = []
    notes: list[str] = []
    conflicts: list[str] = []
    angle_deg: float = Field(description="Direction of the text, clockwise, in (-180, 180].")


class DatumReferenceBody(BaseModel):
    """A datum of a frame."""

    letters: list[str]
    modifiers: list[str] = []


class ToleranceRowBody(BaseModel):
    """One row of a feature control frame."""

    text: str
    characteristic: str
    symbol: str
    value: float
    zone: str
    modifiers: list[str] = []
    datums: list[DatumReferenceBody] = []


class FrameBody(ToleranceRowBody, Placed):
    """A feature control frame (ISO 1101)."""

    count: int | None = None
    rows: list[ToleranceRowBody] = Field(
        [], description="Further rows of a composite frame; its members are those of the first."
    )
    stacked_on: str | None = Field(
        None, description="The frame that this one stands right under: both hold for one feature."
    )
    angle_deg: float = Field(description="Direction of the text, clockwise, in (-180, 180].")


class DatumBody(Placed):
    """A datum letter, or a datum target."""

    letter: str
    target: int | None = None


class TextureBody(Placed):
    """A requirement on surface texture."""

    parameter: str | None
    value: float | None
    lower: float | None = None
    unit: str | None = None
    grade: str | None = None


class FieldBody(BaseModel):
    """A field of the title block."""

    text: str
    label: str
    box: BoxBody
    page: int
    confidence: float


class GeneralToleranceBody(BaseModel):
    """The tolerance of dimensions that carry none of their own."""

    text: str
    source: Literal["sheet", "request"]
    standard: str | None = None
    linear_class: str | None = None
    geometrical_class: str | None = None


class NoteBody(Placed):
    """Text that is no dimension."""


class UnparsedBody(Placed):
    """Text that looks like a dimension or frame and could not be read."""

    reason: str


class DetectionBody(BaseModel):
    """What the symbol detector found."""

    page: int
    class_name: str
    confidence: float
    box: BoxBody


class ToleranceBody(BaseModel):
    """What the process holds, predicted for a feature of the drawing."""

    feature_id: str = Field(description="Dimension or frame that it is about.")
    feature: str
    size_from: str = Field(description="Where the size of the feature was taken from.")
    result: dict[str, Any] = Field(description="As /v1/tolerance/predict answers it.")


class StageBody(BaseModel):
    """How one stage of the work ended."""

    status: Status
    ms: float
    error: str | None = Field(None, description="Why it failed or was skipped.")


class PageBody(BaseModel):
    """One page that was analysed."""

    page: int
    width: int
    height: int
    dpi: int | None = Field(description="Resolution of the pixels; null for a picture.")
    text_source: Literal["text", "ocr", "none"]


class AnalyzeAnswer(BaseModel):
    """Answer of ``POST /v1/drawings/analyze``."""

    models: dict[str, str] = Field(description="Model of each service that was called.")
    page_count: int
    pages: list[PageBody]
    title_block: dict[str, FieldBody]
    general_tolerance: GeneralToleranceBody | None
    dimensions: list[DimensionBody]
    feature_control_frames: list[FrameBody]
    datums: list[DatumBody]
    surface_textures: list[TextureBody]
    notes: list[NoteBody]
    detections: list[DetectionBody]
    tolerance: list[ToleranceBody]
    unparsed: list[UnparsedBody]
    stages: dict[str, StageBody]
    partial: bool = Field(description="Whether a stage failed or ran out of time.")
    timing_ms: dict[str, float]
    warnings: list[str]
