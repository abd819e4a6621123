"""Why a figure is what it is: the name, every hypothesis, every intermediate, the result."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Unpack

from impactree.calls import MEDIA_KINDS, KnownEnergy, Media, ModelCall, Tokens
from impactree.catalog._catalog import as_day
from impactree.engine.engine import shared_engine
from impactree.engine.hypotheses import (
    Hypothesis,
    of_hardware,
    of_media,
    of_method,
    of_model,
    of_place,
    size_of,
)
from impactree.engine.training import of_training, training_steps
from impactree.methods import METHODS
from impactree.values.criteria import CRITERIA, GWP_MARKET
from impactree.values.formatting import exact, shares
from impactree.values.impacts import Impacts
from impactree.values.sources import source_shares_text

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Mapping

    from rich.console import RenderableType
    from rich.table import Table

    from impactree.calls import Kind
    from impactree.catalog import Disclosure, Resolution
    from impactree.engine.engine import Engine
    from impactree.engine.reading import Reading
    from impactree.engine.settings import EngineSettings
    from impactree.methods import Step
    from impactree.values.impacts import Impacts

__all__ = ["Explanation", "Hypothesis", "explain", "explained"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """All that an estimate rests on; ``print`` it, or read :meth:`to_dict`."""

    call: ModelCall
    resolution: Resolution
    method: str
    citation: str
    catalog_version: str
    zone: str
    """The electricity mix zone and who chose it; empty where the zone is unknown."""
    hypotheses: tuple[Hypothesis, ...]
    steps: tuple[Step, ...]
    impacts: Impacts
    disclosures: tuple[Disclosure, ...] = ()
    """What the maker published about the model, or about a service that it answers in."""
    credits: tuple[str, ...] = ()
    """What the licences of the factors want to be shown."""
    estimates: dict[str, Impacts] = field(default_factory=dict)
    """Of a call whose energy is known: what each method says of it."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        call = {name: value for name, value in self.call.to_dict().items() if value is not None}
        return {
            "call": call,
            "resolution": self.resolution.to_dict(),
            "method": self.method,
            "citation": self.citation,
            "catalog_version": self.catalog_version,
            "zone": self.zone,
            "hypotheses": [asdict(h) for h in self.hypotheses],
            "steps": [_plain(s) for s in self.steps],
            "impacts": self.impacts.to_dict(),
            "disclosures": [d._asdict() for d in self.disclosures],
            "credits": list(self.credits),
            "estimates": {name: found.to_dict() for name, found in self.estimates.items()},
        }

    def __str__(self) -> str:
        return "\n".join(_lines(self))

    def __rich__(self) -> RenderableType:
        return _render(self)


def explain(
    name: str,
    provider: str | None = None,
    *,
    requested: str | None = None,
    base_url: str | None = None,
    kind: Kind = "chat",
    input_tokens: int | None = None,
    cached_input_tokens: int | None = None,
    output_tokens: int | None = 1000,
    latency_s: float | None = None,
    media: Media | None = None,
    energy_kwh: float | Mapping[str, float] | None = None,
    at: dt.date | str | None = None,
    **settings: Unpack[EngineSettings],
) -> Explanation:
    """Show how a model's name is read and what an estimate for it rests on.

    Args:
        name: The model's name as a client, cloud, gateway or server reports it.
        provider: Who was asked; this, ``requested`` and ``base_url`` as for ``resolve``.
        requested: The name that was asked for, where it differs.
        base_url: Where the request went.
        kind: Of the call.
        input_tokens: Read, those from a cache included; None: unknown.
        cached_input_tokens: Of the input, from the provider's prompt cache.
        output_tokens: Written, reasoning included; None: unknown. Embedders write none.
        media: What calls of pictures, films and sound make or take in, in place of tokens.
        latency_s: Measured duration of the request, s; None: not measured.
        energy_kwh: Its electricity where it is known, kWh, a number or by source; the methods'
            estimates then stand beside.
        at: Day of the call (a date or ``YYYY-MM-DD``), for what changed since; None: today.
        **settings: See :class:`impactree.engine.settings.EngineSettings`.

    Raises:
        ConfigurationError: a setting is wrong.
        ValueError: ``at`` is a string that is no date.
    """
    tokens = Tokens(input=input_tokens, cached_input=cached_input_tokens, output=output_tokens)
    tokens = _quantities(kind, tokens, media)
    call = ModelCall(model=name, provider=provider, kind=kind, tokens=tokens, latency_s=latency_s)
    call = replace(call, requested=requested, base_url=base_url)
    if energy_kwh is not None:
        call = replace(call, energy=KnownEnergy.of(energy_kwh))
    return explained(shared_engine(**settings), call, as_day(at))


