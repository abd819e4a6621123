"""Fit the rule behind `basis = "price"`: model size from the output price of hosted open weights.

Reads the prices in genai-prices and the published sizes in ../models; prints the figures that
docs/methodology/price-basis.md quotes. Those of embedding models (--embeddings) need the package
mteb as well, of which only the source is read: pip install --no-deps mteb==2.26.24

    python data/scripts/fit_price_basis.py [OUTPUT_PRICE ...]
    python data/scripts/fit_price_basis.py --embeddings
"""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections import defaultdict
from datetime import UTC, datetime
from decimal import Decimal
from importlib.util import find_spec
from math import ceil, floor, log10, prod, sqrt
from pathlib import Path
from statistics import NormalDist, mean, median, quantiles
from typing import TYPE_CHECKING, NamedTuple

from genai_prices import data_snapshot
from genai_prices.types import TieredPrices

if TYPE_CHECKING:
    from collections.abc import Iterator

MODELS = Path(__file__).parents[1] / "models"
DATE = datetime(2026, 11, 24, 12, tzinfo=UTC)
HOSTS = [
    *("aws", "avian", "baseten", "cerebras", "cloudflare", "databricks", "doubleword"),
    *("fireworks", "groq", "modal", "novita", "openrouter", "ovhcloud", "together"),
]
SKIP = re.compile(r":|embed|rerank|bge|guard|safety|moderation|ocr|whisper|orpheus|tts|vision-exp")
DROP = re.compile(
    r"-(fp8|bf16|nvfp4|awq|instruct|chat|it|hf|pt|turbo|lite|fast|reference|versatile|instant"
    r"|thinking|preview|base|v?\d:\d|v[01]\.\d|v1|\d{4})$"
)
MIN_HOSTS = 2  # a price that competition sets; single-host fine-tunes cost what they like
LARGEST_DENSE = 130.0  # a larger size in a name without its active part is not taken
LEVEL = 0.80  # of the prediction interval
LIMIT = 3000.0  # 10^9 parameters: nothing larger than this is claimed from a price
MARGIN = 4.5  # maker's price of a closed model over hosts' price of open weights of its size
UNKNOWN = "model-arch-not-released"
# $ per 10^6 input tokens on the hosts' own pages; genai-prices has few embedding models.
PAGES = [
    ("deepinfra", "intfloat/multilingual-e5-large", 0.01),
    ("openrouter", "intfloat/e5-base-v2", 0.005),
    ("openrouter", "intfloat/e5-large-v2", 0.01),
    ("openrouter", "intfloat/multilingual-e5-large", 0.01),
    ("openrouter", "Qwen/Qwen3-Embedding-0.6B", 0.01),
    ("openrouter", "Qwen/Qwen3-Embedding-4B", 0.02),
    ("openrouter", "thenlper/gte-base", 0.005),
    ("openrouter", "thenlper/gte-large", 0.01),
    ("venice", "BAAI/bge-en-icl", 0.0125),
    ("venice", "intfloat/multilingual-e5-large-instruct", 0.0125),
    ("venice", "Qwen/Qwen3-Embedding-8B", 0.0125),
]
UNVERSIONED = {"mistral-large", "mistral-small"}  # hosts mean different generations by these


class Point(NamedTuple):
    """One open-weight model: sizes in 10^9, median output price in $ per 10^6 tokens."""

    name: str
    total: float
    active: float
    price: float
    hosts: int


class Fit(NamedTuple):
    """log10(size) = a + b * log10(price)."""

    a: float
    b: float
    n: int
    r2: float
    s: float
    xm: float
    sxx: float

    def at(self, price: float, level: float = LEVEL) -> tuple[float, float, float]:
        """The low end, centre and high end of the prediction interval at a price."""
        x, dof = log10(price), self.n - 2
        z = NormalDist().inv_cdf((1 + level) / 2)
        t = z + (z**3 + z) / (4 * dof)  # Student's t, to first order in 1/dof
        half = t * self.s * sqrt(1 + 1 / self.n + (x - self.xm) ** 2 / self.sxx)
        y = self.a + self.b * x
        return 10 ** (y - half), 10**y, 10 ** (y + half)


def key(name: str) -> str:
    """A name without organisation, separators and the prefixes and suffixes that hosts add."""
    name = re.sub(r"(?<=\d)p(?=\d)", ".", name.lower().split("/")[-1])
    name = re.sub(r"^((us|global|regional)\.)?(databricks-|nvidia-|[a-z]+\.)?(meta-)?", "", name)
    name = re.sub(r"^llama-?v?(?=\d)", "llama-", name)
    while (short := DROP.sub("", name)) != name:
        name = short
    return re.sub(r"[._]", "-", name)


