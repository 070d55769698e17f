import pytest

from shared.errors import ModelMissing
from shared.models.store import ModelStore

CATALOGUE = """
[[model]]
name = "carried"
version = "1"
licence = "MIT"
package = "tests"
folder = "shared"
[[model.file]]
path = "{file}"
"""


def make_store(tmp_path, file):
    service_dir = tmp_path / "ears"
    service_dir.mkdir()
    (service_dir / "models.toml").write_text(CATALOGUE.format(file=file))
    return ModelStore(service_dir, tmp_path / "models")


def test_model_of_a_python_package_is_installed_where_the_package_is(tmp_path):
    model = make_store(tmp_path, "echo.py").resolve("auto")

    assert (model.path / "echo.py").is_file()
    assert not model.demo


def test_file_that_the_package_lacks_is_missing_with_the_packages_name(tmp_path):
    with pytest.raises(ModelMissing, match="comes with the Python package tests"):
        make_store(tmp_path, "weights.bin").resolve("carried")
