"""Impacts of a team's chains in one database, and what they sum to by model. Offline."""

from __future__ import annotations

import tempfile
from pathlib import Path

from impactree import ImpactTracker, ModelCall
from impactree.exporters import JSONLExporter, SQLExporter


def main() -> None:
    folder = Path(tempfile.mkdtemp())
    exporters = [
        SQLExporter(f"sqlite:///{folder}/impacts.db"),  # a team: postgresql://user@host/base
        JSONLExporter(folder / "impacts.jsonl"),
    ]
    tracker = ImpactTracker(exporters=exporters)  # or ImpactHandler(exporters=exporters)
    for model, tokens in (("gpt-4o-mini", 400), ("gpt-4o-mini", 200), ("gpt-4o", 300)):
        tracker.record(ModelCall(provider="openai", model=model, output_tokens=tokens))
    print("delivered:", tracker.flush(timeout=10))
    print("now: impactree db report --by model --db sqlite:///impacts.db")
    print(sum(1 for _ in (folder / "impacts.jsonl").open()), "lines in impacts.jsonl")


if __name__ == "__main__":
    main()
