"""``impactree compare``: a report's calls as they are and as they would be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from impactree.cli._calls import key_values
from impactree.cli._printing import as_json_option, print_found
from impactree.cli.report import REPORT_FILE, read_file

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["compare"]

_CHANGES = ("model", "provider", "zone", "region")


@click.command()
@click.argument("file", type=REPORT_FILE)
@click.option(
    "--with",
    "alternatives",
    multiple=True,
    required=True,
    help="What would be otherwise: model=gpt-4o-mini, or 'in Sweden: zone=SWE'; up to six.",
)
@click.option("--method", help="Another method than the report's.")
@as_json_option
def compare(file: Path, alternatives: tuple[str, ...], method: str | None, as_json: bool) -> int:
    """Show the calls of FILE as they are and as they would be, and what cannot be told apart.

    FILE is a report as Report.to_json wrote it; - is standard input. An alternative changes model,
    provider, zone, region or, by impactree-1, accelerator, count, batch_size, precision,
    parallelism, several with commas between.
    """
    from impactree.service.reporting import compared, name_of

    named: dict[str, Any] = {}
    for text in alternatives:
        said, colon, changed = text.partition(": ")
        changes = _changes(changed if colon else text)
        name = said.strip() if colon else name_of(changes)
        if name in named:
            raise click.UsageError(f"two alternatives have the same name: {name}")
        named[name] = changes
    found = compared(read_file(file), named, method)
    print_found(found, as_json)
    return 0


def _changes(text: str) -> dict[str, Any]:
    from impactree.engine.deployments import FIELDS

    given = key_values(text, "model=gpt-4o-mini,zone=SWE")
    unknown = [key for key in given if key not in (*_CHANGES, *FIELDS)]
    if unknown:
        known = ", ".join((*_CHANGES, *FIELDS))
        raise click.UsageError(f"--with changes {known}, not {unknown[0]!r:.40}")
    changes: dict[str, Any] = {key: str(given[key]) for key in _CHANGES if key in given}
    hardware = {key: given[key] for key in FIELDS if key in given}
    return changes | ({"deployment": hardware} if hardware else {})
