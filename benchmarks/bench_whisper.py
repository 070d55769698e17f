"""``make bench-whisper``: the speech service against a thread pool on the same weights.

Random weights in the shape of Whisper tiny are built first; they say nothing meaningful, so only
speed is measured: every window is decoded to the same number of tokens, and no window is tried
again. The peer is what a thread pool of faster-whisper calls costs at the least: for each clip
features, encode and generate with the service's own options, straight on CTranslate2, without HTTP,
decoding or voice activity. The service is measured from the outside, over HTTP.

``ARGS="--model FOLDER"`` takes other weights; texts are compared with the peer's in any case.
"""

import argparse
import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ctranslate2
import httpx
import numpy as np
import tokenizers

from benchmarks.places import RESULTS
from services.whisper.engines.listener import log_mel
from services.whisper.tasks import FloatArray
from services.whisper.tests import micro_model, voice
from shared.benchmark import PerformanceBenchmarker, Rounds, Subject, percentile
from shared.cgroup import usable_cores

SAMPLE_RATE_HZ = 16_000
PATH = "/v1/audio/transcriptions"


def main(argv: Sequence[str]) -> None:
    """Measure what the arguments ask for and write the reports."""
    parser = argparse.ArgumentParser(prog="make bench-whisper", description=__doc__)
    parser.add_argument("--model", type=Path, help="folder of weights; default: random, tiny shape")
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--clips", type=int, default=32, help="clips of a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tokens", type=int, default=50, help="tokens of a window")
    parser.add_argument("--beam-size", type=int, default=1)
    parser.add_argument("--compute-type", default="int8")
    parser.add_argument("--long-minutes", type=float, default=10.0)
    chosen = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        model = chosen.model or micro_model.build_random(
            Path(folder) / "tiny", shape=micro_model.TINY, is_endless=True
        )
        compare_clips(chosen, model)
        measure_long_and_mixed(chosen, model)


def compare_clips(chosen: argparse.Namespace, model: Path) -> None:
    """Closed loop of clips of 5 s: thread pool, service without batches, service."""
    spoken = [voice.speech(5, seed) for seed in range(chosen.clips)]
    files = [voice.wav(clip) for clip in spoken]
    clips = [np.round(clip * 32767).astype(np.int16).astype(np.float32) / 32768 for clip in spoken]
    peer = ThreadPoolPeer(model, chosen)
    with served(model, chosen, max_batch_size=1) as single, served(model, chosen) as batched:
        same = np.mean(
            [a == b for a, b in zip(peer.run(clips), post_all(batched, files, chosen), strict=True)]
        )
        subject = Subject(
            name=f"whisper: {chosen.clients} clients, clips of 5 s, beam {chosen.beam_size}",
            device="cpu",
            weights=f"{chosen.model or 'random, tiny shape'}, {chosen.compute_type}",
            batch=f"at most 8 windows; {chosen.clips} clips a round",
            input=f"synthetic voice, {chosen.tokens} tokens a window",
        )
        report = PerformanceBenchmarker(subject, Rounds(1, chosen.rounds)).compare(
            {
                "thread pool": lambda: void(peer.run(clips)),
                "service, no batches": lambda: void(post_all(single, files, chosen)),
                "service": lambda: void(post_all(batched, files, chosen)),
            },
            notes=[f"Texts equal to the thread pool's: {same:.0%} of {len(clips)}."],
        )
    report.save(RESULTS, f"whisper_clips_beam{chosen.beam_size}_{chosen.compute_type}")
    sys.stdout.write(report.markdown() + "\n")


