"""How traffic is split over the versions of a service, with history and one-call rollback.

The split in force lives in memory, where each request reads it; every change is written to disk
before it takes effect, so that a restart keeps it.
"""

import json
import random
import sqlite3
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gateway.database import Database
from gateway.replica import Replica
from shared.errors import Conflict

Weights = Mapping[str, float]


@dataclass(frozen=True)
class Split:
    """One entry of a service's history."""

    id: int
    weights: Weights  # by version; a version that is not named gets nothing
    previous_id: int | None
    action: str  # set or rollback
    set_at: float  # Unix time in s


def draw(replicas: Sequence[Replica], weights: Weights | None) -> Sequence[Replica]:
    """The replicas of one version, drawn by weight.

    Args:
        replicas: ready replicas of a service.
        weights: by version; None treats all replicas alike, whatever their version.

    Returns:
        Replicas that may take a request; empty if no version with a weight has one.
    """
    if weights is None:
        return replicas
    by_version: dict[str, list[Replica]] = {}
    for replica in replicas:
        version = replica.version
        if version is not None and weights.get(version, 0) > 0:
            by_version.setdefault(version, []).append(replica)
    if not by_version:
        return []
    versions = list(by_version)
    drawn = random.choices(versions, [weights[version] for version in versions])[0]
    return by_version[drawn]


class Splits:
    """The splits of all services."""

    def __init__(self, database: Database) -> None:
        """Know where they are kept; ``load`` reads them."""
        self._database = database
        self._current: dict[str, Split] = {}

    def weights(self, service: str) -> Weights | None:
        """The split in force, or None if none was ever set."""
        split = self._current.get(service)
        return split.weights if split else None

    async def load(self) -> None:
        """Read the newest split of each service."""
        rows = await self._database.read(
            lambda db: db.execute(
                "SELECT * FROM splits WHERE id IN (SELECT MAX(id) FROM splits GROUP BY service)"
            ).fetchall()
        )
        self._current = {row["service"]: _split(row) for row in rows}

    async def history(self, service: str, limit: int = 50) -> list[Split]:
        """The latest splits of a service, newest first."""
        rows = await self._database.read(
            lambda db: db.execute(
                "SELECT * FROM splits WHERE service = ? ORDER BY id DESC LIMIT ?", (service, limit)
            ).fetchall()
        )
        return [_split(row) for row in rows]

    async def set(self, service: str, weights: Weights) -> Split:
        """Put a split in force."""
        current = self._current.get(service)
        return await self._put(service, weights, current.id if current else None, "set")

    async def rollback(self, service: str) -> Split:
        """Put the split before the present one in force again; repeated, it goes further back.

        Raises:
            Conflict: there is none before.
        """
        current = self._current.get(service)
        if current is None or current.previous_id is None:
            raise Conflict(f"{service} has no earlier split to go back to")
        previous_id = current.previous_id
        row = await self._database.read(
            lambda db: db.execute("SELECT * FROM splits WHERE id = ?", (previous_id,)).fetchone()
        )
        earlier = _split(row)
        return await self._put(service, earlier.weights, earlier.previous_id, "rollback")

    async def _put(
        self, service: str, weights: Weights, previous_id: int | None, action: str
    ) -> Split:
        now = time.time()
        row = (service, json.dumps(dict(weights)), previous_id, action, now)

        def insert(db: sqlite3.Connection) -> int:
            cursor = db.execute(
                "INSERT INTO splits (service, weights, previous_id, action, set_at) "
                "VALUES (?, ?, ?, ?, ?)",
                row,
            )
            assert cursor.lastrowid is not None
            return cursor.lastrowid

        identity = await self._database.write(insert)
        split = Split(identity, dict(weights), previous_id, action, now)
        self._current[service] = split
        return split


def _split(row: sqlite3.Row) -> Split:
    return Split(
        id=row["id"],
        weights=json.loads(row["weights"]),
        previous_id=row["previous_id"],
        action=row["action"],
        set_at=row["set_at"],
    )
