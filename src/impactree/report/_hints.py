"""What to do about what a report warns of: a cure per warning, and what only the trees show."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from impactree.report._retries import retrying
from impactree.runs.marks import BY_MANAGER, TOLD_BY
from impactree.values.formatting import clean

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from impactree.runs import Run

__all__ = ["cure", "footnotes", "hints"]

_ASK_FOR_USAGE: Final = (
    "Cure, where it was streamed: ChatOpenAI(stream_usage=True), or "
    "stream_options={{'include_usage': True}} (LlamaIndex: in additional_kwargs)."
)
_INSTRUMENT: Final = (
    " With LlamaIndex's CallbackManager alone: ImpactHandler().instrument(), which sees what came "
    "of a stream."
)
_ASK_THE_PROVIDER: Final = (
    " Of what was cancelled, timed out or never read the provider's own usage page alone tells."
)
_NAME_THE_MODEL: Final = (
    "Cure, where a gateway or a deployment has names of its own: "
    "ImpactHandler(deployments={{{name!r}: 'PROVIDER/MODEL'}})."
)
_FOR_INSTANCE: Final = "Cure: ImpactHandler(deployments={{{name!r}: 'PROVIDER/MODEL'}})."
_LOOK_AT_USAGE: Final = "Cure: look at the usage that the client or gateway returns, and update it."
_CURES: Final = {
    "token-count-approximate": _ASK_FOR_USAGE,
    "output-tokens-unknown": _ASK_FOR_USAGE + _INSTRUMENT + _ASK_THE_PROVIDER,
    "model-not-registered": _NAME_THE_MODEL,
    "model-prior": _FOR_INSTANCE,
    "model-size-unknown": _NAME_THE_MODEL,
    "host-unknown": _FOR_INSTANCE,
    "provider-not-registered": _FOR_INSTANCE,
    "usage-reconciled": _LOOK_AT_USAGE,
    "usage-unclear": _LOOK_AT_USAGE,
    "part-above-whole": _LOOK_AT_USAGE,
    "region-not-registered": "Cure: ImpactHandler(zone=...) with the electricity mix zone.",
    "region-elsewhere": "Cure: ImpactHandler(provider_zones={{'HOST': 'ZONE'}}).",
    "zone-not-registered": "Cure: a zone that `impactree zones` lists; WOR is the world.",
}
_SAID: Final = frozenset(
    {"cached-above-input", "part-above-whole", "usage-reconciled", "usage-unclear"}
)
"""Warnings of an estimate that say the same."""
_RERANKS: Final = "ContextualCompressionRetriever"
_WRAPPED: Final = frozenset({"CacheBackedEmbeddings", "_TrackedEmbeddings"})
_CACHE_UNTOLD: Final = frozenset({"cohere", "huggingface", "mistral", "mistralai", "ollama"})
_CACHED_FROM: Final = 1024
"""Providers keep no shorter prompts, tokens."""
_MOVING: Final = ("-latest", ":latest", "/auto")
_REMOTE: Final = "langgraph.pregel.remote"
_ROUND_TRIP_S: Final = 0.001
"""No server answers faster."""


def cure(code: str, run: Run) -> str:
    """What helps against a warning or an error, by one of its calls; empty: nothing is known."""
    name = "" if run.call is None else clean(run.call.requested or run.call.model)[:60]
    return _CURES.get(code, "").format(name=name)


def hints(roots: Sequence[Run], runs: Sequence[Run], calls: Sequence[Run]) -> list[str]:
    """What only the trees show, with its cure.

    Args:
        roots: The trees.
        runs: All their runs.
        calls: Those of them that called a model.
    """
    found = (
        _orphans(roots),
        _told_less(roots),
        _strays(roots),
        _contradictions(calls),
        _unseen(runs),
        _retrying(calls),
        _untold(calls),
        _moving(calls),
        _remote(runs),
    )
    return [hint for some in found for hint in some]


def _orphans(roots: Sequence[Run]) -> Iterator[str]:
    """Calls whose run this handler was not told of."""
    lost = sum(1 for root in roots if root.call is not None and root.parent_id is not None)
    if lost:
        yield (
            f"parent-unknown ({_calls(lost)}): A model call belongs to a run that this handler "
            "did not see. Cure: pass the handler to the outermost chain or graph "
            '(config={"callbacks": [handler]}), not to the model alone.'
        )


def _told_less(roots: Sequence[Run]) -> Iterator[str]:
    """Trees that LlamaIndex's callback manager alone told of."""
    number = sum(1 for root in roots if root.metadata.get(TOLD_BY) == BY_MANAGER)
    if number:
        yield (
            f"told-by-manager ({number:,} run{'s' * (number != 1)}): LlamaIndex's CallbackManager "
            "tells nothing of agents, workflows and the pieces of streams, and of two streams that "
            "overlap and are asked and answered the same it tells one. Cure: "
            "ImpactHandler().instrument() of impactree.llama_index, which sees all of it."
        )


def _strays(roots: Sequence[Run]) -> Iterator[str]:
    """Calls without a parent that began and ended while a tree was running."""
    spans = [(r.start, r.end) for r in roots if r.call is None and r.end is not None]
    if not spans:
        return
    alone = [root for root in roots if root.call is not None and root.parent_id is None]
    lost = sum(1 for root in alone if _within(root, spans))
    if lost:
        yield (
            f"context-lost ({_calls(lost)}): A model call stands alone that was made while another "
            "run went on. Cure, if it belongs there: a plain thread loses the context; start it "
            "with contextvars.copy_context().run, or pass config on."
        )


