"""What clients of the gateway see while things break: real processes, real signals, full times.

Replicas with a known capacity stand behind one gateway; requests come at a fixed rate, whether or
not earlier ones were answered. Times depend on the machine; what must not are the counts. The load
average is written beside them.
"""

import argparse
import asyncio
import json
import os
import re
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

from benchmarks import places
from benchmarks.bench_gateway import rss_mb
from benchmarks.gateway_report import machine
from benchmarks.resilience_rig import BODY, Answer, Process, Rig, quantile_ms, rig, summary
from deploy.ports import free_port
from gateway.http1_client import Http1Client

RESULTS = places.RESULTS / "gateway"


# Two replicas of 4 places and 50 ms each: 160 requests a second. 70 % of that is 112.
PAIR = {"places": 4, "service_s": 0.05}
RATE = 112.0


async def kill(folder: Path, repeats: int) -> dict[str, Any]:
    """Kill one of two replicas at 70 % load and start it anew two seconds later, repeatedly."""
    async with rig(folder, **PAIR) as running:
        load = asyncio.ensure_future(running.offer(RATE, 6.0 * repeats))
        for number in range(repeats):
            await asyncio.sleep(2)
            victim = running.replicas[number % 2]
            await victim.end()
            await asyncio.sleep(2)
            await victim.start()
            await running.ready(2)
        return {"scenario": f"kill -9 of one of two replicas at 70 % load, {repeats} times",
                **summary(await load)}  # fmt: skip


async def hang(folder: Path, repeats: int) -> dict[str, Any]:
    """Stop one of two replicas with SIGSTOP for eight seconds, repeatedly."""
    async with rig(folder, **PAIR) as running:
        load = asyncio.ensure_future(running.offer(RATE / 2, 14.0 * repeats))
        for number in range(repeats):
            await asyncio.sleep(2)
            victim = running.replicas[number % 2]
            victim.send(signal.SIGSTOP)
            await asyncio.sleep(10)
            victim.send(signal.SIGCONT)
            await running.ready(2)
        return {"scenario": "SIGSTOP of one of two replicas for 10 s, at a load that the other "
                f"can carry, {repeats} times", **summary(await load)}  # fmt: skip


async def outage(folder: Path, _repeats: int) -> dict[str, Any]:
    """Kill all replicas for five seconds; the gateway stays as it is."""
    async with rig(folder, **PAIR) as running:
        pid = running.gateway.child.pid if running.gateway.child else 0
        load = asyncio.ensure_future(running.offer(RATE / 2, 15.0))
        await asyncio.sleep(3)
        for replica in running.replicas:
            await replica.end()
        await asyncio.sleep(5)
        for replica in running.replicas:
            await replica.start()
        answers = await load
        is_same = running.gateway.child is not None and running.gateway.child.pid == pid
        return {"scenario": "all replicas dead for 5 s", "gateway_restarted": not is_same,
                **summary(answers)}  # fmt: skip


async def overload(folder: Path, repeats: int) -> dict[str, Any]:
    """Offer what a service can just carry, then five times as much."""
    seconds, capacity = 20.0 * repeats, 100.0
    service = {"places": 2, "service_s": 0.02, "waiting": 16}
    async with rig(folder, replicas=1, **service) as running:
        peak = await running.offer(capacity, 10.0)
        lively: list[Answer] = []

        async def live() -> None:
            while True:
                lively.append(await running.ask("/livez"))
                await asyncio.sleep(0.1)

        probing = asyncio.ensure_future(live())
        began = time.monotonic()
        answers = await running.offer(5 * capacity, seconds)
        took_s = time.monotonic() - began
        probing.cancel()
        after = await running.offer(capacity / 2, 5.0)
    good = [each for each in answers if each.status == 200]
    refused = [each for each in answers if each.status == 503]
    before_s = max(each.due + each.latency_s for each in peak) - peak[0].due
    peak_rate = sum(each.status == 200 for each in peak) / before_s
    return {
        "scenario": f"5 times what the service can carry, for {seconds:g} s",
        "requests": len(answers),
        "goodput_to_peak": round(len(good) / took_s / peak_rate, 3),
        "other_than_200_and_503": len(answers) - len(good) - len(refused),
        "refusals_without_retry_after": sum(not each.has_advice for each in refused),
        "refusal_p95_ms": quantile_ms(refused, 0.95),
        "accepted_p99_ms": quantile_ms(good, 0.99),
        "livez_p99_ms": quantile_ms(lively, 0.99),
        "livez_failed": sum(each.status != 200 for each in lively),
        "failed_afterwards": sum(each.status != 200 for each in after),
    }


