import shutil
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

SUITE = """
import pytest

@pytest.mark.data
def test_marked():
    pytest.skip("a file is not there")

def test_by_fixture(test_data):
    pass

@pytest.mark.data
@pytest.mark.model
def test_needs_weights_too():
    pytest.skip("no weights")

def test_without_data():
    pytest.skip("another reason")
"""


@pytest.fixture
def suite(pytester, monkeypatch):
    shutil.copy(Path(__file__).resolve().parents[1] / "conftest.py", pytester.path)
    pytester.makeini("[pytest]\nmarkers =\n  data: d\n  model: m\n  debian: n\n")
    pytester.makepyfile(SUITE)
    monkeypatch.delenv("GANTRY_TEST_DATA", raising=False)
    return pytester


def test_tests_without_their_inputs_are_skipped(suite, monkeypatch):
    monkeypatch.delenv("GANTRY_REQUIRE_DATA", raising=False)

    suite.runpytest_inprocess().assert_outcomes(skipped=4)


def test_tests_whose_inputs_are_required_fail_instead_of_being_skipped(suite, monkeypatch):
    monkeypatch.setenv("GANTRY_REQUIRE_DATA", "1")

    suite.runpytest_inprocess().assert_outcomes(failed=1, errors=1, skipped=2)


def test_tests_that_need_a_debian_package_name_what_is_missing(suite):
    suite.makepyfile(
        """
        import pytest

        @pytest.mark.debian("NoSuchFont.ttf")
        def test_generator():
            raise AssertionError("must not run")

        def test_other():
            pass
        """
    )

    outcome = suite.runpytest_inprocess("-rs")

    outcome.assert_outcomes(skipped=1, passed=1)
    outcome.stdout.fnmatch_lines(["*NoSuchFont.ttf not found; `make deps` installs it*"])
