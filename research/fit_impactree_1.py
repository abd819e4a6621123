"""Refit the constants of impactree-1 and print every table of its page.

    python research/fit_impactree_1.py [ROWS.csv] [--held-out OTHER.csv] [--architectures A.csv]
        [--plots docs/methodology] [--check]

Rows have the columns of ``research/data/mlenergy_v3_text.csv``. Only they are fitted; a held-out
file is scored, never fitted. An architecture that no table holds follows from the row's active and
total parameters. ``--check`` fails where the shipped constants do not follow from the pinned rows.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT / "src"), str(Path(__file__).parent)]

from impactree.methods.impactree_1.constants import FITTED, INPUT_SHA256, SPREAD
from impactree_fit import prefill, tables
from impactree_fit.fitting import FREE, bootstrap, fit
from impactree_fit.rows import (
    ARCHITECTURES,
    OLDER,
    ROWS,
    digest,
    read_architectures,
    read_rows,
    read_sizes,
)
from impactree_fit.validation import across_hardware, leave_one_out, spread, validate

SEED = 20261128
DRAWS = 100
TOLERANCE = 2e-3
"""Relative: what another release of the solver may change in a constant."""


def main() -> int:
    """Fit, score, print; 1 where ``--check`` fails."""
    asked = _arguments()
    architectures = read_architectures(ARCHITECTURES)
    if asked.architectures:
        architectures |= read_architectures(asked.architectures)
    rows, sizes = read_rows(asked.rows, architectures), read_sizes(asked.rows)
    c = fit(rows)
    held = leave_one_out(rows, sizes)
    s = spread(rows, held, sizes, c)
    print(f"rows: {asked.rows.name}, {len(rows)}, sha256 {digest(asked.rows)}; seed {SEED}\n")
    if asked.check:
        return _check(asked.rows, c, s)
    drawn = bootstrap(rows, DRAWS, SEED)
    scores = validate(rows, sizes)
    crossed = {f"{a}, tested on {b}": across_hardware(rows, a, b) for a, b in _pairs(rows)}
    print(tables.constants(c, drawn))
    print(tables.correlation(drawn))
    print(f"Interval: {', '.join(f'{k} {v:.3g}' for k, v in s._asdict().items())}\n")
    print(tables.accuracy(scores, crossed))
    print(tables.intervals(scores))
    print(tables.groups(scores))
    print(tables.folds(scores))
    print(tables.prompts(prefill.check(c, s.model, SPREAD.prefill, architectures)))
    for path in filter(None, (OLDER, asked.held_out)):
        print(tables.held_out(path.name, c, read_rows(path, architectures), s.model))
    if asked.plots:
        from impactree_fit import plots

        print(*plots.write(scores, asked.plots), sep="\n")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("rows", nargs="?", type=Path, default=ROWS, help="measured rows to fit")
    parser.add_argument("--held-out", type=Path, help="rows to score and not to fit")
    parser.add_argument("--architectures", type=Path, help="architectures of further models")
    parser.add_argument("--plots", type=Path, help="folder for the plots of residuals")
    parser.add_argument("--check", action="store_true", help="compare with the shipped constants")
    return parser.parse_args()


def _pairs(rows: object) -> list[tuple[str, str]]:
    names = sorted(set(rows.gpu))  # type: ignore[attr-defined]
    return [(a, b) for a in names for b in names if a != b]


def _check(path: Path, c: object, s: object) -> int:
    if digest(path) != INPUT_SHA256:
        print(f"the rows differ from the pinned ones, sha256 {INPUT_SHA256}")
        return 1
    wanted = {n: (getattr(FITTED, n), getattr(c, n)) for n in FREE}
    wanted |= {n: (getattr(SPREAD, n), v) for n, v in s._asdict().items()}  # type: ignore[attr-defined]
    off = {n: (a, b) for n, (a, b) in wanted.items() if abs(a / b - 1) > TOLERANCE}
    for name, (shipped, refitted) in off.items():
        print(f"{name}: shipped {shipped:.6g}, refitted {refitted:.6g}")
    print("the constants follow from the rows" if not off else "the constants do not follow")
    return 1 if off else 0


if __name__ == "__main__":
    sys.exit(main())
