"""One batch of journal lines to one exporter, and what is done about lines it does not take."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from impactree.delivery.aside import Kept
from impactree.delivery.codec import FORMAT, NewerFormatError, decode
from impactree.delivery.errors import (
    DoubtedError,
    RetryLaterError,
    TreeRejectedError,
    reason,
)
from impactree.delivery.turns import in_turns
from impactree.values.formatting import clean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from impactree.delivery.codec import Tree, TreeKey
    from impactree.delivery.counts import Counts
    from impactree.delivery.writer import Writer

__all__ = ["Sender"]

_log: Final = logging.getLogger("impactree")
_MAX_RECENT: Final = 4096
_IN_A_ROW: Final = 16
"""Rejections: to find a single bad tree in the largest batch takes 10."""
_SECOND_TRY_S: Final = 3.0
"""What answered for a destination a moment ago, a proxy perhaps, may be gone by then."""


@dataclass(slots=True)
class _Suspect:
    """A tree that was rejected alone."""

    tree: Tree
    error: TreeRejectedError
    sure: bool
    """Whether it is the tree's own fault, as far as a first try can tell."""


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
            RetryLaterError: none, or not all, could be delivered: send them again. A DoubtedError:
                with more others, which show whether it takes any.
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
        self._remember(trees.keys() - {suspect.tree.key for suspect in suspects})
        for suspect in self._second_try(writer, suspects):
            self._set_aside(trees[suspect.tree.key][1], suspect.error)
            self._remember([suspect.tree.key])
        for suspect in suspects:
            if not suspect.sure:
                raise DoubtedError(reason(suspect.error))

    def _second_try(self, writer: Writer, suspects: Sequence[_Suspect]) -> Iterator[_Suspect]:
        """Those of which the destination says the same again."""
        sure = [suspect for suspect in suspects if suspect.sure]
        if sure and not self._pause(_SECOND_TRY_S):
            raise RetryLaterError("the process ends before a second try")
        for suspect in sure:
            again = self._split(writer, [suspect.tree])
            if not again:
                self._counts.deliver(1)
                self._remember([suspect.tree.key])
            elif str(again[0].error) == str(suspect.error):
                yield suspect
            else:
                raise DoubtedError(reason(again[0].error))

    def _split(self, writer: Writer, trees: list[Tree]) -> list[_Suspect]:
        """Deliver trees, a rejected batch in halves. Returns those that are rejected alone."""
        suspects: list[_Suspect] = []
        batches, in_a_row = [trees] if trees else [], 0
        _add(self._unsure, [tree.key for tree in trees])
        while batches:
            batch = batches.pop()
            try:
                writer.deliver(batch)
            except TreeRejectedError as error:
                in_a_row += 1
                if in_a_row > _IN_A_ROW and not error.named:
                    raise DoubtedError(reason(error)) from None
                if len(batch) == 1:
                    suspects.append(_Suspect(batch[0], error, error.named))
                else:
                    middle = len(batch) // 2
                    batches += [batch[middle:], batch[:middle]]  # the earlier half first
            else:
                in_a_row = 0
                for suspect in suspects:
                    suspect.sure = True  # it answers, and takes others
        for tree in trees:
            self._unsure.pop(tree.key, None)
        return suspects

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
