import csv
import io
import json
import math

import numpy as np
import pytest
from PIL import Image

from services.drawings.app import build
from services.drawings.settings import DrawingsSettings
from services.drawings.tests.asking import PATH, analyze, texts
from services.drawings.tests.sheets import (
    composite,
    drawn,
    frame,
    lines,
    pdf,
    text,
    turned,
)
from shared.testing import running_app

SHEET = (
    text(50, 250, "25.4 \xb10.05")
    + text(50, 220, "\xd88 H7")
    + frame(150, 200, "⏥", "0.1")
    + frame(150, 120, "⌖", "\xd80.2", "A")
    + text(320, 100, "35.00", up=True)
)


async def test_text_and_frames_of_a_pdf_become_dimensions_with_limits(service):
    answer = await analyze(service, pdf(SHEET))

    by_text = {each["text"]: each for each in answer["dimensions"]}
    assert set(by_text) == {"25.4 ±0.05", "Ø8 H7", "35.00"}
    assert by_text["25.4 ±0.05"]["upper_limit"] == pytest.approx(25.45)
    assert by_text["Ø8 H7"]["upper"] == pytest.approx(0.015)
    assert by_text["Ø8 H7"]["tolerance_source"] == "fit"
    assert by_text["35.00"]["angle_deg"] == -90
    flatness, position = answer["feature_control_frames"]
    assert (flatness["characteristic"], flatness["value"]) == ("flatness", 0.1)
    assert (position["characteristic"], position["zone"]) == ("position", "diameter")
    assert position["datums"] == [{"letters": ["A"], "modifiers": []}]
    assert answer["unparsed"] == []


async def test_composite_frame_is_one_with_rows(service):
    sheet = composite(100, 150, "⌖", ("\xd80.5", "A", "B"), ("\xd80.1", "A"))

    answer = await analyze(service, pdf(text(50, 250, "25.4") + sheet), dpi=72)

    (frame,) = answer["feature_control_frames"]
    assert frame["text"] == "⌖|\xd80.5|A|B\n\xd80.1|A"
    assert (frame["characteristic"], frame["value"], len(frame["datums"])) == ("position", 0.5, 2)
    (row,) = frame["rows"]
    assert (row["characteristic"], row["value"], row["zone"]) == ("position", 0.1, "diameter")
    assert row["datums"] == [{"letters": ["A"], "modifiers": []}]
    assert frame["box"]["y2"] - frame["box"]["y1"] == pytest.approx(36, abs=1)
    assert texts(answer["dimensions"]) == ["25.4"]


@pytest.mark.parametrize("angle_deg", [30, -40, 63])
async def test_slanting_frames_and_basic_dimensions_are_read_like_level_ones(service, angle_deg):
    slanting = (
        frame(150, 150, "⌖", "\xd80.2", "A")
        + composite(150, 110, "⌓", ("0.5", "B"), ("0.1",), side=16)
        + lines((150, 180), (195, 180), (195, 196), (150, 196), closed=True)
        + text(156, 184, "33.5") + text(220, 184, "12.5 \xb10.1")
    )  # fmt: skip

    answer = await analyze(service, pdf(turned(slanting, angle_deg, 200, 150)), dpi=144)

    frames = {each["text"].replace(" ", ""): each for each in answer["feature_control_frames"]}
    assert set(frames) == {"⌖|\xd80.2|A", "⌓|0.5|B\n0.1"}
    position = frames["⌖|\xd80.2|A"]
    assert position["angle_deg"] == pytest.approx(-angle_deg, abs=0.2)
    x, y = 186.5 - 200, 159 - 150  # the middle of the frame, from where it was turned about
    cos, sin = math.cos(math.radians(angle_deg)), math.sin(math.radians(angle_deg))
    box = position["box"]
    expected = 2 * (200 + x * cos - y * sin), 2 * (300 - (150 + x * sin + y * cos))
    assert ((box["x1"] + box["x2"]) / 2, (box["y1"] + box["y2"]) / 2) == pytest.approx(
        expected, abs=3
    )
    by_text = {each["text"]: each["is_basic"] for each in answer["dimensions"]}
    assert by_text == {"33.5": True, "12.5 ±0.1": False}


