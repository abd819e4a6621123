"""Model calls: what was asked of which model, and how its tokens are read and counted."""

from __future__ import annotations

from impactree.calls.model_call import MAX_TOKENS, Kind, ModelCall, TokensSource

__all__ = ["MAX_TOKENS", "Kind", "ModelCall", "TokensSource"]
