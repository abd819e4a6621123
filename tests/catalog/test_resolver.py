"""What the resolver does beyond single names: places, requested names, memory."""

from __future__ import annotations

import datetime as dt

import pytest

from impactree import resolve
from impactree.catalog import load_catalog
from impactree.catalog._resolve import _remembered
from impactree.catalog._whose import stem

PRIVATE = [
    "http://localhost:4000/v1",
    "http://litellm:4000",
    "http://10.0.0.5:8000/v1",
    "http://192.168.1.7:8000",
    "http://100.101.4.7:4000/v1",
    "http://gateway.ai.svc.cluster.local:8080/v1",
    "http://host.docker.internal:4000",
    "http://ip-10-0-3-4.ec2.internal:4000/v1",
    "http://ec2-3-4-5-6.eu-west-3.compute.amazonaws.com:4000",
    "http://llm-1234.us-east-1.elb.amazonaws.com/v1",
]


@pytest.mark.parametrize("address", PRIVATE)
def test_a_closed_model_at_a_private_address_is_its_makers_behind_a_proxy(address):
    for model, maker in (
        ("gpt-4o", "openai"),
        ("claude-sonnet-4-5", "anthropic"),
        ("gemini-2.5-pro", "google"),
    ):
        found = resolve(model, "openai", base_url=address)
        assert (found.maker, found.host) == (maker, "unknown")
        assert found.model is not None
        assert found.model.startswith(model)


@pytest.mark.parametrize("address", PRIVATE[:-2])
def test_an_open_model_at_a_private_address_is_the_users_own(address):
    assert resolve("Qwen/Qwen3-32B", "openai", base_url=address).host == "local"


def test_an_open_model_on_a_rented_machine_is_a_server_of_the_users_own():
    found = resolve("Qwen/Qwen3-32B", "openai", base_url=PRIVATE[-2])
    assert (found.host, found.model) == ("self-hosted", "Qwen/Qwen3-32B")


@pytest.mark.parametrize(
    ("provider", "address"), [("ollama", None), ("openai", "http://localhost:11434/v1")]
)
def test_a_server_known_by_its_kind_runs_no_closed_model(provider, address):
    found = resolve("gpt-4o", provider, base_url=address)
    assert (found.maker, found.host, found.grade) == (None, "local", "prior")
    assert "cannot run there" in found.how


def test_a_file_that_a_local_server_answers_with_is_no_closed_model():
    """llama.cpp answers with its file."""
    for model in ("gpt-4o", "claude-sonnet-4-5", "gemini-2.5-pro"):
        found = resolve(
            "/models/model.gguf", "openai", requested=model, base_url="http://gpu-box:8000"
        )
        assert (found.maker, found.host, found.grade) == (None, "local", "prior")


def test_ollamas_defaults_hold_for_ollama_alone():
    for provider, address in (("ollama", None), ("openai", "http://ollama:11434/v1")):
        assert resolve("deepseek-r1", provider, base_url=address).total_params.max < 9
    for provider, address in (("vllm", None), ("openai", "http://10.0.0.5:8000/v1")):
        assert resolve("deepseek-r1", provider, base_url=address).total_params.min == 671


def test_a_bare_family_name_spans_its_family_outside_ollama():
    found = resolve("qwen3", "openai", base_url="http://10.0.0.5:8000/v1")
    assert (found.model, found.maker, found.grade) == (None, "qwen", "family")
    assert found.total_params.min < 1
    assert found.total_params.max >= 235
    assert resolve("qwen3", "ollama").total_params.max < 9


def test_a_file_is_no_closed_model_on_any_server():
    found = resolve(
        "/models/model.gguf", "openai", requested="gpt-4o", base_url="https://llm.example.com/v1"
    )
    assert (found.model, found.host) == (None, "unknown")


def test_another_makers_model_is_not_run_by_openai():
    assert resolve("Qwen/Qwen2.5-7B-Instruct", "openai").host == "unknown"
    assert resolve("gpt-oss-20b", "openai").host == "unknown"
    assert resolve("/models/model.gguf", "openai").host == "local"
    assert resolve("gpt-4o", "openai").host == "openai"


def test_the_requested_name_helps_only_where_the_answer_says_nothing():
    assert resolve("my-deployment", "azure", requested="gpt-4o").model == "gpt-4o"
    found = resolve("gpt-4o-mini", "azure", requested="gpt-4o")
    assert found.model == "gpt-4o-mini"


@pytest.mark.parametrize(
    ("name", "provider", "base_url", "region"),
    [
        ("x", "openai", "https://bedrock-runtime.us-west-2.amazonaws.com/openai/v1", "us-west-2"),
        ("arn:aws:bedrock:eu-west-3::foundation-model/meta.llama3-8b-instruct-v1:0", None, None,
         "eu-west-3"),
        ("bedrock/us-east-1/anthropic.claude-instant-v1", "litellm", None, "us-east-1"),
        ("x", None, "https://europe-west9-aiplatform.googleapis.com/v1", "europe-west9"),
        ("projects/p/locations/us-central1/publishers/google/models/gemini-2.5-pro", None, None,
         "us-central1"),
        ("us-west-2", "openai", None, None),
    ],
)  # fmt: skip
def test_the_region_that_an_address_or_a_path_states(name, provider, base_url, region):
    assert resolve(name, provider, base_url=base_url).region == region


def test_a_profile_over_a_continent_tells_its_zone():
    assert resolve("eu.anthropic.claude-haiku-4-5-20251001-v1:0").zone == "EEE"
    assert resolve("jp.anthropic.claude-sonnet-4-5-20250929-v1:0").zone == "JPN"
    assert resolve("us.anthropic.claude-haiku-4-5-20251001-v1:0").zone is None


@pytest.mark.parametrize("name", [None, 5, b"gpt-4o"])
def test_what_is_no_name_is_refused(name):
    with pytest.raises(TypeError, match="resolve takes a model's name, not"):
        resolve(name)


def test_whoever_tuned_a_model_changes_nothing_but_where_the_catalog_lists_the_whole_name():
    bare = resolve("ft:gpt-4o-mini-2024-07-18", "openai")
    assert resolve("FT:gpt-4o-mini-2024-07-18:acme:70b eu.:x/y", "openai") == bare
    assert (bare.model, bare.grade) == ("gpt-4o-mini-2024-07-18", "variant")
    tuned = {"id": "ft:gpt-4o:acme::1", "total": 7, "basis": "published"}
    tuned |= {"sources": ["https://example.com"], "checked": dt.date(2026, 1, 1)}
    catalog = load_catalog().extended([("mine", {"maker": "openai", "models": [tuned]})])
    listed = [stem(catalog, name) for name in ("ft:gpt-4o:acme::1", "ft:gpt-4o:acme::2")]
    assert listed == ["ft:gpt-4o:acme::1", "ft:gpt-4o"]


def test_no_date_and_today_agree():
    assert resolve("deepseek-chat").model == resolve("deepseek-chat", at="2026-11-24").model


def test_memory_stays_bounded():
    bound = _remembered.cache_info().maxsize
    for number in range(bound + 50):
        resolve(f"unheard-of-{number}-7b")
    assert _remembered.cache_info().currsize <= bound
    _remembered.cache_clear()
    resolve("x" * 1_000_000)
    assert _remembered.cache_info().currsize == 0
