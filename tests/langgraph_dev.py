"""Blocking calls on an event loop raise, as under ``langgraph dev``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blockbuster import BlockBuster

if TYPE_CHECKING:
    from collections.abc import Iterator

# What langgraph-runtime-inmem 0.36 leaves alone.
LEFT_ALONE = {
    "io.BufferedReader.read",
    "io.BufferedWriter.write",
    "io.TextIOWrapper.read",
    "io.TextIOWrapper.write",
    "os.listdir",
    "os.remove",
    "os.stat",
    "threading.Lock.acquire",
}


def guarded_loops(*, strict: bool = False) -> Iterator[None]:
    """Guard all loops meanwhile; ``strict``: as blockbuster does when nobody sets it."""
    guard = BlockBuster(excluded_modules=[])
    if not strict:
        for name in list(guard.functions):
            if name in LEFT_ALONE or name.startswith("os.path."):
                guard.functions.pop(name)
    # LlamaIndex's own, where its synchronous stream is read on a loop.
    guard.functions["time.sleep"].can_block_in(
        "llama_index/core/chat_engine/types.py", "response_gen"
    )
    guard.activate()
    try:
        yield
    finally:
        guard.deactivate()
