import asyncio
import time

import pytest

from shared.deadlines import Deadlines


class Call:
    def __init__(self, deadlines, after_s):
        self.deadline = time.monotonic() + after_s
        self.expired = asyncio.Event()
        self._deadlines = deadlines
        deadlines.add(self)

    def expire(self):
        self._deadlines.drop(self)
        self.expired.set()


@pytest.fixture
def deadlines():
    return Deadlines()


async def test_call_expires_though_a_later_deadline_was_waited_for(deadlines):
    late, soon = Call(deadlines, 60.0), Call(deadlines, 0.01)

    await soon.expired.wait()

    assert not late.expired.is_set()


async def test_timer_goes_on_to_the_next_deadline(deadlines):
    calls = [Call(deadlines, after_s) for after_s in (0.03, 0.01, 0.02)]

    for call in calls:
        await call.expired.wait()


async def test_dropped_call_does_not_expire(deadlines):
    dropped, kept = Call(deadlines, 0.01), Call(deadlines, 0.02)
    deadlines.drop(dropped)

    await kept.expired.wait()

    assert not dropped.expired.is_set()
