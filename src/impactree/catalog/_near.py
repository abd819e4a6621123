"""Names to suggest where one is not known."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["Names", "near_text", "nearest"]

_WORD: Final = 4
"""Letters of a name that is worth finding inside another."""
_ROUNDING: Final = 1e-9
_COMPARED: Final = 100
"""Letters of a name that are looked at."""
_LEAST_SHARED: Final = 0.3
"""Share of common letter pairs from which on two names are called near."""


class Names:
    """Known names by the letter pairs in them, to find those near a given one.

    For messages only: never to resolve. Which names hold a pair is an integer, a bit for each: many
    thousand names that nobody knows are compared with all that are known in a second.
    """

    def __init__(self, known: Iterable[str]) -> None:
        self._names = list(dict.fromkeys(known))
        self._spelled: dict[str, list[str]] = {}
        self._holding: dict[str, int] = {}
        for place, name in enumerate(self._names):
            lower = name.lower()
            self._spelled.setdefault(lower, []).append(name)
            for pair in _pairs(lower):
                self._holding[pair] = self._holding.get(pair, 0) | 1 << place
        self._begins = {lower[:_WORD] for lower in self._spelled}
        longest = max(map(len, self._spelled), default=0)
        self._upto = [0] * (longest + 1)
        """By a number of letters: the names with no more of them."""
        for place, name in enumerate(self._names):
            self._upto[len(name)] |= 1 << place
        for size in range(longest):
            self._upto[size + 1] |= self._upto[size]

    def nearest(self, name: str, count: int = 3) -> list[str]:
        """Those that a name contains, or shares most letter pairs with."""
        text = name[:_COMPARED].lower()
        wanted = _pairs(text)
        found = {
            one: 1 + 2 * len(_pairs(lower)) / (len(wanted) + len(lower) - 1)
            for lower in self._inside(text)
            for one in self._spelled[lower]
        }
        for shared, bits in _most_first([self._holding.get(pair, 0) for pair in wanted]):
            best = sorted(found.values(), reverse=True)[count - 1 : count]
            least = max([_LEAST_SHARED, *best])
            longest = math.floor(2 * shared / least - len(wanted) + 1 + _ROUNDING)
            if longest <= shared:  # nor is any with fewer pairs: a name has more letters than pairs
                break
            short = bits & self._upto[min(longest, len(self._upto) - 1)]
            for one in map(self._names.__getitem__, _places(short)):
                score = 2 * shared / (len(wanted) + len(one) - 1)
                if score >= _LEAST_SHARED:
                    found.setdefault(one, score)
        return sorted(found, key=lambda one: (-found[one], one))[:count]

    def _inside(self, text: str) -> set[str]:
        """The known names that stand in a text."""
        size = len(text)
        return {
            part
            for begin in range(size - _WORD + 1)
            if text[begin : begin + _WORD] in self._begins
            for end in range(begin + _WORD, min(begin + len(self._upto), size) + 1)
            if (part := text[begin:end]) in self._spelled
        }


def _most_first(sets: list[int]) -> Iterator[tuple[int, int]]:
    """How many of some sets a place is in, and the places of which that holds, most first."""
    digits: list[int] = []  # of the counts, the lowest first: a bit for each place
    for carried in sets:
        rest = carried
        for place, digit in enumerate(digits):
            digits[place], rest = digit ^ rest, digit & rest
        if rest:
            digits.append(rest)
    for number in range(len(sets), 0, -1):
        if number >> len(digits):
            continue
        chosen = -1
        for place, digit in enumerate(digits):
            chosen &= digit if number >> place & 1 else ~digit
        if chosen:
            yield number, chosen


def _places(bits: int) -> Iterator[int]:
    while bits:
        lowest = bits & -bits
        yield lowest.bit_length() - 1
        bits ^= lowest


def _pairs(text: str) -> set[str]:
    return {text[i : i + 2] for i in range(len(text) - 1)}


def nearest(name: str, known: Iterable[str], count: int = 3) -> list[str]:
    """The known names that a given one contains, or shares most letter pairs with."""
    return Names(known).nearest(name, count)


def near_text(name: str, known: Iterable[str]) -> str:
    """The nearest known names in a row, or ``none``."""
    return ", ".join(nearest(name, known)) or "none"
