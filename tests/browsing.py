"""Debian's Chromium for tests of pages, and what axe-core says of them."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from importlib import import_module, resources
from pathlib import Path

import pytest

AXE = Path(__file__).parents[1] / "web" / "node_modules" / "axe-core" / "axe.min.js"
BUILT = resources.files("impactree") / "web"
WIDE, NARROW = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
_CHROMIUM = shutil.which("chromium")
_ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
)


def needs_browser():
    """The driver of a browser, for a module whose tests need one; they are never skipped in CI."""
    if os.environ.get("CI") != "true":
        pytest.importorskip("playwright")
        if not (_CHROMIUM and (BUILT / "app.js").is_file() and AXE.is_file()):
            pytest.skip("needs Debian's chromium, and `make web`", allow_module_level=True)
    driver = import_module("playwright.sync_api")
    driver.expect.set_options(timeout=30_000)  # beside other tests, Chromium has half a processor
    return driver


@contextmanager
def chromium():
    with import_module("playwright.sync_api").sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=_CHROMIUM, args=list(_ARGUMENTS))
        yield opened
        opened.close()


def violations(page):
    """What axe-core finds wrong with a page: its rules and the elements."""
    page.evaluate(AXE.read_text("utf-8"))
    found = page.evaluate("axe.run().then((result) => result.violations)")
    return [(one["id"], one["nodes"][0]["html"]) for one in found]
