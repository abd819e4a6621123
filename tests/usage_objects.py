"""Usage objects in each provider's documented shape, with what they mean, computed by hand.

Content is invented; shapes and names are those of the page at each address.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from impactree import Tokens


class Case(NamedTuple):
    """One object and the buckets that its maker's documentation gives it."""

    docs: str
    answer: Any
    tokens: Tokens
    notes: tuple[str, ...] = ()


def t(
    read: int | None,
    wrote: int | None,
    cached: int | None = None,
    written: int | None = None,
    reasoning: int | None = None,
) -> Tokens:
    return Tokens(
        input=read, output=wrote, cached_input=cached, cache_write=written, reasoning=reasoning
    )


def chat(read: int, wrote: int, total: int | None = None, **more: Any) -> dict[str, Any]:
    """An answer in the shape of OpenAI's chat completions."""
    total = read + wrote if total is None else total
    usage = {"prompt_tokens": read, "completion_tokens": wrote, "total_tokens": total, **more}
    return {"object": "chat.completion", "model": "m", "choices": [], "usage": usage}


def cached(n: int, **more: int) -> dict[str, Any]:
    return {"prompt_tokens_details": {"cached_tokens": n, **more}}


def thought(n: int, **more: int) -> dict[str, Any]:
    return {"completion_tokens_details": {"reasoning_tokens": n, **more}}


OPENAI = "https://platform.openai.com/docs/api-reference/"
ANTHROPIC = "https://docs.claude.com/en/docs/build-with-claude/"
GEMINI = "https://ai.google.dev/api/generate-content#UsageMetadata"
BEDROCK = "https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_TokenUsage.html"
BESIDE = ("reasoning-beside-output",)

