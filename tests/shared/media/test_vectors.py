import numpy as np
import pytest

from shared.errors import InvalidInput, PayloadTooLarge, UnsupportedMedia
from shared.media.limits import VectorLimits
from shared.media.vectors import read_vectors
from shared.testing import make_pdf

TEXT = "BT /F1 10 Tf 50 100 Td (25.4) Tj ET"


@pytest.fixture
def pdf(tmp_path):
    def write(*pages, **options):
        path = tmp_path / "sheet.pdf"
        path.write_bytes(make_pdf(pages, **options))
        return str(path)

    return write


def polylines(vectors):
    return [piece.round(3).tolist() for piece in np.split(vectors.points, vectors.starts[1:])]


def test_letters_have_their_origin_from_the_top_left_their_size_and_direction(pdf):
    vectors = read_vectors(pdf(TEXT, size_pt=(400, 300)), 1, VectorLimits())

    assert vectors.text == "25.4"
    assert (vectors.width_pt, vectors.height_pt) == (400, 300)
    assert vectors.glyphs[0, 4:6] == pytest.approx([50, 200], abs=0.01)
    assert vectors.glyphs[:, 6] == pytest.approx([0] * 4)
    assert vectors.glyphs[:, 7] == pytest.approx([10] * 4)


def test_text_that_runs_upwards_has_a_negative_angle(pdf):
    turned = "BT /F1 10 Tf 0 1 -1 0 60 100 Tm (12) Tj ET"

    vectors = read_vectors(pdf(turned), 1, VectorLimits())

    assert vectors.glyphs[:, 6] == pytest.approx([-90, -90], abs=0.01)
    assert vectors.glyphs[1, 5] < vectors.glyphs[0, 5]


def test_scale_of_the_page_counts_for_the_size_of_letters(pdf):
    vectors = read_vectors(pdf("2 0 0 2 0 0 cm " + TEXT), 1, VectorLimits())

    assert vectors.glyphs[0, 7] == pytest.approx(20)
    assert vectors.glyphs[0, 4:6] == pytest.approx([100, 100], abs=0.01)


def test_page_turned_by_its_own_mark_is_read_as_it_is_shown(pdf):
    vectors = read_vectors(
        pdf(TEXT + " 10 20 m 110 20 l S", size_pt=(400, 300), rotate=90), 1, VectorLimits()
    )

    assert (vectors.width_pt, vectors.height_pt) == (300, 400)
    assert vectors.glyphs[0, 6] == pytest.approx(90, abs=0.01)
    assert vectors.glyphs[0, 4:6] == pytest.approx([100, 50], abs=0.05)
    assert np.array(polylines(vectors)[0]) == pytest.approx(
        np.array([[20, 10], [20, 110]]), abs=0.01
    )


def test_lines_keep_their_ends_and_rectangles_their_four_sides(pdf):
    vectors = read_vectors(pdf("10 20 m 110 20 l S 100 100 50 30 re S"), 1, VectorLimits())

    line, rectangle = polylines(vectors)
    assert line == [[10, 280], [110, 280]]
    assert sorted(map(tuple, rectangle[:4])) == [(100, 170), (100, 200), (150, 170), (150, 200)]
    assert rectangle[0] == rectangle[-1]
    assert vectors.objects.tolist() == [0, 1]


def test_curves_pass_through_their_middle(pdf):
    vectors = read_vectors(pdf("0 0 m 0 40 40 40 40 0 c S"), 1, VectorLimits())

    middle = vectors.points[len(vectors.points) // 2]
    assert middle == pytest.approx([20, 270])


def test_paths_that_only_clip_are_no_lines(pdf):
    vectors = read_vectors(pdf("0 0 100 100 re W n 10 20 m 110 20 l S"), 1, VectorLimits())

    assert len(vectors.starts) == 1


@pytest.mark.parametrize("limits", [VectorLimits(max_glyphs=3), VectorLimits(max_points=1)])
def test_a_page_with_more_than_the_limits_is_refused(pdf, limits):
    with pytest.raises(PayloadTooLarge):
        read_vectors(pdf(TEXT + " 10 20 m 110 20 l S"), 1, limits)


def test_a_page_that_does_not_exist_is_refused(pdf):
    with pytest.raises(InvalidInput, match="has 1 pages"):
        read_vectors(pdf(TEXT), 2, VectorLimits())


def test_what_is_no_pdf_is_refused(tmp_path):
    (tmp_path / "broken.pdf").write_bytes(b"%PDF-1.4\nnothing")

    with pytest.raises(UnsupportedMedia):
        read_vectors(str(tmp_path / "broken.pdf"), 1, VectorLimits())
