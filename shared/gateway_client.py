"""Call other services through the gateway, on behalf of the request that is being answered.

For services that compose others. A call carries the request's id, what is left of its time, its
caller and its priority; it proves by the internal token that it comes from a service of ours, so
that it does not count against the caller's own concurrency. The hops that the gateway has counted
go back to it, so that services that call each other in a circle end.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

import httpx
from fastapi import Request

from shared.context import RequestContext, request_context
from shared.errors import (
    DeadlineExceeded,
    GantryError,
    Unavailable,
    UpstreamBroken,
    error_from_code,
    error_from_status,
)
from shared.http import header_bytes

FORWARDED = (b"x-caller", b"x-hops", b"x-priority", b"traceparent")
"""Headers that a call carries as the request brought them."""

Headers = list[tuple[bytes, bytes]]


class NoGateway(Unavailable):
    """This service was not told where the gateway is."""

    code = "no_gateway"


class GatewayClient:
    """Calls paths of the gateway."""

    def __init__(
        self,
        url: str | None,
        token: str | None,
        *,
        setting: str,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """Connect when first called.

        Args:
            url: base address; None lets every call fail with what to set.
            token: the internal token, if there is one.
            setting: name of the setting that holds the address, for that failure.
            transport: how requests travel; over the network by default.
        """
        self._url = url
        self._setting = setting
        self._client = httpx.AsyncClient(
            base_url=url or "",
            headers={"x-internal-token": token} if token else {},
            transport=transport,
            trust_env=False,
            timeout=None,
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    def on_behalf_of(self, request: Request) -> "Calls":
        """Calls that belong to a request."""
        return Calls(self._client, _passed_on(request), self._url is not None, self._setting)


class Calls:
    """Calls on behalf of one request."""

    def __init__(
        self, client: httpx.AsyncClient, headers: Headers, is_known: bool, setting: str
    ) -> None:
        """Use ``GatewayClient.on_behalf_of``."""
        self._client = client
        self._headers = headers
        self._is_known = is_known
        self._setting = setting

    async def post(
        self,
        path: str,
        *,
        reserve_s: float = 0.0,
        params: Mapping[str, Any] | None = None,
        json: Any = None,  # noqa: ANN401 - any JSON value
        content: bytes | None = None,
    ) -> Any:  # noqa: ANN401 - any JSON value
        """Post and read the JSON answer.

        Args:
            path: on the gateway.
            reserve_s: of the request's remaining time, what the call may not use.
            params: options in the query.
            json: body as JSON; or
            content: body as raw bytes.

        Raises:
            NoGateway: no address is known.
            DeadlineExceeded: the time ran out.
            UpstreamBroken: the gateway cannot be reached, or answered nonsense.
            GantryError: what the gateway or the service answered.
        """
        if not self._is_known:
            raise NoGateway(f"no gateway is configured; set {self._setting}")
        context = request_context()
        left_s = context.remaining_s() - reserve_s
        if left_s <= 0:
            raise DeadlineExceeded("not enough of the request's time was left")
        headers = [*self._headers, *_of_now(context, left_s)]
        if content is not None:
            headers.append((b"content-type", b"application/octet-stream"))
        try:
            async with asyncio.timeout(left_s):
                answer = await self._client.post(
                    path, params=params, json=json, content=content, headers=headers
                )
        except TimeoutError:
            raise DeadlineExceeded(f"{path} did not answer within {left_s:.1f} s") from None
        except httpx.HTTPError as error:
            raise UpstreamBroken(
                f"the gateway cannot be reached ({type(error).__name__})"
            ) from error
        return _read(answer)


def _passed_on(request: Request) -> Headers:
    given = [(name, header_bytes(request.scope, name)) for name in FORWARDED]
    return [(name, value) for name, value in given if value is not None]


def _of_now(context: RequestContext, left_s: float) -> Headers:
    return [
        (b"x-request-id", context.request_id.encode()),
        (b"x-request-timeout-ms", b"%d" % max(1, int(left_s * 1000))),
        (b"accept", b"application/json"),
    ]


def _read(answer: httpx.Response) -> Any:  # noqa: ANN401 - any JSON value
    try:
        body = answer.json()
    except ValueError:
        raise UpstreamBroken(f"the gateway answered {answer.status_code} without JSON") from None
    if answer.is_success:
        return body
    raise _error_of(answer.status_code, body)


def _error_of(status: int, body: Any) -> GantryError:  # noqa: ANN401 - any JSON value
    problem = body if isinstance(body, Mapping) else {}
    detail = str(problem.get("detail") or f"answered with status {status}")
    code = problem.get("code")
    if isinstance(code, str):
        found = error_from_code(code, detail)
        if found.status == status:
            return found
    return error_from_status(status, detail)
