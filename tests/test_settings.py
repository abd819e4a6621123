"""Where settings come from, which source wins, and what a mistake is told."""

from __future__ import annotations

import math
import os
import tomllib
from pathlib import Path

import pytest

from impactree import ImpactTracker, ModelCall, estimate, explain
from impactree.catalog import load_catalog
from impactree.engine import Engine, configuration, settings_sources
from impactree.engine.configuration import load_settings
from impactree.engine.settings import Settings
from impactree.exceptions import ConfigurationError


@pytest.fixture(autouse=True)
def _somewhere_else(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def write(tmp_path):
    def write(name, text):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    return write


def test_a_working_directory_that_is_gone(tmp_path, monkeypatch):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert load_settings({}) == Settings()


def test_folders_of_other_users_are_passed_over(write, tmp_path, monkeypatch):
    write("impactree.toml", 'zone = "FRA"\n')
    closed = tmp_path / "closed"
    closed.mkdir()
    is_file = Path.is_file

    def guarded(path):
        if path.parent == closed:
            raise PermissionError(path)
        return is_file(path)

    monkeypatch.setattr(Path, "is_file", guarded)
    monkeypatch.chdir(closed)
    assert load_settings({}).zone == "FRA"


def test_nothing_configured():
    assert load_settings({}) == Settings()
    assert load_settings({"zone": None}) == Settings()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("impactree.toml", 'zone = "FRA"\nmax_runs = 7\n'),
        ("pyproject.toml", '[tool.impactree]\nzone = "FRA"\nmax_runs = 7\n'),
    ],
)
def test_a_file_found_upward(write, tmp_path, monkeypatch, name, text):
    path = write(name, text)
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    monkeypatch.chdir(deep)
    settings = load_settings({})
    assert (settings.zone, settings.max_runs) == ("FRA", 7)
    assert settings.where("zone") == f"{path}: zone"


def test_a_pyproject_without_our_table_is_passed_over(write, tmp_path, monkeypatch):
    write("impactree.toml", 'zone = "FRA"\n')
    write("inner/pyproject.toml", "[project]\nname = 'x'\n")
    monkeypatch.chdir(tmp_path / "inner")
    assert load_settings({}).zone == "FRA"


def test_arguments_before_environment_before_file(write, monkeypatch):
    write(
        "impactree.toml",
        'zone = "FRA"\nregion = "eu-west-3"\nmethod = "ecologits-0.11"\n'
        '[provider_zones]\nopenai = "FRA"\nanthropic = "FRA"\n',
    )
    monkeypatch.setenv("IMPACTREE_ZONE", "SWE")
    monkeypatch.setenv("IMPACTREE_REGION", "eu-north-1")
    monkeypatch.setenv("IMPACTREE_PROVIDER_ZONES", '{"openai": "SWE"}')
    settings = load_settings({"zone": "POL"})
    assert (settings.zone, settings.region) == ("POL", "eu-north-1")
    assert settings.provider_zones == {"openai": "SWE", "anthropic": "FRA"}
    assert settings.where("zone") == "zone"
    assert settings.where("region") == "environment: region"


def test_files_of_models_are_relative_to_the_file_that_names_them(write, tmp_path, monkeypatch):
    write("impactree.toml", 'models = ["catalog/mine.toml"]\n')
    write(
        "catalog/mine.toml",
        'maker = "acme"\n[[models]]\nid = "acme/roadrunner"\ntotal = 10\nbasis = "published"\n'
        'sources = ["https://example.com"]\nchecked = 2026-01-01\n',
    )
    deep = tmp_path / "deep"
    deep.mkdir()
    monkeypatch.chdir(deep)
    found = Engine().resolve(ModelCall(model="Roadrunner-GGUF"))
    assert (found.model, found.maker, found.grade) == ("acme/roadrunner", "acme", "variant")


