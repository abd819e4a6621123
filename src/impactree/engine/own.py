"""Estimates with figures that whoever asks enters in place of the catalog's: the expert's way."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Final

from impactree.catalog._factors import UNITS, Factor, FactorSet
from impactree.engine.engine import Engine
from impactree.engine.hypotheses import SHAPE
from impactree.exceptions import ConfigurationError
from impactree.methods import METHODS, Params, Shape, Site
from impactree.values.messages import message
from impactree.values.range import Range

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable

    from impactree.calls import ModelCall
    from impactree.catalog import Electricity
    from impactree.engine.hypotheses import Hypothesis
    from impactree.engine.reading import Reading
    from impactree.values.messages import Message

__all__ = ["Own", "OwnEngine", "as_entered"]

_ENTERED: Final = "entered by whoever asked"
_SET: Final = FactorSet(
    id="entered",
    kind="entered",
    title=_ENTERED,
    boundary="by whoever asked",
    licence="",
    credit=None,
    sources=(),
    checked="",
)
_SHOWN: Final = {
    "total": "P_t, total parameters",
    "active": "P_a, active parameters",
    "pue": "PUE",
    "wue_dc": "WUE_dc, data centre",
    **{field: name for name, field, _ in SHAPE},
}
"""Figures with a hypothesis that names the catalog's source."""
_MIX: Final = ("gwp", "adpe", "pe", "wue")
_SHAPE: Final = Shape._fields
_OF_MODEL: Final = frozenset(
    {"model-arch-not-released", "model-prior", "model-family", "model-size-from-name"}
)
"""What is said of parameters that are not the entered ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Own:
    """Figures in place of the catalog's; None: the catalog's."""

    total: Range | None = None
    """Parameters, 10^9."""
    active: Range | None = None
    """Of them per token, 10^9; None: all of a dense model, else the catalog's, up to the total."""
    pue: Range | None = None
    wue_dc: Range | None = None
    """Water of the data centre, L/kWh."""
    gwp: float | None = None
    """Of the electricity, kgCO2eq/kWh; so the next ones: kgSbeq, MJ and L per kWh."""
    adpe: float | None = None
    pe: float | None = None
    wue: float | None = None
    layers: float | None = None
    experts: float | None = None
    """Routed experts of a layer; with those of them that one token visits."""
    active_experts: float | None = None
    kv_bytes: float | None = None
    """Cache of the full attention layers, bytes per token of context."""

    @property
    def entered(self) -> tuple[str, ...]:
        """The names of those that are not None."""
        return tuple(f.name for f in fields(self) if getattr(self, f.name) is not None)


class OwnEngine(Engine):
    """Another engine's settings, with figures of one's own in each of its readings."""

    def __init__(self, engine: Engine, own: Own) -> None:
        self.__dict__.update(engine.__dict__)
        self._plans = {}
        self._own = own
        shape = [name for name in own.entered if name in _SHAPE]
        if shape and not self.method.plans_hardware:
            able = ", ".join(name for name, one in METHODS.items() if one.plans_hardware)
            raise ConfigurationError(
                f"own.{shape[0]} has no effect by {self.method.name}; methods that use it: {able}"
            )
        if (own.experts is None) != (own.active_experts is None):
            name, other = "experts", "active_experts"
            name, other = (other, name) if own.experts is None else (name, other)
            raise ConfigurationError(f"own.{name}: it goes together with own.{other}")

    def _read(self, call: ModelCall, at: dt.date | None, name: Any = None) -> Reading:
        return _with_own(super()._read(call, at, name), self._own)

    def credits_for(self, calls: Iterable[ModelCall], at: dt.date | None = None) -> tuple[str, ...]:
        """Of the factors that are the catalog's still."""
        found = (credit for call in calls for credit in self.read(call, at).credits)
        return tuple(dict.fromkeys(found))


def as_entered(hypotheses: Iterable[Hypothesis], own: Own) -> tuple[Hypothesis, ...]:
    """The hypotheses, without the catalog's sources at the figures that were entered."""
    names = {_SHOWN[name] for name in own.entered if name in _SHOWN}
    bare = {"note": "", "sources": (), "checked": "", "year": "", "licence": ""}
    return tuple(
        replace(h, basis=_ENTERED, **bare) if h.name in names else h  # type: ignore[arg-type]
        for h in hypotheses
    )


