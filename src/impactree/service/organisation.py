"""What an organisation's uses cost in a year: sums of calls, never of their tokens."""

from __future__ import annotations

import calendar
import csv
import io
import math
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

from impactree.advice import Equivalents, scaled
from impactree.engine.explain import explained
from impactree.exceptions import ConfigurationError, MissingExtraError
from impactree.service.estimating import engine_of
from impactree.values.criteria import CRITERIA, ENDS
from impactree.values.formatting import csv_cell
from impactree.values.impacts import Impacts

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Mapping, Sequence

    from impactree.calls import ModelCall
    from impactree.engine import Engine
    from impactree.engine.reading import Reading

__all__ = ["Use", "organisation", "read_uses", "to_csv", "to_xlsx"]

_DAYS: Final = [calendar.monthrange(2025, month)[1] for month in range(1, 13)]
"""Of the months of a year that is no leap year."""
_TEXTS: Final = ("who", "model", "provider", "region", "zone")
_COUNTS: Final = ("input_tokens", "cached_input_tokens", "output_tokens", "from_month", "months")
_ASKED: Final = (
    *("who", "people", "requests_per_day", "model", "provider", "region", "zone"),
    *_COUNTS,
)
_FIGURES: Final = tuple(f"{c.column}_{end}" for c in CRITERIA for end in ENDS)
_GROUNDS: Final = ("read_as", "method", "catalog_version", "hypotheses", "credits")
"""What a file says of each use's figures."""
_MOST_USES: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """Some people who ask one model so often, on every day of some months.

    Raises:
        ValueError: the months end after December.
    """

    who: str
    people: float
    requests_per_day: float
    """Of each of them."""
    call: ModelCall
    """One request."""
    from_month: int = 1
    months: int = 12

    def __post_init__(self) -> None:
        left = 13 - self.from_month
        if self.months > left:
            raise ValueError(
                f"months: {self.months} from month {self.from_month} on end after December; "
                f"at most {left}, or none for the rest of the year"
            )

    def requests_in(self, month: int) -> float:
        """How many requests, in month 1 to 12."""
        within = self.from_month <= month < self.from_month + self.months
        return self.people * self.requests_per_day * _DAYS[month - 1] if within else 0.0

    @property
    def requests(self) -> float:
        """How many in the year."""
        return sum(self.requests_in(month) for month in range(1, 13))


def organisation(
    uses: Sequence[Use],
    settings: Mapping[str, Any] | None = None,
    at: dt.date | None = None,
) -> dict[str, Any]:
    """The year of an organisation: by use, model and month, and all together.

    Args:
        uses: Who asks what how often.
        settings: As for :class:`impactree.engine.settings.EngineSettings`.
        at: Day of the calls; None: today.

    Raises:
        ConfigurationError: a setting is wrong.
    """
    engine = engine_of(settings)
    each = [engine.estimate(use.call, at=at) for use in uses]
    whole = [scaled(one, use.requests) for one, use in zip(each, uses, strict=True)]
    total = Impacts.sum(whole)
    return {
        "method": engine.method.name,
        "catalog_version": engine.catalog.version,
        "uses": [
            _row(use, one, impacts, engine.read(use.call, at))
            for use, one, impacts in zip(uses, each, whole, strict=True)
        ],
        "total": total.to_dict(),
        "by_model": _by_model(uses, whole),
        "by_month": [
            {"month": month, "impacts": _of_month(uses, each, month).to_dict()}
            for month in range(1, 13)
        ],
        "equivalents": Equivalents(total, engine.catalog.equivalents).to_dict()["readable"],
        "credits": list(engine.credits_for((use.call for use in uses), at)),
        "hypotheses": _hypotheses(uses, engine, at),
    }


def _row(use: Use, one: Impacts, whole: Impacts, found: Reading) -> dict[str, Any]:
    return {
        "who": use.who,
        "people": use.people,
        "requests_per_day": use.requests_per_day,
        "from_month": use.from_month,
        "months": use.months,
        "requests": use.requests,
        "call": use.call.to_dict(),
        "read_as": found.resolution.model,
        "zone": found.zone.id if found.zone else None,
        "per_request": one.to_dict(),
        "impacts": whole.to_dict(),
        "credits": list(found.credits),
    }


def _by_model(uses: Sequence[Use], whole: Sequence[Impacts]) -> list[dict[str, Any]]:
    pairs = sorted(zip(uses, whole, strict=True), key=lambda pair: pair[0].call.model)
    return [
        {"model": model, "impacts": Impacts.sum(impacts for _, impacts in group).to_dict()}
        for model, group in groupby(pairs, key=lambda pair: pair[0].call.model)
    ]


def _of_month(uses: Sequence[Use], each: Sequence[Impacts], month: int) -> Impacts:
    pairs = zip(uses, each, strict=True)
    return Impacts.sum(scaled(one, use.requests_in(month)) for use, one in pairs)


def _hypotheses(uses: Sequence[Use], engine: Engine, at: dt.date | None) -> list[dict[str, Any]]:
    """What the figures rest on, each once, with its sources, the models and uses it is about."""
    found: dict[Any, dict[str, Any]] = {}
    for place, use in enumerate(uses):
        for one in explained(engine, use.call, at).hypotheses:
            row = found.setdefault(one, {"models": [], "uses": [], **asdict(one)})
            row["uses"].append(place)
            if use.call.model not in row["models"]:
                row["models"].append(use.call.model)
    return list(found.values())


