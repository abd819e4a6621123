"""Energy that somebody knows stands in place of the estimate, everywhere marked as what it is."""

from __future__ import annotations

import copy
import json
import math
import pickle
import sqlite3
import threading
import uuid
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from local_server import serve

from impactree import (
    ImpactHandler,
    Impacts,
    ImpactTracker,
    ModelCall,
    Report,
    estimate,
    explain,
)
from impactree.exceptions import ConfigurationError
from impactree.exporters import CodeCarbonExporter, JSONLExporter, ParquetExporter, SQLExporter

CLOUD = ModelCall(provider="openai", model="gpt-4o-mini", input_tokens=100, output_tokens=50)
LOCAL = {"provider": "ollama", "model": "llama3.2:1b", "input_tokens": 20, "output_tokens": 80}


def known(**more):
    return ModelCall(**{**LOCAL, "energy_kwh": 2e-4, **more})


@pytest.mark.parametrize("method", ["ecologits-0.11", "impactree-1"])
def test_pue_and_mix_stand_on_top(method):
    """By hand: OpenAI's PUE is 1.20, its water 0.569 L/kWh."""
    call = ModelCall(provider="openai", model="gpt-4o-mini", energy_kwh=2e-4)
    found = estimate(call, zone="FRA", method=method)
    factor = estimate(CLOUD, zone="FRA", method=method)
    per_kwh = factor.usage.gwp.value.mean / factor.energy.value.mean
    assert found.energy.value.mean == pytest.approx(2.4e-4, rel=1e-12)
    assert found.usage.gwp.value.mean == pytest.approx(2.4e-4 * per_kwh, rel=1e-9)
    per_l = factor.wcf.value.mean / factor.energy.value.mean
    assert found.wcf.value.mean == pytest.approx(2.4e-4 * per_l, rel=1e-9)
    assert (found.source, found.energy_by_source) == (
        "reported",
        {"reported": pytest.approx(2.4e-4)},
    )


def test_a_facility_counts_its_overhead_itself():
    call = ModelCall(
        provider="openai", model="gpt-4o", energy_kwh=1.2e-3, energy_boundary="facility"
    )
    found = estimate(call)
    assert found.energy.value.mean == 1.2e-3
    inside = estimate(ModelCall(provider="openai", model="gpt-4o", energy_kwh=1e-3))
    assert found.wcf.value.mean == pytest.approx(inside.wcf.value.mean, rel=1e-12)


def test_at_home_there_is_no_overhead_and_no_embodied_part_unless_stated():
    found = estimate(known(latency_s=10.0))
    assert found.energy.value.mean == 2e-4
    assert found.embodied.gwp.value.max == 0
    codes = {w.code for w in found.warnings}
    assert "embodied-not-counted" in codes
    assert "local-hardware-not-modelled" not in codes
    stated = estimate(
        known(latency_s=10.0), deployment={"local": {"accelerator": "H100", "count": 2}}
    )
    years = 365 * 24 * 3600
    assert stated.embodied.gwp.value.min == pytest.approx(10 * 2 * 164 / (5 * years))
    assert stated.embodied.gwp.value.max == pytest.approx(10 * 2 * 273 / (3 * years))
    assert "embodied-not-counted" not in {w.code for w in stated.warnings}


def test_what_is_not_known_of_a_figure_is_said():
    def codes(**more):
        return {w.code for w in estimate(known(**more)).warnings}

    assert "energy-of-gpu" in codes(energy_boundary="gpu")
    assert "energy-boundary-unknown" in codes(energy_boundary=None)
    assert "energy-shared" in codes(energy_alone=False)
    assert "energy-alone-unknown" in codes(energy_alone=None)
    assert "energy-modelled" in codes(energy_kwh={"measured": 1e-4, "modelled": 1e-5})
    assert not codes() & {"energy-of-gpu", "energy-shared", "energy-modelled"}


def test_a_model_that_no_method_knows_has_its_energy_all_the_same():
    call = ModelCall(provider="ollama", model="qwerty-uiop", kind="embedding", energy_kwh=1e-5)
    found = estimate(call, unknown_models="error")
    assert found.energy.value.mean == 1e-5
    assert not found.errors
    nowhere = estimate(replace(call, zone="XYZ"))
    assert nowhere.energy is None
    assert [e.code for e in nowhere.errors] == ["zone-not-registered"]


