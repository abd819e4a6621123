"""For maintainers: what well-known calls cost, by each method and by an earlier checkout.

Prints the changelog's table: expected values of energy, greenhouse gases, primary energy and ADPe.

    python data/scripts/call_figures.py --before CHECKOUT/src
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from typing import Any, Final

_CALLS: Final[tuple[dict[str, Any], ...]] = (
    {"provider": "openai", "model": "gpt-4o"},
    {"provider": "openai", "model": "gpt-4o-mini"},
    {"provider": "openai", "model": "gpt-4.1"},
    {"provider": "openai", "model": "gpt-5"},
    {"provider": "openai", "model": "text-embedding-3-small", "kind": "embedding"},
    {"provider": "azure", "model": "gpt-4o", "region": "eastus"},
    {"provider": "azure", "model": "gpt-4o", "region": "swedencentral"},
    {"provider": "anthropic", "model": "claude-opus-4-1"},
    {"provider": "anthropic", "model": "claude-sonnet-4-5"},
    {"provider": "anthropic", "model": "claude-haiku-4-5"},
    {
        "provider": "bedrock",
        "model": "anthropic.claude-3-5-sonnet-20241022-v2:0",
        "region": "us-east-1",
    },
    {"provider": "google_genai", "model": "gemini-2.5-pro"},
    {"provider": "google_genai", "model": "gemini-2.5-flash"},
    {"provider": "vertex", "model": "gemini-2.5-flash", "region": "northamerica-northeast1"},
    {"provider": "mistralai", "model": "mistral-large-latest"},
    {"provider": "mistralai", "model": "mistral-small-latest"},
    {"provider": "cohere", "model": "command-a-03-2025"},
    {"provider": "groq", "model": "llama-3.3-70b-versatile"},
    {"provider": "deepseek", "model": "deepseek-chat"},
    {"provider": "xai", "model": "grok-4"},
)
_INPUT, _OUTPUT = 1000, 300
_METHODS: Final = ("ecologits-0.11", "impactree-1")


def figures(method: str) -> list[list[float | None]]:
    """Means of energy (kWh), gwp (kgCO2eq), pe (MJ) and adpe (kgSbeq); None: not estimated."""
    from impactree import ModelCall, estimate

    found = []
    for asked in _CALLS:
        output = None if asked.get("kind") == "embedding" else _OUTPUT
        call = ModelCall(**asked, input_tokens=_INPUT, output_tokens=output)
        impacts = estimate(call, method=method)
        values = (impacts.energy, impacts.gwp, impacts.pe, impacts.adpe)
        found.append([None if impact is None else impact.value.mean for impact in values])
    return found


def _before(source: str) -> list[list[float | None]]:
    """The figures that the default method of another checkout gives."""
    command = [sys.executable, __file__, "--method", _METHODS[0]]
    environment = {**os.environ, "PYTHONPATH": source}
    out = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)  # noqa: S603
    rows: list[list[float | None]] = json.loads(out.stdout)
    return rows


def _cell(values: list[float | None]) -> str:
    if values[0] is None:
        return "not estimated"
    units = ((1e3, "Wh"), (1e3, "g"), (1e3, "kJ"), (1e9, "µg"))
    return ", ".join(
        "none" if value is None else f"{value * factor:.3g} {unit}"
        for value, (factor, unit) in zip(values, units, strict=True)
    )


def main() -> None:
    """Print the table, or one method's figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--before", help="the source folder of an earlier checkout")
    parser.add_argument("--method", help="only this method's figures, as JSON")
    arguments = parser.parse_args()
    if arguments.method:
        print(json.dumps(figures(arguments.method)))
        return
    columns = [figures(method) for method in _METHODS]
    titles = [f"`{method}`" for method in _METHODS]
    if arguments.before:
        columns.insert(0, _before(arguments.before))
        titles.insert(0, "before")
    print("| call |", " | ".join(titles), "|")
    print("| --- |", " | ".join("---:" for _ in titles), "|")
    for call, *cells in zip(_CALLS, *columns, strict=True):
        name = ", ".join(filter(None, (f"`{call['model']}`", call["provider"], call.get("region"))))
        print(f"| {name} |", " | ".join(map(_cell, cells)), "|")


if __name__ == "__main__":
    main()
