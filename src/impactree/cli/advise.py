"""``impactree advise``: what could be saved in the runs of a report."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from impactree.cli._printing import as_json_option, print_found
from impactree.cli.report import REPORT_FILE, read_file

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["advise"]


@click.command()
@click.argument("file", type=REPORT_FILE)
@as_json_option
def advise(file: Path, as_json: bool) -> int:
    """Say what could be saved in FILE, a report as Report.to_json wrote it; - is standard input."""
    found = read_file(file).advice()
    print_found(found, as_json)
    return 0
