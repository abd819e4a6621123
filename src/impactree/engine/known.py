"""The impacts of a call whose energy is known: measured, modelled or reported, not estimated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from impactree.engine.places import zone_error
from impactree.methods.known import NOT_EMBODIED, embodied_share, figures_of_energy
from impactree.values.impacts import Impacts
from impactree.values.messages import Message, message

if TYPE_CHECKING:
    from impactree.calls import ModelCall
    from impactree.catalog import Catalog
    from impactree.engine.reading import Reading

__all__ = ["OF_ELECTRICITY", "impacts_of_known"]

OF_ELECTRICITY: Final = ("electricity-", "region-", "host-unknown")
"""What the codes begin with that say something of the place, not of the model."""


def impacts_of_known(
    catalog: Catalog, call: ModelCall, found: Reading, estimated: Impacts, market: float | None
) -> Impacts:
    """The known energy with PUE and electricity mix on top.

    They belong to no method: such impacts add to those of any.

    Args:
        catalog: Knows the zones, of which the call's may be none.
        call: One that knows its energy.
        found: How its names were read.
        estimated: What the method estimates of the same call: what making the hardware of others
            costs is taken from there.
        market: The operator's market-based factor, kgCO2eq/kWh.
    """
    energy = call.energy
    assert energy is not None  # noqa: S101
    if not energy.by_source:
        errors = tuple(map(message, energy.notes))
        return Impacts(None, errors=errors, grade=found.resolution.grade)
    if found.electricity is None:
        wrong = zone_error(catalog, call.zone or "")
        return Impacts(None, errors=(wrong,), grade=found.resolution.grade)
    embodied, warnings = _embodied(call, found, estimated)
    mix = found.electricity.mix
    inside = energy.boundary == "facility"
    figures = figures_of_energy(energy.kwh, found.site, mix, inside=inside, embodied=embodied)
    factor = figures.energy_mean / energy.kwh if energy.kwh else 1.0
    return Impacts(
        figures,
        market=None if market is None else figures.market_based(market),
        training=estimated.training,
        warnings=(*_of_energy(call, found), *warnings),
        grade=found.resolution.grade,
        by_source=tuple((source, kwh * factor) for source, kwh in energy.by_source),
    )


def _of_energy(call: ModelCall, found: Reading) -> tuple[Message, ...]:
    """What is to be said of the electricity and of how it is known."""
    energy = call.energy
    assert energy is not None  # noqa: S101
    said = [one for one in found.warnings if one.code.startswith(OF_ELECTRICITY)]
    sources = dict(energy.by_source)
    if "modelled" in sources:
        said.append(message("energy-modelled"))
    if energy.boundary is None:
        said.append(message("energy-boundary-unknown"))
    if energy.boundary == "gpu":
        said.append(message("energy-of-gpu"))
    if energy.alone is None:
        said.append(message("energy-alone-unknown"))
    if energy.alone is False:
        said.append(message("energy-shared"))
    return (*said, *map(message, energy.notes))


def _embodied(
    call: ModelCall, found: Reading, estimated: Impacts
) -> tuple[tuple[float, ...], tuple[Message, ...]]:
    """Making the hardware: of others' as estimated, of one's own where the user states it."""
    if not found.host.local:
        if estimated.figures is not None:
            codes = {one.code for one in found.warnings if one.code.startswith(OF_ELECTRICITY)}
            told = [one for one in estimated.warnings if one.code not in codes]
            return estimated.figures[15:24], tuple(told)
        return NOT_EMBODIED, (message("embodied-not-counted", "The method does not estimate it."),)
    share = embodied_share(found.deployment, found.generic, call.latency_s)
    if share is None:
        return NOT_EMBODIED, (message("embodied-not-counted"),)
    return share, ()
