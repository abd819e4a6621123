"""Routes for an organisation's year: computed, read from CSV, and as a table or workbook."""

# No annotations from __future__: FastAPI reads them.
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BeforeValidator, Field
from starlette.responses import Response

from impactree.calls import ModelCall
from impactree.exceptions import ImpactreeError
from impactree.server.answers import answer, described, ref
from impactree.server.bodies import Count, DatedSettings, Strict, Text, whole
from impactree.server.problems import ContradictionError
from impactree.server.reading import JsonRoute
from impactree.service.organisation import Use, organisation, read_uses, to_csv, to_xlsx

__all__ = ["router"]

router = APIRouter(prefix="/v1", tags=["Organisation"], route_class=JsonRoute)
Amount = Annotated[float, Field(ge=0, le=1e9)]
Month = Annotated[int, Field(ge=1, le=12), BeforeValidator(whole)]
_OF_CALL = (
    *("model", "provider", "region", "zone"),
    *("input_tokens", "cached_input_tokens", "output_tokens"),
)
_XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


class UseBody(Strict):
    """Some people who ask one model so often, on every day of some months."""

    who: Annotated[str, Field(max_length=200)] = ""
    people: Amount = 1
    requests_per_day: Amount = 1
    from_month: Month = 1
    months: Month | None = Field(None, description="Default: those up to December.")
    model: Text
    provider: Text | None = None
    region: Text | None = None
    zone: Text | None = None
    input_tokens: Count | None = None
    cached_input_tokens: Count | None = None
    output_tokens: Count | None = None


class Organisation(DatedSettings):
    """Who asks what how often."""

    uses: Annotated[list[UseBody], Field(min_length=1, max_length=500)]


class Csv(Strict):
    """A CSV text with a line of column names."""

    csv: Annotated[str, Field(max_length=1_000_000)]


def _year(body: Organisation) -> dict[str, Any]:
    uses = [_use(one, place) for place, one in enumerate(body.uses)]
    return organisation(uses, body.settings(), body.at)


def _use(one: UseBody, place: int) -> Use:
    try:
        return Use(
            who=one.who,
            people=one.people,
            requests_per_day=one.requests_per_day,
            from_month=one.from_month,
            months=13 - one.from_month if one.months is None else one.months,
            call=ModelCall(**{name: getattr(one, name) for name in _OF_CALL}),
        )
    except ValueError as error:
        field = str(error).partition(" ")[0].rstrip(":")  # both begin with it
        told = ValueError(f"uses.{place}.{error}")
        raise ContradictionError(f"uses.{place}.{field}", told) from None


def _file(media: str) -> dict[int | str, dict[str, Any]]:
    content = {media: {"schema": {"type": "string"}}}
    return {200: {"description": "The file.", "content": content}}


@router.post("/organisation", summary="A year", responses=described(ref("OrganisationAnswer")))
def year(body: Organisation) -> Response:
    """By use, model and month: sums of calls, with ranges, sources and credits."""
    return answer(_year(body))


@router.post(
    "/organisation/csv",
    summary="A year as CSV",
    response_class=Response,
    responses=_file("text/csv"),
)
def as_csv(body: Organisation) -> Response:
    """The uses with their figures; `POST /v1/organisation/read` reads it."""
    return Response(to_csv(_year(body)), media_type="text/csv")


@router.post(
    "/organisation/xlsx",
    summary="A year as a workbook",
    response_class=Response,
    responses=_file(_XLSX),
)
def as_xlsx(body: Organisation) -> Response:
    """Uses, models, months, hypotheses with their sources, credits."""
    return Response(to_xlsx(_year(body)), media_type=_XLSX)


@router.post(
    "/organisation/read",
    summary="Uses from CSV",
    responses=described({"type": "object", "properties": {"uses": {"type": "array"}}}),
)
def read(body: Csv) -> Response:
    """The uses of a CSV text, as `POST /v1/organisation` takes them."""
    try:
        return answer({"uses": read_uses(body.csv)})
    except ImpactreeError as error:
        raise ContradictionError("csv", error) from None
