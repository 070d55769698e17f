"""Heads of requests that were understood before, found again by their bytes.

A client that keeps its connection sends the same head again and again; to parse and check it each
time would cost as much as to decode a small body.
"""

from typing import Generic, TypeVar

MOST_KNOWN = 256  # heads
LONGEST_KNOWN = 1024  # bytes of a head

Meaning = TypeVar("Meaning")


class KnownHeads(Generic[Meaning]):
    """What heads mean; the body that follows one has the same length each time."""

    def __init__(self) -> None:
        """Know none yet."""
        self._known: dict[bytes, tuple[int, Meaning]] = {}  # length of the body, and the meaning

    def find(self, seen: bytes) -> tuple[Meaning, bytes] | None:
        """The meaning of a known head and its body, if ``seen`` is all of both and no more."""
        end = seen.find(b"\r\n\r\n") + 4
        found = self._known.get(seen[:end])
        if found is None or len(seen) != end + found[0]:
            return None
        return found[1], seen[end:]

    def learn(self, seen: bytes, body_bytes: int, meaning: Meaning) -> None:
        """Remember a head.

        Args:
            seen: what the network brought; not learnt if it is more or less than the request, as
                when its body came in chunks.
            body_bytes: length of the request's body.
            meaning: of the head.
        """
        end = seen.find(b"\r\n\r\n") + 4
        if len(seen) != end + body_bytes or end > LONGEST_KNOWN:
            return
        if len(self._known) >= MOST_KNOWN:
            self._known.clear()
        self._known[seen[:end]] = body_bytes, meaning
