"""Make ``architectures.toml`` from a table of models' configuration files.

    python data/scripts/architectures.py ARCHITECTURES.csv [--check]

The table has a row per model: layers, heads, kinds of attention, bytes of caches and states,
experts, parameters, how the row was read, and its source. Figures only are taken over, of models
that the catalog holds; :data:`SAME` adds models whose configuration is another's. ``--check``
writes nothing and fails where the file is not what the table gives.
"""

from __future__ import annotations

import argparse
import csv
import re
import sys
import tomllib
from pathlib import Path
from typing import Any

from impactree.catalog import load_catalog

FILE = Path(__file__).parents[1] / "architectures.toml"
CHECKED = "2026-11-28"
"""The day on which the table was read."""
HEAD = """\
# Architectures: what a step of each model reads and computes. Fields: see README.md. Parameters in 10^9.
# Figures of makers' configuration files, by way of the source named; carried over as facts.
# Made by scripts/architectures.py.
"""  # noqa: E501
STATUS = {"maker's file": "maker", "packaged copy": "packaged", "secondary": "secondary"}
PRECISIONS = {"bfloat16": "bf16", "float16": "fp16", "float32": "bf16"}
"""Weights in 32 bits are served in 16."""
QUANTIZED = {"fp8": "fp8", "mxfp4": "mxfp4", "compressed-tensors:int4": "int4"}
DEFAULTS = {"moe_layers": 0, "experts": 1, "active_experts": 1, "window": 1}
"""Of figures that are left out; of the others 0."""
SAME = {
    "allenai/OLMo-7B": "allenai/OLMo-7B-hf",
    "allenai/OLMo-7B-0724-Instruct-hf": "allenai/OLMo-7B-0724-hf",
    "allenai/OLMo-7B-Instruct": "allenai/OLMo-7B-hf",
    "databricks/dbrx": "databricks/dbrx-base",
    "deepseek-ai/DeepSeek-Coder-V2-Instruct-0724": "deepseek-ai/DeepSeek-Coder-V2-Instruct",
    "deepseek-ai/DeepSeek-V2-Chat": "deepseek-ai/DeepSeek-V2",
    "deepseek-ai/DeepSeek-V2-Chat-0628": "deepseek-ai/DeepSeek-V2",
    "deepseek-ai/DeepSeek-V2.5-1210": "deepseek-ai/DeepSeek-V2.5",
    "deepseek-ai/DeepSeek-V4-Flash-0731": "deepseek-ai/DeepSeek-V4-Flash",
    "deepseek-ai/DeepSeek-V4-Flash-Base": "deepseek-ai/DeepSeek-V4-Flash",
    "deepseek-ai/DeepSeek-V4-Pro-0813": "deepseek-ai/DeepSeek-V4-Pro",
    "deepseek-ai/DeepSeek-V4-Pro-Base": "deepseek-ai/DeepSeek-V4-Pro",
    "gemma-4-26b-a4b-it": "google/gemma-4-26B-A4B",
    "gemma-4-31b-it": "google/gemma-4-31B-it",
    "google/codegemma-7b": "google/codegemma-7b-it",
    "google/gemma-2-27b": "google/gemma-2-27b-it",
    "google/gemma-2-2b": "google/gemma-2-2b-it",
    "google/gemma-2-9b": "google/gemma-2-9b-it",
    "google/gemma-2b-it": "google/gemma-2b",
    "jamba-instruct": "ai21labs/Jamba-v0.1",
    "meta-llama/Llama-2-13b": "meta-llama/Llama-2-13b-chat-hf",
    "meta-llama/Llama-2-13b-chat": "meta-llama/Llama-2-13b-chat-hf",
    "meta-llama/Llama-2-70b": "meta-llama/Llama-2-70b-chat-hf",
    "meta-llama/Llama-2-70b-chat": "meta-llama/Llama-2-70b-chat-hf",
    "meta-llama/Llama-3.1-405B": "meta-llama/Meta-Llama-3.1-405B",
    "meta-llama/Llama-3.1-70B": "meta-llama/Meta-Llama-3.1-70B",
    "meta-llama/Llama-3.1-8B": "meta-llama/Meta-Llama-3.1-8B",
    "meta-llama/Llama-3.2-90B-Vision": "meta-llama/Llama-3.2-90B-Vision-Instruct",
    "meta-llama/Llama-4-Maverick-17B-128E": "meta-llama/Llama-4-Maverick-17B-128E-Instruct",
    "meta-llama/Llama-4-Scout-17B-16E": "meta-llama/Llama-4-Scout-17B-16E-Instruct",
    "meta-llama/Meta-Llama-3.1-405B-FP8": "meta-llama/Llama-3.1-405B-Instruct",
    "meta-llama/Meta-Llama-3.1-405B-Instruct-FP8": "meta-llama/Llama-3.1-405B-Instruct",
    "mistral-community/Codestral-22B-v0.1": "mistralai/Codestral-22B-v0.1",
    "mistral-community/Mixtral-8x22B-v0.1": "mistralai/Mixtral-8x22B-Instruct-v0.1",
    "mistral-community/mixtral-8x22B-v0.3": "mistralai/Mixtral-8x22B-Instruct-v0.1",
    "mistral-large-2407": "mistralai/Mistral-Large-Instruct-2407",
    "mistralai/Devstral-Small-2507": "mistralai/Devstral-Small-2505",
    "mistralai/Magistral-Small-2509": "mistralai/Magistral-Small-2506",
    "mistralai/Mistral-7B-v0.2": "mistralai/Mistral-7B-Instruct-v0.2",
    "mistralai/Mistral-Nemo-Base-2407": "mistralai/Mistral-Nemo-Instruct-2407",
    "nvidia/Nemotron-4-340B-Base": "nvidia/Nemotron-4-340B-Instruct",
    "open-mistral-7b": "mistralai/Mistral-7B-Instruct-v0.1",
    "open-mistral-nemo": "mistralai/Mistral-Nemo-Instruct-2407",
    "open-mixtral-8x22b": "mistralai/Mixtral-8x22B-Instruct-v0.1",
    "open-mixtral-8x7b": "mistralai/Mixtral-8x7B-Instruct-v0.1",
}
"""Models of the catalog that the table has under another name, or whose sister it has."""


