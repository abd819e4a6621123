"""Calls of every sort for tests of tables, and what the Python engine says of them."""

from __future__ import annotations

import datetime as dt
import math
import random

import numpy as np
import pyarrow as pa

from impactree import Impacts, ModelCall
from impactree.catalog import load_catalog
from impactree.report.renderers.flat import figure_columns

FIELDS = {
    "model": pa.string(),
    "provider": pa.string(),
    "requested": pa.string(),
    "base_url": pa.string(),
    "kind": pa.string(),
    "zone": pa.string(),
    "region": pa.string(),
    "input_tokens": pa.float64(),
    "cached_input_tokens": pa.int64(),
    "cache_write_tokens": pa.int64(),
    "output_tokens": pa.int64(),
    "reasoning_tokens": pa.int64(),
    "latency_s": pa.float64(),
    "tokens_source": pa.string(),
    "usage_notes": pa.string(),
    "resolution": pa.string(),
    "seconds": pa.float64(),
    "frames": pa.int64(),
    "sound": pa.bool_(),
    "count": pa.int64(),
    "id": pa.int64(),
    "day": pa.date32(),
    "cached": pa.bool_(),
    "team": pa.string(),
}
ENERGY_FIELDS = {**FIELDS, "energy_kwh": pa.float64()}
CALL_FIELDS = [name for name in ENERGY_FIELDS if name not in ("id", "day", "cached", "team")]
PROVIDERS = (None, "openai", "azure", "bedrock", "ollama", "", "mistralai")
DAYS = [
    *(dt.date(2023, 6, 1), dt.date(2024, 2, 29), dt.date(2024, 12, 31), dt.date(2025, 1, 1)),
    *(dt.date(2025, 6, 20), dt.date(2026, 3, 16), dt.date(2026, 11, 3)),
    None,
]


def names(rng):
    known = sorted(load_catalog().model_names())
    junk = [
        "",
        " ",
        "néant-☃",
        "my-own-7b",
        "acme/llama-70b-chat",
        "x" * 300,
        "'; DROP TABLE calls",
    ]
    moving = ["mistral-small-latest", "mistral-large-latest", "codestral-latest", "gpt-4o-latest"]
    tuned = [f"ft:gpt-4o-mini-2024-07-18:acme::{n:x}" for n in range(10)]
    films = ["sora-2", "veo-3.0-generate-001", "gpt-image-1", "dall-e-3", "tts-1", "whisper-1"]
    return [*rng.sample(known, 60), *junk, *moving, *tuned, *films, "claude-opus-9"]