def test_it_adds_to_impacts_of_either_method_and_keeps_its_name():
    for method in ("ecologits-0.11", "impactree-1"):
        guess, truth = estimate(CLOUD, method=method), estimate(known(), method=method)
        total = guess + truth + estimate(known(energy_kwh={"measured": 3e-4}))
        assert truth.method is None
        assert (total.method, total.source, total.estimated_calls) == (method, "mixed", 3)
        assert total.energy_by_source == {
            "measured": pytest.approx(3e-4),
            "reported": pytest.approx(2e-4),
            "estimated": pytest.approx(guess.energy.value.mean),
        }
    with pytest.raises(ValueError, match="cannot add impacts by"):
        _ = estimate(CLOUD, method="ecologits-0.11") + estimate(CLOUD, method="impactree-1")


energies = st.floats(0, 1e3, allow_subnormal=False)
parts = st.dictionaries(st.sampled_from(["measured", "modelled", "reported"]), energies, min_size=1)


@given(st.lists(st.one_of(st.none(), parts), max_size=6))
def test_the_sources_of_a_sum_are_its_parts(several):
    calls = [CLOUD if kwh is None else known(energy_kwh=kwh) for kwh in several]
    each = [estimate(call) for call in calls]
    total = Impacts.sum(each)
    told = total.energy_by_source
    assert math.isclose(sum(told.values()), total.energy.value.mean, rel_tol=1e-9, abs_tol=1e-300)
    for source in ("measured", "modelled", "reported"):
        expected = math.fsum(one.energy_by_source.get(source, 0) for one in each)
        assert told.get(source, 0) == pytest.approx(expected, rel=1e-9)
    assert Impacts.sum(each[:2]) + Impacts.sum(each[2:]) == pytest.approx(total) or math.isclose(
        (Impacts.sum(each[:2]) + Impacts.sum(each[2:])).energy.value.mean,
        total.energy.value.mean,
        rel_tol=1e-9,
    )


def test_copies_hold_it():
    found = estimate(known(energy_kwh={"measured": 1e-4, "modelled": 1e-5})) + estimate(CLOUD)
    assert copy.deepcopy(found) == found
    assert pickle.loads(pickle.dumps(found)) == found
    assert found != estimate(known(energy_kwh={"measured": 1.1e-4})) + estimate(CLOUD)
    call = known(energy_kwh={"measured": 1e-4}, energy_boundary="gpu", energy_alone=None)
    assert ModelCall(**call.to_dict()) == call
    assert replace(call, zone="FRA").energy == call.energy


@pytest.mark.parametrize(
    ("wrong", "error", "text"),
    [
        ({"energy_kwh": -1}, ValueError, "energy_kwh must be 0 to"),
        ({"energy_kwh": math.nan}, ValueError, "energy_kwh must be 0 to"),
        ({"energy_kwh": "3"}, TypeError, "energy_kwh must be a number of kWh"),
        ({"energy_kwh": True}, TypeError, "energy_kwh must be a number of kWh"),
        ({"energy_kwh": {"guessed": 1}}, ValueError, "takes measured, modelled, reported, not"),
        ({"energy_kwh": {}}, ValueError, "names no source"),
        ({"energy_boundary": "rack"}, ValueError, "energy_boundary must be one of gpu, server"),
        ({"energy_alone": "yes"}, TypeError, "energy_alone must be True, False or None"),
        (
            {"energy_notes": ["energy-model"]},
            ValueError,
            "no code 'energy-model'; nearest: energy-mo",
        ),
        ({"energy_kwh": None, "energy_alone": False}, ValueError, "which is missing"),
        ({"energie_kwh": 1}, TypeError, "no argument 'energie_kwh'"),
    ],
)
def test_what_is_wrong_is_named(wrong, error, text):
    with pytest.raises(error, match=text):
        known(**wrong)


# Reported by the server


def answer(energy, **response):
    return AIMessage(
        "hi",
        usage_metadata={"input_tokens": 10, "output_tokens": 5, "total_tokens": 15},
        response_metadata={"model_name": "my-vllm", "token_usage": energy, **response},
    )


def asked(message, **settings):
    handler = ImpactHandler(**settings)
    model = GenericFakeChatModel(messages=iter([message]))
    model.invoke("Hello?", config={"callbacks": [handler]})
    return handler


