"""Quality of the OCR service on real pictures with known text: ``make eval-ocr``.

Pictures with lines of text: character error rate (CER) of the page's text in reading order, and of
its lines in any order. Receipts, whose labels have no spaces: share of labels found. Drawings:
share of the labelled dimensions that are read exactly, in place. Reads ``GANTRY_TEST_DATA``.
"""

import argparse
import asyncio
import csv
import json
import os
import platform
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httpx
import jiwer

from services.ocr.app import build
from services.ocr.settings import OcrSettings
from shared.cgroup import usable_cores
from shared.testing import running_app

RESULTS = Path(__file__).parent / "results" / "eval_ocr.json"
SAME = str.maketrans(
    {"Ø": "⌀", "∅": "⌀", "φ": "⌀", "Φ": "⌀", "ø": "⌀", ",": ".", "×": "x", "X": "x"}
)
"""Signs that mean the same on a drawing, and the decimal comma."""


@dataclass(frozen=True)
class Score:
    """Quality on one file."""

    file: str
    measure: str
    value: float
    detail: str
    seconds: float


def main() -> int:
    """Read every file, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runtime", default="auto", choices=["auto", "onnxruntime", "openvino"])
    parser.add_argument("--engine", default="rapidocr", choices=["rapidocr", "paddleocr"])
    parser.add_argument("--model-dir", type=Path)
    parser.add_argument("--models-dir", type=Path, default=Path("models"))
    parser.add_argument("--languages", help="of every request; default: those of each file's truth")
    parser.add_argument("--tile-size", type=int, default=1280, help="for drawings; 0: no tiles")
    parser.add_argument("--only", choices=["text", "drawings"])
    parser.add_argument("--output", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    folder = os.environ.get("GANTRY_TEST_DATA")
    if not folder:
        sys.stderr.write("set GANTRY_TEST_DATA to the folder of test inputs\n")
        return 2
    report = asyncio.run(_evaluate(Path(folder), arguments))
    for score in report["scores"]:
        print("{file:<34} {measure:<22} {value:6.3f}  {seconds:5.1f} s  {detail}".format(**score))
    arguments.output.parent.mkdir(exist_ok=True)
    arguments.output.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n")
    return 0


async def _evaluate(folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    settings = OcrSettings(
        device="cpu", engine=arguments.engine, runtime=arguments.runtime,
        model_dir=arguments.model_dir, models_dir=arguments.models_dir,
    )  # fmt: skip
    scores = []
    async with running_app(build(settings)) as client:
        info = (await client.get("/info")).json()
        if arguments.only != "drawings":
            scores += [score async for score in _texts(client, folder / "ocr", arguments)]
        if arguments.only != "text":
            scores += [score async for score in _drawings(client, folder / "drawings", arguments)]
    return {
        "date": time.strftime("%Y-%m-%d"),
        "machine": f"{platform.processor() or platform.machine()}, {usable_cores()} cores",
        "engine": [
            f"{arguments.engine}, {each['runtime']} in {each['compute_type']}"
            for each in info["models"]
        ],
        "models": [each["id"] for each in info["models"]],
        "tile_size": arguments.tile_size,
        "scores": [asdict(score) for score in scores],
    }


async def _texts(
    client: httpx.AsyncClient, folder: Path, arguments: argparse.Namespace
) -> AsyncIterator[Score]:
    truths = await asyncio.to_thread(_read_json, folder / "truth.json")
    for name, truth in truths.items():
        languages = arguments.languages or truth["lang"].replace("+", ",")
        options = {} if languages == "none" else {"languages": languages}
        page, seconds = await _read(client, folder / name, options)
        labels = [line for line in truth["lines"] if line]
        if "boxes" in truth:
            score = _found(labels, page["text"])
            yield Score(name, "labels found", score, f"of {len(labels)}", seconds)
            continue
        if not labels:
            yield Score(name, "lines invented", len(page["lines"]), "no text", seconds)
            continue
        expected = " ".join(labels)
        got = " ".join(page["text"].split())
        yield Score(name, "CER, reading order", jiwer.cer(expected, got or " "), "", seconds)
        yield Score(name, "CER, any order", _unordered(labels, page), "", seconds)


async def _read(
    client: httpx.AsyncClient, path: Path, options: dict[str, Any]
) -> tuple[dict[str, Any], float]:
    content = await asyncio.to_thread(path.read_bytes)
    started = time.perf_counter()
    answer = await client.post("/v1/ocr", files={"file": content}, data=options, timeout=600)
    answer.raise_for_status()
    return answer.json()["pages"][0], time.perf_counter() - started


def _unordered(labels: list[str], page: dict[str, Any]) -> float:
    """CER with each label compared with the line that is most like it."""
    lines = [line["text"] for line in page["lines"]] or [""]
    errors = sum(
        min(jiwer.cer(label, line or " ") for line in lines) * len(label) for label in labels
    )
    return errors / sum(map(len, labels))


def _found(labels: list[str], text: str) -> float:
    """Share of labels that occur in the text, spaces aside, each as often as labelled."""
    left = "".join(text.split())
    found = 0
    for label in sorted(labels, key=len, reverse=True):
        if label in left:
            left = left.replace(label, "\n", 1)
            found += 1
    return found / len(labels)


async def _drawings(
    client: httpx.AsyncClient, folder: Path, arguments: argparse.Namespace
) -> AsyncIterator[Score]:
    options = {"min_confidence": 0.3, "tile_size": arguments.tile_size, "languages": "en"}
    for path in await asyncio.to_thread(_sorted, folder, "*.csv"):
        page, seconds = await _read(client, path.with_suffix(".jpg"), options)
        rows = await asyncio.to_thread(_read_rows, path)
        labels = [row for row in rows if row[8] != "other_info"]
        read = [(row[8], _inside(page, [float(each) for each in row[:8]])) for row in labels]
        right = [label for label, text in read if _plain(label) == _plain(text)]
        wrong = "; ".join(f"{a} read {b!r}" for a, b in read if _plain(a) != _plain(b))
        share = len(right) / len(labels)
        yield Score(f"{path.stem}.jpg", "dimensions read", share, wrong, seconds)
    for path in await asyncio.to_thread(_sorted, folder, "*.truth.json"):
        name = path.name.removesuffix(".truth.json")
        page, seconds = await _read(client, folder / name, {**options, "dpi": 200})
        words = [each["text"] for each in (await asyncio.to_thread(_read_json, path))["words"]]
        numbers = [word for word in words if any(sign.isdigit() for sign in word)]
        share = _found([_signs(word) for word in numbers], _signs(page["text"]))
        yield Score(name, "words with digits read", share, f"of {len(numbers)}", seconds)


def _sorted(folder: Path, pattern: str) -> list[Path]:
    return sorted(folder.glob(pattern))


def _read_json(path: Path) -> Any:  # noqa: ANN401 - any JSON value
    return json.loads(path.read_text())


def _read_rows(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def _inside(page: dict[str, Any], corners: list[float], margin: float = 12.0) -> str:
    """Text of the lines whose middle lies in a labelled box."""
    xs, ys = corners[0::2], corners[1::2]
    parts = []
    for line in page["lines"]:
        box = line["box"]
        x, y = (box["x1"] + box["x2"]) / 2, (box["y1"] + box["y2"]) / 2
        is_in_x = min(xs) - margin <= x <= max(xs) + margin
        if is_in_x and min(ys) - margin <= y <= max(ys) + margin:
            parts.append(line["text"])
    return " ".join(parts)


def _signs(text: str) -> str:
    return "".join(text.translate(SAME).split())


def _plain(text: str) -> Counter[str]:
    """Signs of a dimension in any order: stacked limits have none."""
    return Counter(_signs(text))


if __name__ == "__main__":
    sys.exit(main())
