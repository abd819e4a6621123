"""Values: ranges, impacts, sums and their text."""

from __future__ import annotations

import copy
import pickle
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from impactree import Impact, Impacts, ImpactTracker, ModelCall, Range, estimate
from impactree.values.formatting import quantity
from impactree.values.messages import Message

NUMBERS = st.floats(min_value=0, max_value=1e9)


def call(model="gpt-4o-mini", tokens=400):
    return ModelCall(provider="openai", model=model, output_tokens=tokens, latency_s=3.2)


def unestimated(code="model-not-registered"):
    return Impacts.not_estimated(Message(code, "why"))


# Range


def test_a_range_adds_scales_and_has_a_mean():
    assert Range(1, 2) + Range(3, 5) == Range(4, 7)
    assert Range(1, 2) + 1 == 1 + Range(1, 2) == Range(2, 3)
    assert Range(1, 2) * 3 == 3 * Range(1, 2) == Range(3, 6)
    assert Range(1, 2) * -1 == Range(-2, -1)
    assert Range(2, 4) / 2 == Range(1, 2)
    assert Range(0.9, 1.7).mean == pytest.approx(1.3)
    assert Range(1, 2).to_dict() == {"min": 1, "mean": 1.5, "max": 2}


def test_a_range_may_have_a_mean_of_its_own():
    lopsided = Range(1, 9, mean=2)
    assert lopsided.mean == 2
    assert lopsided + Range(3, 5) == Range(4, 14, 6)
    assert lopsided + 1 == Range(2, 10, 3)
    assert lopsided * -2 == Range(-18, -2, -4)
    assert lopsided.to_dict() == {"min": 1, "mean": 2, "max": 9}
    assert str(lopsided) == "2 (1 to 9)"


@pytest.mark.parametrize("mean", [0.9, 2.1, float("nan"), "1.5"])
def test_a_mean_lies_between_the_ends(mean):
    with pytest.raises(ValueError, match="mean lies between"):
        Range(1, 2, mean=mean)


@given(st.lists(st.tuples(NUMBERS, NUMBERS, NUMBERS), min_size=1, max_size=20))
def test_means_add_and_stay_between_the_ends(triples):
    ranges = [Range(a, c, b) for a, b, c in map(sorted, triples)]
    total = sum(ranges[1:], ranges[0])
    assert total.min <= total.mean <= total.max
    assert total.mean == pytest.approx(sum(r.mean for r in ranges))


@pytest.mark.parametrize(
    "ends", [(2, 1), (float("nan"), 1), (0, float("nan")), ("1", "2"), (None, 1)]
)
def test_a_range_rejects_ends_out_of_order(ends):
    with pytest.raises(ValueError, match="min <= max"):
        Range(*ends)


def test_a_range_takes_numpys_scalars_and_holds_pythons_own():
    np = pytest.importorskip("numpy")
    found = Range(np.float32(1), np.int64(4), np.float16(2.5))
    assert found == Range(1, 4, 2.5)
    assert [type(x) for x in found.to_dict().values()] == [float, float, int]
    assert found * np.float32(2) == found + found == Range(2, 8, 5)
    assert found + np.float32(1) == Range(2, 5, 3.5)
    assert found / np.float32(2) == Range(0.5, 2, 1.25)
    assert Range(Fraction(1, 2), 1).min == 0.5


def test_a_range_refuses_bools_and_what_is_no_number_of_numpy():
    np = pytest.importorskip("numpy")
    for wrong in (True, np.bool_(True), np.float32("nan"), np.array([1.0]), Decimal(1), None, "1"):
        with pytest.raises(ValueError, match="two numbers with min <= max"):
            Range(wrong, 2)
    with pytest.raises(ValueError, match="mean"):
        Range(0, 2, True)


@pytest.mark.parametrize("other", ["1", None, [1]])
def test_a_range_adds_numbers_only(other):
    with pytest.raises(TypeError):
        Range(1, 2) + other
    with pytest.raises(TypeError):
        Range(1, 2) * other
    with pytest.raises(TypeError):
        Range(1, 2) / other


def test_values_are_immutable():
    impacts = estimate(call())
    for target, name in [
        (Range(1, 2), "min"),
        (impacts.gwp, "value"),
        (impacts, "warnings"),
        (impacts.usage, "gwp"),
    ]:
        with pytest.raises(AttributeError):
            setattr(target, name, None)
    with pytest.raises(AttributeError):
        del impacts.figures


# Text


