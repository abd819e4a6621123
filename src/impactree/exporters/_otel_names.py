"""What metrics, spans and attributes are called, and their units (UCUM).

Names follow OpenTelemetry's GenAI conventions where they speak (``gen_ai.*``); impacts are not in
them yet and stand under ``impactree.*``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from impactree.values.criteria import CRITERIA, ENDS

if TYPE_CHECKING:
    from impactree.runs import Run
    from impactree.values.impacts import Impacts

__all__ = [
    "DELIVERY",
    "GAUGES",
    "HISTOGRAMS",
    "METRICS",
    "SPLIT_BY",
    "impact_attributes",
    "metric_attributes",
    "span_attributes",
    "span_name",
]

_TEXTS: Final = {
    "energy": "Electricity of model calls, data centre included",
    "gwp": "Greenhouse gases of model calls, usage and embodied",
    "adpe": "Abiotic depletion of model calls",
    "pe": "Primary energy of model calls",
    "wcf": "Water consumed by model calls",
}
_TRAINING_TEXTS: Final = {
    "energy": "Electricity of training the models, a share by assumption",
    "gwp": "Greenhouse gases of training the models, a share by assumption",
    "wcf": "Water consumed by training the models, a share by assumption",
}
_ENDS: Final = {"": "", ".min": ", low estimate", ".max": ", high estimate"}


def _training(metric: str) -> str:
    """``impactree.training.gwp`` for ``impactree.gwp``."""
    return metric.replace("impactree.", "impactree.training.")


METRICS: Final[dict[str, tuple[str, str]]] = {
    **{
        f"{c.metric}{end}": (c.ucum, f"{_TEXTS[c.key]}{said}")
        for c in CRITERIA
        for end, said in _ENDS.items()
    },
    **{
        f"{_training(c.metric)}{end}": (c.ucum, f"{_TRAINING_TEXTS[c.key]}{said}")
        for c in CRITERIA
        for end, said in _ENDS.items()
        if c.key in _TRAINING_TEXTS
    },
    "impactree.calls": ("{call}", "Model calls"),
    "impactree.calls.unestimated": ("{call}", "Model calls whose impacts could not be estimated"),
    "impactree.calls.credited": (
        "{call}",
        "Model calls by what the licence of a factor behind their impacts wants to be shown",
    ),
    "impactree.energy.by_source": (
        "kW.h",
        "Electricity of model calls by where its figure comes from",
    ),
    "impactree.tokens": ("{token}", "Tokens of model calls"),
}
"""Counter -> unit and description."""

SPLIT_BY: Final = {
    "impactree.calls.credited": "impactree.credit",
    "impactree.energy.by_source": "impactree.source",
    "impactree.tokens": "gen_ai.token.type",
}
"""Counter -> the attribute that tells its parts apart."""

HISTOGRAMS: Final[dict[str, tuple[str, str, tuple[float, ...]]]] = {
    f"{c.metric}.per_call": (
        c.ucum,
        _TEXTS[c.key].replace("model calls", "one model call"),
        tuple(m * 10.0**e for e in range(*c.decades) for m in (1, 3)),
    )
    for c in CRITERIA
}
HISTOGRAMS["impactree.tokens.per_call"] = (
    "{token}",
    "Tokens of one model call",
    tuple(4.0**e for e in range(12)),
)
"""Histogram -> unit, description and bucket bounds (in factors of about 3; tokens: 4)."""

DELIVERY: Final = {
    "impactree.delivery.pending": ("{run}", "Finished runs that wait", "pending"),
    "impactree.delivery.oldest": ("s", "How long the oldest one has waited", "oldest_s"),
    "impactree.delivery.delivered": ("{run}", "Finished runs delivered", "delivered"),
    "impactree.delivery.dropped": ("{run}", "Finished runs lost", "dropped"),
    "impactree.delivery.set_aside": ("{run}", "Finished runs not taken, and kept", "set_aside"),
    "impactree.delivery.last_success": ("s", "Unix time of the last delivery", "last_success"),
}
"""Of the process's exporters, by ``impactree.destination``: unit, description and health field."""
GAUGES: Final = frozenset({"pending", "oldest_s", "last_success"})

