"""The real gateway and a service that is one new folder, changed while requests run."""

import os
import re
import signal
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from deploy.ports import free_port
from tests.deploy.tree import PATIENCE_S, RunningSupervisor, make_real_tree

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    tree = make_real_tree(tmp_path_factory.mktemp("tree"))
    (tree / ".gitignore").write_text("var/\nmodels/\n__pycache__/\n")
    commit(tree, "first")
    return tree


@pytest.fixture(scope="module")
def running(tree):
    often = {"GATEWAY_PROBE_INTERVAL_S": "0.1"}
    with RunningSupervisor(tree, free_port(), **often) as supervisor:
        supervisor.read_until("Gantry is ready")
        supervisor.read_until("Documentation of every path")
        yield supervisor


@pytest.fixture(scope="module")
def url(running):
    return running.urls()["gateway"]


def commit(tree, message):
    git = ["git", "-C", str(tree), "-c", "user.name=t", "-c", "user.email=t@example.org"]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "add", "-A"], check=True)
    subprocess.run([*git, "commit", "-q", "-m", message], check=True)


def say(url, text, **fields):
    return httpx.post(f"{url}/v1/fifth", json={"text": text, **fields}, timeout=PATIENCE_S)


def done(running, *arguments):
    ended = running.command(*arguments)
    assert ended.returncode == 0, ended.stderr + ended.stdout
    return ended.stdout


def service(url):
    (service,) = httpx.get(f"{url}/v1/services").json()["services"]
    return service


def duties(url):
    return [replica.get("duty") for replica in service(url)["replicas"]]


class Traffic:
    """Requests, one after the other from each of four clients, until the context ends."""

    def __init__(self, url):
        self._url = url
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._send) for _ in range(4)]
        self.answers = []

    def _send(self):
        with httpx.Client(timeout=PATIENCE_S) as client:
            while not self._stop.is_set():
                answer = client.post(f"{self._url}/v1/fifth", json={"text": "x", "sleep_s": 0.05})
                self.answers.append((answer.status_code, answer.json().get("text")))

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join()


def test_new_service_folder_is_served_through_the_gateway_without_other_edits(url):
    answer = say(url, "world")

    assert answer.json() == {"text": "hello world"}
    assert answer.headers["x-service"] == "fifth"
    assert "/v1/fifth" in httpx.get(f"{url}/openapi.json").json()["paths"]


def test_requests_wait_for_a_killed_service_that_returns_by_itself(running, url):
    os.kill(running.pid_of_unit("services.fifth"), signal.SIGKILL)

    answers = [say(url, "world") for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 200]


def test_scaling_up_and_down_loses_no_request(running, url):
    with Traffic(url) as traffic:
        done(running, "scale", "fifth=3")
        assert len(re.findall("^fifth", done(running, "status"), re.MULTILINE)) == 3
        done(running, "scale", "fifth=1")

    assert {status for status, _ in traffic.answers} == {200}
    assert len(re.findall("^fifth", done(running, "status"), re.MULTILINE)) == 1


def test_roll_and_rollback_of_a_setting_under_traffic_lose_no_request(running, url):
    with Traffic(url) as traffic:
        done(running, "roll", "fifth", "--set", "FIFTH_WORD=salut")
        assert say(url, "world").json() == {"text": "salut world"}
        assert "FIFTH_WORD=salut" in done(running, "status")
        done(running, "rollback", "fifth")

    assert say(url, "world").json() == {"text": "hello world"}
    assert {status for status, _ in traffic.answers} == {200}
    assert {text for _, text in traffic.answers} == {"hello x", "salut x"}


def test_request_in_flight_is_answered_by_the_release_it_began_with(running, url, tmp_path):
    gate = tmp_path / "gate"
    with ThreadPoolExecutor() as threads:
        slow = threads.submit(say, url, "slow", until_there=str(gate))
        while service(url)["in_flight"] == 0:
            pass

        rolled = threads.submit(done, running, "roll", "fifth", "--set", "WORD=salut")
        while "draining" not in duties(url) and not rolled.done():
            pass
        others = say(url, "world").json()
        gate.touch()

    assert slow.result().json() == {"text": "hello slow"}
    assert others == {"text": "salut world"}
    assert "fifth runs release" in rolled.result()
    done(running, "rollback", "fifth")


def test_release_that_fails_its_golden_example_never_takes_a_request(running, url):
    with Traffic(url) as traffic:
        ended = running.command("roll", "fifth", "--set", "GOLDEN=false", "--set", "WORD=bad")

    assert ended.returncode == 1
    assert "fifth serves as before" in ended.stderr
    assert set(traffic.answers) == {(200, "hello x")}
    assert "release" not in done(running, "status")


def test_release_with_a_bad_setting_never_takes_a_request(running, url):
    ended = running.command("roll", "fifth", "--set", "MAX_BATCH_SIZE=many")

    assert ended.returncode == 1
    assert "exit status" in ended.stderr
    assert say(url, "world").json() == {"text": "hello world"}


def test_code_of_another_commit_is_rolled_out_and_back(running, url, tree):
    app = tree / "services/fifth/app.py"
    first = app.read_text()
    app.write_text(first.replace('VERSION = "1.0.0"', 'VERSION = "2.0.0"'))
    commit(tree, "second")
    app.write_text(first)

    done(running, "roll", "fifth", "--version", "HEAD")
    assert say(url, "world").headers["x-service-version"] == "2.0.0"
    done(running, "rollback", "fifth")

    assert say(url, "world").headers["x-service-version"] == "1.0.0"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["scale", "sixth=2"], "there is no service 'sixth'; known are: fifth"),
        (["scale", "fifth=0"], "expected 1 to"),
        (["rollback", "fifth"], "there is nothing to roll back"),
        (["roll", "fifth", "--version", "no-such-branch"], "no such commit here"),
        (["roll", "fifth", "--version", "--upload-pack=x"], "expected one argument"),
        (["drain", "sixth-2"], "there is no replica 'sixth-2'; known are: fifth"),
    ],
)
def test_command_that_makes_no_sense_is_one_sentence(running, arguments, sentence):
    ended = running.command(*arguments)

    assert ended.returncode in (1, 2)
    assert sentence in ended.stderr


def test_drained_replica_gets_no_request_until_that_is_undone(running, url):
    done(running, "scale", "fifth=2")
    names = re.findall("^fifth[-0-9]*", done(running, "status"), re.MULTILINE)

    done(running, "drain", names[0])
    drained = duties(url)
    done(running, "drain", names[0], "--undo")
    done(running, "scale", "fifth=1")

    assert sorted(drained) == ["active", "draining"]


def test_killed_gateway_returns_and_knows_the_replicas_of_now(running, url):
    done(running, "roll", "fifth", "--set", "WORD=salut")

    os.kill(running.pid_of_unit("gateway"), signal.SIGKILL)
    running.read_until("gateway ended: killed by SIGKILL")
    running.read_until("gateway is ready")

    assert say(url, "world").json() == {"text": "salut world"}
    done(running, "rollback", "fifth")
    assert say(url, "world").json() == {"text": "hello world"}
