"""Routes for single calls: what they cost, how that came about, and how names are read."""

# No annotations from __future__: FastAPI reads them.
from typing import Annotated, Any

from fastapi import APIRouter, Body, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from impactree.engine.own import Own
from impactree.server.answers import answer, described, ref
from impactree.server.bodies import Day, Estimate, Explain, ManyCalls, Strict, Text
from impactree.server.problems import checked_call
from impactree.server.reading import JsonRoute
from impactree.service import listing
from impactree.service.estimating import counted, estimates, explanation, one_estimate

__all__ = ["router"]

router = APIRouter(prefix="/v1", tags=["Estimates"], route_class=JsonRoute)
_ANSWERS = {"anyOf": [ref("EstimateAnswer"), ref("EstimatesAnswer")]}


class TextToCount(Strict):
    """A text."""

    text: Annotated[str, Field(max_length=1_000_000)]


class NameQuery(BaseModel):
    """A model's name, and what else is known of the request."""

    model_config = ConfigDict(extra="forbid")

    name: Text = Field(examples=["gpt-4o-mini"])
    provider: Text | None = Field(None, examples=["openai"])
    requested: Text | None = None
    base_url: Text | None = None
    at: Day | None = None


@router.post(
    "/estimate",
    summary="What one call costs, or up to 10,000",
    responses=described(_ANSWERS),
)
def estimate(body: Annotated[Estimate, Body()]) -> Response:
    """The five criteria of each call, with unit, min, mean and max; of several also their sum."""
    settings = body.settings()
    if not isinstance(body, ManyCalls):
        for name in ("zone", "region"):
            settings.pop(name, None)  # the call's own
        return answer(one_estimate(checked_call(body, ""), body.at, settings, _own(body)))
    calls = [checked_call(one, f"calls.{place}") for place, one in enumerate(body.calls)]
    text = "".join(estimates(calls, body.at, settings))
    return Response(text, media_type="application/json")


def _own(body: Any) -> Own | None:
    """Figures in place of the catalog's, of requests that can have some."""
    figures = getattr(body, "own", None)
    return None if figures is None else figures.own()


@router.post(
    "/explain",
    summary="How a figure came about",
    responses=described(ref("Explanation")),
)
def explain(body: Explain) -> Response:
    """How the name is read, every hypothesis with its source, and every step to the result."""
    asked = body.asked()
    found = explanation(body.model, _own(body), at=body.at, **asked)
    return answer(found.to_dict())


@router.post(
    "/tokens",
    summary="How many tokens a text has",
    responses=described(ref("Counted")),
)
def tokens(body: TextToCount) -> Response:
    """Counted here as where a client reports no usage; the text is neither kept nor logged."""
    return answer(counted(body.text))


@router.get(
    "/resolve",
    summary="Which model a name stands for",
    responses=described(ref("Resolution")),
)
def resolve(query: Annotated[NameQuery, Query()]) -> Response:
    """The model, its maker and size, who runs it, and how sure that is."""
    return answer(listing.resolved(**query.model_dump()))
