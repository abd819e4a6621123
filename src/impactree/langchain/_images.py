"""Wrappers that draw by OpenAI's client: LangChain gives them no callbacks, so they are wrapped."""

from __future__ import annotations

import copy
import inspect
import time
from typing import TYPE_CHECKING, Any, Final, TypeVar

from impactree.calls import ModelCall, Tokens
from impactree.calls.names import address
from impactree.calls.tokens import is_count
from impactree.langchain._embeddings import Followed, followers

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from impactree.langchain._handler import ImpactHandler
    from impactree.tracker import ImpactTracker

__all__ = ["track_images"]

_T = TypeVar("_T")
_CLIENTS: Final = ("client", "async_client")
_REQUESTS: Final = frozenset({"generate", "edit", "create_variation"})
_AROUND: Final = "api_wrapper"
"""Where a tool keeps the wrapper that it is around."""


def track_images(wrapper: _T, tracker: ImpactTracker | ImpactHandler | None = None) -> _T:
    """A copy of a wrapper whose requests for pictures show as model calls.

    For ``DallEAPIWrapper``, a tool around one, and whatever else keeps OpenAI's ``client.images``
    in a field ``client``. The call hangs on the run that caused it, a tool's for instance.

    Args:
        wrapper: What to wrap.
        tracker: Where the calls go, also outside any run; None: to the handlers of that run and
            to the ``track_impacts()`` blocks around it.

    Raises:
        TypeError: it has no such client.
    """
    around = getattr(wrapper, _AROUND, None)
    copied = copy.copy(wrapper)
    if around is not None:
        vars(copied)[_AROUND] = track_images(around, tracker)
        return copied
    found = [name for name in _CLIENTS if callable(getattr(_client(wrapper, name), "generate", 0))]
    if not found:
        raise TypeError(
            "expected a wrapper with OpenAI's images in its field 'client', such as a "
            f"DallEAPIWrapper, not {type(wrapper).__name__}"
        )
    for name in found:
        client = _client(wrapper, name)
        if not isinstance(client, _Easel):  # else each request would count twice
            vars(copied)[name] = _Easel(client, type(wrapper).__name__, tracker)
    return copied


def _client(wrapper: Any, name: str) -> Any:
    return getattr(wrapper, name, None)


class _Easel:
    """OpenAI's images, of which each request is followed."""

    def __init__(
        self, client: Any, name: str, tracker: ImpactTracker | ImpactHandler | None
    ) -> None:
        self._drawing, self._name, self._tracker = client, name, tracker

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "_drawing":
            raise AttributeError(name)  # copying asks before there is anything to delegate to
        value = getattr(self._drawing, name)
        return self._followed(value) if name in _REQUESTS else value

    def _followed(self, request: Callable[..., Any]) -> Callable[..., Any]:
        def ask(*args: Any, **kwargs: Any) -> Any:
            drawing = _Drawing(self._drawing, self._name, self._tracker, kwargs)
            try:
                response = request(*args, **kwargs)
            except BaseException as error:
                drawing.failed(error)
                raise
            done = drawing.awaited if inspect.isawaitable(response) else drawing.made
            return done(response)

        return ask


class _Drawing(Followed):
    """One request for pictures."""

    def __init__(
        self,
        client: Any,
        name: str,
        tracker: ImpactTracker | ImpactHandler | None,
        asked: dict[str, Any],
    ) -> None:
        self._client, self._asked = client, asked
        self._started = time.perf_counter()
        super().__init__(followers(tracker), name, "image")

    async def awaited(self, response: Awaitable[Any]) -> Any:
        """As :meth:`made`, of a response that is still to come."""
        try:
            return self.made(await response)
        except BaseException as error:
            self.failed(error)
            raise

    def made(self, response: Any) -> Any:
        """The pictures came."""
        latency = time.perf_counter() - self._started
        self.ended(lambda _: self._call(response, latency))
        return response

    def _call(self, response: Any, latency: float) -> ModelCall:
        size = getattr(response, "size", None) or self._asked.get("size")
        usage = getattr(response, "usage", None)
        counts = (getattr(usage, f"{name}_tokens", None) for name in ("input", "output"))
        read, drawn = (n if is_count(n) else None for n in counts)
        where = getattr(getattr(self._client, "_client", None), "base_url", None)
        return ModelCall(
            provider="openai",
            model=str(self._asked.get("model") or "dall-e-2"),  # the endpoint's default
            kind="image",
            base_url=None if where is None else address(str(where)),
            latency_s=latency,
            tokens=Tokens(input=read, output=drawn),
            tokens_source="unknown" if drawn is None else "reported",
            count=len(getattr(response, "data", None) or ()) or None,
            resolution=size if isinstance(size, str) and "x" in size else None,
        )
