"""Which service answers which path; built from what the services tell, never written by hand."""

import logging
import re
from collections.abc import Iterable
from dataclasses import dataclass

from gateway.service_info import OfferedPath
from shared.errors import MethodNotAllowed

log = logging.getLogger(__name__)

OWN_PATHS = re.compile(
    r"^/(livez|readyz|metrics|info|openapi\.json|(docs|admin|v1/models|v1/services|v1/jobs)(/.*)?)$"
)
"""Paths of the gateway itself; a service that offers one of them does not get it."""

_PARAMETER = re.compile(r"\\\{[^/{}]+\\\}")


@dataclass(frozen=True)
class Route:
    """A path and the service that answers it."""

    service: str
    offer: OfferedPath


def scope_of(route: Route) -> str:
    """Scope that a key needs for a route."""
    return f"infer:{route.service}"


class WrongMethod(MethodNotAllowed):
    """The path exists for other methods, named in ``allowed``."""

    def __init__(self, method: str, allowed: Iterable[str]) -> None:
        """Name the methods that would be right."""
        self.allowed = ", ".join(sorted(allowed))
        super().__init__(f"{method} is not offered here; use {self.allowed}")


class RoutingTable:
    """An immutable table; a new one replaces it when a service changes what it offers."""

    def __init__(self, routes: Iterable[Route] = ()) -> None:
        """Index the routes; of two services with the same path and method the first keeps it."""
        self._exact: dict[str, dict[str, Route]] = {}
        self._patterns: list[tuple[re.Pattern[str], dict[str, Route]]] = []
        templates: dict[str, dict[str, Route]] = {}
        for route in routes:
            path = route.offer.path
            if OWN_PATHS.match(path):
                log.warning("%s offers %s, which is the gateway's own", route.service, path)
                continue
            by_path = templates if "{" in path else self._exact
            holder = by_path.setdefault(path, {}).setdefault(route.offer.method, route)
            if holder.service != route.service:
                log.warning("%s offers %s of %s too", route.service, path, holder.service)
        for path, methods in templates.items():
            # A segment is anything but a slash, and never one that steps up the path.
            pattern = _PARAMETER.sub(r"(?!\\.{1,2}(?:/|$))[^/]+", re.escape(path))
            self._patterns.append((re.compile(f"^{pattern}$"), methods))

    def find(self, path: str, method: str) -> Route | None:
        """The route of a request, or None for a path that nobody offers.

        Raises:
            WrongMethod: the path is offered for other methods only.
        """
        methods = self._exact.get(path)
        if methods is None:
            methods = next(
                (found for pattern, found in self._patterns if pattern.match(path)), None
            )
        if methods is None:
            return None
        route = methods.get(method)
        if route is None:
            raise WrongMethod(method, methods)
        return route
