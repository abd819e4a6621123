"""Films, pictures and sound: their quantities, and the equations that there are."""

from __future__ import annotations

import dataclasses
import json
import pickle
import sqlite3
from contextlib import closing

import pyarrow.parquet as pq
import pytest
from ecologits.estimations.video import _MODELS_INFO, video_impacts
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from impactree import ImpactTracker, Media, ModelCall, Report, Tokens, estimate, explain
from impactree.exporters import JSONLExporter, OTelExporter, ParquetExporter, SQLExporter

EXACT = 1e-12
PHASES = {
    "usage": ("energy", "gwp", "adpe", "pe", "wcf"),
    "embodied": ("gwp", "adpe", "pe"),
}


def film(model="sora-2-pro", **said):
    return ModelCall(model=model, kind="video", **said)


def ends(value):
    value = getattr(value, "value", value)
    return getattr(value, "min", value), getattr(value, "max", value)


@pytest.mark.parametrize("zone", ["WOR", "USA", "FRA", "SGP"])
@pytest.mark.parametrize("model", sorted(_MODELS_INFO))
def test_films_are_those_of_ecologits(model, zone):
    for resolution in ("720p", "1080p", "4K", "854x480", "1024x576"):
        for seconds in (1, 4.2, 5, 8, 12.5):
            for sound in (True, False):
                theirs = video_impacts(model, resolution, seconds, sound, zone)
                call = film(model, resolution=resolution, seconds=seconds, sound=sound, zone=zone)
                ours = estimate(call)
                for key in PHASES["usage"]:
                    assert ends(getattr(ours, key)) == pytest.approx(
                        ends(getattr(theirs, key)), rel=EXACT
                    )
                for phase, keys in PHASES.items():
                    for key in keys:
                        mine = getattr(getattr(ours, phase), key)
                        its = getattr(getattr(theirs, phase), key)
                        assert ends(mine) == pytest.approx(ends(its), rel=EXACT)
                theirs_say = {warning.code for warning in theirs.warnings or ()}
                assert theirs_say <= {warning.code for warning in ours.warnings}


@pytest.mark.parametrize("model", sorted(_MODELS_INFO))
def test_without_a_zone_the_operator_s_holds(model):
    theirs = video_impacts(model, "720p", 5, datacenter_location=None)
    ours = estimate(film(model, resolution="720p", seconds=5))
    assert ends(ours.gwp) == pytest.approx(ends(theirs.gwp), rel=EXACT)
    assert ends(ours.wcf) == pytest.approx(ends(theirs.wcf), rel=EXACT)


def test_a_film_by_hand():
    """kling-v1.6: 1.52e-3 x 1280 x 720 x 121 / 1000 = 169.5 s of 4.89 to 5.97 kW, PUE 1.2."""
    impacts = estimate(film("klingai/kling-v1.6", resolution="720p", seconds=5))
    busy = 1.52e-3 * 1280 * 720 * 121 / 1000
    assert impacts.energy.value.min == pytest.approx(1.2 * busy / 3600 * 4.89493)
    assert impacts.energy.value.max == pytest.approx(1.2 * busy / 3600 * 5.97424)
    made = (6000 + 8 * 273) * busy / (3 * 365 * 86400)
    assert impacts.embodied.gwp.value.mean == pytest.approx(made)
    parts = impacts.energy_parts
    assert sum(parts.values()) == pytest.approx(impacts.energy.value.mean)


def test_impactree_1_borrows_and_says_so():
    call = film(resolution="1080p", seconds=8, zone="FRA")
    theirs, ours = estimate(call), estimate(call, method="impactree-1")
    assert ends(ours.energy) == pytest.approx(ends(theirs.energy))
    assert ours.energy.value.mean == pytest.approx(  # of the mean power, 6,646.63 W
        theirs.energy.value.min * 6646.63 / 4992.03
    )
    assert "video-by-ecologits" in {warning.code for warning in ours.warnings}
    assert ours.gwp.value.mean != theirs.gwp.value.mean  # of the year's electricity
    assert ours.grade == theirs.grade == "exact"


