"""What serving costs: ``make bench-yolo``.

In one run, on the same pictures:

1. Ultralytics' ``predict`` in torch as it comes, one picture after the other;
2. the bare engine: decode, letterbox, forward, read, in one process without HTTP;
3. the service over HTTP in a process of its own, with 1, 4 and 16 clients, batches off (1), as the
   start-up probe chooses (0), and forced (8);
4. memory of the service and its engine over a number of mixed pictures.

Without ``--weights`` the network is a yolo11n with random weights, whose speed is that of a trained
one; thresholds are set so that suppression has as little to do as on real pictures. Run it on a
machine that does nothing else.
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
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
from PIL import Image

from benchmarks import places
from services.yolo.engine import SERVICE_DIR, YoloEngine
from services.yolo.engines.choice import EngineOptions
from services.yolo.engines.export import export
from services.yolo.engines.torchvision_ops import ensure_torchvision
from services.yolo.facts import ModelFacts
from services.yolo.found import BatchKey
from services.yolo.letterbox import Pixels, fit_for
from shared.cgroup import usable_cores
from shared.models.store import ModelStore

RESULTS = places.RESULTS / "bench_yolo.json"
CONFIDENCE = 0.25
CLIENTS = (1, 4, 16)
BATCH_SETTINGS = {"off": 1, "probed": 0, "8": 8}
READY_S = 180.0


def main() -> int:
    """Run all parts, print and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", type=Path, help="a .pt, or an .onnx (then without torch)")
    parser.add_argument("--pictures", type=Path, help="a folder; default: the test data's images")
    parser.add_argument("--requests", type=int, default=96, help="of each load on the service")
    parser.add_argument("--soak", type=int, default=500, help="pictures of the memory part")
    parser.add_argument("--output", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    pictures = load_pictures(arguments.pictures)
    os.environ.update(YOLO_OFFLINE="1", YOLO_AUTOINSTALL="0", YOLO_VERBOSE="0")
    with tempfile.TemporaryDirectory() as folder:
        weights = arguments.weights or random_checkpoint(Path(folder))
        report = measure(weights, pictures, arguments.requests, arguments.soak)
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps(report, indent=2) + "\n")
    print(json.dumps(report, indent=2))
    return 0


def measure(weights: Path, pictures: list[bytes], requests: int, soak: int) -> dict[str, Any]:
    """All four parts."""
    report: dict[str, Any] = {
        "date": time.strftime("%Y-%m-%d"),
        "machine": f"{platform.processor() or platform.machine()}, {usable_cores()} cores",
        "load_before": round(os.getloadavg()[0], 1),
        "weights": weights.name,
        "pictures": len(pictures),
    }
    served = weights
    if weights.suffix == ".pt":
        report["ultralytics_torch_ms"] = ultralytics_ms(weights, pictures)
        served = export(weights)
    report["bare_engine_ms"] = bare_ms(served, pictures)
    report["service"] = []
    for name, size in BATCH_SETTINGS.items():
        with running_service(served, size) as (url, _):
            for clients in CLIENTS:
                load = asyncio.run(under_load(url, pictures, clients, requests))
                report["service"].append({"batches": name, "clients": clients, **load})
    with running_service(served, 0) as (url, process):
        report["memory"] = asyncio.run(memory_over(url, process, pictures, soak))
    return report


def load_pictures(folder: Path | None) -> list[bytes]:
    """Encoded pictures."""
    if folder is None:
        folder = Path(os.environ.get("GANTRY_TEST_DATA", "")) / "images"
    found = [each.read_bytes() for each in sorted(folder.glob("*.jpg"))]
    if not found:
        sys.exit("no pictures: set GANTRY_TEST_DATA or name a folder with --pictures")
    return found


def random_checkpoint(folder: Path) -> Path:
    """A yolo11n with random weights, which finds nothing: suppression costs nothing either."""
    ensure_torchvision()
    from ultralytics import YOLO

    path = folder / "yolo11n-random.pt"
    YOLO("yolo11n.yaml").save(path)
    return path


def ultralytics_ms(weights: Path, pictures: list[bytes]) -> float:
    """Median time of a picture through Ultralytics as it comes, decoding included."""
    ensure_torchvision()
    from ultralytics import YOLO

    model = YOLO(weights)

    def one(picture: bytes) -> None:
        model.predict(decoded(picture)[..., ::-1], conf=CONFIDENCE, device="cpu", verbose=False)

    return median_ms(one, pictures)


