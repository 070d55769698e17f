import base64
import io

import numpy as np
import pytest
from PIL import Image

from services.yolo.app import build
from services.yolo.routes import wanted_picture
from services.yolo.settings import YoloSettings
from shared.testing import running_app

PNG = {"content-type": "image/png"}


def found(result):
    """Class and box of each detection, without scores."""
    return [(each["class_name"], tuple(each["box"].values())) for each in result["detections"]]


async def test_raw_picture_is_answered_with_its_boxes(service, png):
    picture = png(128, 128, {(1, 0): "red", (3, 2): "blue"})

    answer = await service.post("/v1/detect", content=picture, headers=PNG)

    body = answer.json()
    assert answer.status_code == 200
    assert body["model"] == "grid"
    assert body["task"] == "detect"
    assert body["warnings"] == []
    assert body["results"][0]["index"] == 0
    assert body["results"][0]["image"] == {"width": 128, "height": 128}
    assert body["results"][0]["detections"] == [
        {"class_id": 0, "class_name": "red", "confidence": 1.0,
         "box": {"x1": 32.0, "y1": 0.0, "x2": 64.0, "y2": 32.0}},
        {"class_id": 2, "class_name": "blue", "confidence": 1.0,
         "box": {"x1": 96.0, "y1": 64.0, "x2": 128.0, "y2": 96.0}},
    ]  # fmt: skip
    assert {"queue", "preprocess", "inference"} <= set(body["timing_ms"])


async def test_answer_names_model_device_and_request(service, png):
    answer = await service.post(
        "/v1/detect",
        content=png(72, 56, {}),  # sent nowhere else, so it is not answered from memory
        headers={**PNG, "x-request-id": "r-1"},
    )

    assert answer.headers["x-model"] == "grid"
    assert answer.headers["x-device"] == "cpu"
    assert answer.headers["x-request-id"] == "r-1"
    assert "inference;dur=" in answer.headers["server-timing"]


async def test_boxes_are_in_pixels_of_a_picture_of_another_size(service, png):
    picture = png(256, 192, {(2, 0): "red", (3, 0): "red", (2, 1): "red", (3, 1): "red"})

    answer = await service.post("/v1/detect", content=picture, headers=PNG)

    # Halved onto the canvas, the red square of 64 px is one cell.
    assert found(answer.json()["results"][0]) == [("red", (64.0, 0.0, 128.0, 64.0))]


async def test_several_files_are_answered_in_their_order(service, png):
    pictures = [png(128, 128, {(0, 0): name}) for name in ("green", "red", "blue")]

    answer = await service.post("/v1/detect", files=[("file", each) for each in pictures])

    results = answer.json()["results"]
    assert [each["index"] for each in results] == [0, 1, 2]
    assert [found(each)[0][0] for each in results] == ["green", "red", "blue"]
    assert all(each["timing_ms"]["inference"] > 0 for each in results)


async def test_json_body_takes_base64_and_options(service, png):
    picture = base64.b64encode(png(128, 128, {(0, 0): "red", (1, 1): "blue"})).decode()

    answer = await service.post(
        "/v1/detect", json={"image": {"base64": picture}, "classes": ["blue"], "confidence": 0.5}
    )

    assert [name for name, _ in found(answer.json()["results"][0])] == ["blue"]


@pytest.mark.parametrize("classes", ["green,2", "1,blue", ["1", "2"], ["green", "blue"]])
async def test_classes_are_chosen_by_name_or_id(service, png, classes):
    picture = png(128, 128, {(0, 0): "red", (1, 1): "green", (2, 2): "blue"})

    answer = await service.post("/v1/detect", files={"file": picture}, data={"classes[]": classes})

    names = [name for name, _ in found(answer.json()["results"][0])]
    assert names == ["green", "blue"]


