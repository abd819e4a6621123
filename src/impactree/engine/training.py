"""The setting ``include_training``: a model's training, shared out over the calls of its life."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from impactree.engine.deployments import check_keys
from impactree.engine.hypotheses import Hypothesis
from impactree.exceptions import ConfigurationError
from impactree.methods import Step
from impactree.methods.training import times, whole_training
from impactree.values.formatting import exact
from impactree.values.messages import Message, message
from impactree.values.training import TrainingPhase

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from impactree.calls import Tokens
    from impactree.engine.reading import Reading
    from impactree.methods.training import Training

__all__ = [
    "Share",
    "Sharing",
    "of_training",
    "published_text",
    "read_sharing",
    "share_of",
    "training_steps",
]

Triple = tuple[float, float, float]
_KEYS: Final = ("requests", "output_tokens", "development")
_EXAMPLE: Final = '{"requests": [1e10, 1e12], "development": 1}'
_KINDS: Final = frozenset({"chat", "completion"})
_UNSURE: Final = frozenset({"prior", "unknown", "unsupported"})


class Sharing(NamedTuple):
    """Over what each model's training is shared out, and how much development there was."""

    unit: str
    """``requests`` or ``output_tokens``, in a model's life."""
    low: float
    high: float
    development: Triple
    """All of it over the final run."""
    assumed: bool
    """Whether the denominator is ours, and not the user's."""

    def __str__(self) -> str:
        who = "assumed" if self.assumed else "as set"
        return f"{exact(self.low, self.high)} {_words(self.unit)} in each model's life ({who})"

    @property
    def each(self) -> Triple:
        """One unit's share; what is expected of an unknown of which only the size is unsure."""
        if self.low == self.high:
            return (1 / self.low,) * 3
        mean = (1 / self.low - 1 / self.high) / math.log(self.high / self.low)
        return 1 / self.high, mean, 1 / self.low


class Share(NamedTuple):
    """What falls to calls of one model."""

    phase: TrainingPhase | None
    """To one request, or to one output token; None: not known."""
    by_token: bool
    warnings: tuple[Message, ...]

    def of(self, tokens: Tokens) -> TrainingPhase | None:
        """What falls to one call; None: not known."""
        if self.phase is None or not self.by_token:
            return self.phase
        return None if tokens.output is None else self.phase.scaled(tokens.output)


def read_sharing(said: Any, rule: Mapping[str, Any], where: str) -> Sharing:
    """Check the setting, where training is asked for.

    Raises:
        ConfigurationError: names the key, the value and what was expected.
    """
    told: dict[str, Any] = {} if said is True else said
    if not isinstance(told, dict):
        raise ConfigurationError(
            f"{where} must be true, false or a table such as {_EXAMPLE}, not {said!r:.80}"
        )
    check_keys(told, _KEYS, where)
    if "requests" in told and "output_tokens" in told:
        raise ConfigurationError(
            f"{where}: training is shared out over requests or over output_tokens, not over both"
        )
    unit = "output_tokens" if "output_tokens" in told else "requests"
    low, high = _range(told.get(unit, rule["requests"]), 1, f"{where}.{unit}")
    development = tuple(rule["development"])
    if "development" in told:
        least, most = _range(told["development"], 1, f"{where}.development")
        development = least, (least + most) / 2, most
    return Sharing(unit, low, high, development, unit not in told)


def _range(said: Any, least: float, where: str) -> tuple[float, float]:
    pair = said if isinstance(said, list | tuple) else (said, said)
    known = len(pair) == 2 and all(
        isinstance(end, int | float) and not isinstance(end, bool) and least <= end < math.inf
        for end in pair
    )
    if not known or pair[0] > pair[1]:
        raise ConfigurationError(
            f"{where} must be a number from {least:g} on, or [low, high], not {said!r:.80}"
        )
    return float(pair[0]), float(pair[1])


