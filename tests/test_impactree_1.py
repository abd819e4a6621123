"""The method impactree-1: what must always hold, what others measured, units, settings."""

from __future__ import annotations

import math

import numpy as np
import pint
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from impactree import ModelCall, Tokens, estimate, explain
from impactree.catalog import load_catalog
from impactree.engine.deployments import hardware
from impactree.exceptions import ConfigurationError
from impactree.methods import METHODS, Deployment, Mix, Params, Site, Situation
from impactree.methods.impactree_1.constants import FITTED
from impactree.methods.impactree_1.equations import (
    Accelerator,
    Architecture,
    Served,
    joules,
    loads,
    prompts_wait,
    seconds,
    tokens,
    total,
    touched,
)
from impactree.methods.impactree_1.sizes import from_params
from impactree.values.figures import Figures

METHOD = METHODS["impactree-1"]
SHEETS = {name: hardware(raw) for name, raw in load_catalog().accelerators.items()}
USABLE = [h for h in SHEETS.values() if h.power and h.bandwidth and h.bf16]
SITE, MIX = Site(1.09, 1.14, 0.13, 0.999), Mix(0.384, 9.86e-8, 9.97, 3.78)
COUNTS = st.integers(0, 10**7)
SIZES = st.floats(0.02, 3000)
untimed = settings(deadline=None)


def situation(active, total, kind="chat", architecture=None, **deployment):
    return Situation(
        Params(active, active, total, total),
        SITE,
        MIX,
        kind,
        architecture,
        Deployment(**deployment),
        SHEETS["generic"],
        (SHEETS["h100"], SHEETS["b200"]),
    )


deployments = st.fixed_dictionaries(
    {
        "accelerator": st.sampled_from(USABLE),
        "count": st.sampled_from([1, 2, 4, 8, 16]),
        "batch_size": st.floats(1, 512),
        "precision": st.sampled_from(["bf16", "fp8", "int8", "int4"]),
    }
)
calls = st.tuples(COUNTS, COUNTS, st.floats(0, 1)).map(
    lambda x: Tokens(input=x[0], cached_input=int(x[0] * x[2]), output=x[1])
)


def figures(known, call, latency=None):
    """The eight figures, low, expected and high."""
    return METHOD.impacts(METHOD.plan(known), call, latency)[:24]


def gpu(known, call):
    steps = METHOD.steps(METHOD.plan(known), call)
    return next(s for s in steps if s.symbol == "E_gpu")


def no_less(more, less):
    """Every figure, rounding apart."""
    return all(a >= b * (1 - 1e-9) for a, b in zip(more, less, strict=True))


@untimed
@given(
    SIZES,
    st.floats(1, 40),
    st.one_of(st.just({}), deployments),
    calls,
    st.none() | st.floats(0, 1e4),
)
def test_low_mean_and_high_are_in_order(active, sparsity, known, call, latency):
    made = figures(situation(active, active * sparsity, **known), call, latency)
    for low, mean, high in zip(*(iter(made),) * 3, strict=True):
        assert 0 <= low <= mean <= high < math.inf


@untimed
@given(SIZES, st.floats(1, 40), deployments, calls, st.integers(1, 10**6))
def test_no_token_class_makes_a_call_cheaper(active, sparsity, known, call, more):
    place = situation(active, active * sparsity, **known)
    before = figures(place, call)
    read = Tokens(input=call.input + more, cached_input=call.cached_input, output=call.output)
    written = Tokens(input=call.input, cached_input=call.cached_input, output=call.output + more)
    context = Tokens(
        input=call.input + more, cached_input=call.cached_input + more, output=call.output
    )
    for longer in (read, written, context):
        assert no_less(figures(place, longer), before)
    assert no_less(figures(place, read), figures(place, context))  # cached costs at most uncached


@pytest.mark.parametrize(
    ("tokens", "warned", "errors"),
    [
        ({"input_tokens": 10, "cache_write_tokens": 50}, True, []),
        ({"input_tokens": 10, "cached_input_tokens": 6, "cache_write_tokens": 5}, True, []),
        ({"input_tokens": 10, "cached_input_tokens": 5, "cache_write_tokens": 5}, False, []),
        ({"input_tokens": 10, "reasoning_tokens": 6}, True, []),
        ({"input_tokens": 10, "cached_input_tokens": 11}, False, ["cached-above-input"]),
    ],
)
def test_a_part_above_its_whole_is_said(tokens, warned, errors):
    call = ModelCall(model="gpt-4o", provider="openai", output_tokens=5, **tokens)
    impacts = estimate(call, method="impactree-1")
    assert ("part-above-whole" in {w.code for w in impacts.warnings}) == warned
    assert [e.code for e in impacts.errors] == errors
    published = {w.code for w in estimate(call, method="ecologits-0.11").warnings}
    assert ("part-above-whole" in published) == ("reasoning_tokens" in tokens)


