"""Model calls: what was asked of which model, and how its tokens are read and counted."""

from __future__ import annotations

from impactree.calls.known_energy import ENERGY_FIELDS, KnownEnergy
from impactree.calls.model_call import Kind, ModelCall, TokensSource
from impactree.calls.quantities import MEDIA_FIELDS, MEDIA_KINDS, Media
from impactree.calls.tokens import MAX_TOKENS, Tokens

__all__ = [
    "ENERGY_FIELDS",
    "MAX_TOKENS",
    "MEDIA_FIELDS",
    "MEDIA_KINDS",
    "Kind",
    "KnownEnergy",
    "Media",
    "ModelCall",
    "Tokens",
    "TokensSource",
]
