"""Bodies as they arrive: one JSON text in UTF-8, each name once in an object."""

from __future__ import annotations

import codecs
import json
from typing import TYPE_CHECKING, Any, Final

from fastapi.routing import APIRoute
from starlette.requests import Request

from impactree.server.problems import WRONG_FORM, RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from starlette.datastructures import Headers
    from starlette.responses import Response

__all__ = ["JsonRoute", "read_json"]

_MARKS: Final = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_UTF8: Final = frozenset({"utf-8", "utf8", "us-ascii"})


class JsonRoute(APIRoute):
    """A route that reads its body by :func:`read_json`."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """As FastAPI's, over a request whose header and body are read strictly."""
        handler = super().get_route_handler()
        if self.body_field is None:
            return handler

        async def strict(request: Request) -> Response:
            _check(request.headers)
            return await handler(_JsonRequest(request.scope, request.receive))

        return strict


class _JsonRequest(Request):
    async def json(self) -> Any:
        return read_json(await self.body())


def read_json(body: bytes) -> Any:
    """The value of a JSON text.

    Raises:
        RefusedError: no UTF-8, a byte order mark, too deep, a number too long, a name twice.
        json.JSONDecodeError: no JSON.
    """
    if body.startswith(_MARKS):
        raise _unreadable("it begins with a byte order mark; send UTF-8 without one")
    if b"\0" in body[:4]:
        raise _unreadable("it is of UTF-16 or UTF-32; send UTF-8")
    try:
        return json.loads(body.decode("utf-8"), object_pairs_hook=_each_once)
    except UnicodeDecodeError as error:
        raise _unreadable(f"byte {error.start} is no UTF-8") from None
    except RecursionError:
        raise _unreadable("it nests too deeply") from None
    except json.JSONDecodeError:
        raise
    except ValueError:  # Python's own bound on digits
        raise _unreadable("a number has too many digits") from None


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise RefusedError(422, WRONG_FORM, twice, "it stands twice in one object")
    return found


def _unreadable(why: str) -> RefusedError:
    return RefusedError(400, "The body cannot be read", "body", why)


def _check(headers: Headers) -> None:
    """Refuse what is not said to be plain JSON in UTF-8.

    A page of another site can send other types without asking first.
    """
    coded = headers.get("content-encoding", "identity").strip().lower()
    if coded not in ("", "identity"):
        why = f"it is {coded!r:.40}; send the body as it is"
        raise RefusedError(415, "Only plain bodies are taken", "Content-Encoding", why)
    said = ", ".join(headers.getlist("content-type"))
    kind, *parameters = (part.strip().lower() for part in said.split(";"))
    named = dict(one.partition("=")[::2] for one in parameters)
    charset = named.get("charset", "utf-8").strip('" ')
    if kind != "application/json" or charset not in _UTF8:
        why = f"it is {said!r:.80}; send JSON in UTF-8 as application/json"
        raise RefusedError(415, "Only JSON is taken", "Content-Type", why)
