"""Roll-outs during which the gateway goes away: nothing that was started may be left behind."""

from types import SimpleNamespace

import httpx
import pytest

from deploy.errors import DeployError
from deploy.releases import Release
from deploy.rollout import Rollout


class OneServiceSystem:
    """The part of ``System`` that a roll-out uses, with replicas that are records only."""

    admin_url, token = "http://gateway", "t" * 16
    services = {"ocr": SimpleNamespace(prefix="OCR_")}

    def __init__(self):
        self.members, self.launched = [], 0
        self.releases = SimpleNamespace(current=lambda service: Release())

    def replicas(self, service):
        return list(self.members)

    async def launch(self, service, release):
        self.launched += 1
        unit = SimpleNamespace(name=f"ocr-{self.launched}", url=f"http://replica:{self.launched}")
        self.members.append(SimpleNamespace(unit=unit, service=service, release=release))
        return self.members[-1]

    async def retire(self, member):
        self.members.remove(member)

    def tell_gateway(self):
        pass


async def test_replicas_that_cannot_be_registered_are_stopped_again():
    def refuse(request):
        raise httpx.ConnectError("the gateway is away")

    system = OneServiceSystem()
    async with httpx.AsyncClient(transport=httpx.MockTransport(refuse)) as client:
        with pytest.raises(DeployError, match="Nothing was changed"):
            await Rollout(system, client, print).scale("ocr", 2)

    assert (system.launched, system.members) == (1, [])
