"""Words and signs that stand beside a size, in English, German and Korean."""

import re
from re import Pattern

_END = r"(?![0-9A-Za-zÄÖÜäöüß가-힣])"


def word_pattern(*words: str) -> Pattern[str]:
    """Pattern of whole words in any case; a final full stop may follow each."""
    alternatives = "|".join(re.escape(word).replace(r"\ ", " ?") for word in words)
    return re.compile(rf"(?:{alternatives}){_END}\.?", re.IGNORECASE)


DEPTH_BEFORE = re.compile(
    r"(?:↧|(?:DEPTH|DEEP|D\.?P\.?|TIEFE?|깊이|深)(?![A-Za-zÄÖÜäöüß가-힣])\.?) ?[:=]?", re.IGNORECASE
)
DEPTH_BEHIND = re.compile(rf"(?:DEEP|DP|TIEF|깊이){_END}\.?(?! ?[0-9.])", re.IGNORECASE)
THROUGH = word_pattern(
    "THRU ALL", "THRU HOLE", "THRU", "THROUGH ALL", "THROUGH", "DURCHGEHEND", "DURCHGANG", "DURCH",
    "관통", "관통홀", "貫通", "通",
)  # fmt: skip
MAXIMUM = word_pattern("MAX", "MAXIMUM", "최대", "이하")
MINIMUM = word_pattern("MIN", "MINIMUM", "최소", "이상")
REFERENCE = word_pattern("REF", "REFERENCE", "참고")
BASIC = word_pattern("BSC", "BASIC")
DIAMETER = word_pattern("DIA", "DIAMETER", "파이")
THICKNESS = word_pattern("THK", "THICK", "THICKNESS", "두께", "DICK")
PITCH_CIRCLE = re.compile(
    r"(?:ON )?(?:(?:P\.?C\.?D|B\.?C\.?D)(?![A-Za-z])|(?:B\.C|BC|TK|LK)(?= ?⌀|[ )]*$))\.? ?[:=]?",
    re.IGNORECASE,
)
PLACES = word_pattern("PLACES", "PLCS", "PLC", "PL", "STELLEN", "HOLES", "개소", "곳", "군데")
NOTE = word_pattern(
    "TYPICAL", "TYP", "BOTH SIDES", "BOTH ENDS", "NEAR SIDE", "FAR SIDE", "양쪽", "양면", "양끝",
)  # fmt: skip
NOTE_OF_HOLE = word_pattern(
    "EQUALLY SPACED", "EQUI SPACED", "EQ SPACED", "EQ SP", "EQ.SP", "EQS", "등간격", "등분",
    "TAPPED", "TAP", "GEWINDE", "탭", "DRILLED", "DRILL", "드릴", "REAMED", "REAM", "리머", "BORE",
    "HOLES", "HOLE", "구멍", "BOHRUNG", "GEBOHRT", "GERIEBEN",
)  # fmt: skip
NOTE_OF_CHAMFER = word_pattern("CHAMFER", "CHAMF", "CHAM", "모따기", "FASE")
COUNTERBORE = re.compile(
    r"⌴|(?:C[' /-]?BORE|COUNTERBORE|깊은 ?자리파기|카운터보어)\.?", re.IGNORECASE
)
COUNTERSINK = re.compile(
    r"⌵|(?:CSK|C[' /-]?SINK|COUNTERSINK|접시 ?자리파기|카운터싱크)\.?", re.IGNORECASE
)
SPOTFACE = re.compile(rf"(?:SF|S\.F\.|SPOT ?FACE|자리파기){_END}\.?", re.IGNORECASE)
