"""The OpenAPI document, and schemathesis over it: what it says is what the server does."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from jsonschema import Draft202012Validator
from server_helpers import TOKEN, serving

from impactree import ImpactTracker, ModelCall
from impactree.server.app import create_app
from impactree.server.examples import short
from impactree.server.settings import ServeSettings


@pytest.fixture(scope="module")
def document():
    return create_app(ServeSettings()).openapi()


def test_the_document_is_complete(document):
    for path, methods in document["paths"].items():
        for operation in methods.values():
            assert operation["summary"], path
            assert operation["responses"]["200"]["content"], path
            for status, response in operation["responses"].items():
                if status.startswith("4") and path.startswith("/v1/"):
                    (kind,) = response["content"]
                    assert kind == "application/problem+json", path
                    assert response["content"][kind]["example"]["status"] == int(status)
    text = json.dumps(document)
    assert '"x-names"' not in text
    assert "§" not in text
    assert "HTTPValidationError" not in text
    for name, component in document["components"]["schemas"].items():
        Draft202012Validator.check_schema(component), name
    zones = document["components"]["schemas"]["ZoneCode"]["enum"]
    assert {"FRA", "WOR", "US-VA"} <= set(zones)


def test_every_reference_leads_somewhere(document):
    def references(value):
        if isinstance(value, dict):
            if "$ref" in value:
                yield value["$ref"]
            for one in value.values():
                yield from references(one)
        elif isinstance(value, list):
            for one in value:
                yield from references(one)

    for found in references(document):
        assert found.removeprefix("#/components/schemas/") in document["components"]["schemas"]


def asked(document):
    """Each operation, with what the document's first example sends to it."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            body = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
            sent = [one["value"] for one in body.get("examples", {}).values()]
            assert sent or "requestBody" not in operation, path
            given = {}
            for one in operation.get("parameters", ()):
                if "examples" in one["schema"]:
                    (given[one["name"]],) = one["schema"]["examples"]
                else:
                    assert not one["required"], path
            yield method, path, operation["responses"]["200"]["content"], sent, given


def test_every_example_works_and_is_answered_as_the_document_says(ask, document):
    parts = {"/metrics", "/v1/organisation/xlsx", "/v1/schemas/{name}"}
    parts |= {"/v1/runs", "/v1/runs/groups", "/v1/runs/dearest", "/v1/runs/page"}  # see test_runs
    for method, path, contents, sent, given in asked(document):
        ((kind, content),) = contents.items()
        if path in parts:
            continue
        found = ask.request(
            method, path.format(**given), json=sent[0] if sent else None, params=given
        )
        assert found.status_code == 200, (path, found.text)
        assert found.headers["content-type"].split(";")[0] == kind
        answered = found.json() if kind == "application/json" else found.text
        assert short(answered) == content["example"], path
        for more in sent[1:]:
            assert ask.post(path, json=more).status_code == 200, path


def test_answers_have_the_form_that_the_document_says(document):
    for _, path, contents, _, _ in asked(document):
        ((kind, content),) = contents.items()
        if kind == "application/json":
            schema = {**content["schema"], "components": document["components"]}
            Draft202012Validator(schema).validate(content["example"]), path


def test_a_token_is_declared_where_one_is_asked_for(guarded):
    found = httpx.get(
        f"{guarded}/openapi.json", headers={"authorization": f"Bearer {TOKEN}"}
    ).json()
    assert found["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
    for path, methods in found["paths"].items():
        for operation in methods.values():
            assert operation["security"] == ([] if path == "/health" else [{"token": []}])


def documented():
    """Each request of docs/serve.md: its path with query, and its body."""
    text = (Path(__file__).parents[2] / "docs" / "serve.md").read_text("utf-8")
    for line in text.replace("\\\n", "").splitlines():
        if "curl " not in line:
            continue
        words = shlex.split(line[line.index("curl ") :])
        body = words[words.index("-d") + 1] if "-d" in words else None
        yield words[1].removeprefix("http://127.0.0.1:8080"), body


def test_the_guide_asks_every_operation_once_and_is_answered(database, document):
    asked = set()
    tracker = ImpactTracker()
    tracker.record(ModelCall(model="gpt-4o", provider="openai", output_tokens=300))
    report = {"report": tracker.report().to_dict(), "by": ["model"], "advice": True}
    headers = {"authorization": f"Bearer {TOKEN}", "content-type": "application/json"}
    with (
        serving(ServeSettings(db=database, token=TOKEN)) as address,
        httpx.Client(base_url=address, timeout=60, headers=headers) as client,
    ):
        (dear, _) = client.get("/v1/runs/dearest").json()["rows"]
        for path, body in documented():
            here = path.replace("THE-ID-OF-ONE", dear["id"])
            sent = json.dumps(report) if body == "@-" else body
            found = client.get(here) if sent is None else client.post(here, content=sent)
            assert found.status_code == 200, (path, found.text)
            asked.add(path.partition("?")[0])
    for path in document["paths"]:
        assert any(re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", path), one) for one in asked), path


WHOLE = ("Examples", "Coverage", "Fuzzing", "Stateful")
SHARES = [
    (("Examples", "Fuzzing", "Stateful"), []),
    (("Coverage",), ["--include-path", "/v1/estimate"]),
    (("Coverage",), ["--exclude-path", "/v1/estimate"]),
]
"""Of its work, a process each: in threads, Python 3.11 parses its sources wrongly at times."""


def test_schemathesis_finds_nothing(database, tmp_path):
    """All its checks and phases, over a server with a database and a token.

    The configuration leaves out of the phase "coverage" what costs most and shares its models with
    what stays; without it: ``st run ADDRESS/openapi.json``.
    """
    command = [str(Path(sys.executable).with_name("st"))]
    command += ["--config-file", str(Path(__file__).with_name("schemathesis.toml")), "run"]
    with serving(ServeSettings(db=database, token=TOKEN)) as address:
        command += [f"{address}/openapi.json", "--header", f"Authorization: Bearer {TOKEN}"]
        command += ["--max-examples", "3", "--seed", "1", "--no-color"]
        running = []
        for number, (phases, paths) in enumerate(SHARES):
            (folder := tmp_path / str(number)).mkdir()
            share = [*command, "--phases", ",".join(phases).lower(), *paths]
            env = {**os.environ, "HYPOTHESIS_STORAGE_DIRECTORY": str(folder)}
            with (folder / "out.txt").open("w") as out:
                running.append(subprocess.Popen(share, cwd=folder, env=env, stdout=out, stderr=out))
        for process in running:
            process.wait(900)
    for number, (process, (phases, _)) in enumerate(zip(running, SHARES, strict=True)):
        said = (tmp_path / str(number) / "out.txt").read_text("utf-8")
        assert process.returncode == 0, said[-5000:]
        for phase in phases:
            assert f"✅  {phase}" in said, said[-4000:]
    assert {phase for phases, _ in SHARES for phase in phases} == set(WHOLE)
