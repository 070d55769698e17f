import numpy as np
import pytest

from services.yolo.found import Found
from services.yolo.letterbox import fit
from services.yolo.tiling import Tile, count_tiles, join, tiles_of, to_picture

WHOLE = Tile(0, 0, 200, 100)
LEFT, RIGHT = Tile(0, 0, 120, 100), Tile(80, 0, 120, 100)


def found(*rows):
    """Rows of x1, y1, x2, y2, score, class."""
    values = np.array(rows, np.float32).reshape(-1, 6)
    return Found(values[:, :4], values[:, 4], values[:, 5].astype(np.int32))


def joined(*parts, iou_threshold=0.7, max_detections=10):
    result = join(
        parts, [WHOLE, LEFT, RIGHT], iou_threshold=iou_threshold, max_detections=max_detections
    )
    return [(*map(int, box), round(float(score), 2))
            for box, score in zip(result.boxes, result.scores, strict=True)]  # fmt: skip


def test_small_picture_is_one_tile():
    assert tiles_of(640, 480, tile_px=640, overlap_share=0.2) == [Tile(0, 0, 640, 480)]


@pytest.mark.parametrize("size", [(641, 480), (3000, 2000), (1000, 5000)])
def test_tiles_cover_the_picture_and_overlap(size):
    width, height = size

    whole, *tiles = tiles_of(width, height, tile_px=640, overlap_share=0.25)

    covered = np.zeros((height, width), np.uint8)
    for tile in tiles:
        covered[tile.top : tile.top + tile.height, tile.left : tile.left + tile.width] += 1
    starts = sorted({tile.left for tile in tiles})
    assert whole == Tile(0, 0, width, height)
    assert covered.min() >= 1
    assert len(tiles) + 1 == count_tiles(width, height, tile_px=640, overlap_share=0.25)
    assert all(later - earlier <= 480 for earlier, later in zip(starts, starts[1:], strict=False))


def test_tiles_of_an_absurd_request_are_counted_without_being_made():
    # Steps of 6 px over 99 999 936 px, the first tile, and the whole picture.
    parts = count_tiles(100_000_000, 1, tile_px=64, overlap_share=0.9)
    assert parts == 16_666_656 + 1 + 1


def test_thing_in_the_overlap_is_reported_once():
    same = joined(found(), found((85, 10, 115, 40, 0.8, 0)), found((86, 11, 115, 40, 0.9, 0)))

    assert same == [(86, 11, 115, 40, 0.9)]


def test_cut_part_of_a_whole_thing_goes_even_if_it_scores_better():
    kept = joined(found((60, 10, 160, 60, 0.6, 0)), found((60, 10, 120, 60, 0.9, 0)), found())

    assert kept == [(60, 10, 160, 60, 0.6)]


def test_small_thing_inside_a_large_one_stays():
    kept = joined(found((10, 10, 110, 90, 0.9, 0)), found((30, 30, 50, 50, 0.8, 0)), found())

    assert kept == [(10, 10, 110, 90, 0.9), (30, 30, 50, 50, 0.8)]


def test_things_of_other_classes_stay():
    kept = joined(found(), found((85, 10, 115, 40, 0.8, 0)), found((85, 10, 115, 40, 0.9, 1)))

    assert [score for *_, score in kept] == [0.9, 0.8]


def test_box_at_the_border_of_the_picture_is_not_cut():
    kept = joined(found((0, 0, 100, 100, 0.9, 0)), found((0, 0, 40, 40, 0.8, 0)), found())

    assert len(kept) == 2


def test_best_are_kept_up_to_the_limit():
    kept = joined(
        found((0, 0, 10, 10, 0.5, 0)), found((20, 0, 30, 10, 0.7, 0)),
        found((150, 0, 160, 10, 0.6, 0)), max_detections=2,
    )  # fmt: skip

    assert [score for *_, score in kept] == [0.7, 0.6]


