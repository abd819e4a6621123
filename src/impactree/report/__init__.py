"""A report over finished run trees: totals, groups, comparisons; as text, tables, data, HTML."""

from __future__ import annotations

import json
from os import PathLike
from typing import IO, TYPE_CHECKING, Any, Final, Protocol, Self

from impactree.report._acting import Acting
from impactree.report._diff import Change, compare
from impactree.report._groups import Group, RunningTotals
from impactree.report._shown import Diff, Groups
from impactree.report._tally import Coverage
from impactree.report._view import Pages, View
from impactree.runs import Run
from impactree.runs.run import show_runs_by

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from rich.console import Console, ConsoleOptions, RenderResult

    from impactree.engine import Engine
    from impactree.report._keys import Key
    from impactree.report.renderers.flat import Per
    from impactree.values.impacts import Impacts

__all__ = [
    "Change",
    "Coverage",
    "Diff",
    "Group",
    "Groups",
    "Report",
    "RunningTotals",
    "report_of",
    "schema",
]

_SCHEMAS: Final = ("impacts", "report")


class Tracked(Protocol):
    """What a report reads of a tracker."""

    @property
    def engine(self) -> Engine: ...
    @property
    def runs(self) -> Sequence[Run]: ...
    @property
    def finished_runs(self) -> int: ...
    @property
    def problems(self) -> Mapping[str, int]: ...
    @property
    def total(self) -> Impacts: ...
    @property
    def older(self) -> RunningTotals | None: ...
    @property
    def advice(self) -> str | None: ...
    @property
    def pages(self) -> Pages: ...
    @property
    def metered(self) -> Mapping[str, Any]: ...


