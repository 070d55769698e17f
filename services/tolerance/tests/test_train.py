import csv
import dataclasses
import io
from math import exp

import pytest

from services.tolerance.bundle import read_bundle
from services.tolerance.data_files import DEMO_MODEL_FOLDER
from services.tolerance.generator import generate
from services.tolerance.measurements import (
    InvalidMeasurements,
    read_measurements,
    split_measured,
)
from services.tolerance.rules import apply_rule
from services.tolerance.train import (
    EXIT_INVALID_DATA,
    EXIT_WORSE_MODEL,
    RefusedModel,
    TrainingPlan,
    main,
    train_model,
)

QUICK = TrainingPlan(rounds=60, train_rows=200, calibration_rows=499, test_rows=100, threads=1)
HEADER = "material,process,feature,characteristic,length_mm,thickness_mm,value_mm"
SHOP_FACTOR = 0.35  # this shop mills three times flatter than the prior expects


def shop_rows(catalog, tables, knowledge, process="milling", count=300, factor=SHOP_FACTOR):
    """Inspection data of a shop that is better than the prior and scatters less."""
    only = dataclasses.replace(catalog, processes={process: catalog.processes[process]})
    drawn = generate(only, tables, knowledge.cases, rows_per_category=count, seed=42)
    flat = [sample for sample in drawn if sample.case.characteristic == "flatness"]
    assert len(flat) >= count
    for number, sample in enumerate(flat[:count]):
        rule_mm = apply_rule(sample.case, sample.geometry).value_mm
        scatter = exp(0.15 * ((number * 7919 % 101) / 50 - 1))
        thickness = sample.geometry.size_mm / (sample.geometry.thinness or 5.0)
        yield [
            sample.case.material, process, "plane", "flatness",
            f"{sample.geometry.size_mm:.4f}", f"{max(thickness, 0.01):.4f}",
            f"{rule_mm * factor * scatter:.6f}",
        ]  # fmt: skip


def write_csv(path, rows, header=HEADER):
    with path.open("w", newline="") as file:
        file.write(header + "\n")
        csv.writer(file).writerows(rows)
    return path


def parse(text, catalog, knowledge):
    return read_measurements(io.StringIO(text), catalog, knowledge.cases)


