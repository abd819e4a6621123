"""Routes from request paths to wire formats."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from urllib.parse import unquote

from ..model import Answer, Reply, Request
from . import (
    anthropic,
    bedrock,
    cohere,
    google,
    ollama,
    openai_chat,
    openai_other,
    openai_responses,
)
from .base import error

Handler = Callable[[Request, Answer], Reply]
PROVIDERS = (*openai_chat.FLAVOURS, "anthropic", "google", "cohere", "bedrock", "ollama")

_GOOGLE: dict[str, Callable[[str, Request, Answer], Reply]] = {
    "generateContent": google.generate,
    "streamGenerateContent": google.stream_generate,
    "embedContent": google.embed,
    "batchEmbedContents": google.batch_embed,
}
_BEDROCK: dict[str, Callable[[str, Request, Answer], Reply]] = {
    "converse": bedrock.converse,
    "converse-stream": bedrock.converse_stream,
}
_FIXED: tuple[tuple[str, str, Handler], ...] = (
    ("/v1/messages/count_tokens", "anthropic", anthropic.count_tokens),
    ("/v1/messages", "anthropic", anthropic.messages),
    ("/v2/chat", "cohere", cohere.chat),
    ("/v1/chat", "cohere", cohere.chat_v1),
    ("/v2/embed", "cohere", cohere.embed),
    ("/v1/embed", "cohere", cohere.embed),
    ("/v2/rerank", "cohere", cohere.rerank),
    ("/v1/rerank", "cohere", cohere.rerank),
    ("/api/chat", "ollama", ollama.chat),
    ("/api/generate", "ollama", ollama.generate),
    ("/api/embed", "ollama", ollama.embed),
    ("/api/show", "ollama", partial(ollama.info, "show.json")),
    ("/api/tags", "ollama", partial(ollama.info, "tags.json")),
    ("/responses", "responses", openai_responses.responses),
    ("/embeddings", "embeddings", openai_other.embeddings),
    ("/models", "openai", openai_other.models),
)
_GOOGLE_PATH = re.compile(r"/models/([^/:]+):(\w+)$")
_BEDROCK_PATH = re.compile(r"/model/([^/]+)/(converse|converse-stream)$")


def flavour(path: str) -> str:
    """Return the OpenAI-like provider a path is meant for."""
    first = path.split("/", 2)[1] if path.count("/") > 1 else ""
    if "/openai/deployments/" in path:
        return "azure"
    return first if first in openai_chat.FLAVOURS else "openai"


def find(path: str) -> tuple[str, Handler] | None:
    """Return the payload folder and handler of a path."""
    if path.endswith("/chat/completions"):
        provider = flavour(path)
        return provider, partial(openai_chat.chat, provider)
    if path.endswith("/completions"):
        return "completions", openai_other.completions
    for suffix, provider, handler in _FIXED:
        if path.endswith(suffix):
            return provider, handler
    return _with_model(path)


def _with_model(path: str) -> tuple[str, Handler] | None:
    if (found := _GOOGLE_PATH.search(path)) and found[2] in _GOOGLE:
        return "google", partial(_GOOGLE[found[2]], unquote(found[1]))
    if found := _BEDROCK_PATH.search(path):
        return "bedrock", partial(_BEDROCK[found[2]], unquote(found[1]))
    return None


__all__ = ["PROVIDERS", "error", "find"]
