"""Errors as RFC 9457 has them: ``application/problem+json``, with the fields that are wrong."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from impactree.catalog._near import near_text
from impactree.exceptions import ImpactreeError
from impactree.server import bodies
from impactree.values.formatting import clean

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fastapi import FastAPI, Request
    from starlette.responses import Response

__all__ = ["PROBLEM_TYPE", "ContradictionError", "add_handlers", "problem"]

PROBLEM_TYPE: Final = "application/problem+json"
_SIMPLE: Final = "/v1beta/"
"""Whose clients know FastAPI's form of errors."""
_MOST: Final = 20
_LONGEST: Final = 1000
_CONTRADICTS: Final = "The request contradicts itself or the catalog"
_UNREADABLE: Final = "no JSON in UTF-8, or one that nests too deeply"
_FIELDS: Final = sorted(
    {
        field
        for model in vars(bodies).values()
        if isinstance(model, type) and issubclass(model, BaseModel)
        for field in model.model_fields
    }
)


class _Problem(JSONResponse):
    media_type = PROBLEM_TYPE


class ContradictionError(Exception):
    """A request in the right form that contradicts itself, or names what nothing knows."""

    def __init__(self, field: str, error: Exception) -> None:
        self.field = field
        super().__init__(str(error.args[0] if error.args else error))


def problem(
    status: int, title: str, detail: str, fields: Iterable[tuple[str, str]] = ()
) -> Response:
    """An error.

    Args:
        status: Of HTTP.
        title: What kind of error it is.
        detail: What happened here, and what to do.
        fields: Names of what is wrong, in the form ``calls.0.latency_s``, and why.
    """
    content: dict[str, Any] = {
        "type": "about:blank",
        "title": title,
        "status": status,
        "detail": _text(detail),
    }
    errors = [{"field": _text(name), "message": _text(said)} for name, said in fields]
    if errors:
        content["errors"] = errors
    return _Problem(content, status)


def add_handlers(app: FastAPI) -> None:
    """Answer every error in this form."""
    app.add_exception_handler(RequestValidationError, _on_wrong_form)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(ContradictionError, _on_contradiction)
    app.add_exception_handler(ImpactreeError, _on_impactree)
    app.add_exception_handler(Exception, _on_failure)


def _text(said: str) -> str:
    return clean(said[:_LONGEST])


async def _on_wrong_form(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    found = error.errors()
    if request.url.path.startswith(_SIMPLE):
        detail = [{key: one[key] for key in ("type", "loc", "msg")} for one in found[:_MOST]]
        return JSONResponse({"detail": detail}, 422)
    said = request.headers.get("content-type", "")
    if request.method == "POST" and said.partition(";")[0].strip().lower() != "application/json":
        return _no_json(said)
    fields = [(_field(one), _said(one)) for one in found]
    told = "; ".join(f"{name}: {said}" for name, said in fields[:3])
    more = f"; and {len(fields) - 3} more" if len(fields) > 3 else ""
    return problem(422, "The request is not in the right form", told + more, fields[:_MOST])


def _no_json(said: str) -> Response:
    detail = f"Content-Type: {said!r:.100}; send JSON in UTF-8 as application/json."
    return problem(415, "Only JSON is taken", detail, [("Content-Type", "not application/json")])


def _field(one: dict[str, Any]) -> str:
    """``calls.0.latency_s``; of a text that is no JSON, ``body``."""
    if one["type"] == "json_invalid":
        return "body"
    names = [str(part) for part in one["loc"] if not str(part).startswith("§")]
    if names[:1] in (["body"], ["query"], ["path"]) and len(names) > 1:
        names = names[1:]
    return ".".join(names)


def _said(one: dict[str, Any]) -> str:
    if one["type"] == "json_invalid":
        return f"no JSON: {one.get('ctx', {}).get('error', 'it cannot be read')}"
    if one["type"] == "extra_forbidden":
        return f"there is no such field; nearest: {near_text(str(one['loc'][-1]), _FIELDS)}"
    shown = "" if one["type"] == "missing" else f", not {one.get('input')!r:.80}"
    said = str(one["msg"]).removeprefix("Value error, ")
    return said if one["type"] == "value_error" else said + shown


async def _on_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    if request.url.path.startswith(_SIMPLE):
        return JSONResponse({"detail": error.detail}, error.status_code, error.headers)
    title = HTTPStatus(error.status_code).phrase
    detail = str(error.detail)
    if error.status_code == 400:  # what reading the body raised
        detail = f"body: {_UNREADABLE}"
    fields = [("body", _UNREADABLE)] if error.status_code == 400 else []
    said = problem(error.status_code, title, detail, fields)
    said.headers.update(error.headers or {})
    return said


async def _on_contradiction(request: Request, error: Exception) -> Response:
    assert isinstance(error, ContradictionError)  # noqa: S101
    return problem(
        409,
        "The request contradicts itself or the catalog",
        str(error),
        [(error.field, str(error))],
    )


async def _on_impactree(request: Request, error: Exception) -> Response:
    return problem(409, _CONTRADICTS, str(error))


async def _on_failure(request: Request, error: Exception) -> Response:
    return problem(500, "The server failed", f"{type(error).__name__}; its log says more.")
