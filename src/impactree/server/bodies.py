"""What requests hold. Strict: a number is no text, an unknown name is an error, NaN is refused."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    Tag,
    WithJsonSchema,
)
from pydantic_core import core_schema

from impactree.calls import MAX_TOKENS, MEDIA_KINDS, ModelCall
from impactree.calls.known_energy import BOUNDARIES
from impactree.catalog._near import near_text
from impactree.engine import shared_engine
from impactree.engine.deployments import PRECISIONS
from impactree.server.own import OwnFigures
from impactree.service import listing
from impactree.values.messages import MESSAGES

__all__ = [
    "OF_CALL",
    "Alternative",
    "Compare",
    "CompareCalls",
    "CompareReport",
    "Count",
    "DatedSettings",
    "Day",
    "Estimate",
    "Explain",
    "ExplainMedia",
    "ExplainText",
    "KindName",
    "ManyCalls",
    "MethodName",
    "ReportData",
    "ReportQuestions",
    "Resolution",
    "Seconds",
    "Settings",
    "Strict",
    "Text",
    "known_names",
    "model_call",
    "whole",
]

MAX_CALLS: Final = 10_000
MAX_COMPARED: Final = 1000
MAX_ALTERNATIVES: Final = 6
_SIZE: Final = r"^(?:(?:480|720|1080)[pP]|4[kK]|[1-9][0-9]{0,4}[xX][1-9][0-9]{0,4})$"
_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}")


def known_names(kind: str) -> list[str]:
    """The names that a field takes: ``zones``, ``regions``, ``kinds``, ``messages``, ..."""
    from impactree.methods import METHODS

    catalog = shared_engine().catalog
    if kind == "zones":
        return catalog.zone_codes
    if kind == "regions":
        return [*catalog.regions]
    if kind == "kinds":
        return sorted({record.kind for record in catalog.records()})
    if kind == "accelerators":
        return listing.accelerators()
    return [*MESSAGES] if kind == "messages" else [*METHODS]


@dataclass(frozen=True)
class _OneOf:
    """A name of the catalog; the OpenAPI document lists them once (see ``openapi``)."""

    kind: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> Any:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(self, source: Any, handler: GetJsonSchemaHandler) -> Any:
        return {"type": "string", "x-names": self.kind}

    def _check(self, value: str) -> str:
        known = known_names(self.kind)
        if value not in known:
            raise ValueError(
                f"{value!r:.80} is none of the {len(known)} {self.kind} (the schema at "
                f"/openapi.json lists them); nearest: {near_text(value, known)}"
            )
        return value


def whole(value: Any) -> Any:
    """JSON has one kind of number: 5.0 is whole there."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _day(value: Any) -> Any:
    if isinstance(value, str):
        if not _DAY.fullmatch(value):
            raise ValueError(f"{value!r:.40} is no day such as 2026-11-24")
        try:
            return dt.date.fromisoformat(value)
        except ValueError as error:
            raise ValueError(f"{value!r:.40} is no day: {error}") from None
    return value


KindName = Annotated[str, _OneOf("kinds")]
MethodName = Annotated[str, _OneOf("methods")]
ZoneCode = Annotated[str, _OneOf("zones")]
RegionId = Annotated[str, _OneOf("regions")]
AcceleratorId = Annotated[str, _OneOf("accelerators")]
Day = Annotated[
    dt.date, BeforeValidator(_day), WithJsonSchema({"type": "string", "format": "date"})
]
Count = Annotated[int, Field(ge=0, le=MAX_TOKENS), BeforeValidator(whole)]
Several = Annotated[int, Field(ge=1, le=MAX_TOKENS), BeforeValidator(whole)]
Text = Annotated[str, Field(max_length=2000)]
Notes = Annotated[list[Annotated[str, Field(max_length=60)]], Field(max_length=20)]
EnergyNotes = Annotated[list[Annotated[str, _OneOf("messages")]], Field(max_length=20)]
Kwh = Annotated[float, Field(ge=0, le=1e6)]
EnergyBySource = Annotated[
    dict[Literal["measured", "reported", "modelled"], Kwh], Field(min_length=1)
]
Energy = Annotated[
    Annotated[Kwh, Tag("§kwh")] | Annotated[EnergyBySource, Tag("§by")],
    Discriminator(lambda value: "§by" if isinstance(value, dict) else "§kwh"),
]
Resolution = Annotated[str, Field(pattern=_SIZE)]
Seconds = Annotated[float, Field(gt=0, le=1e9)]


