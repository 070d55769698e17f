"""Error handlers of a FastAPI application: each error in the one shape, without internal text."""

import logging
from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from shared.errors import (
    FieldFault,
    GantryError,
    InvalidInput,
    error_from_status,
    problem,
    retry_headers,
)
from shared.http import PROBLEM_TYPE
from shared.log import request_id_var
from shared.request_layer import UNFORESEEN

log = logging.getLogger(__name__)


def install(app: FastAPI) -> None:
    """Have ``app`` answer all errors as problem documents."""
    for kind in (GantryError, RequestValidationError, HTTPException, Exception):
        app.add_exception_handler(kind, answer_error)


async def answer_error(request: Request, error: Exception) -> Response:
    """Render one error."""
    shown = _as_gantry_error(error)
    if shown.status >= 500 and isinstance(error, GantryError):
        log.warning("answered %d %s: %s", shown.status, shown.code, shown.detail)
    body = problem(shown, request_id=request_id_var.get(), instance=request.url.path)
    headers = dict(retry_headers(shown))
    if isinstance(error, HTTPException):
        headers.update(error.headers or {})  # Allow, of a wrong method
    return JSONResponse(body, shown.status, headers, media_type=PROBLEM_TYPE)


def invalid_input(faults: Sequence[Any], skip: Sequence[str] = ("body", "query")) -> InvalidInput:
    """Turn pydantic's list of faults into the error that names each field.

    Args:
        faults: as ``ValidationError.errors()`` gives them.
        skip: first parts of a location that say where the field stood, not what it is called.
    """
    listed = []
    for fault in faults:
        path = list(fault["loc"])
        if len(path) > 1 and path[0] in skip:
            path = path[1:]
        told = str(fault["msg"]).removeprefix("Value error, ")  # what a validator of ours says
        listed.append(FieldFault(".".join(str(part) for part in path), told))
    shown = "; ".join(f"{fault.loc}: {fault.msg}" for fault in listed[:5])
    return InvalidInput(shown, faults=listed)


def _as_gantry_error(error: Exception) -> GantryError:
    if isinstance(error, GantryError):
        return error
    if isinstance(error, RequestValidationError):
        return invalid_input(error.errors(), skip=("body", "query", "path", "header", "cookie"))
    if isinstance(error, HTTPException):
        return error_from_status(error.status_code, str(error.detail))
    return GantryError(UNFORESEEN)  # the request layer logs it