@pytest.mark.parametrize(
    ("field", "value", "kwh"),
    [
        ("usage.energy_mj", 3600, 1e-6),
        ("usage.energy_joules", "3.6", 1e-6),
        ("usage.energy_wh", 0.001, 1e-6),
        ("usage.energy_kwh", 1e-6, 1e-6),
        ({"field": "usage.energy", "unit": "mWh"}, 1, 1e-6),
        ({"field": "usage.energy", "unit": "µJ"}, 3_600_000, 1e-6),
    ],
)
def test_a_field_that_the_user_names_is_taken(field, value, kwh):
    name = (field if isinstance(field, str) else field["field"]).rpartition(".")[2]
    handler = asked(answer({name: value}), reported_energy={"my-vllm": field}, zone="FRA")
    (run,) = handler.last_run.calls
    assert run.call.energy.kwh == pytest.approx(kwh)
    assert run.own.source == "reported"
    codes = {w.code for w in run.own.warnings}
    assert {"energy-boundary-unknown", "energy-alone-unknown"} <= codes


def test_a_header_is_taken_and_what_is_known_of_it_is_believed():
    told = {"field": "X-Energy-Joules", "boundary": "gpu", "alone": True}
    message = answer({}, headers={"x-energy-joules": "36"})
    (run,) = asked(message, reported_energy={"my-vllm": told}).last_run.calls
    assert run.call.energy.kwh == pytest.approx(1e-5)
    codes = {w.code for w in run.own.warnings}
    assert "energy-of-gpu" in codes
    assert not codes & {"energy-boundary-unknown", "energy-alone-unknown", "energy-shared"}


@pytest.mark.parametrize(
    ("energy", "code"),
    [({}, "energy-not-reported"), ({"energy_mj": "much"}, "energy-unreadable")]
    + [({"energy_mj": bad}, "energy-unreadable") for bad in (-1, math.inf, True, [], math.nan)],
)
def test_what_does_not_come_or_is_none_leaves_the_estimate_marked(energy, code):
    handler = asked(answer(energy), reported_energy={"my-vllm": "usage.energy_mj"})
    (run,) = handler.last_run.calls
    assert run.own.source == "estimated"
    assert code in {w.code for w in run.own.warnings}


def test_there_is_no_default_field():
    (run,) = asked(answer({"energy_mj": 3600})).last_run.calls
    assert run.own.source == "estimated"
    other = asked(answer({"energy_mj": 1}), reported_energy={"other": "usage.energy_mj"})
    assert other.last_run.calls[0].own.source == "estimated"


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ("usage.energy_mj", "takes a mapping such as"),
        ({"m": "usage.energy"}, "does not end in its unit"),
        ({"m": ""}, "is empty"),
        ({"m": 3}, "must be the path of a field or a header"),
        ({"m": {"field": "a_j", "untis": "J"}}, "unknown key 'untis'"),
        ({"m": {"field": "energy", "unit": "MJ"}}, "unit must be one of uJ, mJ"),
        ({"m": {"field": "a_j", "boundary": "rack"}}, "boundary must be one of"),
        ({"m": {"field": "a_j", "alone": 1.5}}, "alone must be True or False"),
    ],
)
def test_what_is_wrong_with_the_setting_is_named(said, text):
    with pytest.raises(ConfigurationError, match="reported_energy") as error:
        ImpactTracker(reported_energy=said)
    assert text in str(error.value) or "dictionary" in str(error.value)


def test_the_environment_may_say_it(monkeypatch):
    monkeypatch.setenv("IMPACTREE_REPORTED_ENERGY", '{"my-vllm": "usage.energy_mj"}')
    assert asked(answer({"energy_mj": 1})).last_run.calls[0].own.source == "reported"


@pytest.fixture
def reporting():
    """An address whose answers carry energy, in the usage and in a header."""
    server = serve(usage={"energy_mj": 3600}, headers_more={"X-Energy-Joules": "7.2"})
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    thread.join()
    server.server_close()


