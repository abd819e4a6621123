"""Which calls run on this machine, so that its energy is theirs."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from impactree.catalog import resolve
from impactree.exceptions import ConfigurationError
from impactree.loops import off_loop
from impactree.measure.addresses import Place, asked_at, is_loopback, place_of

if TYPE_CHECKING:
    from impactree.calls import ModelCall

__all__ = ["LOCAL", "Scope", "Verdict", "read_scope"]

LOCAL: Final = "local"
_ANY_HOST: Final = "litellm"
"""A provider hint that says nothing of who runs a model."""
_IN_PROCESS: Final = frozenset(
    {
        *("huggingfacepipeline", "huggingfacellm", "huggingfaceembeddings", "huggingfaceembedding"),
        *("huggingfacebgeembeddings", "huggingfaceinstructembeddings", "huggingfacecrossencoder"),
        *("instructorembedding", "sentencetransformerembeddings", "sentencetransformerrerank"),
        *("sentencetransformers", "sentencetransformer", "transformers", "fastembed"),
        *("fastembedembeddings", "fastembedembedding", "flashrankrerank"),
        *("flashembeddingreranker", "optimumembedding", "openvinoembedding", "openvinollm"),
        *("openvinogenaillm", "ipexllm", "mlx", "mlxpipeline", "chatmlx", "mlxllm"),
        *("ctransformers", "exllamav2", "gpt4all", "gpt4allembeddings", "gpt4allllm", "rwkv"),
        *("llamacpp", "chatllamacpp", "llamacppembeddings", "llamacppllm", "llamacpppython"),
        *("vllm", "vllmllm", "outlines", "chatoutlines", "bitnet"),
    }
)
"""Providers and classes of models within the process, letters and digits alone."""
_ADDRESSES: Final = {
    **dict.fromkeys(
        ("ollama", "chatollama", "ollamallm", "ollamaembeddings", "ollamaembedding"),
        ("localhost", 11434),
    ),
    **dict.fromkeys(("lmstudio", "lmstudiollm"), ("localhost", 1234)),
}
"""Where clients look for a server that nobody gives an address of."""
_ELSEWHERE: Final = re.compile(r"[:-]cloud$")
"""What the names end in of models that Ollama hands on to its own data centre."""


class Verdict(NamedTuple):
    """Whether a call runs on this machine."""

    here: bool
    note: str | None = None
    """Code of what is to be said where it might seem to, and is estimated."""
    pids: frozenset[int] = frozenset()
    """The processes that run the model; empty: not known."""


_NO: Final = Verdict(False)


class Scope:
    """What the argument ``measure`` says.

    Args:
        local: Whether loopback ports with a known inference server are meant.
        listed: Addresses that the user lists.
    """

    def __init__(self, local: bool, listed: frozenset[Place]) -> None:
        self._local, self._listed = local, listed

    def judge(self, call: ModelCall, class_name: str | None = None) -> Verdict:
        """Whether a call runs on this machine, as far as names and listeners tell.

        Args:
            call: Who is asked, and for which model.
            class_name: Of the client.
        """
        names = {_plain(name) for name in (call.provider, class_name) if name}
        place = place_of(call.base_url) if call.base_url else None
        if place is None and call.base_url is None:
            place = next((_address(name) for name in names if name in _ADDRESSES), None)
        if place is None:
            within = self._local and call.base_url is None and bool(names & _IN_PROCESS)
            closed = within and _is_closed(call)
            return Verdict(True, pids=frozenset({os.getpid()})) if within and not closed else _NO
        listed = place in self._listed
        if not listed and not (self._local and is_loopback(place[0])):
            return _NO
        if _is_closed(call) or _ELSEWHERE.search(call.model.lower()):
            return Verdict(False, "energy-behind-proxy")
        return _of_listener(asked_at(call.base_url, place), listed)


def _of_listener(place: Place, listed: bool) -> Verdict:
    from impactree.measure.listeners import listener_on

    found = off_loop(lambda: listener_on(place[1], place[0]))
    if found is not None and found.between:
        return Verdict(False, "energy-behind-proxy")
    if found is not None and found.server is not None:
        return Verdict(True, pids=found.pids)
    if listed:
        return Verdict(True, pids=frozenset() if found is None else found.pids)
    return Verdict(False, "energy-of-unknown-server")


def _is_closed(call: ModelCall) -> bool:
    """Whether the name is that of a model that nobody else can run."""
    for name in (call.model, call.requested):
        if name:
            found = resolve(name, _ANY_HOST)
            if found.record is not None and found.record.is_closed:
                return True
    return False


def _plain(name: str) -> str:
    return "".join(filter(str.isalnum, name.lower()))


def _address(name: str) -> Place:
    said = os.environ.get("OLLAMA_HOST") if "ollama" in name else None
    usual = _ADDRESSES[name]
    if not said or (place := place_of(said)) is None:
        return usual
    return place if ":" in said.rpartition("]")[2] else (place[0], usual[1])


def read_scope(said: Any) -> Scope:
    """Check the argument ``measure``.

    Raises:
        ConfigurationError: names what was given and what was expected.
    """
    expected = 'measure takes "local" or addresses such as ["http://localhost:11434"]'
    if said == LOCAL:
        return Scope(True, frozenset())
    if isinstance(said, str) or not isinstance(said, Iterable):
        raise ConfigurationError(f"{expected}, not {said!r:.80}")
    listed, local = set(), False
    for one in said:
        if one == LOCAL:
            local = True
            continue
        place = place_of(one) if isinstance(one, str) and one.strip() else None
        if place is None:
            raise ConfigurationError(f"{expected}; {one!r:.80} is no address")
        if not is_loopback(place[0]) and place[0] not in off_loop(_names_of_machine):
            raise ConfigurationError(
                f"measure: {one!r:.80} is not this machine, whose energy alone can be read; make a "
                "handler with measure= where the model runs, or take what its server reports "
                "(reported_energy)"
            )
        listed.add(place)
    if not listed and not local:
        raise ConfigurationError(f"{expected}, not {said!r:.80}")
    return Scope(local, frozenset(listed))


def _names_of_machine() -> frozenset[str]:
    from impactree.measure.listeners import names_of_machine

    return names_of_machine()
