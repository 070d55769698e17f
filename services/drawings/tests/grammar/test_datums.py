import pytest

from services.drawings.grammar import read
from services.drawings.tests.grammar.telling import tell


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[A]", "datum A"),
        ("-A-", "datum A"),
        ("▲ B", "unread"),
        ("⌀550\nA3", "datum A3 of 550"),
        ("⌀550/A3", "datum A3 of 550"),
        ("⌀550 A3", "datum A3 of 550"),
        ("⌀550 A11", "diameter 550 A11 fit"),
        ("⌀25\nH7", "diameter 25 H7 fit"),
        ("⌀10\nC1", "unread"),
        ("[I]", "unread"),
        ("[AB]", "unread"),
        ("A1", "unread"),
    ],
)
def test_datum_needs_its_frame(text, expected):
    assert tell(read(text)) == expected


def test_letter_with_a_frame_drawn_around_it_is_a_datum():
    assert tell(read("A", is_framed=True)) == "datum A"
    assert tell(read("A")) == "unread"
    assert tell(read("O", is_framed=True)) == "unread"
