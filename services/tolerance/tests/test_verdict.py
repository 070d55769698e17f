import pytest

from services.tolerance.verdict import judge

SCORES = [-0.5, -0.1, 0.0, 0.1, 0.5]
ZONE = {"value_mm": 0.1, "interval_mm": (0.06, 0.17), "scores": SCORES}


@pytest.mark.parametrize(
    ("spec_mm", "status", "probability"),
    [
        (0.17, "pass", 5 / 6),
        (0.169, "marginal", 5 / 6),
        (0.1, "marginal", 3 / 6),
        (0.06, "marginal", 0.0),
        (0.059, "fail", 0.0),
    ],
)
def test_status_compares_the_spec_with_the_interval(spec_mm, status, probability):
    found = judge(spec_mm=spec_mm, **ZONE)

    assert found.status == status
    assert found.probability == pytest.approx(probability, abs=1e-4)


def test_margin_is_what_the_spec_leaves():
    assert judge(spec_mm=0.15, **ZONE).margin_mm == pytest.approx(0.05)
