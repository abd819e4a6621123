"""Energy that a server reports with its answer, in a field or header that the user names."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from impactree.calls.known_energy import BOUNDARIES, Boundary, KnownEnergy
from impactree.calls.names import field
from impactree.exceptions import ConfigurationError

if TYPE_CHECKING:
    from impactree.calls.model_call import ModelCall

__all__ = ["ReportedEnergy", "read_reported"]

_KWH: Final = {
    "uj": 1 / 3.6e12,
    "mj": 1 / 3.6e9,
    "j": 1 / 3.6e6,
    "ws": 1 / 3.6e6,
    "kj": 1 / 3.6e3,
    "uwh": 1e-9,
    "mwh": 1e-6,
    "wh": 1e-3,
    "kwh": 1.0,
}
_WORDS: Final = {
    "microjoules": "uj",
    "millijoules": "mj",
    "joules": "j",
    "watt_seconds": "ws",
    "kilojoules": "kj",
    "milliwatt_hours": "mwh",
    "watt_hours": "wh",
    "kilowatt_hours": "kwh",
}
_KEYS: Final = ("field", "unit", "boundary", "alone")
_EXAMPLE: Final = '{"my-vllm": "usage.energy_mj"}'
_MORE: Final = (
    '{"my-vllm": {"field": "usage.energy", "unit": "mJ", "boundary": "gpu", "alone": True}}'
)
_ALIKE: Final = {"usage": ("usage", "token_usage", "usage_metadata")}
"""What frameworks make of a server's name for a part of its answer."""
_END: Final = re.compile(r"[._-]")
_MAX_KWH: Final = 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class _Field:
    path: tuple[str, ...]
    name: str
    factor: float
    """kWh per unit."""
    boundary: Boundary | None
    alone: bool | None


@dataclass(frozen=True, slots=True)
class ReportedEnergy:
    """Which field or header of whose answers holds energy."""

    fields: Mapping[str, _Field]

    def of(self, call: ModelCall, places: Iterable[Any]) -> ModelCall:
        """The call with what its answer reports.

        Args:
            call: One that was answered.
            places: What the framework kept of the answer: dicts or objects.
        """
        found = self._field(call)
        if found is None or call.energy is not None:
            return call
        value = next(
            (v for place in places if (v := _look_up(place, found.path)) is not None), None
        )
        kwh = _number(value)
        if kwh is None:
            note = "energy-not-reported" if value is None else "energy-unreadable"
            return replace(call, usage_notes=(*call.usage_notes, note))
        energy = KnownEnergy(
            by_source=(("reported", kwh * found.factor),),
            boundary=found.boundary,
            alone=found.alone,
        )
        return replace(call, energy=energy)

    def _field(self, call: ModelCall) -> _Field | None:
        """By model, provider, or the beginning of the address."""
        for name in (call.model, call.requested, call.provider):
            if name and (found := self.fields.get(name.lower())):
                return found
        if call.base_url:
            address = call.base_url.lower()
            for name, found in self.fields.items():
                if "://" in name and address.startswith(name.rstrip("/")):
                    return found
        return None


def _look_up(place: Any, path: tuple[str, ...]) -> Any:
    """What stands at a path, or in a header of that name."""
    if place is None:
        return None
    headers = field(place, "headers")
    if isinstance(headers, Mapping):
        name = ".".join(path).lower()
        for key, value in headers.items():
            if str(key).lower() == name:
                return value
    first, *rest = path
    for start in _ALIKE.get(first, (first,)):
        value = field(place, start)
        for key in rest:
            value = None if value is None else field(value, key)
        if value is not None:
            return value
    return None


def _number(value: Any) -> float | None:
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return (
        float(value)
        if math.isfinite(value) and 0 <= value <= _MAX_KWH / min(_KWH.values())
        else None
    )


def read_reported(said: Any) -> ReportedEnergy | None:
    """Check the argument ``reported_energy``.

    Args:
        said: By model, provider or address: the path of a field in the answer (``usage.energy_mj``)
            or the name of a header (``X-Energy-Joules``), whose end is the unit; or a mapping with
            ``field``, ``unit``, ``boundary`` and ``alone``.

    Raises:
        ConfigurationError: names the key, the value and what was expected.
    """
    if not said:
        return None
    if not isinstance(said, Mapping):
        raise ConfigurationError(
            f"reported_energy takes a mapping such as {_EXAMPLE}, not {said!r:.80}"
        )
    return ReportedEnergy({_key(name): _read(name, value) for name, value in said.items()})


def _key(name: Any) -> str:
    if not isinstance(name, str) or not name.strip():
        raise ConfigurationError(
            f"reported_energy: a key is a model, a provider or an address, not {name!r:.80}"
        )
    return name.strip().lower()


def _read(name: str, value: Any) -> _Field:
    where = f"reported_energy[{name!r:.80}]"
    about = {"field": value} if isinstance(value, str) else value
    if not isinstance(about, Mapping) or not isinstance(about.get("field"), str):
        raise ConfigurationError(
            f"{where} must be the path of a field or a header, as in {_EXAMPLE}, or say more of "
            f"it, as in {_MORE}; not {value!r:.80}"
        )
    for key in about:
        if key not in _KEYS:
            raise ConfigurationError(f"{where}: unknown key {key!r:.80}; keys: {', '.join(_KEYS)}")
    path = tuple(part for part in about["field"].strip().split(".") if part)
    if not path:
        raise ConfigurationError(f"{where}: the field's path is empty")
    boundary: Any = about.get("boundary")
    alone = about.get("alone")
    if boundary is not None and boundary not in BOUNDARIES:
        raise ConfigurationError(
            f"{where}: boundary must be one of {', '.join(BOUNDARIES)}, not {boundary!r:.80}"
        )
    if alone not in (True, False, None):
        raise ConfigurationError(f"{where}: alone must be True or False, not {alone!r:.80}")
    factor = _KWH[_unit(about.get("unit"), path[-1], where)]
    return _Field(path=path, name=name, factor=factor, boundary=boundary, alone=alone)


def _unit(said: Any, last: str, where: str) -> str:
    """The unit, as said, else as the name ends."""
    if said is not None:
        word = str(said).strip().lower().replace("µ", "u").replace("μ", "u").replace(" ", "_")
        if said != "MJ" and (word in _KWH or word in _WORDS):  # no request takes a megajoule
            return _WORDS.get(word, word)
        raise ConfigurationError(
            f"{where}: unit must be one of uJ, mJ, J, kJ, uWh, mWh, Wh, kWh, not {said!r:.80}"
        )
    plain = last.lower().replace("-", "_")
    for word, unit in sorted(_WORDS.items(), key=lambda each: -len(each[0])):
        if plain.endswith(word):
            return unit
    end = _END.split(plain)[-1]
    if end in _KWH:
        return end
    raise ConfigurationError(
        f"{where}: {last!r:.80} does not end in its unit (_uj, _mj for millijoules, _j, _joules, "
        f"_kj, _mwh, _wh, _kwh); say it: {_MORE}"
    )
