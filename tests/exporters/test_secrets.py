"""Planted secrets: no key, header or prompt in a log, a repr, an exception, the spool or a sink."""

from __future__ import annotations

import logging
import os
import sqlite3
import traceback
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("langsmith")
pytest.importorskip("langchain_core")
pytest.importorskip("sqlalchemy")
pytest.importorskip("psycopg")
pytest.importorskip("opentelemetry.sdk")

from exporter_helpers import end_spool  # type: ignore[import-not-found]
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from langsmith import utils as langsmith_utils
from langsmith_server import serve  # type: ignore[import-not-found]

from impactree import ImpactHandler
from impactree.exceptions import ConfigurationError
from impactree.exporters import (
    JSONLExporter,
    LangSmithExporter,
    OTelExporter,
    SQLExporter,
)

if TYPE_CHECKING:
    from pathlib import Path

KEY = "lsv2-xq-planted-key"
SECRETS = ("planted", "lsv2-xq"[:5] + "*")  # the official client masks all but 5 letters and 2


@tool
def look_up(query: str) -> str:
    """Look something up."""
    return f"planted-result for {query}"


def chat(text: str) -> str:
    usage = {"input_tokens": 9, "output_tokens": 5, "total_tokens": 14}
    answer = AIMessage("planted-answer", usage_metadata=usage)
    GenericFakeChatModel(messages=iter([answer])).invoke(f"planted-prompt {text}")
    found: str = look_up.invoke({"query": "planted-argument"})
    return found


def run_all(handler: ImpactHandler) -> None:
    config: Any = {
        "callbacks": [handler],
        "metadata": {"api_key": "planted-metadata", "thread_id": "t"},
    }
    RunnableLambda(chat).invoke("planted-input", config)

    def fails(text: str) -> str:
        raise RuntimeError("planted-error")

    with pytest.raises(RuntimeError):
        RunnableLambda(fails).invoke("planted-input", config)


@pytest.mark.parametrize("answers", [[], [401] * 9, [500] * 9, ["reset"] * 9])
def test_no_secret_comes_out(
    answers: list[Any],
    tmp_path: Path,
    spool_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    for name in [name for name in os.environ if name.startswith(("LANGSMITH_", "LANGCHAIN_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("LANGSMITH_API_KEY", KEY)
    with caplog.at_level(logging.DEBUG), serve() as service:
        service.key, service.faults = KEY, list(answers)
        monkeypatch.setenv("LANGSMITH_ENDPOINT", service.url)
        langsmith_utils.get_env_var.cache_clear()
        exporters = [
            LangSmithExporter(),
            SQLExporter("postgresql://u:planted-password@127.0.0.1:9/x?options=planted-option"),
            SQLExporter(f"sqlite:///{tmp_path / 'impacts.db'}"),
            JSONLExporter(tmp_path / "impacts.jsonl"),
            OTelExporter(spans=False),
        ]
        handler = ImpactHandler(exporters=exporters)
        run_all(handler)
        handler.flush(0.5)
        spooled = b"".join(p.read_bytes() for p in spool_dir.rglob("*") if p.is_file())
        end_spool()
    langsmith_utils.get_env_var.cache_clear()
    ours = [r for r in caplog.records if r.name.startswith("impactree")]
    with sqlite3.connect(tmp_path / "impacts.db") as base:
        base.execute("pragma wal_checkpoint(truncate)")
    base.close()
    texts = {
        "log": "\n".join(logging.Formatter().format(record) for record in ours),
        "output": "".join(capfd.readouterr()),
        "repr": repr([handler, handler.tracker, *exporters, *(e.destination for e in exporters)]),
        "spool": spooled.decode(),
        "jsonl": (tmp_path / "impacts.jsonl").read_text(),
        "sqlite": (tmp_path / "impacts.db").read_bytes().decode("latin1"),
        "service": repr(service.runs) + repr(service.feedback),
    }
    assert texts["spool"]
    assert texts["jsonl"]
    found = {where for where, text in texts.items() if any(s in text for s in SECRETS)}
    assert found == set()


def test_exceptions_hold_none() -> None:
    for url in ("nosuch://u:planted@h/x", "planted-no-url"):
        with pytest.raises(ConfigurationError) as caught:
            SQLExporter(url)
        assert "planted" not in "".join(traceback.format_exception(caught.value)).replace(
            "SQLExporter(url)", ""
        )
