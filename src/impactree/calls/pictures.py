"""Pictures that a chat's answer holds: made by a tool of the provider's, or by the model itself.

OpenAI's Responses tell of each picture that their image tool made in an item of its own
(``image_generation_call``); the request's tool names its model and size, else it is
``gpt-image-1``. Gemini's image models put theirs into the answer (``inlineData``).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from impactree.calls.model_call import ModelCall
from impactree.calls.quantities import Media

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Picture", "drawing", "image_tool", "pictures_in", "response_items", "tool_calls"]

_BY_TOOL: Final = "image_generation_call"
_TOOL: Final = "image_generation"
_DEFAULT_MODEL: Final = "gpt-image-1"  # the SDK's documentation of the tool
_OWN: Final = frozenset({"image", "image_url"})


class Picture(NamedTuple):
    """One picture of an answer, without the picture."""

    by_tool: bool
    model: str | None
    """Named beside the picture."""
    size: str | None


def pictures_in(blocks: Any) -> tuple[Picture, ...]:
    """The pictures among the blocks of an answer, or among the items beside it."""
    if not isinstance(blocks, list):
        return ()
    return tuple(filter(None, map(_picture, blocks)))


def _picture(block: Any) -> Picture | None:
    kind = _of(block, "type")
    if kind == _BY_TOOL:
        if not _of(block, "result"):  # not made, or failed
            return None
        return Picture(True, _text(_of(block, "model")), _text(_of(block, "size")))
    return Picture(False, None, None) if kind in _OWN else None


def image_tool(tools: Any) -> Any:
    """The provider's image tool among those of a request; None: there is none."""
    if not isinstance(tools, list | tuple):
        return None
    return next((tool for tool in tools if _of(tool, "type") == _TOOL), None)


def drawing(chat: ModelCall, count: int) -> ModelCall:
    """A chat whose model drew its answer itself, as the call for so many pictures."""
    return replace(chat, kind="image", tokens=Media(**asdict(chat.tokens), count=count))


def tool_calls(chat: ModelCall, pictures: Iterable[Picture], tool: Any) -> list[ModelCall]:
    """The calls that an image tool made for a chat: one per model and size.

    Args:
        chat: The call whose answer holds the pictures.
        pictures: Those of the tool.
        tool: As the request defines it; None: not known.
    """
    model, size = _text(_of(tool, "model")), _text(_of(tool, "size"))
    made = Counter((p.model or model or _DEFAULT_MODEL, p.size or size) for p in pictures)
    return [
        ModelCall(
            provider=chat.provider,
            model=name,
            kind="image",
            base_url=chat.base_url,
            region=chat.region,
            zone=chat.zone,
            count=count,
            resolution=shape if shape and "x" in shape else None,  # ``auto`` says nothing
            tokens_source="unknown",
        )
        for (name, shape), count in made.items()
    ]


def _of(item: Any, name: str) -> Any:
    return item.get(name) if isinstance(item, dict) else getattr(item, name, None)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def response_items(raw: Any) -> tuple[Any, Any]:
    """The output items and the tools of one of OpenAI's Responses, or of a stream's last event."""
    whole = _of(raw, "response") or raw
    return _of(whole, "output"), _of(whole, "tools")
