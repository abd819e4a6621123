"""Calls that came to nothing, and calls that were made before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from impactree.advice.case import Finding, call_of, pair, tokens_of, where
from impactree.advice.difference import Pair
from impactree.values.formatting import many

if TYPE_CHECKING:
    from collections.abc import Iterator

    from impactree.advice.case import Case
    from impactree.runs import Run

__all__ = ["failures", "repeats"]

_FALLBACKS: Final = "RunnableWithFallbacks"
_RETRY: Final = "retry:attempt:"


def failures(case: Case) -> Iterator[tuple[Finding, ...]]:
    """Calls that failed, and those of an attempt that failed and was made again."""
    lost = _thrown_away(case)
    failed = [r for r in case.calls if r in lost or r.status == "error"]
    for runs in case.grouped(failed):
        key = case.key(runs[0])
        like = sum(1 for run in case.calls if case.key(run) == key)
        read, wrote = tokens_of(runs, "input"), tokens_of(runs, "output")
        yield (
            Finding(
                kind="failures",
                what=f"Find out why {where(runs[0])} ({case.name(runs[0])}) fails",
                evidence=f"{many(len(runs), 'call')} of {like:,} failed, or served an attempt "
                f"that failed and was made again: {read:,} tokens read and {wrote:,} written "
                "for nothing.",
                how="Look at the errors before another retry is added: an answer cut off by its "
                "limit, a schema that answers miss, a time-out that is too short.",
                pairs=tuple(Pair(run, call_of(run), None) for run in runs),
            ),
        )


def _thrown_away(case: Case) -> set[Run]:
    """Calls under a run that failed where another attempt came after it."""
    found: set[Run] = set()
    for root in case.roots:
        for run in root.walk():
            if run.status == "error" and _was_tried_again(run):
                found.update(run.walk())
    return found


def _was_tried_again(run: Run) -> bool:
    parent, end = run.parent, run.end
    if parent is None or end is None:
        return False
    later = [one for one in parent.children if one is not run and one.start >= end]
    return any(one.name == run.name or parent.name.startswith(_FALLBACKS) for one in later)


def repeats(case: Case) -> Iterator[tuple[Finding, ...]]:
    """Calls that the same process had made before, or whose texts it had sent before."""
    again = [run for run in case.calls if call_of(run).repeated and not _is_retry(run)]
    for runs in case.grouped(again):
        key = case.key(runs[0])
        like = sum(1 for run in case.calls if case.key(run) == key)
        read, same = tokens_of(runs, "input"), sum(call_of(run).repeated for run in runs)
        kind = call_of(runs[0]).kind
        by = _CACHES.get(kind, "an answer cache, where a new answer is not wanted")
        yield (
            Finding(
                kind="repeats",
                what=f"Keep what {case.name(runs[0])} has answered for {where(runs[0])}",
                evidence=f"{many(len(runs), kind + ' call')} of {like:,} sent what the same "
                f"process had sent before: {same:,} of {read:,} input tokens.",
                how=f"Use {by}.",
                pairs=tuple(_only_new(run) for run in runs),
            ),
        )


_CACHES: Final = {
    "embedding": "a cache of embeddings (CacheBackedEmbeddings; embeddings_cache in LlamaIndex)",
    "rerank": "a cache of rankings by query and document",
}


def _only_new(run: Run) -> Pair:
    now = call_of(run)
    read = now.tokens.input or 0
    if now.repeated >= read:
        return Pair(run, now, None)
    return pair(run, input_tokens=read - now.repeated, repeated=0)


def _is_retry(run: Run) -> bool:
    """Whether it was made again because it failed, which is advice of its own."""
    tags = (tag for one in (run, *run.ancestors()) for tag in one.tags)
    return any(tag.startswith(_RETRY) and tag != f"{_RETRY}1" for tag in tags)
