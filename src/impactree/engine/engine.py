"""The engine: a model call in, its impacts out. Catalog plus method; no framework, no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import copy
from dataclasses import replace
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Unpack

from impactree.calls import ModelCall
from impactree.catalog import Catalog, Resolution, load_catalog
from impactree.catalog._catalog import as_day
from impactree.catalog._near import near_text
from impactree.engine.configuration import Surroundings, load_settings, surroundings
from impactree.engine.deployments import read_deployment
from impactree.engine.places import zone_error
from impactree.engine.reading import Reading, read_call
from impactree.engine.targets import target_fault
from impactree.exceptions import CatalogError, ConfigurationError, EstimateError
from impactree.loops import off_loop
from impactree.methods import METHODS, Method, media_method
from impactree.values.impacts import Impacts, impacts_of_call
from impactree.values.messages import MESSAGES, Message, message

if TYPE_CHECKING:
    import datetime as dt

    from impactree.engine.settings import EngineSettings, Settings, TrackerSettings
    from impactree.engine.training import Share, Sharing
    from impactree.methods import Deployment
    from impactree.values.training import TrainingPhase

__all__ = [
    "PLACE_FIELDS",
    "Engine",
    "Plan",
    "estimate",
    "placed_by",
    "shared_engine",
    "usage_message",
]

_MAX_PLANS: Final = 32_768
_MAX_KEY: Final = 2000
"""Characters: longer names are read anew each time, so that memory stays bounded."""


class Plan(NamedTuple):
    """All that calls to one model at one place have in common."""

    made: Any
    """The method's own plan; None where the call cannot be estimated."""
    warnings: tuple[Message, ...]
    errors: tuple[Message, ...]
    grade: str
    market: float | None
    """The operator's market-based factor, kgCO2eq/kWh; None: it publishes none."""
    share: Share | None
    """Of training the model; None: not asked for."""
    method: Method
    """The equations for calls of this kind."""
    found: Reading


PLACE_FIELDS: Final = ("provider", "model", "requested", "base_url", "kind", "zone", "region")
"""What of a call its plan depends on."""
placed_by: Final = attrgetter(*PLACE_FIELDS)
"""The values of these."""


