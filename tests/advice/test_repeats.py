"""The same call made again is counted by hashes with a key of this process; only counts stay."""

from __future__ import annotations

import json
from dataclasses import replace
from uuid import UUID

import pytest
from jsonschema import Draft202012Validator
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, LLMResult
from llama_index.core import MockEmbedding
from llama_index.core.llms import ChatMessage, MockLLM

from impactree import ImpactHandler, ImpactTracker, ModelCall, Report
from impactree.calls.repeats import Repeats
from impactree.delivery.codec import decode, encode
from impactree.langchain import track_embeddings
from impactree.llama_index import ImpactHandler as LlamaHandler
from impactree.report import schema


def repeated(handler):
    return [run.call.repeated for root in handler.runs for run in root.walk() if run.call]


@pytest.fixture
def model(scripted):
    """A chat model on the local server; each prompt gets the same answer."""
    from langchain_openai import ChatOpenAI

    with scripted.ScriptedOpenAI(lambda *_: scripted.Turn("Yes."), first_token_s=0):
        yield ChatOpenAI(model="gpt-4o-mini")


def test_the_same_chat_again(model):
    handler = ImpactHandler()
    for asked in ("Is it?", "Is it?", "Is it so?", "Is it?"):
        model.invoke(asked, {"callbacks": [handler]})
    calls = [root.call for root in handler.runs]
    assert [call.repeated for call in calls] == [0, calls[1].input_tokens, 0, calls[3].input_tokens]
    assert calls[1].input_tokens > 0


def test_other_parameters_tools_or_pictures_are_another_question(model):
    handler = ImpactHandler()
    tool = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
    config = {"callbacks": [handler]}
    pictures = [
        [HumanMessage([{"type": "image_url", "image_url": {"url": f"data:image/png;base64,{x}"}}])]
        for x in ("AAAA", "BBBB")
    ]
    model.invoke("Is it?", config)
    model.bind(temperature=0.3).invoke("Is it?", config)
    model.bind_tools([tool]).invoke("Is it?", config)
    for picture in pictures:
        model.invoke(picture, config)
    assert repeated(handler) == [0] * 5
    model.bind_tools([tool]).invoke("Is it?", config)
    assert repeated(handler)[-1] > 0


def test_ids_of_tool_calls_differ_and_mean_nothing(model):
    handler = ImpactHandler()
    for number in (1, 2):
        call = {"name": "look", "args": {"at": "it"}, "id": f"call_{number}"}
        asked = [HumanMessage("Is it?"), AIMessage("", tool_calls=[call])]
        asked.append(ToolMessage("It is.", tool_call_id=call["id"]))
        model.invoke(asked, {"callbacks": [handler]})
    assert repeated(handler)[0] == 0
    assert repeated(handler)[1] > 0


@pytest.mark.parametrize("calls", [3, [7], [None, {"args": {1}}], "x", [{"name": ["a"]}]], ids=str)
def test_no_message_is_too_odd(calls):
    """Whatever a client has put into a message, its call counts."""
    handler = ImpactHandler()
    odd = [AIMessage.model_construct(content=[object()], tool_calls=calls), object(), "text"]
    usage = {"input_tokens": 9, "output_tokens": 4, "total_tokens": 13}
    said = ChatGeneration(message=AIMessage("Yes", usage_metadata=usage))
    tools = {"tools": [3, {"function": 4}, {"name": {}}], 5: {6}}
    for number in (1, 2):
        run_id = UUID(int=number)
        handler.on_chat_model_start({}, [odd], run_id=run_id, invocation_params=tools)
        handler.on_llm_end(LLMResult(generations=[[said]]), run_id=run_id)
    assert [run.call.input_tokens for run in handler.runs] == [9, 9]
    assert not handler.tracker.problems


def test_two_handlers_of_one_call_see_it_once_each(model):
    one, other = ImpactHandler(), ImpactHandler()
    model.invoke("Is it?", {"callbacks": [one, other]})
    assert repeated(one) == repeated(other) == [0]


def test_a_call_that_failed_may_be_asked_again():
    """As of an answer that was cut off: its usage comes with the error."""
    handler = ImpactHandler()
    usage = {"input_tokens": 9, "output_tokens": 4, "total_tokens": 13}
    answer = LLMResult(
        generations=[[ChatGeneration(message=AIMessage("Yes", usage_metadata=usage))]]
    )
    for number, ends in enumerate((handler.on_llm_error, handler.on_llm_end, handler.on_llm_end)):
        run_id = UUID(int=number + 1)
        handler.on_chat_model_start({}, [[HumanMessage("Is it?")]], run_id=run_id)
        told = (ValueError("cut off"),) if ends == handler.on_llm_error else (answer,)
        ends(*told, run_id=run_id, response=answer) if number == 0 else ends(*told, run_id=run_id)
    assert [run.status for run in handler.runs] == ["error", "ok", "ok"]
    assert repeated(handler) == [0, 0, 9]


