"""Subtitle files: SubRip (srt) and WebVTT (W3C). Plain functions."""

from collections.abc import Iterable

from services.whisper.transcript import Segment


def srt(segments: Iterable[Segment]) -> str:
    """SubRip: numbered blocks, comma before the milliseconds."""
    return "".join(
        f"{number}\n{_clock(segment.start_s, ',')} --> {_clock(segment.end_s, ',')}\n"
        f"{_one_line(segment.text)}\n\n"
        for number, segment in enumerate(segments, 1)
    )


def vtt(segments: Iterable[Segment]) -> str:
    """WebVTT: a header line, dot before the milliseconds."""
    blocks = [
        f"{_clock(segment.start_s, '.')} --> {_clock(segment.end_s, '.')}\n"
        f"{_escaped(_one_line(segment.text))}\n\n"
        for segment in segments
    ]
    return "WEBVTT\n\n" + "".join(blocks)


def _clock(seconds: float, mark: str) -> str:
    """``hh:mm:ss`` and milliseconds; hours have two digits or more."""
    total_ms = max(0, round(seconds * 1000))
    total_s, ms = divmod(total_ms, 1000)
    minutes, s = divmod(total_s, 60)
    hours, m = divmod(minutes, 60)
    return f"{hours:02d}:{m:02d}:{s:02d}{mark}{ms:03d}"


def _one_line(text: str) -> str:
    """An empty line or an arrow inside a block would end or break it."""
    return " ".join(text.split()).replace("-->", "->")


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")
