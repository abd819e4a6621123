"""The setting ``deployment``: what is known of the hardware that serves a model."""

from __future__ import annotations

from numbers import Real
from typing import TYPE_CHECKING, Any, Final

from impactree.catalog._near import nearest
from impactree.exceptions import ConfigurationError
from impactree.methods import Deployment, Hardware

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from impactree.catalog import Catalog

__all__ = ["FIELDS", "PRECISIONS", "deployment_of", "hardware", "read_deployment"]

FIELDS: Final = ("accelerator", "count", "batch_size", "precision", "parallelism")
PRECISIONS: Final = ("bf16", "fp16", "fp8", "int8", "mxfp4", "int4")
_WAYS: Final = ("tensor", "expert", "data")
_EXAMPLE: Final = '{"accelerator": "H100", "count": 2, "batch_size": 32, "precision": "fp8"}'
_MAX_COUNT: Final = 4096
_MAX_BATCH: Final = 1e6


def hardware(raw: Mapping[str, Any]) -> Hardware:
    """A data sheet of the catalog as a method takes it."""

    def pair(name: str) -> tuple[float, float] | None:
        found = raw.get(name)
        return None if found is None else (found[0], found[1])

    return Hardware(
        id=raw["id"],
        power=pair("power"),
        memory=raw["memory"],
        bandwidth=pair("bandwidth"),
        bf16=pair("bf16"),
        gwp=pair("gwp"),
        adpe=pair("adpe"),
        pe=pair("pe"),
    )


def read_deployment(catalog: Catalog, said: Mapping[str, Any], where: str) -> dict[str, Deployment]:
    """Check the setting: hardware for all calls under ``""``, else by host or model name.

    Raises:
        ConfigurationError: names the key, the value and what was expected.
    """
    if not said:
        return {}
    if any(key in FIELDS for key in said):
        return {"": _one(catalog, said, where)}
    made: dict[str, Deployment] = {}
    for name, value in said.items():
        if not isinstance(value, dict):
            near = nearest(name, FIELDS, 1)
            hint = f"; names of models belong into deployments={{{name!r}: {value!r}}}"
            hint = f"; did you mean {near[0]}?" if near else hint * isinstance(value, str)
            raise ConfigurationError(
                f"{where}: {name!r} is none of {', '.join(FIELDS)}, and {value!r:.60} describes no "
                f"hardware, e.g. {_EXAMPLE}{hint}"
            )
        made[name.strip().lower()] = one = _one(catalog, value, f"{where}.{name}")
        if (host := catalog.host(name)) is not None:
            made.setdefault(host.id, one)  # ``bedrock``: any of its names
    return made


def deployment_of(known: Mapping[str, Deployment], *names: str | None) -> Deployment:
    """The hardware of the first of these names that has any, else that of all calls."""
    if not known:
        return _UNKNOWN
    for name in names:
        found = known.get(name.strip().lower()) if name else None
        if found is not None:
            return found
    return known.get("", _UNKNOWN)


def check_keys(said: Iterable[object], known: Sequence[str], where: str) -> None:
    """Refuse what is no key of a setting's table.

    Raises:
        ConfigurationError: names the key, the nearest one and all that there are.
    """
    for key in said:
        if key not in known:
            near = nearest(str(key), known)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise ConfigurationError(
                f"{where}: unknown key {key!r:.80}{hint} Keys: {', '.join(known)}"
            )


def _one(catalog: Catalog, said: Mapping[str, Any], where: str) -> Deployment:
    check_keys(said, FIELDS, where)
    sheet = said.get("accelerator")
    spread, groups = _parallelism(said.get("parallelism"), said.get("count"), where)
    precision = said.get("precision")
    if precision is not None and precision not in PRECISIONS:
        raise ConfigurationError(
            f"{where}: unknown precision {precision!r}; known: {', '.join(PRECISIONS)}"
        )
    return Deployment(
        accelerator=None if sheet is None else _accelerator(catalog, sheet, where),
        count=_number(said, "count", where, int, _MAX_COUNT),
        batch_size=_number(said, "batch_size", where, float, _MAX_BATCH),
        precision=precision,
        expert_parallel=spread,
        data_parallel=groups,
    )


def _accelerator(catalog: Catalog, name: object, where: str) -> Hardware:
    raw = catalog.accelerators.get(name.strip().lower()) if isinstance(name, str) else None
    known = [sheet["id"] for sheet in catalog.accelerators.values()]
    if raw is None:
        near = ", ".join(nearest(str(name), known)) or ", ".join(sorted(known))
        raise ConfigurationError(
            f"{where}: unknown accelerator {name!r}; nearest: {near}. "
            f"All: {', '.join(sorted(known))}"
        )
    words = {"power": "power", "bandwidth": "memory bandwidth", "bf16": "peak of 16-bit products"}
    missing = [word for key, word in words.items() if key not in raw]
    if missing:
        raise ConfigurationError(
            f"{where}: accelerator {raw['id']} has no published {' and no '.join(missing)}, so its "
            "energy cannot be estimated; leave it out and a generic one stands in"
        )
    return hardware(raw)


def _number(
    said: Mapping[str, Any], key: str, where: str, kind: Callable[[Any], Any], most: float
) -> Any:
    value = said.get(key)
    if value is None:
        return None
    number = isinstance(value, Real) and not isinstance(value, bool)
    if not (number and 1 <= value <= most and kind(value) == value):
        what = "a whole number" if kind is int else "a number"
        raise ConfigurationError(f"{where}: {key} must be {what} from 1 to {most:g}, not {value!r}")
    return kind(value)


def _parallelism(said: Any, count: Any, where: str) -> tuple[bool | None, int]:
    """Whether experts are spread, and how many groups hold the attention weights."""
    if said is None:
        return None, 1
    if said == "expert":
        return True, 1
    ways = {said: count or 1} if isinstance(said, str) else said
    if not isinstance(ways, dict) or any(way not in _WAYS for way in ways):
        raise ConfigurationError(
            f"{where}: parallelism must be one of {', '.join(_WAYS)}, or how many accelerators "
            f'each takes, e.g. {{"tensor": 4, "expert": 4}}, not {said!r:.80}'
        )
    sizes = {way: _number(ways, way, f"{where}.parallelism", int, _MAX_COUNT) for way in ways}
    return sizes.get("expert", 1) > 1, sizes.get("data", 1)


_UNKNOWN: Final = Deployment()
