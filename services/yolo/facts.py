"""What the service must know of a loaded model to prepare pictures and to name what it finds.

The engine learns it from the weights; it travels to the service inside ``EngineInfo.details`` and
is shown by ``/v1/models``.
"""

from dataclasses import asdict, dataclass
from typing import Any, Literal, Self, get_args

from shared.engine import EngineInfo

Task = Literal["detect", "segment", "pose", "obb", "classify"]
TASKS: tuple[Task, ...] = get_args(Task)


@dataclass(frozen=True)
class ModelFacts:
    """Facts of a model."""

    task: Task
    classes: tuple[str, ...]  # names, in the order of their ids
    image_size: int  # long side of the canvas that it was trained for, in pixels
    stride: int = 32  # canvas sides are multiples of this, in pixels
    fixed_shape: tuple[int, int] | None = None  # (height, width) of its only canvas, if it has one
    has_nms: bool = False  # end-to-end: its answers need no suppression, so ``iou`` has no effect
    keypoint_shape: tuple[int, int] | None = None  # (points, values a point), pose only

    @property
    def usual_shape(self) -> tuple[int, int]:
        """(height, width) of the largest canvas at the model's own image size, in pixels."""
        return self.fixed_shape or (self.image_size, self.image_size)

    def as_details(self) -> tuple[tuple[str, Any], ...]:
        """The facts as ``EngineInfo.details``."""
        return tuple(asdict(self).items())

    @classmethod
    def of(cls, info: EngineInfo) -> Self:
        """The facts of a loaded engine."""
        known = {name: _frozen(value) for name, value in info.details}
        return cls(**{name: known[name] for name in cls.__dataclass_fields__})


def _frozen(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Lists as tuples: JSON and the worker's wire know only lists."""
    return tuple(value) if isinstance(value, list) else value
