"""Which calls may hide attempts that their client made by itself, and what points to some."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, Final

from impactree.calls.retrying import MAY_RETRY

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from impactree.runs import Run

__all__ = ["retrying"]

_FEWEST: Final = 3
"""Calls whose times tell what is usual."""
_LONGER: Final = 2.0
"""How many times as long as usual a call takes that may have been asked twice."""
_WAIT_S: Final = 0.375
"""What a client waits at least before it asks again: 0.5 s less a quarter (openai, anthropic)."""


def retrying(calls: Sequence[Run]) -> Iterator[tuple[Run, bool]]:
    """Calls of clients that may ask again, and whether anything points to it.

    That is a failure, or a time that is more than twice the median of the model's calls, both in
    all and per token of the answer.
    """
    own = [run for run in calls if not run.cached and run.metadata.get(MAY_RETRY)]
    by_model: dict[str, list[Run]] = {}
    for run in own:
        if run.call is not None and run.call.latency_s:
            by_model.setdefault(run.call.model, []).append(run)
    usual = {name: _usual(runs) for name, runs in by_model.items() if len(runs) >= _FEWEST}
    for run in own:
        known = usual.get(run.call.model) if run.call is not None else None
        yield run, run.status == "error" or (known is not None and _is_slow(run, *known))


def _usual(runs: list[Run]) -> tuple[float, float]:
    """The medians of calls: s, and s per output token."""
    times = [_times(run) for run in runs]
    return median(whole for whole, _ in times), median(each for _, each in times)


def _is_slow(run: Run, whole_s: float, each_s: float) -> bool:
    whole, each = _times(run)
    return whole > max(_LONGER * whole_s, whole_s + _WAIT_S) and each > _LONGER * each_s


def _times(run: Run) -> tuple[float, float]:
    call = run.call
    if call is None or not call.latency_s:
        return 0.0, 0.0
    return call.latency_s, call.latency_s / max(call.output_tokens or 0, 1)
