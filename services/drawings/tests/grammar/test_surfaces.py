import pytest

from services.drawings.grammar import read
from services.drawings.tests.grammar.telling import tell


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Ra 1.6", "surface Ra 1.6"),
        ("Ra1.6", "surface Ra 1.6"),
        ("RA 3,2", "surface Ra 3.2"),
        ("Ra 12", "surface Ra 12"),
        ("Ra 0.8 µm", "surface Ra 0.8 µm"),
        ("Ra 0.8 μm", "surface Ra 0.8 µm"),
        ("Ra 63 µin", "surface Ra 63 µin"),
        ("Rz 6.3 max", "surface Rz 6.3 max"),
        ("Rzmax 6.3", "surface Rz 6.3 max"),
        ("Rmax 6.3", "surface Rmax 6.3"),
        ("Rt 10", "surface Rt 10"),
        ("L Rz 2.5", "surface Rz min 2.5"),
        ("U Ra 3.2\nL Ra 1.6", "surface Ra 3.2 min 1.6"),
        ("Ra 3.2\nRa 1.6", "surface Ra 3.2 min 1.6"),
        ("Ra 1.6~3.2", "surface Ra 3.2 min 1.6"),
        ("√Ra 3.2", "surface Ra 3.2"),
        ("√3.2", "surface 3.2"),
        ("3.2√", "surface 3.2"),
        ("√N7", "surface N7"),
        ("Ra", "unread"),
        ("Ra x", "unread"),
        ("Ra 0", "unread"),
        ("Ra 1.6 3.2", "unread"),
        ("Ra 1.6\nRz 6.3", "unread"),
        ("Ra 1.6\nRa 3.2", "unread"),
        ("N7", "unread"),
        ("√", "unread"),
    ],
)
def test_roughness_is_read_with_its_parameter_or_symbol(text, expected):
    assert tell(read(text)) == expected
