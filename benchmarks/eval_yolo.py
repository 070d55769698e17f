"""Quality of the yolo service on labelled COCO pictures: ``make eval-yolo``.

Asks the service over its HTTP API for everything it finds, and reports average precision at an
overlap of 0.5 (AP50), calculated by Ultralytics' own evaluator so that the figure compares. The few
pictures of the test data say whether the service works, not how good a model is. Reads
``GANTRY_TEST_DATA``.
"""

import argparse
import asyncio
import json
import os
import platform
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from services.yolo.app import build
from services.yolo.demo.accuracy import Found, Truth, average_precisions
from services.yolo.settings import YoloSettings
from shared.cgroup import usable_cores
from shared.testing import running_app

RESULTS = Path(__file__).parent / "results" / "eval_yolo.json"
EVERYTHING = {"confidence": 0.001, "max_detections": 300}


def main() -> int:
    """Evaluate, print and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", help="as YOLO_MODEL; default: the weights of the test data")
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--exact", action="store_true")
    parser.add_argument("--output", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    folder = os.environ.get("GANTRY_TEST_DATA")
    if not folder:
        print("set GANTRY_TEST_DATA to the folder of labelled inputs", file=sys.stderr)
        return 2
    model = arguments.model or str(Path(folder) / "weights" / "yolov8n_int8.onnx")
    settings = YoloSettings(model=model, engine=arguments.engine, exact=arguments.exact)
    report = asyncio.run(evaluate(settings, Path(folder) / "images"))
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps(report, indent=2) + "\n")
    print(json.dumps(report, indent=2))
    return 0


async def evaluate(settings: YoloSettings, folder: Path) -> dict[str, Any]:
    """AP50 of the service on the pictures of ``folder`` that ``coco_truth.json`` labels."""
    truth = json.loads((folder / "coco_truth.json").read_text())["images"]
    pictures = [(folder / name).read_bytes() for name in truth]
    async with running_app(build(settings)) as client:
        info = (await client.get("/info")).json()["models"][0]
        names = list(info["classes"])
        found = [await ask(client, picture) for picture in pictures]
    there = [labelled(labels, names) for labels in truth.values()]
    by_class = {
        names[class_id]: round(value, 4)
        for class_id, value in average_precisions(found, there).items()
    }
    return {
        "date": time.strftime("%Y-%m-%d"),
        "machine": f"{platform.processor() or platform.machine()}, {usable_cores()} cores",
        "model": info["id"],
        "runtime": f"{info['runtime']} {info['compute_type']} on {info['device']}",
        "pictures": len(there),
        "labels": sum(len(each.class_ids) for each in there),
        "ap50": round(float(np.mean(list(by_class.values()))), 4),
        "ap50_by_class": by_class,
    }


async def ask(client: httpx.AsyncClient, picture: bytes) -> Found:
    """Everything that the service finds on a picture."""
    answer = await client.post("/v1/detect", content=picture, params=EVERYTHING)
    answer.raise_for_status()
    detections = answer.json()["results"][0]["detections"]
    boxes = [list(each["box"].values()) for each in detections]
    return Found(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.array([each["confidence"] for each in detections], np.float32),
        np.array([each["class_id"] for each in detections], np.int64),
    )


def labelled(labels: list[dict[str, Any]], names: list[str]) -> Truth:
    """Labels (x, y, width, height) of a picture by their corners."""
    boxes = np.array([each["bbox"] for each in labels], np.float32)
    boxes[:, 2:] += boxes[:, :2]
    return Truth(boxes, np.array([names.index(each["category"]) for each in labels], np.int64))


if __name__ == "__main__":
    sys.exit(main())
