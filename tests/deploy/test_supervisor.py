import os
import re
import signal
import socket
from contextlib import contextmanager

import httpx
import pytest

from deploy.ports import free_port
from tests.deploy.tree import RunningSupervisor, make_tree, pid_of, wait_for_end

NOTHING_THERE = "the model toy is not installed; run `make models MODEL=beta/toy`"


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    tree = make_tree(tmp_path_factory.mktemp("tree"), alpha=True, beta=NOTHING_THERE)
    settings = "class Settings:\n    gateway_url: str = ''\n"
    (tree / "services/beta/settings.py").write_text(settings)
    return tree


@contextmanager
def started(tree):
    with RunningSupervisor(tree, free_port()) as supervisor:
        supervisor.read_until("A first request")
        supervisor.read_until("curl")
        yield supervisor


@pytest.fixture(scope="module")
def running(tree):
    """A system that the tests leave running."""
    with started(tree) as supervisor:
        yield supervisor


def test_table_names_addresses_what_is_missing_and_a_first_request(running):
    shown = "".join(running.lines)
    urls = running.urls()

    assert set(urls) == {"gateway", "alpha", "beta"}
    assert "1 of 3 are not ready" in shown
    assert NOTHING_THERE in shown
    assert f"curl -F file=@YOUR_FILE {urls['gateway']}/v1/alpha" in shown


def test_gateway_is_told_where_the_services_are(running):
    urls = running.urls()
    environ = httpx.get(f"{urls['gateway']}/environ").json()

    assert environ["GATEWAY_UPSTREAMS__ALPHA"] == urls["alpha"]
    assert environ["GATEWAY_UPSTREAMS__BETA"] == urls["beta"]


def test_service_that_calls_others_is_told_where_the_gateway_is(running):
    urls = running.urls()
    alpha, beta, gateway = (
        httpx.get(f"{urls[name]}/environ").json() for name in ("alpha", "beta", "gateway")
    )

    assert beta["BETA_GATEWAY_URL"] == urls["gateway"]
    assert beta["BETA_INTERNAL_TOKEN"] == gateway["GATEWAY_INTERNAL_TOKEN"]
    assert "ALPHA_GATEWAY_URL" not in alpha


def test_status_reports_the_running_system(running):
    answer = running.command("status")

    assert answer.returncode == 2, answer.stderr
    assert "not ready" in answer.stdout
    assert NOTHING_THERE in answer.stdout


def test_service_is_ready_only_once_the_gateway_sees_it_so(running, tree):
    (tree / "var/blind").touch()
    try:
        blind = running.command("status").stdout
    finally:
        (tree / "var/blind").unlink()
    seeing = running.command("status").stdout

    assert re.search(r"alpha .* starting", blind)
    assert re.search(r"alpha .* ready ", seeing)


def test_status_without_a_system_says_so(running):
    answer = running.command("status", GATEWAY_PORT="1")

    assert answer.returncode == 1
    assert "no system with its gateway on port 1 runs here" in answer.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_process_outlives_the_supervisor(tree, number):
    with started(tree) as ending:
        pidfds = [os.pidfd_open(pid_of(url)) for url in ending.urls().values()]

        ending.process.send_signal(number)

        assert all(wait_for_end(pidfd) for pidfd in pidfds)
        if number != signal.SIGKILL:
            ending.read_until("Gantry has ended")
            assert ending.process.wait() == 0
    for pidfd in pidfds:
        os.close(pidfd)


def test_killed_service_returns_at_its_address_and_others_are_not_touched(running):
    urls = running.urls()
    alpha, gateway = pid_of(urls["alpha"]), pid_of(urls["gateway"])

    os.kill(alpha, signal.SIGKILL)
    running.read_until("alpha ended: killed by SIGKILL")
    running.read_until("alpha is ready")

    assert pid_of(urls["alpha"]) != alpha
    assert pid_of(urls["gateway"]) == gateway


def test_port_in_use_is_one_clear_sentence(tree):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with RunningSupervisor(tree, port) as supervisor:
            supervisor.read_until(f"port {port} of 127.0.0.1 is in use")

            assert supervisor.process.wait() == 1


def test_malformed_port_is_refused(tree):
    with RunningSupervisor(tree, 8080, GATEWAY_PORT="80a") as supervisor:
        supervisor.read_until("GATEWAY_PORT is '80a'")

        assert supervisor.process.wait() == 1
