"""What the LlamaIndex examples share: models, and an index of Thoreau's *Walden*."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import httpx
from llama_index.core import Document, VectorStoreIndex
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.node_parser import SentenceSplitter
from llama_index.embeddings.openai import OpenAIEmbedding
from llama_index.llms.openai import OpenAI

TEXT = Path(__file__).parent / "texts" / "walden.txt"


def _to_stand_in(request: httpx.Request) -> None:
    """Send a request to the stand-in, while LlamaIndex believes that it asks OpenAI."""
    there = httpx.URL(os.environ["OPENAI_BASE_URL"])
    request.url = request.url.copy_with(scheme=there.scheme, host=there.host, port=there.port)


async def _to_stand_in_async(request: httpx.Request) -> None:
    _to_stand_in(request)


def _clients() -> dict[str, Any]:
    return {
        "http_client": httpx.Client(event_hooks={"request": [_to_stand_in]}),
        "async_http_client": httpx.AsyncClient(event_hooks={"request": [_to_stand_in_async]}),
    }


def openai(model: str = "gpt-4o-mini") -> OpenAI:
    """A model that also reports the usage of its streams; OpenAI does so only when asked."""
    asked = {"stream_options": {"include_usage": True}}
    return OpenAI(model=model, additional_kwargs=asked, **_clients())


def walden_index(embedding: BaseEmbedding | None = None) -> VectorStoreIndex:
    """Split the book, embed its parts (by OpenAI, if not told otherwise), and index them."""
    embedding = embedding or OpenAIEmbedding(model="text-embedding-3-small", **_clients())
    pipeline = IngestionPipeline(
        transformations=[SentenceSplitter(chunk_size=200, chunk_overlap=20), embedding]
    )
    nodes = pipeline.run(documents=[Document(text=TEXT.read_text(encoding="utf-8"))])
    return VectorStoreIndex(nodes, embed_model=embedding)
