"""The application: its routes, and what stands before them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, FastAPI
from prometheus_client import CollectorRegistry

from impactree.server import calls, lists, reports, runs, uses, v1beta
from impactree.server.answers import ERRORS
from impactree.server.guard import Guard
from impactree.server.metrics import Metrics
from impactree.server.openapi import document
from impactree.server.problems import add_handlers
from impactree.server.site import health_router, site_router

if TYPE_CHECKING:
    from impactree.server.settings import ServeSettings

__all__ = ["create_app"]


def create_app(settings: ServeSettings) -> FastAPI:
    """The server as an ASGI application.

    Args:
        settings: See :func:`impactree.server.settings.serve_settings`.
    """
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    registry = CollectorRegistry()
    routers: list[tuple[APIRouter, dict[int | str, Any]]] = [
        *((one.router, ERRORS) for one in (calls, lists, reports)),
        (uses.router, ERRORS),
        (v1beta.router, v1beta.DETAIL),
        (runs.runs_router(settings), ERRORS),
        (health_router(registry), {status: ERRORS[status] for status in (401, 403, 503)}),
        (site_router(app, settings), {}),
    ]
    for router, errors in routers:
        app.include_router(router, responses=errors)
    add_handlers(
        app, [str(getattr(route, "path", "")) for router, _ in routers for route in router.routes]
    )
    app.openapi = _openapi(app, token=settings.token is not None)  # type: ignore[method-assign]
    app.add_middleware(Guard, settings=settings)
    app.add_middleware(Metrics, registry=registry)  # the last one added is the first one asked
    return app


def _openapi(app: FastAPI, *, token: bool) -> Any:
    known: dict[str, Any] = {}

    def made() -> dict[str, Any]:
        if not known:
            known.update(document(app, token=token))
        return known

    return made
