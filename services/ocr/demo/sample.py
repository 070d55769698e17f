"""Makes the repository's text samples: `python -m services.ocr.demo.sample --folder tests/data`.

Writes page_ko_en.png (a page of Korean and English) and parts_list.png (a ruled table), each with
its truth as JSON: every line or cell with its box. The type is of a family that training never saw.
"""

import argparse
import json
from pathlib import Path

from PIL import Image, ImageDraw

from services.ocr.demo.fonts import held_out_fonts, load

_PAGE_PX = (1000, 760)
_PAGE_LINES = (
    (44, "기계 부품 검사 안내"),
    (30, "Inspection guide for machined parts"),
    (28, "안녕하세요. 이 문서는 부품을 측정하는 방법을 설명합니다."),
    (28, "측정실의 온도는 20℃ ± 1°로 유지하고 기록해 주십시오."),
    (28, "Clean every surface before you measure it."),
    (28, "구멍 지름: 25.4 H7, 깊이 12.5 mm, 수량 4개"),
    (28, "표면 거칠기 Ra 1.6, 원통도 0.008, 평면도 0.02"),
    (28, "Unless otherwise specified: ISO 2768-mK"),
    (28, "재질: SM45C, 열처리 후 경도 HRC 58 이상"),
    (28, "문의: 품질관리팀 02-1234-5678 (평일 09:00-18:00)"),
    (28, "모든 날카로운 모서리는 제거할 것."),
    (28, "Drawing no. GA-1024-03, revision B, 2026-11-20"),
)
_TABLE_COLUMNS_PX = (90, 260, 170, 100, 240)
_TABLE_ROW_PX = 52
_TABLE = (
    ("품번", "품명", "재질", "수량", "비고"),
    ("1", "본체 하우징", "A6061", "1", "아노다이징"),
    ("2", "구동축", "SM45C", "1", "열처리 HRC 45"),
    ("3", "베어링 6204", "-", "2", "구매품"),
    ("4", "육각볼트 M6×20", "SUS304", "8", "KS B 1002"),
    ("5", "평와셔 M6", "SUS304", "8", ""),
    ("6", "커버 플레이트", "SS400", "1", "도장 흑색"),
)

Box = list[int]


def write_samples(folder: Path) -> None:
    """Write both pictures and their truths."""
    folder.mkdir(parents=True, exist_ok=True)
    _write_page(folder)
    _write_table(folder)


def _write_page(folder: Path) -> None:
    image = Image.new("L", _PAGE_PX, 255)
    lines: list[dict[str, str | Box]] = []
    top = 40
    for size_px, text in _PAGE_LINES:
        lines.append({"text": text, "box": _write(image, (60, top), text, size_px)})
        top += round(size_px * 1.9)
    image.save(folder / "page_ko_en.png", optimize=True)
    _save(folder / "page_ko_en.json", {"image": "page_ko_en.png", "lines": lines})


def _write_table(folder: Path) -> None:
    width, height = sum(_TABLE_COLUMNS_PX) + 80, len(_TABLE) * _TABLE_ROW_PX + 80
    image = Image.new("L", (width, height), 255)
    pen = ImageDraw.Draw(image)
    rows = []
    for row, texts in enumerate(_TABLE):
        cells: list[dict[str, str | Box]] = []
        left, top = 40, 40 + row * _TABLE_ROW_PX
        for text, column_px in zip(texts, _TABLE_COLUMNS_PX, strict=True):
            box = [left, top, left + column_px, top + _TABLE_ROW_PX]
            pen.rectangle(box, outline=0, width=2)
            _write(image, (left + 14, top + 11), text, 26)
            cells.append({"text": text, "box": box})
            left += column_px
        rows.append(cells)
    image.save(folder / "parts_list.png", optimize=True)
    _save(folder / "parts_list.json", {"image": "parts_list.png", "rows": rows})


def _write(image: Image.Image, at: tuple[int, int], text: str, size_px: int) -> Box:
    """Write a line with its top left corner at a place; returns the box of its ink."""
    pen = ImageDraw.Draw(image)
    font = load(held_out_fonts().plain[0], size_px)
    pen.text(at, text, 0, font)
    return [round(value) for value in pen.textbbox(at, text, font)]


def _save(path: Path, truth: dict[str, object]) -> None:
    truth = {**truth, "box_format": "xyxy, pixels, origin top left"}
    path.write_text(json.dumps(truth, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, default=Path("tests/data"))
    write_samples(parser.parse_args().folder)


if __name__ == "__main__":
    main()
