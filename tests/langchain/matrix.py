"""Client x mode: what the handler must record, and the table of it in ``docs/langchain.md``.

``python tests/langchain/matrix.py`` prints the table; a test compares it with the page.
"""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from wire.clients import CLIENTS, Client

WAYS = ("invoke", "ainvoke", "stream", "astream")
MODES = (*WAYS, "batch", "abatch", "tools", "structured", "error")
CLASSES = ("input", "cached_input", "cache_write", "output", "reasoning")

# What no client setting can bring back, beyond what `Client.loses` says of its messages...
ALSO_LOST = {"cohere": {"input:stream"}}
# ...and what the handler finds elsewhere in the message.
FOUND = {
    "cohere": {"usage:stream"},  # response_metadata["token_count"]
    "mistral": {"cached_input:invoke", "cached_input:ainvoke"},  # the provider's own usage
}
NOTES = {
    "input": "the client passes on billed input tokens, which leave out special tokens",
    "cached_input": "the client drops the cached tokens (they are in the input tokens)",
    "usage": "the client drops the usage of its streams: counted locally, marked `counted`",
    "model": "the client shows the requested name, never the answered one",
}
_LIKE = {"batch": "invoke", "abatch": "ainvoke", "tools": "invoke", "structured": "invoke"}


def loses(client: Client, what: str, way: str) -> bool:
    """Whether a fact of the payload cannot reach the handler."""
    way = _LIKE.get(way, way)
    if f"{what}:{way}" in ALSO_LOST.get(client.id, ()):
        return True
    return client.drops(what, way) and f"{what}:{way}" not in FOUND.get(client.id, ())


def table() -> str:
    """The table and its notes, in Markdown."""
    marks = dict(zip(NOTES, "abcd", strict=True))
    lines = [f"| client | {' | '.join(MODES)} |", "| --- |" + " --- |" * len(MODES)]
    for client in CLIENTS:
        cells = []
        for mode in MODES:
            lost = [marks[what] for what in NOTES if mode != "error" and loses(client, what, mode)]
            cells.append(f"exact ({', '.join(lost)})" if lost else "exact")
        lines.append(f"| {client.id} | {' | '.join(cells)} |")
    notes = [f"- ({marks[what]}) {note}" for what, note in NOTES.items()]
    return "\n".join([*lines, "", *notes])


if __name__ == "__main__":
    print(table())  # noqa: T201
