"""ModelCall: what it accepts and what it says about the rest."""

from __future__ import annotations

import copy
import math
import pickle
from dataclasses import FrozenInstanceError, replace
from enum import Enum

import pytest

from impactree import ModelCall, Tokens


class Name(str, Enum):  # noqa: UP042  # its str() is not its value
    MINI = "gpt-4o-mini"


def test_a_model_named_by_an_enumeration():
    assert str(ModelCall(model=Name.MINI).model) == "gpt-4o-mini"


@pytest.mark.parametrize(
    ("field", "value", "error"),
    [
        ("output_tokens", -1, ValueError),
        ("output_tokens", math.nan, ValueError),
        ("output_tokens", 1.5, ValueError),
        ("input_tokens", "12", TypeError),
        ("cached_input_tokens", [1], TypeError),
        ("cache_write_tokens", -5, ValueError),
        ("reasoning_tokens", math.inf, ValueError),
        ("latency_s", -0.1, ValueError),
        ("latency_s", math.nan, ValueError),
        ("latency_s", math.inf, ValueError),
        ("latency_s", "3", ValueError),
        ("output_tokens", True, ValueError),
        ("kind", "drawing", ValueError),
        ("kind", ["chat"], ValueError),
        ("provider", 5, TypeError),
        ("zone", b"FRA", TypeError),
        ("requested", ["gpt-4o"], TypeError),
        ("base_url", object(), TypeError),
        ("region", 1, TypeError),
        ("tokens_source", "guessed", ValueError),
        ("model", None, TypeError),
    ],
)
def test_bad_values_are_refused_by_name(field, value, error):
    values = {"model": "gpt-4o"} | {field: value}
    with pytest.raises(error, match=field) as caught:
        ModelCall(**values)
    assert repr(value) in str(caught.value)


def test_only_the_model_is_required_and_only_keywords():
    call = ModelCall(model="gpt-4o")
    assert (call.kind, call.tokens_source, call.output_tokens) == ("chat", "reported", None)
    with pytest.raises(TypeError):
        ModelCall("gpt-4o")  # type: ignore[misc]
    with pytest.raises(TypeError):
        ModelCall(model="gpt-4o", tokens=3)  # type: ignore[call-arg]


@pytest.mark.parametrize("value", [2**53 + 1, 10**400])
def test_a_count_that_no_float_holds_is_refused(value):
    assert ModelCall(model="gpt-4o", output_tokens=2**53).output_tokens == 2**53
    with pytest.raises(ValueError, match=r"input_tokens must be at most 2\*\*53"):
        ModelCall(model="gpt-4o", input_tokens=value)


TOKENS = Tokens(input=1200, cached_input=300, cache_write=100, output=400, reasoning=90)
BY_NAME = {
    "input_tokens": 1200,
    "cached_input_tokens": 300,
    "cache_write_tokens": 100,
    "output_tokens": 400,
    "reasoning_tokens": 90,
}


def test_counts_are_given_one_by_one_or_as_tokens():
    call = ModelCall(model="gpt-4o", **BY_NAME)
    assert call.tokens == TOKENS
    assert call == ModelCall(model="gpt-4o", tokens=TOKENS)
    assert hash(call) == hash(ModelCall(model="gpt-4o", tokens=TOKENS))
    assert {name: getattr(call, name) for name in BY_NAME} == BY_NAME
    assert ModelCall(model="gpt-4o").tokens == Tokens()


def test_what_is_given_one_by_one_replaces_what_tokens_say():
    call = ModelCall(model="gpt-4o", tokens=TOKENS, output_tokens=None)
    assert call.tokens == replace(TOKENS, output=None)
    assert replace(call, input_tokens=7).tokens == replace(TOKENS, input=7, output=None)
    assert replace(call, latency_s=2.0).tokens is call.tokens


@pytest.mark.parametrize("bucket", Tokens.__slots__)
@pytest.mark.parametrize(
    ("value", "error"),
    [
        (-1, ValueError),
        (1.5, ValueError),
        (True, ValueError),
        ("1", TypeError),
        (2**54, ValueError),
    ],
)
def test_tokens_are_whole_numbers_or_unknown(bucket, value, error):
    assert getattr(Tokens(**{bucket: 2**53}), bucket) == 2**53
    assert getattr(Tokens(), bucket) is None
    with pytest.raises(error, match=f"{bucket}_tokens must be"):
        Tokens(**{bucket: value})


def test_values_can_be_pickled_and_copied_and_are_not_changed():
    call = ModelCall(model="gpt-4o", tokens=TOKENS, latency_s=1.5, region="eu-west-3")
    for again in (pickle.loads(pickle.dumps(call)), copy.deepcopy(call)):
        assert again == call
    with pytest.raises(FrozenInstanceError):
        call.model = "gpt-4"  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        call.tokens.output = 5  # type: ignore[misc]
    with pytest.raises(TypeError):
        Tokens(1)  # type: ignore[misc]


def test_a_call_as_plain_values_makes_the_call_again():
    call = ModelCall(model="gpt-4o", tokens=TOKENS, base_url="user:s3cret@host/v1?key=s3cret")
    plain = call.to_dict()
    assert plain["base_url"] == "host/v1"
    assert {name: plain[name] for name in BY_NAME} == BY_NAME
    assert ModelCall(**plain) == replace(call, base_url="host/v1")
