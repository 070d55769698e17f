"""What benchmarks send to each service: files of this repository, generated ones, and bad ones."""

import io
import os
import random
import wave
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

DATA = Path(__file__).resolve().parents[1] / "tests" / "data"
WORDS = ("flange", "bolt", "M8", "H7", "0.05", "2x45", "Ra 3.2", "datum", "shaft", "ISO 2768-mK")
PATHS = {
    "ocr": "/v1/ocr",
    "yolo": "/v1/detect",
    "whisper": "/v1/audio/transcriptions",
    "tolerance": "/v1/tolerance/predict",
}


@dataclass(frozen=True)
class Sample:
    """One request."""

    name: str
    path: str
    content: bytes = b""
    fields: Mapping[str, str] = field(default_factory=dict)
    json: Any = None
    is_bad: bool = False  # must be answered with a 4xx


def typical(service: str) -> Sample:
    """The sample by which a service's speed is told: a page, a drawing, 30 s of speech, a part.

    Raises:
        KeyError: nothing is known of this service.
    """
    path = PATHS[service]
    if service == "ocr":
        return Sample("page.png", path, (DATA / "page_ko_en.png").read_bytes())
    if service == "yolo":
        return Sample("drawing.png", path, (DATA / "drawing.png").read_bytes())
    if service == "whisper":
        return Sample("speech.wav", path, speech_wav(30.0), {"language": "en"})
    return Sample("part", path, json={"parts": [PART]})


PART = {
    "material": "al_6061",
    "process": "milling",
    "feature": "plane",
    "dimensions_mm": {"length": 100, "width": 15, "thickness": 12},
    "characteristics": ["flatness"],
    "spec_mm": 0.1,
}


def speech_wav(seconds: float) -> bytes:
    """Speech of the repository, repeated until it is long enough."""
    with wave.open(str(DATA / "speech" / "sample.wav")) as file:
        rate, frames = file.getframerate(), file.readframes(file.getnframes())
    wanted = int(seconds * rate) * 2
    sink = io.BytesIO()
    with wave.open(sink, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((frames * (wanted // len(frames) + 1))[:wanted])
    return sink.getvalue()


def mixed_pictures(service: str, *, seed: int) -> Iterator[Sample]:
    """Pictures without end: generated ones of all sizes, the repository's own, and bad ones.

    Real ones join them when ``GANTRY_TEST_DATA`` names a folder that has some.
    """
    chance, path = random.Random(seed), PATHS[service]
    own = sorted(DATA.glob("*.png"))
    extra = Path(os.environ.get("GANTRY_TEST_DATA", "/nonexistent"))
    own += sorted(each for each in (extra / "images").glob("*.jpg"))
    good = own[0].read_bytes()
    while True:
        draw = chance.random()
        if draw < 0.05:
            each = chance.choice(own)
            yield Sample(each.name, path, each.read_bytes())
        elif draw < 0.10:
            yield Sample("cut.png", path, good[: chance.randrange(10, 2000)], is_bad=True)
        elif draw < 0.15:
            yield Sample("noise.jpg", path, chance.randbytes(3000), is_bad=True)
        else:
            yield Sample("made.png", path, text_picture(chance))


def text_picture(chance: random.Random) -> bytes:
    """A picture with a few words and lines, 64 to 640 px on a side."""
    width, height = chance.randrange(64, 640), chance.randrange(64, 400)
    noise = np.random.default_rng(chance.randrange(2**32)).integers(200, 256, (height, width, 3))
    picture = Image.fromarray(noise.astype(np.uint8))
    pen = ImageDraw.Draw(picture)
    for _ in range(chance.randrange(1, 6)):
        at = (chance.randrange(width), chance.randrange(height))
        pen.text(
            at, chance.choice(WORDS), "black", ImageFont.load_default(chance.randrange(12, 40))
        )
        pen.line([at, (chance.randrange(width), chance.randrange(height))], "black", 2)
    sink = io.BytesIO()
    picture.save(sink, "png")
    return sink.getvalue()


def varied(service: str, number: int) -> Sample:
    """The typical sample with other content for each number: no cache can know it.

    Pictures get marks of their own at the top, speech some samples, a part another length.
    """
    sample = typical(service)
    if sample.json is not None:
        part = {
            **PART,
            "dimensions_mm": {"length": 50 + number % 200, "width": 15, "thickness": 12},
        }
        return replace(sample, json={"parts": [part]})
    if service == "whisper":
        head, body = sample.content[:44], bytearray(sample.content[44:])
        body[: len(NOISE_FREE)] = number.to_bytes(len(NOISE_FREE), "little")
        return replace(sample, content=head + bytes(body))
    return replace(sample, content=_marked(sample.content, number, "png"))


def recoded(sample: Sample) -> Sample:
    """The same content in another file: other compression, or another header."""
    if sample.content[:4] == b"RIFF":
        extra = b"LIST" + (4).to_bytes(4, "little") + b"INFO"
        size = (len(sample.content) - 8 + len(extra)).to_bytes(4, "little")
        head, body = sample.content[8:36], sample.content[36:]
        return replace(sample, content=b"RIFF" + size + head + extra + body)
    return replace(sample, name="same.bmp", content=_marked(sample.content, None, "bmp"))


MARK_PX = 12
NOISE_FREE = b"\0\0\0\0"
"""So many bytes at the start of a recording tell variants apart; two samples are not heard."""


def _marked(content: bytes, number: int | None, kind: str) -> bytes:
    with Image.open(io.BytesIO(content)) as opened:
        picture = opened.convert("RGB")
    if number is not None:
        for place in range(16):  # large enough to be seen after the picture has been shrunk
            shade = "black" if number >> place & 1 else "white"
            box = (place * MARK_PX, 0, (place + 1) * MARK_PX - 1, MARK_PX - 1)
            ImageDraw.Draw(picture).rectangle(box, shade)
    sink = io.BytesIO()
    picture.save(sink, kind)
    return sink.getvalue()
