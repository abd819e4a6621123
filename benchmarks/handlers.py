"""What a callback handler adds to a chain's invocation, against peers."""

from __future__ import annotations

import gc
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import count
from statistics import median
from typing import Any

import requests
from agent_carbon import CarbonCallbackHandler
from langchain_core.callbacks import BaseCallbackHandler, UsageMetadataCallbackHandler
from langchain_core.language_models import BaseChatModel, LangSmithParams
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import Runnable, RunnableLambda
from langchain_core.tracers import LangChainTracer
from langsmith import Client
from openinference.instrumentation.langchain import LangChainInstrumentor
from opentelemetry.sdk.trace import TracerProvider

from benchmarks._measure import Result, at_most, fast, rounds, timed
from impactree import ImpactHandler

EACH = 5
"""Invocations of one variant in a round: they take less time than a busy machine stays busy."""
ROUNDS = 1500
APART = 300
"""Rounds beside what changes LangChain's classes, or works on in a thread."""
LIVES = 40
"""Rounds that a handler sees."""


class FakeModel(BaseChatModel):
    """Answers at once, with usage, as a real model's client does."""

    @property
    def _llm_type(self) -> str:
        return "fake"

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        return LangSmithParams(
            ls_provider="openai", ls_model_name="gpt-4o-mini", ls_model_type="chat"
        )

    def _generate(
        self, messages: list[BaseMessage], stop: list[str] | None = None, *_: Any, **kwargs: Any
    ) -> ChatResult:
        usage = {"input_tokens": 1200, "output_tokens": 400, "total_tokens": 1600}
        metadata = {"model_name": "gpt-4o-mini"}
        message = AIMessage("Forty-two.", usage_metadata=usage, response_metadata=metadata)
        return ChatResult(generations=[ChatGeneration(message=message)])


class StubSession(requests.Session):
    """A LangSmith server that takes everything at once."""

    def request(self, *args: Any, **kwargs: Any) -> requests.Response:
        response = requests.Response()
        response.status_code = 202
        response._content = b"{}"
        return response


class Invocations:
    """Invocations with a handler, and what they take.

    Args:
        make: The handler, made anew every so often; None: there is none.
        around: Entered for each round.
    """

    def __init__(
        self,
        make: Callable[[], BaseCallbackHandler] | None = None,
        around: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self._make, self._around = make, around
        self._chain: Runnable[str, str] = (
            RunnableLambda(str.strip) | FakeModel() | StrOutputParser()
        )
        self._asked = count()
        self._handlers: list[BaseCallbackHandler] = []
        self._put_off = 0.0

    def __call__(self, number: int) -> float:
        """Processor time of an invocation, with its share of what comes after, s."""
        if self._make is not None and number % LIVES == 0:
            self._put_off = timed(self._read) / (EACH * LIVES)
            self._handlers = [self._make()]
        with self._around():
            self._invoke()  # as code that has just run
            each = median(timed(self._invoke) for _ in range(EACH))
            left = timed(lambda: gc.collect(0))  # what it leaves to the collector
        return each + left / EACH + self._put_off

    def _invoke(self) -> None:
        config: Any = {"callbacks": self._handlers}
        self._chain.invoke(f" What of {next(self._asked)}? ", config)  # asked before: noted

    def _read(self) -> None:
        for handler in self._handlers:  # what a handler puts off counts as well
            getattr(handler, "total", None)


@contextmanager
def open_inference() -> Iterator[None]:
    """OpenInference's instrumentor; its spans are made and dropped."""
    LangChainInstrumentor().instrument(tracer_provider=TracerProvider())
    try:
        yield
    finally:
        LangChainInstrumentor().uninstrument()


def _added(variants: Mapping[str, Callable[[int], float]], count: int) -> dict[str, float]:
    """What each adds to an invocation without handler, s, and that itself."""
    taken = {name: fast(times) for name, times in rounds(variants, count).items()}
    base = taken.pop("no handler")
    return {"no handler": base, **{name: time - base for name, time in taken.items()}}


def run() -> list[Result]:
    for name in ("langsmith", "opentelemetry"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # notes about the stub
    warnings.filterwarnings("ignore", category=DeprecationWarning, module="openinference")
    client = Client(api_url="http://127.0.0.1", api_key="stub", session=StubSession(), info={})
    plain = Invocations()
    ours = {
        "impactree": Invocations(ImpactHandler),
        "impactree by impactree-1": Invocations(lambda: ImpactHandler(method="impactree-1")),
    }
    handlers = {
        "no handler": plain,
        "empty handler": Invocations(BaseCallbackHandler),
        "UsageMetadataCallbackHandler": Invocations(UsageMetadataCallbackHandler),
        "agent-carbon": Invocations(CarbonCallbackHandler),
    }
    peers = {
        "OpenInference": Invocations(around=open_inference),
        "LangChainTracer": Invocations(lambda: LangChainTracer(client=client)),
    }
    gc.disable()  # it would come in the midst of some, for the work of all
    more = _added(handlers | ours, ROUNDS)
    beside = {
        name: _added({"no handler": plain, **ours, name: peer}, APART)
        for name, peer in peers.items()
    }
    client.flush()
    client.cleanup()
    gc.enable()
    results = [Result("an invocation without handler", f"{more.pop('no handler') * 1e6:,.0f} µs")]
    more |= {name: added[name] for name, added in beside.items()}
    results += [Result(f"added by {name}", f"{each * 1e6:+,.0f} µs") for name, each in more.items()]
    for which in ours:
        for name, limit in (("agent-carbon", 1.9), ("OpenInference", 0.11)):
            times = beside.get(name, more)
            results.append(at_most(f"{which} / {name}", times[which] / times[name], limit, "x"))
    tracer = beside["LangChainTracer"]
    share = tracer["impactree"] / tracer["LangChainTracer"]
    results.append(Result("impactree / LangChainTracer", f"{share:.3g} x"))
    return results
