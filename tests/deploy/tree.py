"""A small source tree to run the supervisor on, and the means to watch processes end."""

import os
import select
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import httpx

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 60.0

SERVER = '''
"""Answers like a Gantry process: /readyz, /info, and /pid for the test."""
import json, os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

NAME, READY = {name!r}, {ready!r}

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        answers = {{
            "/readyz": (200 if READY is True else 503, {{"engines": [{{"phase": "ready" if READY is True else "failed",
                "model": "toy", "device": "cpu", "reason": None if READY is True else READY}}]}}),
            "/info": (200, {{"paths": [{{"path": f"/v1/{{NAME}}", "method": "POST"}}]}}),
            "/pid": (200, os.getpid()),
            "/environ": (200, dict(os.environ)),
        }}
        status, body = answers[self.path]
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *_):
        pass

server = ThreadingHTTPServer(("127.0.0.1", int(os.environ[NAME.upper() + "_PORT"])), Handler)
print("listening", flush=True)
server.serve_forever()
'''  # noqa: E501


def make_tree(folder: Path, **services) -> Path:
    """A tree with our supervisor, a toy gateway and toy services.

    Args:
        folder: where to make it.
        services: name, and True for one that is ready or the reason why it is not.
    """
    for name in ("deploy", "shared"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name, ready in {"gateway": True, **services}.items():
        parent = folder if name == "gateway" else folder / "services"
        (parent / name).mkdir(parents=True)
        (parent / name / "__main__.py").write_text(SERVER.format(name=name, ready=ready))
    return folder


class RunningSupervisor:
    """``python -m deploy up`` in a tree; ends with the context."""

    def __init__(self, tree: Path, gateway_port: int, **environ: str) -> None:
        self.tree = tree
        self.environ = {**os.environ, "GATEWAY_PORT": str(gateway_port), **environ}
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            [sys.executable, "-m", "deploy", "up"],
            cwd=tree,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            bufsize=1,
        )
        # A supervisor that hangs is killed, so that reading its output ends.
        self._watchdog = threading.Timer(PATIENCE_S, self.process.kill)
        self._watchdog.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._watchdog.cancel()
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def read_until(self, text: str) -> str:
        """Lines of the output up to the first that holds ``text``, that one included."""
        begin = len(self.lines)
        for line in self.process.stdout:
            self.lines.append(line)
            if text in line:
                return "".join(self.lines[begin:])
        raise AssertionError(f"{text!r} did not appear in:\n{''.join(self.lines)}")

    def urls(self) -> dict[str, str]:
        """Addresses by name, from the table that was read."""
        rows = [line.split() for line in self.lines]
        return {row[0]: row[1] for row in rows if len(row) > 2 and row[1].startswith("http")}

    def command(self, *arguments: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, "-m", "deploy", *arguments],
            cwd=self.tree, env=self.environ, capture_output=True, text=True, timeout=PATIENCE_S,
            check=False,
        )  # fmt: skip


def pid_of(url: str) -> int:
    return int(httpx.get(f"{url}/pid").json())


def wait_for_end(pidfd: int) -> bool:
    """Wait until the process behind a pidfd has ended."""
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(PATIENCE_S * 1000))
