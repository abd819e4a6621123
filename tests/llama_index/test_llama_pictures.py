"""Pictures that LlamaIndex' answers hold, over real HTTP."""

from __future__ import annotations

import asyncio

import pytest

from impactree.llama_index import ImpactHandler

pytestmark = pytest.mark.filterwarnings("ignore")
TOOL = {"type": "image_generation", "model": "gpt-image-1.5", "size": "1024x1024"}


def asked(llm, way):
    chat = pytest.importorskip("llama_index.core.llms").ChatMessage(content="Draw a pond.")
    if way == "chat":
        return llm.chat([chat])
    if way == "achat":
        return asyncio.run(llm.achat([chat]))
    return list(llm.stream_chat([chat]))


@pytest.mark.parametrize("way", ["chat", "achat", "stream"])
def test_openai_s_image_tool_is_a_call_of_its_own(wire_server, way):
    openai = pytest.importorskip("llama_index.llms.openai")
    wire_server.script(pictures=2)
    llm = openai.OpenAIResponses(
        model="gpt-4o",
        api_base=f"{wire_server.url}/openai/v1",
        api_key="k",
        max_retries=0,
        built_in_tools=[{**TOOL}],
    )
    with ImpactHandler(method="impactree-1").instrument() as handler:
        asked(llm, way)
    calls = [run for run in handler.last_run.walk() if run.call]
    assert [run.call.kind for run in calls] == ["chat", "image"]
    assert calls[1].parent is calls[0]
    assert (calls[1].call.media.count, calls[1].call.media.resolution) == (2, "1024x1536")
    assert calls[1].call.model in ("gpt-image-1", "gpt-image-1.5")
    assert calls[1].own.estimated


def test_gemini_s_pictures_are_its_own(wire_server):
    genai = pytest.importorskip("llama_index.llms.google_genai")
    wire_server.script(pictures=1, text="Here it is.")
    llm = genai.GoogleGenAI(
        model="gemini-2.5-flash-image",
        api_key="k",
        http_options={"base_url": wire_server.base("google")},
        context_window=1000,
        max_tokens=100,
        max_retries=0,
    )
    with ImpactHandler(method="impactree-1").instrument() as handler:
        asked(llm, "chat")
    (run,) = (run for run in handler.last_run.walk() if run.call)
    assert (run.call.kind, run.call.media.count) == ("image", 1)
    assert run.call.output_tokens
    assert run.own.estimated
