import numpy as np
import pytest

from services.drawings.geometry import Box
from services.drawings.ink import find_ink
from services.drawings.tests.sheets import paper, pixels, write
from services.drawings.views import MOST_VIEWS, find_views


def views_of(image, border=None):
    return find_views(find_ink(pixels(image), is_faint_ink=True), border)


def test_parts_apart_are_views_and_hold_all_ink():
    image, pen = paper(1000, 800)
    pen.ellipse((100, 100, 300, 300), outline="black", width=3)
    write(pen, 120, 310, "12.5")
    pen.rectangle((600, 500, 900, 700), outline="black", width=3)
    write(pen, 650, 100, "NOTE", size=24)

    views = views_of(image)

    assert len(views) in (3, 4)  # the number may stand with its circle or alone
    ink = find_ink(pixels(image))
    for view in views:
        assert view == Box(*(int(each) for each in (view.x1, view.y1, view.x2, view.y2)))
        ink[int(view.y1) : int(view.y2), int(view.x1) : int(view.x2)] = False
    assert not ink.any()


def test_views_do_not_overlap_and_have_white_edges():
    rng = np.random.default_rng(5)
    image, pen = paper(1400, 1000)
    for _ in range(25):
        x, y = int(rng.integers(20, 1200)), int(rng.integers(20, 900))
        write(pen, x, y, "25.4", size=int(rng.integers(14, 60)))
    ink = find_ink(pixels(image))

    views = views_of(image)

    assert sum(each.area for each in views) < 0.8 * ink.size
    for index, view in enumerate(views):
        assert not any(view.overlap(other) for other in views[:index])
        inside = ink[int(view.y1) : int(view.y2), int(view.x1) : int(view.x2)]
        assert not any(edge.any() for edge in (inside[0], inside[-1], inside[:, 0], inside[:, -1]))


@pytest.mark.parametrize("drift", [0, 5])
def test_border_and_what_lies_outside_belong_to_no_view(drift):
    image, pen = paper(1200, 900)
    pen.polygon(
        ((40, 40 + drift), (1160 - drift, 40), (1160, 860 - drift), (40 + drift, 860)),
        outline="black", width=3,
    )  # fmt: skip
    write(pen, 600, 8, "4", size=20)
    write(pen, 500, 400, "25.4")

    (view,) = views_of(image, None if drift else Box(40, 40, 1160, 860))

    assert view.holds((530, 420))
    assert view.area < 200 * 120


def test_faint_lines_are_part_of_a_view():
    image, pen = paper(800, 600)
    pen.rectangle((100, 100, 300, 300), fill="black")
    pen.line((302, 200, 500, 200), fill=(200, 200, 200), width=2)

    (view,) = views_of(image)

    assert view.x2 > 500


def test_speckled_sheet_has_no_more_views_than_are_read():
    image, pen = paper(1200, 900)
    for x in range(20, 1200, 40):
        for y in range(20, 900, 40):
            pen.rectangle((x, y, x + 2, y + 2), fill="black")

    assert 1 <= len(views_of(image)) <= MOST_VIEWS


def test_empty_sheet_has_no_views():
    assert views_of(paper()[0]) == []
