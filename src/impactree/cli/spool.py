"""``impactree spool``: runs that wait to be delivered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from impactree.cli._printing import as_json_option, print_json
from impactree.exceptions import ImpactreeError
from impactree.exporters._journal import Folder, folders, leftover
from impactree.exporters._spool import spool as process_spool
from impactree.exporters._spool import spool_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from impactree.exporters._base import SpooledExporter

__all__ = ["spool"]


@click.group()
def spool() -> None:
    """Runs that wait to be delivered."""


@spool.command()
@as_json_option
def status(as_json: bool) -> None:
    """What waits, where it goes, and whose it is."""
    rows = list(_pending(spool_folder()))
    if as_json:
        print_json(rows)
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
