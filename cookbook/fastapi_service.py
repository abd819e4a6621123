"""A FastAPI service that answers with what each request cost: one handler per request.

Offline: the service runs in a thread, and four requests reach it at once. A second handler, shared
by all requests, knows what the service has cost altogether.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import Runnable
from langchain_openai import ChatOpenAI
from pydantic import BaseModel

from impactree import ImpactHandler, Impacts
from scripted_openai import ScriptedOpenAI, Turn


class Question(BaseModel):
    """What a user asks."""

    question: str
    user: str


class Cost(BaseModel):
    """Means of the ranges; None where a call could not be estimated."""

    gwp_mg: float | None
    energy_mwh: float | None
    calls: int


class Answer(BaseModel):
    """An answer and what it cost."""

    answer: str
    cost: Cost


def cost(total: Impacts) -> Cost:
    """The unit of ``gwp`` is kg, of ``energy`` kWh."""
    gwp, energy = total.gwp, total.energy
    return Cost(
        gwp_mg=round(gwp.value.mean * 1e6, 3) if gwp else None,
        energy_mwh=round(energy.value.mean * 1e6, 3) if energy else None,
        calls=total.estimated_calls + total.unestimated_calls,
    )


def build_service(chain: Runnable[Any, str], everything: ImpactHandler) -> FastAPI:
    """The service around a chain."""
    service = FastAPI()

    @service.post("/ask")
    async def ask(asked: Question) -> Answer:
        handler = ImpactHandler()
        answer = await chain.ainvoke(
            {"question": asked.question},
            {"callbacks": [handler, everything], "metadata": {"user_id": asked.user}},
        )
        return Answer(answer=answer, cost=cost(handler.total))

    @service.get("/cost")
    async def total() -> Cost:
        return cost(everything.total)

    return service


def script(model: str, messages: list[dict[str, Any]]) -> Turn:
    """The same answer every time."""
    return Turn("Ice insulates: it floats, and keeps the water below from freezing.")


@contextmanager
def running(service: FastAPI) -> Iterator[str]:
    """Serve on a free port of this machine; gives the address."""
    config = uvicorn.Config(service, host="127.0.0.1", port=0, log_level="warning")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        threading.Event().wait(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


async def ask_all(url: str) -> None:
    """Four requests of two users at once, then the service's total."""
    async with httpx.AsyncClient(base_url=url, timeout=30) as client:
        asked = [
            {"question": f"Why is ice {colour}?", "user": user}
            for user in ("ada", "grace")
            for colour in ("blue", "white")
        ]
        for response in await asyncio.gather(*(client.post("/ask", json=q) for q in asked)):
            print(response.json())
        print(f"service: {(await client.get('/cost')).json()}\n")


def main() -> None:
    everything = ImpactHandler()
    prompt = ChatPromptTemplate.from_template("In one sentence: {question}")
    with ScriptedOpenAI(script):
        chain = prompt | ChatOpenAI(model="gpt-4o-mini", stream_usage=True) | StrOutputParser()
        with running(build_service(chain, everything)) as url:
            asyncio.run(ask_all(url))
    report = everything.report()
    print(report)
    for user, group in report.by("metadata.user_id").items():
        print(f"{user}: {group.calls} calls, {group.total.gwp}")


if __name__ == "__main__":
    main()