async def test_confidence_is_the_least_score_reported(service, png):
    picture = png(128, 128, {(0, 0): (102, 0, 0), (1, 1): (204, 0, 0)})  # scores 0.4 and 0.8

    strict = await service.post("/v1/detect?confidence=0.6", content=picture, headers=PNG)
    loose = await service.post("/v1/detect?confidence=0.3", content=picture, headers=PNG)

    assert [d["confidence"] for d in strict.json()["results"][0]["detections"]] == [0.8]
    assert [d["confidence"] for d in loose.json()["results"][0]["detections"]] == [0.8, 0.4]


async def test_max_detections_keeps_the_best(service, png):
    cells = {(0, 0): (128, 0, 0), (1, 1): "red", (2, 2): (204, 0, 0)}

    answer = await service.post(
        "/v1/detect?max_detections=2", content=png(128, 128, cells), headers=PNG
    )

    scores = [d["confidence"] for d in answer.json()["results"][0]["detections"]]
    assert scores == [1.0, 0.8]


async def test_image_size_changes_the_canvas(service, png):
    picture = png(128, 128, {(0, 0): "red"})

    answer = await service.post("/v1/detect?image_size=250", content=picture, headers=PNG)

    # At 256 px (250 up to a multiple of the stride) the cell covers four anchors.
    assert len(answer.json()["results"][0]["detections"]) == 4


async def test_bad_picture_of_a_batch_fails_alone(service, png):
    good = png(128, 128, {(0, 0): "red"})

    answer = await service.post(
        "/v1/detect", files=[("file", good), ("file", b"no picture"), ("file", good)]
    )

    results = answer.json()["results"]
    assert answer.status_code == 200
    assert results[1]["error"]["code"] == "unsupported_media"
    assert results[1]["detections"] == []
    assert found(results[0]) == found(results[2]) == [("red", (0.0, 0.0, 32.0, 32.0))]
    assert "error" not in results[0]


async def test_bad_picture_alone_fails_the_request(service):
    answer = await service.post("/v1/detect", content=b"no picture", headers=PNG)

    assert answer.status_code == 415
    assert answer.json()["code"] == "unsupported_media"


async def test_picture_with_too_many_pixels_is_refused(service):
    buffer = io.BytesIO()
    Image.new("1", (1001, 1000)).save(buffer, "PNG")

    answer = await service.post("/v1/detect", content=buffer.getvalue(), headers=PNG)

    assert answer.status_code == 413


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("confidence=1.5", "confidence"),
        ("confidence=nan", "confidence"),
        ("iou=-0.1", "iou"),
        ("max_detections=0", "max_detections"),
        ("classes=purple", "classes"),
        ("classes=3", "classes"),
        ("classes=", "classes"),
        ("image_size=16", "image_size"),
        ("image_size=513", "image_size"),
        ("threshold=0.5", "threshold"),
    ],
)
async def test_wrong_option_is_named(service, png, query, field):
    answer = await service.post(f"/v1/detect?{query}", content=png(32, 32, {}), headers=PNG)

    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["loc"].split(".")[0] == field


async def test_unknown_class_names_those_that_exist(service, png):
    answer = await service.post("/v1/detect?classes=purple", content=png(32, 32, {}), headers=PNG)

    assert "red, green, blue" in answer.json()["detail"]


async def test_request_without_a_picture_names_the_field(service):
    answer = await service.post("/v1/detect", files={"confidence": (None, "0.5")})

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["loc"] == "file"


async def test_more_pictures_than_the_limit_are_refused(service, png):
    files = [("file", png(32, 32, {}))] * 9

    answer = await service.post("/v1/detect", files=files)

    assert answer.status_code == 413


async def test_another_model_is_never_served_silently(service, png):
    answer = await service.post("/v1/detect?model=yolo11x", content=png(32, 32, {}), headers=PNG)

    assert answer.status_code == 404
    assert [fault["loc"] for fault in answer.json()["errors"]] == ["model"]
    assert "use 'grid' or auto" in answer.json()["detail"]


