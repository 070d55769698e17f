"""Answers to pictures that were asked for before, with the same wishes of the same model.

A picture is looked up by the bytes that were sent, then by what the model would see of it. What it
cost to find is not remembered: an answer from memory carries no ``timing_ms`` of its picture.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from services.yolo.detection import Prepared
from services.yolo.schemas import PictureResult
from shared.recall import TwoStepCache
from shared.spool import UploadedFile


@dataclass(frozen=True)
class Recall:
    """The memory of a service, for one request."""

    cache: TwoStepCache
    wanted: Any  # JSON-like: what, beside the picture, decides the answer

    async def find(self, file: UploadedFile, index: int) -> PictureResult | None:
        """The answer to a picture by the bytes that were sent; None where it is not known."""
        value = await self.cache.find(file.sha256, self.wanted)
        return None if value is None else PictureResult(index=index, **value)

    async def detect(
        self,
        file: UploadedFile,
        prepared: Prepared,
        index: int,
        detect: Callable[[], Awaitable[PictureResult]],
    ) -> PictureResult:
        """As ``detect`` answers, unless the same is known or under way.

        Args:
            file: the picture as it was sent.
            prepared: the picture on its canvases.
            index: its place in the request.
            detect: runs the model.
        """
        made: PictureResult | None = None

        async def run() -> dict[str, Any]:
            nonlocal made
            made = await detect()
            return made.model_dump(exclude={"index", "timing_ms"}, exclude_none=True)

        value = await self.cache.get_or_run(file.sha256, prepared.digest, self.wanted, run)
        return made or PictureResult(index=index, **value)