def test_a_tracker_takes_all_of_them(monkeypatch):
    monkeypatch.setenv("IMPACTREE_MAX_RUNS", "2")
    monkeypatch.setenv("IMPACTREE_DEPLOYMENTS", '{"my-gpt": "openai/gpt-4o"}')
    tracker = ImpactTracker(zone="FRA", unknown_models="error")
    for _ in range(3):
        run = tracker.record(ModelCall(model="my-gpt", provider="azure", output_tokens=10))
    assert len(tracker.runs) == 2
    assert run.own.estimated
    assert not tracker.record(ModelCall(model="nonsense", output_tokens=1)).own.estimated
    assert ImpactTracker(max_runs=5).engine.settings.deployments == {"my-gpt": "openai/gpt-4o"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("zone = 3\n", r"impactree\.toml: zone: .*\(got 3\)"),
        ("zoone = 'FRA'\n", r"impactree\.toml: unknown setting 'zoone'; settings are zone,"),
        ("max_runs = 0\n", r"impactree\.toml: max_runs: .*greater than 0 \(got 0\)"),
        ("method = 'x'\n", r"impactree\.toml: method: known methods are ecologits-0\.11"),
        ("unknown_models = 'x'\n", r"unknown_models: .*'prior' or 'error'"),
        ("zone = \n", r"impactree\.toml: not valid TOML"),
        ("models = ['gone.toml']\n", r"impactree\.toml: models: there is no file .*gone\.toml"),
        ("zone = 'FRE'\n", r"impactree\.toml: zone: .*'FRE'"),
        ("zone = ' fra '\n", r"impactree\.toml: zone: .*'fra'.*Nearest known: FRA"),
        (
            "[tool.impactree]\nzone = 'FRA'\n",
            r"impactree\.toml: \[tool\.impactree\] is for pyproject\.toml; .* has no table",
        ),
        ("[provider_zones]\nazur = 'FRA'\n", r"'azur' is no host; .*nearest: azure"),
    ],
)
def test_a_mistake_in_the_file_names_it_and_the_key(write, text, message):
    write("impactree.toml", text)
    with pytest.raises(ConfigurationError, match=message):
        Engine()


def test_blanks_around_a_setting_do_not_count(write, monkeypatch):
    write("impactree.toml", "zone = ' FRA '\n[provider_zones]\n' azure ' = ' SWE '\n")
    engine = Engine()
    assert engine.zone == "FRA"
    assert engine.settings.provider_zones == {"azure": "SWE"}
    monkeypatch.setenv("IMPACTREE_ZONE", " USA ")
    assert Engine().zone == "USA"
    asked = ModelCall(model="gpt-4o", output_tokens=1, zone=" POL ")
    assert Engine().zone_of(asked) == "POL"


def test_what_replaces_a_built_in_entry_is_said_once(caplog):
    told = {"sources": ["https://h.example"], "checked": "2026-11-24"}
    host = {"id": "groq", "name": "Ours", "zone": "FRA", "pue": 1.2, "wue": 0.1, **told}
    model = {"id": "gpt-4.1-nano", "total": 5, "basis": "published", **told}
    grid = {"gwp": 0.03, "adpe": 1e-8, "pe": 9, "wue": 2, **told}
    zones = [{"id": "LSO", "name": "Ours", **grid}, {"id": "OUR", "name": "New", **grid}]
    for _ in range(2):
        Engine(models=[{"hosts": [host]}, {"maker": "openai", "models": [model]}, {"zones": zones}])
    said = [r.getMessage() for r in caplog.records if "replaces the built-in" in r.getMessage()]
    assert said == [
        "models: the host 'groq' replaces the built-in one",
        "models: the model 'gpt-4.1-nano' replaces the built-in one",
        "models: the zone 'LSO' replaces the built-in one",
    ]


def test_a_mistake_in_a_file_of_models_names_that_file(write):
    path = write("mine.toml", 'maker = "acme"\n[[models]]\nid = "x"\nchecked = 2026-01-01\n')
    with pytest.raises(ConfigurationError, match=r"mine\.toml: models\.0 \(x\)\.sources"):
        Engine(models=[path])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("total = 'big'", r"\(x\)\.total: must be a number or \[min, max\] \(got 'big'\)"),
        ("totl = 3", r"\(x\)\.totl: unknown key; known are id, aliases, kind, total, .*from"),
    ],
)
def test_a_mistake_in_an_entry_says_what_is_allowed(line, message):
    entry = f"id = 'x'\nsources = ['https://x.example']\nchecked = 2026-11-24\n{line}\n"
    with pytest.raises(ConfigurationError, match=message):
        Engine(models=[tomllib.loads(f"maker = 'acme'\n[[models]]\n{entry}")])


