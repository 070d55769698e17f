"""Turn a recogniser's output into text (greedy CTC decoding, Graves et al., ICML 2006)."""

from collections.abc import Sequence

import numpy as np

from services.ocr.readings import FloatArray, Reading

BLANK = 0


def decode(probabilities: FloatArray, characters: Sequence[str], *, used: float) -> Reading:
    """Decode one line.

    Args:
        probabilities: (n_steps, n_classes), each row sums to 1.
        characters: text of each class; class 0 is the blank.
        used: share of the width, above 0 to 1, that the line takes; the rest is padding.
    """
    best = probabilities.argmax(axis=1)  # (n_steps,)
    is_new = np.append(True, best[1:] != best[:-1]) & (best != BLANK)
    steps = np.flatnonzero(is_new)
    text = "".join(characters[best[step]] for step in steps)
    if not text:
        return Reading("", 0.0, np.zeros(0, np.float32))
    centres = np.minimum((steps + 0.5) / len(best) / used, 1.0)
    # A class may stand for more than one character.
    repeats = [len(characters[best[step]]) for step in steps]
    confidence = float(probabilities[steps, best[steps]].mean())
    return Reading(text, min(1.0, confidence), np.repeat(centres, repeats).astype(np.float32))
