"""A guest among handlers: beside ours, every other handler hears what it hears alone."""

from __future__ import annotations

import pytest
from langchain_core.callbacks import AsyncCallbackHandler, BaseCallbackHandler
from langchain_core.prompts import PromptTemplate
from langchain_core.tracers.run_collector import RunCollectorCallbackHandler
from models import Completion, calls, healthy

from impactree import ImpactHandler, track_impacts

CHAIN = PromptTemplate.from_template("{q}") | Completion()


class Hears(BaseCallbackHandler):
    def __init__(self):
        self.heard = []

    def on_llm_start(self, *args, **kwargs):
        self.heard.append("start")

    def on_llm_end(self, *args, **kwargs):
        self.heard.append("end")


class HearsAsync(AsyncCallbackHandler):
    def __init__(self):
        self.heard = []

    async def on_llm_start(self, *args, **kwargs):
        self.heard.append("start")

    async def on_llm_end(self, *args, **kwargs):
        self.heard.append("end")


class HearsInline(Hears):
    run_inline = True


@pytest.mark.parametrize("ours", [1, 2])
@pytest.mark.parametrize("kinds", [(Hears,), (HearsAsync,), (HearsInline,), (Hears, HearsAsync)])
async def test_other_handlers_hear_of_a_completion_model(kinds, ours):
    others = [kind() for kind in kinds]
    handlers = [ImpactHandler() for _ in range(ours)]
    await CHAIN.ainvoke({"q": "Hi"}, {"callbacks": [*handlers, *others]})
    assert [other.heard for other in others] == [["start", "end"]] * len(others)
    for handler in handlers:
        assert len(calls(handler)) == 1
        assert healthy(handler)


async def test_beside_an_inline_handler_nobody_hears_less_than_without_ours():
    async def heard(*ours):
        others = [HearsInline(), Hears()]
        await CHAIN.ainvoke({"q": "Hi"}, {"callbacks": [*others, *ours]})
        return [other.heard for other in others]

    handler = ImpactHandler()
    assert await heard(handler) == await heard()
    assert len(calls(handler)) == 1


async def test_in_a_block_beside_a_handler_others_hear_all():
    other, handler = Hears(), ImpactHandler()
    async with track_impacts() as tracker:
        await CHAIN.ainvoke({"q": "Hi"}, {"callbacks": [handler, other]})
    assert other.heard == ["start", "end"]
    assert [handler.total.estimated_calls, tracker.total.estimated_calls] == [1, 1]


@pytest.mark.newest
async def test_a_batch_of_prompts_counts_each_once_and_is_heard():
    other, handler, collector = Hears(), ImpactHandler(), RunCollectorCallbackHandler()
    config = {"callbacks": [handler, other, collector]}
    result = await Completion().agenerate(["a", "b", "c"], callbacks=config["callbacks"])
    assert len(result.generations) == 3
    assert sorted(other.heard) == ["end"] * 3 + ["start"] * 3
    assert len(collector.traced_runs) == len(calls(handler)) == 3


@pytest.mark.filterwarnings("ignore:astream_events version")
@pytest.mark.parametrize("version", ["v1", "v2"])
async def test_streamed_events_are_the_same_with_and_without(version):
    async def events(*callbacks):
        config = {"callbacks": list(callbacks)}
        stream = CHAIN.astream_events({"q": "Hi"}, config=config, version=version)
        return [event["event"] async for event in stream]

    alone = await events()
    assert await events(ImpactHandler()) == alone
    assert "on_llm_start" in alone
