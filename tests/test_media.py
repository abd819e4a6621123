"""Films, pictures and sound: their quantities, and the equations that there are."""

from __future__ import annotations

import csv
import dataclasses
import io
import itertools
import pickle

import pytest
from ecologits.estimations.video import _MODELS_INFO, video_impacts
from hypothesis import given
from hypothesis import strategies as st

from impactree import ImpactTracker, Media, ModelCall, Report, Tokens, estimate, explain
from impactree.calls import MEDIA_FIELDS

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


def beyond(**said):
    warnings = estimate(film("runway/gen-4.5", **said)).warnings
    return [w.message for w in warnings if w.code == "video-extrapolated"]


def test_a_film_that_nobody_fitted_says_in_what():
    """EcoLogits lists Gen-4.5 with 1280x720 (921,600 pixels), 121 to 241 frames, and no sound."""
    for seconds in (5, 6.5, 10):
        assert beyond(resolution="720p", seconds=seconds) == []
        assert beyond(resolution="720x1280", seconds=seconds, sound=False) == []
    (said,) = beyond(resolution="1080p", seconds=20, sound=True)
    assert "(2,073,600 pixels, listed 921,600; 481 frames, listed 121 to 241; sound" in said
    (said,) = beyond(resolution="720p", frames=120)
    assert "(120 frames, listed 121 to 241.)" in said
    codes = [w.code for w in estimate(film(resolution="4k", seconds=8)).warnings]
    assert codes.count("video-extrapolated") == 1
    listed = {h.name: h.value for h in explain("sora-2-pro", kind="video").hypotheses}
    assert listed["films it is listed with"] == "1280x720, 1920x1080; 97 to 289 frames"


@pytest.mark.parametrize("model", sorted(_MODELS_INFO))
def test_what_a_model_is_listed_with_is_ecologits_own(model):
    known = _MODELS_INFO[model]["capabilities"]
    for (width, height), frames in itertools.product(known["resolutions"], known["frames_count"]):
        size = f"{width}x{height}"
        made = estimate(
            film(model, resolution=size, frames=frames, sound=known["audio_generation"])
        )
        assert "video-extrapolated" not in {w.code for w in made.warnings}
    most, least = max(known["frames_count"]), min(known["frames_count"])
    for frames in (most + 1, least - 1):
        made = estimate(film(model, resolution=size, frames=frames))
        assert "video-extrapolated" in {w.code for w in made.warnings}


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


def test_a_mixed_tree_adds_up_in_every_view(mixed):
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
    rows = list(csv.DictReader(io.StringIO(report.to_csv(), newline="")))
    summed = sum(float(row["gwp_kgco2eq_mean"]) for row in rows)
    assert summed == pytest.approx(total.gwp.value.mean)
    assert total.training.calls == 1
    back = Report.from_json(report.to_json()).total
    assert back.figures == pytest.approx(total.figures, nan_ok=True)
    assert back.training == total.training
    for text in (str(report), report.to_markdown(), report._repr_html_()):
        assert "video sora-2-pro" in text.replace("\\", "")
        assert "Of 1 of 4 calls." in " ".join(text.split())


@pytest.mark.parametrize("backend", ["pandas", "polars", "pyarrow"])
def test_rows_of_calls_hold_the_quantities(mixed, backend):
    """What is not known is None, in pandas not a number: never False or 0."""
    tracker = mixed("impactree-1")
    frame = tracker.report().to_dataframe(backend=backend)
    found = {name: frame[name].to_numpy().tolist() for name in ("call_kind", *MEDIA_FIELDS)}
    by_kind = dict(zip(found.pop("call_kind"), zip(*found.values(), strict=True), strict=True))
    known = {
        kind: {n: v for n, v in zip(found, values, strict=True) if v is not None and v == v}
        for kind, values in by_kind.items()
    }
    assert known == {
        "chat": {},
        "embedding": {},
        "video": {"resolution": "1280x720", "seconds": 4, "sound": False},
        "image": {"count": 2},
    }


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
