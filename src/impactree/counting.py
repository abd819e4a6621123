"""Counting tokens without a network, where an answer reports none.

A byte-pair vocabulary serves when one is already on disk because an installed package ships it
(llama-index-core does); else a rule of length. Neither is the model's own tokenizer: results are
marked ``counted`` and carry the warning ``token-count-approximate``.
"""

from __future__ import annotations

import math
import os
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

__all__ = ["count_by_length", "count_tokens", "set_vocabulary"]

# tiktoken's cl100k_base vocabulary under the name of its cache file: the SHA-1 of its address.
_CL100K: Final = "9b5ad71b2ce5302211f9c61530b329a4922fc6a4"
_LATIN_BYTES_PER_TOKEN: Final = 4.2
_OTHER_BYTES_PER_TOKEN: Final = 2.9

_use_vocabulary = True


def set_vocabulary(use: bool) -> None:
    """Whether to use a shipped vocabulary (slower, closer) or the rule of length alone."""
    global _use_vocabulary
    _use_vocabulary = use


def count_tokens(text: str) -> int:
    """Tokens of a text: by a shipped vocabulary if there is one, else by length."""
    if not text:
        return 0
    encoding = _encoding() if _use_vocabulary else None
    if encoding is None:
        return count_by_length(text)
    return len(encoding.encode_ordinary(text))


def count_by_length(text: str) -> int:
    """Tokens of a text from its length alone; its measured error is in ``docs/tokens.md``."""
    ascii_bytes = len(text.encode("ascii", "ignore"))
    other_bytes = len(text.encode("utf-8", "replace")) - ascii_bytes
    tokens = ascii_bytes / _LATIN_BYTES_PER_TOKEN + other_bytes / _OTHER_BYTES_PER_TOKEN
    return math.ceil(tokens)


@cache
def _encoding() -> Any:
    """A tiktoken encoding, if tiktoken and its vocabulary are both on disk."""
    folder = _vocabulary_folder()
    if folder is None or find_spec("tiktoken") is None:
        return None
    before = os.environ.get("TIKTOKEN_CACHE_DIR")
    os.environ["TIKTOKEN_CACHE_DIR"] = str(folder)
    try:
        import tiktoken

        return tiktoken.get_encoding("cl100k_base")
    except Exception:
        return None  # a broken vocabulary file: the rule of length serves
    finally:
        if before is None:
            del os.environ["TIKTOKEN_CACHE_DIR"]
        else:
            os.environ["TIKTOKEN_CACHE_DIR"] = before


def _vocabulary_folder() -> Path | None:
    try:
        spec = find_spec("llama_index.core")
    except ModuleNotFoundError:
        spec = None
    shipped = []
    if spec is not None and spec.origin:
        shipped.append(Path(spec.origin).parent / "_static" / "tiktoken_cache")
    if "TIKTOKEN_CACHE_DIR" in os.environ:
        shipped.append(Path(os.environ["TIKTOKEN_CACHE_DIR"]))
    return next((folder for folder in shipped if (folder / _CL100K).is_file()), None)
