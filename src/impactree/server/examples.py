"""Examples for the OpenAPI document: requests that work as they stand; answers are shortened."""

from __future__ import annotations

from typing import Any, Final

__all__ = [
    "COMPARED",
    "COMPARISONS",
    "ESTIMATES",
    "EXPLAINED",
    "ONE_ESTIMATE",
    "QUESTIONS",
    "RESOLVED",
]

_CALL: Final = {
    "model": "gpt-4o-mini",
    "provider": "openai",
    "input_tokens": 1200,
    "output_tokens": 400,
    "latency_s": 3.2,
}
_FILM: Final = {
    "kind": "video",
    "model": "google/veo-3.1",
    "resolution": "720p",
    "seconds": 8.0,
    "sound": True,
}
ESTIMATES: Final[Any] = {
    "one": {"summary": "One call", "value": _CALL},
    "many": {
        "summary": "Several, in France, by impactree-1",
        "value": {
            "calls": [_CALL, {**_CALL, "zone": "FRA", "cached_input_tokens": 1000}],
            "method": "impactree-1",
        },
    },
    "film": {"summary": "A film", "value": _FILM},
}
COMPARISONS: Final[Any] = {
    "models": {
        "summary": "Another model, and elsewhere",
        "value": {
            "calls": [_CALL],
            "alternatives": [
                {"model": "gpt-4o"},
                {"name": "in Sweden", "zone": "SWE"},
            ],
        },
    }
}
_EMPTY: Final[dict[str, Any]] = {
    "format": 2,
    "method": "ecologits-0.11",
    "zone": None,
    "what_if": None,
    "catalog_version": "2026-11-29",
    "calls": 0,
    "runs": [],
    "total": {},
    "coverage": {},
}
QUESTIONS: Final[Any] = {
    "groups": {
        "summary": "By agent and model",
        "value": {"report": {**_EMPTY}, "by": ["agent", "model"]},
    }
}


def _impact(type: str, name: str, unit: str, low: float, mean: float, high: float) -> Any:
    value = {"min": low, "mean": mean, "max": high}
    return {"type": type, "name": name, "value": value, "unit": unit}


ONE_ESTIMATE: Final[Any] = {
    "method": "ecologits-0.11",
    "catalog_version": "2026-11-29",
    "model": "gpt-4o-mini",
    "host": "openai",
    "zone": "USA",
    "credits": [],
    "equivalents": [],
    "impacts": {
        "energy": _impact("energy", "Energy", "kWh", 4.5e-5, 5.7e-5, 6.9e-5),
        "gwp": _impact("GWP", "Global Warming Potential", "kgCO2eq", 1.8e-5, 2.2e-5, 2.7e-5),
        "grade": "exact",
        "warnings": [{"code": "model-arch-not-released", "message": "..."}],
        "errors": None,
    },
}
EXPLAINED: Final[Any] = {
    "method": "ecologits-0.11",
    "catalog_version": "2026-11-29",
    "zone": "USA (United States), chosen by the host openai",
    "steps": [
        {
            "symbol": "E",
            "name": "energy",
            "min": 4.5e-5,
            "mean": 5.7e-5,
            "max": 6.9e-5,
            "unit": "kWh",
            "equation": "PUE E_it",
        }
    ],
}
RESOLVED: Final[Any] = {
    "model": "gpt-4o-mini",
    "maker": "openai",
    "host": "openai",
    "grade": "exact",
    "kind": "chat",
    "total_params": {"min": 440.0, "mean": 440.0, "max": 440.0},
    "active_params": {"min": 44.0, "mean": 88.0, "max": 132.0},
    "zone": None,
    "region": None,
    "how": "the name of a model of the catalog",
}
COMPARED: Final[Any] = {
    "method": "ecologits-0.11",
    "rows": [{"name": "as it is", "change_gwp_kgco2eq": {"min": 0.0, "mean": 0.0, "max": 0.0}}],
    "cannot_be_told_apart": [["as it is", "gpt-4o"]],
    "notes": ["Cannot be told apart: 1 and 2."],
}
