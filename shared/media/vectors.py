"""Read the text and the drawn lines of a PDF page with PDFium; runs in a media worker.

What a CAD program exports is exact: every letter has its place and every line its ends. Letters may
still be missing, because some programs draw signs (⌀, GD&T) as lines; so both are given.
"""

import ctypes
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pypdfium2
import pypdfium2.raw as pdfium
from numpy.typing import NDArray

from shared.errors import InvalidInput, PayloadTooLarge, UnsupportedMedia
from shared.media.limits import PageVectors, VectorLimits
from shared.media.pdf import opened

CURVE_PIECES = 8  # straight pieces of one Bezier curve
MAX_FORM_DEPTH = 6
DEVICE_UNITS = 1_000_000  # the device space that fixes how page space is turned; PDFium rounds it
Matrix = tuple[float, float, float, float, float, float]  # a b c d e f of ISO 32000-1, 8.3.3
IDENTITY: Matrix = (1.0, 0.0, 0.0, 1.0, 0.0, 0.0)


def read_vectors(path: str, page: int, limits: VectorLimits) -> PageVectors:
    """Read one page.

    Args:
        path: file of ours.
        page: number from 1.
        limits: bounds of what one page may hold.

    Raises:
        InvalidInput: there is no such page.
        PayloadTooLarge: the page holds more than the limits.
        UnsupportedMedia: damaged, or encrypted.
    """
    with opened(path) as document:
        if not 1 <= page <= len(document):
            raise InvalidInput(f"page {page} does not exist; the file has {len(document)} pages")
        try:
            sheet = document[page - 1]
            to_view = _to_view(sheet)
            text, glyphs = _read_glyphs(sheet, to_view, limits)
            points, starts, objects = _read_strokes(sheet, to_view, limits)
            width_pt, height_pt = sheet.get_size()
        except pypdfium2.PdfiumError:
            raise UnsupportedMedia(f"page {page} of the PDF is damaged") from None
    return PageVectors(width_pt, height_pt, text, glyphs, points, starts, objects)


def _to_view(sheet: pypdfium2.PdfPage) -> Matrix:
    """From page space to points of the page as it is shown: turned, cropped, y down."""
    width_pt, height_pt = sheet.get_size()

    def shown(x: float, y: float) -> tuple[float, float]:
        across, down = ctypes.c_int(), ctypes.c_int()
        pdfium.FPDF_PageToDevice(sheet.raw, 0, 0, DEVICE_UNITS, DEVICE_UNITS, 0, x, y, across, down)
        return across.value * width_pt / DEVICE_UNITS, down.value * height_pt / DEVICE_UNITS

    step = max(width_pt, height_pt)
    x0, y0 = shown(0, 0)
    xa, ya = shown(step, 0)
    xb, yb = shown(0, step)
    turned = [(xa - x0) / step, (ya - y0) / step, (xb - x0) / step, (yb - y0) / step]
    # Pages turn by quarters only: what PDFium's rounding adds is taken off again.
    a, b, c, d = (float(round(each)) for each in turned)
    return a, b, c, d, x0, y0


def _read_glyphs(
    sheet: pypdfium2.PdfPage, to_view: Matrix, limits: VectorLimits
) -> tuple[str, NDArray[np.float32]]:
    """Letters and their rows (x1, y1, x2, y2, origin x, origin y, angle, size)."""
    textpage = sheet.get_textpage()
    count = textpage.count_chars()
    if count > limits.max_glyphs:
        raise PayloadTooLarge(f"the page has more than {limits.max_glyphs} letters")
    letters: list[str] = []
    rows: list[list[float]] = []
    for index in range(count):
        code = pdfium.FPDFText_GetUnicode(textpage.raw, index)
        is_surrogate = 0xD800 <= code < 0xE000
        if pdfium.FPDFText_IsGenerated(textpage.raw, index) or is_surrogate or code < 0x20:
            continue
        row = _glyph_row(textpage, index, to_view)
        if row is not None:
            letters.append(chr(code))
            rows.append(row)
    return "".join(letters), np.array(rows, np.float32).reshape(-1, 8)


def _glyph_row(textpage: pypdfium2.PdfTextPage, index: int, to_view: Matrix) -> list[float] | None:
    box = pdfium.FS_RECTF()
    x, y = ctypes.c_double(), ctypes.c_double()
    matrix = pdfium.FS_MATRIX()
    found = (
        pdfium.FPDFText_GetLooseCharBox(textpage.raw, index, box)
        and pdfium.FPDFText_GetCharOrigin(textpage.raw, index, x, y)
        and pdfium.FPDFText_GetMatrix(textpage.raw, index, matrix)
    )
    if not found:
        return None
    corners = [
        _apply(to_view, across, down)
        for across in (box.left, box.right)
        for down in (box.bottom, box.top)
    ]
    xs, ys = [each[0] for each in corners], [each[1] for each in corners]
    placed = _joined((matrix.a, matrix.b, matrix.c, matrix.d, 0.0, 0.0), to_view)
    font_size = pdfium.FPDFText_GetFontSize(textpage.raw, index)
    angle_deg = math.degrees(math.atan2(placed[1], placed[0]))
    size = font_size * math.hypot(placed[2], placed[3])
    return [min(xs), min(ys), max(xs), max(ys), *_apply(to_view, x.value, y.value), angle_deg, size]