@untimed
@given(SIZES, st.floats(1, 40), deployments, st.floats(1, 5), calls)
def test_a_larger_model_costs_no_less(active, sparsity, known, factor, call):
    small = situation(active, active * sparsity, **known)
    large = situation(active * factor, active * sparsity * factor, **known)
    assert no_less(figures(large, call), figures(small, call))


@untimed
@given(SIZES, deployments, calls)
def test_more_bits_of_a_dense_model_cost_no_less(size, known, call):
    few, many = ({**known, "precision": p} for p in ("int4", "bf16"))
    assert no_less(
        figures(situation(size, size, **many), call), figures(situation(size, size, **few), call)
    )


@untimed
@given(SIZES, st.floats(1, 40), deployments, calls, st.floats(0, 1), st.floats(0, 1))
def test_a_call_split_in_two_that_send_the_context_again_costs_no_less(
    active, sparsity, known, call, at, kept
):
    place, first = situation(active, active * sparsity, **known), int(call.output * at)
    again = call.input + first
    halves = (
        Tokens(input=call.input, cached_input=call.cached_input, output=first),
        Tokens(input=again, cached_input=int(again * kept), output=call.output - first),
    )
    parts = [figures(place, half) for half in halves]
    whole = figures(place, call)
    for a, b, c in zip(*parts, whole, strict=True):
        assert a + b >= c * (1 - 1e-6)


@untimed
@given(st.lists(st.tuples(SIZES, calls, st.floats(0, 1e4)), min_size=1, max_size=12), st.booleans())
def test_the_same_lines_run_on_arrays(rows, measured):
    plans = [METHOD.plan(situation(size, 2 * size)) for size, *_ in rows]

    class Columns:
        input = np.array([float(c.input) for _, c, _ in rows])
        cached_input = np.array([float(c.cached_input) for _, c, _ in rows])
        output = np.array([float(c.output) for _, c, _ in rows])

    made = METHOD.impacts(
        type(plans[0])(*map(np.array, zip(*plans, strict=True))),
        Columns(),
        np.array([latency for *_, latency in rows]) if measured else None,
        where=np.where,
    )
    for i, (plan, (_, call, latency)) in enumerate(zip(plans, rows, strict=True)):
        one = METHOD.impacts(plan, call, latency if measured else None)
        assert one == pytest.approx(Figures(*(float(c[i]) for c in made)), rel=1e-9, abs=1e-15)


@untimed
@given(SIZES, st.floats(1, 40), st.one_of(st.just({}), deployments), calls)
def test_parts_add_up_to_the_expected_energy(active, sparsity, known, call):
    made = METHOD.impacts(METHOD.plan(situation(active, active * sparsity, **known)), call)
    parts = made[24:]
    assert sum(parts) == pytest.approx(made.energy_mean, rel=1e-12)
    assert min(parts) >= -1e-12 * made.energy_mean


def test_plans_are_flat_numbers():
    assert all(isinstance(value, int | float) for value in METHOD.plan(situation(8, 8)))


def test_units_check_dimensionally():
    """Quantities with units in, joules and seconds out; adding unlike ones raises."""
    u = pint.UnitRegistry()
    u.define("FLOP = []")
    u.define("param = []")
    c = FITTED._replace(
        tau=FITTED.tau * u.s,
        tau_g=FITTED.tau_g * u.s,
        sigma=FITTED.sigma * u.s,
        tau_q=FITTED.tau_q * u.s,
        em=FITTED.em * u.J / u.byte,
    )
    a = from_params(22, 235)
    flop, per = u.FLOP, u.byte
    a = Architecture(
        **{
            **a._asdict(),
            "dense_params": a.dense_params * u.param,
            "expert_params": a.expert_params * u.param,
            "active_params": a.active_params * flop,  # times 2: FLOP per token
            "kv_bytes": a.kv_bytes * per,
            "window_bytes": 1e4 * per,
            "window": 1024.0,
            "state_bytes": 1e6 * per,
            "attention_flop": a.attention_flop * flop,
            "window_flop": 1e5 * flop,
        }
    )
    h = Accelerator(700 * u.W, 3.35e12 * u.byte / u.s, 989.5e12 * flop / u.s)
    s = Served(8, 32.0, 1 * u.byte / u.param, 1 * u.byte / u.param, 1.0, 1.0, 1, 1.0)
    work = loads(c, a, h, s)
    call = tokens(1601, 100, 141, 1024.0)
    assert total(joules(c, work, s, h), call).to(u.kWh).magnitude > 0
    assert total(seconds(c, work, 32.0), call).to(u.ms).magnitude > 0
    with pytest.raises(pint.DimensionalityError):
        loads(c, a._replace(kv_bytes=1 * u.kg), h, s).context.to(u.s)


