"""Services as benchmarks meet them: started in processes of their own, asked over HTTP."""

import contextlib
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from benchmarks.samples import Sample

READY_S = 240.0


@dataclass(frozen=True)
class Served:
    """A service that is ready."""

    service: str
    url: str
    process: psutil.Process
    log: Path  # what it and its children have written to standard output and error

    def memory_bytes(self) -> tuple[int, int]:
        """Resident memory of the service's own process, and of its children together."""
        return self.process.memory_info().rss, sum(
            _rss(each) for each in self.process.children(recursive=True)
        )

    def counted(self, name: str) -> float:
        """Sum of a metric over all its labels."""
        lines = httpx.get(f"{self.url}/metrics", timeout=30).text.splitlines()
        pattern = re.compile(rf"^{re.escape(name)}(\{{.*\}})? (\S+)$")
        return sum(float(found[2]) for line in lines if (found := pattern.match(line)))


@contextmanager
def serving(service: str, environ: Mapping[str, str] | None = None) -> Iterator[Served]:
    """Start ``services/<service>`` on a free port and wait until it is ready.

    Args:
        service: name of its folder.
        environ: settings, with their prefix.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    given = {f"{service.upper()}_PORT": str(port), **(environ or {})}
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / f"{service}.log"
        with log.open("wb") as sink:
            process = subprocess.Popen(
                [sys.executable, "-m", f"services.{service}"],
                env={**os.environ, **given}, stdout=sink, stderr=sink,
            )  # fmt: skip
        url = f"http://127.0.0.1:{port}"
        try:
            _wait_until_ready(url, process, log)
            yield Served(service, url, psutil.Process(process.pid), log)
        finally:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(40)
            process.kill()
            process.wait()


def ask(client: httpx.Client, url: str, sample: Sample) -> httpx.Response:
    """Send a sample; the answer may be an error."""
    if sample.json is not None:
        return client.post(url + sample.path, json=sample.json)
    files = {"file": (sample.name, sample.content)}
    return client.post(url + sample.path, files=files, data=dict(sample.fields))


def server_timing(answer: httpx.Response) -> dict[str, float]:
    """Steps in ms, as the ``Server-Timing`` header tells them."""
    parts = answer.headers.get("server-timing", "").split(",")
    found = (re.fullmatch(r"\s*([\w-]+);dur=([\d.e+-]+)\s*", part) for part in parts)
    return {each[1]: float(each[2]) for each in found if each}


def _wait_until_ready(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(url + "/readyz").status_code == httpx.codes.OK:
                return
        time.sleep(0.1)
    sys.exit(f"the service did not become ready:\n{log.read_text()[-2000:]}")


def _rss(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0
