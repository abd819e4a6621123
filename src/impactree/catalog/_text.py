"""What a model's name looks like once spelling no longer matters. Pure functions of text.

``llama-v3p1-70b-instruct``, ``Llama-3.1-70B-Instruct`` and ``llama3.1:70b-instruct`` have one key.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple

__all__ = [
    "MAX_NAME",
    "WORD_START",
    "Size",
    "clean",
    "dotted",
    "key",
    "may_state_size",
    "read_size",
    "squashed",
    "stated_size",
    "states_size",
    "without_active",
    "without_size",
    "without_tuner",
]

MAX_NAME: Final = 300
"""Characters of a name that are read; the rest is dropped, so that memory stays bounded."""

WORD_START: Final = re.compile(r"(?:^|(?<=[-_.:@ /]))(?=[a-z])")
"""Where a word of a name begins."""

_INVISIBLE: Final = re.compile(r"[\x00-\x1f\x7f\u200b-\u200f\u202a-\u202e\u2060\ufeff]+")
_POINT: Final = re.compile(r"(?<=\d)p(?=\d)")
_VERSION: Final = re.compile(r"(?<![a-z0-9])v(?=\d)")
_PARTS: Final = re.compile(r"[^\W\d_]+|\d+")

_TUNED: Final = re.compile(r"(ft:[^:]+):.*", re.DOTALL)
"""``ft:gpt-4o:acme::b7Xc``: behind the model stand words of whoever tuned it."""

_UNIT: Final = {"b": 1.0, "m": 1e-3, "t": 1e3}
_SMALLEST, _LARGEST = 0.001, 20_000.0
_START = r"(?:^|(?<=[-_:/@ ]))"
_NUMBER = r"(\d{1,6}(?:\.\d{1,3}|_\d(?=[bmt](?![a-z0-9])))?)"
_END = r"(?![a-z0-9])"
_ANY: Final = re.compile(rf"\d(?:[bmt]{_END}|b\d{_END})")
"""In every name that states a size."""
_TOTAL: Final = re.compile(rf"{_START}{_NUMBER}([bmt]){_END}|{_START}(\d{{1,3}})b(\d){_END}")
_ACTIVE: Final = re.compile(rf"(?<=[-_:/ ])a{_NUMBER}([bm]){_END}")
_EXPERTS: Final = re.compile(rf"{_START}(\d{{1,3}})x{_NUMBER}b{_END}")
_OF_EXPERTS: Final = re.compile(rf"(?<=[-_:/ ])\d{{1,3}}e{_END}")
_EFFECTIVE: Final = re.compile(rf"(?:^|(?<=[-_:/ ]))e(\d{{1,2}}(?:\.\d)?)b{_END}")
_OPAQUE: Final = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|(?<![0-9a-z])[0-9a-f]{16,}(?![0-9a-z])"
)


class Size(NamedTuple):
    """Parameters in 10^9, low and high."""

    total: tuple[float, float]
    active: tuple[float, float]


def clean(name: str) -> str:
    """Lower case, without blanks around it and invisible characters, cut to a sane length."""
    return _INVISIBLE.sub("", name[: 2 * MAX_NAME]).strip().lower()[:MAX_NAME]


def without_tuner(text: str) -> str:
    """The name of a fine-tune without whose it is; ``text`` is clean."""
    found = _TUNED.fullmatch(text) if text.startswith("ft:") else None
    return found[1] if found else text


@lru_cache(maxsize=1024)
def key(text: str) -> str:
    """The name without its separators, except between two numbers: ``llama3-1-70binstruct``.

    ``v3p1`` reads as ``3.1``; ``text`` is clean.
    """
    text = _VERSION.sub("", dotted(text))
    out: list[str] = []
    after_number = False
    for part in _PARTS.findall(text):
        number = part[0].isdigit()
        out.append(f"-{part}" if number and after_number else part)
        after_number = number
    return "".join(out)


def dotted(text: str) -> str:
    """With a point where a host writes ``p`` between two numbers: ``deepseek-v3p1``."""
    return _POINT.sub(".", text)


def squashed(provider: str) -> str:
    """The letters and digits of a provider's name, without ``Chat`` and ``LLM``.

    Clients are named ``ChatAnthropicVertex``, ``anthropic-vertex`` or ``anthropic_vertex_llm``.
    """
    text = "".join(c for c in provider[:MAX_NAME].lower() if c.isalnum())
    return text.removeprefix("chat").removesuffix("llm").removesuffix("chat") or text


def may_state_size(text: str) -> bool:
    """Whether it is worth looking for a size: few names hold a number and its unit."""
    return _ANY.search(text) is not None


def states_size(text: str) -> bool:
    """Whether some number of parameters stands in the name, be it only a part of them."""
    if not may_state_size(text):
        return False
    return _TOTAL.search(text) is not None or _EXPERTS.search(text) is not None


def read_size(text: str, mixture: tuple[float, float]) -> Size | None:
    """Parameters that the name itself states: ``70b``, ``270m``, ``8x7b``, ``235b-a22b``, ``e4b``.

    Contexts (``128k``), precisions (``4bit``), dates and opaque ids are no sizes. ``mixture`` holds
    what share of the product of ``8x7b`` is the least total, and of two experts the least active.
    """
    text = dotted(_OPAQUE.sub(" ", text))
    experts = _EXPERTS.search(text)
    if experts:
        count, each = int(experts[1]), _number(experts[2])
        if count < 2:
            return None
        return _size((count * each * mixture[0], count * each), (2 * each * mixture[1], 2 * each))
    totals = [t for t in map(_total, _TOTAL.finditer(text)) if t is not None]
    active = _ACTIVE.search(text)
    if not totals:
        effective = _EFFECTIVE.search(text)
        if effective is None:
            return None
        total = float(effective[1])
        return _size((total, total), (total, total))
    if active is None and _OF_EXPERTS.search(text):
        return None  # ``17b-16e``: the active part of an unknown total
    span = (min(totals), max(totals))
    used = _number(active[1]) * _UNIT[active[2]] if active else None
    return _size(span, (used, used) if used and used <= span[0] else span)


def stated_size(text: str) -> str:
    """The total as the name writes it, ``70b``; empty where there is none, or several."""
    found = [m[0].lower() for m in _TOTAL.finditer(text)]
    return found[0] if len(found) == 1 else ""


def without_active(text: str) -> str:
    """The name without the active part of the parameters that it states."""
    return _ACTIVE.sub("", text)


def without_size(text: str) -> str:
    """The name without the number of parameters that it states."""
    return _ACTIVE.sub("", _TOTAL.sub("", text))


def _total(found: re.Match[str]) -> float | None:
    if found[3]:
        return float(f"{found[3]}.{found[4]}")
    value = _number(found[1])
    if found[2] == "m" and value < 10:
        return None  # ``1m`` is a context
    return value * _UNIT[found[2]]


def _number(text: str) -> float:
    return float(text.replace("_", "."))


def _size(total: tuple[float, float], active: tuple[float, float]) -> Size | None:
    if not (total[0] >= _SMALLEST and total[1] <= _LARGEST and active[0] > 0):
        return None
    return Size(total, active)
