"""``with track_impacts() as tracker:`` everything inside, in both frameworks, one tracker."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Unpack

from impactree.tracker import ImpactTracker, active_trackers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from contextvars import Token
    from types import TracebackType

    from impactree.engine.settings import TrackerSettings
    from impactree.runs import Exporter
    from impactree.runs.budget import ImpactBudget

__all__ = ["track_impacts"]


class track_impacts:  # noqa: N801  # used as a function, like the frameworks' own
    """Track every run of LangChain, LangGraph and LlamaIndex inside a block.

    No ``config`` has to be passed. Tasks and the frameworks' own threads are included; a plain
    ``threading.Thread`` or executor sees the block when it is started through
    ``contextvars.copy_context().run``, or with ``everywhere``. Blocks nest: the inner runs count in
    both. Works with ``with`` and ``async with``, and always detaches at the end.

    Args:
        everywhere: Follow the whole process meanwhile, whatever thread, task or context. A call
            in a thread without a context of its own shows as a root, and the report says so.
        exporters: Where finished run trees go.
        max_runs: How many finished trees to keep; totals go on counting beyond it.
        budget: Warn, or stop the chain before the next model call, when impacts exceed it.
            LlamaIndex's calls can only be warned about.
        totals_by: Keys of ``report.by()`` (a tuple for several at once) whose groups go on counting
            what is no longer kept.
        **settings: ``zone``, ``region``, ``method``, ...: see
            :class:`impactree.engine.settings.TrackerSettings`.

    Raises:
        ConfigurationError: a setting is wrong.
        RuntimeError: on entering a block that is open already.

    Example:
        ```python
        with track_impacts(zone="FRA") as tracker:
            agent.invoke({"messages": [("user", "Hi")]})
        print(tracker.report())
        ```
    """

    def __init__(
        self,
        *,
        everywhere: bool = False,
        exporters: Iterable[Exporter] = (),
        max_runs: int | None = None,
        budget: ImpactBudget | None = None,
        totals_by: Iterable[str | tuple[str, ...]] = (),
        **settings: Unpack[TrackerSettings],
    ) -> None:
        self._everywhere = everywhere
        self.tracker = ImpactTracker(
            exporters=exporters, max_runs=max_runs, totals_by=totals_by, **settings
        )
        self._budget = budget
        self._token: Token[tuple[ImpactTracker, ...]] | None = None
        self._detach: list[Callable[[], None]] = []

    def __enter__(self) -> ImpactTracker:
        if self._token is not None:
            raise RuntimeError(
                "this block is open already: each needs a track_impacts() of its own"
            )
        self._token = active_trackers.set((*active_trackers.get(), self.tracker))
        try:
            for package, adapter in (
                ("langchain_core", "impactree.langchain"),
                ("llama_index_instrumentation", "impactree.llama_index"),
            ):
                if find_spec(package) is not None:
                    module = import_module(adapter)
                    self._detach.append(
                        module.attach(self.tracker, self._budget, everywhere=self._everywhere)
                    )
        except BaseException:
            self._leave()
            raise
        return self.tracker

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._leave()

    async def __aenter__(self) -> ImpactTracker:
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._leave()

    def _leave(self) -> None:
        while self._detach:
            self._detach.pop()()
        if self._token is not None:
            try:
                active_trackers.reset(self._token)
            except ValueError:
                # Left in another context than it was entered in (an async generator's end).
                rest = tuple(t for t in active_trackers.get() if t is not self.tracker)
                active_trackers.set(rest)
            self._token = None
