"""The catalog's entries, and the answer to "which model was that?", as values."""

# No annotations from __future__: a NamedTuple compiles each that is a string when it is imported.
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

from impactree.methods import Mix, Site
from impactree.values.range import Range

__all__ = [
    "Disclosure",
    "Equivalent",
    "Host",
    "ModelRecord",
    "Region",
    "Resolution",
    "Share",
    "Zone",
]


class ModelRecord(NamedTuple):
    """One entry of ``data/models``. Parameters in 10^9; times in s."""

    id: str
    maker: str
    kind: str = "chat"
    total: Range | None = None
    active: Range | None = None
    ecologits_total: Range | None = None
    """Total by EcoLogits where it is not the model's, for methods that take EcoLogits' figures."""
    tps: float | None = None
    ttft: float | None = None
    weights: str = "closed"
    precision: str | None = None
    warnings: tuple[str, ...] = ()
    basis: str | None = None
    rationale: str | None = None
    via: str | None = None
    sources: tuple[str, ...] = ()
    checked: str = ""
    valid_from: str | None = None
    aliases: tuple[str, ...] = ()
    architecture: dict[str, Any] | None = None
    """What a step reads and computes, as in ``data/architectures.toml``; None: not published."""
    training: dict[str, Any] | None = None
    """What its training cost, as in ``data/training.toml``; None: not published."""
    video: dict[str, Any] | None = None
    """How long a film takes on which machine, as in ``data/video.toml``; None: not known."""

    @property
    def is_closed(self) -> bool:
        """Whether nobody but the maker and its hosts can run the model."""
        return self.weights == "closed" and (
            self.basis != "published" or "model-arch-not-released" in self.warnings
        )

    @property
    def is_from_ecologits(self) -> bool:
        """Whether the figure is one of EcoLogits' own."""
        return self.via is not None and self.via.startswith("ecologits")

    @classmethod
    def read(cls, raw: dict[str, Any]) -> Self:
        """From the compiled catalog."""
        total = Range(*raw["total"]) if "total" in raw else None
        return cls(
            id=raw["id"],
            maker=raw["maker"],
            kind=raw.get("kind", "chat"),
            total=total,
            active=Range(*raw["active"]) if "active" in raw else total,
            ecologits_total=Range(*raw["ecologits_total"]) if "ecologits_total" in raw else None,
            tps=raw.get("tps"),
            ttft=raw.get("ttft"),
            weights=raw.get("weights", "closed"),
            precision=raw.get("precision"),
            warnings=tuple(raw.get("warnings", ())),
            basis=raw.get("basis"),
            rationale=raw.get("rationale"),
            via=raw.get("via"),
            sources=tuple(raw["sources"]),
            checked=raw["checked"],
            valid_from=raw.get("from"),
            aliases=tuple(raw.get("aliases", ())),
            architecture=raw.get("architecture"),
            training=raw.get("training"),
            video=raw.get("video"),
        )


class Share(NamedTuple):
    """A figure of an operator about its electricity, with the year it describes."""

    value: float
    year: int


def _place(raw: dict[str, Any]) -> dict[str, Any]:
    """What hosts and regions have in common."""
    market = raw.get("market")
    return {
        "id": raw["id"],
        "zone": raw["zone"],
        "subzone": raw.get("subzone"),
        "site": Site(*raw["pue"], *raw["wue"]),
        "pue_year": raw.get("pue_year"),
        "wue_year": raw.get("wue_year"),
        "market": Share(market["gwp"], market["year"]) if market else None,
        "licence": raw["licence"],
        "note": raw.get("note"),
        "sources": tuple(raw["sources"]),
        "checked": raw["checked"],
    }


class Host(NamedTuple):
    """Who runs a model: zone, PUE and WUE (L/kWh)."""

    id: str
    name: str
    zone: str
    site: Site
    subzone: str | None = None
    """State, province or bidding zone, where known."""
    pue_year: int | None = None
    """The year that the PUE describes; None: not stated."""
    wue_year: int | None = None
    market: Share | None = None
    """Its own market-based factor, kgCO2eq/kWh."""
    licence: str = "not stated"
    names: tuple[str, ...] = ()
    base_urls: tuple[str, ...] = ()
    regions: str | None = None
    accelerators: tuple[str, ...] = ()
    """Ids of what it says it runs models on."""
    passes_through: bool = False
    local: bool = False
    warnings: tuple[str, ...] = ()
    note: str | None = None
    via: str | None = None
    sources: tuple[str, ...] = ()
    checked: str = ""

    @classmethod
    def read(cls, raw: dict[str, Any]) -> Self:
        """From the compiled catalog."""
        return cls(
            **_place(raw),
            name=raw["name"],
            names=tuple(n.lower() for n in raw.get("names", ())),
            base_urls=tuple(u.lower() for u in raw.get("base_urls", ())),
            regions=raw.get("regions"),
            accelerators=tuple(raw.get("accelerators", ())),
            passes_through=raw.get("passes_through", False),
            local=raw.get("local", False),
            warnings=tuple(raw.get("warnings", ())),
            via=raw.get("via"),
        )


