import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from shared.models.__main__ import default_models, main
from shared.models.catalog import ModelEntry, ModelFile
from shared.models.digests import DigestRecord
from shared.models.download import FetchError, Unreachable, make_client
from shared.models.fetch import Fetcher, FileState, Model, find_models
from shared.models.store import ModelStore
from tests.shared.file_server import HOST, FileServer, serving

CONTENT = bytes(range(256)) * 4096  # 1 MiB
SHA256 = hashlib.sha256(CONTENT).hexdigest()
SOURCE = f"https://{HOST}/v1/"


@pytest.fixture
def server():
    with serving(FileServer({"/v1/model.bin": CONTENT, "/v1/words.txt": b"one two"})) as running:
        yield running


@pytest.fixture
def model(tmp_path):
    return make_model(tmp_path, ModelFile("model.bin", SHA256, len(CONTENT)))


def make_model(tmp_path, *files, source=SOURCE):
    entry = ModelEntry("small", "1", "MIT", files, source=source)
    return Model(ModelStore(tmp_path / "services/ears", tmp_path / "models"), entry)


def fetch(tmp_path, server, model, report=lambda *_: None):
    with server.client() as client:
        return Fetcher(tmp_path / "models", client, report, pause=lambda _: None).fetch(model)


def test_file_is_fetched_with_progress_and_checked(tmp_path, server, model):
    told = []

    assert fetch(tmp_path, server, model, lambda *news: told.append(news)) is True

    assert (tmp_path / "models/ears/small/model.bin").read_bytes() == CONTENT
    assert told[-1] == ("ears/small/model.bin", len(CONTENT), len(CONTENT))
    assert model.is_installed


def test_installed_file_is_not_asked_for_again(tmp_path, server, model):
    fetch(tmp_path, server, model)
    asked = len(server.ranges)

    assert fetch(tmp_path, server, model) is False
    assert len(server.ranges) == asked


def test_broken_transfer_goes_on_where_it_ended(tmp_path, server, model):
    server.break_after = [400_000, 300_000]

    fetch(tmp_path, server, model)

    assert server.ranges == [None, "bytes=400000-", "bytes=700000-"]
    assert model.is_installed


def test_transfer_goes_on_in_another_process(tmp_path, server, model):
    server.break_after = [100_000] * 5
    with pytest.raises(FetchError):
        fetch(tmp_path, server, model)

    fetch(tmp_path, server, model)

    assert server.ranges[-1] == "bytes=500000-"
    assert model.is_installed


def test_file_that_changed_meanwhile_is_begun_anew(tmp_path, server):
    model = make_model(tmp_path, ModelFile("model.bin"))
    server.break_after = [100_000] * 5
    with pytest.raises(FetchError):
        fetch(tmp_path, server, model)
    server.files["/v1/model.bin"] = CONTENT[::-1]

    fetch(tmp_path, server, model)

    assert (tmp_path / "models/ears/small/model.bin").read_bytes() == CONTENT[::-1]


def test_without_etag_and_digest_nothing_is_resumed(tmp_path, server):
    server.etags = False
    server.break_after = [100_000]

    fetch(tmp_path, server, make_model(tmp_path, ModelFile("model.bin")))

    assert server.ranges == [None, None]


def test_rest_that_the_server_no_longer_has_is_begun_anew(tmp_path, server, model):
    folder = tmp_path / "models/ears/small"
    folder.mkdir(parents=True)
    (folder / "model.bin.part").write_bytes(CONTENT + b"more")

    fetch(tmp_path, server, model)

    assert model.is_installed


def test_server_in_trouble_is_asked_again(tmp_path, server, model):
    server.statuses = [503, 502]

    assert fetch(tmp_path, server, model) is True


@pytest.mark.parametrize("status", [401, 403, 404])
def test_refusal_is_reported_at_once(tmp_path, server, model, status):
    server.statuses = [status]

    with pytest.raises(FetchError, match=f"answered {status}"):
        fetch(tmp_path, server, model)
    assert len(server.ranges) == 1