def bare_ms(weights: Path, pictures: list[bytes]) -> float:
    """Median time of a picture through our engine in this process, decoding included."""
    engine = YoloEngine(
        ModelStore(SERVICE_DIR, Path("models")), str(weights),
        EngineOptions(device="cpu", threads=usable_cores()),
    )  # fmt: skip
    facts = ModelFacts.of(engine.load())

    def one(picture: bytes) -> None:
        pixels = decoded(picture)
        placed = fit_for(facts, pixels.shape[1], pixels.shape[0], facts.image_size)
        canvas = placed.paint(pixels)
        engine.run(BatchKey(*canvas.shape[:2], CONFIDENCE, 0.7, 300), [canvas])

    return median_ms(one, pictures)


def median_ms(one: Callable[[bytes], None], pictures: list[bytes]) -> float:
    """Median over five passes, after one that warms up."""
    times = []
    for number in range(6):
        for picture in pictures:
            started = time.perf_counter()
            one(picture)
            if number:
                times.append((time.perf_counter() - started) * 1000)
    return round(statistics.median(times), 2)


def decoded(picture: bytes) -> Pixels:
    """(height, width, 3) uint8 RGB."""
    with Image.open(io.BytesIO(picture)) as image:
        return np.asarray(image.convert("RGB"))


@contextlib.contextmanager
def running_service(weights: Path, max_batch_size: int) -> Iterator[tuple[str, psutil.Process]]:
    """The service in a process of its own, ready; yields its address and process."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    environ = {
        **os.environ, "YOLO_MODEL": str(weights), "YOLO_PORT": str(port), "YOLO_DEVICE": "cpu",
        "YOLO_MAX_BATCH_SIZE": str(max_batch_size), "YOLO_LOG_LEVEL": "warning",
    }  # fmt: skip
    process = subprocess.Popen([sys.executable, "-m", "services.yolo"], env=environ)
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
) -> dict[str, float]:
    """Rate and latency of ``requests`` pictures asked for by ``clients`` at once."""
    numbers = iter(range(requests))
    times: list[float] = []

    async def client(session: httpx.AsyncClient) -> None:
        for number in numbers:
            started = time.perf_counter()
            await ask(session, pictures[number % len(pictures)])
            times.append((time.perf_counter() - started) * 1000)

    async with httpx.AsyncClient(base_url=url, timeout=120) as session:
        for picture in pictures:
            await ask(session, picture)
        started = time.perf_counter()
        await asyncio.gather(*(client(session) for _ in range(clients)))
        spent_s = time.perf_counter() - started
    times.sort()
    return {
        "pictures_per_s": round(requests / spent_s, 2),
        "ms_per_picture": round(1000 * spent_s / requests, 2),
        "p50_ms": round(statistics.median(times), 1),
        "p95_ms": round(times[int(0.95 * (len(times) - 1))], 1),
    }


async def ask(session: httpx.AsyncClient, picture: bytes) -> None:
    """One picture; anything but an answer ends the benchmark."""
    headers = {"content-type": "image/jpeg"}
    answer = await session.post("/v1/detect", content=picture, headers=headers)
    answer.raise_for_status()


async def memory_over(
    url: str, process: psutil.Process, pictures: list[bytes], count: int
) -> dict[str, float]:
    """Memory of the service with its children, in MB, over ``count`` pictures and sizes."""
    sizes = (320, 480, 640, 800)

    def used_mb() -> float:
        every = [process, *process.children(recursive=True)]
        return round(sum(each.memory_info().rss for each in every) / 1e6, 1)

    seen = [used_mb()]
    async with httpx.AsyncClient(base_url=url, timeout=120) as session:
        for number in range(count):
            params = {"image_size": sizes[number % len(sizes)], "confidence": CONFIDENCE}
            answer = await session.post(
                "/v1/detect", content=pictures[number % len(pictures)], params=params
            )
            if answer.status_code == 422:  # a model of fixed shape takes one size only
                await ask(session, pictures[number % len(pictures)])
            if (number + 1) % max(1, count // 10) == 0:
                seen.append(used_mb())
    return {"pictures": count, "before_mb": seen[0], "half_mb": seen[len(seen) // 2],
            "after_mb": seen[-1]}  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
