"""The command ``impactree``: explain a figure, list what the catalog holds, keep it fresh.

Exit codes: 0 done; 1 the model cannot be estimated, or nothing was found; 2 wrong usage.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from impactree import __version__
from impactree.exceptions import ImpactreeError
from impactree.exporters._cli import COMMANDS as _EXPORTER_COMMANDS

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Sequence

    from impactree.catalog import Catalog, Host, ModelRecord

__all__ = ["main"]

_as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_DAY = click.DateTime(["%Y-%m-%d"])
_search = click.argument("search", required=False, default="")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="impactree")
def cli() -> None:
    """What LLM calls cost the planet: models, zones, hosts and the figures behind them."""


@cli.command()
@click.argument("name")
@click.option("--provider", help="Who was asked, as the framework names them.")
@click.option("--requested", help="The name that was asked for, where it differs.")
@click.option("--base-url", help="Where the request went.")
@click.option("--at", type=_DAY, help="Day of the call, YYYY-MM-DD, for aliases that moved.")
@click.option("--zone", help="Electricity mix zone, e.g. FRA; WOR is the world.")
@click.option("--region", help="Cloud region, e.g. eu-west-3.")
@click.option("--tokens", type=click.IntRange(0), default=1000, show_default=True)
@click.option("--latency", type=click.FloatRange(0), help="Duration of the request, s.")
@click.option("--method", help="Name of the method.")
@_as_json
def explain(
    name: str,
    tokens: int,
    latency: float | None,
    at: dt.datetime | None,
    as_json: bool,
    **asked: Any,
) -> int:
    """Show how NAME is read, every hypothesis with its source, and every step to the result."""
    from impactree.explain import explain as explained

    day = at.date() if at else None
    found = explained(name, at=day, output_tokens=tokens, latency_s=latency, **asked)
    if as_json:
        _print_json(found.to_dict())
    else:
        _print(found)
    return 0 if found.impacts.estimated else 1


@cli.command()
@_search
@click.option("--maker", help="Only the models of one maker.")
@click.option("--kind", help="Only one kind: chat, embedding, ...")
@_as_json
def models(search: str, maker: str | None, kind: str | None, as_json: bool) -> int:
    """List the models of the catalog whose id, alias or maker holds SEARCH."""
    records = _catalog().records()
    kinds = sorted({record.kind for record in records})
    if kind is not None and kind.lower() not in kinds:
        raise click.BadParameter(f"{kind!r} is none of {', '.join(kinds)}", param_hint="--kind")
    rows = [
        _model_row(record)
        for record in records
        if (maker is None or record.maker == maker.lower())
        and (kind is None or record.kind == kind.lower())
        and _holds(search, (record.id, record.maker, *record.aliases))
    ]
    return _show(rows, as_json)


@cli.command()
@_search
@_as_json
def zones(search: str, as_json: bool) -> int:
    """List the electricity mix zones whose code or name holds SEARCH."""
    catalog = _catalog()
    rows = [
        {
            "zone": zone.id,
            "name": zone.name,
            "gwp_kgco2eq_per_kwh": zone.mix.gwp,
            "adpe_kgsbeq_per_kwh": zone.mix.adpe,
            "pe_mj_per_kwh": zone.mix.pe,
            "water_l_per_kwh": zone.mix.wue,
        }
        for zone in filter(None, map(catalog.zone, catalog.zone_codes))
        if _holds(search, (zone.id, zone.name))
    ]
    return _show(rows, as_json)


@cli.command()
@_search
@_as_json
def providers(search: str, as_json: bool) -> int:
    """List the hosts whose slug, name or framework's name holds SEARCH."""
    rows = [
        _host_row(host)
        for host in _catalog().hosts.values()
        if _holds(search, (host.id, host.name, *host.names))
    ]
    return _show(rows, as_json)


@cli.group()
def catalog() -> None:
    """For maintainers: keep data/ fresh."""


@catalog.command()
@click.option(
    "--data",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=Path("data"),
    show_default=True,
    help="The folder to compare.",
)
@click.option(
    "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write the diff to a file."
)
@_as_json
def diff(data: Path, output: Path | None, as_json: bool) -> int:
    """Compare data/ with the installed ecologits and genai-prices, and propose a diff."""
    from impactree.catalog._freshness import compare

    found = compare(data)
    if output is not None:
        output.write_text(found.patch, encoding="utf-8")
    if as_json:
        _print_json(found.to_dict())
    else:
        click.echo(found.summary())
        if output is None and found.patch:
            click.echo("\n" + found.patch)
    return 0


def _catalog() -> Catalog:
    from impactree.engine import shared_engine

    return shared_engine().catalog


def _holds(search: str, texts: Iterable[str]) -> bool:
    wanted = search.lower()
    return any(wanted in text.lower() for text in texts)


def _model_row(record: ModelRecord) -> dict[str, Any]:
    return {
        "model": record.id,
        "maker": record.maker,
        "kind": record.kind,
        "total_1e9": record.total,
        "active_1e9": record.active,
        "basis": record.basis,
        "from": record.valid_from,
        "checked": record.checked,
    }


def _host_row(host: Host) -> dict[str, Any]:
    from impactree.impacts import Range

    site = host.site
    return {
        "provider": host.id,
        "name": host.name,
        "zone": host.zone,
        "pue": Range(site.pue_min, site.pue_max),
        "wue_l_per_kwh": Range(site.wue_min, site.wue_max),
        "checked": host.checked,
    }


def _show(rows: Sequence[dict[str, Any]], as_json: bool) -> int:
    """Print rows as a table or as JSON."""
    if as_json:
        _print_json(rows)
    elif rows:
        from rich.table import Table

        table = Table(box=None, padding=(0, 1), header_style="bold")
        for column in rows[0]:
            table.add_column(column, overflow="fold")
        for row in rows:
            table.add_row(*map(_cell, row.values()))
        _print(table)
    if not rows:
        click.echo("nothing found", err=True)
    return 0 if rows else 1


def _cell(value: Any) -> str:
    from impactree.impacts import Range
    from impactree.units import exact

    if isinstance(value, Range):
        return exact(value.min, value.max)
    return "" if value is None else str(value)


def _print(renderable: Any) -> None:
    from rich.console import Console

    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        console.width = 200
    console.print(renderable)


def _print_json(value: Any) -> None:
    from impactree.impacts import Range

    def plain(item: Any) -> Any:
        if isinstance(item, Range):
            return item.to_dict()
        raise TypeError(f"not JSON: {item!r}")

    click.echo(json.dumps(value, indent=2, ensure_ascii=False, default=plain))


for _command in _EXPORTER_COMMANDS:
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
        click.echo(f"impactree: {error}", err=True)
        code = 2
    sys.exit(code)
