"""From electricity that is known to the five criteria: the same for every method."""

from __future__ import annotations

from math import nan
from typing import TYPE_CHECKING, Final

from impactree.values.figures import PARTS, Figures

if TYPE_CHECKING:
    from impactree.methods.situation import Deployment, Hardware, Mix, Site

__all__ = ["NOT_EMBODIED", "embodied_share", "figures_of_energy"]

NOT_EMBODIED: Final = (0.0,) * 9
LIFETIMES_S: Final = (5 * 365 * 24 * 3600.0, 3 * 365 * 24 * 3600.0)
"""As in impactree-1: depreciation over 5 years, and EcoLogits' 3 years."""
_UNKNOWN_PARTS: Final = (nan,) * len(PARTS)


def figures_of_energy(
    kwh: float, site: Site, mix: Mix, *, inside: bool, embodied: tuple[float, ...]
) -> Figures:
    """The figures of a call whose electricity is known.

    Args:
        kwh: The electricity, kWh.
        site: Where it was used.
        mix: What it was made of.
        inside: Whether ``kwh`` holds the data centre's overhead already; else PUE comes on top.
        embodied: Low, expected and high gwp, adpe and pe of making the hardware, as in Figures.
    """
    if inside:
        total = (kwh,) * 3
        it = tuple(kwh / pue for pue in reversed(site.pue))
    else:
        total = tuple(kwh * pue for pue in site.pue)  # type: ignore[assignment]
        it = (kwh,) * 3
    water = (i * own + e * mix.wue for i, own, e in zip(it, site.wue, total, strict=True))
    usage = (energy * factor for factor in mix[:3] for energy in total)
    return Figures(*total, *usage, *water, *embodied, *_UNKNOWN_PARTS)


def embodied_share(
    stated: Deployment, generic: Hardware | None, latency_s: float | None
) -> tuple[float, ...] | None:
    """Low, expected and high gwp, adpe and pe of making the accelerators that the user states.

    A call takes its time's share of their life, 3 to 5 years of use (as in impactree-1), divided
    by the requests that share a step. What nobody publishes of them, the generic one stands for.

    Returns:
        As in Figures; None where no accelerator is stated or the time is unknown.
    """
    sheet = stated.accelerator
    if sheet is None or latency_s is None:
        return None
    held = latency_s * (stated.count or 1) / (stated.batch_size or 1)
    out: list[float] = []
    for name in ("gwp", "adpe", "pe"):
        made = getattr(sheet, name) or getattr(generic, name, None)
        low, high = made or (nan, nan)
        ends = held * low / max(LIFETIMES_S), held * high / min(LIFETIMES_S)
        out += (ends[0], sum(ends) / 2, ends[1])
    return tuple(out)
