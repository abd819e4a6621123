"""What of the calls' quantities is unknown: a small table beside the calls, judged once each."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Final

import ibis
import pyarrow as pa

from impactree.calls import Tokens
from impactree.engine.engine import usage_message
from impactree.methods import Judgement, covers_media
from impactree.tables._placing import fetched
from impactree.tables._small import Small, codes, small
from impactree.values.messages import message

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    import ibis.expr.types as ir

    from impactree.engine import Engine

__all__ = ["judgements", "missing", "notes"]

_NAMES: Final = ("input", "output", "cached_input", "cache_write", "reasoning")
_UNKNOWN: Final = {name: 1 << place for place, name in enumerate(_NAMES)}
_ABOVE: Final = {name: 1 << (place + 5) for place, name in enumerate(_NAMES[2:])}
_SUMMED: Final = 256
_UNCOUNTED: Final = 512
_LOCALLY: Final = 1024
"""Bits of ``missing``: of a count that it is not known, of a part that it is above its whole, of
a record that it sums requests, or does not say how many, and that tokens were counted locally."""


def missing(calls: ir.Table, given: Collection[str]) -> Any:
    """What of the tokens is not known or contradicts itself, as bits of a number.

    Args:
        calls: As ``prepared``.
        given: The columns that its maker has.
    """
    parts = _parts(calls, given)
    nothing = sum(bit for name, bit in _UNKNOWN.items() if f"{name}_tokens" not in calls.columns)
    bits = ibis.literal(nothing, "int16")
    for condition, bit in parts:
        bits = bits + ibis.ifelse(condition, bit, 0)
    return bits.cast("int16")


def _parts(calls: ir.Table, given: Collection[str]) -> list[tuple[Any, int]]:
    """When which bit is set."""
    known = {n: calls[f"{n}_tokens"] for n in _NAMES if f"{n}_tokens" in calls.columns}
    parts = [(column.isnull(), _UNKNOWN[name]) for name, column in known.items()]
    read, wrote = known.get("input"), known.get("output")
    cached, written = known.get("cached_input"), known.get("cache_write")
    if read is not None and cached is not None:
        parts.append((cached > read, _ABOVE["cached_input"]))
    if read is not None and written is not None:
        whole = written if cached is None else written + cached.fill_null(0)
        parts.append((whole > read, _ABOVE["cache_write"]))
    if "reasoning" in known:
        whole = ibis.literal(0) if wrote is None else wrote.fill_null(0)
        parts.append((known["reasoning"] > whole, _ABOVE["reasoning"]))
    if "requests" in given:
        parts += [(calls.requests > 1, _SUMMED), (calls.requests < 1, _UNCOUNTED)]
    if "tokens_source" in given:
        parts.append((calls.tokens_source == "counted", _LOCALLY))
    return parts


def judgements(
    calls: ir.Table, given: Collection[str], kinds: Iterable[str], engine: Engine
) -> Small:
    """What the method says of all that can be missing of calls of these kinds.

    The arguments are those of :func:`missing`. Few columns can lack in few ways: working all of
    them out is quicker than to read a large table for those that are there.
    """
    bits = [bit for _, bit in _parts(calls, given)]
    nothing = sum(bit for name, bit in _UNKNOWN.items() if f"{name}_tokens" not in calls.columns)
    states = [nothing]
    for bit in bits:
        states += [state + bit for state in states]
    states = [state for state in states if not (state & _SUMMED and state & _UNCOUNTED)]
    keys = [(kind, state) for kind in kinds for state in states]
    method: Any = engine.method
    rows = [_judged(kind, state, method) for kind, state in keys]
    found = pa.table(
        {
            "kind": pa.array([kind for kind, _ in keys], pa.string()),
            "missing": pa.array([state for _, state in keys], pa.int16()),
        }
    )
    columns = zip(*rows, strict=True) if rows else [()] * len(_JUDGED)
    return small(
        found,
        {n: pa.array(c, k) for (n, k), c in zip(_JUDGED.items(), columns, strict=True)},
    )


_JUDGED: Final = {
    "call_warnings": pa.string(),
    "judged_warnings": pa.string(),
    "judged_errors": pa.string(),
    "counted": pa.bool_(),
}


@cache
def _judged(kind: str, bits: int, method: Any) -> tuple[str, str, str, bool]:
    judged = Judgement()  # of films and pictures: with their plans
    if not covers_media(method.name, kind):
        judged = method.judge(_like(bits), kind)
    warnings, errors = judged
    if bits & _SUMMED and not method.linear:
        warnings = (*warnings, message("requests-summed"))
    if bits & _UNCOUNTED and not method.linear:
        errors = errors or (message("requests-unknown"),)
    elif bits & _UNCOUNTED:
        warnings = (*warnings, message("requests-unknown"))
    counted = bool(bits & _LOCALLY)
    said = (message("token-count-approximate"),) if counted else ()
    return codes(said), codes(warnings), codes(errors), counted


def notes(calls: ir.Table) -> Small:
    """What the notes on the reading of usage say."""
    found = fetched(calls.select("usage_notes").distinct())
    said = [codes(map(usage_message, (n or "").split())) for n in found[0].to_pylist()]
    return small(found, {"noted": pa.array(said, pa.string())})


def _like(bits: int) -> Tokens:
    """Quantities of which the same is unknown, and the same parts are above their wholes."""
    whole, fits, above = 10, 0, 20
    found: dict[str, int | None] = {"input": whole, "output": whole}
    found |= {name: above if bits & bit else fits for name, bit in _ABOVE.items()}
    return Tokens(**{n: None if bits & _UNKNOWN[n] else found[n] for n in _NAMES})
