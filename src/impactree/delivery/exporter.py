"""What an exporter is: a destination, and a way to deliver finished run trees there."""

from __future__ import annotations

import abc
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from impactree.delivery.spool import spool

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence, Set

    from impactree.delivery.codec import Tree, TreeKey, ZoneOf
    from impactree.runs import Run

__all__ = ["SpooledExporter"]

_NOBODY: Final[Mapping[str, str]] = MappingProxyType({})


class SpooledExporter(abc.ABC):
    """Base of exporters whose trees go through the journal on disk and a background thread.

    A subclass names its :attr:`destination` and writes :meth:`deliver`; the rest is optional.
    """

    linger_s: float = 0.05
    """How long a batch waits for more trees to come, s; a flush and the process's end do not."""

    @property
    @abc.abstractmethod
    def destination(self) -> str:
        """Where trees go, as one line without secrets: the spool keeps them under this name.

        The next process that has an exporter with the same destination and owner replays what is
        left.
        """

    @property
    def owner(self) -> Mapping[str, str]:
        """Whom trees go as, and the options that shape them there, without secrets.

        An account, a project, a service's name. What waits under one owner is never delivered
        under another.
        """
        return _NOBODY

    @abc.abstractmethod
    def deliver(self, trees: Sequence[Tree]) -> None:
        """Deliver a batch, oldest first; called in a background thread, one batch at a time.

        A tree may come again with the same ``key`` (after a crash or an error), and with a higher
        revision (its late end arrived): then it replaces the earlier one.

        Raises:
            RetryLaterError: the destination is down or busy; the batch comes again. Any other
                exception means the same.
            DeliveryRefusedError: it takes nothing at all (wrong key); trees stay in the spool.
            TreeRejectedError: something in the batch it will never take: trees come again alone,
                twice, and are then set aside.
        """

    def delivered(self, keys: Set[TreeKey]) -> Set[TreeKey]:
        """Which of these are there already; asked after a crash or an error, before delivering.

        Only destinations that cannot recognise a repeated tree themselves need this.
        """
        return frozenset()

    def run_ended(self, run: Run) -> None:  # noqa: B027
        """A single run has ended (called inside the chain's callback: must be quick)."""

    def notes(self, root: Run) -> Mapping[str, Any] | None:
        """Plain values to keep with a finished tree: ``tree.notes`` when it is delivered.

        Called inside the chain's callback: must be quick.
        """
        return None

    def settle(self, timeout_s: float) -> bool:
        """After a flush has delivered all: have what was handed over to others sent.

        Returns:
            False: not within ``timeout_s`` s.
        """
        return True

    def before_fork(self) -> None:  # noqa: B027
        """Before a fork: close what a child must not inherit, such as a SQLite connection.

        Deliver what a fork must not fall into within ``impactree.delivery.forks.held_off()``.
        """

    def after_fork(self) -> None:  # noqa: B027
        """In a forked child: forget connections, without closing the parent's."""

    def close(self) -> None:  # noqa: B027
        """Close connections: after the last delivery, or until the next one opens them again."""

    # What the tracker calls

    def observe(self, run: Run, zone_of: ZoneOf) -> None:
        """A single run has ended; ``zone_of`` says which zone a call was estimated with."""
        self.run_ended(run)

    def export(self, root: Run) -> None:
        """Put a finished tree into the spool."""
        from impactree.methods import DEFAULT_METHOD

        spool().put(root, DEFAULT_METHOD, [self])

    def flush(self, timeout: float | None = None) -> bool:
        """Try everything pending at once, for up to ``timeout`` s (None: 30).

        Returns:
            True when nothing is left, what dead processes left included.
        """
        return spool().flush(timeout, [self])

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.destination}>"
