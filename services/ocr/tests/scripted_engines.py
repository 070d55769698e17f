"""Engines that find and read what a test says."""

import numpy as np

from services.ocr.readings import FoundText, Reading
from shared.engine import EngineInfo


class Detector:
    """Finds the same boxes on every picture."""

    def __init__(self, *boxes):
        self.boxes, self.sizes = np.array(boxes, np.float32).reshape(-1, 4, 2), []

    def load(self):
        return EngineInfo("finder", "cpu", details=(("digest", "f1"),))

    def warm_up(self):
        pass

    def run(self, key, payloads):
        self.sizes += [picture.shape[:2] for picture in payloads]
        return [FoundText(self.boxes) for _ in payloads]

    def close(self):
        pass


class Recogniser(Detector):
    """Reads each crop as ``answer(name, crop)`` says."""

    def __init__(self, answer, *names):
        self.answer, self.names = answer, names or ("latin",)

    def load(self):
        listed = [
            {
                "name": name,
                "languages": ["ko" if name == "korean" else "en"],
                "demo": False,
                "digest": f"{name} 1",
            }
            for name in self.names
        ]
        return EngineInfo(self.names[0], "cpu", details=(("recognisers", listed),))

    def run(self, key, payloads):
        return [self.answer(key[0], crop) for crop in payloads]


def says(text, confidence=0.9):
    return Reading(text, confidence, np.linspace(0, 1, len(text), dtype=np.float32))
