"""How ``bench_whisper`` measures: variants run in turns, and what is sent to the service."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import httpx
import numpy as np

from benchmarks.serving import Served
from benchmarks.whisper_peers import Run
from services.whisper.tests import voice

PATH = "/v1/audio/transcriptions"
WARM_UP_FILES = 4
Facts = dict[str, Any]
Work = Callable[[Sequence[Path]], Run]
"""Transcribes files."""


def long_recording(minutes: int) -> bytes:
    """Sentences of 5.2 s with pauses of 0.8 s, so that windows can be filled."""
    sentences = [np.append(voice.speech(5.2, seed), voice.silence(0.8)) for seed in range(10)]
    return voice.wav(np.tile(np.concatenate(sentences), minutes))


def interleaved(
    work: Mapping[str, Work], files: Sequence[Path], rounds: int
) -> dict[str, list[Run]]:
    """Run every variant on the files in each round, after a few of them to warm up."""
    for run in work.values():
        run(files[:WARM_UP_FILES])
    runs: dict[str, list[Run]] = {name: [] for name in work}
    for _ in range(rounds):
        for name, run in work.items():
            runs[name].append(run(files))
    return runs


def tabled(runs: Mapping[str, Sequence[Run]], items: int) -> Facts:
    """Times of each variant, the last one's ratio to the best of the others, and equal texts."""
    *others, own = runs
    variants = {
        name: {
            "median_s": round(median(each.spent_s for each in done), 3),
            "items_per_s": round(items / median(each.spent_s for each in done), 2),
            "cpu_s_per_item": round(median(each.cpu_s for each in done) / items, 3),
            "rounds_s": [round(each.spent_s, 3) for each in done],
            "texts_equal": _equal_share(done[0].texts, runs[own][0].texts),
        }
        for name, done in runs.items()
    }
    best = min(others, key=lambda name: float(variants[name]["median_s"]))
    ratios = [
        other.spent_s / mine.spent_s for other, mine in zip(runs[best], runs[own], strict=True)
    ]
    cpu = min(variants[name]["cpu_s_per_item"] for name in others)
    return {
        "variants": variants,
        "best_other": best,
        "times_as_fast": round(median(ratios), 2),
        "times_as_fast_range": [round(min(ratios), 2), round(max(ratios), 2)],
        "times_as_fast_by_processor_time": round(cpu / variants[own]["cpu_s_per_item"], 2),
        "times_as_fast_as_first": round(
            variants[others[0]]["median_s"] / variants[own]["median_s"], 2
        ),
    }


def _equal_share(texts: Sequence[str], others: Sequence[str]) -> float:
    return round(float(np.mean([a == b for a, b in zip(texts, others, strict=True)])), 3)


def asked(served: Served, files: Sequence[Path], *, clients: int) -> Run:
    """Send the files, ``clients`` at a time, each waiting for its answer."""

    async def run() -> list[str]:
        slots = asyncio.Semaphore(clients)
        async with httpx.AsyncClient(base_url=served.url, timeout=3600) as client:

            async def one(file: Path) -> str:
                async with slots:
                    content = await asyncio.to_thread(file.read_bytes)
                    answer = await client.post(
                        PATH,
                        files={"file": ("a.wav", content)},
                        data={"language": "en", "vad": str(len(content) > 2**20)},
                        headers={"X-Request-Timeout-Ms": "3600000"},
                    )
                    return str(answer.raise_for_status().json()["text"])

            return list(await asyncio.gather(*(one(file) for file in files)))

    cpu, started = served.cpu_s(), time.perf_counter()
    texts = asyncio.run(run())
    return Run(texts, time.perf_counter() - started, served.cpu_s() - cpu)


async def timed(client: httpx.AsyncClient, audio: bytes) -> float:
    """Send one recording; seconds until its answer."""
    started = time.perf_counter()
    answer = await client.post(PATH, files={"file": ("a.wav", audio)}, data={"language": "en"})
    answer.raise_for_status()
    return time.perf_counter() - started
