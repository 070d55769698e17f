"""One OpenAPI document out of those of all services and the gateway's own."""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from gateway.service import Service

Document = dict[str, Any]

_REFERENCE = re.compile(r'"#/components/(\w+)/([^"]+)"')


def merge(own: Mapping[str, Any], services: Iterable[Service]) -> Document:
    """Join the documents.

    Args:
        own: the gateway's own document.
        services: whose paths are added; component names get the service's name in front, so that
            two services may use the same one.

    Returns:
        A document of its own; the inputs are left as they are.
    """
    merged: Document = json.loads(json.dumps(own))
    components = merged.setdefault("components", {})
    for service in sorted(services, key=lambda each: each.name):
        for info in service.infos.values():  # the newest last: it wins
            document = _renamed(info.openapi, service.name)
            for kind, entries in document.get("components", {}).items():
                for name, entry in entries.items():
                    components.setdefault(kind, {})[f"{service.name}.{name}"] = entry
            offered = {(offer.path, offer.method.lower()) for offer in info.paths}
            for path, method in offered:
                operation = document.get("paths", {}).get(path, {}).get(method)
                if operation is not None:
                    operation["tags"] = [service.name]
                    _rename_operation(operation, service.name)
                    merged["paths"].setdefault(path, {})[method] = operation
    return merged


def _renamed(document: Mapping[str, Any], service: str) -> Document:
    text = _REFERENCE.sub(rf'"#/components/\1/{service}.\2"', json.dumps(document))
    renamed: Document = json.loads(text)
    return renamed


def _rename_operation(operation: Document, service: str) -> None:
    if "operationId" in operation:
        operation["operationId"] = f"{service}_{operation['operationId']}"
