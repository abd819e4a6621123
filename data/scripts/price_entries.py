"""Give the catalog's closed models without a size the range of the price rule.

Reads the output prices in LiteLLM's list (the package's own copy; nothing is downloaded), takes
the maker's own host first, else the median over hosts, and writes ``basis = "price"`` to ../models.

    python data/scripts/price_entries.py [--write]
"""

from __future__ import annotations

import json
import re
import sys
from collections import defaultdict
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
import fit_price_basis as rule  # the script beside this one

from impactree import resolve

DAY = "2026-11-28"
LIST = "https://github.com/BerriAI/litellm/blob/main/model_prices_and_context_window.json"
# LiteLLM's names of the makers' own hosts.
OWN = {
    "qwen": ("dashscope",),
    "meta": ("meta",),
    "bytedance": ("volcengine",),
    "amazon": ("bedrock", "bedrock_converse"),
    "google": ("gemini", "vertex_ai-language-models"),
    "cohere": ("cohere_chat", "cohere"),
    "baidu": ("qianfan",),
}


def listed() -> dict[str, dict[str, Any]]:
    """LiteLLM's entries by name."""
    spec = find_spec("litellm")
    if spec is None or spec.origin is None:
        raise SystemExit("pip install litellm: its list of prices is what is read")
    path = Path(spec.origin).with_name("model_prices_and_context_window_backup.json")
    names: dict[str, dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    return names


def price(entry: dict[str, Any]) -> float:
    """Dollars per 10^6 output tokens of a standard request with a short prompt; 0: none given."""
    tiers = entry.get("tiered_pricing") or [{}]
    value = entry.get("output_cost_per_token") or tiers[0].get("output_cost_per_token") or 0
    return float(value) * 1e6


def priced() -> dict[tuple[str, str], float]:
    """The price of each closed text model of the catalog that has no size."""
    found: defaultdict[tuple[str, str], list[tuple[bool, float]]] = defaultdict(list)
    for name, entry in listed().items():
        if entry.get("mode") not in ("chat", "completion", "responses") or not price(entry):
            continue
        record = resolve(name, "litellm").record
        if "contributor" in name or record is None or record.kind not in ("chat", "completion"):
            continue
        if record.total is not None or record.weights == "open":
            continue
        own = entry.get("litellm_provider") in OWN.get(record.maker, (record.maker,))
        found[record.maker, record.id].append((own, price(entry)))
    out = {}
    for key, prices in found.items():
        own = [value for is_own, value in prices if is_own]
        out[key] = round(median(own or [value for _, value in prices]), 3)
    return out


def with_price(text: str, model: str, dollars: float, fits: dict[str, rule.Fit]) -> str:
    """A maker's file with the range of one model."""
    total, active = rule.ranges(fits, dollars)
    found = re.search(rf'^id = "{re.escape(model)}".*?(?=^\[\[|\Z)', text, re.M | re.S)
    if found is None:
        raise SystemExit(f"{model} is not in its maker's file")
    entry = found[0]
    figures = f"total = {total}\nactive = {active}\n"
    why = (
        'basis = "price"\nrationale = "Price rule (docs/methodology/price-basis.md) at '
        f'${dollars:g} per million output tokens, {DAY}."\n'
    )
    if "model-arch-not-released" not in entry:
        if "warnings = [" in entry:
            entry = entry.replace("warnings = [", 'warnings = ["model-arch-not-released", ', 1)
        else:
            figures += 'warnings = ["model-arch-not-released"]\n'
    changed = re.sub(r"^(?=warnings = )", figures, entry, count=1, flags=re.M)
    if changed == entry:
        changed = re.sub(r"^(?=sources = )", figures, entry, count=1, flags=re.M)
    changed = re.sub(r"^rationale = .*\n", "", changed, flags=re.M)
    changed = re.sub(r"^(?=sources = )", why, changed, count=1, flags=re.M)
    changed = re.sub(r"^(sources = \[[^\]]*?),?\s*\]", rf'\1, "{LIST}"]', changed, flags=re.M)
    changed = re.sub(r"^checked = .*", f"checked = {DAY}", changed, flags=re.M)
    return text[: found.start()] + changed + text[found.end() :]


def main() -> None:
    """Print the models with their prices and ranges; with ``--write``, change the files."""
    data = rule.points()
    fits = {field: rule.fit(data, field) for field in ("total", "active")}
    for (maker, model), dollars in sorted(priced().items()):
        path = rule.MODELS / f"{maker}.toml"
        print(maker, model, dollars, *rule.ranges(fits, dollars))
        if "--write" in sys.argv:
            path.write_text(with_price(path.read_text(), model, dollars, fits))


if __name__ == "__main__":
    main()
