"""Who may ask, and how much: checks that stand before every route.

Another site's page must not read from this server, whether it names it (``Origin``,
``Sec-Fetch-Site``) or lets its own name lead here (``Host``: DNS rebinding); other users of the
machine must not either (the token).
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import ipaddress
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs, urlsplit

from impactree.server.problems import refusal
from impactree.server.settings import ServeSettings, host_name

if TYPE_CHECKING:
    from collections.abc import MutableMapping
    from typing import Any

    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["OPEN", "PAGES", "REPORTS", "Guard", "page_key"]

OPEN: Final = frozenset({"/health"})
"""What needs no token."""
PAGES: Final = frozenset({"/", "/docs"})
"""What a link on another site may lead to; they hold no figures of the user's."""
ASSETS: Final = "/assets/"
REPORTS: Final = frozenset({"/v1/report", "/v1/compare"})
"""What takes reports."""
_DIGITS: Final = 15
"""Of a length that can be."""
_FOREIGN: Final = frozenset({"cross-site", "same-site"})
_CSP: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS: Final = {
    "content-security-policy": _CSP,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",  # the address may hold the token
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}


class Guard:
    """ASGI: checks each request, bounds its body and its time, and adds headers to each answer."""

    def __init__(self, app: ASGIApp, settings: ServeSettings) -> None:
        self.app = app
        self.settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or refuse."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = _read_headers(scope)
        outgoing = _Outgoing(send, scope["path"])
        refused = self._refused(scope, headers)
        if refused is not None:
            await refused(scope, receive, outgoing)
            return
        body = await self._body(scope["path"], receive, headers)
        if not isinstance(body, bytes):
            await body(scope, receive, outgoing)
            return
        try:
            async with asyncio.timeout(self.settings.answer_s):
                await self._ask(scope, _replayed(body, receive), outgoing)
        except TimeoutError:
            if not outgoing.begun:
                slow = _too_slow(scope["path"], self.settings.answer_s)
                await slow(scope, receive, outgoing)

    async def _ask(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Of ``HEAD`` what is asked for is ``GET``'s; the server leaves the body out."""
        inner = {**scope, "method": "GET"} if scope["method"] == "HEAD" else scope
        try:
            await self.app(inner, receive, send)
        finally:
            if "route" in inner:  # for the metrics
                scope["route"] = inner["route"]

    def _refused(self, scope: Scope, headers: dict[str, str]) -> Response | None:
        name, path = host_name(headers.get("host", "")), scope["path"]
        if not self._knows(name):
            return refusal(
                path,
                403,
                "This server is not known by that name",
                f"Host: {headers.get('host', '')!r:.100}; start it with --allow-host NAME if "
                "that is its name behind a proxy",
                [("Host", "not in the allow-list")],
            )
        if _is_foreign(scope, headers):
            return refusal(
                path,
                403,
                "Another site's page may not ask this server",
                "Ask from its own page, or from a program that sends no Origin.",
                [("Origin", "not this server's")],
            )
        if self.settings.token is None or path in OPEN:
            return None
        return None if self._shown(scope, headers, self.settings.token) else _no_token(path)

    def _knows(self, name: str | None) -> bool:
        if name is None:
            return False
        return name in self.settings.names or (self.settings.any_address and _is_address(name))

    def _shown(self, scope: Scope, headers: dict[str, str], token: str) -> bool:
        """Whether a request shows the token; the page's own files are also had with its key."""
        scheme, _, said = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and _same(said.strip(), token):
            return True
        path = scope["path"]
        if scope["method"] not in ("GET", "HEAD") or not (path in PAGES or _is_asset(path)):
            return False
        asked = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        return _same(asked, token) or _same(_cookie(headers), page_key(token))

    async def _body(self, path: str, receive: Receive, headers: dict[str, str]) -> bytes | Response:
        most = self.settings.max_report if path in REPORTS else self.settings.max_body
        said = headers.get("content-length", "0")
        if said.isdecimal() and (len(said) > _DIGITS or int(said) > most):
            return _too_large(path, most)
        parts: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(self.settings.body_s):
                while True:
                    event = await receive()
                    if event["type"] != "http.request":
                        return refusal(path, 400, "The client left", "", [])
                    parts.append(event.get("body", b""))
                    size += len(parts[-1])
                    if size > most:
                        return _too_large(path, most)
                    if not event.get("more_body"):
                        return b"".join(parts)
        except TimeoutError:
            detail = f"The body did not arrive within {self.settings.body_s:g} s."
            return refusal(path, 408, "The request took too long", detail, [("body", "incomplete")])


class _Outgoing:
    """Sends, with the headers that every answer has."""

    def __init__(self, send: Send, path: str) -> None:
        self.send = send
        self.path = path
        self.begun = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.begun = True
            add = dict(_HEADERS)
            if not _is_asset(self.path):
                add["cache-control"] = "no-store"
            new = [(k.encode(), v.encode()) for k, v in add.items()]
            message["headers"] = [*message.get("headers", ()), *new]
        await self.send(message)


def page_key(token: str) -> str:
    """What the page's cookie holds: it opens the page's own files, and nothing else.

    Cookies go to every port of a host, and so to servers of others on the same machine.
    """
    return hmac.new(token.encode(), b"impactree page", hashlib.sha256).hexdigest()


def _read_headers(scope: Scope) -> dict[str, str]:
    found: dict[str, str] = {}
    for raw, value in scope["headers"]:
        name = raw.decode("latin-1").lower()
        # Twice is refused as what it is: a value that no allow-list has.
        both = f"{found[name]}, " if name in found else ""
        found[name] = both + value.decode("latin-1")
    return found


def _is_foreign(scope: Scope, headers: dict[str, str]) -> bool:
    """Whether a page of another site asks; following a link to a page is no such thing."""
    origin = headers.get("origin")
    if origin is not None and _place(origin) != headers["host"].strip().lower():
        return True
    if headers.get("sec-fetch-site", "").lower() not in _FOREIGN:
        return False
    follows = (
        scope["method"] == "GET"
        and headers.get("sec-fetch-mode", "").lower() == "navigate"
        and headers.get("sec-fetch-dest", "").lower() == "document"
    )
    return not (follows and scope["path"] in PAGES)


def _place(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:  # half a bracket
        return None


def _is_asset(path: str) -> bool:
    return path.startswith(ASSETS)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _same(said: str, wanted: str) -> bool:
    return hmac.compare_digest(said.encode("utf-8", "replace"), wanted.encode())


def _cookie(headers: dict[str, str]) -> str:
    try:
        found = SimpleCookie(headers.get("cookie", "")).get("impactree")
    except CookieError:
        return ""
    return found.value if found else ""


def _replayed(body: bytes, receive: Receive) -> Receive:
    """The whole body once; then what the client does."""
    left: list[MutableMapping[str, Any]] = [
        {"type": "http.request", "body": body, "more_body": False}
    ]

    async def replay() -> Message:
        return left.pop() if left else await receive()

    return replay


def _no_token(path: str) -> Response:
    said = refusal(
        path,
        401,
        "A token is needed",
        "Open the address that `impactree serve` printed, or send `Authorization: Bearer TOKEN`.",
        [("Authorization", "missing, or of another token")],
    )
    said.headers["www-authenticate"] = "Bearer"
    return said


def _too_large(path: str, most: int) -> Response:
    detail = f"At most {most:,} bytes are taken; send several requests."
    return refusal(path, 413, "The body is too large", detail, [("body", f"above {most:,} bytes")])


def _too_slow(path: str, seconds: float) -> Response:
    detail = f"No answer within {seconds:g} s; ask for less at once."
    return refusal(path, 503, "The answer takes too long", detail, [])