class Region(NamedTuple):
    """A cloud's region: zone, PUE and WUE (L/kWh)."""

    id: str
    cloud: str
    zone: str
    site: Site
    subzone: str | None = None
    """State, province or bidding zone, where known."""
    pue_year: int | None = None
    """The year that the PUE describes; None: not stated."""
    wue_year: int | None = None
    market: Share | None = None
    """The operator's own market-based factor, kgCO2eq/kWh."""
    carbon_free: Share | None = None
    """Share of its electricity that the operator says is free of carbon, hour by hour."""
    licence: str = "not stated"
    name: str | None = None
    note: str | None = None
    sources: tuple[str, ...] = ()
    checked: str = ""

    @classmethod
    def read(cls, raw: dict[str, Any]) -> Self:
        """From the compiled catalog."""
        free = raw.get("carbon_free")
        return cls(
            **_place(raw),
            cloud=raw["cloud"],
            carbon_free=Share(free["share"], free["year"]) if free else None,
            name=raw.get("name"),
        )


class Zone(NamedTuple):
    """An electricity mix zone: a country, the world, or a part of a country."""

    id: str
    name: str
    mix: Mix
    """EcoLogits' factors, or the user's own; of a part of a country the country's."""
    parent: str | None = None
    """The country that it is a part of."""
    level: str = "country"
    gwp_year: int | None = None
    """The year of ``mix.gwp``; None: not stated."""
    file: str = ""
    """The file that holds the mix."""
    warnings: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    checked: str = ""

    @classmethod
    def read(cls, code: str, row: list[Any]) -> Self:
        """From the compiled catalog."""
        gwp, adpe, pe, wue, gwp_year, file, name, warnings, sources, checked = row
        return cls(
            id=code,
            name=name,
            mix=Mix(gwp, adpe, pe, wue),
            gwp_year=gwp_year,
            file=file,
            warnings=tuple(warnings),
            sources=tuple(sources),
            checked=checked,
        )


class Disclosure(NamedTuple):
    """What a maker published about its own models or service."""

    maker: str
    models: tuple[str, ...]
    """Beginnings of the ids of the models it is about."""
    subject: str
    figure: float
    unit: str
    metric: str
    boundary: str
    tokens: str
    date: str
    status: str
    """How the figure was read."""
    note: str | None = None
    sources: tuple[str, ...] = ()
    checked: str = ""

    @classmethod
    def read(cls, raw: dict[str, Any]) -> Self:
        """From the compiled catalog."""
        return cls(**{**raw, "models": tuple(raw["models"]), "sources": tuple(raw["sources"])})

    def __str__(self) -> str:
        return f"{self.figure:g} {self.unit}, {self.metric}: {self.subject} ({self.date})"


class Equivalent(NamedTuple):
    """Something of daily life, and what one of it has of a criterion."""

    id: str
    name: str
    """What follows the number: ``by car``, ``smartphone charges``."""
    metric: str
    """The criterion: ``energy``, ``gwp`` or ``wcf``."""
    value: float
    """Per one, in the criterion's unit: kWh, kgCO2eq or L."""
    unit: str
    """``km``, ``h``, ``L``, or ``one`` of what is counted."""
    year: int
    licence: str
    single: str | None = None
    """The name of one, where it is counted."""
    place: str | None = None
    """Where it holds; None: everywhere."""
    basis: str = "published"
    """``published``, ``physics``, or ``definition``: a convention of ours, which has no source."""
    note: str | None = None
    credit: str | None = None
    """What the licence wants to be shown beside it."""
    sources: tuple[str, ...] = ()
    checked: str = ""

    @classmethod
    def read(cls, raw: dict[str, Any]) -> Self:
        """From the compiled catalog."""
        return cls(**{**raw, "sources": tuple(raw["sources"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """What a name stands for. Parameters in 10^9."""

    model: str | None
    """The catalog's id; None when nothing is known."""
    maker: str | None
    """Who trained it: a slug listed in ``data/models``."""
    host: str | None
    """Who runs it: a slug listed in ``data/hosts.toml``."""
    grade: str
    """How sure that is: one of :data:`impactree.values.grades.GRADES`."""
    kind: str
    """``chat``, ``completion``, ``embedding``, ``rerank``, or what else the model makes."""
    total_params: Range | None
    active_params: Range | None
    record: ModelRecord | None = None
    """The catalog entry behind the figures."""
    zone: str | None = None
    """The electricity zone that the name itself tells (``eu.anthropic...``)."""
    region: str | None = None
    """The cloud region that the name or the address states."""
    how: str = ""
    """One sentence: how the name was read."""
    is_other: bool = False
    """Whether some other model answers by the name of one that cannot run there."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values, without the entry behind them."""
        sizes = {"total_params": self.total_params, "active_params": self.active_params}
        return {
            **{name: getattr(self, name) for name in ("model", "maker", "host", "grade", "kind")},
            **{name: size.to_dict() if size else None for name, size in sizes.items()},
            **{name: getattr(self, name) for name in ("zone", "region", "how")},
        }
