"""How many requests a service is given at a time: found by trying, as TCP finds its window.

Additive increase, multiplicative decrease (Chiu and Jain, 1989): each answer that came while the
limit was nearly reached raises it a little, a refusal or an expired deadline lowers it by a tenth.
As there, what was sent before the limit was lowered says nothing about the new one.
"""

from dataclasses import dataclass

DECREASE = 0.9
NEARLY_REACHED = 0.8
SIGN_LASTS_S = 1.0  # a service that lowered its limit since then is taken to be overloaded


@dataclass
class AdaptiveLimit:
    """The limit of one service."""

    value: float = 256.0
    floor: float = 4.0
    ceiling: float = 4096.0
    _lowered_at: float = float("-inf")

    def succeeded(self, in_flight: int) -> None:
        """Note an answer.

        Args:
            in_flight: requests that the service had, with this one.
        """
        if in_flight >= NEARLY_REACHED * self.value:
            self.value = min(self.ceiling, self.value + 1.0 / self.value)

    def overloaded(self, in_flight: int, *, began: float, now: float) -> None:
        """Note that the service refused a request or was too slow for it.

        Args:
            in_flight: requests that the service had, with this one.
            began: when it was given the request, in s.
            now: the time, in s.
        """
        if began < self._lowered_at:
            return
        self._lowered_at = now
        # What is in flight is the better guess when the limit was never reached.
        self.value = max(self.floor, min(self.value, float(in_flight)) * DECREASE)

    def is_overloaded(self, now: float) -> bool:
        """Whether the service showed of late that it has more to do than it can."""
        return now - self._lowered_at < SIGN_LASTS_S