class Strict(BaseModel):
    """What is not named is an error, and a number is no text."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, frozen=True)


class Deployment(Strict):
    """What is known of the hardware; by `impactree-1` alone."""

    accelerator: AcceleratorId | None = Field(None, examples=["H100"])
    count: Annotated[int, Field(ge=1, le=4096), BeforeValidator(whole)] | None = None
    batch_size: Annotated[float, Field(ge=1, le=1e6)] | None = None
    precision: Literal[PRECISIONS] | None = None  # type: ignore[valid-type]
    parallelism: Literal["tensor", "expert", "data"] | None = None


class Settings(Strict):
    """By what calls are estimated."""

    method: MethodName | None = Field(None, description="Default: `ecologits-0.11`.")
    unknown_models: Literal["prior", "error"] | None = None
    include_training: bool | None = Field(None, description="Also a share of training.")
    deployment: Deployment | None = None

    def settings(self) -> dict[str, Any]:
        """As the engine takes them."""
        names = ("method", "unknown_models", "include_training", "zone", "region")
        found = {name: getattr(self, name, None) for name in names}
        if self.deployment is not None:
            found["deployment"] = self.deployment.model_dump(exclude_none=True)
        return {name: value for name, value in found.items() if value is not None}


class DatedSettings(Settings):
    """By what calls of some day are estimated."""

    at: Day | None = Field(None, description="Day of the calls; default: today.")


class _Call(Strict):
    model: Text = Field(description="The model's name as the client reports it.")
    provider: Text | None = Field(None, description="Who was asked.")
    requested: Text | None = Field(None, description="The name asked for, where it differs.")
    base_url: Text | None = Field(None, description="Where the request went.")
    latency_s: Annotated[float, Field(ge=0)] | None = Field(None, description="Measured, s.")
    zone: Text | None = Field(None, description="Electricity mix zone; default: the host's.")
    region: Text | None = Field(None, description="Cloud region.")
    input_tokens: Count | None = Field(None, description="Cached ones included.")
    cached_input_tokens: Count | None = None
    cache_write_tokens: Count | None = None
    output_tokens: Count | None = Field(None, description="Reasoning included.")
    reasoning_tokens: Count | None = None
    repeated: Count = Field(0, description="Of the input, sent to the same model before.")
    tokens_source: Literal["reported", "counted", "unknown"] = "reported"
    energy_kwh: Energy | None = Field(
        None, description="Known electricity of this request: in place of the estimate."
    )
    energy_boundary: Literal[BOUNDARIES] | None = "server"  # type: ignore[valid-type]
    energy_alone: bool | None = True
    energy_notes: EnergyNotes = []
    usage_notes: Notes = []


class TextCall(_Call):
    """One request for text, embeddings or a ranking."""

    kind: Literal["chat", "completion", "embedding", "rerank"] = "chat"


class _Media(Strict):
    resolution: Resolution | None = Field(None, examples=["1280x720"])
    seconds: Seconds | None = None
    frames: Several | None = None
    sound: bool | None = None
    count: Several | None = None
    steps: Several | None = None
    characters: Several | None = None


class MediaCall(_Call, _Media):
    """One request for pictures, films or sound."""

    kind: Literal["image", "video", "speech", "transcription"]


class OneText(TextCall, DatedSettings):
    """One request for text, and by what it is estimated."""

    own: OwnFigures | None = None


class OneMedia(MediaCall, DatedSettings):
    """One request for pictures, films or sound, and by what it is estimated."""


def _is_media(value: Any) -> bool:
    kind = value.get("kind") if isinstance(value, dict) else getattr(value, "kind", None)
    return isinstance(kind, str) and kind in MEDIA_KINDS


def _call_tag(value: Any) -> str:
    return "§media" if _is_media(value) else "§text"


def _estimate_tag(value: Any) -> str:
    many = "calls" in value if isinstance(value, dict) else hasattr(value, "calls")
    return "§many" if many else _call_tag(value)


Call = Annotated[
    Annotated[TextCall, Tag("§text")] | Annotated[MediaCall, Tag("§media")],
    Discriminator(_call_tag),
]


class ManyCalls(DatedSettings):
    """Several requests, and by what they are estimated."""

    calls: Annotated[list[Call], Field(min_length=1, max_length=MAX_CALLS)]
    zone: ZoneCode | None = Field(None, description="Of the calls that name none.")
    region: RegionId | None = Field(None, description="Of the calls that name none.")


Estimate = Annotated[
    Annotated[OneText, Tag("§text")]
    | Annotated[OneMedia, Tag("§media")]
    | Annotated[ManyCalls, Tag("§many")],
    Discriminator(_estimate_tag),
]


class _Explain(DatedSettings):
    model: Text
    provider: Text | None = None
    requested: Text | None = None
    base_url: Text | None = None
    latency_s: Annotated[float, Field(ge=0)] | None = None
    zone: ZoneCode | None = None
    region: RegionId | None = None
    input_tokens: Count | None = None
    cached_input_tokens: Count | None = None
    output_tokens: Count | None = 1000

    def asked(self) -> dict[str, Any]:
        """The arguments beside the model's name."""
        settings = self.settings()
        mixed = {"model", "at", "zone", "region", "own", *Settings.model_fields}
        given = {n: getattr(self, n) for n in type(self).model_fields if n not in mixed}
        return {k: v for k, v in given.items() if v is not None or k == "output_tokens"} | settings


