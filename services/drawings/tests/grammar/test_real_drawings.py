"""Labels and words of real drawings, whose files are not part of the project."""

import csv
import json

import pytest

from services.drawings.grammar import Dimension, PlacedText, Unread, read, read_title_block
from services.drawings.tests.grammar.telling import tell

pytestmark = pytest.mark.data

# Two limits on one line of a label file; on the sheets they stand one above the other.
ON_TWO_LINES = {"16.00 15.50", "8.20 8.00", "6.15 6.00"}

EXPECTED = {
    "Candle_holder.csv": [
        "diameter 42", "linear 38", "linear 5", "chamfer 1 at 45°", "chamfer 1 at 45°",
        "angle 45", "angle 60", "diameter 38 H12 fit", "linear 16",
        "diameter 21.5 +0.1/-0.1 explicit", "linear 25.5 reference", "diameter 38",
    ],
    "Gripper.csv": [
        "linear 35.36 +0.03/-0.03 explicit", "diameter 70.5 +0.05/-0.05 explicit",
        "linear max 16 min 15.5 explicit", "linear max 8.2 min 8 explicit", "linear 7",
        "linear max 6.15 min 6 explicit", "diameter 6.15", "diameter 68.5",
        "4x diameter 6.6 +0.4/-0.1 explicit", "angle 45", "radius 1 +0.1/-0.1 explicit",
    ],
    "halter.csv": [
        "datum A3 of 550", "angle 45", "linear 35 +0/-0.2 explicit", "angle 45",
        "2x diameter 8.8 H8 fit", "2x diameter 4.8 +0.1/+0 explicit",
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", EXPECTED)
def test_every_label_of_a_dimension_is_read(test_data, name):
    with (test_data / "drawings" / name).open(encoding="utf-8-sig", newline="") as file:
        labels = [row[-1] for row in csv.reader(file) if row]
    labels = [label for label in labels if label != "other_info"]

    told = [tell(read(_as_on_the_sheet(label))) for label in labels]

    assert told == EXPECTED[name]
    for label in ON_TWO_LINES & {*labels}:
        assert isinstance(read(label), Unread)


def _as_on_the_sheet(label):
    return label.replace(" ", "\n") if label in ON_TWO_LINES else label


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        (
            "Adapterplatte.PDF",
            {
                "title": "Stahl Adapterplatte",
                "material": "Stahl",
                "scale": "1:2",
                "sheet": "1 VON 1",
            },
        ),
        (
            "Gripper.PDF",
            {
                "title": "Weird_Gripper_Cam_ Adapter",
                "drawing_number": "UR10_29.20",
                "material": "PLA",
                "scale": "1:1",
                "sheet": "1 OF 1",
            },
        ),
        ("Halter.PDF", {"drawing_number": "Halter1", "scale": "1:1", "sheet": "1 OF 1"}),
    ],
)
def test_title_block_is_read_from_the_words_of_a_pdf(test_data, name, fields):
    block = read_title_block(_words(test_data, name))

    assert {key: field.text for key, field in block.present.items()} == fields
    assert block.length_unit == "mm"


def test_general_tolerance_of_a_real_sheet_is_read(test_data):
    found = read_title_block(_words(test_data, "Adapterplatte.PDF")).tolerance

    assert (found.upper.value, found.lower.value) == (0.1, -0.1)


@pytest.mark.parametrize("name", ["Adapterplatte.PDF", "Gripper.PDF", "Halter.PDF"])
def test_words_of_a_title_block_are_no_dimensions(test_data, name):
    words = {each.text for each in _words(test_data, name)}

    read_as_size = {text for text in words if isinstance(read(text), Dimension)}

    assert all(any(c.isdigit() for c in text) for text in read_as_size)
    assert not read_as_size & {"UR10_29.20", "SCALE:1:1", "MASSSTAB:1:2", "A4", "A3", "Halter1"}


def _words(test_data, name):
    truth = json.loads((test_data / "drawings" / f"{name}.truth.json").read_text("utf-8"))
    return [PlacedText(word["text"], tuple(word["bbox"])) for word in truth["words"]]