class Report(Acting):
    """A view over some root runs. ``print()`` it, ask it for groups, or take its data.

    The list of runs is fixed when the report is made; the figures are read from the runs when you
    ask, so an answer that came late is in them.

    Args:
        runs: Runs to report on, each with everything under it; oldest first.
        method: Name of the method that the runs were estimated with.
        zone: The zone asked for; None: that of whoever ran each model.
        catalog_version: Version of the catalog.
        problems: What went wrong inside the tracker, and how often.
        finished_runs: Finished roots ever, those no longer kept included.
        total_ever: Impacts of all calls ever.
        hint: What it says while there are no runs.
        what_if: What is otherwise than it was.
        older: Groups of the runs no longer kept.
        engine: Places models for ``by("maker")``, ``by("host")`` and ``by("zone")``; None: one by
            the present settings.
        unattributed, metering: Of what is measured on this machine; see the attributes.
        grounds: What the figures rest on, beside what the engine knows: of a report that was read.

    Raises:
        TypeError: something in ``runs`` is not a Run.
    """

    @classmethod
    def of(cls, tracker: Tracked, run: Any = None, method: str | None = None) -> Self:
        """A report over the finished root runs that a tracker keeps.

        Args:
            tracker: An ImpactTracker.
            run: One run instead, or its id, with everything under it.
            method: Name of another method, by which every call is estimated anew; settings stay.

        Raises:
            LookupError: a run with this id is not kept.
            ConfigurationError: an unknown method.
        """
        engine = tracker.engine
        finished_runs = tracker.finished_runs  # first: a run may end meanwhile
        runs = tracker.runs if run is None else [_kept(tracker, run)]
        anew = method is not None and method != engine.method.name
        if method is not None and anew:
            from impactree.report._copy import estimated_anew

            engine = engine.by(method)
            runs = [estimated_anew(root, engine) for root in runs]
        known: dict[str, Any] = {
            "method": engine.method.name,
            "zone": engine.zone,
            "catalog_version": engine.catalog.version,
            "engine": engine,
            "hint": tracker.advice,
            "pages": tracker.pages,
        }
        if run is None:
            known |= {"problems": tracker.problems, "finished_runs": finished_runs}
            known |= tracker.metered
            if not anew:
                known |= {"total_ever": tracker.total, "older": tracker.older}
        return cls(runs, **known)

    @classmethod
    def from_json(cls, source: str | bytes | Path | IO[Any] | dict[str, Any]) -> Self:
        """The report of a JSON text, as :meth:`to_json` writes it; formats 1 and 2.

        Ids are text afterwards. ``by("maker")``, ``by("host")`` and ``by("zone")`` place models by
        the present catalog and settings.

        Args:
            source: The text, its bytes, an open file, a ``Path``, or the object it holds.

        Raises:
            ReportFormatError: cut off, broken, something else, or newer: says what and where.
            OSError: the file cannot be read.
        """
        from impactree.report._reading import read_report

        runs, known = read_report(source)
        return cls(runs, **known)

    def by(self, *keys: Key) -> Groups:
        """The model calls in groups, the one with most greenhouse gases first. Print it.

        Groups sum to the total. Calls without the attribute stand under None. Attributes that are
        not the call's own come from its nearest ancestor that has them. By several keys a label is
        a tuple.

        Args:
            *keys: ``model`` (its name as answered), ``provider`` (who was asked), ``maker``,
                ``host`` and ``zone`` (as the estimate places the call), ``kind``, ``status`` and
                ``name`` (of the call's run), ``root`` (name of the outermost run), ``day`` (UTC),
                ``agent``, ``node``, ``step`` (``"1 model"``), ``tool``, ``thread``, ``user``,
                ``metadata.KEY``, ``tag`` (a call with two tags stands in both groups, so that
                shares may add up to more than 1), or a function of the call's run.

        Raises:
            ValueError: an unknown key, or none.
            TypeError: something that is no key, or a function's label that cannot be hashed.
        """
        found = self.grouped(keys)
        return Groups(
            found,
            by=found.by,
            total=found.total,
            tally=found.tally,
            older_runs=found.older_runs,
            credits=self.credits,
        )

    def merge(self, *others: View) -> Self:
        """One report over the runs of several, such as one per machine.

        The same run id twice counts once, in its later revision.

        Raises:
            ValueError: they were estimated by two methods.
            TypeError: something that is no report.
        """
        from impactree.report._merge import merged

        for other in others:
            _check_view("merge", other)
        runs, known = merged([self, *others])
        return type(self)(runs, engine=self._engine, **known)

    def diff(self, other: View, *, by: Key | Sequence[Key] | None = None) -> Diff:
        """What changed since ``other``: calls matched by the names on their path. Print it.

        Args:
            other: The report from before.
            by: Match groups instead, those of :meth:`by`: a key, or several in a list.

        Raises:
            ValueError: they were estimated by two methods, or an unknown key.
            TypeError: something that is no report, or no key.
        """
        _check_view("diff", other)
        return Diff(**compare(other, self, by))

    # As data

    def to_dict(self) -> dict[str, Any]:
        """Plain data in the shape of ``schema("report")``: runs as a flat list, parents first."""
        from impactree.report.renderers.data import report_dict

        return report_dict(self)

    def to_json(
        self, file: IO[str] | str | PathLike[str] | None = None, *, indent: int | None = None
    ) -> str | None:
        """:meth:`to_dict` as JSON.

        Args:
            file: Written to piece by piece, so that any number of runs takes little memory: an open
                text file, or the path of one that is written whole or not at all. None: the text is
                returned.
            indent: Spaces per level; without it runs are written fastest.
        """
        from impactree.report._files import replacing
        from impactree.report.renderers.data import json_chunks

        chunks = json_chunks(self)
        if indent is not None:
            chunks = json.JSONEncoder(indent=indent).iterencode(self.to_dict())
        if file is None:
            return "".join(chunks)
        if isinstance(file, str | PathLike):
            with replacing(file) as opened:
                opened.writelines(chunks)
        else:
            file.writelines(chunks)
        return None

    def to_dataframe(self, per: Per = "call", *, backend: str | None = None) -> Any:
        """One flat row per model call (or per run, or per root), in pandas, polars or pyarrow.

        Figures are columns such as ``gwp_kgco2eq_min``, ``_mean``, ``_max``; None where nothing was
        estimated. Token counts of a run sum up what is under it.

        Args:
            per: ``call``, ``run`` or ``root``.
            backend: ``pandas``, ``polars`` or ``pyarrow``; None: the one that is imported, else the
                first that is installed.

        Raises:
            MissingExtraError: narwhals, or all three, are not installed.
            ValueError: another ``per`` or ``backend``.
        """
        from impactree.report.renderers.flat import report_columns, to_frame

        return to_frame(report_columns(self, per), backend)

    def to_csv(self, path: str | Path | None = None, *, per: Per = "call") -> str | None:
        """The rows of :meth:`to_dataframe` as CSV; text is never a formula to a spreadsheet.

        What licences want to be shown (:attr:`credits`) stands in a file beside it, with
        ``.credits.txt`` after the name, so that the table keeps its shape.

        Args:
            path: A file, written whole or not at all; None: the text is returned.
            per: ``call``, ``run`` or ``root``.
        """
        from impactree.report.renderers.flat import report_columns, to_csv

        return to_csv(report_columns(self, per), path, self.credits)

    def to_parquet(self, path: str | Path, *, per: Per = "call") -> None:
        """The rows of :meth:`to_dataframe` as a Parquet file, written whole or not at all.

        Its metadata has what licences want to be shown (``impactree.credits``, one a line), and
        the factors with their years, licences and sources (``impactree.factors``, JSON).

        Raises:
            MissingExtraError: pyarrow or narwhals is not installed.
        """
        from impactree.report.renderers.flat import report_columns, to_parquet

        to_parquet(report_columns(self, per), path, self.credits, self.factors)

    # To read

    def to_html(self, path: str | PathLike[str] | None = None) -> str | None:
        """The report as a page for the browser: one file, which asks nothing of any host.

        In a notebook the report then links to it, and so do later ones of the same handler.

        Args:
            path: A file, written whole or not at all; None: the text is returned.

        Raises:
            PageNotBuiltError: the installation was built without the page's script.
        """
        from impactree.report._files import replacing
        from impactree.report.renderers.page import page_chunks

        chunks = page_chunks(self, self._engine)
        if path is None:
            return "".join(chunks)
        with replacing(path) as file:
            file.writelines(chunks)
        self._note_page(path)
        return None

    def to_markdown(self) -> str:
        """The report in GitHub's Markdown."""
        from impactree.report.renderers.markdown import report_markdown

        return report_markdown(self)

    def to_text(self, width: int | None = None) -> str:
        """The report as plain text, at most ``width`` columns wide.

        None: as wide as the terminal or ``COLUMNS`` says, from 60 to 200; 100 without either.
        """
        from impactree.report.renderers.text import checked_width, plain, report_lines

        return plain(report_lines(self, checked_width(width)))

    def __str__(self) -> str:
        return self.to_text()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from impactree.report.renderers.text import report_lines, rich_lines

        yield from rich_lines(report_lines(self, options.max_width))

    def _repr_html_(self) -> str:
        from impactree.report.renderers.html import report_html

        return report_html(self, *self._written())

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/plain": self.to_text(), "text/html": self._repr_html_()}

    def __repr__(self) -> str:
        return f"<Report {len(self.runs)} runs, {self.calls} calls>"


