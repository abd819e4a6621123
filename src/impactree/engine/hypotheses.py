"""The figures that an estimate takes as given: of model, hardware, place and method."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from impactree.methods import Params
from impactree.values.formatting import exact

if TYPE_CHECKING:
    from collections.abc import Iterator

    from impactree.catalog import Factor, Resolution
    from impactree.engine.reading import Reading
    from impactree.methods import Method

__all__ = [
    "SHAPE",
    "Hypothesis",
    "of_hardware",
    "of_media",
    "of_method",
    "of_model",
    "of_place",
    "size_of",
    "stated",
]

_SYMBOLS: Final = {
    "gwp": "F_gwp",
    "adpe": "F_adpe",
    "pe": "F_pe",
    "pe_nonrenewable": "F_pe, non-renewable part",
    "wue": "WUE_grid",
}
_ANY: Final = "data/accelerators.toml: from the least to the most of an A100 to a B200"
_CFE: Final = ("https://github.com/GoogleCloudPlatform/region-carbon-info",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hypothesis:
    """One figure that the estimate takes as given."""

    name: str
    value: str
    unit: str
    basis: str
    """``published``, ``estimate``, ``leaked``, ``benchmark``, ``price``, ``name`` or ``prior``; or
    who says so."""
    note: str = ""
    sources: tuple[str, ...] = ()
    checked: str = ""
    kind: str = ""
    """What a factor counts; a direct one and a life-cycle one are not the same figure."""
    year: str = ""
    """The year that a factor describes, or ``not stated``; empty for what is no factor."""
    licence: str = ""
    """Under which licence a factor stands, or ``not stated``; empty for what is no factor."""


def stated(year: int | str | None) -> str:
    """A year as it is shown."""
    return "not stated" if year is None else str(year)


def of_place(found: Reading) -> Iterator[Hypothesis]:
    """PUE and WUE of the data centre, and every factor of its electricity."""
    place, site = found.place, found.site
    told: dict[str, Any] = {
        "basis": f"{'host' if place is found.host else 'region'} {place.id}",
        "note": place.note or "",
        "sources": place.sources,
        "checked": place.checked,
        "licence": place.licence,
    }
    pue, wue = exact(site.pue_min, site.pue_max), exact(site.wue_min, site.wue_max)
    yield Hypothesis(name="PUE", value=pue, unit="", year=stated(place.pue_year), **told)
    name = "WUE_dc, data centre"
    yield Hypothesis(name=name, value=wue, unit="L/kWh", year=stated(place.wue_year), **told)
    if found.electricity is not None:
        for factor in found.electricity.factors:
            yield _of_factor(factor, found)
    yield from _of_contracts(found, told)


def _of_contracts(found: Reading, told: dict[str, Any]) -> Iterator[Hypothesis]:
    """What the operator says of its electricity: shown beside, no part of any criterion but one."""
    if (market := found.place.market) is not None:
        yield Hypothesis(
            name="F_gwp, market-based",
            value=f"{market.value:g}",
            unit="kgCO2eq/kWh",
            year=stated(market.year),
            kind="market-based; the operator's claim, by its contracts",
            **told,
        )
    if found.region is not None and (free := found.region.carbon_free) is not None:
        yield Hypothesis(
            name="CFE, carbon-free energy",
            value=f"{free.value:g}",
            unit="",
            year=stated(free.year),
            kind="share of the hours' energy; the operator's claim, not used",
            **{**told, "sources": _CFE, "licence": "Apache-2.0"},
        )


def _of_factor(factor: Factor, found: Reading) -> Hypothesis:
    source, zone = factor.source, found.zone
    own = zone is not None and factor.zone == zone.id
    name = f" ({zone.name})" if zone is not None and own else ""
    missing = "; no open figure" if factor.value is None else ""
    return Hypothesis(
        name=f"{_SYMBOLS[factor.metric]}, electricity",
        value="unknown" if factor.value is None else f"{factor.value:.6g}",
        unit=factor.unit,
        basis=f"zone {factor.zone}{name}",
        kind=f"{source.kind}; {source.boundary}",
        note=f"chosen by {found.zone_origin}{missing}",
        sources=source.sources,
        checked=source.checked,
        year=stated(factor.year),
        licence=source.licence,
    )


def size_of(resolution: Resolution) -> Params | None:
    """The size of a model that the method does not cover, where one is known."""
    total, active = resolution.total_params, resolution.active_params
    if total is None or active is None:
        return None
    return Params(active.min, active.max, total.min, total.max)


def of_media(found: Reading) -> Iterator[Hypothesis]:
    """Of a model that makes films or pictures: its regression, and the machine it runs on."""
    record = found.resolution.record
    video = record.video if record else None
    if found.kind == "image" and found.generic is not None:
        for name, unit in (("gwp", "kgCO2eq"), ("adpe", "kgSbeq"), ("pe", "MJ")):
            value = exact(*getattr(found.generic, name))
            yield Hypothesis(name=f"U_{name}, any accelerator", value=value, unit=unit, basis=_ANY)
    if found.kind != "video" or video is None:
        return
    told: dict[str, Any] = {
        "basis": "published",
        "sources": tuple(video["sources"]),
        "checked": video["checked"],
        "licence": found.host.licence,
    }
    for name, value in video["latency"].items():
        yield Hypothesis(name=f"{name}, time of a film", value=f"{value:g}", unit="s", **told)
    low, _, high = video["power"]
    yield Hypothesis(name="P, the machine", value=exact(low, high), unit="W", **told)
    frames = exact(min(video["frames"]), max(video["frames"]))
    listed = f"{', '.join(video['resolutions'])}; {frames} frames"
    yield Hypothesis(name="films it is listed with", value=listed, unit="", **told)
    yield Hypothesis(name="without sound", value=f"{video['silent']:g}", unit="x T", **told)
    names = ("GWP", "kgCO2eq"), ("ADPe", "kgSbeq"), ("PE", "MJ")
    for (name, unit), rest, one in zip(names, video["rest"], video["accelerator"], strict=True):
        value = f"{rest:g} + {video['accelerators']} x {one:g}"
        yield Hypothesis(name=f"embodied {name}, machine", value=value, unit=unit, **told)


def of_method(method: Method) -> list[Hypothesis]:
    """The constants of the equations."""
    return [
        Hypothesis(
            name=f"{c.symbol}, {c.name}",
            value=f"{c.value:.6g}",
            unit=c.unit,
            basis=f"method {method.name}",
            note=c.note,
            sources=(c.source,),
            checked=method.checked,
            year=stated(c.year),
            licence=c.licence,
        )
        for c in method.constants()
    ]


def of_hardware(found: Reading) -> list[Hypothesis]:
    """Architecture and hardware that a plan is made with."""
    known = found.deployment
    sheets = (known.accelerator,) if known.accelerator else found.stand_ins
    told = {
        "accelerator": " or ".join(sheet.id for sheet in sheets),
        "G, accelerators": "unknown" if known.count is None else str(known.count),
        "B, batch": "8 to 256" if known.batch_size is None else f"{known.batch_size:g}",
        "precision": known.precision or "unknown",
    }
    basis = "the setting deployment, where it says so"
    return [
        *_of_architecture(found),
        *(Hypothesis(name=n, value=v, unit="", basis=basis) for n, v in told.items()),
    ]


def _of_architecture(found: Reading) -> Iterator[Hypothesis]:
    """Published, or typical of that many parameters, or entered by whoever asks."""
    record = found.resolution.record
    published = record.architecture if record else None
    told: dict[str, Any] = {"basis": "regression", "note": "typical of that many parameters"}
    if published is not None:
        told = {name: published[key] for name, key in _TOLD.items()}
    for name, key, unit in SHAPE:
        entered = getattr(found.shape, key)
        value = entered if published is None or entered is not None else published.get(key, 1)
        if value is None:
            yield Hypothesis(name=name, value="from P_a", unit="", **told)
        else:
            yield Hypothesis(name=name, value=f"{value:g}", unit=unit, **told)


SHAPE: Final = (
    ("L, layers", "layers", ""),
    ("E, experts of a layer", "experts", ""),
    ("k, active experts", "active_experts", ""),
    ("cache of full attention", "kv_bytes", "bytes per token"),
)
"""What is shown of an architecture: name, field, unit."""
_TOLD: Final = {"basis": "status", "note": "source", "checked": "checked"}


def of_model(found: Reading, p: Params, prior: dict[str, Any]) -> list[Hypothesis]:
    """The model's parameters, and its measured speed where there is one."""
    record = found.resolution.record
    told: dict[str, Any]
    if found.resolution.total_params is None:
        told = {"basis": "prior", "note": prior["rationale"], **_sourced(prior)}
    elif record is None:
        told = {"basis": "name", "note": found.resolution.how}
    else:
        told = {
            "basis": record.basis or "",
            "note": record.rationale or "",
            "sources": record.sources,
            "checked": record.checked,
        }
    rows = [
        Hypothesis(name=name, value=exact(low, high), unit="10^9 parameters", **told)
        for name, low, high in (
            ("P_t, total parameters", p.total_min, p.total_max),
            ("P_a, active parameters", p.active_min, p.active_max),
        )
    ]
    for name, value, unit in (("tps", p.tps, "tokens/s"), ("ttft", p.ttft, "s")):
        if value is not None:
            measured = {**told, "basis": "benchmark", "note": "measured at the maker's API"}
            rows.append(Hypothesis(name=name, value=f"{value:g}", unit=unit, **measured))
    return rows


def _sourced(raw: dict[str, Any]) -> dict[str, Any]:
    return {"sources": tuple(raw["sources"]), "checked": raw["checked"]}
