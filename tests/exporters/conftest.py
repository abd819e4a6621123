"""A spool of its own for every test."""

from __future__ import annotations

import gc
import os
from typing import TYPE_CHECKING

import pytest
from exporter_helpers import end_spool  # type: ignore[import-not-found]
from langsmith_server import KEY, LangSmith, serve  # type: ignore[import-not-found]

from impactree.delivery import spool as _spool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def spool_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / "spool"
    monkeypatch.setenv("IMPACTREE_SPOOL_DIR", str(folder))
    yield folder
    end_spool()


@pytest.fixture
def dies() -> Callable[[], None]:
    """The process's end as the spool sees it: nothing is delivered any more, the lock is free."""

    def die() -> None:
        spool, _spool._spool = _spool._spool, None
        assert spool is not None
        for lane in spool._lanes.values():
            lane.stop(5)
        assert spool.house.own is not None
        spool.house.abandon()

    return die


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[LangSmith]:
    langsmith_utils = pytest.importorskip("langsmith.utils")
    run_trees = pytest.importorskip("langsmith.run_trees")
    for name in [name for name in os.environ if name.startswith(("LANGSMITH_", "LANGCHAIN_"))]:
        monkeypatch.delenv(name)
    with serve() as service:
        monkeypatch.setenv("LANGSMITH_ENDPOINT", service.url)
        monkeypatch.setenv("LANGSMITH_API_KEY", KEY)
        monkeypatch.setenv("LANGSMITH_PROJECT", "green")
        langsmith_utils.get_env_var.cache_clear()
        langsmith_utils.get_tracer_project.cache_clear()
        monkeypatch.setattr(run_trees, "_CLIENT", None)
        yield service
        gc.collect()
        end_spool()
        if run_trees._CLIENT is not None:
            run_trees._CLIENT.flush()
            run_trees._CLIENT.cleanup()
    langsmith_utils.get_env_var.cache_clear()
    langsmith_utils.get_tracer_project.cache_clear()
    assert service.problems == []


@pytest.fixture
def traced(service: LangSmith, monkeypatch: pytest.MonkeyPatch) -> LangSmith:
    langsmith_utils = pytest.importorskip("langsmith.utils")
    monkeypatch.setenv("LANGSMITH_TRACING", "true")
    langsmith_utils.get_env_var.cache_clear()
    return service
