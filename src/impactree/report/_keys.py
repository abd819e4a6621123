"""The keys that a report can be asked by, and what each says of a run."""

from __future__ import annotations

import datetime as dt
from functools import cache
from itertools import product
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

from impactree.engine import placed_by, shared_engine
from impactree.runs import LABELS
from impactree.values.times import DAY_S

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Sequence

    from impactree.calls import ModelCall
    from impactree.engine import Engine
    from impactree.runs import Run

    Key = str | Callable[[Run], Hashable]
    Labels = tuple[Hashable, ...]

__all__ = ["KEYS", "TAG", "check_key", "check_keys", "labels_by", "plain_label"]

TAG: Final = "tag"
_METADATA: Final = "metadata."
# Tags that LangChain sets on its own: where a run stands in its parent, not what it is for.
_INTERNAL_TAGS: Final = ("seq:step:", "graph:step:", "map:key:", "langsmith:")
_NONE: Final = (None,)


@cache
def _day(days: int) -> str:
    return (dt.date(1970, 1, 1) + dt.timedelta(days=days)).isoformat()


def _day_of(run: Run) -> str | None:
    try:
        return _day(int(run.start // DAY_S))
    except (OverflowError, ValueError):  # a start of no calendar
        return None


_OF_RUN: Final[dict[str, Callable[[Run], object]]] = {
    "model": lambda run: run.call and run.call.model,
    "kind": lambda run: run.kind if run.call is None else run.call.kind,
    "name": lambda run: run.name,
    "provider": lambda run: run.call and run.call.provider,
    "status": lambda run: run.status,
    "root": lambda run: run.root.name,
    "day": _day_of,
    **{label: attrgetter(label) for label in LABELS},
}
_BY_ENGINE: Final[dict[str, Callable[[Engine, ModelCall], object]]] = {
    "maker": lambda engine, call: engine.resolve(call).maker,
    "host": lambda engine, call: engine.resolve(call).host,
    "zone": lambda engine, call: engine.zone_of(call),
}
KEYS: Final = (*_OF_RUN, *_BY_ENGINE, TAG)
"""The keys of ``by``; besides them ``"metadata.KEY"`` and functions of a run."""


def check_key(key: object) -> None:
    """Refuse what is no key.

    Raises:
        ValueError: an unknown name.
        TypeError: neither a name nor a function.
    """
    if callable(key):
        return
    if not isinstance(key, str):
        raise TypeError(f"a key is a name or a function of a run, not {key!r:.80}")
    if key not in KEYS and (not key.startswith(_METADATA) or key == _METADATA):
        raise ValueError(_unknown_key(key))


def check_keys(keys: Iterable[Key]) -> tuple[str, ...]:
    """The names of the keys, each once: of two functions of one name the second is numbered.

    Raises:
        ValueError: an unknown name, or one twice.
        TypeError: neither a name nor a function.
    """
    names: list[str] = []
    for key in keys:
        check_key(key)
        name, again = key_name(key), 2
        if name in names and isinstance(key, str):
            raise ValueError(f"the key {key!r:.80} is given twice")
        while name in names:
            name, again = f"{key_name(key)} {again}", again + 1
        names.append(name)
    return tuple(names)


def key_name(key: Key) -> str:
    """What a key is called in tables and data."""
    return key if isinstance(key, str) else getattr(key, "__name__", type(key).__name__)


def plain_label(label: object) -> str | int | float | bool | None:
    """A label as data: text, a number or None."""
    return label if isinstance(label, str | int | float | bool | None) else str(label)


def labels_by(
    keys: Sequence[Key], roots: Iterable[Run], runs: Sequence[Run], engine: Engine | None
) -> list[tuple[Labels, ...]]:
    """For each of the runs, the groups it stands in, each a label per key.

    More than one only by tag.

    Args:
        keys: Checked ones.
        roots: The trees that hold the runs: what a run does not say itself is asked of those above.
        runs: The runs to label.
        engine: Places models; None: by the present settings.
    """
    columns = [_column(key, roots, runs, engine) for key in keys]
    if keys != (TAG,) and len(keys) == 1:
        return [(labels,) for labels in columns[0]]
    if all(key != TAG for key in keys):
        return [(labels,) for labels in zip(*([one for (one,) in c] for c in columns), strict=True)]
    return [tuple(product(*several)) for several in zip(*columns, strict=True)]


def _column(
    key: Key, roots: Iterable[Run], runs: Sequence[Run], engine: Engine | None
) -> list[Labels]:
    if not isinstance(key, str):
        return [(_hashable(key(run), key),) for run in runs]
    if key in _OF_RUN:
        read = _OF_RUN[key]
        return [(_text(read(run)),) for run in runs]
    if key in _BY_ENGINE:
        return _placed(_BY_ENGINE[key], runs, engine)
    if key == TAG:
        return _inherited(roots, runs, _tags)
    name = key.removeprefix(_METADATA)
    return _inherited(roots, runs, lambda run: (_text(run.metadata.get(name)),))


def _placed(
    read: Callable[[Engine, ModelCall], object], runs: Sequence[Run], engine: Engine | None
) -> list[Labels]:
    engine = engine or shared_engine()
    known: dict[object, Labels] = {}
    out: list[Labels] = []
    for run in runs:
        call = run.call
        if call is None:
            out.append(_NONE)
            continue
        place = placed_by(call)
        labels = known.get(place)
        if labels is None:
            labels = known[place] = (_text(read(engine, call)),)
        out.append(labels)
    return out


def _inherited(
    roots: Iterable[Run], runs: Iterable[Run], read: Callable[[Run], Labels]
) -> list[Labels]:
    """Labels from a run itself, else from its nearest ancestor: one pass, parents first."""
    known: dict[Run | None, Labels] = {}
    for root in roots:
        above = next((found for a in root.ancestors() if (found := read(a)) != _NONE), _NONE)
        for run in root.walk():
            own = read(run)
            known[run] = known.get(run.parent, above) if own == _NONE else own
    return [known.get(run, _NONE) for run in runs]


def _tags(run: Run) -> Labels:
    if not run.tags:
        return _NONE
    kept = tuple(dict.fromkeys(tag for tag in run.tags if not tag.startswith(_INTERNAL_TAGS)))
    return kept or _NONE


def _text(value: object) -> str | None:
    if type(value) is str:
        return value or None
    return None if value is None or value == "" else str(value)


def _hashable(value: Any, key: Key) -> Hashable:
    try:
        hash(value)
    except TypeError:
        name = key_name(key)
        raise TypeError(
            f"{name}() gave {value!r:.80}, which cannot be a label: give text, a number or None"
        ) from None
    return value  # type: ignore[no-any-return]


def _unknown_key(key: str) -> str:
    from difflib import get_close_matches

    near = get_close_matches(key, (*KEYS, f"{_METADATA}KEY"), n=1, cutoff=0.5)
    hint = f"; the nearest is {near[0]!r}" if near else ""
    return (
        f"there is no key {key!r:.80}: use one of {', '.join(KEYS)}, metadata.KEY or a function"
        f"{hint}"
    )
