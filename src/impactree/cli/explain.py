"""``impactree explain``: how a figure came about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

import click

from impactree.calls import MEDIA_KINDS, Kind
from impactree.cli._printing import as_json_option, print_json, print_rich

if TYPE_CHECKING:
    import datetime as dt

__all__ = ["explain"]

_DAY = click.DateTime(["%Y-%m-%d"])
_COUNT = click.IntRange(0)
_MEDIA = ("resolution", "seconds", "sound", "count", "characters")


@click.command()
@click.argument("name")
@click.option("--provider", help="Who was asked, as the framework names them.")
@click.option("--requested", help="The name that was asked for, where it differs.")
@click.option("--base-url", help="Where the request went.")
@click.option("--at", type=_DAY, help="Day of the call, YYYY-MM-DD, for aliases that moved.")
@click.option("--zone", help="Electricity mix zone, e.g. FRA; WOR is the world.")
@click.option("--region", help="Cloud region, e.g. eu-west-3.")
@click.option("--kind", type=click.Choice(get_args(Kind)), default="chat", show_default=True)
@click.option("--input", "input_tokens", type=_COUNT, help="Input tokens, cached ones included.")
@click.option("--cached", "cached_input_tokens", type=_COUNT, help="Cached input tokens.")
@click.option("--tokens", type=_COUNT, default=1000, show_default=True, help="Output tokens.")
@click.option("--resolution", help="Of films and pictures: 1280x720, 720p, ...")
@click.option("--seconds", type=click.FloatRange(0, min_open=True), help="Of films and sound.")
@click.option("--sound/--no-sound", default=None, help="Whether a film has sound.")
@click.option("--count", type=click.IntRange(1), help="Films or pictures.")
@click.option("--characters", type=click.IntRange(1), help="Of a text that is spoken.")
@click.option("--latency", type=click.FloatRange(0), help="Duration of the request, s.")
@click.option("--energy-kwh", type=click.FloatRange(0), help="Its electricity, if it is known.")
@click.option("--method", help="Name of the method.")
@click.option(
    "--training", "include_training", is_flag=True, default=None, help="Also a share of training."
)
@as_json_option
def explain(
    name: str,
    tokens: int,
    latency: float | None,
    at: dt.datetime | None,
    as_json: bool,
    **asked: Any,
) -> int:
    """Show how NAME is read, every hypothesis with its source, and every step to the result."""
    from impactree.service.estimating import explanation

    day = at.date() if at else None
    given = {key: value for key in _MEDIA if (value := asked.pop(key)) is not None}
    if given and asked["kind"] not in MEDIA_KINDS:
        kinds = ", ".join(sorted(MEDIA_KINDS))
        raise click.UsageError(f"--{next(iter(given))} goes with --kind {kinds}")
    found = explanation(name, at=day, output_tokens=tokens, latency_s=latency, **given, **asked)
    if as_json:
        print_json(found.to_dict())
    else:
        print_rich(found)
    return 0 if found.impacts.estimated else 1
