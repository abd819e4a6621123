"""Advice as text, Markdown and HTML."""

from __future__ import annotations

from html import escape as in_html
from typing import TYPE_CHECKING

from impactree.report.renderers._cells import Line, Style, wrap
from impactree.report.renderers.markdown import escape
from impactree.report.renderers.text import joined
from impactree.values.formatting import clean

if TYPE_CHECKING:
    from impactree.advice import Advised, Suggestion

__all__ = ["advice_html", "advice_lines", "advice_markdown"]

_WIDEST = 120
_INDENT = "   "


def advice_lines(advice: Advised, width: int) -> list[Line]:
    """The suggestions by number, no line wider than ``width`` cells."""
    width = min(width, _WIDEST)
    if not advice:
        return [[(line, "")] for line in wrap(advice.nothing, width)]
    items = [_item(number, item, width) for number, item in enumerate(advice, 1)]
    about: list[Line] = [[(line, "dim")] for line in wrap(advice.about, width)]
    return joined([*items, about], width)


def _item(number: int, item: Suggestion, width: int) -> list[Line]:
    room = max(width - len(_INDENT), 10)
    title = wrap(clean(f"{item.what}: {item.text}"), room)
    lines: list[Line] = [
        [(f"{number}. " if not place else _INDENT, "bold"), (text, "bold")]
        for place, text in enumerate(title)
    ]
    said: tuple[tuple[str, Style], ...] = ((item.evidence, ""), (item.how, "dim"))
    for sentence, style in said:
        lines += [[(_INDENT, ""), (text, style)] for text in wrap(clean(sentence), room)]
    return lines


def advice_markdown(advice: Advised) -> str:
    """A numbered list."""
    if not advice:
        return f"{escape(advice.nothing)}\n"
    parts = [
        f"{number}. **{escape(clean(item.what))}**: {escape(item.text)}. "
        f"{escape(clean(item.evidence))} {escape(clean(item.how))}"
        for number, item in enumerate(advice, 1)
    ]
    return "\n".join(parts) + f"\n\n{escape(advice.about)}\n"


def advice_html(advice: Advised) -> str:
    """An ordered list."""
    if not advice:
        return f"<p>{in_html(advice.nothing)}</p>"
    items = "".join(
        f"<li><b>{in_html(clean(item.what))}</b>: {in_html(item.text)}. "
        f"{in_html(clean(item.evidence))} {in_html(clean(item.how))}</li>"
        for item in advice
    )
    return f"<div><ol>{items}</ol><p>{in_html(advice.about)}</p></div>"
