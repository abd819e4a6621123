"""Routes beside the API: health, metrics, the OpenAPI document and its page."""

from __future__ import annotations

from importlib import resources
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, PlainTextResponse
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.exceptions import HTTPException
from starlette.responses import Response

from impactree import __version__
from impactree.exceptions import PageNotBuiltError
from impactree.server.answers import answer, described
from impactree.server.guard import page_key

if TYPE_CHECKING:
    from fastapi import FastAPI
    from prometheus_client import CollectorRegistry

    from impactree.server.settings import ServeSettings

__all__ = ["health_router", "site_router"]

_PAGE: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>impactree</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><link rel="icon" href="data:,">
<link rel="stylesheet" href="/assets/app.css"></head>
<body><div id="page"></div><noscript><p>The page needs JavaScript; the API does not.</p></noscript>
<script src="/assets/app.js"></script></body></html>
"""
_DOCS: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>impactree API</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="stylesheet" href="/assets/swagger-ui.css"></head>
<body><div id="swagger-ui"></div><script src="/assets/swagger-ui-bundle.js"></script>
<script src="/assets/docs.js"></script></body></html>
"""
# The token is the page's own: it is kept in the tab, and sent with each request.
_DOCS_SCRIPT: Final = """
const said = new URLSearchParams(location.search).get("token");
if (said) {
  sessionStorage.setItem("impactree-token", said);
  history.replaceState(null, "", location.pathname + location.hash);
}
const token = sessionStorage.getItem("impactree-token");
SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#swagger-ui",
  validatorUrl: null,
  requestInterceptor: (request) => {
    if (token) request.headers.Authorization = `Bearer ${token}`;
    return request;
  },
});
"""
_SWAGGER: Final = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
}


def health_router(registry: CollectorRegistry) -> APIRouter:
    """Health and metrics."""
    router = APIRouter(tags=["Server"])
    text = {"text/plain": {"schema": {"type": "string"}}}

    @router.get("/health", summary="Whether it runs", responses=described({"type": "object"}))
    def health() -> Response:
        """Needs no token, and says nothing but that it runs, and its version."""
        return answer({"status": "ok", "version": __version__})

    @router.get(
        "/metrics",
        summary="Counters for Prometheus",
        response_class=PlainTextResponse,
        responses={200: {"description": "Prometheus' text format.", "content": text}},
    )
    def metrics() -> Response:
        """Requests by route and status, and how long they took."""
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    return router


def site_router(app: FastAPI, settings: ServeSettings) -> APIRouter:
    """The OpenAPI document, its page, and the files of that page."""
    router = APIRouter(include_in_schema=False)

    @router.get("/openapi.json")
    def openapi() -> Response:
        return answer(app.openapi())

    @router.get("/")
    def page() -> Response:
        return with_key(HTMLResponse(_PAGE), settings)

    @router.get("/assets/app.js")
    def page_script() -> Response:
        return Response(_built("app.js"), media_type="text/javascript")

    @router.get("/assets/app.css")
    def page_style() -> Response:
        return Response(_built("app.css"), media_type="text/css")

    @router.get("/docs")
    def docs() -> Response:
        return with_key(HTMLResponse(_DOCS), settings)

    @router.get("/assets/docs.js")
    def script() -> Response:
        return Response(_DOCS_SCRIPT, media_type="text/javascript")

    @router.get("/assets/swagger-ui-bundle.js")
    def bundle() -> Response:
        return _swagger("swagger-ui-bundle.js")

    @router.get("/assets/swagger-ui.css")
    def style() -> Response:
        return _swagger("swagger-ui.css")

    return router


def with_key(page: Response, settings: ServeSettings) -> Response:
    """A page that may fetch its own files from now on."""
    if settings.token is not None:
        page.set_cookie(
            "impactree", page_key(settings.token), httponly=True, samesite="lax", path="/"
        )
    return page


def _built(name: str) -> bytes:
    file = resources.files("impactree") / "web" / name
    if not file.is_file():
        raise HTTPException(503, str(PageNotBuiltError()))
    return file.read_bytes()


def _swagger(name: str) -> Response:
    if find_spec("fastapi_offline") is None:
        raise HTTPException(404, "the page of the API comes with: pip install 'impactree[serve]'")
    text = (resources.files("fastapi_offline") / "static" / name).read_bytes()
    return Response(text, media_type=_SWAGGER[name])
