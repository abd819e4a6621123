"""Every command with ``--json`` is compared with its endpoint somewhere, or has none."""

from __future__ import annotations

import json

import click
import pytest

from impactree.cli import cli

ENDPOINTS = {
    "estimate": "/v1/estimate",
    "explain": "/v1/explain",
    "resolve": "/v1/resolve",
    "report": "/v1/report",
    "advise": "/v1/report",
    "compare": "/v1/compare",
    "models": "/v1/models",
    "zones": "/v1/zones",
    "regions": "/v1/regions",
    "providers": "/v1/providers",
    "methods": "/v1/methods",
    "db report": "/v1/runs/groups",
}
"""Compared in ``test_api`` and ``test_runs``."""
OF_FILES = {"spool status", "table"}
"""About files of the machine, which no request reaches."""


def with_json(command, name=""):
    if isinstance(command, click.Group):
        for part, one in command.commands.items():
            yield from with_json(one, f"{name} {part}".strip())
    elif any("--json" in option.opts for option in command.params):
        yield name


def test_every_command_with_json_has_an_endpoint_or_is_about_files(ask):
    assert {*with_json(cli)} == {*ENDPOINTS} | OF_FILES
    paths = ask.get("/openapi.json").json()["paths"]
    assert {*ENDPOINTS.values()} <= paths.keys()


@pytest.mark.parametrize("name", ["models", "zones", "regions", "providers", "methods"])
def test_whole_lists_are_the_commands(ask, capsys, name):
    cli.main([name, "--json"], standalone_mode=False)
    listed = json.loads(capsys.readouterr().out)
    assert ask.get(f"/v1/{name}").json()[name] == listed != []