def _plain(step: Step) -> dict[str, Any]:
    """A step as plain values; what no open factor gives is None, as in impacts."""
    return {k: None if v != v else v for k, v in step._asdict().items()}  # noqa: PLR0124


def _quantities(kind: Kind, tokens: Tokens, media: Media | None) -> Tokens:
    if kind in MEDIA_KINDS:
        return media or Media()
    return tokens if kind in ("chat", "completion") else replace(tokens, output=0)


def explained(engine: Engine, call: ModelCall, at: dt.date | None) -> Explanation:
    """As :func:`explain`, of a call, by an engine."""
    found = engine.read(call, at)
    steps: list[Step] = []
    situation, method = found.situation, engine.method_for(call.kind)
    if situation is not None and not method.judge(call.tokens, call.kind).errors:
        steps = method.steps(method.plan(situation), call.tokens, call.latency_s)
    if engine.sharing is not None:
        steps += training_steps(found, engine.sharing, engine.catalog.rules.training)
    return Explanation(
        call=call,
        resolution=found.resolution,
        method=engine.method.name,
        citation=method.citation,
        catalog_version=engine.catalog.version,
        hypotheses=tuple(_hypotheses(found, engine)),
        zone=f"{found.zone.id} ({found.zone.name}), chosen by {found.zone_origin}"
        if found.zone
        else "",
        steps=tuple(steps),
        disclosures=engine.catalog.disclosed(found.resolution.record),
        credits=found.credits,
        impacts=engine.estimate(call, at=at),
        estimates={} if call.energy is None else _estimates(engine, call, at),
    )


def _estimates(engine: Engine, call: ModelCall, at: dt.date | None) -> dict[str, Impacts]:
    """What each method says of a call whose energy is known."""
    bare = replace(call, energy=None)
    return {name: engine.by(name).estimate(bare, at=at) for name in METHODS}


def _hypotheses(found: Reading, engine: Engine) -> list[Hypothesis]:
    params = found.params or size_of(found.resolution)
    method = engine.method_for(found.kind)
    if params is None:
        return []
    of_text = method is engine.method
    rows = of_model(found, params, engine.catalog.rules.prior) if of_text else [*of_media(found)]
    if found.params is not None and found.zone is not None:
        hardware = of_hardware(found) if method.plans_hardware else ()
        rows += [*hardware, *of_place(found), *of_method(method)]
    if engine.sharing is not None:
        rows += of_training(found, engine.sharing, engine.catalog.rules.training)
    return rows


def _asked(e: Explanation) -> str:
    from impactree.values.formatting import clean

    provider = f" at {clean(e.call.provider)}" if e.call.provider else ""
    latency = "not measured" if e.call.latency_s is None else f"= {e.call.latency_s:g} s"
    n = "unknown" if e.call.output_tokens is None else f"{e.call.output_tokens:,}"
    name = clean(e.call.model) or "(no name)"
    if e.call.media is not None:
        said = ", ".join(f"{key} {value}" for key, value in e.call.media.known().items())
        return f"{name}{provider}: {e.call.kind}, {said or 'nothing known'}, latency L {latency}"
    known = [f"N = {n} output tokens"]
    if e.call.input_tokens is not None:
        known.insert(0, f"{e.call.input_tokens:,} input tokens")
    if e.call.cached_input_tokens:
        known[0] += f" ({e.call.cached_input_tokens:,} cached)"
    return f"{name}{provider}: {', '.join(known)}, latency L {latency}"


def _facts(e: Explanation) -> list[tuple[str, str]]:
    r = e.resolution
    facts = [
        ("read as", r.model or "no model of the catalog"),
        ("how", r.how),
        ("grade", r.grade),
        ("kind", r.kind),
        ("maker", r.maker or "unknown"),
        ("host", r.host or "unknown"),
        ("method", f"{e.method} ({e.citation})"),
        ("catalog", e.catalog_version),
    ]
    if e.zone:
        facts.append(("zone", e.zone))
    if r.region:
        facts.append(("region", r.region))
    return facts


def _results(e: Explanation) -> list[tuple[str, str, str]]:
    found = [(c.name, getattr(e.impacts, c.key)) for c in (*CRITERIA, GWP_MARKET)]
    training = e.impacts.training
    found += [(f"Training: {c.name}", getattr(training, c.key, None)) for c in CRITERIA]
    rows = [
        (name, str(impact), f"{exact(impact.value.min, impact.value.max)} {impact.unit}")
        for name, impact in found
        if impact is not None
    ]
    for name, estimate in e.estimates.items():
        for what in (estimate.energy, estimate.gwp):
            if what is not None:
                ends = f"{exact(what.value.min, what.value.max)} {what.unit}"
                rows.append((f"Estimated by {name}: {what.name}", str(what), ends))
    if e.impacts.by_source is not None:
        rows.append(("Where the figure is from", source_shares_text(e.impacts), ""))
    if parts := e.impacts.energy_parts:
        figures = ", ".join(f"{name} {part:g}" for name, part in parts.items() if part)
        rows.append(("Where the energy goes", shares(parts), f"{figures} kWh"))
    return rows


