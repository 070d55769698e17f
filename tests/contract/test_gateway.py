from deploy.docs import settings_class
from shared.settings import settings_table
from tests.contract.conftest import ROOT


def test_readme_holds_the_settings_table():
    table = settings_table(settings_class("gateway.settings"))

    assert table in (ROOT / "gateway/README.md").read_text()
