"""Admin paths for API keys: create, list, rotate, revoke."""

import time
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from gateway import key_store
from gateway.database import Database
from gateway.key_store import Key
from shared.errors import InvalidInput, NotFound

DAY_S = 86_400.0
MAX_GRACE_S = 30 * DAY_S

router = APIRouter(prefix="/admin/keys")


class KeyWish(BaseModel):
    """A key to make."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=100)
    scopes: list[str] = Field(default=["infer", "jobs"], min_length=1, max_length=50)
    lifetime_s: float | None = Field(default=None, gt=0)
    max_concurrent: int | None = Field(default=None, ge=1)
    requests_per_minute: int | None = Field(default=None, ge=1)


@router.post("", status_code=201)
async def create(request: Request, wish: KeyWish) -> dict[str, Any]:
    """Make a key; ``key`` in the answer cannot be shown again."""
    database: Database = request.app.state.database
    new = key_store.NewKey(**wish.model_dump())
    try:
        key, text = await database.write(lambda db: key_store.create(db, new))
    except ValueError as error:
        raise InvalidInput(f"scopes: {error}") from error
    return {**_entry(key), "key": text}


@router.get("")
async def list_keys(request: Request) -> list[dict[str, Any]]:
    """Show all keys without their secrets."""
    database: Database = request.app.state.database
    return [_entry(key) for key in await database.read(key_store.everything)]


@router.post("/{key_id}/rotate")
async def rotate(
    request: Request, key_id: str, grace_s: Annotated[float, Query(ge=0, le=MAX_GRACE_S)] = DAY_S
) -> dict[str, Any]:
    """Give a key a new secret; the one before goes on opening for ``grace_s``."""
    database: Database = request.app.state.database
    text = await database.write(lambda db: key_store.rotate(db, key_id, grace_s))
    if text is None:
        raise NotFound(f"no open key has the id {key_id!r}")
    return {"id": key_id, "key": text}


@router.delete("/{key_id}", status_code=204)
async def revoke(request: Request, key_id: str) -> None:
    """Close a key for good."""
    database: Database = request.app.state.database
    if not await database.write(lambda db: key_store.revoke(db, key_id)):
        raise NotFound(f"no open key has the id {key_id!r}")


def _entry(key: Key) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "scopes": sorted(key.scopes),
        "active": key.is_active(time.time()),
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "max_concurrent": key.max_concurrent,
        "requests_per_minute": key.requests_per_minute,
    }