def measure_long_and_mixed(chosen: argparse.Namespace, model: Path) -> None:
    """A long recording alone, short clips alone, and short clips while the long one runs."""
    minute = np.concatenate([voice.speech(18, 1), voice.silence(2)] * 3)
    long = voice.wav(np.tile(minute, max(1, round(chosen.long_minutes))))
    short = voice.wav(voice.speech(5))
    with served(model, chosen) as url:
        facts = asyncio.run(_long_and_mixed(url, long, short))
    facts = {
        "conditions": {
            "device": "cpu", "cores": usable_cores(), "load": round(os.getloadavg()[0], 1),
            "weights": str(chosen.model or "random, tiny shape"),
            "compute_type": chosen.compute_type, "tokens": chosen.tokens,
            "beam_size": chosen.beam_size, "long_s": 60 * max(1, round(chosen.long_minutes)),
            "measured_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        },
        **facts,
    }  # fmt: skip
    RESULTS.mkdir(parents=True, exist_ok=True)
    text = json.dumps(facts, indent=1) + "\n"
    (RESULTS / f"whisper_long_beam{chosen.beam_size}_{chosen.compute_type}.json").write_text(text)
    sys.stdout.write(text)


async def _long_and_mixed(url: str, long: bytes, short: bytes) -> dict[str, Any]:
    async with httpx.AsyncClient(base_url=url, timeout=3600) as client:
        await _timed(client, short)
        alone = [await _timed(client, short) for _ in range(20)]
        long_s = await _timed(client, long)
        work = asyncio.ensure_future(_timed(client, long))
        beside = []
        while not work.done():
            beside.append(await _timed(client, short))
        audio_s = (len(long) - 44) / 2 / SAMPLE_RATE_HZ
        return {
            "long_alone_s": round(long_s, 2),
            "long_real_time_factor": round(audio_s / long_s, 1),
            "long_beside_shorts_s": round(await work, 2),
            "short_alone_p95_ms": round(1000 * percentile(alone, 0.95), 1),
            "short_beside_long_p95_ms": round(1000 * percentile(beside, 0.95), 1),
            "shorts_beside_long": len(beside),
        }


async def _timed(client: httpx.AsyncClient, audio: bytes) -> float:
    started = time.perf_counter()
    answer = await client.post(PATH, files={"file": ("a.wav", audio)}, data={"language": "en"})
    answer.raise_for_status()
    return time.perf_counter() - started


class ThreadPoolPeer:
    """What a pool of threads, each with its clip, costs on CTranslate2 at the least."""

    def __init__(self, model: Path, chosen: argparse.Namespace) -> None:
        """Load the weights with the service's options."""
        os.environ.setdefault("OMP_WAIT_POLICY", "passive")
        self._chosen = chosen
        self._model = ctranslate2.models.Whisper(
            str(model), compute_type=chosen.compute_type, intra_threads=usable_cores()
        )
        self._tokens = tokenizers.Tokenizer.from_file(str(model / "tokenizer.json"))
        names = ["<|startoftranscript|>"]
        if self._model.is_multilingual:
            names += ["<|en|>", "<|transcribe|>"]
        self._prompt = [self._tokens.token_to_id(name) for name in names]

    def run(self, clips: Sequence[FloatArray]) -> list[str]:
        """Texts of the clips."""
        with ThreadPoolExecutor(self._chosen.clients) as pool:
            return list(pool.map(self._one, clips))

    def _one(self, clip: FloatArray) -> str:
        features = np.zeros((1, self._model.n_mels, 3000), np.float32)
        mel = log_mel(clip, n_mels=self._model.n_mels)
        features[0, :, : mel.shape[1]] = mel
        view = self._model.encode(ctranslate2.StorageView.from_array(features))
        said = self._model.generate(
            view,
            [self._prompt],
            beam_size=self._chosen.beam_size,
            max_length=2 * self._chosen.tokens,
        )[0]
        end = self._tokens.token_to_id("<|endoftext|>")
        return self._tokens.decode([t for t in said.sequences_ids[0] if t < end]).strip()


def post_all(url: str, files: Sequence[bytes], chosen: argparse.Namespace) -> list[str]:
    """Texts of the files, sent by as many clients as are asked for, each waiting for its answer."""

    async def run() -> list[str]:
        slots = asyncio.Semaphore(chosen.clients)
        async with httpx.AsyncClient(base_url=url, timeout=600) as client:

            async def one(file: bytes) -> str:
                async with slots:
                    answer = await client.post(
                        PATH,
                        files={"file": ("a.wav", file)},
                        data={"language": "en", "vad": "false"},
                    )
                    return str(answer.raise_for_status().json()["text"])

            return list(await asyncio.gather(*(one(file) for file in files)))

    return asyncio.run(run())


@contextmanager
def served(model: Path, chosen: argparse.Namespace, **settings: int) -> Iterator[str]:
    """The service as its own process on a free port; yields its address once it is ready."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    own = {
        "model": model, "port": port, "device": "cpu", "compute_type": chosen.compute_type,
        "beam_size": chosen.beam_size, "max_new_tokens": chosen.tokens, "max_attempts": 1,
        "log_level": "warning", "cache_memory_bytes": 0, **settings,
    }  # fmt: skip
    environ = {**os.environ, **{f"WHISPER_{k.upper()}": str(v) for k, v in own.items()}}
    process = subprocess.Popen([sys.executable, "-m", "services.whisper"], env=environ)
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            try:
                if httpx.get(f"{url}/readyz").status_code == httpx.codes.OK:
                    break
            except httpx.TransportError:
                pass
            time.sleep(0.1)
        else:
            raise TimeoutError("the service did not become ready")
        yield url
    finally:
        process.terminate()
        process.wait()


def void(_: object) -> None:
    """Drop a result: steps are not told."""


if __name__ == "__main__":
    main(sys.argv[1:])
