"""Who may ask: other sites' pages and other users of the machine may not."""

from __future__ import annotations

import json
import logging
import os
import re
import socket
import subprocess
import sys
import time

import httpx
import pytest
from server_helpers import TOKEN, serving

from impactree.exceptions import ConfigurationError
from impactree.server.app import create_app
from impactree.server.guard import page_key
from impactree.server.settings import ServeSettings, host_name, serve_settings

BEARER = {"authorization": f"Bearer {TOKEN}"}
OPEN = {"/health"}
FILLED = {"name": "report", "zone": "FRA", "provider_name": "openai"}


def routes():
    """Every route of the application, with each of its methods, as it is asked for."""
    found, stack = set(), [*create_app(ServeSettings(token=TOKEN)).routes]
    while stack:
        route = stack.pop()
        inner = getattr(route, "original_router", route)  # FastAPI keeps included routers whole
        stack += getattr(inner, "routes", None) or []
        for method in getattr(route, "methods", None) or ():
            found.add((method, re.sub(r"\{(\w+)(:\w+)?\}", lambda m: FILLED[m[1]], route.path)))
    return sorted(found)


@pytest.fixture
def closed(guarded):
    with httpx.Client(base_url=guarded, timeout=60) as client:
        yield client


def test_the_walk_sees_the_routes():
    paths = {path for _, path in routes()}
    assert {"/health", "/metrics", "/docs", "/openapi.json", "/v1/estimate", "/v1/report"} <= paths


def test_every_route_but_health_needs_the_token(closed):
    for method, path in routes():
        closed.cookies.clear()  # the page's own, which opens its files
        plain = closed.request(method, path)
        wrong = closed.request(method, path, headers={"authorization": "Bearer wrong"})
        shown = closed.request(method, path, headers=BEARER)
        assert {plain.status_code, wrong.status_code} == ({200} if path in OPEN else {401}), path
        assert shown.status_code not in (401, 403), path
        if path not in OPEN:
            assert plain.headers["www-authenticate"] == "Bearer"
            assert "Authorization" in json.dumps(plain.json().get("errors") or plain.json())


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.example"},  # its name leads here: DNS rebinding
        {"host": "127.0.0.1.evil.example:8080"},
        {"host": "localhost.evil.example"},
        {"host": "evil.example@127.0.0.1"},
        {"host": "169.254.169.254"},
        {"host": ""},
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://["},
        {"origin": ""},
        {"origin": "http://127.0.0.1:1"},  # another server of this machine
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe"},
    ],
    ids=str,
)
def test_no_route_answers_another_site(closed, headers):
    for method, path in routes():
        refused = closed.request(method, path, headers={**BEARER, **headers})
        assert refused.status_code in (400, 403), path


def test_a_link_on_another_site_leads_to_pages_alone(closed):
    follow = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    follow |= {"sec-fetch-dest": "document", **BEARER}
    assert closed.get("/docs", headers=follow).status_code == 200
    assert closed.get("/v1/models", headers=follow).status_code == 403
    assert closed.post("/docs", headers=follow).status_code == 403


def test_its_own_page_may_ask(guarded, closed):
    own = {**BEARER, "origin": guarded, "sec-fetch-site": "same-origin"}
    assert closed.get("/v1/methods", headers=own).status_code == 200
    named = {**own, "host": guarded.replace("http://127.0.0.1", "localhost")}
    assert closed.get("/v1/methods", headers=named).status_code == 403  # of another name
    named["origin"] = f"http://{named['host']}"
    assert closed.get("/v1/methods", headers=named).status_code == 200


def test_the_address_with_the_token_opens_pages_and_their_files_alone(closed):
    opened = closed.get("/docs", params={"token": TOKEN})
    assert opened.status_code == 200
    assert TOKEN not in opened.headers["set-cookie"]
    for word in ("HttpOnly", "SameSite=lax"):
        assert word in opened.headers["set-cookie"]
    # The client now has the cookie: other servers of this host get it, too.
    assert closed.get("/docs").status_code == 200
    assert closed.get("/assets/docs.js").status_code == 200
    assert closed.get("/v1/methods").status_code == 401
    assert closed.get("/v1/methods", params={"token": TOKEN}).status_code == 401
    assert closed.get("/metrics").status_code == 401
    key = {"authorization": f"Bearer {page_key(TOKEN)}"}
    assert closed.get("/v1/methods", headers=key).status_code == 401


