"""What a callback handler adds to a chain's invocation, against peers."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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

from benchmarks._measure import Result, at_most, fast, rounds, seconds_each
from impactree import ImpactHandler

INVOCATIONS = 40
ROUNDS = 75


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


def invocations(callbacks: list[BaseCallbackHandler]) -> float:
    """Mean time of one invocation with these callbacks, s."""
    chain: Runnable[str, str] = RunnableLambda(str.strip) | FakeModel() | StrOutputParser()
    config: Any = {"callbacks": callbacks}

    def one(number: int) -> None:
        chain.invoke(f" What of {number}? ", config)  # asked before would be noted
        if number == INVOCATIONS - 1:
            for handler in callbacks:  # what a handler puts off counts as well
                getattr(handler, "total", None)

    return seconds_each(one, INVOCATIONS)


@contextmanager
def instrumented() -> Iterator[None]:
    """OpenInference's instrumentor; its spans are made and dropped."""
    LangChainInstrumentor().instrument(tracer_provider=TracerProvider())
    try:
        yield
    finally:
        LangChainInstrumentor().uninstrument()


def with_open_inference(_: int) -> float:
    with instrumented():
        return invocations([])


def with_langsmith(_: int) -> float:
    client = Client(api_url="http://127.0.0.1", api_key="stub", session=StubSession(), info={})
    try:
        return invocations([LangChainTracer(client=client)])
    finally:
        client.flush()
        client.cleanup()


def with_handler(make: Callable[[], BaseCallbackHandler]) -> Callable[[int], float]:
    return lambda _: invocations([make()])


def run() -> list[Result]:
    for peer in ("langsmith", "opentelemetry"):
        logging.getLogger(peer).setLevel(logging.CRITICAL)  # notes about the stub
    warnings.filterwarnings("ignore", category=DeprecationWarning, module="openinference")
    variants = {
        "no handler": lambda _: invocations([]),
        "empty handler": with_handler(BaseCallbackHandler),
        "UsageMetadataCallbackHandler": with_handler(UsageMetadataCallbackHandler),
        "agent-carbon": with_handler(CarbonCallbackHandler),
        "impactree": with_handler(ImpactHandler),
        "impactree by impactree-1": with_handler(lambda: ImpactHandler(method="impactree-1")),
        "OpenInference": with_open_inference,
        "LangChainTracer": with_langsmith,
    }
    rounds(variants, 1)  # warm up
    taken = rounds(variants, ROUNDS)
    base = fast(taken.pop("no handler"))
    added = {name: fast(times) - base for name, times in taken.items()}
    results = [Result("an invocation without handler", f"{base * 1e6:,.0f} µs")]
    results += [
        Result(f"added by {name}", f"{more * 1e6:+,.0f} µs") for name, more in added.items()
    ]
    for which in ("impactree", "impactree by impactree-1"):
        for name, limit in (("agent-carbon", 1.9), ("OpenInference", 0.11)):
            share = added[which] / added[name]
            results.append(at_most(f"{which} / {name}", share, limit, "x"))
    tracer = added["impactree"] / added["LangChainTracer"]
    results.append(Result("impactree / LangChainTracer", f"{tracer:.3g} x"))
    return results