def test_a_file_in_another_encoding_is_named(write):
    """As PowerShell writes one."""
    path = write("impactree.toml", "")
    path.write_text("zone = 'FRA'", encoding="utf-16")
    with pytest.raises(ConfigurationError, match=r"impactree\.toml: not valid TOML"):
        Engine()


def test_an_entry_of_another_level_is_told_its_keys():
    file = {"nonsense": 1, "moving": [{"name": "x", "targets": [{"form": 1}]}]}
    with pytest.raises(ConfigurationError, match=r"targets\.0\.form: unknown key; .* from, model"):
        Engine(models=[file])
    with pytest.raises(ConfigurationError, match=r"nonsense: unknown key; known are maker, name,"):
        Engine(models=[file])


def test_an_empty_variable_is_none(monkeypatch):
    monkeypatch.setenv("IMPACTREE_ZONE", "")
    monkeypatch.setenv("IMPACTREE_DEPLOYMENTS", "")
    assert load_settings({}) == Settings()


def test_a_mistake_in_the_environment(monkeypatch):
    monkeypatch.setenv("IMPACTREE_PROVIDER_ZONES", "openai=FRA")
    with pytest.raises(ConfigurationError, match=r"environment: .*provider_zones.*JSON"):
        load_settings({})


def test_a_misspelt_variable_is_refused_and_others_are_left_alone(monkeypatch):
    monkeypatch.setenv("IMPACTREE_SPOOL_DIR", "/tmp/x")
    assert load_settings({}).zone is None
    monkeypatch.setenv("IMPACTREE_ZONES", "FRA")
    with pytest.raises(ConfigurationError, match="unknown variable IMPACTREE_ZONES; did you mean"):
        load_settings({})


def test_a_file_of_models_named_twice_counts_once(write, monkeypatch):
    write("ours.toml", OWN)
    write("impactree.toml", 'models = ["ours.toml"]\n')
    monkeypatch.setenv("IMPACTREE_MODELS", '["ours.toml"]')
    engine = Engine()
    assert engine.resolve(ModelCall(model="acme/bot")).total_params.mean == 13


def test_a_host_in_no_known_zone_is_refused():
    host = {"id": "h", "name": "H", "zone": "QQQ", "pue": 1, "wue": 0}
    told = {"sources": ["https://h.example"], "checked": "2026-11-24"}
    with pytest.raises(ConfigurationError, match=r"'h' lies in zone 'QQQ'"):
        Engine(models=[{"hosts": [{**host, **told}]}])


def test_a_deployment_that_stands_for_no_model_is_refused():
    with pytest.raises(ConfigurationError, match=r"deployments\.mine: 'gpt-4oo' .*gpt-4o"):
        Engine(deployments={"mine": "gpt-4oo"})
    for target, near in (
        ("azur/gpt-4o", "'azur' .*nearest: azure"),
        ("opneai/gpt-4o", "'opneai' .*nearest: openai"),
        ("openrouter/antropic/claude-sonnet-4.5", "'antropic' .*nearest: anthropic"),
        ("acmecorp/gpt-4o", "'acmecorp' .*nearest: openai"),
        ("azur/llama-3.3-70b-instruct", "nearest: azure; .*'vllm/azur/llama"),
    ):
        with pytest.raises(ConfigurationError, match=rf"deployments\.mine: .*{near}"):
            Engine(deployments={"mine": target})
    for target in (
        *("azure/gpt-4o", "azure/openai/gpt-4o", "openrouter/anthropic/claude-sonnet-4.5"),
        *("vllm/azur/llama-3.3-70b-instruct", "orenguteng/llama-3.1-8b-lexi"),
        *("/models/llama-3.1-8b", "hf.co/acme-labs/Qwen3-8B-sft", "huggingface/acme/Qwen3-8B"),
    ):
        Engine(deployments={"mine": target})
    assert Engine(deployments={"mine": "acme-70b"}).resolve(ModelCall(model="mine")).grade == "size"


OWN = """
maker = "acme"
[[models]]
id = "acme/bot"
total = 13
basis = "published"
sources = ["https://acme.example/bot"]
checked = 2026-11-24
"""


CALL = ModelCall(model="gpt-4o", provider="openai", output_tokens=100)


def zone_used(**settings):
    """By the electricity's carbon intensity, which no two of these zones share."""
    impacts = estimate(CALL, **settings)
    factor = impacts.usage.gwp.value.mean / impacts.energy.value.mean
    mixes = {code: load_catalog().zone(code).mix.gwp for code in ("FRA", "SWE", "POL", "USA")}
    return min(mixes, key=lambda code: abs(mixes[code] - factor))


