import numpy as np

from services.ocr.choice import Candidate, best_candidate
from services.ocr.readings import Reading
from services.ocr.tests.conftest import box


def candidate(name, text, confidence):
    return Candidate(name, box(0, 0, 10, 10), Reading(text, confidence, np.zeros(len(text))))


def chosen(languages, *candidates):
    return best_candidate(candidates, languages).recogniser


def test_higher_confidence_wins():
    assert chosen({"en", "ko"}, candidate("a", "Cat", 0.7), candidate("b", "Cot", 0.8)) == "b"


def test_equal_candidates_go_to_the_first():
    assert chosen({"en"}, candidate("a", "Cat", 0.9), candidate("b", "Cat", 0.9)) == "a"


def test_scripts_that_nobody_asked_for_count_against_a_reading():
    korean = candidate("korean", "도면 검사", 0.75)
    garbage = candidate("latin", "仨比名召", 0.85)

    assert chosen({"en", "ko"}, garbage, korean) == "korean"
    assert chosen({"zh", "ko"}, garbage, korean) == "latin"


def test_digits_and_signs_are_of_no_script():
    assert chosen({"en"}, candidate("a", "±0.05", 0.9), candidate("b", "0.05", 0.8)) == "a"


def test_signs_alone_lose_to_letters_that_are_nearly_as_sure():
    signs, korean = candidate("latin", "，，", 0.84), candidate("korean", "수입자, 주소", 0.8)

    assert chosen({"en", "ko"}, signs, korean) == "korean"


def test_empty_text_never_wins_over_text():
    assert chosen({"en"}, candidate("a", " ", 0.99), candidate("b", "x", 0.3)) == "b"