def _note(h: Hypothesis) -> str:
    told = ", ".join(filter(None, (h.year and f"year {h.year}", h.licence)))
    return "; ".join(filter(None, (h.kind, h.note.removesuffix("."), told)))


_Source = tuple[tuple[str, ...], str]
"""Pages, and the day they were checked."""


def _source(h: Hypothesis) -> _Source:
    return h.sources, h.checked


def _sources(e: Explanation) -> dict[_Source, str]:
    """What the hypotheses rest on, numbered: a few pages stand behind many of them."""
    found = dict.fromkeys(_source(h) for h in e.hypotheses if h.sources)
    return {source: f"({number})" for number, source in enumerate(found, 1)}


def _pages(numbered: dict[_Source, str]) -> list[tuple[str, str, str]]:
    return [
        (number, checked, page) for (pages, checked), number in numbered.items() for page in pages
    ]


def _step(step: Step) -> tuple[str, str, str, str]:
    value = f"{exact(step.min, step.max)} {step.unit}".strip()
    return step.symbol, step.name, value, step.equation


def _disclosed(d: Disclosure) -> str:
    return f"{d}; {d.boundary}; tokens: {d.tokens}; {d.status} {' '.join(d.sources)}"


def _messages(e: Explanation) -> list[str]:
    return [
        *(f"warning: {w}" for w in e.impacts.warnings),
        *(f"error: {x}" for x in e.impacts.errors),
    ]


def _lines(e: Explanation) -> list[str]:
    lines = [_asked(e), ""]
    lines += [f"  {name:8} {value}" for name, value in _facts(e)]
    if e.hypotheses:
        lines += ["", "Hypotheses"]
    sources = _sources(e)
    for h in e.hypotheses:
        value = f"{h.name}: {h.value} {h.unit}".rstrip()
        note = f"{_note(h)} {sources.get(_source(h), '')}".strip()
        lines.append(f"  {value}  [{h.basis}] {note}".rstrip())
    if e.steps:
        lines += ["", "Steps"]
        lines += ["  {:7} {:22} {:34} = {}".format(*_step(s)) for s in e.steps]
    if e.impacts.estimated:
        lines += ["", "Result"]
        lines += [f"  {name:38} {value:28} {figures}" for name, value, figures in _results(e)]
    if sources:
        lines += ["", "Sources", *("  {:4} {} {}".format(*page) for page in _pages(sources))]
    if e.disclosures:
        lines += ["", "The maker's own figures"]
        lines += [f"  {_disclosed(d)}" for d in e.disclosures]
    if e.credits:
        lines += ["", "Credits", *(f"  {credit}" for credit in e.credits)]
    messages = _messages(e)
    return [*lines, *(["", *messages] if messages else [])]


def _table(title: str, columns: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Table:
    from rich.table import Table
    from rich.text import Text

    made = Table(
        title=title or None,
        title_justify="left",
        title_style="bold",
        show_header=any(columns),
        box=None,
        padding=(0, 1),
    )
    for column in columns:
        made.add_column(column, overflow="fold")
    for row in rows:
        made.add_row(*map(Text, row))
    return made


def _render(e: Explanation) -> RenderableType:
    """Tables for a terminal or a notebook."""
    from rich.console import Group
    from rich.text import Text

    sources = _sources(e)
    parts: list[RenderableType] = [Text(_asked(e), style="bold"), _table("", ("", ""), _facts(e))]
    if e.hypotheses:
        rows = [
            (h.name, f"{h.value} {h.unit}", h.basis, _note(h), sources.get(_source(h), ""))
            for h in e.hypotheses
        ]
        titles: tuple[str, ...] = ("hypothesis", "value", "basis", "note", "source")
        parts.append(_table("Hypotheses", titles, rows))
    if e.steps:
        titles = ("symbol", "intermediate", "value", "equation")
        parts.append(_table("Steps", titles, map(_step, e.steps)))
    if e.impacts.estimated:
        parts.append(_table("Result", ("criterion", "value", "exact"), _results(e)))
    if sources:
        parts.append(_table("Sources", ("", "checked", "page"), _pages(sources)))
    if e.disclosures:
        told = [(str(d), d.boundary, " ".join(d.sources)) for d in e.disclosures]
        parts.append(_table("The maker's own figures", ("figure", "boundary", "page"), told))
    parts += [Text(f"Credit: {credit}", style="dim") for credit in e.credits]
    parts += [Text(line, style="yellow") for line in _messages(e)]
    return Group(*(part for each in parts for part in (each, Text())))
