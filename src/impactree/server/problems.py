"""Errors as RFC 9457 has them: ``application/problem+json``, with the fields that are wrong."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from fastapi.exceptions import HTTPException as FastAPIError
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from impactree.calls import MEDIA_FIELDS, MEDIA_KINDS
from impactree.catalog._near import near_text
from impactree.exceptions import ImpactreeError
from impactree.server import bodies
from impactree.values.formatting import clean

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from fastapi import FastAPI, Request
    from starlette.responses import Response

    from impactree.calls import ModelCall

__all__ = [
    "PROBLEM_TYPE",
    "WRONG_FORM",
    "ContradictionError",
    "RefusedError",
    "add_handlers",
    "checked_call",
    "refusal",
]

PROBLEM_TYPE: Final = "application/problem+json"
_SIMPLE: Final = "/v1beta/"
"""Whose clients know FastAPI's form of errors."""
_FIRST: Final = re.compile(r"[a-z_]+(?:\.\w+)*")
_MOST: Final = 20
_LONGEST: Final = 1000
WRONG_FORM: Final = "The request is not in the right form"
_CONTRADICTS: Final = "The request contradicts itself or the catalog"
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


def checked_call(body: Any, place: str) -> ModelCall:
    """A call as the engine takes it.

    Args:
        body: A call of ``bodies``.
        place: Where it stands in the request.

    Raises:
        ContradictionError: names the field.
    """
    try:
        return bodies.model_call(body)
    except ValueError as error:
        field = str(error).partition(" ")[0]  # the call's errors begin with it
        raise ContradictionError(f"{place}.{field}" if place else field, error) from None


class RefusedError(FastAPIError):
    """A request that is refused for one field, before its values are looked at."""

    def __init__(self, status: int, title: str, field: str, why: str) -> None:
        super().__init__(status, f"{field}: {why}")
        self.title = title
        self.fields = [(field, why)]


def refusal(
    path: str, status: int, title: str, detail: str, fields: Iterable[tuple[str, str]] = ()
) -> Response:
    """An error, in the form that the clients of a path know.

    Args:
        path: What was asked.
        status: Of HTTP.
        title: What kind of error it is.
        detail: What happened here, and what to do.
        fields: Names of what is wrong, in the form ``calls.0.latency_s``, and why.
    """
    if path.startswith(_SIMPLE):
        return JSONResponse({"detail": _text(detail)}, status)
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


def add_handlers(app: FastAPI, paths: Sequence[str]) -> None:
    """Answer every error in this form.

    Args:
        app: The application.
        paths: What it answers at, to name the nearest.
    """
    app.state.paths = paths
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
    fields = [(_field(one), _said(one)) for one in found]
    told = "; ".join(f"{name}: {said}" for name, said in fields[:3])
    more = f"; and {len(fields) - 3} more" if len(fields) > 3 else ""
    return refusal(request.url.path, 422, WRONG_FORM, told + more, fields[:_MOST])


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
        why = one.get("ctx", {}).get("error", "it cannot be read")
        return f"no JSON at character {one['loc'][-1]}: {why}"
    if one["type"] == "extra_forbidden":
        return _extra(one["loc"])
    shown = "" if one["type"] == "missing" else f", not {one.get('input')!r:.80}"
    said = str(one["msg"]).removeprefix("Value error, ")
    return said if one["type"] == "value_error" else said + shown


def _extra(place: Sequence[Any]) -> str:
    name = str(place[-1])
    if "§many" in place and name in bodies.OF_CALL:
        return "it stands beside calls; say it of each of them"
    if "§text" in place and name in MEDIA_FIELDS:
        return f"it goes with kind {', '.join(sorted(MEDIA_KINDS))}"
    if name in _FIELDS:
        return "it does not belong here"
    return f"there is no such field; nearest: {near_text(name, _FIELDS)}"


async def _on_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    status, path = error.status_code, request.url.path
    title, detail = HTTPStatus(status).phrase, str(error.detail)
    fields: list[tuple[str, str]] = []
    if isinstance(error, RefusedError):
        title, fields = error.title, error.fields
    elif status in (404, 405) and detail == title:  # no route has that path, or that method
        fields = [_lost(request, status, error.headers or {})]
        detail = ": ".join(fields[0])
    said = refusal(path, status, title, detail, fields)
    said.headers.update(error.headers or {})
    return said


def _lost(request: Request, status: int, headers: Mapping[str, str]) -> tuple[str, str]:
    path = request.url.path
    if status == 405:
        return "method", f"{path} takes {headers.get('Allow', 'another')}, not {request.method:.20}"
    return "path", f"there is no {path!r:.100}; nearest: {near_text(path, request.app.state.paths)}"


async def _on_contradiction(request: Request, error: Exception) -> Response:
    assert isinstance(error, ContradictionError)  # noqa: S101
    fields = [(error.field, str(error))]
    return refusal(request.url.path, 409, _CONTRADICTS, str(error), fields)


async def _on_impactree(request: Request, error: Exception) -> Response:
    """A setting that the engine refuses: its errors begin with their names."""
    text = str(error)
    named = _FIRST.match(text)
    fields = [(named[0], text)] if named and named[0].partition(".")[0] in _FIELDS else []
    return refusal(request.url.path, 409, _CONTRADICTS, text, fields)


async def _on_failure(request: Request, error: Exception) -> Response:
    detail = f"{type(error).__name__}; its log says more."
    return refusal(request.url.path, 500, "The server failed", detail)
