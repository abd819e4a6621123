"""Caches, batches, streams, failures, retries and fallbacks: the numbers each must show."""

from __future__ import annotations

import asyncio

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import ConfigurableField, RunnableLambda
from models import TEXT, Chat, Completion, by_length, calls, healthy, tree

from impactree import Impacts, ModelCall, estimate
from impactree.calls import counting
from wire.server import Answer, Usage

OK = ("ok", 100, 40, "reported")
FAILED = ("error", None, 0, "unknown")  # nothing was generated
IN = by_length("Hi")  # 1


@pytest.fixture(autouse=True)
def _by_length(monkeypatch):
    """Counts that can be worked out by hand."""
    monkeypatch.setattr(counting, "_use_vocabulary", False)


def gwp(impacts):
    return impacts.gwp.value.mean


# Response caches


@pytest.mark.parametrize("usage", [True, False])
@pytest.mark.parametrize("way", ["invoke", "ainvoke"])
def test_a_cache_hit_costs_nothing_and_says_what_it_saved(handler, config, usage, way):
    model = Chat(cache=InMemoryCache(), usage=usage)
    for _ in range(2):
        if way == "invoke":
            model.invoke("Hi", config=config)
        else:
            asyncio.run(model.ainvoke("Hi", config=config))
    asked, hit = handler.runs
    assert (asked.cached, hit.cached) == (False, True)
    assert hit.total == hit.own == Impacts.zero()
    assert handler.total == asked.total
    assert asked.call.output_tokens == hit.call.output_tokens == (40 if usage else 5)  # 18 / 3.6
    # What it cost when it was paid for, to the last digit; the time it then took included.
    assert hit.avoided.to_dict() == asked.own.to_dict()
    assert hit.call.latency_s == asked.call.latency_s
    (group,) = handler.report().by("model").values()
    assert (group.calls, group.cached, group.output_tokens) == (2, 1, asked.call.output_tokens)
    assert "cached" in str(handler.report())
    assert healthy(handler)


def test_a_hit_of_what_another_process_asked_takes_as_long_as_its_tokens(config, handler):
    cache = InMemoryCache()
    Chat(cache=cache).invoke("Hi")  # nobody has seen it
    Chat(cache=cache).invoke("Hi", config=config)
    (hit,) = handler.runs
    saved = ModelCall(provider="openai", model="gpt-4o-mini", output_tokens=hit.call.output_tokens)
    assert gwp(hit.avoided) == pytest.approx(gwp(estimate(saved)))
    assert hit.call.latency_s is None


def test_a_hit_of_a_completion_model_fires_no_event_and_costs_nothing(handler, config):
    model = Completion(
        cache=InMemoryCache(),
        llm_output={"token_usage": {"prompt_tokens": 60, "completion_tokens": 30}},
    )
    chain = model | StrOutputParser()
    for _ in range(2):
        assert chain.invoke("Hi", config=config) == TEXT
    assert [len(root.calls) for root in handler.runs] == [1, 0]
    assert calls(handler) == [("ok", 60, 30, "reported")]
    assert healthy(handler)


# n > 1, batches


def test_several_answers_to_one_prompt_count_once(handler, config):
    class Twice(Chat):
        def _generate(self, messages, stop=None, run_manager=None, **kwargs):
            # As ChatOpenAI: each repeats the usage of the whole response, the first has no name.
            whole = self._reported()
            one = AIMessage(TEXT, **whole)
            two = AIMessage(TEXT, response_metadata={"model_name": "gpt-4o-mini"}, **whole)
            return ChatResult(
                generations=[ChatGeneration(message=one), ChatGeneration(message=two)]
            )

    Twice().invoke("Hi", config=config)
    assert calls(handler) == [OK]
    Twice(usage=False).invoke("Hi", config=config)
    # Two answers of 18 letters: ceil(36 / 3.6)
    assert calls(handler)[1] == ("ok", IN, 10, "counted")


@pytest.mark.parametrize("way", ["batch", "abatch"])
def test_a_batch_of_completions_has_its_usage_on_the_first_run(handler, config, way):
    usage = {"token_usage": {"prompt_tokens": 60, "completion_tokens": 30}}
    model = Completion(llm_output=usage, pause=0.05)
    run_batch(model, way, config)
    assert calls(handler) == [
        ("ok", 60, 30, "reported"),
        ("ok", 0, 0, "reported"),
        ("ok", 0, 0, "reported"),
    ]
    # Each run lasted as long as the batch: that is no latency of a request.
    assert all(run.call.latency_s is None and run.latency_s >= 0.05 for run in handler.runs)
    unclamped = ModelCall(provider="openai", model="gpt-3.5-turbo-instruct", output_tokens=30)
    assert gwp(handler.runs[0].total) == pytest.approx(gwp(estimate(unclamped)))
    assert healthy(handler)


