"""A signal that wakes everyone who waits for "something changed"."""

import asyncio


class Changed:
    """Each ``notify`` wakes all that wait at that moment; those who come later wait anew."""

    def __init__(self) -> None:
        """Start without anyone waiting."""
        self._event = asyncio.Event()

    def notify(self) -> None:
        """Wake all that wait."""
        self._event.set()
        self._event = asyncio.Event()

    async def wait(self) -> None:
        """Wait for the next ``notify``."""
        await self._event.wait()
