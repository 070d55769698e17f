"""How the commands reach the supervisor: a Unix socket in ``var/run`` and lines of JSON.

A command is one line. The answer is any number of lines ``{"say": …}`` while it is carried out and
one line ``{"result": …}`` or ``{"error": …}``. The socket's name holds the gateway's port, so that
several systems can run from one tree. It is addressed relative to the working directory, because
the address of a Unix socket may have 107 bytes at most and source trees can lie deep.
"""

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from deploy.errors import DeployError, NotRunning

FOLDER = Path("var/run")

Say = Callable[[str], None]
Command = Mapping[str, Any]
CarryOut = Callable[[Command, Say], Awaitable[Any]]
"""Carries a command out, tells its steps, and returns the result."""


def socket_path(gateway_port: int) -> Path:
    """Where the supervisor of the system with that gateway listens."""
    return FOLDER / f"supervisor-{gateway_port}.sock"


@asynccontextmanager
async def listening(gateway_port: int, carry_out: CarryOut) -> AsyncIterator[None]:
    """Answer commands while the context is open."""
    path = socket_path(gateway_port)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)  # left by a supervisor that was killed: the port was found free

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, ValueError):
            await _answer(json.loads(await reader.readline()), writer, carry_out)
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


async def _answer(command: Command, writer: asyncio.StreamWriter, carry_out: CarryOut) -> None:
    def write(line: Mapping[str, Any]) -> None:
        writer.write(json.dumps(line).encode() + b"\n")

    try:
        write({"result": await carry_out(command, lambda text: write({"say": text}))})
    except DeployError as error:
        write({"error": str(error)})
    await writer.drain()


async def ask(gateway_port: int, command: Command, say: Say) -> Any:  # noqa: ANN401 - any JSON value
    """Give a command to the running supervisor, pass on what it tells, and return the result.

    Raises:
        NotRunning: there is none, or it ended before it answered.
        DeployError: the command failed.
    """
    try:
        reader, writer = await asyncio.open_unix_connection(socket_path(gateway_port))
    except OSError as error:
        raise NotRunning(f"no system with its gateway on port {gateway_port} runs here") from error
    try:
        writer.write(json.dumps(command).encode() + b"\n")
        while line := await reader.readline():
            answer = json.loads(line)
            if "say" in answer:
                say(answer["say"])
            elif "error" in answer:
                raise DeployError(answer["error"])
            else:
                return answer["result"]
        raise NotRunning("the supervisor ended before it answered")
    finally:
        writer.close()
