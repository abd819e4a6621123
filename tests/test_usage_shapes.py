"""Usage objects beside the classes that the providers' own clients read them into.

Where a client is installed, each name that an object of ``usage_objects`` has is a name that the
client's class has in that place, and no count that the class demands is missing.
"""

from __future__ import annotations

from dataclasses import MISSING, fields, is_dataclass
from importlib import import_module
from types import UnionType
from typing import Any, NamedTuple, Union, get_args, get_origin, get_type_hints

import pytest

from usage_objects import CASES, STREAMS, Case


class Field(NamedTuple):
    """What a class says of a name."""

    kind: Any
    demanded: bool


OPENAI, ANTHROPIC, GOOGLE = "openai.types.", "anthropic.types.", "google.genai.types:"
GEMINI = GOOGLE + "GenerateContentResponseUsageMetadata"
CHAT = OPENAI + "completion_usage:CompletionUsage"
RESPONSES = OPENAI + "responses.response_usage:ResponseUsage"
REALTIME = OPENAI + "realtime.realtime_response_usage:RealtimeResponseUsage"
MESSAGE = ANTHROPIC + "usage:Usage"
BETA = ANTHROPIC + "beta.beta_usage:BetaUsage"
DELTA = ANTHROPIC + "message_delta_usage:MessageDeltaUsage"
BETA_DELTA = ANTHROPIC + "beta.beta_message_delta_usage:BetaMessageDeltaUsage"
COHERE = "cohere.types.usage:Usage"
GROQ = "groq.types.completion_usage:CompletionUsage"
MISTRAL = "mistralai.client.models.usageinfo:UsageInfo"
CONVERSATION = "mistralai.client.models.conversationusageinfo:ConversationUsageInfo"
OLLAMA = "ollama._types:"
TGI = "huggingface_hub.inference._generated.types."

# Where in the object, and which class reads that.
SHAPES: dict[str, tuple[str, str]] = {
    "openai": ("usage", CHAT),
    "openai-details": ("usage", CHAT),
    "openai-audio": ("usage", CHAT),
    "openai-predicted": ("usage", CHAT),
    "openai-flex": ("usage", CHAT),
    "openai-last-chunk": ("usage", CHAT),
    "openai-completions": ("usage", CHAT),
    "openai-responses": ("usage", RESPONSES),
    "openai-responses-event": ("response usage", RESPONSES),
    "openai-cache-write": ("usage", RESPONSES),
    "openai-embeddings": ("usage", OPENAI + "create_embedding_response:Usage"),
    "openai-images": ("usage", OPENAI + "images_response:Usage"),
    "openai-transcription": ("usage", OPENAI + "audio.transcription:UsageTokens"),
    "openai-transcription-event": ("usage", OPENAI + "audio.transcription_text_done_event:Usage"),
    "openai-image-stream": ("usage", OPENAI + "image_gen_completed_event:Usage"),
    "openai-realtime": ("response usage", REALTIME),
    "openai-realtime-cached-sound": ("response usage", REALTIME),
    "anthropic": ("usage", MESSAGE),
    "anthropic-cache": ("usage", MESSAGE),
    "anthropic-ttl": ("usage", MESSAGE),
    "anthropic-server-tools": ("usage", MESSAGE),
    "anthropic-thinking": ("usage", MESSAGE),
    "anthropic-message-start": ("message usage", MESSAGE),
    "anthropic-message-delta": ("usage", DELTA),
    "anthropic-batch": ("message usage", MESSAGE),
    "anthropic-one-iteration": ("usage", BETA),
    "anthropic-iterations-with-caches": ("usage", BETA),
    "anthropic-advisor": ("usage", BETA),
    "anthropic-fallback": ("usage", BETA),
    "anthropic-server-tool-loop": ("usage", BETA),
    "gemini": ("usageMetadata", GEMINI),
    "gemini-thoughts": ("usageMetadata", GEMINI),
    "gemini-only-thoughts": ("usageMetadata", GEMINI),
    "gemini-cached": ("usageMetadata", GEMINI),
    "gemini-tool-use": ("usageMetadata", GEMINI),
    "gemini-python": ("usage_metadata", GEMINI),
    "gemini-blocked": ("usageMetadata", GEMINI),
    "vertex": ("usageMetadata", GEMINI),
    "gemini-live": ("usageMetadata", GOOGLE + "UsageMetadata"),
    "gemini-live-python": ("usage_metadata", GOOGLE + "UsageMetadata"),
    "cohere-v2": ("usage", COHERE),
    "cohere-billed-alone": ("usage", COHERE),
    "cohere-v2-stream": ("delta usage", COHERE),
    "cohere-v1": ("meta", "cohere.types.api_meta:ApiMeta"),
    "cohere-v1-stream": ("response meta", "cohere.types.api_meta:ApiMeta"),
    "cohere-embed": ("meta", "cohere.types.api_meta:ApiMeta"),
    "groq": ("usage", GROQ),
    "groq-stream": ("x_groq usage", GROQ),
    "groq-details": ("usage", GROQ),
    "mistral": ("usage", MISTRAL),
    "mistral-audio": ("usage", MISTRAL),
    "mistral-connectors": ("usage", CONVERSATION),
    "mistral-no-connectors": ("usage", CONVERSATION),
    "ollama": ("", OLLAMA + "GenerateResponse"),
    "ollama-prompt-cached": ("", OLLAMA + "GenerateResponse"),
    "ollama-chat": ("", OLLAMA + "ChatResponse"),
    "ollama-embed": ("", OLLAMA + "EmbedResponse"),
    "huggingface": ("usage", TGI + "chat_completion:ChatCompletionOutputUsage"),
    "tgi": ("usage", TGI + "chat_completion:ChatCompletionOutputUsage"),
    "tgi-generate": ("details", TGI + "text_generation:TextGenerationOutputDetails"),
    "tgi-stream": ("details", TGI + "text_generation:TextGenerationStreamOutputStreamDetails"),
    "openrouter": ("usage", "openrouter.components.chatusage:ChatUsage"),
    "openrouter-video": ("usage", "openrouter.components.chatusage:ChatUsage"),
}
LAST_PIECES: dict[str, tuple[str, str]] = {
    "anthropic-cumulative-delta": ("usage", BETA_DELTA),
    "openai": ("usage", CHAT),
    "openai-responses": ("response usage", RESPONSES),
    "cohere": ("delta usage", COHERE),
    "gemini": ("usageMetadata", GEMINI),
    "ollama": ("", OLLAMA + "ChatResponse"),
}
BEDROCK = {
    **dict.fromkeys(("bedrock", "bedrock-cache", "bedrock-ttl"), "usage"),
    "bedrock-cache-not-in-total": "usage",
    "bedrock-stream": "metadata usage",
}