def test_a_step_by_hand():
    """8 10^9 dense 16-bit parameters on one H100, one request, no context.

    Gaps: 24 8^0.25 = 40.36 layers of 93.28 us: 3.765 ms. Weights: 1.05 16 GB / 3.35 TB/s =
    5.015 ms. Request 32 us. Compute: 1.56 2 8e9 / 989.5e12 = 25 us. In all 8.84 ms.
    """
    a = from_params(8, 8)
    s = Served(1, 1, 2, 2, 0, 0, 1, 1)
    work = loads(FITTED, a, Accelerator(700, 3.35e12, 989.5e12), s)
    assert seconds(FITTED, work, 1).output == pytest.approx(8.84e-3, rel=1e-3)


def test_experts_that_a_batch_touches():
    """Two of eight: one token touches a quarter, two tokens 1 - 0.75^2."""
    a = from_params(8, 8)._replace(experts=8, active_experts=2)
    assert touched(a, 1) == 0.25
    assert touched(a, 2) == pytest.approx(1 - 0.75**2)


def test_prompts_hold_up_groups_that_keep_step():
    """Few prompts: every group waits for each, so 4 times; many: hardly more than the mean."""
    assert prompts_wait(1, 0.1) == 1
    assert prompts_wait(4, 1e-4) == pytest.approx(4, rel=1e-3)
    assert 1 < prompts_wait(4, 100) < 1.2


@pytest.mark.parametrize(
    ("model", "deployment", "tokens_", "low", "high"),
    [
        # J per 1,000 tokens of input, derived from powertrace-sim (arXiv 2603.18383)
        ("Qwen/Qwen3-8B", {"accelerator": "H100", "count": 1, "batch_size": 7}, 2000, 16.7, 18.2),
        ("Qwen/Qwen3-8B", {"accelerator": "A100", "count": 1, "batch_size": 1}, 4500, 31.9, 31.9),
        ("Qwen/Qwen3-30B-A3B", {"accelerator": "H100", "count": 2, "batch_size": 7}, 450, 14, 39),
        # and from energy-inference (arXiv 2407.04014), all terms at 1,000 tokens
        (
            "meta-llama/Llama-2-7b-hf",
            {"accelerator": "A100", "count": 1, "batch_size": 1},
            1000,
            35,
            47,
        ),
    ],
    ids=["8B-H100", "8B-A100", "30B-A3B", "7B-A100"],
)
def test_prompts_measured_by_others_lie_in_the_interval(model, deployment, tokens_, low, high):
    e = explain(
        model,
        method="impactree-1",
        input_tokens=tokens_,
        output_tokens=0,
        deployment={**deployment, "precision": "bf16"},
    )
    step = next(s for s in e.steps if s.symbol == "E_gpu")
    per_thousand = [x * 3.6e6 / tokens_ * 1000 for x in (step.min, step.max)]
    assert per_thousand[0] <= high
    assert low <= per_thousand[1]


def test_decoding_measured_on_the_leaderboard():
    """Llama 3.1 405B FP8 on 8 H100 at a batch of 95.7: 2.66 J and 44.1 ms per output token."""
    known = {"accelerator": "H100", "count": 8, "batch_size": 95.7, "precision": "fp8"}
    e = explain(
        "meta-llama/Llama-3.1-405B-Instruct",
        method="impactree-1",
        input_tokens=250,
        output_tokens=366,
        deployment=known,
    )
    steps = {s.symbol: s for s in e.steps}
    assert steps["E_gpu"].min < 2.66 * 366 / 3.6e6 < steps["E_gpu"].max
    assert steps["t_token"].mean == pytest.approx(44.1e-3, rel=0.25)


