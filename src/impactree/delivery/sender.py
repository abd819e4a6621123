"""One batch of journal lines to one exporter, and what is done about lines it does not take."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Final

from impactree.delivery.aside import Kept
from impactree.delivery.codec import FORMAT, NewerFormatError, decode
from impactree.delivery.errors import RetryLaterError, TreeRejectedError, reason
from impactree.delivery.turns import in_turns
from impactree.values.formatting import clean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from impactree.delivery.codec import Tree, TreeKey
    from impactree.delivery.counts import Counts
    from impactree.delivery.writer import Writer

__all__ = ["Sender"]

_log: Final = logging.getLogger("impactree")
_MAX_RECENT: Final = 4096
_SECOND_TRY_S: Final = 3.0
"""What answered for a destination a moment ago, a proxy perhaps, may be gone by then."""


class Sender:
    """Delivers batches to an exporter; what it refuses for good is set aside.

    Args:
        address: Whose lines these are.
        counts: Where to count.
        keep: Sets a run aside; may raise OSError.
        pause: Waits for some seconds, or until the process wants to end: then it returns False.
    """

    def __init__(
        self,
        address: str,
        counts: Counts,
        keep: Callable[[Kept], None],
        pause: Callable[[float], bool],
    ) -> None:
        self._address = address
        self._counts = counts
        self._keep = keep
        self._pause = pause
        self._recent: dict[TreeKey, None] = {}
        self._unsure: dict[TreeKey, None] = {}  # of a batch that failed, perhaps half-way

    def send(self, writer: Writer, lines: Sequence[bytes], *, doubles: bool) -> None:
        """Deliver lines; on return each has arrived, was there already, or is set aside.

        Args:
            writer: The exporter.
            lines: Of the journal.
            doubles: Ask the exporter first what it has already, as after a batch that failed.

        Raises:
            RetryLaterError: none, or not all, could be delivered: send them again.
            DeliveryRefusedError: the destination takes nothing.
            Exception: as RetryLaterError.
        """
        trees: dict[TreeKey, tuple[Tree, bytes]] = {}
        for line in in_turns(lines):
            tree = self._decoded(line)
            # Two late ends at the same moment export the same revision twice.
            if tree is not None and tree.key not in self._recent:
                trees[tree.key] = tree, line
        if trees and (doubles or not self._unsure.keys().isdisjoint(trees)):
            for key in writer.delivered(trees.keys()):
                trees.pop(key, None)
        suspects = self._split(writer, [tree for tree, _ in trees.values()])
        self._counts.deliver(len(trees) - len(suspects))
        self._remember(trees.keys() - {tree.key for tree, _ in suspects})
        if suspects and not self._pause(_SECOND_TRY_S):
            raise RetryLaterError("the process ends before a second try")
        for tree, _ in suspects:
            for _, error in self._split(writer, [tree]):
                self._set_aside(trees[tree.key][1], error)
            self._remember([tree.key])

    def _split(self, writer: Writer, trees: list[Tree]) -> list[tuple[Tree, TreeRejectedError]]:
        """Deliver trees, a rejected batch in halves. Returns those that are rejected alone."""
        rejected: list[tuple[Tree, TreeRejectedError]] = []
        batches = [trees] if trees else []
        _add(self._unsure, [tree.key for tree in trees])
        while batches:
            batch = batches.pop()
            try:
                writer.deliver(batch)
            except TreeRejectedError as error:
                if len(batch) == 1:
                    rejected.append((batch[0], error))
                else:
                    middle = len(batch) // 2
                    batches += [batch[middle:], batch[:middle]]  # the earlier half first
        for tree in trees:
            self._unsure.pop(tree.key, None)
        return rejected

    def _decoded(self, line: bytes) -> Tree | None:
        try:
            return decode(line, self._address)
        except NewerFormatError as error:
            self._set_aside(line, error, newer=error.format)
        except ValueError as error:
            self._set_aside(line, error)
        return None

    def _set_aside(self, line: bytes, error: Exception, newer: int | None = None) -> None:
        why = reason(error)
        try:
            self._keep(Kept(self._address, why, time.time(), newer, line))
        except OSError as unkept:
            self._counts.drop(1, f"it cannot take them ({why}), nor the spool ({reason(unkept)})")
            return
        if newer is not None:
            _log.warning(
                "impactree: a run for %s is of journal format %d, this version reads %d: left for "
                "the newer one",
                clean(self._address),
                newer,
                FORMAT,
            )
        elif self._counts.set_one_aside():
            _log.error(
                "impactree: %s cannot take a run (%s); it is set aside, and others like it: see "
                "`impactree spool status`, send them with `impactree spool retry`",
                clean(self._address),
                why,
            )

    def _remember(self, keys: Iterable[TreeKey]) -> None:
        _add(self._recent, keys)


def _add(known: dict[TreeKey, None], keys: Iterable[TreeKey]) -> None:
    known.update(dict.fromkeys(keys))
    while len(known) > _MAX_RECENT:
        del known[next(iter(known))]
