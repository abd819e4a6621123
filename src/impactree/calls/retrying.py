"""Clients that ask again by themselves after a failure: what they got before is not seen."""

from __future__ import annotations

from typing import Any, Final

__all__ = ["MAY_RETRY", "may_retry"]

MAY_RETRY: Final = "client_may_retry"
"""The key of a run's metadata that says so."""

# By their class, as asked over HTTP with a server that fails once (tests/test_retries_within.py).
_ALWAYS: Final = frozenset(
    {
        *("ChatCohere", "ChatLiteLLM", "ChatLiteLLMRouter", "ChatOpenRouter"),  # LangChain
        *("Cohere", "LiteLLM"),  # LlamaIndex
    }
)
_NEVER: Final = frozenset({"ChatMistralAI", "ChatOllama", "ChatHuggingFace"})
_BY_DEFAULT: Final = frozenset(
    {
        *("AzureChatOpenAI", "AzureOpenAI", "BaseChatOpenAI", "ChatOpenAI", "OpenAI"),
        *("ChatBedrock", "ChatBedrockConverse", "ChatDeepSeek", "ChatFireworks"),
        *("ChatPerplexity", "ChatTogether", "ChatXAI"),
    }
)
_ATTEMPTS: Final = frozenset({"ChatGoogleGenerativeAI", "GoogleGenerativeAI"})
"""Their ``max_retries`` counts the first attempt, too."""


def may_retry(class_name: str, told: Any) -> bool:
    """Whether a client may ask again within one call.

    Args:
        class_name: The client's.
        told: Its ``max_retries``; None where it is not known.
    """
    if class_name in _NEVER:
        return False
    if class_name in _ALWAYS:
        return True
    if isinstance(told, int):
        return told > (class_name in _ATTEMPTS)
    return class_name in _BY_DEFAULT
