"""Beside other handlers: where to be told inline would silence them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from types import FrameType

__all__ = ["told_with_all"]

_TELLS_INLINE_ONLY: Final = "AsyncCallbackManager.on_llm_start"


def told_with_all(handler: Any, asking: FrameType | None) -> bool:
    """Whether LangChain sorts its handlers into those that run inline and all others.

    Its ``AsyncCallbackManager.on_llm_start`` then tells the first only, if there are any. To be
    among the others is to be told with them, and still inline: who tells asks once more. Where
    another handler (LangSmith's tracer) runs inline, nothing is lost by doing as it does.
    """
    if asking is not None and asking.f_code.co_name == "<listcomp>":  # before Python 3.12
        asking = asking.f_back
    if asking is None or asking.f_code.co_qualname != _TELLS_INLINE_ONLY:
        return False
    ours = type(handler).run_inline
    others = (h for h in asking.f_locals["self"].handlers if type(h).run_inline is not ours)
    return not any(other.run_inline for other in others)
