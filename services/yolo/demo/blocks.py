"""Ruled and written blocks: title block, tables, notes."""

from services.yolo.demo.sheet import Box, Point, Sheet, union

_FIELDS_EN = (
    "TITLE",
    "DWG NO.",
    "SCALE",
    "SHEET 1 OF 1",
    "MATERIAL",
    "DRAWN",
    "CHK'D",
    "APPV'D",
    "DATE",
    "FINISH",
    "REV",
    "WEIGHT",
    "UNIT mm",
    "NAME",
    "SIGNATURE",
    "TOLERANCES",
    "DO NOT SCALE DRAWING",
    "ISO 2768-mK",
    "PROJECT",
    "DEBURR AND BREAK SHARP EDGES",
    "Q.A",
    "MFG",
    "SIZE",
    "3RD ANGLE",
    "CUSTOMER",
)
_FIELDS_KO = (
    "도명",
    "도번",
    "척도",
    "재질",
    "작성",
    "검도",
    "승인",
    "날짜",
    "단위 mm",
    "개정",
    "각법",
    "공차",
    "수량",
    "열처리",
    "표면처리",
    "회사명",
    "일반공차 KS B 0401",
    "프로젝트",
    "설계",
    "중량",
    "비고",
)
_VALUES = (
    "1:1",
    "2:1",
    "A3",
    "A4",
    "SM45C",
    "SUS304",
    "A6061",
    "2024-05-17",
    "2022.11.03",
    "J. KIM",
    "홍길동",
    "김철수",
    "GA-1024-03",
    "100237",
    "REV B",
    "0",
    "1.25 kg",
    "KIM",
    "LEE",
    "-",
    "1/1",
    "SS400",
)
_TITLES = (
    "BRACKET",
    "Halterung",
    "SHAFT",
    "하우징 커버",
    "PLATE ADAPTER",
    "축 지지대",
    "COVER",
    "BODY",
    "GEAR CASE",
    "브래킷 조립체",
)
_PARTS_EN = (
    "BODY",
    "SHAFT",
    "BOLT M6",
    "NUT M6",
    "WASHER",
    "BEARING 6204",
    "COVER",
    "O-RING",
    "PIN",
    "KEY",
    "SPRING",
    "PLATE",
)
_PARTS_KO = (
    "본체",
    "축",
    "육각볼트",
    "너트",
    "와셔",
    "베어링",
    "커버",
    "오링",
    "핀",
    "키",
    "스프링",
    "플레이트",
)
_NOTES_EN = (
    "REMOVE ALL BURRS AND SHARP EDGES",
    "UNSPECIFIED RADII R0.5",
    "UNSPECIFIED CHAMFERS C0.3",
    "HEAT TREATMENT HRC 58",
    "ALL DIMENSIONS ARE IN MILLIMETERS",
    "ANODIZE BLACK",
    "GENERAL TOLERANCE ISO 2768-mK",
    "DO NOT SCALE",
    "DEBURR ALL HOLES",
)
_NOTES_KO = (
    "지시 없는 모따기는 C0.3",
    "모든 날카로운 모서리 제거",
    "열처리 HRC 58~62",
    "지시 없는 라운드 R0.5",
    "표면처리: 흑색 아노다이징",
    "일반공차 KS B ISO 2768-m",
    "용접 후 응력제거 할 것",
    "조립 전 세척할 것",
    "버 없을 것",
)


def title_block(sheet: Sheet, box: Box) -> None:
    """A title block that fills a box: cells split at random, with captions and values."""
    sheet.rectangle(box, sheet.style.thick_px)
    size = min(sheet.style.text_px * 0.62, (box[3] - box[1]) / 7)
    _split(sheet, box, max(6.0, size), depth=0)
    sheet.label("title_block", box)


def _split(sheet: Sheet, box: Box, size: float, depth: int) -> None:
    """Divide a cell into columns or rows until it is small, then fill it."""
    rng = sheet.rng
    x0, y0, x1, y1 = box
    width, height = x1 - x0, y1 - y0
    small = width < 12 * size and height < 4 * size
    if depth >= 5 or small or (depth >= 2 and rng.random() < 0.12):
        _fill_cell(sheet, box, size, is_large=width > 20 * size and height > 3 * size)
        return
    across = width > rng.uniform(1.5, 4) * height
    length, least = (width, 6 * size) if across else (height, 1.7 * size)
    parts = min(rng.choice((2, 2, 3, 3, 4, 6)), int(length / least))
    if parts < 2:
        _fill_cell(sheet, box, size, is_large=False)
        return
    even = rng.random() < 0.5
    cuts = [i / parts if even else (i + rng.uniform(-0.25, 0.25)) / parts for i in range(1, parts)]
    edges = [0.0, *cuts, 1.0]
    for low, high in zip(edges, edges[1:], strict=False):
        if across:
            cell = (x0 + low * width, y0, x0 + high * width, y1)
            sheet.line([(cell[2], y0), (cell[2], y1)])
        else:
            cell = (x0, y0 + low * height, x1, y0 + high * height)
            sheet.line([(x0, cell[3]), (x1, cell[3])])
        _split(sheet, cell, size, depth + 1)


def _fill_cell(sheet: Sheet, box: Box, size: float, *, is_large: bool) -> None:
    rng = sheet.rng
    caption = rng.choice(_FIELDS_KO if sheet.style.is_korean and rng.random() < 0.8 else _FIELDS_EN)
    value, value_px = (
        (rng.choice(_TITLES), size * 1.9) if is_large else (rng.choice(_VALUES), size * 1.1)
    )
    x, y = box[0] + 2, box[1] + 1
    height = box[3] - box[1]
    if (
        height > 3 * size and rng.random() < 0.25
    ):  # a cell of several lines, general tolerances for example
        fields = rng.sample(_NOTES_KO if sheet.style.is_korean else _NOTES_EN, rng.randint(2, 4))
        for index, line in enumerate(fields):
            _write_if_fits(sheet, (x, y + index * 1.15 * size), line[:22], size, box)
        return
    if rng.random() < 0.85:
        _write_if_fits(sheet, (x, y), caption, size, box)
    if rng.random() < 0.6 and height > size + value_px + 3:
        _write_if_fits(sheet, (x + 0.2 * (box[2] - x), box[3] - value_px - 2), value, value_px, box)


def _write_if_fits(sheet: Sheet, at: Point, text: str, size: float, box: Box) -> None:
    width, height = sheet.text_size(text, size)
    if at[0] + width < box[2] - 1 and at[1] + height < box[3]:
        sheet.text(at, text, size)


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
        )
    )
    size = max(6.5, style.text_px * rng.uniform(0.6, 0.9))
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
            _write_if_fits(
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
    if heading in ("품번", "ITEM", "REV", "개정", "구멍", "HOLE"):
        return str(row)
    if heading in ("품명", "DESCRIPTION", "내용"):
        return rng.choice(_PARTS_KO if sheet.style.is_korean else _PARTS_EN)
    if heading in ("X", "Y", "크기", "SIZE"):
        return f"{rng.randint(1, 200)}"
    return rng.choice(_VALUES) if rng.random() < 0.7 else ""


def notes(sheet: Sheet, at: Point) -> Box | None:
    """A numbered block of notes at a corner; None if there is no room."""
    rng, style = sheet.rng, sheet.style
    lines = rng.sample(_NOTES_KO if style.is_korean else _NOTES_EN, rng.randint(2, 6))
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
