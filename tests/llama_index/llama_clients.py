"""LlamaIndex client packages, unmodified, configured against the test server.

``python tests/llama_index/llama_clients.py`` prints the table of ``docs/llama_index.md``.
"""

from __future__ import annotations

import importlib
import os
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

KEY = "wire-test-key"
os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # it asks the network otherwise
WAYS = (
    "chat",
    "achat",
    "stream_chat",
    "astream_chat",
    "complete",
    "acomplete",
    "stream_complete",
    "astream_complete",
)
MODES = (*WAYS, "tools", "structured", "error")


@dataclass(frozen=True, slots=True)
class Client:
    """One model class: how to build it and what it fails to hand on.

    ``loses`` names token classes of ``Usage``, ``usage`` (all of them) or ``model``; a suffix
    such as ``:stream`` limits it to ways with that in their names.
    """

    id: str
    package: str
    make: Callable[[str], Any]
    answered: str
    requested: str
    loses: frozenset[str] = field(default_factory=frozenset)

    def drops(self, what: str, way: str) -> bool:
        """Whether a fact of the payload cannot reach the handler."""
        lost = (entry.partition(":") for entry in self.loses)
        return any(name == what and part in way for name, _, part in lost)


def load(name: str) -> Any:
    package, _, found = name.rpartition(".")
    return getattr(importlib.import_module(package), found)


def let_finish() -> None:
    """Wait for the threads that LangChainLLM streams from: their calls end after the stream."""
    theirs = load("llama_index.core.types.Thread")
    for thread in threading.enumerate():
        if isinstance(thread, theirs):
            thread.join(10)


def answer(way: str = "stream") -> str:
    """What ``MockLLM(max_tokens=5)`` answers; the oldest one's streams end in a space."""
    model = load("llama_index.core.llms.MockLLM")(max_tokens=5)
    if "stream" in way:
        return "".join(piece.delta for piece in model.stream_complete("x"))
    return str(model.complete("x").text)


def _openai(url: str) -> Any:
    return load("llama_index.llms.openai.OpenAI")(
        model="gpt-4o-mini",
        api_base=f"{url}/openai/v1",
        api_key=KEY,
        max_retries=0,
        additional_kwargs={"stream_options": {"include_usage": True}},
    )


def _openai_responses(url: str) -> Any:
    return load("llama_index.llms.openai.OpenAIResponses")(
        model="gpt-4o-mini", api_base=f"{url}/openai/v1", api_key=KEY, max_retries=0
    )


def _openai_like(url: str) -> Any:
    return load("llama_index.llms.openai_like.OpenAILike")(
        model="gpt-4o-mini",
        api_base=f"{url}/openai/v1",
        api_key=KEY,
        max_retries=0,
        is_chat_model=True,
        is_function_calling_model=True,
        additional_kwargs={"stream_options": {"include_usage": True}},
    )


def _azure(url: str) -> Any:
    return load("llama_index.llms.azure_openai.AzureOpenAI")(
        engine="my-deployment",
        model="gpt-4o-mini",
        azure_endpoint=url,
        api_key=KEY,
        api_version="2024-10-21",
        max_retries=0,
        additional_kwargs={"stream_options": {"include_usage": True}},
    )


def _anthropic(url: str) -> Any:
    return load("llama_index.llms.anthropic.Anthropic")(
        model="claude-haiku-4-5", base_url=f"{url}/anthropic", api_key=KEY, max_retries=0
    )


def _google(url: str) -> Any:
    options = load("google.genai.types.HttpOptions")(base_url=f"{url}/google")
    return load("llama_index.llms.google_genai.GoogleGenAI")(
        model="gemini-2.5-flash",
        api_key=KEY,
        http_options=options,
        context_window=1000,
        max_tokens=100,
        max_retries=0,
    )


def _mistral(url: str) -> Any:
    return load("llama_index.llms.mistralai.MistralAI")(
        model="mistral-small-latest", endpoint=f"{url}/mistral", api_key=KEY, max_retries=0
    )


def _cohere(url: str) -> Any:
    return load("llama_index.llms.cohere.Cohere")(
        model="command-a-03-2025", base_url=f"{url}/cohere", api_key=KEY, max_retries=1
    )