def test_clients_of_both_frameworks_hand_it_on(reporting):
    from langchain_openai import ChatOpenAI
    from llama_index.core.llms import ChatMessage
    from llama_index.llms.openai import OpenAI

    from impactree.llama_index import ImpactHandler as OtherHandler

    field = {reporting: "usage.energy_mj"}
    handler = ImpactHandler(reported_energy=field)
    model = ChatOpenAI(model="my-vllm", base_url=reporting, api_key="-")
    model.invoke("Hello?", config={"callbacks": [handler]})
    assert handler.last_run.calls[0].call.energy.kwh == pytest.approx(1e-6)

    handler = ImpactHandler(reported_energy={"my-vllm": "x-energy-joules"})
    model = ChatOpenAI(
        model="my-vllm", base_url=reporting, api_key="-", include_response_headers=True
    )
    model.invoke("Hello?", config={"callbacks": [handler]})
    assert handler.last_run.calls[0].call.energy.kwh == pytest.approx(2e-6)

    other = OpenAI(model="gpt-4o", api_base=reporting, api_key="-")
    with OtherHandler(reported_energy=field).instrument() as handler:
        other.chat([ChatMessage(content="Hello?")])
    assert handler.last_run.calls[0].call.energy.kwh == pytest.approx(1e-6)
    other.callback_manager.add_handler(handler := OtherHandler(reported_energy=field))
    other.chat([ChatMessage(content="Hello?")])
    assert handler.last_run.calls[0].call.energy.kwh == pytest.approx(1e-6)


# Every view and exporter carries it


def tree(tracker):
    root = uuid.uuid4()
    tracker.start(root, name="root")
    tracker.record(CLOUD, root)
    tracker.record(known(), root)
    tracker.record(known(energy_kwh={"measured": 3e-4, "modelled": 1e-5}), root)
    tracker.end(root)
    return tracker.last_run


def test_report_json_and_columns_say_the_source():
    tracker = ImpactTracker()
    tree(tracker)
    report = tracker.report()
    text = str(report)
    assert "energy: measured" in text
    assert "1 reported, 1 mixed" in text
    data = json.loads(report.to_json())
    assert data == json.loads(json.dumps(report.to_dict()))
    again = Report.from_json(report.to_json())
    assert again.total == report.total
    assert [run.own for run in again.runs[0].calls] == [run.own for run in report.runs[0].calls]
    assert [r.call.energy for r in again.runs[0].calls] == [
        r.call.energy for r in report.runs[0].calls
    ]
    frame = report.to_dataframe(backend="pandas")
    assert list(frame["source"]) == ["estimated", "reported", "mixed"]
    assert list(frame["energy_measured_kwh"]) == [0, 0, pytest.approx(3e-4)]
    assert report.total.energy_by_source == {
        "measured": pytest.approx(3e-4),
        "modelled": pytest.approx(1e-5),
        "reported": pytest.approx(2e-4),
        "estimated": pytest.approx(estimate(CLOUD).energy.value.mean),
    }
    by_model = report.by("model")
    assert by_model["llama3.2:1b"].total.energy_by_source.keys() == {
        "measured",
        "modelled",
        "reported",
    }


def test_another_method_keeps_what_is_known():
    tracker = ImpactTracker()
    tree(tracker)
    other = tracker.report(method="impactree-1").total
    told = tracker.report().total.energy_by_source
    for source in ("measured", "modelled", "reported"):
        assert other.energy_by_source[source] == pytest.approx(told[source])
    assert other.energy_by_source["estimated"] != told["estimated"]


def test_another_model_has_not_been_measured():
    tracker = ImpactTracker()
    tree(tracker)
    planned = tracker.report().what_if(model={"llama3.2:1b": "qwen2.5-7b-instruct"})
    assert planned.total.source == "estimated"
    moved = tracker.report().what_if(zone="FRA")
    assert moved.total.energy_by_source == tracker.report().total.energy_by_source


def test_exporters_carry_the_source(tmp_path):
    import pyarrow.parquet as pq

    exporters = [
        JSONLExporter(tmp_path / "runs.jsonl"),
        ParquetExporter(tmp_path / "calls", linger_s=0),
        SQLExporter(f"sqlite:///{tmp_path / 'impacts.db'}"),
    ]
    tracker = ImpactTracker(exporters=exporters)
    total = tree(tracker).total
    assert tracker.close(30)
    line = json.loads((tmp_path / "runs.jsonl").read_text())
    assert line["total"]["energy_by_source"] == pytest.approx(total.energy_by_source)
    assert line["total"]["source"] == "mixed"
    assert line["runs"][2]["call"]["energy_kwh"] == 2e-4
    table = pq.read_table(tmp_path / "calls").to_pylist()
    assert [row["source"] for row in table] == ["estimated", "reported", "mixed"]
    with sqlite3.connect(tmp_path / "impacts.db") as db:
        rows = db.execute(
            "select source, energy_reported_kwh, energy_estimated_kwh from impactree_calls"
            " order by energy_reported_kwh, source"
        ).fetchall()
        of_run = db.execute(
            "select source, energy_measured_kwh, energy_modelled_kwh, energy_reported_kwh,"
            " energy_estimated_kwh from impactree_runs"
        ).fetchone()
    assert [row[0] for row in rows] == ["estimated", "mixed", "reported"]
    assert of_run == ("mixed", *(pytest.approx(v) for v in total.energy_by_source.values()))


