"""What the resolver does beyond single names: places, requested names, memory."""

from __future__ import annotations

import pytest

from impactree import resolve
from impactree.catalog import load_catalog
from impactree.catalog._resolve import _MAX_KNOWN


def test_a_local_server_is_never_the_maker_by_whatever_name():
    """llama.cpp answers with the name it was asked for, or with its file."""
    for address in ("http://localhost:8080/v1", "http://192.168.1.7:8000", "http://gpu-box:8000"):
        for model in ("gpt-4o", "claude-sonnet-4-5", "gemini-2.5-pro"):
            for name in (model, "/models/model.gguf"):
                found = resolve(name, "openai", requested=model, base_url=address)
                assert (found.maker, found.host, found.grade) == (None, "local", "prior")


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


def test_no_date_and_today_agree():
    assert resolve("deepseek-chat").model == resolve("deepseek-chat", at="2026-11-24").model


def test_memory_stays_bounded():
    catalog = load_catalog()
    for number in range(_MAX_KNOWN + 50):
        resolve(f"unheard-of-{number}-7b")
    assert len(catalog.resolutions) <= _MAX_KNOWN
    resolve("x" * 1_000_000)
    assert all(len(k[0]) < 2000 for k in catalog.resolutions)