def run_batch(model, way, config):
    prompts = ["Hi", "Hi", "Hi"]
    if way == "batch":
        model.batch(prompts, config=config)
    else:
        asyncio.run(model.abatch(prompts, config=config))


@pytest.mark.parametrize("way", ["batch", "abatch"])
@pytest.mark.parametrize("llm_output", [None, {}, {"model_name": "x"}, {"token_usage": {}}])
def test_a_batch_of_completions_without_usage_is_counted(handler, config, way, llm_output):
    # A batch with usage before it, whose usage must not pass for this one's.
    usage = {"token_usage": {"prompt_tokens": 60, "completion_tokens": 30}}
    run_batch(Completion(llm_output=usage), way, config)
    run_batch(Completion(llm_output=llm_output), way, config)
    assert calls(handler)[3:] == [("ok", IN, 5, "counted")] * 3
    assert healthy(handler)


def test_a_failed_batch_fails_every_run(handler, config):
    with pytest.raises(ValueError, match="no"):
        Completion(failure=ValueError("no")).batch(["a", "b"], config=config)
    assert calls(handler) == [FAILED, FAILED]


def test_runs_of_a_generate_whose_third_prompt_fails_do_not_stay_open(handler, config):
    """LangChain ends the third alone. What the first two wrote nobody tells."""
    model = Chat(outcomes=[None, None, ValueError("third")])

    with pytest.raises(ValueError, match="third"):
        RunnableLambda(lambda _, config: ask_in(config, model)).invoke("x", config=config)
    (root,) = handler.runs
    unknown = ("abandoned", None, None, "unknown")
    assert calls(handler) == [unknown, unknown, FAILED]
    assert not root.total.estimated or root.total.unestimated_calls == 2
    assert handler.report().coverage.reasons == {"output-tokens-unknown": 2}
    assert healthy(handler)
    # Without a run around them they are roots that stay open, up to the tracker's bound.
    with pytest.raises(ValueError, match="third"):
        Chat(outcomes=[None, None, ValueError("third")]).generate(
            [[HumanMessage(text)] for text in ("a", "b", "c")], callbacks=[handler]
        )
    assert len(handler.tracker.open_roots) == 2


def ask_in(config, model):
    prompts = [[HumanMessage(text)] for text in ("a", "b", "c")]
    return model.generate(prompts, callbacks=config["callbacks"])


# Streams


@pytest.mark.parametrize("way", ["stream", "astream"])
def test_a_stream_without_usage_is_counted_and_says_so(handler, config, way):
    drain(Chat(usage=False), way, config)
    assert calls(handler) == [("ok", IN, 5, "counted")]
    assert "token-count-approximate" in {w.code for w in handler.last_run.own.warnings}
    drain(Chat(), way, config)
    assert calls(handler)[1] == OK


def drain(model, way, config):
    async def all_of_it():
        return [chunk async for chunk in model.astream("Hi", config=config)]

    return list(model.stream("Hi", config=config)) if way == "stream" else asyncio.run(all_of_it())


def test_a_stream_that_is_left_half_way_counts_what_it_gave(handler, config):
    stream = Chat().stream("Hi", config=config)
    assert [next(stream).text, next(stream).text] == ["one ", "two "]
    stream.close()
    # "one two " has 8 letters
    assert calls(handler) == [("abandoned", IN, 3, "counted")]
    assert healthy(handler)


def test_a_chain_that_is_left_half_way_reads_its_stream_to_the_end(handler, config):
    """LangChain does, for its tracers: all of it was written, and the usage comes late."""
    chain = RunnableLambda(lambda text: text) | Chat() | StrOutputParser()
    stream = chain.stream("Hi", config=config)
    assert next(stream) == "one "
    stream.close()
    assert calls(handler) == [OK]
    assert handler.last_run.revision == 2  # the model's late end, and the parser's
    assert handler.last_run.total == handler.last_run.calls[0].own
    assert healthy(handler)


def test_an_asynchronous_chain_that_is_left_half_way(handler, config):
    async def leave():
        chain = RunnableLambda(lambda text: text) | Chat() | StrOutputParser()
        stream = chain.astream("Hi", config=config)
        assert await anext(stream) == "one "
        await stream.aclose()
        await asyncio.sleep(0.01)

    asyncio.run(leave())
    ((_, given, written, source),) = calls(handler)
    assert (given, source) == (IN, "counted")
    assert by_length("one ") <= written <= by_length("one two ")
    assert healthy(handler)


