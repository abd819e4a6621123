"""Names that nobody knows: how fast; names whose answer was written down before: how right.

The answers stand in ``tests/data/names_*.tsv``. A name is right where maker, host, kind and sizes
are what was written down. A warning about its size says that the model is a relative, that the size
was read from the name, or that the prior stands in. Where nobody knows the size, that is the
right answer: those names are left out of the share.
Run: python -m benchmarks.names [--list]
"""

from __future__ import annotations

import csv
import random
import string
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks._measure import Result, at_most, print_table
from impactree import ModelCall, estimate, resolve

if TYPE_CHECKING:
    from impactree.values.range import Range

DATA = Path(__file__).parents[1] / "tests" / "data"
FILES = ("names_cases.tsv", "names_public.tsv", "names_hostile.tsv")
JUNK = 100_000
SECONDS = 20
COVERED = ("chat", "completion", "embedding", "rerank")
TEXT = ("chat", "completion")
OWN_SIDE = ("local", "self-hosted")
WIDE = 4
"""From this ratio of its ends on a range says that nothing is known."""
NEAR = 1.12
SIZE_WARNINGS = {"model-family", "model-size-from-name", "model-prior"}
WORDS = (
    *("llama", "qwen", "gpt", "claude", "acme", "prod", "chat", "instruct", "v2", "70b", "fp8"),
    *("prompt", "zz", "model", "finetune", "2026", "large", "mini"),
)


def rows(name: str) -> list[dict[str, str]]:
    """The names of a file with what was written down about each."""
    lines = (DATA / name).read_text(encoding="utf-8").splitlines()
    return list(csv.DictReader((x for x in lines if x[:1] != "#"), delimiter="\t"))


def wrong(row: dict[str, str]) -> list[str]:
    """What is read otherwise than it was written down."""
    found = resolve(row["name"], row["provider"] or None, base_url=row["base_url"] or None)
    problems = []
    makers, hosts = row["expected_maker"].split(","), row["expected_host"].split(",")
    if "*" not in makers and (found.maker or "-") not in makers:
        problems.append(f"maker {found.maker}")
    host = "local" if found.host in OWN_SIDE else found.host
    if "*" not in hosts and host not in hosts:
        problems.append(f"host {found.host}")
    kind = found.kind if found.kind in COVERED else "unsupported"
    if kind not in _kinds(row):
        problems.append(f"kind {found.kind}")
    if kind in TEXT:
        for size, expected in (
            (found.total_params, row["expected_total_b"]),
            (found.active_params, row["expected_active_b"]),
        ):
            if not _holds(size, expected, found.model):
                problems.append(f"size {size}, not {expected}")
    return [f"{problem} ({found.model}; {found.how})" for problem in problems]


def _kinds(row: dict[str, str]) -> set[str]:
    named = set(row["kind"].split(","))
    return named | set(TEXT) if "text" in named else named


def _holds(size: Range | None, expected: str, model: str | None) -> bool:
    figure = expected.split(" ", maxsplit=1)[0]
    if figure in ("*", "-"):
        return True
    if figure == "closed":
        return model is not None and size is not None
    if figure == "prior":
        return size is None or size.max / size.min >= WIDE
    return size is not None and size.min / NEAR <= float(figure) <= size.max * NEAR


def has_known_size(row: dict[str, str]) -> bool:
    """Whether somebody knows the size, so that a warning about it says too little."""
    return row["expected_total_b"] == "closed" or row["expected_total_b"][:1].isdigit()


def warns(row: dict[str, str]) -> bool:
    """Whether an estimate warns of the size."""
    call = ModelCall(
        model=row["name"],
        provider=row["provider"] or None,
        base_url=row["base_url"] or None,
        output_tokens=100,
    )
    return any(w.code in SIZE_WARNINGS for w in estimate(call).warnings)


def scores() -> dict[str, Any]:
    """Shares of the names that are right, and of the right ones that warn of their size."""
    everything = [row for name in FILES for row in rows(name)]
    right = [row for row in everything if not wrong(row)]
    sized = [row for row in right if has_known_size(row)]
    warned = [row["name"] for row in sized if warns(row)]
    return {
        "names": len(everything),
        "right": len(right) / len(everything),
        "warned": len(warned) / len(sized),
        "wrong": {row["name"]: wrong(row) for row in everything if wrong(row)},
        "warned names": warned,
    }


def junk(count: int, seed: int = 20261128) -> list[str]:
    """Names that stand for nothing: letters, words of real names, organizations, any characters."""
    draw = random.Random(seed)
    letters = string.ascii_lowercase

    def some(alphabet: str, least: int, most: int) -> str:
        return "".join(draw.choices(alphabet, k=draw.randint(least, most)))

    makers = (
        lambda i: some(letters + string.digits + "-_./:", 5, 40),
        lambda i: "-".join([*draw.choices(WORDS, k=draw.randint(2, 6)), str(i)]),
        lambda i: f"org{i}/{some(letters, 12, 12)}",
        lambda i: some(string.printable, 1, 60),
    )
    return [makers[i % len(makers)](i) for i in range(count)]


def run() -> list[Result]:
    names = junk(JUNK)
    resolve("warm-up", "openai")
    start = time.process_time()
    for name in names:
        resolve(name, "openai")
    taken = time.process_time() - start
    found = scores()
    right, warned = 100 * found["right"], 100 * found["warned"]
    return [
        at_most(f"{JUNK:,} names that nobody knows", taken, SECONDS, "s"),
        Result(f"right of {found['names']} names", f"{right:.1f} %", ">= 95 %", right >= 95),
        at_most("right ones that warn of their size", warned, 10, "%"),
    ]


def main() -> int:
    if "--list" in sys.argv[1:]:
        found = scores()
        print(*(f"{name}: {why}" for name, why in found["wrong"].items()), sep="\n")
        print("warned:", *found["warned names"], sep="\n  ")
        return 0
    return 0 if print_table(run()) else 1


if __name__ == "__main__":
    sys.exit(main())
