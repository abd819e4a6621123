"""One handler shared by many threads and tasks: totals equal the sum of what was sent."""

from __future__ import annotations

import asyncio
import random
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import RunnableLambda, RunnableParallel
from models import healthy

from impactree import ImpactHandler, ImpactTracker, ModelCall, estimate
from wire.server import Answer, Usage

RUNS = 20_000


class Sender(BaseChatModel):
    """Answers with a usage of its own for each request, and keeps what it sent."""

    sent: list[tuple[int, int]]
    failed: list[int]
    seed: int

    @property
    def _llm_type(self) -> str:
        return "sender"

    def _get_ls_params(self, stop=None, **kwargs):
        return {"ls_provider": "openai", "ls_model_name": "gpt-4o-mini", "ls_model_type": "chat"}

    def _send(self, kind, prompt):
        number = int(prompt[-1].content)
        if number % 7 == 0:
            self.failed.append(number)
            raise ValueError(number)
        self.sent.append((number, number % 97 + 1))
        total = number + number % 97 + 1
        usage = {"input_tokens": number, "output_tokens": number % 97 + 1, "total_tokens": total}
        return kind(content="x", usage_metadata=usage)

    def _generate(self, messages, stop=None, run_manager=None, **kwargs):
        message = self._send(AIMessage, messages)
        return ChatResult(generations=[ChatGeneration(message=message)])

    async def _agenerate(self, messages, stop=None, run_manager=None, **kwargs):
        await asyncio.sleep(0)
        return self._generate(messages)

    def _stream(self, messages, stop=None, run_manager=None, **kwargs):
        yield ChatGenerationChunk(message=self._send(AIMessageChunk, messages))


def nested(model, depth, dice):
    """A runnable of random shape around one or more calls of the model."""
    if depth == 0:
        return model
    inner = nested(model, depth - 1, dice)
    shape = dice.randrange(4)
    if shape == 0:
        return RunnableLambda(lambda text: text) | inner
    if shape == 1:
        return RunnableParallel(a=inner, b=model)
    if shape == 2:
        return inner.with_fallbacks([model])
    return inner.with_retry(stop_after_attempt=2, wait_exponential_jitter=False)


class Work:
    """Random runs of one model, and the bookkeeping of what they did."""

    def __init__(self, seed):
        self.finished = Finished()
        self.tracker = ImpactTracker(max_runs=10, exporters=[self.finished])
        self.handler = ImpactHandler(tracker=self.tracker)
        self.config = {"callbacks": [self.handler]}
        dice = random.Random(seed)
        self.model = Sender(sent=[], failed=[], seed=seed)
        # Fields are copied; the lists must be these.
        self.sent, self.failed = self.model.sent, self.model.failed
        self.shapes = [nested(self.model, depth, dice) for depth in (0, 0, 1, 2, 3)]
        self.flat = self.shapes[0]

    def check(self):
        runs = [run for root in self.finished.roots for run in root.walk()]
        called = [run for run in runs if run.call is not None]
        ok = Counter(
            (r.call.input_tokens, r.call.output_tokens) for r in called if r.status == "ok"
        )
        assert ok == Counter(self.sent)
        assert sum(r.status == "error" for r in called) == len(self.failed)
        assert len({run.id for run in runs}) == len(runs)
        assert all(run.end is not None for run in runs)
        assert self.handler.tracker.problems == {}
        assert self.tracker.open_roots == []
        assert self.tracker.finished_runs == len({root.id for root in self.finished.roots})
        expected = sum(energy(count) * times for (_, count), times in ok.items())
        assert self.handler.total.energy.value.max == pytest.approx(expected, rel=1e-9)
        assert self.handler.total.estimated_calls == len(called)
        return len(runs)


def energy(tokens, known={}):  # noqa: B006  # a memo
    if tokens not in known:
        call = ModelCall(provider="openai", model="gpt-4o-mini", output_tokens=tokens)
        known[tokens] = estimate(call).energy.value.max
    return known[tokens]


class Finished:
    """An exporter that keeps every tree, as only the last ten are kept elsewhere."""

    def __init__(self):
        self.roots = []
        self._lock = threading.Lock()

    def export(self, root):
        with self._lock:
            if root.revision == 0:
                self.roots.append(root)

    def flush(self, timeout=None):
        return True


@pytest.fixture
def _no_clamp(monkeypatch):
    """In this process an answer takes no time, which would clamp every estimate to nothing."""
    from impactree.engine import Engine

    unclamped = Engine.estimate

    def estimate_without(self, call, **when):
        from dataclasses import replace

        # A failed call keeps its zero: nothing was generated.
        return unclamped(self, replace(call, latency_s=None) if call.latency_s else call, **when)

    monkeypatch.setattr(Engine, "estimate", estimate_without)


@pytest.mark.usefixtures("_no_clamp")
def test_sixty_four_threads():
    work = Work(seed=1)
    counter = iter(range(1, RUNS))
    gate = threading.Barrier(64)
    lock = threading.Lock()

    def thread(number):
        dice = random.Random(number)
        gate.wait()
        for _ in range(120):
            with lock:
                request = next(counter)
            runnable = dice.choice(work.shapes)
            try:
                if dice.random() < 0.3:
                    list(runnable.stream(str(request), config=work.config))
                else:
                    runnable.invoke(str(request), config=work.config)
            except ValueError:
                pass

    with ThreadPoolExecutor(64) as pool:
        list(pool.map(thread, range(64)))
    assert work.check() >= RUNS


@pytest.mark.usefixtures("_no_clamp")
def test_two_thousand_tasks():
    work = Work(seed=2)

    async def task(number):
        dice = random.Random(number)
        for round_ in range(5):
            runnable = dice.choice(work.shapes)
            request = str(number * 5 + round_ + 1)
            try:
                if dice.random() < 0.2:
                    async for _ in work.flat.astream(request, config=work.config):
                        pass
                else:
                    await runnable.ainvoke(request, config=work.config)
            except ValueError:
                pass

    async def main():
        await asyncio.gather(*(task(number) for number in range(2000)))

    asyncio.run(main())
    assert work.check() >= RUNS


@pytest.mark.filterwarnings("ignore")
@pytest.mark.usefixtures("let_go")
def test_threads_over_the_wire(wire_server):
    """The same with a real client: 16 threads, 320 requests, every fifth refused."""
    openai = pytest.importorskip("langchain_openai")

    def answer(request):
        number = int(request.json["messages"][0]["content"])
        if number % 5 == 0:
            return Answer(status=400)
        return Answer(usage=Usage(input=number, output=number % 13 + 1))

    wire_server.respond(answer)
    model = openai.ChatOpenAI(
        model="gpt-4o-mini", base_url=f"{wire_server.base('openai')}/v1", api_key="k", max_retries=0
    )
    chain = RunnableLambda(lambda text: text) | model
    handler = ImpactHandler()

    def ask(number):
        try:
            chain.invoke(str(number), config={"callbacks": [handler]})
        except Exception:
            return 1
        return 0

    with ThreadPoolExecutor(16) as pool:
        refused = sum(pool.map(ask, range(320)))
    called = [run for root in handler.runs for run in root.calls]
    ok = Counter((r.call.input_tokens, r.call.output_tokens) for r in called if r.status == "ok")
    assert ok == Counter((usage.input, usage.output) for usage in wire_server.sent)
    assert (refused, len(called), len(handler.runs)) == (64, 320, 320)
    assert healthy(handler)
