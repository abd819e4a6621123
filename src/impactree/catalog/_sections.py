"""The compiled catalog as it lies: sections of one text, decoded when they are first asked for."""

from __future__ import annotations

import json
from bisect import bisect_left
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["Index", "Sections", "written"]


def written(head: Mapping[str, Any], sections: Mapping[str, str]) -> str:
    """A text that :class:`Sections` reads: a line of JSON with their lengths, then the sections."""
    lengths = {name: len(section) for name, section in sections.items()}
    first = json.dumps({**head, "sections": lengths}, separators=(",", ":"), ensure_ascii=False)
    return "\n".join([first, *sections.values()]) + "\n"


class Sections(dict[str, Any]):
    """Tables by name: the JSON of their sections, laid over that of the catalog below.

    Args:
        text: What :func:`written` made.
        below: Of the catalog that this one is laid over.
    """

    def __init__(self, text: str, below: Mapping[str, Any] | None = None) -> None:
        start = text.index("\n") + 1
        self.head: dict[str, Any] = json.loads(text[:start])
        self._text, self._below = text, below
        self._places: dict[str, tuple[int, int]] = {}
        for name, length in self.head["sections"].items():
            self._places[name] = start, start + length
            start += length + 1

    def __missing__(self, name: str) -> Any:
        value = self.own(name)
        if self._below is not None and isinstance(value, dict):
            value = {**self._below[name], **value}
        self[name] = value
        return value

    def own(self, name: str) -> Any:
        """A table without what lies below."""
        return json.loads(self.text(name))

    def text(self, name: str) -> str:
        """A section as it lies."""
        start, end = self._places[name]
        return self._text[start:end]

    def line(self, name: str, start: int) -> str:
        """The line that begins at a place of a section."""
        start += self._places[name][0]
        return self._text[start : self._text.index("\n", start)]


class Index:
    """Sorted lines of ``name TAB numbers``, searched as they lie."""

    def __init__(self, sections: Sections, name: str) -> None:
        self._sections, self._name = sections, name

    @cached_property
    def _lines(self) -> list[str]:
        return self._sections.text(self._name).split("\n")

    def get(self, name: str) -> list[int]:
        """The numbers of a name; of one that is not there, none."""
        lines, wanted = self._lines, f"{name}\t"
        at = bisect_left(lines, wanted)
        if at < len(lines) and lines[at].startswith(wanted):
            return [int(n) for n in lines[at][len(wanted) :].split(",")]
        return []

    def __iter__(self) -> Iterator[str]:
        return (line.partition("\t")[0] for line in self._lines if line)
