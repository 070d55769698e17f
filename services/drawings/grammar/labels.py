"""The words by which title blocks in Korean, English and German name their fields."""

import re

LABELS: dict[str, tuple[str, ...]] = {
    "drawing_number": (
        "DWG NO", "DWG NUMBER", "DRAWING NO", "DRAWING NUMBER", "DRG NO", "DWG", "PART NO",
        "PART NUMBER", "도번", "도면번호", "도면 번호", "품번", "ZEICHNUNGSNR", "ZEICHNUNGSNUMMER",
        "ZEICHNUNGS-NR", "ZEICHN.-NR", "ZEICHNG NR", "SACHNUMMER", "TEILENUMMER",
    ),
    "title": (
        "TITLE", "DRAWING TITLE", "PART NAME", "DESCRIPTION", "품명", "도명", "명칭", "제목",
        "도면명", "BENENNUNG", "BEZEICHNUNG",
    ),
    "material": ("MATERIAL", "MAT'L", "MATL", "MAT", "재질", "재료", "WERKSTOFF"),
    "scale": ("SCALE", "척도", "축척", "MASSSTAB", "MAßSTAB"),
    "revision": (
        "REVISION", "REV NO", "REV", "개정", "개정번호", "리비전", "ÄNDERUNG", "INDEX",
        "ÄNDERUNGSINDEX",
    ),
    "unit": ("UNIT", "UNITS", "단위", "EINHEIT", "EINHEITEN"),
    "projection": (
        "PROJECTION", "ANGLE PROJECTION", "PROJ", "각법", "투상법", "투상", "PROJEKTION",
        "PROJEKTIONSMETHODE",
    ),
    "general_tolerance": (
        "TOLERANCE", "TOLERANCES", "GENERAL TOLERANCE", "GENERAL TOLERANCES", "GEN TOL", "TOL",
        "공차", "일반공차", "일반 공차", "보통공차", "ALLGEMEINTOLERANZ", "ALLGEMEINTOLERANZEN",
        "TOLERANZ", "TOLERANZEN", "FREIMASSTOLERANZ",
    ),
    "surface_finish": (
        "SURFACE FINISH", "SURFACE ROUGHNESS", "FINISH", "표면거칠기", "표면처리", "다듬질",
        "OBERFLÄCHE", "OBERFLÄCHENGÜTE", "OBERFLÄCHENBESCHAFFENHEIT",
    ),
    "weight": ("WEIGHT", "WT", "MASS", "중량", "무게", "질량", "GEWICHT", "MASSE"),
    "quantity": ("QUANTITY", "QTY", "Q'TY", "수량", "STÜCKZAHL", "MENGE", "ANZAHL"),
    "sheet": ("SHEET", "SHEET NO", "PAGE", "매수", "장수", "페이지", "BLATT", "SEITE"),
    "sheet_size": ("SIZE", "SHEET SIZE", "용지", "도면크기", "FORMAT", "BLATTFORMAT"),
    "date": ("DATE", "일자", "날짜", "작성일", "작성일자", "DATUM"),
    "drawn": (
        "DRAWN", "DRAWN BY", "DRAWER", "DESIGNED", "DESIGNED BY", "DRN", "작성", "작성자", "제도",
        "설계", "설계자", "GEZEICHNET", "GEZ", "ERSTELLT", "BEARBEITER",
    ),
    "checked": (
        "CHECKED", "CHECKED BY", "CHK'D", "CHKD", "CHECK", "REVIEWED", "검토", "검도", "검토자",
        "GEPRÜFT", "GEPR",
    ),
    "approved": (
        "APPROVED", "APPROVED BY", "APPV'D", "APPVD", "APPD", "승인", "승인자", "GENEHMIGT",
        "FREIGEGEBEN", "FREIGABE",
    ),
    "linear": ("LINEAR", "LÄNGEN", "길이"),
    "angular": ("ANGULAR", "ANGLES", "WINKEL", "각도"),
    "company": ("COMPANY", "회사", "회사명", "업체명", "FIRMA"),
}  # fmt: skip
"""Of each field of ``TitleBlock``, and of the two parts of a general tolerance, its labels."""

OTHER_LABELS: tuple[str, ...] = (
    "NAME", "SIGNATURE", "MFG", "Q.A", "QA", "UNLESS OTHERWISE SPECIFIED", "DIMENSIONS ARE IN",
    "DEBURR AND BREAK SHARP EDGES", "DEBURR AND", "BREAK SHARP", "EDGES", "DO NOT SCALE DRAWING",
    "DO NOT SCALE", "UNLESS OTHERWISE", "SPECIFIED", "SIGNATUR", "QUALITÄT", "PRODUKTION",
    "ZEICHNUNG NICHT SKALIEREN", "ENTGRATEN UND", "SCHARFE KANTEN", "BRECHEN",
    "REMARK", "REMARKS", "비고",
    "이름", "서명", "성명", "HEAT TREATMENT", "열처리", "PROJECT", "프로젝트", "CUSTOMER", "고객",
    "NO", "ITEM", "품목", "SPEC", "규격", "ENTGRATEN UND SCHARFE KANTEN BRECHEN",
    "WENN NICHT ANDERS DEFINIERT", "BEMASSUNGEN SIND IN MILLIMETER", "NAMEN", "ABTEILUNG",
)  # fmt: skip
"""Labels of title blocks that belong to no field; they are never values."""

_SPACES = re.compile(r"[ .]+")


def label_key(text: str) -> str:
    """What is compared of a label: capitals, without full stops, colons and double blanks."""
    return _SPACES.sub(" ", text.upper()).strip(" :-()[]")


FIELD_OF_LABEL: dict[str, str] = {
    label_key(label): name for name, labels in LABELS.items() for label in labels
}
OTHER_KEYS: frozenset[str] = frozenset(label_key(label) for label in OTHER_LABELS)
LONGEST_LABEL: int = max(map(len, [*FIELD_OF_LABEL, *OTHER_KEYS])) + 8
