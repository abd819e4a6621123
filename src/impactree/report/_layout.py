"""The report as one frozen layout of numbers. Every renderer shows these rows, and adds none.

Nothing here recurses: a tree may be 10,000 runs deep.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from impactree.report._fold import Fold, Scan
from impactree.report._tally import Tally, share
from impactree.values.formatting import clean, shares
from impactree.values.impacts import Impacts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from impactree.report._groups import Grouped
    from impactree.runs import Run

__all__ = [
    "MAX_LINES",
    "Entry",
    "Spread",
    "group_entries",
    "label_text",
    "model_entries",
    "parts_text",
    "tree_entries",
]

MAX_LINES: Final = 60
"""Of a whole report: the tree takes what the rest leaves."""
_MAX_DEPTH: Final = 8
_MAX_CHILDREN: Final = 24
_MAX_MODELS: Final = 20
_NO_NAME: Final = "(no name)"


@dataclass(frozen=True, slots=True)
class Spread:
    """What the repetitions of a folded line cost, kgCO2eq (means)."""

    first: float
    median: float
    last: float
    dearest: float
    dearest_at: int
    """Which one it was, from 1."""

    def says_as(self, other: Spread) -> bool:
        """Whether it would print alike: what one run costs is mostly what its one call does."""
        return all(
            math.isclose(getattr(self, name), getattr(other, name), rel_tol=1e-3)
            for name in self.__slots__
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of the tree or of a table of groups, in numbers. Its text is clean."""

    name: str
    guide: str = ""
    """The lines of the tree before the name."""
    depth: int = 0
    times: int = 1
    """How many like runs, or rounds of a sequence, stand in this line."""
    hidden: int = 0
    """Runs below that are not shown, but counted."""
    kind: str = ""
    model: str = ""
    mark: str = ""
    """The status where it is not ok, or ``cached``; where the energy is from if not estimated."""
    failed: bool = False
    is_run: bool = True
    """False: a sum over runs or calls."""
    tally: Tally
    total: Impacts
    share: float | None
    latency_s: float | None = None
    """Elapsed time; of several their mean."""
    spread: Spread | None = None
    parts: str = ""
    """Of a root: what its energy goes into, where that is not what all the report's does."""


@dataclass(slots=True, eq=False)
class _Node:
    fold: Fold
    depth: int = 0
    children: list[_Node] = field(default_factory=list)
    rest: list[Run] = field(default_factory=list)
    """Children that are summed up in one line after the others."""
    hidden: int = 0
    spread: Spread | None = None
    told: Spread | None = None
    """The spread that this line or one above it shows."""
    parts: str = ""


def tree_entries(roots: list[Run], whole: Impacts, lines: int = MAX_LINES) -> list[Entry]:
    """The trees, depth first, in about so many lines: newest kept first, then level by level."""
    scan = Scan(roots)
    older, nodes = _lay_out(roots, scan, max(lines, 8), parts_text(whole))
    out: list[Entry] = []
    if older:
        out.append(_sum_entry(f"… {len(older):,} earlier runs", older, scan, whole))
    for node in nodes:
        out += _entries(node, scan, whole)
    return out


def _lay_out(roots: list[Run], scan: Scan, lines: int, parts: str) -> tuple[list[Run], list[_Node]]:
    folds = scan.roots(roots)
    shown: deque[_Node] = deque()
    left = lines
    while folds and (left > 1 or (left == 1 and len(folds) == 1)):
        root = _node(folds.pop(), 0)
        own = parts_text(_total(root.fold.runs))
        root.parts = own if own != parts else ""
        left -= _expand(root, scan, left - (len(folds) > 0))
        shown.appendleft(root)
    return [run for fold in folds for run in fold.runs], list(shown)


def _node(fold: Fold, depth: int, above: Spread | None = None) -> _Node:
    spread = _spread(fold)
    if spread is not None and above is not None and spread.says_as(above):
        return _Node(fold, depth, told=above)
    return _Node(fold, depth, spread=spread, told=spread)


def _spreads(nodes: list[_Node], room: int) -> int:
    """Keep the spreads of the dearest lines, up to so many. Returns how many."""
    having = sorted((n for n in nodes if n.spread), key=lambda n: -sum(n.fold.costs))
    for node in having[max(room, 0) :]:
        node.spread = None
    return min(len(having), max(room, 0))


