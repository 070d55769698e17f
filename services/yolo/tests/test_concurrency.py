"""Requests in flight together get the answers that they get alone."""

import asyncio
import random
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from services.yolo.app import build
from services.yolo.settings import YoloSettings
from shared.testing import running_app, running_server

PNG = {"content-type": "image/png"}
WEAK, STRONG = (51, 0, 0), (242, 0, 0)  # scores 0.2 and 0.95


def detections(answer):
    return [result["detections"] for result in answer.json()["results"]]


@pytest.fixture
def settings(grid_model):
    return YoloSettings(
        model=str(grid_model), engine="onnxruntime", device="cpu", threads=1, max_batch_size=8
    )


async def test_thresholds_of_requests_in_flight_never_mix(settings, png):
    picture = png(128, 128, {(0, 0): WEAK, (2, 2): STRONG})
    thresholds = [0.1, 0.9] * 20

    async with running_app(build(settings)) as client:
        answers = await asyncio.gather(
            *(
                client.post(f"/v1/detect?confidence={each}", content=picture, headers=PNG)
                for each in thresholds
            )
        )

    scores = [[each["confidence"] for each in detections(answer)[0]] for answer in answers]
    assert scores == [[0.949, 0.2] if each == 0.1 else [0.949] for each in thresholds]


async def test_eight_threads_with_mixed_options_equal_one_after_the_other(settings, png):
    shapes = [(128, 128), (256, 128), (128, 96), (300, 200)]
    pictures = [
        png(*shape, {(0, 0): WEAK, (2, 2): STRONG, (n, 1): "blue", (1, n): "green"})
        for n, shape in enumerate(shapes)
    ]
    options = [
        {"confidence": 0.1}, {"confidence": 0.9}, {"classes": "blue,red"}, {"image_size": 256},
        {"max_detections": 1}, {"tile_size": 96}, {"iou": 0.2, "confidence": 0.15},
    ]  # fmt: skip
    work = [(picture, option) for picture in pictures for option in options] * 2
    random.Random(5).shuffle(work)

    def ask(client, job):
        return detections(
            client.post("/v1/detect", content=job[0], params=job[1], headers=PNG, timeout=60)
        )

    def run(url):
        with httpx.Client(base_url=url) as client, ThreadPoolExecutor(8) as threads:
            one_by_one = [ask(client, job) for job in work]
            return one_by_one, list(threads.map(lambda job: ask(client, job), work))

    app = build(settings)
    async with running_server(app) as url:
        await app.state.spec.hosts[0].settled()
        one_by_one, at_once = await asyncio.to_thread(run, url)

    assert at_once == one_by_one
    assert any(one_by_one)


async def test_pictures_of_one_request_share_batches(settings, png):
    files = [("file", png(128, 128, {(n % 4, 0): "red"})) for n in range(16)]
    app = build(settings)

    async with running_app(app) as client:
        answer = await client.post("/v1/detect", files=files)
        metrics = (await client.get("/metrics")).text

    batches = metrics.split('gantry_batch_items_count{batcher="detect"} ')[1].split("\n")[0]
    assert [len(each) for each in detections(answer)] == [1] * 16
    assert float(batches) < 16
