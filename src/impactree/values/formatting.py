"""How quantities and foreign texts are printed."""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["clean", "csv_cell", "exact", "json_text", "many", "quantity", "range_text", "shares"]

_MAX_TEXT: Final = 1000
_PREFIXES: Final = ("p", "n", "µ", "m", "", "k", "M", "G", "T")


def _digits(value: float) -> str:
    """Two significant digits; an exponent only beyond the sizes that a prefix leaves."""
    size = abs(value)
    if 99.5 <= size < 1e15:
        return f"{value:.0f}"
    if 1e-9 <= size < 1e-4:
        return f"{value:.{1 - math.floor(math.log10(size))}f}".rstrip("0")
    return f"{value:.2g}"


def range_text(low: float, mean: float, high: float) -> str:
    """Text such as ``1.3 (0.9 to 1.7)``; a point is one number."""
    middle, first, last = (_digits(x) for x in (mean, low, high))
    return middle if first == last else f"{middle} ({first} to {last})"


def exact(low: float, high: float) -> str:
    """Text such as ``1.09 to 1.14`` to calculate with: six digits, both ends, no mean."""
    first, last = f"{low:.6g}", f"{high:.6g}"
    return first if first == last else f"{first} to {last}"


_OBEYED: Final = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
"""Controls and marks of direction, which a terminal obeys, and halves of characters."""
_FORMULA: Final = frozenset("=+-@|%\uff1d\uff0b\uff0d\uff20")  # and their full-width forms


def quantity(low: float, mean: float, high: float, unit: str) -> str:
    """Text such as ``1.3 (0.9 to 1.7) mWh``: the prefix puts the mean between 0.1 and 100."""
    if not math.isfinite(mean) or mean == 0:
        return f"{range_text(low, mean, high)} {unit}"
    power = math.floor((math.log10(abs(mean)) + 1 + 1e-9) / 3)
    power = max(-4, min(4, power))
    scale = 10.0 ** (-3 * power)
    return f"{range_text(low * scale, mean * scale, high * scale)} {_PREFIXES[power + 4]}{unit}"


def shares(parts: Mapping[str, float]) -> str:
    """Text such as ``input 41%, output 59%``; empty where the parts are nothing."""
    whole = sum(parts.values())
    return ", ".join(f"{name} {_share(part / whole)}" for name, part in parts.items() if part)


def _share(part: float) -> str:
    """In whole percents; a little is not nothing, nearly all is not all."""
    if part < 0.005:
        return "<1%"
    return ">99%" if 0.995 <= part < 1 else f"{part:.0%}"


def clean(text: str) -> str:
    """Printable text: control, invisible and direction-changing characters shown escaped."""
    text = text[:_MAX_TEXT]
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def json_text(value: Any, **options: Any) -> str:
    """JSON to print: what a terminal obeys is escaped, and reads back as it was.

    Args:
        value: Plain values.
        **options: Of ``json.dumps``.
    """
    text = json.dumps(value, ensure_ascii=False, **options)
    return _OBEYED.sub(lambda found: json.dumps(found[0])[1:-1], text)


def many(number: int, noun: str) -> str:
    """``1 call``, ``2 calls``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def csv_cell(value: object) -> object:
    """A text as a cell that a spreadsheet takes for text: no formula, and no lone carriage return.

    What begins like a formula gets ``' `` in front; what a terminal obeys is shown escaped; other
    values are as they were.
    """
    if not isinstance(value, str):
        return value
    value = value.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "\ufffd")
    value = _OBEYED.sub(lambda found: found[0].encode("unicode_escape").decode(), value)
    return f"' {value}" if value.lstrip()[:1] in _FORMULA and value.strip() else value
