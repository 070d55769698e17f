"""The stages of one request: each may fail alone, and the answer says which did and why."""

import time
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Literal, TypeVar

from shared.context import request_context
from shared.errors import DeadlineExceeded, GantryError

Status = Literal["ok", "failed", "timeout", "skipped"]
Result = TypeVar("Result")

RESERVE_SHARE = 0.1  # of the request's time, kept for what comes after a stage
MOST_RESERVE_S = 2.0


@dataclass
class Stage:
    """What is known of one stage so far."""

    status: Status = "skipped"
    ms: float = 0.0  # while at least one piece of its work was under way
    error: str | None = None
    under_way: int = 0
    began_s: float = 0.0  # when the first of those under way began

    @property
    def has_failed(self) -> bool:
        """Whether it will not be tried again within this request."""
        return self.status in ("failed", "timeout")


class Stages:
    """The stages of a request, by name in the order of their first use."""

    def __init__(self) -> None:
        """Begin; the time reserved for the end is fixed now."""
        self.by_name: dict[str, Stage] = {}
        self.errors: list[GantryError] = []
        self.reserve_s = min(MOST_RESERVE_S, RESERVE_SHARE * request_context().remaining_s())

    @property
    def is_partial(self) -> bool:
        """Whether something is missing from the answer."""
        return any(each.has_failed for each in self.by_name.values())

    def skip(self, name: str, reason: str) -> None:
        """Note that a stage is not needed, or not possible with what was sent."""
        stage = self.by_name.setdefault(name, Stage())
        if stage.status == "skipped":
            stage.error = reason

    async def run(self, name: str, work: Awaitable[Result]) -> Result | None:
        """Wait for one piece of a stage's work; several may be under way.

        A stage of which one piece failed has failed, whatever the others bring.

        Args:
            name: of the stage.
            work: raises a ``GantryError`` when it fails.

        Returns:
            Its result; None when it failed.
        """
        stage = self.by_name.setdefault(name, Stage())
        if not stage.under_way:
            stage.began_s = time.perf_counter()
        stage.under_way += 1
        try:
            result = await work
        except GantryError as error:
            stage.status = "timeout" if isinstance(error, DeadlineExceeded) else "failed"
            stage.error = error.detail
            self.errors.append(error)
            return None
        finally:
            stage.under_way -= 1
            if not stage.under_way:
                stage.ms += (time.perf_counter() - stage.began_s) * 1000
        if not stage.has_failed:
            stage.status, stage.error = "ok", None
        return result

    def may_run(self, name: str) -> bool:
        """Whether the stage has not failed yet in this request."""
        return not self.by_name.get(name, Stage()).has_failed
