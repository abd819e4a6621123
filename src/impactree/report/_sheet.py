"""Everything a report shows, gathered once: the rows of numbers, the totals and the sentences."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Final

from impactree.advice import Equivalents
from impactree.methods import METHODS
from impactree.report._beside import beside_text
from impactree.report._brief import brief
from impactree.report._groups import group_calls
from impactree.report._hints import cure, footnotes, hints
from impactree.report._layout import MAX_LINES, Entry, model_entries, parts_text, tree_entries
from impactree.report._tally import Coverage, avoided_of, cover, own_of
from impactree.values.formatting import clean
from impactree.values.messages import MESSAGES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from impactree.report._view import View
    from impactree.runs import Run
    from impactree.values.impacts import Impacts
    from impactree.values.messages import Message

__all__ = ["Sheet", "lay_out_report"]

_EMPTY: Final = (
    "no runs yet. A run is listed once its outermost chain, agent or graph has ended; for "
    'LangChain pass the handler along: chain.invoke(..., config={"callbacks": [handler]}). '
    "A block of track_impacts() follows what starts inside it; of LangChain's streams those whose "
    "reading begins inside, of plain threads none but with everywhere=True."
)
_MAX_SENTENCES: Final = 3
_FEW_MODELS: Final = 8
_FEWEST: Final = 12
"""Lines that trees get at least."""
_SMALL: Final = 40
"""Runs that are shown whatever the rest takes."""
_OTHER_LINES: Final = 26
"""What a report takes beside its tree and its models, as a rule."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """One report, laid out. All text is clean."""

    runs: int
    calls: int
    empty: str
    """What stands there instead of runs."""
    about: str
    """Method, zone and catalog; empty where they are not known."""
    roots: tuple[Run, ...]
    models: tuple[Entry, ...]
    total: Impacts
    avoided: Impacts
    parts: str
    """What the energy goes into: ``input 41 %, output 59 %``."""
    everyday: str
    """What the total means in daily life."""
    advice: tuple[tuple[str, str], ...]
    """What would save most, and what shows it."""
    uncounted: str
    """What the method leaves out, and what the other one says."""
    coverage: Coverage
    reasons: tuple[str, ...]
    """Why calls were not estimated."""
    warnings: tuple[str, ...]
    in_short: tuple[str, ...]
    """The warnings by their codes and cures."""
    footnotes: tuple[str, ...]
    """What holds of some calls, though nothing shows that it happened."""
    problems: tuple[str, ...]
    measured: tuple[str, ...]
    """What is known of energy: beside estimates, and what no call can claim."""
    history: str
    """What is no longer kept."""
    disclosures: tuple[str, ...]
    """What the makers of the models published about them."""
    credits: tuple[str, ...]
    """What the licences of the electricity factors want to be shown."""

    def brief(self) -> Sheet:
        """Where lines are few: the first advice alone, without evidence; of warnings the codes."""
        n = len(self.disclosures)
        made = (f"{n:,} figures of their own: report.disclosures",) if n > 1 else self.disclosures
        advice = tuple((said, "") for said, _ in self.advice[:2])
        return replace(self, warnings=self.in_short, disclosures=made, advice=advice)

    def tree(self, lines: int | None = None) -> tuple[Entry, ...]:
        """The trees in about so many lines; None: in what the rest leaves as a rule."""
        if lines is None:
            lines = MAX_LINES - _OTHER_LINES - len(self.models) - len(self.problems)
        runs = sum(1 for _ in islice((r for root in self.roots for r in root.walk()), _SMALL + 1))
        least = runs if runs <= _SMALL else _FEWEST
        return tuple(tree_entries([*self.roots], self.total, max(lines, least)))


def lay_out_report(report: View, lines: int = MAX_LINES) -> Sheet:
    """Gather what a report shows, in about so many lines where its trees are large."""
    roots = report.runs
    runs = [run for root in roots for run in root.walk()]
    calls = [run for run in runs if run.call is not None]
    few = lines <= MAX_LINES and len(runs) > 20 * lines
    groups = group_calls(roots, ("model",), None, None, 0)
    total = groups.total
    models = model_entries(groups, _FEW_MODELS) if few else model_entries(groups)
    said = [(run, own_of(run).warnings) for run in calls]
    more = hints(roots, runs, calls)
    problems = [f"{n:,} × {clean(name)}" for name, n in report.problems.items()]
    grounds = report.grounds(calls)
    return Sheet(
        runs=len(roots),
        calls=len(calls),
        empty=report.hint or _EMPTY,
        about=_about(report),
        roots=tuple(roots),
        models=tuple(models),
        total=total,
        avoided=avoided_of(calls),
        parts=parts_text(total),
        everyday=Equivalents(total, report.catalog.equivalents).line,
        advice=brief(report, len(calls)),
        uncounted=_uncounted(report),
        coverage=cover(calls),
        reasons=tuple(_sentences((run, own_of(run).errors[:1]) for run in calls)),
        warnings=(*_sentences(said), *more),
        in_short=(*_in_short(_sentences(said, brief=True)), *more),
        footnotes=tuple(footnotes(calls)),
        problems=tuple(problems),
        measured=tuple(_measured(report, calls)),
        history=_history(report),
        disclosures=grounds.disclosures,
        credits=grounds.credits,
    )


def _uncounted(report: View) -> str:
    found = report.uncounted
    if found is None:
        return ""
    share, other = found
    text = f"{share:.0%} of the tokens are input, which {report.method} does not count"
    if other.estimated:
        text += f"; impactree-1, which does, says {other.energy}, {other.gwp}"
    return clean(f"{text} (report(method='impactree-1'))")


def _measured(report: View, calls: list[Run]) -> Iterator[str]:
    yield from (beside_text(one) for one in report.beside(calls))
    left = report.unattributed
    if left is not None and left.energy is not None and left.energy.value.mean:
        yield (
            f"unattributed: {left.energy}, {left.gwp} was read while no measured call ran, or is "
            "the idle machine's; in no figure above"
        )
    if report.metering is not None:
        yield f"read: {clean(report.metering)}; each second, and where a call starts and ends"


def _about(report: View) -> str:
    assumed = f"WHAT IF {report.assumed}: " if report.assumed else ""
    return clean(assumed + _made_by(report)).removesuffix(": ")


def _made_by(report: View) -> str:
    if report.method is None:
        return ""
    if report.catalog_version is None:
        return f"method {report.method}"
    zone = f"zone {report.zone}" if report.zone else "zone of each host"
    method = METHODS.get(report.method)  # a file may name one of another release
    interval = f". {method.interval}" if method and method.interval else ""
    return f"method {report.method}, {zone}, catalog {report.catalog_version}{interval}"


def _in_short(sentences: list[str]) -> list[str]:
    """Those without a cure in one."""
    bare = [sentence.removesuffix(":") for sentence in sentences if sentence.endswith(":")]
    return [*filter(None, [", ".join(bare)]), *(s for s in sentences if not s.endswith(":"))]


def _sentences(
    said: Iterable[tuple[Run, tuple[Message, ...]]], *, brief: bool = False
) -> list[str]:
    """Per code, its calls, its sentence, and the details, of which a few stand for many.

    Brief: its calls and its cure.
    """
    alike: dict[int, tuple[Run, tuple[Message, ...], list[Run]]] = {}
    for run, messages in said:  # one tuple for all calls alike
        if messages:
            known = alike.get(id(messages)) or alike.setdefault(id(messages), (run, messages, []))
            known[2].append(run)
    by_code: dict[str, Counter[str]] = {}
    example: dict[str, Run] = {}
    for run, messages, runs in alike.values():
        for message in messages:
            by_code.setdefault(message.code, Counter())[message.message] += len(runs)
            example.setdefault(message.code, run)
    out = []
    for code, sentences in by_code.items():
        what = "1 call" if sentences.total() == 1 else f"{sentences.total():,} calls"
        advice = cure(code, example[code])
        if brief:
            out.append(f"{code} ({what}):{advice and f' {advice}'}")
            continue
        shown = [clean(text) for text, _ in sentences.most_common(_MAX_SENTENCES)]
        shown[1:] = (text.removeprefix(MESSAGES.get(code, "")).strip() for text in shown[1:])
        more = len(sentences) - len(shown)
        tail = f" And {more:,} more like it." if more else ""
        out.append(f"{code} ({what}): {' '.join(shown)}{tail}{advice and f' {advice}'}")
    return out


def _history(report: View) -> str:
    gone = report.older_runs
    if not gone:
        return ""
    what = "1 older run is" if gone == 1 else f"{gone:,} older runs are"
    text = f"{what} no longer kept and not in the figures above."
    if report.total_ever is not None:
        text += f" Total of every call so far: {clean(str(report.total_ever))}"
    return text
