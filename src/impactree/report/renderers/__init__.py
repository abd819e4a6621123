"""One view, many renderers: a module each."""

from __future__ import annotations
