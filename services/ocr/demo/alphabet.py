"""The characters that `demo-ocr-ko` can write, in the order of its output classes.

Class 0 is the CTC blank, then come `CHARACTERS`, and the space is last: the layout that PaddleOCR
and RapidOCR build from a dictionary file (`CTCLabelDecode` with `use_space_char`).
"""

from shared.gdt_signs import SIGNS

# KS X 1001 has its 2,350 syllables in rows 16 to 40 of 94; EUC-KR adds 0xA0 to row and column.
_KS_ROWS = range(0xA0 + 16, 0xA0 + 41)
_KS_COLUMNS = range(0xA1, 0xFF)

HANGUL: tuple[str, ...] = tuple(
    bytes((row, column)).decode("euc-kr") for row in _KS_ROWS for column in _KS_COLUMNS
)
ASCII: tuple[str, ...] = tuple(chr(code) for code in range(33, 127))
DRAWING_SIGNS: tuple[str, ...] = tuple(SIGNS)
OTHER_SIGNS: tuple[str, ...] = tuple("±°×µ·²³≤≥→※□△▽℃ⓂⓁⓅⒺ“”‘’…ÄÖÜäöüß①②③④⑤⑥⑦⑧⑨")

CHARACTERS: tuple[str, ...] = (*ASCII, *DRAWING_SIGNS, *OTHER_SIGNS, *HANGUL)
SPACE = " "
BLANK_CLASS = 0
LETTERS: tuple[str, ...] = ("", *CHARACTERS, SPACE)  # of each class
CLASS_OF: dict[str, int] = {
    character: index for index, character in enumerate(LETTERS) if index != BLANK_CLASS
}
CLASS_COUNT = len(LETTERS)


def encode(text: str) -> list[int]:
    """Classes of a text, one per character.

    Raises:
        KeyError: a character is not in the alphabet.
    """
    return [CLASS_OF[character] for character in text]
