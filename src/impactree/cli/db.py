"""``impactree db``: reading a database that the SQL exporter wrote."""

from __future__ import annotations

import sys
from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import click

from impactree.cli._printing import as_json_option, print_json, print_rich
from impactree.values.criteria import CRITERIA
from impactree.values.formatting import clean, shares
from impactree.values.range import Range

if TYPE_CHECKING:
    from rich.table import Table

    from impactree.store.queries import Group
    from impactree.values.impacts import Impact

__all__ = ["db"]


@click.group()
def db() -> None:
    """Impacts in a database."""


_db_option: Final = click.option(
    "--db",
    "url",
    envvar="IMPACTREE_DB",
    default="sqlite:///impacts.db",
    show_default=True,
    help="Database URL (or IMPACTREE_DB).",
)


@db.command()
@click.option("--by", default="model", show_default=True, help="model, agent, day, node, ...")
@click.option("--since", help="7d, 24h, 2w or a date.")
@as_json_option
@_db_option
def report(by: str, since: str | None, as_json: bool, url: str) -> None:
    """Sums over the model calls, by an attribute: means; ``--json`` has the ranges."""
    from impactree.service.stored import group_row
    from impactree.store.queries import sums
    from impactree.values.times import parse_since

    start = None if since is None else parse_since(since)
    groups = sums(url, by=by, since=start)
    if as_json:
        print_json([group_row(by, group) for group in groups])
        return
    _print_table(by, groups)
    _print_training(by, groups)
    _print_sources(groups)
    for credit in dict.fromkeys(credit for group in groups for credit in group.credits):
        click.echo(f"Credit: {clean(credit)}")


@db.command()
@click.option("--table", type=click.Choice(["calls", "runs"]), default="calls", show_default=True)
@click.option("--format", type=click.Choice(["csv", "jsonl"]), default="csv", show_default=True)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, writable=True),
    help="A file instead of standard output; credits of the factors in FILE.credits.txt.",
)
@_db_option
def export(table: str, format: str, out: str | None, url: str) -> None:
    """All rows, on standard output or in a file."""
    from impactree.store.queries import credits_in, write_rows

    if out is None:
        write_rows(url, sys.stdout, table=table, format=format)
        return
    from impactree.report._files import replacing, write_credits

    with replacing(out) as file:
        write_rows(url, file, table=table, format=format)
    write_credits(out, credits_in(url))


def _print_table(by: str, groups: list[Group]) -> None:
    table = _table(by, "input", "output")
    for group in groups:
        tokens = (str(group.input_tokens), str(group.output_tokens))
        calls = _of(group.estimated_calls, group) if group.estimated_calls else str(group.calls)
        table.add_row(clean(group.key or "-"), calls, *tokens, *map(_mean, group.impacts))
    print_rich(table)


def _print_sources(groups: list[Group]) -> None:
    """Where the energy comes from, unless all of it is estimated."""
    energies: dict[str, float] = defaultdict(float)
    for group in groups:
        for source, energy in group.energy_by_source.items():
            energies[source] += energy
    if not energies.keys() <= {"estimated"}:
        click.echo(f"Energy: {shares(energies)}")


def _print_training(by: str, groups: list[Group]) -> None:
    """The share of training: lines of their own, in no figure of the table."""
    table, shared = _table(by), dict[str, None]()
    for group in groups:
        phase = group.training
        if phase is not None:
            impacts = (getattr(phase, criterion.key) for criterion in CRITERIA)
            table.add_row(clean(group.key or "-"), _of(phase.calls, group), *map(_mean, impacts))
            shared |= dict.fromkeys(phase.shared_over)
    if table.row_count:
        click.echo(f"\nTraining the models, in no figure above; {clean('; '.join(shared))}:")
        print_rich(table)


def _table(by: str, *more: str) -> Table:
    from rich.table import Table

    table = Table(box=None, padding=(0, 2), header_style="bold")
    table.add_column(by, overflow="fold")
    for title in ("calls", *more, *(criterion.key for criterion in CRITERIA)):
        table.add_column(title, justify="right")
    return table


def _of(calls: int, group: Group) -> str:
    return str(calls) if calls == group.calls else f"{calls} of {group.calls}"


def _mean(impact: Impact | None) -> str:
    if impact is None:
        return "?"
    mean = impact.value.mean
    text = str(replace(impact, value=Range(mean, mean)))
    return text if sys.stdout.isatty() else text.replace("µ", "u")  # a pipe may be of ASCII
