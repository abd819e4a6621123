"""The engine: what an estimate says about the model, the host and the place."""

from __future__ import annotations

import subprocess
import sys

import pytest

from impactree import ModelCall, estimate
from impactree.catalog import load_catalog
from impactree.engine import Engine, shared_engine
from impactree.exceptions import ConfigurationError, EstimateError
from impactree.methods import METHODS, Params, Situation

METHOD = METHODS["ecologits-0.11"]


@pytest.fixture(scope="module")
def engine():
    return Engine()


def call(model, provider=None, **more):
    return ModelCall(model=model, provider=provider, **{"output_tokens": 100, **more})


def codes(messages):
    return [m.code for m in messages]


def test_the_prior_is_the_range_in_the_data(engine):
    """Total 0.06 to 5400, active 0.06 to 1800 (data/names.toml), at the host "unknown" in WOR."""
    unknown, world = load_catalog().hosts["unknown"], load_catalog().zone("WOR")
    plan = METHOD.plan(Situation(Params(0.06, 1800, 0.06, 5400), unknown.site, world.mix))
    expected = METHOD.impacts(plan, call("x").tokens)
    impacts = engine.estimate(call("unheard-of"))
    assert impacts.figures == pytest.approx(expected)
    assert impacts.grade == "prior"
    disputed = ["electricity-mix-adpe-disputed", "electricity-mix-pe-disputed"]  # the world's
    assert codes(impacts.warnings) == [*disputed, "host-unknown", "model-prior"]


def test_a_size_from_the_name(engine):
    site, world = load_catalog().hosts["groq"].site, load_catalog().zone("USA")
    low, high = 0.97, 1.22  # makers round: [sizes] of data/names.toml
    params = Params(22 * low, 22 * high, 235 * low, 235 * high)
    plan = METHOD.plan(Situation(params, site, world.mix))
    expected = METHOD.impacts(plan, call("x").tokens)
    impacts = engine.estimate(call("foo-235b-a22b", "groq"))
    assert impacts.figures == pytest.approx(expected)
    assert impacts.grade == "size"
    assert codes(impacts.warnings) == ["electricity-mix-pe-disputed", "model-size-from-name"]


@pytest.mark.parametrize(
    ("name", "grade", "code"),
    [
        ("gpt-4o", "exact", None),
        ("openai/gpt-4o", "variant", None),
        ("claude-sonnet-9-20280101", "family", "model-family"),
        ("some-unknown-70b", "size", "model-size-from-name"),
        ("my-deployment", "prior", "model-prior"),
    ],
)
def test_a_grade_below_variant_carries_a_warning(engine, name, grade, code):
    impacts = engine.estimate(call(name, "azure"))
    assert impacts.estimated
    assert impacts.grade == grade
    ours = {"model-family", "model-size-from-name", "model-prior"} & set(codes(impacts.warnings))
    assert ours == ({code} if code else set())


def test_the_warning_names_the_nearest_known_names(engine):
    warning = engine.estimate(call("gtp-4o")).warnings[-1]
    assert warning.code == "model-prior"
    assert "'gtp-4o'" in warning.message
    assert "gpt-4" in warning.message.split("Nearest known names:")[1]


def test_unknown_models_can_be_errors():
    engine = Engine(unknown_models="error")
    impacts = engine.estimate(call("gtp-4o"))
    assert not impacts.estimated
    assert codes(impacts.errors) == ["model-not-registered"]
    assert "Nearest known names" in impacts.errors[0].message
    assert engine.estimate(call("some-unknown-70b")).estimated
    assert codes(engine.estimate(call("abab6.5s-chat")).errors) == ["model-size-unknown"]


def test_strict_raises_for_what_nobody_knows():
    for wrong in (call("gtp-4o"), call("gpt-4o", zone="XXX"), call("dall-e-3")):
        with pytest.raises(EstimateError):
            estimate(wrong, strict=True)
    assert estimate(call("gpt-4o"), strict=True).estimated
    assert estimate(call("some-unknown-70b"), strict=True).estimated


def test_what_does_not_make_text(engine):
    assert codes(engine.estimate(call("dall-e-3")).errors) == ["kind-unsupported"]
    assert engine.estimate(call("dall-e-3")).grade == "unsupported"
    spoken = engine.estimate(call("gpt-4o-mini-tts", "openai"))
    assert spoken.estimated
    assert "kind-not-text" in codes(spoken.warnings)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("text-embedding-3-small", "embedding"),
        ("text-embedding-3-small", "chat"),  # the adapter did not know
        ("rerank-v3.5", "rerank"),
        ("gpt-4o", "embedding"),
    ],
)
def test_embeddings_and_reranks_are_not_covered(engine, name, kind):
    asked = call(name, kind=kind)
    impacts = engine.estimate(asked)
    assert codes(impacts.errors) == ["kind-not-covered"]
    assert impacts.grade == engine.resolve(asked).grade
    assert engine.resolve(asked).maker in ("openai", "cohere")


