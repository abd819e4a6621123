"""The errors impactree raises at calls that you make. Inside a chain it raises only a spent budget.

- ImpactreeError
  - BudgetExceededError: a budget is spent; the one error that may stop a chain
  - CatalogError: a catalog file or entry is wrong
  - ConfigurationError: a setting is wrong
  - EstimateError: ``estimate(..., strict=True)`` could not estimate
  - MissingExtraError (an ImportError): an optional dependency is not installed
  - PageNotBuiltError: the installation lacks the script of a report's page
  - ReportFormatError: a file is no report, or a broken one
  - TableError: a table or file of calls is not what was expected
"""

from __future__ import annotations

__all__ = [
    "BudgetExceededError",
    "CatalogError",
    "ConfigurationError",
    "EstimateError",
    "ImpactreeError",
    "MissingExtraError",
    "PageNotBuiltError",
    "ReportFormatError",
    "TableError",
]


class ImpactreeError(Exception):
    """Base of all errors of impactree."""


class CatalogError(ImpactreeError, ValueError):
    """A catalog file or entry is wrong; the message names the file and the key."""


class ConfigurationError(ImpactreeError, ValueError):
    """A setting is wrong; the message names the value and what was expected."""


class EstimateError(ImpactreeError, ValueError):
    """A call could not be estimated and ``strict`` was asked for."""


class ReportFormatError(ImpactreeError, ValueError):
    """Text that was to be a report is cut off, something else, or newer; says what and where."""


class TableError(ImpactreeError, ValueError):
    """A table of calls is not what was expected; names file, column and what was expected."""


class MissingExtraError(ImpactreeError, ImportError):
    """An optional dependency is missing; the message names the extra that brings it."""

    def __init__(self, extra: str, package: str) -> None:
        self.extra = extra
        super().__init__(
            f"{package} is not installed; it comes with: pip install 'impactree[{extra}]'"
        )


class PageNotBuiltError(ImpactreeError):
    """The installation was built without the page's script; the message says how to get it."""

    def __init__(self) -> None:
        super().__init__(
            "this installation has no page: it was built where the npm registry could not be "
            "reached; get it with `make page` in the clone, or install a released wheel"
        )


class BudgetExceededError(ImpactreeError):
    """The budget is spent; raised before the next model call, never in the middle of one."""
