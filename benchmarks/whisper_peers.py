"""faster-whisper as its users run it: one model, a pool of threads, no server around it.

Each set-up runs in a process of its own, because how OpenMP waits is settled once per process. It
reads one job a line (JSON: files, threads, whether batched) and answers with texts, time and
processor time. Weights, number format, search and length are the service's; second attempts are
off on both sides.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROMPT_TOKENS = 3  # start, language, task


@dataclass(frozen=True)
class Run:
    """What one run of all clips took."""

    texts: list[str]
    spent_s: float
    cpu_s: float


class Peer:
    """A process with faster-whisper in it."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        """Talk to ``process``."""
        self._process = process

    def run(self, files: Sequence[Path], *, threads: int, batched: bool = False) -> Run:
        """Transcribe files, ``threads`` at a time; ``batched`` uses the library's own batches."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        job = {"files": [str(each) for each in files], "threads": threads, "batched": batched}
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("faster-whisper has ended")
        return Run(**json.loads(line))


@contextmanager
def faster_whisper(
    model: Path,
    *,
    compute_type: str,
    beam_size: int,
    tokens: int | None,
    cpu_threads: int = 0,
    workers: int = 1,
    environ: Mapping[str, str] | None = None,
) -> Iterator[Peer]:
    """Start a peer.

    Args:
        model: folder of weights.
        compute_type: number format.
        beam_size: of the search.
        tokens: most tokens of a window; None: the library's.
        cpu_threads: of one worker; 0: the library's default of four.
        workers: copies that share the weights.
        environ: further variables, such as how OpenMP waits.
    """
    given = {
        "model": str(model), "compute_type": compute_type, "beam_size": beam_size,
        "tokens": tokens, "cpu_threads": cpu_threads, "workers": workers,
    }  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.whisper_peers", json.dumps(given)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={**os.environ, **(environ or {})},
    )  # fmt: skip
    try:
        assert process.stdout is not None
        process.stdout.readline()  # it has loaded
        yield Peer(process)
    finally:
        process.kill()
        process.wait()


def _main(given: Mapping[str, Any]) -> None:
    from faster_whisper import BatchedInferencePipeline, WhisperModel

    model = WhisperModel(
        given["model"],
        device="cpu",
        compute_type=given["compute_type"],
        cpu_threads=given["cpu_threads"],
        num_workers=given["workers"],
        local_files_only=True,
    )
    config = json.loads((Path(given["model"]) / "config.json").read_text())
    options: dict[str, Any] = {
        "language": "en", "beam_size": given["beam_size"], "temperature": 0.0,
        "compression_ratio_threshold": None, "log_prob_threshold": None,
        "no_speech_threshold": None, "condition_on_previous_text": False,
        "suppress_tokens": config["suppress_ids"],
    }  # fmt: skip
    if given["tokens"] is not None:
        # CTranslate2 decodes half of the length that faster-whisper asks for.
        options["max_new_tokens"] = 2 * given["tokens"] - PROMPT_TOKENS

    def alone(file: str) -> str:
        segments, _ = model.transcribe(file, vad_filter=False, **options)
        return "".join(each.text for each in segments).strip()

    def batched(file: str) -> str:
        pipeline = BatchedInferencePipeline(model)
        segments, _ = pipeline.transcribe(file, without_timestamps=False, **options)
        return "".join(each.text for each in segments).strip()

    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for line in sys.stdin:
        job = json.loads(line)
        started, cpu = time.perf_counter(), time.process_time()
        with ThreadPoolExecutor(job["threads"]) as pool:
            texts = list(pool.map(batched if job["batched"] else alone, job["files"]))
        told = {
            "texts": texts,
            "spent_s": time.perf_counter() - started,
            "cpu_s": time.process_time() - cpu,
        }
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _main(json.loads(sys.argv[1]))
