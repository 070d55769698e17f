"""Ruled and written blocks beside the title block: tables, notes."""

from services.yolo.demo import words
from services.yolo.demo.sheet import Box, Point, Sheet, union
from services.yolo.demo.title_block import write_if_fits


def table(sheet: Sheet, at: Point, max_width: float) -> Box | None:
    """A parts, revision or hole table, top left corner at `at`; None if there is no room."""
    rng, style = sheet.rng, sheet.style
    korean = style.is_korean
    headings = rng.choice(
        (
            ("품번", "품명", "재질", "수량", "비고")
            if korean
            else ("ITEM", "DESCRIPTION", "MATERIAL", "QTY", "REMARK"),
            ("개정", "내용", "날짜", "승인") if korean else ("REV", "DESCRIPTION", "DATE", "APPR"),
            ("구멍", "X", "Y", "크기") if korean else ("HOLE", "X", "Y", "SIZE"),
            ("번호", "규격", "공차", "측정값") if korean else ("NO.", "NOMINAL", "TOL", "ACTUAL"),
        )
    )
    size = max(6.5, style.text_px * rng.uniform(0.6, 1.1))
    row_px = size * rng.uniform(1.35, 1.9)
    rows = rng.randint(2, 9)
    widths = [
        size * (rng.uniform(6, 10) if index == 1 else rng.uniform(3, 5.5))
        for index in range(len(headings))
    ]
    scale = min(1.0, max_width / sum(widths))
    widths = [width * scale for width in widths]
    box = (at[0], at[1], at[0] + sum(widths), at[1] + row_px * (rows + 1))
    if not sheet.is_free(box, 4):
        return None
    heading_row = 0 if rng.random() < 0.6 else rows
    for row in range(rows + 1):
        top = at[1] + row * row_px
        x = at[0]
        for column, width in enumerate(widths):
            text = (
                headings[column]
                if row == heading_row
                else _cell(sheet, headings[column], abs(row - heading_row))
            )
            cell = (x, top, x + width, top + row_px)
            sheet.rectangle(cell)
            write_if_fits(
                sheet,
                (x + 0.25 * size, top + (row_px - size) / 2 - 1),
                text,
                size,
                (x, top, x + width, top + row_px + 2),
            )
            x += width
    sheet.label("table", box)
    return box


def _cell(sheet: Sheet, heading: str, row: int) -> str:
    rng = sheet.rng
    if heading in ("품번", "ITEM", "REV", "개정", "구멍", "HOLE", "번호", "NO."):
        return str(row)
    if heading in ("품명", "DESCRIPTION", "내용"):
        return rng.choice(words.PARTS_KO if sheet.style.is_korean else words.PARTS_EN)
    if heading in ("X", "Y"):
        return f"{rng.randint(1, 200)}"
    values = words.VALUES if heading in ("재질", "MATERIAL", "수량", "QTY") else words.SIZES
    return rng.choice(values) if rng.random() < 0.7 else ""


def notes(sheet: Sheet, at: Point) -> Box | None:
    """A numbered block of notes at a corner; None if there is no room."""
    rng, style = sheet.rng, sheet.style
    lines = rng.sample(words.NOTES_KO if style.is_korean else words.NOTES_EN, rng.randint(2, 6))
    heading = rng.choice(
        ("주기", "주 의 사 항", "NOTES") if style.is_korean else ("NOTES:", "NOTE", "NOTES")
    )
    size = max(7.0, style.text_px * rng.uniform(0.75, 1.0))
    pitch = size * rng.uniform(1.25, 1.7)
    texts = [heading, *(f"{index}. {line}" for index, line in enumerate(lines, 1))]
    width = max(sheet.text_size(text, size)[0] for text in texts)
    box = (at[0], at[1], at[0] + width, at[1] + pitch * len(texts))
    if not sheet.is_free(box, 4):
        return None
    boxes = [
        sheet.text((at[0], at[1] + index * pitch), text, size) for index, text in enumerate(texts)
    ]
    sheet.label("notes", union(*boxes))
    return box
