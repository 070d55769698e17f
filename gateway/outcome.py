"""What can come of one attempt, and which of it may be tried again.

Inference is a pure function: running it twice costs time and does no harm. So a request whose
replica died is sent again, if the service says that the path is replayable and the body is kept.
"""

import json
from dataclasses import dataclass
from enum import StrEnum

from gateway.upstream import Headers
from shared.errors import (
    EngineError,
    FatalEngineError,
    GantryError,
    NotReady,
    QueueFull,
    Unavailable,
)

MAX_STARTED = 3  # attempts that a replica may have begun to work on
MAX_REFUSED = 5  # attempts that none can have begun


class Outcome(StrEnum):
    """How an attempt ended."""

    OK = "ok"  # the answer went to the client, whatever its status
    REFUSED = "refused"  # no connection: nothing was started
    BUSY = "busy"  # 503: the replica did not start
    LOST = "lost"  # the connection broke, or the engine behind it died
    HUNG = "hung"  # the replica stopped to answer anything


@dataclass(frozen=True)
class WholeAnswer:
    """A short answer that was read to its end before deciding what to do with it."""

    status: int
    headers: Headers
    content: bytes


@dataclass(frozen=True)
class Failure:
    """An attempt after which the client has not seen a byte."""

    outcome: Outcome
    error: GantryError  # what the client gets if nothing else is tried
    answer: WholeAnswer | None = None  # or this, where the replica gave an answer

    @property
    def is_started(self) -> bool:
        """Whether the replica may have begun to work."""
        return self.outcome in (Outcome.LOST, Outcome.HUNG)


@dataclass
class Tally:
    """Attempts at one request so far."""

    started: int = 0
    refused: int = 0

    def allows_another_after(self, failure: Failure) -> bool:
        """Count ``failure`` and say whether its kind may be followed by another attempt."""
        if failure.is_started:
            self.started += 1
            return self.started < MAX_STARTED
        self.refused += 1
        return self.refused < MAX_REFUSED


def failure_in(answer: WholeAnswer) -> Failure | None:
    """The failure that an answer of 500 or 503 tells of, or None if it is for the client.

    Args:
        answer: a whole answer; services tell such failures as problem documents.
    """
    if answer.status not in (EngineError.status, Unavailable.status):
        return None
    try:
        code = json.loads(answer.content).get("code")
    except (ValueError, AttributeError):
        return None
    if answer.status == Unavailable.status and code in (NotReady.code, QueueFull.code):
        return Failure(Outcome.BUSY, NotReady("the service is busy"), answer)
    if answer.status == EngineError.status and code == FatalEngineError.code:
        return Failure(Outcome.LOST, FatalEngineError("the engine was lost"), answer)
    return None
