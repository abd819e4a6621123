"""What an estimate rests on besides the tokens: the model, its size, who runs it, and where."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from impactree.calls.quantities import MEDIA_KINDS
from impactree.catalog._near import Names
from impactree.catalog._places import UNKNOWN
from impactree.catalog._records import Host
from impactree.catalog._resolve import resolve_name
from impactree.catalog._whose import stem
from impactree.engine.deployments import deployment_of, hardware
from impactree.engine.places import (
    place_warnings,
    region_of,
    zone_error,
    zone_of,
)
from impactree.engine.targets import ANY_HOST
from impactree.methods import (
    Deployment,
    Hardware,
    Method,
    Params,
    Shape,
    Site,
    Situation,
    covers_media,
)
from impactree.values.grades import worst_grade
from impactree.values.messages import Message, message

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping

    from impactree.calls import ModelCall
    from impactree.catalog import Catalog, Electricity, Region, Resolution, Zone
    from impactree.engine.settings import Settings

__all__ = ["Reading", "alike", "name_stem", "read_call", "read_name"]

_GRADE_CODES: Final = {"family": "model-family", "size": "model-size-from-name"}
_STAND_INS: Final = ("h100", "b200")
"""Accelerators that an unknown one is taken for."""
_GENERIC: Final = "generic"
"""What stands in for embodied figures that nobody publishes."""
_OF_TEXT: Final = frozenset({"chat", "completion", "embedding", "rerank"})
"""Kinds of model that read or write text alone."""
_AS_IT_IS: Final = Shape()
_NOTHING: Final[Mapping[str, Deployment]] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """All that calls to one model at one place have in common."""

    kind: str
    """The kind of call."""
    resolution: Resolution
    params: Params | None
    """None where no size can stand in."""
    host: Host
    region: Region | None
    electricity: Electricity | None
    """The zone's factors; None where the zone is unknown."""
    zone_origin: str
    """Who says that this is the zone."""
    warnings: tuple[Message, ...]
    errors: tuple[Message, ...]
    deployment: Deployment
    """What the user says of the hardware."""
    stand_ins: tuple[Hardware, ...]
    """What an unknown accelerator may be."""
    generic: Hardware | None
    shape: Shape = _AS_IT_IS
    """What of the architecture somebody entered."""

    @property
    def site(self) -> Site:
        """The data centre."""
        return self.place.site

    @property
    def place(self) -> Host | Region:
        """Whose data centre that is."""
        return self.region or self.host

    @property
    def zone(self) -> Zone | None:
        """The zone whose factors are used."""
        return self.electricity.zone if self.electricity else None

    @property
    def credits(self) -> tuple[str, ...]:
        """What the licences of the factors want to be shown beside the figures."""
        return self.electricity.credits if self.electricity and not self.errors else ()

    @property
    def situation(self) -> Situation | None:
        """What the method plans with; None where the call cannot be estimated."""
        if self.errors or self.params is None or self.electricity is None:
            return None
        record = self.resolution.record
        return Situation(
            self.params,
            self.site,
            self.electricity.mix,
            self.kind,
            record.architecture if record else None,
            self.deployment,
            self.generic,
            self.stand_ins,
            record.video if record else None,
            self.shape,
        )


def read_call(
    catalog: Catalog,
    settings: Settings,
    method: Method,
    call: ModelCall,
    at: dt.date | None = None,
    known: Mapping[str, Deployment] = _NOTHING,
    name: Resolution | None = None,
) -> Reading:
    """Read a call's names with a catalog and settings; never raises for what the call holds.

    ``name``: how the model's is read, where that is known already.
    """
    resolution = name or read_name(catalog, settings, call, at)
    return _read(catalog, settings, method, call, at, known, resolution)


def _read(
    catalog: Catalog,
    settings: Settings,
    method: Method,
    call: ModelCall,
    at: dt.date | None,
    known: Mapping[str, Deployment],
    resolution: Resolution,
) -> Reading:
    host = _host(catalog, call, resolution)
    region = region_of(catalog, settings, call, resolution, host)
    code, origin, is_said = zone_of(catalog, settings, call, resolution, host, region, method)
    electricity = (z := catalog.zone(code)) and catalog.electricity(z, method.factors, at)
    if own := covers_media(method.name, call.kind):
        resolution, error = _of_media(call, resolution)
    else:
        error = _error(catalog, settings, method, call, resolution)
    error = error or (None if electricity else zone_error(catalog, code))
    stand_ins, generic = _stand_ins(catalog, host.accelerators)
    hardware_known = deployment_of(known, call.model, resolution.model, host.id)
    warnings = () if error else _warnings(catalog, call, resolution, host, electricity, own)
    if not error:
        if method.plans_hardware and not own:
            warnings += _of_hardware(catalog, resolution, host, hardware_known)
        warnings += place_warnings(catalog, settings, call, host, region, is_said=is_said)
    return Reading(
        kind=call.kind,
        resolution=resolution,
        params=None if error else _params(catalog, resolution, method),
        host=host,
        region=region,
        electricity=electricity,
        zone_origin=origin,
        warnings=warnings,
        errors=(error,) if error else (),
        deployment=hardware_known,
        stand_ins=stand_ins,
        generic=generic,
    )


