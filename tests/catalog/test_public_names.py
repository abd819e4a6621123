"""Names as people's logs and configurations show them get the answer written down beforehand."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impactree import ModelCall, estimate, resolve
from impactree.catalog import load_catalog
from impactree.catalog._resolve import TEXT_KINDS

BENCHMARK = runpy.run_path(str(Path(__file__).parents[2] / "benchmarks" / "names.py"))
rows, wrong, scores = BENCHMARK["rows"], BENCHMARK["wrong"], BENCHMARK["scores"]
CASES = rows("names_cases.tsv")
PUBLIC = rows("names_public.tsv")
HOSTILE = rows("names_hostile.tsv")
"""Of the kinds seen in private and company set-ups, made up by hand."""


@pytest.mark.parametrize(
    "row", CASES + PUBLIC + HOSTILE, ids=lambda row: f"{row['provider']}:{row['name'][:60]}"
)
def test_a_public_name(row):
    assert wrong(row) == []


def test_at_most_a_tenth_of_the_right_names_warn_of_their_size():
    assert scores()["warned"] <= 0.10


MIXTURES = [
    ("gpt-oss-120b-Ultra", 117, 6),
    ("Qwen3-235B-sft", 235, 22),
    ("DeepSeek-V3-671B-custom", 671, 37),
    ("llama-4-scout-17b-acme", 109, 17),
    ("qwen-3-235b", 235, 22),
    ("cogito-671b", 671, 37),
    ("glm-5.3-w4afp8", 744, 40),
]


@pytest.mark.parametrize(("name", "total", "active"), MIXTURES)
def test_a_known_mixture_of_experts_is_never_read_as_dense(name, total, active):
    found = resolve(name, "openai", base_url="http://10.0.0.5:8000/v1")
    assert found.total_params.min <= total * 1.02
    assert found.total_params.max >= total * 0.98
    assert found.active_params.max <= active * 1.15


@given(
    st.sampled_from(["gpt-oss-120b", "Qwen3-235B-A22B", "Qwen3-30B-A3B", "Llama-4-Scout-17B-16E"]),
    st.lists(
        st.sampled_from(["sft", "w4afp8", "int8-w8a8", "autoround", "lora", "high", "acme", "v2"]),
        max_size=3,
    ),
    st.sampled_from(["", "acme/", "/models/", "coding-"]),
)
def test_whatever_stands_around_it_a_mixture_keeps_its_active_share(base, words, front):
    found = resolve("-".join([front + base, *words]), "vllm")
    assert found.active_params.max < 0.5 * found.total_params.min


@given(st.text(max_size=400), st.sampled_from([None, "openai", "ollama", "litellm", "acme"]))
def test_no_name_raises(name, provider):
    found = resolve(name, provider, base_url="http://10.0.0.5:8000/v1")
    assert found.host in load_catalog().hosts


@given(st.integers(1, 9000).map(lambda tenths: tenths / 10))
def test_a_size_read_from_a_name_is_a_range_with_a_warning(size):
    call = ModelCall(model=f"zzz-unheard-{size:g}b", provider="groq", output_tokens=10)
    found = resolve(call.model, call.provider)
    assert found.total_params.min < size < found.total_params.max
    assert "model-size-from-name" in {w.code for w in estimate(call).warnings}


def test_the_prior_covers_every_text_model_of_the_catalog():
    prior = load_catalog().rules.prior
    for record in load_catalog().records():
        if record.kind in TEXT_KINDS and record.total and record.active:
            for size, (low, high) in (
                (record.total, prior["total"]),
                (record.active, prior["active"]),
            ):
                assert low <= size.min <= size.max <= high, record.id


def test_a_pruned_copy_is_a_range_up_to_the_whole():
    found = resolve("pipenetwork/GLM-5.2-REAP50-MLX-4bit", "vllm")
    assert (found.total_params.min, found.total_params.max) == (372, 744)
    assert (found.maker, found.grade) == ("pipenetwork", "size")
