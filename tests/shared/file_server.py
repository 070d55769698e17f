"""A real HTTP server of files for tests of downloading, which can break off and change."""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx

from shared.models.download import require_https

HOST = "models.example"


@dataclass
class FileServer:
    """What is served, and how."""

    files: dict[str, bytes]
    break_after: list[int] = field(default_factory=list)  # bytes sent of each coming answer
    redirects: dict[str, str] = field(default_factory=dict)
    statuses: list[int] = field(default_factory=list)  # answered first, one a request
    etags: bool = True
    ranges: list[str | None] = field(default_factory=list)  # asked for so far
    port: int = 0

    def client(self) -> httpx.Client:
        """A client for ``https://models.example`` that really asks this server."""
        return httpx.Client(
            transport=_ToLoopback(self.port),
            follow_redirects=True,
            event_hooks={"request": [require_https]},
        )


class _ToLoopback(httpx.HTTPTransport):
    def __init__(self, port: int) -> None:
        super().__init__()
        self._port = port

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        assert request.url.host == HOST, "no other host may be asked"
        request.url = request.url.copy_with(scheme="http", host="127.0.0.1", port=self._port)
        return super().handle_request(request)


@contextmanager
def serving(server: FileServer) -> Iterator[FileServer]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self, server)

        def log_message(self, *_):
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.port = http.server_address[1]
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        thread.join()
        http.server_close()


def answer(handler: BaseHTTPRequestHandler, server: FileServer) -> None:
    asked = handler.headers.get("range")
    server.ranges.append(asked)
    if server.statuses:
        handler.send_error(server.statuses.pop(0))
        return
    if handler.path in server.redirects:
        handler.send_response(302)
        handler.send_header("location", server.redirects[handler.path])
        handler.end_headers()
        return
    content = server.files.get(handler.path)
    if content is None:
        handler.send_error(404)
        return
    etag = f'"{hashlib.sha256(content).hexdigest()[:16]}"' if server.etags else ""
    begin = int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0
    if begin and handler.headers.get("if-range", etag) != etag:
        begin = 0
    if begin >= len(content) > 0:
        handler.send_error(416)
        return
    handler.send_response(206 if begin else 200)
    if begin:
        handler.send_header("content-range", f"bytes {begin}-{len(content) - 1}/{len(content)}")
    if etag:
        handler.send_header("etag", etag)
    handler.send_header("content-length", str(len(content) - begin))
    handler.end_headers()
    end = begin + server.break_after.pop(0) if server.break_after else len(content)
    handler.wfile.write(content[begin:end])
