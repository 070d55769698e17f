"""The HTTP paths of the tolerance service."""

from typing import Annotated

import msgspec
from fastapi import APIRouter, Query, Request, Response

from services.tolerance.answering import ToleranceService, answer_request
from services.tolerance.fast_route import encode_answer
from services.tolerance.parts import MAX_PARTS, MAX_SIZE_MM, PredictRequest
from services.tolerance.schemas import (
    CatalogResponse,
    GeneralToleranceBody,
    Iso286Query,
    Iso286Response,
    Iso2768Query,
    Iso2768Response,
    MaterialBody,
    PredictBody,
    PredictResponse,
    ProcessBody,
    ZoneBody,
)
from shared.errors import FieldFault, InvalidInput
from shared.standards.iso286 import OutsideStandard, available_fits, limits
from shared.standards.iso2768 import (
    GeneralTable,
    Iso2768Tables,
    OutsideGeneralTolerances,
    look_up,
    split_class,
)

PREDICT_PATH = "/v1/tolerance/predict"
ISO286_PATH = "/v1/tolerance/iso286"
ISO2768_PATH = "/v1/tolerance/iso2768"
CATALOG_PATH = "/v1/tolerance/catalog"
MINUTES_PER_DEGREE = 60

router = APIRouter(tags=["tolerance"])


@router.post(PREDICT_PATH, response_model=PredictResponse)
async def predict(body: PredictBody, request: Request) -> Response:
    """Predict the zone that a process holds, with an interval, a baseline and a verdict."""
    question = msgspec.convert(body.model_dump(), PredictRequest)
    answer = await answer_request(_service(request), question)
    return Response(encode_answer(answer), media_type="application/json")


@router.get(ISO286_PATH)
async def iso286(query: Annotated[Iso286Query, Query()], request: Request) -> Iso286Response:
    """Resolve a fit to its limits by ISO 286-1."""
    tables = _service(request).knowledge.tables
    try:
        found = limits(tables, query.size_mm, query.fit)
    except OutsideStandard as error:
        raise _wrong_field(error.field, error) from error
    upper_mm, lower_mm = found.upper_um / 1000, found.lower_um / 1000
    return Iso286Response(
        size_mm=query.size_mm,
        fit=found.fit,
        kind="hole" if found.kind == "hole" else "shaft",
        grade=found.grade,
        tolerance_mm=found.tolerance_um / 1000,
        upper_deviation_mm=upper_mm,
        lower_deviation_mm=lower_mm,
        upper_limit_mm=round(query.size_mm + upper_mm, 6),
        lower_limit_mm=round(query.size_mm + lower_mm, 6),
        standard=tables.standard,
        source=found.source,
        verified=found.verified,
    )


@router.get(ISO2768_PATH, response_model_exclude_none=True)
async def iso2768(query: Annotated[Iso2768Query, Query()], request: Request) -> Iso2768Response:
    """Look up the general tolerances of a size by ISO 2768."""
    tables = request.app.state.iso2768
    try:
        linear_class, geometrical_class = split_class(query.tolerance_class)
    except OutsideGeneralTolerances as error:
        raise _wrong_field("class", error) from error
    found: list[GeneralToleranceBody] = []
    missing: list[str] = []
    for letter, table, standard, unit in _tables_of(tables, linear_class, geometrical_class):
        try:
            found.append(_general_tolerance(table, query.size_mm, letter, standard, unit))
        except OutsideGeneralTolerances as error:
            missing.append(str(error))
    if not found:
        raise _wrong_field("size_mm", OutsideGeneralTolerances("; ".join(missing)))
    notes = [f"{tables.geometrical_standard} is {tables.geometrical_status}"]
    return Iso2768Response(
        size_mm=query.size_mm,
        tolerance_class=query.tolerance_class,
        tolerances=found,
        not_defined=missing,
        without_general_tolerance=list(tables.without_general_tolerance),
        notes=notes if geometrical_class else [],
    )


@router.get(CATALOG_PATH)
async def catalog(request: Request) -> CatalogResponse:
    """List the materials, processes, features and limits that requests may name."""
    service = _service(request)
    known = service.knowledge.catalog
    materials = {
        key: MaterialBody(
            name=material.name,
            family=material.family,
            factor=known.families[material.family].factor,
            source=known.sources[known.families[material.family].source],
            verified=known.families[material.family].verified,
        )
        for key, material in known.materials.items()
    }
    processes = {
        key: ProcessBody(
            name=process.name,
            it_grades=process.it_grades,
            it_typical=process.it_typical,
            size_mm=process.size_mm,
            characteristics={
                feature: list(known.characteristics_of(key, feature))
                for feature in process.features
                if known.characteristics_of(key, feature)
            },
            families=list(process.families),
            source=known.sources[process.source],
            verified=process.verified,
        )
        for key, process in known.processes.items()
    }
    zones = {
        key: ZoneBody(
            size=zone.size,
            ratio=zone.ratios["B"],
            grade_shift=zone.grade_shift,
            source=known.sources[zone.source],
            verified=zone.verified,
        )
        for key, zone in known.zones.items()
    }
    return CatalogResponse(
        version=known.version,
        materials=materials,
        processes=processes,
        features={name: list(allowed) for name, allowed in known.features.items()},
        zones=zones,
        fits=available_fits(service.knowledge.tables),
        limits={"max_parts": MAX_PARTS, "max_size_mm": MAX_SIZE_MM},
        model=service.bundle.name if service.bundle else None,
    )


def _service(request: Request) -> ToleranceService:
    service: ToleranceService = request.app.state.tolerance
    return service


def _tables_of(
    tables: Iso2768Tables, linear_class: str | None, geometrical_class: str | None
) -> list[tuple[str, GeneralTable, str, str]]:
    """List (class, table, standard, field of the answer) for the classes that were named."""
    found = []
    if linear_class:
        standard = tables.linear_standard
        found += [
            (linear_class, tables.linear, standard, "plus_minus_mm"),
            (linear_class, tables.radius_and_chamfer, standard, "plus_minus_mm"),
            (linear_class, tables.angle, standard, "plus_minus_deg"),
        ]
    if geometrical_class:
        found += [
            (geometrical_class, table, tables.geometrical_standard, "zone_mm")
            for table in tables.geometrical.values()
        ]
    return found


def _general_tolerance(
    table: GeneralTable, size_mm: float, letter: str, standard: str, unit: str
) -> GeneralToleranceBody:
    found = look_up(table, size_mm, letter)
    value = found.value / MINUTES_PER_DEGREE if unit == "plus_minus_deg" else found.value
    return GeneralToleranceBody(
        name=found.name,
        tolerance_class=letter,
        plus_minus_mm=value if unit == "plus_minus_mm" else None,
        plus_minus_deg=round(value, 6) if unit == "plus_minus_deg" else None,
        zone_mm=value if unit == "zone_mm" else None,
        over_mm=found.over_mm,
        up_to_mm=found.up_to_mm,
        standard=standard,
        source=found.source,
        verified=found.verified,
    )


def _wrong_field(name: str, error: ValueError) -> InvalidInput:
    return InvalidInput(f"{name}: {error}", faults=[FieldFault(name, str(error))])
