"""Readers of other tools' logs, a module each: what a record is, and the rows that it gives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from impactree.tables.readers import (
    anthropic_usage,
    bedrock,
    helicone,
    langfuse,
    langsmith,
    litellm,
    openai_usage,
    openrouter,
    otlp,
    own,
    spans,
    vertex,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from impactree.tables.readers._rows import Row

__all__ = ["READERS", "Reader"]


class Reader(NamedTuple):
    """One format of logs."""

    name: str
    recognises: Callable[[Mapping[str, Any]], bool]
    """Whether a record is of this format, by what it holds."""
    read: Callable[[Mapping[str, Any]], Iterable[Row]]
    """The calls, and the spans around them, of one record."""
    needs: tuple[str, ...]
    """What every record must have."""


def _reader(name: str, module: Any) -> Reader:
    return Reader(name, module.recognises, module.read, module.NEEDS)


READERS: Final = (
    _reader("impactree JSON Lines", own),
    Reader("impactree rows", own.recognises_row, own.read_row, ("model", "tokens_source")),
    _reader("LangSmith runs", langsmith),
    _reader("OpenTelemetry OTLP", otlp),
    Reader("OpenTelemetry in ClickHouse", spans.is_clickhouse, spans.clickhouse, spans.CLICKHOUSE),
    Reader("Phoenix spans", spans.is_phoenix, spans.phoenix, spans.PHOENIX),
    _reader("Langfuse observations", langfuse),
    _reader("LiteLLM spend logs", litellm),
    _reader("Bedrock invocation log", bedrock),
    _reader("Vertex AI request log", vertex),
    _reader("OpenAI usage report", openai_usage),
    _reader("Anthropic usage report", anthropic_usage),
    Reader(
        "OpenRouter activity",
        openrouter.is_activity,
        openrouter.activity,
        openrouter.ACTIVITY,
    ),
    Reader(
        "OpenRouter generation",
        openrouter.is_generation,
        openrouter.generation,
        openrouter.GENERATION,
    ),
    _reader("Helicone requests", helicone),
)
