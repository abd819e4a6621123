"""What the frameworks' adapters share."""

from __future__ import annotations