class Engine:
    """A catalog, a method and settings. Thread-safe; plans are cached up to a bound.

    What is not given here comes from ``IMPACTREE_*`` variables, else from ``impactree.toml`` or
    ``[tool.impactree]`` (see :mod:`impactree.engine.settings`).

    Args:
        catalog: A catalog instead of the shipped one.
        **settings: ``zone``, ``region``, ``provider_zones``, ``deployments``, ``deployment``,
            ``models``, ``unknown_models``, ``method``, ``include_training``: see
            :class:`impactree.engine.settings.EngineSettings`.

    Raises:
        ConfigurationError: a setting is wrong.
    """

    def __init__(
        self, *, catalog: Catalog | None = None, **settings: Unpack[EngineSettings]
    ) -> None:
        self._set_up(load_settings(settings), catalog)

    @classmethod
    def _of(cls, settings: Settings) -> Engine:
        engine = cls.__new__(cls)
        engine._set_up(settings, None)
        return engine

    def _set_up(self, settings: Settings, catalog: Catalog | None) -> None:
        self.settings: Settings = settings
        if settings.method not in METHODS:
            raise ConfigurationError(
                f"{settings.where('method')}: unknown method {settings.method!r}; "
                f"known: {', '.join(sorted(METHODS))}"
            )
        self.method: Method = METHODS[settings.method]
        self._catalog = catalog
        self._plans: dict[object, Plan] = {}
        self._check()
        self.hardware: Mapping[str, Deployment] = (
            read_deployment(self.catalog, settings.deployment, settings.where("deployment"))
            if settings.deployment
            else {}
        )
        self.sharing: Sharing | None = None
        """Over what training is shared out; None: it is not asked for."""
        if settings.include_training:
            from impactree.engine.training import read_sharing

            where = settings.where("include_training")
            rule = self.catalog.rules.training
            self.sharing = read_sharing(settings.include_training, rule, where)

    def _check(self) -> None:
        """The settings that only the catalog can judge."""
        s = self.settings
        if s.models:
            try:
                self._catalog = self.catalog.extended(list(s.models))
            except CatalogError as error:
                raise ConfigurationError(f"{s.where('models')}: {error}") from error
        zones = {"zone": s.zone} if s.zone is not None else {}
        zones.update({f"provider_zones.{host}": zone for host, zone in s.provider_zones.items()})
        for name, zone in zones.items():
            if self.catalog.zone(zone) is None:
                place = s.where(name.partition(".")[0]).replace("provider_zones", name)
                raise ConfigurationError(f"{place}: {zone_error(self.catalog, zone).message}")
        for host in s.provider_zones:
            if self.catalog.host(host) is None:
                raise ConfigurationError(
                    f"{s.where('provider_zones')}: {host!r} is no host; known: "
                    f"{', '.join(sorted(self.catalog.hosts))}; "
                    f"nearest: {near_text(host, self.catalog.hosts)}"
                )
        for name, target in s.deployments.items():
            fault = target_fault(self.catalog, target)
            if fault is not None:
                raise ConfigurationError(f"{s.where('deployments')}.{name}: {fault}")
        if s.region is not None and s.region not in self.catalog.regions:
            raise ConfigurationError(
                f"{s.where('region')}: unknown cloud region {s.region!r}; known: "
                f"{', '.join(sorted(self.catalog.regions))}"
            )

    def by(self, method: str) -> Engine:
        """An engine with the same catalog and settings, by another method.

        Raises:
            ConfigurationError: an unknown method.
        """
        if method not in METHODS:
            raise ConfigurationError(
                f"unknown method {method!r:.80}; known: {', '.join(sorted(METHODS))}"
            )
        engine = copy(self)
        engine.settings = replace(self.settings, method=method)
        engine.method, engine._plans = METHODS[method], {}
        return engine

    def served_by(self, deployment: Mapping[str, Any]) -> Engine:
        """An engine with the same catalog, method and settings, and other hardware.

        Raises:
            ConfigurationError: no such hardware, or the method does not plan with any.
        """
        if not self.method.plans_hardware:
            able = ", ".join(name for name, method in METHODS.items() if method.plans_hardware)
            raise ConfigurationError(
                f"deployment has no effect by {self.method.name}; methods that use it: {able}"
            )
        engine = copy(self)
        engine.settings = replace(self.settings, deployment=dict(deployment))
        engine.hardware = read_deployment(self.catalog, deployment, "deployment")
        engine._plans = {}
        return engine

    def method_for(self, kind: str) -> Method:
        """The equations for calls of a kind: the method's own, or others under its name."""
        return media_method(self.method.name, kind) or self.method

    @property
    def catalog(self) -> Catalog:
        """The catalog, loaded on first use."""
        if self._catalog is None:
            self._catalog = load_catalog()
        return self._catalog

    @property
    def zone(self) -> str | None:
        """Electricity mix zone of calls that name none."""
        return self.settings.zone

    def estimate(self, call: ModelCall, *, at: dt.date | None = None) -> Impacts:
        """The impacts of one call; never raises for what the call holds.

        Args:
            call: What was asked of which model.
            at: The day of the call, for names that moved; None: today.
        """
        if call.energy is not None:
            return self._of_known(call, at)
        plan = self._plans.get(placed_by(call) if at is None else (*placed_by(call), at))
        made, warnings, errors, grade, factor, share, method, _ = plan or self._planned(call, at)
        if call.tokens_source == "counted":
            warnings = (*warnings, _APPROXIMATE)
        if call.usage_notes:
            warnings = (*warnings, *map(usage_message, call.usage_notes))
        tokens = call.tokens
        training = None if share is None else share.of(tokens)
        if made is None:
            return _not_estimated(errors, warnings, grade, training)
        judged = method.judge(tokens, call.kind, made)
        if judged.warnings:
            warnings = (*warnings, *judged.warnings)
        if judged.errors:
            return _not_estimated(judged.errors, warnings, grade, training)
        figures = method.impacts(made, tokens, call.latency_s)
        market = None if factor is None else figures.market_based(factor)
        return impacts_of_call(figures, method.name, market, warnings, grade, training)

    def _of_known(self, call: ModelCall, at: dt.date | None) -> Impacts:
        from impactree.engine.known import impacts_of_known

        plan = self._planned(call, at)
        estimated = self.estimate(replace(call, energy=None), at=at)
        return impacts_of_known(self.catalog, call, plan.found, estimated, plan.market)

    def zone_of(self, call: ModelCall) -> str | None:
        """The electricity mix zone that a call is estimated with; None: one that is unknown."""
        zone = self.read(call).zone
        return None if zone is None else zone.id

    def credits_for(self, calls: Iterable[ModelCall], at: dt.date | None = None) -> tuple[str, ...]:
        """What the licences of the factors behind estimates of these calls want to be shown."""
        read = (self.read(call, at) for call in calls)
        zones = {found.zone.id: None for found in read if found.zone and not found.errors}
        return self.catalog.credits_for(zones, self.method.factors, at)

    def _planned(self, call: ModelCall, at: dt.date | None) -> Plan:
        """The plan of a call, kept for the next like it."""
        names = placed_by(call)
        key = names if at is None else (*names, at)
        plan = self._plans.get(key)
        if plan is None:
            # The first may load the catalog, and a method tables of its own.
            plan = off_loop(lambda: self.plan(call, at))
            if sum(len(text) for text in names if text) <= _MAX_KEY:
                if len(self._plans) >= _MAX_PLANS:
                    self._plans.clear()
                self._plans[key] = plan
        return plan

    def resolve(self, call: ModelCall) -> Resolution:
        """How the call's model name is read."""
        return self.read(call).resolution

    def read(self, call: ModelCall, at: dt.date | None = None) -> Reading:
        """Everything behind an estimate but the tokens: the model, its size, who runs it where."""
        return self._planned(call, at).found

    def plan(self, call: ModelCall, at: dt.date | None = None, name: Any = None) -> Plan:
        """All that calls like this have in common, worked out anew; ``name``: as it was read."""
        found = self._read(call, at, name)
        situation, share = found.situation, self._share(found)
        method = self.method_for(call.kind)
        return Plan(
            None if situation is None else method.plan(situation),
            found.warnings if share is None else (*found.warnings, *share.warnings),
            found.errors,
            found.resolution.grade,
            found.place.market.value if found.place.market else None,
            share,
            method,
            found,
        )

    def _read(self, call: ModelCall, at: dt.date | None, name: Resolution | None = None) -> Reading:
        asked = self.catalog, self.settings, self.method, call, at, self.hardware, name
        return read_call(*asked)

    def _share(self, found: Reading) -> Share | None:
        if self.sharing is None:
            return None
        from impactree.engine.training import share_of

        return share_of(found, self.sharing, self.catalog.rules.training)


