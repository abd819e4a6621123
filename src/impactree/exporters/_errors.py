"""How a delivery can fail. Reasons are logged: they never hold keys, headers or payloads."""

from __future__ import annotations

from impactree.exceptions import ImpactreeError

__all__ = ["DeliveryRefusedError", "RetryLaterError", "TreeRejectedError", "reason"]


class RetryLaterError(ImpactreeError):
    """The destination is down or busy: try again, after ``after_s`` seconds if it said so."""

    def __init__(self, reason: str, *, after_s: float | None = None) -> None:
        super().__init__(reason)
        self.after_s = after_s


class DeliveryRefusedError(ImpactreeError):
    """The destination refuses everything (wrong key, missing right): trees stay in the spool.

    The process stops trying until ``flush()``; so does nothing else.
    """


class TreeRejectedError(ImpactreeError):
    """The destination will never take this tree (HTTP 4xx): it is dropped and counted."""


def reason(error: BaseException) -> str:
    """What may be logged of an error: texts of foreign libraries can hold URLs and keys."""
    if isinstance(error, ImpactreeError):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return f"{type(error).__name__}: {error.strerror}"
    return type(error).__name__
