"""Explanations: every hypothesis with its source, every step, and the same result as estimate."""

from __future__ import annotations

import io
import json
import math

import pytest
from rich.console import Console

from impactree import ModelCall, estimate, explain


def test_it_ends_where_estimate_does():
    found = explain("gpt-4o", zone="FRA")
    assert (
        found.impacts.figures
        == estimate(ModelCall(model="gpt-4o", output_tokens=1000), zone="FRA").figures
    )
    steps = {step.symbol: step for step in found.steps}
    assert steps["E"].min == pytest.approx(found.impacts.energy.value.min)
    assert steps["gwp_u"].max + steps["gwp_e"].max == pytest.approx(found.impacts.gwp.value.max)
    assert all(step.equation for step in found.steps)


def test_every_hypothesis_has_basis_source_and_date():
    for name in ("gpt-4o", "claude-sonnet-4-5", "unheard-of"):
        for hypothesis in explain(name).hypotheses:
            assert hypothesis.basis
            assert hypothesis.sources, hypothesis
            assert hypothesis.checked


def test_by_hand():
    """Llama 3.1 8B at Groq: M = 1.2 * 8.03 * 16 / 8 = 19.272 GB, so one GPU of 80 GB."""
    steps = {s.symbol: s for s in explain("llama-3.1-8b-instant", "groq").steps}
    assert steps["M"].min == pytest.approx(19.272)
    assert steps["G"].min == 1


@pytest.mark.parametrize("name", ["gpt-4o", "some-unknown-70b", "unheard-of", "dall-e-3", ""])
def test_it_prints_and_serialises(name):
    found = explain(name)
    assert json.loads(json.dumps(found.to_dict()))["resolution"]["grade"] in str(found)
    console = Console(width=120, record=True, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    console.print(found)
    console.file.close()
    assert found.resolution.grade in console.export_text()


def test_sources_are_printed_once_per_group():
    """Total and active parameters share theirs, PUE and WUE, and the four electricity factors."""
    text = str(explain("gpt-4o"))
    assert text.count("https://platform.openai.com/docs/models#gpt-4o") == 1
    assert text.count("https://ourworldindata.org/electricity-mix") == 1


def test_it_says_why_there_is_no_figure():
    found = explain("dall-e-3")
    assert found.steps == ()
    assert "[kind-unsupported]" in str(found)


def test_it_says_who_chose_the_zone():
    notes = {h.note for h in explain("gpt-4o", zone="FRA").hypotheses if "F_gwp" in h.name}
    assert notes == {"chosen by the setting zone"}
    notes = {h.note for h in explain("gpt-4o").hypotheses if "F_gwp" in h.name}
    assert notes == {"chosen by the host openai"}


def test_the_equations_own_constants_are_hypotheses_too():
    found = {h.name.partition(",")[0]: h for h in explain("gpt-4o").hypotheses}
    assert {"B", "Q", "a", "b", "c", "lifetime", "S_gwp", "U_adpe"} <= found.keys()
    assert (found["B"].value, found["S_gwp"].value) == ("64", "5700")
    assert found["S_gwp"].unit == "kgCO2eq"


def test_an_alias_that_moved_is_explained_as_of_its_day():
    then, now = explain("deepseek-chat", at="2025-01-05"), explain("deepseek-chat")
    assert then.resolution.model == "deepseek-ai/DeepSeek-V3"
    assert now.resolution.model != then.resolution.model
    assert then.impacts.figures != now.impacts.figures
    with pytest.raises(ValueError, match="2025"):
        explain("deepseek-chat", at="2025-13-01")


NAMES = {
    "open": ("meta-llama/Llama-3.1-8B-Instruct", "groq"),
    "mixture of experts": ("deepseek-ai/DeepSeek-V3", "together"),
    "range, measured speed": ("claude-sonnet-4-6", "anthropic"),
    "prior": ("unheard-of", None),
    "size from the name": ("some-unknown-70b", None),
    "region": ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "amazon_bedrock"),
}


@pytest.mark.parametrize(("name", "provider"), NAMES.values(), ids=NAMES)
def test_the_printed_hypotheses_lead_to_the_printed_result(name, provider):
    """What a reader with a pocket calculator does: no figure but those that are printed."""
    found = explain(name, provider, output_tokens=300, latency_s=20, zone="FRA")
    printed = {h.name.partition(",")[0]: h.value.split(" to ") for h in found.hypotheses}
    for end, of in ((0, "min"), (-1, "max")):
        h = {symbol: float(value[end]) for symbol, value in printed.items()}
        per_gpu = 300 * (h["a"] * math.exp(h["b"] * h["B"]) * h["P_a"] + h["c"]) / 1000
        per_token = h["a_l"] * h["P_a"] + h["b_l"] * h["B"] + h["c_l"]
        per_token = 1 / h["tps"] if "tps" in h else per_token
        time = min(300 * per_token + h.get("ttft", 0), 20)
        gpus = 2 ** math.ceil(math.log2(math.ceil(h["o"] * h["P_t"] * h["Q"] / 8 / h["V"])))
        kwh = time / 3600 * h["W"] * gpus / h["n"] / h["B"] + gpus * per_gpu
        worn = time / (h["lifetime"] * 24 * 3600 * h["B"])
        gwp = worn * (gpus / h["n"] * h["S_gwp"] + gpus * h["U_gwp"])
        water = kwh * (h["WUE_dc"] + h["PUE"] * h["WUE_grid"])
        for criterion, value in {
            "energy": h["PUE"] * kwh,
            "gwp": h["PUE"] * kwh * h["F_gwp"] + gwp,
            "wcf": water,
        }.items():
            impact = getattr(found.impacts, criterion).value
            assert value == pytest.approx(getattr(impact, of), rel=1e-5), criterion


def test_the_header_names_what_was_asked():
    assert str(explain("gpt-4o", latency_s=2.5)).startswith(
        "gpt-4o: N = 1,000 output tokens, latency L = 2.5 s\n"
    )
    assert str(explain("")).startswith("(no name): ")
    assert "N = unknown" in str(explain("gpt-4o", output_tokens=None))


def test_the_size_of_a_model_that_is_not_covered_is_told():
    hypotheses = explain("text-embedding-3-small").hypotheses
    assert [h.name[:3] for h in hypotheses] == ["P_t", "P_a"]
    assert all(h.sources and h.checked for h in hypotheses)
    assert explain("dall-e-3").hypotheses == ()


def test_long_addresses_fit_a_terminal():
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(explain("gpt-4o"))
    lines = console.export_text().splitlines()
    assert max(map(len, lines)) <= 100


def test_it_says_how_a_wrapped_name_was_read():
    """Not "'claude-sonnet-4-5-20250929' is 'claude-sonnet-4-5-20250929'"."""
    name = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
    how = explain(name, "amazon_bedrock").resolution.how
    assert how == f"{name!r} is 'claude-sonnet-4-5-20250929'"
