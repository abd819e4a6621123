"""Give the catalog's closed models without a size the range of the price rule.

Reads the output prices in LiteLLM's list and in genai-prices (the packages' own copies; nothing is
downloaded). The maker's own price goes first, in either; else the median over the hosts of the
first list that has any. Writes ``basis = "price"`` to ../models.

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
from typing import TYPE_CHECKING, Any

from genai_prices import data_snapshot

sys.path.insert(0, str(Path(__file__).parent))
import fit_price_basis as rule  # the script beside this one

from impactree import resolve

if TYPE_CHECKING:
    from collections.abc import Iterator

DAY = "2026-11-29"
PRICES = "https://github.com/pydantic/genai-prices"
LIST = "https://github.com/BerriAI/litellm/blob/main/model_prices_and_context_window.json"
# Their names of the makers' own hosts.
OWN = {
    "qwen": ("dashscope",),
    "meta": ("meta",),
    "bytedance": ("volcengine",),
    "amazon": ("bedrock", "bedrock_converse"),
    "google": ("gemini", "vertex_ai-language-models"),
    "cohere": ("cohere_chat", "cohere"),
    "baidu": ("qianfan",),
    "xai": ("x-ai",),
}
# Left to the prior: what is known of the line contradicts the price.
SKIP = {"MiniMax-M2-her": "the open M2 has 230"}
CUT = ("zhipuai",)  # its last prices of retired models, a tenth of the first


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


def offers() -> Iterator[tuple[str, str, str, float]]:
    """List, host, name and price of everything for sale as text."""
    for name, entry in listed().items():
        if entry.get("mode") in ("chat", "completion", "responses") and "contributor" not in name:
            yield LIST, entry.get("litellm_provider", ""), name, price(entry)
    hosts = [provider.id for provider in data_snapshot.get_snapshot().providers]
    for host, name, dollars in rule.prices(hosts):
        # ``~``: whatever is newest
        if host not in CUT and not re.search("contributor|batch|^~|router", name):
            yield PRICES, host, name, dollars


def priced() -> dict[tuple[str, str], tuple[float, str]]:
    """The price of each closed text model of the catalog that has no size, and whose list it is."""
    found: defaultdict[tuple[str, str], dict[tuple[str, bool], list[float]]] = defaultdict(dict)
    for source, host, name, dollars in offers():
        record = resolve(name, "litellm" if source == LIST else host).record
        if not dollars or record is None or record.kind not in ("chat", "completion"):
            continue
        if record.total is not None or record.weights == "open" or record.id in SKIP:
            continue
        own = host in OWN.get(record.maker, (record.maker,))
        found[record.maker, record.id].setdefault((source, own), []).append(dollars)
    order = [(LIST, True), (PRICES, True), (LIST, False), (PRICES, False)]
    return {
        model: next((round(median(by[k]), 3), k[0]) for k in order if k in by)
        for model, by in found.items()
    }


def with_price(
    text: str, model: str, dollars: float, source: str, fits: dict[str, rule.Fit]
) -> str:
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
    changed = re.sub(r"^(sources = \[[^\]]*?),?\s*\]", rf'\1, "{source}"]', changed, flags=re.M)
    changed = re.sub(r"^checked = .*", f"checked = {DAY}", changed, flags=re.M)
    return text[: found.start()] + changed + text[found.end() :]


def main() -> None:
    """Print the models with their prices and ranges; with ``--write``, change the files."""
    data = rule.points()
    fits = {field: rule.fit(data, field) for field in ("total", "active")}
    for (maker, model), (dollars, source) in sorted(priced().items()):
        path = rule.MODELS / f"{maker}.toml"
        print(maker, model, dollars, *rule.ranges(fits, dollars))
        if "--write" in sys.argv:
            path.write_text(with_price(path.read_text(), model, dollars, source, fits))


if __name__ == "__main__":
    main()
