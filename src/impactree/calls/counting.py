"""Counting tokens without a network, where an answer reports none.

A byte-pair vocabulary serves when one is already on disk because an installed package ships it
(llama-index-core does); else a rule of length. Neither is the model's own tokenizer: results are
marked ``counted`` and carry the warning ``token-count-approximate``.
"""

from __future__ import annotations

import math
import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from impactree.loops import off_loop

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "count_by_length",
    "count_tokens",
    "counts_by",
    "counts_of_documents",
    "set_vocabulary",
    "tokens_by_length",
]

# tiktoken's cl100k_base vocabulary under the name of its cache file: the SHA-1 of its address.
_CL100K: Final = "9b5ad71b2ce5302211f9c61530b329a4922fc6a4"
# Its SHA-256 and its pre-tokenizer, as tiktoken has them.
_CL100K_SHA256: Final = "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7"
_SPLIT: Final = (
    r"""'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+|"""
    r""" ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s"""
)
# Fitted over English, code, other languages in Latin script and in other scripts, each with the
# same weight; the second one lies between cl100k_base and the larger vocabularies of newer models.
# docs/tokens.md has the error on each.
_ASCII_BYTES_PER_TOKEN: Final = 3.6
_OTHER_BYTES_PER_TOKEN: Final = 3.0

_MOST_COUNTED: Final = 10_000
_counted: Final[dict[tuple[int, int], int]] = {}
"""Tokens of what was counted lately, by hash and length: prompts come again, and none is kept."""
_use_vocabulary = True


def set_vocabulary(use: bool) -> None:
    """Whether to use a shipped vocabulary (slower, closer) or the rule of length alone."""
    global _use_vocabulary
    _use_vocabulary = use


def count_tokens(text: str, *, remember: bool = True) -> int:
    """Tokens of a text: by a shipped vocabulary if there is one, else by length.

    Args:
        text: Any; it is not kept.
        remember: Whether the count is, under the text's hash.
    """
    if not text:
        return 0
    encoding = _encoding() if _use_vocabulary else None
    if encoding is None:
        return count_by_length(text)
    if not remember:
        return len(encoding.encode_ordinary(text))
    mark = str.__hash__(text), len(text)
    count = _counted.get(mark)
    if count is None:
        if len(_counted) >= _MOST_COUNTED:
            _counted.clear()
        count = _counted[mark] = len(encoding.encode_ordinary(text))
    return count


def counts_by() -> str:
    """By what :func:`count_tokens` counts: a vocabulary's name, or ``length``."""
    return "length" if not _use_vocabulary or _encoding() is None else "cl100k_base"


def count_by_length(text: str) -> int:
    """Tokens of a text from its length alone; its measured error is in ``docs/tokens.md``."""
    return math.ceil(tokens_by_length(text))


def tokens_by_length(text: str) -> float:
    """As :func:`count_by_length`, not rounded: pieces of a text add up to the whole."""
    if text.isascii():
        return len(text) / _ASCII_BYTES_PER_TOKEN
    ascii_bytes = len(text.encode("ascii", "ignore"))
    other_bytes = len(text.encode("utf-8", "replace")) - ascii_bytes
    return ascii_bytes / _ASCII_BYTES_PER_TOKEN + other_bytes / _OTHER_BYTES_PER_TOKEN


def counts_of_documents(texts: Iterable[object]) -> dict[str, int]:
    """What a retriever's run keeps of what it found: how many documents, of how many tokens."""
    sizes = [tokens_by_length(text) for text in texts if isinstance(text, str)]
    return {"documents": len(sizes), "document_tokens": math.ceil(sum(sizes))} if sizes else {}


@cache
def _encoding() -> Any:
    return off_loop(_read_encoding)


def _read_encoding() -> Any:
    """A tiktoken encoding, if tiktoken and a vocabulary are both on disk.

    Built here: tiktoken's own loader downloads what it finds missing or changed.
    """
    from importlib.util import find_spec

    vocabulary = _vocabulary()
    if vocabulary is None or find_spec("tiktoken") is None:
        return None
    try:
        from base64 import b64decode
        from hashlib import sha256

        from tiktoken import Encoding

        content = vocabulary.read_bytes()
        if sha256(content).hexdigest() != _CL100K_SHA256:
            return None  # with a damaged vocabulary, tiktoken miscounts or panics
        ranks = {b64decode(t): int(rank) for t, rank in map(bytes.split, content.splitlines())}
        return Encoding("cl100k_base", pat_str=_SPLIT, mergeable_ranks=ranks, special_tokens={})
    except Exception:
        return None  # unreadable, or another tiktoken: the rule of length serves


def _vocabulary() -> Path | None:
    from importlib.util import find_spec

    try:
        spec = find_spec("llama_index.core")
    except ModuleNotFoundError:
        spec = None
    folders = []
    if spec is not None and spec.origin:
        folders.append(Path(spec.origin).parent / "_static" / "tiktoken_cache")
    if "TIKTOKEN_CACHE_DIR" in os.environ:
        folders.append(Path(os.environ["TIKTOKEN_CACHE_DIR"]))
    files = (folder / _CL100K for folder in folders)
    return next((file for file in files if file.is_file()), None)
