"""The routes of EcoLogits' own API: its figures, to a relative 1e-12, in its shapes."""

from __future__ import annotations

import math

import pytest
from ecologits.electricity_mix_repository import electricity_mixes
from ecologits.estimations.video import _MODELS_INFO, video_impacts
from ecologits.model_repository import Providers, models
from ecologits.tracers.utils import llm_impacts

JSON = {"content-type": "application/json"}
LISTED = {(model.provider.value, model.name): model for model in models.list_models()}


def differences(theirs, ours, path=""):
    """Where two answers differ: in shape, or in a figure by more than rounding."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        if theirs.keys() != ours.keys():
            yield path, theirs.keys() ^ ours.keys()
        for key in theirs.keys() & ours.keys():
            yield from differences(theirs[key], ours[key], f"{path}.{key}")
    elif isinstance(theirs, int | float) and isinstance(ours, int | float):
        if not math.isclose(theirs, ours, rel_tol=1e-12):
            yield path, theirs, ours
    elif theirs != ours:
        yield path, theirs, ours


def codes(impacts):
    return {one["code"] for one in impacts["warnings"] or ()}


def assert_equal(theirs, ours):
    theirs = theirs.model_dump(mode="json")
    assert codes(theirs) <= codes(ours)  # we warn of more
    for side in (theirs, ours):
        side.pop("warnings")
        side["errors"] = side["errors"] and [one["code"] for one in side["errors"]]
    assert [*differences(theirs, ours)] == []


def test_providers_are_its(ask):
    found = ask.get("/v1beta/providers").json()
    assert found == {"providers": [provider.value for provider in Providers]}


@pytest.mark.parametrize("provider", [provider.value for provider in Providers])
def test_models_are_its(ask, provider):
    found = {one["name"]: one for one in ask.get(f"/v1beta/models/{provider}").json()["models"]}
    theirs = {name: one for (whose, name), one in LISTED.items() if whose == provider}
    assert theirs.keys() <= found.keys()
    for name, model in theirs.items():
        data = model.model_dump(mode="json")
        assert data.keys() == found[name].keys()
        for key in ("provider", "name", "architecture", "deployment"):
            assert found[name][key] == data[key], name
        assert codes(data) == codes(found[name])


@pytest.mark.parametrize("chunk", range(6))
def test_estimations_are_its(ask, chunk):
    for number, (provider, model) in enumerate(sorted(LISTED)[chunk::6]):
        zone = (None, "FRA", "WOR", "ZZZ")[number % 4]
        latency = (None, 1.5)[number % 2]
        asked = {"provider": provider, "model_name": model, "output_token_count": 300}
        asked |= {"request_latency": latency, "datacenter_location": zone}
        found = ask.post("/v1beta/estimations", json=asked).json()["impacts"]
        assert_equal(llm_impacts(provider, model, 300, latency or 1e6, zone), found)


def test_the_older_name_of_the_zone_is_taken(ask):
    asked = {"provider": "openai", "model_name": "gpt-4o-mini", "output_token_count": 300}
    asked |= {"request_latency": 1.5, "electricity_mix_zone": "WOR"}
    found = ask.post("/v1beta/estimations", json=asked).json()["impacts"]
    assert_equal(llm_impacts("openai", "gpt-4o-mini", 300, 1.5, "WOR"), found)


def test_numbers_may_be_written_as_texts(ask):
    """As FastAPI reads them there."""
    asked = {"provider": "openai", "model_name": "gpt-4o-mini", "output_token_count": "300"}
    found = ask.post("/v1beta/estimations", json={**asked, "request_latency": "1.5"}).json()
    assert_equal(llm_impacts("openai", "gpt-4o-mini", 300, 1.5), found["impacts"])
    film = {"model_name": "google/veo-3.1", "resolution": "720p", "duration": "6"}
    found = ask.post("/v1beta/video-estimations", json=film).json()
    assert_equal(video_impacts("google/veo-3.1", "720p", 6, True, None), found["impacts"])
    for wrong in ("", "many", "-3", "1e3", "3.5"):
        refused = ask.post("/v1beta/estimations", json={**asked, "output_token_count": wrong})
        assert refused.status_code == 422


def test_a_model_that_nobody_knows_is_its_error(ask):
    asked = {"provider": "openai", "model_name": "nonsense", "output_token_count": 300}
    found = ask.post("/v1beta/estimations", json=asked).json()["impacts"]
    assert_equal(llm_impacts("openai", "nonsense", 300, 1e6), found)


@pytest.mark.parametrize("model", sorted(_MODELS_INFO))
def test_films_are_its(ask, model):
    for size, sound, zone in (("720p", True, None), ("1920x1080", False, "FRA")):
        asked = {"model_name": model, "resolution": size, "duration": 6, "with_audio": sound}
        asked["datacenter_location"] = zone
        found = ask.post("/v1beta/video-estimations", json=asked).json()["impacts"]
        assert_equal(video_impacts(model, size, 6, sound, zone), found)


def test_what_makes_films_is_its(ask):
    found = ask.get("/v1beta/video-providers").json()["providers"]
    assert {*found} == {one["provider"] for one in _MODELS_INFO.values()}
    for provider in found:
        listed = ask.get(f"/v1beta/video-models/{provider}").json()["models"]
        keys = ("provider", "model_name", "capabilities")
        theirs = [
            {key: one[key] for key in keys}
            for one in _MODELS_INFO.values()
            if one["provider"] == provider
        ]
        assert sorted(listed, key=str) == sorted(theirs, key=str)


def test_zones_are_its(ask):
    for mix in electricity_mixes.list_electricity_mixes():
        found = ask.get(f"/v1beta/electricity-mix-zones/{mix.zone}").json()["electricity_mix"]
        assert found.pop("warnings") is not None
        assert found == {key: getattr(mix, key) for key in ("zone", "adpe", "pe", "gwp", "wue")}


def test_errors_have_its_form(ask):
    missing = ask.get("/v1beta/models/nobody")
    assert missing.status_code == 404
    assert missing.json() == {"detail": "Provider not found"}
    zone = ask.get("/v1beta/electricity-mix-zones/FRE")
    assert zone.status_code == 404
    assert zone.json()["detail"].startswith(
        "Electricity mix zone 'FRE' is not supported by EcoLogits; nearest: "
    )
    assert "FRA" in zone.json()["detail"]
    for refused in (
        ask.get("/v1beta/nothing"),
        ask.get("/v1beta/estimations"),
        ask.post("/v1beta/estimations", content=b"\xff", headers=JSON),
        ask.post("/v1beta/estimations", content=b"[" * 10_000, headers=JSON),
        ask.post("/v1beta/estimations", content=b"{}", headers={"content-type": "text/plain"}),
        ask.get("/v1beta/providers", headers={"host": "evil.example"}),
    ):
        assert refused.headers["content-type"] == "application/json"
        assert refused.json().keys() == {"detail"}
    assert ask.get("/v1beta/video-models/nobody").status_code == 404
    wrong = ask.post("/v1beta/estimations", json={"provider": "openai", "model_name": "gpt-4o"})
    assert wrong.status_code == 422
    assert wrong.json()["detail"][0]["loc"] == ["body", "output_token_count"]
