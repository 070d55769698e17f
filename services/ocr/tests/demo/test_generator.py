"""The text generator: what training and evaluation stand on."""

from random import Random

import numpy as np
import pytest

from services.ocr.demo.accuracy import character_error_rate
from services.ocr.demo.alphabet import CHARACTERS, CLASS_COUNT, HANGUL, encode
from services.ocr.demo.batches import make_batch
from services.ocr.demo.distort import distort
from services.ocr.demo.fonts import held_out_fonts, training_fonts
from services.ocr.demo.network import FRAME_PX
from services.ocr.demo.photographs import best_pairs
from services.ocr.demo.render import LINE_HEIGHT_PX, render_line
from services.ocr.demo.text import random_line

pytestmark = pytest.mark.debian(
    "NanumGothic.ttf", "NanumBarunGothic.ttf", "NotoSansCJK-Regular.ttc", "DejaVuSans.ttf"
)


@pytest.fixture(scope="module")
def lines():
    rng, fonts = Random(7), training_fonts()
    return [render_line(rng, random_line(rng, rng.randint(1, 14)), fonts) for _ in range(150)]


def test_alphabet_holds_the_syllables_of_ks_x_1001_once():
    assert len(HANGUL) == 2350
    assert (HANGUL[0], HANGUL[-1]) == ("가", "힝")
    assert len(set(CHARACTERS)) == len(CHARACTERS) == CLASS_COUNT - 2


def test_random_lines_reach_every_character_of_the_alphabet():
    rng = Random(3)

    seen = set("".join(random_line(rng, 12) for _ in range(20_000)))

    assert set(CHARACTERS) <= seen


def test_random_lines_hold_nothing_outside_the_alphabet():
    rng = Random(4)

    for _ in range(2000):
        encode(random_line(rng, 10))


def test_line_is_of_input_height_and_within_width(lines):
    assert {line.pixels.shape[0] for line in lines} == {LINE_HEIGHT_PX}
    assert max(line.pixels.shape[1] for line in lines) <= 320


def test_every_character_has_its_middle_inside_the_line_in_order(lines):
    for line in lines:
        assert len(line.centers_px) == len(line.text)
        assert all(0 <= center < line.pixels.shape[1] for center in line.centers_px)
        assert list(line.centers_px) == sorted(line.centers_px)


def test_every_line_has_ink(lines):
    assert all(line.pixels.max() > 128 for line in lines)


def test_distortion_keeps_the_size_and_leaves_text_readable(lines):
    rng = Random(5)

    for line in lines:
        picture = distort(rng, line.pixels, 1.0)
        assert picture.shape == line.pixels.shape
        assert picture.std() > 1


def test_same_batch_number_gives_the_same_batch():
    first, second = (make_batch(1, 500, training_fonts()) for _ in range(2))

    assert np.array_equal(first.pictures.numpy(), second.pictures.numpy())
    assert first.classes.tolist() == second.classes.tolist()


def test_batch_numbers_give_different_batches():
    first, second = (make_batch(1, number, training_fonts()) for number in (500, 501))

    assert first.classes.tolist() != second.classes.tolist()


def test_middles_of_a_batch_lie_on_its_steps():
    batch = make_batch(1, 500, training_fonts())

    lines, steps, _ = batch.centers.unbind(dim=1)

    assert int(lines.max()) < len(batch.lengths)
    assert int(steps.max()) < batch.pictures.shape[3] / FRAME_PX


def test_held_out_fonts_are_never_trained_on():
    trained = training_fonts()

    assert not set(held_out_fonts().plain) & {*trained.plain, *trained.ornamental, *trained.latin}


def test_character_error_rate_counts_edits_over_true_characters():
    assert character_error_rate([("가나다라", "가나라"), ("ab", "ab")]) == pytest.approx(1 / 6)


def test_character_error_rate_refuses_empty_truth():
    with pytest.raises(ValueError, match="no characters"):
        character_error_rate([("", "a")])


def test_readings_are_found_wherever_they_stand_and_however_they_are_cut():
    pairs = best_pairs(["재질 SM45C", "도면"], ["도면", "재질", "SM45C"])

    assert pairs == [("재질SM45C", "재질SM45C"), ("도면", "도면")]