def test_count_frames_sound_and_latency():
    one = estimate(film("google/veo-3.0", resolution="720p", seconds=8)).energy.value.mean

    def again(**said):
        call = film("google/veo-3.0", **{"resolution": "720p", "seconds": 8} | said)
        return estimate(call).energy.value.mean

    assert again(count=3) == pytest.approx(3 * one)
    assert again(frames=193) == pytest.approx(one)
    assert again(sound=True) == pytest.approx(one)
    assert again(sound=False) == pytest.approx(one / 2)
    assert again(latency_s=1e6) == pytest.approx(one)
    assert again(latency_s=1.0) < one / 10


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ({"seconds": 5}, "resolution-unknown"),
        ({"resolution": "720p"}, "length-unknown"),
        ({"model": "sora-2", "resolution": "720p", "seconds": 5}, "video-not-registered"),
        ({"model": "who-knows", "resolution": "720p", "seconds": 5}, "video-not-registered"),
    ],
)
@pytest.mark.parametrize("method", ["ecologits-0.11", "impactree-1"])
def test_what_is_missing_is_said(said, code, method):
    impacts = estimate(film(**said), method=method)
    assert not impacts.estimated
    assert [error.code for error in impacts.errors] == [code]


@pytest.mark.parametrize(
    ("said", "error", "expected"),
    [
        ({"resolution": "huge"}, ValueError, "resolution must be 480p, 720p.* not 'huge'"),
        ({"resolution": "0x720"}, ValueError, "resolution must be"),
        ({"resolution": (1280, 720)}, TypeError, "resolution must be a string"),
        ({"seconds": -1}, ValueError, "seconds must be a number > 0 or None, not -1"),
        ({"seconds": "8"}, TypeError, "seconds must be"),
        ({"seconds": float("nan")}, ValueError, "seconds must be"),
        ({"frames": 2.5}, ValueError, "frames must be a whole number > 0"),
        ({"count": 0}, ValueError, "count must be a whole number > 0"),
        ({"sound": "yes"}, TypeError, "sound must be True, False or None"),
        ({"kind": "chat", "seconds": 3}, ValueError, "seconds is for calls of the kinds image, "),
        ({"kind": "film"}, ValueError, "kind must be one of .*video"),
    ],
)
def test_wrong_quantities_name_the_value(said, error, expected):
    with pytest.raises(error, match=expected):
        film(**said) if "kind" not in said else ModelCall(model="m", **said)


@given(
    st.integers(1, 4000),
    st.integers(1, 4000),
    st.none() | st.floats(0.01, 1e4),
    st.none() | st.integers(1, 10**6),
    st.sampled_from([None, True, False]),
)
def test_quantities_travel(width, height, seconds, frames, sound):
    call = film(resolution=f"{width}X{height}", seconds=seconds, frames=frames, sound=sound)
    assert call.media.pixels == width * height
    assert isinstance(call.tokens, Tokens)
    assert pickle.loads(pickle.dumps(call)) == call
    assert dataclasses.replace(call, kind="video") == call
    assert ModelCall(**call.to_dict()) == call


def test_media_are_tokens_and_more():
    call = ModelCall(model="gpt-image-1", kind="image", tokens=Tokens(output=9), count=2)
    assert call.tokens == Media(output=9, count=2)
    assert (call.output_tokens, call.media.pieces) == (9, 2)
    assert ModelCall(model="m", tokens=Tokens(output=9)).media is None


# Speech


def test_speech_is_recorded_and_shown_as_not_covered():
    tracker = ImpactTracker(method="impactree-1")
    tracker.record(ModelCall(model="whisper-1", kind="transcription", seconds=61.5))
    tracker.record(ModelCall(model="tts-1", kind="speech", characters=900))
    report = tracker.report()
    assert report.coverage.reasons == {"kind-not-covered": 2}
    assert "(transcription)" in str(report)
    assert "(speech)" in str(report)
    calls = {run["name"]: run["call"] for run in report.to_dict()["runs"]}
    assert calls["whisper-1"]["seconds"] == 61.5
    assert calls["tts-1"]["characters"] == 900


def test_the_names_that_ecologits_lists_are_estimated_by_their_tokens():
    spoken = ModelCall(
        model="gpt-4o-mini-tts", provider="openai", kind="speech", characters=40, output_tokens=90
    )
    chat = ModelCall(model="gpt-4o-mini-tts", provider="openai", output_tokens=90)
    assert estimate(spoken).figures == estimate(chat).figures
    assert "kind-not-text" in {warning.code for warning in estimate(spoken).warnings}
    (error,) = estimate(dataclasses.replace(spoken, tokens=Media(characters=40))).errors
    assert error.code == "output-tokens-unknown"
    assert not estimate(spoken, method="impactree-1").estimated


