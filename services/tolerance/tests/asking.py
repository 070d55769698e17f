"""Short ways to ask the model in tests."""

from services.tolerance.asks import Ask
from services.tolerance.parts import Dimensions, Part, PredictRequest
from services.tolerance.predict import answer, packed_row, prepare


def plate(material="al_6061", process="milling", *, length=100.0, width=50.0, thickness=12.0):
    sizes = {"length": length, "width": width, "thickness": thickness}
    return _part(material, process, "plane", "flatness", **sizes)


def bore(material="steel_s45c", process="reaming", *, diameter=20.0, depth=30.0):
    return _part(material, process, "hole", "cylindricity", diameter=diameter, depth=depth)


def shaft(material="steel_s45c", process="turning", *, diameter=30.0, length=60.0):
    return _part(material, process, "cylinder", "cylindricity", diameter=diameter, length=length)


def hole_pattern(material="al_6061", process="milling", *, location_x=80.0, location_y=40.0):
    places = {"location_x": location_x, "location_y": location_y}
    return _part(material, process, "pattern", "position", **places)


def _part(material, process, feature, characteristic, **dimensions_mm):
    return Part(
        material=material,
        process=process,
        feature=feature,
        dimensions_mm=Dimensions(**dimensions_mm),
        characteristics=[characteristic],
    )


def ask(knowledge, bundle, engine, parts, **options):
    """Predict as the service does, without HTTP."""
    request = PredictRequest(parts=list(parts), **options)
    rows = prepare(knowledge, request)
    inputs = [packed_row(row.case, row.geometry) for row in rows]
    (log_values,) = engine.run(Ask.LOG_VALUES, [inputs])
    contributions = None
    if request.explain:
        contributions = engine.run(Ask.CONTRIBUTIONS, [inputs])[0]
    return answer(
        bundle,
        request,
        rows,
        scale=request.cpk_target / knowledge.catalog.reference_cpk,
        log_values=log_values,
        contributions=contributions,
    )
