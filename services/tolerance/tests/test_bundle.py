import json
import shutil

import pytest

from services.tolerance.app import build, find_bundle
from services.tolerance.bundle import BrokenBundle, read_bundle
from services.tolerance.data_files import DEMO_MODEL_FOLDER
from services.tolerance.settings import ToleranceSettings
from services.tolerance.tests.test_routes import plate
from shared.errors import ModelMissing
from shared.testing import running_app


@pytest.fixture
def folder(tmp_path):
    return shutil.copytree(DEMO_MODEL_FOLDER, tmp_path / "copy")


def test_shipped_weights_are_small(bundle):
    assert sum(file.stat().st_size for file in DEMO_MODEL_FOLDER.iterdir()) <= 10 * 2**20


@pytest.mark.parametrize("name", ["model.ubj", "domain.json", "intervals.json"])
def test_changed_file_is_refused(folder, name):
    (folder / name).write_bytes((folder / name).read_bytes() + b"\n")

    with pytest.raises(BrokenBundle, match=name):
        read_bundle(folder)


@pytest.mark.parametrize("name", ["card.json", "model.ubj"])
def test_missing_file_is_named(folder, name):
    (folder / name).unlink()

    with pytest.raises(BrokenBundle, match=name):
        read_bundle(folder)


def test_model_of_another_catalog_is_refused(folder):
    card = json.loads((folder / "card.json").read_text())
    card["columns"] = card["columns"][::-1]
    (folder / "card.json").write_text(json.dumps(card))

    with pytest.raises(ModelMissing, match="another catalog"):
        find_bundle(ToleranceSettings(model=str(folder)))


def test_model_is_found_by_its_name_under_the_models_folder(tmp_path):
    shutil.copytree(DEMO_MODEL_FOLDER, tmp_path / "tolerance" / "my-shop")

    found = find_bundle(ToleranceSettings(model="my-shop", models_dir=tmp_path))

    assert found.folder == tmp_path / "tolerance" / "my-shop"


async def test_service_without_its_model_says_so_and_still_looks_up_standards(tmp_path):
    settings = ToleranceSettings(model="my-shop", models_dir=tmp_path)

    async with running_app(build(settings)) as client:
        predicted = await client.post("/v1/tolerance/predict", json={"parts": [plate()]})
        fit = await client.get("/v1/tolerance/iso286", params={"size_mm": 25, "fit": "H7"})
        ready = await client.get("/readyz")

    assert predicted.status_code == 503
    assert predicted.json()["code"] == "model_missing"
    assert "my-shop" in predicted.json()["detail"]
    assert fit.status_code == 200
    assert ready.status_code == 503


async def test_model_that_comes_after_the_start_or_anew_answers_once_it_is_loaded(tmp_path):
    folder = tmp_path / "tolerance" / "my-shop"
    app = build(ToleranceSettings(model="my-shop", models_dir=tmp_path))
    host = app.state.tolerance.host
    answers = []

    async with running_app(app) as client:
        for name in ("first", "second"):
            shutil.copytree(DEMO_MODEL_FOLDER, folder, dirs_exist_ok=True)
            card = json.loads((folder / "card.json").read_text()) | {"name": name}
            (folder / "card.json").write_text(json.dumps(card))
            await host.unload()
            host.start()
            await host.settled()
            answers.append(await client.post("/v1/tolerance/predict", json={"parts": [plate()]}))

    assert [each.status_code for each in answers] == [200, 200]
    assert [each.json()["model"] for each in answers] == ["first", "second"]
