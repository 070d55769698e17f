"""What serving OCR costs: ``make bench-ocr``.

In one run, on the same pictures and the same PP-OCRv6 networks on ONNX Runtime:

1. RapidOCR called in a thread pool of 1, 4 and 16, one object for each thread;
2. PaddleOCR's pipeline, one picture after the other (it is not made for threads);
3. the service over HTTP in a process of its own, with 1, 4 and 16 clients, batches off and on;
4. memory of the service and its engines over a number of mixed pictures.

The libraries search pictures at the service's sizes and without orientation classifiers. Run it on
a machine that does nothing else.
"""

import argparse
import asyncio
import contextlib
import io
import json
import os
import platform
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
from PIL import Image

from benchmarks import places
from services.ocr.crops import SearchSize
from services.ocr.readings import ImageArray
from services.ocr.weights import WeightSet, find_weights
from shared.cgroup import usable_cores

RESULTS = places.RESULTS / "bench_ocr.json"
CLIENTS = (1, 4, 16)
BATCHES = {"off": 1, "on": 8}
READY_S = 180.0
SIZE = SearchSize()


def main() -> int:
    """Run all parts, print and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=Path, help="a folder; default: the test data's ocr")
    parser.add_argument("--requests", type=int, default=48, help="of each load")
    parser.add_argument("--soak", type=int, default=500, help="pictures of the memory part")
    parser.add_argument("--output", type=Path, default=RESULTS)
    arguments, _ = parser.parse_known_args()  # bench_vision passes on what other parts take
    pictures = load_pictures(arguments.pictures)
    report = measure(pictures, arguments.requests, arguments.soak)
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps(report, indent=2) + "\n")
    print(json.dumps(report, indent=2))
    return 0


def measure(pictures: list[bytes], requests: int, soak: int) -> dict[str, Any]:
    """All four parts."""
    weights = find_weights("pp-ocrv6-small", Path("models"), None)
    report: dict[str, Any] = {
        "date": time.strftime("%Y-%m-%d"),
        "machine": f"{platform.processor() or platform.machine()}, {usable_cores()} cores",
        "load_before": round(os.getloadavg()[0], 1),
        "models": weights.detector.name,
        "pictures": len(pictures),
        "requests": requests,
        "rapidocr": [in_threads(rapidocr(weights), pictures, n, requests) for n in CLIENTS],
        "paddleocr": [in_threads(paddleocr(weights), pictures, 1, requests)],
        "service": [],
    }
    for name, size in BATCHES.items():
        with running_service(size) as (url, _):
            for clients in CLIENTS:
                load = asyncio.run(under_load(url, pictures, clients, requests))
                report["service"].append({"batches": name, **load})
    with running_service(BATCHES["on"]) as (url, process):
        report["memory"] = asyncio.run(memory_over(url, process, pictures, soak))
    return report


def load_pictures(folder: Path | None) -> list[bytes]:
    """Encoded pictures."""
    if folder is None:
        folder = Path(os.environ.get("GANTRY_TEST_DATA", "")) / "ocr"
    files = sorted(each for each in folder.glob("*") if each.suffix in (".jpg", ".jpeg", ".png"))
    if not files:
        sys.exit("no pictures: set GANTRY_TEST_DATA or name a folder with --pictures")
    return [each.read_bytes() for each in files]


def decoded(picture: bytes) -> ImageArray:
    """(height, width, 3) uint8, BGR as both libraries want it."""
    with Image.open(io.BytesIO(picture)) as image:
        return np.ascontiguousarray(np.asarray(image.convert("RGB"))[..., ::-1])


def rapidocr(weights: WeightSet) -> Callable[[], Callable[[ImageArray], object]]:
    """Makes RapidOCR's pipeline."""
    from rapidocr import RapidOCR

    settings = {
        "Global.use_cls": False,
        "Global.max_side_len": SIZE.max_side_px,
        "Global.log_level": "warning",
        "Det.limit_side_len": SIZE.min_side_px,
        "Det.model_path": str(weights.detector.path),
        "Rec.model_path": str(weights.recognisers[0].path),
        "EngineConfig.onnxruntime.intra_op_num_threads": usable_cores(),
    }
    return lambda: RapidOCR(params=settings)


