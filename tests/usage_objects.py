"""Usage objects in each provider's documented shape, with what they mean, computed by hand.

Content is invented; shapes and names are those of the page at each address, where they were taken
from. ``test_usage_shapes`` lists those that a provider's own client confirms; the addresses of the
others were not looked up again. Nothing here knows the reader.
"""

from __future__ import annotations

from typing import Any, NamedTuple


class Buckets(NamedTuple):
    """Counts, the caches' within the input and reasoning within the output; None: not told."""

    input: int | None
    output: int | None
    cached_input: int | None
    cache_write: int | None
    reasoning: int | None


class Case(NamedTuple):
    """One object and the buckets that its maker's documentation gives it."""

    docs: str
    answer: Any
    tokens: Buckets
    notes: tuple[str, ...] = ()


def t(
    read: int | None,
    wrote: int | None,
    cached: int | None = None,
    written: int | None = None,
    reasoning: int | None = None,
) -> Buckets:
    return Buckets(read, wrote, cached, written, reasoning)


def chat(read: int, wrote: int, total: int | None = None, **more: Any) -> dict[str, Any]:
    """An answer in the shape of OpenAI's chat completions."""
    total = read + wrote if total is None else total
    usage = {"prompt_tokens": read, "completion_tokens": wrote, "total_tokens": total, **more}
    return {"object": "chat.completion", "model": "m", "choices": [], "usage": usage}


def cached(n: int, **more: int) -> dict[str, Any]:
    return {"prompt_tokens_details": {"cached_tokens": n, **more}}


def thought(n: int, **more: int) -> dict[str, Any]:
    return {"completion_tokens_details": {"reasoning_tokens": n, **more}}


UNCACHED = {"cache_creation_input_tokens": 0, "cache_read_input_tokens": 0}

OPENAI = "https://platform.openai.com/docs/api-reference/"
OPENAI_SDK = "https://github.com/openai/openai-python/blob/main/src/openai/types/"
ANTHROPIC_SDK = "https://github.com/anthropics/anthropic-sdk-python/blob/main/src/anthropic/types/"
ANTHROPIC = "https://platform.claude.com/docs/en/build-with-claude/"
GEMINI = "https://ai.google.dev/api/generate-content#UsageMetadata"
BEDROCK = "https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_TokenUsage.html"
BESIDE = ("reasoning-beside-output",)

