"""Compose files: valid, alike for every service, and telling the gateway every address."""

import subprocess
import sys

import pytest
import yaml

from tests.contract.conftest import ROOT, SERVICES

BASE = ROOT / "deploy/compose.yaml"
FRAGMENTS = [service.path / "compose.yaml" for service in SERVICES]
ALL_ALIKE = {
    "read_only": True,
    "tmpfs": ["/tmp"],
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges:true"],
    "restart": "unless-stopped",
    "stop_grace_period": "40s",
}


@pytest.fixture(scope="module")
def fragment(service):
    return yaml.safe_load((service.path / "compose.yaml").read_text())


def test_files_follow_the_compose_specification():
    ended = subprocess.run(
        [
            sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec",
            BASE, *FRAGMENTS,
        ],
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_fragment_adds_its_own_service_alone(fragment, service):
    names = set(fragment["services"])

    assert {"gateway", service.name} <= names <= {"gateway", service.name, f"{service.name}-gpu"}


def test_containers_are_hardened_alike(fragment):
    base = yaml.safe_load(BASE.read_text())["services"]["gateway"]
    containers = [each for name, each in fragment["services"].items() if name != "gateway"]

    for container in [base, *containers]:
        assert {key: container.get(key) for key in ALL_ALIKE} == ALL_ALIKE


def test_every_variant_has_the_services_own_tag(fragment, service):
    tag = f"gantry/{service.name}:${{{service.prefix}TAG:-latest}}"

    for name, container in fragment["services"].items():
        if name == service.name:
            assert container["image"] == tag
        if name == f"{service.name}-gpu":
            assert container["image"] == f"{tag}-gpu"
            assert container["networks"]["default"]["aliases"] == [service.name]
            assert container["profiles"] == ["gpu"]
            assert fragment["services"][service.name]["profiles"] == ["cpu"]


def test_variants_are_built_by_the_one_dockerfile_and_share_their_settings(
    fragment, service, has_engine
):
    own = {"HOST": "0.0.0.0", "INTERNAL_TOKEN": "${GANTRY_INTERNAL_TOKEN}"}
    if has_engine:
        own["MODELS_DIR"] = "/models"
    else:
        own["GATEWAY_URL"] = "http://gateway:8080"

    for name, container in fragment["services"].items():
        if name == "gateway":
            continue
        assert container["build"]["context"] == "."
        assert container["build"]["dockerfile"] == "deploy/Dockerfile"
        assert container["build"]["args"]["SERVICE"] == service.name
        for key, value in own.items():
            assert container["environment"][service.prefix + key] == value
        models = ["${GANTRY_MODELS:-models}:/models:ro"] if has_engine else []
        assert container.get("volumes", [])[:1] == models


def test_what_a_service_keeps_lies_in_a_volume_of_its_own(fragment, service):
    """The image makes the folder, so that the volume belongs to the user of the process."""
    for name, container in fragment["services"].items():
        kept = container.get("volumes", [])[1:]
        assert kept in ([], [f"{service.name}-state:/var/lib/gantry"]), name
        if kept:
            assert f"{service.name}-state" in fragment["volumes"]
            assert "/var/lib/gantry" in (ROOT / "deploy/Dockerfile").read_text()


def test_gateway_is_told_the_address_of_every_replica(fragment, service):
    told = fragment["services"]["gateway"]["environment"]

    assert told == {f"GATEWAY_UPSTREAMS__{service.prefix[:-1]}": f"dns://{service.name}:8000"}