def test_wrong_digest_is_refused_and_nothing_stays(tmp_path, server):
    model = make_model(tmp_path, ModelFile("model.bin", "0" * 64))

    with pytest.raises(FetchError, match=f"{SHA256}, expected 0000"):
        fetch(tmp_path, server, model)
    assert list((tmp_path / "models/ears/small").iterdir()) == []


def test_file_longer_than_stated_is_refused(tmp_path, server):
    model = make_model(tmp_path, ModelFile("model.bin", None, 1000))

    with pytest.raises(FetchError, match="larger than the stated 1000 bytes"):
        fetch(tmp_path, server, model)
    assert list((tmp_path / "models/ears/small").iterdir()) == []


def test_first_digest_is_recorded_and_holds_ever_after(tmp_path, server):
    model = make_model(tmp_path, ModelFile("model.bin"))
    fetch(tmp_path, server, model)
    assert DigestRecord(tmp_path / "models").get("ears", "small", "model.bin") == SHA256
    (tmp_path / "models/ears/small/model.bin").unlink()
    server.files["/v1/model.bin"] = b"another"

    with pytest.raises(FetchError, match=f"expected {SHA256}"):
        fetch(tmp_path, server, model)


def test_verify_finds_a_changed_file(tmp_path, server, model):
    fetch(tmp_path, server, model)
    path = tmp_path / "models/ears/small/model.bin"
    fetcher = Fetcher(tmp_path / "models", None, lambda *_: None)
    assert fetcher.verify(model) == [(path, FileState.OK)]

    path.write_bytes(CONTENT[:-1] + b"x")

    assert fetcher.verify(model) == [(path, FileState.CHANGED)]


def test_file_put_in_place_by_hand_is_checked(tmp_path, server, model):
    path = tmp_path / "models/ears/small/model.bin"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"something else")

    with pytest.raises(FetchError, match="is not the file that the catalogue means"):
        fetch(tmp_path, server, model)


@pytest.mark.parametrize(
    ("package", "sentence"),
    [("no_such_package", "comes with the Python package"), (None, "belongs to this repository")],
)
def test_model_that_has_no_source_is_not_fetched(tmp_path, server, package, sentence):
    entry = ModelEntry("own", "1", "MIT", (ModelFile("w"),), folder="weights", package=package)
    model = Model(ModelStore(tmp_path / "services/ears", tmp_path / "models"), entry)

    with pytest.raises(FetchError, match=sentence):
        fetch(tmp_path, server, model)
    assert server.ranges == []


@pytest.mark.parametrize("source", ["http://models.example/v1/", "ftp://models.example/"])
def test_address_that_is_not_https_is_refused(tmp_path, server, source):
    model = make_model(tmp_path, ModelFile("model.bin"), source=source)

    with pytest.raises(FetchError, match="not https"):
        fetch(tmp_path, server, model)
    assert server.ranges == []


def test_redirect_to_an_address_that_is_not_https_is_refused(tmp_path, server, model):
    server.redirects["/v1/model.bin"] = "http://models.example/elsewhere"

    with pytest.raises(FetchError, match="not https"):
        fetch(tmp_path, server, model)


def test_redirect_within_https_is_followed(tmp_path, server, model):
    server.files["/elsewhere"] = server.files.pop("/v1/model.bin")
    server.redirects["/v1/model.bin"] = f"https://{HOST}/elsewhere"

    assert fetch(tmp_path, server, model) is True


def test_closed_port_is_an_unreachable_host(tmp_path):
    model = make_model(tmp_path, ModelFile("model.bin"), source="https://127.0.0.1:1/")

    with make_client() as client, pytest.raises(Unreachable, match="cannot be reached"):
        Fetcher(tmp_path / "models", client, lambda *_: None).fetch(model)


CATALOGUE = """
[[model]]
name = "large"
version = "2"
licence = "MIT"
source = "https://127.0.0.1:1/large/"
[[model.file]]
path = "model.bin"

[[model]]
name = "small"
version = "1"
licence = "MIT"
source = "https://127.0.0.1:1/small/"
[[model.file]]
path = "model.bin"

[[model]]
name = "demo-ears"
version = "1"
licence = "Apache-2.0"
folder = "demo/weights"
[[model.file]]
path = "w.bin"
"""


