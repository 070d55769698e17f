"""API keys on disk: only digests are kept, so the file does not give a key away.

A key is ``gk_<id>_<secret>``. The secret has 256 random bits, so a plain SHA-256 of it cannot be
searched; slow password hashes are for secrets that people choose.
"""

import hashlib
import secrets
import sqlite3
import time
from collections.abc import Iterable
from dataclasses import dataclass

PREFIX = "gk"
SCOPES = ("infer", "jobs", "metrics", "admin")
"""``infer`` covers every service, ``infer:<service>`` one of them."""


@dataclass(frozen=True)
class Key:
    """A key without its secret."""

    id: str
    digest: bytes  # SHA-256 of the secret
    name: str
    scopes: frozenset[str]
    created_at: float  # Unix times in s
    expires_at: float | None = None
    revoked_at: float | None = None
    max_concurrent: int | None = None  # requests at a time
    requests_per_minute: int | None = None
    previous_digest: bytes | None = None  # of the secret before, which opens
    previous_until: float | None = None  # up to here

    def digests(self, now: float) -> tuple[bytes, bytes]:
        """Digests of the two secrets that open at the Unix time ``now``; they may be the same."""
        has_two = self.previous_until is not None and now < self.previous_until
        return self.digest, (self.previous_digest if has_two else None) or self.digest

    def is_active(self, now: float) -> bool:
        """Whether it opens anything at the Unix time ``now``."""
        is_expired = self.expires_at is not None and now >= self.expires_at
        return self.revoked_at is None and not is_expired

    def covers(self, scope: str) -> bool:
        """Whether it has ``scope`` itself or the wider one: ``infer`` covers ``infer:ocr``."""
        return scope in self.scopes or scope.partition(":")[0] in self.scopes


@dataclass(frozen=True)
class NewKey:
    """What a key is created with."""

    name: str
    scopes: Iterable[str]
    lifetime_s: float | None = None
    max_concurrent: int | None = None
    requests_per_minute: int | None = None


def digest_of(secret: str) -> bytes:
    """What is stored of a secret."""
    return hashlib.sha256(secret.encode()).digest()


def split_key(text: str) -> tuple[str, str] | None:
    """Id and secret of a key as a client sends it; None if it is not one of ours."""
    parts = text.split("_")
    return (parts[1], parts[2]) if len(parts) == 3 and parts[0] == PREFIX else None


def create(db: sqlite3.Connection, new: NewKey) -> tuple[Key, str]:
    """Add a key.

    Returns:
        The key and its full text, which cannot be shown again.

    Raises:
        ValueError: a scope does not exist.
    """
    scopes = frozenset(new.scopes)
    for scope in scopes:
        if scope not in SCOPES and not scope.startswith("infer:"):
            raise ValueError(f"no scope {scope!r}; known: {', '.join(SCOPES)}, infer:<service>")
    identity, secret, now = secrets.token_hex(6), secrets.token_hex(32), time.time()
    expires_at = now + new.lifetime_s if new.lifetime_s is not None else None
    key = Key(
        identity, digest_of(secret), new.name, scopes, now, expires_at,
        max_concurrent=new.max_concurrent, requests_per_minute=new.requests_per_minute,
    )  # fmt: skip
    db.execute(
        "INSERT INTO keys (id, digest, name, scopes, created_at, expires_at, max_concurrent, "
        "requests_per_minute) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            key.id, key.digest, key.name, " ".join(sorted(scopes)), now, expires_at,
            key.max_concurrent, key.requests_per_minute,
        ),
    )  # fmt: skip
    return key, f"{PREFIX}_{identity}_{secret}"


def rotate(db: sqlite3.Connection, key_id: str, grace_s: float) -> str | None:
    """Give a key a new secret; everything else, and what belongs to it, stays.

    Args:
        db: the database.
        key_id: of an open key.
        grace_s: how long the secret before goes on opening, in s.

    Returns:
        The key's new full text, which cannot be shown again; None if there is no such open key.
    """
    secret = secrets.token_hex(32)
    cursor = db.execute(
        "UPDATE keys SET previous_digest = digest, previous_until = ?, digest = ? "
        "WHERE id = ? AND revoked_at IS NULL",
        (time.time() + grace_s, digest_of(secret), key_id),
    )
    return f"{PREFIX}_{key_id}_{secret}" if cursor.rowcount == 1 else None


def revoke(db: sqlite3.Connection, key_id: str) -> bool:
    """Close a key for good; returns whether there was an open one with this id."""
    cursor = db.execute(
        "UPDATE keys SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL",
        (time.time(), key_id),
    )
    return cursor.rowcount == 1


def find(db: sqlite3.Connection, key_id: str) -> Key | None:
    """The key with this id."""
    row = db.execute("SELECT * FROM keys WHERE id = ?", (key_id,)).fetchone()
    return _key(row) if row else None


def everything(db: sqlite3.Connection) -> list[Key]:
    """All keys, the oldest first."""
    return [_key(row) for row in db.execute("SELECT * FROM keys ORDER BY created_at, id")]


def has_any(db: sqlite3.Connection) -> bool:
    """Whether a key was ever made. One that expired or was revoked still counts.

    Otherwise the end of the last key would open the gateway to everyone.
    """
    return db.execute("SELECT 1 FROM keys LIMIT 1").fetchone() is not None


def _key(row: sqlite3.Row) -> Key:
    return Key(
        id=row["id"],
        digest=row["digest"],
        name=row["name"],
        scopes=frozenset(row["scopes"].split()),
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        revoked_at=row["revoked_at"],
        max_concurrent=row["max_concurrent"],
        requests_per_minute=row["requests_per_minute"],
        previous_digest=row["previous_digest"],
        previous_until=row["previous_until"],
    )
