"""The gateway against nginx and the plain FastAPI + httpx form, on the same core in one run.

An nginx that answers at once is the service. Each proxy is pinned to one core, service and load
(wrk) to another; the proxies take turns, round by round, and the median round counts. Ratios are
what repeats; absolute rates depend on the machine and on what else it does, so the load average is
written beside them, and the CPU time of a request, which depends on it least. Needs nginx, wrk and
taskset (``make deps``). LiteLLM's proxy takes part if an environment of its own holds it
(``python -m venv var/litellm-venv``, ``var/litellm-venv/bin/pip install 'litellm[proxy]'``), or the
one that GANTRY_LITELLM_VENV names; the page says so if not.
"""

import argparse
import asyncio
import json
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import aiohttp

from benchmarks import places
from benchmarks.gateway_report import machine, markdown, plot

CHAT_PATH = "/v1/chat/completions"
CHAT_REQUEST = '{"model":"m","messages":[{"role":"user","content":"hello"}]}'
CHAT_ANSWER = (
    '{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,'
    '"finish_reason":"stop","message":{"role":"assistant","content":"hello"}}],'
    '"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}'
)
LITELLM = Path(os.environ.get("GANTRY_LITELLM_VENV", "var/litellm-venv"), "bin/litellm").absolute()
ANSWER = '{"model":"m","task":"detect","results":[{"index":0,"detections":[]}],"warnings":[]}'
OFFER = '"max_body_bytes":10000000,"default_deadline_ms":60000'
INFO = (
    '{"ready":true,"service":"work","version":"1","paths":['
    f'{{"path":"/v1/get","method":"GET",{OFFER}}},{{"path":"/v1/post","method":"POST",{OFFER}}},'
    f'{{"path":"{CHAT_PATH}","method":"POST",{OFFER}}}]}}'
)
PROXY_CORE, LOAD_CORE = "0", "1"
MOST_WARM_UPS = 8  # of a second each
Server = tuple[int, int]  # port and process id
RESULTS = places.RESULTS / "gateway"


@dataclass(frozen=True)
class Scenario:
    """One kind of load."""

    name: str
    path: str
    connections: int
    body: str = ""  # as a string of Lua; empty sends a GET
    has_litellm: bool = False  # it speaks nothing but its own paths


SCENARIOS = (
    Scenario("small JSON, 1 connection", "/v1/get", 1),
    Scenario("small JSON, 64 connections", "/v1/get", 64),
    Scenario("POST 100 KB, 16 connections", "/v1/post", 16, 'string.rep("x", 100000)'),
    Scenario("chat completion, 16 connections", CHAT_PATH, 16, f"[[{CHAT_REQUEST}]]", True),
)


@dataclass(frozen=True)
class Sample:
    """One round of one proxy."""

    requests_per_s: float
    p50_ms: float
    p99_ms: float
    cpu_us_per_request: float
    rss_mb: float
    failures: int


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def wait_for(port: int, path: str) -> None:
    """Wait until a server answers 200."""
    for _ in range(600):
        shown = subprocess.run(
            ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}",
             f"http://127.0.0.1:{port}{path}"], capture_output=True, text=True,
        )  # fmt: skip
        if shown.stdout == "200":
            return
        time.sleep(0.1)
    raise SystemExit(f"nothing answers at {port}{path}")