def test_a_late_end_replaces_what_was_counted(handler, config):
    """The chain ends while its stream is held elsewhere; the usage arrives afterwards."""
    held = []

    def keep(text, config):
        stream = Chat().stream(text, config=config)
        next(stream)
        held.append(stream)

    RunnableLambda(keep).invoke("Hi", config=config)
    (root,) = handler.runs
    assert calls(handler) == [("abandoned", IN, by_length("one "), "counted")]
    early = gwp(handler.total)
    assert early == pytest.approx(gwp(root.total))
    assert root.revision == 0
    list(held.pop())
    assert calls(handler) == [OK]
    assert root.revision == 1
    assert gwp(root.total) == pytest.approx(gwp(handler.total))
    assert gwp(handler.total) > early
    assert healthy(handler)


def test_a_cancelled_stream_counts_what_it_gave(handler, config):
    async def read(started):
        async for _ in Chat(pause=0.01).astream("Hi", config=config):
            started.set()
            await asyncio.sleep(60)

    async def main():
        started = asyncio.Event()
        task = asyncio.create_task(read(started))
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.sleep(0.01)  # the event loop closes the stream that nobody reads

    asyncio.run(main())
    # Cancelled in its consumer: the stream is closed.
    assert calls(handler) == [("abandoned", IN, by_length("one "), "counted")]


@pytest.mark.parametrize(
    ("way", "status"), [("ainvoke", "abandoned"), ("astream", "cancelled"), ("alone", "cancelled")]
)
def test_a_call_cancelled_before_it_answered_is_unknown_not_zero(handler, config, way, status):
    """An ``ainvoke`` that is cancelled never ends: it is closed with the run around it."""
    chain = RunnableLambda(lambda text: text) | Chat(pause=60)

    async def read(runnable):
        async for _ in runnable.astream("Hi", config=config):
            pass

    async def main():
        asked = {
            "ainvoke": lambda: chain.ainvoke("Hi", config=config),
            "astream": lambda: read(chain),
            "alone": lambda: read(Chat(pause=60)),
        }[way]
        task = asyncio.create_task(asked())
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert calls(handler) == [(status, None, None, "unknown")]
    assert handler.last_run.status == "cancelled"
    assert handler.last_run.total.gwp is None
    assert handler.report().coverage.reasons == {"output-tokens-unknown": 1}


@pytest.mark.parametrize(
    ("stop", "status"), [(KeyboardInterrupt, "cancelled"), (SystemExit, "error")]
)
def test_a_call_stopped_by_hand_is_unknown_not_zero(handler, config, stop, status):
    with pytest.raises(stop):
        Chat(outcomes=[stop()]).invoke("Hi", config=config)
    assert calls(handler) == [(status, None, None, "unknown")]


# Failures


def test_errors_with_and_without_partial_output(handler, config):
    with pytest.raises(ConnectionError):
        list(Chat(break_after=2).stream("Hi", config=config))
    with pytest.raises(ValueError, match="no"):
        Chat(outcomes=[ValueError("no")]).invoke("Hi", config=config)
    assert calls(handler) == [("error", IN, 3, "counted"), FAILED]
    assert handler.runs[1].total.gwp.value.max == 0
    assert healthy(handler)


@pytest.mark.parametrize("error", [TimeoutError("slow"), type("ReadTimeout", (Exception,), {})()])
def test_a_timeout_is_unknown_not_zero(handler, config, error):
    with pytest.raises(type(error)):
        Chat(outcomes=[error]).invoke("Hi", config=config)
    assert calls(handler) == [("error", None, None, "unknown")]


def chat_openai(server, **settings):
    openai = pytest.importorskip("langchain_openai")
    fixed = {"model": "gpt-4o-mini", "base_url": f"{server.base('openai')}/v1", "api_key": "k"}
    return openai.ChatOpenAI(**{**fixed, "max_retries": 0, **settings})


