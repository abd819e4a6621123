"""What is left out before anything is kept or sent: credentials in addresses, odd metadata."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

__all__ = ["MAX_TEXT", "plain_values", "text", "without_secrets"]

MAX_TEXT: Final = 300
"""Characters of a name or of a value of metadata that are kept."""

_MAX_WHOLE: Final = 10**308  # Python writes none of more than 4,300 digits
_SCHEME: Final = re.compile(r"(?:[a-zA-Z][\w+.-]*:)?//")
_AUTHORITY: Final = re.compile(r"[^/?#\\]*")
_AFTER: Final = re.compile("[?#;]")
_PORT: Final = re.compile(r"(?:[^:]*|.*\])(?::\d*)?", re.DOTALL)


def text(value: Any) -> str | None:
    """A non-empty string cut to ``MAX_TEXT`` characters, else None."""
    return value[:MAX_TEXT] if isinstance(value, str) and value else None


def without_secrets(url: str) -> str:
    """An address without user, password, parameters, query, fragment: some clients put keys there.

    A broken address raises nothing. One whose password holds a ``/`` or ``?`` that ought to be
    escaped names no valid port: then everything up to its last ``@`` goes.
    """
    if "@" not in url and "?" not in url and "#" not in url and ";" not in url:
        return url
    found = _SCHEME.match(url)
    scheme, rest = ("", url) if found is None else (found[0], url[found.end() :])
    authority = _AUTHORITY.match(rest)[0]  # type: ignore[index]  # matches the empty text, too
    host = authority.rpartition("@")[2]
    if _PORT.fullmatch(host) is None:
        return scheme + _AFTER.split(rest.rpartition("@")[2])[0]
    path = _AFTER.split(rest[len(authority) :])[0]
    before, at, after = path.rpartition("@")
    if at and ":" in before:  # a user and a password after all, cut off by a slash of theirs
        return scheme + after
    return scheme + host + path


def plain_values(
    metadata: Mapping[Any, Any], keys: Container[str] | None = None
) -> dict[str, str | int | float | bool]:
    """The values of metadata that any format holds: texts, cut, and finite numbers.

    Args:
        metadata: Of a run.
        keys: The keys to keep; None: all.
    """
    kept: dict[str, str | int | float | bool] = {}
    for key, value in metadata.items():
        if keys is None or key in keys:
            if isinstance(value, str):
                kept[str(key)] = value[:MAX_TEXT]
            elif isinstance(value, bool):
                kept[str(key)] = value
            elif isinstance(value, int):
                if abs(value) <= _MAX_WHOLE:
                    kept[str(key)] = int(value)
            elif isinstance(value, float) and math.isfinite(value):
                kept[str(key)] = float(value)
    return kept