def made_rows(count, seed=21):
    """Calls of every sort, and rows of which no call can be made."""
    rng = random.Random(seed)
    models = names(rng)

    def maybe(value, share=0.1):
        return None if rng.random() < share else value

    for number in range(count):
        kind = rng.choices(
            ["chat", None, "completion", "embedding", "rerank", "image", "video", "speech"],
            [60, 20, 5, 5, 2, 4, 4, 1],
        )[0]
        read = rng.choice([0, 1, 7, 1200, 90_000, 2**53])
        model = rng.choice(models)
        row = {
            "model": model,
            "provider": PROVIDERS[len(model) % len(PROVIDERS)],
            "requested": maybe(rng.choice(models[:3]), 0.97),
            "base_url": maybe("http://localhost:11434/v1", 0.98),
            "kind": kind,
            "zone": maybe(rng.choice(["FRA", "WOR", "US-VA", "nowhere"]), 0.95),
            "region": maybe(rng.choice(["eu-west-3", "mars"]), 0.95),
            "input_tokens": maybe(read),
            "cached_input_tokens": maybe(rng.choice([0, read // 2, read + 5]), 0.7),
            "cache_write_tokens": maybe(3, 0.9),
            "output_tokens": maybe(rng.choice([0, 1, 50, 800, 100_000])),
            "reasoning_tokens": maybe(2, 0.8),
            "latency_s": maybe(rng.choice([0.0, 0.3, 4.5, 600.0]), 0.4),
            "tokens_source": rng.choices([None, "reported", "counted", "unknown"], [5, 5, 2, 1])[0],
            "usage_notes": maybe("input-from-total two-readings", 0.95),
            "id": number,
            "day": rng.choice(DAYS),
            "cached": rng.choices([None, False, True], [5, 4, 1])[0],
            "team": rng.choice(["a", "b", None]),
        }
        if kind in ("image", "video"):
            row["resolution"] = maybe(rng.choice(["720p", "1024x1024", "512 × 512", "huge"]), 0.2)
            row["seconds"] = maybe(rng.choice([4, 8.3]), 0.2) if kind == "video" else None
            row["frames"] = maybe(33, 0.9)
            row["sound"] = rng.choice([None, True, False])
            row["count"] = maybe(3)
        if rng.random() < 0.03:
            field, value = rng.choice(
                [
                    *(("model", None), ("kind", "poem"), ("tokens_source", "guessed")),
                    *(("input_tokens", -1.0), ("input_tokens", 1.5), ("input_tokens", math.nan)),
                    *(("output_tokens", -3), ("output_tokens", 2**53 + 1), ("count", 2)),
                    *(("latency_s", math.inf), ("latency_s", -0.1), ("latency_s", math.nan)),
                ]
            )
            row[field] = value
        yield row


def with_energy(rows, seed=5):
    """The rows, of half of which somebody knows the energy, or says what no energy can be."""
    rng = random.Random(seed)
    energies = [0.0, 1e-4, 2e-3, 0.7, -1.0, math.nan, 2e6]
    return [row | {"energy_kwh": rng.choice([None] * 7 + energies)} for row in rows]


def by_python(row, engine):
    """What the engine says of a row: Impacts, or None where no call can be made of it."""
    given = {name: row.get(name) for name in CALL_FIELDS if row.get(name) is not None}
    if "usage_notes" in given:
        given["usage_notes"] = given["usage_notes"].split()
    read = given.get("input_tokens")
    if isinstance(read, float) and read.is_integer():
        given["input_tokens"] = int(read)
    try:
        call = ModelCall(**given)
    except (TypeError, ValueError):
        return None
    return Impacts.zero() if row["cached"] else engine.estimate(call, at=row["day"])


def same(ours, theirs):
    """Null where null, else equal to a relative 1e-12."""
    ours = np.array([math.nan if v is None else v for v in ours], float)
    theirs = np.array([math.nan if v is None else v for v in theirs], float)
    np.testing.assert_array_equal(np.isnan(ours), np.isnan(theirs))
    np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=0)


def arrow(rows, fields=FIELDS):
    return pa.table({n: pa.array([r.get(n) for r in rows], kind) for n, kind in fields.items()})


def same_calls(found, expected):
    """A table of a row per call, in any order, against what the Python engine says of each."""
    found = found.sort_by("id")
    assert found["id"].to_pylist() == list(range(len(expected)))
    refused = [one is None for one in expected]
    assert [v is not None for v in found["rejected"].to_pylist()] == refused
    for name, column in figure_columns(expected).items():
        ours = found[name].to_pylist()
        if name in ("training_shared_over", "source"):
            assert ours == column
        else:
            same(ours, column)
    for name in ("grade", "method"):
        theirs = [None if one is None else getattr(one, name) for one in expected]
        assert found[name].to_pylist() == theirs
    for name in ("warnings", "errors"):
        theirs = ["" if x is None else " ".join(m.code for m in getattr(x, name)) for x in expected]
        assert found[name].to_pylist() == theirs


def same_sums(found, rows, expected):
    """A table of sums by team and day against sums of what the Python engine says."""
    groups = {}
    for row, one in zip(rows, expected, strict=True):
        groups.setdefault((row["team"], row["day"]), []).append((row, one))
    assert found.num_rows == len(groups)
    for group in found.to_pylist():
        members = groups[group["team"], group["day"]]
        calls = [(row, one) for row, one in members if one is not None]
        total = Impacts.sum(one for _, one in calls)
        assert group["rejected_calls"] == len(members) - len(calls)
        assert group["calls"] == len(calls)
        assert group["estimated_calls"] == total.estimated_calls
        assert group["unestimated_calls"] == total.unestimated_calls
        cached = [bool(row["cached"]) for row, _ in calls]
        assert group["cached_calls"] == sum(cached)
        asked = [row for row, _ in calls if not row["cached"]]
        counted = [row for row in asked if row["tokens_source"] == "counted"]
        assert group["counted_calls"] == len(counted)
        read = [row["output_tokens"] for row in asked if row["output_tokens"] is not None]
        assert group["output_tokens"] == (sum(read) if read else None)
        assert group["grade"] == total.grade
        if not calls:  # nothing is known of what was rejected, not even that it was nothing
            assert group["energy_kwh_mean"] is None
            continue
        for name, (value,) in figure_columns([total]).items():
            if name in ("training_shared_over", "source"):
                assert group[name] == value
            else:
                same([group[name]], [value])
