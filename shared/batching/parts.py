"""A request that is more than one batch holds: split into items, rejoined in order.

A service turns each part (tile, line, picture) into an item of its own, so that parts of one
request and of many share batches; ``run_parts`` is how it does so.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import nullcontext
from typing import TypeVar

Part = TypeVar("Part")
Result = TypeVar("Result")


async def run_parts(
    work: Callable[[Part], Awaitable[Result]],
    parts: Iterable[Part],
    *,
    at_once: int | None = None,
) -> list[Result]:
    """Work on the parts of one request side by side.

    Args:
        work: gives the result of one part; prepares it and has it run by its host.
        parts: of the request.
        at_once: parts that are worked on at a time, so that one request does not fill the queue;
            None for all of them.

    Returns:
        The result of each part, in the order of the parts.

    Raises:
        GantryError: what the first part that failed met; work on the others has ended by then.
    """
    slots = nullcontext() if at_once is None else asyncio.Semaphore(at_once)

    async def one(part: Part) -> Result:
        async with slots:
            return await work(part)

    tasks = [asyncio.ensure_future(one(part)) for part in parts]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
