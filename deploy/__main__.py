"""The deploy command: ``python -m deploy up|status|scale|roll|rollback|drain``.

``up`` runs the system; the others tell the running one, found by GATEWAY_PORT, what to do.
"""

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from deploy.control import ask
from deploy.errors import DeployError
from deploy.table import Row, show, table

ROOT = Path(__file__).resolve().parent.parent


def main(argv: Sequence[str]) -> int:
    """Carry the command out; the exit status."""
    chosen = _parser().parse_args(argv)
    os.chdir(ROOT)
    try:
        if chosen.command == "up":
            from deploy.supervisor import up  # loads more than the other commands need

            return asyncio.run(up(ROOT, os.environ))
        result = asyncio.run(ask(_gateway_port(), _command(chosen), show))
    except DeployError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    if chosen.command != "status":
        return 0
    rows = [Row(**row) for row in result]
    show(table(rows))
    return 0 if all(row.state == "ready" for row in rows) else 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m deploy", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("up", help="run the gateway and all services until Ctrl-C")
    commands.add_parser("status", help="say what of the running system is ready")
    scale = commands.add_parser("scale", help="run N replicas of a service")
    scale.add_argument("counts", nargs="+", type=_count, metavar="NAME=N")
    roll = commands.add_parser("roll", help="replace a service by a new release while it serves")
    roll.add_argument("service")
    roll.add_argument("--version", help="branch, tag or commit of its code")
    roll.add_argument(
        "--set", action="append", default=[], type=_setting, metavar="VARIABLE=VALUE",
        help="a setting to change, such as OCR_MODEL=name",
    )  # fmt: skip
    rollback = commands.add_parser("rollback", help="return a service to its earlier release")
    rollback.add_argument("service")
    drain = commands.add_parser("drain", help="give one replica no new request; it keeps running")
    drain.add_argument("unit", help="name of the replica, as status shows it")
    drain.add_argument("--undo", action="store_true", help="give it requests again")
    return parser


def _command(chosen: argparse.Namespace) -> dict[str, Any]:
    fields: dict[str, dict[str, Any]] = {
        "status": {},
        "scale": {"counts": dict(getattr(chosen, "counts", []))},
        "roll": {
            "service": getattr(chosen, "service", ""),
            "settings": dict(getattr(chosen, "set", [])),
            "revision": getattr(chosen, "version", None),
        },
        "rollback": {"service": getattr(chosen, "service", "")},
        "drain": {"unit": getattr(chosen, "unit", ""), "undo": getattr(chosen, "undo", False)},
    }
    return {"command": chosen.command, **fields[chosen.command]}


def _count(text: str) -> tuple[str, int]:
    name, _, count = text.partition("=")
    if not name or not count.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=N")
    return name, int(count)


def _setting(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name.isidentifier() or not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not VARIABLE=VALUE")
    return name.upper(), value


def _gateway_port() -> int:
    text = os.environ.get("GATEWAY_PORT") or "8080"
    if not text.isdecimal():
        raise DeployError(f"GATEWAY_PORT is {text!r}; expected a port")
    return int(text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
