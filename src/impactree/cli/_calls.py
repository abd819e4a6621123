"""What commands about one call ask for: its names, place, tokens, and by what it is estimated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

import click

from impactree.calls import MEDIA_KINDS, Kind

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["DAY", "call_options", "key_values", "take_media"]

DAY = click.DateTime(["%Y-%m-%d"])
_COUNT = click.IntRange(0)
_MEDIA = ("resolution", "seconds", "sound", "count", "characters")


def key_values(text: str, example: str) -> dict[str, Any]:
    """``accelerator=H100,count=2`` as a dict; what looks like a number is one.

    Raises:
        UsageError: shows the example.
    """
    pairs = [part.partition("=") for part in text.split(",")]
    if not all(key.strip() and equals and value.strip() for key, equals, value in pairs):
        raise click.UsageError(f"{text!r:.80} is not in the form {example}")
    return {key.strip(): _value(value.strip()) for key, _, value in pairs}


def _value(text: str) -> str | int | float:
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            continue
    return text


def _deployment(_: click.Context, __: click.Parameter, text: str | None) -> dict[str, Any] | None:
    return None if text is None else key_values(text, "accelerator=H100,count=2,batch_size=32")


_OPTIONS = (
    click.option("--provider", help="Who was asked, as the framework names them."),
    click.option("--requested", help="The name that was asked for, where it differs."),
    click.option("--base-url", help="Where the request went."),
    click.option("--at", type=DAY, help="Day of the call, YYYY-MM-DD, for aliases that moved."),
    click.option("--zone", help="Electricity mix zone, e.g. FRA; WOR is the world."),
    click.option("--region", help="Cloud region, e.g. eu-west-3."),
    click.option("--kind", type=click.Choice(get_args(Kind)), default="chat", show_default=True),
    click.option(
        "--input", "input_tokens", type=_COUNT, help="Input tokens, cached ones included."
    ),
    click.option("--cached", "cached_input_tokens", type=_COUNT, help="Cached input tokens."),
    click.option("--tokens", type=_COUNT, default=1000, show_default=True, help="Output tokens."),
    click.option("--resolution", help="Of films and pictures: 1280x720, 720p, ..."),
    click.option("--seconds", type=click.FloatRange(0, min_open=True), help="Of films and sound."),
    click.option("--sound/--no-sound", default=None, help="Whether a film has sound."),
    click.option("--count", type=click.IntRange(1), help="Films or pictures."),
    click.option("--characters", type=click.IntRange(1), help="Of a text that is spoken."),
    click.option("--latency", type=click.FloatRange(0), help="Duration of the request, s."),
    click.option("--energy-kwh", type=click.FloatRange(0), help="Its electricity, if known."),
    click.option("--method", help="Name of the method."),
    click.option(
        "--training",
        "include_training",
        is_flag=True,
        default=None,
        help="Also a share of training.",
    ),
    click.option(
        "--deployment",
        callback=_deployment,
        help="Hardware, by impactree-1: accelerator=H100,count=2,batch_size=32,precision=fp8.",
    ),
)


def call_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of a call."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def take_media(asked: dict[str, Any]) -> dict[str, Any]:
    """What is said of pictures, films and sound, taken out of the options.

    Raises:
        UsageError: the kind of the call is none of these.
    """
    given = {key: value for key in _MEDIA if (value := asked.pop(key)) is not None}
    if given and asked["kind"] not in MEDIA_KINDS:
        kinds = ", ".join(sorted(MEDIA_KINDS))
        raise click.UsageError(f"--{next(iter(given))} goes with --kind {kinds}")
    return given
