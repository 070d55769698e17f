"""No text makes the parser fail, hang or invent."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.drawings.grammar import (
    Dimension,
    GeneralTolerance,
    PlacedText,
    Reading,
    Unread,
    read,
    read_frame,
    read_title_block,
    resolve,
)
from services.drawings.grammar import scanner as scanner_module
from services.drawings.grammar.characters import MAX_CHARACTERS, spell
from shared.gdt_signs import SIGNS

NASTY = [
    *SIGNS, *"0123456789.,±+-/|()[]xX×°'\"~:=#\n\r\t RMCGSTtHhgDP", "↧", "⌴", "⌵", "□", "√",
    "Ⓜ", "Ⓟ", "0.", "25", "00", "%%c", "+/-", "THRU", "DEEP", "PCD", "MAX", "REF", "UNC", "깊이",
    "관통", "\u0301", "\u0336", "\u200b", "\u202e", "\ufeff", "\u3000", "\x00", "\x85",
    "\U0001f600", "２", "²", "½", "٣", "Ⅷ", "İ", "ß", "ﬁ", "ⅿ", "㎜", "\ufe0e",
]  # fmt: skip

nasty_texts = st.one_of(
    st.text(max_size=60),
    st.lists(st.sampled_from(NASTY), max_size=30).map("".join),
)
GENERAL = GeneralTolerance("ISO 2768-mK", "ISO 2768", "m", "K")


@settings(max_examples=400, deadline=None)
@given(text=nasty_texts, is_framed=st.booleans())
def test_any_text_is_read_or_refused(text, is_framed):
    found = read(text, is_framed=is_framed)

    assert isinstance(found, Reading)
    assert found.text == text
    if isinstance(found, Unread):
        assert found.reason
    if isinstance(found, Dimension):
        check_sense(resolve(found, GENERAL))


def check_sense(dimension):
    upper, lower = dimension.upper_limit, dimension.lower_limit
    if upper is not None and lower is not None:
        assert upper.value > lower.value
    assert (dimension.upper is None) == (dimension.lower is None)
    has_tolerance = dimension.tolerance_source != "none"
    assert has_tolerance or (upper is None and lower is None and dimension.upper is None)


@settings(max_examples=200, deadline=None)
@given(st.lists(nasty_texts, max_size=6))
def test_any_compartments_are_read_or_refused(cells):
    assert read_frame(cells).text == "|".join(cells)


coordinates = st.floats(allow_nan=False, allow_infinity=False, min_value=-1e6, max_value=1e6)
labels = st.sampled_from(
    ["재질", "SCALE", "REV", "DWG NO.", "TOLERANCE", "TITLE", "1:2", "S45C", "A"]
)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.builds(
            PlacedText,
            st.one_of(labels, nasty_texts),
            st.tuples(coordinates, coordinates, coordinates, coordinates),
        ),
        max_size=12,
    )
)
def test_any_placed_texts_give_a_title_block(texts):
    block = read_title_block(texts)

    assert all(field.text.strip() for field in block.present.values())


@settings(max_examples=100, deadline=None)
@given(nasty_texts)
def test_spelling_keeps_the_place_of_every_character(text):
    found = spell(text)

    assert len(found.origin) == len(found.text) + 1
    assert list(found.origin) == sorted(found.origin)
    assert spell(found.printed(0, len(found.text))).text.strip() == found.text.strip()


@settings(max_examples=100, deadline=None)
@given(nasty_texts)
def test_spelling_twice_changes_nothing(text):
    once = spell(text).text

    assert spell(once).text == once


LONG = [
    "9" * 100_000,
    "9," * 50_000,
    "9.9 " * 25_000,
    " " * 100_000,
    "(" * 100_000,
    "⌴5" * 50_000,
    "⌖|" * 50_000,
    "25\n" * 33_000,
    "x9" * 50_000,
    "EQ " * 33_000,
    "a" * 100_000,
    "4x" * 50_000,
    "+0.1" * 25_000,
]


@pytest.mark.parametrize("text", LONG, ids=lambda text: text[:6])
def test_long_text_is_refused_unread(text):
    found = read(text)

    assert isinstance(found, Unread)
    assert str(MAX_CHARACTERS) in found.reason
    assert isinstance(read_frame([text]), Unread)
    assert read_title_block([PlacedText(text, (0, 0, 1, 1))]).present == {}


@pytest.mark.parametrize("text", LONG, ids=lambda text: text[:6])
def test_work_on_the_longest_callout_is_bounded(text, monkeypatch):
    steps = 0
    peek = scanner_module.Scanner.peek

    def counted(self, pattern):
        nonlocal steps
        steps += 1
        return peek(self, pattern)

    monkeypatch.setattr(scanner_module.Scanner, "peek", counted)

    read(text[:MAX_CHARACTERS])

    assert steps <= 100 * MAX_CHARACTERS
