"""``impactree langsmith``: impacts of runs that LangSmith has stored."""

from __future__ import annotations

import click

from impactree.exceptions import ConfigurationError

__all__ = ["langsmith"]


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
    from impactree.values.times import parse_since

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
