"""The known model or line inside a name that the catalog does not list as it stands."""

from __future__ import annotations

import re
from collections import Counter
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from impactree.catalog._text import WORD_START, stated_size, states_size
from impactree.values.range import Range

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from impactree.catalog._catalog import Catalog
    from impactree.catalog._records import ModelRecord, Resolution
    from impactree.catalog._text import Size

__all__ = [
    "Within",
    "best_first",
    "family_span",
    "is_near",
    "kept_share",
    "model_within",
    "sized",
    "with_stated",
]

_MAX_WORDS: Final = 14
_LETTERS: Final = re.compile(r"[a-z]+")
_ENDS: Final = re.compile(r"(?=[-_.:@ ]|$)")
_RUN_TOGETHER: Final = re.compile(r"([a-z]+-?)(\d)(\d)(?=[-_:. ]|[a-z]|$)")
_JOINT: Final = re.compile(r"(?<=[a-z])[-_ ](?=\d)")
_MAX_SPAN: Final = 80
_TEXT: Final = ("chat", "completion")


class Within(NamedTuple):
    """A known model inside a longer name."""

    record: ModelRecord
    span: str
    """As the catalog spells it: with the point that is left out in ``qwen35``."""
    before: str
    after: str
    has_size: bool
    """Whether the name states the size that the known model has."""
    is_apart: bool = False
    """Whether other words stand between the known model's line and its size."""


def best_first(records: list[ModelRecord]) -> list[ModelRecord]:
    """Of entries that one spelling fits, the first maker's: known size, short id, latest date."""
    if len(records) < 2:
        return records
    first = records[0].maker
    own = sorted((r for r in records if r.maker == first), key=lambda r: r.id, reverse=True)
    best = min(own, key=lambda r: (r.total is None, r.kind not in _TEXT, len(r.id)))
    return [r for r in records if r.id == best.id]


def is_near(known: float, stated: tuple[float, float], tolerance: float = 0.15) -> bool:
    """Whether a known size is the one that a name states, in which makers round."""
    return abs(known - sum(stated) / 2) <= tolerance * known


def model_within(
    catalog: Catalog,
    text: str,
    pick: Callable[[list[ModelRecord]], ModelRecord | None],
) -> Within | None:
    """The longest known model in a name; one whose size the name states goes before.

    A bare size elsewhere in the name that contradicts the model's own rules the model out.
    """
    best: Within | None = None
    size = catalog.rules.size(text)
    stated = stated_size(text) if size is not None else ""
    for start, end in _spans(catalog, text):
        span = text[start:end]
        if best is not None and (best.has_size, len(best.span)) >= (size is not None, len(span)):
            continue
        known = _known(catalog, span, pick)
        is_apart = known is None and bool(stated) and span[-1].isdigit()
        if is_apart:
            known = _known(catalog, f"{span}-{stated}", pick)  # ``llama-3`` in ``llama-3-acme-8b``
        if known is None or (known[0].total is None and size is not None):
            continue
        record, spelled = known
        own = catalog.rules.size(span)
        total = record.total
        has_size = size is not None and total is not None and is_near(total.mean, size.total)
        if own is not None and size is not None and own.total == size.total:
            has_size = True  # ``llama-4-scout-17b``: the known model's own way to state it
        if size is not None and not has_size:
            continue
        found = Within(record, spelled, text[:start], text[end:], has_size, is_apart)
        if best is None or (has_size, len(span)) > (best.has_size, len(best.span)):
            best = found
    return best


def _spans(catalog: Catalog, text: str) -> Iterator[tuple[int, int]]:
    """Runs of whole words that begin like some model of the catalog, the longest first."""
    ends = [m.start() for m in _ENDS.finditer(text)][-_MAX_WORDS:]
    starts = [m.start() for m in WORD_START.finditer(text)][:_MAX_WORDS]
    for start in starts:
        word = _LETTERS.match(text, start)
        if word is None or word[0] not in catalog.cores:
            continue
        for end in reversed(ends):
            if start + 2 < end <= start + _MAX_SPAN:
                yield start, end


def _known(
    catalog: Catalog,
    span: str,
    pick: Callable[[list[ModelRecord]], ModelRecord | None],
) -> tuple[ModelRecord, str] | None:
    if "-" not in span and not any(c.isdigit() for c in span):
        return None  # a bare family name says no more than its line
    rules = catalog.rules
    reduced = rules.reduced(span)
    if rules.says_nothing(reduced):
        return None
    records = catalog.reduced(reduced)
    record = pick(records) if records else None
    if record is not None:
        return record, span
    apart = _RUN_TOGETHER.sub(r"\1\2.\3", span, count=1)
    if apart != span:
        record = pick(catalog.reduced(rules.reduced(apart)))
    return (record, apart) if record is not None else None


