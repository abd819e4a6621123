"""What the delivery asks of an exporter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence, Set

    from impactree.delivery.codec import Tree, TreeKey
    from impactree.runs import Run

__all__ = ["Writer"]


class Writer(Protocol):
    """See :class:`impactree.exporters.SpooledExporter`, which documents each of these."""

    linger_s: float

    @property
    def destination(self) -> str:
        """Where trees go."""
        ...

    @property
    def owner(self) -> Mapping[str, str]:
        """Whom they go as."""
        ...

    def deliver(self, trees: Sequence[Tree], /) -> None:
        """Deliver a batch."""
        ...

    def delivered(self, keys: Set[TreeKey], /) -> Set[TreeKey]:
        """Which are there already."""
        ...

    def notes(self, root: Run, /) -> Mapping[str, Any] | None:
        """What to keep with a tree."""
        ...

    def settle(self, timeout_s: float, /) -> bool:
        """Have what was handed over sent."""
        ...

    def before_fork(self) -> None:
        """Close what a child must not inherit."""
        ...

    def after_fork(self) -> None:
        """Forget connections."""
        ...

    def close(self) -> None:
        """Close connections."""
        ...
