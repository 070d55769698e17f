"""``python -m gateway``: run the gateway until it is told to stop."""

import asyncio
import contextlib
import gc
import sys
from collections.abc import Iterator

import uvicorn

from gateway.app import Gateway, build
from gateway.settings import GatewaySettings
from shared.http import AsgiApp
from shared.log import configure_logging
from shared.server_protocol import ServerProtocol, protocol_with_head_timeout
from shared.settings import SettingsError

GC_THRESHOLD = 20_000  # new objects between collections; Python's own is 700


def main() -> int:
    """Read the settings and serve; a bad setting ends the start with one sentence."""
    try:
        settings = GatewaySettings.from_environment()
        gateway = build(settings)
    except SettingsError as error:
        sys.stderr.write(f"gateway: {error}\n")
        return 2
    configure_logging(
        "gateway", level=settings.log_level, style=settings.log_format, quiet=settings.quiet
    )
    # The loop that uvicorn would take: uvloop where it is installed.
    loop_factory = uvicorn.Config(gateway).get_loop_factory()
    # What exists now stays for good, and what a request makes is freed by counting references:
    # the collector need not look through the former, nor often through the latter.
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD)
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(serve(gateway))
    return 0


async def serve(gateway: Gateway) -> None:
    """Serve the public and the admin listener until a signal ends the first."""
    settings = gateway.settings
    public = uvicorn.Server(
        _config(gateway, settings, settings.host, settings.port, gateway.protocol)
    )
    if settings.admin_port == 0:
        await public.serve()
        return
    admin = _SecondServer(
        _config(
            gateway.admin,
            settings,
            settings.admin_host,
            settings.admin_port,
            protocol_with_head_timeout(settings.head_timeout_s),
        )
    )
    serving = asyncio.ensure_future(admin.serve())
    try:
        await public.serve()
    finally:
        admin.should_exit = True
        await serving


class _SecondServer(uvicorn.Server):
    """A server that leaves signals to the first one and ends with it."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _config(
    app: AsgiApp, settings: GatewaySettings, host: str, port: int, protocol: type[ServerProtocol]
) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        http=protocol,
        ws="none",
        lifespan="on" if isinstance(app, Gateway) else "off",
        proxy_headers=False,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=30,
    )


if __name__ == "__main__":
    sys.exit(main())
