"""Makes the repository's sample drawing: `python -m services.yolo.demo.sample --folder tests/data`.

Writes drawing.png, drawing.pdf (one scanned page) and drawing.json (what is where, what it says).
"""

import argparse
import json
from pathlib import Path

from services.yolo.demo.classes import CLASS_NAMES
from services.yolo.demo.page import draw_page

_SEED = "sample/137"
_A4_LONG_IN = 11.69


def write_sample(folder: Path) -> None:
    """Write the three files."""
    page = draw_page(_SEED)
    folder.mkdir(parents=True, exist_ok=True)
    page.image.save(folder / "drawing.png", optimize=True)
    dpi = max(page.image.size) / _A4_LONG_IN
    page.image.convert("1").save(folder / "drawing.pdf", resolution=dpi)
    truth = {
        "image": "drawing.png",
        "width": page.image.width,
        "height": page.image.height,
        "pdf": "drawing.pdf",
        "pdf_dpi": round(dpi, 2),
        "box_format": "xyxy, pixels, origin top left",
        "objects": [
            {
                "class_name": CLASS_NAMES[label.class_id],
                "box": [round(value, 1) for value in label.box],
                "text": label.text,
            }
            for label in page.labels
        ],
    }
    text = json.dumps(truth, ensure_ascii=False, indent=1) + "\n"
    (folder / "drawing.json").write_text(text, encoding="utf-8")


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, default=Path("tests/data"))
    write_sample(parser.parse_args().folder)


if __name__ == "__main__":
    main()
