"""``python -m gateway``: run the gateway until it is told to stop."""

import sys

import uvicorn

from gateway.app import build
from gateway.settings import GatewaySettings
from shared.log import configure_logging
from shared.settings import SettingsError


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
    uvicorn.run(
        gateway,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=30,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
