"""A sheet of paper to draw on, which remembers what was drawn where.

Coordinates are pixels of the sheet, origin top left. Ink is 0, paper 255.
"""

from dataclasses import dataclass, field
from functools import lru_cache
from math import atan2, cos, hypot, sin
from pathlib import Path
from random import Random

from PIL import Image, ImageDraw, ImageFont

from services.yolo.demo.classes import CLASS_ID
from shared.gdt_signs import SIGNS, Sign

_VISIBLE = [0] * 64 + [255] * 192  # ink fainter than this does not count for a text's box

Box = tuple[float, float, float, float]
Point = tuple[float, float]

FONT_ROOT = Path("/usr/share/fonts")
_LATIN_FACES = """
    osifont LiberationSans-Regular LiberationSans-Bold LiberationMono-Regular DejaVuSans
    DejaVuSansMono DejaVuSansCondensed LiberationSans-Italic LiberationSerif-Regular
"""
_KOREAN_FACES = """
    NanumGothic NanumGothicCoding NanumSquareR NanumMyeongjo UnDotum gulim dotum
"""


class FontsMissing(RuntimeError):
    """The fonts that the generator draws with are not installed."""


@dataclass(frozen=True)
class Style:
    """How one drawing office draws. Lengths in pixels."""

    text_px: int  # nominal type size of dimensions
    thin_px: int
    thick_px: int
    arrow_px: float
    arrow: str  # filled, open or tick
    latin: Path
    korean: Path
    is_korean: bool
    comma: bool  # decimal comma
    thin_ink: int  # grey level of dimension lines and text, 0 black
    text_over_line: bool  # dimension text above its line instead of in a gap

    def number(self, value: float, digits: int) -> str:
        """A value as this office writes it."""
        text = f"{value:.{digits}f}"
        return text.replace(".", ",") if self.comma else text


@dataclass(frozen=True)
class Label:
    """One thing on the sheet: its class, its box (xyxy) and what it says, if that is one text."""

    class_id: int
    box: Box
    text: str = ""


@dataclass
class Sheet:
    """The paper, its labels, and the areas that are taken."""

    image: Image.Image
    style: Style
    rng: Random
    labels: list[Label] = field(default_factory=list)
    taken: list[Box] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Take up the pen."""
        self.pen = ImageDraw.Draw(self.image)

    def label(self, name: str, box: Box, text: str = "") -> None:
        """Record a thing of a class, and take its area."""
        self.labels.append(Label(CLASS_ID[name], box, text))
        self.taken.append(box)

    def is_free(self, box: Box, gap_px: float = 3.0) -> bool:
        """Whether a box lies on the sheet and keeps its distance to everything taken."""
        x0, y0, x1, y1 = box[0] - gap_px, box[1] - gap_px, box[2] + gap_px, box[3] + gap_px
        if x0 < 0 or y0 < 0 or x1 > self.image.width or y1 > self.image.height:
            return False
        return all(x1 <= a or x0 >= c or y1 <= b or y0 >= d for a, b, c, d in self.taken)

    def line(self, points: list[Point], width_px: int | None = None) -> None:
        """A polyline, thin unless a width is given."""
        ink = self.style.thin_ink if width_px is None else 0
        self.pen.line(points, fill=ink, width=width_px or self.style.thin_px)

    def dashed(self, start: Point, end: Point, pattern: tuple[float, ...]) -> None:
        """A line of dashes and gaps, `pattern` their lengths in turn."""
        length = hypot(end[0] - start[0], end[1] - start[1])
        if length == 0:
            return
        ux, uy = (end[0] - start[0]) / length, (end[1] - start[1]) / length
        at, index = 0.0, 0
        while at < length:
            to = min(length, at + pattern[index % len(pattern)])
            if index % 2 == 0:
                self.line(
                    [
                        (start[0] + ux * at, start[1] + uy * at),
                        (start[0] + ux * to, start[1] + uy * to),
                    ]
                )
            at, index = to, index + 1

    def arrow(self, tail: Point, tip: Point) -> None:
        """A line that ends in this style's arrow head at `tip`."""
        self.line([tail, tip])
        angle, size = atan2(tip[1] - tail[1], tip[0] - tail[0]), self.style.arrow_px
        if self.style.arrow == "tick":
            dx, dy = size / 2 * cos(angle + 0.8), size / 2 * sin(angle + 0.8)
            self.line([(tip[0] - dx, tip[1] - dy), (tip[0] + dx, tip[1] + dy)], self.style.thick_px)
            return
        corners = [
            (tip[0] - size * cos(angle + t), tip[1] - size * sin(angle + t)) for t in (0.18, -0.18)
        ]
        if self.style.arrow == "filled":
            self.pen.polygon([tip, *corners], fill=0)
        else:
            self.line([corners[0], tip, corners[1]])

    def circle(self, center: Point, radius_px: float, width_px: int | None = None) -> None:
        """A circle."""
        x, y = center
        box = (x - radius_px, y - radius_px, x + radius_px, y + radius_px)
        self.pen.ellipse(box, outline=0, width=width_px or self.style.thin_px)

    def rectangle(self, box: Box, width_px: int | None = None) -> None:
        """An empty rectangle."""
        self.pen.rectangle(box, outline=0, width=width_px or self.style.thin_px)

    def text_size(self, text: str, size_px: float) -> tuple[float, float]:
        """Width and height of a line of text, by advance widths and type size."""
        width = sum(self._advance(run, size_px) for run in _runs(text))
        return width, size_px

    def text(
        self,
        at: Point,
        text: str,
        size_px: float | None = None,
        *,
        angle_deg: int = 0,
        ink: int = 0,
    ) -> Box:
        """Write a line of text and return the box of its ink.

        Args:
            at: top left corner of the box around the text, before its ink is measured.
            text: Korean, Latin and drawing signs.
            size_px: nominal type size; that of dimensions if not given.
            angle_deg: turned anticlockwise; 90 is read from the right.
            ink: grey level.
        """
        size = float(size_px or self.style.text_px)
        width, _ = self.text_size(text, size)
        margin = int(size / 2) + 2
        mask = Image.new("L", (int(width) + 2 * margin, int(size) + 2 * margin), 0)
        pen = ImageDraw.Draw(mask)
        x = float(margin)
        for run in _runs(text):
            baseline = margin + 0.85 * size
            if run in SIGNS:
                draw_sign(
                    pen,
                    SIGNS[run],
                    (x, baseline - 0.85 * size, 0.9 * size),
                    self.style.thin_px,
                    255,
                )
            else:
                pen.text((x, baseline), run, 255, self._face(run, size), "ls")
            x += self._advance(run, size)
        if angle_deg:
            mask = mask.rotate(angle_deg, Image.Resampling.BICUBIC, expand=True)
        corner = (round(at[0]) - margin, round(at[1]) - margin)
        self.image.paste(ink, corner, mask)
        x0, y0, x1, y1 = mask.point(_VISIBLE).getbbox() or (margin, margin, margin + 1, margin + 1)
        return corner[0] + x0, corner[1] + y0, corner[0] + x1, corner[1] + y1

    def _face(self, run: str, size_px: float) -> ImageFont.FreeTypeFont:
        korean = any(ord(c) >= 0x1100 for c in run)
        return _load(self.style.korean if korean else self.style.latin, max(5, round(size_px)))

    def _advance(self, run: str, size_px: float) -> float:
        if run in SIGNS:
            return 0.95 * size_px
        return self._face(run, size_px).getlength(run)


