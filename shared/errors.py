"""Every error a client can meet: one tree, each class with its HTTP status and stable code.

    GantryError 500 internal_error
    ├── BadRequest 400 bad_request
    ├── Unauthorized 401, Forbidden 403, NotFound 404, MethodNotAllowed 405, Conflict 409, Gone 410
    ├── PayloadTooLarge 413 payload_too_large      bytes, pixels, seconds or pages
    ├── UnsupportedMedia 415 unsupported_media     not a supported or not a decodable type
    ├── InvalidInput 422 invalid_input             a field is wrong; carries the list of faults
    ├── QuotaExceeded 429 quota_exceeded           the caller's own limit
    ├── ClientGone 499 client_gone                 only ever seen in the log
    ├── UpstreamBroken 502 upstream_broken
    ├── Unavailable 503 unavailable                our load, or not ready: with Retry-After
    │   ├── QueueFull 503 queue_full
    │   ├── NotReady 503 not_ready                 still loading, draining or restarting
    │   └── ModelMissing 503 model_missing         names the file and the command that gets it
    ├── DeadlineExceeded 504 deadline_exceeded
    └── EngineError 500 engine_error               the model failed on this item
        ├── OutOfMemory 507 out_of_memory          the item does not fit even alone
        └── FatalEngineError 500 engine_fatal      the engine cannot be used any more

Callers match on ``code``, which never changes; ``detail`` is for people and may.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, ClassVar, Self


@dataclass(frozen=True)
class FieldFault:
    """One wrong field of a request."""

    loc: str  # path of the field, dotted: "parts.0.material"
    msg: str  # what is wrong and what would be right


class GantryError(Exception):
    """Root of the tree; on its own, an internal fault whose text is safe to show."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"

    def __init__(
        self,
        detail: str,
        *,
        faults: Sequence[FieldFault] = (),
        retry_after_s: float | None = None,
    ) -> None:
        """Describe the fault.

        Args:
            detail: what was wrong and what would be right; shown to the client.
            faults: the wrong fields, when the fault can be put down to fields.
            retry_after_s: seconds after which trying again makes sense.
        """
        super().__init__(detail)
        self.detail = detail
        self.faults = tuple(faults)
        self.retry_after_s = retry_after_s

    def fresh(self) -> Self:
        """The same error without a traceback, to be raised for another caller."""
        return type(self)(self.detail, faults=self.faults, retry_after_s=self.retry_after_s)


class BadRequest(GantryError):
    """The request cannot be understood."""

    status = 400
    code = "bad_request"


class Unauthorized(GantryError):
    """No valid key was given."""

    status = 401
    code = "unauthorized"


class Forbidden(GantryError):
    """The key does not cover this."""

    status = 403
    code = "forbidden"


class NotFound(GantryError):
    """There is no such path, model or job."""

    status = 404
    code = "not_found"


class MethodNotAllowed(GantryError):
    """The path exists, the method does not."""

    status = 405
    code = "method_not_allowed"


class Conflict(GantryError):
    """The thing is not in a state that allows this."""

    status = 409
    code = "conflict"


class Gone(GantryError):
    """It existed and has expired."""

    status = 410
    code = "gone"


class PayloadTooLarge(GantryError):
    """More bytes, pixels, seconds or pages than the limit."""

    status = 413
    code = "payload_too_large"


class UnsupportedMedia(GantryError):
    """The content is of a type that cannot be read, or is damaged."""

    status = 415
    code = "unsupported_media"


class InvalidInput(GantryError):
    """One or more fields are wrong."""

    status = 422
    code = "invalid_input"


class QuotaExceeded(GantryError):
    """The caller used up their own allowance."""

    status = 429
    code = "quota_exceeded"


class ClientGone(GantryError):
    """The client closed the connection before the answer; seen only in the log."""

    status = 499
    code = "client_gone"


class UpstreamBroken(GantryError):
    """A service behind us broke the connection or answered nonsense."""

    status = 502
    code = "upstream_broken"


class Unavailable(GantryError):
    """We cannot take this now; trying later makes sense."""

    status = 503
    code = "unavailable"

    def __init__(
        self,
        detail: str,
        *,
        faults: Sequence[FieldFault] = (),
        retry_after_s: float | None = None,
    ) -> None:
        """Describe the fault; without ``retry_after_s`` one second is named."""
        super().__init__(detail, faults=faults, retry_after_s=retry_after_s or 1.0)


class QueueFull(Unavailable):
    """The queue is full, or the predicted wait is beyond the request's deadline."""

    code = "queue_full"


class NotReady(Unavailable):
    """The model is loading, draining or restarting."""

    code = "not_ready"


class ModelMissing(Unavailable):
    """A model's file is not on this machine."""

    code = "model_missing"


class DeadlineExceeded(GantryError):
    """The request's time ran out."""

    status = 504
    code = "deadline_exceeded"


class EngineError(GantryError):
    """The model failed on this item; other items of the batch are not touched."""

    status = 500
    code = "engine_error"


class OutOfMemory(EngineError):
    """The device has too little memory for this item even on its own."""

    status = 507
    code = "out_of_memory"


class FatalEngineError(EngineError):
    """The engine's process or device is broken; it has to be started anew."""

    status = 500
    code = "engine_fatal"


def _subclasses(root: type[GantryError]) -> list[type[GantryError]]:
    found = [root]
    for child in root.__subclasses__():
        found.extend(_subclasses(child))
    return found


def error_from_code(code: str, detail: str, retry_after_s: float | None = None) -> GantryError:
    """Rebuild an error that crossed a process boundary as code and text.

    An unknown code gives the root class, so a newer peer never breaks an older one.
    """
    by_code = {error.code: error for error in _subclasses(GantryError)}
    return by_code.get(code, GantryError)(detail, retry_after_s=retry_after_s)


def error_from_status(status: int, detail: str) -> GantryError:
    """Rebuild an error of which only the HTTP status is known; unknown 4xx become 400."""
    by_status: dict[int, type[GantryError]] = {}
    for error in _subclasses(GantryError):
        by_status.setdefault(error.status, error)
    fallback = BadRequest if 400 <= status < 500 else GantryError
    return by_status.get(status, fallback)(detail)


def problem(error: GantryError, *, request_id: str, instance: str) -> dict[str, Any]:
    """The one JSON body of every error (RFC 9457), which also carries OpenAI's envelope.

    Args:
        error: what happened.
        request_id: id of the request, as echoed in ``X-Request-Id``.
        instance: path of the request.

    Returns:
        Members of the problem document; ``errors`` only when fields are at fault.
    """
    try:
        title = HTTPStatus(error.status).phrase
    except ValueError:
        title = "Client Closed Request"
    body: dict[str, Any] = {
        "type": f"urn:gantry:error:{error.code}",
        "title": title,
        "status": error.status,
        "detail": error.detail,
        "instance": instance,
        "code": error.code,
        "request_id": request_id,
    }
    if error.faults:
        body["errors"] = [{"loc": fault.loc, "msg": fault.msg} for fault in error.faults]
    body["error"] = {
        "message": error.detail,
        "type": "invalid_request_error" if error.status < 500 else "server_error",
        "param": error.faults[0].loc if error.faults else None,
        "code": error.code,
    }
    return body


def retry_headers(error: GantryError) -> Mapping[str, str]:
    """``Retry-After`` in whole seconds, rounded up, at least one; empty when none is known."""
    if error.retry_after_s is None:
        return {}
    return {"retry-after": str(max(1, int(-(-error.retry_after_s // 1))))}