@pytest.mark.parametrize("kind", ["image/png", "image/jpeg"])
async def test_drawn_picture_is_answered_when_accepted(service, png, kind):
    picture = png(128, 128, {(1, 1): "red"})

    answer = await service.post("/v1/detect", content=picture, headers={**PNG, "accept": kind})

    drawn = np.asarray(Image.open(io.BytesIO(answer.content)).convert("RGB"))
    before = np.asarray(Image.open(io.BytesIO(picture)))
    assert answer.headers["content-type"] == kind
    assert drawn.shape == before.shape
    assert (drawn != before).any()


async def test_drawn_picture_takes_one_file(service, png):
    files = [("file", png(32, 32, {}))] * 2

    answer = await service.post("/v1/detect", files=files, headers={"accept": "image/png"})

    assert answer.status_code == 422


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, None),
        ("*/*", None),
        ("application/json", None),
        ("image/png", "image/png"),
        ("image/jpeg;q=0.9, application/json;q=0.5", "image/jpeg"),
        ("image/png;q=0.2, application/json", None),
        ("image/png;q=x", None),
        ("text/html", None),
    ],
)
def test_accept_header_chooses_the_form(accept, expected):
    assert wanted_picture(accept) == expected


async def test_info_lists_path_model_and_classes(service):
    info = (await service.get("/info")).json()

    assert info["paths"][0]["path"] == "/v1/detect"
    assert info["models"][0]["classes"] == ["red", "green", "blue"]
    assert "multipart/form-data" in str(info["openapi"]["paths"]["/v1/detect"])


async def test_engine_in_its_own_process_answers_the_same(service, grid_model, png):
    picture = png(128, 96, {(1, 0): "red", (3, 2): "blue"})
    settings = YoloSettings(model=str(grid_model), engine="onnxruntime", device="cpu", threads=1)
    here = await service.post("/v1/detect", content=picture, headers=PNG)

    async with running_app(build(settings)) as client:
        there = await client.post("/v1/detect", content=picture, headers=PNG)

    assert found(there.json()["results"][0]) == found(here.json()["results"][0])


async def test_weights_that_are_none_leave_the_service_answering(tmp_path, png):
    pointer = tmp_path / "best.pt"
    pointer.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")

    async with running_app(build(YoloSettings(model=str(pointer)))) as client:
        ready = await client.get("/readyz")
        answer = await client.post("/v1/detect", content=png(32, 32, {}), headers=PNG)

    assert ready.status_code == 503
    assert "Git LFS pointer" in ready.json()["engines"][0]["reason"]
    assert answer.status_code == 503
    assert answer.json()["code"] == "model_missing"
    assert "Git LFS pointer" in answer.json()["detail"]
    assert "retry-after" in answer.headers


async def test_tiles_find_what_the_shrunk_picture_hides(service, png):
    picture = png(512, 512, {(0, 0): "red", (9, 12): "blue"})  # cells are a quarter on the canvas

    shrunk = await service.post("/v1/detect", content=picture, headers=PNG)
    tiled = await service.post(
        "/v1/detect?tile_size=128&tile_overlap=0.25", content=picture, headers=PNG
    )

    assert shrunk.json()["results"][0]["detections"] == []
    assert found(tiled.json()["results"][0]) == [
        ("red", (0.0, 0.0, 32.0, 32.0)),
        ("blue", (288.0, 384.0, 320.0, 416.0)),
    ]


async def test_too_many_tiles_are_refused(service, png):
    answer = await service.post(
        "/v1/detect?tile_size=64&tile_overlap=0.9", content=png(512, 512, {}), headers=PNG
    )

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["loc"] == "tile_size"


async def test_option_without_effect_is_told(service, png):
    answer = await service.post("/v1/detect?tile_overlap=0.5", content=png(32, 32, {}), headers=PNG)

    assert answer.json()["warnings"] == ["tile_overlap has no effect without tile_size"]
