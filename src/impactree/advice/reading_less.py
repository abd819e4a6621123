"""What models read and think: context sent again, retrieved documents, reasoning."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final

from impactree.advice.case import Finding, call_of, pair, span, tokens_of, where
from impactree.values.formatting import many

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator

    from impactree.advice.case import Case
    from impactree.advice.difference import Pair
    from impactree.runs import Run

__all__ = ["BLOCK", "CACHEABLE", "DOCUMENTS", "REASONING", "context", "documents", "reasoning"]

CACHEABLE: Final = 1024
"""Tokens that a prompt must have in common with an earlier one to be cached, and
:data:`BLOCK` by how many it is: OpenAI's rule; other makers' are 1,024 to 4,096."""
BLOCK: Final = 128
REASONING: Final = 0.5
"""Share of the written tokens from which on reasoning dominates."""
DOCUMENTS: Final = 0.5
"""Share of a call's greenhouse gases from which on reading documents outweighs all the rest."""
_OFF: Final = 1.25
"""How far documents, counted by their length, may be above what was read with them in it."""
_LOOPS: Final = frozenset({"agent", "graph"})
_APART: Final = _LOOPS | {"tool", "retriever"}
_MOSTLY: Final = 2 / 3
"""Share of the steps that must have grown by the answer before them: a history may be cut now and
then."""
_GROWN: Final = 3
"""How many of them, where nothing says that a loop is at work."""


# Context that is sent again


def context(case: Case) -> Iterator[tuple[Finding, ...]]:
    """Steps that send again what the step before has read."""
    again: dict[Run, int] = {}
    for steps in _conversations(case):
        again |= _sent_again(steps)
    for runs in case.grouped(again):
        pairs = [_from_cache(run, again[run]) for run in runs]
        like = [run for run in case.texts if case.key(run) == case.key(runs[0])]
        read, cached = tokens_of(runs, "input"), tokens_of(runs, "cached_input")
        sent = sum(again[run] for run in runs)
        yield (
            Finding(
                kind="context",
                what=f"Let a prompt cache serve the context of {where(runs[0])} "
                f"({case.name(runs[0])})",
                evidence=f"{many(len(runs), 'call')} of {len(like):,} sent, by their counts, what "
                f"the call before had read and more: {sent:,} of {read:,} input tokens, of which "
                f"{f'{cached:,}' if cached else 'none'} came from a cache.",
                how="Keep the beginning of the prompt word for word (instructions, tools, "
                "history) and turn the provider's prompt cache on; or send less: summarise, or "
                "drop what has done its work.",
                pairs=tuple(pairs),
            ),
        )


def _from_cache(run: Run, tokens: int) -> Pair:
    read, written = call_of(run).tokens.input or 0, call_of(run).tokens.cache_write
    left = None if written is None else min(written, read - tokens)
    return pair(run, cached_input_tokens=tokens, cache_write_tokens=left)


def _conversations(case: Case) -> list[list[Run]]:
    """Calls of one loop or thread by one model, in the order of their starts."""
    known = [run for run in case.texts if run.status == "ok" and call_of(run).tokens.input]
    found = case.grouped(known, lambda run: (*_conversation(run), case.name(run), where(run)))
    return [sorted(runs, key=lambda run: run.start) for runs in found]


def _conversation(run: Run) -> tuple[Hashable, bool]:
    """What a call is part of, and whether that is known to go on from call to call."""
    around = next((above for above in run.ancestors() if above.kind in _APART), run.root)
    outermost = around.parent is None
    if outermost and run.thread is not None:
        return ("thread", run.thread), True
    return ("run", around.id), around.kind in _LOOPS


def _sent_again(steps: list[Run]) -> dict[Run, int]:
    """How many tokens of each call a cache could have held: where it holds what was before it."""
    every = [*pairwise(steps)]
    on = [(before, run) for before, run in every if _goes_on(before, run)]
    loops = _conversation(steps[0])[1]
    if len(on) < _MOSTLY * len(every) or (not loops and len(on) < _GROWN):
        return {}
    found = {}
    for before, run in on:
        call = call_of(run)
        tokens = (call_of(before).tokens.input or 0) // BLOCK * BLOCK
        if tokens >= CACHEABLE and tokens > (call.tokens.cached_input or 0) and not call.repeated:
            found[run] = tokens
    return found


