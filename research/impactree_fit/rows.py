"""Measured rows as arrays that the equations take."""

from __future__ import annotations

import csv
import hashlib
import math
import re
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from impactree.methods.impactree_1.equations import (
    Accelerator,
    Architecture,
    Served,
    Tokens,
    prompts_wait,
    tokens,
)
from impactree.methods.impactree_1.sizes import from_figures, from_params

FOLDER = Path(__file__).parent.parent / "data"
ROWS = FOLDER / "mlenergy_v3_text.csv"
OLDER = FOLDER / "mlenergy_v1_chat.csv"
ARCHITECTURES = FOLDER / "architectures.csv"
DIGEST = "sha256"

ACCELERATORS = {  # data sheets: W, bytes/s, FLOP/s at 16 bits, bytes
    "H100": (700, 3.35e12, 989.5e12, 80e9),
    "H200": (700, 4.8e12, 989.5e12, 141e9),
    "B200": (1000, 7.75e12, 2250e12, 180e9),
    "A100": (400, 2.039e12, 312e12, 80e9),
    "A100-40GB": (400, 1.555e12, 312e12, 40e9),
    "V100": (300, 0.9e12, 125e12, 32e9),
    "L40S": (350, 0.864e12, 362e12, 48e9),
    "L4": (72, 0.3e12, 121e12, 24e9),
    "MI300X": (750, 5.3e12, 1307.4e12, 192e9),
}
BYTES = {
    "bfloat16": 2,
    "bf16": 2,
    "float16": 2,
    "fp16": 2,
    "fp8": 1,
    "int8": 1,
    "mxfp4": 0.53125,
    "nvfp4": 0.5625,
    "int4": 0.53125,
}
"""Bytes per parameter, scales included. 4-bit formats of experts leave the rest at 16 bits."""
PROMPTS = {"lm-arena-chat": 250.0, "gpqa": 250.0, "sourcegraph-fim": 4500.0}
"""Mean tokens of a prompt: the rows do not tell; assumed."""
SUFFIX = re.compile(
    r"[-_](fp8|awq|gptq|int4|int8|nvfp4|mxfp4|bf16|8bit|4bit)(-.*)?$", re.IGNORECASE
)


@dataclass(frozen=True)
class Rows:
    """One array per field, one entry per measured row."""

    architecture: Architecture
    accelerator: Accelerator
    served: Served
    tokens: Tokens
    family: np.ndarray
    """Name of the architecture: what a fold leaves out."""
    gpu: np.ndarray
    task: np.ndarray
    precision: np.ndarray
    joules: np.ndarray
    """Per output token, prefill included."""
    seconds: np.ndarray
    """Median time between two tokens."""
    model: np.ndarray
    known: np.ndarray
    """Whether the architecture is known; else it follows from the parameters."""

    def __len__(self) -> int:
        return len(self.joules)

    def take(self, mask: np.ndarray) -> Rows:
        """The rows of a mask."""
        return Rows(**{f.name: _take(getattr(self, f.name), mask) for f in fields(self)})

    def replace(self, **values: Any) -> Rows:
        """Other columns in the place of some."""
        return Rows(**{**{f.name: getattr(self, f.name) for f in fields(self)}, **values})


def _take(value: Any, mask: np.ndarray) -> Any:
    if isinstance(value, tuple):
        return type(value)(*(column[mask] for column in value))
    return value[mask]


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def figures(row: dict[str, str]) -> Architecture:
    """A row of the architecture table as the equations take it."""

    def f(key: str) -> float:
        return float(row.get(key) or 0)

    parts = {kind: int(n) for kind, n in re.findall(r"([a-z0-9]+?)x(\d+)", row["attention_kind"])}
    alone = parts.get("none", 0)
    numbered_apart = alone and any(kind.startswith("mamba") for kind in parts)
    tied = row["tie_embeddings"] == "True"
    embedding = 0.0 if tied else f("vocab") * f("hidden_size") / 1e9
    return from_figures(
        layers=f("layers") / 2 if numbered_apart else f("layers") - alone / 2,
        moe_layers=f("moe_layers"),
        experts=f("experts") or 1,
        active_experts=f("active_experts") or 1,
        expert_params=f("expert_params_billion"),
        total_params=f("total_params_billion"),
        active_params=f("active_params_billion"),
        input_embedding=embedding,
        kv_bytes=f("kv_bytes_per_token_full"),
        window_bytes=f("kv_bytes_per_token_sliding"),
        window=f("sliding_window") or 1,
        state_bytes=f("state_bytes_per_step"),
        attention_width=f("heads") * f("head_dim"),
        attention_layers=parts.get("full", 0) + parts.get("mla", 0) + parts.get("hyb", 0),
        window_layers=parts.get("swa", 0),
    )