def _expand(root: _Node, scan: Scan, lines: int) -> int:
    """Add children level by level while lines are left. Returns the lines used."""
    used = 1 + bool(root.spread or root.parts)
    queue = deque([root])
    while queue:
        node = queue.popleft()
        room = min(_MAX_CHILDREN, lines - used)
        folds = scan.children(node.fold, room)
        if folds and (room < 1 or node.depth == _MAX_DEPTH):
            node.hidden = scan.tally(node.fold.runs).runs - len(node.fold.runs)
            if node.fold.steps:
                node.hidden += len(node.fold.runs)
            continue
        folds, node.rest = _dearest(folds, room)
        node.children = [_node(fold, node.depth + 1, node.told) for fold in folds]
        used += len(node.children) + bool(node.rest)
        used += _spreads(node.children, (lines - used) // 2)
        queue.extend(node.children)
    return used


def _dearest(folds: list[Fold], room: int) -> tuple[list[Fold], list[Run]]:
    """Those with most greenhouse gases, in order, and the runs of the others."""
    if len(folds) <= room:
        return folds, []
    costs = [sum(fold.costs) for fold in folds]
    kept = set(sorted(range(len(folds)), key=lambda i: -costs[i])[: room - 1])
    shown = [fold for i, fold in enumerate(folds) if i in kept]
    return shown, [run for i, fold in enumerate(folds) if i not in kept for run in fold.runs]


def _spread(fold: Fold) -> Spread | None:
    """Where repetitions differ: by a tenth and more."""
    if len(fold.rounds) < 3:
        return None
    costs = fold.costs
    ordered = sorted(costs)
    if not ordered[-1] > ordered[0] * 1.1:
        return None
    middle = len(ordered) // 2
    median = ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
    return Spread(costs[0], median, costs[-1], ordered[-1], costs.index(ordered[-1]) + 1)


def _entries(root: _Node, scan: Scan, whole: Impacts) -> Iterator[Entry]:
    stack: list[tuple[_Node | list[Run], int, str, str]] = [(root, 0, "", "")]
    while stack:
        item, depth, guide, below = stack.pop()
        if isinstance(item, list):
            more = f"… {len(item):,} more"
            yield _sum_entry(more, item, scan, whole, guide=guide, depth=depth)
            continue
        yield _node_entry(item, guide, scan, whole)
        children: list[_Node | list[Run]] = [*item.children, *([item.rest] if item.rest else [])]
        for child in reversed(children):
            edge, line = ("└ ", "  ") if child is children[-1] else ("├ ", "│ ")
            stack.append((child, depth + 1, below + edge, below + line))


def _node_entry(node: _Node, guide: str, scan: Scan, whole: Impacts) -> Entry:
    fold, runs = node.fold, node.fold.runs
    run, total = runs[0], _total(runs)
    known = [t for t in (r.latency_s for r in runs) if t is not None]
    mark, failed = _mark(runs)
    return Entry(
        guide=guide,
        depth=node.depth,
        name=" → ".join(clean(n) or _NO_NAME for n in fold.steps) or clean(run.name) or _NO_NAME,
        times=len(fold.rounds),
        hidden=node.hidden,
        kind="loop" if fold.steps else run.kind,
        model="" if run.call is None or fold.steps else _short_model(run.call.model),
        mark=mark,
        failed=failed,
        tally=scan.tally(runs),
        total=total,
        share=share(total, whole),
        latency_s=sum(known) / len(known if not fold.steps else fold.rounds) if known else None,
        spread=node.spread,
        parts=node.parts,
    )


def _mark(runs: list[Run]) -> tuple[str, bool]:
    """What is to be said of how runs went, and whether one failed."""
    odd = [_odd(run) for run in runs]
    kinds = [mark for mark in dict.fromkeys(odd) if mark != "ok"]
    failed = any(run.status == "error" and not run.cached for run in runs)
    if len(set(odd)) == 1:
        return "".join(kinds), failed
    return ", ".join(f"{odd.count(mark):,} {mark}" for mark in kinds), failed


def _odd(run: Run) -> str:
    """How a run went, and where a call's energy is from; ``ok`` where nothing is to be said."""
    how = "cached" if run.cached else run.status
    source = None if run.own is None else run.own.source
    if source is None or source == "estimated":
        return how
    return source if how == "ok" else f"{how}, {source}"


def _sum_entry(
    name: str, runs: list[Run], scan: Scan, whole: Impacts, guide: str = "", depth: int = 0
) -> Entry:
    total = _total(runs)
    return Entry(
        name=name,
        guide=guide,
        depth=depth,
        is_run=False,
        tally=scan.tally(runs),
        total=total,
        share=share(total, whole),
    )


def model_entries(groups: Grouped, rows: int = _MAX_MODELS) -> list[Entry]:
    """A line per model, largest first."""
    return group_entries(groups, rows, "models")


def group_entries(groups: Grouped, rows: int | None = None, noun: str = "groups") -> list[Entry]:
    """A line per group; beyond ``rows`` one for all the others."""
    items = list(groups.items())
    shown = items if rows is None or len(items) <= rows else items[: rows - 1]
    out = [
        Entry(
            name="  ".join(map(label_text, groups.labels(label))),
            is_run=False,
            tally=group.tally,
            total=group.total,
            share=group.share,
            latency_s=group.latency_s,
        )
        for label, group in shown
    ]
    rest = [group for _, group in items[len(shown) :]]
    if rest:
        tally = Tally()
        for group in rest:
            tally.merge(group.tally)
        total = Impacts.sum(group.total for group in rest)
        out.append(
            Entry(
                name=f"… {len(rest):,} more {noun}",
                is_run=False,
                tally=tally,
                total=total,
                share=share(total, groups.total),
                latency_s=tally.latency_s,
            )
        )
    return out


def label_text(label: Any) -> str:
    """A group's label as shown; none: a dash."""
    return "–" if label is None else clean(str(label)) or _NO_NAME  # noqa: RUF001  # no minus


def _total(runs: Iterable[Run]) -> Impacts:
    return Impacts.sum(run.total for run in runs)


def parts_text(total: Impacts) -> str:
    """What the energy goes into: ``input 41%, output 59%``; empty where that is not known."""
    return shares((total.energy_parts if total.estimated_calls else None) or {})


def _short_model(name: str) -> str:
    """A file path or an ARN by its last part."""
    return clean(name.rstrip("/").rsplit("/", 1)[-1] or name) or _NO_NAME
