import numpy as np
import pytest

from services.ocr.readings import Reading
from services.ocr.tests.conftest import box
from services.ocr.words import split_words

EVEN = np.array([0.05, 0.15, 0.25, 0.35, 0.45, 0.55, 0.65, 0.75, 0.85, 0.95], np.float32)


def test_words_lie_where_their_characters_were_seen():
    words = split_words(Reading("abcd fghij", 0.9, EVEN), box(100, 50, 200, 20))

    assert [word.text for word in words] == ["abcd", "fghij"]
    assert words[0].polygon == pytest.approx(box(100, 50, 80, 20), abs=0.1)
    assert words[1].polygon == pytest.approx(box(200, 50, 100, 20), abs=0.1)


def test_words_of_a_turned_line_stay_on_the_line():
    line = np.roll(box(0, 0, 20, 200), 1, axis=0)  # runs up the page, from the bottom

    first, last = split_words(Reading("abcd fghij", 0.9, EVEN), line)

    assert first.polygon[0] == pytest.approx([0, 200], abs=0.1)
    assert last.polygon[1] == pytest.approx([0, 0], abs=0.1)


def test_single_character_takes_the_whole_line():
    (word,) = split_words(Reading("A", 0.9, np.array([0.5], np.float32)), box(0, 0, 10, 10))

    assert word.polygon == pytest.approx(box(0, 0, 10, 10))


def test_leading_and_repeated_spaces_make_no_words():
    reading = Reading("  a  b", 0.9, np.linspace(0.1, 0.9, 6, dtype=np.float32))

    assert [word.text for word in split_words(reading, box(0, 0, 60, 10))] == ["a", "b"]


def test_no_text_has_no_words():
    assert split_words(Reading("", 0.0, np.zeros(0, np.float32)), box(0, 0, 9, 9)) == []
