"""What the synthetic speakers say: sentences from a small grammar, and loose word sequences.

A template names slots in braces; a slot is filled with one of its expansions until no brace is
left. One sentence in `LOOSE_SHARE` is a random word sequence, so that a model has to listen instead
of guessing the template. All numbers are written as they are spoken. Nothing here knows of audio.
"""

import functools
import hashlib
import random
import re

from services.whisper.demo.lexicon import SLOTS, TEMPLATES

LOOSE_SHARE = 0.08
HELD_OUT_ONE_IN = 20
"""One sentence in this many is kept out of training, chosen by its text alone."""

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
TEENS = (
    "ten", "eleven", "twelve", "thirteen", "fourteen",
    "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")

_SLOT = re.compile(r"\{(\w+)\}")


def sentence(rng: random.Random) -> str:
    """Make one sentence: capital first, full stop or question mark last, 2 to about 16 words."""
    if rng.random() < LOOSE_SHARE:
        text = " ".join(rng.choice(vocabulary()) for _ in range(rng.randint(2, 7))) + "."
    else:
        text = _expand(rng.choice(TEMPLATES), rng)
    return text[0].upper() + text[1:]


def is_held_out(text: str) -> bool:
    """Tell whether a sentence belongs to the held-out set; case and punctuation do not matter."""
    words = " ".join(re.findall(r"[a-z']+", text.lower()))
    return int.from_bytes(hashlib.sha256(words.encode()).digest()[:4]) % HELD_OUT_ONE_IN == 0


def say_integer(value: int) -> str:
    """Spell a whole number out, without hyphens: 342 is "three hundred and forty two".

    Raises:
        ValueError: the value is outside 0 to 999 999.
    """
    if not 0 <= value <= 999_999:
        raise ValueError(f"{value} cannot be spelled; expected 0 to 999999")
    if value < 10:
        return DIGITS[value]
    if value < 20:
        return TEENS[value - 10]
    if value < 100:
        tens, ones = divmod(value, 10)
        return TENS[tens - 2] + (f" {DIGITS[ones]}" if ones else "")
    if value < 1000:
        hundreds, rest = divmod(value, 100)
        return f"{DIGITS[hundreds]} hundred" + (f" and {say_integer(rest)}" if rest else "")
    thousands, rest = divmod(value, 1000)
    joint = " and " if 0 < rest < 100 else " "
    return f"{say_integer(thousands)} thousand" + (f"{joint}{say_integer(rest)}" if rest else "")


@functools.cache
def vocabulary() -> tuple[str, ...]:
    """List every word that `sentence` can say, in lower case and alphabetical order."""
    texts = [*TEMPLATES, *DIGITS, *TEENS, *TENS, "hundred thousand and point minus"]
    texts.extend(option for options in SLOTS.values() for option in options)
    bare = (_SLOT.sub(" ", text) for text in texts)
    return tuple(sorted({word for text in bare for word in re.findall(r"[a-z']+", text.lower())}))


def _expand(template: str, rng: random.Random) -> str:
    while match := _SLOT.search(template):
        template = template[: match.start()] + _fill(match[1], rng) + template[match.end() :]
    return template


def _fill(slot: str, rng: random.Random) -> str:
    if slot == "digits":
        return " ".join(rng.choice(DIGITS) for _ in range(rng.randint(2, 5)))
    if slot == "small":
        return say_integer(rng.randint(2, 20))
    if slot == "integer":
        return say_integer(int(10 ** rng.uniform(0, 3.7)))
    if slot == "decimal":
        whole = say_integer(int(10 ** rng.uniform(0, 2.7)) - 1)
        return f"{whole} point " + " ".join(rng.choice(DIGITS) for _ in range(rng.randint(1, 3)))
    return rng.choice(SLOTS[slot])
