"""Starts the servers, waits until they answer, and holds those still that are not measured."""

import contextlib
import http.client
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

from benchmarks.batching.options import ServerOptions

ROOT = Path(__file__).resolve().parents[2]
REQUIREMENTS = Path(__file__).parent / "requirements.txt"
SERVERS = "benchmarks.batching.servers"
START_LIMIT_S = 60.0
POLLING = frozenset({"litserve"})
"""Servers that use the CPU while nobody asks them; the others need not be held still, and
schedulers that learn durations (BentoML) would learn from being held."""
PROBES = {
    "tolerance": b'{"parts":[{"material":"al_6061","process":"milling","feature":"plane",'
    b'"dimensions_mm":{"length":100},"characteristics":["flatness"]}]}',
    "device": b'{"id":"probe","weight":1,"kind":"good"}',
}


@dataclass(frozen=True)
class Target:
    """A server that runs."""

    name: str
    options: ServerOptions
    process: psutil.Process
    path: str

    @property
    def url(self) -> str:
        """Where it is asked."""
        return f"http://127.0.0.1:{self.options.port}{self.path}"

    def body(self, content: bytes) -> bytes:
        """The request around an item, as this server wants it."""
        return wrapped(self.name, content)

    def answer(self, content: bytes) -> bytes:
        """The answer inside a response."""
        return json.loads(content)[0].encode() if self.name == "bentoml" else content

    def cpu_s(self) -> float:
        """CPU time of all its processes so far."""
        total = 0.0
        for each in [self.process, *self.process.children(recursive=True)]:
            with contextlib.suppress(psutil.NoSuchProcess):
                times = each.cpu_times()
                total += times.user + times.system
        return total

    def hold(self, is_held: bool) -> None:
        """Stop or continue the processes of a server that would disturb the measured one."""
        if self.name not in POLLING:
            return
        for each in [self.process, *self.process.children(recursive=True)]:
            with contextlib.suppress(psutil.NoSuchProcess):
                (each.suspend if is_held else each.resume)()


def wrapped(name: str, content: bytes) -> bytes:
    """BentoML batches lists only: its bodies are lists of one text."""
    return json.dumps({"bodies": [content.decode()]}).encode() if name == "bentoml" else content


def peers_python() -> str:
    """The interpreter with the peers; ``GANTRY_BENCH_VENV`` names an environment that exists."""
    folder = Path(os.environ.get("GANTRY_BENCH_VENV", ROOT / "var" / "bench-venv"))
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", "-r", REQUIREMENTS], check=True)
    return str(python)


@contextmanager
def running(name: str, options: ServerOptions) -> Iterator[Target]:
    """Start a server on a free port; it need not answer yet (``wait_until_ready``)."""
    with tempfile.TemporaryDirectory() as home:
        options = replace(options, port=free_port())
        command, path = _command(name, options)
        environ = {
            **os.environ,
            **options.environ(),
            "PYTHONPATH": str(ROOT),
            "OMP_NUM_THREADS": "1",
            "BENTOML_HOME": home,
            "BENTOML_DO_NOT_TRACK": "True",
            "TOLERANCE_PORT": str(options.port),
            "TOLERANCE_ACCESS_LOG": "off",
            "TOLERANCE_SHARE_PORT": "true" if options.workers > 1 else "false",
        }
        with Path(home, "log").open("w+") as log:
            process = subprocess.Popen(
                command, cwd=home, env=environ, stdout=log, stderr=log, start_new_session=True
            )
            target = Target(name, options, psutil.Process(process.pid), path)
            try:
                yield target
            finally:
                _end(target, process)


def wait_until_ready(target: Target) -> None:
    """Ask until an answer comes.

    Raises:
        TimeoutError: none came in time.
    """
    give_up = time.monotonic() + START_LIMIT_S
    while time.monotonic() < give_up:
        if ask(target, PROBES[target.options.work]) is not None:
            return
        time.sleep(0.1)
    raise TimeoutError(f"{target.name} did not start")


def ask(target: Target, content: bytes, timeout_s: float = 5.0) -> bytes | None:
    """Answer to one item; None when there is no good one."""
    connection = http.client.HTTPConnection("127.0.0.1", target.options.port, timeout=timeout_s)
    headers = {"content-type": "application/json"}
    try:
        connection.request("POST", target.path, target.body(content), headers)
        response = connection.getresponse()
        received = response.read()
        return target.answer(received) if response.status == 200 else None
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def free_port() -> int:
    """A port that is free now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _command(name: str, options: ServerOptions) -> tuple[list[str], str]:
    """How a server is started, and the path that it answers."""
    python = sys.executable if name.startswith("gantry") else peers_python()
    if name == "gantry" and options.work == "tolerance" and options.workers > 1:
        return [python, "-m", f"{SERVERS}.several", str(options.workers)], "/v1/tolerance/predict"
    if name.startswith("gantry") and options.work == "tolerance":
        return [python, "-m", "services.tolerance"], "/v1/tolerance/predict"
    if name == "bentoml":
        service = f"{SERVERS}.bentoml_peer:Peer"
        port = str(options.port)
        arguments = ["-m", "bentoml", "serve", service, "--working-dir", str(ROOT), "-p", port]
        return [python, *arguments, "--host", "127.0.0.1"], "/predict"
    modules = {
        "fastapi": "plain_fastapi",
        "litserve": "litserve_peer",
        "mosec": "mosec_peer",
        "look-up": "look_up",
    }
    return [python, "-m", f"{SERVERS}.{modules.get(name, 'ours')}"], "/predict"


def _end(target: Target, process: subprocess.Popen[bytes]) -> None:
    """End the server with all its processes, held or orphaned ones too."""
    family = [target.process]
    with contextlib.suppress(psutil.NoSuchProcess):
        family += target.process.children(recursive=True)
    session = process.pid
    for each in psutil.process_iter():
        with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
            if each not in family and os.getsid(each.pid) == session:
                family.append(each)
    for each in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            each.kill()
    process.wait()
