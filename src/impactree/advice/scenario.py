"""The same calls elsewhere or by another model: what of each call changes, and what stays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from impactree.catalog._near import nearest
from impactree.values.formatting import clean
from impactree.values.times import past_day

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable

    from impactree.calls import ModelCall
    from impactree.catalog import Region
    from impactree.engine import Engine
    from impactree.engine.reading import Reading
    from impactree.runs import Run

__all__ = ["Choice", "Scenario", "same_model"]

Choice = str | Mapping[str, str] | None
"""One value for all calls, or one each per model, step or agent."""

_TEXT: Final = frozenset({"chat", "completion"})
_NAMES: Final = ("model", "provider", "zone", "region")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What shall be otherwise; what is None stays. Each a value, or one per model, step, agent.

    Args:
        model: Another model's name. It answers the calls of its kind: text, embeddings, reranks.
        provider: Another host; what the call said of its place goes with it.
        zone: Another electricity mix.
        region: Another region of the cloud that ran the call, with its electricity, PUE and water.
        engine: Estimates the calls as they would be; places them as they were.

    Raises:
        ValueError: a name that nothing knows: with the nearest ones.
    """

    engine: Engine
    model: Choice = None
    provider: Choice = None
    zone: Choice = None
    region: Choice = None
    _used: set[tuple[str, str | None]] = field(default_factory=set)
    """Values, and keys of mappings, that some call took."""

    def __post_init__(self) -> None:
        for name in _NAMES:
            choice = getattr(self, name)
            values = choice.values() if isinstance(choice, Mapping) else (choice,)
            for value in values if choice is not None else ():
                if not isinstance(value, str) or not value.strip():
                    raise ValueError(
                        f"{name} takes a name, or one per model, step or agent, not {choice!r:.80}"
                    )
                self._check(name, value.strip())

    def _check(self, name: str, value: str) -> None:
        """Refuse a zone, region or provider that nobody knows; models are looked at per call."""
        catalog = self.engine.catalog
        known, found = {
            "zone": (catalog.zone_codes, catalog.zone(value) is not None),
            "region": ([*catalog.regions], value.lower() in catalog.regions),
            "provider": ([*catalog.hosts], catalog.host(value) is not None),
            "model": ([], True),
        }[name]
        if not found:
            raise ValueError(_unknown(name, value, known))

    def __str__(self) -> str:
        said = ((name, getattr(self, name)) for name in _NAMES)
        return clean(", ".join(f"{name} {_choice_text(c)}" for name, c in said if c is not None))

    def apply(self, run: Run) -> ModelCall | None:
        """The run's call as it would be: the very same object where nothing changes."""
        call = run.call
        if call is None:
            return None
        at = past_day(run.end)
        values = {name: self._chosen(name, run, call, at) for name in _NAMES}
        changed = self._with_model(call, values["model"], at)
        changed = self._with_provider(changed, values["provider"], at)
        changed = self._with_region(changed, values["region"], at)
        zone = values["zone"]
        if zone is not None:
            self._used.add(("zone", None))
            if self.engine.read(changed, at).zone != self.engine.catalog.zone(zone):
                changed = replace(changed, zone=zone)
        if changed is call or same_model(self.engine.read(call, at), self.engine.read(changed, at)):
            return changed
        return replace(changed, latency_s=None, energy=None)  # they were measured on another

    def check_used(self, runs: Iterable[Run]) -> None:
        """Refuse what no call could take.

        Raises:
            ValueError: a key that names nothing in the runs, or a value that fits none of them.
        """
        calls = [run for run in runs if run.call is not None]
        for name in _NAMES:
            choice = getattr(self, name)
            if isinstance(choice, Mapping):
                for key in choice:
                    if ("key", key) not in self._used:
                        known = dict.fromkeys(k for run in calls for k in self._keys(run) if k)
                        raise ValueError(_unknown("model, step or agent", key, list(known)))
            if choice is not None and calls and (name, None) not in self._used:
                raise ValueError(self._why_unused(name, _choice_text(choice), calls))

    def _why_unused(self, name: str, value: str, runs: list[Run]) -> str:
        if name == "model":
            kinds = ", ".join(sorted({run.call.kind for run in runs if run.call}))
            return f"model {value}: no call is of its kind; the calls are of kind {kinds}"
        hosts = {self.engine.read(run.call, past_day(run.end)).host.id for run in runs if run.call}
        return (
            f"region {value}: no call is at a cloud that has it; they are at "
            f"{', '.join(sorted(hosts))}. Give provider= as well"
        )

    def _chosen(self, name: str, run: Run, call: ModelCall, at: dt.date | None) -> str | None:
        choice = getattr(self, name)
        if not isinstance(choice, Mapping):
            return None if choice is None else str(choice).strip()
        for key in self._keys(run, at):
            if key in choice:
                self._used.add(("key", key))
                return str(choice[key]).strip()
        return None

    def _keys(self, run: Run, at: dt.date | None = None) -> tuple[str | None, ...]:
        """What a mapping may call a run by."""
        call = run.call
        if call is None:
            return ()
        model = self.engine.read(call, at).resolution.model
        return call.model, call.requested, model, run.step, run.node, run.agent, run.name

    def _with_model(self, call: ModelCall, name: str | None, at: dt.date | None) -> ModelCall:
        if name is None:
            return call
        if name in (call.model, call.requested):  # known to nobody, perhaps
            self._used.add(("model", None))
            return call
        engine, now = self.engine, self.engine.read(call, at)
        asked = replace(call, model=name, requested=None)
        then = engine.read(asked, at)
        if then.resolution.model is None and then.resolution.grade == "prior":
            raise ValueError(_unknown("model", name, engine.catalog.model_names()))
        if not _fits(call.kind, then.resolution.kind):
            return call
        self._used.add(("model", None))
        if then.resolution.model == now.resolution.model and then.resolution.grade != "family":
            return call  # else what stands in for the name is said
        if then.host.id != now.host.id:  # whoever was asked does not run it
            asked = replace(asked, provider=None, base_url=None, region=None, zone=None)
        return asked

    def _with_provider(self, call: ModelCall, name: str | None, at: dt.date | None) -> ModelCall:
        if name is None:
            return call
        self._used.add(("provider", None))
        host = self.engine.catalog.host(name)
        if host is not None and self.engine.read(call, at).host.id == host.id:
            return call
        moved = replace(call, provider=name, base_url=None, region=None, zone=None)
        if host is not None and self.engine.read(moved, at).host.id != host.id:
            raise ValueError(
                f"provider {name} does not run {clean(call.model)}: give model= as well, or "
                "provider= per model, step or agent"
            )
        return moved

    def _with_region(self, call: ModelCall, name: str | None, at: dt.date | None) -> ModelCall:
        if name is None:
            return call
        now, region = self.engine.read(call, at), self.engine.catalog.regions[name.lower()]
        if now.host.regions != region.cloud:
            return call
        self._used.add(("region", None))
        if now.region is region:
            return call
        return replace(call, region=region.id, zone=self._zone_of(region))

    def _zone_of(self, region: Region) -> str:
        finest = self.engine.method.factors == "yearly" and region.subzone
        return finest or region.zone


def same_model(one: Reading, other: Reading, *, hardware: bool = True) -> bool:
    """Whether equations see the same model, wherever it runs.

    Args:
        one: A call's reading.
        other: Another one's.
        hardware: On the same host's hardware as well.
    """
    return (
        (one.host.id == other.host.id or not hardware)
        and one.resolution.maker == other.resolution.maker
        and one.params == other.params
        and one.deployment == other.deployment
        and _architecture(one) == _architecture(other)
    )


def _architecture(reading: Reading) -> Any:
    record = reading.resolution.record
    return record.architecture if record else None


def _fits(kind: str, made: str) -> bool:
    """Whether a model that makes this can answer that kind of call."""
    return kind == made or (kind in _TEXT and made in _TEXT)


def _choice_text(choice: Choice) -> str:
    if isinstance(choice, Mapping):
        return " and ".join(f"{value} for {key}" for key, value in choice.items())
    return str(choice).strip()


def _unknown(what: str, name: str, known: Iterable[str]) -> str:
    names = list(known)
    near = ", ".join(nearest(name, names)) or ", ".join(sorted(names)[:8]) or "none"
    return f"unknown {what} {name!r:.80}; nearest: {near}"
