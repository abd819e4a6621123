"""The shape of the files under ``data/``, checked when they are compiled or when a user adds some.

The only module that needs pydantic; the compiled catalog loads without it.
"""

from __future__ import annotations

import datetime as dt
import tomllib
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

from pydantic import BaseModel, Field, ValidationError, model_validator

from impactree.catalog._schema_factors import (
    CarbonFree,
    Disclosure,
    Equivalent,
    FactorSet,
    Market,
    Subzone,
    Zone,
)
from impactree.catalog._schema_media import Video, VideoMachine, VideoOperator
from impactree.catalog._schema_serving import Accelerator, Architecture
from impactree.catalog._schema_training import Training, TrainingRule
from impactree.catalog._schema_types import (
    STRICT,
    Billions,
    HostName,
    Name,
    Params,
    Pattern,
    Positive,
    Pue,
    Share,
    Slug,
    Sources,
    StatedYear,
    Url,
    Warnings,
    Wue,
    ZoneId,
)
from impactree.exceptions import CatalogError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

__all__ = [
    "CATALOG_KINDS",
    "DataFile",
    "Disclosure",
    "Equivalent",
    "FactorSet",
    "Family",
    "Host",
    "Model",
    "Moving",
    "Region",
    "Subzone",
    "Zone",
    "check",
    "read_file",
]

CATALOG_KINDS = (
    "chat",
    "completion",
    "embedding",
    "rerank",
    "image",
    "video",
    "speech",
    "transcription",
    "audio",
    "moderation",
    "other",
)


class _Entry(BaseModel):
    model_config = STRICT


class Model(_Entry):
    """One model: who it is, how large it is, and how that is known."""

    id: Name
    aliases: list[Name] = []
    kind: Literal[CATALOG_KINDS] = "chat"  # type: ignore[valid-type]  # a tuple of literals
    total: Params | None = None
    active: Params | None = None
    ecologits_total: Params | None = None
    tps: Positive | None = None
    ttft: Positive | None = None
    weights: Literal["open", "closed"] = "closed"
    precision: str | None = None
    warnings: Warnings = []
    basis: Literal["published", "estimate", "leaked", "benchmark", "price"] | None = None
    rationale: str | None = None
    via: str | None = None
    sources: Sources
    checked: dt.date
    from_: dt.date | None = Field(default=None, alias="from")

    @model_validator(mode="after")
    def _consistent(self) -> Model:
        if self.ecologits_total is not None and not (self.via or "").startswith("ecologits"):
            raise ValueError("ecologits_total needs via: it is EcoLogits' own figure")
        if self.active is not None and self.total is None:
            raise ValueError("active needs total")
        if self.active is not None and self.total is not None and self.active[1] > self.total[1]:
            raise ValueError(f"active {self.active} must not be above total {self.total}")
        if (self.total is None) != (self.basis is None):
            raise ValueError("total and basis go together: a figure has a basis, no figure none")
        if self.basis not in (None, "published") and not self.rationale:
            raise ValueError(f"basis {self.basis!r} needs a rationale of one sentence")
        return self


class Target(_Entry):
    """What a moving alias means from a day on."""

    from_: dt.date = Field(alias="from")
    model: Name


class Moving(_Entry):
    """An alias that has meant different models, everywhere or at one host."""

    name: Name
    host: Slug | None = None
    targets: Annotated[list[Target], Field(min_length=1)]
    sources: Sources
    checked: dt.date

    @model_validator(mode="after")
    def _chronological(self) -> Moving:
        days = [t.from_ for t in self.targets]
        if days != sorted(set(days)):
            raise ValueError("targets must be in order of their dates, each date once")
        return self


class Family(_Entry):
    """Names that start like this are of one line of models."""

    prefix: Name
    model: Name


class Host(_Entry):
    """Who runs models, where, and in what kind of data centre."""

    id: Slug
    name: str
    url: Url | None = None
    zone: ZoneId
    subzone: ZoneId | None = None
    pue: Pue
    pue_year: StatedYear = "not stated"
    wue: Wue
    wue_year: StatedYear = "not stated"
    licence: str | None = None
    market: Market | None = None
    names: list[str] = []
    base_urls: list[HostName] = []
    regions: Literal["aws", "azure", "google"] | None = None
    accelerators: list[Name] = []
    """Ids of what it says it runs models on."""
    passes_through: bool = False
    local: bool = False
    warnings: Warnings = []
    via: str | None = None
    note: str | None = None
    sources: Sources
    checked: dt.date


class Region(_Entry):
    """A cloud's region."""

    cloud: Literal["aws", "azure", "google"]
    id: Slug
    name: str | None = None
    zone: ZoneId
    subzone: ZoneId | None = None
    pue: Pue
    pue_year: StatedYear = "not stated"
    wue: Wue
    wue_year: StatedYear = "not stated"
    licence: str | None = None
    market: Market | None = None
    carbon_free: CarbonFree | None = None
    note: str | None = None
    sources: Sources
    checked: dt.date


class _Sourced(_Entry):
    sources: Sources
    checked: dt.date


