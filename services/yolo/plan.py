"""Check a request's options against the model that will answer it."""

from dataclasses import dataclass
from typing import Any

from services.yolo.facts import ModelFacts
from services.yolo.found import BatchKey
from services.yolo.schemas import DetectOptions
from shared.engine import EngineInfo
from shared.errors import FieldFault, InvalidInput


@dataclass(frozen=True)
class Plan:
    """What a request wants, in the model's terms."""

    facts: ModelFacts
    confidence: float
    iou_threshold: float
    max_detections: int
    class_ids: tuple[int, ...] | None
    image_size: int  # long side of the canvas, in pixels
    tile_px: int | None  # side of a tile; None: the picture is not cut
    tile_overlap: float  # share of the side

    def key(self, height_px: int, width_px: int) -> BatchKey:
        """The batch key of a canvas."""
        return BatchKey(
            height_px, width_px,
            self.confidence, self.iou_threshold, self.max_detections, self.class_ids,
        )  # fmt: skip


def wishes(chosen: Plan, info: EngineInfo) -> list[Any]:
    """What, beside the picture, decides the answer: the options in normal form, and the model."""
    known = dict(info.details)
    return [
        [info.model, info.compute_type, known["runtime"], known["digest"]],
        [chosen.confidence, chosen.iou_threshold, chosen.max_detections, chosen.class_ids],
        [chosen.image_size, chosen.tile_px, chosen.tile_overlap if chosen.tile_px else None],
    ]


def plan(options: DetectOptions, facts: ModelFacts, *, max_image_size: int) -> Plan:
    """Check options against the model.

    Args:
        options: of the request.
        facts: of the loaded model.
        max_image_size: largest canvas side that the operator allows, in pixels.

    Raises:
        InvalidInput: a class that the model does not know, or a size that it cannot take.
    """
    if options.tile_size is not None and facts.task == "classify":
        raise _wrong("tile_size", "a model that classifies takes the whole picture")
    return Plan(
        facts,
        options.confidence,
        options.iou,
        options.max_detections,
        _class_ids(options.classes, facts),
        _image_size(options.image_size, facts, max_image_size),
        options.tile_size,
        options.tile_overlap,
    )


def warnings_of(options: DetectOptions, facts: ModelFacts) -> list[str]:
    """What a client should know of options that have no effect on this model."""
    warnings = []
    if facts.has_nms and "iou" in options.model_fields_set:
        warnings.append("iou has no effect: the model chooses its boxes itself")
    if options.tile_size is None and "tile_overlap" in options.model_fields_set:
        warnings.append("tile_overlap has no effect without tile_size")
    return warnings


def _class_ids(wanted: list[int | str] | None, facts: ModelFacts) -> tuple[int, ...] | None:
    if wanted is None:
        return None
    return tuple(sorted({_class_id(each, facts) for each in wanted}))


def _class_id(wanted: int | str, facts: ModelFacts) -> int:
    if wanted in facts.classes:
        return facts.classes.index(str(wanted))
    if str(wanted).isdecimal() and len(str(wanted)) < 8 and int(wanted) < len(facts.classes):
        return int(wanted)
    shown = ", ".join(facts.classes[:20]) + (", …" if len(facts.classes) > 20 else "")
    raise _wrong(
        "classes",
        f"{str(wanted)[:64]!r} is no class of this model; known are {shown} "
        f"or ids 0 to {len(facts.classes) - 1}",
    )


def _image_size(wanted: int | None, facts: ModelFacts, limit: int) -> int:
    if wanted is None:
        return facts.image_size
    whole = -(-wanted // facts.stride) * facts.stride  # up to a multiple, as Ultralytics does
    if facts.fixed_shape is not None and whole != max(facts.fixed_shape):
        raise _wrong("image_size", f"this model takes only image_size {max(facts.fixed_shape)}")
    if whole > limit:
        raise _wrong("image_size", f"image_size {wanted} is too large; the limit is {limit}")
    return whole


def _wrong(field: str, message: str) -> InvalidInput:
    return InvalidInput(message, faults=[FieldFault(field, message)])
