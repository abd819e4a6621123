"""Calls on their trees: each once, the innermost of those that wrap one another, with its labels.

By SQL of DuckDB. Where a call tells all that it stands under (LangSmith's dotted orders), these are
unnested; else parents are followed upwards from each call, day by day, so that memory holds the
traces of one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from impactree.runs import LABELS

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["MOST", "hang"]

MOST: Final = 200
"""Ancestors that are followed: deeper trees are cycles."""
_UNIQUE: Final = """
CREATE TABLE spans AS SELECT * FROM {source}
QUALIFY id IS NULL OR row_number() OVER (
  PARTITION BY trace_id, id ORDER BY revision DESC NULLS LAST, is_call DESC) = 1
"""
_LISTED: Final = """
CREATE TABLE above AS WITH listed AS (
  SELECT trace_id, id AS call, unnest(list_reverse(string_split(ancestors, ' '))) AS ancestor,
    generate_subscripts(string_split(ancestors, ' '), 1) AS depth
  FROM spans WHERE is_call AND id IS NOT NULL AND ancestors <> ''
) SELECT listed.call, listed.depth, spans.* FROM listed
JOIN spans ON spans.trace_id IS NOT DISTINCT FROM listed.trace_id AND spans.id = listed.ancestor
"""
_FOLLOWED: Final = "is_call AND id IS NOT NULL AND parent_id IS NOT NULL AND ancestors IS NULL"
_DAYS: Final = """
SELECT DISTINCT CAST(started_at AS DATE) FROM spans WHERE {followed} ORDER BY ALL
"""
_TODAY: Final = """
CREATE OR REPLACE TABLE today AS SELECT spans.* FROM spans SEMI JOIN (
  SELECT DISTINCT trace_id FROM spans
  WHERE {followed} AND CAST(started_at AS DATE) IS NOT DISTINCT FROM ?
) traces ON traces.trace_id IS NOT DISTINCT FROM spans.trace_id
"""
_ABOVE: Final = """
INSERT INTO above BY NAME WITH RECURSIVE up AS (
  SELECT trace_id, id AS call, parent_id AS ancestor, 1 AS depth FROM today
  WHERE {followed} AND CAST(started_at AS DATE) IS NOT DISTINCT FROM ?
  UNION ALL
  SELECT up.trace_id, up.call, today.parent_id, up.depth + 1 FROM up
  JOIN today ON today.trace_id IS NOT DISTINCT FROM up.trace_id AND today.id = up.ancestor
  WHERE today.parent_id IS NOT NULL AND up.depth < {most}
) SELECT up.call, up.depth, today.* FROM up
JOIN today ON today.trace_id IS NOT DISTINCT FROM up.trace_id AND today.id = up.ancestor
"""
_LABELS: Final = """
CREATE TABLE labels AS SELECT trace_id, call, {nearest} FROM above GROUP BY trace_id, call
"""
_WRAPPERS: Final = """
CREATE TABLE wrappers AS SELECT DISTINCT above.trace_id, above.id FROM above
JOIN spans ON spans.trace_id IS NOT DISTINCT FROM above.trace_id AND spans.id = above.call
WHERE above.is_call AND spans.tokens_source = 'reported'
"""
_CALLS: Final = """
CREATE TABLE calls AS SELECT spans.* REPLACE ({labelled}) FROM spans
LEFT JOIN labels ON labels.trace_id IS NOT DISTINCT FROM spans.trace_id AND labels.call = spans.id
WHERE spans.is_call AND NOT EXISTS (
  SELECT 1 FROM wrappers WHERE wrappers.trace_id IS NOT DISTINCT FROM spans.trace_id
  AND wrappers.id = spans.id)
"""


def hang(database: Any, source: str, others: Sequence[str]) -> Any:
    """The table of calls, out of one of spans.

    A call that was exported twice counts once, by the highest revision; of calls that wrap one
    another (a client around its model) the innermost counts. What a call does not say of agent,
    step, user and so on, the nearest span above it says.

    Args:
        database: Of Ibis, on DuckDB.
        source: A table or view with the columns of staged rows.
        others: More columns that come down.
    """
    names = [*LABELS, *others]
    nearest = ", ".join(
        f"arg_min({_quoted(n)}, depth) FILTER ({_quoted(n)} IS NOT NULL) AS {_quoted(n)}"
        for n in names
    )
    labelled = ", ".join(
        f"coalesce(spans.{_quoted(n)}, labels.{_quoted(n)}) AS {_quoted(n)}" for n in names
    )
    database.raw_sql(_UNIQUE.format(source=_quoted(source)))
    database.raw_sql(_LISTED)
    days, today, above = (
        text.format(followed=_FOLLOWED, most=MOST) for text in (_DAYS, _TODAY, _ABOVE)
    )
    for (day,) in database.con.execute(days).fetchall():
        database.con.execute(today, [day])
        database.con.execute(above, [day])
    database.raw_sql(_LABELS.format(nearest=nearest))
    database.raw_sql(_WRAPPERS)
    database.raw_sql(_CALLS.format(labelled=labelled))
    return database.table("calls")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
