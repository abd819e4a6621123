"""The OpenAPI document, and schemathesis over it: what it says is what the server does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from jsonschema import Draft202012Validator

from impactree.server.app import create_app
from impactree.server.examples import COMPARISONS, ESTIMATES
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


def test_the_examples_work_as_they_stand(ask):
    for example in ESTIMATES.values():
        found = ask.post("/v1/estimate", json=example["value"]).json()
        assert (found.get("impacts") or found["total"])["gwp"]["value"]["mean"] > 0
    for example in COMPARISONS.values():
        assert len(ask.post("/v1/compare", json=example["value"]).json()["rows"]) == 3


def test_a_token_is_declared_where_one_is_asked_for(guarded):
    from server_helpers import TOKEN

    found = httpx.get(
        f"{guarded}/openapi.json", headers={"authorization": f"Bearer {TOKEN}"}
    ).json()
    assert found["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
    for path, methods in found["paths"].items():
        for operation in methods.values():
            assert operation["security"] == ([] if path == "/health" else [{"token": []}])


def test_schemathesis_finds_nothing(address, tmp_path):
    """All its checks; more examples by hand: ``st run ADDRESS/openapi.json``."""
    command = [str(Path(sys.executable).with_name("st")), "run", f"{address}/openapi.json"]
    command += ["--phases", "examples,fuzzing", "--max-examples", "6", "--seed", "1", "--no-color"]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env={**os.environ, "HYPOTHESIS_STORAGE_DIRECTORY": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-1000:]
