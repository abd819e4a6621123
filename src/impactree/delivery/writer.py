"""What the delivery asks of an exporter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence, Set

    from impactree.delivery.codec import Tree
    from impactree.runs import Run

__all__ = ["Writer"]


class Writer(Protocol):
    """See :class:`impactree.exporters.SpooledExporter`, which documents each of these."""

    linger_s: float

    @property
    def destination(self) -> str: ...

    @property
    def owner(self) -> Mapping[str, str]: ...

    def deliver(self, trees: Sequence[Tree], /) -> None: ...

    def delivered(self, keys: Set[tuple[str, int]], /) -> Set[tuple[str, int]]: ...

    def notes(self, root: Run, /) -> Mapping[str, Any] | None: ...

    def settle(self, timeout_s: float, /) -> bool: ...

    def before_fork(self) -> None: ...

    def after_fork(self) -> None: ...

    def close(self) -> None: ...
