"""The engine: a model call in, its impacts out. Catalog plus method; no framework, no I/O."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final, NamedTuple

from impactree.catalog import Catalog, load_catalog
from impactree.catalog._resolve import Resolution, nearest, resolve_name
from impactree.exceptions import ConfigurationError, EstimateError
from impactree.impacts import Impacts, Message
from impactree.messages import message
from impactree.methods import DEFAULT_METHOD, METHODS, Method, Mix, Params, Serving, Site

if TYPE_CHECKING:
    from impactree.calls import ModelCall

__all__ = ["Engine", "default_engine", "estimate"]

_MAX_PLANS: Final = 4096


class _Plan(NamedTuple):
    """All that calls to one model at one place have in common."""

    serving: Serving | None
    site: Site
    mix: Mix
    warnings: tuple[Message, ...]
    errors: tuple[Message, ...]
    grade: str


_NOWHERE: Final = (Site(1, 1, 0, 0), Mix(0, 0, 0, 0))


class Engine:
    """A catalog, a method and a default zone. Thread-safe; plans are cached up to a bound.

    Raises:
        ConfigurationError: unknown method or zone.
    """

    def __init__(
        self,
        *,
        zone: str | None = None,
        method: str = DEFAULT_METHOD,
        catalog: Catalog | None = None,
    ) -> None:
        if method not in METHODS:
            raise ConfigurationError(
                f"unknown method {method!r}; known: {', '.join(sorted(METHODS))}"
            )
        self.method: Method = METHODS[method]
        self._catalog = catalog
        self.zone = zone
        if zone is not None and self.catalog.zone(zone) is None:
            raise ConfigurationError(_zone_error(self.catalog, zone).message)
        self._plans: dict[object, _Plan] = {}

    @property
    def catalog(self) -> Catalog:
        """The catalog, loaded on first use."""
        if self._catalog is None:
            self._catalog = load_catalog()
        return self._catalog

    def estimate(self, call: ModelCall) -> Impacts:
        """The impacts of one call; never raises for what the call holds."""
        zone = call.zone or self.zone
        key = (call.provider, call.model, call.requested, call.base_url, call.kind, zone)
        plan = self._plans.get(key)
        if plan is None:
            plan = self._plan(call, zone)
            if len(self._plans) >= _MAX_PLANS:
                self._plans.clear()
            self._plans[key] = plan
        serving, site, mix, warnings, errors, grade = plan
        if call.tokens_source == "counted":
            warnings = (*warnings, _APPROXIMATE)
        if serving is None:
            return Impacts(None, warnings=warnings, errors=errors, grade=grade)
        if call.output_tokens is None:
            return Impacts(None, warnings=warnings, errors=_NO_OUTPUT, grade=grade)
        figures = self.method.impacts(serving, site, mix, call.output_tokens, call.latency_s)
        return Impacts(figures, warnings=warnings, grade=grade)

    def resolve(self, call: ModelCall) -> Resolution:
        """How the call's model name is read."""
        return resolve_name(
            self.catalog,
            call.model,
            call.provider,
            requested=call.requested,
            base_url=call.base_url,
        )

    def _plan(self, call: ModelCall, zone: str | None) -> _Plan:
        resolution = self.resolve(call)
        record = resolution.record
        if record is None or record.total is None or record.active is None:
            return _failed(_model_error(self.catalog, call), resolution.grade)
        if call.kind not in self.method.kinds or record.kind in ("embedding", "rerank"):
            return _failed(message("kind-not-covered", f"({call.kind})"), resolution.grade)
        host = self.catalog.host(resolution.host) or self.catalog.hosts["unknown"]
        mix = self.catalog.zone(zone or host.zone)
        if mix is None:
            return _failed(_zone_error(self.catalog, zone or host.zone), resolution.grade)
        codes = dict.fromkeys((*record.warnings, *mix.warnings, *host.warnings))
        if host.local:
            codes["local-hardware-not-modelled"] = None
        params = Params(
            record.active.min,
            record.active.max,
            record.total.min,
            record.total.max,
            record.tps,
            record.ttft,
        )
        return _Plan(
            self.method.serve(params),
            host.site,
            mix.mix,
            tuple(message(code) for code in codes),
            (),
            resolution.grade,
        )


def _failed(error: Message, grade: str) -> _Plan:
    return _Plan(None, *_NOWHERE, (), (error,), grade)


def _model_error(catalog: Catalog, call: ModelCall) -> Message:
    names = nearest(call.model, catalog.names)
    hint = f" Nearest known names: {', '.join(names)}." if names else ""
    provider = f" for {call.provider}" if call.provider else ""
    return message("model-not-registered", f"Asked for {call.model!r:.120}{provider}.{hint}")


def _zone_error(catalog: Catalog, zone: str) -> Message:
    names = nearest(zone, catalog.zone_codes)
    hint = f" Nearest known: {', '.join(names)}." if names else ""
    return message(
        "zone-not-registered", f"Asked for {zone!r:.40}; use ISO 3166-1 alpha-3 or WOR.{hint}"
    )


_APPROXIMATE: Final = message("token-count-approximate")
_NO_OUTPUT: Final = (message("output-tokens-unknown"),)

_engines: dict[tuple[str | None, str], Engine] = {}
_lock = threading.Lock()


def default_engine(zone: str | None = None, method: str = DEFAULT_METHOD) -> Engine:
    """The process's engine for a zone and a method; made once."""
    engine = _engines.get((zone, method))
    if engine is None:
        with _lock:
            engine = _engines.setdefault((zone, method), Engine(zone=zone, method=method))
    return engine


def estimate(
    call: ModelCall,
    *,
    zone: str | None = None,
    method: str = DEFAULT_METHOD,
    strict: bool = False,
) -> Impacts:
    """Estimate the impacts of one model call.

    Args:
        call: What was asked of which model.
        zone: Electricity mix zone where the call names none (ISO 3166-1 alpha-3, ``WOR`` the
            world); None: the zone of whoever runs the model.
        method: Name of the method.
        strict: Raise instead of returning impacts without values.

    Returns:
        Impacts with values, or with an error that says why there are none.

    Raises:
        ConfigurationError: unknown ``zone`` or ``method``.
        EstimateError: with ``strict``, when the call cannot be estimated.
    """
    impacts = default_engine(zone, method).estimate(call)
    if strict and not impacts.estimated:
        raise EstimateError("; ".join(error.message for error in impacts.errors))
    return impacts
