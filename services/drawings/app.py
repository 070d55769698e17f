"""Build the drawings service from its settings."""

from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from services.drawings.routes import ANALYZE_PATH, DrawingsState, router
from services.drawings.settings import DrawingsSettings
from shared.app import PathInfo, ServiceSpec, create_app
from shared.gateway_client import GatewayClient
from shared.media.pool import MediaPool

VERSION = "0.1.0"


def build(settings: DrawingsSettings | None = None, engine: GatewayClient | None = None) -> FastAPI:
    """Build the service.

    Args:
        settings: read from the environment by default.
        engine: how other services are called; through the gateway of the settings by default.

    Returns:
        The application.
    """
    settings = settings or DrawingsSettings.from_environment()
    token = settings.internal_token
    gateway = engine or GatewayClient(
        settings.gateway_url,
        token.get_secret_value() if token else None,
        setting="DRAWINGS_GATEWAY_URL",
    )
    media = MediaPool(settings.media_workers)
    path = PathInfo(ANALYZE_PATH, "POST", settings.max_body_bytes, settings.deadline_ms)
    return create_app(
        ServiceSpec(
            name="drawings",
            version=VERSION,
            settings=settings,
            router=router,
            paths=[path],
            hosts=[],
            registry=CollectorRegistry(),
            media=media,
            state={"drawings": DrawingsState(settings, media, gateway)},
            closing=[gateway.close],
        )
    )
