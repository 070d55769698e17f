import pytest

from services.ocr.weights import SERVICE_DIR, find_weights, offered_languages
from shared.errors import ModelMissing
from shared.models.catalog import read_catalog


def test_bundled_models_need_nothing_installed(tmp_path):
    found = find_weights("auto", tmp_path, None)

    assert found.detector.path.name == "PP-OCRv6_det_small.onnx"
    assert found.detector.path.is_file()
    assert found.recognisers[0].name == "pp-ocrv6-small"
    assert "en" in found.recognisers[0].languages
    assert not found.recognisers[0].demo


def test_installed_korean_model_is_a_further_recogniser(tmp_path):
    folder = tmp_path / "ocr" / "korean-pp-ocrv5-mobile"
    folder.mkdir(parents=True)
    (folder / "korean_PP-OCRv5_rec_mobile.onnx").write_bytes(b"weights")

    found = find_weights("auto", tmp_path, None)

    assert [each.name for each in found.recognisers[:2]] == [
        "pp-ocrv6-small",
        "korean-pp-ocrv5-mobile",
    ]
    assert found.recognisers[1].languages == ("ko",)


def test_named_model_that_is_not_installed_is_missing_with_the_command(tmp_path):
    with pytest.raises(ModelMissing, match="make models MODEL=ocr/korean-pp-ocrv5-mobile"):
        find_weights("korean-pp-ocrv5-mobile", tmp_path, None)


def test_own_folders_are_told_apart_by_their_description(tmp_path):
    write_folder(tmp_path / "find", "PP-OCRv3_mobile_det")
    write_folder(tmp_path / "hangul", "korean_PP-OCRv3_mobile_rec", onnx=True)
    write_folder(tmp_path / "latin", "en_PP-OCRv3_mobile_rec")

    found = find_weights("auto", tmp_path, tmp_path)

    assert found.detector.path == tmp_path / "find"
    assert [(each.name, each.languages) for each in found.recognisers] == [
        ("hangul", ("ko",)),
        ("latin", ("en",)),
    ]
    assert found.recognisers[0].path == tmp_path / "hangul" / "inference.onnx"


def test_own_folder_without_a_recogniser_is_refused_by_name(tmp_path):
    write_folder(tmp_path / "find", "PP-OCRv3_mobile_det")

    with pytest.raises(ModelMissing, match="one with a recogniser"):
        find_weights("auto", tmp_path, tmp_path)


def test_korean_is_offered_by_the_real_model():
    offered = offered_languages(read_catalog(SERVICE_DIR / "models.toml"))

    assert offered["ko"] == "korean-pp-ocrv5-mobile"
    assert offered["en"] == "pp-ocrv6-small"


def write_folder(folder, model_name, *, onnx=False):
    folder.mkdir()
    (folder / "inference.yml").write_text(f"Global:\n  model_name: {model_name}\n")
    (folder / ("inference.onnx" if onnx else "inference.pdmodel")).write_bytes(b"weights")
