"""Random lines of text that exercise the whole alphabet.

Half of the Korean lines are syllables drawn evenly, so that rare ones are met as often as common
ones and the recogniser reads shapes rather than guesses words; the rest look like what drawings,
labels and pages say.
"""

import string
from functools import lru_cache
from importlib import resources
from random import Random

from services.ocr.demo.alphabet import DRAWING_SIGNS, HANGUL, OTHER_SIGNS
from shared.gdt_signs import CHARACTERISTICS

_ENGLISH = """
    the of and to in is for with on that drawing part number scale title material finish
    tolerance unless otherwise specified all dimensions are millimeters remove burrs sharp edges
    general surface heat treatment weight sheet revision date approved checked drawn by project
    customer quantity item description remark steel aluminum stainless plate shaft housing cover
    bracket bolt nut washer section view detail third angle projection hole thread depth through
    chamfer radius typical reference datum position flatness parallelism Reduce your risk wash
    hands water open close power danger warning caution high voltage keep out exit made China
    Korea product company limited street road total price tax card cash receipt thank you very
    much please call again
"""
_PREFIXES = (
    "Ra",
    "Rz",
    "R",
    "⌀",
    "M",
    "C",
    "SR",
    "□",
    "t=",
    "No.",
    "A-",
    "ISO",
    "KS B",
    "JIS",
    "HRC",
)
_FITS = ("H7", "H8", "h6", "g6", "k6", "p6", "JS9", "F7", "e8", "m6")
_STEELS = (
    "SUS304",
    "SM45C",
    "SS400",
    "A6061-T6",
    "S45C",
    "SKD11",
    "C3604",
    "POM",
    "FC250",
    "SCM440",
)
_UNITS = ("mm", "kg", "µm", "°", "℃", "%", "원", "개", "MPa", "Nm", "cm²", "mm³")
_NARROW_PUNCTUATION = ".,:;-/()"


@lru_cache(maxsize=1)
def korean_words() -> tuple[str, ...]:
    """Common words and words of drawings and labels."""
    source = resources.files("services.ocr.demo").joinpath("words_ko.txt")
    return tuple(source.read_text(encoding="utf-8").split())


@lru_cache(maxsize=1)
def english_words() -> tuple[str, ...]:
    """Common words and words of drawings and labels."""
    return tuple(_ENGLISH.split())


def random_line(rng: Random, length: int) -> str:
    """A line of about `length` characters (at least 1), without spaces at its ends.

    Args:
        rng: source of chance; the same state gives the same line.
        length: characters wanted; whole words or fields may miss it by a few and are cut.
    """
    kinds = (_syllables, _korean, _latin, _numbers, _drawing, _mixed)
    kind = rng.choices(kinds, weights=(28, 20, 20, 15, 9, 8))[0]
    spaced = rng.random() < 0.5  # words as on a page, or run together now and then
    text = ""
    while len(text) < length:
        text += (" " if text and (spaced or rng.random() < 0.5) else "") + kind(rng)
    return text[:length].strip() or rng.choice(HANGUL)


def _syllables(rng: Random) -> str:
    text = "".join(rng.choices(HANGUL, k=rng.randint(1, 5)))
    return text + (rng.choice(_NARROW_PUNCTUATION) if rng.random() < 0.15 else "")


def _korean(rng: Random) -> str:
    word = rng.choice(korean_words())
    if rng.random() < 0.2:
        word += rng.choice((".", ",", ":", "(", ")", "·", "/", "은", "는", "이", "를", "의", "에"))
    return word


def _latin(rng: Random) -> str:
    if rng.random() < 0.25:
        alphabet = rng.choice((string.ascii_letters, string.ascii_uppercase, string.printable[:94]))
        return "".join(rng.choices(alphabet, k=rng.randint(1, 8)))
    word = rng.choice(english_words())
    word = rng.choice((str.lower, str.capitalize, str.upper))(word)
    return word + (rng.choice(".,:;!?)-'\"") if rng.random() < 0.15 else "")


def _numbers(rng: Random) -> str:
    whole, part = rng.randint(0, 999), rng.randint(0, 99)
    forms = (
        f"{whole}",
        f"{whole}.{part:02d}",
        f"{rng.randint(1990, 2039)}-{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d}",
        f"{rng.randint(1, 31)}/{rng.randint(1, 12)}",
        f"0{rng.randint(2, 99)}-{rng.randint(100, 9999)}-{rng.randint(1000, 9999)}",
        f"{whole},{rng.randint(0, 999):03d}{rng.choice(_UNITS)}",
        f"{rng.randint(1, 9)}:{rng.randint(1, 100)}",
        f"({whole})",
        f"{rng.choice(string.ascii_uppercase)}{whole}-{part:02d}",
        f"[{part}]",
    )
    return rng.choice(forms)


def _drawing(rng: Random) -> str:
    value = f"{rng.randint(0, 199)}" + rng.choice(
        ("", f".{rng.randint(0, 9)}", f".{rng.randint(0, 99):02d}")
    )
    small = f"0.{rng.randint(1, 99):02d}"
    datums = rng.choice(("", " A", " A B", " A B C", " A-B"))
    forms = (
        f"⌀{value}",
        f"⌀{value} {rng.choice(_FITS)}",
        f"{value}±{small}",
        f"+{small}",
        f"-{small}",
        f"{rng.randint(2, 12)}×⌀{value}",
        f"{rng.randint(2, 12)}-M{rng.randint(2, 24)}×{rng.choice(('0.5', '1', '1.25', '1.5'))}",
        f"{rng.randint(1, 90)}°",
        f"{rng.choice(_PREFIXES)}{rng.choice(('', ' '))}{value}",
        f"{rng.choice(CHARACTERISTICS).character} {rng.choice(('', '⌀'))}{small}"
        f"{rng.choice(('', '', 'Ⓜ'))}{datums}",
        rng.choice(_STEELS),
        rng.choice(DRAWING_SIGNS) + rng.choice(("", " " + small)),
    )
    return rng.choice(forms)


def _mixed(rng: Random) -> str:
    parts = (_korean, _latin, _numbers, _drawing, _syllables)
    glue = rng.choice(("", " ", ": ", "(", "-", " " + rng.choice(OTHER_SIGNS) + " "))
    return glue.join(kind(rng) for kind in rng.sample(parts, 2))
