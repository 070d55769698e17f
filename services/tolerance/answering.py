"""Answers a prediction request: check, batch with everyone else's rows, put into words.

The documented route and the fast one call ``answer_request``; the direct one calls its parts.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from services.tolerance.asks import Ask
from services.tolerance.bundle import Bundle, InstalledBundle
from services.tolerance.parts import Prediction, PredictRequest, Problem
from services.tolerance.predict import (
    InvalidRequest,
    Knowledge,
    Row,
    answer,
    packed_row,
    prepare,
)
from shared.batching import Priority
from shared.context import request_context
from shared.errors import FieldFault, InvalidInput
from shared.host import EngineHost

# Explaining one row costs about as much as predicting 200 more (``measure`` shows both).
CONTRIBUTION_WEIGHT = 200.0
CONTRIBUTION_ROWS = 32  # explained per batch, so that other clients' predictions go in between


@dataclass(frozen=True)
class ToleranceService:
    """What the routes work with."""

    knowledge: Knowledge
    installed: InstalledBundle
    host: EngineHost

    @property
    def bundle(self) -> Bundle | None:
        """The model's; None when no usable one is installed."""
        return self.installed.bundle


class PredictAnswer(msgspec.Struct, frozen=True):
    """The body of a prediction."""

    model: str
    results: list[Prediction]
    timing_ms: dict[str, float]


async def answer_request(service: ToleranceService, request: PredictRequest) -> PredictAnswer:
    """Predict every characteristic of every part of a request.

    Raises:
        InvalidInput: fields that are wrong, with what is allowed.
        Unavailable: the model is not there, or too many requests wait.
    """
    context = request_context()
    with context.measure("preprocess"):
        try:
            rows, inputs = resolve(service, request)
        except InvalidRequest as error:
            raise _invalid_input(error.problems) from error
    log_values: list[float] = await service.host.run(
        inputs, key=Ask.LOG_VALUES, weight=float(len(inputs))
    )
    contributions = await _explain(service.host, inputs) if request.explain else None
    with context.measure("postprocess"):
        results = word(service, request, rows, log_values, contributions)
    return PredictAnswer(model_name(service), results, context.rounded_timings())


def resolve(service: ToleranceService, request: PredictRequest) -> tuple[list[Row], list[bytes]]:
    """Check a request and turn it into rows of the model.

    Returns:
        The rows in the order of parts and characteristics, and what the engine takes for each.

    Raises:
        InvalidRequest: with every field that is wrong.
    """
    rows = prepare(service.knowledge, request)
    return rows, [packed_row(row.case, row.geometry) for row in rows]


def word(
    service: ToleranceService,
    request: PredictRequest,
    rows: Sequence[Row],
    log_values: Sequence[float],
    contributions: Sequence[Sequence[float]] | None = None,
) -> list[Prediction]:
    """Put the model's output, (n_rows,) ln(mm), into answers; see ``predict.answer``."""
    assert service.bundle is not None  # else the host would have refused
    return answer(
        service.bundle,
        request,
        rows,
        scale=request.cpk_target / service.knowledge.catalog.reference_cpk,
        log_values=log_values,
        contributions=contributions,
    )


def model_name(service: ToleranceService) -> str:
    """Name of the model that answers."""
    assert service.bundle is not None  # else the host would have refused
    return service.bundle.name


async def _explain(host: EngineHost, inputs: Sequence[bytes]) -> list[list[float]]:
    """Explain the rows a few at a time, behind everyone's predictions."""
    explained: list[list[float]] = []
    for start in range(0, len(inputs), CONTRIBUTION_ROWS):
        piece = inputs[start : start + CONTRIBUTION_ROWS]
        explained += await host.run(
            piece,
            key=Ask.CONTRIBUTIONS,
            weight=CONTRIBUTION_WEIGHT * len(piece),
            priority=Priority.BULK,
        )
    return explained


def _invalid_input(problems: list[Problem]) -> InvalidInput:
    faults = [FieldFault(".".join(map(str, each.loc)), each.msg) for each in problems]
    detail = "; ".join(f"{fault.loc}: {fault.msg}" for fault in faults[:5])
    return InvalidInput(detail, faults=faults)