@contextmanager
def running(command: list[str], core: str, **environment: str) -> Iterator[int]:
    """Run a command on one core; yields its process id."""
    child = subprocess.Popen(
        ["taskset", "-c", core, *command], env={**os.environ, **environment},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        yield child.pid
    finally:
        os.killpg(child.pid, signal.SIGTERM)
        child.wait()


def nginx_config(folder: Path, port: int, upstream: int | None) -> str:
    """Configuration of the service, or of a proxy in front of ``upstream``."""
    if upstream is None:
        place = f"""
            default_type application/json;
            location = /readyz {{ return 200 '{INFO}'; }}
            location = /info {{ return 200 '{INFO}'; }}
            location = {CHAT_PATH} {{ return 200 '{CHAT_ANSWER}'; }}
            location / {{ return 200 '{ANSWER}'; }}"""
    else:
        place = """
            location / { proxy_pass http://up; proxy_http_version 1.1;
                         proxy_set_header Connection ""; }"""
    up = f"upstream up {{ server 127.0.0.1:{upstream}; keepalive 256; }}" if upstream else ""
    return f"""
        worker_processes 1; daemon off; pid {folder}/nginx-{port}.pid; error_log /dev/null;
        events {{ worker_connections 4096; }}
        http {{ access_log off; keepalive_requests 100000000; client_max_body_size 20m;
                client_body_buffer_size 1m;  # else bodies of 100 KB would go through a file
                client_body_temp_path {folder}; proxy_temp_path {folder}; {up}
                server {{ listen 127.0.0.1:{port} backlog=4096; {place} }} }}"""


@contextmanager
def nginx(folder: Path, core: str, upstream: int | None = None) -> Iterator[Server]:
    """The service, or a proxy in front of ``upstream``."""
    port = free_port()
    config = folder / f"nginx-{port}.conf"
    config.write_text(nginx_config(folder, port, upstream))
    with running(["nginx", "-c", str(config)], core) as pid:
        wait_for(port, "/v1/get")
        yield port, pid


@contextmanager
def gateway(folder: Path, **upstreams: int) -> Iterator[Server]:
    """The gateway in front of services at the given ports."""
    port = free_port()
    variables = {f"GATEWAY_UPSTREAMS__{name}": f"http://127.0.0.1:{at}"
                 for name, at in upstreams.items()}  # fmt: skip
    with running(
        [sys.executable, "-m", "gateway"], PROXY_CORE, GATEWAY_PORT=str(port),
        GATEWAY_ADMIN_PORT="0", GATEWAY_STATE_DIR=str(folder / "state"),
        GATEWAY_ACCESS_LOG="errors", **variables,
    ) as pid:  # fmt: skip
        wait_for(port, "/readyz")
        yield port, pid


@contextmanager
def plain_fastapi(upstream: int) -> Iterator[Server]:
    """The form that tutorials show."""
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "benchmarks.gateway_peers:fastapi_httpx",
               "--port", str(port), "--no-access-log"]  # fmt: skip
    with running(command, PROXY_CORE, BENCH_UPSTREAM=f"http://127.0.0.1:{upstream}") as pid:
        wait_for(port, "/v1/get")
        yield port, pid


@contextmanager
def litellm(folder: Path, upstream: int) -> Iterator[Server]:
    """LiteLLM's proxy before the service, with one worker and nothing but routing."""
    port, config = free_port(), folder / "litellm.yaml"
    model = {"model": "openai/m", "api_key": "x", "api_base": f"http://127.0.0.1:{upstream}/v1"}
    settings = {"model_list": [{"model_name": "m", "litellm_params": model}]}
    config.write_text(json.dumps(settings))  # JSON is YAML
    command = [str(LITELLM), "--config", str(config), "--host", "127.0.0.1",
               "--port", str(port)]  # fmt: skip
    environ = {
        "LITELLM_LOG": "ERROR",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true",  # on the loopback
    }
    with running(command, PROXY_CORE, **environ) as pid:
        wait_for(port, "/health/liveliness")
        yield port, pid


def litellm_version() -> str | None:
    """Version of the LiteLLM that takes part; None if none does."""
    if not LITELLM.exists():
        return None
    script = "from importlib.metadata import version; print(version('litellm'))"
    python = LITELLM.with_name("python")
    shown = subprocess.run([python, "-c", script], capture_output=True, text=True, check=True)
    return shown.stdout.strip()


def cpu_ticks(pid: int) -> int:
    """CPU time of a process and its children so far, in clock ticks."""
    total = 0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(folder.name) == pid or int(fields[1]) == pid:
            total += int(fields[11]) + int(fields[12])
    return total


def rss_mb(pid: int) -> float:
    """Resident memory in MiB."""
    match = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    return int(match.group(1)) / 1024 if match else 0.0


def milliseconds(text: str) -> float:
    """A time as wrk writes it, in ms."""
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s|m)", text).groups()
    return float(number) * {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}[unit]


