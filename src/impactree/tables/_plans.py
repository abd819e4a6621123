"""The plans beside the calls: worked out by the engine, once per situation that the calls hold."""

from __future__ import annotations

import datetime as dt
import math
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

import ibis
import pyarrow as pa

from impactree.calls import ModelCall
from impactree.catalog import WatchedDay, change_days, same_until
from impactree.engine.reading import alike, name_stem, read_name
from impactree.methods import Judgement, covers_media
from impactree.tables._calls import MEDIA_COUNTS, NEWEST, PLACES
from impactree.tables._known import KNOWN_CELLS, known_cells
from impactree.tables._placing import fetched
from impactree.tables._small import KEY, Small, codes, joined, small
from impactree.values.grades import GRADES
from impactree.values.training import TRAINING_FIGURES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import ibis.expr.types as ir

    from impactree.catalog import Resolution
    from impactree.engine import Engine
    from impactree.engine.engine import Plan
    from impactree.methods import Method

__all__ = ["Plans", "Variant", "plans"]

_T = TypeVar("_T")


class Variant(NamedTuple):
    """Equations that some of the plans are for."""

    method: Method
    plan: Any
    """The class of their plans."""
    sized: bool
    """Whether the number of pixels is known."""


class Plans(NamedTuple):
    """The plans of all situations: their names, many of which mean the same, and what they mean."""

    names: Small
    """With ``name_no``, the number of the row, and ``plan_no``."""
    made: pa.Table
    """The plans, each once; ``plan_no`` is the number of the row."""
    variants: tuple[Variant, ...]

    def joined(self, rows: ir.Table, *, numbered: bool = False) -> ir.Table:
        """Rows with their plans, by way of the few that there are: wide rows are slow to gather.

        Args:
            rows: Calls; or groups of calls that have all the same name.
            numbered: Whether they have the number of their name already.
        """
        names = self.names
        if numbered:
            columns = [KEY + n if n == "name_no" else n for n in names.table.column_names]
            names = Small(names.table.rename_columns(columns), ("name_no",))
        number = pa.array(range(self.made.num_rows), pa.int32())
        made = Small(self.made.append_column(f"{KEY}plan_no", number), ("plan_no",))
        return joined(joined(rows, names), made)

    @property
    def places(self) -> tuple[str, ...]:
        """What of the calls they are made for."""
        columns = self.names.table.column_names
        return tuple(name.removeprefix(KEY) for name in columns if name.startswith(KEY))

    def whole(self) -> pa.Table:
        """The names, each with its plan."""
        table, beside = self.names.table, self.made.take(self.names.table["plan_no"])
        for name in beside.column_names:
            table = table.append_column(name, beside[name])
        return table


def plans(calls: ir.Table, engine: Engine, *, by_day: bool) -> Plans:
    """The plans of all situations in the calls; those of rejected ones say nothing.

    Args:
        calls: As ``prepared``.
        engine: Resolves names and plans.
        by_day: Whether names are read as on the day of the call, or as today.
    """
    keys = [name for name in PLACES if name in calls.columns]
    found = _situations(calls, keys, by_day=by_day)
    book = _Book(engine, by_day=by_day, known="energy_kwh" in calls.columns)
    columns = [column.to_pylist() for column in found.columns]
    situations = (dict(zip(found.column_names, r, strict=True)) for r in zip(*columns, strict=True))
    rows = [(at, *row) for at, one in enumerate(situations) for row in book.rows(one, keys)]
    places, first, last, plan = zip(*rows, strict=True) if rows else ((),) * 4
    numbered = {
        "valid_from": pa.array(first, pa.date32()),
        "valid_to": pa.array(last, pa.date32()),
        "plan_no": pa.array(plan, pa.int32()),
        "name_no": pa.array(range(len(rows)), pa.int32()),
    }
    names = small(found.select(keys).take(pa.array(places, pa.int64())), numbered)
    return Plans(names, book.table, tuple(book.variants))


def _situations(calls: ir.Table, keys: Sequence[str], *, by_day: bool) -> pa.Table:
    """The combinations of keys in the calls; by day with the first and the last of each.

    What is the same in all calls is no key there: engines group by a single text much faster.
    """
    first, last = calls.day.min(), calls.day.max()
    few = {
        name: fetched(calls.select(name).distinct().limit(2)) for name in keys if name != "model"
    }
    same = {name: column[name] for name, column in few.items() if column.num_rows == 1}
    several: list[Any] = [name for name in keys if name not in same]
    if by_day:
        (ends,) = fetched(calls.agg(first=first, last=last)).to_pylist()
        if ends["first"] != ends["last"] and ends["last"] >= NEWEST:
            several.append((calls.day == ibis.literal(NEWEST)).name("undated"))
        found = fetched(calls.group_by(several).agg(first=first, last=last))
    else:
        found = fetched(calls.select(several).distinct())
    for name, column in same.items():
        value = column.combine_chunks()[0]
        found = found.append_column(name, pa.repeat(value, found.num_rows))
    return found


_FIXED: Final = (
    *((name, pa.int32()) for name in ("variant", "rank")),
    *((name, pa.string()) for name in ("plan_warnings", "plan_errors", "media_warnings", "wrong")),
    *(("market", pa.float64()), ("pixels", pa.float64()), ("zone_used", pa.string())),
)
_TRAINING: Final = (
    *((name, pa.float64()) for name in TRAINING_FIGURES),
    ("shared_over", pa.string()),
)
_WRONG: Final = {"wrong": "resolution"}


