"""Any input to a reader is read, or refused by an error of ours: never anything else.

The journal's reader is in ``exporters/test_hostile.py``.
"""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from impactree import ImpactTracker, ModelCall
from impactree.calls.usage import (
    MalformedUsageError,
    read_input,
    read_langchain_usage,
    read_usage,
)
from impactree.engine.configuration import load_settings
from impactree.exceptions import ImpactreeError
from impactree.propagation import HEADER, dump, merge, restore, trees_for

if TYPE_CHECKING:
    from pathlib import Path

NUMBERS = st.one_of(
    st.integers(),
    st.floats(),
    st.sampled_from([10**400, -1, 2**63, 1e308, float("inf"), float("nan"), True]),
)
PLAIN = st.none() | NUMBERS | st.text(max_size=20) | st.binary(max_size=5)
ANYTHING = st.recursive(
    PLAIN,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=8,
)
fuzzed = settings(
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def nested(depth: int, open_: str, close: str) -> str:
    return open_ * depth + close * depth


# Settings

NAMES = st.sampled_from(
    [
        "zone",
        "region",
        "provider_zones",
        "deployments",
        "deployment",
        "models",
        "unknown_models",
        "method",
        "max_runs",
        "tool",
        "a.b",
    ]
)
TOML = st.sampled_from(
    ['"USA"', "1", "1e400", "[]", "{}", "true", "1979-05-27", "'''", '["\\u0000"]']
)
LINES = st.lists(st.tuples(NAMES, TOML | st.text(max_size=9)), max_size=4).map(
    lambda pairs: "\n".join(f"{name} = {value}" for name, value in pairs)
)


@fuzzed
@given(data=st.binary(max_size=80) | LINES.map(lambda text: text.encode("utf-8", "replace")))
def test_a_settings_file_is_read_or_refused(
    data: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "impactree.toml").write_bytes(data)
    monkeypatch.chdir(tmp_path)
    with contextlib.suppress(ImpactreeError):
        load_settings({})


@pytest.mark.parametrize("depth", [500, 100_000])
@pytest.mark.parametrize("name", ["impactree.toml", "models.toml"])
def test_deeply_nested_toml_is_refused(
    depth: int, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "impactree.toml").write_text('models = ["models.toml"]')
    (tmp_path / name).write_text(f"zone = {nested(depth, '[', ']')}\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ImpactreeError):
        ImpactTracker().record(ModelCall(model="gpt-4o", output_tokens=1))


def test_a_settings_file_that_is_a_folder_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMPACTREE_MODELS", json.dumps([str(tmp_path)]))
    with pytest.raises(ImpactreeError):
        load_settings({})


@fuzzed
@given(
    name=st.sampled_from(
        ["ZONE", "PROVIDER_ZONES", "DEPLOYMENTS", "DEPLOYMENT", "MODELS", "MAX_RUNS"]
    ),
    value=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=30)
    | ANYTHING.map(lambda value: json.dumps(value, default=str)).filter(lambda t: "\0" not in t)
    | st.just(nested(2_000, "[", "]")),
)
def test_a_variable_is_read_or_refused(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"IMPACTREE_{name}", value)
    with contextlib.suppress(ImpactreeError):
        load_settings({})


# Propagation


def dumped() -> list[dict[str, Any]]:
    tracker = ImpactTracker()
    tracker.record(ModelCall(model="gpt-4o", provider="openai", output_tokens=9))
    return dump(tracker.runs[0])


KEYS = st.sampled_from(
    [
        "id",
        "parent_id",
        "name",
        "kind",
        "start",
        "end",
        "status",
        "cached",
        "tags",
        "metadata",
        "labels",
        "revision",
        "call",
    ]
)


@fuzzed
@given(key=KEYS, value=ANYTHING)
def test_a_tree_of_another_process_is_merged_or_refused(key: str, value: Any) -> None:
    (fields,) = dumped()
    with contextlib.suppress(ValueError):
        merge(ImpactTracker(), [[{**fields, key: value}]])


@fuzzed
@given(field=st.sampled_from(sorted(dumped()[0]["call"])), value=ANYTHING)
def test_a_call_of_another_process_is_merged_or_refused(field: str, value: Any) -> None:
    (fields,) = dumped()
    tracker = ImpactTracker()
    with contextlib.suppress(ValueError):
        merge(tracker, [[{**fields, "call": {**fields["call"], field: value}}]])
    str(tracker.report())


@fuzzed
@given(trees=ANYTHING)
def test_what_is_no_tree_is_refused(trees: Any) -> None:
    with contextlib.suppress(ValueError, TypeError):  # not even a list of lists
        merge(ImpactTracker(), [trees])


@fuzzed
@given(headers=st.dictionaries(st.text(max_size=20) | st.just(HEADER), ANYTHING, max_size=3))
def test_any_headers_are_a_caller_or_none(headers: dict[str, Any]) -> None:
    tracker = ImpactTracker()
    with restore(headers):
        tracker.record(ModelCall(model="gpt-4o", output_tokens=1))
    trees_for(tracker, headers)


# Usage

USAGE_KEYS = st.sampled_from(
    [
        "usage",
        "usage_metadata",
        "usageMetadata",
        "prompt_tokens",
        "completion_tokens",
        "total_tokens",
        "input_tokens",
        "output_tokens",
        "cache_read_input_tokens",
        "prompt_tokens_details",
        "completion_tokens_details",
        "input_token_details",
        "iterations",
        "candidatesTokenCount",
        "promptTokenCount",
        "meta",
        "billed_units",
        "tokens",
        "metrics",
    ]
)
USAGES = st.recursive(
    PLAIN,
    lambda inner: st.dictionaries(USAGE_KEYS, inner, max_size=5) | st.lists(inner, max_size=2),
    max_leaves=12,
)


@fuzzed
@given(answer=USAGES)
@pytest.mark.parametrize("read", [read_usage, read_input, read_langchain_usage])
def test_any_usage_is_read_or_malformed(read: Any, answer: Any) -> None:
    with contextlib.suppress(MalformedUsageError):
        read(answer)
