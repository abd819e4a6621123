"""The server's page in Chromium: what its tests look at."""

from __future__ import annotations

import re

from browsing import needs_browser
from impactree.values.criteria import CRITERIA

expect = needs_browser().expect

ASKED = {"model": "gpt-4o", "provider": "openai", "input": 1200, "output": 400}
CALL = {"model": "gpt-4o", "provider": "openai", "input_tokens": 1200, "output_tokens": 400}


def card(page, key):
    return page.locator(f'.figures [data-criterion="{key}"]')


def shown(page, key):
    """A card's figure and range, as ``str(impact)`` has them."""
    found = card(page, key)
    expect(found).to_be_visible()
    mean = re.sub(r"\s+", " ", found.locator(".card-value").inner_text()).strip()
    ends = re.sub(r"\s+", " ", found.locator(".card-range").inner_text()).strip()
    return mean, ends


def assert_shows(page, impacts):
    for criterion in CRITERIA:
        impact = getattr(impacts, criterion.key)
        number, _, rest = str(impact).partition(" ")
        span, _, unit = rest.removeprefix("(").rpartition(") ")
        if not span:
            unit = rest
        expect(card(page, criterion.key).locator(".card-value")).to_have_text(f"{number} {unit}")
        assert shown(page, criterion.key)[1] == (f"{span} {unit}" if span else "one figure")
