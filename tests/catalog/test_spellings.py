"""Open weights keep their size and maker however a host, a quantizer or a file spells them."""

from __future__ import annotations

import pytest

from impactree import resolve
from impactree.catalog import load_catalog

# Not those of EcoLogits: it sizes a quantized copy (4bit, GGUF) otherwise than its base model.
OPEN = [
    r
    for r in load_catalog().records()
    if r.weights == "open"
    and r.total is not None
    and "/" in r.id
    and r.kind == "chat"
    and r.via is None
]
SPELLINGS = {
    "quantizer": (lambda n: f"TheBloke/{n}-GGUF", None),
    "fp8": (lambda n: f"{n}-FP8", None),
    "file": (lambda n: f"/models/{n}.Q4_K_M.gguf", "llamacpp"),
    "split file": (lambda n: f"/srv/{n}-q8_0-00001-of-00002.gguf", "llamacpp"),
    "lower": (lambda n: n.lower(), None),
    "litellm": (lambda n: f"together_ai/{n}", "litellm"),
    "workers": (lambda n: f"@cf/{n.lower()}", None),
}
CORE_ONLY = {"quantizer", "file", "split file"}


def near(found, known):
    return found is not None and abs(found.mean - known.mean) <= 0.1 * known.mean


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_size_and_maker_survive(spelling):
    spell, provider = SPELLINGS[spelling]
    wrong_size, wrong_maker = [], []
    for record in OPEN:
        name = record.id.rpartition("/")[2] if spelling in CORE_ONLY else record.id
        found = resolve(spell(name), provider)
        if not (
            near(found.total_params, record.total) and near(found.active_params, record.active)
        ):
            wrong_size.append((spell(name), found.model, found.how))
        if found.maker not in (record.maker, None):
            wrong_maker.append((spell(name), found.maker, record.maker))
    assert len(OPEN) > 800
    assert len(wrong_size) <= 0.02 * len(OPEN), wrong_size[:20]
    assert wrong_maker == []


@pytest.mark.parametrize(
    "names",
    [
        [
            "llama-v3p1-70b-instruct",
            "Meta-Llama-3.1-70B-Instruct-Turbo",
            "llama3.1:70b",
            "us.meta.llama3-1-70b-instruct-v1:0",
            "databricks-meta-llama-3-1-70b-instruct",
            "meta/llama-3.1-70b-instruct-maas",
        ],
        ["qwen2p5-72b-instruct", "Qwen/Qwen2.5-72B-Instruct", "qwen2.5:72b", "qwen-2.5-72b"],
        ["claude-sonnet-4.5", "claude-4.5-sonnet", "anthropic.claude-sonnet-4-5-20250929-v1:0"],
    ],
    ids=lambda names: names[0],
)
def test_all_spellings_meet(names):
    found = [resolve(name) for name in names]
    assert {r.maker for r in found} == {found[0].maker}
    assert all(near(r.total_params, found[0].total_params) for r in found)
