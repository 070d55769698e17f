"""The real service, calling a small gateway of the tests' own."""

import asyncio
import io
from dataclasses import dataclass, field

import httpx
import numpy as np
import pytest
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from PIL import Image

from services.drawings.app import build
from services.drawings.settings import DrawingsSettings
from shared.gateway_client import GatewayClient
from shared.testing import running_app


@dataclass
class Gateway:
    """Answers as ocr, yolo and tolerance do; tests set what, and see what was asked."""

    texts: list = field(default_factory=list)  # what the OCR reads in the ink of each picture
    detections: list = field(default_factory=list)
    down: dict = field(default_factory=dict)  # path → status
    hanging: set = field(default_factory=set)  # paths that never answer
    confidence: float = 0.99  # of those texts
    fails_after: int = 1000  # OCR requests that are answered
    asked: list = field(default_factory=list)  # (path, headers, query, body)

    def app(self):
        """The ASGI application."""
        app = FastAPI()

        @app.post("/v1/{path:path}")
        async def answer(path: str, request: Request):
            body = await request.body()
            self.asked.append((path, dict(request.headers), dict(request.query_params), body))
            if path in self.hanging:
                await asyncio.Event().wait()
            if path == "ocr" and sum(each == "ocr" for each, *_ in self.asked) > self.fails_after:
                return JSONResponse({"code": "not_ready", "detail": "gone"}, 503)
            if path in self.down:
                problem = {"code": "not_ready", "detail": f"{path} is loading"}
                return JSONResponse(problem, self.down[path])
            if path == "ocr":
                return self.ocr(body)
            if path == "detect":
                return {"model": "finder", "results": [{"detections": self.detections}]}
            return self.tolerance(await request.json())

        return app

    def ocr(self, body):
        """The next text, where the ink of the picture is."""
        ink = np.asarray(Image.open(io.BytesIO(body)).convert("L")) < 128
        rows, columns = np.nonzero(ink)
        lines = []
        if self.texts and len(rows):
            box = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
            lines = [_line(self.texts.pop(0), *map(int, box), self.confidence)]
        return {"model": "reader", "pages": [{"lines": lines}]}

    def tolerance(self, body):
        """A value for each part."""
        results = [{"id": each["id"], "value_mm": 0.05} for each in body["parts"]]
        return {"model": "predictor", "results": results}


def _line(text, x1, y1, x2, y2, confidence=0.99):
    polygon = [[x1, y1], [x2, y1], [x2, y2], [x1, y2]]
    return {"text": text, "confidence": confidence, "polygon": polygon, "angle_deg": 0.0}


@pytest.fixture(scope="session")
def the_gateway():
    return Gateway()


@pytest.fixture
def gateway(the_gateway):
    """The gateway that ``service`` calls, as it was at first."""
    vars(the_gateway).update(vars(Gateway()))
    return the_gateway


@pytest.fixture(scope="session")
async def client(the_gateway):
    """A client of the service, started once for all tests of this folder."""
    calls = GatewayClient(
        "http://gateway", "an internal token", setting="DRAWINGS_GATEWAY_URL",
        transport=httpx.ASGITransport(the_gateway.app()),
    )  # fmt: skip
    settings = DrawingsSettings(media_workers=1, max_pages=20)
    async with running_app(build(settings, calls)) as client:
        yield client


@pytest.fixture
def service(client, gateway):
    """A client of the service; its calls go to ``gateway``."""
    return client
