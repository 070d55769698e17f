"""What ``python -m shared.benchmark`` measures: a URL, a command, or a service it starts itself."""

import contextlib
import json
import os
import re
import shlex
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean
from typing import Any

import httpx
import psutil

from shared.benchmark import resident_bytes

READY_S = 240.0
ELSEWHERE = "elsewhere"
"""Step of the time that a service does not tell of: HTTP, waiting for a core, the client itself."""


class BenchmarkError(Exception):
    """It cannot be measured; the text says why."""


@dataclass(frozen=True)
class Served:
    """A service that was started and is ready."""

    service: str
    url: str
    process: psutil.Process
    log: Path  # what it and its children have written to standard output and error

    def memory_bytes(self) -> tuple[int, int]:
        """Resident memory of the service's own process, and of its children together."""
        children = self.process.children(recursive=True)
        return self.process.memory_info().rss, sum(map(resident_bytes, children))

    def cpu_s(self) -> float:
        """Processor time of the service and its children so far, in s; 10 ms is a step of it."""
        total = 0.0
        for each in [self.process, *self.process.children(recursive=True)]:
            with contextlib.suppress(psutil.Error):
                spent = each.cpu_times()
                total += spent.user + spent.system
        return total

    def counted(self, name: str) -> float:
        """Sum of a metric over all its labels."""
        lines = httpx.get(f"{self.url}/metrics", timeout=30).text.splitlines()
        pattern = re.compile(rf"^{re.escape(name)}(\{{.*\}})? (\S+)$")
        return sum(float(found[2]) for line in lines if (found := pattern.match(line)))


@contextmanager
def serving(service: str, environ: Mapping[str, str] | None = None) -> Iterator[Served]:
    """Start ``services/<service>`` on a free port, wait until it is ready, and end it at last.

    Args:
        service: name of its folder.
        environ: settings, with their prefix.

    Raises:
        BenchmarkError: it did not become ready; the text holds the end of its log.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    given = {**os.environ, f"{service.upper()}_PORT": str(port), **(environ or {})}
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / f"{service}.log"
        with log.open("wb") as sink:
            command = [sys.executable, "-m", f"services.{service}"]
            process = subprocess.Popen(command, env=given, stdout=sink, stderr=sink)
        try:
            url = f"http://127.0.0.1:{port}"
            _wait_until_ready(url, process, log)
            yield Served(service, url, psutil.Process(process.pid), log)
        finally:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(40)
            process.kill()
            process.wait()


@dataclass(frozen=True)
class HttpRequest:
    """A request that is sent again and again."""

    path: str
    file: Path | None = None  # sent as the multipart field ``file``
    fields: Mapping[str, str] = field(default_factory=dict)
    json_body: Any = None  # sent instead, as JSON


@dataclass
class HttpWork:
    """One round: requests to one server, by clients that each wait for their answer.

    The steps it tells are means over the round's requests, from ``Server-Timing``.
    """

    url: str
    request: HttpRequest
    requests: int = 1
    clients: int = 1
    from_cache: int = 0  # answers of all rounds that a cache gave
    answered: int = 0

    def __post_init__(self) -> None:
        """Prepare the connections, which all rounds share."""
        self._client = httpx.Client(base_url=self.url, timeout=600)

    def __call__(self) -> Mapping[str, float]:
        """Run a round.

        Raises:
            BenchmarkError: an answer was an error.
        """
        with ThreadPoolExecutor(self.clients) as threads:
            told = list(threads.map(lambda _: self._ask(), range(self.requests)))
        names = dict.fromkeys(name for each in told for name in each)
        return {name: mean(each.get(name, 0.0) for each in told) for name in names}

    def _ask(self) -> dict[str, float]:
        started = time.perf_counter()
        answer = self._send()
        duration_ms = (time.perf_counter() - started) * 1000
        if answer.is_error:
            raise BenchmarkError(f"{answer.url} answered {answer.status_code}: {answer.text[:300]}")
        self.answered += 1
        self.from_cache += answer.headers.get("x-cache", "").startswith("hit")
        steps = server_timing(answer)
        return {**steps, ELSEWHERE: max(0.0, duration_ms - sum(steps.values()))} if steps else {}

    def _send(self) -> httpx.Response:
        request = self.request
        if request.file is None:
            return self._client.post(request.path, json=request.json_body)
        with request.file.open("rb") as file:
            files = {"file": (request.file.name, file)}
            return self._client.post(request.path, files=files, data=dict(request.fields))


@dataclass(frozen=True)
class CommandWork:
    """One round: a command that runs to its end."""

    command: str  # split as a shell would, but run without one

    def __call__(self) -> None:
        """Run it.

        Raises:
            BenchmarkError: it failed; the text holds the end of what it wrote.
        """
        done = subprocess.run(shlex.split(self.command), capture_output=True, text=True)
        if done.returncode:
            said = (done.stderr or done.stdout)[-300:]
            raise BenchmarkError(f"{self.command} ended with {done.returncode}: {said}")


def request_to(
    url: str, path: str | None, payload: Sequence[str], file: Path | None
) -> HttpRequest:
    """The request that the arguments describe.

    Args:
        url: of the server, which is asked for its paths if none is named.
        path: where to send it; by default the first path that the service's ``/info`` names.
        payload: form fields as ``name=value``; or, without a file, one JSON document.
        file: what to send as the field ``file``.

    Raises:
        BenchmarkError: there is nothing to send, or the server names no path.
    """
    if path is None:
        offered = httpx.get(f"{url}/info", timeout=30)
        paths = offered.json().get("paths") if offered.is_success else None
        if not paths:
            raise BenchmarkError(f"{url}/info names no path; say --path")
        path = str(paths[0]["path"])
    if file is not None:
        fields = dict(each.split("=", 1) for each in payload)
        return HttpRequest(path, file, fields)
    if len(payload) != 1:
        raise BenchmarkError("say what to send: --file, or --json with one JSON document")
    return HttpRequest(path, json_body=json.loads(payload[0]))


def server_timing(answer: httpx.Response) -> dict[str, float]:
    """Steps in ms, as the ``Server-Timing`` header tells them."""
    parts = answer.headers.get("server-timing", "").split(",")
    found = (re.fullmatch(r"\s*([\w-]+);dur=([\d.e+-]+)\s*", part) for part in parts)
    return {each[1]: float(each[2]) for each in found if each}


def _wait_until_ready(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(f"{url}/readyz").status_code == httpx.codes.OK:
                return
        time.sleep(0.1)
    raise BenchmarkError(f"the service did not become ready:\n{log.read_text()[-2000:]}")
