"""What the benchmarks of yolo and ocr have in common: pictures, load, memory, the gateway."""

import functools
import http
import http.client
import io
import json
import os
import queue
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from benchmarks import places
from benchmarks.mixed_load import MIB, MixedLoad, growth
from benchmarks.samples import mixed_pictures
from benchmarks.serving import Served
from shared.benchmark import Report, machine_facts

RESULTS = places.RESULTS / "vision"
READINGS = 50
"""Samples of memory over the pictures of the memory part."""

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Load:
    """Clients that each wait for their answer before they send the next picture."""

    url: str
    path: str
    pictures: Sequence[bytes]
    params: tuple[tuple[str, str], ...] = ()
    check: Callable[[int, Any], None] = lambda _number, _answer: None  # sees every answer

    def work(self, clients: int) -> Callable[[], None]:
        """All pictures once, sent by so many clients, each over a connection of its own.

        They speak through ``http.client``: what a client costs is not what is measured, and on the
        same cores httpx costs a picture more than a millisecond.
        """
        address = urllib.parse.urlsplit(self.url)
        target = f"{self.path}?{urllib.parse.urlencode(self.params)}"

        def send(free: "queue.SimpleQueue[http.client.HTTPConnection]", number: int) -> None:
            connection = free.get()
            connection.request("POST", target, self.pictures[number])
            answer = connection.getresponse()
            content = answer.read()
            free.put(connection)
            if answer.status != http.HTTPStatus.OK:
                raise SystemExit(f"{self.url} answered {answer.status}: {content[:300]!r}")
            self.check(number, json.loads(content))

        def run() -> None:
            free: queue.SimpleQueue[http.client.HTTPConnection] = queue.SimpleQueue()
            with ExitStack() as stack, ThreadPoolExecutor(clients) as threads:
                for _ in range(clients):  # anew in each round: a server closes idle ones
                    connection = http.client.HTTPConnection(address.netloc, timeout=600)
                    free.put(stack.enter_context(closing(connection)))
                list(threads.map(functools.partial(send, free), range(len(self.pictures))))

        return run


def pooled(
    make: Callable[[], Callable[[Pixels], object]], pictures: Sequence[bytes], threads: int
) -> Callable[[], None]:
    """A library called by a pool of threads, one object each, decoding included.

    Args:
        make: loads the library's pipeline.
        pictures: encoded.
        threads: of the pool; they live as long as what is returned.
    """
    own = threading.local()
    everyone = threading.Barrier(threads)

    def load() -> None:
        own.run = make()
        own.run(decoded(pictures[0]))

    pool = ThreadPoolExecutor(threads, initializer=load)
    list(pool.map(lambda _: everyone.wait(), range(threads)))  # all are loaded

    def run() -> None:
        list(pool.map(lambda picture: own.run(decoded(picture)), pictures))

    return run


def decoded(picture: bytes) -> Pixels:
    """(height, width, 3) uint8 RGB."""
    with Image.open(io.BytesIO(picture)) as image:
        return np.asarray(image.convert("RGB"))


def times(pictures: Sequence[bytes], count: int) -> list[bytes]:
    """``count`` pictures, in turn."""
    return [pictures[number % len(pictures)] for number in range(count)]


def photographs(folder: Path | None) -> list[bytes]:
    """Encoded photographs of a folder, of the test data, or drawn ones of the same sizes."""
    if folder is None and os.environ.get("GANTRY_TEST_DATA"):
        folder = Path(os.environ["GANTRY_TEST_DATA"]) / "images"
    if folder is not None:
        found = [each.read_bytes() for each in sorted(folder.glob("*.jpg"))]
        if not found:
            sys.exit(f"no pictures in {folder}")
        return found
    chance = np.random.default_rng(3)
    shapes = [(480, 640), (640, 480), (427, 640), (1080, 810), (720, 1280)]
    return [_jpeg(chance.integers(0, 256, (*shape, 3), dtype=np.uint8)) for shape in shapes]


