"""Tells a reading in one line, with everything that is not at its default, for tables of tests."""

from dataclasses import fields

from services.drawings.grammar import (
    Datum,
    Dimension,
    FeatureControlFrame,
    Number,
    SurfaceTexture,
    Unread,
)


def tell(reading):
    """For instance ``4x diameter 6.6 +0.1/0 explicit through``."""
    tellers = {
        Dimension: _dimension,
        FeatureControlFrame: _frame,
        Datum: _datum,
        SurfaceTexture: _surface,
        Unread: lambda _: "unread",
    }
    return tellers[type(reading)](reading)


def _dimension(it):
    words = [f"{it.count}x" if it.count else "", it.step or "", it.kind, _value(it.nominal)]
    words += [it.unit if it.unit not in (None, "deg", "ratio") else ""]
    words += [f"thread({_thread(it.thread)})" if it.thread else ""]
    words += [f"at {it.chamfer_angle.value:g}°" if it.chamfer_angle else ""]
    words += [f"cone {it.angle.value:g}°" if it.angle else ""]
    words += [it.fit.text if it.fit else "", _deviations(it.upper, it.lower)]
    words += [f"max {_value(it.upper_limit)}" if it.upper_limit else ""]
    words += [f"min {_value(it.lower_limit)}" if it.lower_limit else ""]
    words += [it.tolerance_source if it.tolerance_source != "none" else ""]
    words += ["basic" if it.is_basic else "", "reference" if it.is_reference else ""]
    words += [_depth(it.depth), "through" if it.is_through else ""]
    words += [f"on {_value(it.pitch_circle)}" if it.pitch_circle else ""]
    words += [*it.modifiers, *it.notes]
    words += [f"! {conflict}" for conflict in it.conflicts]
    line = " ".join(word for word in words if word)
    return " | ".join([line, *map(tell, it.steps)])


def _thread(it):
    words = [it.system, it.size.text]
    words += [f"{name}={value.text}" for name, value in _numbers(it) if name != "size"]
    words += [it.series or "", it.tolerance_class or "", "LH" if it.is_left_hand else ""]
    words += ["numbered" if it.is_numbered else ""]
    return " ".join(word for word in words if word)


def _numbers(it):
    each = ((field.name, getattr(it, field.name)) for field in fields(it))
    return [(name, value) for name, value in each if isinstance(value, Number)]


def _frame(it):
    zone = {"width": "", "diameter": "⌀", "spherical_diameter": "S⌀"}[it.zone]
    words = [f"{it.count}x" if it.count else "", it.characteristic, f"{zone}{it.value.value:g}"]
    words += [f"per {it.per}" if it.per else "", *it.modifiers]
    words += [f"projected {_value(it.projected)}" if it.projected else ""]
    words += ["-".join(datum.letters) + "".join(datum.modifiers) for datum in it.datums]
    return " | ".join([" ".join(word for word in words if word), *map(tell, it.rows)])


def _datum(it):
    target = f"{it.target}" if it.target else ""
    area = f" of {_value(it.target_size)}" if it.target_size else ""
    return f"datum {it.letter}{target}{area}"


def _surface(it):
    words = ["surface", it.parameter or "", it.grade or "", _value(it.value)]
    words += [f"min {_value(it.lower)}" if it.lower else "", it.unit or ""]
    words += ["max" if it.is_max else "", it.removal or ""]
    return " ".join(word for word in words if word)


def _value(number):
    return f"{number.value:.6g}" if number else ""


def _deviations(upper, lower):
    return f"{upper.value:+.6g}/{lower.value:+.6g}" if upper else ""


def _depth(it):
    if it is None:
        return ""
    return f"deep {_value(it.value)}" + _deviations(it.upper, it.lower)
