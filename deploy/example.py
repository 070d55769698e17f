"""Turn what a service says of itself into a first request that a user can paste."""

import json
import shlex
from collections.abc import Mapping
from typing import Any

FORM = "multipart/form-data"


def first_request(info: Mapping[str, Any], gateway_url: str) -> str | None:
    """A ``curl`` line for the first inference path of a service.

    Args:
        info: the service's ``/info``.
        gateway_url: base of the address.

    Returns:
        The line; None when the service offers no POST path.
    """
    for entry in info.get("paths") or ():
        if entry.get("method") != "POST":
            continue
        url = shlex.quote(gateway_url + entry["path"])
        example = _json_example(info.get("openapi") or {}, entry["path"])
        if example is None:
            return f"curl -F file=@YOUR_FILE {url}"
        body = shlex.quote(json.dumps(example, ensure_ascii=False, separators=(",", ":")))
        return f"curl -H 'Content-Type: application/json' -d {body} {url}"
    return None


def _json_example(openapi: Mapping[str, Any], path: str) -> Any:  # noqa: ANN401 - any JSON value
    """The documented example of a JSON body; None where the path also takes a file."""
    operation = openapi.get("paths", {}).get(path, {}).get("post", {})
    kinds = operation.get("requestBody", {}).get("content", {})
    content = kinds.get("application/json")
    if content is None or FORM in kinds:
        return None
    schema = _resolved(openapi, content.get("schema") or {})
    named = [each.get("value") for each in (content.get("examples") or {}).values()]
    found = [content.get("example"), *named, schema.get("example"), *(schema.get("examples") or ())]
    return next((example for example in found if example is not None), None)


def _resolved(openapi: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = str(schema.get("$ref", ""))
    if not reference.startswith("#/components/schemas/"):
        return schema
    found = openapi.get("components", {}).get("schemas", {}).get(reference.rsplit("/", 1)[1], {})
    return found if isinstance(found, Mapping) else {}
