import pytest

from services.tolerance.data_files import FOLDER
from services.tolerance.settings import ToleranceSettings
from shared.settings import SettingsError, settings_table


def test_readme_holds_the_table_of_settings():
    readme = (FOLDER / "README.md").read_text("utf-8")

    assert settings_table(ToleranceSettings) in readme


def test_unknown_variable_stops_the_start(monkeypatch):
    monkeypatch.setenv("TOLERANCE_BATCHSIZE", "4")

    with pytest.raises(SettingsError, match="TOLERANCE_BATCHSIZE"):
        ToleranceSettings.from_environment()
