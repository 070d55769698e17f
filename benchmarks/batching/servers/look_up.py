"""No model at all: uvicorn and a table of the right answers, the ceiling of its ASGI layer."""

from typing import Any

import uvicorn

from benchmarks.batching.launch import PROBES
from benchmarks.batching.options import ServerOptions
from benchmarks.batching.tolerance_items import tolerance_items

OK = (b"content-type", b"application/json")


class LookUp:
    """Answers a known body from the table."""

    def __init__(self) -> None:
        """Work all answers out beforehand."""
        self._answers = {**tolerance_items(), PROBES["tolerance"]: b"{}"}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        message = await receive()
        while message.get("more_body"):
            part = await receive()
            message = {**part, "body": message["body"] + part["body"]}
        answer = self._answers[message["body"]]
        headers = [OK, (b"content-length", str(len(answer)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})


def main() -> None:
    """Serve."""
    port = ServerOptions.from_environment().port
    uvicorn.run(LookUp(), port=port, log_level="error", access_log=False, lifespan="off")


if __name__ == "__main__":
    main()
