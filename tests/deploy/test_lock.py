import re
from pathlib import Path

import pytest

from deploy.install import BY_DEVICE
from deploy.lock import images, keep_only, requirement_names

ROOT = Path(__file__).resolve().parents[2]
LOCKS = sorted(file for file in ROOT.glob("*/requirements*.lock")) + sorted(
    ROOT.glob("services/*/requirements*.lock")
)


def pinned(lock):
    return {
        name.lower(): version
        for name, version in re.findall(r"^([\w.-]+)==(\S+)", lock.read_text(), re.MULTILINE)
    }


def asked_for(file):
    names = [re.sub(r"\[.*\]", "", name).lower() for name in requirement_names(file.read_text())]
    return {name.replace("_", "-") for name in names} - set(BY_DEVICE)


@pytest.mark.parametrize("image", images(ROOT))
def test_every_requirement_of_an_image_is_pinned(image):
    folder = ROOT / image
    for source in folder.glob("requirements*.in"):
        kind = source.stem.removeprefix("requirements")
        if kind not in ("", "-nodeps", "-last"):
            continue
        wanted = asked_for(source)
        if kind == "" and image != "gateway":
            wanted |= asked_for(ROOT / "shared/requirements.in")
        assert wanted - set(pinned(source.with_suffix(".lock"))) == set()


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: str(lock.relative_to(ROOT)))
def test_lock_names_no_index_and_gives_a_digest_for_every_package(lock):
    text = lock.read_text()

    assert "://" not in text
    assert not any(line.startswith("-") for line in text.splitlines())
    assert all(
        "--hash=sha256:" in entry for entry in re.split(r"^(?=\S+==)", text, flags=re.MULTILINE)[1:]
    )


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: str(lock.relative_to(ROOT)))
def test_no_lock_pins_the_build_of_torch(lock):
    assert set(pinned(lock)).isdisjoint(BY_DEVICE)


def test_only_the_named_packages_are_kept_of_a_lock():
    lock = "a==1 \\\n    --hash=sha256:00\nb-c==2 \\\n    --hash=sha256:11\n"

    assert keep_only(lock, ["B_c"]) == "b-c==2 \\\n    --hash=sha256:11\n"