async def test_stacked_frames_are_two_that_name_each_other(service):
    upper = frame(100, 168, "⌖", "\xd80.5", "A", "B")
    lower = frame(100, 150, "⌖", "\xd80.1", "A")
    apart = frame(100, 50, "⏥", "0.1")

    answer = await analyze(service, pdf(text(50, 250, "25.4") + upper + lower + apart))

    frames = {each["text"]: each for each in answer["feature_control_frames"]}
    first = frames["⌖|\xd80.5|A|B"]
    assert frames["⌖|\xd80.1|A"]["stacked_on"] == first["id"]
    assert first["stacked_on"] is None
    assert frames["⏥|0.1"]["stacked_on"] is None
    assert all(each["rows"] == [] for each in frames.values())


async def test_boxes_are_in_pixels_of_the_asked_resolution(service):
    low, high = [await analyze(service, pdf(SHEET), dpi=dpi) for dpi in (72, 144)]

    assert (low["pages"][0]["width"], low["pages"][0]["dpi"]) == (400, 72)
    assert high["pages"][0]["width"] == 800
    box, doubled = (each["dimensions"][0]["box"] for each in (low, high))
    assert [doubled[side] for side in box] == pytest.approx([2 * box[s] for s in box], abs=0.11)
    assert box["x1"] == pytest.approx(50, abs=1)
    assert box["y2"] == pytest.approx(50, abs=1)


async def test_general_tolerance_of_the_request_counts_where_the_sheet_states_none(service):
    answer = await analyze(service, pdf(SHEET), general_tolerance="ISO 2768-mK")

    plain = next(each for each in answer["dimensions"] if each["text"] == "35.00")
    assert plain["tolerance_source"] == "general"
    assert (plain["upper"], plain["lower"]) == (0.3, -0.3)
    assert answer["general_tolerance"]["source"] == "request"


async def test_calls_carry_id_caller_and_token(service, gateway):
    headers = {"X-Request-Id": "drawing-1", "X-Caller": "key-7", "X-Hops": "1"}

    answer = await service.post(PATH, files={"file": drawn()}, headers=headers)

    assert answer.status_code == 200
    for _, sent, _, _ in gateway.asked:
        assert sent["x-request-id"] == "drawing-1"
        assert (sent["x-caller"], sent["x-hops"]) == ("key-7", "1")
        assert sent["x-internal-token"] == "an internal token"
    assert {path for path, *_ in gateway.asked} == {"ocr", "detect"}


async def test_tolerances_are_asked_for_when_material_and_process_are_named(service, gateway):
    answer = await analyze(service, pdf(SHEET), material="al_6061", process="milling")

    sent = json.loads(gateway.asked[-1][3])["parts"]
    assert {part["material"] for part in sent} == {"al_6061"}
    flatness = next(part for part in sent if part["feature"] == "plane")
    assert flatness["dimensions_mm"] == {"length": 35.0}
    assert flatness["spec_mm"] == 0.1
    named = {each["feature_id"]: each for each in answer["tolerance"]}
    frame_id = answer["feature_control_frames"][0]["id"]
    assert named[frame_id]["size_from"].startswith("the largest length")
    assert answer["models"]["tolerance"] == "predictor"


async def test_tolerances_are_not_guessed_without_material(service, gateway):
    answer = await analyze(service, pdf(SHEET), process="milling")

    assert answer["tolerance"] == []
    assert answer["stages"]["tolerance"]["status"] == "skipped"
    assert not any(path.startswith("tolerance") for path, *_ in gateway.asked)


@pytest.mark.parametrize(
    ("path", "stage"), [("detect", "symbols"), ("tolerance/predict", "tolerance")]
)
async def test_stage_that_fails_leaves_the_others(service, gateway, path, stage):
    gateway.down = {path: 503}

    answer = await analyze(service, pdf(SHEET), material="al_6061", process="milling")

    assert answer["partial"]
    assert answer["stages"][stage]["status"] == "failed"
    assert answer["stages"][stage]["error"] == f"{path} is loading"
    assert len(answer["dimensions"]) == 3


async def test_stage_without_answer_ends_in_time_for_the_rest(service, gateway):
    gateway.hanging = {"detect"}

    answer = await service.post(
        PATH, files={"file": pdf(SHEET)}, headers={"X-Request-Timeout-Ms": "3000"}
    )

    body = answer.json()
    assert answer.status_code == 200, answer.text
    assert body["stages"]["symbols"]["status"] == "timeout"
    assert body["partial"]
    assert len(body["dimensions"]) == 3


