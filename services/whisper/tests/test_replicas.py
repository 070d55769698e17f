import threading

import pytest

from services.whisper.engines.replicas import Replicas, Split, even_splits
from shared.gpu.device import Device


@pytest.fixture(scope="module")
def replicas(random_model):
    """Three replicas of the random model."""
    loaded = Replicas(random_model, Device("cpu"), compute_type="float32", split=Split(3, 1))
    yield loaded
    loaded.close()


@pytest.mark.parametrize(
    ("cores", "splits"),
    [
        (1, [Split(1, 1)]),
        (2, [Split(2, 1)]),
        (6, [Split(2, 3), Split(3, 2), Split(6, 1)]),
        (7, [Split(7, 1)]),
    ],
)
def test_cores_are_divided_without_a_rest(cores, splits):
    assert list(even_splits(cores)) == splits


@pytest.mark.parametrize("count", range(1, 9))
def test_results_keep_the_order_and_parts_differ_by_one_at_most(replicas, count):
    sizes = []

    def run(part):
        sizes.append(len(part))
        return [-each for each in part]

    assert replicas.spread(run, range(count)) == [-each for each in range(count)]
    assert len(sizes) == min(3, count)
    assert max(sizes) - min(sizes) <= 1


def test_parts_run_side_by_side(replicas):
    together = threading.Barrier(3, timeout=10)

    replicas.spread(lambda part: [together.wait() for _ in part], range(3))


def test_part_that_fails_leaves_no_other_running(replicas):
    failed, ended = threading.Event(), []

    def run(part):
        if part[0] == 0:
            failed.set()
            raise ValueError("this window")
        failed.wait(10)
        ended.append(part[0])
        return part

    with pytest.raises(ValueError, match="this window"):
        replicas.spread(run, range(3))

    assert sorted(ended) == [1, 2]
