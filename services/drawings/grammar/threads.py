"""Screw threads: metric, trapezoidal, unified and pipe threads."""

import re
from bisect import bisect_left

from services.drawings.grammar.readings import Number, Thread, ThreadSystem
from services.drawings.grammar.scanner import NotRead, Scanner
from services.drawings.grammar.words import DEPTH_BEHIND

# Coarse pitches of ISO 261 by major diameter: the largest pitch a diameter can have.
_COARSE_MM = (
    (1, 0.25), (1.2, 0.25), (1.4, 0.3), (1.6, 0.35), (2, 0.4), (2.5, 0.45), (3, 0.5), (3.5, 0.6),
    (4, 0.7), (5, 0.8), (6, 1), (8, 1.25), (10, 1.5), (12, 1.75), (16, 2), (20, 2.5), (24, 3),
    (30, 3.5), (36, 4), (42, 4.5), (48, 5), (56, 5.5), (64, 6), (300, 8),
)  # fmt: skip
_PITCHES_MM = {
    0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.7, 0.75, 0.8, 1, 1.25, 1.5, 1.75, 2, 2.5, 3, 3.5,
    4, 4.5, 5, 5.5, 6, 8,
}  # fmt: skip

# Numbered sizes of ASME B1.1 by their threads per inch; 4-40 is no thread of four inches.
_NUMBERED = {
    0: (80,), 1: (64, 72), 2: (56, 64), 3: (48, 56), 4: (40, 48), 5: (40, 44), 6: (32, 40),
    8: (32, 36), 10: (24, 32), 12: (24, 28, 32),
}  # fmt: skip
_MOST_PER_INCH = 20  # of a thread of whole inches

_M = re.compile(r"M ?(?=[0-9])")
_TR = re.compile(r"(?:Tr|TR) ?(?=[0-9])")
_TIMES = re.compile(r"[xX×] ?P?(?=[0-9.])")
_PITCH = re.compile(r"(?:[xX×] ?)?P(?=[0-9])|[xX×] ?(?=[0-9.])")
_LEAD = re.compile(r"[xX×] ?Ph ?(?=[0-9])")
_PITCH_OF_LEAD = re.compile(r"\(? ?P ?(?=[0-9])")
_METRIC_CLASS = re.compile(
    r"(?:- ?)?([3-9][EFGHefgh](?:[3-9][EFGHefgh])?(?:/[3-9][efgh](?:[3-9][efgh])?)?)(?![0-9A-Za-z])"
)
_TR_CLASS = re.compile(r"- ?([0-9]{1,2}[a-zA-Z](?:/[0-9]{1,2}[a-z])?)(?![0-9A-Za-z])")
_LEFT_HAND = re.compile(r"(?:- ?)?(?:LH|왼나사)(?![A-Za-z])")
_FRACTION = r"(?:[1-9][0-9]?(?: |-| - ))?[1-9][0-9]?/[1-9][0-9]?"
_INCH_SERIES = re.compile(
    rf"(?P<size>(?:#|No\.? ?|NO\.? ?)(?P<numbered>[0-9]{{1,2}})|{_FRACTION}|[1-9]?\.[0-9]{{3,4}}"
    r"|0\.[0-9]{3,4}|1[02]|[0-9])"
    r" ?\"?(?: ?- ?(?P<tpi>[0-9]{1,2}(?:\.[0-9])?))? ?-? ?"
    r"(?P<series>UNJC|UNJF|UNEF|UNC|UNF|UNS|UN|NPTF|NPTR|NPT|NPSM|NPSF|NPS|BSPP|BSPT|BSW|BSF)"
    r"(?:(?: ?- ?| )(?P<class>[123][AB]))?(?![0-9A-Za-z])"
)
_PIPE = re.compile(
    rf"(?P<system>G|Rp|Rc|R|PT|PF|PS|BSPP|BSPT|NPTF|NPT|W) ?(?P<size>{_FRACTION}|[1-6](?![0-9.,]))"
    r"(?P<inch> ?\")?(?: ?-? ?(?P<class>[AB])(?![0-9A-Za-z]))?(?![0-9A-Za-z/])"
)
_SYSTEMS: dict[str, ThreadSystem] = {
    "G": "G", "PF": "G", "BSPP": "G", "Rp": "Rp", "PS": "Rp", "Rc": "Rc",
    "PT": "PT", "BSPT": "PT", "W": "BSW", "BSW": "BSW", "BSF": "BSW",
}  # fmt: skip


def take_thread(scanner: Scanner) -> Thread | None:
    """Take the designation of a thread, without count and depth.

    Raises:
        NotRead: a thread's letter with a size or pitch that no such thread has.
    """
    return (
        _take_inch_series(scanner)
        or _take_pipe(scanner)
        or _take_trapezoidal(scanner)
        or _take_metric(scanner)
    )


def is_pitch_mm(pitch: float, diameter: float) -> bool:
    """Whether ISO 261 knows the pitch, and not above the coarse one of this diameter or the next.

    Args:
        pitch: in mm.
        diameter: major diameter in mm.
    """
    at = bisect_left(_COARSE_MM, (diameter, 0.0))
    return at < len(_COARSE_MM) and pitch in _PITCHES_MM and pitch <= _COARSE_MM[at][1]


def _take_metric(scanner: Scanner) -> Thread | None:
    start = scanner.first_after_blanks()
    if scanner.take(_M) is None:
        return None
    size = _required_number(scanner)
    if not 1 <= size.value <= 300:
        raise NotRead(f"M{size.text} is no metric thread: ISO 261 holds M1 to M300")
    lead, pitch, length = _take_metric_lengths(scanner, size)
    tolerance_class, is_left_hand = _take_class_and_hand(scanner, _METRIC_CLASS)
    return Thread(
        designation=scanner.printed_from(start),
        system="M",
        size=size,
        pitch=pitch,
        lead=lead,
        tolerance_class=tolerance_class,
        is_left_hand=is_left_hand,
        length=length,
    )


