"""Make the virtual environment that runs, tests and trains everything; standard library only.

``make .venv`` runs this on every call. A digest of the requirement files, kept inside the
environment, lets it return at once while nothing has changed, without touching the network.

The order of the steps matters. Everything that declares its dependencies truly goes into one
command, so that one resolution sees all of it. Packages whose declared dependencies are wrong for
us follow without them (``requirements-nodeps.in``), and those that must overwrite files of others
come last (``requirements-last.in``).
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import time
import venv
from collections.abc import Iterable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OLDEST_PYTHON = (3, 11)
PARTS = ("shared", "gateway", "services/*", "tests")
CONSTRAINTS = "deploy/constraints.txt"
STAMP = ".installed.json"
BY_DEVICE = ("torch", "torchvision")
"""Packages of which each device needs another build; their index is a choice of the operator."""
UNWANTED = ("openvino-telemetry",)
"""Packages that others pull in and that only send usage data to their makers."""


class InstallError(Exception):
    """The environment cannot be made; the text says what to do."""


def requirement_files(root: Path, name: str) -> list[Path]:
    """Files called ``name`` of every part that has one, in a fixed order."""
    return [
        file
        for part in PARTS
        for folder in sorted(root.glob(part))
        if (file := folder / name).is_file()
    ]


def pip_steps(root: Path, *, train: bool, torch_index_url: str = "") -> list[list[str]]:
    """Arguments of each pip command, in the order in which they must run.

    Args:
        root: the source tree.
        train: whether to add what training the demo weights needs.
        torch_index_url: a further package index that has the wanted build of torch; may be empty.
    """
    constraints = ["-c", str(root / CONSTRAINTS)]
    resolved = requirement_files(root, "requirements.in")
    if train:
        resolved += requirement_files(root, "requirements-train.in")
    asks_torch = any(_named_requirements(file.parent, BY_DEVICE) for file in resolved)
    index = ["--extra-index-url", torch_index_url] if torch_index_url and asks_torch else []
    steps = [["install", *index, *constraints, *_each("-r", resolved)]]
    for name, options in (
        ("requirements-nodeps.in", ["--no-deps"]),
        ("requirements-last.in", ["--no-deps", "--force-reinstall"]),
    ):
        if files := requirement_files(root, name):
            steps.append(["install", *index, *options, *_each("-r", files)])
    steps.append(["uninstall", "--yes", *UNWANTED])
    return steps


def image_steps(
    root: Path, part: str, *, torch_index_url: str = "", extra: str = ""
) -> list[list[str]]:
    """Arguments of each pip command that installs one image's requirements.

    Locks are used where they are; torch and torchvision, which no lock holds, come from the index
    of the wanted build.

    Args:
        root: a tree that holds the requirement files of the image alone.
        part: folder of the image: ``gateway`` or ``services/<name>``.
        torch_index_url: package index of the wanted build of torch; may be empty.
        extra: variant of the image, whose ``requirements-<extra>.in`` is added where there is one.
    """
    folder = root / part
    variant = folder / f"requirements-{extra}.in"
    added = [["install", "-r", str(variant)]] if extra and variant.is_file() else []
    if not (folder / "requirements.lock").is_file():
        steps = pip_steps(root, train=False, torch_index_url=torch_index_url)
        return [steps[0], *added, *steps[1:]]
    constraints = ["-c", str(root / CONSTRAINTS)]
    index = ["--index-url", torch_index_url] if torch_index_url else []
    steps = []
    # torch brings the CUDA libraries of its build; torchvision would ask for another torch.
    for name, options in (("torch", []), ("torchvision", ["--no-deps"])):
        if _named_requirements(folder, [name]):
            steps.append(["install", *options, *index, *constraints, name])
    steps.append(["install", "--require-hashes", "-r", str(folder / "requirements.lock")])
    steps += added
    for kind, options in (("nodeps", []), ("last", ["--force-reinstall"])):
        lock = folder / f"requirements-{kind}.lock"
        if lock.is_file():
            steps.append(["install", "--no-deps", "--require-hashes", *options, "-r", str(lock)])
    return [*steps, ["uninstall", "--yes", *UNWANTED]]


def requirements_digest(root: Path, *, train: bool = False) -> str:
    """Fingerprint of what is asked for: every requirement file and the constraints."""
    total = hashlib.sha256()
    files = [file for file in [root / CONSTRAINTS] if file.is_file()]
    for name in ("", "-nodeps", "-last", "-train" if train else ""):
        files += requirement_files(root, f"requirements{name}.in")
    for file in files:
        total.update(f"\0{file.relative_to(root)}\0".encode() + file.read_bytes())
    return total.hexdigest()


def digest(root: Path, *, train: bool, torch_index_url: str = "") -> str:
    """Fingerprint of everything that decides what is installed."""
    parts = [
        f"{sys.version_info[:2]} {train} {torch_index_url}",
        (root / "deploy/install.py").read_text(),
        requirements_digest(root, train=train),
    ]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def install_image(root: Path, part: str, *, torch_index_url: str = "", extra: str = "") -> None:
    """Make the environment of one image in ``root/.venv``.

    Raises:
        InstallError: a step failed.
    """
    _create(root / ".venv")
    for step in image_steps(root, part, torch_index_url=torch_index_url, extra=extra):
        _say(f"pip {_shown(step, root)}")
        _pip(root / ".venv", step)


def install(root: Path, *, train: bool = False, torch_index_url: str = "") -> bool:
    """Bring the environment ``.venv`` up to date.

    Args:
        root: the source tree.
        train: whether to add what training the demo weights needs; once added, it is kept.
        torch_index_url: a further package index that has the wanted build of torch; may be empty.

    Returns:
        Whether anything was installed.

    Raises:
        InstallError: Python is too old, or a step failed.
    """
    if sys.version_info < OLDEST_PYTHON:
        raise InstallError(
            f"Python {sys.version_info[0]}.{sys.version_info[1]} is too old; Gantry needs "
            f"{OLDEST_PYTHON[0]}.{OLDEST_PYTHON[1]} or newer (make PYTHON=/path/to/python3.11 …)"
        )
    folder = root / ".venv"
    if folder.is_symlink():
        return False  # belongs to another checkout, which looks after it
    stamp = folder / STAMP
    before = _read_stamp(stamp)
    train = train or bool(before.get("train"))
    wanted = digest(root, train=train, torch_index_url=torch_index_url)
    if before.get("digest") == wanted:
        return False
    stamp.unlink(missing_ok=True)  # an interrupted installation is begun anew
    if not (folder / "bin" / "python").exists():
        _say(f"creating {folder} with Python {sys.version.split()[0]}")
        _create(folder)
    started = time.monotonic()
    steps = pip_steps(root, train=train, torch_index_url=torch_index_url)
    for number, step in enumerate(steps, 1):
        _say(f"step {number} of {len(steps)}: pip {_shown(step, root)}")
        _pip(folder, step)
    stamp.write_text(json.dumps({"digest": wanted, "train": train}))
    _say(f"installed in {time.monotonic() - started:.0f} s")
    return True


def _named_requirements(folder: Path, names: Sequence[str]) -> list[str]:
    """Which of ``names`` the requirement files of a folder ask for."""
    text = "\n".join(file.read_text() for file in sorted(folder.glob("requirements*.in")))
    lines = {line.partition("#")[0].strip().partition("==")[0] for line in text.splitlines()}
    return [name for name in names if name in lines]


def _each(option: str, files: Iterable[Path]) -> list[str]:
    return [argument for file in files for argument in (option, str(file))]


def _read_stamp(stamp: Path) -> dict[str, object]:
    try:
        return dict(json.loads(stamp.read_text()))
    except (OSError, ValueError):
        return {}


def _create(folder: Path) -> None:
    try:
        venv.create(folder, with_pip=True, symlinks=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise InstallError(
            f"cannot create {folder}: {error}; on Debian and Ubuntu, apt install python3-venv"
        ) from error


def _pip(folder: Path, arguments: Sequence[str]) -> None:
    command = [str(folder / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "-q"]
    environ = {**os.environ, "PIP_REQUIRE_VIRTUALENV": "1"}
    ended = subprocess.run(
        [*command, *arguments], stdin=subprocess.DEVNULL, env=environ, check=False
    )
    if ended.returncode != 0:
        raise InstallError("pip failed; its message is above. `make` tries again from this step")


def _shown(step: Sequence[str], root: Path) -> str:
    return " ".join(part.removeprefix(f"{root}/") for part in step)


def _say(text: str) -> None:
    sys.stderr.write(f"install: {text}\n")


def main() -> int:
    """Install as the command line says; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--train", action="store_true", help="add what training needs")
    parser.add_argument("--image", help="make the environment of this image: gateway, services/…")
    parser.add_argument("--extra", default="", help="variant of that image, such as gpu")
    chosen = parser.parse_args()
    index = os.environ.get("TORCH_INDEX_URL", "").strip()
    try:
        if chosen.image:
            install_image(ROOT, chosen.image, torch_index_url=index, extra=chosen.extra)
        else:
            install(ROOT, train=chosen.train, torch_index_url=index)
    except InstallError as error:
        _say(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
