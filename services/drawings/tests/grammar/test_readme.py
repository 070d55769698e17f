import re
from pathlib import Path

import pytest

from services.drawings.grammar import Unread, read, read_general_tolerance, resolve
from services.drawings.tests.grammar.telling import tell

README = (Path(__file__).parents[2] / "grammar" / "README.md").read_text("utf-8")
READ, NOT_READ = README.split("## What is not")
ROW = re.compile(r"^\| `(.*?)` \| (.*?) \|$", re.MULTILINE)


def rows(text):
    plain = [[cell.replace(r"\|", "|") for cell in row] for row in ROW.findall(text)]
    return [(source.replace(r"\n", "\n"), said) for source, said in plain]


@pytest.mark.parametrize(("text", "expected"), rows(READ))
def test_example_is_read_as_documented(text, expected):
    assert tell(read(text)) == expected


@pytest.mark.parametrize(("text", "reason"), rows(NOT_READ))
def test_example_is_refused_as_documented(text, reason):
    found = read(text)

    assert isinstance(found, Unread)
    assert reason in found.reason


def test_first_example_gives_what_it_says():
    dimension = resolve(read("4×⌀6.6 H13 THRU"), read_general_tolerance("ISO 2768-mK"))

    assert (dimension.count, dimension.fit.text) == (4, "H13")
    assert dimension.upper_limit.value == 6.82


def test_tables_of_examples_are_found():
    assert len(rows(READ)) > 20
    assert len(rows(NOT_READ)) > 15
