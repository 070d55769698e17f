import pytest

from services.drawings.grammar import PlacedText, read_title_block


def cells(*rows, width=120, height=20, text_height=10):
    """Texts in a grid of compartments, each at the left of its own; None leaves one blank."""
    placed = []
    for row, texts in enumerate(rows):
        for column, text in enumerate(texts):
            if text is not None:
                x, y = 500 + column * width, 700 + row * height
                box = (x, y, x + 6 * len(text), y + text_height)
                placed.append(PlacedText(text, box, 0.9))
    return placed


def texts_of(block):
    return {name: field.text for name, field in block.present.items()}


def test_values_beside_their_labels_are_found():
    block = read_title_block(
        cells(
            ["품명", "BRACKET", "재질", "S45C"],
            ["도번", "AX-1024", "척도", "1:2"],
            ["단위", "mm", "각법", "3각법"],
            ["수량", "4 EA", "중량", "1.25 kg"],
            ["개정", "B", "일자", "2024-01-15"],
            ["설계", "홍길동", "검도", "김철수"],
            ["공차", "KS B ISO 2768-mK", "매수", "1/3"],
        )
    )

    assert texts_of(block) == {
        "title": "BRACKET",
        "material": "S45C",
        "drawing_number": "AX-1024",
        "scale": "1:2",
        "unit": "mm",
        "projection": "3각법",
        "quantity": "4 EA",
        "weight": "1.25 kg",
        "revision": "B",
        "date": "2024-01-15",
        "drawn": "홍길동",
        "checked": "김철수",
        "general_tolerance": "KS B ISO 2768-mK",
        "sheet": "1/3",
    }
    assert block.scale_ratio == 0.5
    assert block.length_unit == "mm"
    assert (block.sheet_number, block.sheet_count) == (1, 3)
    assert (block.tolerance.linear_class, block.tolerance.geometrical_class) == ("m", "K")


def test_values_below_their_labels_are_found():
    block = read_title_block(
        cells(
            ["DWG NO.", "REV", "SCALE", "SHEET"],
            ["UR10_29.20", "C", "2:1", "1 OF 2"],
            ["MATERIAL", "TITLE", "DATE", "DRAWN BY"],
            ["EN AW-6061", "ADAPTER PLATE", "15.01.2024", "J. DOE"],
            text_height=12,
        )
    )

    assert texts_of(block) == {
        "drawing_number": "UR10_29.20",
        "revision": "C",
        "scale": "2:1",
        "sheet": "1 OF 2",
        "material": "EN AW-6061",
        "title": "ADAPTER PLATE",
        "date": "15.01.2024",
        "drawn": "J. DOE",
    }
    assert block.scale_ratio == 2


def test_values_behind_a_colon_are_found():
    block = read_title_block(
        cells(
            ["MASSSTAB:1:2", "WERKSTOFF: Stahl"],
            ["GEWICHT: 1,25 kg", "BLATT 1 VON 1"],
            ["Benennung: Adapterplatte", "Allgemeintoleranz: DIN ISO 2768-mK"],
            ["ZEICHNUNGSNR.: 4711-A", "EINHEIT: mm"],
            width=300,
        )
    )

    assert texts_of(block) == {
        "scale": "1:2",
        "material": "Stahl",
        "weight": "1,25 kg",
        "sheet": "1 VON 1",
        "title": "Adapterplatte",
        "general_tolerance": "DIN ISO 2768-mK",
        "drawing_number": "4711-A",
        "unit": "mm",
    }


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("SCALE 1:5", "scale", "1:5"),
        ("Maßstab 1:5", "scale", "1:5"),
        ("척도 1:5", "scale", "1:5"),
        ("축척：1:5", "scale", "1:5"),
        ("SHEET 2 OF 3", "sheet", "2 OF 3"),
        ("REV. B", "revision", "B"),
        ("재질 S45C", "material", "S45C"),
        ("재질: 알루미늄 합금", "material", "알루미늄 합금"),
        ("도면번호 : A-100", "drawing_number", "A-100"),
        ("WEIGHT 1.2 kg", "weight", "1.2 kg"),
        ("TOLERANCE ISO 2768-m", "general_tolerance", "ISO 2768-m"),
        ("CHK'D: M. KIM", "checked", "M. KIM"),
    ],
)
def test_label_and_value_on_one_line_are_parted(text, name, value):
    assert texts_of(read_title_block([PlacedText(text, (0, 0, 100, 10))])) == {name: value}


def test_blank_fields_stay_absent():
    block = read_title_block(
        cells(
            ["품명", None, "재질", None],
            ["도번", "AX-1024", "척도", None],
            ["REVISION", None, "WEIGHT:", None],
            ["DATE", None, "DRAWN", None],
        )
    )

    assert texts_of(block) == {"drawing_number": "AX-1024"}


def test_text_of_another_shape_is_no_value():
    block = read_title_block(
        cells(["SCALE", "STEEL", "WEIGHT:", "3"], ["SHEET", "AX-1", "REV", "PLATES"])
    )

    assert texts_of(block) == {}


