"""The fonts that text is rendered with, and those held out to measure what was learned.

All come from Debian packages (`make deps`): fonts-nanum, fonts-nanum-extra, fonts-unfonts-core,
fonts-unfonts-extra, fonts-noto-cjk, fonts-baekmuk, fonts-lexi-gulim, fonts-lexi-saebom, fonts-alee,
fonts-naver-d2coding, fonts-dejavu, fonts-liberation2, fonts-osifont.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from PIL import ImageFont

FONT_ROOT = Path("/usr/share/fonts")
NOTO_KOREAN_INDEX = 1  # faces of the Noto CJK collections: JP, KR, SC, TC, HK
FALLBACK_KOREAN = "NotoSansCJK-Regular.ttc"  # holds every sign of the alphabet that is not drawn

# Never seen in training: a sans and a serif family, by different designers.
HELD_OUT = ("NanumBarunGothic", "NanumBarunGothicBold", "UnBatang", "UnBatangBold")

_PLAIN_KOREAN = """
    NanumGothic NanumGothicBold NanumGothicCoding NanumGothicLight NanumMyeongjo
    NanumMyeongjoBold NanumSquareB NanumSquareR NanumSquareL NanumSquareRoundR NanumSquareRoundB
    NanumSquare_acR NotoSansCJK-Regular NotoSansCJK-Bold NotoSerifCJK-Regular NotoSerifCJK-Bold
    UnDotum UnDotumBold UnGraphic UnGraphicBold UnShinmun batang dotum gulim hline LexiGulim
    LexiSaebomR D2Coding-Ver1.3.2-20180524-all
"""
_ORNAMENTAL_KOREAN = """
    NanumBarunpenR NanumBarunpenB NanumGothicExtraBold NanumMyeongjoExtraBold NanumSquareEB
    UnDinaru UnDinaruBold UnGungseo UnPilgi UnJamoDotum UnJamoBatang UnTaza UnVada UnPen Guseul
    Bandal Eunjin NanumPen NanumBrush
"""
_LATIN = """
    DejaVuSans DejaVuSans-Bold DejaVuSans-Oblique DejaVuSansCondensed DejaVuSansMono DejaVuSerif
    LiberationSans-Regular LiberationSans-Bold LiberationSans-Italic LiberationSerif-Regular
    LiberationSerif-Italic LiberationMono-Regular osifont
"""


class FontsMissing(RuntimeError):
    """The fonts that the generator draws with are not installed."""


@dataclass(frozen=True)
class FontSet:
    """Font files by their use; ornamental faces are drawn rarely."""

    plain: tuple[Path, ...]
    ornamental: tuple[Path, ...]
    latin: tuple[Path, ...]


@lru_cache(maxsize=1)
def _installed() -> dict[str, Path]:
    return {p.stem: p for p in sorted(FONT_ROOT.rglob("*.[to]t[fc]")) if p.stem != ""}


def _find(names: tuple[str, ...] | list[str]) -> tuple[Path, ...]:
    return tuple(_installed()[name] for name in names if name in _installed())


def training_fonts() -> FontSet:
    """Every installed font that training may use; the held-out ones are never among them.

    Raises:
        FontsMissing: no plain Korean or no Latin font is installed.
    """
    found = FontSet(
        _find(_PLAIN_KOREAN.split()), _find(_ORNAMENTAL_KOREAN.split()), _find(_LATIN.split())
    )
    if not found.plain or not found.latin:
        raise FontsMissing(
            f"no Korean and Latin fonts under {FONT_ROOT}; `make deps` installs them"
        )
    return found


def held_out_fonts(names: tuple[str, ...] = HELD_OUT) -> FontSet:
    """The fonts kept for evaluation, for Korean and Latin text alike.

    Raises:
        FontsMissing: none of them is installed.
    """
    found = _find(names)
    if not found:
        raise FontsMissing(
            f"none of {', '.join(names)} under {FONT_ROOT}; `make deps` installs them"
        )
    return FontSet(found, (), found)


@lru_cache(maxsize=2048)
def load(path: Path, size_px: int) -> ImageFont.FreeTypeFont:
    """A face at a size, kept for reuse."""
    index = NOTO_KOREAN_INDEX if path.suffix == ".ttc" and "CJK" in path.name else 0
    return ImageFont.truetype(str(path), size_px, index=index)


@lru_cache(maxsize=8192)
def has_glyph(path: Path, character: str) -> bool:
    """Whether a face draws this character, told by comparison with its box for missing ones."""
    font = load(path, 24)
    glyph, missing = font.getmask(character), font.getmask("\U0010ffff")
    return bytes(glyph) != bytes(missing) and glyph.getbbox() is not None


def face_for(path: Path, character: str) -> Path:
    """The face itself, or a fallback that holds the character."""
    if has_glyph(path, character):
        return path
    fallback = _installed().get(FALLBACK_KOREAN.removesuffix(".ttc"))
    if fallback is None:
        raise FontsMissing("fonts-noto-cjk is not installed; `make deps` installs it")
    return fallback
