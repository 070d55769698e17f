"""Predictions from the parser to the socket: the shortest way for the requests that most are.

Takes what is valid and asks for no explanation; all else goes to the fast route and, from there,
to the documented one, whose words about what is wrong are then the only ones.
"""

import time

import msgspec

from services.tolerance.answering import (
    PredictAnswer,
    ToleranceService,
    model_name,
    resolve,
    word,
)
from services.tolerance.asks import Ask
from services.tolerance.fast_route import decode_request, encode_answer
from services.tolerance.parts import PredictRequest
from services.tolerance.predict import InvalidRequest, Row
from shared.batching import Item, ItemTrace
from shared.direct import DirectCall
from shared.errors import GantryError


class DirectPredict:
    """The predict path as a ``DirectRoute``."""

    def __init__(self, service: ToleranceService) -> None:
        """Answer with ``service``."""
        self._service = service

    def start(self, body: bytes, call: DirectCall) -> bool:
        """Begin to answer a request, or leave it to the other routes."""
        started = time.perf_counter()
        host = self._service.host
        if not host.is_ready:
            return False
        try:
            request = decode_request(body)
            if request.explain:
                return False
            rows, inputs = resolve(self._service, request)
        except (msgspec.DecodeError, InvalidRequest):
            return False
        work = _Work(self._service, request, rows, call)
        item = Item(inputs, Ask.LOG_VALUES, call.deadline, float(len(inputs)), trace=work.trace)
        work.preprocess_ms = (time.perf_counter() - started) * 1000
        try:
            waiting = host.enqueue(item, work)
        except GantryError as error:
            call.fail(error)
        else:
            call.abandon = lambda: host.withdraw(waiting)
        return True


class _Work:
    """One request on its way through the batcher; takes the outcome of its item."""

    __slots__ = ("_call", "_request", "_rows", "_service", "preprocess_ms", "trace")

    def __init__(
        self, service: ToleranceService, request: PredictRequest, rows: list[Row], call: DirectCall
    ) -> None:
        self._service, self._request, self._rows, self._call = service, request, rows, call
        self.preprocess_ms = 0.0
        self.trace = ItemTrace()

    def done(self) -> bool:
        """Whether nobody waits for it any more."""
        return self._call.is_answered

    def set_result(self, log_values: list[float], /) -> None:
        """Word the answer and send it."""
        try:
            self._answer(log_values)
        except Exception as error:  # noqa: BLE001 - the last handler: others of the batch go on
            self._call.crash(error)

    def set_exception(self, error: Exception, /) -> None:
        """Send the error."""
        if isinstance(error, GantryError):
            self._call.fail(error)
        else:
            self._call.crash(error)

    def _answer(self, log_values: list[float]) -> None:
        started = time.perf_counter()
        results = word(self._service, self._request, self._rows, log_values)
        trace = self.trace
        timings = {
            "queue": _rounded(trace.queue_ms),
            "preprocess": _rounded(self.preprocess_ms),
            "inference": _rounded(trace.inference_ms / trace.batch_items),
            "postprocess": _rounded((time.perf_counter() - started) * 1000),
        }
        model = model_name(self._service)
        info = self._service.host.info
        self._call.answer(
            encode_answer(PredictAnswer(model, results, timings)),
            model=model,
            device=info.device if info is not None else "cpu",
            timing=_TIMING % tuple(timings.values()),
        )


def _rounded(duration_ms: float) -> float:
    """To a microsecond; ``round`` with digits costs five times as much."""
    return int(duration_ms * 1000 + 0.5) / 1000


_TIMING = "queue;dur=%g, preprocess;dur=%g, inference;dur=%g, postprocess;dur=%g"
