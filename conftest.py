"""Fixtures of every test, in ``tests/`` and in the services' own folders."""

import os
from pathlib import Path

import pytest


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
