"""Transcribe a folder: ``python -m services.whisper.batch recordings/ --format srt``.

A client of a running system (gateway or service alone): every recording is sent, several at a
time, and its text is written beside it. What is done already is left alone, so that a run that
was stopped can be started again.
"""

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx

SUFFIXES = frozenset({
    ".aac", ".aif", ".aiff", ".amr", ".avi", ".flac", ".m4a", ".mka", ".mkv", ".mov", ".mp3",
    ".mp4", ".mpeg", ".mpga", ".oga", ".ogg", ".opus", ".ts", ".wav", ".webm", ".wma",
})  # fmt: skip
ENDINGS = {"srt": ".srt", "vtt": ".vtt", "text": ".txt", "json": ".json", "verbose_json": ".json"}
PATH = "/v1/audio/transcriptions"
RETRIED = frozenset({408, 429, 502, 503, 504})
MAX_WAIT_S = 60.0
BAR_WIDTH = 30


@dataclass(frozen=True)
class BatchOptions:
    """How a folder is transcribed."""

    url: str = "http://127.0.0.1:8080"
    response_format: str = "srt"
    language: str = ""  # empty: found out in each recording
    parallel: int = 4  # recordings sent at the same time
    attempts: int = 5  # for each recording
    timeout_s: float = 3600.0  # of one recording
    retry_wait_s: float = 2.0  # before the second attempt; doubles, unless the answer says when
    overwrites: bool = False
    api_key: str = ""


@dataclass(frozen=True)
class Outcome:
    """What became of one recording."""

    path: Path
    error: str = ""  # empty: its text was written


def find_recordings(folder: Path) -> list[Path]:
    """Recordings below ``folder``, by their endings, in order."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)


def target_of(recording: Path, response_format: str) -> Path:
    """Where the text of a recording is written: beside it, ``talk.mp3`` to ``talk.mp3.srt``."""
    return recording.with_name(recording.name + ENDINGS[response_format])


async def transcribe_all(
    recordings: Sequence[Path], options: BatchOptions, client: httpx.AsyncClient, bar: "Bar"
) -> list[Outcome]:
    """Transcribe recordings, ``options.parallel`` at a time.

    Returns:
        One outcome for each recording, in order; a failed one does not stop the others.
    """
    slots = asyncio.Semaphore(options.parallel)

    async def one(recording: Path) -> Outcome:
        async with slots:
            error = await _transcribe(recording, options, client)
        bar.step(recording.name if not error else f"{recording.name}: {error}")
        return Outcome(recording, error)

    return list(await asyncio.gather(*(one(each) for each in recordings)))


async def _transcribe(recording: Path, options: BatchOptions, client: httpx.AsyncClient) -> str:
    """Send one recording until it is answered; what is wrong, or an empty text."""
    error = ""
    for attempt in range(options.attempts):
        try:
            answer = await _send(recording, options, client)
        except httpx.HTTPError as fault:
            error, wait_s = f"no answer ({type(fault).__name__})", _wait_s(None, attempt, options)
        else:
            if answer.status_code == httpx.codes.OK:
                _write(target_of(recording, options.response_format), answer.content)
                return ""
            error, wait_s = _detail(answer), _wait_s(answer, attempt, options)
            if answer.status_code not in RETRIED:
                return error
        if attempt + 1 < options.attempts:
            await asyncio.sleep(wait_s)
    return error


async def _send(
    recording: Path, options: BatchOptions, client: httpx.AsyncClient
) -> httpx.Response:
    fields = {"response_format": options.response_format}
    if options.language:
        fields["language"] = options.language
    with recording.open("rb") as file:
        return await client.post(
            PATH,
            files={"file": ("recording", file)},
            data=fields,
            headers={"X-Request-Timeout-Ms": str(round(options.timeout_s * 1000))},
        )


def _wait_s(answer: httpx.Response | None, attempt: int, options: BatchOptions) -> float:
    named = answer.headers.get("retry-after", "") if answer is not None else ""
    if named.isdigit():
        return min(float(named), MAX_WAIT_S)
    return float(min(options.retry_wait_s * 2**attempt, MAX_WAIT_S))


def _detail(answer: httpx.Response) -> str:
    try:
        return f"{answer.status_code} {answer.json()['detail']}"
    except (ValueError, KeyError, TypeError):
        return f"status {answer.status_code}"


def _write(target: Path, content: bytes) -> None:
    """Write as a whole or not at all."""
    partial = target.with_name(target.name + ".part")
    partial.write_bytes(content)
    partial.replace(target)


class Bar:
    """A progress bar on standard error; plain lines where that is no terminal."""

    def __init__(self, total: int) -> None:
        """Start at nothing of ``total``."""
        self._total, self._done = total, 0

    def step(self, text: str) -> None:
        """One more is done."""
        self._done += 1
        if not sys.stderr.isatty():
            sys.stderr.write(f"{self._done}/{self._total} {text}\n")
            return
        filled = BAR_WIDTH * self._done // self._total
        bar = "#" * filled + "." * (BAR_WIDTH - filled)
        sys.stderr.write(f"\r\033[K[{bar}] {self._done}/{self._total} {text[:60]}")
        if self._done == self._total:
            sys.stderr.write("\n")
        sys.stderr.flush()


async def run(folder: Path, options: BatchOptions) -> list[Outcome]:
    """Transcribe what is in ``folder`` and not yet done."""
    recordings = [
        each
        for each in find_recordings(folder)
        if options.overwrites or not target_of(each, options.response_format).exists()
    ]
    headers = {"authorization": f"Bearer {options.api_key}"} if options.api_key else {}
    timeout = httpx.Timeout(options.timeout_s, connect=10.0)
    async with httpx.AsyncClient(base_url=options.url, timeout=timeout, headers=headers) as client:
        return await transcribe_all(recordings, options, client, Bar(len(recordings)))


def main(argv: Sequence[str]) -> int:
    """Carry the command out; 0 when every recording has its text."""
    parser = argparse.ArgumentParser(prog="python -m services.whisper.batch", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--url", default="http://127.0.0.1:8080", help="gateway or service")
    parser.add_argument("--format", default="srt", choices=sorted(ENDINGS))
    parser.add_argument("--language", default="", help="code; found out when left out")
    parser.add_argument("--parallel", type=int, default=4, help="recordings at the same time")
    parser.add_argument("--overwrite", action="store_true", help="also where a text is there")
    chosen = parser.parse_args(argv)
    if not chosen.folder.is_dir():
        parser.error(f"{chosen.folder} is no folder")
    options = BatchOptions(
        url=chosen.url,
        response_format=chosen.format,
        language=chosen.language,
        parallel=max(1, chosen.parallel),
        overwrites=chosen.overwrite,
        api_key=os.environ.get("GANTRY_API_KEY", ""),
    )
    outcomes = asyncio.run(run(chosen.folder, options))
    failed = [each for each in outcomes if each.error]
    for each in failed:
        sys.stderr.write(f"{each.path}: {each.error}\n")
    sys.stderr.write(f"{len(outcomes) - len(failed)} transcribed, {len(failed)} failed\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
