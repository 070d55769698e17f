"""``make bench-whisper-hours``: recordings of one and of ten hours, for memory and first words.

A recording is one voice of a few seconds in each minute, with silence between, packed as FLAC. The
service with the demo model transcribes it as a stream of events. What counts is memory, which must
not grow with the length of the recording. The speed is that of decoding, listening and the small
demo model together.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import av
import httpx
import numpy as np

from benchmarks.places import RESULTS
from benchmarks.serving import Served, serving
from benchmarks.whisper_measures import PATH
from services.whisper.tests import voice
from shared.benchmark import PeakMemory, machine_facts

RATE_HZ = 16_000
FRAME_SAMPLES = 4096


def main(argv: Sequence[str]) -> None:
    """Measure each length and write the report."""
    parser = argparse.ArgumentParser(prog="make bench-whisper-hours", description=__doc__)
    parser.add_argument("--hours", type=float, nargs="+", default=[1.0, 10.0])
    parser.add_argument("--voice-s", type=float, default=4.0, help="of each minute")
    chosen = parser.parse_args(argv)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for hours in chosen.hours:
            file = Path(folder) / f"{hours:g}.flac"
            write_recording(file, hours, chosen.voice_s)
            environ = {"WHISPER_CACHE_MEMORY_BYTES": "0", "WHISPER_MAX_ATTEMPTS": "1",
                       "WHISPER_BEAM_SIZE": "1", "WHISPER_DEVICE": "cpu"}  # fmt: skip
            with serving("whisper", environ) as served:
                rows.append({"hours": hours, **measured(served, file)})
            sys.stdout.write(json.dumps(rows[-1]) + "\n")
    report = {
        "measured_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "machine": machine_facts(),
        "model": "the demo model, greedy, one attempt",
        "input": f"FLAC, {chosen.voice_s:g} s of voice in each minute",
        "rows": rows,
    }
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / "whisper_hours.json").write_text(json.dumps(report, indent=1) + "\n")
    (RESULTS / "whisper_hours.md").write_text(markdown(report))
    sys.stdout.write(markdown(report))


def write_recording(file: Path, hours: float, voice_s: float) -> None:
    """Pack minutes of voice and silence."""
    minutes = [
        np.concatenate([voice.speech(voice_s, seed), voice.silence(60 - voice_s)])
        for seed in range(8)
    ]
    pcm = [np.round(each * 32767).astype(np.int16) for each in minutes]
    with av.open(str(file), "w", format="flac") as target:
        stream = target.add_stream("flac", rate=RATE_HZ, layout="mono", format="s16")
        for number in range(round(60 * hours)):
            samples = pcm[number % len(pcm)]
            for start in range(0, len(samples), FRAME_SAMPLES):
                piece = samples[np.newaxis, start : start + FRAME_SAMPLES]
                frame = av.AudioFrame.from_ndarray(piece, format="s16", layout="mono")
                frame.sample_rate = RATE_HZ
                target.mux(stream.encode(frame))
        target.mux(stream.encode(None))


def measured(served: Served, file: Path) -> dict[str, Any]:
    """Transcribe a file, with an eye on the memory of every process of the service."""
    with PeakMemory(served.process) as watch:
        started = time.perf_counter()
        first_s, events, last = 0.0, 0, {}
        with (
            file.open("rb") as body,
            httpx.stream(
                "POST", served.url + PATH, files={"file": ("a.flac", body)},
                data={"stream": "true", "language": "en"}, timeout=None,
                headers={"X-Request-Timeout-Ms": "86400000"},
            ) as answer,
        ):  # fmt: skip
            answer.raise_for_status()
            for line in answer.iter_lines():
                if line.startswith("data: "):
                    events, last = events + 1, json.loads(line[6:])
                    first_s = first_s or time.perf_counter() - started
        spent_s = time.perf_counter() - started
    if last.get("type") != "transcript.text.done":
        raise SystemExit(f"the service did not finish: {last}")
    audio_s = last["usage"]["seconds"]
    return {
        "audio_s": audio_s,
        "file_mib": round(file.stat().st_size / 2**20, 1),
        "first_text_s": round(first_s, 2),
        "total_s": round(spent_s, 1),
        "real_time_factor": round(audio_s / spent_s, 1),
        "texts": events - 1,
        "service_peak_mib": round(watch.own_bytes / 2**20),
        "children_peak_mib": round(watch.children_bytes / 2**20),
    }


def markdown(report: Mapping[str, Any]) -> str:
    """The report as a table."""
    machine = report["machine"]
    lines = [
        "# whisper: hours of audio in bounded memory",
        "",
        f"{machine['processor']}, {machine['cores']} cores, load {machine['load']}; "
        f"{report['measured_at']}; {report['model']}; {report['input']}.",
        "",
        "| hours | first text s | whole s | real-time factor | texts "
        "| peak MiB, service | peak MiB, its children |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in report["rows"]:
        lines.append(
            f"| {row['hours']:g} | {row['first_text_s']} | {row['total_s']} "
            f"| {row['real_time_factor']} | {row['texts']} | {row['service_peak_mib']} "
            f"| {row['children_peak_mib']} |"
        )
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    main(sys.argv[1:])
