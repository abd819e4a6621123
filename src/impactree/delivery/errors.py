"""How a delivery can fail. Reasons are logged: they never hold keys, headers or payloads."""

from __future__ import annotations

from impactree.exceptions import ImpactreeError
from impactree.values.formatting import clean

__all__ = [
    "DeliveryRefusedError",
    "DoubtedError",
    "RetryLaterError",
    "TreeRejectedError",
    "reason",
]


class RetryLaterError(ImpactreeError):
    """The destination is down or busy: try again, after ``after_s`` seconds if it said so."""

    def __init__(self, reason: str, *, after_s: float | None = None) -> None:
        super().__init__(reason)
        self.after_s = after_s


class DeliveryRefusedError(ImpactreeError):
    """The destination refuses everything (wrong key, missing right): trees stay in the spool.

    It is tried again slowly, and at once by a ``flush()``, which does not wait for it.
    """


class TreeRejectedError(ImpactreeError):
    """The destination will not take this batch because of what is in it.

    The batch is split until the trees are found that it does not take; those get a second try
    after some seconds and are then set aside (``impactree spool status`` lists them).

    Args:
        reason: What it said.
        named: Whether it is sure to be about a tree in this batch. False: a proxy may have said it,
            of whatever comes; then a tree is set aside only where another one is taken meanwhile.
    """

    def __init__(self, reason: str, *, named: bool = True) -> None:
        super().__init__(reason)
        self.named = named


class DoubtedError(RetryLaterError):
    """Trees are rejected, and nothing shows that others would be taken."""


def reason(error: BaseException) -> str:
    """What may be logged of an error: texts of foreign libraries can hold URLs and keys."""
    if isinstance(error, ImpactreeError):
        return clean(str(error))
    if isinstance(error, OSError) and error.strerror:
        return clean(f"{type(error).__name__}: {error.strerror}")
    return type(error).__name__
