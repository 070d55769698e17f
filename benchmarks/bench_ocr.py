"""What serving OCR costs: ``make bench-ocr``, a part of ``make bench-vision``.

In one run, in turns, on the same drawn pages and the same PP-OCRv6 networks, nothing remembered:

1. one page at a time: RapidOCR on ONNX Runtime as it comes and on OpenVINO, PaddleOCR on ONNX
   Runtime, and the service;
2. many pages at once: RapidOCR on OpenVINO in a pool of threads, one object each, and the service
   with 4 clients, without and with batches, and with 16;
3. where paddlepaddle is installed and ``--paddle-models`` holds models in its format: PaddleOCR on
   it, and the service on the same models;
4. memory over mixed pictures.

The libraries search pages at the service's sizes and without classifiers of orientation. Everything
has read a page before the first round. It takes about four minutes on two cores that do nothing
else.
"""

import argparse
import importlib.util
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any

import httpx

from benchmarks.serving import Served, serving
from benchmarks.vision import RESULTS, Load, Pixels, follow_memory, pages, pooled, save, times
from services.ocr.crops import SearchSize
from services.ocr.engines.paddle import model_folder
from services.ocr.weights import WeightSet, find_weights
from shared.benchmark import PerformanceBenchmarker, Rounds, Subject
from shared.cgroup import usable_cores

PATH = "/v1/ocr"
ONE_BY_ONE, BATCHED = "1", "8"
"""Most crops in a batch."""
POOL = 4
"""Most objects of a library: each holds its networks, and on a few cores more are no faster."""
SIZE = SearchSize()
ENGLISH = (("languages", "en"),)


def main(argv: Sequence[str]) -> int:
    """Run all parts; write JSON, Markdown and plots."""
    parser = argparse.ArgumentParser(prog="make bench-ocr", description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=16, help="pages of a round under load")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--soak", type=int, default=80, help="pictures of the memory part")
    data = os.environ.get("GANTRY_TEST_DATA")
    parser.add_argument(
        "--paddle-models", type=Path, default=Path(data) / "ocr_models" if data else None
    )
    parser.add_argument("--output", type=Path, default=RESULTS)
    chosen = parser.parse_args(argv)
    weights = find_weights("pp-ocrv6-small", Path("models"), None)
    with ExitStack() as stack:
        alone, batched = (
            stack.enter_context(served({"OCR_MAX_BATCH_SIZE": size}))
            for size in (ONE_BY_ONE, BATCHED)
        )
        compare_single(chosen, weights, batched)
        compare_load(chosen, weights, alone, batched)
        follow_memory(batched, chosen.soak, chosen.output)
    compare_on_paddle(chosen)
    return 0


def served(settings: dict[str, str]) -> AbstractContextManager[Served]:
    """The service in a process of its own, which remembers nothing."""
    environ = {"OCR_DEVICE": "cpu", "OCR_LOG_LEVEL": "warning", "OCR_CACHE_MEMORY_BYTES": "0"}
    return serving("ocr", {**environ, **settings})


def compare_single(chosen: argparse.Namespace, weights: WeightSet, one: Served) -> None:
    """One page at a time."""
    sent = pages(2)
    report = PerformanceBenchmarker(
        subject(f"{len(sent)} pages a round, one at a time"), Rounds(0, chosen.rounds)
    ).compare(
        {
            "RapidOCR on ONNX Runtime": pooled(rapidocr(weights, "onnxruntime"), sent, 1),
            "RapidOCR on OpenVINO": pooled(rapidocr(weights, "openvino"), sent, 1),
            "PaddleOCR on ONNX Runtime": pooled(paddleocr(weights), sent, 1),
            "service": load(one, sent).work(1),
        },
        notes=[runtime_note(one)],
    )
    save(report, "ocr_single", chosen.output)


def compare_load(
    chosen: argparse.Namespace, weights: WeightSet, alone: Served, batched: Served
) -> None:
    """Several clients."""
    sent = times(pages(4), chosen.requests)
    report = PerformanceBenchmarker(
        subject(f"{len(sent)} pages a round"), Rounds(0, chosen.rounds)
    ).compare(
        {
            f"RapidOCR on OpenVINO, pool of {POOL}": pooled(
                rapidocr(weights, "openvino"), sent, POOL
            ),
            "service, no batches, 4 clients": load(alone, sent).work(4),
            "service, batches, 4 clients": load(batched, sent).work(4),
            "service, batches, 16 clients": load(batched, sent).work(16),
        },
        notes=[runtime_note(batched)],
    )
    save(report, "ocr_clients", chosen.output)


