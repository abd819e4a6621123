"""The OpenAPI document: FastAPI's, with the published schemas and the catalog's names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from fastapi.openapi.utils import get_openapi

from impactree import __version__
from impactree.report import schema
from impactree.server.answers import ref
from impactree.server.bodies import known_names
from impactree.server.examples import answers, example_report, requests

if TYPE_CHECKING:
    from fastapi import FastAPI

__all__ = ["document"]

_ABOUT: Final = (
    "Energy (kWh), greenhouse gases (kgCO2eq), abiotic depletion (kgSbeq), primary energy (MJ) and "
    "water (L) of calls to models, each as a range with its expected value. All figures are "
    "estimates. Nothing that is sent is kept."
)
_UNUSED: Final = ("HTTPValidationError", "ValidationError")
_NUMBER: Final = {"type": "number"}
_TEXT: Final = {"type": "string"}
_NAMES: Final = {
    "accelerators": "AcceleratorId",
    "kinds": "ModelKind",
    "messages": "MessageCode",
    "methods": "MethodName",
    "regions": "RegionId",
    "zones": "ZoneCode",
}


def document(app: FastAPI, *, token: bool) -> dict[str, Any]:
    """The document of an app.

    Args:
        app: With all its routes.
        token: Whether it asks for one.
    """
    made = get_openapi(
        title="impactree", version=__version__, description=_ABOUT, routes=app.routes
    )
    found = made.setdefault("components", {}).setdefault("schemas", {})
    for name in _UNUSED:
        found.pop(name, None)
    found.update(_ANSWERS)
    found.update({_NAMES[kind]: _names(kind) for kind in _NAMES})
    _of_impacts(found)
    whole: dict[str, Any] = _with_names(made)
    _add_examples(whole["paths"])
    if token:
        whole["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        for path, methods in whole["paths"].items():
            for operation in methods.values():
                operation["security"] = [] if path == "/health" else [{"token": []}]
    return whole


def _add_examples(paths: dict[str, Any]) -> None:
    report = example_report()
    told, asked = answers(report), requests(report)
    for path, methods in paths.items():
        for operation in methods.values():
            (content,) = operation["responses"]["200"]["content"].values()
            if path in told:
                content["example"] = told[path]
            if path in asked:
                operation["requestBody"]["content"]["application/json"]["examples"] = asked[path]


def _names(kind: str) -> dict[str, Any]:
    return {"type": "string", "enum": sorted(known_names(kind))}


def _with_names(value: Any) -> Any:
    """With a reference where a name of the catalog stands."""
    if isinstance(value, list):
        return [_with_names(one) for one in value]
    if not isinstance(value, dict):
        return value
    if "x-names" in value:
        return ref(_NAMES[value["x-names"]])
    return {key: _with_names(one) for key, one in value.items()}


def _of_impacts(found: dict[str, Any]) -> None:
    """The published schema of impacts, its parts as components."""
    impacts = schema("impacts")
    parts = impacts.pop("$defs")
    for key in ("$schema", "$id"):
        impacts.pop(key)

    def moved(value: Any) -> Any:
        if isinstance(value, list):
            return [moved(one) for one in value]
        if isinstance(value, dict):
            return {
                key: one.replace("#/$defs/", "#/components/schemas/Impacts-")
                if key == "$ref"
                else moved(one)
                for key, one in value.items()
            }
        return value

    found["Impacts"] = moved(impacts)
    found.update({f"Impacts-{name}": moved(part) for name, part in parts.items()})


def _object(required: dict[str, Any], optional: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "type": "object",
        "required": [*required],
        "properties": {**required, **(optional or {})},
    }


def _list(of: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": of}


def _or_null(type: str) -> dict[str, Any]:
    return {"type": [type, "null"]}


_PLACE: Final = {name: _or_null("string") for name in ("model", "host", "zone")}
_IMPACTS: Final = ref("Impacts")
_MADE: Final = {
    "method": _TEXT,
    "catalog_version": _TEXT,
    "credits": _list(_TEXT),
    "equivalents": _list({"type": "object"}),
}
_RESULT: Final = _object({**_PLACE, "impacts": _IMPACTS})
_SPAN: Final = _object({"min": _NUMBER, "mean": _NUMBER, "max": _NUMBER})
_SIZE: Final = {"anyOf": [_SPAN, {"type": "null"}]}
_ERROR: Final = _object({"field": _TEXT, "message": _TEXT})
_ABOUT_ERROR: Final = {
    "type": _TEXT,
    "title": _TEXT,
    "status": {"type": "integer"},
    "detail": _TEXT,
}
_ENDS: Final = {end: _or_null("number") for end in ("min", "mean", "max")}
_STEP: Final = dict.fromkeys(("symbol", "name", "unit", "equation"), _TEXT)
_ROW: Final = {"name": _TEXT, "total": _IMPACTS, "change_gwp_kgco2eq": _SPAN}
_PAIRS: Final = {"cannot_be_told_apart": _list(_list(_TEXT)), "notes": _list(_TEXT)}
_PLAIN: Final = {"type": "object"}
_ANSWERS: Final[dict[str, Any]] = {
    "Problem": _object(_ABOUT_ERROR, {"errors": _list(_ERROR)}),
    "Text": _TEXT,
    "DisclosureRow": _object({"maker": _TEXT, "subject": _TEXT, "figure": _NUMBER, "unit": _TEXT}),
    "Detail": _object({"detail": {}}),
    "EstimateAnswer": _object({**_MADE, **_PLACE, "impacts": _IMPACTS}),
    "EstimatesAnswer": _object({**_MADE, "total": _IMPACTS, "results": _list(_RESULT)}),
    "Counted": _object({"tokens": {"type": "integer"}, "by": _TEXT}),
    "Resolution": _object(
        {
            **{name: _or_null("string") for name in ("model", "maker", "host")},
            "grade": _TEXT,
            "kind": _TEXT,
            "how": _TEXT,
            "total_params": _SIZE,
            "active_params": _SIZE,
            "zone": _or_null("string"),
            "region": _or_null("string"),
        }
    ),
    "Explanation": _object(
        {
            "call": _PLAIN,
            "resolution": ref("Resolution"),
            "method": _TEXT,
            "citation": _TEXT,
            "catalog_version": _TEXT,
            "zone": _TEXT,
            "hypotheses": _list(_PLAIN),
            "steps": _list(_object({**_STEP, **_ENDS})),
            "impacts": _IMPACTS,
            "disclosures": _list(_PLAIN),
            "credits": _list(_TEXT),
        }
    ),
    "ReportAnswer": _object(
        {"report": _PLAIN}, {"groups": _PLAIN, "advice": _PLAIN, "diff": _PLAIN, "what_if": _PLAIN}
    ),
    "Comparison": _object({"method": _TEXT, "rows": _list(_object(_ROW)), **_PAIRS}),
    "OrganisationAnswer": _object(
        {
            "uses": _list(_object({"who": _TEXT, "requests": _NUMBER, "impacts": _IMPACTS})),
            "total": _IMPACTS,
            "by_model": _list(_object({"model": _TEXT, "impacts": _IMPACTS})),
            "by_month": _list(_object({"month": _NUMBER, "impacts": _IMPACTS})),
            **_MADE,
            "hypotheses": _list(_PLAIN),
        }
    ),
    "ModelRow": _object({"model": _TEXT, "maker": _TEXT, "kind": _TEXT}),
    "ZoneRow": _object({"zone": _TEXT, "name": _TEXT, "country": _TEXT}),
    "ProviderRow": _object({"provider": _TEXT, "name": _TEXT, "zone": _TEXT}),
    "RegionRow": _object({"region": _TEXT, "cloud": _TEXT, "zone": _TEXT}),
    "MethodRow": _object({"method": _TEXT, "citation": _TEXT, "constants": _list(_PLAIN)}),
}
"""What the routes answer with."""
