"""Bounds of what is decoded, and the decoded things, as they travel to and from the media pool."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class ImageLimits:
    """Bounds of one picture."""

    max_pixels: int = 100_000_000
    min_side_px: int = 1


@dataclass(frozen=True)
class AudioLimits:
    """Bounds of one recording."""

    max_seconds: float = 4 * 3600.0
    max_channels: int = 8
    sample_rate_hz: int = 16_000  # rate of the result


@dataclass(frozen=True)
class PdfLimits:
    """Bounds of one PDF."""

    max_pages: int = 100  # of the pages asked for
    max_pixels: int = 100_000_000  # of one rendered page


@dataclass(frozen=True)
class VectorLimits:
    """Bounds of the text and lines of one PDF page."""

    max_glyphs: int = 200_000
    max_points: int = 2_000_000


@dataclass(frozen=True)
class Picture:
    """A decoded picture, upright (EXIF orientation applied)."""

    pixels: NDArray[np.uint8]  # (height, width, 3), RGB

    @property
    def width_px(self) -> int:
        """Width in pixels."""
        return int(self.pixels.shape[1])

    @property
    def height_px(self) -> int:
        """Height in pixels."""
        return int(self.pixels.shape[0])


@dataclass(frozen=True)
class PageVectors:
    """Text and drawn lines of one PDF page, in points of the page as shown, origin top left."""

    width_pt: float
    height_pt: float
    text: str  # the letters, in the file's order
    glyphs: NDArray[np.float32]  # (n_letters, 8): x1 y1 x2 y2 of the font's box, origin x y,
    # angle in deg clockwise, size in pt
    points: NDArray[np.float32]  # (n_points, 2): the polylines' corners, one after the other
    starts: NDArray[np.int64]  # (n_polylines,): index of each polyline's first point
    objects: NDArray[np.int64]  # (n_polylines,): number of the path that it belongs to


@dataclass(frozen=True)
class Recording:
    """A decoded recording."""

    samples: NDArray[np.float32]  # (n_samples,), mono, -1 to 1
    sample_rate_hz: int

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self.samples) / self.sample_rate_hz


@dataclass(frozen=True)
class PcmFile:
    """A recording decoded into a file: mono, 16 bit little endian, without a header."""

    n_samples: int
    sample_rate_hz: int
    sha256: str  # of the file, hexadecimal

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.n_samples / self.sample_rate_hz


RECORD_TYPES: tuple[type[Any], ...] = (
    ImageLimits, AudioLimits, PdfLimits, VectorLimits, Picture, PageVectors, Recording, PcmFile,
)  # fmt: skip