def test_what_a_response_cache_answers_is_not_sent(model):
    from langchain_core.caches import InMemoryCache

    handler = ImpactHandler()
    cached = model.model_copy(update={"cache": InMemoryCache()})
    for _ in range(3):
        cached.invoke("Is it?", {"callbacks": [handler]})
    assert [run.cached for run in handler.runs] == [False, True, True]
    assert repeated(handler) == [0, 0, 0]


def test_embeddings_are_counted_by_their_texts():
    handler = ImpactHandler()
    embeddings = track_embeddings(DeterministicFakeEmbedding(size=4), handler)
    old, new = "red " * 90, "sea " * 90  # as many tokens each
    embeddings.embed_documents([old])
    embeddings.embed_documents([old, new])
    embeddings.embed_documents([new, old])
    embeddings.embed_documents(["sky " * 90, "sky " * 90])
    calls = [root.call for root in handler.runs]
    shares = [call.repeated / call.input_tokens for call in calls]
    assert shares == pytest.approx([0, 0.5, 1, 0.5], abs=0.02)


def test_texts_that_are_empty_are_told_again_as_well():
    """By hand: 3 tokens that the provider reports for a text of none, sent a second time."""
    repeats, call = Repeats(), ModelCall(model="m", kind="embedding", input_tokens=3)
    assert [repeats.noted(call, [""]).repeated for _ in range(2)] == [0, 3]


def test_llama_index_by_instrumentation_and_by_callbacks():
    from llama_index.core.callbacks import CallbackManager

    with LlamaHandler().instrument() as handler:
        embedding = MockEmbedding(embed_dim=3)
        embedding.get_text_embedding_batch(["one text", "another one"])
        embedding.get_text_embedding_batch(["one text", "a third one"])
        for asked in ("Is it?", "Is it?", "Is it so?"):
            MockLLM().chat([ChatMessage(asked)])
    calls = [run.call for root in handler.runs for run in root.walk() if run.call]
    assert [bool(call.repeated) for call in calls] == [False, True, False, True, False]
    assert 0 < calls[1].repeated < calls[1].input_tokens
    assert calls[3].repeated == calls[3].input_tokens

    told = LlamaHandler()
    with_manager = MockLLM(callback_manager=CallbackManager([told]))
    for asked in ("Is it?", "Is it?"):
        with_manager.complete(asked)
    assert [bool(n) for n in repeated(told)] == [False, True]


def test_it_is_kept_by_json_and_by_the_spool(bench):
    made = bench()
    made.chat(None, "gpt-4o", 100, 10, provider="openai", repeated=100)
    made.chat(None, "gpt-4o", 100, 10, provider="openai")
    report = made.report()
    data = json.loads(report.to_json())
    Draft202012Validator(schema("report")).validate(data)
    assert [entry["call"].get("repeated") for entry in data["runs"]] == [100, None]
    assert data["runs"] == report.to_dict()["runs"]
    back = Report.from_json(report.to_json())
    assert [run.call.repeated for run in back.runs] == [100, 0]
    spooled = decode(b"".join(encode(report.runs[0], "m", ["a"], {})), "a").root
    assert spooled.call.repeated == 100


def test_nothing_but_hashes_is_held_and_not_many():
    repeats, call = Repeats(), ModelCall(model="m", input_tokens=5, output_tokens=1)
    most = 120_000
    for number in range(most):
        assert repeats.noted(call, [f"text {number}"]) is call
    assert repeats.noted(call, [f"text {most - 1}"]).repeated == 5
    assert repeats.noted(call, ["text 0"]).repeated == 0  # long ago: forgotten
    held = [mark for slot in Repeats.__slots__ for mark in getattr(repeats, slot)]
    assert {type(mark) for mark in held} == {int}
    assert len(held) <= 100_000


def test_another_model_or_host_was_not_asked_before():
    repeats = Repeats()
    call = ModelCall(model="m", provider="p", input_tokens=5, output_tokens=1)
    others = [
        replace(call, model="n"),
        replace(call, provider="q"),
        replace(call, base_url="http://h"),
    ]
    for one in (call, *others):
        assert repeats.noted(one, ["text"]).repeated == 0
    assert repeats.noted(call, ["text"]).repeated == 5


def test_what_cannot_be_hashed_is_never_the_same_again():
    class Stubborn:
        __slots__ = ()
        __hash__ = None

    repeats, call = Repeats(), ModelCall(model="m", input_tokens=5, output_tokens=1)
    nested: list = []
    nested.append(nested)
    for odd in (Stubborn(), nested, {"a": [{1, 2}]}):
        for _ in range(3):
            assert repeats.noted(call, [odd]).repeated == 0


@pytest.mark.parametrize("bad", [-1, 11, 1.5, True, "all", None])
def test_a_wrong_count_is_refused(bad):
    with pytest.raises((TypeError, ValueError), match="repeated must be a whole number from 0 to"):
        ModelCall(model="m", input_tokens=10, output_tokens=1, repeated=bad)


def test_a_tracker_fed_by_hand_counts_nothing():
    tracker = ImpactTracker()
    call = ModelCall(model="gpt-4o", input_tokens=10, output_tokens=1)
    for _ in range(2):
        tracker.record(call)
    assert [run.call.repeated for run in tracker.runs] == [0, 0]
