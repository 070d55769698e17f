import pytest

from shared.errors import InvalidInput, PayloadTooLarge
from shared.page_ranges import parse_pages


@pytest.mark.parametrize(
    ("text", "pages"),
    [
        (None, [1, 2, 3, 4, 5, 6, 7]),
        ("2", [2]),
        ("1-3,7", [1, 2, 3, 7]),
        ("7, 1-2", [1, 2, 7]),
        ("5-", [5, 6, 7]),
        ("2-3,3-4", [2, 3, 4]),
    ],
)
def test_lists_of_pages_are_read(text, pages):
    assert parse_pages(text, 7, 100) == pages


@pytest.mark.parametrize("text", ["", "a", "1-2-3", "0", "8", "3-1", "1,,2", "-3", "9999999"])
def test_wrong_lists_are_refused_by_name(text):
    with pytest.raises(InvalidInput) as caught:
        parse_pages(text, 7, 100)

    assert caught.value.faults[0].loc == "pages"


def test_more_pages_than_the_limit_are_refused():
    with pytest.raises(PayloadTooLarge, match="limit is 3"):
        parse_pages(None, 4, 3)


def test_few_pages_of_a_long_document_are_within_the_limit():
    assert parse_pages("900-902", 1000, 3) == [900, 901, 902]