@pytest.fixture
def places(tmp_path):
    (tmp_path / "services/ears").mkdir(parents=True)
    (tmp_path / "services/ears/models.toml").write_text(CATALOGUE)
    return [
        "--services-dir", str(tmp_path / "services"), "--models-dir", str(tmp_path / "models"),
    ]  # fmt: skip


def test_offline_fails_at_once_with_one_sentence(places):
    ended = subprocess.run(
        [sys.executable, "-m", "shared.models", *places, "fetch", "ears/small"],
        env={**os.environ, "OFFLINE": "1"}, capture_output=True, text=True, check=False,
        cwd=Path(__file__).resolve().parents[2],
    )  # fmt: skip

    assert ended.returncode == 1
    assert "models: ears/small is not installed: OFFLINE is set, so nothing is" in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_one_model_that_cannot_be_had_does_not_stop_the_others(places, capsys):
    assert main([*places, "fetch"], {}) == 1

    told = capsys.readouterr().err
    assert all(f"ears/{name} is not installed" in told for name in ("large", "small", "demo-ears"))


def test_unknown_model_is_named_with_those_that_exist(places, capsys):
    assert main([*places, "fetch", "ears/tiny"], {}) == 1

    assert (
        "there is no model ears/tiny; known are: ears/large, ears/small" in capsys.readouterr().err
    )


def test_defaults_that_cannot_be_had_are_reported_and_do_not_fail(places, capsys):
    assert main([*places, "fetch", "--defaults"], {}) == 0

    assert "ears/large is not installed: 127.0.0.1 cannot be reached" in capsys.readouterr().err


def test_default_is_the_first_real_model_or_the_one_that_is_set(places, tmp_path):
    models = find_models(tmp_path / "services", tmp_path / "models")

    assert [model.id for model in default_models(models, {})] == ["ears/large"]
    assert [model.id for model in default_models(models, {"EARS_MODEL": "small"})] == ["ears/small"]
    assert default_models(models, {"EARS_MODEL": "/weights/mine.bin"}) == []


def test_nothing_is_fetched_by_default_where_a_real_model_is_installed(places, tmp_path):
    (tmp_path / "models/ears/small").mkdir(parents=True)
    (tmp_path / "models/ears/small/model.bin").write_bytes(b"x")

    assert default_models(find_models(tmp_path / "services", tmp_path / "models"), {}) == []


def test_list_shows_every_model_and_its_state(places, tmp_path, capsys):
    (tmp_path / "services/ears/demo/weights").mkdir(parents=True)
    (tmp_path / "services/ears/demo/weights/w.bin").write_bytes(b"x")

    assert main([*places, "list"], {}) == 0

    rows = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert "missing" in rows["ears/small"]
    assert "installed" in rows["ears/demo-ears"]
    assert rows["ears/demo-ears"].endswith("demo")


def test_model_marked_as_default_is_wanted_beside_the_installed_one(places, tmp_path):
    (tmp_path / "models/ears/large").mkdir(parents=True)
    (tmp_path / "models/ears/large/model.bin").write_bytes(b"x")
    catalog = tmp_path / "services/ears/models.toml"
    catalog.write_text(
        catalog.read_text().replace('name = "small"', 'name = "small"\ndefault = true')
    )

    models = find_models(tmp_path / "services", tmp_path / "models")

    assert [model.id for model in default_models(models, {})] == ["ears/small"]
    assert [model.id for model in default_models(models, {"EARS_MODEL": "large"})] == ["ears/small"]
    assert default_models(models, {"EARS_MODEL": "/weights/mine.bin"}) == []


def test_run_fetches_the_real_korean_recogniser_beside_the_bundled_models(tmp_path):
    models = find_models(Path(__file__).resolve().parents[2] / "services", tmp_path)

    wanted = [model.id for model in default_models(models, {}) if model.service == "ocr"]

    assert wanted == ["ocr/korean-pp-ocrv5-mobile"]