def _host(catalog: Catalog, call: ModelCall, found: Resolution) -> Host:
    """Who runs the model: of films who the equations say."""
    record = found.record
    if call.kind == "video" and record is not None and record.video is not None:
        return Host.read(record.video["host"])
    return catalog.hosts[found.host or UNKNOWN]


def _of_media(call: ModelCall, found: Resolution) -> tuple[Resolution, Message | None]:
    """How a name that makes films or pictures was read, and why it cannot be estimated."""
    record = found.record
    if record is None:
        found = replace(found, grade="prior")
    else:  # what makes no text is unsupported only where no equations are its own
        same = call.model.strip().lower() == record.id.lower()
        found = replace(found, grade="exact" if same else "alias")
    if call.kind == "video" and (record is None or record.video is None):
        return found, message("video-not-registered", _asked(call))
    return found, None


def _of_hardware(
    catalog: Catalog, found: Resolution, host: Host, known: Deployment
) -> tuple[Message, ...]:
    """What of architecture and accelerator something else stands in for."""
    architecture = found.record.architecture if found.record else None
    codes = []
    if architecture is None:
        codes.append("architecture-from-size")
    elif architecture["status"] == "secondary":
        codes.append("architecture-secondary")
    if host.accelerators and known.accelerator is None and not _powered(catalog, host.accelerators):
        codes.append("hardware-power-unknown")
    return tuple(map(message, codes))


def _powered(catalog: Catalog, accelerators: tuple[str, ...]) -> list[str]:
    """What a host says it runs models on, as far as power, bandwidth and peak are published."""
    needed = {"power", "bandwidth", "bf16"}
    names = map(str.lower, accelerators)
    return [name for name in names if needed <= catalog.accelerators[name].keys()]


@lru_cache(maxsize=256)
def _stand_ins(
    catalog: Catalog, accelerators: tuple[str, ...]
) -> tuple[tuple[Hardware, ...], Hardware]:
    """What an unknown accelerator may be: the host's own, else the usual ones; and the generic."""
    names = (*(_powered(catalog, accelerators) or _STAND_INS), _GENERIC)
    *found, generic = (hardware(catalog.accelerators[name]) for name in names)
    return tuple(found), generic


def alike(call: ModelCall, found: Resolution, known: Mapping[str, Deployment]) -> tuple[Any, ...]:
    """All that a reading rests on once the name is read, the words of messages apart."""
    named = known or call.kind in MEDIA_KINDS
    return (
        *(call.model if named else None, call.provider, call.base_url, call.kind, call.zone),
        *(call.region, id(found.record), found.model, found.maker, found.host, found.grade),
        *(found.kind, found.total_params, found.active_params, found.zone, found.region),
        *(found.is_other,),
    )


def name_stem(catalog: Catalog, settings: Settings, call: ModelCall) -> tuple[Any, ...]:
    """All that the reading of the call's name rests on, but for the day."""
    own = settings.deployments  # these may name any model, a fine-tune too
    model = call.model if own else stem(catalog, call.model)
    return model, call.provider, call.requested, call.base_url


def read_name(
    catalog: Catalog, settings: Settings, call: ModelCall, at: dt.date | None
) -> Resolution:
    """The call's name, the user's own names for deployments first."""
    own = settings.deployments
    if own:
        target = own.get(call.model.strip().lower())
        if target is not None:
            return _deployed(catalog, call, target, call.model, at)
    found = resolve_name(
        catalog, call.model, call.provider, requested=call.requested, base_url=call.base_url, at=at
    )
    if own and call.requested and found.model is None:
        target = own.get(call.requested.strip().lower())
        if target is not None:
            return _deployed(catalog, call, target, call.requested, at)
    return found


