"""Start the whole system for a while, as ``python -m deploy up`` does: for tests and benchmarks."""

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

ROOT = Path(__file__).resolve().parents[1]
POLL_S = 0.1  # between two looks at the gateway, which itself probes each second


@contextmanager
def running_system(needed: set[str], *, timeout_s: float) -> Iterator[httpx.Client]:
    """A client of the gateway of a system on a free port, which ends with the context.

    Args:
        needed: services that the gateway takes for ready before the context is entered.
        timeout_s: of the client's requests.

    Raises:
        RuntimeError: the system did not become ready; with what it said.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environ = {**os.environ, "GATEWAY_PORT": str(port), "OFFLINE": "1", "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        [sys.executable, "-m", "deploy", "up"],
        cwd=ROOT, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    ) as system:  # fmt: skip
        try:
            _wait_until_ready(system)
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=timeout_s) as client:
                while not needed <= _ready_services(client):
                    time.sleep(POLL_S)
                yield client
        finally:
            system.terminate()


def _wait_until_ready(system: "subprocess.Popen[str]") -> None:
    """Read what the supervisor says until it has said that all is ready."""
    assert system.stdout is not None
    said = []
    for line in system.stdout:
        said.append(line)
        if "A first request:" in line:
            break
    if not any("Gantry is ready" in line for line in said):
        raise RuntimeError("the system did not become ready:\n" + "".join(said))
    # What is not read would fill the pipe and stop the supervisor.
    threading.Thread(target=system.stdout.read, daemon=True).start()


def _ready_services(client: httpx.Client) -> set[str]:
    """Names of the services that the gateway takes for ready."""
    services = client.get("/readyz?verbose").json()["services"]
    return {name for name, state in services.items() if state["ready"]}
