import pytest

from shared.known_heads import LONGEST_KNOWN, MOST_KNOWN, KnownHeads

HEAD = b"POST /x HTTP/1.1\r\nhost: x\r\n\r\n"


@pytest.fixture
def known():
    heads = KnownHeads()
    heads.learn(HEAD + b"abc", 3, "meaning")
    return heads


def test_known_head_is_found_with_its_body(known):
    assert known.find(HEAD + b"xyz") == ("meaning", b"xyz")


@pytest.mark.parametrize(
    "seen",
    [b"", HEAD, HEAD + b"ab", HEAD + b"abcd", HEAD + HEAD, HEAD[:-1], b"x" + HEAD + b"abc"],
    ids=repr,
)
def test_anything_else_is_not_found(known, seen):
    assert known.find(seen) is None


@pytest.mark.parametrize(
    ("seen", "body_bytes"),
    [
        (HEAD + b"3\r\nabc\r\n0\r\n\r\n", 3),  # in chunks
        (HEAD + b"abc" + HEAD, 3),  # one of several
        (HEAD + b"ab", 3),  # the rest came later
        (b"x" * LONGEST_KNOWN + HEAD + b"abc", 3),
    ],
)
def test_head_that_does_not_tell_all_is_not_learnt(seen, body_bytes):
    heads = KnownHeads()
    heads.learn(seen, body_bytes, "meaning")

    assert heads.find(seen) is None
    assert heads.find(HEAD + b"abc") is None


def test_number_of_known_heads_is_bounded(known):
    for number in range(3 * MOST_KNOWN):
        known.learn(b"GET /%d HTTP/1.1\r\n\r\n" % number, 0, number)

    assert len(known._known) <= MOST_KNOWN
