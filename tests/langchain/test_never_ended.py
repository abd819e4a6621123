"""Runs that LangChain never ends, and what is kept of any run: counts and names, no text."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import types
import uuid

import pytest
from langchain_core.callbacks import CallbackManagerForRetrieverRun  # noqa: TC002  # read at run time
from langchain_core.documents import Document
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.outputs import ChatGeneration, LLMResult
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableLambda
from models import Chat, by_length, calls, healthy

from impactree import ImpactHandler, ImpactTracker
from impactree.calls.counting import count_tokens

OK = ("ok", 100, 40, "reported")
PROMPT = "planted-prompt-7f3a and some more words"


class Slow(BaseRetriever):
    """Never answers by itself."""

    async def _aget_relevant_documents(self, query, *, run_manager: CallbackManagerForRetrieverRun):
        await asyncio.sleep(60)
        return [Document(query)]

    def _get_relevant_documents(self, query, *, run_manager: CallbackManagerForRetrieverRun):
        raise KeyboardInterrupt


async def times_out(awaitable):
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0.02):
            await awaitable
        pytest.fail("it answered")


def test_a_model_cancelled_in_a_task_that_goes_on_is_closed(handler, config):
    async def main():
        await times_out(Chat(pause=60).ainvoke("Hi", config))
        gc.collect()
        await Chat().ainvoke("Hi", config)

    asyncio.run(main())
    assert [(run.name, run.status) for run in handler.runs] == [
        ("Chat", "abandoned"),
        ("Chat", "ok"),
    ]
    assert calls(handler) == [("abandoned", None, None, "unknown"), OK]
    assert not handler.tracker.open_roots


def test_a_retriever_cancelled_in_a_task_that_goes_on_takes_no_later_run(handler, config):
    async def main():
        await times_out(Slow().ainvoke("q", config))
        await Chat().ainvoke("Hi", config)

    asyncio.run(main())
    assert all(not run.children for run in handler.runs)
    gc.collect()  # the exception that asyncio has kept, and with it the retriever's frame
    assert {(run.name, run.status) for run in handler.runs} == {
        ("Slow", "abandoned"),
        ("Chat", "ok"),
    }
    assert healthy(handler)


def test_the_same_inside_a_chain(handler, config):
    async def step(text):
        await times_out(Slow().ainvoke(text))
        return await Chat().ainvoke(text)

    asyncio.run(RunnableLambda(step).ainvoke("Hi", config))
    (root,) = handler.runs
    assert [(run.name, run.status, run.parent) for run in root.children] == [
        ("Slow", "abandoned", root),
        ("Chat", "ok", root),
    ]


def test_starts_without_ends_do_not_pile_up(caplog):
    handler = ImpactHandler(tracker=ImpactTracker(max_open=10))
    ids = [uuid.uuid4() for _ in range(1000)]
    for run_id in ids:  # each in a task of its own, which is cancelled
        contextvars.copy_context().run(handler.on_retriever_start, {}, "pond", run_id=run_id)
    assert "open-runs-evicted" in caplog.text  # nobody has read, and none has ended


def test_a_retriever_interrupted_from_the_keyboard_takes_no_later_run(handler, config):
    with pytest.raises(KeyboardInterrupt):
        Slow().invoke("q", config)
    Chat().invoke("Hi", config)
    assert sorted(run.name for run in handler.runs) == ["Chat", "Slow"]


def test_runs_of_a_generate_alone_whose_third_prompt_fails_are_closed(handler):
    model = Chat(outcomes=[None, None, ValueError("no")])
    with contextlib.suppress(ValueError):
        model.generate([[HumanMessage("a")]] * 3, callbacks=[handler])
    gc.collect()  # the model keeps its exception, and with it the frames
    assert sorted(run.status for run in handler.runs) == ["abandoned", "abandoned", "error"]
    assert not handler.tracker.open_roots


def test_a_late_end_of_a_call_whose_id_went_away_counts_once(handler):
    def event(name, *args):
        getattr(handler, name)(*args, run_id=uuid.UUID(int=5))  # an id of its own each time

    event("on_chat_model_start", {"name": "Chat"}, [[HumanMessage("Hi")]])
    assert [run.status for run in handler.runs] == ["abandoned"]
    event("on_llm_end", answered("late", 10, 4))
    event("on_llm_end", answered("late", 10, 4))
    (run,) = handler.runs
    assert (run.status, run.revision) == ("ok", 1)
    assert calls(handler) == [("ok", 10, 4, "reported")]
    assert healthy(handler)


def answered(text, given=None, written=None):
    usage = None
    if given is not None:
        usage = {"input_tokens": given, "output_tokens": written, "total_tokens": given + written}
    return LLMResult(generations=[[ChatGeneration(message=AIMessage(text, usage_metadata=usage))]])


def test_an_end_that_comes_again_after_the_tree_was_closed_counts_once(handler):
    root, model = uuid.uuid4(), uuid.uuid4()
    handler.on_chain_start({}, {}, run_id=root, name="chain")
    handler.on_chat_model_start({}, [[HumanMessage("Hi")]], run_id=model, parent_run_id=root)
    handler.on_llm_end(answered("x", 3, 2), run_id=model)
    handler.on_chain_end({}, run_id=root)
    handler.on_llm_end(answered("x", 3, 2), run_id=model)
    assert len(calls(handler)) == 1
    assert healthy(handler)


def test_a_late_end_after_the_tracker_forgot_the_run_counts_once(handler, monkeypatch):
    monkeypatch.setattr("impactree.langchain._open_calls._SWEPT_AT", 8)
    handler._calls._sweep_at = 8
    root, model = uuid.uuid4(), uuid.uuid4()
    handler.on_chain_start({}, {}, run_id=root, name="chain")
    handler.on_chat_model_start({}, [[HumanMessage("Hi")]], run_id=model, parent_run_id=root)
    handler.on_llm_new_token("some words", run_id=model)
    handler.on_chain_end({}, run_id=root)
    before = handler.total
    for _ in range(2000):  # more than the tracker remembers
        handler.on_chain_start({}, {}, run_id=(other := uuid.uuid4()), name="chain")
        handler.on_chain_end({}, run_id=other)
    for _ in range(9):  # and the calls that nobody will end are dropped
        handler.on_chat_model_start({}, [[HumanMessage("Hi")]], run_id=uuid.uuid4())
    assert handler._calls.get(model) is None
    handler.on_llm_end(answered("late", 10, 4), run_id=model)
    assert handler.total.gwp == before.gwp


def test_calls_that_never_end_do_not_pile_up(handler):
    for _ in range(20_000):
        root, model = uuid.uuid4(), uuid.uuid4()
        handler.on_chain_start({}, {}, run_id=root, name="chain")
        handler.on_chat_model_start({}, [[HumanMessage("Hi")]], run_id=model, parent_run_id=root)
        handler.on_chain_end({}, run_id=root)
    assert len(handler._calls) <= 4096
    assert len(handler.tracker._trees._runs) <= 2048


# A fallback by any name


@pytest.mark.parametrize("way", ["invoke", "ainvoke", "stream", "in a chain"])
def test_attempts_hang_under_a_fallback_with_a_name_of_its_own(handler, config, way):
    chain = Chat(outcomes=[ValueError("down")]).with_fallbacks([Chat()])
    named = chain.with_config(run_name="careful")
    if way == "invoke":
        chain.invoke("Hi", {**config, "run_name": "careful"})
    elif way == "ainvoke":
        asyncio.run(named.ainvoke("Hi", config))
    elif way == "stream":
        list(named.stream("Hi", config))
    else:
        (RunnableLambda(lambda text: text) | named).invoke("Hi", config)
    (root,) = handler.runs
    fallback = root.children[1] if way == "in a chain" else root
    assert fallback.name == "careful"
    assert [run.status for run in fallback.children] == ["error", "ok"]
    assert healthy(handler)


# Nothing but counts and names


def planted(start):
    """The planted strings that can be reached from an object."""
    seen, waiting, found = set(), [start], set()
    skipped = (type, types.ModuleType, types.FunctionType, types.FrameType, types.CodeType)
    while waiting:
        item = waiting.pop()
        if id(item) in seen or isinstance(item, skipped):
            continue
        seen.add(id(item))
        if isinstance(item, str) and "planted-" in item:
            found.add(item)
        waiting.extend(gc.get_referents(item))
    return found


class Says(Chat):
    """Answers, or fails, with a planted text that is nowhere in the model itself."""

    fails: bool = False

    def _answer(self):
        if self.fails:
            raise ValueError("down")
        result = super()._answer()
        result.generations[0].message.content = "planted-" + "answer"
        return result


def left_half_way(config):
    stream = Chat(usage=False).stream(PROMPT, config)
    next(stream)
    stream.close()


async def cancelled(config):
    task = asyncio.create_task(Chat(pause=60).ainvoke(PROMPT, config))
    await asyncio.sleep(0.01)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


def fails(config):
    with contextlib.suppress(ValueError):
        Says(fails=True).invoke(PROMPT, config)


WAYS = {
    "reported": lambda config: Says().invoke(PROMPT, config),
    "counted": lambda config: Says(usage=False).invoke(PROMPT, config),
    "chain": lambda config: (RunnableLambda(lambda text: text) | Says()).invoke(PROMPT, config),
    "failed": fails,
    "stream left": left_half_way,
    "cancelled": lambda config: asyncio.run(cancelled(config)),
    "cancelled in a chain": lambda config: asyncio.run(
        times_out((RunnableLambda(lambda text: text) | Chat(pause=60)).ainvoke(PROMPT, config))
    ),
    "retriever": lambda config: asyncio.run(times_out(Slow().ainvoke(PROMPT, config))),
}


@pytest.mark.parametrize("read", [False, True], ids=["unread", "read"])
@pytest.mark.parametrize("way", WAYS)
def test_no_text_can_be_reached_from_a_handler_after_a_run(handler, config, way, read):
    WAYS[way](config)
    if read:
        assert handler.runs
    gc.collect()
    assert planted(handler) == set()


def test_the_walk_finds_what_is_there(handler):
    handler.on_chat_model_start({}, [[HumanMessage(PROMPT)]], run_id=(run_id := uuid.uuid4()))
    assert planted(handler) == {PROMPT}  # open: needed to count it
    handler.on_llm_end(answered("planted-answer"), run_id=run_id)
    assert planted(handler) == set()
    assert handler.last_run.call.input_tokens == count_tokens(PROMPT)


def test_an_abandoned_call_keeps_the_count_of_its_prompt(handler):
    root, model = uuid.uuid4(), uuid.uuid4()
    handler.on_chain_start({}, {}, run_id=root, name="chain")
    handler.on_chat_model_start({}, [[HumanMessage(PROMPT)]], run_id=model, parent_run_id=root)
    handler.on_llm_new_token("one ", run_id=model)
    handler.on_chain_end({}, run_id=root)
    assert planted(handler) == set()
    tokens = count_tokens(PROMPT)
    assert calls(handler) == [("abandoned", tokens, by_length("one "), "counted")]
    handler.on_llm_end(answered("one two"), run_id=model)
    assert calls(handler) == [("ok", tokens, count_tokens("one two"), "counted")]
