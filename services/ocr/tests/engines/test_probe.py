import pytest

from services.ocr.engines.probe import fastest_batch_size


@pytest.mark.parametrize(
    ("batch_s", "best"),
    [
        (lambda n: 0.010 * n, 1),  # no gain: a CPU
        (lambda n: 0.010 * n**1.1, 1),  # padding makes it worse
        (lambda n: 0.008 + 0.001 * n, 16),  # a GPU: launches cost, items hardly
        (lambda n: 0.010 * max(1, n / 4), 4),  # full at four
    ],
)
def test_larger_batches_are_taken_only_where_they_pay(batch_s, best):
    now = 0.0

    def run(count):
        nonlocal now
        now += batch_s(count)

    assert fastest_batch_size(run, clock=lambda: now) == best
