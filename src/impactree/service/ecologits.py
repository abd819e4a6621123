"""The questions of EcoLogits' own API (``/v1beta``), answered in its shapes by ``ecologits-0.11``.

Figures are equal to its own. A name that it does not list, but that is read as a model we know, is
estimated; what is only a guess is its error ``model-not-registered``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from impactree.calls import Media, ModelCall
from impactree.engine import shared_engine
from impactree.values.criteria import CRITERIA
from impactree.values.messages import message

if TYPE_CHECKING:
    from collections.abc import Iterator

    from impactree.catalog import ModelRecord
    from impactree.engine import Engine
    from impactree.engine.reading import Reading
    from impactree.values.impacts import Impacts
    from impactree.values.range import Range

__all__ = [
    "PROVIDERS",
    "estimation",
    "models_of",
    "video_estimation",
    "video_models_of",
    "video_providers",
    "zone_codes",
    "zone_of",
]

PROVIDERS: Final = (
    *("anthropic", "mistralai", "openai"),
    *("huggingface_hub", "cohere", "google_genai"),
)
_BY_MAKER: Final = {"google": "google_genai", "mistral": "mistralai", "zai": "mistralai"}
"""Whose models it lists under another name; those of Z.ai that Mistral serves, under Mistral's."""
_UNLIMITED_S: Final = 1e6
"""Its stand-in for a latency that nobody measured."""


def models_of(provider: str) -> list[dict[str, Any]]:
    """The models that it lists for one of :data:`PROVIDERS`, aliases as models of their own."""
    found = []
    for record in shared_engine().catalog.records():
        if not _is_listed(record) or _provider_of(record) != provider:
            continue
        found += [_model(record, name, provider) for name in (record.id, *record.aliases)]
    return found


def _is_listed(record: ModelRecord) -> bool:
    return record.is_from_ecologits and record.video is None


def _provider_of(record: ModelRecord) -> str:
    return "huggingface_hub" if "/" in record.id else _BY_MAKER.get(record.maker, record.maker)


def _model(record: ModelRecord, name: str, provider: str) -> dict[str, Any]:
    total, active = record.ecologits_total or record.total, record.active
    dense = record.total == record.active
    sizes = {"total": _value(total), "active": _value(active)}
    return {
        "provider": provider,
        "name": name,
        "architecture": {
            "type": "dense" if dense else "moe",
            "parameters": sizes["total"] if dense else sizes,
        },
        "warnings": [message(code).to_dict() for code in record.warnings],
        "sources": list(record.sources),
        "deployment": {"tps": record.tps, "ttft": record.ttft},
    }


def _value(span: Range | None) -> Any:
    if span is None:
        return None
    return span.min if span.min == span.max else {"min": span.min, "max": span.max}


def zone_of(code: str) -> dict[str, Any] | None:
    """The electricity mix of a country or the world, per kWh; None: it has no such zone."""
    zone = shared_engine().catalog.zone(code)
    if zone is None or zone.parent is not None:
        return None
    return {
        "zone": zone.id,
        **{name: getattr(zone.mix, name) for name in ("adpe", "pe", "gwp", "wue")},
        "warnings": [message(one).to_dict() for one in zone.warnings],
    }


def zone_codes() -> list[str]:
    """Those that :func:`zone_of` takes."""
    catalog = shared_engine().catalog
    return [zone.id for zone in map(catalog.zone, catalog.zone_codes) if zone and not zone.parent]


def video_providers() -> list[str]:
    """Who makes the models of films that it lists."""
    return list(dict.fromkeys(name.partition("/")[0] for name, _ in _films()))


def video_models_of(provider: str) -> list[dict[str, Any]]:
    """The models of films that it lists for one of :func:`video_providers`."""
    return [
        {
            "provider": provider,
            "model_name": name,
            "capabilities": {
                "resolutions": [list(map(int, size.split("x"))) for size in film["resolutions"]],
                "frames_count": list(film["frames"]),
                "audio_generation": film["sound"],
            },
        }
        for name, film in _films()
        if name.partition("/")[0] == provider
    ]


def _films() -> Iterator[tuple[str, dict[str, Any]]]:
    """Its name of each model, which begins with the maker's, and what is known of its films."""
    for record in shared_engine().catalog.records():
        if record.video is not None:
            yield next(name for name in (record.id, *record.aliases) if "/" in name), record.video


def estimation(
    provider: str, model: str, output_tokens: int, latency_s: float | None, zone: str | None
) -> dict[str, Any]:
    """The impacts of one request, in its shape."""
    call = ModelCall(
        provider=provider,
        model=model,
        output_tokens=output_tokens,
        latency_s=_UNLIMITED_S if latency_s is None else latency_s,
        zone=zone,
    )
    return _estimated(call)


def video_estimation(
    model: str, resolution: str, seconds: float, sound: bool, zone: str | None
) -> dict[str, Any]:
    """The impacts of one film, in its shape."""
    film = Media(resolution=resolution, seconds=seconds, sound=sound)
    return _estimated(ModelCall(kind="video", model=model, tokens=film, zone=zone))


def _estimated(call: ModelCall) -> dict[str, Any]:
    engine: Engine = shared_engine(method="ecologits-0.11", unknown_models="error")
    found, impacts = engine.read(call), engine.estimate(call)
    return _in_its_shape(impacts, found)


def _in_its_shape(impacts: Impacts, found: Reading) -> dict[str, Any]:
    data = impacts.to_dict()
    params, site = found.params, found.site
    sized = params is not None and (
        found.kind == "video"
        or params.active_min != params.active_max
        or params.total_min != params.total_max
    )
    spread = sized or site.pue_min != site.pue_max
    water = spread or site.wue_min != site.wue_max
    made = sized and found.kind != "video"
    used = {"energy": spread, "gwp": spread, "adpe": spread, "pe": spread, "wcf": water}
    embodied = dict.fromkeys((c.key for c in CRITERIA if c.embodied), made)
    out: dict[str, Any] = {
        key: _figure(data[key], used[key] or embodied.get(key, False)) for key in used
    }
    for phase, spans in (("usage", used), ("embodied", embodied)):
        part = data[phase]
        out[phase] = part and {
            "type": part["type"],
            "name": part["name"],
            **{key: _figure(part[key], span) for key, span in spans.items()},
        }
    return {**out, "warnings": data["warnings"], "errors": data["errors"]}


def _figure(impact: dict[str, Any] | None, span: bool) -> dict[str, Any] | None:
    """An impact whose value is a span, or one number where nothing behind it is a span."""
    if impact is None:
        return None
    ends = {end: impact["value"][end] for end in ("min", "max")}
    return {**impact, "value": ends if span else ends["max"]}
