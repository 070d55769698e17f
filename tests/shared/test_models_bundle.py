import io
import json
import tarfile

import pytest

from shared.models.bundle import MANIFEST, export_bundle, import_bundle
from shared.models.catalog import ModelEntry, ModelFile
from shared.models.digests import DigestRecord
from shared.models.download import FetchError
from shared.models.fetch import Model
from shared.models.store import ModelStore

FILES = {"model.bin": b"weights" * 1000, "sub/words.txt": b"one two"}


def make_model(folder, sha256=None):
    entry = ModelEntry(
        "small", "1", "MIT", (ModelFile("model.bin", sha256), ModelFile("sub/words.txt")),
        source="https://models.example/",
    )  # fmt: skip
    return Model(ModelStore(folder / "services/ears", folder / "models"), entry)


@pytest.fixture
def here(tmp_path):
    model = make_model(tmp_path / "here")
    for name, content in FILES.items():
        path = tmp_path / "here/models/ears/small" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return model


def put_in(tmp_path, bundle, model=None):
    return import_bundle(bundle, [model or make_model(tmp_path / "there")], there(tmp_path))


def there(tmp_path):
    return tmp_path / "there/models"


def write_tar(path, manifest, members):
    with tarfile.open(path, "w") as tar:
        for name, content in {MANIFEST: json.dumps(manifest).encode(), **members}.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def test_model_is_carried_whole_and_its_digests_with_it(tmp_path, here):
    bundle = tmp_path / "models.tar"
    export_bundle([here], bundle)

    assert put_in(tmp_path, bundle) == ["ears/small"]

    installed = there(tmp_path) / "ears/small"
    assert {name: (installed / name).read_bytes() for name in FILES} == FILES
    assert DigestRecord(there(tmp_path)).get("ears", "small", "model.bin") is not None


def test_nothing_to_export_is_said(tmp_path):
    with pytest.raises(FetchError, match="nothing to export"):
        export_bundle([make_model(tmp_path)], tmp_path / "models.tar")


def test_damaged_file_is_refused_and_nothing_is_installed(tmp_path, here):
    bundle = tmp_path / "models.tar"
    export_bundle([here], bundle)
    content = bytearray(bundle.read_bytes())
    place = content.index(b"weights")
    content[place : place + 1] = b"W"
    bundle.write_bytes(content)

    with pytest.raises(FetchError, match="is damaged in the bundle"):
        put_in(tmp_path, bundle)
    assert not (there(tmp_path) / "ears").exists()


def test_file_with_another_digest_than_the_catalogue_states_is_refused(tmp_path, here):
    bundle = tmp_path / "models.tar"
    export_bundle([here], bundle)

    with pytest.raises(FetchError, match="not the file that the catalogue means"):
        put_in(tmp_path, bundle, make_model(tmp_path / "there", sha256="0" * 64))


@pytest.mark.parametrize("name", ["ears/small/../../evil", "/etc/evil", "ears/tiny/model.bin"])
def test_name_that_no_catalogue_knows_is_refused(tmp_path, name):
    bundle = write_tar(tmp_path / "b.tar", {name: "0" * 64}, {name: b"x"})

    with pytest.raises(FetchError, match="no catalogue knows"):
        put_in(tmp_path, bundle)


def test_model_that_is_not_whole_is_refused_and_the_installed_one_stays(tmp_path, here):
    bundle = write_tar(tmp_path / "b.tar", {"ears/small/model.bin": "0" * 64}, {})

    with pytest.raises(FetchError, match="the bundle lacks ears/small/sub/words.txt"):
        import_bundle(bundle, [here], tmp_path / "here/models")
    assert here.is_installed


def test_link_in_place_of_a_file_is_refused(tmp_path):
    bundle = tmp_path / "b.tar"
    write_tar(bundle, {f"ears/small/{name}": "0" * 64 for name in FILES}, {})
    with tarfile.open(bundle, "a") as tar:
        link = tarfile.TarInfo("ears/small/model.bin")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)

    with pytest.raises(FetchError, match="not a plain file"):
        put_in(tmp_path, bundle)


@pytest.mark.parametrize("manifest", [[], {"ears/small/model.bin": 1}, "text", None])
def test_bundle_whose_list_is_none_is_refused(tmp_path, manifest):
    with pytest.raises(FetchError, match="bundle.json"):
        put_in(tmp_path, write_tar(tmp_path / "b.tar", manifest, {}))


def test_bundle_whose_list_is_no_json_is_refused(tmp_path):
    bundle = write_tar(tmp_path / "b.tar", {}, {MANIFEST: b"{"})

    with pytest.raises(FetchError, match="bundle.json"):
        put_in(tmp_path, bundle)


@pytest.mark.parametrize("content", [b"", b"not a tar at all" * 100])
def test_file_that_is_no_bundle_is_refused(tmp_path, content):
    bundle = tmp_path / "b.tar"
    bundle.write_bytes(content)

    with pytest.raises(FetchError):
        put_in(tmp_path, bundle)
