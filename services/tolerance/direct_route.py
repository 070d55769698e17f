"""Predictions from the parser to the socket: the shortest way for the requests that most are.

Takes what is valid and asks for no explanation; all else goes to the fast route and, from there,
to the documented one, whose words about what is wrong are then the only ones.
"""

import time
from functools import partial

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
        item = Item(inputs, _LOG_VALUES, call.deadline, float(len(inputs)), trace=work)
        try:
            waiting = host.enqueue(item, work)
        except GantryError as error:
            call.fail(error)
        else:
            call.abandon = partial(host.withdraw, waiting)
        return True


class _Work(ItemTrace):
    """One request on its way through the batcher; takes the outcome of its item."""

    __slots__ = ("_call", "_preprocess_s", "_request", "_rows", "_service")

    def __init__(
        self, service: ToleranceService, request: PredictRequest, rows: list[Row], call: DirectCall
    ) -> None:
        """Take a request as soon as its rows are known."""
        self._service, self._request, self._rows, self._call = service, request, rows, call
        self._preprocess_s = time.monotonic() - call.started

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
        started = time.monotonic()
        results = word(self._service, self._request, self._rows, log_values)
        # To a microsecond; ``round`` with digits costs more.
        queue = int(self.queue_ms * 1e3 + 0.5) / 1e3
        preprocess = int(self._preprocess_s * 1e6 + 0.5) / 1e3
        inference = int(self.inference_ms / self.batch_items * 1e3 + 0.5) / 1e3
        postprocess = int((time.monotonic() - started) * 1e6 + 0.5) / 1e3
        timing_ms = {
            "queue": queue,
            "preprocess": preprocess,
            "inference": inference,
            "postprocess": postprocess,
        }
        model = model_name(self._service)
        info = self._service.host.info
        self._call.answer(
            encode_answer(PredictAnswer(model, results, timing_ms)),
            model=model,
            device=info.device if info is not None else "cpu",
            timing=_TIMING % (queue, preprocess, inference, postprocess),
        )


_LOG_VALUES = Ask.LOG_VALUES  # to find a member in its enumeration costs more than to compare it
_TIMING = "queue;dur=%g, preprocess;dur=%g, inference;dur=%g, postprocess;dur=%g"
