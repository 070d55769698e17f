import asyncio
import io
from concurrent.futures import ThreadPoolExecutor
from html.parser import HTMLParser

import httpx
import pytest
from PIL import Image

from services.ocr.tests.conftest import as_png, ask, character_error_rate, draw_page, read

pytestmark = pytest.mark.anyio


async def test_text_is_read_with_its_place(client):
    page = draw_page([((40, 30), "Inspection report 42"), ((40, 95), "Flatness 0.05 mm")])

    answer = await read(client, page)

    assert answer["text"] == "Inspection report 42\nFlatness 0.05 mm"
    first = answer["lines"][0]
    assert first["confidence"] > 0.9
    assert first["order"] == 0
    assert abs(first["box"]["x1"] - 40) < 10
    assert 20 < first["box"]["y1"] < first["box"]["y2"] < 70
    assert first["angle_deg"] == pytest.approx(0, abs=2)
    assert "words" not in first


async def test_empty_page_is_no_error_and_has_no_lines(client):
    response = await ask(client, as_png(Image.new("RGB", (400, 300), "white")))

    assert response.status_code == 200
    assert response.json()["pages"][0]["lines"] == []


async def test_answer_names_model_device_and_timings(client):
    response = await ask(client, as_png(draw_page([((40, 60), "Model")])))

    assert response.json()["model"] == response.headers["x-model"] == "pp-ocrv6-small"
    assert response.headers["x-device"] == "cpu"
    assert response.json()["timing_ms"].keys() >= {"queue", "preprocess", "inference"}


async def test_words_lie_within_their_line(client):
    answer = await read(client, draw_page([((40, 60), "alpha beta gamma")]), words="true")

    (line,) = answer["lines"]
    assert [word["text"] for word in line["words"]] == ["alpha", "beta", "gamma"]
    ends = [(word["box"]["x1"], word["box"]["x2"]) for word in line["words"]]
    assert line["box"]["x1"] <= ends[0][0] < ends[0][1] < ends[1][0] < ends[1][1] < ends[2][0]


@pytest.mark.parametrize(
    ("turn", "angle_deg"), [(Image.Transpose.ROTATE_90, -90), (Image.Transpose.ROTATE_270, 90)]
)
async def test_lines_along_the_side_of_the_page_are_read(client, turn, angle_deg):
    page = draw_page([((40, 60), "Upward dimension 350")], size=(440, 120)).transpose(turn)

    (line,) = (await read(client, page))["lines"]

    assert line["text"] == "Upward dimension 350"
    assert line["angle_deg"] == pytest.approx(angle_deg, abs=2)


async def test_page_upside_down_is_read_from_its_own_top(client):
    page = draw_page([((40, 30), "Inspection report 42"), ((40, 95), "Flatness 0.05 mm")])

    answer = await read(client, page.transpose(Image.Transpose.ROTATE_180))

    assert answer["text"] == "Inspection report 42\nFlatness 0.05 mm"
    assert all(abs(line["angle_deg"]) == pytest.approx(180, abs=2) for line in answer["lines"])
    first = answer["lines"][0]
    assert first["box"]["y1"] > 90  # at the bottom of the page as it was sent
    assert first["polygon"][0][0] > first["polygon"][1][0]  # and running to the left


async def test_stamp_upside_down_on_an_upright_page_is_read(client):
    lines = [((40, 20 + 40 * n), f"Row {n} of the inspection report") for n in range(4)]
    page = draw_page(lines, size=(440, 260))
    stamp = draw_page([((10, 8), "Approved")], size=(140, 40))
    page.paste(stamp.transpose(Image.Transpose.ROTATE_180), (260, 200))

    answer = await read(client, page)

    angles = {line["text"]: line["angle_deg"] for line in answer["lines"]}
    assert abs(angles.pop("Approved")) == pytest.approx(180, abs=2)
    assert list(angles) == [text for _, text in lines]


async def test_two_columns_are_read_one_after_the_other(client):
    left = ["The gateway takes a", "request and sends it", "to one of the services."]
    right = ["Each service answers", "with text, places and", "the time that it took."]
    lines = [((30, 30 + 50 * n), text) for n, text in enumerate(left)]
    lines += [((340, 30 + 50 * n), text) for n, text in enumerate(right)]

    answer = await read(client, draw_page(lines, size=(640, 200)))

    assert character_error_rate(" ".join(left + right), answer["text"]) < 0.02


async def test_sloping_page_is_turned_and_its_places_are_those_sent(client):
    level = draw_page([((60, 60 + 45 * n), f"Row {n} of a sloping page") for n in range(3)],
                      size=(520, 260))  # fmt: skip
    page = level.rotate(-10, Image.Resampling.BICUBIC, fillcolor="white")

    answer = await read(client, page, deskew="true", clahe="true", blur="3")

    assert answer["text"] == "\n".join(f"Row {n} of a sloping page" for n in range(3))
    assert (answer["width"], answer["height"]) == (520, 260)
    assert all(line["angle_deg"] == pytest.approx(10, abs=1.5) for line in answer["lines"])


