"""An event loop whose clock jumps to the next timer: simulations of hours run in milliseconds."""

import asyncio
import selectors


class _JumpingSelector(selectors.DefaultSelector):
    """Instead of waiting for a timeout, moves the loop's clock by it."""

    def __init__(self):
        super().__init__()
        self.now_s = 1000.0

    def select(self, timeout=None):
        ready = super().select(0)
        if ready:
            return ready
        if timeout is None:
            raise RuntimeError("deadlock: nothing is scheduled and nothing can arrive")
        self.now_s += timeout
        return ready


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """A loop in which only timers pass time."""

    def __init__(self):
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)
        self._clock_resolution = 1e-9

    def time(self):
        return self._jumping.now_s

    @property
    def timers(self):
        """Timers that are set and not cancelled."""
        return [handle for handle in self._scheduled if not handle.cancelled()]


def simulate(main):
    """Run ``main(loop)`` to its end in virtual time and return its result."""
    loop = VirtualTimeLoop()
    try:
        return loop.run_until_complete(main(loop))
    finally:
        loop.close()
