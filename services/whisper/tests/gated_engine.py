"""An engine at the seam: says the number of the window, when the test lets it."""

import threading

from services.whisper.tasks import SpokenSegment, WindowResult
from shared.engine import EngineInfo
from shared.errors import EngineError


class GatedEngine:
    """Answers " one", " two", … for each request's windows; the prompt names the request."""

    WORDS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")

    def __init__(self, *, window_s=2.0, sure=1.0, fails_at=None):
        self.gate = threading.Event()
        self.permits = threading.Semaphore(0)
        self.ran = []  # (prompt, language asked for), in order
        self._window_s, self._sure, self._fails_at = window_s, sure, fails_at

    def load(self):
        facts = {
            "languages": ["en", "ko"],
            "window_s": self._window_s,
            "n_mels": 80,
            "can_translate": True,
            "digest": "none",
        }
        return EngineInfo("gated", "cpu", details=tuple(facts.items()))

    def warm_up(self):
        pass

    def run(self, key, payloads):
        while not self.gate.is_set():
            if self.permits.acquire(timeout=0.01):
                break
        return [self._answer(task) for task in payloads]

    def _answer(self, task):
        count = sum(prompt == task.prompt for prompt, _ in self.ran)
        self.ran.append((task.prompt, task.language))
        if count == self._fails_at:
            return EngineError("the model failed on this window")
        word = self.WORDS[count % len(self.WORDS)]
        return WindowResult(
            [SpokenSegment(0.0, task.duration_s, f" {word}", [1])],
            task.language or "ko", 1.0 if task.language else self._sure,
            -0.1, 0.0, 1.0, 0.0, False, [], [],
        )  # fmt: skip

    def close(self):
        self.gate.set()
