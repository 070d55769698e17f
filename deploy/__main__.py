"""The deploy command: ``python -m deploy up|status``."""

import argparse
import asyncio
import os
import sys
from pathlib import Path

from deploy.control import NotRunning, ask
from deploy.supervisor import show, table, up
from deploy.system import DeployError, Row

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    """Carry the command out; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m deploy", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("up", help="run the gateway and all services until Ctrl-C")
    commands.add_parser("status", help="say what of the running system is ready")
    chosen = parser.parse_args()
    os.chdir(ROOT)
    try:
        if chosen.command == "up":
            return asyncio.run(up(ROOT, os.environ))
        return asyncio.run(_status(int(os.environ.get("GATEWAY_PORT") or 8080)))
    except (DeployError, NotRunning) as error:
        sys.stderr.write(f"{error}\n")
        return 1


async def _status(gateway_port: int) -> int:
    answer = await ask(gateway_port, {"command": "status"})
    rows = [Row(**row) for row in answer["rows"]]
    show(table(rows))
    return 0 if all(row.state == "ready" for row in rows) else 2


if __name__ == "__main__":
    sys.exit(main())