def _bedrock(url: str) -> Any:
    return load("llama_index.llms.bedrock_converse.BedrockConverse")(
        model=_HAIKU,
        region_name="eu-west-3",
        endpoint_url=f"{url}/bedrock",
        aws_access_key_id=KEY,
        aws_secret_access_key=KEY,
        max_retries=1,
    )


def _ollama(url: str) -> Any:
    return load("llama_index.llms.ollama.Ollama")(
        model="llama3.2", base_url=f"{url}/ollama", context_window=1000
    )


def _groq(url: str) -> Any:
    return load("llama_index.llms.groq.Groq")(
        model="openai/gpt-oss-20b",
        api_base=f"{url}/groq/openai/v1",
        api_key=KEY,
        max_retries=0,
        additional_kwargs={"stream_options": {"include_usage": True}},
    )


def _litellm(url: str) -> Any:
    return load("llama_index.llms.litellm.LiteLLM")(
        model="openai/gpt-4o-mini", api_base=f"{url}/openai/v1", api_key=KEY, max_retries=0
    )


def _langchain(url: str) -> Any:
    model = load("langchain_openai.ChatOpenAI")(
        model="gpt-4o-mini",
        base_url=f"{url}/openai/v1",
        api_key=KEY,
        max_retries=0,
        stream_usage=True,
    )
    return load("llama_index.llms.langchain.LangChainLLM")(llm=model)


_HAIKU = "anthropic.claude-3-5-haiku-20241022-v1:0"
_MINI = "gpt-4o-mini-2024-07-18"


def _client(id: str, make: Callable[[str], Any], names: tuple[str, str], loses: str = "") -> Client:
    package = f"llama_index.llms.{id.split('-responses', maxsplit=1)[0].replace('-', '_')}"
    return Client(id, package, make, names[1], names[0], frozenset(loses.split()))


CLIENTS = [
    _client("openai", _openai, ("gpt-4o-mini", _MINI)),
    _client("openai-responses", _openai_responses, ("gpt-4o-mini", _MINI), "usage:structured"),
    _client("openai-like", _openai_like, ("gpt-4o-mini", _MINI)),
    _client("azure-openai", _azure, ("gpt-4o-mini", _MINI)),
    _client(
        "anthropic",
        _anthropic,
        ("claude-haiku-4-5", "claude-haiku-4-5-20251001"),
        "model:stream usage:structured",
    ),
    _client("google-genai", _google, ("gemini-2.5-flash", "gemini-2.5-flash"), "usage:structured"),
    _client("mistralai", _mistral, ("mistral-small-latest", "mistral-small-latest")),
    _client(
        "cohere",
        _cohere,
        ("command-a-03-2025", "command-a-03-2025"),
        "way:complete way:astream_chat",
    ),
    _client("bedrock-converse", _bedrock, (_HAIKU, _HAIKU)),
    _client("ollama", _ollama, ("llama3.2", "llama3.2")),
    _client("groq", _groq, ("openai/gpt-oss-20b", "openai/gpt-oss-20b")),
    _client("litellm", _litellm, ("openai/gpt-4o-mini", _MINI), "model:stream usage:stream"),
    _client("langchain", _langchain, ("gpt-4o-mini", _MINI), "usage model way:tools"),
]


def table() -> str:
    """The table of clients and modes with its notes, in Markdown."""
    lines = [f"| client | {' | '.join(MODES)} |", "| --- |" + " --- |" * len(MODES)]
    lines += [
        f"| {client.id} | {' | '.join(_cell(client, mode) for mode in MODES)} |"
        for client in CLIENTS
    ]
    notes = [
        "- exact: every token class that the payload has, reported",
        "- counted: the client drops the usage; counted locally and marked `counted`",
        "- none: the client has no such method, or it raises with and without tracking",
        "- *: the client shows the requested name, never the answered one",
    ]
    return "\n".join([*lines, "", *notes])


def _cell(client: Client, mode: str) -> str:
    if client.drops("way", mode):
        return "none"
    if mode == "error":
        return "exact"
    found = "counted" if client.drops("usage", mode) else "exact"
    return f"{found}*" if client.drops("model", mode) else found


if __name__ == "__main__":
    print(table())  # noqa: T201
