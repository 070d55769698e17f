"""Bring what was found into the form of the answer."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.drawings.analysis import PageResult
from services.drawings.geometry import Box
from services.drawings.grammar import Dimension, FeatureControlFrame, GeneralTolerance, Number
from services.drawings.interpret import Findings, Found, Place, is_right_above
from services.drawings.overlay import Mark
from services.drawings.schemas import (
    AnalyzeAnswer,
    BoxBody,
    DatumBody,
    DatumReferenceBody,
    DetectionBody,
    DimensionBody,
    FieldBody,
    FrameBody,
    GeneralToleranceBody,
    NoteBody,
    PageBody,
    Placed,
    StageBody,
    TextureBody,
    ToleranceBody,
    ToleranceRowBody,
    UnparsedBody,
)
from services.drawings.stages import Stages
from shared.context import request_context

CSV_COLUMNS = (
    "id", "kind", "page", "text", "type", "nominal", "unit", "upper", "lower", "upper_limit",
    "lower_limit", "tolerance_source", "fit", "count", "value", "datums", "confidence",
    "x1", "y1", "x2", "y2",
)  # fmt: skip


@dataclass(frozen=True)
class Analysis:
    """All that was found out about a document."""

    page_count: int
    pages: Sequence[PageResult]
    findings: Findings
    ids: Mapping[int, str]
    asked_tolerance: GeneralTolerance | None
    predictions: list[ToleranceBody]
    models: dict[str, str]


def assemble(found: Analysis, stages: Stages) -> AnalyzeAnswer:
    """The whole answer."""
    findings, ids = found.findings, found.ids
    return AnalyzeAnswer(
        models=found.models,
        page_count=found.page_count,
        pages=[_page(each) for each in found.pages],
        title_block=title_block(findings),
        general_tolerance=general_tolerance(findings, found.asked_tolerance),
        dimensions=dimensions(findings, ids),
        feature_control_frames=frames(findings, ids),
        datums=datums(findings, ids),
        surface_textures=textures(findings, ids),
        notes=notes(findings, ids),
        detections=[each for page in found.pages for each in _detections(page)],
        tolerance=found.predictions,
        unparsed=unparsed(findings, ids),
        stages={
            name: StageBody(status=stage.status, ms=round(stage.ms, 3), error=stage.error)
            for name, stage in stages.by_name.items()
        },
        partial=stages.is_partial,
        timing_ms=request_context().rounded_timings(),
        warnings=[],
    )


def marks(answer: AnalyzeAnswer, page: int) -> list[Mark]:
    """What is drawn on the picture of a page."""
    groups: Sequence[tuple[str, Sequence[Placed]]] = (
        ("dimension", answer.dimensions),
        ("feature_control_frame", answer.feature_control_frames),
        ("datum", answer.datums),
        ("surface_texture", answer.surface_textures),
        ("unparsed", answer.unparsed),
    )
    found = [
        Mark(kind, each.id, _box(each.box))
        for kind, members in groups for each in members if each.page == page
    ]  # fmt: skip
    found += [
        Mark("title_block", name, _box(each.box))
        for name, each in answer.title_block.items() if each.page == page
    ]  # fmt: skip
    found += [
        Mark("detection", each.class_name, _box(each.box))
        for each in answer.detections if each.page == page
    ]  # fmt: skip
    return found


def _box(body: BoxBody) -> Box:
    return Box(body.x1, body.y1, body.x2, body.y2)


def _page(result: PageResult) -> PageBody:
    content = result.content
    return PageBody(
        page=content.page,
        width=round(content.width),
        height=round(content.height),
        dpi=content.dpi,
        text_source=result.text_source,
    )


def _detections(result: PageResult) -> list[DetectionBody]:
    return [
        DetectionBody(
            page=result.content.page,
            class_name=each.class_name,
            confidence=round(each.confidence, 4),
            box=box_body(each.box),
        )
        for each in result.detections
    ]


def assign_ids(findings: Findings) -> dict[int, str]:
    """Short names by ``id()`` of each found thing, in reading order of the page."""
    ids: dict[int, str] = {}
    groups: Sequence[tuple[str, Iterable[Found[Any]]]] = (
        ("d", findings.dimensions), ("f", findings.frames), ("datum", findings.datums),
        ("s", findings.textures), ("n", findings.notes), ("u", findings.unparsed),
    )  # fmt: skip
    for prefix, found in groups:
        ordered = sorted(found, key=lambda each: (each.place.page, *each.place.box.centre[::-1]))
        for number, each in enumerate(ordered, 1):
            ids[id(each)] = f"{prefix}{number}"
    return ids


def box_body(box: Box) -> BoxBody:
    """A box as it is answered."""
    return BoxBody(
        x1=round(box.x1, 1), y1=round(box.y1, 1), x2=round(box.x2, 1), y2=round(box.y2, 1)
    )


def dimensions(findings: Findings, ids: Mapping[int, str]) -> list[DimensionBody]:
    """All dimensions, by id."""
    return [
        DimensionBody(**_placed(each.reading.text, each.place, ids[id(each)]),
                      **_size(each.reading), angle_deg=round(each.place.angle_deg, 1))
        for each in findings.dimensions
    ]  # fmt: skip


def frames(findings: Findings, ids: Mapping[int, str]) -> list[FrameBody]:
    """All feature control frames."""
    return [
        FrameBody(
            **_placed(each.reading.text, each.place, ids[id(each)]),
            **_tolerance_row(each.reading),
            count=each.reading.count,
            rows=[
                ToleranceRowBody(text=row.text, **_tolerance_row(row)) for row in each.reading.rows
            ],
            stacked_on=next(
                (ids[id(other)] for other in findings.frames
                 if is_right_above(other.place, each.place)), None,
            ),
            angle_deg=round(each.place.angle_deg, 1),
        )
        for each in findings.frames
    ]  # fmt: skip


def _tolerance_row(row: FeatureControlFrame) -> dict[str, Any]:
    return {
        "characteristic": row.characteristic,
        "symbol": row.symbol,
        "value": row.value.value,
        "zone": row.zone,
        "modifiers": list(row.modifiers),
        "datums": [
            DatumReferenceBody(letters=list(datum.letters), modifiers=list(datum.modifiers))
            for datum in row.datums
        ],
    }


def datums(findings: Findings, ids: Mapping[int, str]) -> list[DatumBody]:
    """All datum letters and targets."""
    return [
        DatumBody(**_placed(each.reading.text, each.place, ids[id(each)]),
                  letter=each.reading.letter, target=each.reading.target)
        for each in findings.datums
    ]  # fmt: skip


def textures(findings: Findings, ids: Mapping[int, str]) -> list[TextureBody]:
    """All surface textures."""
    return [
        TextureBody(
            **_placed(each.reading.text, each.place, ids[id(each)]),
            parameter=each.reading.parameter,
            value=_value(each.reading.value),
            lower=_value(each.reading.lower),
            unit=each.reading.unit,
            grade=each.reading.grade,
        )
        for each in findings.textures
    ]


def notes(findings: Findings, ids: Mapping[int, str]) -> list[NoteBody]:
    """All other text."""
    return [NoteBody(**_placed(each.reading, each.place, ids[id(each)])) for each in findings.notes]


def unparsed(findings: Findings, ids: Mapping[int, str]) -> list[UnparsedBody]:
    """What could not be read, with the reasons."""
    return [
        UnparsedBody(**_placed(each.reading.text, each.place, ids[id(each)]),
                     reason=each.reading.reason)
        for each in findings.unparsed
    ]  # fmt: skip


def title_block(findings: Findings) -> dict[str, FieldBody]:
    """The fields that were found."""
    return {
        name: FieldBody(
            text=each.text,
            label=each.label,
            box=box_body(Box(*each.box)),
            page=findings.title_page,
            confidence=round(each.confidence, 4),
        )
        for name, each in findings.title_block.present.items()
    }


def general_tolerance(
    findings: Findings, asked: GeneralTolerance | None
) -> GeneralToleranceBody | None:
    """The general tolerance that was used."""
    used = findings.title_block.tolerance or asked
    if used is None:
        return None
    return GeneralToleranceBody(
        text=used.text,
        source="sheet" if findings.title_block.tolerance else "request",
        standard=used.standard,
        linear_class=used.linear_class,
        geometrical_class=used.geometrical_class,
    )


def table(dimension_bodies: Sequence[DimensionBody], frame_bodies: Sequence[FrameBody]) -> str:
    """Dimensions and frames as CSV (RFC 4180), one row each."""
    file = io.StringIO()
    writer = csv.DictWriter(file, CSV_COLUMNS, extrasaction="ignore")
    writer.writeheader()
    for dimension in dimension_bodies:
        writer.writerow(_csv_row("dimension", dimension.model_dump()))
    for frame in frame_bodies:
        row = frame.model_dump()
        row["type"] = frame.characteristic
        row["datums"] = " ".join("-".join(each.letters) for each in frame.datums)
        writer.writerow(_csv_row("feature_control_frame", row))
    return file.getvalue()


def _csv_row(kind: str, row: Mapping[str, Any]) -> dict[str, Any]:
    text = str(row["text"]).replace("\n", " / ")
    # A spreadsheet takes a leading = + - @ for a formula.
    safe = f"'{text}" if text[:1] in ("=", "+", "-", "@") else text
    return {**row, **row["box"], "kind": kind, "text": safe}


def _placed(text: str, place: Place, name: str) -> dict[str, Any]:
    return {
        "id": name,
        "page": place.page,
        "text": text,
        "box": box_body(place.box),
        "confidence": round(place.confidence, 4),
    }


def _size(reading: Dimension) -> dict[str, Any]:
    return {
        "type": reading.kind,
        "nominal": _value(reading.nominal),
        "unit": reading.unit,
        "count": reading.count,
        "upper": _value(reading.upper),
        "lower": _value(reading.lower),
        "upper_limit": _value(reading.upper_limit),
        "lower_limit": _value(reading.lower_limit),
        "tolerance_source": reading.tolerance_source,
        "basis": reading.basis,
        "fit": reading.fit.text if reading.fit else None,
        "is_basic": reading.is_basic,
        "is_reference": reading.is_reference,
        "is_through": reading.is_through,
        "depth": _value(reading.depth.value) if reading.depth else None,
        "thread": reading.thread.designation if reading.thread else None,
        "chamfer_angle_deg": _value(reading.chamfer_angle),
        "step": reading.step,
        "steps": [_size(each) for each in reading.steps],
        "modifiers": list(reading.modifiers),
        "notes": list(reading.notes),
        "conflicts": list(reading.conflicts),
    }


def _value(number: Number | None) -> float | None:
    return None if number is None else number.value
