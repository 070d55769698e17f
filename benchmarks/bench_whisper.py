"""``make bench-whisper``: the speech service beside faster-whisper, and its parts on and off.

Random weights in the true shapes of Whisper tiny and small are built first. They say nothing
meaningful, so only speed is measured: every window is decoded to the same number of tokens, and no
window is tried again. The peer is faster-whisper itself in a pool of threads, as it comes and tuned
(``whisper_peers.py``); the service is asked over HTTP, so its upload, decoding and detector are in
its time. Variants run interleaved, texts are compared, and processor time stands beside the clock,
because it repeats on a machine that has other work too.

``ARGS="--model FOLDER"`` takes other weights; ``ARGS="--sections clips mixed"`` a part of it all.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import httpx
import numpy as np

from benchmarks.places import RESULTS
from benchmarks.serving import Served, serving
from benchmarks.whisper_measures import (
    PATH,
    Facts,
    Work,
    asked,
    interleaved,
    long_recording,
    tabled,
    timed,
)
from benchmarks.whisper_peers import faster_whisper
from benchmarks.whisper_report import markdown, plot
from services.whisper.tests import micro_model, voice
from shared.benchmark import PeakMemory, machine_facts, percentile
from shared.cgroup import usable_cores

PASSIVE = {"OMP_WAIT_POLICY": "PASSIVE"}
SHAPES = {"tiny": micro_model.TINY, "small": micro_model.SMALL}
SERVICE = "service"


@dataclass(frozen=True)
class Bench:
    """What all sections share."""

    folder: Path
    model: Path
    clips: list[Path]  # 5 s each
    tokens: int
    clients: int
    rounds: int
    long_minutes: int

    @contextmanager
    def served(self, **settings: object) -> Iterator[Served]:
        """The service with these settings, without a cache."""
        own = {
            "model": self.model, "device": "cpu", "max_new_tokens": self.tokens,
            "max_attempts": 1, "log_level": "warning", "cache_memory_bytes": 0,
            "compute_type": "int8", **settings,
        }  # fmt: skip
        environ = {f"WHISPER_{name.upper()}": str(value) for name, value in own.items()}
        with serving("whisper", environ) as served:
            yield served


def main(argv: Sequence[str]) -> None:
    """Measure what the arguments ask for and write the report."""
    parser = argparse.ArgumentParser(prog="make bench-whisper", description=__doc__)
    parser.add_argument("--model", type=Path, help="folder of weights; default: random, tiny shape")
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--clips", type=int, default=16, help="clips of a round")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--tokens", type=int, default=30, help="tokens of a window")
    parser.add_argument("--long-minutes", type=int, default=10)
    parser.add_argument("--sections", nargs="+", choices=SECTIONS, default=list(SECTIONS))
    parser.add_argument("--output", type=Path, default=RESULTS / "whisper")
    chosen = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bench = Bench(
            folder,
            chosen.model or random_model(folder, "tiny"),
            written_clips(folder, chosen.clips),
            chosen.tokens,
            chosen.clients,
            chosen.rounds,
            chosen.long_minutes,
        )
        found = {}
        for section in chosen.sections:
            started = time.perf_counter()
            found[section] = SECTIONS[section](bench)
            sys.stdout.write(f"{section}: {time.perf_counter() - started:.0f} s\n")
            sys.stdout.flush()
    report = {
        "measured_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "machine": machine_facts(("ctranslate2", "faster-whisper", "onnxruntime")),
        "weights": str(chosen.model or "random, shape of Whisper tiny; speed only"),
        "n_clients": chosen.clients, "n_clips": chosen.clips, "tokens": chosen.tokens,
        "rounds": chosen.rounds, **found,
    }  # fmt: skip
    chosen.output.parent.mkdir(parents=True, exist_ok=True)
    chosen.output.with_suffix(".json").write_text(json.dumps(report, indent=1) + "\n")
    chosen.output.with_suffix(".md").write_text(markdown(report))
    plot(report, chosen.output.with_suffix(".png"))
    sys.stdout.write(markdown(report))


def random_model(folder: Path, shape: str) -> Path:
    """Weights of a true shape that decode to the most tokens allowed."""
    return micro_model.build_random(folder / shape, shape=SHAPES[shape], is_endless=True)


def written_clips(folder: Path, count: int) -> list[Path]:
    """Clips of 5 s."""
    clips = [folder / f"{number}.wav" for number in range(count)]
    for seed, clip in enumerate(clips):
        clip.write_bytes(voice.wav(voice.speech(5, seed)))
    return clips


# Sections


def clips(bench: Bench) -> Facts:
    """Closed loop of short clips at beam 5 and greedy, tiny shape in int8."""
    return {f"beam {beam}": compared(bench, bench.model, bench.clips, beam) for beam in (5, 1)}


def small(bench: Bench) -> Facts:
    """The same for the shape of Whisper small, the default on a CPU; few clips and rounds."""
    model = random_model(bench.folder, "small")
    return {"beam 5": compared(bench, model, bench.clips[:4], 5, rounds=1, peers=("2 threads",))}


def compared(
    bench: Bench,
    model: Path,
    files: Sequence[Path],
    beam: int,
    *,
    rounds: int | None = None,
    peers: Sequence[str] | None = None,
) -> Facts:
    """faster-whisper's set-ups and the service, interleaved."""
    cores = usable_cores()
    setups: dict[str, dict[str, Any]] = {
        "as it comes": {},
        "2 threads": {"cpu_threads": cores, "environ": PASSIVE},
        "2 workers": {"cpu_threads": 1, "workers": cores, "environ": PASSIVE},
    }
    with ExitStack() as stack:
        served = stack.enter_context(bench.served(model=model, beam_size=beam))
        work: dict[str, Work] = {}
        for name in peers or setups:
            peer = stack.enter_context(
                faster_whisper(
                    model, compute_type="int8", beam_size=beam, tokens=bench.tokens, **setups[name]
                )
            )
            work[f"faster-whisper, {name}"] = partial(peer.run, threads=bench.clients)
        work[SERVICE] = partial(asked, served, clients=bench.clients)
        return tabled(interleaved(work, files, rounds or bench.rounds), len(files))