@pytest.fixture(scope="module")
def shop_report(catalog, tables, knowledge, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "my-shop"
    path = write_csv(folder.parent / "shop.csv", shop_rows(catalog, tables, knowledge))
    with path.open(newline="") as lines:
        measured = read_measurements(lines, catalog, knowledge.cases)
    report = train_model(
        folder, name="my-shop", plan=QUICK, measured=measured, prior_folder=DEMO_MODEL_FOLDER
    )
    return folder, report


def test_model_learns_the_shop_and_reports_its_gain(shop_report):
    _, report = shop_report

    assert report.measured.rows == 60
    assert report.measured.model < report.measured.prior
    assert report.measured.gain_over_baseline > 0.5


def test_measured_process_is_calibrated_on_measurements_alone(shop_report):
    folder, report = shop_report
    bundle = read_bundle(folder)

    assert bundle.calibration[("milling", "flatness")].origin == "measured"
    assert len(bundle.calibration[("milling", "flatness")].model) == 60
    assert bundle.calibration[("milling", "position")].origin == "synthetic"
    (milling,) = [each for each in report.categories if each.origin == "measured"]
    assert milling.coverage[0.9] == pytest.approx(0.9, abs=0.1)  # of 60 rows


def test_written_model_is_whole_and_says_that_it_was_measured(shop_report):
    folder, _ = shop_report
    bundle = read_bundle(folder)

    assert bundle.name == "my-shop"
    assert bundle.card["training"]["measured_rows"] == 180
    assert "Trained on measurements" in (folder / "MODEL_CARD.md").read_text("utf-8")


def exact_shop(catalog, tables, knowledge):
    """A shop that holds the standards baseline exactly: no model can beat it."""
    drawn = generate(catalog, tables, knowledge.cases, rows_per_category=100, seed=1)
    return [
        dataclasses.replace(s, value_mm=apply_rule(s.case, s.geometry).baseline_mm)
        for s in drawn
        if s.case.process == "turning"
    ]


def test_worse_model_is_refused_and_not_written(catalog, tables, knowledge, tmp_path):
    measured = exact_shop(catalog, tables, knowledge)

    with pytest.raises(RefusedModel, match="baseline by x1.00"):
        train_model(
            tmp_path / "refused",
            name="refused",
            plan=QUICK,
            measured=measured,
            prior_folder=DEMO_MODEL_FOLDER,
        )

    assert not (tmp_path / "refused").exists()


def test_command_line_ends_with_status_3_and_the_errors_of_a_refused_model(
    catalog, tables, knowledge, tmp_path, capsys
):
    rows = [
        [s.case.material, "turning", s.case.feature, "cylindricity", f"{s.geometry.size_mm:.6f}",
         f"{s.value_mm:.9f}"]
        for s in exact_shop(catalog, tables, knowledge)
        if s.case.characteristic == "cylindricity"
    ]  # fmt: skip
    header = "material,process,feature,characteristic,diameter_mm,value_mm"
    path = write_csv(tmp_path / "exact.csv", rows, header=header)

    status = main([str(path), "--output", str(tmp_path / "out")], QUICK)

    shown = capsys.readouterr().err
    assert (status, EXIT_WORSE_MODEL) == (3, 3), shown
    assert "refused: on" in shown
    assert not (tmp_path / "out").exists()


def test_command_line_names_unusable_data(tmp_path, capsys):
    path = write_csv(tmp_path / "bad.csv", [["x"]], header="material")

    assert main([str(path), "--output", str(tmp_path / "out")]) == EXIT_INVALID_DATA
    assert "missing columns: process" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_command_line_names_a_missing_file(tmp_path, capsys):
    assert main([str(tmp_path / "none.csv")]) == EXIT_INVALID_DATA
    assert "none.csv" in capsys.readouterr().err


ROW = "al_6061,milling,plane,flatness,100,10,0.05"


def test_row_becomes_a_sample(catalog, knowledge):
    (sample,) = parse(f"{HEADER}\n{ROW}\n", catalog, knowledge)

    assert sample.case.process == "milling"
    assert sample.geometry.size_mm == 100.0
    assert sample.geometry.thinness == 10.0
    assert sample.value_mm == 0.05


def test_batch_statistics_become_the_zone_at_the_reference_capability(catalog, knowledge):
    header = HEADER.replace("value_mm", "mean_mm,std_mm")

    (sample,) = parse(f"{header}\n{ROW.replace('0.05', '0.05,0.01')}\n", catalog, knowledge)

    assert sample.value_mm == pytest.approx(0.05 + 3 * 1.33 * 0.01)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "missing columns"),
        (HEADER, "no data rows"),
        (HEADER.replace("process,", ""), "missing columns: process"),
        (HEADER.replace("value_mm", "mean_mm"), "value_mm"),
        (HEADER + ",operator", "unknown columns: operator"),
        (HEADER + ",material", "twice"),
        (f"{HEADER}\n{ROW.replace('al_6061', 'gold')}", "line 2: material: unknown material"),
        (f"{HEADER}\n{ROW}\n{ROW.replace('100', '-1')}", "line 3: dimensions_mm.length"),
        (f"{HEADER}\n{ROW.replace('0.05', 'nan')}", "not finite"),
        (f"{HEADER}\n{ROW.replace('0.05', '0')}", "value 0 mm"),
        (f"{HEADER}\n{ROW.replace('0.05', 'five')}", "'five' is not a number"),
        (f"{HEADER}\n{ROW},7", "more cells than columns"),
        (f"{HEADER}\n{ROW.replace('flatness', 'position')}", "does not apply"),
    ],
)
def test_unusable_inspection_data_is_refused_by_name(catalog, knowledge, text, message):
    with pytest.raises(InvalidMeasurements, match=message):
        parse(text, catalog, knowledge)


def test_too_few_rows_to_judge_a_model_are_refused(catalog, knowledge):
    measured = parse(HEADER + "\n" + f"{ROW}\n" * 49, catalog, knowledge)

    with pytest.raises(InvalidMeasurements, match="50 rows"):
        split_measured(measured, seed=1)


def test_split_keeps_training_calibration_and_test_apart(catalog, knowledge):
    rows = "\n".join(ROW.replace("0.05", str(0.01 + index / 1000)) for index in range(100))

    split = split_measured(parse(f"{HEADER}\n{rows}", catalog, knowledge), seed=1)

    values = [{s.value_mm for s in part} for part in (split.train, split.calibrate, split.test)]
    assert [len(each) for each in values] == [60, 20, 20]
    assert len(values[0] | values[1] | values[2]) == 100
