"""Values: ranges with units, the criteria, and coded messages. Knows no model and no method."""

from __future__ import annotations
