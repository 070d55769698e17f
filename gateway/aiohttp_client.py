"""The upstream client on aiohttp: streams both ways, hides no limit and changes no byte."""

import asyncio
from collections.abc import AsyncIterator

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from gateway.upstream import (
    ConnectionLost,
    Headers,
    NotConnected,
    UpstreamRequest,
    UpstreamResponse,
)

_CONNECT_ERRORS = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)


class AiohttpClient:
    """One session and its connection pool; made and closed inside the event loop."""

    def __init__(self, *, connect_timeout_s: float, keepalive_s: float) -> None:
        """Open the pool.

        Args:
            connect_timeout_s: longest wait for a connection.
            keepalive_s: how long an idle connection is kept; below the server's own limit, so
                that the server does not close one that is just being reused.
        """
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=keepalive_s),
            # No total and no read limit: the request's own deadline cancels it.
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=connect_timeout_s),
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
            trust_env=False,
        )

    async def send(self, request: UpstreamRequest) -> UpstreamResponse:
        """Send a request and wait for the head of its response."""
        try:
            response = await self._session.request(
                request.method,
                URL(request.url, encoded=True),
                headers=CIMultiDict(request.headers),
                data=request.body,
                allow_redirects=False,
            )
        except _CONNECT_ERRORS as error:
            raise NotConnected("the service could not be reached") from error
        except (aiohttp.ClientError, OSError, asyncio.IncompleteReadError) as error:
            raise ConnectionLost("the service broke the connection before it answered") from error
        return _Response(response)

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()


class _Response:
    """A response of aiohttp under our protocol."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.status: int = response.status
        self.headers: Headers = [(key.lower(), value) for key, value in response.raw_headers]
        self._response = response

    async def chunks(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._response.content.iter_any():
                yield chunk
        except (aiohttp.ClientError, OSError) as error:
            raise ConnectionLost("the service broke off its answer") from error

    def abort(self) -> None:
        self._response.close()