class _Book:
    """Plans as they are met. Names that are read alike have one."""

    def __init__(self, engine: Engine, *, by_day: bool, known: bool) -> None:
        self.engine = engine
        self._of_known = known
        self.variants: dict[Variant, int] = {}
        self._changes = change_days(engine.catalog) if by_day else ()
        self._cells: list[dict[str, Any]] = []
        self._places: dict[tuple[Any, ...], int] = {}
        self._read: dict[tuple[Any, ...], tuple[Resolution, bool, bool]] = {}
        self._known: dict[tuple[Any, ...], tuple[int, bool, bool]] = {}
        self._ends: dict[tuple[Any, ...], dt.date] = {}

    def rows(
        self, situation: dict[str, Any], keys: Sequence[str]
    ) -> Iterator[tuple[dt.date | None, dt.date | None, int]]:
        """Of one situation the first day, the last and the plan, one after the other."""
        day, last = situation.get("first"), situation.get("last")
        given = {name: situation[name] for name in keys}
        try:
            given |= {n: int(given[n]) for n in MEDIA_COUNTS if given.get(n) is not None}
            call = ModelCall(**given)
        except (TypeError, ValueError):
            yield day, last, self._place(_WRONG)
            return
        while True:
            watched = None
            if day is not None and day != NEWEST:
                watched = WatchedDay(day.year, day.month, day.day)
            plan = self._plan(call, watched, day)
            until = last if watched is None or last is None else self._until(watched, last)
            yield day, until, plan
            if until is None or until == last:
                return
            day = until + dt.timedelta(1)

    def _plan(self, call: ModelCall, watched: WatchedDay | None, day: dt.date | None) -> int:
        """The number of the plan, which is worked out anew only for names read in a new way."""
        engine = self.engine
        stem = (day, *name_stem(engine.catalog, engine.settings, call))
        name = _noted(
            self._read,
            stem,
            watched,
            lambda at: read_name(engine.catalog, engine.settings, call, at),
        )
        key = (day, call.media, alike(call, name, engine.hardware))
        return _noted(self._known, key, watched, lambda at: self._planned(call, at, name))

    def _planned(self, call: ModelCall, at: WatchedDay | None, name: Resolution) -> int:
        plan = self.engine.plan(call, at, name)
        cells = _cells(plan, call, self.engine, self.variants)
        return self._place(
            cells | known_cells(plan, call, self.engine) if self._of_known else cells
        )

    def _until(self, watched: WatchedDay, last: dt.date) -> dt.date:
        key = (watched, last, watched.asked_year, watched.asked_day)
        found = self._ends.get(key)
        if found is None:
            found = self._ends[key] = same_until(watched, last, self._changes)
        return found

    def _place(self, cells: dict[str, Any]) -> int:
        found = self._places.setdefault(tuple(cells.items()), len(self._cells))
        if found == len(self._cells):
            self._cells.append(cells)
        return found

    @cached_property
    def table(self) -> pa.Table:
        """The plans, a row each."""
        fields = dict.fromkeys(name for v in self.variants for name in v.plan._fields)
        columns = (*_FIXED, *((f"plan_{name}", pa.float64()) for name in fields))
        if self._of_known:
            columns = (*columns, *KNOWN_CELLS)
        if self.engine.sharing is not None:
            columns = (*columns, *_TRAINING)
        rows = self._cells
        return pa.table({n: pa.array([r.get(n) for r in rows], kind) for n, kind in columns})


def _noted(
    known: dict[tuple[Any, ...], tuple[_T, bool, bool]],
    key: tuple[Any, ...],
    watched: WatchedDay | None,
    work: Callable[[WatchedDay | None], _T],
) -> _T:
    """What is known by a key, else worked out; what it asked of the day is noted either way."""
    found = known.get(key)
    if found is None:
        at = None if watched is None else WatchedDay(*watched.timetuple()[:3])
        made = work(at)
        found = known[key] = made, *((at.asked_year, at.asked_day) if at else (False, False))
    if watched is not None:
        watched.asked_year |= found[1]
        watched.asked_day |= found[2]
    return found[0]


def _cells(
    plan: Plan, call: ModelCall, engine: Engine, variants: dict[Variant, int]
) -> dict[str, Any]:
    pixels = call.media.pixels if call.media else None
    zone = plan.found.zone
    cells: dict[str, Any] = {
        "rank": GRADES.index(plan.grade),
        "plan_warnings": codes(plan.warnings),
        "plan_errors": codes(plan.errors),
        "market": plan.market,
        "pixels": pixels,
        "zone_used": zone.id if zone else None,
    }
    judged = Judgement()
    if covers_media(engine.method.name, call.kind) and plan.made is not None:
        judged = plan.method.judge(call.tokens, call.kind, plan.made)
    cells["plan_errors"] += codes(judged.errors)
    cells["media_warnings"] = codes(judged.warnings)
    if plan.made is not None and not judged.errors:
        variant = Variant(plan.method, type(plan.made), pixels is not None)
        cells["variant"] = variants.setdefault(variant, len(variants))
        cells |= {f"plan_{name}": _number(value) for name, value in plan.made._asdict().items()}
    phase = None if plan.share is None else plan.share.phase
    if phase is not None:
        ends = [end for triple in phase.values for end in triple or (None,) * 3]
        cells |= zip(TRAINING_FIGURES, ends, strict=True)
        cells["shared_over"] = "; ".join(phase.shared_over)
    return cells


def _number(value: Any) -> float | None:
    """NaN, an unknown factor, is null in a table: it goes through the same arithmetic."""
    return None if math.isnan(value) else float(value)