_OPERATIONS: Final = {
    "chat": "chat",
    "completion": "text_completion",
    "embedding": "embeddings",
    "rerank": "rerank",
    "image": "image_generation",
    "video": "video_generation",
    "speech": "speech_synthesis",
    "transcription": "transcription",
    "tool": "execute_tool",
    "agent": "invoke_agent",
    "graph": "invoke_workflow",
}


def impact_attributes(impacts: Impacts | None) -> dict[str, float | int | str]:
    """``impactree.gwp.mean``, ``.min``, ``.max`` and so on (kWh, kgCO2eq, kgSbeq, MJ, L)."""
    out: dict[str, float | int | str] = {}
    if impacts is None:
        return out
    for criterion in CRITERIA:
        impact = getattr(impacts, criterion.key)
        if impact is not None:
            for end in ENDS:
                out[f"{criterion.metric}.{end}"] = getattr(impact.value, end)
    phase = impacts.training
    if phase is not None:
        for criterion in CRITERIA:
            impact = getattr(phase, criterion.key)
            for end in ENDS if impact is not None else ():
                out[f"{_training(criterion.metric)}.{end}"] = getattr(impact.value, end)
        out["impactree.training.calls"] = phase.calls
        out["impactree.training.shared_over"] = "; ".join(phase.shared_over)
    out |= _sources(impacts)
    out["impactree.calls.estimated"] = impacts.estimated_calls
    out["impactree.calls.unestimated"] = impacts.unestimated_calls
    if impacts.grade is not None:
        out["impactree.grade"] = impacts.grade
    return out


def _sources(impacts: Impacts) -> dict[str, float | str]:
    """Where the energy is from, kWh by source: ``impactree.energy.measured`` and so on."""
    if impacts.source is None:
        return {}
    energies = impacts.energy_by_source or {}
    told = {f"impactree.energy.{source}": energy for source, energy in energies.items()}
    return {"impactree.source": impacts.source, **told}


def metric_attributes(run: Run) -> dict[str, str]:
    """Model, provider, kind, agent and zone of a call: all of few values."""
    call = run.call
    assert call is not None  # noqa: S101
    values = {
        "gen_ai.response.model": call.model,
        "gen_ai.provider.name": call.provider,
        "gen_ai.operation.name": _OPERATIONS[call.kind],
        "gen_ai.agent.name": run.agent,
        "impactree.zone": call.zone,
    }
    return {key: value for key, value in values.items() if value}


def span_name(run: Run) -> str:
    """``chat gpt-4o``, ``execute_tool search``, or the run's name."""
    if run.call is not None:
        return f"{_OPERATIONS[run.call.kind]} {run.call.model}"
    operation = _OPERATIONS.get(run.kind)
    return f"{operation} {run.name}" if operation else run.name


def span_attributes(run: Run) -> dict[str, str | int]:
    """The GenAI conventions' attributes of a run, and its id and kind."""
    values: dict[str, str | int | None] = {
        "impactree.run.id": run.id,
        "impactree.run.kind": run.kind,
        "gen_ai.operation.name": _OPERATIONS.get(run.kind),
        "gen_ai.agent.name": run.agent,
        "gen_ai.conversation.id": run.thread,
        "gen_ai.tool.name": run.tool,
        "error.type": {"error": "_OTHER", "cancelled": "cancelled"}.get(run.status),
        "impactree.node": run.node,
        "impactree.step": run.step,
        "user.id": run.user,
    }
    call = run.call
    if call is not None:
        values |= {
            "gen_ai.provider.name": call.provider,
            "gen_ai.request.model": call.requested or call.model,
            "gen_ai.response.model": call.model,
            "gen_ai.usage.input_tokens": call.input_tokens,
            "gen_ai.usage.output_tokens": call.output_tokens,
            "gen_ai.usage.cache_read.input_tokens": call.cached_input_tokens,
            "gen_ai.usage.cache_creation.input_tokens": call.cache_write_tokens,
            "gen_ai.usage.reasoning.output_tokens": call.reasoning_tokens,
            "impactree.cached": True if run.cached else None,
        }
    return {key: value for key, value in values.items() if value is not None}
