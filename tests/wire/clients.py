"""LangChain chat clients configured against the test server."""

from __future__ import annotations

import importlib
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from langchain_core.language_models import BaseChatModel

KEY = "wire-test-key"
os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # else importing it downloads one


@dataclass(frozen=True, slots=True)
class Client:
    """One chat client: how to build it and what it fails to report.

    `loses` names what the client's message does not tell: a token class of `Usage`
    (`input`, `cached_input`, `cache_write`, `output`, `reasoning`), `usage` (all of
    them) or `model` (the answered name). A suffix such as `:stream` limits it to one
    way of calling: `invoke`, `ainvoke`, `stream` or `astream`.
    """

    id: str
    package: str
    provider: str
    requested: str
    answered: str
    make: Callable[[str], BaseChatModel]
    loses: frozenset[str] = field(default_factory=frozenset)
    ls_provider: str = ""

    def drops(self, what: str, way: str) -> bool:
        """Tell whether the client loses `what` when called that way."""
        return not self.loses.isdisjoint({what, f"{what}:{way}"})


def _load(name: str) -> Any:
    package, _, found = name.rpartition(".")
    return getattr(importlib.import_module(package), found)


def _chat(name: str, **settings: Any) -> BaseChatModel:
    model: BaseChatModel = _load(name)(**settings)
    return model


def _openai(url: str, **more: Any) -> BaseChatModel:
    return _chat(
        "langchain_openai.ChatOpenAI",
        model=more.pop("model", "gpt-4o-mini"),
        base_url=f"{url}/openai/v1",
        api_key=KEY,
        max_retries=0,
        stream_usage=True,
        **more,
    )


def _openai_responses(url: str) -> BaseChatModel:
    return _openai(url, use_responses_api=True)


def _azure(url: str) -> BaseChatModel:
    return _chat(
        "langchain_openai.AzureChatOpenAI",
        azure_endpoint=url,
        azure_deployment="my-deployment",
        api_version="2024-10-21",
        api_key=KEY,
        max_retries=0,
        stream_usage=True,
    )


def _anthropic(url: str) -> BaseChatModel:
    return _chat(
        "langchain_anthropic.ChatAnthropic",
        model_name="claude-haiku-4-5",
        base_url=f"{url}/anthropic",
        api_key=KEY,
        max_retries=0,
    )


def _google(url: str) -> BaseChatModel:
    return _chat(
        "langchain_google_genai.ChatGoogleGenerativeAI",
        model="gemini-2.5-flash",
        google_api_key=KEY,
        base_url=f"{url}/google",
        max_retries=1,
    )


def _mistral(url: str) -> BaseChatModel:
    return _chat(
        "langchain_mistralai.ChatMistralAI",
        model_name="mistral-small-latest",
        base_url=f"{url}/mistral/v1",
        api_key=KEY,
        max_retries=0,
    )


def _cohere(url: str) -> BaseChatModel:
    return _chat(
        "langchain_cohere.ChatCohere",
        model="command-a-03-2025",
        base_url=f"{url}/cohere",
        cohere_api_key=KEY,
    )


def _bedrock(url: str, **more: Any) -> BaseChatModel:
    return _chat(
        "langchain_aws.ChatBedrockConverse",
        model="anthropic.claude-3-5-haiku-20241022-v1:0",
        region_name="eu-west-3",
        endpoint_url=f"{url}/bedrock",
        aws_access_key_id=KEY,
        aws_secret_access_key=KEY,
        max_retries=0,
        **more,
    )


def _bedrock_thinking(url: str) -> BaseChatModel:
    return _bedrock(url, additional_model_response_field_paths=["/usage"])


def _ollama(url: str) -> BaseChatModel:
    return _chat("langchain_ollama.ChatOllama", model="llama3.2", base_url=f"{url}/ollama")


def _groq(url: str) -> BaseChatModel:
    return _chat(
        "langchain_groq.ChatGroq",
        model="openai/gpt-oss-20b",
        base_url=f"{url}/groq",
        api_key=KEY,
        max_retries=0,
    )


def _deepseek(url: str) -> BaseChatModel:
    return _chat(
        "langchain_deepseek.ChatDeepSeek",
        model="deepseek-chat",
        base_url=f"{url}/deepseek/v1",
        api_key=KEY,
        max_retries=0,
    )


def _xai(url: str) -> BaseChatModel:
    return _chat(
        "langchain_xai.ChatXAI",
        model="grok-4",
        base_url=f"{url}/xai/v1",
        api_key=KEY,
        max_retries=0,
    )


