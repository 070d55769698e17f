import xml.etree.ElementTree as ElementTree

import numpy as np

from services.ocr.answers import ReadPage, hocr, markdown, plain_text
from services.ocr.reader import Line, PageText
from services.ocr.reading_order import Block, reading_order
from services.ocr.tests.conftest import box
from services.ocr.words import Word


def page_of(*placed, dpi=None):
    """A page of (text, left, top, width, height) in reading order."""
    lines = [
        Line(text, 0.9, box(*place), "model", (Word(text, box(*place)),)) for text, *place in placed
    ]
    blocks = tuple(reading_order([line.polygon for line in lines]))
    return ReadPage(1, dpi, PageText(800, 600, tuple(lines), blocks))


def test_rows_become_lines_of_text():
    page = page_of(("Bread", 0, 0, 200, 30), ("2.00", 400, 0, 50, 30), ("Milk", 0, 40, 200, 30))

    assert plain_text(page.text) == "Bread 2.00\nMilk"


def test_blocks_are_parted_by_an_empty_line():
    lines = (Line("a", 0.9, box(0, 0, 9, 9), "m"), Line("b", 0.9, box(9, 0, 9, 9), "m"))
    text = PageText(20, 20, lines, (Block(((0,),)), Block(((1,),))))

    assert plain_text(text) == "a\n\nb"


def test_markdown_marks_large_lines_as_headings_and_parts_paragraphs():
    page = page_of(
        ("Report", 0, 0, 300, 60),
        ("first line", 0, 80, 400, 30),
        ("second line", 0, 115, 400, 30),
        ("next paragraph", 0, 200, 400, 30),
    )

    assert markdown([page]) == "## Report\n\nfirst line\nsecond line\n\nnext paragraph\n"


def test_markdown_signs_of_the_text_are_escaped():
    page = page_of(("# 5 *not* [a](link)", 0, 0, 300, 30))

    assert markdown([page]) == "\\# 5 \\*not\\* \\[a\\](link)\n"


def test_hocr_is_well_formed_and_places_every_word():
    page = page_of(("<b>&amp;", 10, 20, 100, 30), dpi=200)

    document = ElementTree.fromstring(hocr([page], system="a+b"))

    places = {each.get("class"): each.get("title") for each in document.iter() if each.get("class")}
    assert places["ocr_page"] == "bbox 0 0 800 600; ppageno 0; scan_res 200 200"
    assert places["ocr_line"] == "bbox 10 20 110 50"
    assert places["ocrx_word"] == "bbox 10 20 110 50; x_wconf 90"
    (word,) = [each for each in document.iter() if each.get("class") == "ocrx_word"]
    assert word.text == "<b>&amp;"


def test_hocr_turns_angles_the_other_way():
    upward = np.roll(box(0, 0, 20, 100), 1, axis=0)
    line = Line("up", 0.9, upward, "m", (Word("up", upward),))
    page = ReadPage(1, None, PageText(200, 200, (line,), (Block(((0,),)),)))

    assert "textangle 90.0" in hocr([page], system="m")


def test_page_without_lines_is_empty_in_every_form():
    page = ReadPage(1, None, PageText(10, 10, (), ()))

    assert plain_text(page.text) == ""
    assert markdown([page]) == "\n"
    assert 'ocr_line"' not in hocr([page], system="m")