def measure(scenario: Scenario, server: Server, seconds: int, folder: Path) -> Sample:
    """One round of load on one server."""
    port, pid = server
    script = folder / "post.lua"
    script.write_text(
        f'wrk.method="POST" wrk.body={scenario.body}\n'
        'wrk.headers["Content-Type"]="application/json"\n'
        if scenario.body
        else ""
    )
    before = cpu_ticks(pid)
    shown = subprocess.run(
        ["taskset", "-c", LOAD_CORE, "wrk", "-t1", f"-c{scenario.connections}", f"-d{seconds}s",
         "--latency", "-s", str(script), f"http://127.0.0.1:{port}{scenario.path}"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    ticks = cpu_ticks(pid) - before
    count = int(re.search(r"(\d+) requests in", shown).group(1))
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", shown)
    return Sample(
        requests_per_s=float(re.search(r"Requests/sec:\s+([\d.]+)", shown).group(1)),
        p50_ms=milliseconds(re.search(r"^ +50%\s+(\S+)", shown, re.MULTILINE).group(1)),
        p99_ms=milliseconds(re.search(r"^ +99%\s+(\S+)", shown, re.MULTILINE).group(1)),
        cpu_us_per_request=ticks / os.sysconf("SC_CLK_TCK") * 1e6 / max(1, count),
        rss_mb=rss_mb(pid),
        failures=int(bad.group(1)) if bad else 0,
    )


def warm_up(scenario: Scenario, server: Server, folder: Path) -> None:
    """Load a server until it gets no faster; some load their code with the first requests."""
    before = 0.0
    for _ in range(MOST_WARM_UPS):
        rate = measure(scenario, server, 1, folder).requests_per_s
        if before and rate < 1.2 * before:
            return
        before = rate


def compare(
    scenario: Scenario, proxies: Mapping[str, Server], rounds: int, seconds: int, folder: Path
) -> dict[str, Any]:
    """All proxies in turn, round by round; the median of each."""
    proxies = {
        name: server
        for name, server in proxies.items()
        if name != "litellm" or scenario.has_litellm
    }
    samples: dict[str, list[Sample]] = {name: [] for name in proxies}
    for server in proxies.values():
        warm_up(scenario, server, folder)
    for _ in range(rounds):
        for name, server in proxies.items():
            samples[name].append(measure(scenario, server, seconds, folder))
    middle = {
        name: {
            field: round(statistics.median(asdict(each)[field] for each in taken), 3)
            for field in asdict(taken[0])
        }
        for name, taken in samples.items()
    }
    rate = {name: each["requests_per_s"] for name, each in middle.items()}
    cpu_us = {name: each["cpu_us_per_request"] for name, each in middle.items()}
    return {
        "scenario": scenario.name,
        "median": middle,
        "rate_range": {
            name: [min(each.requests_per_s for each in taken),
                   max(each.requests_per_s for each in taken)]
            for name, taken in samples.items()
        },
        "gateway_to": {
            name: round(rate["gateway"] / rate[name], 3)
            for name in rate
            if name != "gateway" and rate[name]
        },
        "cpu_to_gateway": {
            name: round(cpu_us[name] / cpu_us["gateway"], 3) for name in rate if name != "gateway"
        },
        "added_p50_ms": {
            name: round(middle[name]["p50_ms"] - middle["direct"]["p50_ms"], 3)
            for name in rate
            if name != "direct"
        },
    }  # fmt: skip


async def frame_gaps_ms(port: int, streams: int) -> list[float]:
    """Times between frames of event streams that run side by side."""
    gaps: list[float] = []

    async def follow(session: aiohttp.ClientSession) -> None:
        async with session.post(f"http://127.0.0.1:{port}/v1/events") as answer:
            last = time.perf_counter()
            async for _ in answer.content.iter_any():
                now = time.perf_counter()
                gaps.append((now - last) * 1000)
                last = now

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        await asyncio.gather(*(follow(session) for _ in range(streams)))
    return gaps


def event_streams(folder: Path, streams: int) -> dict[str, Any]:
    """Times between frames, straight from the service and through the gateway."""
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "benchmarks.gateway_peers:events",
               "--port", str(port), "--no-access-log", "--lifespan", "off"]  # fmt: skip
    with running(command, LOAD_CORE), ExitStack() as stack:
        wait_for(port, "/readyz")
        through, _ = stack.enter_context(gateway(folder / "events", EVENTS=port))
        shown = {}
        for name, at in (("direct", port), ("gateway", through)):
            gaps = sorted(asyncio.run(frame_gaps_ms(at, streams)))
            shown[name] = {
                "frames": len(gaps),
                "gap_p50_ms": round(gaps[len(gaps) // 2], 2),
                "gap_p99_ms": round(gaps[int(len(gaps) * 0.99)], 2),
            }
    return {"scenario": f"{streams} event streams, a frame each 10 ms", **shown}


def main() -> None:
    """Measure, print and store."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--streams", type=int, default=64)
    arguments = parser.parse_args()
    load_before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        service, service_pid = stack.enter_context(nginx(folder, LOAD_CORE))
        proxies = {
            "direct": (service, service_pid),
            "nginx": stack.enter_context(nginx(folder, PROXY_CORE, service)),
            "fastapi+httpx": stack.enter_context(plain_fastapi(service)),
            "gateway": stack.enter_context(gateway(folder, WORK=service)),
        }
        if LITELLM.exists():
            proxies["litellm"] = stack.enter_context(litellm(folder, service))
        found = [
            compare(scenario, proxies, arguments.rounds, arguments.seconds, folder)
            for scenario in SCENARIOS
        ]
        found.append(event_streams(folder, arguments.streams))
    report = {
        "date": time.strftime("%Y-%m-%d"),
        "machine": machine(),
        "load_average_before": round(load_before, 1),
        "load_average_after": round(os.getloadavg()[0], 1),
        "rounds": arguments.rounds,
        "seconds": arguments.seconds,
        "litellm": litellm_version(),
        "results": found,
    }
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / "gateway.json").write_text(json.dumps(report, indent=2) + "\n")
    page = markdown(report)
    (RESULTS / "gateway.md").write_text(page)
    plot(report, RESULTS / "gateway.png")
    sys.stdout.write(page)


if __name__ == "__main__":
    main()