class Wrapper(_Sourced):
    """What clients, clouds and servers put around a name."""

    pattern: Pattern
    name: str
    host: Slug | None = None
    instead_of: Slug | None = None
    zone: ZoneId | None = None


class KindWords(_Sourced):
    """Words that tell what a model makes."""

    kind: Literal[CATALOG_KINDS]  # type: ignore[valid-type]  # a tuple of literals
    pattern: Pattern


class Words(_Sourced):
    """Words of a name that do not say which model it is; patterns that fit one whole word."""

    packing: Pattern
    tuning: Pattern
    serving: Pattern
    day: Pattern
    family: Pattern
    nothing: Pattern
    noise: Pattern
    tuned: Pattern
    reshaped: Pattern
    classes: Pattern
    speeds: list[str]


class Mixture(_Sourced):
    """What a name like ``8x7b`` stands for, as shares of the product."""

    least_total: Share
    least_active: Share


class Sizes(_Sourced):
    """What a size in a name stands for. Sizes in 10^9, shares of the size."""

    rounding: tuple[Positive, Positive]
    large: Billions
    least_active: Share


class Orgs(_Sourced):
    """Organizations in front of a name."""

    makers: dict[str, Slug]
    copies: list[str]
    prefix_hosts: list[Slug]
    first_party: list[Slug]
    named_by_users: list[Slug]
    own: dict[Slug, Slug]
    nobody: list[str]
    shared: list[str]


class Lines(_Sourced):
    """First words of names, and who makes that line of models."""

    makers: dict[str, Slug]


class Local(_Sourced):
    """The tags that Ollama takes for a bare name."""

    defaults: dict[str, str]


class Prior(_Sourced):
    """What stands in for a model that nothing is known about. Parameters in 10^9."""

    total: Params
    active: Params
    rationale: str


class DataFile(_Entry):
    """Any of the files, or a user's own file that mixes them."""

    maker: Slug | None = None
    name: str | None = None
    url: Url | None = None
    models: list[Model] = []
    moving: list[Moving] = []
    families: list[Family] = []
    hosts: list[Host] = []
    regions: list[Region] = []
    zones: list[Zone] = []
    licence: str | None = None
    factor_sets: list[FactorSet] = []
    subzones: list[Subzone] = []
    disclosures: list[Disclosure] = []
    equivalents: list[Equivalent] = []
    architectures: list[Architecture] = []
    accelerators: list[Accelerator] = []
    trainings: list[Training] = []
    videos: list[Video] = []
    video_machines: list[VideoMachine] = []
    video_operators: list[VideoOperator] = []
    sources: dict[str, Url] = {}
    wrappers: list[Wrapper] = []
    kinds: list[KindWords] = []
    words: Words | None = None
    mixture: Mixture | None = None
    sizes: Sizes | None = None
    orgs: Orgs | None = None
    lines: Lines | None = None
    local: Local | None = None
    prior: Prior | None = None
    training_rule: TrainingRule | None = None

    @model_validator(mode="after")
    def _has_maker(self) -> DataFile:
        if self.models and self.maker is None:
            raise ValueError("a file with [[models]] names their maker at the top: maker = 'slug'")
        return self


def read_file(path: Path) -> DataFile:
    """Read and check one file.

    Raises:
        CatalogError: names the file, the key and what was expected.
    """
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CatalogError(f"{path.name}: not valid TOML: {error}") from error
    return check(raw, path.name)


def check(raw: dict[str, Any], where: str) -> DataFile:
    """Check one parsed file; ``where`` names it in errors."""
    try:
        return DataFile.model_validate(raw)
    except ValidationError as error:
        lines = list(_explain(raw, error))
        raise CatalogError(f"{where}: " + "; ".join(lines)) from error


_RANGES = ("total", "active", "pue", "wue")


def _explain(raw: dict[str, Any], error: ValidationError) -> Iterable[str]:
    said_before = set()
    for problem in error.errors(include_url=False):
        place: list[str] = []
        node: Any = raw
        is_end = len(problem["loc"]) > 1 and problem["loc"][-2] in _RANGES  # of two
        said = (problem["loc"][:-1] if is_end else problem["loc"], problem["msg"])
        if said in said_before:
            continue
        said_before.add(said)
        for part in problem["loc"]:
            try:
                node = node[part]
            except (KeyError, IndexError, TypeError):
                node = None
            label = node.get("id") if isinstance(node, dict) else None
            place.append(f"{part} ({label})" if label else str(part))
        text = problem["msg"].removeprefix("Value error, ")
        if problem["type"] == "extra_forbidden":
            text = f"unknown key; known are {', '.join(_keys(problem['loc'][:-1]))}"
        yield f"{'.'.join(place) or 'file'}: {text} (got {problem['input']!r:.80})"


def _keys(place: tuple[int | str, ...]) -> Iterable[str]:
    """The keys that a file, or an entry of it, may have."""
    entry: Any = DataFile
    for name in place:
        if isinstance(name, str):
            holds = entry.model_fields[name].annotation  # list[Model], Words | None
            entry = get_args(holds)[0]
    return (field.alias or name for name, field in entry.model_fields.items())