def read_uses(text: str) -> list[dict[str, Any]]:
    """The uses in a CSV text, by their columns; a file that :func:`to_csv` wrote is read, too.

    Raises:
        ConfigurationError: names the line, the column, the value and what was expected.
    """
    file = io.StringIO(text.removeprefix("\ufeff"), newline=None)  # any ends of lines
    head = file.readline()
    file.seek(0)
    split = max(",;\t", key=head.count)  # spreadsheets write ; where the comma is for decimals
    rows = csv.DictReader(file, delimiter=split, strict=True)
    try:
        return _read_rows(rows)
    except csv.Error as error:
        raise ConfigurationError(f"line {rows.line_num + 1}: no CSV: {error}") from None


def _read_rows(rows: csv.DictReader[str]) -> list[dict[str, Any]]:
    names = [name.strip().lower() for name in rows.fieldnames or ()]
    unknown = {*names} - {*_ASKED, *_FIGURES, *_GROUNDS, "requests"}
    if "model" not in names or unknown:
        what = f"unknown column {min(unknown)!r:.60}" if unknown else "the column model is missing"
        raise ConfigurationError(f"line 1: {what}; columns: {', '.join(_ASKED)}")
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ConfigurationError(f"line 1: the column {twice} stands twice")
    rows.fieldnames = names
    found = []
    for row in rows:
        found.append(_read(row, rows.line_num))
        if len(found) > _MOST_USES:
            raise ConfigurationError(f"line {rows.line_num}: at most {_MOST_USES} uses are taken")
    return found


def _read(row: Mapping[str | None, Any], line: int) -> dict[str, Any]:
    if any(cell.strip() for cell in row.get(None) or ()):  # cells beyond the columns
        raise ConfigurationError(
            f"line {line}: more cells than columns; a number has a point for decimals, or quotes"
        )
    found: dict[str, Any] = {}
    for name in _ASKED:
        value = (row.get(name) or "").strip().removeprefix("' ")
        if not value:
            continue
        found[name] = value if name in _TEXTS else _number(name, value, line)
    if "model" not in found:
        raise ConfigurationError(f"line {line}: model is missing")
    return found


def _number(name: str, value: str, line: int) -> float | int:
    what = "a whole number" if name in _COUNTS else "a number"
    try:
        number = float(value.replace("\u00a0", "").replace(" ", ""))
    except ValueError:
        number = math.nan
    if not math.isfinite(number) or (name in _COUNTS and not number.is_integer()):
        raise ConfigurationError(f"line {line}: {name} must be {what}, not {value!r:.40}")
    return int(number) if name in _COUNTS else number


def _cells(data: Mapping[str, Any]) -> Iterable[list[Any]]:
    """The uses as rows, with their figures and what these rest on."""
    yield [*_ASKED, "requests", *_FIGURES, *_GROUNDS]
    for place, use in enumerate(data["uses"]):
        asked = {**use, **use["call"]}
        grounds = "; ".join(_ground(row) for row in data["hypotheses"] if place in row["uses"])
        made = (use["read_as"], data["method"], data["catalog_version"], grounds)
        told = (*made, "; ".join(use["credits"]))
        yield [*map(asked.get, _ASKED), use["requests"], *_figures(use["impacts"]), *told]


def _ground(row: Mapping[str, Any]) -> str:
    """``PUE = 1.2 (host openai; https://...)``."""
    value = f"{row['name']} = {row['value']} {row['unit']}".rstrip()
    return f"{value} ({'; '.join(filter(None, (row['basis'], row['note'], *row['sources'])))})"


def _figures(impacts: Mapping[str, Any]) -> list[float | None]:
    values = [impacts[c.key] for c in CRITERIA]
    return [value and value["value"][end] for value in values for end in ENDS]


def _about(data: Mapping[str, Any]) -> list[str]:
    return [
        f"method {data['method']}, catalog {data['catalog_version']}",
        "All figures are estimates, none is a measurement. Ranges add low to low, high to high.",
        "Training, networks and devices are not counted.",
        *data["credits"],
    ]


def to_csv(data: Mapping[str, Any]) -> str:
    """The uses and their figures; text is never a formula to a spreadsheet."""
    out = io.StringIO()
    csv.writer(out).writerows([csv_cell(cell) for cell in row] for row in _cells(data))
    return out.getvalue()


def to_xlsx(data: Mapping[str, Any]) -> bytes:
    """A workbook: uses, models, months, and what the figures rest on.

    Raises:
        MissingExtraError: XlsxWriter is not installed.
    """
    try:
        import xlsxwriter
    except ImportError as error:
        raise MissingExtraError("serve", "xlsxwriter") from error
    out = io.BytesIO()
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    with xlsxwriter.Workbook(out, options) as book:
        for name, rows in _sheets(data).items():
            sheet = book.add_worksheet(name)
            for place, row in enumerate(rows):
                sheet.write_row(place, 0, row)
    return out.getvalue()


def _sheets(data: Mapping[str, Any]) -> dict[str, Iterable[Sequence[Any]]]:
    told = (
        *("models", "name", "value", "unit", "basis", "kind", "note"),
        *("year", "licence", "sources", "checked"),
    )
    return {
        "Uses": _cells(data),
        "Total": [_FIGURES, _figures(data["total"])],
        "By model": [
            ["model", *_FIGURES],
            *([row["model"], *_figures(row["impacts"])] for row in data["by_model"]),
        ],
        "By month": [
            ["month", *_FIGURES],
            *([row["month"], *_figures(row["impacts"])] for row in data["by_month"]),
        ],
        "Hypotheses": [
            told,
            *([_text(one[name]) for name in told] for one in data["hypotheses"]),
        ],
        "About": [[line] for line in _about(data)],
    }


def _text(value: Any) -> str:
    return " ".join(value) if isinstance(value, list | tuple) else str(value)
