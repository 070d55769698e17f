"""A real gateway on a real port in front of real servers."""

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import pytest

from gateway.app import build
from gateway.settings import GatewaySettings
from shared.errors import GantryError
from shared.testing import running_server

FAST = {"probe_interval_s": 0.1, "probe_timeout_s": 0.5, "resolve_interval_s": 0.1}


async def wait_until(service, condition):
    """Wait for the service's changes until ``condition`` holds; 10 s at most."""
    async with asyncio.timeout(10):
        while not condition():
            await service.changed.wait()


@asynccontextmanager
async def all_running(apps):
    """Serve all applications; they start and stop together, as each takes a moment."""
    servers = [running_server(app) for app in apps]
    urls = await asyncio.gather(*(server.__aenter__() for server in servers))
    try:
        yield urls
    finally:
        await asyncio.gather(*(server.__aexit__(None, None, None) for server in servers))


async def warm(gateway):
    """Have ready what a first request waits for, so that plain ones go the direct way at once."""
    with suppress(GantryError):
        await gateway.parts.authenticator.identify({"headers": []}, None)
    client = gateway.direct._client
    for replica in gateway.registry.replicas():
        client._free(await client._connect(replica.url))


@asynccontextmanager
async def serving(*apps, ready=True, **settings):
    """Serve each application, put a gateway before them, and yield (gateway, client, urls)."""
    async with AsyncExitStack() as stack:
        settings.setdefault("state_dir", Path(stack.enter_context(TemporaryDirectory())))
        urls = await stack.enter_async_context(all_running(apps))
        upstreams = {}
        for app, url in zip(apps, urls, strict=True):
            name = app.name if hasattr(app, "name") else app.state.spec.name
            upstreams[name] = ",".join(filter(None, [upstreams.get(name), url]))
        gateway = build(GatewaySettings(**{**FAST, "upstreams": upstreams, **settings}))
        base = await stack.enter_async_context(running_server(gateway, gateway.protocol))
        client = await stack.enter_async_context(httpx.AsyncClient(base_url=base, timeout=10))
        if ready:
            for service in gateway.registry.services.values():
                await wait_until(
                    service, lambda each=service: all(r.is_ready for r in each.replicas.values())
                )
            await warm(gateway)
        yield gateway, client, urls


@pytest.fixture
def gateway_over():
    """``serving`` as a fixture, so that tests need no import of this file."""
    return serving


@asynccontextmanager
async def admin_of(gateway):
    """A client of the gateway's admin listener."""
    transport = httpx.ASGITransport(app=gateway.admin)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8081") as client:
        yield client


@pytest.fixture
def admin_over():
    return admin_of


@pytest.fixture
def until():
    return wait_until
