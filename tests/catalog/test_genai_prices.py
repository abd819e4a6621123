"""All model ids that genai-prices lists: classified, estimated, and none is another maker's."""

from __future__ import annotations

import pytest
from genai_prices.data_snapshot import get_snapshot

from impactree import ModelCall, estimate, resolve
from impactree.catalog import load_catalog
from impactree.values.impacts import GRADES

IDS = [(p.id, m.id) for p in get_snapshot().providers for m in p.models]
TEXT = ("chat", "completion")
# Whose own API a provider of genai-prices is: its plain ids are that maker's.
OWN = {
    "anthropic": {"anthropic"},
    "cohere": {"cohere"},
    "deepseek": {"deepseek"},
    "openai": {"openai"},
    "perplexity": {"perplexity"},
    "x-ai": {"xai"},
}


@pytest.fixture(scope="module")
def read():
    return [(provider, name, resolve(name, provider)) for provider, name in IDS]


def of_kind(read, kinds):
    return [row for row in read if row[2].kind in kinds]


def test_there_are_as_many_ids_as_the_targets_were_set_for():
    assert len(IDS) == 2330


def test_every_id_is_classified(read):
    catalog = load_catalog()
    for provider, name, found in read:
        assert found.grade in GRADES[:-1], (provider, name)
        assert found.host in catalog.hosts
        assert found.maker is None or found.maker in catalog.makers or found.maker in name.lower()


def test_at_most_five_percent_are_unsupported(read):
    """Realtime, live, OCR and deciding models are no chat: 105 of the ids make no text."""
    assert sum(found.grade == "unsupported" for _, _, found in read) <= 0.05 * len(read)


def test_text_ids_are_estimated_and_mostly_known(read):
    text = of_kind(read, TEXT)
    impacts = [
        estimate(ModelCall(model=name, provider=provider, output_tokens=100))
        for provider, name, _ in text
    ]
    assert sum(i.estimated for i in impacts) >= 0.97 * len(text)
    assert sum(found.grade != "prior" for _, _, found in text) >= 0.97 * len(text)


def test_embedding_and_rerank_ids_are_resolved(read):
    vectors = of_kind(read, ("embedding", "rerank"))
    assert len(vectors) >= 50
    assert sum(found.model is not None for _, _, found in vectors) >= 0.97 * len(vectors)
    sized = [row for row in vectors if row[2].record and row[2].record.total is not None]
    assert len(sized) >= 0.85 * len(vectors)


def test_a_makers_own_api_sells_no_other_makers_models(read):
    for provider, name, found in read:
        if provider in OWN and "/" not in name:
            assert found.maker in OWN[provider], (provider, name, found.how)


def test_an_organization_in_the_name_is_the_maker(read):
    makers = {"anthropic", "openai", "google", "cohere", "deepseek", "qwen", "nvidia", "ibm"}
    for provider, name, found in read:
        org = name.lower().lstrip("~").partition("/")[0]
        if org in makers and name.count("/") == 1:
            copied = "fp8" in name.lower() or "nvfp4" in name.lower()
            assert found.maker == org or copied, (provider, name, found.how)


def test_the_size_that_a_name_states_is_about_the_size_found(read):
    """A name rounds: ``gemma-7b`` counts 8.5. Three are off, and none else.

    ``Qwen3-0-6b`` reads as 6; Prompt Guard's names leave out the embeddings (the cards' totals:
    279M and 70.8M).
    """
    rules, off = load_catalog().rules, []
    for provider, name, found in read:
        stated = rules.size(name.lower())
        if stated is None or found.record is None or found.total_params is None:
            continue
        parts = (found.total_params.mean, found.active_params.mean)
        if not any(0.75 <= part / stated[0][0] <= 1.6 for part in parts):
            off.append((provider, name, found.model))
    assert {model for _, _, model in off} == {
        "Qwen/Qwen3-Embedding-0.6B",
        "meta-llama/Llama-Prompt-Guard-2-22M",
        "meta-llama/Llama-Prompt-Guard-2-86M",
    }
