"""The rules of ``data/names.toml``, ready to use: patterns are compiled when first needed."""

from __future__ import annotations

import re
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from impactree.catalog._text import Size, key, may_state_size, read_size, states_size

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Rules", "Step"]

_MAX_STEPS = 10
_FIRST_WORD = re.compile(r"([a-z]+)(?:\d+(?:\.\d+)?)?(?=$|[-_.:@ ])[-_.:@ ]*")
_FIRST_WORDS = re.compile(r"([a-z]+-[a-z]+)(?=$|[-_.:@ ])[-_.:@ ]*")
"""A line of two words, which another maker's may begin: ``llama-nemotron``."""
_WORDS = re.compile(r"[^-_.:@/ ]+")
_SEPARATORS = r"[-_.:@ ]"
_MAYBE_DAY = re.compile(r"2[0-9]{5}|20[2-9]\d-")


class Step(NamedTuple):
    """What is left of a name when so many wrappers have been taken off."""

    text: str
    orgs: tuple[str, ...] = ()
    """The parts of the path in front of it, from the left."""
    host: str | None = None
    instead_of: str | None = None
    zone: str | None = None


class Rules:
    """How to read names. Built from the plain data that the compiled catalog holds."""

    def __init__(self, raw: dict[str, Any]) -> None:
        self._raw = raw
        orgs = raw["orgs"]
        self.org_makers: dict[str, str] = {**raw.get("org_makers", {}), **orgs["makers"]}
        """Who publishes under an organization's name."""
        self.copies: frozenset[str] = frozenset(orgs["copies"])
        """Organizations that publish copies of other makers' weights."""
        self.prefix_hosts: frozenset[str] = frozenset(orgs["prefix_hosts"])
        """Gateways whose first path part names the host."""
        self.first_party: frozenset[str] = frozenset(orgs["first_party"])
        """Hosts that serve nobody else's models."""
        self.own: dict[str, str] = orgs["own"]
        """Hosts whose own models are another slug's."""
        self.no_orgs: frozenset[str] = frozenset(orgs["nobody"])
        """Parts of paths that are no organization."""
        self.shared_orgs: frozenset[str] = frozenset(orgs["shared"])
        """Organizations in front of other makers' models as well as their own."""
        self.named_by_users: frozenset[str] = frozenset(orgs["named_by_users"])
        """Hosts where users give names of their own to what they call."""
        self._speeds: frozenset[str] = frozenset(raw["words"]["speeds"])
        self.lines: dict[str, str] = raw["lines"]["makers"]
        self.local_defaults: dict[str, str] = raw["local"]["defaults"]
        """The tags that Ollama takes for a bare name."""
        self.prior: dict[str, Any] = raw["prior"]
        self.training: dict[str, Any] = raw["training_rule"]
        mixture = raw["mixture"]
        self.rounding: tuple[float, float] = tuple(raw["sizes"]["rounding"])
        """Of the size in a name: what the true total is at least and at most."""
        self.large: tuple[float, float] = (raw["sizes"]["large"], raw["sizes"]["least_active"])
        """From which size on a model may be a mixture of experts, and its least active share."""
        self._mixture: tuple[float, float] = (mixture["least_total"], mixture["least_active"])

    def unwrap(self, text: str) -> list[Step]:
        """The name, then what is left of it each time a wrapper is taken off."""
        step = Step(text)
        steps = [step]
        while len(steps) < _MAX_STEPS:
            following = self._next(step)
            if following is None:
                break
            step = following
            steps.append(step)
        return steps

    def _next(self, step: Step) -> Step | None:
        text = step.text
        found = self._unwrapped(text)
        if found is not None:
            left, rule = found
            return Step(
                left,
                step.orgs,
                step.host or rule.get("host"),
                step.instead_of or rule.get("instead_of"),
                step.zone or rule.get("zone"),
            )
        if "/" in text:
            *orgs, core = text.split("/")
            return step._replace(text=core, orgs=(*step.orgs, *orgs))
        return None

    def reduced(self, text: str) -> str:
        """The key of a name without packing, tuning and days.

        Where the name states its size, also without words on how it is served.
        """
        if _MAYBE_DAY.search(text):  # few names hold one
            text = self._day.sub("", text)
        text = self._tuning.sub("", text)
        if states_size(text):
            text = self._serving.sub("", text)
        return key(text)

    def unpacked(self, text: str) -> str:
        """The name without words on its packing."""
        return self._packing.sub("", text)

    def untuned(self, text: str) -> str:
        """The name without words on its packing and tuning."""
        return self._tuning.sub("", text)

    def size(self, text: str) -> Size | None:
        """Total and active parameters in 10^9 that the name states."""
        return read_size(text, self._mixture) if may_state_size(text) else None

    def is_packed(self, text: str) -> bool:
        """Whether the name says that it is a copy with other numbers of bits."""
        return self._packing.search(text) is not None

    def says_nothing(self, text: str) -> bool:
        """Whether the name stands for no model at all."""
        return self._nothing.fullmatch(text) is not None

    def kind(self, text: str) -> str | None:
        """What a model of that name makes, where a word tells."""
        if self._any_kind.search(text):  # few names hold such a word
            for kind, pattern in self._kinds:
                if pattern.search(text):
                    return kind
        return None

    def is_plain(self, rest: str) -> bool:
        """Whether all that follows a family's prefix are known words."""
        return self._plain.fullmatch(rest) is not None

    def line(self, text: str, *, is_copy: bool = False) -> str | None:
        """The maker of the line that a name begins with, if nothing else in it is unknown.

        In a copy of another maker's weights, other words may follow.
        """
        found = _FIRST_WORDS.match(text)
        if found is None or found[1] not in self.lines:
            found = _FIRST_WORD.match(text)
        if found is None or found[1] not in self.lines:
            return None
        plain = is_copy or self.is_plain(text[found.end() :])
        return self.lines[found[1]] if plain else None

    def unnoised(self, before: str, after: str, *, is_open: bool) -> str:
        """What is left of the words around a model's name without those that say nothing of it.

        In front, the name of another line is none either: ``gemini-claude-sonnet-4-5``. Behind open
        weights, a host's word for its speed is none: ``DeepSeek-R1-0528-Turbo``.
        """
        left = [w for w in self._without_noise(before) if w not in self.lines]
        right = [w for w in self._without_noise(after) if not (is_open and w in self._speeds)]
        return " ".join([*left, *right])

    def _without_noise(self, words: str) -> list[str]:
        words = self._noise.sub("", self._noise.sub("", f" {words} "))
        return _WORDS.findall(words)

    def is_tuned(self, before: str, after: str) -> bool:
        """Whether a word around a model's name says that somebody tuned it."""
        return self._tuned.search(f" {before} {after} ") is not None

    def is_reshaped(self, rest: str) -> bool:
        """Whether a word says that the copy has another shape: pruned, merged, a draft."""
        return self._reshaped.search(f" {rest} ") is not None

    def names_class(self, rest: str) -> bool:
        """Whether a word says that it is a smaller or larger sister: ``mini``, ``pro``."""
        return self._class.search(f" {rest} ") is not None

    @cached_property
    def _unwrapped(self) -> Callable[[str], tuple[str, dict[str, str]] | None]:
        """What is left of a text without its wrapper, and the rule; many names hold the same."""
        return lru_cache(maxsize=1024)(self._without_wrapper)

    def _without_wrapper(self, text: str) -> tuple[str, dict[str, str]] | None:
        first = self._any_wrapper.fullmatch(text)
        if first is None or first.lastgroup is None:
            return None
        for pattern, rule, name in self._wrappers[int(first.lastgroup[1:]) :]:
            found = pattern.fullmatch(text)
            if found is not None and (left := name(found)) != text:
                return left, rule
        return None

    @cached_property
    def _wrappers(self) -> list[tuple[re.Pattern[str], dict[str, str], Callable[..., str]]]:
        rules = self._raw["wrappers"]
        return [(re.compile(r["pattern"], re.DOTALL), r, _template(r["name"])) for r in rules]

    @cached_property
    def _any_wrapper(self) -> re.Pattern[str]:
        """One of them; the name of its last group tells the first that fits."""
        rules = enumerate(self._raw["wrappers"])
        return re.compile("|".join(f"(?P<w{n}>{r['pattern']})" for n, r in rules), re.DOTALL)

    @cached_property
    def _kinds(self) -> list[tuple[str, re.Pattern[str]]]:
        return [(rule["kind"], _word(rule["pattern"])) for rule in self._raw["kinds"]]

    @cached_property
    def _any_kind(self) -> re.Pattern[str]:
        return _word("|".join(rule["pattern"] for rule in self._raw["kinds"]))

    def _words(self, *names: str) -> re.Pattern[str]:
        inside = "|".join(self._raw["words"][name] for name in names)
        return re.compile(rf"{_SEPARATORS}+(?:{inside})(?![a-z0-9])")

    @cached_property
    def _day(self) -> re.Pattern[str]:
        return self._words("day")

    @cached_property
    def _packing(self) -> re.Pattern[str]:
        return self._words("packing")

    @cached_property
    def _tuning(self) -> re.Pattern[str]:
        return self._words("packing", "tuning")

    @cached_property
    def _serving(self) -> re.Pattern[str]:
        return self._words("serving")

    def _anywhere(self, *names: str) -> re.Pattern[str]:
        inside = "|".join(self._raw["words"][name] for name in names)
        return re.compile(rf"(?<={_SEPARATORS})(?:{inside})(?={_SEPARATORS})")

    @cached_property
    def _noise(self) -> re.Pattern[str]:
        return self._anywhere("packing", "tuning", "day", "noise", "tuned")

    @cached_property
    def _tuned(self) -> re.Pattern[str]:
        return self._anywhere("tuned")

    @cached_property
    def _reshaped(self) -> re.Pattern[str]:
        return self._anywhere("reshaped")

    @cached_property
    def _class(self) -> re.Pattern[str]:
        return self._anywhere("classes")

    @cached_property
    def _nothing(self) -> re.Pattern[str]:
        return re.compile(self._raw["words"]["nothing"])

    @cached_property
    def _plain(self) -> re.Pattern[str]:
        words = self._raw["words"]
        word = rf"(?:{words['family']}|{words['packing']}|{words['day']})"
        return re.compile(rf"{_SEPARATORS}*(?:{word}(?:{_SEPARATORS}+|$))*{_SEPARATORS}*")


def _template(text: str) -> Callable[[re.Match[str]], str]:
    """``Match.expand`` of one text, which is parsed once."""
    literal, *rest = re.split(r"\\(\d)", text)
    pairs = [(int(group), after) for group, after in zip(rest[::2], rest[1::2], strict=True)]

    def filled(found: re.Match[str]) -> str:
        return literal + "".join(f"{found[group] or ''}{after}" for group, after in pairs)

    return filled


def _word(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"(?:^|(?<=[-_.:@/ ]))(?:{pattern})(?![a-z])")
