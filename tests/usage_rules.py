"""Usage objects made from true counts by each provider's documented rules.

Nothing here knows the reader: each rule writes an object from what a model truly read and wrote.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class True_:  # noqa: N801
    """What was truly read (fresh, from the cache, to the cache) and written (thought, answered)."""

    fresh: int
    cached: int
    written: int
    thought: int
    answered: int

    @property
    def input(self) -> int:
        return self.fresh + self.cached + self.written

    @property
    def output(self) -> int:
        return self.thought + self.answered


def openai(n: True_) -> Any:
    return {
        "usage": {
            "prompt_tokens": n.input,
            "completion_tokens": n.output,
            "total_tokens": n.input + n.output,
            "prompt_tokens_details": {"cached_tokens": n.cached, "cache_write_tokens": n.written},
            "completion_tokens_details": {"reasoning_tokens": n.thought},
        }
    }


def responses(n: True_) -> Any:
    return {
        "usage": {
            "input_tokens": n.input,
            "output_tokens": n.output,
            "total_tokens": n.input + n.output,
            "input_tokens_details": {"cached_tokens": n.cached},
            "output_tokens_details": {"reasoning_tokens": n.thought},
        }
    }


def anthropic(n: True_) -> Any:
    return {
        "usage": {
            "input_tokens": n.fresh,
            "cache_read_input_tokens": n.cached,
            "cache_creation_input_tokens": n.written,
            "output_tokens": n.output,
        }
    }


def bedrock(n: True_) -> Any:
    return {
        "usage": {
            "inputTokens": n.fresh,
            "cacheReadInputTokens": n.cached,
            "cacheWriteInputTokens": n.written,
            "outputTokens": n.output,
            "totalTokens": n.input + n.output,
        }
    }


def gemini(n: True_) -> Any:
    found = {
        "promptTokenCount": n.input,
        "cachedContentTokenCount": n.cached,
        "candidatesTokenCount": n.answered,
        "thoughtsTokenCount": n.thought,
        "totalTokenCount": n.input + n.output,
    }
    # Protocol buffers leave out what is zero.
    return {"usageMetadata": {key: count for key, count in found.items() if count}}


def gemini_by_openai(n: True_) -> Any:
    return {
        "usage": {
            "prompt_tokens": n.input,
            "completion_tokens": n.answered,
            "total_tokens": n.input + n.output,
        }
    }


def xai(n: True_) -> Any:
    return {
        "usage": {
            "prompt_tokens": n.input,
            "completion_tokens": n.answered,
            "total_tokens": n.input + n.output,
            "prompt_tokens_details": {"cached_tokens": n.cached},
            "completion_tokens_details": {"reasoning_tokens": n.thought},
        }
    }


def perplexity(n: True_) -> Any:
    return {
        "usage": {
            "prompt_tokens": n.input,
            "completion_tokens": n.answered,
            "total_tokens": n.input + n.answered,
            "citation_tokens": 12,
            "num_search_queries": 3,
            "reasoning_tokens": n.thought,
        }
    }


def deepseek(n: True_) -> Any:
    return {
        "usage": {
            "prompt_tokens": n.input,
            "completion_tokens": n.output,
            "total_tokens": n.input + n.output,
            "prompt_cache_hit_tokens": n.cached,
            "prompt_cache_miss_tokens": n.input - n.cached,
            "completion_tokens_details": {"reasoning_tokens": n.thought},
        }
    }


def cohere(n: True_) -> Any:
    tokens = {"input_tokens": float(n.input), "output_tokens": float(n.output)}
    return {"usage": {"tokens": tokens, "cached_tokens": float(n.cached)}}


def ollama(n: True_) -> Any:
    return {"prompt_eval_count": n.input, "eval_count": n.output}


def compaction(n: True_) -> Any:
    last = {"input_tokens": n.fresh, "output_tokens": n.answered}
    first = {
        "input_tokens": 0,
        "cache_read_input_tokens": n.cached,
        "cache_creation_input_tokens": n.written,
        "output_tokens": n.thought,
    }
    return {"usage": {**last, "iterations": [first, last]}}


def gemini_live(n: True_) -> Any:
    found = gemini(n)["usageMetadata"]
    found["responseTokenCount"] = found.pop("candidatesTokenCount")
    return {"usageMetadata": found}


def interactions(n: True_) -> Any:
    return {
        "usage": {
            "total_input_tokens": n.fresh + n.cached,
            "total_cached_tokens": n.cached,
            "total_tool_use_tokens": n.written,
            "total_output_tokens": n.answered,
            "total_thought_tokens": n.thought,
            "total_tokens": n.input + n.output,
        }
    }


def connectors(n: True_) -> Any:
    return {
        "usage": {
            "prompt_tokens": n.fresh,
            "connector_tokens": n.cached + n.written,
            "completion_tokens": n.output,
            "total_tokens": n.input + n.output,
        }
    }


def timings(n: True_) -> Any:
    return {
        "timings": {
            "prompt_n": n.fresh + n.written,
            "cache_n": n.cached,
            "predicted_n": n.output,
        }
    }


def generation(n: True_) -> Any:
    """Beside the tokens of one tokenizer for all, which are some other number."""
    return {
        "data": {
            "tokens_prompt": n.input + 7,
            "tokens_completion": n.output + 3,
            "native_tokens_prompt": n.input,
            "native_tokens_completion": n.output,
            "native_tokens_cached": n.cached,
            "native_tokens_cache_creation": n.written,
            "native_tokens_reasoning": n.thought,
        }
    }


def advised(n: True_) -> Any:
    """An advisor's tokens are another model's."""
    own = {
        "type": "message",
        "input_tokens": n.fresh,
        "cache_read_input_tokens": n.cached,
        "cache_creation_input_tokens": n.written,
        "output_tokens": n.output,
    }
    other = {"type": "advisor_message", "model": "m", "input_tokens": 5, "output_tokens": 6}
    return {"usage": {**own, "iterations": [own, other]}}


RULES: list[Callable[[True_], Any]] = [
    *(openai, responses, anthropic, bedrock, gemini, gemini_by_openai, xai, perplexity),
    *(deepseek, cohere, ollama, compaction, gemini_live, interactions, connectors, timings),
    *(generation, advised),
]