def sized(catalog: Catalog, text: str, size: Size) -> tuple[Range, Range]:
    """Total and active parameters in 10^9 of a name that states its size: ranges.

    Makers round, and leave out embeddings and encoders; a bare size may be that of a mixture of
    experts, as it is of the known models of that size and line, or of most large models.
    """
    rules = catalog.rules
    low, high = rules.rounding
    total = Range(size.total[0] * low, size.total[1] * high)
    if size.active != size.total:
        return total, Range(min(size.active[0] * low, total.min), size.active[1] * high)
    word = _LETTERS.match(text)
    known = _line_active(catalog, word[0], size.total) if word else None
    if known is not None and known.max < total.min:
        return total, known
    least = known.min if known is not None else total.min
    if known is None and size.total[1] >= rules.large[0]:
        least = total.min * rules.large[1]
    return total, Range(min(least, total.min), total.max)


def with_stated(found: Resolution, size: Size | None) -> tuple[Range | None, Range | None]:
    """Total and active of a fine-tune: from the size that its name states to its base's.

    Tunings may leave out the encoder for pictures that the base's size counts.
    """
    total, active = found.total_params, found.active_params
    if size is None or total is None or active is None or size.total[1] > total.max:
        return total, active
    low = min(total.min, size.total[0])
    if active == total:
        return Range(low, total.max), Range(low, total.max)
    return Range(max(low, active.max), total.max), active


@lru_cache(maxsize=1024)
def _line_active(catalog: Catalog, word: str, total: tuple[float, float]) -> Range | None:
    """What is active of a model of this size, by the known models whose names begin like its own.

    ``cogito-671b``: the line has one model of 671, of which 37 are active.
    """
    actives = [
        record.active
        for record in _line(catalog, word)
        if record.total and record.active and is_near(record.total.mean, total, 0.06)
    ]
    if not actives:
        return None
    return Range(min(a.min for a in actives), max(a.max for a in actives))


@lru_cache(maxsize=1024)
def family_span(catalog: Catalog, text: str) -> tuple[str, Range, Range] | None:
    """The maker, total and active over the open models of which a bare family name is a part.

    None where it is one model's own name, or where all of them have one size.
    """
    if states_size(text):
        return None
    own = [r for r in _line(catalog, text, text) if r.weights == "open" and r.active]
    counts = Counter(r.maker for r in own)
    word = _LETTERS.match(text)
    line = catalog.rules.lines.get(word[0]) if word else None
    maker = line if line in counts else next((m for m, _ in counts.most_common(1)), None)
    own = [r for r in own if r.maker == maker]
    if maker is None or any(_core(r.id) == text for r in own):
        return None
    totals = [r.total for r in own if r.total]
    low, high = min(t.min for t in totals), max(t.max for t in totals)
    if high <= 1.5 * low:
        return None
    actives = [r.active for r in own if r.active]
    active = Range(min(a.min for a in actives), max(a.max for a in actives))
    return maker, Range(low, high), active


def _line(catalog: Catalog, text: str, begins: str | None = None) -> Iterator[ModelRecord]:
    """The text models of known size whose names begin with a name's first word, or all of it."""
    word = _LETTERS.match(text)
    seen = set()
    for core, name in catalog.cores.get(word[0], ()) if word else ():
        if begins is not None and not _begins(core, begins):
            continue
        for record in catalog.named(name):
            if record.total and record.kind in _TEXT and record.id not in seen:
                seen.add(record.id)
                yield record


def _begins(core: str, family: str) -> bool:
    """Whether a name is of a family: ``qwen3-8b``, but not ``qwen3.5-9b``, is of ``qwen3``."""
    core, family = _JOINT.sub("", core), _JOINT.sub("", family)
    following = core[len(family) : len(family) + 1]
    if not core.startswith(family):
        return False
    return following in ("", *"-_: ") if family[-1:].isdigit() else not "a" <= following <= "z"


def _core(name: str) -> str:
    return name.lower().rpartition("/")[2]


def kept_share(text: str) -> float | None:
    """The share of the weights that a pruned copy keeps at least; None: not pruned.

    ``REAP50`` drops 50 % of the experts; a copy that does not say how much keeps at least half.
    """
    found = _PRUNED.search(text)
    if found is None:
        return None
    return 1 - int(found[1]) / 100 if found[1] and 0 < int(found[1]) < 100 else 0.5


_PRUNED: Final = re.compile(r"(?:^|[-_. ])(?:reap|pruned?|sparse)-?(\d{2})?p?(?=[-_. ]|$)")
