"""What makers and others say of a request, beside both methods. Nothing is tuned to it.

    python research/disclosures.py

Every assumption stands in ``CASES``: the disclosures name no token counts but Mistral's.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NamedTuple

sys.path[:0] = [str(Path(__file__).parent.parent / "src")]

from impactree import explain
from impactree.methods import METHODS


class Disclosure(NamedTuple):
    """A figure that somebody published, and what we assume to estimate the same."""

    name: str
    figure: float
    unit: str
    symbol: str
    """Of the step that compares."""
    scale: float
    """From the step's unit to the figure's."""
    model: str
    provider: str
    read: int
    written: int
    note: str


CASES = (
    Disclosure(
        "Google 2025, median prompt, accelerators",
        0.10,
        "Wh",
        "E_gpu",
        1e3,
        "gemini-2.5-flash",
        "google",
        500,
        300,
        "size of the catalog; 500 in, 300 out",
    ),
    Disclosure(
        "Google 2025, median prompt, all",
        0.24,
        "Wh",
        "E",
        1e3,
        "gemini-2.5-flash",
        "google",
        500,
        300,
        "the same",
    ),
    Disclosure(
        "Google 2025, median prompt, water on site",
        0.26,
        "mL",
        "E_it",
        999,
        "gemini-2.5-flash",
        "google",
        500,
        300,
        "the same; IT energy times the host's WUE of 0.999 L/kWh",
    ),
    Disclosure(
        "OpenAI 2025, average query",
        0.34,
        "Wh",
        "E",
        1e3,
        "gpt-4o",
        "openai",
        500,
        300,
        "GPT-4o; 500 in, 300 out",
    ),
    Disclosure(
        "Epoch 2025, GPT-4o", 0.30, "Wh", "E", 1e3, "gpt-4o", "openai", 100, 500, "100 in, 500 out"
    ),
    Disclosure(
        "arXiv 2509.20241v2, above 200B",
        0.31,
        "Wh",
        "E",
        1e3,
        "meta-llama/Llama-3.1-405B",
        "self-hosted",
        500,
        300,
        "Llama 3.1 405B",
    ),
    Disclosure(
        "the same, mixture of experts",
        0.31,
        "Wh",
        "E",
        1e3,
        "deepseek-ai/DeepSeek-V3",
        "self-hosted",
        500,
        300,
        "DeepSeek V3",
    ),
    Disclosure(
        "Mistral 2025, Large 2, GWP",
        1.14,
        "gCO2eq",
        "gwp",
        1e3,
        "mistral-large-2407",
        "mistral",
        100,
        400,
        "400 out as stated; theirs has training and fleet",
    ),
    Disclosure(
        "Mistral 2025, Large 2, water",
        45,
        "mL",
        "wcf",
        1e3,
        "mistral-large-2407",
        "mistral",
        100,
        400,
        "the same",
    ),
    Disclosure(
        "Mistral 2025, Large 2, ADPe",
        0.16,
        "mgSbeq",
        "adpe",
        1e6,
        "mistral-large-2407",
        "mistral",
        100,
        400,
        "the same",
    ),
)


def figures(case: Disclosure, method: str) -> tuple[float, float, float] | None:
    """Low, expected and high by a method, in the unit of the disclosure."""
    e = explain(
        case.model, case.provider, method=method, input_tokens=case.read, output_tokens=case.written
    )
    steps = {s.symbol: (s.min, s.mean, s.max) for s in e.steps}
    if case.symbol in ("gwp", "adpe"):
        parts = zip(steps[f"{case.symbol}_u"], steps[f"{case.symbol}_e"], strict=True)
        found = tuple(a + b for a, b in parts)
    else:
        found = steps.get(case.symbol)
    return None if found is None else tuple(x * case.scale for x in found)


def main() -> None:
    """The table."""
    names = list(METHODS)
    print("| disclosure | figure |", " | ".join(names), "| inside | assumed |")
    print("| --- |" + " --- |" * (len(names) + 3))
    for case in CASES:
        cells = [figures(case, name) for name in names]
        shown = ["" if c is None else f"{c[1]:.3g} ({c[0]:.3g} to {c[2]:.3g})" for c in cells]
        ours = cells[names.index("impactree-1")]
        inside = "yes" if ours[0] <= case.figure <= ours[2] else "MISS"
        print(
            f"| {case.name} | {case.figure:g} {case.unit} |",
            " | ".join(shown),
            f"| {inside} | {case.note} |",
        )


if __name__ == "__main__":
    main()
