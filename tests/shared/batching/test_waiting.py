from types import SimpleNamespace

import pytest

from shared.batching.items import Item
from shared.batching.waiting import Waiting, WaitQueue


def waiting(number, weight):
    item = Item(payload=number, key=(), deadline=100.0 + number, weight=weight)
    return Waiting(item, arrival=0.0, number=number, done=SimpleNamespace(done=lambda: False))


def test_weight_is_the_sum_of_what_waits():
    queue = WaitQueue(interactive_share=8, aging_s=10.0)
    items = [waiting(number, weight=0.1 + number) for number in range(10)]
    for each in items:
        queue.push(each)

    queue.discard(items[3])
    batch = queue.take_batch(4, lambda key: 1000.0)

    left = sum(each.item.weight for each in items if each is not items[3] and each not in batch)
    assert queue.weight == pytest.approx(left)


def test_empty_queue_weighs_nothing():
    queue = WaitQueue(interactive_share=8, aging_s=10.0)
    for number in range(10):
        queue.push(waiting(number, weight=0.1))

    queue.take_batch(10, lambda key: 1000.0)

    assert queue.weight == 0.0
