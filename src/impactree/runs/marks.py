"""Keys of a run's metadata by which an adapter says how the run came to be known."""

from __future__ import annotations

from typing import Final

__all__ = ["BY_MANAGER", "TOLD_BY"]

TOLD_BY: Final = "told_by"
"""On roots that something told of which tells less than it could."""
BY_MANAGER: Final = "CallbackManager"
"""LlamaIndex's."""