def batching(bench: Bench) -> Facts:
    """The service with one replica, one by one and in batches, and as it settles by itself."""
    ways: dict[str, dict[str, int]] = {
        "one replica, windows one by one": {"replicas": 1, "max_batch_size": 1},
        "one replica, batches of 8": {"replicas": 1, "max_batch_size": 8},
        "as measured at start": {},
    }
    found = {}
    for compute_type in ("int8", "float32"):
        with ExitStack() as stack:
            work: dict[str, Work] = {}
            for name, settings in ways.items():
                served = stack.enter_context(bench.served(compute_type=compute_type, **settings))
                work[name] = partial(asked, served, clients=bench.clients)
            found[compute_type] = tabled(
                interleaved(work, bench.clips, bench.rounds), len(bench.clips)
            )
    return found


def long_file(bench: Bench) -> Facts:
    """One long recording: the service beside faster-whisper one by one and in its own batches."""
    file = bench.folder / "long.wav"
    file.write_bytes(long_recording(bench.long_minutes))
    with ExitStack() as stack:
        served = stack.enter_context(bench.served())
        peer = stack.enter_context(
            faster_whisper(
                bench.model, compute_type="int8", beam_size=5, tokens=bench.tokens,
                cpu_threads=usable_cores(), environ=PASSIVE,
            )
        )  # fmt: skip
        work: dict[str, Work] = {
            "faster-whisper": partial(peer.run, threads=1),
            "faster-whisper, batched": partial(peer.run, threads=1, batched=True),
            SERVICE: partial(asked, served, clients=1),
        }
        peer.run(bench.clips[:1], threads=1)
        asked(served, bench.clips[:1], clients=1)
        facts = tabled({name: [each([file])] for name, each in work.items()}, 1)
    for row in facts["variants"].values():
        row["real_time_factor"] = round(60 * bench.long_minutes / row["median_s"], 1)
    return facts


