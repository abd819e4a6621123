"""What never leaves: credentials in addresses, and metadata that no format holds."""

from __future__ import annotations

import math
from enum import Enum, IntEnum
from types import SimpleNamespace
from urllib.parse import quote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impactree import ModelCall
from impactree.calls.names import address, first_address
from impactree.calls.scrubbing import MAX_TEXT, plain_values, without_secrets


class Plan(str, Enum):  # noqa: UP042  # its str() is not its value
    FREE = "free"


class Level(IntEnum):
    TWO = 2


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://api.openai.com/v1", "https://api.openai.com/v1"),
        ("http://localhost:8000/v1", "http://localhost:8000/v1"),
        ("http://[::1]:8000/v1", "http://[::1]:8000/v1"),
        ("host", "host"),
        ("host:8000/v1", "host:8000/v1"),
        ("https://user:s3cret@host:8000/v1", "https://host:8000/v1"),
        ("https://user:s3cret@[::1]:8000/v1", "https://[::1]:8000/v1"),
        ("https://s3cret@host", "https://host"),
        ("https://user:s3@cret@host/v1", "https://host/v1"),
        ("https://host/v1?api-key=s3cret", "https://host/v1"),
        ("https://host/v1#s3cret", "https://host/v1"),
        ("https://host?key=s3@cret", "https://host"),
        # without a scheme
        ("user:s3cret@host/v1", "host/v1"),
        ("//user:s3cret@host/v1", "//host/v1"),
        ("host/v1?key=s3cret", "host/v1"),
        ("s3cret@host", "host"),
        # an @ that is part of the path
        ("https://host/@v1", "https://host/@v1"),
        (
            "https://host/models/claude@20250929:predict",
            "https://host/models/claude@20250929:predict",
        ),
        ("https://user:s3cret@host/models/a@1", "https://host/models/a@1"),
        # broken
        ("https://user:s3c/ret@host/v1", "https://host/v1"),
        ("https://user:s3c?ret@host/v1", "https://host/v1"),
        ("https://user:s3c#ret@host/v1?key=s3cret", "https://host/v1"),
        ("https:/user:s3cret@host/v1", "host/v1"),
        ("http://[::1", "http://[::1"),
        ("http://user:s3cret@[::1", "http://[::1"),
        ("https://host:port/v1", "https://host:port/v1"),
        ("", ""),
        ("@", ""),
        ("?", ""),
    ],
)
def test_addresses(url, kept):
    assert without_secrets(url) == kept


_word = st.text(st.characters(codec="ascii", categories=("L", "N")), min_size=1, max_size=8)


@given(
    scheme=st.sampled_from(["https://", "http://", "//", ""]),
    user=st.text(max_size=8),
    password=st.text(min_size=1, max_size=8),
    host=_word,
    path=st.lists(_word, max_size=3),
    query=_word,
)
def test_what_a_client_would_log_in_with_is_left_out(scheme, user, password, host, path, query):
    rest = "".join(f"/{part}" for part in path)
    login = f"{quote(user, safe='')}:{quote(password, safe='')}"
    assert (
        without_secrets(f"{scheme}{login}@{host}{rest}?key={query}#{query}") == scheme + host + rest
    )


@given(st.text())
def test_no_address_raises_and_cleaning_twice_changes_nothing(url):
    once = without_secrets(url)
    assert without_secrets(once) == once
    assert "?" not in once
    assert "#" not in once


@given(st.text(st.characters(exclude_characters="/?#@\\:"), min_size=1), st.text(min_size=1))
def test_like_urllib_where_that_reads_it(host, user):
    url = f"https://{quote(user, safe='')}@{host}/v1"
    try:
        expected = urlsplit(url).netloc.rpartition("@")[2]
    except ValueError:  # what a client refuses as well
        return
    if "\t" not in host and "\n" not in host and "\r" not in host:
        assert without_secrets(url) == f"https://{expected}/v1"


def test_an_address_is_cut_after_it_is_cleaned():
    assert address("https://user:" + "x" * 2 * MAX_TEXT + "@host/v1") == "https://host/v1"
    assert first_address({"base_url": "", "api_base": 5, "endpoint": "u:s3cret@host"}) == "host"
    assert (
        first_address(SimpleNamespace(openai_api_base="https://host?key=s3cret")) == "https://host"
    )
    assert first_address({}) is None


def test_metadata():
    odd = {"nan": math.nan, "inf": -math.inf, "none": None, "list": ["secret"], "object": object()}
    huge = {"huge": 10**5000}  # json cannot write it
    kept = {"text": "x" * 2 * MAX_TEXT, "n": 3, "f": 0.5, "yes": True, "big": 2**70}
    found = plain_values({**odd, **huge, **kept, "plan": Plan.FREE, "level": Level.TWO, 7: "seven"})
    assert found == {**kept, "text": "x" * MAX_TEXT, "plan": "free", "level": 2, "7": "seven"}
    assert {type(value) for value in found.values()} == {str, int, float, bool}
    assert plain_values(kept, {"n", "f"}) == {"n": 3, "f": 0.5}


@pytest.mark.parametrize(
    "url",
    [
        "user:pw@host/v1",
        "https://user:pw@host:port/v1?key=pw",
        "//u:pw@h/",
        "https://h/a?api_key=pw#f",
        "http://u:pw@h@i/",
        "https://h/v1;key=pw",
        "http:/u:pw@h/",
        "u:p@ss:pw@h/x",
    ],
)
def test_a_call_never_shows_credentials(url):
    call = ModelCall(model="gpt-4o", base_url=url)
    assert "pw" not in repr(call)
    assert "pw" not in call.base_url
    assert "pw" not in str(call.to_dict())