def test_local_hardware_says_so(engine):
    impacts = engine.estimate(call("llama3.1:8b", "ollama"))
    assert impacts.estimated
    warning = next(w for w in impacts.warnings if w.code == "local-hardware-not-modelled")
    assert "CodeCarbon" in warning.message


def test_a_gateway_does_not_say_who_runs_the_model(engine):
    assert "host-unknown" in codes(engine.estimate(call("openai/gpt-4o", "openrouter")).warnings)
    assert "host-unknown" not in codes(engine.estimate(call("gpt-4o", "openai")).warnings)


def test_a_region_gives_zone_pue_and_wue(engine):
    catalog = load_catalog()
    paris = catalog.regions["eu-west-3"]
    found = engine.read(call("anthropic.claude-haiku-4-5-20251001-v1:0", "bedrock",
                                region="eu-west-3"))  # fmt: skip
    assert (found.site, found.zone.id) == (paris.site, "FRA")
    elsewhere = engine.read(call("gpt-4o", "openai", region="eu-west-3"))
    assert elsewhere.site == catalog.hosts["openai"].site
    typo = engine.estimate(call("gpt-4o", "azure", region="francecentrale"))
    assert "region-not-registered" in codes(typo.warnings)


@pytest.mark.parametrize(
    ("asked", "settings", "said"),
    [
        ({"provider": "azure", "region": "eu-west-3"}, {}, "azure's in FRA: francecentral"),
        ({"provider": "azure"}, {"region": "eu-west-3"}, "a region of aws, and azure answered"),
        ({"provider": "openai"}, {"region": "eu-west-3"}, "a region of aws, and openai answered"),
        ({"provider": "azure", "region": "eu-west-3"}, {"region": "swedencentral"}, "eu-west-3"),
        ({"provider": "azure", "region": "swedencentral"}, {"region": "eu-west-3"}, None),
        ({"provider": "azure", "region": "eu-west-3"}, {"zone": "FRA"}, None),
        (
            {"provider": "openai"},
            {"region": "eu-west-3", "provider_zones": {"openai": "FRA"}},
            None,
        ),
    ],
)
def test_a_region_of_another_cloud_is_said_not_swallowed(asked, settings, said):
    impacts = Engine(**settings).estimate(call("gpt-4o", **asked))
    found = [w.message for w in impacts.warnings if w.code == "region-elsewhere"]
    assert len(found) == (said is not None)
    assert said is None or (said in found[0] and "provider_zones" in found[0])


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (
            call("gpt-4o", "azur"),
            "'azur'; openai is taken, by the model's name. Nearest known: azure",
        ),
        (call("claude-sonnet-4-5", "acme-gateway"), "anthropic is taken"),
        (call("gpt-4o", "azure"), None),
        (call("gpt-4o", "ChatOpenAI"), None),
        (call("gpt-4o", None), None),
        (call("gpt-4o", "azur", base_url="https://api.openai.com/v1"), None),
        (call("llama-3.1-70b-instruct", "azur"), None),  # host-unknown says so
    ],
)
def test_a_provider_that_nobody_knows_is_said(asked, said):
    impacts = Engine().estimate(asked)
    found = [w.message for w in impacts.warnings if w.code == "provider-not-registered"]
    assert len(found) == (said is not None)
    assert said is None or (said in found[0] and "deployments" in found[0])


def test_the_zone_is_the_most_specific_one():
    engine = Engine(zone="SWE", provider_zones={"openai": "POL"}, region="eu-west-3")
    bedrock = "anthropic.claude-haiku-4-5-20251001-v1:0"
    for asked, zone in (
        (call("gpt-4o", "openai", zone="FRA"), "FRA"),
        (call("gpt-4o", "openai"), "POL"),
        (call("gpt-4o", "ChatOpenAI"), "POL"),
        (call(bedrock, "bedrock"), "SWE"),
        (call("grok-4", "xai"), "SWE"),
    ):
        assert engine.read(asked).zone.id == zone
    assert Engine(region="eu-west-3").read(call(bedrock, "bedrock")).zone.id == "FRA"
    assert Engine().read(call(f"eu.{bedrock}", "bedrock")).zone.id == "EEE"
    assert Engine().read(call("mistral-large-2512", "mistralai")).zone.id == "SWE"


def test_an_unknown_zone_gives_no_figures(engine):
    impacts = engine.estimate(call("gpt-4o", "openai", zone="FRE"))
    assert not impacts.estimated
    assert codes(impacts.errors) == ["zone-not-registered"]


