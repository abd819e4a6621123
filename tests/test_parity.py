"""Method ecologits-0.11 equals the ecologits package to the last digit, over the whole catalog."""

from __future__ import annotations

import itertools
import math
import random

import pytest
from ecologits.electricity_mix_repository import electricity_mixes
from ecologits.model_repository import models
from ecologits.tracers.utils import llm_impacts

from impactree import ModelCall, estimate

PAIRS = sorted((m.provider.value, m.name) for m in models.list_models())
ALL_ZONES = sorted(m.zone for m in electricity_mixes.list_electricity_mixes())
FIXED = ["WOR", "FRA", "SWE", "USA", "POL"]
ZONES = [None, *FIXED, *random.Random(20261124).sample(sorted({*ALL_ZONES} - {*FIXED}), 20)]
TOKENS = [0, 1, 17, 400, 128_000]
LATENCIES = [None, 0.05, 3, 600]
CHUNKS = 12
OURS_ONLY = {
    "kind-not-text",  # of the 13 names that speak, transcribe or draw
    *(f"electricity-mix-{metric}-disputed" for metric in ("adpe", "gwp", "pe")),
}


def ends(value):
    return (value.min, value.max) if hasattr(value, "min") else (value, value)


def thirteen(impacts):
    for criterion in ("energy", "gwp", "adpe", "pe", "wcf"):
        yield criterion, getattr(impacts, criterion).value
        yield f"usage.{criterion}", getattr(impacts.usage, criterion).value
    for criterion in ("gwp", "adpe", "pe"):
        yield f"embodied.{criterion}", getattr(impacts.embodied, criterion).value


def codes(messages):
    return sorted(m.code for m in messages or ())


def test_the_grid_covers_what_the_method_claims():
    assert len(PAIRS) == 351
    assert len(ALL_ZONES) == 215
    assert len(ZONES) == 26


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_every_figure_and_warning_equals_ecologits(chunk):
    compared = 0
    for provider, model in PAIRS[chunk::CHUNKS]:
        for zone, tokens, latency in itertools.product(ZONES, TOKENS, LATENCIES):
            theirs = llm_impacts(provider, model, tokens, latency, zone)
            ours = estimate(
                ModelCall(
                    provider=provider,
                    model=model,
                    output_tokens=tokens,
                    latency_s=latency,
                    zone=zone,
                )
            )
            expected = dict(thirteen(theirs))
            for name, value in thirteen(ours):
                for mine, other in zip(ends(value), ends(expected[name]), strict=True):
                    case = f"{provider} {model} {zone} N={tokens} L={latency}: {name}"
                    assert math.isclose(mine, other, rel_tol=1e-12, abs_tol=0), (case, mine, other)
            extra = set(codes(ours.warnings)) - OURS_ONLY
            assert sorted(extra) == codes(theirs.warnings), (provider, model, zone)
            assert codes(ours.errors) == codes(theirs.errors) == []
            compared += 1
    assert compared == len(PAIRS[chunk::CHUNKS]) * len(ZONES) * len(TOKENS) * len(LATENCIES)


@pytest.mark.parametrize("zone", ["XXX", "fra", "France", "EU"])
def test_an_unknown_zone_has_the_same_error_code(zone):
    theirs = llm_impacts("openai", "gpt-4o", 10, 1.0, zone)
    ours = estimate(ModelCall(provider="openai", model="gpt-4o", output_tokens=10, zone=zone))
    assert codes(ours.errors) == codes(theirs.errors) == ["zone-not-registered"]
    assert ours.energy is None
    assert theirs.energy is None


def test_to_dict_validates_as_their_output():
    from ecologits.tracers.utils import ImpactsOutput

    theirs = llm_impacts("anthropic", "claude-opus-4-5", 1234, 20.0, "FRA")
    call = ModelCall(
        provider="anthropic",
        model="claude-opus-4-5",
        output_tokens=1234,
        latency_s=20.0,
        zone="FRA",
    )
    ours = ImpactsOutput.model_validate(estimate(call).to_dict())
    assert ends(ours.gwp.value) == pytest.approx(ends(theirs.gwp.value), rel=1e-12)
    assert ours.usage.type == theirs.usage.type
    assert ours.embodied.name == theirs.embodied.name
    assert ours.adpe.unit == theirs.adpe.unit