def _check_view(asked: str, other: object) -> None:
    if not isinstance(other, View):
        near = "; for a run give run.report()" if isinstance(other, Run) else ""
        near = "; for a file give Report.from_json(Path(...))" if isinstance(other, str) else near
        raise TypeError(f"{asked} takes a Report, not {other!r:.80}{near}")


def _kept(tracker: Tracked, run: Any) -> Run:
    if isinstance(run, Run):
        return run
    wanted = str(run)
    every = (one for root in tracker.runs for one in root.walk())
    found = next((one for one in every if str(one.id) == wanted), None)
    if found is None:
        raise LookupError(f"no run {wanted!r:.80} is kept: handler.runs lists the root runs")
    return found


def schema(name: str) -> dict[str, Any]:
    """A published JSON schema (2020-12), complete in itself.

    Args:
        name: ``impacts`` for :meth:`Impacts.to_dict`, ``report`` for :meth:`Report.to_dict`.

    Raises:
        ValueError: no such schema.
    """
    if name not in _SCHEMAS:
        raise ValueError(f"no schema {name!r:.80}; there are {', '.join(_SCHEMAS)}")
    found = _read_schema(name)
    if name != "impacts":
        found["$defs"]["impacts"] = _read_schema("impacts")  # found by its $id
    return found


def _read_schema(name: str) -> dict[str, Any]:
    from importlib import resources

    path = resources.files("impactree") / "schemas" / f"{name}.schema.json"
    found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return found


def report_of(run: Run) -> Report:
    """A report over a run that knows no tracker: its models are placed by the present settings."""
    from impactree.engine import shared_engine
    from impactree.methods import METHODS

    method = run.total.method
    engine = shared_engine().by(method) if method in METHODS else None
    return Report([run], method=method, engine=engine)


show_runs_by(report_of)
