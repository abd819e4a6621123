"""``impactree table``: impacts of whole logs, a Parquet file per day or a table."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from impactree.cli._printing import as_json_option, print_json, print_rich

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterator

    from impactree.tables._files import Source
    from impactree.tables._job import Job
    from impactree.tables._summary import Summary

__all__ = ["table"]

_ENGINE = "What estimates: DuckDB, or an Apache Spark of this machine (the extra spark, Java)."
_DAY = click.DateTime(["%Y-%m-%d"])
_DIALECTS = ("bigquery", "clickhouse", "databricks", "duckdb", "postgres", "snowflake")


@click.command()
@click.argument("inputs", nargs=-1, required=True, metavar="IN...")
@click.option("--out", help="A folder, for a file per day; or duckdb:///FILE#TABLE.")
@click.option("--engine", type=click.Choice(["duckdb", "spark"]), default="duckdb", help=_ENGINE)
@click.option("--by", default="day,model", show_default=True, help="Columns to group by.")
@click.option("--per-call", is_flag=True, help="A row per call instead of groups.")
@click.option("--map", "maps", multiple=True, metavar="OURS=THEIRS", help="A plain table's column.")
@click.option("--method", help="Name of the method.")
@click.option("--zone", help="Electricity mix zone of all calls, e.g. FRA.")
@click.option("--at", type=click.Choice(["call", "today"]), default="call", show_default=True)
@click.option("--since", type=_DAY, help="The first day (UTC), YYYY-MM-DD.")
@click.option("--until", type=_DAY, help="The last day.")
@click.option("--dry-run", is_flag=True, help="Say what was recognised; write nothing.")
@click.option("--restate", is_flag=True, help="Say what the new figures changed, by model.")
@click.option("--wait", type=click.FloatRange(0), default=0.0, help="s to wait for another run.")
@click.option(
    "--print-sql", type=click.Choice(_DIALECTS), help="Write SQL for --table; IN: rows of it."
)
@click.option("--table", "name", default="calls", show_default=True, help="Its name in the SQL.")
@as_json_option
def table(
    inputs: tuple[str, ...], dry_run: bool, as_json: bool, by: str, per_call: bool, **asked: Any
) -> int:
    """Estimate the calls in IN...: files or folders of logs, Parquet, CSV; or database URLs."""
    keys = None if per_call else [key.strip() for key in by.split(",")]
    if asked["print_sql"]:
        click.echo(_sql(inputs, keys, asked), nl=False)
        return 0
    if asked["out"] is None:
        raise click.UsageError(
            "--out names the folder or table to write to; or --print-sql a dialect"
        )
    job = _job(inputs, keys, asked)
    if dry_run:
        return _recognised(job.recognised(), as_json)
    with _bar() as progress:
        told = job.run(progress)
    if as_json:
        print_json(told.to_dict())
    else:
        _print(told)
    return 0


def _job(inputs: tuple[str, ...], keys: list[str] | None, asked: dict[str, Any]) -> Job:
    from impactree.engine import shared_engine
    from impactree.tables._job import Job
    from impactree.tables._table_output import output_of

    return Job(
        paths=inputs,
        out=output_of(asked["out"]),
        engine=shared_engine(method=asked["method"], zone=asked["zone"]),
        by=keys,
        at=asked["at"],
        since=_date(asked["since"]),
        until=_date(asked["until"]),
        mapping=dict(map(_pair, asked["maps"])),
        wait_s=asked["wait"],
        restate=asked["restate"],
        runs_on=asked["engine"],
    )


def _sql(inputs: tuple[str, ...], keys: list[str] | None, asked: dict[str, Any]) -> str:
    from impactree.engine import shared_engine
    from impactree.tables._sql import sql_of_files

    for name in ("since", "until", "maps"):
        if asked[name]:
            option = "map" if name == "maps" else name
            raise click.UsageError(f"--{option} is not for SQL: name a view that has it already")
    engine = shared_engine(method=asked["method"], zone=asked["zone"])
    named = {"dialect": asked["print_sql"], "name": asked["name"], "at": asked["at"]}
    return sql_of_files(inputs, engine, by=keys, **named)


def _date(moment: dt.datetime | None) -> dt.date | None:
    return None if moment is None else moment.date()


def _pair(said: str) -> tuple[str, str]:
    ours, equals, theirs = said.partition("=")
    if not (ours and equals and theirs):
        raise click.UsageError(f"--map is OURS=THEIRS, e.g. model=llm_name, not {said!r:.80}")
    return ours, theirs


def _recognised(sources: list[Source], as_json: bool) -> int:
    rows = [
        {
            "file": str(source.path),
            "form": source.form,
            "format": source.reader.name if source.reader else "plain table",
            "columns": ", ".join(source.columns),
        }
        for source in sources
    ]
    from impactree.cli._printing import show

    return show(rows, as_json)


@contextmanager
def _bar() -> Iterator[Callable[[str, int, int], None]]:
    """A bar on standard error, where that is a terminal."""
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), disable=not sys.stderr.isatty()) as bar:
        tasks: dict[str, Any] = {}

        def progress(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=total)
            bar.update(tasks[what], completed=done)

        yield progress


def _print(told: Summary) -> None:
    from impactree.values.formatting import clean
    from impactree.values.messages import MESSAGES

    for key, rows in (("model", told.by_model), ("day", told.by_day)):
        _print_groups(key, rows)
    c = told.counts
    click.echo(
        f"{c['calls']} calls: {c['estimated_calls']} estimated, {c['unestimated_calls']} not, "
        f"{c['cached_calls']} cached; tokens of {c['counted_calls']} counted locally"
    )
    if told.unchanged_days:
        click.echo(f"{told.unchanged_days} days were there already, and are as they were")
    for column, count in told.rejected.most_common():
        click.echo(f"rejected: {count} rows, no call can have such a {clean(column)}")
    for codes in (told.errors, told.warnings):
        for code, count in codes.most_common():
            click.echo(f"{code}: {count} calls. {MESSAGES.get(code, '')}")
    if told.changed is not None:
        _print_changes(*told.changed)
    for credit in told.all_credits:
        click.echo(f"Credit: {clean(credit)}")


def _print_groups(key: str, rows: list[dict[str, Any]]) -> None:
    from rich.table import Table

    from impactree.tables._summary import shown
    from impactree.values.criteria import CRITERIA
    from impactree.values.formatting import clean

    grid = Table(box=None, padding=(0, 2), header_style="bold")
    for title in (key, "calls", *(criterion.label for criterion in CRITERIA)):
        grid.add_column(title, justify="left" if title == key else "right", overflow="fold")
    for row in rows[:20]:
        bound = "" if row["estimated_calls"] + row["cached_calls"] == row["calls"] else " (some)"
        cells = shown(row)
        if not sys.stdout.isatty():
            cells = [cell.replace("µ", "u") for cell in cells]
        grid.add_row(clean(str(row[key])), f"{row['calls']}{bound}", *cells)
    print_rich(grid)
    if len(rows) > 20:
        click.echo(f"and {len(rows) - 20} more")


def _print_changes(before: dict[str, float], after: dict[str, float]) -> None:
    from impactree.values.formatting import clean

    if not before:
        click.echo("restated: nothing was there before, or not by model")
    for model in sorted(before, key=lambda m: -abs(after.get(m, 0.0) - before[m])):
        now = after.get(model, 0.0)
        click.echo(f"restated: {clean(str(model))}: {before[model]:.4g} -> {now:.4g} kgCO2eq")