def _deployed(
    catalog: Catalog, call: ModelCall, target: str, name: str, at: dt.date | None
) -> Resolution:
    found = resolve_name(catalog, target, call.provider, base_url=call.base_url, at=at)
    place = catalog.hosts[found.host or UNKNOWN]
    if place.passes_through or place.id == UNKNOWN or (place.local and found.model is None):
        named = resolve_name(catalog, target, ANY_HOST, at=at)
        if named.model is not None:  # the user says who it is: a gateway stands between
            found = named
    grade = worst_grade("alias", found.grade) or found.grade
    how = f"{name!r} is configured as {target!r}; {found.how}"
    return replace(found, grade=grade, how=how)


def _error(
    catalog: Catalog, settings: Settings, method: Method, call: ModelCall, found: Resolution
) -> Message | None:
    """Why a call of tokens cannot be estimated."""
    record = found.record
    via = record.via if record and call.kind in MEDIA_KINDS else None
    if not method.covers(call.kind, via=via):
        return message("kind-not-covered", f"({call.kind})")
    if not method.covers(found.kind, via=record.via if record else None):
        if found.grade == "unsupported":
            return message("kind-unsupported", f"({found.kind})")
        return message("kind-not-covered", f"({found.kind})")
    if found.total_params is not None or settings.unknown_models != "error":
        return None
    if found.model is not None:
        return message("model-size-unknown", f"({found.model})")
    return _NearMessage(message("model-not-registered", _asked(call)), catalog, call.model)


def _params(catalog: Catalog, found: Resolution, method: Method) -> Params:
    record = found.record
    total, active = found.total_params, found.active_params
    if record is not None and record.ecologits_total and method.factors == "ecologits-0.11.3":
        total = active = record.ecologits_total  # it rounds copies of Gemma as their names do
    if total is None or active is None:
        prior = catalog.rules.prior
        return Params(*prior["active"], *prior["total"])
    return Params(
        active.min,
        active.max,
        total.min,
        total.max,
        record.tps if record else None,
        record.ttft if record else None,
    )


def _warnings(
    catalog: Catalog,
    call: ModelCall,
    found: Resolution,
    host: Host,
    electricity: Electricity | None,
    own: bool,
) -> tuple[Message, ...]:
    record = found.record
    codes: dict[str, str | None] = dict.fromkeys(record.warnings if record and not own else ())
    codes.update(electricity.warnings if electricity else ())
    codes.update(dict.fromkeys(host.warnings))
    if host.local:
        codes["local-hardware-not-modelled"] = None
    if host.id == UNKNOWN or host.passes_through:
        codes["host-unknown"] = None
    if record is not None and found.kind not in _OF_TEXT and not own:
        codes["kind-not-text"] = None
    is_unheard = found.total_params is None and found.model is None
    if found.total_params is None and not own:
        codes["model-prior"] = _why_prior(call, found)
    code = _GRADE_CODES.get(found.grade)
    if code:
        codes[code] = f"({found.how}.)"
    said = [message(code, detail) for code, detail in codes.items()]
    if is_unheard and not found.is_other:
        near = (_NearMessage(m, catalog, call.model) for m in said if m.code == "model-prior")
        said = [m for m in said if m.code != "model-prior"] + list(near)
    return tuple(said)


def _why_prior(call: ModelCall, found: Resolution) -> str:
    if found.model is not None:
        return f"The catalog knows {found.model!r}, but not its size."
    return f"{_asked(call)} {found.how}." if found.is_other else _asked(call)


def _asked(call: ModelCall) -> str:
    provider = f" at {call.provider}" if call.provider else ""
    return f"Asked for {call.model!r:.120}{provider}."


@lru_cache(maxsize=8)
def _names(catalog: Catalog) -> Names:
    return Names(catalog.model_names())


class _NearMessage(Message):
    """A message about an unknown name. The names near it are looked for when it is first read."""

    __slots__ = ("_catalog", "_name", "_near")

    def __init__(self, said: Message, catalog: Catalog, name: str) -> None:
        super().__init__(said.code, said.message)
        for slot, value in (("_catalog", catalog), ("_name", name), ("_near", None)):
            object.__setattr__(self, slot, value)

    def __getattribute__(self, name: str) -> Any:
        if name != "message":
            return super().__getattribute__(name)
        if self._near is None:
            names = _names(self._catalog).nearest(self._name)
            hint = f" Nearest known names: {', '.join(names)}." if names else ""
            object.__setattr__(self, "_near", hint)
        return f"{super().__getattribute__('message')}{self._near}"

    def __eq__(self, other: object) -> bool:
        if isinstance(other, _NearMessage) and self._name == other._name:
            return self.code == other.code  # without the search
        return isinstance(other, Message) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash((self.code, self.message))  # as a plain message's