@pytest.mark.parametrize(
    ("low", "high", "unit", "text"),
    [
        (0.00042, 0.00042, "Wh", "0.42 mWh"),
        (0.9, 1.7, "gCO2eq", "1.3 (0.9 to 1.7) gCO2eq"),
        (0, 0, "L", "0 L"),
        (42e-6, 42e-6, "Wh", "42 µWh"),
        (999, 999, "g", "1 kg"),
        (12_345, 12_345, "Wh", "12 kWh"),
        (0.001, 150, "J", "75 (0.001 to 150) J"),
        (3e-13, 3e-13, "gSbeq", "0.3 pgSbeq"),
        (2e14, 2e14, "J", "200 TJ"),
    ],
)
def test_quantities_read_with_a_prefix_that_fits(low, high, unit, text):
    assert quantity(low, (low + high) / 2, high, unit) == text


@given(low=NUMBERS, width=NUMBERS)
def test_every_quantity_prints_without_an_exponent(low, width):
    text = quantity(low, low + width / 3, low + width, "Wh")
    assert "e+" not in text
    assert text.endswith("Wh")


@pytest.mark.parametrize(
    ("value", "text"),
    [(9.8e-14, "9.8e-14"), (2.8054e-8, "0.000000028"), (0.5, "0.5"), (1e30, "1e+30")],
)
def test_ranges_print_two_digits_whatever_their_size(value, text):
    assert str(Range(value, value)) == text


def test_impacts_print_their_criteria_or_the_reason():
    assert str(estimate(call()).energy).endswith("mWh")
    assert "gCO2eq" in str(estimate(call()))
    assert str(unestimated()) == "not estimated: why [model-not-registered]"
    assert str(estimate(call()) + unestimated()).startswith("at least ")
    assert str(Impact("other", "Other", Range(1, 1), "u")) == "1 u"


# Sums


def test_adding_impacts_adds_every_figure():
    one, two = estimate(call(tokens=100)), estimate(call(tokens=300))
    total = one + two
    assert total.gwp.value.min == pytest.approx(one.gwp.value.min + two.gwp.value.min, rel=1e-15)
    assert total.usage.wcf.value.max == pytest.approx(
        one.wcf.value.max + two.wcf.value.max, rel=1e-15
    )
    assert total.embodied.adpe.value.mean == pytest.approx(
        one.embodied.adpe.value.mean + two.embodied.adpe.value.mean, rel=1e-15
    )
    assert total.estimated_calls == 2
    assert [w.code for w in total.warnings] == [w.code for w in one.warnings]


def test_zero_is_neutral_and_sum_starts_from_nothing():
    one = estimate(call())
    assert one + Impacts.zero() == Impacts.zero() + one == one
    assert sum([one, one]) == one + one
    assert sum([one.gwp, one.gwp]) == one.gwp + one.gwp
    assert Impacts.sum([]) == Impacts.zero()
    assert Impacts.zero().gwp.value == Range(0, 0)
    assert Impacts.zero().estimated


def test_unknown_is_not_zero():
    assert not unestimated().estimated
    for name in ("energy", "gwp", "adpe", "pe", "wcf", "usage", "embodied"):
        assert getattr(unestimated(), name) is None
    nothing = unestimated() + Impacts.zero() + unestimated()
    assert not nothing.estimated
    assert not nothing.lower_bound
    some = nothing + estimate(call())
    assert some.lower_bound
    assert some.gwp == estimate(call()).gwp
    assert (some.estimated_calls, some.unestimated_calls) == (1, 2)
    assert [e.code for e in some.errors] == ["model-not-registered"]


PARTS = st.lists(
    st.one_of(
        st.builds(lambda n: estimate(call(tokens=n)), st.integers(0, 10_000)),
        st.builds(unestimated, st.sampled_from(["model-not-registered", "kind-not-covered"])),
        st.just(Impacts.zero()),
    ),
    max_size=8,
)


@given(a=PARTS, b=PARTS)
def test_sums_do_not_depend_on_grouping(a, b):
    whole, parts = Impacts.sum(a + b), Impacts.sum(a) + Impacts.sum(b)
    assert whole.estimated == parts.estimated
    assert whole.lower_bound == parts.lower_bound
    assert (whole.estimated_calls, whole.unestimated_calls, whole.grade) == (
        parts.estimated_calls,
        parts.unestimated_calls,
        parts.grade,
    )
    if whole.estimated:
        assert whole.figures == pytest.approx(parts.figures, rel=1e-12)


def test_impacts_of_different_types_do_not_add():
    impacts = estimate(call())
    with pytest.raises(ValueError, match="cannot add energy"):
        impacts.gwp + impacts.energy
    with pytest.raises(TypeError):
        impacts + 1
    assert (impacts.gwp + impacts.gwp).value == impacts.gwp.value * 2


