import random
import re

import pytest

from services.whisper.demo.grammar import is_held_out, say_integer, sentence, vocabulary


@pytest.mark.parametrize(
    ("value", "spoken"),
    [
        (0, "zero"),
        (15, "fifteen"),
        (40, "forty"),
        (99, "ninety nine"),
        (342, "three hundred and forty two"),
        (1007, "one thousand and seven"),
        (20_300, "twenty thousand three hundred"),
    ],
)
def test_numbers_are_spelled_as_they_are_spoken(value, spoken):
    assert say_integer(value) == spoken


def test_numbers_out_of_range_are_refused():
    with pytest.raises(ValueError, match="0 to 999999"):
        say_integer(1_000_000)


def test_sentences_have_no_open_slot_and_end_with_punctuation():
    rng = random.Random(3)

    sentences = [sentence(rng) for _ in range(500)]

    assert all(re.fullmatch(r"[A-Z][A-Za-z' ,]*[.?]", text) for text in sentences)


def test_every_spoken_word_is_in_the_vocabulary():
    rng, known = random.Random(4), set(vocabulary())

    spoken = {word for _ in range(500) for word in re.findall(r"[a-z']+", sentence(rng).lower())}

    assert spoken <= known


def test_the_same_seed_says_the_same():
    assert [sentence(random.Random(9)) for _ in range(3)] == [
        sentence(random.Random(9)) for _ in range(3)
    ]


def test_held_out_side_does_not_depend_on_case_or_punctuation():
    rng = random.Random(5)

    for text in (sentence(rng) for _ in range(200)):
        assert is_held_out(text) == is_held_out(text.upper().rstrip(".?"))


def test_about_one_sentence_in_twenty_is_held_out():
    rng = random.Random(6)
    distinct = {sentence(rng) for _ in range(4000)}

    share = sum(map(is_held_out, distinct)) / len(distinct)

    assert 0.03 < share < 0.07
