"""The command ``impactree``: figures explained, reports, what the catalog holds, exports.

A file per group of commands, each a thin face over functions of the package. Exit codes: 0 done; 1
the model cannot be estimated, or nothing was found; 2 wrong usage.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from impactree import __version__
from impactree.cli.advise import advise
from impactree.cli.catalog import methods, models, providers, regions, resolve, zones
from impactree.cli.compare import compare
from impactree.cli.db import db
from impactree.cli.estimate import estimate
from impactree.cli.explain import explain
from impactree.cli.langsmith import langsmith
from impactree.cli.report import report
from impactree.cli.serve import serve
from impactree.cli.spool import spool
from impactree.cli.table import table
from impactree.exceptions import ImpactreeError
from impactree.values.formatting import clean

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["cli", "main"]


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="impactree")
def cli() -> None:
    """What LLM calls cost the planet: models, zones, hosts and the figures behind them."""


for _command in (
    *(
        estimate,
        explain,
        resolve,
        report,
        compare,
        advise,
        models,
        zones,
        regions,
        providers,
        methods,
    ),
    *(serve, spool, langsmith, db, table),
):
    cli.add_command(_command)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command and leave with its exit code."""
    try:
        code = cli.main(args=arguments, prog_name="impactree", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except click.Abort:
        code = 130
    except (ImpactreeError, OSError, ValueError) as error:
        lines = "\n".join(map(clean, str(error).splitlines()))
        click.echo(f"impactree: {lines}", err=True)
        code = 2
    sys.exit(code)