def share_of(found: Reading, sharing: Sharing, rule: Mapping[str, Any]) -> Share:
    """What falls to calls that are read like this."""
    by_token = sharing.unit == "output_tokens"
    trained = _training_of(found, sharing, rule)
    if trained is None:
        return Share(None, by_token, (message("training-unknown", _why(found)),))
    values = tuple(whole and times(whole, sharing.each) for whole in trained.values)
    developed = exact(sharing.development[0], sharing.development[-1])
    said = message("training-shared", f"({sharing}; development {developed} x the final run.)")
    return Share(TrainingPhase(values, 1, (str(sharing),)), by_token, (said,))


def _training_of(found: Reading, sharing: Sharing, rule: Mapping[str, Any]) -> Training | None:
    """The whole training of the model that calls were read as; None: not known."""
    if _why(found) or found.params is None:
        return None
    record = found.resolution.record
    facts = record.training if record and found.resolution.grade != "family" else None
    return whole_training(facts, found.params, rule, sharing.development)


def training_steps(found: Reading, sharing: Sharing, rule: Mapping[str, Any]) -> list[Step]:
    """The whole training, and what of it falls to one request or token."""
    trained = _training_of(found, sharing, rule)
    if trained is None:
        return []
    each = Step("1/N", "share of one", *sharing.each, "", f"one of N {_words(sharing.unit)}")
    return [*trained.steps, each]


def of_training(found: Reading, sharing: Sharing, rule: Mapping[str, Any]) -> Iterator[Hypothesis]:
    """What is published of the training, the rule for the rest, and over what it is shared out."""
    if _why(found):
        return
    record = found.resolution.record
    if record is not None and record.training is not None:
        yield _published(record.training)
        if "base" in record.training:
            yield _published(record.training["base"])
    told: dict[str, Any] = {"sources": tuple(rule["sources"]), "checked": rule["checked"]}
    for key, (name, unit) in _RULE.items():
        low, _, high = rule[key] if key != "development" else sharing.development
        value = exact(low, high)
        yield Hypothesis(name=name, value=value, unit=unit, basis="rule, where needed", **told)
    basis = "assumption: published by nobody" if sharing.assumed else "as set"
    name, value = f"N, {_words(sharing.unit)} in the model's life", exact(sharing.low, sharing.high)
    yield Hypothesis(name=name, value=value, unit="", basis=basis, **told)


def published_text(facts: Mapping[str, Any]) -> str:
    """The figures of an entry of ``data/training.toml``, with their units."""
    said = [f"{facts[key]:,.15g} {unit}" for key, unit in _FACTS.items() if key in facts]
    return ", ".join(said) or "no figure"


def _published(facts: Mapping[str, Any]) -> Hypothesis:
    conflict = f"not taken: {facts['conflict']}" if "conflict" in facts else ""
    return Hypothesis(
        name=f"training of {facts['name']}",
        value=published_text(facts),
        unit="",
        basis=_STATUS[facts["status"]],
        kind=f"scope: {facts['scope']}",
        note="; ".join(filter(None, (facts.get("note"), facts.get("accelerator"), conflict))),
        sources=tuple(facts["sources"]),
        checked=facts["checked"],
        year=str(facts["year"]),
    )


_STATUS: Final = {"maker": "published", "quoted": "published, read in a quotation"}
_FACTS: Final = {
    "energy_mwh": "MWh",
    "gwp_t": "tCO2eq",
    "water_m3": "m3",
    "adpe_kgsbeq": "kgSbeq",
    "hours": "accelerator-hours",
    "power_w": "W each",
    "tokens": "x 10^12 tokens",
}
_RULE: Final = {
    "flop_per_joule": ("eff, efficiency of training", "FLOP/J"),
    "tokens": ("D, tokens where none are published", "10^12"),
    "load": ("load, power over rated power", ""),
    "host": ("host, server over accelerators", ""),
    "pue": ("PUE where the model was trained", ""),
    "gwp": ("F_train, electricity where none is said", "kgCO2eq/kWh"),
    "development": ("development over final run", ""),
}


def _words(unit: str) -> str:
    return unit.replace("_", " ")


def _why(found: Reading) -> str:
    """Why a training is not known; empty where it is."""
    resolution = found.resolution
    if resolution.kind not in _KINDS:
        return f"({resolution.kind} models are outside the rule.)"
    if resolution.total_params is None or resolution.grade in _UNSURE:
        return "(Nothing is known of the model's size.)"
    return ""
