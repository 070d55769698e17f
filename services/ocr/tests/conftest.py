"""The real service on its bundled models, loaded once for all tests of this folder."""

import io

import httpx
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from services.ocr.app import build
from services.ocr.settings import OcrSettings
from shared.testing import running_server


@pytest.fixture(scope="session")
async def client(tmp_path_factory):
    """A client of the service on a real port, with its bundled models, without a GPU."""
    settings = OcrSettings(
        device="cpu",
        threads=2,
        models_dir=tmp_path_factory.mktemp("models"),
        cache_memory_bytes=0,  # no answer of one test may come from another
    )
    app = build(settings)
    async with running_server(app) as url:
        for host in app.state.spec.hosts:
            await host.settled()
        async with httpx.AsyncClient(base_url=url, timeout=120) as client:
            yield client


def draw_page(lines, *, size=(440, 160), font_px=22, paper="white", ink="black"):
    """A picture of lines of text, each ((x, y), text) in pixels."""
    page = Image.new("RGB", size, paper)
    pen = ImageDraw.Draw(page)
    for place, text in lines:
        pen.text(place, text, ink, font=ImageFont.load_default(font_px))
    return page


def as_png(page):
    file = io.BytesIO()
    page.save(file, "PNG")
    return file.getvalue()


async def ask(client: httpx.AsyncClient, content: bytes, **options) -> httpx.Response:
    return await client.post("/v1/ocr", files={"file": ("page", content)}, data=options)


async def read(client, page, **options):
    """The answer's first page."""
    response = await ask(client, as_png(page), **options)
    assert response.status_code == 200, response.text
    return response.json()["pages"][0]


def box(left, top, width, height, slope=0.0):
    """A polygon (4, 2) from its top left, turned clockwise about the origin by ``slope`` rad."""
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], float) + [left, top]
    turn = np.array([[np.cos(slope), -np.sin(slope)], [np.sin(slope), np.cos(slope)]])
    return (corners @ turn.T).astype(np.float32)


def character_error_rate(truth: str, got: str) -> float:
    """Edit distance over the length of the truth, spaces and line ends collapsed."""
    truth, got = " ".join(truth.split()), " ".join(got.split())
    row = list(range(len(got) + 1))
    for i, expected in enumerate(truth, 1):
        above, row = row, [i]
        for j, character in enumerate(got, 1):
            row.append(min(above[j] + 1, row[-1] + 1, above[j - 1] + (expected != character)))
    return row[-1] / max(1, len(truth))
