"""What tests of services share: the real application under a client, or on a real port."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import uvicorn
from fastapi import FastAPI

from shared.app import http_protocol
from shared.http import AsgiApp


@asynccontextmanager
async def running_app(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Run a service's application in process, its engines settled, and yield a client for it.

    Responses come whole; streaming and disconnects need ``running_server``.
    """
    async with app.router.lifespan_context(app):
        for host in app.state.spec.hosts:
            await host.settled()
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
            yield client


@asynccontextmanager
async def running_server(
    app: AsgiApp, protocol: type[asyncio.Protocol] | None = None
) -> AsyncIterator[str]:
    """Serve an application on a free port of the loopback and yield its base URL.

    Args:
        app: the application.
        protocol: speaks HTTP; by default what services speak it with.
    """
    listener = socket.create_server(("127.0.0.1", 0))
    server = _Server(
        uvicorn.Config(
            app,
            http=protocol or http_protocol(app),
            ws="none",
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=5,
        )
    )
    task = asyncio.ensure_future(server.serve(sockets=[listener]))
    try:
        await server.has_begun.wait()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.shall_end.set()
        await task


class _Server(uvicorn.Server):
    """A server that ends when it is told to, and leaves signals to the process it runs in.

    uvicorn's own looks ten times a second whether it should end, and then waits that long again.
    """

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.has_begun = asyncio.Event()  # or failed to
        self.shall_end = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().startup(sockets=sockets)
        finally:
            self.has_begun.set()

    async def main_loop(self) -> None:
        ticking = asyncio.ensure_future(super().main_loop())  # keeps the header Date right
        await self.shall_end.wait()
        ticking.cancel()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for each in (*self.servers, *(sockets or ())):
            each.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        try:
            async with asyncio.timeout(self.config.timeout_graceful_shutdown):
                await self._answered()
        except TimeoutError:
            for task in self.server_state.tasks:
                task.cancel()
        await self.lifespan.shutdown()

    async def _answered(self) -> None:
        """Wait until every connection is closed and every request's task has ended."""
        while self.server_state.connections or self.server_state.tasks:  # noqa: ASYNC110 - no event
            await asyncio.sleep(0.002)


@dataclass
class Peak:
    """How much memory processes took beyond what they had before."""

    growth_bytes: int = 0


@contextmanager
def peak_memory() -> Iterator[Peak]:
    """Find how far this process and its children grew inside the block, as Linux tells it.

    Yields:
        The sum over the processes, there once the block has ended. Children that started or ended
        inside the block do not count.
    """
    peak = Peak()
    family = [psutil.Process(), *psutil.Process().children(recursive=True)]
    before = {}
    for each in family:
        Path(f"/proc/{each.pid}/clear_refs").write_text("5")  # forgets the peak so far
        before[each.pid] = _peak_bytes(each.pid)
    yield peak
    peak.growth_bytes = sum(
        max(0, _peak_bytes(each.pid) - before[each.pid]) for each in family if each.is_running()
    )


def _peak_bytes(pid: int) -> int:
    """Highest resident memory of a process since it was last forgotten (``VmHWM``)."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


def make_pdf(
    pages: Sequence[str], *, size_pt: tuple[int, int] = (400, 300), rotate: int = 0
) -> bytes:
    """A PDF whose pages draw what is given.

    Args:
        pages: content streams (ISO 32000-1, 7.8.2); font F1 is Helvetica in Windows' encoding.
        size_pt: width and height of each page.
        rotate: of the pages as they are shown, in degrees clockwise.
    """
    count = len(pages)
    kids = " ".join(f"{4 + 2 * number} 0 R" for number in range(count))
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {count} >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    ]
    for number, content in enumerate(pages):
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {size_pt[0]} {size_pt[1]}] "
            f"/Rotate {rotate} /Resources << /Font << /F1 3 0 R >> >> "
            f"/Contents {5 + 2 * number} 0 R >>"
        )
        length = len(content.encode("cp1252"))
        objects.append(f"<< /Length {length} >>\nstream\n{content}\nendstream")
    file, places = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        places.append(len(file))
        file += f"{number} 0 obj\n{body}\nendobj\n".encode("cp1252")
    table = "".join(f"{place:010d} 00000 n \n" for place in places)
    trailer = (
        f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{len(file)}\n%%EOF\n"
    )
    return file + f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}{trailer}".encode()