POINT = {
    "title": "Point",
    "description": "A point.",
    "type": "object",
    "properties": {"x": {"type": "integer"}},
    "required": ["x"],
    "additionalProperties": False,
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.usefixtures("let_go")
@pytest.mark.parametrize("way", ["invoke", "ainvoke"])
def test_a_truncated_structured_output_keeps_its_usage(handler, config, wire_server, way):
    wire_server.script(text='{"x": 1', finish="length", usage=Usage(input=70, output=9))
    model = chat_openai(wire_server).with_structured_output(POINT, method="json_schema")
    with pytest.raises(Exception, match=r"length|JSON|parse"):
        model.invoke("Hi", config) if way == "invoke" else asyncio.run(model.ainvoke("Hi", config))
    assert [(i, o, source) for _, i, o, source in calls(handler)] == [(70, 9, "reported")]
    assert handler.last_run.status == "error"
    assert healthy(handler)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.usefixtures("let_go")
def test_stream_usage_off_over_the_wire_is_counted(handler, config, wire_server):
    list(chat_openai(wire_server, stream_usage=False).stream("Hi", config=config))
    # "Hello from the wire." has 20 letters
    assert calls(handler) == [("ok", IN, 6, "counted")]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.usefixtures("let_go")
def test_retries_inside_the_client_are_one_call(handler, config, wire_server):
    wire_server.script(Answer(status=500), Answer(usage=Usage(input=70, output=9)))
    chat_openai(wire_server, max_retries=1).invoke("Hi", config=config)
    assert len(wire_server.requests) == 2
    assert calls(handler) == [("ok", 70, 9, "reported")]


# Retries and fallbacks


@pytest.mark.parametrize("way", ["invoke", "ainvoke"])
def test_each_attempt_of_with_retry_is_a_call(handler, config, way):
    model = Chat(outcomes=[ValueError("1"), ValueError("2")]).with_retry(
        stop_after_attempt=3, wait_exponential_jitter=False
    )
    model.invoke("Hi", config) if way == "invoke" else asyncio.run(model.ainvoke("Hi", config))
    (root,) = handler.runs
    assert calls(handler) == [FAILED, FAILED, OK]
    assert tree(root) == ("Chat", ["Chat", "Chat", "Chat"])  # named after what it retries
    tags = [[tag for tag in run.tags if tag.startswith("retry:")] for run in root.calls]
    assert tags == [[], ["retry:attempt:2"], ["retry:attempt:3"]]
    assert gwp(root.total) == pytest.approx(gwp(root.calls[2].own))
    assert healthy(handler)


def with_fallback(*, failing=1):
    first = Chat(outcomes=[ValueError("down")] * failing, model_name="gpt-4o")
    return first.with_fallbacks([Chat()])


TRIED = ("RunnableWithFallbacks", ["Chat", "Chat"])


@pytest.mark.parametrize("way", ["invoke", "ainvoke", "stream", "astream"])
def test_attempts_hang_under_their_fallbacks(handler, config, way):
    chain = with_fallback()
    if way == "invoke":
        chain.invoke("Hi", config=config)
    elif way == "ainvoke":
        asyncio.run(chain.ainvoke("Hi", config=config))
    else:
        drain(chain, way, config)
    assert [tree(root) for root in handler.runs] == [TRIED]
    assert calls(handler) == [FAILED, OK]
    assert handler.last_run.total == handler.total
    assert [run.call.model for run in handler.last_run.calls] == ["gpt-4o", "gpt-4o-mini"]
    assert healthy(handler)


@pytest.mark.parametrize("way", ["batch", "abatch"])
def test_attempts_of_a_batch_hang_under_theirs(handler, config, way):
    chain = with_fallback(failing=3)
    if way == "batch":
        chain.batch(["a", "b", "c"], config=config)
    else:
        asyncio.run(chain.abatch(["a", "b", "c"], config=config))
    assert [tree(root) for root in handler.runs] == [TRIED] * 3
    assert calls(handler) == [FAILED, OK] * 3


@pytest.mark.parametrize("way", ["invoke", "ainvoke"])
def test_attempts_inside_a_chain_hang_under_their_fallbacks(handler, config, way):
    chain = RunnableLambda(lambda text: text) | with_fallback() | StrOutputParser()
    chain.invoke("Hi", config) if way == "invoke" else asyncio.run(chain.ainvoke("Hi", config))
    (root,) = handler.runs
    assert tree(root) == ("RunnableSequence", ["RunnableLambda", TRIED, "StrOutputParser"])


def test_other_runs_in_the_loop_over_a_fallback_stream_stay_apart(handler, config):
    for number, _ in enumerate(with_fallback().stream("Hi", config=config)):
        if number == 0:
            Chat().invoke("aside", config=config)
    assert sorted(map(str, map(tree, handler.runs))) == [
        "('RunnableWithFallbacks', ['Chat', 'Chat'])",
        "Chat",
    ]


def test_a_task_that_falls_back_for_ever_does_not_get_slower(handler, config):
    from impactree.langchain._current import scopes

    async def many():
        before = len(scopes.get())
        for _ in range(50):
            await with_fallback().ainvoke("Hi", config=config)
        return len(scopes.get()) - before

    assert asyncio.run(many()) <= 1
    assert [tree(root) for root in handler.runs] == [TRIED] * 50


def test_configurable_alternatives_show_the_one_that_answered(handler, config):
    model = Chat().configurable_alternatives(
        ConfigurableField(id="llm"), default_key="small", large=Chat(model_name="gpt-4o", written=7)
    )
    model.invoke("Hi", config=config)
    model.with_config(configurable={"llm": "large"}).invoke("Hi", config=config)
    assert [(run.call.model, run.call.output_tokens) for run in handler.runs] == [
        ("gpt-4o-mini", 40),
        ("gpt-4o", 7),
    ]
