"""Routes for the database that the server was given: sums, the dearest runs, and each run."""

# No annotations from __future__: FastAPI reads them.
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.responses import Response

from impactree.delivery.errors import DeliveryRefusedError, RetryLaterError
from impactree.server.answers import answer, described, problem_of
from impactree.server.settings import ServeSettings

__all__ = ["runs_router"]

KEYS = ("day", "agent", "model", "user", "node", "tool", "provider", "thread", "kind", "run")
_LIST = {"type": "object", "properties": {"rows": {"type": "array", "items": {"type": "object"}}}}
_ERRORS: dict[int | str, dict[str, Any]] = {
    404: problem_of(
        404, "Not Found", "the server was started without --db, or there is no such run"
    ),
    503: problem_of(503, "Service Unavailable", "the database cannot be read"),
}
_PAGE = {**_ERRORS, **described({"type": "object"})}
Since = Annotated[
    str,
    Field(
        pattern=r"^(?:[1-9][0-9]{0,3}[hdw]|20[0-9]{2}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8]))$"
    ),
]


class GroupsQuery(BaseModel):
    """By what, and since when."""

    model_config = ConfigDict(extra="forbid")

    by: Annotated[str, Field(pattern=f"^(?:{'|'.join(KEYS)})$", examples=["model"])] = "model"
    since: Since | None = Field(None, examples=["7d"])


class DearestQuery(BaseModel):
    """Since when, and how many."""

    model_config = ConfigDict(extra="forbid")

    since: Since | None = Field(None, examples=["7d"])
    top: Annotated[int, Field(ge=1, le=200)] = 20


class RunQuery(BaseModel):
    """Which run."""

    model_config = ConfigDict(extra="forbid")

    id: Annotated[str, Field(min_length=1, max_length=255, examples=["a run's id"])]


def runs_router(settings: ServeSettings) -> APIRouter:
    """The database's routes."""
    router = APIRouter(prefix="/v1/runs", tags=["Runs"])

    @router.get("", summary="Whether there is a database", responses=described({"type": "object"}))
    def about() -> Response:
        """Whether the server was started with one, and by what its calls can be grouped."""
        return answer({"database": settings.db is not None, "by": KEYS})

    @router.get("/groups", summary="Sums by a key", responses={**_ERRORS, **described(_LIST)})
    def groups(query: Annotated[GroupsQuery, Query()]) -> Response:
        """As `impactree db report --json`; most greenhouse gases first."""
        from impactree.service import stored

        with _reading(settings) as url:
            return answer({"rows": stored.groups(url, query.by, query.since)})

    @router.get("/dearest", summary="The dearest runs", responses={**_ERRORS, **described(_LIST)})
    def dearest(query: Annotated[DearestQuery, Query()]) -> Response:
        """Runs with most greenhouse gases."""
        from impactree.service import stored

        with _reading(settings) as url:
            return answer({"rows": stored.dearest_runs(url, query.since, query.top)})

    @router.get("/page", summary="A run as its report's page shows it", responses=_PAGE)
    def page(query: Annotated[RunQuery, Query()]) -> Response:
        """Tree, groups, hypotheses, sources and advice, as data for the page of this server."""
        from impactree.service import stored

        with _reading(settings) as url:
            found = stored.run_page(url, query.id)
        if found is None:
            raise HTTPException(404, f"the database has no run {query.id!r:.80}")
        return answer(found)

    return router


@contextmanager
def _reading(settings: ServeSettings) -> Iterator[str]:
    if settings.db is None:
        raise HTTPException(404, "the server was started without --db")
    try:
        yield settings.db
    except (DeliveryRefusedError, RetryLaterError) as error:
        raise HTTPException(503, str(error)) from None
