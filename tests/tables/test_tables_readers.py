"""Logs of other tools: each sample reads to calls worked out by hand, by one reader only."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from impactree.exceptions import TableError
from impactree.tables._files import found, records
from impactree.tables.readers import READERS

LOGS = Path(__file__).parent / "logs"
"""Invented content in documented shapes; what is only a guess says ``README.md`` there."""
SHOWN = (
    *("model", "provider", "kind", "input_tokens", "cached_input_tokens", "cache_write_tokens"),
    *("output_tokens", "reasoning_tokens", "latency_s", "cached", "requests", "region"),
)
MINI = {"model": "gpt-4o-mini-2024-07-18", "provider": "openai", "kind": "chat"}
USED = {"input_tokens": 600, "cached_input_tokens": 512, "output_tokens": 120}
HELICONE = {
    "model": "claude-sonnet-4-5-20250929",
    "provider": "ANTHROPIC",
    "kind": "chat",
    **USED,
    "cache_write_tokens": 0,
}
LANGSMITH = [
    {**MINI, **USED, "reasoning_tokens": 0, "latency_s": 1.9},
    {
        "model": "claude-sonnet-4-5-20250929",
        "provider": "anthropic",
        "kind": "chat",
        "input_tokens": 300,
        "cached_input_tokens": 0,
        "output_tokens": 60,
        "reasoning_tokens": 20,
        "latency_s": 1.4,
    },
]
CALLS = {
    "langsmith_list_runs.jsonl": LANGSMITH,
    "langsmith_bulk": LANGSMITH,
    "otel_genai.otlp.jsonl": [
        {**MINI, **USED, "reasoning_tokens": 20, "latency_s": 1.9},
        {**MINI, "model": "gpt-4o", "input_tokens": 10, "output_tokens": 5, "latency_s": 1.9},
    ],
    "otel_clickhouse_otel_traces.parquet": [{**MINI, "output_tokens": 120, "latency_s": 1.9}],
    "phoenix_spans.parquet": [
        {**MINI, **USED, "model": "gpt-4o-mini", "reasoning_tokens": 20, "latency_s": 1.9}
    ],
    # 88 + 512 read, 100 + 20 written: the buckets stand beside one another
    "langfuse_observations_v2.jsonl": [
        {**MINI, **USED, "provider": None, "reasoning_tokens": 20, "latency_s": 1.9}
    ],
    "litellm_spendlogs.csv": [
        {**MINI, **USED, "model": "gpt-4o-mini", "latency_s": 1.9},
        {
            **MINI,
            "model": "gpt-4o-mini",
            "cached": True,
            "latency_s": 0.004,
            "input_tokens": 600,
            "output_tokens": 120,
        },
        {**MINI, "model": "gpt-4o-mini", "latency_s": 1.0},  # failed: 0 and 0 is no count
    ],
    "bedrock_invocation_log.jsonl": [
        {
            "model": "eu.anthropic.claude-sonnet-4-20250514-v1:0",
            "provider": "bedrock",
            "kind": "chat",
            "region": "eu-central-1",
            "input_tokens": 600,
            "latency_s": 1.9,
            "cached_input_tokens": 0,
            "cache_write_tokens": 0,
            "output_tokens": 120,
        }
    ],
    # 100 candidates and 20 thoughts beside them
    "vertex_request_response_log.jsonl": [
        {
            "model": "gemini-2.5-flash",
            "provider": "vertex_ai",
            "kind": "chat",
            **USED,
            "reasoning_tokens": 20,
        }
    ],
    "openai_usage_completions.json": [
        {
            **MINI,
            "input_tokens": 1000,
            "cached_input_tokens": 800,
            "output_tokens": 500,
            "requests": 5,
        }
    ],
    # 1500 uncached, 200 read from the cache, 1000 + 500 written to it
    "anthropic_usage_report.json": [
        {
            "model": "claude-sonnet-4-5-20250929",
            "provider": "anthropic",
            "kind": "chat",
            "input_tokens": 3200,
            "cached_input_tokens": 200,
            "cache_write_tokens": 1500,
            "output_tokens": 500,
            "requests": 0,
        }
    ],
    "openrouter_activity.json": [
        {
            "model": "openai/gpt-4.1-2025-04-14",
            "provider": "openrouter",
            "kind": "chat",
            "input_tokens": 50,
            "output_tokens": 125,
            "reasoning_tokens": 25,
            "requests": 5,
        }
    ],
    "openrouter_generation.json": [
        {
            "model": "openai/gpt-4.1",
            "provider": "openrouter",
            "kind": "chat",
            "input_tokens": 10,
            "cached_input_tokens": 3,
            "output_tokens": 25,
            "reasoning_tokens": 5,
            "latency_s": 1.25,
        }
    ],
    "helicone_export.csv": [
        {
            "model": "gpt-4o-mini",
            "provider": None,
            "kind": "chat",
            "input_tokens": 600,
            "output_tokens": 120,
            "latency_s": 1.9,
        }
    ],
    # 600 + 120 = 720: what was read from the cache is part of the prompt
    "helicone_export.jsonl": [
        {**HELICONE, "latency_s": 1.9},
        {**HELICONE, "latency_s": 0.004, "cached": True},
    ],
    "helicone_request_response_log.csv": [
        {
            "model": "gpt-4o-mini",
            "provider": None,
            "kind": "chat",
            "input_tokens": 600,
            "output_tokens": 120,
            "latency_s": 1.9,
        }
    ],
}


def rows_of(path):
    (source, *more) = found([path], {})
    assert not more
    return [
        row for record in records(source.path, source.form) for row in source.reader.read(record)
    ]


def test_every_sample_is_tested():
    assert {path.name for path in LOGS.iterdir()} - {"README.md"} == {*CALLS}


@pytest.mark.parametrize("name", CALLS)
def test_a_sample_reads_to_the_calls_worked_out_by_hand(name):
    calls = [row for row in rows_of(LOGS / name) if row["is_call"]]
    shown = [{key: row.get(key) for key in SHOWN} for row in calls]
    wanted = [{key: call.get(key) for key in SHOWN} for call in CALLS[name]]
    for call in (*shown, *wanted):
        call["cached"] = bool(call["cached"])
        call["latency_s"] = call["latency_s"] and pytest.approx(call["latency_s"])
    assert shown == wanted
    assert {str(row["started_at"])[5:10] for row in calls} == {"11-03"}
    assert not any(row.get("unreadable") or row.get("usage_notes") for row in calls)


@pytest.mark.parametrize("name", CALLS)
def test_a_sample_is_of_one_format_whatever_its_name(name, tmp_path):
    path = next((LOGS / name).rglob("*.parquet"), None) if (LOGS / name).is_dir() else LOGS / name
    other = shutil.copy(path, tmp_path / "export.bin")
    (source,) = found([Path(other)], {})
    first = next(records(source.path, source.form))
    assert [reader.name for reader in READERS if reader.recognises(first)] == [source.reader.name]


def test_a_compressed_file_is_read_too(tmp_path):
    packed = tmp_path / "runs.jsonl.gz"
    packed.write_bytes(gzip.compress((LOGS / "langsmith_list_runs.jsonl").read_bytes()))
    assert rows_of(packed) == rows_of(LOGS / "langsmith_list_runs.jsonl")


def test_langfuse_with_inclusive_buckets_is_told_by_its_total():
    (langfuse,) = (reader for reader in READERS if reader.name.startswith("Langfuse"))
    details = {"input": 600, "input_cached_tokens": 512, "output": 120, "total": 720}
    record = {"id": "1", "type": "GENERATION", "start_time": None, "usage_details": details}
    (row,) = langfuse.read({**record, "provided_model_name": "gpt-4o"})
    assert (row["input_tokens"], row["cached_input_tokens"], row["output_tokens"]) == (
        600,
        512,
        120,
    )


def test_a_langsmith_run_that_its_cache_answered_costs_nothing():
    (record, *_) = (
        r for r in records(LOGS / "langsmith_list_runs.jsonl", "lines") if r["run_type"] == "llm"
    )
    (langsmith,) = (reader for reader in READERS if reader.name.startswith("LangSmith"))
    message = record["outputs"]["generations"][0][0]["message"]["kwargs"]
    message["usage_metadata"]["total_cost"] = 0
    (row,) = langsmith.read(record)
    assert row["cached"]


FOLDERS = {
    "empty.jsonl": (b"", "the file is empty; expected calls"),
    "blank.csv": (b"model,output_tokens\n", "no records; expected at least one call"),
    "cut.jsonl": (
        b'{"resourceSpans": []}\n{"resourceSpans": [{"res',
        "line 2: expected a JSON object",
    ),
    "cut.json": (b'{"object": "page", "data": [', "expected JSON; the file may be cut off"),
    "cut.csv": (
        b"request_id,response_id,request_created_at,model,prompt_tokens,completion_tokens\n"
        b"1,2,2026-11-03,gpt-4o,1,1\n1,2",
        "line 3: expected 6 columns",
    ),
    "cut.parquet": (b"PAR1 and no more", "expected a whole Parquet file"),
    "list.jsonl": (b'{"resourceSpans": []}\n[1]\n', "line 2: expected a JSON object, not list"),
    "other.jsonl": (
        b'{"prompt": "hello"}\n{}\n',
        "expected one of .*LangSmith runs.*; found prompt",
    ),
    "bytes.csv": (b"\xff\xfe\x00\x01", "expected Parquet, CSV or JSON, in UTF-8"),
    "less.csv": (
        b"call_type,spend,model,startTime,prompt_tokens,completion_tokens\nacompletion,0,x,,1,1\n",
        "record 1: column 'request_id' is missing, expected in LiteLLM spend logs",
    ),
}


@pytest.mark.parametrize("name", FOLDERS)
def test_a_file_of_something_else_gives_one_line_that_names_it(name, tmp_path):
    from impactree.tables._staging import stage

    content, text = FOLDERS[name]
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(TableError, match=text) as caught:
        stage(found([path], {}), tmp_path, [])
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_of_two_formats_is_an_error(tmp_path):
    for name in ("langsmith_list_runs.jsonl", "litellm_spendlogs.csv"):
        shutil.copy(LOGS / name, tmp_path / name)
    text = "litellm_spendlogs.csv: expected LangSmith runs as in langsmith_list_runs.jsonl"
    with pytest.raises(TableError, match=text):
        found([tmp_path], {})
    with pytest.raises(TableError, match="no such file"):
        found([tmp_path / "nothing"], {})


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2)
    ),
    max_leaves=4,
)


@pytest.mark.parametrize("name", CALLS)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_whatever_a_record_holds_only_a_table_error_comes_out(name, data, tmp_path_factory):
    from impactree.tables._staging import stage

    (source,) = found([LOGS / name], {})
    record = data.draw(st.sampled_from(list(records(source.path, source.form))))
    record = json.loads(json.dumps(record, default=str))
    key = data.draw(st.sampled_from(sorted(record)))
    record[key] = data.draw(VALUES)
    folder = tmp_path_factory.mktemp("odd")
    path = folder / "odd.jsonl"
    path.write_text(json.dumps(record) + "\n\n")
    try:
        stage([source._replace(path=path, form="lines")], folder, ["team"])
    except TableError:
        return
    assert pq.read_table(folder / "000000.parquet").schema.field("model").type == pa.string()