def _not_estimated(
    errors: tuple[Message, ...],
    warnings: tuple[Message, ...],
    grade: str,
    training: TrainingPhase | None,
) -> Impacts:
    return Impacts(None, errors=errors, warnings=warnings, grade=grade, training=training)


_APPROXIMATE: Final = message("token-count-approximate")

_shared: tuple[Surroundings | None, dict[object, Engine]] = (None, {})
"""The engines made for the surroundings as they were last seen."""


def shared_engine(**settings: Unpack[TrackerSettings]) -> Engine:
    """An engine with these settings, and the environment's and file's: the same for the same.

    Raises:
        ConfigurationError: a setting is wrong.
    """
    global _shared
    made_for, engines = _shared
    if made_for is None or not made_for.seem_to_hold():
        place = surroundings()
        if place is not made_for:
            engines = {}
            _shared = (place, engines)
    if len(settings) == 1 and type(method := settings.get("method")) is str:
        key: object = method  # the usual case, in a third of the time
    else:
        key = _frozen(settings) if settings else ()
    engine = engines.get(key)
    if engine is None:
        engine = engines[key] = off_loop(lambda: Engine._of(load_settings(settings)))
    return engine


def _frozen(value: Any) -> object:
    """A hashable stand-in for what settings are made of."""
    if isinstance(value, Mapping):
        return tuple(sorted((str(k), _frozen(v)) for k, v in value.items() if v is not None))
    return tuple(map(_frozen, value)) if isinstance(value, list | tuple) else value


def usage_message(note: str) -> Message:
    """What a note on the reading of usage, or on what is no text, says to the user."""
    from impactree.calls.media import LEFT_OUT
    from impactree.calls.reconciling import READINGS, UNCLEAR

    if note in LEFT_OUT:
        return message("input-not-text", LEFT_OUT[note])
    if note in MESSAGES:
        return message(note)
    code = "usage-unclear" if note in UNCLEAR else "usage-reconciled"
    return message(code, READINGS.get(note, f"({note:.60})"))


def estimate(
    call: ModelCall,
    *,
    at: dt.date | str | None = None,
    strict: bool = False,
    **settings: Unpack[EngineSettings],
) -> Impacts:
    """Estimate the impacts of one model call.

    Args:
        call: What was asked of which model.
        at: The day of the call (a date or ``YYYY-MM-DD``), for what changed since; None: today.
        strict: Raise instead of returning impacts without values, and for a model that only the
            prior stands in for.
        **settings: ``zone``, ``region``, ``method``, ``deployments``, ``models``, ...: see
            :class:`impactree.engine.settings.EngineSettings`; what is not given comes from the
            environment and the configuration file, as they are now.

    Returns:
        Impacts with values, or with an error that says why there are none.

    Raises:
        ConfigurationError: a setting is wrong.
        TypeError: ``call`` is no ModelCall.
        ValueError: ``at`` is a string that is no date.
        EstimateError: with ``strict``, when the call cannot be estimated or the model is unknown.
    """
    if not isinstance(call, ModelCall):
        raise TypeError(f"estimate takes a ModelCall, not {call!r:.80}")
    engine = shared_engine(**settings)
    day = None if at is None else as_day(at)
    impacts = engine.estimate(call, at=day)
    if strict:
        _refuse(impacts, engine.read(call, day))
    return impacts


def _refuse(impacts: Impacts, found: Reading) -> None:
    """Raise for what ``strict`` does not take."""
    problems = [error.message for error in impacts.errors]
    if not problems and impacts.grade == "prior" and found.resolution.model is None:
        problems = [w.message for w in impacts.warnings if w.code == "model-prior"]
    if problems:
        raise EstimateError("; ".join(problems))
