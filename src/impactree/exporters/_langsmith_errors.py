"""What LangSmith's answers and the client's errors mean for what was sent."""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final

from impactree.delivery.errors import DeliveryRefusedError, RetryLaterError, TreeRejectedError
from impactree.exceptions import MissingExtraError

try:
    from langsmith import utils as langsmith_utils
except ImportError as error:
    raise MissingExtraError("langsmith", "langsmith") from error

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["ConflictError", "TooLargeError", "meaning"]

_FOR_RECORDS: Final = frozenset({"/runs/multipart", "/feedback"})
_FOR_THE_RECORD: Final = frozenset({400, 413, 422})
"""What a server answers about what it was sent; any other 4xx, a proxy or an account may say."""
_BUSY: Final = frozenset({407, 408, 425, 429})


class ConflictError(TreeRejectedError):
    """HTTP 409."""


class TooLargeError(TreeRejectedError):
    """HTTP 413."""


def meaning(error: Exception, path: str, about: Iterable[str] = ()) -> Exception:
    """An error of the client, without its text: that holds parts of the key and of payloads.

    Args:
        error: The client's.
        path: What was asked.
        about: The ids of what was sent there.
    """
    response = _response(error)
    status = getattr(response, "status_code", None)
    if status is None:
        if isinstance(error, langsmith_utils.LangSmithAuthError):
            return DeliveryRefusedError("LangSmith wants a key: set LANGSMITH_API_KEY")
        return RetryLaterError(f"LangSmith cannot be reached ({type(error).__name__})")
    said = f"LangSmith answered {path} with HTTP {status}"
    if status in (401, 403):
        return DeliveryRefusedError(f"{said}: check LANGSMITH_API_KEY and its workspace")
    if status == 404 and path in ("/sessions", "/info", "/runs/multipart"):
        return DeliveryRefusedError(f"{said}: check LANGSMITH_ENDPOINT")
    kind = _about_the_record(status, path, told=_tells(response))
    if kind is not None:
        # LangSmith's own words name the run ("... for run_id:0ba586ea-..."), and not always; a
        # proxy's never do.
        return kind(said, named=any(name in response.text for name in about))
    return RetryLaterError(said, after_s=_retry_after(response))


def _about_the_record(status: int, path: str, *, told: bool) -> type[TreeRejectedError] | None:
    """Whether an answer is about what was sent, and not the server's, a proxy's or an account's.

    ``told``: it says what is wrong, as LangSmith does; a proxy's is a page, or empty.
    """
    if status == 409:
        return ConflictError
    if path in _FOR_RECORDS:
        if status == 413:
            return TooLargeError
        return TreeRejectedError if told and status in _FOR_THE_RECORD else None
    if path == "/feedback-configs":
        return TreeRejectedError if 400 <= status < 500 and status not in _BUSY else None
    final = told and status in (404, *_FOR_THE_RECORD) and "/runs/" in path
    return TreeRejectedError if final else None


def _tells(response: Any) -> bool:
    try:
        said = response.json()
    except ValueError:
        return False
    return isinstance(said, dict) and not said.keys().isdisjoint({"detail", "error"})


def _response(error: BaseException | None) -> Any:
    while error is not None:
        response = getattr(error, "response", None)
        if response is not None:
            return response
        error = error.__cause__ or error.__context__
    return None


def _retry_after(response: Any) -> float | None:
    """The Retry-After header, s: a number or an HTTP date."""
    text = response.headers.get("Retry-After")
    if not text:
        return None
    if text.isdigit():
        return float(text)
    try:
        from datetime import UTC, datetime

        moment = parsedate_to_datetime(text)
        return max(0.0, (moment - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return None
