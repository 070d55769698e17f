"""How many lanes of one engine pay, found at the start by running its golden example on them.

A second process beside the first helps where one leaves cores or the device idle, and costs its
memory where it does not. Whether it fits is the memory budget's business: a lane that finds no room
does not start, and the search ends there.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence

from shared.errors import GantryError
from shared.lanes import Lane

log = logging.getLogger(__name__)

MIN_GAIN = 1.15
"""A lane more must raise the throughput by this factor to be kept."""
ROUNDS = 3
"""Golden examples that each lane runs in one measurement, after one that does not count."""


async def paying_lanes(
    first: Lane,
    *,
    most: int,
    report: Callable[[int, float], None] = lambda lanes, per_s: None,
) -> list[Lane]:
    """Start lanes beside a loaded one for as long as each raises the throughput.

    Args:
        first: loaded and idle; further lanes are its clones.
        most: lanes at most, the first included.
        report: told golden examples per s of each number of lanes that was tried.

    Returns:
        The lanes to use, loaded, the first included.

    Raises:
        GantryError: the first lane failed its golden example.
    """
    lanes = [first]
    started = [first]
    try:
        report(1, await _throughput(lanes))
        while len(lanes) < most:
            another = first.clone()
            started.append(another)
            if not await _pays(lanes, another, report):
                await another.stop()
                break
            lanes.append(another)
    except BaseException:  # the service stops meanwhile, or the first lane is broken
        for each in started:
            await each.stop()
        raise
    return lanes


async def _pays(lanes: list[Lane], another: Lane, report: Callable[[int, float], None]) -> bool:
    try:
        await another.start()
        together = await _throughput([*lanes, another])
        # Measured again now, with all of them in memory: the machine may have changed meanwhile.
        alone = await _throughput(lanes)
    except GantryError as error:
        log.info("no lane beside %d: %s", len(lanes), error.detail)
        return False
    report(len(lanes) + 1, together)
    return together >= MIN_GAIN * alone


async def _throughput(lanes: Sequence[Lane]) -> float:
    """Golden examples per s, all lanes at work."""
    loop = asyncio.get_running_loop()
    await asyncio.gather(*(lane.exercise() for lane in lanes))
    started = loop.time()
    await asyncio.gather(*(_rounds(lane) for lane in lanes))
    return len(lanes) * ROUNDS / max(1e-9, loop.time() - started)


async def _rounds(lane: Lane) -> None:
    for _ in range(ROUNDS):
        await lane.exercise()
