"""``impactree report``: a report from its JSON file, asked, compared and converted."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from impactree.cli._printing import as_json_option, print_found

if TYPE_CHECKING:
    from impactree.report import Report

__all__ = ["REPORT_FILE", "read_file", "report"]

REPORT_FILE = click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path)
_OUT = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.argument("file", type=REPORT_FILE)
@click.option(
    "--by",
    "keys",
    multiple=True,
    help="Groups by KEY, or by several: user,agent; with --diff their changes.",
)
@click.option("--top", type=click.IntRange(1), help="Only the first groups, or dearest calls.")
@click.option(
    "--diff", "other", type=REPORT_FILE, help="What changed since another, by path or --by."
)
@click.option(
    "--merge", "others", type=REPORT_FILE, multiple=True, help="Another machine's report."
)
@click.option("--run", "run_id", help="Only the run with this id or name.")
@click.option("--csv", "form", flag_value="csv", help="Print a row per call (or group) as CSV.")
@click.option("--markdown", "form", flag_value="markdown", help="Print Markdown.")
@click.option("--html", "page", type=_OUT, help="Write a page for the browser, in one file.")
@click.option("--open", "opens", is_flag=True, help="Open that page.")
@as_json_option
def report(
    file: Path,
    keys: tuple[str, ...],
    top: int | None,
    other: Path | None,
    others: tuple[Path, ...],
    run_id: str | None,
    form: str | None,
    page: Path | None,
    opens: bool,
    as_json: bool,
) -> int:
    """Show the report in FILE, as Report.to_json wrote it; - is standard input."""
    from impactree.service.reporting import Question
    from impactree.service.reporting import shown as answered

    if top is not None and other is not None:
        raise click.UsageError("--top is for groups and calls: --diff shows the largest changes")
    if opens and page is None:
        raise click.UsageError("--open opens the page that --html writes: add --html PATH")
    if page is not None and (keys or other is not None or form or as_json):
        raise click.UsageError("--html writes the whole report: leave out --by, --diff and forms")
    asked = read_file(file)
    question = Question(
        by=[key.strip() for several in keys for key in several.split(",")],
        top=top,
        diff=None if other is None else read_file(other),
        merge=[*map(read_file, others)],
        run=run_id,
    )
    try:
        shown = answered(asked, question)
    except LookupError as error:
        raise click.UsageError(str(error.args[0])) from None
    if page is not None:
        return _write(shown, page, opens)
    _print(shown, "json" if as_json else form)
    return 0


def read_file(file: Path) -> Report:
    """The report in a file, or on standard input.

    Raises:
        ReportFormatError: names the file and what is wrong.
    """
    from impactree.exceptions import ReportFormatError
    from impactree.report import Report

    try:
        return Report.from_json(sys.stdin.buffer if str(file) == "-" else file)
    except ReportFormatError as error:
        raise ReportFormatError(f"{file}: {error}") from error


def _write(shown: Report, page: Path, opens: bool) -> int:
    shown.to_html(page)
    click.echo(f"written: {page}", err=True)
    if opens:
        import webbrowser

        webbrowser.open(page.resolve().as_uri())
    return 0


def _print(shown: Any, form: str | None) -> None:
    if form == "csv":
        if not hasattr(shown, "to_csv"):
            raise click.UsageError("a comparison prints as text, Markdown or JSON")
        click.echo(shown.to_csv(), nl=False)
    elif form == "markdown":
        click.echo(shown.to_markdown())
    else:
        print_found(shown, form == "json")
