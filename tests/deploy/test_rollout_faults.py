"""Roll-outs during which the gateway goes away: one release runs afterwards, and it is served."""

import asyncio
from types import SimpleNamespace

import httpx
import pytest

from deploy.commands import Commands
from deploy.errors import DeployError
from deploy.releases import Release, Releases
from deploy.rollout import Rollout
from tests.shared.virtual_time import simulate

HOUR_S = 3600.0
ROLL = {"command": "roll", "service": "ocr", "settings": {"WORD": "salut"}}
SCALE = {"command": "scale", "counts": {"ocr": 2}}  # as many as there are


class Replica(SimpleNamespace):
    """A replica that is ready at once."""

    health = SimpleNamespace(is_settled=True, is_ready=True)
    instance = SimpleNamespace(trouble=None, starts=1)

    async def refresh(self, client):
        pass


class OneServiceSystem:
    """The part of ``System`` that a roll-out uses, with replicas that are records only."""

    admin_url, token = "http://gateway", "t" * 16
    services = {"ocr": SimpleNamespace(prefix="OCR_")}

    def __init__(self, folder):
        self.members, self.launched = [], 0
        self.releases = Releases(folder / "releases.json")

    def replicas(self, service):
        return list(self.members)

    async def launch(self, service, release):
        self.launched += 1
        unit = SimpleNamespace(
            name=f"ocr-{self.launched}", url=f"http://127.0.0.1:{8000 + self.launched}"
        )
        self.members.append(Replica(unit=unit, service=service, release=release))
        return self.members[-1]

    async def retire(self, member):
        self.members.remove(member)

    def tell_gateway(self):
        pass


class AdminListener:
    """The gateway's admin API: replicas and weights of one service, as a dictionary."""

    def __init__(self, loop):
        self.loop = loop
        self.replicas, self.weights = {}, {"old": 1.0}
        self.requests, self.away_from, self.away_s = 0, None, 0.0
        self._back_at, self.loses = None, "request"

    def add(self, url, duty):
        number = url.rpartition(":")[2]
        version = "old" if number in {"8001", "8002"} else "new"
        self.replicas[number] = {"id": number, "url": url, "state": "ready", "version": version,
                                 "duty": duty}  # fmt: skip
        return self.replicas[number]

    def __call__(self, request):
        self.requests += 1
        if self.requests == self.away_from:
            self._back_at = self.loop.time() + self.away_s
            if self.loses == "answer":
                self._answer(request)
        if self._back_at is not None and self.loop.time() < self._back_at:
            raise httpx.ConnectError("the gateway is away")
        return httpx.Response(200, json=self._answer(request))

    def _answer(self, request):
        body = httpx.Response(200, content=request.content or b"{}").json()
        match request.method, request.url.path.removeprefix("/admin/services").split("/")[1:]:
            case "GET", []:
                return [{"name": "ocr"}]
            case "GET", ["ocr"]:
                return {"replicas": list(self.replicas.values()), "weights": self.weights}
            case "POST", ["ocr", "replicas"]:
                return self.add(body["url"], body["duty"])
            case "GET", ["ocr", "replicas", number]:
                return self.replicas[number]
            case "DELETE", ["ocr", "replicas", number]:
                return self.replicas.pop(number)
            case "POST", ["ocr", "replicas", number, action]:
                self.replicas[number]["duty"] = {"activate": "active", "drain": "draining"}[action]
                return self.replicas[number]
            case "PUT", ["ocr", "weights"]:
                self.weights = body
                return {}
            case other:
                raise AssertionError(other)


async def rolled(loop, folder, *, away_from, away_s, loses="request"):
    """Roll out a release of two replicas; the gateway goes away at its ``away_from``-th request."""
    system, gateway = OneServiceSystem(folder), AdminListener(loop)
    for _ in range(2):
        member = await system.launch("ocr", Release())
        gateway.add(member.unit.url, "active")
    gateway.away_from, gateway.away_s, gateway.loses = away_from, away_s, loses
    told = []
    async with httpx.AsyncClient(transport=httpx.MockTransport(gateway)) as client:
        commands = Commands(system, client)
        try:
            await commands.carry_out(ROLL, told.append)
        except DeployError as error:
            told.append(str(error))
    return system, gateway, told


def requests_of_a_roll(folder):
    return simulate(lambda loop: rolled(loop, folder, away_from=None, away_s=0))[1].requests


@pytest.mark.parametrize("away_s", [3.0, 10 * HOUR_S])
@pytest.mark.parametrize("loses", ["request", "answer"])
def test_one_release_runs_wherever_in_a_roll_out_the_gateway_goes_away(tmp_path, away_s, loses):
    steps = requests_of_a_roll(tmp_path / "whole")
    for step in range(1, steps + 1):
        folder = tmp_path / str(step)
        system, _, told = simulate(
            lambda loop, n=step, f=folder: rolled(loop, f, away_from=n, away_s=away_s, loses=loses)
        )

        assert [each.release for each in system.members] == 2 * [system.releases.current("ocr")]
        assert any("gateway" in line for line in told)
    assert steps > 10


@pytest.mark.parametrize("loses", ["request", "answer"])
def test_gateway_that_returns_gives_all_requests_to_the_release_that_runs(tmp_path, loses):
    for step in range(1, requests_of_a_roll(tmp_path / "whole") + 1):
        folder = tmp_path / str(step)
        system, gateway, _ = simulate(
            lambda loop, n=step, f=folder: rolled(loop, f, away_from=n, away_s=3.0, loses=loses)
        )

        urls = {each.unit.url for each in system.members}
        served = [each for each in gateway.replicas.values() if each["duty"] == "active"]
        assert urls <= {each["url"] for each in served}, step
        assert gateway.weights == {gateway.replicas[url[-4:]]["version"]: 1.0 for url in urls}


@pytest.mark.parametrize("loses", ["request", "answer"])
def test_next_command_has_the_gateway_know_what_was_changed_while_it_was_away(tmp_path, loses):
    async def main(loop, folder, step):
        system, gateway, _ = await rolled(
            loop, folder, away_from=step, away_s=10 * HOUR_S, loses=loses
        )
        await asyncio.sleep(10 * HOUR_S)
        async with httpx.AsyncClient(transport=httpx.MockTransport(gateway)) as client:
            await Commands(system, client).carry_out(SCALE, print)
        return system, gateway

    for step in range(1, requests_of_a_roll(tmp_path / "whole") + 1):
        folder = tmp_path / str(step)
        system, gateway = simulate(lambda loop, n=step, f=folder: main(loop, f, n))

        urls = {each.unit.url for each in system.members}
        assert {each["url"]: each["duty"] for each in gateway.replicas.values()} == dict.fromkeys(
            urls, "active"
        )
        assert gateway.weights == {gateway.replicas[url[-4:]]["version"]: 1.0 for url in urls}


async def test_replicas_that_cannot_be_registered_are_stopped_again(tmp_path):
    def refuse(request):
        raise httpx.ConnectError("the gateway is away")

    system = OneServiceSystem(tmp_path)
    async with httpx.AsyncClient(transport=httpx.MockTransport(refuse)) as client:
        with pytest.raises(DeployError, match="Nothing was changed"):
            await Rollout(system, client, print).scale("ocr", 2)

    assert (system.launched, system.members) == (1, [])
