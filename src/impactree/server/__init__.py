"""``impactree serve``: a page and a REST API on the user's own machine."""

from __future__ import annotations

from impactree.server.settings import ServeSettings

__all__ = ["ServeSettings"]
