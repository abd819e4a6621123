"""Answers: plain data as JSON, and what the OpenAPI document says of them."""

from __future__ import annotations

import json
from typing import Any, Final

from pydantic_core import to_json
from starlette.responses import Response

from impactree.server.problems import PROBLEM_TYPE

__all__ = ["ERRORS", "answer", "described", "problem_of", "ref"]


def answer(data: Any) -> Response:
    """Data as JSON; what is no number is null."""
    try:
        text = to_json(data, inf_nan_mode="null")
    except ValueError:  # lone surrogates
        text = json.dumps(data).encode()
    return Response(text, media_type="application/json")


def ref(name: str) -> dict[str, str]:
    """A schema of the document."""
    return {"$ref": f"#/components/schemas/{name}"}


def described(schema: dict[str, Any]) -> dict[int | str, dict[str, Any]]:
    """The answer 200 of a route."""
    content = {"application/json": {"schema": schema}}
    return {200: {"description": "The answer.", "content": content}}


def problem_of(status: int, title: str, detail: str, *fields: tuple[str, str]) -> dict[str, Any]:
    """An error as the document describes it, with an example."""
    example: dict[str, Any] = {
        "type": "about:blank",
        "title": title,
        "status": status,
        "detail": detail,
        "errors": [{"field": name, "message": said} for name, said in fields],
    }
    content = {"schema": ref("Problem"), "example": example}
    return {"description": title, "content": {PROBLEM_TYPE: content}}


ERRORS: Final[dict[int | str, dict[str, Any]]] = {
    400: problem_of(
        400, "Bad Request", "body: no JSON in UTF-8, or one that nests too deeply", ("body", "...")
    ),
    401: problem_of(
        401,
        "A token is needed",
        "Open the address that `impactree serve` printed, or send `Authorization: Bearer TOKEN`.",
        ("Authorization", "missing, or of another token"),
    ),
    403: problem_of(
        403,
        "Another site's page may not ask this server",
        "Ask from its own page, or from a program that sends no Origin.",
        ("Origin", "not this server's"),
    ),
    408: problem_of(408, "The request took too long", "The body did not arrive within 30 s."),
    409: problem_of(
        409,
        "The request contradicts itself or the catalog",
        "what_if: unknown model 'gpt-5o'; nearest: gpt-5",
        ("what_if", "unknown model 'gpt-5o'; nearest: gpt-5"),
    ),
    413: problem_of(
        413, "The body is too large", "At most 8,388,608 bytes are taken.", ("body", "above ...")
    ),
    415: problem_of(
        415, "Only JSON is taken", "Send it as application/json.", ("Content-Type", "not JSON")
    ),
    422: problem_of(
        422,
        "The request is not in the right form",
        "calls.0.latency_s: Input should be a finite number",
        ("calls.0.latency_s", "Input should be a finite number"),
    ),
    503: problem_of(503, "The answer takes too long", "No answer within 60 s; ask for less."),
}
