"""A service on raw sockets whose answers stand in scripts: good ones, broken ones and none."""

import asyncio
import json

from tests.gateway.upstream import offered

GOOD = b"HTTP/1.1 200 OK\r\n"


def answer(body=b'{"a":1}', *lines, status=b"200 OK", length=True):
    head = [b"HTTP/1.1 " + status, *lines, *([b"Content-Length: %d" % len(body)] if length else [])]
    return b"\r\n".join(head) + b"\r\n\r\n" + body


def problem(status, code):
    return answer(
        json.dumps({"code": code}).encode(), b"Content-Type: application/problem+json",
        status=status,
    )  # fmt: skip


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n"
EVENTS = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"9\r\ndata: 1\n\n\r\n"
)
TIMED = answer(
    b"x", b"Server-Timing: inference;dur=7", b"X-Request-Id: theirs", b"X-Model: m", b"Server: s",
    b"Date: Sat, 21 Nov 2026 07:03:15 GMT", b"Server-Timing: queue;dur=1", b"X-Hop: 1",
    b"Connection: keep-alive, X-Hop",
)  # fmt: skip
LOST, WAIT = None, ...  # the service breaks the connection, or waits for the gateway to do so
SCRIPTS = {
    "plain": [answer()],
    "timed": [TIMED],
    "pieces": [[answer(b"abcdef")[:-4], b"cdef"]],
    "split_head": [[GOOD, answer(b"abc")[len(GOOD) :]]],
    "empty": [answer(b"")],
    "long": [[answer(b"x" * 70_000)]],
    "chunked": [CHUNKED],
    "events": [[EVENTS, b"9\r\ndata: 2\n\n\r\n0\r\n\r\n"]],
    "no_content": [answer(b"", status=b"204 No Content", length=False)],
    "until_close": [[answer(b"abc", length=False), LOST]],
    "informed": [b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + answer()],
    "closing": [answer(b"abc", b"Connection: close")],
    "not_found": [problem(b"404 Not Found", "not_found")],
    "invalid": [problem(b"422 Unprocessable Entity", "invalid")],
    "limited": [problem(b"429 Too Many Requests", "quota_exceeded")],
    "engine_error": [problem(b"500 Internal Server Error", "engine_error")],
    "engine_lost_once": [problem(b"500 Internal Server Error", "engine_fatal"), answer()],
    "busy": [problem(b"503 Service Unavailable", "queue_full")],
    "no_model": [problem(b"503 Service Unavailable", "model_missing")],
    "bad_gateway": [problem(b"502 Bad Gateway", "x")],
    "too_late": [problem(b"504 Gateway Timeout", "deadline_exceeded")],
    "lost_once": [LOST, answer()],
    "lost": [LOST, LOST, LOST, LOST],
    "cut_once": [[answer(b"abcdef")[:-3], LOST], answer(b"abcdef")],
    "cut_long": [[answer(b"x" * 70_000)[:-3], LOST]],
    "nonsense": [b"NONSENSE\r\n\r\n", answer()],
    "silent": [WAIT],
    "late": [[answer(b"abcdef")[:-3], WAIT]],
    "hung": [WAIT, answer()],
}


def flat(name):
    """All that a script has."""
    return [
        piece for turn in SCRIPTS[name] for piece in (turn if isinstance(turn, list) else [turn])
    ]


PATHS = [
    *(offered(f"/v1/{name}", max_body_bytes=1000) for name in SCRIPTS),
    offered("/v1/look", "GET"),
    offered("/v1/once", replayable=False),
    offered("/v1/of/{id}"),
]


class Scripted:
    """A service on raw sockets: each path has its answers, in turn, the last for good."""

    def __init__(self):
        self.requests = []  # head in lines, and body
        self.asked = asyncio.Event()
        self.left = asyncio.Event()
        self._turns = {}

    async def __call__(self, reader, writer):
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")[:-2]
                path = head[0].split()[1].partition("?")[0]
                body = await self._body(head, reader)
                if path in ("/readyz", "/info"):
                    writer.write(answer(json.dumps(self._facts()).encode()))
                    continue
                self.requests.append((head, body))
                await self._answer(path.rpartition("/")[2], reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            self.left.set()
        finally:
            writer.close()

    async def _answer(self, name, reader, writer):
        answers = [LOST, answer()] if name == "once" else SCRIPTS.get(name, [answer()])
        turn = self._turns[name] = self._turns.get(name, -1) + 1
        self.asked.set()
        given = answers[min(turn, len(answers) - 1)]
        for piece in given if isinstance(given, list) else [given]:
            if piece is LOST:
                raise ConnectionError
            if piece is WAIT:
                await reader.readexactly(1)
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.003)  # so that pieces arrive one by one

    def again(self):
        """Begin each path's answers anew."""
        self.requests.clear()
        self._turns.clear()

    @staticmethod
    async def _body(head, reader):
        lengths = [line.split(": ")[1] for line in head if line.startswith("content-length")]
        return await reader.readexactly(int(lengths[0])) if lengths else b""

    @staticmethod
    def _facts():
        return {"ready": True, "service": "work", "version": "1", "paths": PATHS}
