"""``IdleClock``: how long there has been no work."""

import asyncio
from collections.abc import Callable

_SHORTEST_SLEEP_S = 0.05


class IdleClock:
    """Time since the last work, on the running loop's clock."""

    def __init__(self) -> None:
        """No work yet; ``touch`` before the first ``passed``."""
        self._last_work = 0.0
        self._time: Callable[[], float] | None = None  # the loop's: finding it is a system call

    def touch(self) -> None:
        """There is work now."""
        if self._time is None:
            self._time = asyncio.get_running_loop().time
        self._last_work = self._time()

    async def passed(self, idle_s: float, *, is_working: Callable[[], object]) -> None:
        """Wait until ``idle_s`` have gone by without a ``touch``, and nothing is under way."""
        while True:
            left_s = self._last_work + idle_s - asyncio.get_running_loop().time()
            if left_s <= 0 and not is_working():
                return
            await asyncio.sleep(max(left_s, _SHORTEST_SLEEP_S))
