"""Which recognisers read a request, from the languages it names."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from shared.errors import FieldFault, InvalidInput

_ALIASES = {
    "ch": "zh", "chinese": "zh", "eng": "en", "english": "en", "german": "de", "french": "fr",
    "japan": "ja", "japanese": "ja", "jp": "ja", "kor": "ko", "korean": "ko", "kr": "ko",
}  # fmt: skip


@dataclass(frozen=True)
class Recogniser:
    """A recogniser that is loaded."""

    name: str  # of its model
    languages: frozenset[str]  # ISO 639-1
    demo: bool = False


@dataclass(frozen=True)
class LanguageChoice:
    """Recognisers of one request."""

    recognisers: tuple[str, ...]  # names, at least one, in order of preference
    languages: frozenset[str]  # what they read of what was asked
    warnings: tuple[str, ...] = ()


def choose_recognisers(
    wanted: Sequence[str], loaded: Sequence[Recogniser], offered: Mapping[str, str]
) -> LanguageChoice:
    """Choose the recognisers for the languages that a request names.

    Each language is read by the first loaded recogniser that knows it; a demo model reads only
    what no other does, and only when its language is asked for.

    Args:
        wanted: languages, as codes or English names; empty means those of all but demo models.
        loaded: recognisers in order of preference, at least one.
        offered: for each language that some model of the catalogue reads, the model's name.

    Returns:
        The choice; a language without a loaded recogniser is left out with a warning.

    Raises:
        InvalidInput: no model of the catalogue knows a language.
    """
    if not wanted:
        chosen = [each for each in loaded if not each.demo] or list(loaded[:1])
        return LanguageChoice(_names(chosen), frozenset().union(*(r.languages for r in chosen)))
    codes = _codes(wanted, known=set(offered) | {code for r in loaded for code in r.languages})
    by_rank = sorted(loaded, key=lambda each: each.demo)
    found = {code: next((r for r in by_rank if code in r.languages), None) for code in codes}
    warnings = [_missing(code, offered[code]) for code, each in found.items() if each is None]
    warnings += [
        f"{each.name} is a small demo model: expect errors, and install {offered[code]} "
        f"for real use: `make models MODEL=ocr/{offered[code]}`"
        for code, each in found.items()
        if each is not None and each.demo
    ]
    chosen = [each for each in loaded if each in found.values()] or list(loaded[:1])
    readable = frozenset(code for code, each in found.items() if each is not None)
    return LanguageChoice(_names(chosen), readable, tuple(warnings))


def _names(recognisers: Iterable[Recogniser]) -> tuple[str, ...]:
    return tuple(each.name for each in recognisers)


def _codes(wanted: Sequence[str], known: set[str]) -> list[str]:
    codes = []
    for name in wanted:
        plain = name.strip().lower().replace("_", "-").partition("-")[0]
        code = _ALIASES.get(plain, plain)
        if code not in known:
            text = f"{name!r} is not a known language; known are {', '.join(sorted(known))}"
            raise InvalidInput(text, faults=[FieldFault("languages", text)])
        codes.append(code)
    return list(dict.fromkeys(codes))


def _missing(code: str, model: str) -> str:
    return (
        f"no installed model reads {code!r}, so text in it is not recognised: install {model} with "
        f"`make models MODEL=ocr/{model}`"
    )
