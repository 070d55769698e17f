import re
from pathlib import Path

from deploy.lock import requirement_names

ROOT = Path(__file__).resolve().parents[1]


def test_every_direct_dependency_has_its_licence_listed():
    table = (ROOT / "LICENSES.md").read_text()
    listed = {
        name.strip(" *").lower()
        for row in re.findall(r"^\| ([^|]+) \|", table, re.MULTILINE)
        for name in row.partition(" (")[0].split(",")
    }
    needed = {
        re.sub(r"\[.*\]", "", name).lower()
        for file in ROOT.glob("**/requirements*.in")
        if ".venv" not in file.parts
        for name in requirement_names(file.read_text())
    }

    assert needed - listed == set()


def test_agpl_is_named_where_users_look():
    for name in ("LICENSE", "LICENSES.md"):
        assert "AGPL-3.0" in (ROOT / name).read_text()
