"""``python -m gateway.keys create|list|rotate|revoke``: API keys from the command line.

Works on the database of ``GATEWAY_STATE_DIR`` directly, also while the gateway runs; it notices
within two seconds.
"""

import argparse
import sqlite3
import sys
import time

from gateway import key_store
from gateway.database import DATABASE_FILE, connect, transaction
from gateway.settings import GatewaySettings
from shared.settings import SettingsError

DAY_S = 86_400.0


def main(argv: list[str] | None = None) -> int:
    """Run one command."""
    arguments = _parser().parse_args(argv)
    try:
        settings = GatewaySettings.from_environment()
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    connection = connect(settings.state_dir / DATABASE_FILE)
    try:
        with transaction(connection) as db:
            return int(arguments.run(db, arguments))
    finally:
        connection.close()


def _create(db: sqlite3.Connection, arguments: argparse.Namespace) -> int:
    days = arguments.days
    new = key_store.NewKey(
        arguments.name,
        arguments.scopes.split(","),
        lifetime_s=days * DAY_S if days is not None else None,
        max_concurrent=arguments.max_concurrent,
        requests_per_minute=arguments.requests_per_minute,
    )
    try:
        _, text = key_store.create(db, new)
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.write(f"{text}\n")
    sys.stderr.write("keep it now: it cannot be shown again\n")
    return 0


def _list(db: sqlite3.Connection, _arguments: argparse.Namespace) -> int:
    now = time.time()
    for key in key_store.everything(db):
        state = "active" if key.is_active(now) else "revoked" if key.revoked_at else "expired"
        sys.stdout.write(f"{key.id}  {state:8} {' '.join(sorted(key.scopes)):24} {key.name}\n")
    return 0


def _rotate(db: sqlite3.Connection, arguments: argparse.Namespace) -> int:
    text = key_store.rotate(db, arguments.id, arguments.grace_hours * 3600)
    if text is None:
        sys.stderr.write(f"no open key has the id {arguments.id!r}\n")
        return 1
    sys.stdout.write(f"{text}\n")
    sys.stderr.write("keep it now: it cannot be shown again\n")
    return 0


def _revoke(db: sqlite3.Connection, arguments: argparse.Namespace) -> int:
    if key_store.revoke(db, arguments.id):
        return 0
    sys.stderr.write(f"no open key has the id {arguments.id!r}\n")
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m gateway.keys", description="API keys")
    commands = parser.add_subparsers(required=True)
    create = commands.add_parser("create", help="make a key and print it once")
    create.add_argument("name", help="whose it is, for people")
    create.add_argument("--scopes", default="infer,jobs", help="infer, infer:<service>, jobs, …")
    create.add_argument("--days", type=_days, help="days until it expires")
    create.add_argument("--max-concurrent", type=_count, help="requests at a time")
    create.add_argument("--requests-per-minute", type=_count)
    create.set_defaults(run=_create)
    listing = commands.add_parser("list", help="show all keys without their secrets")
    listing.set_defaults(run=_list)
    rotate = commands.add_parser("rotate", help="give a key a new secret and print it once")
    rotate.add_argument("id")
    rotate.add_argument(
        "--grace-hours", type=float, default=24.0, help="how long the old secret goes on opening"
    )
    rotate.set_defaults(run=_rotate)
    revoke = commands.add_parser("revoke", help="close a key for good")
    revoke.add_argument("id")
    revoke.set_defaults(run=_revoke)
    return parser


def _days(text: str) -> float:
    days = float(text)
    if not days > 0:
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return days


def _count(text: str) -> int:
    count = int(text)
    if count < 1:
        raise argparse.ArgumentTypeError(f"{text} is not at least 1")
    return count


if __name__ == "__main__":
    sys.exit(main())