def test_reports_hold_quantities_and_come_back():
    tracker = ImpactTracker()
    tracker.record(film(resolution="720p", seconds=4, sound=True, count=2))
    tracker.record(film(resolution="1080p", seconds=4))
    report = tracker.report()
    back = Report.from_json(report.to_json())
    assert [run.call for run in back.runs] == [run.call for run in report.runs]
    assert back.total == report.total


# Pictures


def picture(model="gpt-image-1", **said):
    return ModelCall(model=model, provider="openai", kind="image", **said)


def test_pictures_by_hand():
    """2.907 Wh on average of eight open models, 0.086 to 11.49; OpenAI's PUE 1.2."""
    energy = estimate(picture(resolution="1024x1024"), method="impactree-1").energy.value
    assert energy.min == pytest.approx(1.2 * 0.086e-3)
    assert energy.mean == pytest.approx(1.2 * 2.907e-3)
    assert energy.max == pytest.approx(1.2 * 11.49e-3)


def test_the_size_of_pictures_widens_the_range_and_their_number_multiplies():
    """Twice as wide and high took 1.3 to 4.7 times as much: between once and four times."""
    plain, large, small = (
        estimate(picture(resolution=size), method="impactree-1").energy.value
        for size in ("1024x1024", "2048x2048", "512x512")
    )
    assert (large.min, large.max) == pytest.approx((plain.min, 4 * plain.max))
    assert 1.3 < large.mean / plain.mean < 4.7
    assert (small.min, small.max) == pytest.approx((plain.min / 4, plain.max))
    several = estimate(picture(resolution="1024x1024", count=5), method="impactree-1").energy.value
    assert several.mean == pytest.approx(5 * plain.mean)
    unknown = estimate(picture(), method="impactree-1")
    assert unknown.energy.value == plain
    assert "image-size-unknown" in {warning.code for warning in unknown.warnings}


def test_pictures_are_not_covered_by_the_published_method():
    (error,) = estimate(picture(resolution="1024x1024")).errors
    assert error.code == "kind-not-covered"
    listed = ModelCall(model="gemini-2.5-flash-image", provider="google", kind="image", count=1)
    assert [e.code for e in estimate(listed).errors] == ["output-tokens-unknown"]


def test_a_model_that_no_catalog_knows_makes_pictures_all_the_same():
    impacts = estimate(ModelCall(model="who-knows", kind="image"), method="impactree-1")
    assert impacts.estimated
    assert impacts.grade == "prior"
    assert "image-by-open-models" in {warning.code for warning in impacts.warnings}


# All together


@pytest.fixture
def mixed():
    """A chat, an embedding, a film and a picture, with a share of training."""

    def made(method):
        tracker = ImpactTracker(method=method, include_training=True)
        tracker.start("root", name="root", kind="agent")
        tracker.start("tool", "root", name="studio", kind="tool")
        llama = "meta-llama/Meta-Llama-3-70B-Instruct"
        calls = [
            ModelCall(model=llama, provider="together", input_tokens=90, output_tokens=40),
            ModelCall(
                model="text-embedding-3-small", provider="openai", kind="embedding", input_tokens=9
            ),
        ]
        for call in calls:
            tracker.record(call, "root")
        tracker.record(film(resolution="720p", seconds=4, provider="openai"), "tool")
        tracker.record(picture(count=2), "tool")
        tracker.end("tool")
        tracker.end("root")
        return tracker

    return made


def test_a_mixed_tree_adds_up_in_every_view(mixed, tmp_path, monkeypatch):
    tracker = mixed("impactree-1")
    report, total = tracker.report(), tracker.total
    calls = [run for run in report.runs[0].walk() if run.call]
    assert len(calls) == 4
    assert all(run.own.estimated for run in calls)
    assert not total.lower_bound
    for key in PHASES["usage"]:
        whole = getattr(total, key)
        parts = [getattr(run.own, key) for run in calls]
        if whole is None:
            assert None in parts
            continue
        for end in ("min", "mean", "max"):
            summed = sum(getattr(part.value, end) for part in parts)
            assert getattr(whole.value, end) == pytest.approx(summed)
    for by in ("kind", "model", "tool", "name"):
        groups = report.by(by)
        assert sum(g.total.gwp.value.mean for g in groups.values()) == pytest.approx(
            total.gwp.value.mean
        )
    assert set(report.by("kind")) == {"chat", "embedding", "video", "image"}
    assert report.by("tool")["studio"].calls == 2
    frame = report.to_dataframe(backend="pandas")
    assert frame["gwp_kgco2eq_mean"].sum() == pytest.approx(total.gwp.value.mean)
    assert frame["training_gwp_kgco2eq_mean"].sum() == pytest.approx(total.training.gwp.value.mean)
    assert total.training.calls == 1
    back = Report.from_json(report.to_json()).total
    assert back.figures == pytest.approx(total.figures, nan_ok=True)
    assert back.training == total.training
    for text in (str(report), report.to_markdown(), report._repr_html_()):
        assert "video sora-2-pro" in text.replace("\\", "")
        assert "Of 1 of 4 calls." in " ".join(text.split())