CASES: dict[str, Case] = {
    # OpenAI and Azure
    "openai": Case(OPENAI + "chat/object", chat(19, 10), t(19, 10)),
    "openai-details": Case(
        OPENAI_SDK + "completion_usage.py",
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
                "input_tokens_details": {"cached_tokens": 128, "cache_write_tokens": 0},
                "output_tokens": 52,
                "output_tokens_details": {"reasoning_tokens": 40},
                "total_tokens": 380,
            },
        },
        t(328, 52, 128, 0, 40),
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
        "https://platform.claude.com/docs/en/api/messages",
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
        ANTHROPIC_SDK + "cache_creation.py",  # 2048 + 1800 + 248
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
        "https://platform.claude.com/docs/en/agents-and-tools/tool-use/web-search-tool",
        {
            "usage": {
                "input_tokens": 105,
                "output_tokens": 6039,
                "cache_read_input_tokens": 7123,
                "cache_creation_input_tokens": 7345,
                "server_tool_use": {"web_search_requests": 1, "web_fetch_requests": 0},
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
        ANTHROPIC_SDK + "beta/beta_message_iteration_usage.py",
        {
            "usage": {
                "input_tokens": 10,
                "output_tokens": 5,
                "iterations": [
                    {"type": "message", "input_tokens": 10, "output_tokens": 5, **UNCACHED}
                ],
            }
        },
        t(10, 5, 0, 0),
    ),
    "anthropic-iterations-with-caches": Case(
        ANTHROPIC_SDK + "beta/beta_compaction_iteration_usage.py",
        # 1 + 50 + 9 read and written at first, then 5 + 60
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
                        "cache_creation_input_tokens": 0,
                        "output_tokens": 20,
                    },
                ],
            }
        },
        t(125, 50, 110, 9),
        ("iterations-summed",),
    ),
    "anthropic-message-start": Case(
        ANTHROPIC + "streaming#event-types",
        {"type": "message_start", "message": {"usage": {"input_tokens": 25, "output_tokens": 1}}},
        t(25, 1),
    ),
    "anthropic-message-delta": Case(
        ANTHROPIC_SDK + "message_delta_usage.py",
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
        "https://github.com/googleapis/python-genai/blob/main/google/genai/types.py",
        # cut off before the first word
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
        "https://ai.google.dev/api/generate-content#PromptFeedback",
        {"usageMetadata": {"promptTokenCount": 9, "totalTokenCount": 9}},
        t(9, 0),
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
        "https://docs.aws.amazon.com/bedrock/latest/userguide/prompt-caching.html",
        # 4 + 1,313 + 200; the total counts all of them and 100 written
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
        "https://github.com/boto/botocore/blob/develop/botocore/data/bedrock-runtime/2023-09-30/service-2.json",
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
        "https://docs.mistral.ai/capabilities/prompt_caching/",
        chat(160, 34, num_cached_tokens=128),
        t(160, 34, 128),
    ),
    # OpenAI's shape, with each one's own additions
    "groq": Case(
        "https://console.groq.com/docs/api-reference#chat-create",
        chat(18, 556, queue_time=0.03, prompt_time=0.0, completion_time=0.46),
        t(18, 556),
    ),
    "groq-stream": Case(
        "https://github.com/groq/groq-python/blob/main/src/groq/types/chat/chat_completion_chunk.py",
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
        "https://github.com/langchain-ai/langchain/blob/master/libs/partners/xai/langchain_xai/chat_models.py",
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
        "https://docs.perplexity.ai/getting-started/pricing",
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
        "https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md#post-v1chatcompletions-openai-compatible-chat-completions-api",
        {**chat(29, 64), "timings": {"prompt_n": 29, "predicted_n": 64}},
        t(29, 64),
    ),
    "ollama": Case(
        "https://github.com/ollama/ollama/blob/main/docs/api.md",
        {"done": True, "total_duration": 1, "prompt_eval_count": 26, "eval_count": 298},
        t(26, 298),
    ),
    "ollama-prompt-cached": Case(
        "https://github.com/ollama/ollama/issues/2068",
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
    # More of OpenAI and Azure
    "openai-cache-write": Case(
        OPENAI_SDK + "responses/response_usage.py",
        {
            "usage": {
                "input_tokens": 4096,
                "input_tokens_details": {"cached_tokens": 1024, "cache_write_tokens": 2048},
                "output_tokens": 52,
                "output_tokens_details": {"reasoning_tokens": 0},
                "total_tokens": 4148,
            }
        },
        t(4096, 52, 1024, 2048, 0),
    ),
    "openai-realtime-cached-sound": Case(
        OPENAI_SDK + "realtime/realtime_response_usage_input_token_details.py",
        {
            "response": {
                "usage": {
                    "input_tokens": 900,
                    "output_tokens": 120,
                    "total_tokens": 1020,
                    "input_token_details": {
                        "cached_tokens": 640,
                        "text_tokens": 100,
                        "audio_tokens": 700,
                        "image_tokens": 100,
                        "cached_tokens_details": {"text_tokens": 64, "audio_tokens": 576},
                    },
                }
            }
        },
        t(900, 120, 640),
    ),
    "openai-transcription-event": Case(
        OPENAI_SDK + "audio/transcription_text_done_event.py",
        {
            "type": "transcript.text.done",
            "text": "x",
            "usage": {
                "type": "tokens",
                "input_tokens": 14,
                "input_token_details": {"audio_tokens": 14, "text_tokens": 0},
                "output_tokens": 31,
                "total_tokens": 45,
            },
        },
        t(14, 31),
    ),
    "openai-image-stream": Case(
        OPENAI_SDK + "image_gen_completed_event.py",
        {
            "type": "image_generation.completed",
            "usage": {
                "input_tokens": 50,
                "output_tokens": 1056,
                "total_tokens": 1106,
                "input_tokens_details": {"text_tokens": 50, "image_tokens": 0},
            },
        },
        t(50, 1056),
    ),
    "openai-batch-line": Case(
        "https://platform.openai.com/docs/guides/batch",
        {"custom_id": "1", "response": {"status_code": 200, "body": chat(22, 2)}},
        t(22, 2),
    ),
    "azure-audio": Case(
        "https://learn.microsoft.com/azure/ai-foundry/openai/audio-completions-quickstart",
        chat(14, 310, **thought(0, audio_tokens=250, text_tokens=60)),
        t(14, 310, None, None, 0),
    ),
    "github-models": Case(
        "https://docs.github.com/en/rest/models/inference", chat(17, 9), t(17, 9)
    ),
    # More of Anthropic
    "anthropic-thinking": Case(
        ANTHROPIC_SDK + "output_tokens_details.py",  # of which thought: always a part
        {
            "usage": {
                "input_tokens": 30,
                "output_tokens": 800,
                "output_tokens_details": {"thinking_tokens": 700},
            }
        },
        t(30, 800, None, None, 700),
    ),
    "anthropic-advisor": Case(
        "https://platform.claude.com/docs/en/agents-and-tools/tool-use/advisor-tool",
        # 412 = 412 + 0 read and 531 = 89 + 442 written by the model itself
        {
            "usage": {
                "input_tokens": 412,
                "output_tokens": 531,
                **UNCACHED,
                "iterations": [
                    {"type": "message", "input_tokens": 412, "output_tokens": 89, **UNCACHED},
                    {
                        "type": "advisor_message",
                        "model": "claude-opus-4-6",
                        "input_tokens": 823,
                        "output_tokens": 1612,
                        **UNCACHED,
                    },
                    {"type": "message", "input_tokens": 0, "output_tokens": 442, **UNCACHED},
                ],
            }
        },
        t(412, 531, 0, 0),
        ("other-models-apart",),
    ),
    "anthropic-fallback": Case(
        ANTHROPIC_SDK + "beta/beta_fallback_message_iteration_usage.py",
        # the declined attempt is in the top level: 200 + 210 read, 3 + 150 written
        {
            "usage": {
                "input_tokens": 410,
                "output_tokens": 153,
                "iterations": [
                    {
                        "type": "message",
                        "model": "claude-fable-5",
                        "input_tokens": 200,
                        "output_tokens": 3,
                        **UNCACHED,
                    },
                    {
                        "type": "fallback_message",
                        "model": "claude-opus-4-8",
                        "input_tokens": 210,
                        "output_tokens": 150,
                        **UNCACHED,
                    },
                ],
            }
        },
        t(210, 150, 0, 0),
        ("other-models-apart",),
    ),
    "anthropic-server-tool-loop": Case(
        ANTHROPIC_SDK + "beta/beta_iterations_usage.py",  # the top level is the sum
        {
            "usage": {
                "input_tokens": 4,
                "cache_read_input_tokens": 1000,
                "output_tokens": 90,
                "server_tool_use": {"web_search_requests": 1, "web_fetch_requests": 0},
                "iterations": [
                    {
                        "type": "message",
                        "input_tokens": 2,
                        "cache_read_input_tokens": 400,
                        "cache_creation_input_tokens": 0,
                        "output_tokens": 40,
                    },
                    {
                        "type": "message",
                        "input_tokens": 2,
                        "cache_read_input_tokens": 600,
                        "cache_creation_input_tokens": 0,
                        "output_tokens": 50,
                    },
                ],
            }
        },
        t(1004, 90, 1000, 0),
    ),
    "anthropic-batch": Case(
        "https://platform.claude.com/docs/en/api/retrieving-message-batch-results",
        {
            "type": "succeeded",
            "message": {
                "usage": {"input_tokens": 11, "output_tokens": 36, "service_tier": "batch"}
            },
        },
        t(11, 36),
    ),
    # More of Google
    "gemini-live": Case(
        "https://ai.google.dev/api/live#UsageMetadata",  # 150 + 12 read, 45 + 30 written
        {
            "usageMetadata": {
                "promptTokenCount": 150,
                "cachedContentTokenCount": 100,
                "responseTokenCount": 45,
                "toolUsePromptTokenCount": 12,
                "thoughtsTokenCount": 30,
                "totalTokenCount": 237,
                "responseTokensDetails": [{"modality": "AUDIO", "tokenCount": 45}],
            }
        },
        t(162, 75, 100, None, 30),
    ),
    "gemini-live-python": Case(
        "https://github.com/googleapis/python-genai/blob/main/google/genai/tests/live/test_live_response.py",
        {
            "usage_metadata": {
                "prompt_token_count": 15,
                "response_token_count": 25,
                "total_token_count": 40,
            }
        },
        t(15, 25),
    ),
    "gemini-interactions": Case(
        "https://ai.google.dev/gemini-api/docs/interactions",  # 10 + 5 read, 4 + 2 written
        {
            "status": "completed",
            "usage": {
                "total_input_tokens": 10,
                "total_cached_tokens": 3,
                "total_output_tokens": 4,
                "total_thought_tokens": 2,
                "total_tool_use_tokens": 5,
                "total_tokens": 21,
                "input_tokens_by_modality": [{"modality": "text", "tokens": 10}],
            },
        },
        t(15, 6, 3, None, 2),
    ),
    "gemini-interaction-event": Case(
        "https://ai.google.dev/api/interactions-api",
        {
            "event_type": "interaction.completed",
            "interaction": {
                "usage": {"total_input_tokens": 9, "total_output_tokens": 5, "total_tokens": 14}
            },
        },
        t(9, 5),
    ),
    "vertex-openai-endpoint": Case(
        "https://cloud.google.com/vertex-ai/generative-ai/docs/migrate/openai/overview",
        chat(9, 151, 542, extra_properties={"google": {"traffic_type": "ON_DEMAND"}}),
        t(9, 533, None, None, 382),
        ("thoughts-missing",),
    ),
    # More of Bedrock
    "bedrock-ttl": Case(
        BEDROCK.replace("TokenUsage", "CacheDetail"),  # 4 + 1,313 + 200
        {
            "usage": {
                "inputTokens": 4,
                "outputTokens": 100,
                "totalTokens": 1617,
                "cacheReadInputTokens": 1313,
                "cacheWriteInputTokens": 200,
                "cacheDetails": [
                    {"ttl": "1h", "inputTokens": 150},
                    {"ttl": "5m", "inputTokens": 50},
                ],
            }
        },
        t(1517, 100, 1313, 200),
    ),
    "bedrock-nova-invoke": Case(
        "https://docs.aws.amazon.com/nova/latest/userguide/using-invoke-api.html",  # 23 + 11,890
        {
            "output": {"message": {"content": [{"text": "x"}]}},
            "usage": {
                "inputTokens": 23,
                "outputTokens": 412,
                "totalTokens": 435,
                "cacheReadInputTokenCount": 11890,
                "cacheWriteInputTokenCount": 0,
            },
        },
        t(11913, 412, 11890, 0),
    ),
    "bedrock-invoke-stream-cache": Case(
        "https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-anthropic-claude-messages.html",
        {
            "type": "message_stop",
            "amazon-bedrock-invocationMetrics": {
                "inputTokenCount": 14,
                "outputTokenCount": 9,
                "cacheReadInputTokenCount": 100,
                "cacheWriteInputTokenCount": 6,
            },
        },
        t(120, 9, 100, 6),
    ),
    "bedrock-titan-stream": Case(
        "https://github.com/spring-projects/spring-ai/blob/v1.0.0-M2/models/spring-ai-bedrock/src/main/java/org/springframework/ai/bedrock/titan/api/TitanChatBedrockApi.java",
        {
            "outputText": "x",
            "index": 0,
            "totalOutputTextTokenCount": 13,
            "completionReason": "FINISH",
            "inputTextTokenCount": 3,
        },
        t(3, 13),
    ),
    "bedrock-jamba": Case(
        "https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-jamba.html",
        chat(25, 60),
        t(25, 60),
    ),
    # More of Cohere and Mistral
    "cohere-v2-stream": Case(
        "https://docs.cohere.com/v2/docs/streaming#message-end",
        {
            "type": "message-end",
            "delta": {
                "finish_reason": "COMPLETE",
                "usage": {
                    "billed_units": {"input_tokens": 3, "output_tokens": 7},
                    "tokens": {"input_tokens": 209, "output_tokens": 9},
                },
            },
        },
        t(209, 9),
    ),
    "cohere-v1-stream": Case(
        "https://docs.cohere.com/v1/reference/chat-stream",
        {
            "event_type": "stream-end",
            "response": {
                "meta": {
                    "billed_units": {"input_tokens": 3.0, "output_tokens": 7.0},
                    "tokens": {"input_tokens": 69.0, "output_tokens": 7.0},
                }
            },
        },
        t(69, 7),
    ),
    "cohere-billed-alone": Case(
        "https://github.com/cohere-ai/cohere-python/blob/main/src/cohere/types/usage_billed_units.py",
        {"usage": {"billed_units": {"input_tokens": 3.0, "output_tokens": 7.0}}},
        t(3, 7),
    ),
    "mistral-audio": Case(
        "https://github.com/mistralai/client-python/blob/main/docs/models/usageinfo.md",
        chat(365, 40, prompt_audio_seconds=28),
        t(365, 40),
    ),
    "mistral-connectors": Case(
        "https://docs.mistral.ai/agents/connectors/websearch",  # 188 + 7,112 that the search found
        {
            "object": "conversation.response",
            "usage": {
                "prompt_tokens": 188,
                "completion_tokens": 55,
                "total_tokens": 7355,
                "connector_tokens": 7112,
                "connectors": {"web_search": 1},
            },
        },
        t(7300, 55),
    ),
    "mistral-no-connectors": Case(
        "https://docs.mistral.ai/agents/function_calling",
        {
            "usage": {
                "prompt_tokens": 91,
                "completion_tokens": 29,
                "total_tokens": 120,
                "connector_tokens": None,
                "connectors": None,
            }
        },
        t(91, 29),
    ),
    # More in OpenAI's shape
    "groq-details": Case(
        "https://github.com/groq/groq-python/blob/main/src/groq/types/completion_usage.py",
        chat(4641, 1817, total_time=1.3, **cached(4608), **thought(170)),
        t(4641, 1817, 4608, None, 170),
    ),
    "groq-compound": Case(
        "https://github.com/groq/groq-python/blob/main/src/groq/types/chat/chat_completion.py",
        {
            **chat(1200, 90),
            "usage_breakdown": {
                "models": [{"model": "openai/gpt-oss-120b", **chat(1200, 90)}],
            },
        },
        t(1200, 90),
    ),
    "xai-sdk": Case(
        "https://github.com/xai-org/xai-proto/blob/main/proto/xai/api/v1/usage.proto",
        # 69 + 123, as 701 + 192 = 893 says
        {
            "usage": {
                "completion_tokens": 69,
                "prompt_tokens": 701,
                "total_tokens": 893,
                "prompt_text_tokens": 22,
                "reasoning_tokens": 123,
                "cached_prompt_text_tokens": 679,
            }
        },
        t(701, 192, 679, None, 123),
        BESIDE,
    ),
    "xai-responses": Case(
        "https://docs.x.ai/docs/api-reference#create-new-response",  # here it is within
        {
            "usage": {
                "input_tokens": 32,
                "input_tokens_details": {"cached_tokens": 6},
                "output_tokens": 215,
                "output_tokens_details": {"reasoning_tokens": 206},
                "total_tokens": 247,
                "num_sources_used": 0,
                "num_server_side_tools_used": 0,
            }
        },
        t(32, 215, 6, None, 206),
    ),
    "perplexity-agent": Case(
        "https://docs.perplexity.ai/api-reference/responses-post",
        {
            "usage": {
                "input_tokens": 3681,
                "input_tokens_details": {
                    "cache_creation_input_tokens": 0,
                    "cache_read_input_tokens": 2048,
                },
                "output_tokens": 780,
                "total_tokens": 4461,
                "cost": {"currency": "USD", "total_cost": 0.02},
            }
        },
        t(3681, 780, 2048, 0),
    ),
    "openrouter-generation": Case(
        "https://openrouter.ai/docs/api-reference/get-a-generation",  # the model's own tokens
        {
            "data": {
                "tokens_prompt": 9361,
                "tokens_completion": 43,
                "native_tokens_prompt": 9191,
                "native_tokens_completion": 56,
                "native_tokens_reasoning": 20,
                "native_tokens_cached": 8576,
                "native_tokens_cache_creation": 0,
                "usage": 0.0012,
            }
        },
        t(9191, 56, 8576, 0, 20),
    ),
    "openrouter-video": Case(
        "https://github.com/OpenRouterTeam/python-sdk/blob/main/docs/components/chatusage.md",
        chat(
            10339,
            60,
            is_byok=False,
            **cached(0, cache_write_tokens=0, audio_tokens=0, video_tokens=10320),
            **thought(0, accepted_prediction_tokens=None),
        ),
        t(10339, 60, 0, 0, 0),
    ),
    "together-details": Case(
        "https://github.com/togethercomputer/together-py/blob/main/src/together/types/chat/chat_completion_usage.py",
        chat(40, 212, **thought(180), **cached(0)),
        t(40, 212, 0, None, 180),
    ),
    "moonshot-choice": Case(
        "https://platform.moonshot.ai/docs/guide/utilize-the-streaming-output-feature-of-kimi-api",
        {
            "object": "chat.completion.chunk",
            "choices": [
                {
                    "index": 0,
                    "delta": {},
                    "finish_reason": "stop",
                    "usage": {"prompt_tokens": 19, "completion_tokens": 13, "total_tokens": 32},
                }
            ],
        },
        t(19, 13),
    ),
    "dashscope-explicit-cache": Case(
        "https://help.aliyun.com/zh/model-studio/context-cache",
        chat(
            1824,
            120,
            prompt_tokens_details={
                "cached_tokens": 0,
                "cache_creation_input_tokens": 1721,
                "cache_creation": {"ephemeral_5m_input_tokens": 1721},
                "cache_type": "ephemeral",
            },
        ),
        t(1824, 120, 0, 1721),
    ),
    "dashscope-vision": Case(
        "https://help.aliyun.com/zh/model-studio/vision",
        {
            "output": {"choices": []},
            "usage": {"input_tokens": 1277, "output_tokens": 81, "image_tokens": 1247},
        },
        t(1277, 81),
    ),
    "zhipu-details": Case(
        "https://docs.bigmodel.cn/cn/guide/capabilities/cache",
        chat(1200, 300, **cached(1000), **thought(120)),
        t(1200, 300, 1000, None, 120),
    ),
    "minimax": Case(
        "https://platform.minimaxi.com/document/ChatCompletion%20v2",
        chat(75, 19, total_characters=0),
        t(75, 19),
    ),
    "minimax-anthropic": Case(
        "https://platform.minimax.io/docs/api-reference/text-anthropic-api",
        {
            "type": "message",
            "usage": {
                "input_tokens": 43,
                "cache_read_input_tokens": 128,
                "cache_creation_input_tokens": 0,
                "output_tokens": 50,
            },
        },
        t(171, 50, 128, 0),
    ),
    "sambanova": Case(
        "https://docs.sambanova.ai/cloud/api-reference/endpoints/chat",
        chat(
            10,
            51,
            completion_tokens_after_first_per_sec=203.2,
            is_last_response=True,
            time_to_first_token=0.13,
            total_latency=0.38,
        ),
        t(10, 51),
    ),
    "nebius": Case("https://docs.tokenfactory.nebius.com/api-reference", chat(21, 8), t(21, 8)),
    "databricks-claude": Case(
        "https://docs.databricks.com/aws/en/machine-learning/foundation-model-apis/api-reference",
        chat(1500, 30, cache_read_input_tokens=1200, cache_creation_input_tokens=0),
        t(1500, 30, 1200, 0),
    ),
    "writer": Case(
        "https://dev.writer.com/api-reference/completion-api/chat-completion",
        chat(40, 90, prompt_token_details={"cached_tokens": 0}),
        t(40, 90, 0),
    ),
    "cloudflare": Case(
        "https://developers.cloudflare.com/workers-ai/models/llama-3.1-8b-instruct",
        {
            "result": {
                "response": "x",
                "usage": {"prompt_tokens": 24, "completion_tokens": 26, "total_tokens": 50},
            },
            "success": True,
        },
        t(24, 26),
    ),
    "replicate": Case(
        "https://replicate.com/docs/reference/http#predictions.get",
        {"metrics": {"input_token_count": 13, "output_token_count": 88, "predict_time": 0.9}},
        t(13, 88),
    ),
    "oci": Case(
        "https://docs.oracle.com/en-us/iaas/api/#/en/generative-ai-inference/20231130/datatypes/Usage",
        {
            "usage": {
                "promptTokens": 20,
                "completionTokens": 90,
                "totalTokens": 110,
                "completionTokensDetails": {"reasoningTokens": 64},
                "promptTokensDetails": {"cachedTokens": 16},
            }
        },
        t(20, 90, 16, None, 64),
    ),
    # More local servers
    "vllm-responses": Case(
        "https://github.com/vllm-project/vllm/blob/main/vllm/entrypoints/openai/responses/protocol.py",
        {
            "usage": {
                "input_tokens": 310,
                "input_tokens_details": {
                    "cached_tokens": 288,
                    "input_tokens_per_turn": [150, 160],
                    "cached_tokens_per_turn": [140, 148],
                },
                "output_tokens": 70,
                "output_tokens_details": {"reasoning_tokens": 44, "tool_output_tokens": 0},
                "total_tokens": 380,
            }
        },
        t(310, 70, 288, None, 44),
    ),
    "llama.cpp-timings": Case(
        "https://github.com/ggml-org/llama.cpp/blob/master/tools/server/server-task.cpp",
        # 236 from the cache and 1 fresh: a stream that did not ask for usage has these alone
        {
            "choices": [{"finish_reason": "stop", "index": 0, "delta": {}}],
            "timings": {"cache_n": 236, "prompt_n": 1, "prompt_ms": 30.9, "predicted_n": 35},
        },
        t(237, 35, 236),
    ),
    "tgi-stream": Case(
        "https://github.com/huggingface/text-generation-inference/blob/main/docs/openapi.json",
        {
            "token": {"id": 1, "text": "x"},
            "generated_text": "x",
            "details": {"finish_reason": "length", "generated_tokens": 20, "input_length": 9},
        },
        t(9, 20),
    ),
    "ollama-cached": Case(
        "https://github.com/stdapi-ai/stdapi.ai/issues/252",  # the cached ones are among the read
        {"prompt_eval_count": 900, "prompt_eval_cached_count": 850, "eval_count": 18},
        t(900, 18, 850),
    ),
    "ollama-openai-cached": Case(
        "https://github.com/ollama/ollama/issues/5370",  # 0 stands for what was not counted
        chat(0, 18),
        t(None, 18),
    ),
    "ollama-chat": Case(
        "https://docs.ollama.com/api/usage",
        {"message": {"role": "assistant"}, "prompt_eval_count": 11, "eval_count": 18},
        t(11, 18),
    ),
    "watsonx-stream": Case(
        "https://github.com/langchain-ai/langchain-ibm/blob/main/libs/ibm/langchain_ibm/llms.py",
        {
            "model_id": "ibm/granite",
            "results": [{"generated_token_count": 9, "input_token_count": 0}],
        },
        t(None, 9),
    ),
    "litellm-details": Case(
        "https://github.com/BerriAI/litellm/blob/main/litellm/types/utils.py",
        chat(
            1000,
            120,
            **cached(400, cache_creation_tokens=300, audio_tokens=None),
            **thought(70, text_tokens=50),
        ),
        t(1000, 120, 400, 300, 70),
    ),
    "cache-under-the-wrong-name": Case(
        "https://platform.claude.com/docs/en/api/openai-sdk",
        # a gateway renames Anthropic's counts
        chat(21, 50, **cached(188086, cache_write_tokens=393)),
        t(188500, 50, 188086, 393),
        ("cache-beside-input",),
    ),
    "a-total-that-is-too-small": Case(
        "https://github.com/openai/openai-python/blob/main/src/openai/types/chat/chat_completion.py",
        chat(100, 50, 120),
        t(100, 50),
        ("total-too-small",),
    ),
}