def read_architectures(path: Path = ARCHITECTURES) -> dict[str, Architecture]:
    """Architectures by the model's id in small letters."""
    with path.open(newline="") as file:
        return {
            row["id"].lower(): figures(row)
            for row in csv.DictReader(file)
            if row["kind"] == "decoder"
        }


def family(model: str) -> str:
    """The architecture's name: variants of one model share it."""
    return re.sub(r"-(Thinking|Instruct)(-\d{4})?$", "", SUFFIX.sub("", model))


def read_rows(path: Path, architectures: dict[str, Architecture]) -> Rows:
    """A CSV with the leaderboard's columns.

    Raises:
        SystemExit: a row names an accelerator or a precision that is not known here.
    """
    with path.open(newline="") as file:
        table = list(csv.DictReader(file))
    made = [_row(row, architectures) for row in table]
    return Rows(
        architecture=_columns(Architecture, [m["architecture"] for m in made]),
        accelerator=_columns(Accelerator, [m["accelerator"] for m in made]),
        served=_columns(Served, [m["served"] for m in made]),
        tokens=_columns(Tokens, [m["tokens"] for m in made]),
        **{
            name: np.array([m[name] for m in made])
            for name in (
                "family",
                "gpu",
                "task",
                "precision",
                "joules",
                "seconds",
                "model",
                "known",
            )
        },
    )


def _columns(kind: Any, values: list[Any]) -> Any:
    return kind(*(np.array(column, dtype=float) for column in zip(*values, strict=True)))


def _known(table: dict[str, Any], name: str, what: str) -> Any:
    if name not in table:
        raise SystemExit(f"unknown {what} {name!r}; known: {', '.join(table)}")
    return table[name]


def bytes_of(precision: str, architecture: Architecture) -> tuple[float, float]:
    """Bytes per parameter outside and inside the experts."""
    width = _known(BYTES, precision.lower(), "precision")
    mixed = width < 1 and architecture.expert_params > 0
    return (2.0 if mixed else width), width


def _row(row: dict[str, str], architectures: dict[str, Architecture]) -> dict[str, Any]:
    def f(key: str, default: float = 1.0) -> float:
        return float(row.get(key) or default)

    model = row["model_id"]
    found = architectures.get(model.lower()) or architectures.get(SUFFIX.sub("", model).lower())
    a = found or from_params(f("active_params_billion"), f("total_params_billion"))
    power, bandwidth, flops, _ = _known(ACCELERATORS, row["gpu_model"], "accelerator")
    output, groups, batch = f("avg_output_tokens"), f("par_data_parallel"), f("avg_batch_size")
    dense, expert = bytes_of(row["weight_precision"], a)
    served = Served(
        count=f("num_gpus"),
        batch=batch,
        dense_bytes=dense,
        expert_bytes=expert,
        slow_experts=float(expert == 1 and a.moe_layers > 0),
        expert_parallel=float(f("par_expert_parallel") > 1),
        data_parallel=groups,
        prefill_waits=prompts_wait(int(groups), batch / groups / output),
    )
    return {
        "architecture": a,
        "accelerator": Accelerator(power, bandwidth, flops),
        "served": served,
        "tokens": tokens(PROMPTS.get(row["task"], 250.0), 0.0, output, a.window),
        "family": family(model),
        "gpu": row["gpu_model"],
        "task": row["task"],
        "precision": row["weight_precision"],
        "joules": f("gpu_energy_per_output_token_j"),
        "seconds": f("median_inter_token_latency_ms", math.nan) / 1000,
        "model": model,
        "known": found is not None,
    }


def from_sizes(rows: Rows, sizes: dict[str, tuple[float, float]]) -> Rows:
    """The same rows as if only the parameters of their models were known."""
    made = [from_params(*sizes[model]) for model in rows.model]
    return rows.replace(architecture=_columns(Architecture, made))


def read_sizes(path: Path) -> dict[str, tuple[float, float]]:
    """Active and total parameters in 10^9, as the rows state them."""
    with path.open(newline="") as file:
        return {
            r["model_id"]: (float(r["active_params_billion"]), float(r["total_params_billion"]))
            for r in csv.DictReader(file)
        }
