"""Pictures that chats hold, over real HTTP, and wrappers that draw."""

from __future__ import annotations

import asyncio
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from impactree import ImpactHandler, estimate, track_impacts
from impactree.langchain import track_images
from wire.formats.base import PNG

TOOL = {"type": "image_generation", "model": "gpt-image-1.5", "size": "1024x1024"}
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def responses(wire_server, **more):
    openai = pytest.importorskip("langchain_openai")
    return openai.ChatOpenAI(
        model="gpt-4o",
        base_url=f"{wire_server.url}/openai/v1",
        api_key="k",
        max_retries=0,
        use_responses_api=True,
        **more,
    )


def ask(model, way, config):
    if way == "invoke":
        return model.invoke("Draw a house by a pond.", config)
    if way == "stream":
        return list(model.stream("Draw a house by a pond.", config))
    return asyncio.run(model.ainvoke("Draw a house by a pond.", config))


@pytest.mark.parametrize("way", ["invoke", "ainvoke", "stream"])
@pytest.mark.parametrize("version", ["v0", "responses/v1", "v1"])
def test_openai_s_image_tool_is_a_call_of_its_own(wire_server, way, version):
    wire_server.script(pictures=2)
    handler = ImpactHandler(method="impactree-1")
    model = responses(wire_server, output_version=version).bind_tools([{**TOOL}])
    ask(model, way, {"callbacks": [handler]})
    chat, made = (run for run in handler.last_run.walk() if run.call)
    assert (chat.call.kind, made.call.kind) == ("chat", "image")
    assert made.parent is chat
    assert made.call.model == "gpt-image-1.5"
    assert made.call.media.count == 2
    assert made.call.provider == chat.call.provider
    size = "1024x1024" if version == "v1" else "1024x1536"  # v1 drops what stands beside it
    assert made.call.media.resolution == size
    assert made.own.estimated
    total = handler.last_run.total
    assert total.energy.value.mean == pytest.approx(
        chat.own.energy.value.mean + made.own.energy.value.mean
    )


def test_the_tool_s_model_is_the_documented_one_where_none_is_named(wire_server):
    wire_server.script(pictures=1)
    handler = ImpactHandler()
    model = responses(wire_server).bind_tools([{"type": "image_generation"}])
    model.invoke("Draw.", {"callbacks": [handler]})
    _, made = (run for run in handler.last_run.walk() if run.call)
    assert (made.call.model, made.call.media.count) == ("gpt-image-1", 1)
    assert [error.code for error in made.own.errors] == ["kind-not-covered"]
    assert handler.last_run.total.lower_bound


def test_an_answer_without_pictures_is_one_call(wire_server):
    handler = ImpactHandler()
    responses(wire_server).bind_tools([{**TOOL}]).invoke("Hi", {"callbacks": [handler]})
    assert [run.call.kind for run in handler.last_run.walk() if run.call] == ["chat"]


@pytest.mark.parametrize("way", ["invoke", "stream"])
def test_gemini_s_pictures_are_its_own(wire_server, way):
    genai = pytest.importorskip("langchain_google_genai")
    wire_server.script(pictures=1, text="Here it is.")
    handler = ImpactHandler(method="impactree-1")
    model = genai.ChatGoogleGenerativeAI(
        model="gemini-2.5-flash-image",
        google_api_key="k",
        base_url=wire_server.base("google"),
        max_retries=1,
    )
    ask(model, way, {"callbacks": [handler]})
    (run,) = (run for run in handler.last_run.walk() if run.call)
    assert run.call.kind == "image"
    assert run.call.media.count == 1
    assert run.call.output_tokens  # still there, for methods that count them
    assert run.own.estimated
    assert estimate(run.call, method="ecologits-0.11").estimated  # one of EcoLogits' own names


# Wrappers


