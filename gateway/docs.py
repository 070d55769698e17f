"""The page at ``/docs``: Swagger UI, served from this machine so that it works without internet.

The assets (Apache-2.0) come in the wheel of fastapi-offline (MIT); nothing of its code is used.
"""

from importlib.util import find_spec
from pathlib import Path

from fastapi import APIRouter
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import FileResponse, HTMLResponse

from shared.errors import NotFound

ASSETS = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "favicon.png": "image/png",
}

router = APIRouter(include_in_schema=False)


def assets_folder() -> Path:
    """Where the wheel keeps its files."""
    spec = find_spec("fastapi_offline")
    assert spec is not None
    assert spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0]) / "static"


@router.get("/docs")
async def docs() -> HTMLResponse:
    """The page."""
    return get_swagger_ui_html(
        openapi_url="/openapi.json",
        title="Gantry",
        swagger_js_url="/docs/assets/swagger-ui-bundle.js",
        swagger_css_url="/docs/assets/swagger-ui.css",
        swagger_favicon_url="/docs/assets/favicon.png",
    )


@router.get("/docs/assets/{name}")
async def asset(name: str) -> FileResponse:
    """One of its files."""
    if name not in ASSETS:
        raise NotFound(f"there is no asset {name!r}")
    return FileResponse(assets_folder() / name, media_type=ASSETS[name])
