"""Damaged, hostile and unusual files get the answer that their list of truths asks for."""

import pytest

from shared.testing import peak_memory

pytestmark = pytest.mark.data

REFUSED = (413, 415, 422)
PICTURES = {
    "RGBA_16__128x128.png": (128, 128),
    "RGB_16__128x128.png": (128, 128),
    "exif_typeerror.jpg": None,
    "hopper.webp": (128, 128),
    "hopper_orientation_3.jpg": None,
    "hopper_orientation_6.jpg": None,
    "invalid-exif.jpg": None,
    "iss634.gif": None,
    "p_trns_single.png": None,
    "pil_sample_cmyk.jpg": None,
    "transparent.png": None,
}
"""Files to accept, with their size where it is known."""

EITHER = (
    "16bit.cropped.tif", "multipage.tiff", "no_palette.gif", "png_decompression_dos.png",
    "zPug_3.heic",
)  # fmt: skip
"""Files that may be read or refused, but must not break anything."""


async def ask(service, path):
    return await service.post(
        "/v1/detect", content=path.read_bytes(), headers={"content-type": "image/jpeg"}
    )


@pytest.mark.parametrize("name", PICTURES)
async def test_unusual_picture_is_read(service, test_data, name):
    answer = await ask(service, test_data / "malformed" / name)

    assert answer.status_code == 200, answer.text
    if PICTURES[name]:
        size = answer.json()["results"][0]["image"]
        assert (size["width"], size["height"]) == PICTURES[name]


async def test_every_other_file_is_refused_and_none_breaks_the_service(service, test_data):
    statuses = {
        path.name: (await ask(service, path)).status_code
        for path in sorted((test_data / "malformed").iterdir())
        if path.name not in PICTURES
    }

    wrong = {
        name: status
        for name, status in statuses.items()
        if status not in (REFUSED + (200,) * (name in EITHER))
    }
    assert wrong == {}
    assert len(statuses) > 20
    assert (await service.get("/readyz")).status_code == 200


async def test_no_file_takes_much_memory(service, test_data):
    await ask(service, test_data / "malformed" / "hopper.webp")  # the decoder is there and warm
    growth = {}
    for path in sorted((test_data / "malformed").iterdir()):
        with peak_memory() as peak:
            await ask(service, path)
        growth[path.name] = peak.growth_bytes / 2**20

    assert {name: mib for name, mib in growth.items() if mib > 64} == {}


async def test_damaged_files_of_one_batch_fail_alone(service, test_data, png):
    names = ("truncated_jpeg.jpg", "decompression_bomb.gif", "empty.heic")
    bad = [(test_data / "malformed" / name).read_bytes() for name in names]
    files = [("file", png(64, 64, {})), *(("file", each) for each in bad)]

    answer = await service.post("/v1/detect", files=files)

    results = answer.json()["results"]
    assert answer.status_code == 200
    assert "error" not in results[0]
    assert {each["error"]["code"] for each in results[1:]} <= {
        "unsupported_media", "payload_too_large",
    }  # fmt: skip
