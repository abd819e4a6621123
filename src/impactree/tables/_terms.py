"""Values of a method's equations, of each call and summed over groups of like calls.

The very lines of ``methods/`` run on these. What is linear in a call's features is worked out once
per group, from their sums: ``a x + b y`` of all calls is ``a sum(x) + b sum(y)``. What is not (a
product of two features, a choice between them, a difference, which may lose all its digits) is
itself a feature, worked out for every call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ibis
import ibis.expr.operations as ops

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import ibis.expr.types as ir

__all__ = ["CALLS", "Term", "apart", "choose_term", "feature", "given", "named_features"]

CALLS = "calls"
"""The column of groups that says how many calls each has."""


class Term:
    """A value of the equations.

    Args:
        row: Of one call: an expression on the table of calls, or a number.
        total: Its sum over a group, made from the table of groups; None: a feature of its own.
        needs: The features that the sum is made of.
        fixed: Whether it is the same for all calls of a group; ``total`` then gives the value.
    """

    __slots__ = ("_made", "_total", "fixed", "needs", "row")

    def __init__(
        self,
        row: Any,
        total: Callable[[Any], Any] | None = None,
        needs: Iterable[Term] = (),
        *,
        fixed: bool = False,
    ) -> None:
        self.row = row
        self.fixed = fixed
        self._total = total
        self.needs = tuple(dict.fromkeys(needs)) if total or fixed else (self,)
        self._made: Any = None

    def value(self, groups: Any) -> Any:
        """What :attr:`row` is for a group: its sum, or of what is fixed the value."""
        if self._made is None:
            assert self._total is not None  # noqa: S101  # features are named by then
            self._made = self._total(groups)
        return self._made

    def total(self, groups: Any) -> Any:
        """The sum over the calls of a group."""
        return self.value(groups) * groups[CALLS] if self.fixed else self.value(groups)

    def become(self, name: str) -> None:
        """A feature's sum is a column of the groups."""
        self._total = lambda groups: groups[name]

    def __add__(self, other: Any) -> Term:
        other = given(other)
        row, needs = self.row + other.row, (*self.needs, *other.needs)
        if self.fixed and other.fixed:
            return Term(row, lambda g: self.value(g) + other.value(g), fixed=True)
        return Term(row, lambda g: self.total(g) + other.total(g), needs)

    __radd__ = __add__

    def __sub__(self, other: Any) -> Term:
        other = given(other)
        if isinstance(other.row, float | int) and not other.row:
            return self
        row = self.row - other.row
        if self.fixed and other.fixed:
            return Term(row, lambda g: self.value(g) - other.value(g), fixed=True)
        return feature(row)

    def __rsub__(self, other: Any) -> Term:
        return given(other) - self

    def __mul__(self, other: Any) -> Term:
        other = given(other)
        row, needs = self.row * other.row, (*self.needs, *other.needs)
        if self.fixed or other.fixed:
            fixed = self.fixed and other.fixed
            return Term(row, lambda g: self.value(g) * other.value(g), needs, fixed=fixed)
        return feature(row)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Term:
        other = given(other)
        row = self.row / other.row
        if other.fixed:
            fixed = self.fixed
            return Term(row, lambda g: self.value(g) / other.value(g), self.needs, fixed=fixed)
        return feature(row)

    def __rtruediv__(self, other: Any) -> Term:
        return given(other) / self

    def __lt__(self, other: Any) -> Term:
        other = given(other)
        row = self.row < other.row
        if self.fixed and other.fixed:
            return Term(row, lambda g: self.value(g) < other.value(g), fixed=True)
        return feature(row)


def feature(row: Any) -> Term:
    """What differs from call to call."""
    return Term(row)


def given(value: Any) -> Term:
    """A number of the equations; a term stays one."""
    return value if isinstance(value, Term) else Term(value, lambda _: value, fixed=True)


def choose_term(condition: Any, then: Any, otherwise: Any) -> Term:
    """``where`` for terms."""
    parts = given(condition), given(then), given(otherwise)
    row = ibis.ifelse(*(part.row for part in parts))
    if all(part.fixed for part in parts):
        return Term(row, lambda g: ibis.ifelse(*(part.value(g) for part in parts)), fixed=True)
    return feature(row)


def named_features(terms: Iterable[Term], known: dict[Any, str]) -> dict[str, Any]:
    """Columns of features that sums are made of, each expression once.

    Args:
        terms: What is to be summed.
        known: Names of features by their expressions; grows.
    """
    found = {}
    for one in dict.fromkeys(need for term in terms for need in term.needs):
        name = known.setdefault(one.row.op(), f"feature_{len(known)}")
        one.become(name)
        found[name] = one.row
    return found


def apart(rows: ir.Table, features: dict[str, Any]) -> tuple[ir.Table, dict[str, Any]]:
    """What features choose between as columns of the rows: worked out once, not as it is met.

    Args:
        rows: Calls.
        features: Expressions on them, by name.

    Returns:
        The rows with more columns, and the same expressions on those.
    """
    choices = [c for one in features.values() for c in one.op().find(ops.IfElse, filter=ops.Value)]
    several = (end for c in choices for end in (c.true_expr, c.false_null_expr))
    ends = [end for end in dict.fromkeys(several) if not isinstance(end, ops.Field | ops.Literal)]
    if not ends:
        return rows, features
    wider = rows.mutate(**{f"end_{n}": end.to_expr() for n, end in enumerate(ends)})
    instead = {end: wider[f"end_{n}"].op() for n, end in enumerate(ends)}
    instead |= {rows[name].op(): wider[name].op() for name in rows.columns}
    return wider, {
        name: one.op().replace(instead, filter=ops.Value).to_expr()
        for name, one in features.items()
    }
