"""The engine: a model call in, its impacts out. Catalog plus method; no framework, no I/O."""

from __future__ import annotations

from functools import lru_cache
from operator import attrgetter
from typing import TYPE_CHECKING, Final, NamedTuple, Unpack

from impactree.calls import ModelCall
from impactree.catalog import Catalog, Resolution, load_catalog
from impactree.catalog._near import nearest
from impactree.engine.configuration import load_settings
from impactree.engine.reading import Situation, leads_somewhere, situate, zone_error
from impactree.exceptions import CatalogError, ConfigurationError, EstimateError
from impactree.methods import METHODS, Method, Mix, Serving, Site
from impactree.values.impacts import Impacts, Message
from impactree.values.messages import message

if TYPE_CHECKING:
    import datetime as dt

    from impactree.engine.settings import EngineSettings, Settings

__all__ = ["Engine", "default_engine", "estimate", "shared_engine"]

_MAX_PLANS: Final = 32_768
_MAX_KEY: Final = 2000
"""Characters: longer names are read anew each time, so that memory stays bounded."""


class _Plan(NamedTuple):
    """All that calls to one model at one place have in common."""

    serving: Serving | None
    site: Site
    mix: Mix
    warnings: tuple[Message, ...]
    errors: tuple[Message, ...]
    grade: str
    zone: str | None
    """Electricity mix zone; None: the one asked for is unknown."""


_key: Final = attrgetter("provider", "model", "requested", "base_url", "kind", "zone", "region")
"""What of a call its plan depends on."""


class Engine:
    """A catalog, a method and settings. Thread-safe; plans are cached up to a bound.

    What is not given here comes from ``IMPACTREE_*`` variables, else from ``impactree.toml`` or
    ``[tool.impactree]`` (see :mod:`impactree.engine.settings`).

    Args:
        catalog: A catalog instead of the shipped one.
        **settings: ``zone``, ``region``, ``provider_zones``, ``deployments``, ``models``,
            ``unknown_models``, ``method``: see :class:`impactree.engine.settings.EngineSettings`.

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
        self._plans: dict[object, _Plan] = {}
        self._check()

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
                    f"{', '.join(sorted(self.catalog.hosts))}"
                )
        for name, target in s.deployments.items():
            if not leads_somewhere(self.catalog, target):
                near = ", ".join(nearest(target, self.catalog.model_names())) or "none"
                raise ConfigurationError(
                    f"{s.where('deployments')}.{name}: {target!r} is no model's name; "
                    f"nearest known names: {near}"
                )
        if s.region is not None and s.region not in self.catalog.regions:
            raise ConfigurationError(
                f"{s.where('region')}: unknown cloud region {s.region!r}; known: "
                f"{', '.join(sorted(self.catalog.regions))}"
            )

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
        if at is None:
            plan = self._plans.get(_key(call)) or self._planned(call)
        else:
            plan = self._plan(self.situate(call, at))
        serving, site, mix, warnings, errors, grade, _ = plan
        if call.tokens_source == "counted":
            warnings = (*warnings, _APPROXIMATE)
        if serving is None:
            return Impacts(None, warnings=warnings, errors=errors, grade=grade)
        if call.output_tokens is None:
            return Impacts(None, warnings=warnings, errors=_NO_OUTPUT, grade=grade)
        figures = self.method.impacts(serving, site, mix, call.output_tokens, call.latency_s)
        return Impacts(figures, warnings=warnings, grade=grade)

    def zone_of(self, call: ModelCall) -> str | None:
        """The electricity mix zone that a call is estimated with; None: one that is unknown."""
        return (self._plans.get(_key(call)) or self._planned(call)).zone

    def _planned(self, call: ModelCall) -> _Plan:
        """The plan of a call, kept for the next like it."""
        plan, key = self._plan(self.situate(call)), _key(call)
        if sum(len(text) for text in key if text) <= _MAX_KEY:
            if len(self._plans) >= _MAX_PLANS:
                self._plans.clear()
            self._plans[key] = plan
        return plan

    def resolve(self, call: ModelCall) -> Resolution:
        """How the call's model name is read."""
        return self.situate(call).resolution

    def situate(self, call: ModelCall, at: dt.date | None = None) -> Situation:
        """Everything behind an estimate but the tokens: the model, its size, who runs it where."""
        return situate(self.catalog, self.settings, self.method, call, at)

    def _plan(self, found: Situation) -> _Plan:
        return _Plan(
            None if found.errors or found.params is None else self.method.serve(found.params),
            found.site,
            found.mix,
            found.warnings,
            found.errors,
            found.resolution.grade,
            None if found.zone is None else found.zone.id,
        )


_APPROXIMATE: Final = message("token-count-approximate")
_NO_OUTPUT: Final = (message("output-tokens-unknown"),)

_MAX_SHARED: Final = 64
_shared: dict[object, Engine] = {}


def shared_engine(**settings: Unpack[EngineSettings]) -> Engine:
    """An engine with these settings, and the environment's and file's: the same for the same."""
    merged = load_settings(settings)
    if merged.models:
        return Engine._of(merged)
    engine = _shared.get(merged.key)
    if engine is None:
        engine = Engine._of(merged)
        if len(_shared) >= _MAX_SHARED:
            _shared.clear()
        engine = _shared.setdefault(merged.key, engine)
    return engine


@lru_cache(maxsize=_MAX_SHARED)
def default_engine(zone: str | None = None, method: str | None = None) -> Engine:
    """The process's engine for a zone and a method; other settings are read at its first use."""
    return shared_engine(zone=zone, method=method)


def estimate(
    call: ModelCall,
    *,
    zone: str | None = None,
    method: str | None = None,
    strict: bool = False,
) -> Impacts:
    """Estimate the impacts of one model call.

    Args:
        call: What was asked of which model.
        zone: Electricity mix zone where the call names none (ISO 3166-1 alpha-3, ``WOR`` the
            world); None: the zone of whoever runs the model.
        method: Name of the method.
        strict: Raise instead of returning impacts without values, and for a model that only the
            prior stands in for.

    Returns:
        Impacts with values, or with an error that says why there are none.

    Raises:
        ConfigurationError: unknown ``zone`` or ``method``.
        TypeError: ``call`` is no ModelCall.
        EstimateError: with ``strict``, when the call cannot be estimated or the model is unknown.
    """
    if not isinstance(call, ModelCall):
        raise TypeError(f"estimate takes a ModelCall, not {call!r:.80}")
    engine = default_engine(zone, method)
    impacts = engine.estimate(call)
    if strict:
        problems = [error.message for error in impacts.errors]
        if not problems and impacts.grade == "prior" and engine.resolve(call).model is None:
            problems = [w.message for w in impacts.warnings if w.code == "model-prior"]
        if problems:
            raise EstimateError("; ".join(problems))
    return impacts
