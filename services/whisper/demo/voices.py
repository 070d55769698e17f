"""Which espeak-ng voices teach and which only examine.

A voice is an accent file with a variant (vocal tract, pitch, timbre). Whole variants are held out,
so that a held-out voice is unknown in every accent.
"""

import random

from services.whisper.demo.synth import Delivery

ACCENTS = ("gmw/en", "gmw/en-US", "gmw/en-GB-x-rp")
TRAINING_VARIANTS = tuple(
    """
    Alex Alicia Andy Annie Denis Diogo Gene Gene2 Henrique Hugo Jacky Lee Marco Mario Mike Nguyen
    RicishayMax RicishayMax2 RicishayMax3 adam anika antonio aunty benjamin boris caleb david ed
    edward edward2 f1 f3 f4 grandma grandpa gustave iven iven2 iven3 iven4 john kaukovalta klatt
    klatt2 klatt4 klatt5 linda m1 m2 m4 m5 m7 m8 marcelo max michel miguel norbert pablo paul pedro
    rob robert sandro shelby steph steph2 steph3 travis victor
    """.split()  # noqa: SIM905  a list of names reads better as text
)
HELD_OUT_VARIANTS = (
    "Andrea", "Michael", "belinda", "f2", "f5", "klatt3", "m3", "m6", "quincy",
    "zac",
)  # fmt: skip


def draw_delivery(rng: random.Random, *, held_out: bool) -> Delivery:
    """Draw a voice with its speed and pitch, from the training or from the held-out variants."""
    variants = HELD_OUT_VARIANTS if held_out else TRAINING_VARIANTS
    return Delivery(
        voice=f"{rng.choice(ACCENTS)}+{rng.choice(variants)}",
        rate_wpm=rng.randint(120, 220),
        pitch=rng.randint(25, 75),
        pitch_range=rng.randint(25, 75),
        word_gap=rng.choice((0, 0, 0, 1, 3)),
    )
