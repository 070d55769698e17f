import numpy as np
import pytest

from services.ocr.engines.ctc import decode

CHARACTERS = ["blank", "a", "b", "ㄱㄴ"]


def rows(*classes, sure=0.9):
    probabilities = np.full((len(classes), len(CHARACTERS)), (1 - sure) / 3, np.float32)
    probabilities[np.arange(len(classes)), classes] = sure
    return probabilities


def test_repeats_collapse_and_blanks_part_equal_characters():
    reading = decode(rows(1, 1, 0, 1, 2, 2, 0), CHARACTERS, used=1.0)

    assert reading.text == "aab"
    assert reading.confidence == pytest.approx(0.9)


def test_positions_are_shares_of_the_line_without_its_padding():
    reading = decode(rows(0, 1, 0, 2, 0, 0, 0, 0), CHARACTERS, used=0.5)

    assert reading.positions == pytest.approx([0.375, 0.875])


def test_nothing_but_blanks_is_no_text():
    reading = decode(rows(0, 0, 0), CHARACTERS, used=1.0)

    assert (reading.text, reading.confidence, len(reading.positions)) == ("", 0.0, 0)


def test_class_of_several_characters_has_a_position_for_each():
    reading = decode(rows(3, 0), CHARACTERS, used=1.0)

    assert reading.text == "ㄱㄴ"
    assert reading.positions == pytest.approx([0.25, 0.25])