def _within(run: Run, spans: list[tuple[float, float]]) -> bool:
    end = run.end
    return end is not None and any(first < run.start and end < last for first, last in spans)


def _contradictions(calls: Sequence[Run]) -> Iterator[str]:
    """Counts of a part above the count of its whole: whoever reported them contradicts itself."""
    wrong = 0
    for run in calls:
        tokens = run.call.tokens if run.call is not None else None
        if tokens is None or (run.own is not None and _SAID & {w.code for w in run.own.warnings}):
            continue
        parts = (tokens.cached_input or 0) + (tokens.cache_write or 0)
        read = tokens.input is not None and parts > tokens.input
        wrote = tokens.output is not None and (tokens.reasoning or 0) > tokens.output
        wrong += read or wrote
    if wrong:
        yield (
            f"usage-contradicts-itself ({_calls(wrong)}): More tokens are reported as cached or as "
            f"reasoning than in all. {_LOOK_AT_USAGE}"
        )


def _unseen(runs: Sequence[Run]) -> Iterator[str]:
    """Retrievers of LangChain that embed or rerank, without a call below."""
    asked = [run for run in runs if run.kind == "retriever"]
    silent = [run for run in asked if all(below.call is None for below in run.walk())]
    for what, wrap, lost in (
        ("embedding", "track_embeddings", sum(1 for run in silent if _embeds(run))),
        ("reranker", "track_reranker", sum(1 for run in asked if _reranks_unseen(run))),
    ):
        if lost:
            times = "1 retriever" if lost == 1 else f"{lost:,} retrievers"
            yield (
                f"{what}-not-seen ({times}): LangChain tells nothing of what its {what}s do, so "
                f"that no call is counted. Cure: {wrap}(...) of impactree.langchain around it."
            )


def _embeds(run: Run) -> bool:
    """Whether a vector store names a model of embeddings that is not wrapped and has no cache."""
    return any("mbedding" in tag and tag not in _WRAPPED for tag in run.tags)


def _reranks_unseen(run: Run) -> bool:
    """Whether all calls of a compressing retriever are those of the retriever that it asks."""
    own = (below for below in run.children if below.kind != "retriever")
    return run.name == _RERANKS and not any(below.calls for below in own)


def _retrying(calls: Sequence[Run]) -> Iterator[str]:
    """Calls whose client seems to have asked more than once."""
    seen = sum(1 for _, points_to_it in retrying(calls) if points_to_it)
    if seen:
        yield (
            f"retries-not-seen ({_calls(seen)}): They failed, or took more than twice as long as "
            "like calls, and their client asks again by itself after a failure or a timeout, which "
            "nothing tells; it counts as one call, with the usage of the last answer. Cure: "
            "max_retries=0 on the client, and asking again outside it (model.with_retry() in "
            "LangChain), which makes each attempt a call."
        )


def footnotes(calls: Sequence[Run]) -> list[str]:
    """What holds of calls whether or not anything points to it, with its cure."""
    unseen = sum(1 for _, points_to_it in retrying(calls) if not points_to_it)
    if not unseen:
        return []
    return [
        f"retries-not-seen ({_calls(unseen)}): What a client asked again by itself is part of "
        "its call. Cure: max_retries=0 on the client, with model.with_retry() around it."
    ]


def _untold(calls: Sequence[Run]) -> Iterator[str]:
    """Long prompts of which a cache may have served a part that the client does not tell."""
    silent: dict[str, int] = {}
    for run in calls:
        call = run.call
        if call is None or call.tokens_source != "reported" or call.cached_input_tokens is not None:
            continue
        if call.provider in _CACHE_UNTOLD and (call.input_tokens or 0) >= _CACHED_FROM:
            silent[call.provider] = silent.get(call.provider, 0) + 1
    if silent:
        yield (
            f"cached-input-not-told ({_calls(sum(silent.values()))}): The client or the format of "
            f"{', '.join(sorted(silent))} does not tell which input a cache served; all of it "
            "counts as read anew, which is at most too much. Cure: a client that hands it on, for "
            "instance ChatOpenAI with the provider's compatible address."
        )


def _moving(calls: Sequence[Run]) -> Iterator[str]:
    """Calls whose answers name no other model than the alias that was asked for."""
    names = {
        run.call.model
        for run in calls
        if run.call is not None
        and run.call.model.endswith(_MOVING)
        and run.call.requested in (None, run.call.model)
    }
    if names:
        shown = ", ".join(clean(name)[:60] for name in sorted(names)[:3])
        yield (
            f"alias-not-answered ({shown}): The client does not show which model answered for a "
            "name that moves; the one it stood for on that day is taken. Cure: the dated name, or "
            "ImpactHandler(deployments={'NAME': 'PROVIDER/MODEL'})."
        )


def _remote(runs: Sequence[Run]) -> Iterator[str]:
    """Nodes that may have asked a server, in a process that talks to remote graphs.

    A RemoteGraph fires no event of its own: its node looks like one that called no model, but for
    the time that an answer takes.
    """
    if _REMOTE not in sys.modules:
        return
    names = {
        run.name
        for run in runs
        if run.kind == "node"
        and not run.children
        and run.call is None
        and (run.latency_s is None or run.latency_s >= _ROUND_TRIP_S)
    }
    if names:
        shown = ", ".join(clean(name)[:60] for name in sorted(names)[:3])
        yield (
            f"remote-graph ({shown}): This process uses RemoteGraph, and these nodes show no call. "
            "What a server runs for them is not visible here. Cure: a handler on the server, with "
            "impactree.propagation, and report.merge()."
        )


def _calls(number: int) -> str:
    return "1 call" if number == 1 else f"{number:,} calls"
