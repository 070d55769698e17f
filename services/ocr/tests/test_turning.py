import numpy as np
import pytest

from services.ocr.choice import Candidate
from services.ocr.readings import Reading
from services.ocr.tests.conftest import box
from services.ocr.turning import believed, is_upside_down, lines_to_try, turn

EN = frozenset({"en"})


def line(text, confidence, *, width=200, row=0):
    reading = Reading(text, confidence, np.linspace(0, 1, len(text), dtype=np.float32))
    return Candidate("latin", box(0, 40 * row, width, 30), reading)


def test_sure_lines_are_not_read_twice():
    assert lines_to_try([line("Flatness", 0.97), line("0.05 mm", 0.92)], EN) == []


def test_longest_doubtful_lines_are_tried_within_a_bound():
    page = [line("word", 0.5, width=50 + n) for n in range(200)]

    tried = lines_to_try(page, EN)

    assert tried == list(range(199, 183, -1))
    assert len(lines_to_try(page[:40], EN)) == 10
    assert len(lines_to_try(page[:6], EN)) == 4


def test_page_is_on_its_head_when_most_of_it_reads_better_turned():
    page = [line("sht s s", 0.6), line("Moss set", 0.7), line("CHE", 0.95, width=60)]
    turned = {0: line("shot type", 0.99), 1: line("MovieShots", 0.98)}

    assert is_upside_down(page, turned, EN)


def test_one_stamp_on_its_head_does_not_turn_the_page():
    page = [line("Flatness", 0.98), line("Position", 0.99), line("pa^oddv", 0.5)]

    assert not is_upside_down(page, {2: line("Approved", 0.99)}, EN)


def test_noise_that_reads_no_better_turned_is_left():
    page = [line("jkq", 0.4), line("wvx", 0.5)]

    assert not is_upside_down(page, {0: line("bxl", 0.3), 1: line("xnm", 0.45)}, EN)


@pytest.mark.parametrize(
    ("lying", "turned", "expected"),
    [
        (("pa^oddv", 0.5), ("Approved", 0.95), "Approved"),
        (("φ", 0.45), ("φ", 0.99), "φ"),  # a sign that looks alike either way stays
        (("JADON", 0.48), ("MEONE", 0.67), "JADON"),  # neither is sure
        (("SOS", 0.85), ("SOS", 0.93), "SOS"),
    ],
)
def test_line_alone_is_turned_only_when_that_is_clearly_better(lying, turned, expected):
    kept = believed(line(*lying), line(*turned, row=1), EN, on_its_head=False)

    assert kept.reading.text == expected
    assert (kept.polygon[0, 1] == 40) == (expected == "Approved")


def test_on_a_page_on_its_head_lines_that_look_alike_are_turned():
    lying, turned = line("CHE", 0.97), line("CHE", 0.95, row=1)

    assert believed(lying, turned, EN, on_its_head=True) is turned
    assert believed(line("HRC", 0.95), line("OZH", 0.5), EN, on_its_head=True).reading.text == "HRC"


def test_turned_box_begins_in_the_opposite_corner():
    np.testing.assert_array_equal(turn(box(0, 0, 10, 4))[0], [10, 4])