def _goes_on(before: Run, run: Run) -> bool:
    """Whether a call holds the one before it: its input, and most of its answer."""
    one, other = call_of(before).tokens, call_of(run).tokens
    said = (one.output or 0) - (one.reasoning or 0)
    follows = before.end is not None and before.end <= run.start
    return follows and (other.input or 0) >= (one.input or 0) + max(said, 0) // 2


# Documents


def documents(case: Case) -> Iterator[tuple[Finding, ...]]:
    """Answers that cost less than reading what was retrieved for them."""
    found = _fed(case)
    for runs in case.grouped(found):
        whole = case.saving(_without(run, found[run][1]) for run in runs)
        if not whole.before or -whole.mean < DOCUMENTS * whole.before:
            continue
        pairs = tuple(_without(run, found[run][1] // 2) for run in runs)
        number = sum(found[run][0] for run in runs)
        tokens = sum(found[run][1] for run in runs)
        yield (
            Finding(
                kind="documents",
                what=f"Hand fewer or shorter documents on to {where(runs[0])} "
                f"({case.name(runs[0])})",
                evidence=f"{many(number, 'document')} of about {tokens:,} tokens for "
                f"{many(len(runs), 'answer')} of "
                f"{span(call_of(run).tokens.output or 0 for run in runs)} tokens: reading them is "
                f"{-whole.mean / whole.before:.0%} of what these calls cost. Half of them counts "
                "as the saving.",
                how="Retrieve fewer, rerank and keep the best, or cut passages shorter; look "
                "whether answers stay right.",
                pairs=pairs,
            ),
        )


def _without(run: Run, tokens: int) -> Pair:
    call = call_of(run)
    left = max((call.tokens.input or 0) - tokens, 0)
    cached = call.tokens.cached_input
    return pair(
        run,
        input_tokens=left,
        cached_input_tokens=None if cached is None else min(cached, left),
        cache_write_tokens=None,
        repeated=0,
    )


def _fed(case: Case) -> dict[Run, tuple[int, int]]:
    """Calls that came next after a retrieval: number of documents, and their tokens."""
    found: dict[Run, tuple[int, int]] = {}
    texts: dict[Run, list[Run]] = {}
    for run in case.texts:
        if run.status == "ok":
            texts.setdefault(run.root, []).append(run)
    for root, runs in texts.items():
        runs.sort(key=lambda run: run.start)
        for retrieval in _retrievals(root):
            number, tokens = _documents(retrieval)
            end = retrieval.end
            nxt = next((run for run in runs if end is not None and run.start >= end), None)
            if nxt is not None and tokens:
                before = found.get(nxt, (0, 0))
                found[nxt] = before[0] + number, before[1] + tokens
    fed = {}
    for run, (number, tokens) in found.items():
        read = call_of(run).tokens.input or 0
        if tokens <= _OFF * read:  # else something has dropped some of them already
            fed[run] = number, min(tokens, read)
    return fed


def _retrievals(root: Run) -> Iterator[Run]:
    """Retrievers that no other one asked."""
    for run in root.walk():
        if run.kind == "retriever" and all(a.kind != "retriever" for a in run.ancestors()):
            yield run


def _documents(run: Run) -> tuple[int, int]:
    counts = [run.metadata.get(name) for name in ("documents", "document_tokens")]
    number, tokens = (n if type(n) is int and n > 0 else 0 for n in counts)
    return number, tokens


# Reasoning


def reasoning(case: Case) -> Iterator[tuple[Finding, ...]]:
    """Steps that think more than they say."""
    thinking = [run for run in case.texts if call_of(run).tokens.reasoning]
    for runs in case.grouped(thinking):
        thought, written = tokens_of(runs, "reasoning"), tokens_of(runs, "output")
        if not written or not REASONING <= thought / written <= 1:
            continue
        yield (
            Finding(
                kind="reasoning",
                what=f"Let {where(runs[0])} ({case.name(runs[0])}) think less",
                evidence=f"{thought:,} of the {written:,} tokens that {many(len(runs), 'call')} "
                f"wrote ({thought / written:.0%}) were reasoning. Half of it counts as the saving.",
                how="Lower the reasoning effort or budget for this step, or give it a model that "
                "does not reason; look whether answers stay right.",
                pairs=tuple(_thinking_half(run) for run in runs),
            ),
        )


def _thinking_half(run: Run) -> Pair:
    tokens = call_of(run).tokens
    less = (tokens.reasoning or 0) // 2
    return pair(
        run,
        output_tokens=(tokens.output or 0) - less,
        reasoning_tokens=(tokens.reasoning or 0) - less,
    )