def figures(row: dict[str, str]) -> dict[str, float]:
    """A row's figures, those that say nothing left out.

    Where mixers and feed-forward networks are numbered apart (Nemotron-H), two make a layer.
    """

    def f(key: str) -> float:
        return float(row.get(key) or 0)

    parts = {kind: int(n) for kind, n in re.findall(r"([a-z0-9]+?)x(\d+)", row["attention_kind"])}
    alone = parts.get("none", 0)
    apart = alone and any(kind.startswith("mamba") for kind in parts)
    shared = row["tie_embeddings"] == "True" and row["kind"] != "encoder"  # those have no output
    found = {
        "layers": f("layers") / 2 if apart else f("layers") - alone / 2,
        "moe_layers": f("moe_layers"),
        "experts": f("experts") or 1,
        "active_experts": f("active_experts") or 1,
        "expert_params": f("expert_params_billion"),
        "total_params": f("total_params_billion"),
        "active_params": f("active_params_billion"),
        "input_embedding": 0.0 if shared else f("vocab") * f("hidden_size") / 1e9,
        "kv_bytes": f("kv_bytes_per_token_full") + f("index_bytes_per_token"),
        "window_bytes": f("kv_bytes_per_token_sliding"),
        "window": f("sliding_window") or 1,
        "window_layers": parts.get("swa", 0),
        "state_bytes": f("state_bytes_per_step"),
        "attention_width": f("heads") * f("head_dim"),
        "attention_layers": parts.get("full", 0) + parts.get("mla", 0) + parts.get("hyb", 0),
    }
    must = ("layers", "total_params", "active_params", "kv_bytes", "attention_width")
    return {
        key: value
        for key, value in found.items()
        if key in (*must, "attention_layers") or value != DEFAULTS.get(key, 0)
    }


def precision(row: dict[str, str], name: str) -> str | None:
    """In how many bits the weights are published; None: the file does not say."""
    if name.endswith("-FP8"):
        return "fp8"
    quantized = row["native_quantisation"]
    if quantized:
        return next((p for start, p in QUANTIZED.items() if quantized.startswith(start)), None)
    return PRECISIONS.get(row["native_dtype"])


def entry(name: str, row: dict[str, str]) -> dict[str, Any]:
    """The entry of a model."""
    bits = precision(row, name)
    of = "" if row["id"].lower() == name.lower() else f"; of {row['id']}"
    return {
        "id": name,
        **figures(row),
        **({"precision": bits} if bits else {}),
        "status": STATUS[row["status"]],
        "source": row["source"] + of,
    }


def read(path: Path) -> dict[str, dict[str, str]]:
    """The rows by id in small letters; of two the one that was read nearer to the maker."""
    rows: dict[str, dict[str, str]] = {}
    order = list(STATUS)
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            known = rows.get(row["id"].lower())
            if known is None or order.index(row["status"]) < order.index(known["status"]):
                rows[row["id"].lower()] = row
    return rows


def entries(rows: dict[str, dict[str, str]]) -> list[dict[str, Any]]:
    """Of the models that the catalog holds, but for rows that contradict the published size."""
    catalog = load_catalog()
    known = {
        row["id"]: row
        for row in rows.values()
        if catalog.named(row["id"].lower())
        and float(row["total_params_billion"] or 0)
        and not row["check"].startswith("differs")
    }
    known |= {name: rows[other.lower()] for name, other in SAME.items()}
    return [entry(name, known[name]) for name in sorted(known, key=str.lower)]


def written(found: list[dict[str, Any]]) -> str:
    """The file's text."""

    def value(v: Any) -> str:
        if isinstance(v, str):
            return f'"{v}"'
        return str(int(v)) if v == int(v) else repr(round(v, 6))

    lines = [HEAD]
    for e in found:
        lines += ["[[architectures]]", *(f"{k} = {value(v)}" for k, v in e.items())]
        lines += [f"checked = {CHECKED}", ""]
    return "\n".join(lines)


def main() -> int:
    """Write the file, or compare with it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("table", type=Path)
    parser.add_argument("--check", action="store_true")
    asked = parser.parse_args()
    text = written(entries(read(asked.table)))
    if not asked.check:
        FILE.write_text(text, encoding="utf-8")
        return 0
    ours = {e["id"]: e for e in tomllib.loads(FILE.read_text(encoding="utf-8"))["architectures"]}
    theirs = {e["id"]: e for e in tomllib.loads(text)["architectures"]}
    off = sorted(n for n in ours.keys() | theirs.keys() if ours.get(n) != theirs.get(n))
    print(*off, sep="\n")
    print(f"{len(ours)} architectures; {len(off)} are not what the table gives")
    return 1 if off else 0


if __name__ == "__main__":
    sys.exit(main())