def test_estimates_follow_a_variable_that_changes(monkeypatch):
    assert zone_used() == "USA"
    for zone in ("FRA", "SWE", "FRA", "POL"):
        monkeypatch.setenv("IMPACTREE_ZONE", zone)
        assert zone_used() == zone
        assert ImpactTracker().engine.zone == zone
    monkeypatch.delenv("IMPACTREE_ZONE")
    assert zone_used() == "USA"


def test_estimates_follow_a_file_that_comes_changes_and_goes(write, tmp_path):
    assert zone_used() == "USA"
    path = write("impactree.toml", 'zone = "FRA"\n')
    assert zone_used() == "FRA"
    path.write_text('zone = "SWE"\n')
    assert zone_used() == "SWE"
    path.unlink()
    assert zone_used() == "USA"


def test_estimates_follow_the_working_directory(write, monkeypatch):
    path = write("inner/impactree.toml", 'zone = "FRA"\n')
    assert zone_used() == "USA"
    monkeypatch.chdir(path.parent)
    assert zone_used() == "FRA"


def test_estimates_follow_the_files_of_models(write, monkeypatch):
    entry = (
        "maker = 'acme'\n[[models]]\nid = 'roadrunner'\ntotal = {size}\nbasis = 'published'\n"
        "sources = ['https://acme.example']\nchecked = 2026-11-24\n"
    )
    path = write("ours.toml", entry.format(size=7))
    write("impactree.toml", 'models = ["ours.toml"]\n')
    mine = ModelCall(model="roadrunner", output_tokens=100)
    small = estimate(mine)
    path.write_text(entry.format(size=70))
    assert estimate(mine).energy.value.mean > 2 * small.energy.value.mean


def test_estimates_follow_a_variable_that_takes_another_s_place(monkeypatch):
    """Between two looks at folder and files, which are for ever apart here."""
    monkeypatch.setattr(configuration, "_LOOK_EVERY_S", math.inf)
    monkeypatch.setenv("UNRELATED", "1")
    for _ in range(100):
        assert zone_used() == "USA"
    monkeypatch.delenv("UNRELATED")
    monkeypatch.setenv("IMPACTREE_ZONE", "FRA")
    assert zone_used() == "FRA"


@pytest.mark.parametrize("changed", [1_700_000_000, 4_000_000_000], ids=["past", "to come"])
def test_files_are_read_once_however_many_handlers(write, monkeypatch, changed):
    path = write("impactree.toml", 'zone = "FRA"\n')
    os.utime(path, (changed, changed))
    reads = []
    read = settings_sources.read_layers
    monkeypatch.setattr(settings_sources, "read_layers", lambda file: reads.append(1) or read(file))
    for zone in (None, "SWE", "POL", None):
        assert ImpactTracker(zone=zone).engine.zone == (zone or "FRA")
        (path.parent / f"beside-{zone}").touch()
    assert len(reads) == 1


def test_estimate_takes_what_explain_takes(monkeypatch):
    asked = {"region": "eu-west-3", "deployments": {"house": "anthropic/claude-sonnet-4-5"}}
    mine = ModelCall(model="house", provider="bedrock", output_tokens=100)
    shown = explain("house", "bedrock", output_tokens=100, at="2026-10-01", **asked)
    assert estimate(mine, at="2026-10-01", **asked).figures == shown.impacts.figures
    with pytest.raises(ConfigurationError, match="nearest known names"):
        estimate(mine, deployments={"house": "zzzzzzz"})
    with pytest.raises(ValueError, match="no date"):
        estimate(mine, at="yesterday")
    extra = {
        "maker": "acme",
        "models": [
            {
                "id": "house",
                "total": 7,
                "basis": "published",
                "sources": ["https://acme.example"],
                "checked": "2026-11-24",
            }
        ],
    }
    assert estimate(mine, models=[extra]).grade == "exact"


@pytest.mark.parametrize("at", [20240601, 1.5, ("2024", "06")])
def test_a_day_of_another_type_is_named(at):
    for asked in (lambda: estimate(CALL, at=at), lambda: explain("gpt-4o", at=at)):
        with pytest.raises(TypeError, match="at: a date or YYYY-MM-DD is needed, not"):
            asked()
