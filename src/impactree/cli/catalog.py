"""``impactree models``, ``zones``, ``regions``, ``providers``, ``methods``, ``resolve``: lists."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from impactree.cli._printing import as_json_option, print_json, show

if TYPE_CHECKING:
    import datetime as dt

__all__ = ["methods", "models", "providers", "regions", "resolve", "zones"]

_search = click.argument("search", required=False, default="")


@click.command()
@_search
@click.option("--maker", help="Only the models of one maker.")
@click.option("--kind", help="Only one kind: chat, embedding, ...")
@as_json_option
def models(search: str, maker: str | None, kind: str | None, as_json: bool) -> int:
    """List the models of the catalog whose id, alias or maker holds SEARCH."""
    from impactree.service import listing

    return show(listing.models(search, maker, kind), as_json)


@click.command()
@_search
@as_json_option
def zones(search: str, as_json: bool) -> int:
    """List the electricity mix zones whose code or name holds SEARCH.

    The figures of ecologits-0.11, of parts of countries the country's; then the yearly GHG factor.
    """
    from impactree.service import listing

    return show(listing.zones(search), as_json)


@click.command()
@_search
@as_json_option
def regions(search: str, as_json: bool) -> int:
    """List the cloud regions whose id or name holds SEARCH."""
    from impactree.service import listing

    return show(listing.regions(search), as_json)


@click.command()
@_search
@as_json_option
def providers(search: str, as_json: bool) -> int:
    """List the hosts whose slug, name or framework's name holds SEARCH."""
    from impactree.service import listing

    return show(listing.providers(search), as_json)


@click.command()
@as_json_option
def methods(as_json: bool) -> int:
    """List the methods, what each covers, and where it was published; constants with --json."""
    from impactree.service import listing

    rows = listing.methods()
    if as_json:
        print_json(rows)
        return 0
    return show([{k: _cell(v) for k, v in row.items() if k != "constants"} for row in rows], False)


def _cell(value: object) -> object:
    return ", ".join(value) if isinstance(value, list) else value


@click.command()
@click.argument("name")
@click.option("--provider", help="Who was asked, as the framework names them.")
@click.option("--requested", help="The name that was asked for, where it differs.")
@click.option("--base-url", help="Where the request went.")
@click.option("--at", type=click.DateTime(["%Y-%m-%d"]), help="Day of the call, YYYY-MM-DD.")
@as_json_option
def resolve(
    name: str,
    provider: str | None,
    requested: str | None,
    base_url: str | None,
    at: dt.datetime | None,
    as_json: bool,
) -> int:
    """Show which model NAME is read as, whose it is, and who runs it."""
    from impactree.service import listing

    found = listing.resolved(
        name,
        provider=provider,
        requested=requested,
        base_url=base_url,
        at=at.date() if at else None,
    )
    if as_json:
        print_json(found)
    else:
        show([{"": key, "value": value} for key, value in found.items()], False)
    return 0 if found["model"] else 1
