"""ModelCall: what it accepts and what it says about the rest."""

from __future__ import annotations

import math
from enum import Enum

import pytest

from impactree import ModelCall


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
        ("kind", "image", ValueError),
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
