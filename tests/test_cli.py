"""The command line: what it prints, as text and as JSON, and how it leaves."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from impactree import ImpactTracker, ModelCall, explain
from impactree.cli import main


@pytest.fixture
def run(capsys):
    def run(*arguments):
        with pytest.raises(SystemExit) as left:
            main(arguments)
        out, err = capsys.readouterr()
        return left.value.code or 0, out, err

    return run


def test_explain_shows_all(run):
    code, out, _ = run("explain", "gpt-4o", "--zone", "FRA")
    assert code == 0
    for text in ("gpt-4o", "exact", "openai", "PUE", "France", "PUE E_it", "gCO2eq", "https://"):
        assert text in out


def test_explain_as_json(run):
    code, out, _ = run("explain", "gpt-4o", "--zone", "FRA", "--tokens", "10", "--json")
    assert code == 0
    assert json.loads(out) == json.loads(
        json.dumps(explain("gpt-4o", zone="FRA", output_tokens=10).to_dict())
    )


def test_estimate_shows_the_figures_that_explain_ends_with(run):
    code, out, _ = run("estimate", "gpt-4o", "--zone", "FRA", "--tokens", "10")
    assert code == 0
    gwp = explain("gpt-4o", zone="FRA", output_tokens=10).impacts.gwp
    for text in (f"{gwp.value.min:.3g}", f"{gwp.value.mean:.3g}", "kgCO2eq", "FRA", "Credit: "):
        assert text in out
    code, out, _ = run("estimate", "gpt-4o", "--zone", "FRE")
    assert code == 1
    assert "zone-not-registered" in out
    assert "FRA" in out


def test_compare_shows_the_alternatives(run, tmp_path):
    tracker = ImpactTracker()
    tracker.record(ModelCall(model="gpt-4o", provider="openai", output_tokens=100))
    file = tmp_path / "report.json"
    tracker.report().to_json(file)
    code, out, _ = run("compare", str(file), "--with", "model=gpt-4o-mini", "--with", "x: zone=SWE")
    assert code == 0
    for text in ("model gpt-4o-mini", "2 x", "as it is"):
        assert text in out


def test_explain_leaves_with_1_when_there_is_no_figure(run):
    code, out, _ = run("explain", "dall-e-3")
    assert code == 1
    assert "kind-unsupported" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("explain", "gpt-4o", "--zone", "FRE"), "FRE"),
        (("explain",), "NAME"),
        (("nonsense",), "nonsense"),
        (("estimate", "gpt-4o", "--deployment", "H100"), "accelerator=H100,count=2"),
        (("estimate", "gpt-4o", "--deployment", "accelerator=H100"), "no effect by ecologits-0.11"),
        (("explain", "gpt-4o", "--deployment", "accelerator=H100"), "no effect by ecologits-0.11"),
        (("estimate", "gpt-4o", "--seconds", "3"), "--seconds goes with --kind image, speech"),
        (("compare", __file__, "--with", "zone=SWE"), "no report: not JSON"),
        (("compare", __file__, "--with", "price=3"), "not 'price'"),
        (("compare", __file__, "--with", "zone=SWE", "--with", "zone=SWE"), "the same name"),
        (("explain", "gpt-4o", "--tokens", "-1"), "-1"),
        (("explain", "gpt-4o", "--latency", "nan"), "latency_s must be a finite number"),
        (("models", "--kind", "drawing"), "'drawing' is none of audio, chat, "),
    ],
)
def test_wrong_usage_leaves_with_2(run, arguments, message):
    code, out, err = run(*arguments)
    assert code == 2
    assert message in err
    assert out == ""


@pytest.mark.parametrize(
    ("command", "search", "key", "value"),
    [
        ("models", "gpt-4o-mini", "model", "gpt-4o-mini"),
        ("zones", "france", "zone", "FRA"),
        ("providers", "chatgroq", "provider", "groq"),
    ],
)
def test_lists_search(run, command, search, key, value):
    code, out, _ = run(command, search, "--json")
    rows = json.loads(out)
    assert code == 0
    assert value in [row[key] for row in rows]
    code, text, _ = run(command, search)
    assert code == 0
    assert value in text
    code, everything, _ = run(command, "--json")
    assert len(json.loads(everything)) > len(rows)


def test_models_of_one_maker_and_kind(run):
    _, out, _ = run("models", "--maker", "cohere", "--kind", "rerank", "--json")
    rows = json.loads(out)
    assert rows
    assert {(row["maker"], row["kind"]) for row in rows} == {("cohere", "rerank")}


def test_figures_are_listed_in_full(run):
    """Not 1.1 for both: what the estimates are computed with."""
    _, out, _ = run("providers", "anthropic")
    assert "1.09 to 1.14" in out
    assert "0.13 to 0.999" in out


def test_nothing_found_leaves_with_1(run):
    code, _, err = run("models", "no-such-model-anywhere")
    assert code == 1
    assert "nothing found" in err


@pytest.mark.parametrize(
    "arguments",
    [(), ("explain",), ("models",), ("zones",), ("providers",), ("spool",), ("db", "report")],
)
def test_every_command_has_a_help_text(run, arguments):
    code, out, _ = run(*arguments, "--help")
    assert code == 0
    assert "Usage: impactree" in out
    assert len(out.splitlines()[2].strip()) > 20


def test_it_runs_as_a_program():
    done = subprocess.run(
        [sys.executable, "-c", "from impactree.cli import main; main()", "--version"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    assert done.stdout.startswith("impactree, version ")
