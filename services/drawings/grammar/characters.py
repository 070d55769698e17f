"""One spelling for each sign, without losing what was printed.

Unicode's own compatibility forms (NFKC) are of no use here: they turn Ⓜ into M, a modifier into a
datum letter. So every character that is replaced stands in a table below; all others stay.
"""

import re
from dataclasses import dataclass

from shared.gdt_signs import CHARACTERISTICS, DIAMETER

MAX_CHARACTERS = 300
"""Longest text that is taken for a callout; reading is bounded by it."""

CHARACTERISTIC_NAMES: dict[str, str] = {sign.character: sign.name for sign in CHARACTERISTICS}
CHARACTERISTIC_SIGNS: dict[str, str] = {sign.name: sign.character for sign in CHARACTERISTICS}

_SAME: dict[str, str] = {
    DIAMETER.character: "ØøφΦϕ∅⊘⦰Фф∮",
    "×": "✕✖⨯╳*",
    "-": "−–‐‑‒﹣",
    "°": "º˚",
    "'": "′’ʹ‘`´",
    '"': "″”“ʺ",
    "µ": "μ",
    "~": "∼〜",
    "⟂": "⊥⏊",
    "∥": "⫽",
    "○": "◯",
    "◎": "⊚",
    "⌖": "⊕",
    "□": "◻▢",
    "▽": "∇",
    "|": "│┃∣︱",
    " ": "\t\u00a0\u1680\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B))),
    "\n": "\r\v\f\u0085\u2028\u2029",
}
_FULL_WIDTH = {chr(code + 0xFEE0): chr(code) for code in range(0x21, 0x7F)}
_UNITS = {"㎜": "mm", "㎛": "µm", "℃": "°C", "½": "1/2", "¼": "1/4", "¾": "3/4"}
_UNSEEN = "\u00ad\u200b\u200c\u200d\u2060\ufeff\ufe0e\ufe0f"  # nothing of them is printed

_REPLACED: dict[str, str] = {
    **_FULL_WIDTH,
    **{twin: sign for sign, twins in _SAME.items() for twin in twins},
    **_UNITS,
    **dict.fromkeys(_UNSEEN, ""),
}
# Codes of CAD programs and typewriter spellings.
_SEQUENCES: dict[str, str] = {
    "%%C": DIAMETER.character,
    "%%D": "°",
    "%%P": "±",
    "+/-": "±",
    "+-": "±",
    "\r\n": "\n",
}
# Recognisers of Chinese read ± as one of these; between a size and a number it is nothing else.
_MISREAD_PLUS_MINUS = re.compile(r"(?<=[0-9°)])( ?)[士土](?= ?[0-9.])")
_LONGEST_SEQUENCE = max(map(len, _SEQUENCES))


@dataclass(frozen=True)
class Spelling:
    """A text in one spelling.

    Attributes:
        text: what the rules read.
        source: what was given.
        origin: for each character of ``text``, where its first character stands in ``source``,
            and last the length of ``source``.
    """

    text: str
    source: str
    origin: tuple[int, ...]

    def printed(self, start: int, end: int) -> str:
        """The given characters behind ``text[start:end]``."""
        return self.source[self.origin[start] : self.origin[end]].strip()


def spell(source: str) -> Spelling:
    """Bring a text into one spelling; its length is at most three times that of the source."""
    read = _MISREAD_PLUS_MINUS.sub(r"\1±", source)  # as long as the source
    characters: list[str] = []
    origin: list[int] = []
    at = 0
    while at < len(read):
        length, replacement = _replacement(read, at)
        characters.append(replacement)
        origin.extend([at] * len(replacement))
        at += length
    origin.append(len(source))
    return Spelling("".join(characters), source, tuple(origin))


def _replacement(source: str, at: int) -> tuple[int, str]:
    """How many characters are replaced, and by what."""
    if source[at] in "%+\r":
        for length in range(_LONGEST_SEQUENCE, 1, -1):
            found = _SEQUENCES.get(source[at : at + length].upper())
            if found is not None:
                return length, found
    return 1, _REPLACED.get(source[at], source[at])
