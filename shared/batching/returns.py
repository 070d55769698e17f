"""How soon the clients of a batch ask again, and whether to wait for them.

Clients that each send their next request after an answer (a closed loop) come back in a burst after
their batch is delivered. A lane that starts at once with what waited meanwhile splits them into two
groups that take turns, each waiting for the other's batch: two fixed costs a cycle instead of one.
"""


class Returns:
    """Watches the arrivals after each delivery: what share of its items is followed, and when."""

    SMOOTHING = 0.2
    LOOP_SHARE = 0.75  # fewer followed by an arrival: not a closed loop, arrivals are independent
    SPREADS = 2.0  # the burst is taken to be over so many mean deviations after its mean end

    def __init__(self, window_s: float) -> None:
        """Start without knowledge.

        Args:
            window_s: arrivals later than this after a delivery do not belong to it.
        """
        self._window_s = window_s
        self._delivered_at = 0.0
        self._delivered = 0  # items of the delivery that is being watched; 0: none
        self._came = 0  # arrivals since, at most one for each of its items
        self._last_came_s = 0.0  # time of the last of them after the delivery
        self._share = 0.0  # of a delivery's items, followed by an arrival
        self._end_s = self._spread_s = 0.0  # when the last follower came, and its mean deviation

    def arrived(self, now: float) -> None:
        """An item came."""
        after_s = now - self._delivered_at
        if self._came < self._delivered and after_s <= self._window_s:
            self._came += 1
            self._last_came_s = after_s

    def delivered(self, items: int, now: float) -> None:
        """So many items were answered."""
        if self._delivered:
            self._learn()
        self._delivered_at, self._delivered, self._came = now, items, 0

    def _learn(self) -> None:
        rate = self.SMOOTHING
        self._share += rate * (self._came / self._delivered - self._share)
        if self._came:
            self._spread_s += rate * (abs(self._last_came_s - self._end_s) - self._spread_s)
            self._end_s += rate * (self._last_came_s - self._end_s)

    def expected(self, now: float) -> tuple[int, float]:
        """Items of the last delivery that have not been followed yet but will be, and within what.

        Returns:
            Their number, and the time from now in s within which they should all have come;
            (0, 0.0) when none is expected.
        """
        if self._share < self.LOOP_SHARE:
            return 0, 0.0
        missing = round(self._share * self._delivered) - self._came
        end_s = min(self._end_s + self.SPREADS * self._spread_s, self._window_s)
        within_s = self._delivered_at + end_s - now
        return (missing, within_s) if missing > 0 and within_s > 0 else (0, 0.0)

    def useful_wait_s(self, now: float, waiting: int, room: int, fixed_s: float) -> float:
        """How long an idle lane should wait for more items; 0 when it should start now.

        It pays when more items are done per second of the lane's time, the wait ``d`` included:
        ``(k + m) / (d + a + b (k + m)) > k / (a + b k)`` for ``k`` waiting and ``m`` missing items
        (renewal-reward theorem: Ross, Stochastic Processes, 1996, section 3.6), which is
        ``m a > k d``: the fixed costs saved outweigh the time lost by those who wait.

        Args:
            now: on the clock of the deliveries.
            waiting: items that would wait.
            room: items that the batch could still take.
            fixed_s: cost ``a`` of a batch that does not depend on its size.
        """
        missing, within_s = self.expected(now)
        return within_s if min(missing, room) * fixed_s > waiting * within_s else 0.0