def pages(count: int) -> list[bytes]:
    """Drawn pages of ten lines, 900 x 620 pixels, no two alike."""
    made = []
    for page in range(count):
        picture = Image.new("RGB", (900, 620), "white")
        pen = ImageDraw.Draw(picture)
        for row in range(10):
            size, by = 0.01 * (row + 1), 40 + page
            text = f"{page + 1}.{row + 1} Flatness {size:.2f} mm over {by} x {row}"
            pen.text((40, 30 + 56 * row), text, "black", ImageFont.load_default(26))
        made.append(_png(picture))
    return made


def _png(picture: Image.Image) -> bytes:
    sink = io.BytesIO()
    picture.save(sink, "PNG")
    return sink.getvalue()


def _jpeg(pixels: Pixels) -> bytes:
    sink = io.BytesIO()
    Image.fromarray(pixels).save(sink, "JPEG", quality=80)
    return sink.getvalue()


@contextmanager
def gateway_before(served: Served) -> Iterator[str]:
    """A gateway in a process of its own in front of a service; yields its address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        environ = {
            **os.environ, "GATEWAY_PORT": str(port), "GATEWAY_ADMIN_PORT": "0",
            "GATEWAY_STATE_DIR": folder, "GATEWAY_ACCESS_LOG": "off",
            "GATEWAY_LOG_LEVEL": "warning",
            f"GATEWAY_UPSTREAMS__{served.service.upper()}": served.url,
        }  # fmt: skip
        process = subprocess.Popen(
            [sys.executable, "-m", "gateway"], env=environ, stderr=subprocess.DEVNULL
        )
        url = f"http://127.0.0.1:{port}"
        try:
            _wait(url, process)
            yield url
        finally:
            process.terminate()
            process.wait(40)


def _wait(url: str, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(url + "/readyz").status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    sys.exit("the gateway did not become ready")


def save(report: Report, name: str, folder: Path) -> None:
    """Write a comparison and show it."""
    report.save(folder, name)
    sys.stdout.write(report.markdown() + "\n")
    sys.stdout.flush()


def follow_memory(served: Served, pictures: int, folder: Path) -> None:
    """Memory of a service and its children over mixed pictures, one in ten of them damaged."""
    samples, load = mixed_pictures(served.service, seed=8), MixedLoad(served)
    begun = time.monotonic()
    with httpx.Client(timeout=600) as client:
        for number in range(pictures + 1):
            if number % max(1, pictures // READINGS) == 0:
                load.read(time.monotonic() - begun)
            load.send(client, next(samples))
            if load.wrong:
                sys.exit(f"{served.service} gave a wrong answer: {load.wrong[0]}")
    seen = growth([(each.requests, each.total_bytes) for each in load.readings])
    facts = {
        "service": served.service,
        "machine": machine_facts(),
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "pictures": pictures,
        "damaged": load.requests - load.statuses[http.HTTPStatus.OK],
        "before_mib": round(seen.start, 1),
        "after_mib": round(seen.end, 1),
        "highest_mib": round(seen.highest, 1),
        "half_median_mib": round(seen.half_median, 1),
        "slope_of_second_half_mib_per_100_pictures": round(100 * seen.slope, 2),
        "engines_replaced": served.counted("gantry_engine_restarts_total"),
        "readings": [[each.requests, round(each.total_bytes / MIB, 1)] for each in load.readings],
    }
    _save_memory(facts, folder)


def _save_memory(facts: dict[str, Any], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{facts['service']}_memory"
    (folder / f"{name}.json").write_text(json.dumps(facts, indent=1) + "\n")
    shown = {key: value for key, value in facts.items() if key not in ("machine", "readings")}
    rows = "\n".join(f"| {key.replace('_', ' ')} | {value} |" for key, value in shown.items())
    machine = facts["machine"]
    text = (
        f"# {facts['service']}: memory over mixed pictures\n\n"
        "The service, its engines and decoders together. "
        f"{machine['processor']}, {machine['cores']} cores.\n\n"
        f"| | |\n|---|---|\n{rows}\n"
    )
    (folder / f"{name}.md").write_text(text)
    sys.stdout.write(text + "\n")
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return
    figure = Figure(figsize=(7, 3), layout="constrained")
    axes = figure.subplots()
    axes.plot(*zip(*facts["readings"], strict=True))
    axes.set_xlabel("pictures")
    axes.set_ylabel("resident memory, MiB")
    axes.set_ylim(bottom=0)
    figure.savefig(folder / f"{name}.png", dpi=110)
