"""Examples for the OpenAPI document: requests that work as they stand, and what they are answered.

Answers are computed by what the routes call, and shortened: of each list the first entry.
"""

from __future__ import annotations

import json
from typing import Any, Final

from pydantic_core import to_json

from impactree import __version__
from impactree.calls import ModelCall
from impactree.engine import shared_engine
from impactree.report import schema
from impactree.service import ecologits, listing
from impactree.service.estimating import counted, explanation, one_estimate
from impactree.service.organisation import Use, organisation, read_uses, to_csv
from impactree.service.reporting import Question, compared, name_of, report_of_calls, shown

__all__ = ["answers", "example_report", "requests", "short"]

_CALL: Final = {
    "model": "gpt-4o-mini",
    "provider": "openai",
    "input_tokens": 1200,
    "output_tokens": 400,
    "latency_s": 3.2,
}
_CALLS: Final = {
    "calls": [_CALL, {**_CALL, "zone": "FRA", "cached_input_tokens": 1000}],
    "method": "impactree-1",
}
_FILM: Final = {
    "kind": "video",
    "model": "google/veo-3.1",
    "resolution": "720p",
    "seconds": 8.0,
    "sound": True,
}
_ASKED: Final = {"model": "gpt-4o-mini", "provider": "openai", "zone": "FRA", "output_tokens": 400}
_USE: Final = {
    "who": "Support",
    "people": 40.0,
    "requests_per_day": 25.0,
    "model": "gpt-4o-mini",
    "provider": "openai",
    "output_tokens": 400,
}
_YEAR: Final = {"uses": [_USE], "method": "impactree-1"}
_CSV: Final = "who,people,requests_per_day,model,output_tokens\nSupport,40,25,gpt-4o-mini,400\n"
_ALTERNATIVES: Final = [{"model": "gpt-4o"}, {"name": "in Sweden", "zone": "SWE"}]
_BETA: Final = {"provider": "openai", "model_name": "gpt-4o-mini", "output_token_count": 300}
_BETA_FILM: Final = {"model_name": "google/veo-3.1", "resolution": "720p", "duration": 4.0}
_LONGEST: Final = 300


def requests(report: Any) -> dict[str, Any]:
    """The bodies of each path that takes one, by their names.

    Args:
        report: Of one call.
    """
    data = report.to_dict()
    return {
        "/v1/estimate": {
            "one": _named("One call", _CALL),
            "many": _named("Several, in France, by impactree-1", _CALLS),
            "film": _named("A film", _FILM),
        },
        "/v1/explain": {"one": _named("In France", _ASKED)},
        "/v1/tokens": {"one": _named("A text", {"text": "How many tokens has this?"})},
        "/v1/report": {"groups": _named("By model", {"report": data, "by": ["model"]})},
        "/v1/compare": {
            "models": _named(
                "Another model, and elsewhere", {"calls": [_CALL], "alternatives": _ALTERNATIVES}
            )
        },
        **{
            f"/v1/organisation{form}": {"one": _named("A team's year", _YEAR)}
            for form in ("", "/csv", "/xlsx")
        },
        "/v1/organisation/read": {"one": _named("One use", {"csv": _CSV})},
        "/v1beta/estimations": {"one": _named("One request", _BETA)},
        "/v1beta/video-estimations": {"one": _named("A film", _BETA_FILM)},
    }


def _named(summary: str, value: Any) -> dict[str, Any]:
    return {"summary": summary, "value": value}


def example_report() -> Any:
    """A report of one call."""
    return report_of_calls([_call(_CALL)])


def answers(report: Any) -> dict[str, Any]:
    """What each path answers to the first of its requests, shortened.

    Args:
        report: That of the requests.
    """
    found = {**_of_calls(), **_of_reports(report), **_of_lists(), **_of_ecologits()}
    return {path: short(value) for path, value in found.items()}


def _of_calls() -> dict[str, Any]:
    asked: dict[str, Any] = {key: value for key, value in _ASKED.items() if key != "model"}
    return {
        "/v1/estimate": one_estimate(_call(_CALL)),
        "/v1/explain": explanation("gpt-4o-mini", **asked).to_dict(),
        "/v1/tokens": counted("How many tokens has this?"),
        "/v1/resolve": listing.resolved("gpt-4o-mini", provider="openai"),
        "/health": {"status": "ok", "version": __version__},
        "/metrics": 'impactree_requests_total{method="GET",route="/health",status="200"} 1.0\n',
    }


def _of_reports(report: Any) -> dict[str, Any]:
    use = Use(who="Support", people=40, requests_per_day=25, call=_call(_USE))
    year = organisation([use], {"method": "impactree-1"})
    told = {key: value for key, value in report.to_dict().items() if key != "runs"}
    named = {one.get("name") or name_of(one): _changes(one) for one in _ALTERNATIVES}
    return {
        "/v1/report": {"groups": shown(report, Question(by=["model"])).to_dict(), "report": told},
        "/v1/compare": compared(report, named).to_dict(),
        "/v1/organisation": year,
        "/v1/organisation/csv": to_csv(year),
        "/v1/organisation/read": {"uses": read_uses(_CSV)},
        # Without its references, which tools would look for in the document.
        "/v1/schemas/{name}": {key: schema("impacts")[key] for key in ("$schema", "$id", "title")},
        "/v1/runs/page": {"title": "agent", "report": {"method": "impactree-1"}},
        "/v1/runs": {"database": True, "by": ["agent"]},
        "/v1/runs/groups": {"rows": [{"model": "gpt-4o-mini", "calls": 3, "estimated_calls": 3}]},
        "/v1/runs/dearest": {"rows": [{"name": "agent", "calls": 3, "estimated_calls": 3}]},
    }


def _of_lists() -> dict[str, Any]:
    rows = {
        "models": listing.models("haiku"),
        "zones": listing.zones("france"),
        "providers": listing.providers("openai"),
        "regions": listing.regions("paris"),
        "methods": listing.methods(),
        "disclosures": listing.disclosures(),
        "accelerators": listing.accelerators(),
    }
    version = shared_engine().catalog.version
    return {f"/v1/{name}": {name: r, "catalog_version": version} for name, r in rows.items()}


def _of_ecologits() -> dict[str, Any]:
    film = ecologits.video_estimation("google/veo-3.1", "720p", 4.0, True, None)
    return {
        "/v1beta/providers": {"providers": ecologits.PROVIDERS},
        "/v1beta/models/{provider_name}": {"models": ecologits.models_of("openai")},
        "/v1beta/video-providers": {"providers": ecologits.video_providers()},
        "/v1beta/video-models/{provider_name}": {"models": ecologits.video_models_of("google")},
        "/v1beta/electricity-mix-zones/{zone}": {"electricity_mix": ecologits.zone_of("FRA")},
        "/v1beta/estimations": {
            "impacts": ecologits.estimation("openai", "gpt-4o-mini", 300, None, None)
        },
        "/v1beta/video-estimations": {"impacts": film},
    }


def _call(fields: dict[str, Any]) -> ModelCall:
    about = ("who", "people", "requests_per_day")
    return ModelCall(**{key: value for key, value in fields.items() if key not in about})


def _changes(one: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in one.items() if key != "name"}


def short(value: Any) -> Any:
    """Plain data: of lists the first entry, of texts their beginning."""
    return _cut(json.loads(to_json(value, inf_nan_mode="null")))


def _cut(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _cut(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_cut(one) for one in value[:1]]
    if isinstance(value, str) and len(value) > _LONGEST:
        return f"{value[:_LONGEST]}..."
    return value
