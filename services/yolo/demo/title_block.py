"""Draws title blocks: a box of cells at a corner or along the foot of a sheet.

Offices differ (ISO 7200 fixes the fields, not the layout): cells split at random or beside a grid
of approvals, hardly filled in or full, the title in small type or in the largest of the sheet.
"""

from dataclasses import dataclass

from services.yolo.demo import words
from services.yolo.demo.sheet import Box, Point, Sheet


@dataclass(frozen=True)
class _Block:
    """How one title block is filled in."""

    sheet: Sheet
    size_px: float  # of captions
    filled: float  # share of the cells that hold a value
    largest: float  # type size of values, at most, as a multiple of that of captions

    def value_px(self) -> float:
        """A type size for a value; most are small."""
        return self.size_px * min(
            self.sheet.rng.uniform(0.9, self.largest), self.sheet.rng.uniform(0.9, self.largest)
        )


def title_block(sheet: Sheet, box: Box) -> None:
    """A title block that fills a box: cells with captions and values."""
    rng = sheet.rng
    sheet.rectangle(box, sheet.style.thick_px)
    size = max(6.0, min(sheet.style.text_px * 0.62, (box[3] - box[1]) / 7))
    block = _Block(sheet, size, filled=rng.uniform(0.1, 0.9), largest=rng.uniform(1.2, 3.0))
    if rng.random() < 0.45:
        _with_approvals(block, box)
    else:
        _split(block, box, depth=0)
    sheet.label("title_block", box)


def write_if_fits(sheet: Sheet, at: Point, text: str, size_px: float, box: Box) -> None:
    """Write a line of text, unless it would leave its cell."""
    width, height = sheet.text_size(text, size_px)
    if at[0] + width < box[2] - 1 and at[1] + height < box[3]:
        sheet.text(at, text, size_px)


def _with_approvals(block: _Block, box: Box) -> None:
    """A grid of who drew and checked at one side, other cells beside it and above."""
    rng = block.sheet.rng
    x0, y0, x1, y1 = box
    is_left, has_band = rng.random() < 0.7, rng.random() < 0.5
    side = rng.uniform(0.3, 0.55) * (x1 - x0)
    middle = x0 + side if is_left else x1 - side
    top = y0 + rng.choice((0.0, rng.uniform(0.2, 0.45), rng.uniform(0.2, 0.45))) * (y1 - y0)
    grid = (x0, top, middle, y1) if is_left else (middle, top, x1, y1)
    start = top if has_band else y0
    beside = (middle, start, x1, y1) if is_left else (x0, start, middle, y1)
    above = (x0, y0, x1, top) if has_band else (grid[0], y0, grid[2], top)
    for cell in (beside, above) if top > y0 else (beside,):
        block.sheet.rectangle(cell)
        _split(block, cell, depth=1)
    _approvals(block, grid)


def _approvals(block: _Block, box: Box) -> None:
    """Rows of roles, columns for name, signature and date; most cells are still to be signed."""
    sheet, rng = block.sheet, block.sheet.rng
    korean = sheet.style.is_korean and rng.random() < 0.8
    roles = words.ROLES_KO if korean else words.ROLES_EN
    columns = (words.SIGNED_KO if korean else words.SIGNED_EN)[: rng.randint(2, 3)]
    rows = max(2, min(int((box[3] - box[1]) / (1.4 * block.size_px)), rng.randint(4, 9)))
    widths = [rng.uniform(0.6, 1.1), *(rng.uniform(0.8, 1.6) for _ in columns)]
    edges = [box[0]]
    for width in widths:
        edges.append(edges[-1] + width / sum(widths) * (box[2] - box[0]))
    pitch = (box[3] - box[1]) / rows
    for row in range(rows):
        top = box[1] + row * pitch
        said = ["", *columns] if row == 0 else [roles[row - 1] if row <= len(roles) else ""]
        said += [_signed(block, heading) for heading in columns] if row else []
        for text, left, right in zip(said, edges, edges[1:], strict=False):
            cell = (left, top, right, top + pitch)
            sheet.rectangle(cell)
            write_if_fits(sheet, (left + 2, top + 1), text, block.size_px, cell)


def _signed(block: _Block, heading: str) -> str:
    rng = block.sheet.rng
    if rng.random() > 0.6 * block.filled:
        return ""
    return rng.choice(words.DATES if heading in ("DATE", "날짜") else words.NAMES)


def _split(block: _Block, box: Box, depth: int) -> None:
    """Divide a cell into columns or rows until it is small, then fill it."""
    rng, size = block.sheet.rng, block.size_px
    x0, y0, x1, y1 = box
    width, height = x1 - x0, y1 - y0
    small = width < 12 * size and height < 4 * size
    if depth >= 5 or small or (depth >= 1 and rng.random() < 0.14):
        _fill_cell(block, box, is_large=width > 20 * size and height > 3 * size)
        return
    across = width > rng.uniform(1.5, 4) * height
    length, least = (width, 6 * size) if across else (height, 1.7 * size)
    parts = min(rng.choice((2, 2, 3, 3, 4, 6)), int(length / least))
    if parts < 2:
        _fill_cell(block, box, is_large=False)
        return
    even = rng.random() < 0.5
    cuts = [i / parts if even else (i + rng.uniform(-0.25, 0.25)) / parts for i in range(1, parts)]
    edges = [0.0, *cuts, 1.0]
    for low, high in zip(edges, edges[1:], strict=False):
        if across:
            cell = (x0 + low * width, y0, x0 + high * width, y1)
            block.sheet.line([(cell[2], y0), (cell[2], y1)])
        else:
            cell = (x0, y0 + low * height, x1, y0 + high * height)
            block.sheet.line([(x0, cell[3]), (x1, cell[3])])
        _split(block, cell, depth + 1)


def _fill_cell(block: _Block, box: Box, *, is_large: bool) -> None:
    sheet, rng, size = block.sheet, block.sheet.rng, block.size_px
    korean = sheet.style.is_korean
    caption = rng.choice(words.FIELDS_KO if korean and rng.random() < 0.8 else words.FIELDS_EN)
    value, value_px = rng.choice(words.VALUES), block.value_px()
    if is_large:
        value, value_px = rng.choice(words.TITLES), size * rng.uniform(1.4, block.largest + 0.4)
    x, y = box[0] + 2, box[1] + 1
    height = box[3] - box[1]
    # A cell of several lines: general tolerances, for example.
    if height > 3 * size and rng.random() < 0.25:
        lines = rng.sample(words.NOTES_KO if korean else words.NOTES_EN, rng.randint(2, 5))
        for index, line in enumerate(lines):
            write_if_fits(sheet, (x, y + index * 1.15 * size), line[:22], size, box)
        return
    has_caption = rng.random() < 0.5 + 0.4 * block.filled
    if has_caption:
        write_if_fits(sheet, (x, y), caption, size, box)
    room = height - (size if has_caption else 0) - 3
    if room > size and rng.random() < (0.85 if is_large else block.filled):
        value_px = min(value_px, room)
        indent = rng.choice((0.05, 0.2, 0.35)) * (box[2] - x)
        write_if_fits(sheet, (x + indent, box[3] - value_px - 2), value, value_px, box)
