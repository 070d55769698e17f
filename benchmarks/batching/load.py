"""Load by wrk (closed loop, one thread), and answers that are checked while it runs."""

import json
import re
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.batching.launch import Target, ask
from benchmarks.batching.tolerance_items import without_timing

CHECK_EVERY_S = 0.05
SCRIPT = """
local bodies = {%s}
local next_body = 0
request = function()
  next_body = next_body %% #bodies + 1
  return wrk.format("POST", nil, {["Content-Type"] = "application/json"}, bodies[next_body])
end
done = function(summary, latency)
  local failed = summary.errors.status + summary.errors.connect + summary.errors.read
    + summary.errors.timeout
  io.write(string.format('RESULT {"requests":%%d,"us":%%d,"failed":%%d,"p50_us":%%d,"p95_us":%%d,'
    .. '"p99_us":%%d}\\n', summary.requests, summary.duration, failed, latency:percentile(50),
    latency:percentile(95), latency:percentile(99)))
end
"""


@dataclass(frozen=True)
class LoadResult:
    """One run of load on one server."""

    requests_per_s: float  # good answers
    p50_ms: float
    p95_ms: float
    p99_ms: float
    cpu_us: float  # CPU time of the server's processes per good answer
    failed: int
    checked: int  # answers compared with the golden ones


class WrongAnswer(Exception):
    """A server answered something else than the golden answer: the run does not count."""


def drive(
    target: Target, golden: Mapping[bytes, bytes], *, clients: int, seconds: int
) -> LoadResult:
    """Load a server and check its answers meanwhile.

    Args:
        target: the server.
        golden: answer by item; all of the items are sent in turn.
        clients: connections that each send the next request after an answer.
        seconds: duration.

    Raises:
        WrongAnswer: an answer differed.
    """
    bodies = ",".join(f"[==[{target.body(each).decode()}]==]" for each in golden)
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(SCRIPT % bodies)
        script.flush()
        command = ["wrk", "-t1", f"-c{clients}", f"-d{seconds}s", "--timeout", "10s", "-s",
                   script.name, target.url]  # fmt: skip
        cpu_s = target.cpu_s()
        with _Checker(target, golden) as checker:
            shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        cpu_s = target.cpu_s() - cpu_s
    found = re.search(r"RESULT (\{.*\})", shown)
    assert found is not None, shown
    told = json.loads(found[1])
    good = told["requests"] - told["failed"]
    return LoadResult(
        requests_per_s=round(good / told["us"] * 1e6, 1),
        p50_ms=told["p50_us"] / 1000,
        p95_ms=told["p95_us"] / 1000,
        p99_ms=told["p99_us"] / 1000,
        cpu_us=round(cpu_s * 1e6 / max(1, good + checker.checked), 1),
        failed=told["failed"],
        checked=checker.checked,
    )


class _Checker(AbstractContextManager["_Checker"]):
    """Compares an answer each ``CHECK_EVERY_S``."""

    def __init__(self, target: Target, golden: Mapping[bytes, bytes]) -> None:
        self.checked = 0
        self._target, self._golden = target, golden
        self._wrong: list[str] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._check, daemon=True)

    def __enter__(self) -> "_Checker":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        if self._wrong:
            raise WrongAnswer(f"{self._target.name}: {self._wrong[:2]}")

    def _check(self) -> None:
        items = list(self._golden.items())
        while not self._ended.is_set():
            content, expected = items[self.checked % len(items)]
            answer = ask(self._target, content, timeout_s=10)
            if answer is not None:
                self.checked += 1
                if without_timing(answer) != expected:
                    self._wrong.append(f"{answer[:200]!r} instead of {expected[:200]!r}")
            time.sleep(CHECK_EVERY_S)


def read_notes(path: str) -> list[dict[str, object]]:
    """What a simulated device noted."""
    return [json.loads(line) for line in Path(path).read_text().splitlines()]