def size_in_name(name: str) -> tuple[float, float] | None:
    """The (total, active) size that an id such as Qwen3-235B-A22B or Llama-3-70b states."""
    name = re.sub(r"(?<=\d)p(?=\d)", ".", name.lower())
    if m := re.search(r"(?<![\w.])(\d+(?:\.\d+)?)([bt])-a(\d+(?:\.\d+)?)b", name):
        return float(m[1]) * (1000 if m[2] == "t" else 1), float(m[3])
    if re.search(r"\d+x\d+|llama-?4|nemotron-(nano|super|ultra)-3|-e\db|-\d+e", name):
        return None  # experts, of which the name counts only some
    m = re.search(r"(?<![\w.])(\d+(?:\.\d+)?)b(?![a-z0-9])", name)
    return (float(m[1]),) * 2 if m and float(m[1]) <= LARGEST_DENSE else None


def catalog() -> dict[str, tuple[float, float]]:
    """Published exact sizes by key; estimates of closed models are left out."""
    sizes: dict[str, tuple[float, float]] = {}
    for path in sorted(MODELS.glob("*.toml")):
        for m in tomllib.loads(path.read_text()).get("models", []):
            total, active = m.get("total"), m.get("active", m.get("total"))
            known = m.get("basis") == "published" and (m.get("weights") == "open" or "via" in m)
            known &= UNKNOWN not in m.get("warnings", [])
            text = m.get("kind", "chat") in ("chat", "completion")
            exact = isinstance(total, int | float) and isinstance(active, int | float)
            if known and text and exact:
                for name in [m["id"], *m.get("aliases", [])]:
                    sizes.setdefault(key(name), (float(total), float(active)))
    return sizes


def prices(hosts: list[str] | None = None) -> Iterator[tuple[str, str, float]]:
    """(provider, model id, output price) of every text model that has one on DATE."""
    for provider in data_snapshot.get_snapshot().providers:
        hosted = provider.id in HOSTS or provider.id.startswith("huggingface_")
        if not (hosted if hosts is None else provider.id in hosts):
            continue
        for model in provider.models:
            output = model.get_prices(DATE).output_mtok
            value = float((output.base if isinstance(output, TieredPrices) else output) or 0)
            if value > 0 and (
                hosts is not None or not SKIP.search(re.sub(r":\d$", "", model.id.lower()))
            ):
                yield provider.id, model.id, value


def points() -> list[Point]:
    """One point a model, so that a model on many hosts counts once."""
    sizes, found = catalog(), defaultdict[str, dict[str, float]](dict)
    for provider, model, price in prices():
        name = key(model)
        if name not in UNVERSIONED and (size := sizes.get(name) or size_in_name(model)):
            sizes[name] = size
            found[name].setdefault(provider, price)
    return sorted(
        (
            Point(name, *sizes[name], median(by.values()), len(by))
            for name, by in found.items()
            if len(by) >= MIN_HOSTS
        ),
        key=lambda p: (p.total, p.name),
    )


def fit(data: list[Point], field: str) -> Fit:
    """Ordinary least squares on the logarithms."""
    xs = [log10(p.price) for p in data]
    ys = [log10(getattr(p, field)) for p in data]
    xm, ym, n = mean(xs), mean(ys), len(data)
    sxx = sum((x - xm) ** 2 for x in xs)
    b = sum((x - xm) * (y - ym) for x, y in zip(xs, ys, strict=True)) / sxx
    a = ym - b * xm
    sse = sum((y - a - b * x) ** 2 for x, y in zip(xs, ys, strict=True))
    return Fit(a, b, n, 1 - sse / sum((y - ym) ** 2 for y in ys), sqrt(sse / (n - 2)), xm, sxx)


def markups(f: Fit) -> list[tuple[str, float]]:
    """What closed models cost over what the fit asks for the size that EcoLogits gives them."""
    own = {model: price for _, model, price in prices(["openai", "anthropic", "google"])}
    out: dict[str, float] = {}
    for path in sorted(MODELS.glob("*.toml")):
        for m in tomllib.loads(path.read_text()).get("models", []):
            names = [n for n in (m["id"], *m.get("aliases", [])) if n in own]
            if names and "via" in m and m.get("kind", "chat") == "chat":
                total = m["total"]
                size = sqrt(total[0] * total[1]) if isinstance(total, list) else total
                out[names[0]] = own[names[0]] / 10 ** ((log10(size) - f.a) / f.b)
    return sorted(out.items(), key=lambda item: item[1])


def ranges(fits: dict[str, Fit], price: float) -> tuple[list[float], list[float]]:
    """The [min, max] of total and active, to two digits, of a closed model at an output price."""
    total, active = ([fits[k].at(price / MARGIN)[i] for i in (0, 2)] for k in ("total", "active"))
    total[1] = min(total[1], LIMIT)
    active = [min(active[0], total[0]), min(active[1], total[1])]
    return [float(f"{x:.2g}") for x in total], [float(f"{x:.2g}") for x in active]