def call(**more):
    return ModelCall(model="Qwen/Qwen3-8B", provider="together", **more)


def test_input_counts():
    """The demo agent: 1,601 tokens in, 141 out."""
    without, with_ = (
        estimate(call(input_tokens=n, output_tokens=141), method="impactree-1") for n in (0, 1601)
    )
    assert with_.energy.value.mean > 1.2 * without.energy.value.mean


def test_embeddings_and_rerankers_are_prefill_only():
    for kind in ("embedding", "rerank"):
        made = estimate(
            ModelCall(model="BAAI/bge-m3", kind=kind, input_tokens=512), method="impactree-1"
        )
        assert made.energy.value.min > 0, made.errors
        told = ModelCall(model="BAAI/bge-m3", kind=kind, input_tokens=512, output_tokens=400)
        assert estimate(told, method="impactree-1").energy.value == made.energy.value
        shown = explain("BAAI/bge-m3", kind=kind, input_tokens=512, method="impactree-1").steps
        assert [s.mean for s in shown if s.symbol == "E"] == [made.energy.value.mean]
        unknown = estimate(ModelCall(model="BAAI/bge-m3", kind=kind), method="impactree-1")
        assert [e.code for e in unknown.errors] == ["input-tokens-unknown"]


def test_what_is_not_counted_is_said():
    missing = estimate(call(output_tokens=10), method="impactree-1")
    assert "input-tokens-unknown" in [w.code for w in missing.warnings]
    assert missing.estimated
    nothing = estimate(call(input_tokens=10), method="impactree-1")
    assert [e.code for e in nothing.errors] == ["output-tokens-unknown"]


def test_what_is_known_narrows():
    wide = estimate(call(input_tokens=500, output_tokens=300), method="impactree-1")
    narrow = estimate(
        call(input_tokens=500, output_tokens=300),
        method="impactree-1",
        deployment={"accelerator": "H100", "count": 1, "batch_size": 32, "precision": "bf16"},
    )

    def width(e):
        return e.energy.value.max / e.energy.value.min

    assert width(narrow) < width(wide) / 1.5
    quick = estimate(call(input_tokens=500, output_tokens=300, latency_s=0.5), method="impactree-1")
    assert quick.gwp.value.max < wide.gwp.value.max


def test_hardware_by_host_and_model():
    hardware_ = {"accelerator": "L4", "count": 1}
    asked = call(input_tokens=500, output_tokens=300)
    plain = estimate(asked, method="impactree-1", deployment=hardware_)
    for name in ("together", "Qwen/Qwen3-8B"):
        assert estimate(asked, method="impactree-1", deployment={name: hardware_}).figures == (
            plain.figures
        )
    other = estimate(asked, method="impactree-1", deployment={"openai": hardware_})
    assert other.figures == estimate(asked, method="impactree-1").figures


def served_on(*accelerators):
    """A user's host that says what it runs on."""
    told = {"sources": ["https://x.example"], "checked": "2026-11-24"}
    host = {"id": "acme", "name": "A", "zone": "FRA", "pue": 1.2, "wue": 0.1, **told}
    host |= {"base_urls": ["llm.acme.example"], "accelerators": list(accelerators)}
    asked = ModelCall(
        model="Qwen/Qwen3-8B",
        base_url="https://llm.acme.example/v1",
        input_tokens=10,
        output_tokens=100,
    )
    return estimate(asked, models=[{"hosts": [host]}], method="impactree-1")


def test_a_host_that_says_what_it_runs_on():
    """One without a published power is replaced, and that is said."""
    unknown, a100 = served_on(), served_on("A100")
    assert a100.energy.value != unknown.energy.value
    assert served_on("A100", "TPU-v6e").figures == a100.figures
    tpu = served_on("TPU-v6e")
    assert tpu.figures == unknown.figures
    assert [w.code for w in tpu.warnings] == ["hardware-power-unknown"]
    assert unknown.warnings == a100.warnings == ()
    with pytest.raises(
        ConfigurationError, match=r"'acme' runs on 'H1000', no accelerator of .*known: .*h100"
    ):
        served_on("H1000")


