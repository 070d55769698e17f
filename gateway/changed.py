"""A signal that wakes everyone who waits for "something changed"."""

import asyncio


class Changed:
    """Each ``notify`` wakes all that wait at that moment; those who come later wait anew."""

    def __init__(self) -> None:
        """Start without anyone waiting."""
        self._event: asyncio.Event | None = None  # made when somebody waits

    def notify(self) -> None:
        """Wake all that wait."""
        if self._event is not None:
            self._event.set()
            self._event = None

    async def wait(self) -> None:
        """Wait for the next ``notify``."""
        if self._event is None:
            self._event = asyncio.Event()
        await self._event.wait()
