"""The boundary of every callback: what goes wrong inside never reaches the user's code."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeVar

from impactree.exceptions import BudgetExceededError

if TYPE_CHECKING:
    from impactree.runs import RunStatus
    from impactree.tracker import ImpactTracker

__all__ = ["failed", "guarded", "may_have_answered", "status_of"]

_F = TypeVar("_F", bound=Callable[..., Any])


def guarded(callback: _F) -> _F:
    """Catch, count and log once what a method of an object with a ``tracker`` raises.

    Only a spent budget passes: to stop the chain is its purpose.
    """
    name = callback.__name__

    @functools.wraps(callback)
    def safe(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return callback(self, *args, **kwargs)
        except Exception as error:
            failed(self.tracker, name, error)

    return safe  # type: ignore[return-value]  # same signature, by functools.wraps


def failed(tracker: ImpactTracker, callback: str, error: Exception) -> None:
    """As :func:`guarded`, for callbacks so frequent that a wrapper would cost as much as they do.

    Raises:
        BudgetExceededError: it was that: the user asked for it.
    """
    if isinstance(error, BudgetExceededError):
        raise error
    tracker.note_problem(f"{callback}: {type(error).__name__}", error)


# By the names of their classes: no client is imported for it.
_UNHEARD: Final = (
    *("Timeout", "Cancel", "DeadlineExceeded", "GeneratorExit", "KeyboardInterrupt"),
    *("ReadError", "RemoteProtocolError", "IncompleteRead", "ConnectionReset", "ChunkedEncoding"),
    *("JSONDecode", "ValidationError"),
)
_NEVER_SENT: Final = ("ConnectTimeout", "ConnectError", "PoolTimeout", "ConnectionRefused")
_MAX_CAUSES: Final = 8


def may_have_answered(error: BaseException | None) -> bool:
    """Whether a model may have worked although its client raised.

    Requests that were cancelled or timed out, connections that were lost on the way, answers that
    the client could not read. An error that the server or a refused connection told is none.
    """
    names: list[str] = []
    for _ in range(_MAX_CAUSES):
        if error is None:
            break
        names += [cls.__name__ for cls in type(error).__mro__]
        error = error.__cause__ or error.__context__
    told = " ".join(names)
    return not any(name in told for name in _NEVER_SENT) and any(n in told for n in _UNHEARD)


def status_of(error: BaseException | None) -> RunStatus:
    """How a run ended, by the type of what it raised."""
    if error is None:
        return "ok"
    if isinstance(error, GeneratorExit):
        return "abandoned"
    # asyncio, and control flow of LangGraph and of workflows, recognised without importing them.
    lineage = {cls.__name__ for cls in type(error).__mro__}
    if lineage & {"CancelledError", "KeyboardInterrupt"}:
        return "cancelled"
    if lineage & {"ParentCommand", "WorkflowDone"}:
        return "ok"
    if lineage & {"GraphBubbleUp", "GraphInterrupt", "WaitingForEvent"}:
        return "interrupted"
    return "cancelled" if "WorkflowCancelledByUser" in lineage else "error"
