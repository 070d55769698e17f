"""Describe in OpenAPI the bodies that ``shared.uploads`` reads by hand.

FastAPI cannot see what a route reads from the raw request; without this, ``/docs`` would show
inference paths that take nothing.
"""

from typing import Any

from pydantic import BaseModel

_ANY_BYTES = {"type": "string", "format": "binary"}


def upload_body(
    options: type[BaseModel], *, raw_types: tuple[str, ...] = ("image/*",), multiple: bool = False
) -> dict[str, Any]:
    """``openapi_extra`` of a path that takes a file with options in any of the accepted forms.

    Args:
        options: what the path's options are checked against.
        raw_types: media types of a raw body; with it, options are query parameters.
        multiple: whether several ``file`` parts, or several images in JSON, are taken.
    """
    schema = options.model_json_schema()
    if "$defs" in schema:  # a reference could not be resolved at the place where this goes
        raise TypeError(f"{options.__name__} must not nest models")
    fields = schema["properties"]
    image = {
        "type": "object",
        "properties": {"base64": {"type": "string"}},
        "required": ["base64"],
    }
    file: dict[str, Any] = {"type": "array", "items": _ANY_BYTES} if multiple else _ANY_BYTES
    in_json: dict[str, Any] = {"type": "array", "items": image} if multiple else image
    content: dict[str, Any] = {
        "multipart/form-data": {"schema": _object({"file": file, **fields}, "file")},
        "application/json": {"schema": _object({"image": in_json, **fields}, "image")},
    }
    for each in raw_types:
        content[each] = {"schema": _ANY_BYTES}
    return {
        "requestBody": {"required": True, "content": content},
        "parameters": [
            {"name": name, "in": "query", "required": False, "schema": field}
            for name, field in fields.items()
        ],
    }


def _object(properties: dict[str, Any], required: str) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": [required]}
