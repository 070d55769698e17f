import shutil
from pathlib import Path

import pytest

from deploy.install import digest, image_steps, install, pip_steps

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def tree(tmp_path):
    for name in (
        "deploy/constraints.txt", "deploy/install.py", "shared/requirements.in",
        "gateway/requirements.in", "services/a/requirements.in", "services/b/requirements.in",
        "services/b/requirements-nodeps.in", "services/a/requirements-last.in",
        "services/a/requirements-train.in",
    ):  # fmt: skip
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    return tmp_path


def test_everything_is_resolved_in_one_step_and_overwriting_packages_come_last(tree):
    steps = pip_steps(tree, train=False)

    shown = [" ".join(step).replace(f"{tree}/", "") for step in steps]
    assert shown == [
        "install -c deploy/constraints.txt -r shared/requirements.in -r gateway/requirements.in "
        "-r services/a/requirements.in -r services/b/requirements.in",
        "install --no-deps -r services/b/requirements-nodeps.in",
        "install --no-deps --force-reinstall -r services/a/requirements-last.in",
        "uninstall --yes openvino-telemetry",
    ]


def test_training_and_torch_index_are_added_when_asked_for(tree):
    (tree / "services/b/requirements.in").write_text("torch==2.13.0\n")

    first = pip_steps(tree, train=True, torch_index_url="https://torch.example/cpu")[0]

    assert first[:3] == ["install", "--extra-index-url", "https://torch.example/cpu"]
    assert first[-1].endswith("services/a/requirements-train.in")


def test_index_of_torch_is_not_asked_where_nobody_wants_torch(tree):
    first = pip_steps(tree, train=False, torch_index_url="https://torch.example/cpu")[0]

    assert "https://torch.example/cpu" not in first


def test_image_installs_from_its_locks_and_takes_torch_from_its_own_index(tree):
    folder = tree / "services/b"
    (folder / "requirements.in").write_text("torch==2.13.0\n")
    (folder / "requirements-nodeps.in").write_text("torchvision==0.28.0\nultralytics==8.4.190\n")
    for name in ("requirements.lock", "requirements-nodeps.lock"):
        (folder / name).write_text("")

    steps = image_steps(tree, "services/b", torch_index_url="https://torch.example/cpu")

    assert [" ".join(step).replace(f"{tree}/", "") for step in steps] == [
        "install --index-url https://torch.example/cpu -c deploy/constraints.txt torch",
        "install --no-deps --index-url https://torch.example/cpu -c deploy/constraints.txt "
        "torchvision",
        "install --require-hashes -r services/b/requirements.lock",
        "install --no-deps --require-hashes -r services/b/requirements-nodeps.lock",
        "uninstall --yes openvino-telemetry",
    ]


def test_variant_of_an_image_adds_its_own_requirements(tree):
    (tree / "services/a/requirements.lock").write_text("")
    (tree / "services/a/requirements-gpu.in").write_text("nvidia-cublas-cu12\n")

    with_extra = image_steps(tree, "services/a", extra="gpu")
    without_file = image_steps(tree, "services/b", extra="gpu")

    assert ["install", "-r", f"{tree}/services/a/requirements-gpu.in"] in with_extra
    assert without_file == image_steps(tree, "services/b")


def test_images_install_torch_only_where_it_serves(tmp_path):
    """Of what the build context holds; a torch that only training asks for stays out."""
    left_out = (ROOT / ".dockerignore").read_text().splitlines()
    anywhere = [line.removeprefix("**/") for line in left_out if line.startswith("**/")]
    shutil.copytree(
        ROOT / "services", tmp_path / "services", ignore=shutil.ignore_patterns(*anywhere)
    )
    parts = [f"services/{file.parent.name}" for file in ROOT.glob("services/*/requirements.in")]

    installing = {part for part in parts if any("torch" in s for s in image_steps(tmp_path, part))}

    assert installing == {
        part
        for part in parts
        if "\ntorch==" in f"\n{(ROOT / part / 'requirements.in').read_text()}"
    }


def test_digest_follows_every_requirement_file(tree):
    before = digest(tree, train=False)

    for name in ("requirements.in", "requirements-last.in"):
        (tree / "services/a" / name).write_text("six\n")
        assert digest(tree, train=False) != before
        before = digest(tree, train=False)


def test_digest_ignores_what_is_not_installed(tree):
    before = digest(tree, train=False)

    (tree / "services/a/requirements-train.in").write_text("polars\n")

    assert digest(tree, train=False) == before
    assert digest(tree, train=True) != before


def test_environment_of_another_checkout_is_left_alone(tree):
    (tree / ".venv").symlink_to(tree / "elsewhere")

    assert install(tree) is False
    assert not (tree / "elsewhere").exists()


def test_current_environment_is_not_touched(tree):
    (tree / ".venv").mkdir()
    (tree / ".venv/.installed.json").write_text(
        f'{{"digest": "{digest(tree, train=False)}", "train": false}}'
    )

    assert install(tree) is False
    assert [each.name for each in (tree / ".venv").iterdir()] == [".installed.json"]


def test_each_service_of_this_tree_names_its_requirements():
    folders = [folder for folder in (ROOT / "services").iterdir() if folder.is_dir()]

    without = [each.name for each in folders if not (each / "requirements.in").is_file()]
    assert [name for name in without if not name.startswith("_")] == []