async def test_lines_across_tiles_are_read_once_and_whole(client):
    lines = [((30, 60), "This line crosses the border of two tiles"), ((30, 300), "Left"),
             ((500, 300), "Right")]  # fmt: skip
    page = draw_page(lines, size=(600, 400))

    answer = await read(client, page, tile_size="384", tile_overlap="64")

    assert answer["text"] == "This line crosses the border of two tiles\nLeft Right"


async def test_pages_of_a_pdf_are_chosen_and_numbered(client):
    sheets = [draw_page([((60, 60), f"Sheet number {n}")], size=(400, 160)) for n in (1, 2, 3)]
    file = io.BytesIO()
    sheets[0].save(file, "PDF", save_all=True, append_images=sheets[1:], resolution=100)

    response = await ask(client, file.getvalue(), pages="1,3", dpi="100")

    answer = response.json()
    assert answer["page_count"] == 3
    assert [page["page"] for page in answer["pages"]] == [1, 3]
    assert [page["text"] for page in answer["pages"]] == ["Sheet number 1", "Sheet number 3"]
    assert answer["pages"][0]["dpi"] == 100
    assert answer["pages"][0]["width"] == pytest.approx(400, abs=1)


async def test_text_markdown_and_hocr_hold_the_same_words(client):
    content = as_png(draw_page([((40, 20), "Notes & limits"), ((40, 85), "All edges broken")]))

    text = await ask(client, content, response_format="text")
    markdown = await ask(client, content, response_format="markdown")
    hocr = await ask(client, content, response_format="hocr")

    assert text.text == "Notes & limits\nAll edges broken\n"
    assert text.headers["content-type"].startswith("text/plain")
    assert "All edges broken" in markdown.text
    assert markdown.headers["content-type"].startswith("text/markdown")
    spans = Spans()
    spans.feed(hocr.text)
    assert spans.words == ["Notes", "&", "limits", "All", "edges", "broken"]


class Spans(HTMLParser):
    def __init__(self):
        super().__init__()
        self.words, self.is_word = [], False

    def handle_starttag(self, tag, attributes):
        self.is_word = ("class", "ocrx_word") in attributes

    def handle_endtag(self, tag):
        self.is_word = False

    def handle_data(self, data):
        if self.is_word:
            self.words.append(data)


async def test_korean_by_the_demo_model_names_the_real_one_and_its_command(client):
    response = await ask(client, as_png(draw_page([((40, 60), "HRC 58")])), languages="ko,en")

    answer = response.json()
    assert answer["pages"][0]["text"] == "HRC 58"
    (warning,) = answer["warnings"]
    assert "demo-ocr-ko is a small demo model" in warning
    assert "make models MODEL=ocr/korean-pp-ocrv5-mobile" in warning


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"languages": "xx"}, "languages"),
        ({"pages": "2"}, "pages"),
        ({"dpi": "5"}, "dpi"),
        ({"min_confidence": "1.5"}, "min_confidence"),
        ({"response_format": "docx"}, "response_format"),
        ({"blur": "4"}, "blur"),
        ({"colour": "blue"}, "colour"),
        ({"tile_size": "9999"}, "tile_size"),
        ({"tile_size": "300", "tile_overlap": "200"}, "tile_size"),
    ],
)
async def test_wrong_options_are_named(client, options, field):
    response = await ask(client, as_png(draw_page([((40, 60), "x")])), **options)

    assert response.status_code == 422
    assert [fault["loc"] for fault in response.json()["errors"]] == [field]


async def test_file_that_is_neither_picture_nor_pdf_is_refused(client):
    response = await ask(client, b"plain text, not a picture")

    assert response.status_code == 415


async def test_eight_threads_with_mixed_options_equal_one_after_the_other(client):
    pages = [as_png(draw_page([((20, 20), f"Request {n}")], size=(200, 70))) for n in range(8)]
    options = [
        {"words": "true"}, {"min_confidence": "0.9"}, {"deskew": "true"}, {"languages": "en"},
        {"tile_size": "256", "tile_overlap": "32"}, {"clahe": "true"}, {"blur": "3"}, {},
    ]  # fmt: skip
    work = [(pages[n], options[(n + turn) % 8]) for turn in (0, 3) for n in range(8)]

    def run():
        with httpx.Client(base_url=client.base_url, timeout=120) as own:

            def post(job):
                page, each = job
                return own.post("/v1/ocr", files={"file": page}, data=each)

            alone = [post(job) for job in work]
            with ThreadPoolExecutor(8) as threads:
                return alone, list(threads.map(post, work))

    alone, together = await asyncio.to_thread(run)

    assert [texts(response) for response in together] == [texts(response) for response in alone]
    assert [texts(response)[0][0] for response in together] == [
        f"Request {n}" for n in range(8)
    ] * 2
    asked = [each for _, each in work]
    has_words = [all("words" in line for line in lines_of(response)) for response in together]
    assert has_words == ["words" in each for each in asked]


def lines_of(response):
    return response.json()["pages"][0]["lines"]


def texts(response):
    """Texts and places; scores may differ in their last digits between batches."""
    return [(line["text"], line["polygon"]) for line in lines_of(response)]
