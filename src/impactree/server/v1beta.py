"""The routes of EcoLogits' own API, so that its clients work unchanged."""

# No annotations from __future__: FastAPI reads them.
import re
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from starlette.exceptions import HTTPException
from starlette.responses import Response

from impactree.calls import MAX_TOKENS
from impactree.catalog._near import near_text
from impactree.server.answers import ERRORS, answer, described, problem_of, ref
from impactree.server.bodies import Count, Resolution, Seconds, Text
from impactree.server.problems import PROBLEM_TYPE
from impactree.server.reading import JsonRoute
from impactree.service import ecologits

__all__ = ["DETAIL", "router"]

_MISSING: Final = {
    "type": "missing",
    "loc": ["body", "output_token_count"],
    "msg": "Field required",
}


def _in_its_form(error: dict[str, Any]) -> dict[str, Any]:
    """An error of the document as clients of that API know it."""
    said = error["content"][PROBLEM_TYPE]["example"]
    detail = [_MISSING] if said["status"] == 422 else said["detail"]
    content = {"schema": ref("Detail"), "example": {"detail": detail}}
    return {"description": error["description"], "content": {"application/json": content}}


DETAIL: Final[dict[int | str, dict[str, Any]]] = {
    status: _in_its_form(error)
    for status, error in (
        ERRORS | {404: problem_of(404, "Not Found", "Provider not found")}
    ).items()
}
router = APIRouter(prefix="/v1beta", tags=["As the EcoLogits API"], route_class=JsonRoute)
Provider = Annotated[str, Path(max_length=200, examples=["openai"])]
Maker = Annotated[str, Path(max_length=200, examples=["google"])]
Zone = Annotated[str, Path(max_length=200, examples=["FRA"])]


def _read(value: Any) -> Any:
    """That API reads numbers from texts, too."""
    if isinstance(value, str) and re.fullmatch(_WRITTEN, value):
        return float(value) if "." in value else int(value)
    return value


_WRITTEN: Final = r"[0-9]{1,9}(\.[0-9]{1,9})?"
_AS_TEXT: Final = {"type": "string", "pattern": f"^{_WRITTEN}$"}
_POSITIVE: Final = {"type": "string", "pattern": r"^[1-9][0-9]{0,8}(\.[0-9]{1,9})?$"}
_WHOLE: Final = {"type": "integer", "minimum": 0, "maximum": MAX_TOKENS}
Number = Annotated[
    Count,
    BeforeValidator(_read),
    WithJsonSchema({"anyOf": [_WHOLE, {"type": "string", "pattern": "^[0-9]{1,9}$"}]}),
]
Duration = Annotated[
    Seconds,
    BeforeValidator(_read),
    WithJsonSchema(
        {"anyOf": [{"type": "number", "exclusiveMinimum": 0, "maximum": 1e9}, _POSITIVE]}
    ),
]
Latency = Annotated[
    Annotated[float, Field(ge=0)],
    BeforeValidator(_read),
    WithJsonSchema({"anyOf": [{"type": "number", "minimum": 0}, _AS_TEXT]}),
]


class _Asked(BaseModel):
    model_config = ConfigDict(strict=True, allow_inf_nan=False)


class Estimation(_Asked):
    """One request for text."""

    provider: Text = Field(examples=["openai"])
    model_name: Text = Field(examples=["gpt-4o-mini"])
    output_token_count: Number = Field(examples=[300])
    request_latency: Latency | None = Field(None, description="s")
    datacenter_location: Text | None = Field(None, description="Default: the provider's.")
    electricity_mix_zone: Text | None = Field(None, json_schema_extra={"deprecated": True})


class VideoEstimation(_Asked):
    """One request for a film."""

    model_name: Text = Field(examples=["google/veo-3.1"])
    resolution: Resolution = Field(examples=["720p"])
    duration: Duration = Field(description="s", examples=[4])
    with_audio: bool = True
    datacenter_location: Text | None = Field(None, description="Default: the provider's.")


def _one(name: str) -> dict[int | str, dict[str, Any]]:
    return described({"type": "object", "required": [name], "properties": {name: {}}})


@router.get("/providers", summary="Providers", responses=_one("providers"))
def providers() -> Response:
    """Those that EcoLogits lists."""
    return answer({"providers": ecologits.PROVIDERS})


@router.get("/models/{provider_name}", summary="Models of a provider", responses=_one("models"))
def models(provider_name: Provider) -> Response:
    """Those that EcoLogits lists, with their sources, and other spellings of them."""
    if provider_name not in ecologits.PROVIDERS:
        raise HTTPException(404, "Provider not found")
    return answer({"models": ecologits.models_of(provider_name)})


@router.get("/video-providers", summary="Makers of films' models", responses=_one("providers"))
def video_providers() -> Response:
    """Those that EcoLogits lists."""
    return answer({"providers": ecologits.video_providers()})


@router.get("/video-models/{provider_name}", summary="Models of films", responses=_one("models"))
def video_models(provider_name: Maker) -> Response:
    """Those that EcoLogits lists, with what they can do."""
    found = ecologits.video_models_of(provider_name)
    if not found:
        raise HTTPException(404, "Video provider not found")
    return answer({"models": found})


@router.get(
    "/electricity-mix-zones/{zone}",
    summary="Electricity mix of a zone",
    responses=_one("electricity_mix"),
)
def electricity_mix(zone: Zone) -> Response:
    """EcoLogits' factors of a country, or of the world (`WOR`)."""
    found = ecologits.zone_of(zone)
    if found is None:
        said = f"Electricity mix zone '{zone:.80}' is not supported by EcoLogits"
        raise HTTPException(404, f"{said}; nearest: {near_text(zone, ecologits.zone_codes())}")
    return answer({"electricity_mix": found})


@router.post("/estimations", summary="Impacts of a request", responses=_one("impacts"))
def estimations(body: Estimation) -> Response:
    """By `ecologits-0.11`, equal to EcoLogits' figures; errors stand in `impacts.errors`."""
    found = ecologits.estimation(
        body.provider,
        body.model_name,
        body.output_token_count,
        body.request_latency,
        body.datacenter_location or body.electricity_mix_zone,
    )
    return answer({"impacts": found})


@router.post("/video-estimations", summary="Impacts of a film", responses=_one("impacts"))
def video_estimations(body: VideoEstimation) -> Response:
    """By `ecologits-0.11`, equal to EcoLogits' figures; errors stand in `impacts.errors`."""
    found = ecologits.video_estimation(
        body.model_name,
        body.resolution,
        body.duration,
        body.with_audio,
        body.datacenter_location,
    )
    return answer({"impacts": found})