def _take_class_and_hand(
    scanner: Scanner, tolerance_class: re.Pattern[str]
) -> tuple[str | None, bool]:
    """Take the tolerance class and whether the thread is left-hand, in either order."""
    is_left_hand = scanner.take(_LEFT_HAND) is not None
    found = scanner.take(tolerance_class)
    is_left_hand = is_left_hand or scanner.take(_LEFT_HAND) is not None
    return (found[1] if found else None), is_left_hand


def _take_metric_lengths(
    scanner: Scanner, size: Number
) -> tuple[Number | None, Number | None, Number | None]:
    """Take lead, pitch and length, as far as they are printed."""
    lead = pitch = length = None
    if scanner.take(_LEAD):
        lead = _required_number(scanner)
        if scanner.take(_PITCH_OF_LEAD) is None:
            raise NotRead("a lead without a pitch")
        pitch = _required_number(scanner)
    else:
        before = scanner.at
        if scanner.take(_PITCH):
            pitch = _required_number(scanner)
            if not is_pitch_mm(pitch.value, size.value):
                pitch, scanner.at = None, before
    before = scanner.at
    if scanner.take(_TIMES):
        length = _required_number(scanner)
        if scanner.peek(DEPTH_BEHIND):
            length, scanner.at = None, before
    return lead, pitch, length


def _take_trapezoidal(scanner: Scanner) -> Thread | None:
    start = scanner.first_after_blanks()
    if scanner.take(_TR) is None:
        return None
    size = _required_number(scanner)
    if scanner.take(_TIMES) is None:
        raise NotRead("a trapezoidal thread without a pitch")
    pitch = _required_number(scanner)
    lead = None
    if scanner.take(_PITCH_OF_LEAD):
        lead, pitch = pitch, _required_number(scanner)
        scanner.take_sign(")")
    if pitch.value >= size.value:
        raise NotRead("the pitch is as large as the thread")
    tolerance_class, is_left_hand = _take_class_and_hand(scanner, _TR_CLASS)
    return Thread(
        designation=scanner.printed_from(start),
        system="Tr",
        size=size,
        pitch=pitch,
        lead=lead,
        tolerance_class=tolerance_class,
        is_left_hand=is_left_hand,
    )


def _take_inch_series(scanner: Scanner) -> Thread | None:
    start = scanner.first_after_blanks()
    found = scanner.take(_INCH_SERIES)
    if found is None:
        return None
    series, numbered = found["series"], found["numbered"]
    system: ThreadSystem = "UN" if series.startswith("UN") else _SYSTEMS.get(series, "NPT")
    is_numbered = numbered is not None or _is_numbered(found["size"], found["tpi"])
    value = float(numbered or found["size"]) if is_numbered else inches(found["size"])
    is_left_hand = scanner.take(_LEFT_HAND) is not None
    return Thread(
        designation=scanner.printed_from(start),
        system=system,
        size=Number(found["size"], value),
        is_numbered=is_numbered,
        threads_per_inch=Number(found["tpi"], float(found["tpi"])) if found["tpi"] else None,
        series=series,
        tolerance_class=found["class"],
        is_left_hand=is_left_hand,
    )


def _is_numbered(size: str, threads_per_inch: str | None) -> bool:
    """Whether a whole number is a numbered size, and not inches.

    Raises:
        NotRead: it fits neither.
    """
    if not size.isdigit():
        return False
    count = float(threads_per_inch or 0)
    if count in _NUMBERED.get(int(size), ()):
        return True
    if not 0 < count <= _MOST_PER_INCH or not 1 <= int(size) <= 6:
        raise NotRead(f"{size} is neither a numbered size nor inches with these threads per inch")
    return False


def _take_pipe(scanner: Scanner) -> Thread | None:
    start = scanner.first_after_blanks()
    found = scanner.peek(_PIPE)
    if found is None:
        return None
    is_whole = "/" not in found["size"]
    if found["system"] == "R":
        if is_whole and not found["inch"]:
            return None  # R5 is a radius
        raise NotRead("R before a fraction: a taper pipe thread or a radius in inches")
    if is_whole and found["system"] in "GW" and not (found["inch"] or found["class"]):
        return None  # G2 is a zone of the sheet
    scanner.take(_PIPE)
    is_left_hand = scanner.take(_LEFT_HAND) is not None
    return Thread(
        designation=scanner.printed_from(start),
        system=_SYSTEMS.get(found["system"], "NPT"),
        size=Number(found["size"], inches(found["size"])),
        series=found["system"],
        tolerance_class=found["class"],
        is_left_hand=is_left_hand,
    )


def inches(text: str) -> float:
    """Value of ``1/2``, ``1 1/4``, ``1-1/4`` or ``.250``.

    Raises:
        NotRead: a fraction that is not below 1 in lowest inch parts (denominator a power of 2).
    """
    whole, _, fraction = text.replace("-", " ").rpartition(" ")
    if "/" not in fraction:
        return float(text)
    top, bottom = (int(part) for part in fraction.split("/"))
    if bottom not in (2, 4, 8, 16, 32, 64) or top >= bottom or top % 2 == 0:
        raise NotRead(f"{text} is no fraction of an inch")
    return (int(whole) if whole.strip() else 0) + top / bottom


def _required_number(scanner: Scanner) -> Number:
    number = scanner.number()
    if number is None or not number.value:
        raise NotRead("a number is missing in the thread")
    return number
