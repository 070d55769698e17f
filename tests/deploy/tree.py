"""Small source trees to run the supervisor on, and the means to watch processes end."""

import os
import select
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import httpx
import psutil

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 120.0  # only ever waited out by a test that fails

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
        if NAME == "gateway":
            seen = "unknown" if os.path.exists("var/blind") else "ready"
            answers["/readyz?verbose"] = (200, {{"services": {{"any": {{"replicas": {{
                url: {{"state": seen}} for key, url in os.environ.items() if "UPSTREAMS__" in key}}}}}}}})
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


SERVICE = '''
"""A service around an engine that adds a word; what each setting does is told by its name."""
import asyncio
import os
from fastapi import APIRouter, Request
from prometheus_client import CollectorRegistry
from pydantic import Field
from pydantic_settings import SettingsConfigDict
from shared.app import PathInfo, ServiceSpec, create_app, serve
from shared.batching import BatchLimits
from shared.engine import EngineInfo
from shared.errors import EngineError
from shared.host import EngineHost
from shared.lanes import InlineLane
from shared.metrics import EngineMetrics
from shared.settings import ServiceSettings

VERSION = "1.0.0"
router = APIRouter()

class Settings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="FIFTH_")
    word: str = Field("hello", description="Added to what is sent.")
    golden: bool = Field(True, description="Whether the golden example is answered rightly.")

class Engine:
    def __init__(self, settings):
        self._settings = settings
    def load(self):
        return EngineInfo(model="adder", device="cpu")
    def warm_up(self):
        if not self._settings.golden:
            raise EngineError("the golden example was answered wrongly")
    def run(self, key, payloads):
        return [f"{self._settings.word} {payload}" for payload in payloads]
    def close(self):
        pass

@router.post("/v1/fifth")
async def fifth(request: Request):
    asked = await request.json()
    await asyncio.sleep(asked.get("sleep_s", 0))
    while (gate := asked.get("until_there")) and not os.path.exists(gate):
        await asyncio.sleep(0.01)
    return {"text": await request.app.state.host.run(asked["text"])}

def build(settings=None, engine=None):
    settings = settings or Settings.from_environment()
    registry = CollectorRegistry()
    host = EngineHost(InlineLane(lambda: engine or Engine(settings)), BatchLimits(),
                      metrics=EngineMetrics(registry), name="add")
    return create_app(ServiceSpec(
        name="fifth", version=VERSION, settings=settings, router=router,
        paths=[PathInfo("/v1/fifth", "POST", 2**20, 60_000)],
        hosts=[host], registry=registry, state={"host": host}))
'''

SERVICE_MAIN = """
from services.fifth.app import Settings, build
from shared.app import serve

settings = Settings.from_environment()
serve(build(settings), settings, name="fifth")
"""


def make_real_tree(folder: Path) -> Path:
    """A tree with our supervisor, gateway and shared library, and one new service folder."""
    for name in ("deploy", "shared", "gateway"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    service = folder / "services/fifth"
    service.mkdir(parents=True)
    (service / "app.py").write_text(SERVICE)
    (service / "__main__.py").write_text(SERVICE_MAIN)
    return folder


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
        self._seen = 0  # lines that read_until has passed
        self._news = threading.Condition()
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
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self._reader.join()
        self.process.stdout.close()

    def _read(self) -> None:
        for line in self.process.stdout:
            with self._news:
                self.lines.append(line)
                self._news.notify_all()
        with self._news:
            self.lines.append("")
            self._news.notify_all()

    def read_until(self, text: str) -> None:
        """Wait for a line that holds ``text``, after those that earlier calls have passed."""
        with self._news:
            assert self._news.wait_for(lambda: self._pass(text), PATIENCE_S), self._told(text)

    def _pass(self, text: str) -> bool:
        while self._seen < len(self.lines):
            line = self.lines[self._seen]
            self._seen += 1
            assert line, self._told(text)
            if text in line:
                return True
        return False

    def _told(self, text: str) -> str:
        return f"{text!r} did not appear in:\n{''.join(self.lines)}"

    def pid_of_unit(self, module: str) -> int:
        """Process id of the unit that ``python -m module`` runs."""
        found = [
            child.pid
            for child in psutil.Process(self.process.pid).children()
            if child.cmdline()[-2:] == ["-m", module]
        ]
        assert len(found) == 1
        return found[0]

    def urls(self) -> dict[str, str]:
        """Addresses by name, from the table that was read."""
        rows = [line.split() for line in self.lines]
        return {row[0]: row[1] for row in rows if len(row) > 2 and row[1].startswith("http")}

    def command(self, *arguments: str, **environ: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, "-m", "deploy", *arguments],
            cwd=self.tree, env={**self.environ, **environ}, capture_output=True, text=True,
            timeout=PATIENCE_S, check=False,
        )  # fmt: skip


def pid_of(url: str) -> int:
    return int(httpx.get(f"{url}/pid").json())


def wait_for_end(pidfd: int) -> bool:
    """Wait until the process behind a pidfd has ended."""
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(PATIENCE_S * 1000))
