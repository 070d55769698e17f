"""What serving detection costs: ``make bench-yolo``, a part of ``make bench-vision``.

In one run, in turns, on the same pictures and the same weights (a yolo11n with random ones unless
``--weights`` names others: its speed is that of a trained one), nothing remembered:

1. one picture at a time: Ultralytics' ``predict`` in torch as it comes and with all cores, the bare
   engine (decode, letterbox, forward, suppression) in this process, the service, and the service
   behind the gateway; and the same pictures from four clients, when all cores have work;
2. 4 and 16 clients: the service without batches, with the size that its probe chose, with eight;
3. frames in bulk: sixteen in one request and sixteen requests;
4. memory over mixed pictures.

Run it on a machine that does nothing else.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import httpx

from benchmarks.serving import Served, serving
from benchmarks.vision import (
    RESULTS,
    Load,
    decoded,
    follow_memory,
    gateway_before,
    photographs,
    save,
    times,
)
from services.yolo.engine import SERVICE_DIR, YoloEngine
from services.yolo.engines.choice import EngineOptions
from services.yolo.engines.export import export
from services.yolo.engines.openvino_model import WORTH_COMPILING
from services.yolo.engines.torchvision_ops import ensure_torchvision
from services.yolo.facts import ModelFacts
from services.yolo.found import BatchKey
from services.yolo.letterbox import fit_for
from shared.benchmark import PerformanceBenchmarker, Rounds, Subject
from shared.cgroup import usable_cores
from shared.models.store import ModelStore

CONFIDENCE, IOU, MOST = 0.25, 0.7, 300
PATH = "/v1/detect"
BATCHES = {"no batches": "1", "batches as probed": "0", "batches of 8": "8"}
FRAMES = 16
SINGLE_WARM_UP = WORTH_COMPILING + 1
"""Rounds until the engine has compiled its graph for every shape of the pictures."""


def main(argv: Sequence[str]) -> int:
    """Run all parts; write JSON, Markdown and plots."""
    parser = argparse.ArgumentParser(prog="make bench-yolo", description=__doc__.splitlines()[0])
    parser.add_argument("--weights", type=Path, help="a .pt of Ultralytics")
    parser.add_argument("--pictures", type=Path, help="a folder; default: the test data's images")
    parser.add_argument("--requests", type=int, default=32, help="pictures of a round under load")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--soak", type=int, default=500, help="pictures of the memory part")
    parser.add_argument("--output", type=Path, default=RESULTS)
    chosen = parser.parse_args(argv)
    os.environ.update(YOLO_OFFLINE="1", YOLO_AUTOINSTALL="0", YOLO_VERBOSE="0")
    pictures = photographs(chosen.pictures)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        checkpoint = chosen.weights or random_checkpoint(Path(folder))
        graph = export(checkpoint)
        servers = {name: stack.enter_context(served(graph, size)) for name, size in BATCHES.items()}
        compare_single(chosen, checkpoint, graph, servers["batches as probed"], pictures)
        compare_load(chosen, servers, pictures)
        compare_bulk(chosen, servers["batches as probed"], pictures)
        follow_memory(servers["batches as probed"], chosen.soak, chosen.output)
    return 0


def random_checkpoint(folder: Path) -> Path:
    """A yolo11n with random weights, which finds nothing: suppression costs nothing either."""
    ensure_torchvision()
    from ultralytics import YOLO

    path = folder / "yolo11n-random.pt"
    YOLO("yolo11n.yaml").save(path)
    return path


def served(weights: Path, max_batch_size: str) -> AbstractContextManager[Served]:
    """The service in a process of its own, which remembers nothing."""
    environ = {
        "YOLO_MODEL": str(weights), "YOLO_DEVICE": "cpu", "YOLO_LOG_LEVEL": "warning",
        "YOLO_MAX_BATCH_SIZE": max_batch_size, "YOLO_CACHE_MEMORY_BYTES": "0",
    }  # fmt: skip
    return serving("yolo", environ)


def compare_single(
    chosen: argparse.Namespace, checkpoint: Path, graph: Path, one: Served, pictures: list[bytes]
) -> None:
    """One picture at a time, through everything that could answer it."""
    with gateway_before(one) as gateway:
        report = PerformanceBenchmarker(
            subject(checkpoint, f"{len(pictures)} pictures a round"),
            Rounds(SINGLE_WARM_UP, chosen.rounds),
        ).compare(
            {
                "Ultralytics, torch as it comes": ultralytics(checkpoint, pictures, None),
                "Ultralytics, torch on all cores": ultralytics(
                    checkpoint, pictures, usable_cores()
                ),
                "bare engine": bare(graph, pictures),
                "service": Load(one.url, PATH, pictures).work(1),
                "service behind the gateway": Load(gateway, PATH, pictures).work(1),
                "the same, four clients": Load(gateway, PATH, pictures).work(4),
            },
            notes=["The bar: at least twice torch as it comes, within 15 % of the bare engine."],
        )
    save(report, "yolo_single", chosen.output)


def compare_load(
    chosen: argparse.Namespace, servers: dict[str, Served], pictures: list[bytes]
) -> None:
    """Several clients, with and without batches."""
    sent = times(pictures, chosen.requests)
    for clients in (4, 16):
        report = PerformanceBenchmarker(
            subject(None, f"{len(sent)} pictures a round, {clients} clients"),
            Rounds(1, chosen.rounds),
        ).compare(
            {name: Load(each.url, PATH, sent).work(clients) for name, each in servers.items()},
            notes=[batching_note(servers)],
        )
        save(report, f"yolo_{clients}_clients", chosen.output)


def compare_bulk(chosen: argparse.Namespace, one: Served, pictures: list[bytes]) -> None:
    """Frames of a video: as parts of one request, and each by itself."""
    frames = times(pictures[:1], FRAMES)
    client = httpx.Client(base_url=one.url, timeout=600)
    costs: list[dict[str, float]] = []

    def together() -> None:
        answer = client.post(PATH, files=[("file", frame) for frame in frames])
        results = answer.raise_for_status().json()["results"]
        costs.extend(each["timing_ms"] for each in results)

    report = PerformanceBenchmarker(
        subject(None, f"{FRAMES} frames a round"), Rounds(1, chosen.rounds)
    ).compare(
        {
            "requests, one after the other": Load(one.url, PATH, frames).work(1),
            "requests of four clients": Load(one.url, PATH, frames).work(4),
            "parts of one request": together,
        }
    )
    for step in ("preprocess", "inference"):
        mean_ms = sum(each[step] for each in costs) / len(costs)
        report.notes.append(f"A frame of one request costs {mean_ms:.1f} ms of {step}.")
    save(report, "yolo_frames", chosen.output)


def subject(checkpoint: Path | None, batch: str) -> Subject:
    """What is measured."""
    weights = checkpoint.name if checkpoint is not None else "the same"
    return Subject(f"yolo: {batch}", "cpu", weights, batch, "photographs, canvas of 640 px")


def batching_note(servers: dict[str, Served]) -> str:
    """What the probe of the service found."""
    models = httpx.get(f"{servers['batches as probed'].url}/info").json()["models"]
    return (
        f"Runs in {models[0]['runtime']}, {models[0]['compute_type']}. On a CPU a batch shares "
        "hardly anything: where the other rows are no faster than the first, batches do not pay."
    )


def ultralytics(checkpoint: Path, pictures: list[bytes], threads: int | None) -> Callable[[], None]:
    """Ultralytics' own ``predict``; ``threads`` None leaves torch as the library sets it."""
    ensure_torchvision()
    import torch
    from ultralytics import YOLO

    model = YOLO(checkpoint)
    model.predict(decoded(pictures[0])[..., ::-1], device="cpu", verbose=False)
    usual = torch.get_num_threads()

    def run() -> None:
        torch.set_num_threads(threads or usual)
        for each in pictures:
            model.predict(
                decoded(each)[..., ::-1], conf=CONFIDENCE, iou=IOU, device="cpu", verbose=False
            )
        torch.set_num_threads(usual)

    return run


def bare(graph: Path, pictures: list[bytes]) -> Callable[[], None]:
    """Our engine in this process, decoding included."""
    engine = YoloEngine(
        ModelStore(SERVICE_DIR, Path("models")), str(graph),
        EngineOptions(device="cpu", threads=usable_cores()),
    )  # fmt: skip
    facts = ModelFacts.of(engine.load())

    def run() -> None:
        for each in pictures:
            pixels = decoded(each)
            canvas = fit_for(facts, pixels.shape[1], pixels.shape[0], facts.image_size).paint(
                pixels
            )
            engine.run(BatchKey(*canvas.shape[:2], CONFIDENCE, IOU, MOST), [canvas])

    return run


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
