"""Calls whose energy somebody knows (``energy_kwh``): of no method, by the same place and mix."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import ibis
import pyarrow as pa

from impactree.engine.known import OF_ELECTRICITY
from impactree.engine.places import zone_error
from impactree.methods import Mix, Site
from impactree.methods.known import embodied_share, figures_of_energy
from impactree.tables._small import codes
from impactree.values.messages import message

if TYPE_CHECKING:
    from collections.abc import Sequence

    import ibis.expr.types as ir

    from impactree.calls import ModelCall
    from impactree.engine import Engine
    from impactree.engine.engine import Plan
    from impactree.values.figures import Figures

__all__ = ["KNOWN_CELLS", "is_known", "known_cells", "known_figures", "known_words"]

_SITE: Final = tuple(f"known_{name}" for name in Site._fields)
_MIX: Final = tuple(f"known_mix_{name}" for name in Mix._fields[:4])
_MADE: Final = tuple(f"known_made_{place}" for place in range(9))
"""Of making one's own hardware per s of a call: gwp, adpe, pe; low, expected, high."""
_TEXTS: Final = ("known_warnings", "known_others", "known_errors")
"""What is said of the electricity; what else is said of the name; why there is no electricity."""
_UNCOUNTED: Final = codes((message("embodied-not-counted"),))
KNOWN_CELLS: Final = (
    *((name, pa.float64()) for name in (*_SITE, *_MIX, *_MADE)),
    *((name, pa.string()) for name in _TEXTS),
    *((name, pa.bool_()) for name in ("known_local", "known_own")),
)
"""Columns of the plans for such calls."""


def known_cells(plan: Plan, call: ModelCall, engine: Engine) -> dict[str, Any]:
    """What all calls of a plan have in common, whose energy is known."""
    found = plan.found
    of_electricity = [w for w in found.warnings if w.code.startswith(OF_ELECTRICITY)]
    said = {one.code for one in of_electricity}
    cells: dict[str, Any] = {
        "known_warnings": codes(of_electricity),
        "known_others": codes(w for w in plan.warnings if w.code not in said),
        "known_errors": "",
        "known_local": found.host.local,
    }
    share = embodied_share(found.deployment, found.generic, 1.0)
    cells["known_own"] = share is not None
    cells |= zip(_MADE, map(_number, share or ()), strict=False)
    if found.electricity is None:
        return cells | {"known_errors": codes((zone_error(engine.catalog, call.zone or ""),))}
    cells |= zip(_SITE, map(_number, found.site), strict=True)
    return cells | dict(zip(_MIX, map(_number, found.electricity.mix[:4]), strict=True))


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def is_known(rows: ir.Table) -> Any:
    """Whether a call's energy is known."""
    return rows.energy_kwh.notnull()


def known_figures(rows: ir.Table, by_method: Any, made: Sequence[Any]) -> Figures:
    """The figures of calls whose energy is known; parts of it are not.

    Args:
        rows: Calls with their plans.
        by_method: Whether the method estimates the call.
        made: What it then says of making the hardware.
    """
    latency = rows.latency_s if "latency_s" in rows.columns else ibis.null("float64")
    stated = rows.known_own & latency.notnull()
    own = (ibis.ifelse(stated, rows[name] * latency, 0.0) for name in _MADE)
    others = (ibis.ifelse(by_method, one, 0.0) for one in made) if made else (0.0,) * 9
    embodied = tuple(ibis.ifelse(rows.known_local, *both) for both in zip(own, others, strict=True))
    site = Site._make(rows[name] for name in _SITE)
    mix = Mix._make((*(rows[name] for name in _MIX), math.nan))
    return figures_of_energy(rows.energy_kwh, site, mix, inside=False, embodied=embodied)


def known_words(rows: ir.Table, by_method: Any) -> dict[str, Any]:
    """What is said of such calls, each after a space."""
    latency = rows.latency_s.notnull() if "latency_s" in rows.columns else ibis.literal(False)
    own = ibis.ifelse(rows.known_own & latency, "", _UNCOUNTED)
    judged = rows.judged_warnings + rows.media_warnings
    told = rows.known_others + rows.call_warnings + rows.noted + judged
    others = ibis.ifelse(by_method, told, _UNCOUNTED)
    said = rows.known_warnings + ibis.ifelse(rows.known_local, own, others)
    possible = rows.known_errors == ""
    return {"warnings": ibis.ifelse(possible, said, ""), "errors": rows.known_errors}
