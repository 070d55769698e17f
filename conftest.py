"""Fixtures of every test, in ``tests/`` and in the services' own folders."""

import ctypes
import gc
import os
from collections.abc import Generator
from functools import lru_cache
from pathlib import Path

import pytest

from shared.telemetry import forbid_telemetry

forbid_telemetry()  # before any test imports a library that reports home

MAY_SKIP = ("model", "gpu", "docker", "redis")


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """All of Gantry runs on asyncio."""
    return "asyncio"


@pytest.fixture(scope="session")
def test_data() -> Path:
    """Folder of real inputs with their truth; skips the test when GANTRY_TEST_DATA names none."""
    folder = os.environ.get("GANTRY_TEST_DATA")
    if not folder:
        pytest.skip("GANTRY_TEST_DATA is not set")
    return Path(folder)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Look for no garbage while libraries are imported, and for none in what they hold later.

    That stays until the end of the run; to go through it takes a third of a second each time.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip, with the reason, what needs a Debian package that this machine lacks.

    ``@pytest.mark.debian("NanumGothic.ttf", "libespeak-ng.so.1")`` names fonts and libraries that
    ``make deps`` installs; only generators of training data need any.
    """
    needed = {str(name) for mark in item.iter_markers("debian") for name in mark.args}
    missing = sorted(name for name in needed if not is_on_machine(name))
    if missing:
        pytest.skip(f"{', '.join(missing)} not found; `make deps` installs it")


@lru_cache(maxsize=64)
def is_on_machine(name: str) -> bool:
    """Whether a font file or shared library is installed."""
    if ".so" not in name:
        return any(Path("/usr/share/fonts").rglob(name))
    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With GANTRY_REQUIRE_DATA, a test that reads real inputs fails instead of being skipped.

    CI sets it where the inputs are present, so that a skipped check is never taken for a passed
    one. Tests that also need weights or devices that a machine may lack can still skip.
    """
    report = yield
    reads_data = item.get_closest_marker("data") or "test_data" in getattr(item, "fixturenames", ())
    may_skip = any(item.get_closest_marker(mark) for mark in MAY_SKIP)
    is_required = os.environ.get("GANTRY_REQUIRE_DATA") and not hasattr(report, "wasxfail")
    if report.skipped and reads_data and is_required and not may_skip:
        report.outcome = "failed"
        report.longrepr = f"skipped though its inputs are required here: {call.excinfo}"
    return report