def test_finish_beside_its_label_is_a_roughness():
    finish = read_title_block(cells(["FINISH:", "Ra 3.2"])).surface_finish

    assert finish.text == "Ra 3.2"
    assert read_title_block(cells(["FINISH:", "DEBURR"])).surface_finish is None
    assert read_title_block(cells(["FINISH: ANODIZED"])).surface_finish.text == "ANODIZED"


def test_value_is_used_once():
    block = read_title_block(cells(["DRAWN", "CHECKED"], ["J. DOE", None]))

    assert texts_of(block) == {"drawn": "J. DOE"}


def test_field_tells_its_place_and_the_lower_confidence():
    label = PlacedText("재질", (0, 0, 20, 10), 0.7)
    value = PlacedText("S45C", (30, 0, 60, 10), 0.9)

    material = read_title_block([label, value]).material

    assert (material.text, material.label) == ("S45C", "재질")
    assert material.box == (30, 0, 60, 10)
    assert material.confidence == 0.7


def test_words_of_one_line_are_joined():
    words = ["DWG", "NO.", "1", "OF", "2"]
    placed = [
        PlacedText(words[0], (0, 0, 24, 10)),
        PlacedText(words[1], (27, 0, 45, 10)),
        PlacedText("AX-1", (80, 0, 110, 10)),
        PlacedText("SHEET", (0, 40, 30, 50)),
        PlacedText(words[2], (33, 40, 36, 50)),
        PlacedText(words[3], (39, 40, 50, 50)),
        PlacedText(words[4], (53, 40, 58, 50)),
    ]

    assert texts_of(read_title_block(placed)) == {"drawing_number": "AX-1", "sheet": "1 OF 2"}


@pytest.mark.parametrize("leading", [0, 6], ids=["tight boxes", "boxes with leading"])
def test_height_of_the_boxes_does_not_matter(leading):
    placed = [
        PlacedText("MATERIAL:", (890, 3200 - leading, 1005, 3217 + leading)),
        PlacedText("PLA", (1110, 3254 - leading, 1175, 3280 + leading)),
        PlacedText("DWG NO.", (1417, 3200 - leading, 1525, 3217 + leading)),
        PlacedText("Bracket1", (1660, 3230 - leading, 1990, 3300 + leading)),
        PlacedText("WEIGHT:", (890, 3356 - leading, 985, 3373 + leading)),
    ]

    found = texts_of(read_title_block(placed))

    assert found == {"material": "PLA", "drawing_number": "Bracket1"}


def test_title_of_two_lines_is_one_title():
    placed = [
        PlacedText("TITLE:", (340, 708, 353, 716)),
        PlacedText("Weird Gripper", (372, 711, 536, 733)),
        PlacedText("Adapter", (422, 727, 486, 749)),
    ]

    assert texts_of(read_title_block(placed)) == {"title": "Weird Gripper Adapter"}


def test_general_tolerance_in_a_note_counts_too():
    note = PlacedText("1. 일반공차는 ISO 2768-mK 를 따른다", (0, 0, 300, 10))

    block = read_title_block([note])

    assert block.general_tolerance is None
    assert (block.tolerance.linear_class, block.tolerance.geometrical_class) == ("m", "K")


def test_two_different_general_tolerances_in_notes_are_none():
    notes = ["ISO 2768-mK", "REV B: ISO 2768-fH"]
    placed = [PlacedText(note, (0, 40 * y, 300, 40 * y + 10)) for y, note in enumerate(notes)]

    assert read_title_block(placed).tolerance is None
    assert read_title_block(placed[:1]).tolerance.linear_class == "m"


def test_general_tolerance_in_parts_is_put_together():
    block = read_title_block(
        cells(["TOLERANCES:", None], ["LINEAR:", "±0.1"], ["ANGULAR:", "±0.5°"])
    )

    assert block.tolerance.upper.value == 0.1
    assert block.tolerance.angular.value == 0.5


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("DIMENSIONS ARE IN MILLIMETERS", "mm"),
        ("BEMASSUNGEN SIND IN MILLIMETER", "mm"),
        ("ALL DIMENSIONS IN INCHES", "in"),
        ("UNIT: INCH", "in"),
        ("단위 : mm", "mm"),
        ("INCHON METAL CO.", None),
    ],
)
def test_unit_of_the_sheet_is_read(text, unit):
    assert read_title_block([PlacedText(text, (0, 0, 200, 10))]).length_unit == unit


def test_order_of_the_texts_does_not_matter():
    placed = cells(["재질", "S45C", "척도", "1:2"], ["도번", "AX-1", "개정", "B"])

    assert read_title_block(placed) == read_title_block(placed[::-1])


def test_sheet_without_a_title_block_has_no_fields():
    assert read_title_block([]).present == {}
    assert read_title_block([PlacedText("25", (0, 0, 10, 10))]).present == {}