async def upload(folder: Path, repeats: int) -> dict[str, Any]:
    """Send 2 GB to a service that reads slower than the client sends."""
    size, block = 2 * 2**30 * repeats // 3, bytes(2**18)
    async with rig(folder, replicas=1, read_bytes_per_s=120e6) as running:
        assert running.gateway.child is not None
        pid = running.gateway.child.pid
        await running.ask("/v1/echo", BODY)
        before, peak = rss_mb(pid), 0.0

        async def blocks() -> AsyncIterator[bytes]:
            for _ in range(size // len(block)):
                yield block

        sending = asyncio.ensure_future(running.ask("/v1/echo", blocks()))
        while not sending.done():
            peak = max(peak, rss_mb(pid))
            await asyncio.wait([sending], timeout=0.1)
        answer = sending.result()
    return {
        "scenario": f"upload of {size / 2**30:.1f} GiB to a service that takes 120 MB/s",
        "status": answer.status,
        "seconds": round(answer.latency_s, 1),
        "gateway_rss_growth_mib": round(peak - before, 1),
    }


async def slow_heads(folder: Path, _repeats: int) -> dict[str, Any]:
    """A thousand connections that send their heads byte by byte."""
    async with rig(folder, replicas=1, **PAIR) as running:
        assert running.gateway.child is not None
        pid = running.gateway.child.pid
        quiet = await running.offer(40.0, 5.0)
        before = rss_mb(pid)
        slow = [await asyncio.open_connection("127.0.0.1", running.gateway.port)
                for _ in range(1000)]  # fmt: skip

        async def dribble() -> None:
            while True:
                for _, writer in slow:
                    if not writer.transport.is_closing():
                        writer.write(b"X")
                await asyncio.sleep(1)

        dribbling = asyncio.ensure_future(dribble())
        answers = await running.offer(40.0, 15.0)
        grown = rss_mb(pid) - before
        dribbling.cancel()
        closed = sum(writer.transport.is_closing() for _, writer in slow)
        for _, writer in slow:
            writer.transport.abort()
    return {
        "scenario": "1000 connections that send their heads byte by byte",
        "closed_by_the_gateway": closed,
        "p99_to_quiet": round(quantile_ms(answers, 0.99) / quantile_ms(quiet, 0.99), 2),
        "gateway_rss_growth_mib": round(grown, 1),
        **summary(answers),
    }


async def roll(folder: Path, repeats: int) -> dict[str, Any]:
    """Roll a service and roll it back while requests of ten seconds are in flight."""
    from tests.deploy.tree import RunningSupervisor, make_real_tree  # noqa: PLC0415

    def carry_out(*command: str) -> None:
        ended = supervisor.command(*command)
        if ended.returncode:
            raise SystemExit(ended.stderr)

    tree, port = make_real_tree(folder), free_port()
    with RunningSupervisor(tree, port) as supervisor:
        await asyncio.to_thread(supervisor.read_until, "Gantry is ready")
        client = Http1Client(connect_timeout_s=5.0, keepalive_s=2.0)
        running = Rig(Process([], port, {}), [], client)
        answers: list[Answer] = []
        done = asyncio.Event()

        async def keep_asking(sleep_s: float) -> None:
            body = json.dumps({"text": "x", "sleep_s": sleep_s}).encode()
            while not done.is_set():
                answers.append(await running.ask("/v1/fifth", body))

        asking = [asyncio.ensure_future(keep_asking(wait)) for wait in (10.0,) * 4 + (0.05,) * 4]
        for number in range(repeats):
            await asyncio.sleep(2)
            await asyncio.to_thread(carry_out, "roll", "fifth", "--set", f"WORD={number}")
        for _ in range(repeats):
            await asyncio.to_thread(carry_out, "rollback", "fifth")
        done.set()
        await asyncio.gather(*asking)
        await client.close()
    return {"scenario": f"{repeats} rolls and {repeats} rollbacks of a service under constant "
            "traffic, 4 requests of 10 s in flight", **summary(answers)}  # fmt: skip


SCENARIOS: dict[str, Callable[[Path, int], Awaitable[dict[str, Any]]]] = {
    each.__name__: each for each in (kill, hang, outage, overload, upload, slow_heads, roll)
}


def markdown(report: dict[str, Any]) -> str:
    """The report as a page."""
    lines = [
        "# What clients see while things break",
        "",
        f"`make bench-resilience`, {report['date']}. {report['machine']}; load average "
        f"{report['load_average_before']} before, {report['load_average_after']} after.",
    ]
    for found in report["results"]:
        lines += ["", f"## {found['scenario']}", "", "| | |", "|---|---|"]
        lines += [f"| {re.sub('_', ' ', name)} | {value} |"
                  for name, value in found.items() if name != "scenario"]  # fmt: skip
    return "\n".join([*lines, ""])


def main() -> None:
    """Run the scenarios, print and store."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", choices=SCENARIOS, default=list(SCENARIOS))
    parser.add_argument("--repeats", type=int, default=3, help="1 is a quick look")
    arguments = parser.parse_args()
    before, found = os.getloadavg(), []
    for name in arguments.only:
        with tempfile.TemporaryDirectory() as folder:
            found.append(asyncio.run(SCENARIOS[name](Path(folder), arguments.repeats)))
        sys.stdout.write(json.dumps(found[-1], indent=2) + "\n")
    report = {
        "date": time.strftime("%Y-%m-%d"),
        "machine": machine(),
        "load_average_before": round(before[0], 1),
        "load_average_after": round(os.getloadavg()[0], 1),
        "results": found,
    }
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / "resilience.json").write_text(json.dumps(report, indent=2) + "\n")
    (RESULTS / "resilience.md").write_text(markdown(report))


if __name__ == "__main__":
    main()