@pytest.mark.parametrize(
    ("given_", "said"),
    [
        ({"deployment": {"accelerator": "H100X"}}, "nearest: H100"),
        ({"deployment": {"accelerator": "TPU-v5e"}}, "no published power"),
        ({"deployment": {"accelerator": "M2-Ultra"}}, "no published memory bandwidth"),
        ({"deployment": {"count": 0}}, "whole number from 1"),
        ({"deployment": {"batch_size": 0.5}}, "number from 1"),
        ({"deployment": {"precision": "fp7"}}, "unknown precision 'fp7'; known: bf16"),
        ({"deployment": {"accelerator": "H100", "batch": 3}}, "did you mean batch_size"),
        ({"deployment": {"count": 2, "parallelism": "pipeline"}}, "one of tensor, expert, data"),
        ({"deployment": {"acelerator": "H100"}}, "did you mean accelerator?"),
        ({"deployment": {"count": True}}, "whole number from 1"),
        ({"deployment": {"my-gpt": "openai/gpt-4o"}}, "deployments="),
        ({"deployments": {"accelerator": "H100", "count": 2}}, "deployment="),
        ({"deployments": {"gpt-4o": {"accelerator": "H100"}}}, "deployment="),
    ],
)
def test_what_is_wrong_is_named(given_, said):
    with pytest.raises(ConfigurationError, match="deployment") as caught:
        estimate(call(output_tokens=1), method="impactree-1", **given_)
    assert said in str(caught.value)


def test_a_host_may_be_called_by_any_of_its_names():
    known = {"accelerator": "H200", "count": 4}
    asked = ModelCall(model="meta.llama3-70b-instruct-v1:0", provider="bedrock", output_tokens=9)
    expected = estimate(asked, method="impactree-1", deployment=known)
    for name in ("bedrock", "aws-bedrock", "Amazon_Bedrock"):
        found = estimate(asked, method="impactree-1", deployment={name: known})
        assert found.figures == expected.figures


def test_numpys_numbers_describe_hardware_too():
    asked = call(input_tokens=10, output_tokens=10)
    plain, numpys = (
        estimate(asked, method="impactree-1", deployment={"count": c, "batch_size": b})
        for c, b in ((2, 31.5), (np.int64(2), np.float32(31.5)))
    )
    assert plain.figures == numpys.figures


def test_a_settings_file(tmp_path, monkeypatch):
    (tmp_path / "impactree.toml").write_text(
        'method = "impactree-1"\n[deployment]\naccelerator = "H100"\nbatch_size = 31.7\n'
    )
    monkeypatch.chdir(tmp_path)
    asked = call(input_tokens=10, output_tokens=10)
    expected = estimate(
        asked, method="impactree-1", deployment={"accelerator": "H100", "batch_size": 31.7}
    )
    assert estimate(asked).figures == expected.figures


@pytest.mark.parametrize("name", ["no-such-model", "acme/llm-3000b", "gpt-4o"])
@pytest.mark.parametrize("count", [0, 1, 10_000_000])
def test_any_call_has_an_estimate_or_a_reason(name, count):
    made = estimate(
        ModelCall(model=name, input_tokens=count, output_tokens=count), method="impactree-1"
    )
    assert made.estimated
    value = made.energy.value
    assert 0 <= value.min <= value.mean <= value.max < math.inf
    assert (value.max == 0) == (count == 0)


def test_the_report_says_what_the_range_is():
    from impactree import ImpactTracker

    tracker = ImpactTracker(method="impactree-1")
    tracker.record(call(input_tokens=10, output_tokens=10))
    text = " ".join(str(tracker.report()).split())
    assert "90 % intervals of what each call costs" in text


def test_experts_can_be_spread_without_saying_over_how_many():
    asked = ModelCall(model="Qwen/Qwen3-235B-A22B", input_tokens=10, output_tokens=100)
    spread, whole = (
        estimate(asked, method="impactree-1", deployment={"count": 8, "parallelism": way})
        for way in ("expert", "tensor")
    )
    assert spread.energy.value.mean > whole.energy.value.mean


@pytest.mark.parametrize("cached", [0, 1, 2, 5000])
def test_an_unknown_input_is_at_least_what_came_from_the_cache(cached):
    said = {"cached_input_tokens": cached, "output_tokens": 10}
    unknown = estimate(call(**said, input_tokens=None), method="impactree-1")
    least = estimate(call(**said, input_tokens=cached), method="impactree-1")
    assert unknown.energy == least.energy
    assert "input-tokens-unknown" in [w.code for w in unknown.warnings]