CASES: dict[str, Case] = {
    # OpenAI and Azure
    "openai": Case(OPENAI + "chat/object", chat(19, 10), t(19, 10)),
    "openai-details": Case(
        OPENAI + "chat/object",
        chat(
            1117,
            346,
            **cached(1024, audio_tokens=0),
            **thought(256, audio_tokens=0, accepted_prediction_tokens=0),
        ),
        t(1117, 346, 1024, None, 256),
    ),
    "openai-audio": Case(
        "https://platform.openai.com/docs/guides/audio",
        chat(50, 230, **cached(0, audio_tokens=40), **thought(0, audio_tokens=180)),
        t(50, 230, 0, None, 0),
    ),
    "openai-predicted": Case(
        "https://platform.openai.com/docs/guides/predicted-outputs",
        chat(100, 60, **thought(0, accepted_prediction_tokens=20, rejected_prediction_tokens=9)),
        t(100, 60, None, None, 0),
    ),
    "openai-flex": Case(
        "https://platform.openai.com/docs/guides/flex-processing",
        {**chat(100, 60, **cached(64)), "service_tier": "flex"},
        t(100, 60, 64),
    ),
    "openai-last-chunk": Case(
        OPENAI + "chat-streaming",
        {**chat(19, 10), "object": "chat.completion.chunk"},
        t(19, 10),
    ),
    "openai-responses": Case(
        OPENAI + "responses/object",
        {
            "object": "response",
            "usage": {
                "input_tokens": 328,
                "input_tokens_details": {"cached_tokens": 128},
                "output_tokens": 52,
                "output_tokens_details": {"reasoning_tokens": 40},
                "total_tokens": 380,
            },
        },
        t(328, 52, 128, None, 40),
    ),
    "openai-responses-event": Case(
        OPENAI + "responses-streaming/response/completed",
        {
            "type": "response.completed",
            "response": {"usage": {"input_tokens": 37, "output_tokens": 11, "total_tokens": 48}},
        },
        t(37, 11),
    ),
    "openai-embeddings": Case(
        OPENAI + "embeddings",
        {"object": "list", "data": [], "usage": {"prompt_tokens": 8, "total_tokens": 8}},
        t(8, 0),
    ),
    "openai-images": Case(
        OPENAI + "images/object",
        {
            "usage": {
                "total_tokens": 100,
                "input_tokens": 50,
                "output_tokens": 50,
                "input_tokens_details": {"text_tokens": 10, "image_tokens": 40},
            }
        },
        t(50, 50),
    ),
    "openai-transcription": Case(
        OPENAI + "audio/json-object",
        {
            "usage": {
                "type": "tokens",
                "input_tokens": 14,
                "input_token_details": {"text_tokens": 0, "audio_tokens": 14},
                "output_tokens": 45,
                "total_tokens": 59,
            }
        },
        t(14, 45),
    ),
    "openai-realtime": Case(
        OPENAI + "realtime-server-events/response/done",
        {
            "response": {
                "usage": {
                    "total_tokens": 253,
                    "input_tokens": 132,
                    "output_tokens": 121,
                    "input_token_details": {"cached_tokens": 64, "audio_tokens": 13},
                    "output_token_details": {"text_tokens": 30, "audio_tokens": 91},
                }
            }
        },
        t(132, 121, 64),
    ),
    "openai-completions": Case(OPENAI + "completions/object", chat(5, 7), t(5, 7)),
    "azure": Case(
        "https://learn.microsoft.com/azure/ai-foundry/openai/reference",
        {**chat(33, 557, **thought(512)), "prompt_filter_results": []},
        t(33, 557, None, None, 512),
    ),
    # Anthropic
    "anthropic": Case(
        "https://docs.claude.com/en/api/messages",
        {"type": "message", "usage": {"input_tokens": 12, "output_tokens": 6}},
        t(12, 6),
    ),
    "anthropic-cache": Case(
        ANTHROPIC + "prompt-caching",  # 21 fresh + 188,086 read + 393 written
        {
            "usage": {
                "input_tokens": 21,
                "cache_creation_input_tokens": 393,
                "cache_read_input_tokens": 188086,
                "output_tokens": 393,
            }
        },
        t(188500, 393, 188086, 393),
    ),
    "anthropic-ttl": Case(
        ANTHROPIC + "prompt-caching#1-hour-cache-duration",  # 2048 + 1800 + 248
        {
            "usage": {
                "input_tokens": 2048,
                "cache_read_input_tokens": 1800,
                "cache_creation_input_tokens": 248,
                "output_tokens": 503,
                "cache_creation": {
                    "ephemeral_5m_input_tokens": 148,
                    "ephemeral_1h_input_tokens": 100,
                },
            }
        },
        t(4096, 503, 1800, 248),
    ),
    "anthropic-ttl-parts-alone": Case(
        ANTHROPIC + "prompt-caching#1-hour-cache-duration",
        {
            "usage": {
                "input_tokens": 10,
                "output_tokens": 5,
                "cache_creation": {"ephemeral_5m_input_tokens": 30},
            }
        },
        t(40, 5, None, 30),
    ),
    "anthropic-server-tools": Case(
        "https://docs.claude.com/en/docs/agents-and-tools/tool-use/web-search-tool",
        {
            "usage": {
                "input_tokens": 105,
                "output_tokens": 6039,
                "cache_read_input_tokens": 7123,
                "cache_creation_input_tokens": 7345,
                "server_tool_use": {"web_search_requests": 1},
                "service_tier": "standard",
            }
        },
        t(14573, 6039, 7123, 7345),
    ),
    "anthropic-compaction": Case(
        ANTHROPIC + "compaction",
        {
            "usage": {
                "input_tokens": 23000,
                "output_tokens": 1000,
                "iterations": [
                    {"type": "compaction", "input_tokens": 180000, "output_tokens": 3500},
                    {"type": "message", "input_tokens": 23000, "output_tokens": 1000},
                ],
            }
        },
        t(203000, 4500),
        ("iterations-summed",),
    ),
    "anthropic-one-iteration": Case(
        ANTHROPIC + "compaction",
        {
            "usage": {
                "input_tokens": 10,
                "output_tokens": 5,
                "iterations": [{"type": "message", "input_tokens": 10, "output_tokens": 5}],
            }
        },
        t(10, 5),
    ),
    "anthropic-iterations-with-caches": Case(
        ANTHROPIC + "compaction",  # 1 + 50 + 9 read and written at first, then 5 + 60
        {
            "usage": {
                "input_tokens": 5,
                "cache_read_input_tokens": 60,
                "output_tokens": 20,
                "iterations": [
                    {
                        "type": "compaction",
                        "input_tokens": 1,
                        "cache_read_input_tokens": 50,
                        "cache_creation_input_tokens": 9,
                        "output_tokens": 30,
                    },
                    {
                        "type": "message",
                        "input_tokens": 5,
                        "cache_read_input_tokens": 60,
                        "output_tokens": 20,
                    },
                ],
            }
        },
        t(125, 50, 110, 9),
        ("iterations-summed",),
    ),
    "anthropic-message-start": Case(
        ANTHROPIC + "streaming",
        {"type": "message_start", "message": {"usage": {"input_tokens": 25, "output_tokens": 1}}},
        t(25, 1),
    ),
    "anthropic-message-delta": Case(
        ANTHROPIC + "streaming",
        {"type": "message_delta", "usage": {"output_tokens": 15}},
        t(None, 15),
    ),
    # Google
    "gemini": Case(
        GEMINI,
        {
            "usageMetadata": {
                "promptTokenCount": 8,
                "candidatesTokenCount": 30,
                "totalTokenCount": 38,
                "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 8}],
            }
        },
        t(8, 30),
    ),
    "gemini-thoughts": Case(
        "https://ai.google.dev/gemini-api/docs/thinking",
        {
            "usageMetadata": {
                "promptTokenCount": 8,
                "candidatesTokenCount": 30,
                "thoughtsTokenCount": 500,
                "totalTokenCount": 538,
            }
        },
        t(8, 530, None, None, 500),
    ),
    "gemini-only-thoughts": Case(
        "https://ai.google.dev/gemini-api/docs/thinking",  # cut off before the first word
        {
            "usageMetadata": {
                "promptTokenCount": 8,
                "thoughtsTokenCount": 500,
                "totalTokenCount": 508,
            }
        },
        t(8, 500, None, None, 500),
    ),
    "gemini-cached": Case(
        "https://ai.google.dev/gemini-api/docs/caching",
        {
            "usageMetadata": {
                "promptTokenCount": 696219,
                "cachedContentTokenCount": 696190,
                "candidatesTokenCount": 214,
                "totalTokenCount": 696433,
                "cacheTokensDetails": [{"modality": "VIDEO", "tokenCount": 696190}],
            }
        },
        t(696219, 214, 696190),
    ),
    "gemini-tool-use": Case(
        "https://ai.google.dev/gemini-api/docs/url-context",  # 27 + 10,309 read
        {
            "usageMetadata": {
                "promptTokenCount": 27,
                "candidatesTokenCount": 45,
                "toolUsePromptTokenCount": 10309,
                "thoughtsTokenCount": 31,
                "totalTokenCount": 10412,
            }
        },
        t(10336, 76, None, None, 31),
    ),
    "gemini-python": Case(
        "https://googleapis.github.io/python-genai/genai.html",
        {
            "usage_metadata": {
                "prompt_token_count": 264,
                "candidates_token_count": 80,
                "total_token_count": 344,
                "cached_content_token_count": None,
                "thoughts_token_count": None,
                "prompt_tokens_details": [{"modality": "IMAGE", "token_count": 258}],
            }
        },
        t(264, 80),
    ),
    "gemini-blocked": Case(
        GEMINI, {"usageMetadata": {"promptTokenCount": 9, "totalTokenCount": 9}}, t(9, 0)
    ),
    "gemini-openai-endpoint": Case(
        "https://ai.google.dev/gemini-api/docs/openai",  # the thoughts are in the total alone
        chat(9, 151, 542),
        t(9, 533, None, None, 382),
        ("thoughts-missing",),
    ),
    "vertex": Case(
        "https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/inference",
        {
            "usageMetadata": {
                "promptTokenCount": 7,
                "candidatesTokenCount": 20,
                "totalTokenCount": 27,
                "trafficType": "ON_DEMAND",
            }
        },
        t(7, 20),
    ),
    "vertex-claude": Case(
        "https://cloud.google.com/vertex-ai/generative-ai/docs/partner-models/claude/use-claude",
        {"usage": {"input_tokens": 10, "cache_read_input_tokens": 90, "output_tokens": 4}},
        t(100, 4, 90),
    ),
    # Bedrock
    "bedrock": Case(
        BEDROCK, {"usage": {"inputTokens": 30, "outputTokens": 628, "totalTokens": 658}}, t(30, 628)
    ),
    "bedrock-cache": Case(
        BEDROCK,  # 4 + 1,313 + 200; the total counts all of them and 100 written
        {
            "usage": {
                "inputTokens": 4,
                "outputTokens": 100,
                "totalTokens": 1617,
                "cacheReadInputTokens": 1313,
                "cacheWriteInputTokens": 200,
            }
        },
        t(1517, 100, 1313, 200),
    ),
    "bedrock-cache-not-in-total": Case(
        BEDROCK,
        {
            "usage": {
                "inputTokens": 4,
                "outputTokens": 100,
                "totalTokens": 104,
                "cacheReadInputTokens": 1313,
                "cacheWriteInputTokens": 0,
            }
        },
        t(1317, 100, 1313, 0),
    ),
    "bedrock-stream": Case(
        "https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html",
        {"metadata": {"usage": {"inputTokens": 30, "outputTokens": 6, "totalTokens": 36}}},
        t(30, 6),
    ),
    "bedrock-invoke-stream": Case(
        "https://docs.aws.amazon.com/bedrock/latest/userguide/inference-invoke.html",
        {"amazon-bedrock-invocationMetrics": {"inputTokenCount": 14, "outputTokenCount": 9}},
        t(14, 9),
    ),
    "bedrock-titan": Case(
        "https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-text.html",
        {"inputTextTokenCount": 8, "results": [{"tokenCount": 5, "outputText": "x"}]},
        t(8, 5),
    ),
    "bedrock-llama": Case(
        "https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-meta.html",
        {"generation": "x", "prompt_token_count": 9, "generation_token_count": 20},
        t(9, 20),
    ),
    # Cohere and Mistral
    "cohere-v2": Case(
        "https://docs.cohere.com/reference/chat",
        {
            "usage": {
                "billed_units": {"input_tokens": 5, "output_tokens": 418},
                "tokens": {"input_tokens": 71, "output_tokens": 418},
                "cached_tokens": 64,
            }
        },
        t(71, 418, 64),
    ),
    "cohere-v1": Case(
        "https://docs.cohere.com/v1/reference/chat",
        {
            "meta": {
                "api_version": {"version": "1"},
                "billed_units": {"input_tokens": 5.0, "output_tokens": 418.0},
                "tokens": {"input_tokens": 71.0, "output_tokens": 418.0},
            }
        },
        t(71, 418),
    ),
    "cohere-embed": Case(
        "https://docs.cohere.com/reference/embed",
        {"embeddings": {}, "meta": {"billed_units": {"input_tokens": 2}}},
        t(2, None),
    ),
    "mistral": Case("https://docs.mistral.ai/api/", chat(16, 34), t(16, 34)),
    "mistral-cached": Case(
        "https://docs.mistral.ai/api/", chat(160, 34, num_cached_tokens=128), t(160, 34, 128)
    ),
    # OpenAI's shape, with each one's own additions
    "groq": Case(
        "https://console.groq.com/docs/api-reference#chat-create",
        chat(18, 556, queue_time=0.03, prompt_time=0.0, completion_time=0.46),
        t(18, 556),
    ),
    "groq-stream": Case(
        "https://console.groq.com/docs/api-reference#chat-create",
        {"choices": [], "x_groq": {"id": "r", **chat(18, 556)}},
        t(18, 556),
    ),
    "deepseek": Case(
        "https://api-docs.deepseek.com/api/create-chat-completion",
        chat(60, 80, prompt_cache_hit_tokens=32, prompt_cache_miss_tokens=28, **thought(50)),
        t(60, 80, 32, None, 50),
    ),
    "xai": Case(
        "https://docs.x.ai/docs/guides/reasoning",  # 9 of answer and 94 of thought
        chat(32, 9, 135, **cached(6, text_tokens=32), **thought(94), num_sources_used=0),
        t(32, 103, 6, None, 94),
        BESIDE,
    ),
    "xai-short-thought": Case(
        "https://docs.x.ai/docs/guides/reasoning",
        chat(32, 90, 136, **thought(14)),
        t(32, 104, None, None, 14),
        BESIDE,
    ),
    "perplexity": Case(
        "https://docs.perplexity.ai/api-reference/chat-completions-post",
        chat(14, 70, search_context_size="low"),
        t(14, 70),
    ),
    "perplexity-deep-research": Case(
        "https://docs.perplexity.ai/getting-started/models/models/sonar-deep-research",
        chat(108, 3256, citation_tokens=7299, num_search_queries=74, reasoning_tokens=73248),
        t(108, 76504, None, None, 73248),
        BESIDE,
    ),
    "perplexity-little-thought": Case(
        "https://docs.perplexity.ai/getting-started/models/models/sonar-deep-research",
        chat(108, 3256, citation_tokens=7299, num_search_queries=7, reasoning_tokens=256),
        t(108, 3512, None, None, 256),
        BESIDE,
    ),
    "openrouter": Case(
        "https://openrouter.ai/docs/use-cases/usage-accounting",
        chat(
            194,
            42,
            cost=0.95,
            cost_details={"upstream_inference_cost": 19},
            **cached(120, cache_write_tokens=30, audio_tokens=0),
            **thought(12, image_tokens=0),
        ),
        t(194, 42, 120, 30, 12),
    ),
    "together": Case(
        "https://docs.together.ai/reference/chat-completions",
        chat(40, 12, cached_tokens=16),
        t(40, 12, 16),
    ),
    "fireworks": Case(
        "https://docs.fireworks.ai/guides/prompt-caching", chat(40, 12, **cached(32)), t(40, 12, 32)
    ),
    "cerebras": Case(
        "https://inference-docs.cerebras.ai/api-reference/chat-completions",
        {**chat(13, 71, **cached(0)), "time_info": {"completion_time": 0.03}},
        t(13, 71, 0),
    ),
    "moonshot": Case(
        "https://platform.moonshot.ai/docs/api/chat", chat(19, 21, cached_tokens=10), t(19, 21, 10)
    ),
    "zhipu": Case("https://docs.z.ai/api-reference/llm/chat-completion", chat(8, 9), t(8, 9)),
    "dashscope": Case(
        "https://help.aliyun.com/zh/model-studio/use-qwen-by-calling-api",
        {
            "usage": {
                "input_tokens": 26,
                "output_tokens": 66,
                "total_tokens": 92,
                "prompt_tokens_details": {"cached_tokens": 16},
                "output_tokens_details": {"text_tokens": 26, "reasoning_tokens": 40},
            }
        },
        t(26, 66, 16, None, 40),
    ),
    "nvidia-nim": Case(
        "https://docs.nvidia.com/nim/large-language-models/latest/api-reference.html",
        chat(18, 44),
        t(18, 44),
    ),
    # Local servers
    "vllm": Case(
        "https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html",
        chat(10, 20, prompt_tokens_details=None),
        t(10, 20),
    ),
    "sglang": Case(
        "https://docs.sglang.ai/basic_usage/openai_api_completions.html",
        chat(10, 80, prompt_tokens_details=None, reasoning_tokens=64),
        t(10, 80, None, None, 64),
    ),
    "llama.cpp": Case(
        "https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md",
        {"content": "x", "tokens_evaluated": 29, "tokens_predicted": 64, "tokens_cached": 92},
        t(29, 64),
    ),
    "llama.cpp-openai": Case(
        "https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md",
        {**chat(29, 64), "timings": {"prompt_n": 29, "predicted_n": 64}},
        t(29, 64),
    ),
    "ollama": Case(
        "https://github.com/ollama/ollama/blob/main/docs/api.md",
        {"done": True, "total_duration": 1, "prompt_eval_count": 26, "eval_count": 298},
        t(26, 298),
    ),
    "ollama-prompt-cached": Case(
        "https://github.com/ollama/ollama/blob/main/docs/api.md",
        {"done": True, "eval_count": 298},
        t(None, 298),
    ),
    "ollama-embed": Case(
        "https://github.com/ollama/ollama/blob/main/docs/api.md#generate-embeddings",
        {"embeddings": [[0.1]], "prompt_eval_count": 8},
        t(8, None),
    ),
    "lm-studio": Case(
        "https://lmstudio.ai/docs/developer/rest/endpoints",
        {**chat(24, 53), "stats": {"tokens_per_second": 51.4}},
        t(24, 53),
    ),
    "lm-studio-v1": Case(
        "https://lmstudio.ai/docs/developer/rest/chat",
        {
            "stats": {
                "input_tokens": 329,
                "total_output_tokens": 268,
                "reasoning_output_tokens": 5,
            }
        },
        t(329, 268, None, None, 5),
    ),
    "tgi": Case(
        "https://huggingface.co/docs/text-generation-inference/messages_api",
        chat(17, 100),
        t(17, 100),
    ),
    "tgi-generate": Case(
        "https://huggingface.github.io/text-generation-inference/",
        {"generated_text": "x", "details": {"finish_reason": "length", "generated_tokens": 20}},
        t(None, 20),
    ),
    "huggingface": Case(
        "https://huggingface.co/docs/inference-providers/tasks/chat-completion",
        chat(17, 100),
        t(17, 100),
    ),
    "sagemaker": Case(
        "https://docs.djl.ai/master/docs/serving/serving/docs/lmi/user_guides/chat_input_output_schema.html",
        {"body": chat(33, 100)},
        t(33, 100),
    ),
    # Others
    "watsonx": Case(
        "https://cloud.ibm.com/apidocs/watsonx-ai#text-generation",
        {"results": [{"generated_token_count": 4, "input_token_count": 12, "stop_reason": "eos"}]},
        t(12, 4),
    ),
    "watsonx-chat": Case(
        "https://cloud.ibm.com/apidocs/watsonx-ai#text-chat", chat(59, 8), t(59, 8)
    ),
    "litellm-anthropic": Case(
        "https://docs.litellm.ai/docs/completion/prompt_caching",
        chat(
            2000, 50, cache_creation_input_tokens=400, cache_read_input_tokens=1500, **cached(1500)
        ),
        t(2000, 50, 1500, 400),
    ),
    "cache-under-the-wrong-name": Case(
        "https://docs.claude.com/en/api/openai-sdk",  # a gateway that renames Anthropic's counts
        chat(21, 50, **cached(188086, cache_write_tokens=393)),
        t(188500, 50, 188086, 393),
        ("cache-beside-input",),
    ),
    "a-total-that-is-too-small": Case(
        OPENAI + "chat/object", chat(100, 50, 120), t(100, 50), ("total-too-small",)
    ),
}
