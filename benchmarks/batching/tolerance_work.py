"""The tolerance service's own functions, without its server."""

from collections.abc import Sequence

from services.tolerance.answering import PredictAnswer
from services.tolerance.asks import Ask
from services.tolerance.bundle import read_bundle
from services.tolerance.data_files import DEMO_MODEL_FOLDER, load_catalog
from services.tolerance.engine import ToleranceEngine
from services.tolerance.fast_route import decode_request, encode_answer
from services.tolerance.parts import PredictRequest
from services.tolerance.predict import (
    Row,
    answer,
    build_knowledge,
    packed_row,
    prepare,
)
from shared.standards.tables import load_iso286

Item = tuple[PredictRequest, list[Row], list[bytes]]


class ToleranceWork:
    """The tolerance service's own validation, model and answer."""

    def __init__(self) -> None:
        """Load the demo model."""
        self._knowledge = build_knowledge(load_catalog(), load_iso286())
        self._bundle = read_bundle(DEMO_MODEL_FOLDER)
        self._engine = ToleranceEngine(lambda: self._bundle)
        self._engine.load()
        self._engine.warm_up()

    def decode(self, body: bytes) -> Item:
        """Check and resolve a request into rows of the model."""
        request = decode_request(body)
        rows = prepare(self._knowledge, request)
        return request, rows, [packed_row(row.case, row.geometry) for row in rows]

    def run(self, items: Sequence[Item]) -> list[bytes]:
        """Predict all rows in one call, then word each answer."""
        values = self._engine.run(Ask.LOG_VALUES, [inputs for _, _, inputs in items])
        bodies = []
        for (request, rows, _), log_values in zip(items, values, strict=True):
            scale = request.cpk_target / self._knowledge.catalog.reference_cpk
            results = answer(self._bundle, request, rows, scale=scale, log_values=log_values)
            bodies.append(encode_answer(PredictAnswer(self._bundle.name, results, {})))
        return bodies