@dataclass
class _Strokes:
    """Polylines as they are collected."""

    limits: VectorLimits
    points: list[tuple[float, float]]
    starts: list[int]
    objects: list[int]

    def add(self, line: list[tuple[float, float]], number: int) -> None:
        if len(line) < 2:
            return
        if len(self.points) + len(line) > self.limits.max_points:
            raise PayloadTooLarge(f"the page has more than {self.limits.max_points} line ends")
        self.starts.append(len(self.points))
        self.objects.append(number)
        self.points.extend(line)


def _read_strokes(
    sheet: pypdfium2.PdfPage, to_view: Matrix, limits: VectorLimits
) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]:
    found = _Strokes(limits, [], [], [])
    for number, (path, matrix) in enumerate(_paths(sheet.raw, to_view)):
        for line in _polylines(path, matrix):
            found.add(line, number)
    points = np.array(found.points, np.float32).reshape(-1, 2)
    return points, np.array(found.starts, np.int64), np.array(found.objects, np.int64)


def _paths(page: object, to_view: Matrix) -> Iterator[tuple[object, Matrix]]:
    """Visible paths with the matrix from their own space to the view, those in forms too."""
    for index in range(pdfium.FPDFPage_CountObjects(page)):
        yield from _paths_of(pdfium.FPDFPage_GetObject(page, index), to_view, 0)


def _paths_of(item: object, outer: Matrix, depth: int) -> Iterator[tuple[object, Matrix]]:
    kind = pdfium.FPDFPageObj_GetType(item)
    if kind == pdfium.FPDF_PAGEOBJ_PATH:
        if _is_visible(item):
            yield item, _joined(_matrix_of(item), outer)
    elif kind == pdfium.FPDF_PAGEOBJ_FORM and depth < MAX_FORM_DEPTH:
        inner = _joined(_matrix_of(item), outer)
        for index in range(pdfium.FPDFFormObj_CountObjects(item)):
            yield from _paths_of(pdfium.FPDFFormObj_GetObject(item, index), inner, depth + 1)


def _is_visible(path: object) -> bool:
    fill, stroke = ctypes.c_int(), ctypes.c_int()
    return bool(
        pdfium.FPDFPath_GetDrawMode(path, fill, stroke)
        and (fill.value != pdfium.FPDF_FILLMODE_NONE or stroke.value)
    )


def _matrix_of(item: object) -> Matrix:
    matrix = pdfium.FS_MATRIX()
    if not pdfium.FPDFPageObj_GetMatrix(item, matrix):
        return IDENTITY
    return matrix.a, matrix.b, matrix.c, matrix.d, matrix.e, matrix.f


def _polylines(path: object, matrix: Matrix) -> Iterator[list[tuple[float, float]]]:
    line: list[tuple[float, float]] = []
    handles: list[tuple[float, float]] = []  # of the curve being read
    for index in range(pdfium.FPDFPath_CountSegments(path)):
        segment = pdfium.FPDFPath_GetPathSegment(path, index)
        x, y = ctypes.c_float(), ctypes.c_float()
        pdfium.FPDFPathSegment_GetPoint(segment, x, y)
        point = _apply(matrix, x.value, y.value)
        kind = pdfium.FPDFPathSegment_GetType(segment)
        if kind == pdfium.FPDF_SEGMENT_MOVETO:
            yield line
            line, handles = [point], []
        elif kind == pdfium.FPDF_SEGMENT_BEZIERTO:
            handles.append(point)
            if len(handles) == 3 and line:
                line.extend(_curve(line[-1], *handles))
                handles = []
        else:
            line.append(point)
        if pdfium.FPDFPathSegment_GetClose(segment) and line:
            line.append(line[0])
    yield line


def _curve(
    start: tuple[float, float],
    first: tuple[float, float],
    second: tuple[float, float],
    end: tuple[float, float],
) -> Iterator[tuple[float, float]]:
    for piece in range(1, CURVE_PIECES + 1):
        t = piece / CURVE_PIECES
        weights = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3)
        corners = (start, first, second, end)
        x = sum(weight * each[0] for weight, each in zip(weights, corners, strict=True))
        y = sum(weight * each[1] for weight, each in zip(weights, corners, strict=True))
        yield x, y


def _apply(matrix: Matrix, x: float, y: float) -> tuple[float, float]:
    a, b, c, d, e, f = matrix
    return a * x + c * y + e, b * x + d * y + f


def _joined(inner: Matrix, outer: Matrix) -> Matrix:
    """The matrix that applies ``inner`` first."""
    a, b, c, d, e, f = inner
    origin = _apply(outer, e, f)
    p, q, r, s, _, _ = outer
    return a * p + b * r, a * q + b * s, c * p + d * r, c * q + d * s, *origin
