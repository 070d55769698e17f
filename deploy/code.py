"""Source trees of other commits, so that one service can run another version of its code.

A tree lies in ``var/code/<commit>`` and is made from the repository's own history; models and state
are those of the tree that the system was started from. The environment is shared as well, so the
requirements of that commit must be the same.
"""

import io
import shutil
import subprocess
import tarfile
from pathlib import Path

from deploy.errors import CodeError
from deploy.install import requirements_digest

SHARED_FOLDERS = ("models", "var")


def checkout(root: Path, revision: str) -> tuple[str, Path]:
    """Make the source tree of a commit.

    Args:
        root: the repository.
        revision: branch, tag or commit.

    Returns:
        The full commit id and its tree.

    Raises:
        CodeError: there is no such commit, or it needs another environment.
    """
    if revision.startswith("-"):
        raise CodeError(f"{revision!r} is not a revision")
    commit = _git(root, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
    name = commit.decode().strip()
    folder = root / "var/code" / name
    if not folder.is_dir():
        _extract(_git(root, "archive", "--format=tar", name), folder, root)
    if requirements_digest(folder) != requirements_digest(root):
        raise CodeError(
            f"{revision} needs other packages than are installed; build its image instead"
        )
    return name, folder


def _extract(archive: bytes, folder: Path, root: Path) -> None:
    unfinished = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(unfinished, ignore_errors=True)
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        tar.extractall(unfinished, filter="data")
    for shared in SHARED_FOLDERS:
        (root / shared).mkdir(exist_ok=True)
        (unfinished / shared).symlink_to(root / shared)
    unfinished.rename(folder)


def _git(root: Path, *arguments: str) -> bytes:
    ended = subprocess.run(
        ["git", "-C", str(root), *arguments],
        capture_output=True, stdin=subprocess.DEVNULL, check=False,
    )  # fmt: skip
    if ended.returncode != 0:
        reason = ended.stderr.decode(errors="replace").strip() or "no such commit here"
        raise CodeError(f"git {arguments[0]} {arguments[-1]}: {reason}")
    return ended.stdout
