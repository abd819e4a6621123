"""Routes for reports: groups, differences, what would be otherwise; and comparisons of calls."""

# No annotations from __future__: FastAPI reads them.
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

from fastapi import APIRouter, Body
from starlette.responses import Response

from impactree.exceptions import ImpactreeError
from impactree.report import Report
from impactree.server.answers import answer, described, ref
from impactree.server.bodies import Alternative, Compare, CompareCalls, ReportQuestions
from impactree.server.problems import ContradictionError, checked_call
from impactree.server.reading import JsonRoute
from impactree.service.reporting import Question, compared, name_of, report_of_calls, shown

__all__ = ["router"]

router = APIRouter(prefix="/v1", tags=["Reports"], route_class=JsonRoute)


@router.post(
    "/report",
    summary="Ask a report",
    responses=described(ref("ReportAnswer")),
)
def report(body: ReportQuestions) -> Response:
    """Groups, changes since another report, and what the same calls would cost otherwise."""
    asked = _read(body.report, "report")
    others = [_read(one, f"merge.{place}") for place, one in enumerate(body.merge)]
    with _naming("report"):
        asked = shown(asked, Question(merge=others, run=body.run))
    found: dict[str, Any] = {}
    if body.by:
        with _naming("by"):
            found["groups"] = shown(asked, Question(by=body.by, top=body.top)).to_dict()
    elif body.top is not None:
        with _naming("top"):
            asked = asked.top(body.top)
    if body.diff is not None:
        with _naming("diff"):
            question = Question(diff=_read(body.diff, "diff"), by=body.by)
            found["diff"] = shown(asked, question).to_dict()
    if body.what_if is not None:
        with _naming("what_if"):
            changed = asked.what_if(**body.what_if.changes(), method=body.method)
            found["what_if"] = _summary(changed, body.runs)
    if body.advice:
        with _naming("advice"):
            found["advice"] = asked.advice().to_dict()
    found["report"] = _summary(asked, body.runs)
    return answer(found)


@router.post(
    "/compare",
    summary="Calls or a report, and up to six alternatives",
    responses=described(ref("Comparison")),
)
def compare(body: Annotated[Compare, Body()]) -> Response:
    """The calls as they are and as they would be, and which of these cannot be told apart."""
    if isinstance(body, CompareCalls):
        calls = [checked_call(one, f"calls.{place}") for place, one in enumerate(body.calls)]
        base = report_of_calls(calls, body.settings())
    else:
        base = _read(body.report, "report")
    named = _named(body.alternatives)
    try:
        return answer(compared(base, named, body.method).to_dict())
    except (ImpactreeError, LookupError, ValueError, TypeError) as error:
        raise ContradictionError(_wrong_one(base, named, body.method), error) from error


def _wrong_one(base: Report, named: dict[str, Any], method: str | None) -> str:
    """Which of the alternatives cannot be, when one of them cannot."""
    for place, changes in enumerate(named.values()):
        try:
            base.what_if(**changes, method=method)
        except (ImpactreeError, LookupError, ValueError, TypeError):
            return f"alternatives.{place}"
    return "alternatives"


def _named(alternatives: list[Alternative]) -> dict[str, Any]:
    """By their names, or what is otherwise."""
    found: dict[str, Any] = {}
    for place, one in enumerate(alternatives):
        changes = one.changes()
        name = one.name or name_of(changes)
        if name in found:
            error = ValueError(f"two alternatives have the same name: {name}")
            raise ContradictionError(f"alternatives.{place}", error)
        found[name] = changes
    return found


def _summary(asked: Report, runs: bool) -> dict[str, Any]:
    data = asked.to_dict()
    if not runs:
        del data["runs"]
    return data


def _read(data: dict[str, Any], place: str) -> Report:
    with _naming(place):
        return Report.from_json(data)


@contextmanager
def _naming(place: str) -> Iterator[None]:
    """Say which field an error is about."""
    try:
        yield
    except (ImpactreeError, LookupError, ValueError, TypeError) as error:
        raise ContradictionError(place, error) from error