def _openrouter(url: str) -> BaseChatModel:
    return _chat(
        "langchain_openrouter.ChatOpenRouter",
        model="openai/gpt-4o-mini",
        base_url=f"{url}/openrouter/api/v1",
        api_key=KEY,
        max_retries=0,
    )


def _litellm(url: str) -> BaseChatModel:
    return _chat(
        "langchain_litellm.ChatLiteLLM",
        model="openai/gpt-4o-mini",
        api_base=f"{url}/openai/v1",
        api_key=KEY,
        max_retries=0,
    )


def _huggingface(url: str) -> BaseChatModel:
    hub = importlib.import_module("huggingface_hub")
    endpoint = _load("langchain_huggingface.HuggingFaceEndpoint")(
        repo_id=_LLAMA, huggingfacehub_api_token=KEY, task="text-generation"
    )
    base = f"{url}/huggingface/v1"
    endpoint.client = hub.InferenceClient(base_url=base, api_key=KEY)
    endpoint.async_client = hub.AsyncInferenceClient(base_url=base, api_key=KEY)
    return _chat("langchain_huggingface.ChatHuggingFace", llm=endpoint, stream_usage=True)


def _huggingface_endpoint(url: str) -> BaseChatModel:
    endpoint = _load("langchain_huggingface.HuggingFaceEndpoint")(
        endpoint_url=f"{url}/huggingface/v1",
        huggingfacehub_api_token=KEY,
        task="text-generation",
    )
    return _chat("langchain_huggingface.ChatHuggingFace", llm=endpoint)


def _client(
    id: str,
    package: str,
    names: tuple[str, str],
    make: Callable[[str], BaseChatModel],
    loses: str = "",
    *,
    provider: str = "",
    ls_provider: str = "",
) -> Client:
    return Client(
        id=id,
        package=package,
        provider=provider or id,
        requested=names[0],
        answered=names[1],
        make=make,
        loses=frozenset(loses.split()),
        ls_provider=ls_provider or provider or id,
    )


def _same(name: str) -> tuple[str, str]:
    return name, name


_MINI = ("gpt-4o-mini", "gpt-4o-mini-2024-07-18")
_LLAMA = "meta-llama/Llama-3.1-8B-Instruct"
_HAIKU = "anthropic.claude-3-5-haiku-20241022-v1:0"

CLIENTS: list[Client] = [
    _client("openai", "langchain_openai", _MINI, _openai),
    _client("openai-responses", "langchain_openai", _MINI, _openai_responses, provider="openai"),
    _client("azure", "langchain_openai", ("my-deployment", _MINI[1]), _azure),
    _client(
        "anthropic",
        "langchain_anthropic",
        ("claude-haiku-4-5", "claude-haiku-4-5-20251001"),
        _anthropic,
    ),
    _client(
        "google",
        "langchain_google_genai",
        _same("gemini-2.5-flash"),
        _google,
        ls_provider="google_genai",
    ),
    _client(
        "mistral",
        "langchain_mistralai",
        _same("mistral-small-latest"),
        _mistral,
        "cached_input model:invoke model:ainvoke",
    ),
    _client(
        "cohere",
        "langchain_cohere",
        _same("command-a-03-2025"),
        _cohere,
        "cached_input usage:stream input:astream model",
    ),
    _client(
        "bedrock",
        "langchain_aws",
        _same(_HAIKU),
        _bedrock,
        "model",
        ls_provider="amazon_bedrock",
    ),
    _client(
        "bedrock-thinking",
        "langchain_aws",
        _same(_HAIKU),
        _bedrock_thinking,
        "model",
        provider="bedrock",
        ls_provider="amazon_bedrock",
    ),
    _client("ollama", "langchain_ollama", _same("llama3.2"), _ollama),
    _client("groq", "langchain_groq", _same("openai/gpt-oss-20b"), _groq, "model"),
    _client("deepseek", "langchain_deepseek", _same("deepseek-chat"), _deepseek),
    _client("xai", "langchain_xai", ("grok-4", "grok-4-0709"), _xai),
    _client("openrouter", "langchain_openrouter", _same("openai/gpt-4o-mini"), _openrouter),
    _client(
        "litellm",
        "langchain_litellm",
        ("openai/gpt-4o-mini", _MINI[1]),
        _litellm,
        "model",
        provider="openai",
        ls_provider="litellm",
    ),
    _client("huggingface", "langchain_huggingface", _same(_LLAMA), _huggingface, "model"),
    _client(
        "huggingface-endpoint",
        "langchain_huggingface",
        ("", _LLAMA),
        _huggingface_endpoint,
        "model usage:stream usage:astream",
        provider="huggingface",
    ),
]
