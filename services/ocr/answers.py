"""Form answers from the text of pages: JSON members, plain text, Markdown and hOCR."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from statistics import median

from services.ocr.reader import Line, PageText
from services.ocr.readings import FloatArray
from services.ocr.schemas import Box, OcrLine, OcrPage, OcrWord

HEADING_RATIO = 1.4
"""A line alone in its row whose height is this many times the page's typical one is a heading."""
PARAGRAPH_GAP = 0.9
"""Free height between two rows, in heights of a line, from which a new paragraph begins."""


@dataclass(frozen=True)
class ReadPage:
    """A page of the document with its text."""

    page: int  # from 1
    dpi: int | None  # None for a picture
    text: PageText


def json_page(read: ReadPage, *, has_words: bool) -> OcrPage:
    """The page as a member of the JSON answer."""
    lines = [
        _json_line(read.page, order, line, has_words=has_words)
        for order, line in enumerate(read.text.lines)
    ]
    return OcrPage(
        page=read.page, width=read.text.width_px, height=read.text.height_px, dpi=read.dpi,
        text=plain_text(read.text), lines=lines,
    )  # fmt: skip


def plain_text(text: PageText) -> str:
    """A line of text for each row, its parts joined by a space; an empty line between blocks."""
    return "\n\n".join(
        "\n".join(_row_text(text, row) for row in block.rows) for block in text.blocks
    )


def markdown(pages: Sequence[ReadPage]) -> str:
    """Headings by height, paragraphs by free space; pages parted by a rule."""
    return "\n\n---\n\n".join("\n\n".join(_markdown_blocks(each.text)) for each in pages) + "\n"


def hocr(pages: Iterable[ReadPage], *, system: str) -> str:
    """An hOCR 1.2 document (https://kba.github.io/hocr-spec/1.2/).

    Args:
        pages: in order.
        system: names of the models, for ``ocr-system``.
    """
    body = "\n".join(_hocr_page(each) for each in pages)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE html>\n'
        '<html xmlns="http://www.w3.org/1999/xhtml">\n<head>\n<meta charset="utf-8"/>\n'
        f'<title></title>\n<meta name="ocr-system" content="{escape(system)}"/>\n'
        '<meta name="ocr-capabilities" content="ocr_page ocr_carea ocr_line ocrx_word"/>\n'
        f"</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def box_of(polygon: FloatArray) -> Box:
    """The upright box around a polygon (4, 2)."""
    (x1, y1), (x2, y2) = polygon.min(axis=0).tolist(), polygon.max(axis=0).tolist()
    return Box(x1=round(x1, 2), y1=round(y1, 2), x2=round(x2, 2), y2=round(y2, 2))


def _json_line(page: int, order: int, line: Line, *, has_words: bool) -> OcrLine:
    words = [
        OcrWord(text=each.text, polygon=_points(each.polygon), box=box_of(each.polygon))
        for each in line.words
    ]
    return OcrLine(
        id=f"p{page}-l{order}", text=line.text, confidence=round(line.confidence, 4),
        polygon=_points(line.polygon), box=box_of(line.polygon),
        angle_deg=round(line.angle_deg, 2), order=order, model=line.recogniser,
        words=words if has_words else None,
    )  # fmt: skip


def _points(polygon: FloatArray) -> list[tuple[float, float]]:
    return [(round(float(x), 2), round(float(y), 2)) for x, y in polygon]


def _row_text(text: PageText, row: Iterable[int]) -> str:
    return " ".join(text.lines[index].text for index in row)


def _height_px(line: Line) -> float:
    return float(((line.polygon[3] - line.polygon[0]) ** 2).sum() ** 0.5)


def _markdown_blocks(text: PageText) -> list[str]:
    if not text.lines:
        return []
    typical_px = median(_height_px(line) for line in text.lines)
    parts: list[str] = []
    for block in text.blocks:
        paragraph: list[str] = []
        bottom_px: float | None = None
        for row in block.rows:
            lines = [text.lines[index] for index in row]
            top_px = min(float(line.polygon[:, 1].min()) for line in lines)
            is_heading = len(row) == 1 and _height_px(lines[0]) >= HEADING_RATIO * typical_px
            is_apart = bottom_px is not None and top_px - bottom_px > PARAGRAPH_GAP * typical_px
            if paragraph and (is_heading or is_apart):
                parts.append("\n".join(paragraph))
                paragraph = []
            shown = _escape_markdown(_row_text(text, row))
            if is_heading:
                parts.append(f"## {shown}")
            else:
                paragraph.append(shown)
            bottom_px = max(float(line.polygon[:, 1].max()) for line in lines)
        if paragraph:
            parts.append("\n".join(paragraph))
    return parts


def _escape_markdown(text: str) -> str:
    for sign in "\\`*_[]<>|":
        text = text.replace(sign, f"\\{sign}")
    return f"\\{text}" if text.startswith(("#", "-", "+", ">")) else text


def _hocr_page(read: ReadPage) -> str:
    page, text = read.page, read.text
    title = f"bbox 0 0 {text.width_px} {text.height_px}; ppageno {page - 1}"
    if read.dpi is not None:
        title += f"; scan_res {read.dpi} {read.dpi}"
    areas = []
    for number, block in enumerate(text.blocks):
        members = [index for row in block.rows for index in row]
        lines = "\n".join(_hocr_line(page, index, text.lines[index]) for index in members)
        box = _hocr_box([text.lines[index].polygon for index in members])
        areas.append(
            f'<div class="ocr_carea" id="block_{page}_{number}" title="{box}">\n{lines}\n</div>'
        )
    inner = "\n".join(areas)
    return f'<div class="ocr_page" id="page_{page}" title="{title}">\n{inner}\n</div>'


def _hocr_line(page: int, index: int, line: Line) -> str:
    title = _hocr_box([line.polygon])
    if abs(line.angle_deg) >= 0.5:
        title += f"; textangle {-line.angle_deg % 360:.1f}"  # hOCR counts counter-clockwise
    confidence = round(line.confidence * 100)
    words = " ".join(
        f'<span class="ocrx_word" id="word_{page}_{index}_{number}" '
        f'title="{_hocr_box([word.polygon])}; x_wconf {confidence}">{escape(word.text)}</span>'
        for number, word in enumerate(line.words)
    )
    return f'<span class="ocr_line" id="line_{page}_{index}" title="{title}">{words}</span>'


def _hocr_box(polygons: Sequence[FloatArray]) -> str:
    boxes = [box_of(each) for each in polygons]
    left, top = min(each.x1 for each in boxes), min(each.y1 for each in boxes)
    right, bottom = max(each.x2 for each in boxes), max(each.y2 for each in boxes)
    return f"bbox {round(left)} {round(top)} {round(right)} {round(bottom)}"
