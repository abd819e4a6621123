"""What was asked of which model: the engine's only input."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from operator import attrgetter
from types import EllipsisType
from typing import TYPE_CHECKING, Any, Final, Literal, Unpack, get_args

from impactree.calls.known_energy import ENERGY_FIELDS, EnergyFields, KnownEnergy, read_energy
from impactree.calls.quantities import MEDIA_FIELDS, MEDIA_KINDS, Media
from impactree.calls.scrubbing import without_secrets
from impactree.calls.tokens import Tokens, is_count
from impactree.values.impact import draft

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from impactree.calls.quantities import MediaFields

    class MoreFields(MediaFields, EnergyFields):
        """The arguments that few calls have."""


__all__ = ["CallDraft", "Kind", "ModelCall", "TokensSource", "repeating"]

Kind = Literal[
    "chat", "completion", "embedding", "rerank", "image", "video", "speech", "transcription"
]
TokensSource = Literal["reported", "counted", "unknown"]

_KINDS: Final = frozenset(get_args(Kind))
_MEDIA: Final = tuple(sorted(MEDIA_KINDS))  # a kind that is wrong may not be hashable
_SOURCES: Final = frozenset(get_args(TokensSource))
_TEXTS: Final = ("provider", "zone", "requested", "base_url", "region")
_TEXT: Final = frozenset({str, type(None)})
_texts_of: Final = attrgetter(*_TEXTS)
_PLAIN_FIELDS: Final = (
    *("model", "provider", "kind", "input_tokens", "output_tokens", "cached_input_tokens"),
    *("cache_write_tokens", "reasoning_tokens", "latency_s", "zone", "tokens_source"),
    *("requested", "base_url", "region"),
)
_plain_values: Final = attrgetter(*_PLAIN_FIELDS)
_Count = int | None | EllipsisType
_set: Final = object.__setattr__


@dataclass(frozen=True, slots=True, init=False)
class ModelCall:
    """One request to one model.

    All arguments are keywords, and all but ``model`` may be left out. The counts are given as
    ``tokens``, or one by one: ``input_tokens``, ``cached_input_tokens``, ``cache_write_tokens``,
    ``output_tokens``, ``reasoning_tokens``. Both may be given: one by one then replaces those of
    ``tokens``. Calls of the kinds ``image``, ``video``, ``speech`` and ``transcription`` have
    :class:`Media` as their ``tokens``: what they make or take in, too.

    Who knows the electricity of the request gives it as ``energy_kwh``: a number (``reported``), or
    by source (``{"measured": 2e-4, "modelled": 1e-5}``); with ``energy_boundary`` (``gpu``,
    ``server``, ``facility`` with the data centre's overhead; None: not known) and whether it is
    ``energy_alone``, this request's and no other's. It then stands in place of the estimate.

    Raises:
        TypeError: a value of the wrong type.
        ValueError: a negative, non-finite or absurdly large count or latency, or an unknown kind.
    """

    model: str
    """The model's name as the answer gave it (else as it was requested)."""
    provider: str | None
    """Who was asked, as the framework or the user names them."""
    kind: Kind
    tokens: Tokens
    latency_s: float | None
    """Measured duration of this request alone, s; None when it was not measured. Where a cache
    answered: of the request that it stands for, if that was seen."""
    zone: str | None
    """Electricity mix zone, ISO 3166-1 alpha-3 (``WOR``: the world) or a part of a country such
    as ``US-VA``; None: the host's."""
    tokens_source: TokensSource
    requested: str | None
    """The model's name as it was requested, where it differs from the answered one."""
    base_url: str | None
    """Where the request went, if known: tells a local or compatible server from the maker's.
    User, password, query and fragment are left out."""
    region: str | None
    """Cloud region, e.g. ``eu-west-3``."""
    usage_notes: tuple[str, ...]
    """What had to be decided to read the usage, and what of the input is not text: codes of
    ``calls.reconciling.READINGS`` and ``calls.media.LEFT_OUT``."""
    repeated: int
    """Of the input tokens those of texts that the same process had sent to the same model before:
    of a chat all or none. Only this count is kept."""
    energy: KnownEnergy | None
    """Its electricity, where somebody knows it; None: it is estimated."""

    def __init__(
        self,
        *,
        model: str,
        provider: str | None = None,
        kind: Kind = "chat",
        tokens: Tokens | None = None,
        input_tokens: _Count = ...,
        output_tokens: _Count = ...,
        cached_input_tokens: _Count = ...,
        cache_write_tokens: _Count = ...,
        reasoning_tokens: _Count = ...,
        latency_s: float | None = None,
        zone: str | None = None,
        tokens_source: TokensSource = "reported",
        requested: str | None = None,
        base_url: str | None = None,
        region: str | None = None,
        usage_notes: Iterable[str] = (),
        repeated: int = 0,
        **more: Unpack[MoreFields],
    ) -> None:
        read = (input_tokens, cached_input_tokens, cache_write_tokens)
        given = (*read, output_tokens, reasoning_tokens)
        if type(tokens) is not Tokens or given != _NOT_GIVEN or more or kind in _MEDIA:
            tokens = _quantities(tokens, given, kind, more)
        _set(self, "energy", read_energy(more) if more else None)
        _set(self, "model", model if type(model) is str else _plain(model))
        _set(self, "provider", provider)
        _set(self, "kind", kind)
        _set(self, "tokens", tokens)
        _set(self, "latency_s", latency_s)
        _set(self, "zone", zone)
        _set(self, "tokens_source", tokens_source)
        _set(self, "requested", requested)
        _set(self, "base_url", without_secrets(base_url) if isinstance(base_url, str) else base_url)
        _set(self, "region", region)
        _set(self, "usage_notes", _texts(usage_notes) if usage_notes else ())
        _set(self, "repeated", repeated)
        self._check()

    def _check(self) -> None:
        if not _TEXT.issuperset(map(type, _texts_of(self))):
            self._check_texts()
        try:
            known = self.kind in _KINDS and self.tokens_source in _SOURCES
        except TypeError:  # not even hashable
            known = False
        if not known:
            raise self._bad_choice()
        latency = self.latency_s
        if latency is not None and not (
            isinstance(latency, int | float) and 0 <= latency < math.inf
        ):
            raise ValueError(
                f"latency_s must be a finite number of seconds >= 0 or None, not {latency!r}"
            )
        if self.repeated != 0 or type(self.repeated) is not int:
            self._check_repeated()

    def _check_repeated(self) -> None:
        read, repeated = self.tokens.input, self.repeated
        if not is_count(repeated) or repeated > (read or 0):
            kind = ValueError if isinstance(repeated, int | float) else TypeError
            raise kind(
                f"repeated must be a whole number from 0 to the input tokens, {read}, "
                f"not {repeated!r:.80}"
            )

    def _check_texts(self) -> None:
        for name in _TEXTS:
            if not isinstance(getattr(self, name), str | None):
                raise TypeError(f"{name} must be a string or None, not {getattr(self, name)!r}")

    def _bad_choice(self) -> Exception:
        name = "tokens_source" if self.kind in (*_KINDS,) else "kind"
        known, value = sorted(_SOURCES if name == "tokens_source" else _KINDS), getattr(self, name)
        return ValueError(f"{name} must be one of {known}, not {value!r}")

    @property
    def input_tokens(self) -> int | None:
        """``tokens.input``."""
        return self.tokens.input

    @property
    def cached_input_tokens(self) -> int | None:
        """``tokens.cached_input``."""
        return self.tokens.cached_input

    @property
    def cache_write_tokens(self) -> int | None:
        """``tokens.cache_write``."""
        return self.tokens.cache_write

    @property
    def output_tokens(self) -> int | None:
        """``tokens.output``."""
        return self.tokens.output

    @property
    def reasoning_tokens(self) -> int | None:
        """``tokens.reasoning``."""
        return self.tokens.reasoning

    @property
    def media(self) -> Media | None:
        """What the call makes or takes in beside tokens; None: text is all there is."""
        return self.tokens if isinstance(self.tokens, Media) else None

    def to_dict(self) -> dict[str, Any]:
        """Plain values under the names of the arguments, counts one by one, no credentials."""
        fields = dict(zip(_PLAIN_FIELDS, _plain_values(self), strict=True))
        if self.usage_notes:
            fields["usage_notes"] = list(self.usage_notes)
        if self.repeated:
            fields["repeated"] = self.repeated
        if isinstance(self.tokens, Media):
            fields |= self.tokens.known()
        return fields if self.energy is None else fields | self.energy.to_dict()


def repeating(call: ModelCall, tokens: int) -> ModelCall:
    """A call of whose input so many tokens had been sent before: ``replace`` checks all anew."""
    made = CallDraft()
    made.model, made.provider, made.kind = call.model, call.provider, call.kind
    made.tokens, made.latency_s, made.zone = call.tokens, call.latency_s, call.zone
    made.tokens_source, made.usage_notes = call.tokens_source, call.usage_notes
    made.requested, made.base_url, made.region = call.requested, call.base_url, call.region
    made.energy, made.repeated = call.energy, tokens
    made.__class__ = ModelCall
    return made  # type: ignore[no-any-return]  # it is one now


CallDraft: Final = draft(ModelCall)
"""For what was checked already: ``ModelCall(...)`` takes ten times as long."""
_NONE: Final = Tokens()
_NOT_GIVEN: Final = (...,) * 5


def _plain(model: Any) -> str:
    """The text of an enumeration's name."""
    if not isinstance(model, str):
        raise TypeError(f"model must be a string, not {model!r}")
    return str.__str__(model)


def _texts(notes: Iterable[str]) -> tuple[str, ...]:
    notes = () if isinstance(notes, str) else tuple(notes)
    if not notes or not all(isinstance(note, str) for note in notes):
        raise TypeError(f"usage_notes must be several strings, not {notes!r}")
    return notes


def _quantities(
    tokens: Tokens | None, counts: tuple[Any, ...], kind: str, more: Mapping[str, Any]
) -> Tokens:
    """Tokens, with what was given one by one, as the quantities of a call of such a kind."""
    tokens = _NONE if tokens is None else tokens
    if not isinstance(tokens, Tokens):
        raise TypeError(f"tokens must be Tokens or None, not {tokens!r}")
    if counts != _NOT_GIVEN:
        tokens = _replaced(tokens, counts)
    return _with_media(tokens, kind, more) if more or kind in _MEDIA else tokens


def _with_media(tokens: Tokens, kind: str, more: Mapping[str, Any]) -> Tokens:
    media = {name: value for name, value in more.items() if name not in ENERGY_FIELDS}
    for name in media:
        if name not in MEDIA_FIELDS:
            raise TypeError(f"ModelCall has no argument {name!r}")
    given = {name: value for name, value in media.items() if value is not None}
    if kind not in _MEDIA:
        if not given:
            return tokens
        raise ValueError(
            f"{next(iter(given))} is for calls of the kinds {', '.join(_MEDIA)}, not {kind!r:.40}"
        )
    if isinstance(tokens, Media):
        given = {**tokens.known(), **given}
    counts = {name: getattr(tokens, name) for name in Tokens.__slots__}
    return Media(**counts, **given)


def _replaced(tokens: Tokens, given: tuple[Any, ...]) -> Tokens:
    """The buckets with those replaced that were given one by one."""
    read, cached, written, wrote, reasoning = given
    counts = Tokens(
        input=tokens.input if read is ... else read,
        cached_input=tokens.cached_input if cached is ... else cached,
        cache_write=tokens.cache_write if written is ... else written,
        output=tokens.output if wrote is ... else wrote,
        reasoning=tokens.reasoning if reasoning is ... else reasoning,
    )
    return replace(tokens, **asdict(counts)) if isinstance(tokens, Media) else counts
