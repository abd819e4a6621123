"""The commands ``impactree spool``, ``impactree langsmith`` and ``impactree db``.

The main command mounts each of :data:`COMMANDS`.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import click

from impactree.exceptions import ConfigurationError, ImpactreeError
from impactree.exporters._journal import Folder, folders, leftover
from impactree.exporters._spool import spool as process_spool
from impactree.exporters._spool import spool_folder
from impactree.impacts import Impact, Range

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from impactree.exporters._base import SpooledExporter
    from impactree.exporters._sql_report import Group

__all__ = ["COMMANDS", "db", "langsmith", "spool"]


@click.group()
def spool() -> None:
    """Runs that wait to be delivered."""


@spool.command()
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def status(as_json: bool) -> None:
    """What waits, where it goes, and whose it is."""
    rows = list(_pending(spool_folder()))
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    click.echo(f"spool {spool_folder()}: {sum(row['runs'] for row in rows)} deliveries wait")
    for row in rows:
        alive = "running" if row["alive"] else "ended"
        click.echo(f"{row['runs']:>8}  {row['destination']}  (process {row['process']}, {alive})")


@spool.command()
@click.option("--timeout", type=float, default=60.0, show_default=True, help="Seconds.")
@click.option("--db", "db_url", help="Database URL, where its password is needed.")
def replay(timeout: float, db_url: str | None) -> int:
    """Deliver what ended processes left; exit code 1 when something still waits."""
    base = spool_folder()
    exporters = []
    for destination in sorted({row["destination"] for row in _pending(base) if not row["alive"]}):
        try:
            exporter = _exporter_for(destination, db_url)
        except ImpactreeError as error:  # a missing extra: the others go
            click.echo(f"left: {destination}: {error}")
            continue
        if exporter is None:
            click.echo(f"left: {destination}: the next process that exports there delivers it")
        else:
            exporters.append(exporter)
    process_spool().flush(timeout, exporters)
    left = sum(row["runs"] for row in _pending(base) if not row["alive"])
    click.echo(f"{left} deliveries wait" if left else "nothing waits")
    return 1 if left else 0


@spool.command()
@click.confirmation_option(prompt="Give up what ended processes left?")
def clear() -> None:
    """Give up what ended processes left."""
    base = spool_folder()
    count = sum(row["runs"] for row in _pending(base) if not row["alive"])
    for path in folders(base):
        lock = leftover(path)
        if lock is not None:
            for file in path.iterdir():
                file.unlink(missing_ok=True)
            path.rmdir()
            lock.close()
    click.echo(f"{count} deliveries given up")


def _pending(base: Path) -> Iterator[dict[str, Any]]:
    """A row per folder and destination with something pending."""
    for path in folders(base):
        lock = leftover(path)
        try:
            folder = Folder.load(path)
        except OSError:  # gone meanwhile
            continue
        finally:
            if lock is not None:
                lock.close()
        for destination in sorted(folder.destinations):
            yield {
                "destination": destination,
                "runs": folder.count(destination),
                "process": path.name.partition("-")[0],
                "alive": lock is None,
            }


def _exporter_for(destination: str, db_url: str | None) -> SpooledExporter | None:
    """An exporter for a destination as the spool names it; None where that is not enough."""
    from impactree import exporters

    kind, _, rest = destination.partition(":")
    made: SpooledExporter | None = None
    if kind == "jsonl":
        made = exporters.JSONLExporter(rest)
    elif kind == "parquet":
        made = exporters.ParquetExporter(rest)
    elif kind == "codecarbon":
        made = exporters.CodeCarbonExporter(rest)
    elif kind == "sql":
        made = exporters.SQLExporter(db_url or rest)
    elif kind == "langsmith":
        made = exporters.LangSmithExporter()
    return made if made is not None and made.destination == destination else None


@click.group()
def langsmith() -> None:
    """Impacts in LangSmith."""


@langsmith.command()
@click.option("--project", required=True, help="The project's name.")
@click.option("--since", default="7d", show_default=True, help="7d, 24h, 2w or a date.")
@click.option("--rate", type=float, default=5.0, show_default=True, help="Requests per second.")
@click.option("--dry-run", is_flag=True, help="Estimate, write nothing.")
@click.option("--force", is_flag=True, help="Also traces that carry the feedback.")
def backfill(project: str, since: str, rate: float, dry_run: bool, force: bool) -> None:
    """Write feedback for runs that LangSmith has stored, from their recorded usage.

    It may be stopped and started again: traces that carry the feedback are passed over.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    from impactree.exporters._langsmith_api import LangSmithAPI
    from impactree.exporters._langsmith_backfill import Backfill
    from impactree.exporters._time import parse_since

    if not rate > 0:
        raise ConfigurationError(f"rate must be above 0 requests per second, not {rate!r}")
    job = Backfill(
        project=project,
        since=parse_since(since),
        api=LangSmithAPI(),
        rate=rate,
        dry_run=dry_run,
        force=force,
    )
    columns = ("traces", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("", total=None)
        total = job.run(lambda done, of: progress.update(task, completed=done, total=of))
    said = "would get" if dry_run else "got"
    click.echo(f"{job.traces} traces {said} feedback, {job.skipped} passed over: {total}")


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
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@_db_option
def report(by: str, since: str | None, as_json: bool, url: str) -> None:
    """Sums over the model calls, by an attribute: means; ``--json`` has the ranges."""
    from impactree.exporters._sql_report import sums
    from impactree.exporters._time import parse_since

    groups = sums(url, by=by, since=None if since is None else parse_since(since))
    if as_json:
        click.echo(json.dumps([_group_dict(by, group) for group in groups], indent=2))
    else:
        _print_table(by, groups)


@db.command()
@click.option("--table", type=click.Choice(["calls", "runs"]), default="calls", show_default=True)
@click.option("--format", type=click.Choice(["csv", "jsonl"]), default="csv", show_default=True)
@_db_option
def export(table: str, format: str, url: str) -> None:
    """All rows, on standard output."""
    from impactree.exporters._sql_report import write_rows

    write_rows(url, sys.stdout, table=table, format=format)


def _group_dict(by: str, group: Group) -> dict[str, Any]:
    counts = ("calls", "estimated_calls", "input_tokens", "output_tokens")
    return {by: group.key, **{name: getattr(group, name) for name in counts}, **group.figures}


def _print_table(by: str, groups: list[Group]) -> None:
    from rich.console import Console
    from rich.table import Table

    from impactree.exporters._rows import COLUMNS

    table = Table(box=None, padding=(0, 2), header_style="bold")
    table.add_column(by, overflow="fold")
    for title in ("calls", "input", "output", *COLUMNS.values()):
        table.add_column(title, justify="right")
    for group in groups:
        some = 0 < group.estimated_calls < group.calls
        calls = f"{group.estimated_calls} of {group.calls}" if some else str(group.calls)
        cells = ("?" if impact is None else _mean(impact) for impact in group.impacts)
        tokens = (str(group.input_tokens), str(group.output_tokens))
        table.add_row(group.key or "-", calls, *tokens, *cells)
    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        console.width = 200
    console.print(table)


def _mean(impact: Impact) -> str:
    mean = impact.value.mean
    return str(replace(impact, value=Range(mean, mean)))


COMMANDS: Final = (spool, langsmith, db)
