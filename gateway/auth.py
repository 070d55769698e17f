"""Who is calling, and whether they may.

Without any key, a gateway that listens on the loopback only lets everyone in. As soon as a key
exists, every request but probes and documents needs one.
"""

import asyncio
import hmac
import re
import time
from dataclasses import dataclass

from gateway import key_store
from gateway.database import Database
from gateway.key_store import Key, digest_of, split_key
from shared.errors import BadRequest, Forbidden, GantryError, Unauthorized
from shared.http import Scope, header

FRESH_S = 2.0  # how long a look-up is believed; after it the file is asked again
MAX_CACHED = 10_000
OPEN_PATHS = re.compile(r"^/(livez|readyz|openapi\.json|docs(/.*)?)$")
"""Paths of probes, and of documents that describe the interface."""


OWNER_PATTERN = re.compile(r"^[A-Za-z0-9_-]{1,64}$")
HOPS_PATTERN = re.compile(r"^[0-9]{1,4}$")
LOCAL = "local"  # owner of what comes without a key of its own
MAX_HOPS = 3


@dataclass(frozen=True)
class Caller:
    """Whom a request comes from."""

    key: Key | None = None  # None: anonymous on the loopback, the static key or a service of ours
    is_internal: bool = False  # a service of ours that calls on behalf of a client
    on_behalf_of: str = LOCAL  # owner of the request that the service is answering
    hops: int = 0  # how often the request has passed the gateway before

    @property
    def owner(self) -> str:
        """Name under which things are kept for the caller; never the secret."""
        return self.key.id if self.key else self.on_behalf_of


NAMELESS = Caller()


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a request brings to be identified by."""

    token: str | None  # of a service of ours
    key: str | None
    scope: Scope


def credentials_of(scope: Scope) -> Credentials:
    """The credentials in the headers of a request."""
    return Credentials(header(scope, b"x-internal-token"), _given_key(scope), scope)


class TooManyHops(GantryError):
    """Services of ours call each other in a circle, or too deep."""

    status = 508
    code = "too_many_hops"


class KeyNeeded(Unauthorized):
    """No valid key; answered with ``WWW-Authenticate``."""


class Authenticator:
    """Checks the key of a request."""

    def __init__(
        self, database: Database, *, static_key: str | None, internal_token: str | None
    ) -> None:
        """Check against the keys in ``database``.

        Args:
            database: holds the keys.
            static_key: a key from the settings that opens everything.
            internal_token: proves that a service of ours is calling.
        """
        self._database = database
        self._static_key = static_key
        self._internal_token = internal_token
        self._known: dict[str, tuple[float, Key | None]] = {}  # by id: (when looked up, key)
        self._has_keys = True
        self._looked_at = float("-inf")  # when that was found to be so
        self._look: asyncio.Task[None] | None = None  # under way

    async def identify(self, scope: Scope, needed: str | None) -> Caller:
        """The caller of a request.

        Args:
            scope: of the request.
            needed: scope that the key must cover; None takes any key.

        Raises:
            Unauthorized: no key, or not a valid one.
            Forbidden: the key does not cover ``needed``.
            TooManyHops: a service of ours passes a request on that has come too far.
        """
        credentials = credentials_of(scope)
        caller = self.identify_now(credentials, needed)
        if caller is not None:
            return caller
        given = credentials.key
        if not self._is_fresh() and self._look is not None:
            await asyncio.shield(self._look)  # one look for all who wait for it
        if self._is_open():
            return NAMELESS
        key_id = _id_in(given)
        key = await self._look_up(key_id) if key_id is not None else None
        return _admit(given, key, needed)

    def identify_now(self, credentials: Credentials, needed: str | None) -> Caller | None:
        """As ``identify``, but None where that has to ask the database."""
        token, given = credentials.token, credentials.key
        if token and self._internal_token and _equal(token, self._internal_token):
            return _caller_behind(credentials.scope)
        if given is not None and self._static_key is not None and _equal(given, self._static_key):
            return NAMELESS
        if not self._is_fresh():
            return None
        if self._is_open():
            return NAMELESS  # clients that always send some key work without any configured
        key_id = _id_in(given)
        if key_id is None:
            return _admit(given, None, needed)
        known = self._known.get(key_id)
        if known is None or time.monotonic() - known[0] > FRESH_S:
            return None
        return _admit(given, known[1], needed)

    def _is_fresh(self) -> bool:
        """Whether it is known if there are keys; looks again in good time."""
        if self._static_key is not None:
            return True
        age_s = time.monotonic() - self._looked_at
        if age_s > FRESH_S / 2 and self._look is None:
            self._look = asyncio.ensure_future(self._look_for_keys())
        return age_s <= FRESH_S

    def _is_open(self) -> bool:
        return self._static_key is None and not self._has_keys

    async def _look_for_keys(self) -> None:
        began = time.monotonic()
        try:
            self._has_keys = await self._database.read(key_store.has_any)
            self._looked_at = began
        finally:
            self._look = None

    async def _look_up(self, key_id: str) -> Key | None:
        now = time.monotonic()
        known = self._known.get(key_id)
        if known is not None and now - known[0] <= FRESH_S:
            return known[1]
        key = await self._database.read(lambda db: key_store.find(db, key_id))
        if len(self._known) >= MAX_CACHED:
            self._known.clear()
        self._known[key_id] = (now, key)
        return key


def _id_in(given: str | None) -> str | None:
    parts = split_key(given) if given is not None else None
    return parts[0] if parts else None


def _admit(given: str | None, key: Key | None, needed: str | None) -> Caller:
    """The caller who sends ``given``, where ``key`` is what the database has under its id."""
    if given is None:
        raise KeyNeeded("send a key as 'Authorization: Bearer …' or as X-API-Key")
    parts = split_key(given)
    # The comparison runs in any case, so that its time does not tell which ids exist.
    now = time.time()
    present, before = key.digests(now) if key else (bytes(32), bytes(32))
    sent = digest_of(parts[1] if parts else given)
    is_right = hmac.compare_digest(sent, present) | hmac.compare_digest(sent, before)
    if key is None or not is_right or not key.is_active(now):
        raise KeyNeeded("the key is unknown, expired or revoked")
    if needed is not None and not key.covers(needed):
        raise Forbidden(f"the key does not cover {needed!r}")
    return Caller(key)


def _caller_behind(scope: Scope) -> Caller:
    """The caller for whom a service of ours sends a request, as it was told it."""
    owner, hops = header(scope, b"x-caller") or LOCAL, header(scope, b"x-hops") or "0"
    if not OWNER_PATTERN.match(owner) or not HOPS_PATTERN.match(hops):
        raise BadRequest("X-Caller and X-Hops must be passed on as the gateway has sent them")
    if int(hops) >= MAX_HOPS:
        raise TooManyHops(f"services may call each other {MAX_HOPS} deep; this goes deeper")
    return Caller(is_internal=True, on_behalf_of=owner, hops=int(hops))


def _given_key(scope: Scope) -> str | None:
    value = header(scope, b"authorization")
    if value is not None:
        scheme, _, credentials = value.partition(" ")
        return credentials.strip() if scheme.lower() == "bearer" else None
    return header(scope, b"x-api-key")


def _equal(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode(), expected.encode())