def so_far(*outputs: int) -> list[dict[str, Any]]:
    """OpenAI's chunks, each with the usage up to it."""
    return [{**chat(10, n), "object": "chat.completion.chunk"} for n in outputs]


STREAMS: dict[str, Case] = {
    # At the first event and at the last
    "anthropic": Case(
        ANTHROPIC + "streaming#full-http-stream-response",  # 21 + 300 + 40 read
        [
            {
                "type": "message_start",
                "message": {
                    "usage": {
                        "input_tokens": 21,
                        "cache_read_input_tokens": 300,
                        "cache_creation_input_tokens": 40,
                        "output_tokens": 1,
                    }
                },
            },
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta"}},
            {"type": "message_delta", "delta": {}, "usage": {"output_tokens": 15}},
            {"type": "message_stop"},
        ],
        t(361, 15, 300, 40),
    ),
    "anthropic-cumulative-delta": Case(
        ANTHROPIC_SDK + "beta/beta_message_delta_usage.py",  # a search made the input grow
        [
            {
                "type": "message_start",
                "message": {"usage": {"input_tokens": 2679, "output_tokens": 3}},
            },
            {
                "type": "message_delta",
                "usage": {
                    "input_tokens": 10682,
                    "output_tokens": 510,
                    "server_tool_use": {"web_search_requests": 1, "web_fetch_requests": 0},
                },
            },
        ],
        t(10682, 510),
    ),
    # At the last one alone
    "openai": Case(
        OPENAI_SDK + "chat/chat_completion_chunk.py",
        [
            {"object": "chat.completion.chunk", "choices": [{"delta": {}}], "usage": None},
            {"object": "chat.completion.chunk", "choices": [], **chat(19, 10, **cached(0))},
        ],
        t(19, 10, 0),
    ),
    "cohere": Case(
        "https://docs.cohere.com/v2/reference/chat-stream",
        [
            {"type": "message-start", "delta": {"message": {"role": "assistant"}}},
            {"type": "content-delta", "delta": {"message": {"content": {"text": "x"}}}},
            {
                "type": "message-end",
                "delta": {"usage": {"tokens": {"input_tokens": 71.0, "output_tokens": 9.0}}},
            },
        ],
        t(71, 9),
    ),
    "bedrock": Case(
        "https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStreamMetadataEvent.html",
        [
            {"messageStart": {"role": "assistant"}},
            {"contentBlockDelta": {"delta": {"text": "x"}, "contentBlockIndex": 0}},
            {"metadata": {"usage": {"inputTokens": 7, "outputTokens": 6, "totalTokens": 13}}},
        ],
        t(7, 6),
    ),
    "ollama": Case(
        "https://docs.ollama.com/api/streaming",
        [
            {"message": {"content": "x"}, "done": False},
            {"message": {"content": ""}, "done": True, "prompt_eval_count": 26, "eval_count": 298},
        ],
        t(26, 298),
    ),
    "openai-responses": Case(
        "https://platform.openai.com/docs/guides/streaming-responses",
        [
            {"type": "response.created", "response": {"status": "in_progress", "usage": None}},
            {"type": "response.output_text.delta", "delta": "x"},
            {
                "type": "response.completed",
                "response": {
                    "usage": {"input_tokens": 37, "output_tokens": 11, "total_tokens": 48}
                },
            },
        ],
        t(37, 11),
    ),
    # At each one, the whole so far
    "vllm": Case(
        "https://github.com/vllm-project/vllm/blob/main/vllm/entrypoints/openai/engine/protocol.py",
        so_far(1, 2, 3, 3),
        t(10, 3),
    ),
    "gemini": Case(
        "https://ai.google.dev/api/generate-content#method:-models.streamgeneratecontent",
        [
            {
                "usageMetadata": {
                    "promptTokenCount": 8,
                    "thoughtsTokenCount": 40,
                    "totalTokenCount": 48,
                }
            },
            {
                "usageMetadata": {
                    "promptTokenCount": 8,
                    "candidatesTokenCount": 12,
                    "thoughtsTokenCount": 40,
                    "totalTokenCount": 60,
                }
            },
        ],
        t(8, 52, None, None, 40),
    ),
    "perplexity": Case(
        "https://docs.perplexity.ai/guides/streaming-responses",
        so_far(5, 9, 12),
        t(10, 12),
    ),
}
