"""Requests in flight together get the answers that they get alone."""

import asyncio
import random
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from services.yolo.app import build
from services.yolo.engine import SERVICE_DIR, YoloEngine
from services.yolo.engines.choice import EngineOptions
from services.yolo.settings import YoloSettings
from shared.models.store import ModelStore
from shared.testing import running_app, running_server

PNG = {"content-type": "image/png"}
WEAK, STRONG = (51, 0, 0), (242, 0, 0)  # scores 0.2 and 0.95


def detections(answer):
    return [result["detections"] for result in answer.json()["results"]]


@pytest.fixture
def settings(grid_model):
    return YoloSettings(
        model=str(grid_model), engine="onnxruntime", device="cpu", threads=1, max_batch_size=8,
        cache_memory_bytes=0,
    )  # fmt: skip


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


class Recorder:
    """The grid detector, which waits before its first batch and notes what it was given."""

    def __init__(self, engine):
        self.engine = engine
        self.may_go = threading.Event()
        self.batches = []  # of each picture, whether it shows something blue

    def load(self):
        return self.engine.load()

    def warm_up(self):
        self.engine.warm_up()

    def run(self, key, payloads):
        self.may_go.wait(30)
        self.batches.append([bool(each[:, :, 2].max() == 255) for each in payloads])
        return self.engine.run(key, payloads)

    def close(self):
        self.engine.close()


@pytest.fixture
def recorder(grid_model):
    store = ModelStore(SERVICE_DIR, grid_model.parent)
    options = EngineOptions(engine="onnxruntime", device="cpu")
    return Recorder(YoloEngine(store, str(grid_model), options))


async def queue_holds(app, count):
    while app.state.spec.hosts[0].queued_items < count:  # noqa: ASYNC110 - nothing tells of it
        await asyncio.sleep(0.005)


async def test_single_picture_does_not_wait_for_all_frames_of_another_request(recorder, png):
    app = build(YoloSettings(max_batch_size=1, cache_memory_bytes=0), recorder)
    frame, single = png(128, 128, {(0, 0): "red"}), png(128, 128, {(0, 0): "blue"})

    async with running_app(app) as client:
        frames = asyncio.ensure_future(client.post("/v1/detect", files=[("file", frame)] * 12))
        await queue_holds(app, 11)  # the first is being run
        other = asyncio.ensure_future(client.post("/v1/detect", content=single, headers=PNG))
        await queue_holds(app, 12)
        recorder.may_go.set()
        await asyncio.gather(frames, other)

    assert recorder.batches.index([True]) <= 1
    assert len(recorder.batches) == 13


async def test_pictures_of_one_and_of_many_requests_share_batches(recorder, png):
    picture = png(128, 128, {(0, 0): "red"})
    app = build(YoloSettings(max_batch_size=8, cache_memory_bytes=0), recorder)

    async with running_app(app) as client:
        work = [client.post("/v1/detect", files=[("file", picture)] * 3) for _ in range(4)]
        answers = asyncio.gather(*work, client.post("/v1/detect", content=picture, headers=PNG))
        running = 1  # at least; what was there when the lane was idle
        await queue_holds(app, 13 - 8 + running)
        recorder.may_go.set()
        results = [detections(answer) for answer in await answers]

    assert [len(each) for each in results] == [3, 3, 3, 3, 1]
    assert max(len(batch) for batch in recorder.batches) > 3
    assert sum(len(batch) for batch in recorder.batches) == 13
