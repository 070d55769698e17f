"""Bounds retries to a share of the requests, so that they never multiply an outage."""

from dataclasses import dataclass


@dataclass
class RetryBudget:
    """Each request pays in a fraction of a retry; each retry takes a whole one out."""

    ratio: float = 0.2  # retries per request
    reserve: float = 1000.0  # most that can be saved up; what one replica may hold when it dies
    _balance: float = -1.0

    def __post_init__(self) -> None:
        """Begin with the full reserve: a replica may die right after the start."""
        self._balance = self.reserve

    def deposit(self) -> None:
        """Note a request."""
        if self._balance < self.reserve:
            self._balance = min(self.reserve, self._balance + self.ratio)

    def withdraw(self) -> bool:
        """Take one retry, if there is one."""
        if self._balance < 1.0:
            return False
        self._balance -= 1.0
        return True
