"""For all tests: no network beyond this machine, and no time limit for examples."""

from __future__ import annotations

from hypothesis import settings

import no_network


def pytest_configure() -> None:
    no_network.block()
    settings.register_profile("untimed", deadline=None)
    settings.load_profile("untimed")
