"""Character error rate."""

from collections.abc import Iterable

from rapidfuzz.distance import Levenshtein


def character_error_rate(pairs: Iterable[tuple[str, str]]) -> float:
    """Edit distance of all (truth, answer) pairs over the number of true characters; 0 is perfect.

    Raises:
        ValueError: the truths hold no character.
    """
    errors = characters = 0
    for truth, answer in pairs:
        errors += Levenshtein.distance(truth, answer)
        characters += len(truth)
    if characters == 0:
        raise ValueError("no characters to compare with")
    return errors / characters
