"""Wait for what no event tells."""

import asyncio


async def until(condition):
    """Wait for a condition, looking often."""
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - the engine's thread cannot set an event here
            await asyncio.sleep(0.002)
