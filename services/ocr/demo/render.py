"""Draws a line of text as a detector would cut it out, and says where each character stands."""

from dataclasses import dataclass
from pathlib import Path
from random import Random

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from services.ocr.demo.fonts import FontSet, face_for, load
from shared.gdt_signs import SIGNS, Sign

LINE_HEIGHT_PX = 48  # input height of the PP-OCR recognisers
_DRAWN_SIZE_PX = 44  # nominal size of the type before the crop is scaled to LINE_HEIGHT_PX
_MARGIN_PX = 40  # paper around the ink, so that every crop lies inside

GrayImage = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Line:
    """A rendered line.

    Attributes:
        pixels: (LINE_HEIGHT_PX, width) uint8, ink 255 on paper 0.
        text: what it says.
        centers_px: x of the middle of each character of `text`.
    """

    pixels: GrayImage
    text: str
    centers_px: tuple[float, ...]


@dataclass(frozen=True)
class Crop:
    """How a line is cut out; fractions are of the height of the cut text."""

    above: float
    below: float
    left: float
    right: float
    to_ink: bool  # measured from the ink instead of the nominal line
    stretch: float  # horizontal scale


def random_crop(rng: Random) -> Crop:
    """Tight crops (PaddleOCR) and loose ones (RapidOCR's larger unclip)."""
    loose = rng.choice((0.06, 0.14, 0.28))
    return Crop(
        above=rng.uniform(-0.02, loose),
        below=rng.uniform(-0.02, loose),
        left=rng.uniform(0.0, 2 * loose),
        right=rng.uniform(0.0, 2 * loose),
        to_ink=rng.random() < 0.6,
        stretch=rng.uniform(0.8, 1.2),
    )


def choose_font(rng: Random, fonts: FontSet, text: str) -> Path:
    """A face for the text; Latin lines may use Latin faces, and ornamental ones are rare."""
    if all(ord(c) < 0x2500 for c in text) and rng.random() < 0.6:
        return rng.choice(fonts.latin)
    if fonts.ornamental and rng.random() < 0.15:
        return rng.choice(fonts.ornamental)
    return rng.choice(fonts.plain)


def render_line(rng: Random, text: str, fonts: FontSet, max_width_px: int = 320) -> Line:
    """Draw a text, cut off after the last character that fits.

    Args:
        rng: source of chance for face, spacing and crop.
        text: characters of the alphabet; not empty, no space at its ends.
        fonts: where to take the face from.
        max_width_px: width that the result does not exceed.
    """
    face = choose_font(rng, fonts, text)
    crop = random_crop(rng)
    ink, lefts, rights = _draw(
        text,
        face,
        spacing_px=rng.choice((0.0, 0.0, 0.0, rng.uniform(-1.0, 4.0))),
        space_scale=rng.uniform(0.65, 1.15),
    )
    top, bottom = _vertical_extent(ink, crop)
    scale = LINE_HEIGHT_PX / (bottom - top)
    kept = _count_that_fits(
        rights, lefts[0], max_width_px / (scale * crop.stretch) - 0.3 * (bottom - top)
    )
    text = text[:kept].rstrip()
    kept = len(text)
    left = lefts[0] - crop.left * (bottom - top) - 1
    right = rights[kept - 1] + crop.right * (bottom - top) + 1
    if kept < len(lefts):
        right = min(right, lefts[kept])
        ink[:, int(right) :] = 0
    x0, x1 = max(0, int(left)), min(ink.shape[1], int(right) + 1)
    width = min(max_width_px, max(8, round((x1 - x0) * scale * crop.stretch)))
    pixels = cv2.resize(
        ink[top:bottom, x0:x1], (width, LINE_HEIGHT_PX), interpolation=cv2.INTER_AREA
    )
    factor = width / (x1 - x0)
    centers = tuple(
        ((a + b) / 2 - x0) * factor for a, b in zip(lefts[:kept], rights[:kept], strict=True)
    )
    return Line(np.asarray(pixels, np.uint8), text, centers)


def _draw(
    text: str, face: Path, *, spacing_px: float, space_scale: float
) -> tuple[GrayImage, list[float], list[float]]:
    """Ink of a text on a wide sheet, with left and right edge of each character's advance.

    Faces differ much in the width of their word space, and a narrow one is easily overlooked, so
    `space_scale` changes it.
    """
    font = load(face, _DRAWN_SIZE_PX)
    advances = [
        _advance(character, face) * (space_scale if character == " " else 1.0) + spacing_px
        for character in text
    ]
    width = int(sum(advances)) + 2 * _MARGIN_PX
    sheet = Image.new("L", (width, _DRAWN_SIZE_PX + 2 * _MARGIN_PX), 0)
    pen = ImageDraw.Draw(sheet)
    baseline, x = _MARGIN_PX + 0.82 * _DRAWN_SIZE_PX, float(_MARGIN_PX)
    lefts, rights = [], []
    stroke_px = 2 + (len(text) + int(sum(advances))) % 3
    for character, advance in zip(text, advances, strict=True):
        if character in SIGNS:
            _draw_sign(pen, SIGNS[character], x, baseline, stroke_px)
        elif character != " ":
            chosen = face_for(face, character)
            pen.text(
                (x, baseline),
                character,
                255,
                font if chosen == face else load(chosen, _DRAWN_SIZE_PX),
                "ls",
            )
        lefts.append(x)
        rights.append(x + advance - spacing_px)
        x += advance
    return np.asarray(sheet).copy(), lefts, rights


def _advance(character: str, face: Path) -> float:
    if character in SIGNS:
        return (SIGNS[character].width + 0.1) * 0.85 * _DRAWN_SIZE_PX
    return load(face_for(face, character), _DRAWN_SIZE_PX).getlength(character)


def _draw_sign(
    pen: ImageDraw.ImageDraw, sign: Sign, x: float, baseline: float, stroke_px: int
) -> None:
    cell = 0.85 * _DRAWN_SIZE_PX
    x0, y0 = x + 0.05 * cell, baseline + 0.08 * cell - cell
    for stroke in sign.strokes:
        pen.line([(x0 + px * cell, y0 + py * cell) for px, py in stroke], 255, stroke_px, "curve")
    for fill in sign.fills:
        pen.polygon([(x0 + px * cell, y0 + py * cell) for px, py in fill], 255)


def _vertical_extent(ink: GrayImage, crop: Crop) -> tuple[int, int]:
    """First and last row of the cut; at least half the type size, so that a dash stays a dash."""
    nominal_top, nominal_bottom = _MARGIN_PX + 2, _MARGIN_PX + round(1.02 * _DRAWN_SIZE_PX)
    rows = np.flatnonzero(ink.max(axis=1) > 64)
    top, bottom = nominal_top, nominal_bottom
    if crop.to_ink and rows.size and rows[-1] - rows[0] > 0.5 * _DRAWN_SIZE_PX:
        top, bottom = int(rows[0]), int(rows[-1]) + 1
    height = bottom - top
    top, bottom = round(top - crop.above * height), round(bottom + crop.below * height)
    return max(0, top), min(ink.shape[0], bottom)


def _count_that_fits(rights: list[float], left: float, width_px: float) -> int:
    return max(1, sum(right - left <= width_px for right in rights))
