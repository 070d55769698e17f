"""Pin the requirements of each image, with the digest of every file: ``make lock [NAME …]``.

An image gets a lock for each of its requirement files. torch and torchvision are left out: which
build of them is right depends on the device, so their index is an argument of the image's build and
their version is pinned in ``deploy/constraints.txt``. The locks name no package index.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from deploy.install import BY_DEVICE

ROOT = Path(__file__).resolve().parent.parent
HEADER = "# Made by `make lock` from {sources}; do not edit.\n"
OPTIONS = (
    "--quiet", "--generate-hashes", "--strip-extras", "--no-header", "--no-annotate",
    "--no-emit-index-url", "--no-emit-find-links", "--no-emit-trusted-host",
)  # fmt: skip


def images(root: Path) -> list[str]:
    """Folders that become an image: the gateway and each service."""
    services = sorted(file.parent.name for file in root.glob("services/*/requirements.in"))
    return ["gateway", *(f"services/{name}" for name in services)]


def lock_image(root: Path, image: str) -> None:
    """Write the locks of one image beside its requirement files.

    Raises:
        subprocess.CalledProcessError: the requirements cannot be resolved.
    """
    folder = root / image
    sources = [folder / "requirements.in"]
    if image != "gateway":
        sources.insert(0, root / "shared/requirements.in")
    _write(folder / "requirements.lock", compile_lock(root, sources), sources, root)
    for kind in ("nodeps", "last"):
        source = folder / f"requirements-{kind}.in"
        if source.is_file():
            text = keep_only(compile_lock(root, [source]), requirement_names(source.read_text()))
            _write(folder / f"requirements-{kind}.lock", text, [source], root)


def compile_lock(root: Path, sources: Sequence[Path]) -> str:
    """Resolve requirement files to exact versions with digests."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "requirements.lock"
        left_out = [option for name in BY_DEVICE for option in ("--unsafe-package", name)]
        subprocess.run(
            [
                sys.executable, "-m", "piptools", "compile", *OPTIONS, *left_out,
                "-c", str(root / "deploy/constraints.txt"), "-o", str(target), *map(str, sources),
            ],
            check=True,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
        return _without_comments(target.read_text())


def keep_only(lock: str, names: Sequence[str]) -> str:
    """The entries of a lock for ``names``; used for packages installed without dependencies."""
    kept = [
        entry
        for entry in _entries(lock)
        if _normal(entry.partition("==")[0]) in {_normal(name) for name in names}
    ]
    return "".join(kept)


def requirement_names(text: str) -> list[str]:
    """Package names of a requirement file, without versions and comments."""
    lines = [line.partition("#")[0].strip() for line in text.splitlines()]
    return [line.partition("==")[0].partition(">")[0].strip() for line in lines if line]


def _entries(lock: str) -> list[str]:
    entries: list[str] = []
    for line in lock.splitlines(keepends=True):
        if line.startswith(" "):
            entries[-1] += line
        elif line.strip():
            entries.append(line)
    return entries


def _normal(name: str) -> str:
    return name.strip().lower().replace("_", "-").replace(".", "-")


def _without_comments(lock: str) -> str:
    return "".join(
        line
        for line in lock.splitlines(keepends=True)
        if line.strip() and not line.startswith("#")
    )  # fmt: skip


def _write(target: Path, text: str, sources: Sequence[Path], root: Path) -> None:
    names = " and ".join(str(source.relative_to(root)) for source in sources)
    target.write_text(HEADER.format(sources=names) + text)
    sys.stderr.write(f"lock: {target.relative_to(root)} pins {len(_entries(text))} packages\n")


def main() -> int:
    """Lock the images that the command line names, or all; the exit status."""
    known = images(ROOT)
    parser = argparse.ArgumentParser(description="Pin the requirements of images with digests.")
    parser.add_argument("image", nargs="*", choices=[*known, []], help="all by default")
    for image in parser.parse_args().image or known:
        lock_image(ROOT, image)
    return 0


if __name__ == "__main__":
    sys.exit(main())
