"""``impactree estimate``: what one call costs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from impactree.cli._calls import call_options, take_media
from impactree.cli._printing import as_json_option, print_json, show
from impactree.values.criteria import CRITERIA
from impactree.values.formatting import clean

if TYPE_CHECKING:
    import datetime as dt

__all__ = ["estimate"]

_SETTINGS = ("method", "include_training", "deployment")


@click.command()
@click.argument("name")
@call_options
@as_json_option
def estimate(
    name: str,
    tokens: int,
    latency: float | None,
    at: dt.datetime | None,
    as_json: bool,
    **asked: Any,
) -> int:
    """Say what one call to NAME costs: five criteria with their ranges, and how sure they are."""
    from impactree.calls import ModelCall
    from impactree.service.estimating import one_estimate

    media = take_media(asked)
    settings = {key: value for key in _SETTINGS if (value := asked.pop(key)) is not None}
    given = {key: value for key, value in asked.items() if value is not None}
    if asked["kind"] in ("chat", "completion"):
        given["output_tokens"] = tokens
    call = ModelCall(model=name, latency_s=latency, **media, **given)
    found = one_estimate(call, at.date() if at else None, settings)
    if as_json:
        print_json(found)
    else:
        _print(found)
    return 0 if found["impacts"]["gwp"] else 1


def _print(found: dict[str, Any]) -> None:
    impacts = found["impacts"]
    model, zone = found["model"] or "an unknown model", found["zone"] or "an unknown zone"
    place = f"{model} at {found['host']}, electricity of {zone}"
    click.echo(clean(f"{place}; by {found['method']}, catalog {found['catalog_version']}"))
    rows = [_row(one) for criterion in CRITERIA if (one := impacts[criterion.key])]
    if rows:
        show(rows, False)
    for kind in ("errors", "warnings"):
        for one in impacts[kind] or ():
            click.echo(clean(f"{one['code']}: {one['message']}"))
    for credit in found["credits"]:
        click.echo(clean(f"Credit: {credit}"))


def _row(impact: dict[str, Any]) -> dict[str, str]:
    ends = {end: f"{impact['value'][end]:.3g}" for end in ("min", "mean", "max")}
    return {"criterion": impact["name"], **ends, "unit": impact["unit"]}
