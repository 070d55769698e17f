"""Models on this machine: ``python -m shared.models fetch|list|verify|export|import``.

``OFFLINE=1`` forbids any outbound call; ``export`` and ``import`` carry models into a closed
network.
"""

import argparse
import contextlib
import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import httpx

from shared.models.bundle import export_bundle, import_bundle
from shared.models.catalog import CatalogError
from shared.models.download import FetchError, Unreachable, make_client
from shared.models.fetch import Fetcher, FileState, Model, find_models
from shared.models.prepare import prepare

SERVICES_DIR = Path(__file__).resolve().parents[2] / "services"
REPORT_EVERY_S = 1.0


def main(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Carry the command out.

    Returns:
        Exit status: 0 when all is well, 1 when something cannot be had or is damaged.
    """
    chosen = _parser().parse_args(argv)
    try:
        models = find_models(chosen.services_dir, chosen.models_dir)
        if chosen.command == "list":
            return _list(models)
        if chosen.command == "export":
            for model in export_bundle(_named(models, chosen.model), chosen.bundle):
                _say(f"{model.id} is in {chosen.bundle}")
            return 0
        if chosen.command == "import":
            for name in import_bundle(chosen.bundle, models, chosen.models_dir):
                _say(f"{name} is installed")
            return 0
        if chosen.command == "verify":
            return _verify(_named(models, chosen.model), chosen.models_dir)
        if chosen.defaults:
            if not _is_offline(environ):
                _fetch(default_models(models, environ), chosen.models_dir, environ)
            return 0
        return 1 if _fetch(_named(models, chosen.model), chosen.models_dir, environ) else 0
    except (FetchError, CatalogError) as error:
        _say(str(error))
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m shared.models", description=__doc__)
    parser.add_argument("--models-dir", type=Path, default=Path("models"))
    parser.add_argument("--services-dir", type=Path, default=SERVICES_DIR)
    commands = parser.add_subparsers(dest="command", required=True)
    fetch = commands.add_parser("fetch", help="fetch what is missing")
    fetch.add_argument("model", nargs="*", help="service, or service/name; all by default")
    fetch.add_argument(
        "--defaults",
        action="store_true",
        help="only what each service would use, as far as it can be had; never fails",
    )
    commands.add_parser("list", help="show every model and whether it is installed")
    verify = commands.add_parser("verify", help="read the installed files and check them")
    verify.add_argument("model", nargs="*", help="service, or service/name; all by default")
    export = commands.add_parser("export", help="write installed models into one file")
    export.add_argument("bundle", type=Path, help="tar to write")
    export.add_argument("model", nargs="*", help="service, or service/name; all by default")
    taking = commands.add_parser("import", help="install the models of such a file")
    taking.add_argument("bundle", type=Path, help="tar to read")
    return parser


def _named(models: Sequence[Model], names: Sequence[str]) -> list[Model]:
    if not names:
        return list(models)
    chosen = [model for model in models if model.id in names or model.service in names]
    unknown = {*names} - {model.id for model in models} - {model.service for model in models}
    if unknown:
        known = ", ".join(model.id for model in models)
        raise FetchError(f"there is no model {', '.join(sorted(unknown))}; known are: {known}")
    return chosen


def _list(models: Sequence[Model]) -> int:
    for model in models:
        size = model.entry.size_bytes
        state = "installed" if model.is_installed else "missing"
        shown = f"{size / 1e6:.0f} MB" if size is not None else "-"
        kind = "demo" if model.entry.demo else ""
        sys.stdout.write(
            f"{model.id:<40} {model.entry.version:<12} {shown:>8}  {state:<10} "
            f"{model.entry.licence} {kind}".rstrip()
            + "\n"
        )
    return 0


def _verify(models: Sequence[Model], models_dir: Path) -> int:
    fetcher = Fetcher(models_dir, None, _Progress())
    is_sound = True
    for model in models:
        if not model.is_installed:
            continue
        for path, state in fetcher.verify(model):
            sys.stdout.write(f"{state.value:<16} {path}\n")
            is_sound = is_sound and state is not FileState.CHANGED
    return 0 if is_sound else 1


def _fetch(models: Sequence[Model], models_dir: Path, environ: Mapping[str, str]) -> int:
    """Fetch what can be had; the number of models that cannot."""
    missing = 0
    dead_hosts: set[str] = set()
    with contextlib.nullcontext() if _is_offline(environ) else make_client() as client:
        fetcher = Fetcher(models_dir, client, _Progress())
        for model in models:
            host = httpx.URL(model.entry.source).host
            try:
                if host in dead_hosts:
                    raise Unreachable(f"{host} cannot be reached")
                fetched = fetcher.fetch(model)
                _say(f"{model.id} is installed")
                if fetched and (told := prepare(model)) is not None:
                    _say(told)
            except FetchError as error:
                if isinstance(error, Unreachable):
                    dead_hosts.add(host)
                missing += 1
                _say(f"{model.id} is not installed: {error}")
    return missing


def default_models(models: Sequence[Model], environ: Mapping[str, str]) -> list[Model]:
    """The model that each service would use if it were installed, where it is not.

    That is the one that ``<SERVICE>_MODEL`` names, or else the catalogue's first real one, unless
    another real one is installed; and those that the catalogue marks as ``default`` besides. A
    service whose setting names weights of the operator's own gets none.
    """
    wanted = []
    for service in dict.fromkeys(model.service for model in models):
        real = [model for model in models if model.service == service and not model.entry.demo]
        name = environ.get(f"{service.upper()}_MODEL", "auto")
        first = [model for model in real if name in ("auto", model.entry.name)]
        if not first:
            continue
        if not any(model.is_installed for model in first):
            wanted.append(first[0])
        wanted += [
            model
            for model in real
            if model.entry.default and not model.is_installed and model not in wanted
        ]
    return wanted


def _is_offline(environ: Mapping[str, str]) -> bool:
    return environ.get("OFFLINE", "").lower() in ("1", "true", "yes", "on")


class _Progress:
    """Writes at most one line a second for each file."""

    def __init__(self) -> None:
        self._file = ""
        self._next_s = 0.0

    def __call__(self, file: str, have_bytes: int, total_bytes: int | None) -> None:
        is_done = have_bytes == total_bytes
        now_s = time.monotonic()
        if file == self._file and now_s < self._next_s and not is_done:
            return
        self._file, self._next_s = file, now_s + REPORT_EVERY_S
        share = f" ({have_bytes / total_bytes:.0%})" if total_bytes else ""
        _say(f"{file}: {have_bytes / 1e6:.1f} MB{share}")


def _say(text: str) -> None:
    sys.stderr.write(f"models: {text}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
