"""Small sheets for tests: PDF content streams and pictures."""

import io
import math

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from shared.gdt_signs import SIGNS
from shared.testing import make_pdf

HEIGHT_PT = 300


def text(x, y, words, *, size=10, up=False):
    """Letters at (x, y) from the bottom left, in points."""
    matrix = f"0 1 -1 0 {x} {y}" if up else f"1 0 0 1 {x} {y}"
    words = words.replace("(", r"\(").replace(")", r"\)")
    return f"BT /F1 {size} Tf {matrix} Tm ({words}) Tj ET\n"


def lines(*points, closed=False):
    """A polyline in points from the bottom left."""
    (x, y), *rest = points
    path = f"{x} {y} m " + " ".join(f"{a} {b} l" for a, b in rest)
    return f"{path} {'s' if closed else 'S'}\n"


def sign(character, x, y, size):
    """A sign of ``shared.gdt_signs`` with its cell's bottom left at (x, y)."""
    return "".join(
        lines(*((x + size * u, y + size * (1 - v)) for u, v in stroke))
        for stroke in (*SIGNS[character].strokes, *SIGNS[character].fills)
    )


def frame(x, y, character, *cells, side=18):
    """A feature control frame with its bottom left at (x, y)."""
    return composite(x, y, character, cells, side=side)


def composite(x, y, character, *rows, side=18):
    """A frame of rows, top to bottom, behind one sign's cell with its bottom left at (x, y)."""
    high = side * len(rows)
    drawn = sign(character, x + 4, y + 4 + (high - side) / 2, side - 8)
    drawn += _box(x, y, side, high)
    for index, cells in enumerate(reversed(rows)):
        left, bottom = x + side, y + side * index
        for words in cells:
            width = 10 + 7 * len(words)
            drawn += _box(left, bottom, width, side) + text(left + 5, bottom + 5, words)
            left += width
    return drawn


def turned(content, angle_deg, x, y):
    """Content turned anticlockwise about (x, y)."""
    cos, sin = math.cos(math.radians(angle_deg)), math.sin(math.radians(angle_deg))
    e, f = x - x * cos + y * sin, y - x * sin - y * cos
    return f"q {cos:.6f} {sin:.6f} {-sin:.6f} {cos:.6f} {e:.3f} {f:.3f} cm\n{content}Q\n"


def _box(x, y, width, height):
    return lines((x, y), (x + width, y), (x + width, y + height), (x, y + height), closed=True)


def pdf(*pages, **options):
    """A PDF of 400 x 300 points a page."""
    return make_pdf(pages, **options)


def png(image):
    """A picture as PNG."""
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def paper(width=900, height=600):
    """A white picture and a pen for it."""
    image = Image.new("RGB", (width, height), "white")
    return image, ImageDraw.Draw(image)


def drawn(*places):
    """A picture with a number at each place."""
    image, pen = paper(1800, 1200)
    for x, y in places or [(100, 100)]:
        write(pen, x, y, "25.4", size=48)
    return png(image)


def draw_sign(pen, character, x, y, size, width=3):
    """A sign of ``shared.gdt_signs`` with its cell's top left at (x, y)."""
    for stroke in (*SIGNS[character].strokes, *SIGNS[character].fills):
        pen.line([(x + size * u, y + size * v) for u, v in stroke], fill="black", width=width)


def draw_slashed_o(pen, x, y, height, width=4):
    """The letter that stands for ⌀ in most fonts, with its top left at (x, y)."""
    pen.ellipse((x, y, x + 0.85 * height, y + height), outline="black", width=width)
    pen.line((x, y + height, x + 0.85 * height, y), fill="black", width=width)


def write(pen, x, y, words, size=32):
    """Letters with their top left at (x, y)."""
    pen.text((x, y), words, fill="black", font=ImageFont.load_default(size))


def leaning(image, angle_deg):
    """A picture turned clockwise about its middle."""
    return image.rotate(-angle_deg, Image.Resampling.BICUBIC, fillcolor="white")


def pixels(image):
    """(height, width, 3) uint8."""
    return np.asarray(image)
