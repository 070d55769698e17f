import pytest

from services.ocr.languages import Recogniser, choose_recognisers
from shared.errors import InvalidInput

LATIN = Recogniser("latin", frozenset({"en", "de"}))
KOREAN = Recogniser("korean", frozenset({"ko"}))
DEMO = Recogniser("demo-ko", frozenset({"ko"}), demo=True)
OFFERED = {"en": "latin", "de": "latin", "ko": "korean"}


def test_no_language_takes_all_real_recognisers_but_no_demo():
    choice = choose_recognisers([], [LATIN, KOREAN, DEMO], OFFERED)

    assert choice.recognisers == ("latin", "korean")
    assert choice.warnings == ()


def test_each_language_takes_the_recogniser_that_knows_it():
    assert choose_recognisers(["ko"], [LATIN, KOREAN], OFFERED).recognisers == ("korean",)
    assert choose_recognisers(["ko", "en"], [LATIN, KOREAN], OFFERED).recognisers == (
        "latin",
        "korean",
    )


def test_two_languages_of_one_recogniser_take_it_once():
    assert choose_recognisers(["en", "de"], [LATIN], OFFERED).recognisers == ("latin",)


def test_a_language_whose_model_is_not_installed_is_named_with_the_command():
    choice = choose_recognisers(["ko"], [LATIN], OFFERED)

    assert choice.recognisers == ("latin",)
    assert choice.languages == frozenset()
    (warning,) = choice.warnings
    assert "install korean" in warning
    assert "make models MODEL=ocr/korean" in warning


def test_demo_recogniser_is_used_when_asked_for_and_named_as_what_it_is():
    choice = choose_recognisers(["ko"], [LATIN, DEMO], OFFERED)

    assert choice.recognisers == ("demo-ko",)
    assert "demo-ko is a small demo model" in choice.warnings[0]


def test_real_recogniser_is_preferred_to_a_demo_one():
    assert choose_recognisers(["ko"], [DEMO, KOREAN], OFFERED).recognisers == ("korean",)


def test_names_and_regions_are_understood():
    choice = choose_recognisers(["Korean", "en-US"], [LATIN, KOREAN], OFFERED)

    assert choice.languages == {"ko", "en"}


def test_a_language_that_no_model_knows_is_refused_with_those_that_are():
    with pytest.raises(InvalidInput, match="known are de, en, ko") as caught:
        choose_recognisers(["tlh"], [LATIN], OFFERED)

    assert caught.value.faults[0].loc == "languages"
