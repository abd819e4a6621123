"""An agent that streams its answer to a web socket, with the impact of each model call.

Offline: the browser is played by a client in the same process. ``ImpactMiddleware`` sends a custom
event ``impact`` after each model call and writes the run's total into the final message.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

from langchain_openai import ChatOpenAI
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve

from agent import QUESTION, build_agent, script
from impactree import ImpactHandler
from impactree.langchain import ImpactMiddleware
from scripted_openai import ScriptedOpenAI


async def messages_for(agent: Any, question: str, handler: ImpactHandler) -> AsyncIterator[Any]:
    """What the browser gets to see: pieces of the answer, impacts, and the total."""
    asked = {"messages": [("user", question)]}
    final = None
    async for event in agent.astream_events(asked, {"callbacks": [handler]}, version="v2"):
        data = event["data"]
        if event["event"] == "on_chat_model_stream":
            if event["metadata"]["langgraph_node"] == "model" and data["chunk"].text:
                yield {"type": "text", "text": data["chunk"].text}
        elif event["event"] == "on_custom_event" and event["name"] == "impact":
            yield {"type": "impact", **data}
        elif event["event"] == "on_chain_end" and not event["parent_ids"]:
            final = data["output"]["messages"][-1]
    if final is not None:
        yield {"type": "total", **final.response_metadata["impact"]}


async def answer(socket: ServerConnection, handler: ImpactHandler) -> None:
    """Serve one browser: a question comes in, events go out."""
    agent = build_agent(
        ChatOpenAI(model="gpt-4o", stream_usage=True),
        ChatOpenAI(model="gpt-4o-mini", stream_usage=True),
        middleware=[ImpactMiddleware(handler, annotate=True, events=True)],
    )
    async for message in messages_for(agent, str(await socket.recv()), handler):
        await socket.send(json.dumps(message))


async def browser(url: str) -> None:
    """Show what comes in."""
    async with connect(url) as socket:
        await socket.send(QUESTION)
        async for text in socket:
            message = json.loads(text)
            if message["type"] == "text":
                print(message["text"], end="", flush=True)
                continue
            gwp, name = message["gwp_g"], message.get("model", f"all {message.get('calls')} calls")
            print(f"\n[{message['type']}: {name}, {gwp['min']:.2g} to {gwp['max']:.2g} gCO2eq]")


async def main() -> None:
    print(QUESTION)
    handler = ImpactHandler()  # one may serve any number of sockets
    async with serve(lambda socket: answer(socket, handler), "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        await browser(f"ws://127.0.0.1:{port}")
    print(f"\n{handler.report()}")


if __name__ == "__main__":
    with ScriptedOpenAI(script):
        asyncio.run(main())
