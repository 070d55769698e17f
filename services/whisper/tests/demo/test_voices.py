import random

from services.whisper.demo.voices import HELD_OUT_VARIANTS, TRAINING_VARIANTS, draw_delivery


def test_no_voice_is_on_both_sides():
    assert not set(HELD_OUT_VARIANTS) & set(TRAINING_VARIANTS)


def test_held_out_deliveries_use_held_out_voices_only():
    rng = random.Random(1)

    variants = {draw_delivery(rng, held_out=True).voice.split("+")[1] for _ in range(200)}

    assert variants == set(HELD_OUT_VARIANTS)