def test_deployments_say_what_a_name_stands_for():
    engine = Engine(deployments={"My-GPT": "openai/gpt-4o", "house": "llama3.1:8b"})
    plain = engine.estimate(call("gpt-4o", "azure"))
    named = engine.estimate(call("my-gpt", "azure"))
    assert named.figures == plain.figures
    assert named.grade == "variant"
    answered = engine.resolve(call("gpt-4o-mini", "azure", requested="my-gpt"))
    assert answered.model == "gpt-4o-mini"  # the answer knows better
    unclear = engine.resolve(call("prod", "azure", requested="my-gpt"))
    assert (unclear.model, unclear.host) == ("gpt-4o", "azure")
    proxy = engine.resolve(call("my-gpt", "openai", base_url="http://localhost:4000"))
    assert (proxy.model, proxy.host) == ("gpt-4o", "openai")
    own = engine.resolve(call("house", "openai", base_url="http://localhost:8000"))
    assert (own.maker, own.host) == ("meta", "local")


MINE = {
    "maker": "acme",
    "models": [
        {
            "id": "acme/roadrunner",
            "total": 10,
            "basis": "published",
            "sources": ["https://example.com"],
            "checked": "2026-01-01",
        }
    ],
    "hosts": [
        {
            "id": "acme-cloud",
            "name": "Acme",
            "zone": "ZZZ",
            "pue": 1.5,
            "wue": 0,
            "base_urls": ["llm.acme.example"],
            "sources": ["https://example.com"],
            "checked": "2026-01-01",
        }
    ],
    "zones": [
        {
            "id": "ZZZ",
            "name": "Desert",
            "gwp": 1,
            "adpe": 0,
            "pe": 0,
            "wue": 0,
            "sources": ["https://example.com"],
            "checked": "2026-01-01",
        }
    ],
}


def test_users_add_models_hosts_and_zones():
    engine = Engine(models=[MINE])
    asked = call("acme/roadrunner", "openai", base_url="https://llm.acme.example/v1")
    found = engine.read(asked)
    assert (found.resolution.grade, found.host.id, found.zone.id) == ("exact", "acme-cloud", "ZZZ")
    impacts = engine.estimate(asked)
    # 1 kgCO2eq per kWh in that zone
    assert impacts.usage.gwp.value.mean == pytest.approx(impacts.usage.energy.value.mean)
    assert engine.estimate(call("gpt-4o", "openai")).grade == "exact"
    assert load_catalog().record("acme/roadrunner") is None


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"zone": "FRE"}, r"^zone: .*'FRE'.*Nearest known: .*FRA"),
        ({"method": "x"}, r"^method: unknown method 'x'; known: ecologits-0.11"),
        ({"region": "mars-1"}, r"^region: unknown cloud region 'mars-1'; known: .*eu-west-3"),
        ({"provider_zones": {"openai": "QQQ"}}, r"^provider_zones\.openai: .*'QQQ'"),
        ({"provider_zones": {"nobody": "FRA"}}, r"^provider_zones: 'nobody' is no host; known: "),
        ({"unknown_models": "maybe"}, r"^unknown_models: .*'prior' or 'error'.*'maybe'"),
        ({"models": ["nowhere.toml"]}, r"^models: there is no file 'nowhere.toml'"),
        ({"models": [{"maker": "a", "models": [{"id": "x"}]}]}, r"models\.0 \(x\)\.sources"),
        ({"colour": "green"}, r"unknown setting 'colour'; settings are zone, region"),
    ],
)
def test_a_wrong_setting_says_what_was_expected(settings, message):
    with pytest.raises(ConfigurationError, match=message):
        Engine(**settings)


def test_engines_with_the_same_settings_are_shared():
    assert shared_engine(zone="FRA") is shared_engine(zone="FRA")
    assert shared_engine(zone="FRA") is not shared_engine(zone="SWE")


def test_long_names_are_not_kept(engine):
    engine.estimate(call("x" * 1_000_000))
    assert all(len(key[1]) < 10_000 for key in engine._plans)


def test_without_configuration_pydantic_stays_unimported(tmp_path):
    code = (
        "import sys; from impactree import ModelCall, estimate; "
        "assert estimate(ModelCall(model='gpt-4o', output_tokens=1)).estimated; "
        "assert not [m for m in sys.modules if m.startswith(('pydantic', 'rich', 'click'))]"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()


@pytest.mark.parametrize("given", ["gpt-4o", {"model": "gpt-4o"}, None])
def test_estimate_takes_a_model_call(given):
    with pytest.raises(TypeError, match="estimate takes a ModelCall, not"):
        estimate(given)


@pytest.mark.parametrize("zone", [5, 2.5])
def test_a_zone_of_the_wrong_type_is_a_wrong_setting(zone):
    with pytest.raises(ConfigurationError, match="zone: Input should be a valid string"):
        estimate(call("gpt-4o"), zone=zone)
