"""Error handlers of the control plane: every error in the one shape, never any internal text."""

from collections.abc import Awaitable, Callable

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

Handler = Callable[[Request, Exception], Awaitable[Response]]


def install(app: FastAPI) -> None:
    """Have ``app`` answer all foreseen errors as problem documents."""
    for kind in (GantryError, RequestValidationError, HTTPException):
        app.add_exception_handler(kind, answer_error)


async def answer_error(request: Request, error: Exception) -> Response:
    """Render one error."""
    shown = _as_gantry_error(error)
    body = problem(shown, request_id=request_id_var.get(), instance=request.url.path)
    headers = dict(retry_headers(shown))
    if isinstance(error, HTTPException):
        headers.update(error.headers or {})  # Allow, of a wrong method
    return JSONResponse(body, shown.status, headers, media_type=PROBLEM_TYPE)


def _as_gantry_error(error: Exception) -> GantryError:
    if isinstance(error, GantryError):
        return error
    if isinstance(error, RequestValidationError):
        faults = [
            FieldFault(".".join(str(part) for part in fault["loc"][1:]), str(fault["msg"]))
            for fault in error.errors()
        ]
        return InvalidInput("; ".join(f"{each.loc}: {each.msg}" for each in faults), faults=faults)
    assert isinstance(error, HTTPException)
    return error_from_status(error.status_code, str(error.detail))