class _Images(BaseHTTPRequestHandler):
    """OpenAI's ``POST /images/generations``."""

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if "fail" in asked["prompt"]:
            self._answer(400, {"error": {"message": "no", "type": "invalid_request_error"}})
            return
        data = [{"url": f"http://127.0.0.1/{n}.png", "b64_json": PNG} for n in range(asked["n"])]
        usage = {"input_tokens": 12, "output_tokens": 1056, "total_tokens": 1068}
        usage["input_tokens_details"] = {"text_tokens": 12, "image_tokens": 0}
        more = {"usage": usage} if asked["model"].startswith("gpt-image") else {}
        self._answer(200, {"created": 1, "data": data, **more})

    def _answer(self, status, body):
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        """Nothing."""


@pytest.fixture
def images():
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Images)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    server.server_close()


class Wrapper:
    """As LangChain's DallEAPIWrapper: OpenAI's images in a field."""

    def __init__(self, url, model):
        openai = pytest.importorskip("openai")
        self.client = openai.OpenAI(base_url=url, api_key="k", max_retries=0).images
        self.async_client = openai.AsyncOpenAI(base_url=url, api_key="k", max_retries=0).images
        self.model = model

    def run(self, prompt):
        return self.client.generate(prompt=prompt, n=2, size="1024x1024", model=self.model)

    async def arun(self, prompt):
        return await self.async_client.generate(
            prompt=prompt, n=1, size="512x512", model=self.model
        )


def test_a_wrapper_s_pictures_hang_under_their_tool(images):
    tools = pytest.importorskip("langchain_core.tools")
    wrapper = track_images(Wrapper(images, "gpt-image-1"))
    tool = tools.tool(lambda prompt: wrapper.run(prompt).data[0].url, description="Draws.")
    tool.name = "draw"
    handler = ImpactHandler(method="impactree-1")
    assert tool.invoke({"prompt": "A pond."}, {"callbacks": [handler]}).endswith("0.png")
    root = handler.last_run
    (made,) = (run for run in root.walk() if run.call)
    assert made.parent is root
    assert (made.tool, made.kind, made.call.kind) == ("draw", "image", "image")
    assert (made.call.model, made.call.media.count) == ("gpt-image-1", 2)
    assert (made.call.media.resolution, made.call.output_tokens) == ("1024x1024", 1056)
    assert made.call.base_url.startswith(images)
    assert made.call.latency_s > 0
    assert made.own.estimated


def test_a_wrapper_in_a_block_and_asynchronously(images):
    plain = Wrapper(images, "dall-e-3")
    with track_impacts(method="impactree-1") as tracker:
        wrapper = track_images(track_images(plain))  # twice counts once
        asyncio.run(wrapper.arun("A pond."))
        with pytest.raises(Exception, match="no"):
            wrapper.run("fail")
        plain.run("Nobody follows this one.")
    runs = [run for root in tracker.runs for run in root.walk() if run.kind == "image"]
    assert [run.status for run in runs] == ["ok", "error"]
    assert runs[0].call.tokens_source == "unknown"
    assert runs[0].call.media.pixels == 512 * 512
    assert runs[1].call is None


def test_langchain_s_own_wrapper_and_the_tool_around_it(images):
    community = pytest.importorskip("langchain_community.utilities.dalle_image_generator")
    drawing = pytest.importorskip("langchain_community.tools.openai_dalle_image_generation")
    wrapper = community.DallEAPIWrapper(
        model="dall-e-3", n=1, size="1024x1792", api_key="k", base_url=images
    )
    tool = track_images(drawing.OpenAIDALLEImageGenerationTool(api_wrapper=wrapper))
    handler = ImpactHandler(method="impactree-1")
    assert tool.invoke("A pond.", {"callbacks": [handler]}).startswith("http")
    (made,) = (run for run in handler.last_run.walk() if run.call)
    assert (made.call.model, made.call.media.resolution) == ("dall-e-3", "1024x1792")
    assert made.name == "DallEAPIWrapper"


def test_what_draws_nothing_is_refused():
    with pytest.raises(TypeError, match="a DallEAPIWrapper, not str"):
        track_images("canvas")
