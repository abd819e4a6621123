"""For all tests: no network beyond this machine."""

from __future__ import annotations

import no_network


def pytest_configure() -> None:
    no_network.block()
