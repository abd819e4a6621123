"""``impactree explain``: how a figure came about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from impactree.cli._calls import call_options, take_media
from impactree.cli._printing import as_json_option, print_json, print_rich

if TYPE_CHECKING:
    import datetime as dt

__all__ = ["explain"]


@click.command()
@click.argument("name")
@call_options
@as_json_option
def explain(
    name: str,
    tokens: int,
    latency: float | None,
    at: dt.datetime | None,
    as_json: bool,
    **asked: Any,
) -> int:
    """Show how NAME is read, every hypothesis with its source, and every step to the result."""
    from impactree.service.estimating import explanation

    day = at.date() if at else None
    media = take_media(asked)
    found = explanation(name, at=day, output_tokens=tokens, latency_s=latency, **media, **asked)
    if as_json:
        print_json(found.to_dict())
    else:
        print_rich(found)
    return 0 if found.impacts.estimated else 1