def compare_on_paddle(chosen: argparse.Namespace) -> None:
    """Models in Paddle's own format, on PaddlePaddle, where both are there."""
    folder = chosen.paddle_models
    if importlib.util.find_spec("paddle") is None or folder is None or not folder.is_dir():
        sys.stdout.write(
            "PaddlePaddle or models for it are not here: `pip install -r "
            "services/ocr/requirements-paddle.in` and name a folder with --paddle-models\n"
        )
        return
    weights = find_weights("auto", Path("models"), folder)
    sent = pages(2)
    settings = {"OCR_ENGINE": "paddleocr", "OCR_MODEL_DIR": str(folder)}
    with served(settings) as one:
        report = PerformanceBenchmarker(
            subject(f"{len(sent)} pages a round, one at a time", "in Paddle's own format"),
            Rounds(0, chosen.rounds),
        ).compare(
            {
                "PaddleOCR on PaddlePaddle": pooled(paddleocr(weights), sent, 1),
                "service on PaddlePaddle": load(one, sent).work(1),
            }
        )
    save(report, "ocr_paddle", chosen.output)


def load(one: Served, sent: list[bytes]) -> Load:
    """Pages for a service, each answer held against what it said of the page at first."""
    with httpx.Client(base_url=one.url, timeout=600) as client:
        first = {
            page: text_of(client.post(PATH, content=page, params=list(ENGLISH)).json())
            for page in dict.fromkeys(sent)
        }

    def check(number: int, answer: Any) -> None:
        if text_of(answer) != first[sent[number]]:
            raise SystemExit(f"under load a page was read otherwise: {text_of(answer)!r}")

    return Load(one.url, PATH, sent, ENGLISH, check)


def text_of(answer: Any) -> str:
    """All text of an answer's only page."""
    text: str = answer["pages"][0]["text"]
    if not text:
        raise SystemExit("no text was read")
    return text


def subject(batch: str, weights: str = "PP-OCRv6 small") -> Subject:
    """What is measured."""
    return Subject(f"ocr: {batch}", "cpu", weights, batch, "drawn pages of ten lines")


def runtime_note(one: Served) -> str:
    """What the service's engines run in."""
    models = httpx.get(f"{one.url}/info").json()["models"]
    told = ", ".join(f"{m['engine']} in {m['runtime']} ({m['compute_type']})" for m in models)
    return f"The service: {told}. Where batches are no faster than none, they do not pay here."


def rapidocr(weights: WeightSet, runtime: str) -> Callable[[], Callable[[Pixels], object]]:
    """Makes RapidOCR's pipeline."""
    from rapidocr import EngineType, RapidOCR

    threads = {
        "onnxruntime": "EngineConfig.onnxruntime.intra_op_num_threads",
        "openvino": "EngineConfig.openvino.inference_num_threads",
    }
    settings = {
        "Global.use_cls": False,
        "Global.max_side_len": SIZE.max_side_px,
        "Global.log_level": "warning",
        "Det.engine_type": EngineType(runtime),
        "Rec.engine_type": EngineType(runtime),
        "Det.limit_side_len": SIZE.min_side_px,
        "Det.model_path": str(weights.detector.path),
        "Rec.model_path": str(weights.recognisers[0].path),
        threads[runtime]: usable_cores(),
    }

    def make() -> Callable[[Pixels], object]:
        pipeline = RapidOCR(params=settings)
        return lambda pixels: pipeline(pixels[..., ::-1])

    return make


def paddleocr(weights: WeightSet) -> Callable[[], Callable[[Pixels], object]]:
    """Makes PaddleOCR's pipeline, in the runtime that the files are for."""
    from paddleocr import PaddleOCR

    cores = usable_cores()

    def make() -> Callable[[Pixels], object]:
        detector, recogniser = weights.detector, weights.recognisers[0]
        runtime: dict[str, Any] = {"engine": "paddle", "cpu_threads": cores}
        if detector.path.suffix == ".onnx":
            runtime = {
                "engine": "onnxruntime",
                "engine_config": {"intra_op_num_threads": cores},
            }
        with model_folder(detector) as found, model_folder(recogniser) as read:
            pipeline = PaddleOCR(
                text_detection_model_name=detector.registered_name,
                text_detection_model_dir=found,
                text_recognition_model_name=recogniser.registered_name,
                text_recognition_model_dir=read,
                text_det_limit_side_len=SIZE.min_side_px,
                text_det_limit_type="min",
                use_doc_orientation_classify=False,
                use_doc_unwarping=False,
                use_textline_orientation=False,
                device="cpu",
                **runtime,
            )
        return lambda pixels: pipeline.predict(pixels[..., ::-1].copy())

    return make


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