def test_every_answer_has_the_headers(closed):
    for path in ("/health", "/docs", "/v1/methods", "/nothing", "/assets/docs.js"):
        for headers in ({}, BEARER, {"host": "evil.example"}):
            found = closed.get(path, headers=headers).headers
            policy = found["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
            assert "http" not in policy
            assert found["x-content-type-options"] == "nosniff"
            assert found["referrer-policy"] == "no-referrer"
            assert found["cross-origin-resource-policy"] == "same-origin"
            assert "access-control-allow-origin" not in found
            assert "server" not in found
    assert closed.get("/v1/methods", headers=BEARER).headers["cache-control"] == "no-store"


def test_the_token_is_in_no_log_and_no_repr(closed, caplog, capfd):
    with caplog.at_level(logging.DEBUG):
        closed.get("/docs", params={"token": TOKEN})
        closed.get("/v1/methods", params={"token": TOKEN}, headers=BEARER)
        closed.get("/v1/nothing", headers={"authorization": f"Basic {TOKEN}"})
    ours = [record for record in caplog.records if not record.name.startswith("http")]
    out, err = capfd.readouterr()
    assert TOKEN not in "".join(record.getMessage() for record in ours) + out + err
    assert TOKEN not in repr(ServeSettings(token=TOKEN))
    metrics = closed.get("/metrics", headers=BEARER).text
    assert "/v1/methods" in metrics
    assert TOKEN not in metrics


def test_a_token_is_asked_for_beyond_this_machine_and_with_a_database(monkeypatch):
    monkeypatch.delenv("IMPACTREE_SERVE_TOKEN", raising=False)
    assert serve_settings().token is None
    assert serve_settings(host="localhost").token is None
    for more in ({"db": "sqlite:///x.db"}, {"host": "0.0.0.0"}, {"host": "192.168.1.5"}):
        assert len(serve_settings(**more).token) >= 32
    assert serve_settings(host="0.0.0.0", open_to_all=True).token is None
    with pytest.raises(ConfigurationError, match="never shown without a token"):
        serve_settings(db="sqlite:///x.db", open_to_all=True)
    monkeypatch.setenv("IMPACTREE_SERVE_TOKEN", TOKEN)
    assert serve_settings().token == TOKEN
    monkeypatch.setenv("IMPACTREE_SERVE_TOKEN", "short")
    with pytest.raises(ConfigurationError, match="at least 16") as raised:
        serve_settings()
    assert "short" not in str(raised.value)


def test_names_of_this_server_are_those_allowed():
    names = serve_settings().names
    assert names == {"localhost", "127.0.0.1", "::1"}
    assert "impacts.example.org" in serve_settings(allow=("Impacts.example.org",)).names
    public = serve_settings(host="0.0.0.0", open_to_all=True)
    assert public.any_address
    assert socket.gethostname().lower() in public.names
    for wrong in ("http://x", "a b", "", "x/y"):
        with pytest.raises(ConfigurationError, match="--allow-host"):
            serve_settings(allow=(wrong,))


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("LOCALHOST:80", "localhost"),
        ("localhost.", "localhost"),
        ("[::1]:8080", "::1"),
        ("a:b", None),
        ("[::1]x", None),
        ("[::1", None),
        ("localhost:\u00b2", None),
        ("a@b", None),
        ("", None),
    ],
)
def test_host_headers_are_read_strictly(header, name):
    assert host_name(header) == name


def test_an_address_is_no_foreign_name_where_all_are_listened_at():
    settings = ServeSettings(token=TOKEN, any_address=True, names=frozenset({"box"}))
    with serving(settings) as address:
        for host, status in (("10.1.2.3", 200), ("box:1", 200), ("evil.example", 403)):
            found = httpx.get(f"{address}/health", headers={"host": host})
            assert found.status_code == status


def test_the_command_serves_and_prints_its_address(tmp_path):
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    code = "from impactree.cli import main; main(['serve', '--port', '0', '--host', '0.0.0.0'])"
    command = [sys.executable, "-c", code]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        line = process.stdout.readline()
        address, token = re.fullmatch(
            r"impactree is at (http://\S+/)\?token=(\S+)\n", line
        ).groups()
        for _ in range(100):
            try:
                assert httpx.get(f"{address}health").json()["status"] == "ok"
                break
            except httpx.ConnectError:
                time.sleep(0.05)
        assert httpx.get(f"{address}v1/methods").status_code == 401
        shown = httpx.get(f"{address}v1/methods", headers={"authorization": f"Bearer {token}"})
        assert shown.status_code == 200
        httpx.get(f"{address}docs?token={token}")
        process.terminate()
        _, err = process.communicate(timeout=20)
    assert token not in err


def test_a_port_that_is_taken_is_one_line(capsys):
    from impactree.cli import main

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with pytest.raises(SystemExit) as left:
            main(["serve", "--port", port])
    assert left.value.code == 2
    assert f"nothing can listen at 127.0.0.1 port {port}" in capsys.readouterr().err
