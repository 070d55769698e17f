"""How the commands reach the supervisor: a Unix socket in ``var/run``, one JSON line each way.

The socket's name holds the gateway's port, so that several systems can run from one tree. It is
addressed relative to the working directory, because the address of a Unix socket may have 107 bytes
at most and source trees can lie deep.
"""

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

FOLDER = Path("var/run")

Answer = Callable[[Mapping[str, Any]], Awaitable[Mapping[str, Any]]]
"""Carries a command out."""


class NotRunning(Exception):
    """No supervisor answers."""


def socket_path(gateway_port: int) -> Path:
    """Where the supervisor of the system with that gateway listens."""
    return FOLDER / f"supervisor-{gateway_port}.sock"


@asynccontextmanager
async def listening(gateway_port: int, answer: Answer) -> AsyncIterator[None]:
    """Answer commands while the context is open."""
    path = socket_path(gateway_port)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)  # left by a supervisor that was killed: the port was found free

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, ValueError):
            reply = await answer(json.loads(await reader.readline()))
            writer.write(json.dumps(reply).encode() + b"\n")
            await writer.drain()
        writer.close()

    before = os.umask(0o177)  # the socket is the operator's alone
    try:
        server = await asyncio.start_unix_server(serve, path)
    finally:
        os.umask(before)
    try:
        yield
    finally:
        server.close()
        path.unlink(missing_ok=True)


async def ask(gateway_port: int, command: Mapping[str, Any]) -> dict[str, Any]:
    """Give a command to the running supervisor and wait for its answer.

    Raises:
        NotRunning: there is none, or it ended before it answered.
    """
    try:
        reader, writer = await asyncio.open_unix_connection(socket_path(gateway_port))
    except OSError as error:
        raise NotRunning(f"no system with its gateway on port {gateway_port} runs here") from error
    try:
        writer.write(json.dumps(command).encode() + b"\n")
        line = await reader.readline()
        if not line:
            raise NotRunning("the supervisor ended before it answered")
        return dict(json.loads(line))
    finally:
        writer.close()