def test_a_mixed_tree_adds_up_in_every_exporter(mixed, tmp_path, monkeypatch):
    monkeypatch.setenv("IMPACTREE_SPOOL_DIR", str(tmp_path / "spool"))
    tracker = mixed("impactree-1")
    url = f"sqlite:///{tmp_path / 'i.db'}"
    lines, folder = tmp_path / "i.jsonl", tmp_path / "p"
    reader = InMemoryMetricReader()
    sinks = [
        SQLExporter(url),
        JSONLExporter(lines),
        ParquetExporter(folder),
        OTelExporter(meter_provider=MeterProvider([reader]), spans=False),
    ]
    again = ImpactTracker(engine=tracker.engine, exporters=sinks)
    again.start("root", name="root")
    for run in tracker.last_run.walk():
        if run.call:
            again.record(run.call, "root")
    again.end("root")
    assert again.flush(30)
    expected = pytest.approx(tracker.total.gwp.value.mean)
    shared = pytest.approx(tracker.total.training.gwp.value.mean)
    with closing(sqlite3.connect(tmp_path / "i.db")) as base:
        for table in ("runs", "calls"):
            (row,) = base.execute(
                "select sum(gwp_kgco2eq_mean), sum(training_gwp_kgco2eq_mean) "
                f"from impactree_{table}"
            )
            assert row == (expected, shared)
    line = json.loads(lines.read_text("utf-8"))
    assert line["total"]["gwp"]["value"]["mean"] == expected
    assert line["total"]["training"]["gwp"]["value"]["mean"] == shared
    (made,) = [run["call"] for run in line["runs"] if run.get("call", {}).get("kind") == "video"]
    assert (made["resolution"], made["seconds"]) == ("1280x720", 4)
    (file,) = folder.glob("*.parquet")
    rows = pq.read_table(file).to_pylist()
    assert sum(row["gwp_kgco2eq_mean"] for row in rows) == expected
    found = {
        metric.name: sum(point.value for point in metric.data.data_points)
        for resource in reader.get_metrics_data().resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        if metric.name in ("impactree.gwp", "impactree.training.gwp")
    }
    assert found == {"impactree.gwp": expected, "impactree.training.gwp": shared}


def test_the_published_method_names_what_it_does_not_cover(mixed):
    report = mixed("ecologits-0.11").report()
    assert report.total.lower_bound
    assert report.coverage.reasons == {"kind-not-covered": 2}
    assert "(embedding)" in str(report)
    assert "(image)" in str(report)
    assert report.by("kind")["video"].total.estimated


def test_explain_shows_films_and_pictures():
    media = Media(resolution="720p", seconds=5)
    found = explain("klingai/kling-v1.6", kind="video", media=media, zone="FRA")
    shown = {h.name: h for h in found.hypotheses}
    assert shown["m, time of a film"].value == "0.00152"
    assert shown["P, the machine"].value == "4894.93 to 5974.24"
    assert "MPL-2.0" in shown["P, the machine"].licence
    assert not any("parameters" in name for name in shown)
    steps = {step.symbol: step for step in found.steps}
    assert steps["f"].mean == 121
    assert steps["E"].max == pytest.approx(found.impacts.energy.value.max)
    assert "resolution 1280x720, seconds 5" in str(found)
    found = explain(
        "gpt-image-1", "openai", kind="image", media=Media(count=2), method="impactree-1"
    )
    shown = {h.name: h for h in found.hypotheses}
    assert shown["e, mean of 8 models"].sources == ("https://arxiv.org/abs/2311.16863",)
    assert "U_gwp, any accelerator" in shown
    assert found.impacts.energy.value.max == {s.symbol: s for s in found.steps}["E"].max


def test_an_embedding_neither_speaks_nor_draws():
    call = ModelCall(
        model="text-embedding-3-small", provider="openai", kind="embedding", input_tokens=9
    )
    codes = {warning.code for warning in estimate(call, method="impactree-1").warnings}
    assert "kind-not-text" not in codes
