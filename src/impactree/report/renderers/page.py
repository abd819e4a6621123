"""The report as a page: one file of HTML that asks nothing of any host.

Text, figures and sentences are computed here; the script from ``web/`` only shows them.
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import asdict
from html import escape
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

from pydantic_core import to_json

from impactree import __version__
from impactree.engine import Engine, shared_engine
from impactree.engine.explain import explained
from impactree.exceptions import PageNotBuiltError
from impactree.methods import METHODS
from impactree.report._grounds import calls_asked
from impactree.report._groups import group_calls
from impactree.report._outline import outline
from impactree.report._sheet import lay_out_report
from impactree.report._tally import calls_of
from impactree.report.renderers._columns import group_columns, line_columns
from impactree.report.renderers.data import head_and_tail
from impactree.report.renderers.text import named_sentences, plain, sheet_lines
from impactree.values.formatting import clean

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from impactree.report._outline import OutlineLine
    from impactree.report._sheet import Sheet
    from impactree.report._view import View

__all__ = ["GROUPED_BY", "page_chunks", "page_data"]

_FORMAT: Final = 1
"""Of what the page carries."""
GROUPED_BY: Final = ("model", "agent", "step", "tool", "user", "kind", "node", "root")
_PLACED: Final = "host"
"""A group that an engine has to say."""
_MOST_GROUPS: Final = 40
_MOST_MODELS: Final = 40
_TITLE: Final = 80
_WIDTH: Final = 100
"""Of the text for those without script."""


def page_chunks(report: View, engine: object) -> Iterator[str]:
    """The whole file, in pieces.

    Args:
        report: Of any size.
        engine: What explains the models; None: one by the present settings.

    Raises:
        PageNotBuiltError: the installation lacks the page's script.
    """
    script, style = _bundle("page.js"), _bundle("page.css")
    sheet = lay_out_report(report)
    data = page_data(report, engine, sheet)
    text = _encode(data).replace("<", "\\u003c")
    policy = (
        f"default-src 'none'; script-src '{_digest(script)}'; style-src '{_digest(style)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    yield (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n<meta name="referrer" '
        f'content="no-referrer">\n<title>{escape(data["title"])} · impactree</title>\n'
        f'<style>{style}</style>\n</head>\n<body>\n<div id="page"></div>\n'
    )
    yield f"<noscript><pre>{escape(plain(sheet_lines(sheet, _WIDTH)))}</pre></noscript>\n"
    yield f'<script type="application/json" id="data">{text}</script>\n'
    yield f"<script>{script}</script>\n</body>\n</html>\n"


def page_data(report: View, engine: object, sheet: Sheet) -> dict[str, Any]:
    """What the page shows, as plain data."""
    lines = outline(report.runs)
    ours = engine if isinstance(engine, Engine) else None
    keys = (*GROUPED_BY, _PLACED) if ours is engine else GROUPED_BY
    head, tail = head_and_tail(report)
    return {
        "page": _FORMAT,
        "version": __version__,
        "title": _title(report),
        "report": {**head, **tail, "by_model": []},  # among the groups
        "about": sheet.about,
        "empty": "" if report.runs else sheet.empty,
        "folded": _folded(lines),
        "notes": [
            {"name": name, "sentences": [text for text in texts if text]}
            for block in named_sentences(sheet)
            for name, texts in block.items()
            if any(texts) and name != "advice"  # among the report's data, whole
        ],
        "lines": line_columns(lines),
        "groups": {
            key: group_columns(group_calls(report.runs, (key,), ours, None, 0), _MOST_GROUPS)
            for key in keys
        },
        **_hypotheses(report, engine),
    }


def _title(report: View) -> str:
    names = list(dict.fromkeys(clean(root.name) for root in report.runs))
    runs = f"{len(report.runs):,} runs"
    if len(names) != 1:
        return runs if names else "no runs"
    title = names[0][:_TITLE] or "(no name)"
    return title if len(report.runs) == 1 else f"{title} × {len(report.runs):,}"


def _folded(lines: Sequence[OutlineLine]) -> str:
    """What is to be said where not every run has a line."""
    runs = sum(len(line.told) for line in lines)
    if runs == len(lines):
        return ""
    return (
        f"{runs:,} runs are too many to list: {len(lines):,} lines sum them up, like ones of a "
        "level together, and what is deepest with what it is under. All are counted. Fewer runs, "
        "one by one: report.top(1000).to_html(path), or report.filter(agent=...)."
    )


def _hypotheses(report: View, engine: object) -> dict[str, Any]:
    """What the estimates of each model rest on; each hypothesis once."""
    if engine is None and report.method in METHODS:
        engine = shared_engine().by(report.method)
    if not isinstance(engine, Engine):
        return {"models": [], "more_models": 0, "hypotheses": [], "citation": ""}
    known: dict[str, int] = {}
    models = []
    asked = list(calls_asked(calls_of(report.runs)))
    for call, day, _ in asked[:_MOST_MODELS]:
        found = explained(engine, call, day)
        rows = [json.dumps(asdict(h)) for h in found.hypotheses]
        models.append(
            {
                "model": call.model,
                "provider": call.provider,
                "requested": call.requested,
                "zone": found.zone,
                "resolution": found.resolution.to_dict(),
                "errors": [str(error) for error in found.impacts.errors],
                "hypotheses": [known.setdefault(row, len(known)) for row in rows],
            }
        )
    return {
        "models": models,
        "more_models": len(asked) - len(models),
        "hypotheses": list(map(json.loads, known)),
        "citation": engine.method.citation,
    }


def _bundle(name: str) -> str:
    """A built part of the page, which cannot end the element that it stands in."""
    file = resources.files("impactree") / "web" / name
    if not file.is_file():
        raise PageNotBuiltError
    text = file.read_text("utf-8")
    return text.replace("</script", "<\\/script").replace("</style", "<\\/style")


def _encode(data: dict[str, Any]) -> str:
    try:
        return to_json(data, inf_nan_mode="null").decode()
    except ValueError:  # lone surrogates
        return json.dumps(data, separators=(",", ":"))


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