def test_the_grade_of_a_sum_is_its_least_certain():
    exact = estimate(call())
    assert exact.grade == "exact"
    assert (exact + unestimated()).grade == "unknown"
    assert Impacts.zero().grade is None


def test_impacts_travel_between_processes():
    total = estimate(call()) + unestimated()
    assert pickle.loads(pickle.dumps(total)) == total
    assert copy.deepcopy(total) == total
    assert hash(copy.copy(total)) == hash(total)


class Named(Impacts):
    """With a dictionary of its own."""


class Slotted(Impacts):
    __slots__ = ()


@pytest.mark.parametrize("kind", [Named, Slotted])
def test_a_class_may_build_on_impacts(kind):
    """Its instances are made, summed and compared as those of Impacts."""
    ours = estimate(call())
    total = kind.sum([ours, unestimated()])
    assert type(total) is kind
    assert total == ours + unestimated()
    assert total != kind.sum([ours])
    assert kind(None, grade="exact") != kind(None, grade="prior")
    with pytest.raises(AttributeError, match="immutable"):
        total.grade = "exact"


def test_impacts_of_two_methods_do_not_add():
    ours = estimate(call())
    other = Impacts(ours.figures, method="another-1", grade="exact")
    assert (ours + ours).method == ours.method == "ecologits-0.11"
    with pytest.raises(ValueError, match=r"another-1 to impacts by ecologits-0\.11.*method="):
        ours + other
    with pytest.raises(ValueError, match="cannot add impacts"):
        Impacts.sum([Impacts.zero(), other, ours])


def test_what_no_method_estimated_adds_to_either():
    ours = estimate(call())
    assert (Impacts.zero() + ours).method == ours.method
    assert (ours + unestimated()).method == ours.method
    measured = Impacts(ours.figures)
    assert (measured + ours).method == (ours + measured).method == ours.method


def test_the_parts_of_the_energy_add_up():
    """By the published method a call's energy goes into output, the server and the overhead."""
    ours = estimate(call())
    parts = ours.energy_parts
    assert list(parts) == ["input", "cached", "output", "host", "overhead"]
    assert parts["input"] == parts["cached"] == 0
    assert min(parts["output"], parts["host"], parts["overhead"]) > 0
    assert sum(parts.values()) == pytest.approx(ours.energy.value.mean, rel=1e-12)
    both = sum([ours, ours, unestimated()])
    assert both.energy_parts["output"] == pytest.approx(2 * parts["output"], rel=1e-12)
    assert unestimated().energy_parts is None
    assert Impacts.zero().energy_parts == dict.fromkeys(parts, 0.0)


def test_parts_that_nobody_recorded_are_unknown_in_a_sum():
    ours = estimate(call())
    old = Impacts(ours.figures._replace(part_host=float("nan")))
    assert old.energy_parts is None
    assert (ours + old).energy_parts is None


def token_counts():
    counts = st.integers(0, 200_000)
    return st.builds(
        lambda read, cached, written, out, model, provider: ModelCall(
            model=model,
            provider=provider,
            input_tokens=read + cached + written,
            cached_input_tokens=cached,
            cache_write_tokens=written,
            output_tokens=out,
        ),
        *(counts, counts, counts, counts),
        st.sampled_from(["gpt-4o", "claude-sonnet-4-5", "qwen3-8b", "deepseek-r1"]),
        st.sampled_from(["openai", "anthropic", "ollama", None]),
    )


@given(
    calls=st.lists(token_counts(), min_size=1, max_size=8),
    parents=st.lists(st.integers(0, 7), min_size=8, max_size=8),
    method=st.sampled_from(["ecologits-0.11", "impactree-1"]),
)
@settings(deadline=None)
def test_parts_sum_to_the_energy_of_every_run_of_a_tree(calls, parents, method):
    tracker = ImpactTracker(method=method)
    names = ["root"]
    tracker.start("root", name="root")
    for place, one in enumerate(calls):
        above = names[parents[place] % len(names)]
        names.append(f"chain {place}")
        tracker.start(names[-1], above, name=names[-1])
        tracker.record(one, names[-1])
    for name in reversed(names):
        tracker.end(name)
    (root,) = tracker.runs
    for run in root.walk():
        whole = run.total.energy.value.mean
        assert sum(run.total.energy_parts.values()) == pytest.approx(whole, rel=1e-12)
    for name, part in root.total.energy_parts.items():
        own = sum(run.own.energy_parts[name] for run in root.calls)
        assert part == pytest.approx(own, rel=1e-12)