def test_codecarbons_own_file_leaves_out_what_its_tracker_counts(tmp_path):
    import csv

    energies = {}
    for measured in (False, True):
        path = tmp_path / f"{measured}.csv"
        tracker = ImpactTracker(exporters=[CodeCarbonExporter(path, measured=measured)])
        total = tree(tracker).total
        assert tracker.close(30)
        (row,) = csv.DictReader(path.read_text().splitlines())
        energies[measured] = float(row["energy_consumed"])
    told = total.energy_by_source
    assert energies[True] == pytest.approx(sum(told.values()))
    assert energies[False] == pytest.approx(told["estimated"] + told["reported"])


def test_langsmith_and_opentelemetry_name_it():
    from impactree.exporters._langsmith_api import feedback_items, run_metadata, said
    from impactree.exporters._otel import metric_values
    from impactree.exporters._otel_names import impact_attributes

    tracker = ImpactTracker()
    root = tree(tracker)
    metadata = run_metadata(root, lambda _: [])
    assert metadata["impact_source"] == "mixed"
    assert metadata["impacts"]["energy_by_source"] == root.total.energy_by_source
    place = {"run_id": str(root.id), "trace_id": str(root.id), "session_id": "s"}
    (item, *_) = feedback_items(
        place, said(root.total), method="ecologits-0.11", start=1.0, credits=[]
    )
    assert "energy measured" in item["comment"]
    attributes = impact_attributes(root.total)
    assert attributes["impactree.source"] == "mixed"
    assert attributes["impactree.energy.measured"] == pytest.approx(3e-4)
    local = root.calls[2]
    values = metric_values(local, [])
    assert values["impactree.energy.by_source:measured"] == pytest.approx(3e-4)
    assert values["impactree.energy.by_source:modelled"] == pytest.approx(1e-5)


def test_explain_shows_both_methods_beside():
    found = explain("llama3.2:1b", "ollama", output_tokens=80, energy_kwh=2e-4)
    assert found.impacts.source == "reported"
    bare = {"input_tokens": None, "output_tokens": 80}
    for method in ("ecologits-0.11", "impactree-1"):
        alone = estimate(ModelCall(provider="ollama", model="llama3.2:1b", **bare), method=method)
        assert found.estimates[method] == alone
        assert f"Estimated by {method}: Energy" in str(found)
    assert found.to_dict()["estimates"].keys() == {"ecologits-0.11", "impactree-1"}
    assert explain("llama3.2:1b", "ollama").estimates == {}


def test_a_report_shows_both_methods_beside():
    tracker = ImpactTracker()
    tree(tracker)
    report = tracker.report()
    (shown,) = report.beside()
    assert (shown.model, shown.calls) == ("llama3.2:1b", 2)
    for method, found in shown.estimates.items():
        assert found.energy_by_source == {
            "estimated": pytest.approx(
                2 * estimate(ModelCall(**LOCAL), method=method).energy.value.mean
            )
        }
    text = " ".join(str(report).split())
    assert "llama3.2:1b (2 calls): mixed 0.51 Wh; estimates: ecologits-0.11" in text
    data = json.loads(report.to_json())
    assert data["beside"][0]["estimates"].keys() == {"ecologits-0.11", "impactree-1"}
    assert ImpactTracker().report().beside() == []


def test_the_database_reports_it(tmp_path):
    from click.testing import CliRunner

    from impactree.cli import cli

    url = f"sqlite:///{tmp_path / 'impacts.db'}"
    tracker = ImpactTracker(exporters=[SQLExporter(url)])
    tree(tracker)
    assert tracker.close(30)
    told = CliRunner().invoke(cli, ["db", "report", "--db", url]).output
    assert "Energy: measured 58%, modelled 2%, reported 39%, estimated 1%" in told
    rows = json.loads(CliRunner().invoke(cli, ["db", "report", "--db", url, "--json"]).output)
    by_model = {row["model"]: row["energy_by_source"] for row in rows}
    assert by_model["llama3.2:1b"] == pytest.approx(
        {"measured": 3e-4, "modelled": 1e-5, "reported": 2e-4}
    )