def at(path: str, answer: Any) -> Any:
    for key in path.split():
        answer = answer[key]
    return answer


def shape_of(kind: Any) -> dict[str, Field] | None:
    """The names of a class, its aliases among them; None: it is no class with names."""
    if hasattr(kind, "model_fields"):
        named: dict[str, Field] = {}
        for name, field in kind.model_fields.items():
            told = Field(field.annotation, field.is_required())
            named[name] = told
            if field.alias:
                named[field.alias] = told._replace(demanded=False)
                named[name] = told._replace(demanded=False)
        return named
    if is_dataclass(kind):
        hints = get_type_hints(kind)
        return {f.name: Field(hints[f.name], f.default is MISSING) for f in fields(kind)}
    return None


def choices(kind: Any) -> list[Any]:
    """The classes that a value of a kind may have."""
    origin = get_origin(kind)
    if origin in (Union, UnionType):
        return [one for each in get_args(kind) for one in choices(each)]
    if hasattr(kind, "__metadata__") or origin in (list, tuple):
        return choices(get_args(kind)[0])
    return [kind]


def faults(value: Any, kind: Any, where: str) -> list[str]:
    """What an object has that the class does not, or the other way."""
    if isinstance(value, list):
        return [fault for one in value for fault in faults(one, kind, where)]
    if not isinstance(value, dict):
        return []
    shapes = [shape for one in choices(kind) if (shape := shape_of(one)) is not None]
    found = [_faults(value, shape, where) for shape in shapes]
    return min(found, key=len, default=[])


def _faults(value: dict[str, Any], shape: dict[str, Field], where: str) -> list[str]:
    out = [f"{where}.{key}: unknown" for key in value if key not in shape]
    out += [
        f"{where}.{k}: missing"
        for k, f in shape.items()
        if f.demanded and f.kind is int and k not in value
    ]
    for key in value.keys() & shape.keys():
        out += faults(value[key], shape[key].kind, f"{where}.{key}")
    return out


def named(spelt: str) -> Any:
    module, name = spelt.split(":")
    pytest.importorskip(module.partition(".")[0])
    return getattr(import_module(module), name)


@pytest.mark.parametrize("name", SHAPES)
def test_an_object_is_of_its_client_s_class(name: str) -> None:
    path, spelt = SHAPES[name]
    assert faults(at(path, CASES[name].answer), named(spelt), name) == []


@pytest.mark.parametrize("name", LAST_PIECES)
def test_the_last_piece_of_a_stream_is_of_its_client_s_class(name: str) -> None:
    path, spelt = LAST_PIECES[name]
    case: Case = STREAMS[name]
    assert faults(at(path, case.answer[-1]), named(spelt), name) == []


@pytest.mark.parametrize("name", BEDROCK)
def test_an_object_of_bedrock_is_of_the_service_s_model(name: str) -> None:
    loaders = pytest.importorskip("botocore.loaders")
    model = loaders.Loader().load_service_model("bedrock-runtime", "service-2")
    shape = model["shapes"]["TokenUsage"]
    usage = at(BEDROCK[name], CASES[name].answer)
    assert usage.keys() <= shape["members"].keys()
    assert set(shape["required"]) <= usage.keys()
