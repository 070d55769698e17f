import os
import socket
import threading
from dataclasses import dataclass

import numpy as np
import pytest

from shared.errors import InvalidInput, QueueFull
from shared.wire import Channel, ChannelClosed


@dataclass(frozen=True)
class Point:
    x: int
    name: str


@dataclass(frozen=True)
class Unlisted:
    x: int


@pytest.fixture
def channels():
    ours, theirs = socket.socketpair()
    pair = (Channel(ours, [Point]), Channel(theirs, [Point]))
    yield pair
    for channel in pair:
        channel.close()


def carried(channels, value):
    """``value`` after a trip through the socket; sent from a thread, since both ends block."""
    sender, receiver = channels
    thread = threading.Thread(target=sender.send, args=(value,))
    thread.start()
    received = receiver.receive()
    thread.join()
    return received


@pytest.mark.parametrize(
    "value",
    [
        None,
        [True, 1, -2.5, "텍스트", b"\x00\xff"],
        {"a": [1, {"b": None}], 3: "three"},
        (1, ("nested", (2.0,))),
        [Point(1, "a"), {"in": Point(2, "b")}],
        "x" * 300_000,
    ],
)
def test_plain_values_arrive_equal(channels, value):
    received = carried(channels, value)

    assert received == value
    assert type(received) is type(value)


@pytest.mark.parametrize("shape", [(0,), (3,), (2, 3, 4), (700, 900, 3), (0, 5)])
@pytest.mark.parametrize("dtype", ["uint8", "float32", "int64", "bool"])
def test_arrays_arrive_with_shape_type_and_content(channels, shape, dtype):
    array = np.random.default_rng(1).integers(0, 2, size=shape).astype(dtype)

    received = carried(channels, {"array": array, "again": [array]})

    for each in (received["array"], received["again"][0]):
        assert each.dtype == array.dtype
        np.testing.assert_array_equal(each, array)


def test_large_arrays_can_be_written_to_by_their_receiver(channels):
    received = carried(channels, np.zeros(100_000, np.float32))

    received += 1

    assert received.sum() == 100_000


def test_array_that_is_a_view_arrives_as_it_is_seen(channels):
    array = np.arange(100_000).reshape(100, 1000)[::2, ::-3]

    np.testing.assert_array_equal(carried(channels, array), array)


def test_errors_arrive_with_class_text_and_time_to_retry(channels):
    full, wrong = carried(channels, [QueueFull("full", retry_after_s=7.0), InvalidInput("bad")])

    assert (type(full), full.detail, full.retry_after_s) == (QueueFull, "full", 7.0)
    assert (type(wrong), wrong.detail) == (InvalidInput, "bad")


@pytest.mark.parametrize(
    "value", [Unlisted(1), object(), ValueError("text"), np.array([object()]), {1, 2}]
)
def test_what_was_not_listed_does_not_travel(channels, value):
    with pytest.raises(TypeError, match="does not travel|can not serialize"):
        channels[0].send(value)


def test_other_side_that_closes_is_noticed(channels):
    channels[0].close()

    with pytest.raises(ChannelClosed):
        channels[1].receive()


def test_memory_of_arrays_is_given_back(channels):
    before = open_descriptors()

    for _ in range(50):
        carried(channels, np.zeros(100_000))

    assert open_descriptors() == before


def open_descriptors():
    return len(os.listdir("/proc/self/fd"))