def vectors() -> list[Point]:
    """Open-weight embedding models and rerankers with the median of their input prices at hosts."""
    sizes, found = {}, defaultdict[str, dict[str, float]](dict)
    for path in sorted(MODELS.glob("*.toml")):
        for m in tomllib.loads(path.read_text()).get("models", []):
            if m.get("kind") in ("embedding", "rerank") and m.get("weights") == "open":
                for name in [m["id"], *m.get("aliases", [])]:
                    sizes[name.lower().split("/")[-1]] = (m["id"], m.get("total"))
    rows = list(PAGES)
    for provider in data_snapshot.get_snapshot().providers:
        for model in provider.models if provider.id in HOSTS else ():
            value = model.get_prices(DATE).input_mtok
            if isinstance(value, int | float | Decimal):
                rows.append((provider.id, model.id, float(value)))
    totals: dict[str, float] = {}
    for host, listed, price in rows:
        name, total = sizes.get(listed.lower().split("/")[-1], ("", None))
        if isinstance(total, int | float):
            found[name][host] = price
            totals[name] = total
    sized = [
        Point(name, totals[name], totals[name], median(by.values()), len(by))
        for name, by in found.items()
    ]
    return sorted(sized, key=lambda p: (p.total, p.name))


def population(dimensions: int) -> list[float]:
    """Sizes of the open dense models in mteb that embed text in at least so many dimensions."""
    sizes: list[float] = []
    spec = find_spec("mteb")
    source = Path(spec.origin).parent if spec and spec.origin else Path()
    for path in sorted((source / "models" / "model_implementations").glob("*.py")):
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not (isinstance(call, ast.Call) and ast.unparse(call.func) == "ModelMeta"):
                continue
            told = {k.arg: ast.unparse(k.value) for k in call.keywords}
            dense = told.get("model_type", "dense") in ("dense", "['dense']")
            text = "text" in told.get("modalities", "text")
            width = told.get("embed_dim", "")
            if not (dense and text and told.get("open_weights") == "True" and width.isdigit()):
                continue
            value = next(k.value for k in call.keywords if k.arg == "n_parameters")
            constants = [c.value for c in ast.walk(value) if isinstance(c, ast.Constant)]
            factors = [float(f) for f in constants if isinstance(f, int | float)]
            if int(width) >= dimensions and factors:
                sizes.append(prod(factors) / 1e9)  # a number, or int(567 * 1e6)
    return sizes


def outward(low: float, high: float) -> tuple[float, float]:
    """A range rounded outward to one digit."""
    low_unit, high_unit = (10.0 ** floor(log10(x)) for x in (low, high))
    return round(floor(low / low_unit) * low_unit, 9), round(ceil(high / high_unit) * high_unit, 9)


def print_vectors() -> None:
    """Print the fit of embedding models, the size classes and the inputs of the fit."""
    data = vectors()
    f = fit(data, "total")
    print(f"log10(total) = {f.a:.3f} + {f.b:.3f} log10($)  n={f.n} R2={f.r2:.2f} s={f.s:.3f}")
    for price in (0.02, 0.1, 0.18):
        print(f"${price:g}: {', '.join(f'{x:.2g}' for x in f.at(price))}")
    for dimensions in (512, 1024):
        sizes = population(dimensions)
        tenths = quantiles(sizes, n=10, method="inclusive")
        ends = outward(tenths[0], tenths[-1])
        print(f">= {dimensions}: n={len(sizes)} {tenths[0]:.3f} to {tenths[-1]:.3f}, so {ends}")
    for p in data:
        print(f"| {p.name} | {p.total:g} | {p.price:.3g} | {p.hosts} |")


def main() -> None:
    """Print the fit, the markups, the ranges at the prices asked for and the inputs."""
    if "--embeddings" in sys.argv:
        print_vectors()
        return
    data = points()
    print(f"n = {len(data)} models, prices of {DATE:%Y-%m-%d}\n")
    fits = {field: fit(data, field) for field in ("active", "total")}
    for field, f in fits.items():
        print(f"log10({field}) = {f.a:.3f} + {f.b:.3f} log10($)  n={f.n} R2={f.r2:.2f} s={f.s:.3f}")
    ratios = markups(fits["total"])
    middle = median(ratio for _, ratio in ratios)
    print(f"\nclosed / hosted price, {len(ratios)} models, median {middle:.2f}")
    print("  " + ", ".join(f"{name} {ratio:.2f}" for name, ratio in ratios))
    for price in map(float, sys.argv[1:]):
        print(f"${price:g}: total, active = {ranges(fits, price)}")
    print("\n| model | total | active | $/Mtok out | hosts |\n| --- | --: | --: | --: | --: |")
    for p in data:
        print(f"| {p.name} | {p.total:g} | {p.active:g} | {p.price:g} | {p.hosts} |")


if __name__ == "__main__":
    main()