class ExplainText(_Explain):
    """A request for text, embeddings or a ranking."""

    kind: Literal["chat", "completion", "embedding", "rerank"] = "chat"
    own: OwnFigures | None = None


class ExplainMedia(_Explain, _Media):
    """A request for pictures, films or sound."""

    kind: Literal["image", "video", "speech", "transcription"]


Explain = Annotated[
    Annotated[ExplainText, Tag("§text")] | Annotated[ExplainMedia, Tag("§media")],
    Discriminator(_call_tag),
]


_CHANGES: Final = ("model", "provider", "zone", "region", "deployment")


class Alternative(Strict):
    """What shall be otherwise: one of the fields at least."""

    model_config = ConfigDict(
        json_schema_extra={"anyOf": [{"required": [name]} for name in _CHANGES]}
    )

    name: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    model: Annotated[str, Field(min_length=1, max_length=2000)] | None = None
    provider: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    zone: ZoneCode | None = None
    region: RegionId | None = None
    deployment: Deployment | None = None

    def changes(self) -> dict[str, Any]:
        """As for ``Report.what_if``."""
        return self.model_dump(exclude_none=True, exclude={"name"})


ReportData = Annotated[
    dict[str, Any],
    Field(description="A report, as `Report.to_json` writes it: `GET /v1/schemas/report`."),
]


class ReportQuestions(Strict):
    """A report, and what is asked of it."""

    report: ReportData
    merge: Annotated[list[ReportData], Field(max_length=20)] = []
    run: Text | None = Field(None, description="Only the run with this id or name.")
    by: Annotated[list[Annotated[str, Field(max_length=200)]], Field(max_length=4)] = Field(
        [], examples=[["agent"], ["model", "user"]], description="Groups, by one key or several."
    )
    top: Annotated[int, Field(ge=1, le=100_000), BeforeValidator(whole)] | None = None
    diff: ReportData | None = Field(None, description="What changed since this earlier report.")
    what_if: Alternative | None = None
    method: MethodName | None = Field(None, description="Of `what_if`; default: the report's.")
    advice: bool = Field(False, description="Whether to say what could be saved.")
    runs: bool = Field(False, description="Whether to answer with every run.")


class _Compare(Strict):
    alternatives: Annotated[list[Alternative], Field(min_length=1, max_length=MAX_ALTERNATIVES)]


class CompareCalls(_Compare, Settings):
    """Calls, and up to six alternatives to them."""

    calls: Annotated[list[Call], Field(min_length=1, max_length=MAX_COMPARED)]
    zone: ZoneCode | None = None
    region: RegionId | None = None


class CompareReport(_Compare):
    """A report, and up to six alternatives to it."""

    report: ReportData
    method: MethodName | None = None


def _compare_tag(value: Any) -> str:
    told = "report" in value if isinstance(value, dict) else hasattr(value, "report")
    return "§report" if told else "§calls"


Compare = Annotated[
    Annotated[CompareCalls, Tag("§calls")] | Annotated[CompareReport, Tag("§report")],
    Discriminator(_compare_tag),
]

OF_CALL: Final = frozenset(TextCall.model_fields) | frozenset(MediaCall.model_fields)


def model_call(body: Any) -> ModelCall:
    """A call as the engine takes it.

    Raises:
        ValueError: a value that the form does not refuse, but the call does.
    """
    return ModelCall(**{n: getattr(body, n) for n in body.model_fields_set & OF_CALL})