def mixed(bench: Bench) -> Facts:
    """Short clips alone, and beside a long recording."""
    long, short = long_recording(bench.long_minutes), bench.clips[0].read_bytes()
    with bench.served() as served:
        return asyncio.run(_mixed(served.url, long, short))


async def _mixed(url: str, long: bytes, short: bytes) -> Facts:
    async with httpx.AsyncClient(base_url=url, timeout=3600) as client:
        await timed(client, short)
        alone = [await timed(client, short) for _ in range(20)]
        work = asyncio.ensure_future(timed(client, long))
        beside = []
        while not work.done():
            beside.append(await timed(client, short))
        return {
            "short_alone_p95_ms": round(1000 * percentile(alone, 0.95), 1),
            "short_beside_long_p95_ms": round(1000 * percentile(beside, 0.95), 1),
            "shorts_beside_long": len(beside),
            "long_beside_shorts_s": round(await work, 2),
        }


def cache(bench: Bench) -> Facts:
    """A recording of 35 s, cold and known."""
    files = [voice.wav(np.tile(voice.speech(7, seed), 5)) for seed in range(4)]
    with bench.served(cache_memory_bytes=64 * 2**20) as served, httpx.Client() as client:

        def spent_ms(file: bytes, **fields: str) -> float:
            started = time.perf_counter()
            answer = client.post(
                served.url + PATH, files={"file": ("a", file)}, data=fields, timeout=600
            )
            answer.raise_for_status()
            return (time.perf_counter() - started) * 1000

        spent_ms(files[0])
        cold = [spent_ms(file) for file in files[1:]]
        hits = [spent_ms(file) for file in files * 5]
        other = [spent_ms(file, response_format="verbose_json") for file in files * 5]
    return {
        "cold_ms": round(median(cold), 1),
        "hit_ms": round(median(hits), 2),
        "hit_other_format_ms": round(median(other), 2),
        "times_as_fast": round(median(cold) / median(hits), 1),
    }


def scenarios(bench: Bench) -> Facts:
    """One long file, ten files, many short files: time, throughput, memory, use of the cores."""
    ten = []
    for seed in range(10):
        ten.append(bench.folder / f"ten{seed}.wav")
        ten[-1].write_bytes(voice.wav(np.tile(voice.speech(6, seed), 5)))
    long = bench.folder / "scenario.wav"
    long.write_bytes(long_recording(bench.long_minutes))
    sets = {
        f"one file of {bench.long_minutes} min": ([long], 60.0 * bench.long_minutes),
        "10 files of 30 s": (ten, 300.0),
        f"{3 * len(bench.clips)} files of 5 s": (bench.clips * 3, 5.0 * 3 * len(bench.clips)),
    }
    found: Facts = {}
    with bench.served() as served:
        asked(served, bench.clips[:2], clients=2)
        for name, (files, audio_s) in sets.items():
            with PeakMemory(served.process) as memory:
                run = asked(served, files, clients=bench.clients)
            found[name] = {
                "spent_s": round(run.spent_s, 2),
                "real_time_factor": round(audio_s / run.spent_s, 1),
                "core_utilisation": round(run.cpu_s / run.spent_s / usable_cores(), 2),
                "peak_mib": round(memory.peak_bytes / 2**20),
            }
    return found


SECTIONS: dict[str, Callable[[Bench], Facts]] = {
    "clips": clips, "batching": batching, "long_file": long_file, "mixed": mixed,
    "cache": cache, "scenarios": scenarios, "small": small,
}  # fmt: skip


if __name__ == "__main__":
    main(sys.argv[1:])
