import contextlib
import importlib
import json
import logging
import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace

import psutil
import pytest

from shared.errors import EngineError, InvalidInput, OutOfMemory
from shared.log import LogOptions
from shared.worker import Worker, WorkerDied, WorkerSpec


def create(options):
    """A handler for these tests."""

    def handle(method, arguments):
        if method == "refuse":
            raise InvalidInput("bad field")
        if method == "fault":
            raise RuntimeError("secret")
        if method == "exhaust":
            return len(bytearray(arguments[0]))
        if method == "log":
            logging.getLogger("ultralytics").info("library chatters")
            logging.getLogger("ultralytics").warning("library is alarmed")
            logging.getLogger("ours").info("our own news")
        if method == "hang":
            threading.Event().wait()
        if method == "end":
            os._exit(3)
        if method in ASKED:
            return ASKED[method](*arguments)
        return [method, arguments, options, os.environ.get("GANTRY_TEST")]

    return handle


def can_import(name):
    with contextlib.suppress(ImportError):
        return bool(importlib.import_module(name))
    return False


def counted(last, fails):
    """Yields 1 to ``last``, then returns or raises."""
    yield from range(1, last + 1)
    if fails:
        raise InvalidInput("too far")
    return "counted"


ASKED = {"count": counted, "environ": os.environ.get, "can_import": can_import}

SPEC = WorkerSpec(
    handler="tests.shared.test_worker:create",
    options={"size": 3},
    environ={"GANTRY_TEST": "set"},
    name="test",
)


@pytest.fixture(scope="module")
def worker():
    worker = Worker(SPEC)
    yield worker
    worker.close()


def test_call_is_answered_by_the_handler_with_its_options(worker):
    assert worker.call("add", 1, [2]) == ["add", [1, [2]], {"size": 3}, "set"]


def test_libraries_in_a_child_are_told_not_to_report_home(worker):
    assert worker.call("environ", "ORT_DISABLE_TELEMETRY") == "1"


def test_child_cannot_import_what_openvino_reports_home_with(tmp_path):
    for name in ("openvino_telemetry", "harmless"):
        (tmp_path / f"{name}.py").touch()
    worker = Worker(replace(SPEC, environ={"PYTHONPATH": str(tmp_path)}))
    try:
        assert worker.call("can_import", "harmless")
        assert not worker.call("can_import", "openvino_telemetry")
    finally:
        worker.close()


def test_news_of_a_long_call_come_before_its_answer(worker):
    news = []

    answer = worker.call("count", 3, False, on_news=news.append)

    assert (news, answer) == ([1, 2, 3], "counted")
    assert worker.call("count", 2, False) == "counted"  # nobody need listen


def test_error_after_news_is_raised(worker):
    news = []

    with pytest.raises(InvalidInput, match="too far"):
        worker.call("count", 2, True, on_news=news.append)

    assert news == [1, 2]


@pytest.mark.parametrize(
    ("quiet", "shown"),
    [
        (True, ["library is alarmed", "our own news"]),
        (False, ["library chatters", "library is alarmed", "our own news"]),
    ],
)
def test_child_logs_as_its_parent_was_told(capfd, quiet, shown):
    worker = Worker(replace(SPEC, log=LogOptions(style="json", quiet=quiet)))
    worker.call("log")
    worker.close()

    lines = [json.loads(line)["message"] for line in capfd.readouterr().err.splitlines()]
    assert lines == shown


def test_error_of_the_tree_keeps_its_class(worker):
    with pytest.raises(InvalidInput, match="bad field"):
        worker.call("refuse")


def test_text_of_an_unforeseen_error_stays_in_the_child(worker):
    with pytest.raises(EngineError) as caught:
        worker.call("fault")

    assert "secret" not in caught.value.detail
    assert "RuntimeError" in caught.value.detail


def test_child_that_ends_is_reported_with_its_exit_status():
    worker = Worker(SPEC)

    with pytest.raises(WorkerDied, match="exit status 3"):
        worker.call("end")

    worker.close()


def test_killed_child_wakes_the_call_that_waits_on_it():
    worker = Worker(SPEC)
    worker.call("ready")
    threading.Timer(0, worker.kill).start()

    with pytest.raises(WorkerDied, match="SIGKILL"):
        worker.call("hang")

    worker.close()


def test_memory_beyond_the_limit_fails_that_call_only():
    worker = Worker(WorkerSpec(handler=SPEC.handler, memory_limit_bytes=2**30))

    with pytest.raises(OutOfMemory):
        worker.call("exhaust", 2**31)

    assert worker.call("next")[0] == "next"
    worker.close()


PARENT = """
import sys
from tests.shared.test_worker import SPEC
from shared.worker import Worker
worker = Worker(SPEC)
worker.call("ready")
print(worker.pid, flush=True)
worker.call("hang")
"""


def test_child_ends_when_its_parent_is_killed():
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE) as parent:
        child = psutil.Process(int(parent.stdout.readline()))
        parent.send_signal(signal.SIGKILL)

    child.wait(timeout=20)

    assert not child.is_running()
