"""Payload templates: JSON trees with `{{name}}` placeholders.

`{{name}}` as a whole string takes the value's own type, `{{name?}}` also drops the
key when the value is empty. Stream files hold sections named by SSE comment lines
(`: name`).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PAYLOADS = Path(__file__).parent / "payloads"
_WHOLE = re.compile(r"^\{\{(\w+)(\??)\}\}$")
_INNER = re.compile(r"\{\{(\w+)\}\}")
_OMIT = object()


def fill(tree: Any, values: Mapping[str, Any]) -> Any:
    """Return `tree` with its placeholders replaced."""
    if isinstance(tree, str):
        return _fill_text(tree, values)
    if isinstance(tree, dict):
        filled = ((key, fill(value, values)) for key, value in tree.items())
        return {key: value for key, value in filled if value is not _OMIT}
    if isinstance(tree, list):
        return [value for item in tree if (value := fill(item, values)) is not _OMIT]
    return tree


def _fill_text(text: str, values: Mapping[str, Any]) -> Any:
    whole = _WHOLE.match(text)
    if whole is None:
        if "{{" not in text:
            return text
        return _INNER.sub(lambda found: str(values[found[1]]), text)
    value = values[whole[1]]
    return _OMIT if whole[2] and not value else value


def drop(tree: Any, keys: frozenset[str]) -> Any:
    """Return `tree` without `keys` at any depth."""
    if isinstance(tree, dict):
        return {key: drop(value, keys) for key, value in tree.items() if key not in keys}
    if isinstance(tree, list):
        return [drop(item, keys) for item in tree]
    return tree


def dumps(tree: Any) -> bytes:
    """Return compact JSON bytes."""
    return json.dumps(tree, separators=(",", ":"), ensure_ascii=False).encode()


@cache
def load(provider: str, name: str) -> Any:
    """Return a JSON template as a tree."""
    return json.loads((PAYLOADS / provider / name).read_text(encoding="utf-8"))


def exists(provider: str, name: str) -> bool:
    """Tell whether a provider has the payload file."""
    return (PAYLOADS / provider / name).is_file()


@dataclass(frozen=True, slots=True)
class Event:
    """One stream event; `data` is a JSON tree, or literal text such as `[DONE]`."""

    name: str | None
    data: Any

    def sse(self) -> bytes:
        """Return the event as server-sent event bytes."""
        head = b"" if self.name is None else f"event: {self.name}\n".encode()
        body = self.data.encode() if isinstance(self.data, str) else dumps(self.data)
        return head + b"data: " + body + b"\n\n"

    def line(self) -> bytes:
        """Return the event as one line of newline-delimited JSON."""
        return dumps(self.data) + b"\n"


class Sections(dict[str, tuple[Event, ...]]):
    """Named sections of a stream template."""

    def render(self, name: str, values: Mapping[str, Any]) -> list[Event]:
        """Return the filled events of a section, none when the file lacks it."""
        return [Event(item.name, fill(item.data, values)) for item in self.get(name, ())]


@cache
def load_stream(provider: str, name: str) -> Sections:
    """Return the sections of a stream template."""
    text = (PAYLOADS / provider / name).read_text(encoding="utf-8")
    found: dict[str, list[Event]] = {}
    section, event = "", None
    for kind, value in _fields(text):
        if kind == "":
            section, event = value, None
            found.setdefault(section, [])
        elif kind == "event":
            event = value
        else:
            found[section].append(Event(event, _data(value)))
            event = None
    return Sections({key: tuple(events) for key, events in found.items()})


def _fields(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        if line.strip():
            kind, _, value = line.partition(":")
            yield kind.strip(), value.strip()


def _data(value: str) -> Any:
    return json.loads(value) if value.startswith("{") else value
