"""The boundary of every callback: what goes wrong inside never reaches the chain."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

from impactree.budget import BudgetExceededError

__all__ = ["guarded"]

_F = TypeVar("_F", bound=Callable[..., None])


def guarded(callback: _F) -> _F:
    """Catch, count and log once what a callback of a handler raises, but for a spent budget."""
    name = callback.__name__

    @functools.wraps(callback)
    def safe(self: Any, *args: Any, **kwargs: Any) -> None:
        try:
            callback(self, *args, **kwargs)
        except BudgetExceededError:
            raise  # the user asked for it
        except Exception as error:
            self.tracker.note_problem(f"{name}: {type(error).__name__}", error)

    return safe  # type: ignore[return-value]  # same signature, by functools.wraps