async def test_failed_stage_is_not_tried_again_for_each_page(service, gateway):
    gateway.down = {"detect": 503}

    answer = await analyze(service, pdf(*[text(50, 250, "25.4")] * 20))

    assert len(answer["pages"]) == 20
    assert len(answer["dimensions"]) == 20
    assert len(gateway.asked) == 1


async def test_without_a_gateway_text_is_read_and_the_rest_says_what_to_set():
    async with running_app(build(DrawingsSettings(media_workers=1))) as client:
        answer = await analyze(client, pdf(SHEET))
        picture = await client.post(PATH, files={"file": drawn()})

    assert len(answer["dimensions"]) == 3
    assert "DRAWINGS_GATEWAY_URL" in answer["stages"]["symbols"]["error"]
    assert picture.status_code == 503
    assert "DRAWINGS_GATEWAY_URL" in picture.json()["detail"]


async def test_overlay_is_the_asked_page_with_marks(service):
    sent = {
        "files": {"file": pdf(SHEET, lines((10, 10), (20, 20)))},
        "headers": {"accept": "image/png"},
    }

    drawn = [await service.post(PATH, params={"page": page, "dpi": 72}, **sent) for page in (1, 2)]

    pictures = [np.asarray(Image.open(io.BytesIO(each.content))) for each in drawn]
    assert all(each.headers["content-type"] == "image/png" for each in drawn)
    assert pictures[0].shape == (300, 400, 3)
    colours = [len(np.unique(each.reshape(-1, 3), axis=0)) for each in pictures]
    has_blue = [((each[..., 2] > 200) & (each[..., 0] < 60)).any() for each in pictures]
    assert has_blue == [True, False], colours


async def test_table_has_one_row_for_each_dimension_and_frame(service):
    answer = await service.post(PATH, files={"file": pdf(SHEET)}, headers={"accept": "text/csv"})

    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert answer.headers["content-type"].startswith("text/csv")
    assert [row["kind"] for row in rows] == ["dimension"] * 3 + ["feature_control_frame"] * 2
    assert {row["type"] for row in rows} >= {"diameter", "linear", "flatness"}


async def test_cell_that_a_spreadsheet_would_take_for_a_formula_is_text(service):
    from services.drawings.answers import table
    from services.drawings.schemas import BoxBody, DimensionBody

    box = BoxBody(x1=0, y1=0, x2=1, y2=1)
    body = DimensionBody(
        id="d1", page=1, text="=1+1", box=box, confidence=1, type="linear", nominal=1, unit="mm",
        upper=None, lower=None, upper_limit=None, lower_limit=None, tolerance_source="none",
        basis="", angle_deg=0,
    )  # fmt: skip

    assert next(csv.DictReader(io.StringIO(table([body], []))))["text"] == "'=1+1"


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"general_tolerance": "IT7"}, "general_tolerance"),
        ({"page": 3}, "page"),
        ({"pages": "9"}, "pages"),
        ({"dpi": 10}, "dpi"),
        ({"metarial": "steel"}, "metarial"),
    ],
)
async def test_wrong_option_is_named(service, options, field):
    answer = await service.post(PATH, files={"file": pdf(SHEET)}, data=options)

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["loc"] == field


async def test_more_pages_than_the_limit_are_refused(service):
    answer = await service.post(PATH, files={"file": pdf(*["0 0 m"] * 21)})

    assert answer.status_code == 413
    assert "limit is 20" in answer.json()["detail"]


async def test_encrypted_pdf_is_refused_with_the_reason(service):
    locked = pdf(SHEET).replace(
        b"trailer\n<<", b"trailer\n<< /Encrypt << /Filter /Standard /V 1 /R 2 /P -4 "
        b"/O <" + b"00" * 32 + b"> /U <" + b"11" * 32 + b"> >> /ID [<00> <00>]",
    )  # fmt: skip

    answer = await service.post(PATH, files={"file": locked})

    assert answer.status_code == 415
    assert "encrypted" in answer.json()["detail"]


async def test_what_is_no_drawing_is_refused(service):
    answer = await service.post(PATH, files={"file": b"neither picture nor PDF"})

    assert answer.status_code == 415