def paddleocr(weights: WeightSet) -> Callable[[], Callable[[ImageArray], object]]:
    """Makes PaddleOCR's pipeline."""
    from paddleocr import PaddleOCR

    from services.ocr.engines.paddle import model_folder

    def make() -> Callable[[ImageArray], object]:
        detector, recogniser = weights.detector, weights.recognisers[0]
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
                engine="onnxruntime",
                engine_config={"intra_op_num_threads": usable_cores()},
            )
        return lambda pixels: pipeline.predict(pixels)

    return make


def in_threads(
    make: Callable[[], Callable[[ImageArray], object]],
    pictures: list[bytes],
    threads: int,
    requests: int,
) -> dict[str, Any]:
    """A library called by a pool of threads, decoding included."""
    own = threading.local()

    def one(number: int) -> float:
        started = time.perf_counter()
        own.read(decoded(pictures[number % len(pictures)]))
        return (time.perf_counter() - started) * 1000

    def prepare() -> None:
        own.read = make()
        own.read(decoded(pictures[0]))

    everyone = threading.Barrier(threads)
    with ThreadPoolExecutor(threads, initializer=prepare) as pool:
        # Each thread waits for the others here, so that all are loaded before the clock starts.
        list(pool.map(lambda _: everyone.wait(), range(threads)))
        started = time.perf_counter()
        times = list(pool.map(one, range(requests)))
        return summary(threads, times, time.perf_counter() - started)


def summary(clients: int, times_ms: list[float], wall_s: float) -> dict[str, Any]:
    """Throughput and latency of a load."""
    ordered = sorted(times_ms)
    return {
        "clients": clients,
        "pictures_per_s": round(len(ordered) / wall_s, 3),
        "median_ms": round(statistics.median(ordered), 1),
        "p95_ms": round(ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))], 1),
    }


@contextlib.contextmanager
def running_service(max_batch_size: int) -> Iterator[tuple[str, psutil.Process]]:
    """The service in a process of its own, ready; yields its address and process."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    environ = {
        **os.environ, "OCR_MODEL": "pp-ocrv6-small", "OCR_PORT": str(port), "OCR_DEVICE": "cpu",
        "OCR_MAX_BATCH_SIZE": str(max_batch_size), "OCR_LOG_LEVEL": "warning",
    }  # fmt: skip
    process = subprocess.Popen([sys.executable, "-m", "services.ocr"], env=environ)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until_ready(url, process)
        yield url, psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(30)


def wait_until_ready(url: str, process: "subprocess.Popen[bytes]") -> None:
    """Ask ``/readyz`` until it answers 200."""
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            sys.exit("the service ended")
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(url + "/readyz").status_code == 200:
                return
        time.sleep(0.2)
    sys.exit("the service did not become ready")


async def under_load(
    url: str, pictures: list[bytes], clients: int, requests: int
) -> dict[str, Any]:
    """So many clients, each with one request in flight."""
    numbers = iter(range(requests))
    times: list[float] = []
    async with httpx.AsyncClient(base_url=url, timeout=600) as client:

        async def work() -> None:
            for number in numbers:
                started = time.perf_counter()
                await ask(client, pictures[number % len(pictures)])
                times.append((time.perf_counter() - started) * 1000)

        await ask(client, pictures[0])
        started = time.perf_counter()
        await asyncio.gather(*(work() for _ in range(clients)))
        return summary(clients, times, time.perf_counter() - started)


async def ask(client: httpx.AsyncClient, picture: bytes) -> None:
    """One request; anything but 200 ends the benchmark."""
    answer = await client.post("/v1/ocr", files={"file": picture}, data={"languages": "en"})
    answer.raise_for_status()


async def memory_over(
    url: str, process: psutil.Process, pictures: list[bytes], soak: int
) -> dict[str, Any]:
    """Memory of the service and its children before, during and after mixed pictures."""
    samples = [memory_mb(process)]
    async with httpx.AsyncClient(base_url=url, timeout=600) as client:
        for number in range(soak):
            await ask(client, pictures[number % len(pictures)])
            if (number + 1) % max(1, soak // 10) == 0:
                samples.append(memory_mb(process))
    half = samples[len(samples) // 2 :]
    return {
        "pictures": soak,
        "rss_mb": samples,
        "growth_of_second_half_mb": round(half[-1] - half[0], 1),
    }


def memory_mb(process: psutil.Process) -> float:
    """Resident memory of a process and its children."""
    family = [process, *process.children(recursive=True)]
    return round(sum(each.memory_info().rss for each in family) / 2**20, 1)


if __name__ == "__main__":
    sys.exit(main())