def _with_own(found: Reading, own: Own) -> Reading:
    if found.errors or found.params is None or found.electricity is None:
        return found
    known = found.params
    found = replace(found, electricity=_electricity(found.electricity, own))
    found = _at_site(found, own)
    if own.total is not None or own.active is not None:
        found = _of_size(found, known, own)
    found = replace(found, shape=Shape(*(getattr(own, name) for name in _SHAPE)))
    _check_experts(found)
    return replace(found, warnings=tuple(_warnings(found, own)))


def _of_size(found: Reading, known: Params, own: Own) -> Reading:
    """With these parameters; what was measured of the catalog's model no longer holds."""
    total = own.total or Range(known.total_min, known.total_max)
    dense = (known.active_min, known.active_max) == (known.total_min, known.total_max)
    listed = Range(min(known.active_min, total.min), min(known.active_max, total.max))
    active = own.active or (total if dense else listed)
    if active.min > total.min or active.max > total.max:
        raise ConfigurationError(
            f"own.active: {active.min:g} to {active.max:g} of {total.min:g} to {total.max:g} "
            "(10^9): a model cannot have more active parameters than parameters"
        )
    record = found.resolution.record
    if record is not None:
        record = record._replace(architecture=None, tps=None, ttft=None, ecologits_total=None)
    size = {"total_params": total, "active_params": active, "record": record}
    return replace(
        found,
        params=Params(active.min, active.max, total.min, total.max),
        resolution=replace(found.resolution, **size),  # type: ignore[arg-type]
    )


def _check_experts(found: Reading) -> None:
    """Refuse experts that cannot hold the parameters which a token does not visit."""
    each, visited = found.shape.experts, found.shape.active_experts
    if each is None or visited is None or found.params is None:
        return
    if visited >= each:
        raise ConfigurationError(
            f"own.active_experts: {visited:g} of {each:g}: a token visits fewer experts than are"
        )
    record = found.resolution.record
    published = (record.architecture if record else None) or {}
    rows = published.get("input_embedding", 0)
    p = found.params
    for active, total in ((p.active_min, p.total_min), (p.active_max, p.total_max)):
        if active >= total:
            raise ConfigurationError(
                f"own.experts: all of {total:g} x 10^9 parameters are active: such a model has no "
                "experts; enter own.active, too"
            )
        if (total - rows) * visited / each > active - rows:
            raise ConfigurationError(
                f"own.active_experts: {visited:g} of {each:g} experts would be more than "
                f"{active:g} of {total:g} x 10^9 parameters"
            )


def _at_site(found: Reading, own: Own) -> Reading:
    site = found.site
    pue = own.pue or Range(site.pue_min, site.pue_max)
    water = own.wue_dc or Range(site.wue_min, site.wue_max)
    made = Site(pue.min, pue.max, water.min, water.max)
    if found.region is not None:
        return replace(found, region=found.region._replace(site=made))
    return replace(found, host=found.host._replace(site=made))


def _electricity(known: Electricity, own: Own) -> Electricity:
    entered = {name: getattr(own, name) for name in own.entered if name in _MIX}
    if "pe" in entered:
        entered["pe_nonrenewable"] = math.nan
    factors = {factor.metric: factor for factor in known.factors}
    for metric, value in entered.items():
        if math.isnan(value):
            factors.pop(metric, None)
            continue
        zone, unit = known.zone.id, UNITS[metric]
        factors[metric] = Factor(metric, value, unit, zone, None, _SET)
    return known._replace(mix=known.mix._replace(**entered), factors=tuple(factors.values()))


def _warnings(found: Reading, own: Own) -> Iterable[Message]:
    entered = own.entered
    sized = "total" in entered or "active" in entered
    shaped = {"layers", "kv_bytes"} <= {*entered}
    for one in found.warnings:
        of_mix = any(one.code.startswith(f"electricity-mix-{name}-") for name in entered)
        known = shaped and one.code.startswith("architecture-")
        country = one.code == "electricity-mix-country" and set(_MIX) <= set(entered)
        if not (of_mix or country or known or (sized and one.code in _OF_MODEL)):
            yield one
    if entered:
        yield message("figures-entered", f"({', '.join(entered)})")
