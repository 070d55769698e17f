"""Times the steps of a prediction in this process: ``python -m services.tolerance.measure``.

Prints microseconds of CPU time, the best of several repetitions, with the model and the
machine. Throughput over HTTP beside other servers is measured in ``benchmarks/``.
"""

import os
import platform
import sys
from collections.abc import Callable, Iterator
from functools import partial
from time import process_time
from timeit import Timer

from services.tolerance.answering import PredictAnswer
from services.tolerance.app import build_engine, find_bundle
from services.tolerance.asks import Ask
from services.tolerance.bundle import Bundle
from services.tolerance.data_files import load_catalog
from services.tolerance.fast_route import decode_request, encode_answer
from services.tolerance.predict import answer, build_knowledge, packed_row, prepare
from services.tolerance.settings import ToleranceSettings
from shared.engine import Engine
from shared.standards.tables import load_iso286

REPETITIONS = 5
ROWS = (1, 32, 1000)
BODY = (
    b'{"parts":[{"material":"al_6061","process":"milling","feature":"plane","dimensions_mm":'
    b'{"length":100,"width":50,"thickness":12},"characteristics":["flatness"],"spec_mm":0.1}]}'
)


def main() -> None:
    """Measure and print one line per step."""
    settings = ToleranceSettings.from_environment()
    bundle = find_bundle(settings)
    engine = build_engine(settings, lambda: bundle)
    info = engine.load()
    sys.stdout.write(
        f"{info.model} {bundle.version} on {info.device}, {settings.threads} thread(s); "
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}\n"
    )
    for name, duration_us in _steps(engine, bundle):
        sys.stdout.write(f"{name:<32}{duration_us:>10.1f} us\n")


def _steps(engine: Engine, bundle: Bundle) -> Iterator[tuple[str, float]]:
    knowledge = build_knowledge(load_catalog(), load_iso286())
    request = decode_request(BODY)
    rows = prepare(knowledge, request)
    inputs = [packed_row(row.case, row.geometry) for row in rows]
    (values,) = engine.run(Ask.LOG_VALUES, [inputs])
    results = answer(bundle, request, rows, scale=1.0, log_values=values)
    yield "decode, 1 row", _best_us(lambda: decode_request(BODY))
    yield "check and resolve, 1 row", _best_us(lambda: prepare(knowledge, request))
    yield "pack the input, 1 row", _best_us(lambda: packed_row(rows[0].case, rows[0].geometry))
    for count in ROWS:
        batch = [inputs] * count
        run = partial(engine.run, Ask.LOG_VALUES, batch)
        yield f"model, {count} request(s)", _best_us(run)
    yield (
        "answer, 1 row",
        _best_us(lambda: answer(bundle, request, rows, scale=1.0, log_values=values)),
    )
    yield "encode, 1 row", _best_us(lambda: encode_answer(PredictAnswer(bundle.name, results, {})))
    yield "explain, 1 row", _best_us(partial(engine.run, Ask.CONTRIBUTIONS, [inputs]))
    yield "explain, 32 requests", _best_us(partial(engine.run, Ask.CONTRIBUTIONS, [inputs] * 32))


def _best_us(step: Callable[[], object]) -> float:
    timer = Timer(step, timer=process_time)
    count, _ = timer.autorange()
    return min(timer.repeat(REPETITIONS, count)) / count * 1e6


if __name__ == "__main__":
    main()
