"""What was sent before, told without keeping it: of each text a keyed hash, and of those a count.

The key is random, of this process alone, and never leaves it; nor do the hashes.
"""

from __future__ import annotations

import os
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING, Any, Final

from impactree.calls.counting import count_tokens
from impactree.calls.model_call import repeating

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from impactree.calls.model_call import ModelCall

__all__ = ["Repeats", "asked_with"]

_KEY: Final = os.urandom(16)
_OTHERS: Final = count()
_MOST: Final = 50_000
"""Hashes of one of two generations: when the newer one is full, the older one is forgotten."""
_DEPTH: Final = 12


class Repeats:
    """What the models that one tracker follows were sent. Thread-safe: dicts are only added to."""

    __slots__ = ("_before", "_lately")

    def __init__(self) -> None:
        self._lately: dict[int, float | None] = {}  # how long the answer took, s
        self._before: dict[int, float | None] = {}

    def noted(self, call: ModelCall, sent: Sequence[object]) -> ModelCall:
        """The call, with how many of its input tokens had been sent to its model before.

        Args:
            call: It was answered: of one that failed, nothing is to be noted.
            sent: The texts that it embedded or ranked, or all that was asked at once.
        """
        again = [self._again(call, one) for one in sent]
        tokens = call.tokens.input
        if not tokens or True not in again:
            return call
        if False not in again:
            return repeating(call, tokens)
        sizes = [count_tokens(str(one)) for one in sent]
        share = sum(size for size, known in zip(sizes, again, strict=True) if known) / sum(sizes)
        return repeating(call, min(tokens, round(tokens * share)))

    def paid(self, call: ModelCall, sent: object) -> ModelCall:
        """A call that a cache answered, with the time that it took when a model did, if known."""
        mark = _mark(call, sent)
        latency = self._lately.get(mark) or self._before.get(mark)
        return call if latency is None else replace(call, latency_s=latency)

    def _again(self, call: ModelCall, sent: object) -> bool:
        """Whether this was sent before; from now on it was."""
        mark = _mark(call, sent)
        lately = self._lately
        if mark in lately:
            return True
        known = mark in self._before
        if len(lately) >= _MOST:
            self._before, self._lately = lately, {mark: call.latency_s}
        else:
            lately[mark] = call.latency_s
        return known


def _mark(call: ModelCall, sent: object) -> int:
    asked = _KEY, call.provider, call.base_url, call.model, call.kind, sent
    try:
        return hash(asked)
    except Exception:  # a list or a dict somewhere, or a hash of the user's own that fails
        return _hash(asked)


def asked_with(params: Mapping[str, Any] | None, prompt: object) -> object:
    """What was asked at once. Tools count by their names: their definitions follow."""
    if not params:
        return prompt
    tools = params.get("tools")
    if isinstance(tools, list | tuple):
        params = {**params, "tools": tuple(map(_name, tools))}
    return (*params, *params.values(), prompt)


def _name(tool: Any) -> object:
    if not isinstance(tool, dict):
        return getattr(tool, "name", None) or type(tool).__name__
    inner = tool.get("function")
    return (inner if isinstance(inner, dict) else tool).get("name")


def _hash(value: Any, depth: int = _DEPTH) -> int:
    """Of plain values, however nested, by what they hold; of other objects by which they are.

    What can be told by neither is never the same again.
    """
    try:
        if depth and isinstance(value, list | tuple):
            return hash(
                tuple([one if type(one) is str else _hash(one, depth - 1) for one in value])
            )
        if depth and isinstance(value, dict):
            return _hash([part for item in value.items() for part in item], depth)
        return hash(value)
    except Exception:  # not hashable, too deep, or by a method of its own that fails
        held = getattr(value, "__dict__", None) if depth else None
        return hash((_KEY, next(_OTHERS))) if held is None else _hash(held, depth - 1)