def test_everything_found_moves_with_its_tile():
    placed = fit(120, 100, canvas=(240, 240), stride_px=None)  # twice the size, 20 px above
    points = np.array([[[100, 60, 0.5]]], np.float32)
    on_canvas = Found(
        np.array([[20, 20, 60, 60]], np.float32), np.array([0.9], np.float32),
        np.array([0], np.int32), [np.array([[20, 40]], np.float32)], points,
    )  # fmt: skip

    moved = to_picture(on_canvas, placed, RIGHT)

    np.testing.assert_allclose(moved.boxes, [[90, 0, 110, 20]])
    np.testing.assert_allclose(moved.polygons[0], [[90, 10]])
    np.testing.assert_allclose(moved.keypoints, [[[130, 20, 0.5]]])


@pytest.mark.parametrize("seed", range(20))
def test_joining_compares_every_box_with_every_better_one_of_its_class(seed):
    chance = np.random.default_rng(seed)
    corner, size = chance.integers(0, 70, (60, 2)), chance.integers(5, 50, (60, 2))
    boxes = np.concatenate([corner, corner + size], axis=1)
    rows = np.column_stack([boxes, chance.permutation(60) / 60, chance.integers(0, 3, 60)])
    tiles = [WHOLE, LEFT, RIGHT]
    parts = [found(*rows[20 * n : 20 * n + 20]) for n in range(3)]

    def is_cut(row, tile):
        return (tile is LEFT and row[2] >= 118) or (tile is RIGHT and row[0] <= 82)

    flagged = [(*row, is_cut(row, tiles[n // 20])) for n, row in enumerate(rows)]
    kept = []
    for row in sorted(flagged, key=lambda each: (each[6], -each[4])):
        same_class = [other for other in kept if other[5] == row[5]]
        if not any(is_same(row, other) for other in same_class):
            kept.append(row)

    expected = sorted(kept, key=lambda row: -row[4])
    assert joined(*parts, max_detections=100) == [
        (*map(int, row[:4]), round(row[4], 2)) for row in expected
    ]


def is_same(row, better):
    shared = max(0, min(row[2], better[2]) - max(row[0], better[0]))
    shared *= max(0, min(row[3], better[3]) - max(row[1], better[1]))
    area, other = ((each[2] - each[0]) * (each[3] - each[1]) for each in (row, better))
    return shared / (area + other - shared) > 0.5 or (row[6] and shared / area > 0.7)


LARGE = (10, 10, 190, 90, 0.4, 0)  # wider than a tile


@pytest.mark.parametrize(
    ("box", "stays"),
    [
        ((12, 20, 100, 80, 0.6, 0), False),  # a part, though it ends before the tile does
        ((12, 20, 100, 80, 0.9, 0), True),  # more than twice as sure
        ((12, 20, 100, 80, 0.6, 1), True),  # another class
        ((12, 60, 100, 100, 0.6, 0), False),
        ((12, 70, 100, 100, 0.6, 0), True),  # a third of it lies outside
    ],
)
def test_part_of_a_thing_that_no_tile_holds_goes(box, stays):
    kept = joined(found(LARGE), found(box), found())

    assert ((*box[:4], box[4]) in kept) == stays
    assert (*LARGE[:4], LARGE[4]) in kept


def test_thing_inside_a_large_one_stays_if_the_whole_picture_shows_it():
    small = (12, 20, 60, 50, 0.6, 0)

    kept = joined(found(LARGE, small), found(small), found())

    assert sorted(kept) == [(*LARGE[:4], 0.4), (*small[:4], 0.6)]


def test_thing_inside_one_that_a_tile_holds_stays():
    small, medium = (12, 20, 60, 50, 0.6, 0), (10, 10, 110, 90, 0.4, 0)

    kept = joined(found(medium), found(small), found())

    assert sorted(kept) == [(*medium[:4], 0.4), (*small[:4], 0.6)]
