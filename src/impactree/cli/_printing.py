"""What every command prints with: tables, rich text and JSON."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["as_json_option", "print_found", "print_json", "print_rich", "show"]

as_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def show(rows: Sequence[dict[str, Any]], as_json: bool) -> int:
    """Print rows as a table or as JSON."""
    if as_json:
        print_json(rows)
    elif rows:
        from rich.table import Table

        table = Table(box=None, padding=(0, 1), header_style="bold")
        for column in rows[0]:
            table.add_column(column, overflow="fold")
        for row in rows:
            table.add_row(*map(_cell, row.values()))
        print_rich(table)
    if not rows:
        click.echo("nothing found", err=True)
    return 0 if rows else 1


def _cell(value: Any) -> str:
    from impactree.values.formatting import clean, exact
    from impactree.values.range import Range

    if isinstance(value, Range):
        return exact(value.min, value.max)
    return "" if value is None else clean(str(value))


def print_found(found: Any, as_json: bool = False) -> None:
    """Print what has a text, a form for terminals and ``to_dict``."""
    if as_json:
        print_json(found.to_dict())
    elif sys.stdout.isatty():
        print_rich(found)
    else:
        click.echo(str(found))


def print_rich(renderable: Any) -> None:
    from rich.console import Console

    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        console.width = 200
    console.print(renderable)


def print_json(value: Any) -> None:
    from impactree.values.formatting import json_text
    from impactree.values.range import Range

    def plain(item: Any) -> Any:
        if isinstance(item, Range):
            return item.to_dict()
        raise TypeError(f"not JSON: {item!r}")

    click.echo(json_text(value, indent=2, default=plain))