def draw_sign(
    pen: ImageDraw.ImageDraw,
    sign: Sign,
    square: tuple[float, float, float],
    width_px: int,
    ink: int,
) -> None:
    """Draw a sign of geometrical tolerancing into a square given as (left, top, side)."""
    left, top, side = square
    for stroke in sign.strokes:
        pen.line([(left + x * side, top + y * side) for x, y in stroke], ink, width_px)
    for fill in sign.fills:
        pen.polygon([(left + x * side, top + y * side) for x, y in fill], ink)


def random_style(rng: Random, text_px: int) -> Style:
    """A drawing office at random.

    Raises:
        FontsMissing: no font that the generator knows is installed.
    """
    thin = 1 if text_px < 16 else rng.choice((1, 1, 2))
    return Style(
        text_px=text_px,
        thin_px=thin,
        thick_px=thin + rng.choice((0, 1, 1)),
        arrow_px=text_px * rng.uniform(0.5, 1.0),
        arrow=rng.choices(("filled", "open", "tick"), (7, 2, 1))[0],
        latin=rng.choice(_faces(_LATIN_FACES)),
        korean=rng.choice(_faces(_KOREAN_FACES)),
        is_korean=rng.random() < 0.5,
        comma=rng.random() < 0.2,
        thin_ink=rng.choice((0, 0, 0, rng.randint(40, 150))),
        text_over_line=rng.random() < 0.6,
    )


def union(*boxes: Box) -> Box:
    """The smallest box around all."""
    return (
        min(b[0] for b in boxes),
        min(b[1] for b in boxes),
        max(b[2] for b in boxes),
        max(b[3] for b in boxes),
    )


def _runs(text: str) -> list[str]:
    """Split into drawn signs and stretches of one script."""
    runs: list[str] = []
    for character in text:
        kind = _script(character)
        if runs and kind != "sign" and _script(runs[-1][-1]) == kind:
            runs[-1] += character
        else:
            runs.append(character)
    return runs


def _script(character: str) -> str:
    if character in SIGNS:
        return "sign"
    return "korean" if ord(character) >= 0x1100 else "latin"


@lru_cache(maxsize=4)
def _faces(names: str) -> tuple[Path, ...]:
    found = {path.stem: path for path in FONT_ROOT.rglob("*.ttf")}
    faces = tuple(found[name] for name in names.split() if name in found)
    if not faces:
        raise FontsMissing(
            f"none of {' '.join(names.split())} under {FONT_ROOT}; `make deps` installs them"
        )
    return faces


@lru_cache(maxsize=512)
def _load(path: Path, size_px: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(path), size_px)
