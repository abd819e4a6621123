"""From a name as a framework reports it to a model, a host and a grade."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

from impactree.catalog._catalog import Catalog, as_day, as_of, load_catalog
from impactree.catalog._places import LOCAL, UNKNOWN, asked_host
from impactree.catalog._records import Resolution
from impactree.catalog._text import MAX_NAME, clean, key, without_size
from impactree.catalog._whose import COVERED, TEXT_KINDS, Whose, is_own, stem
from impactree.catalog._within import (
    best_first,
    family_span,
    is_near,
    kept_share,
    model_within,
    sized,
    with_stated,
)
from impactree.values.range import Range

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Iterator

    from impactree.catalog._records import ModelRecord
    from impactree.catalog._rules import Step
    from impactree.catalog._within import Within

__all__ = ["TEXT_KINDS", "resolve", "resolve_name"]


def resolve(
    name: str,
    provider: str | None = None,
    *,
    requested: str | None = None,
    base_url: str | None = None,
    at: dt.date | str | None = None,
) -> Resolution:
    """Resolve a model's name as clients, clouds, gateways and servers report it.

    Args:
        name: The name that the answer carried, else the one that was asked for.
        provider: Who was asked, as the framework names them (``openai``, ``ChatOpenAI``).
        requested: The name that was asked for: it helps where the answer's says nothing.
        base_url: Where the request went: tells a local or compatible server from the maker's own.
        at: The day of the call (a date or ``YYYY-MM-DD``), for aliases that moved; None: today.

    Returns:
        What the name stands for. It never raises for a string; the worst grade is ``prior``.

    Raises:
        TypeError: ``name`` is no string.
        ValueError: ``at`` is a string that is no date.
    """
    if not isinstance(name, str):
        raise TypeError(f"resolve takes a model's name, not {name!r:.80}")
    size = len(name) + len(provider or "") + len(requested or "") + len(base_url or "")
    known = _remembered.__wrapped__ if size > 4 * MAX_NAME else _remembered
    return known(load_catalog(), name, provider, requested, base_url, as_day(at))


@lru_cache(maxsize=4096)
def _remembered(
    catalog: Catalog,
    name: str,
    provider: str | None,
    requested: str | None,
    base_url: str | None,
    at: dt.date | None,
) -> Resolution:
    return resolve_name(catalog, name, provider, requested=requested, base_url=base_url, at=at)


def resolve_name(
    catalog: Catalog,
    name: str,
    provider: str | None = None,
    *,
    requested: str | None = None,
    base_url: str | None = None,
    at: dt.date | None = None,
) -> Resolution:
    """Resolve a name against a catalog."""
    host = asked_host(catalog, provider, base_url)
    found = _Reader(catalog, host, provider, base_url, at).read(name)
    if requested and requested != name and found.grade == "prior" and found.model is None:
        other = _Reader(catalog, host, provider, base_url, at).read(requested)
        closed = other.record is not None and other.record.is_closed
        if other.model is not None and not (closed and _is_file(catalog, name)):
            return replace(other, how=f"the answer's name says nothing; as requested: {other.how}")
    return found


class _Reader(Whose):
    """One reading of one name."""

    def read(self, name: str) -> Resolution:
        """The best that can be said of a name."""
        text = self._tagged(stem(self.catalog, name))
        spans = self._spans(text)
        if spans is not None:
            return spans
        record = as_of(self.catalog.named(text), self.at) if self.at is None else None
        if record is not None:  # listed as it stands, the usual case
            grade = "exact" if record.id.lower() == text else "alias"
            return self._of_record(record, grade, f"the catalog lists {text!r}", text, ())
        steps = self.rules.unwrap(text)
        if not steps[-1].text or self.rules.says_nothing(steps[-1].text):
            return self._unknown(text, steps)
        return (
            self._listed(text, steps)
            or self._contained(text, steps)
            or self._family(text, steps)
            or self._sized(text, steps)
            or self._unknown(text, steps)
        )

    def _tagged(self, text: str) -> str:
        """With the tag that Ollama takes for a bare name."""
        if not self.is_ollama:
            return text
        default = self.rules.local_defaults.get(text.removesuffix(":latest"))
        return f"{text.removesuffix(':latest')}-{default}" if default else text

    # The stages, most certain first

    def _listed(self, text: str, steps: list[Step]) -> Resolution | None:
        """A name of the catalog, unwrapped or spelled another way."""
        for step in steps:
            spelling = key(step.text)
            record = self._moved(spelling, step) or self._pick(self.catalog.named(step.text), step)
            spelled = record is None
            record = record or self._pick(_as_path(self.catalog.spelled(spelling), step), step)
            if record is not None:
                grade = "variant" if step.text != text else "alias"
                if not spelled and step.text == text and record.id.lower() == text:
                    grade = "exact"
                how = f"{text!r:.120} is {record.id!r}"
                return self._of_record(record, grade, how, text, steps)
        for record, step in self._variants(steps):
            if record is not None:
                how = f"{step.text!r} is a variant of {record.id!r}"
                return self._of_record(record, "variant", how, text, steps)
        return None

    def _variants(self, steps: list[Step]) -> Iterator[tuple[ModelRecord | None, Step]]:
        """The entries of a name without what does not say which model it is."""
        catalog, rules = self.catalog, self.rules
        for step in steps:
            bare = rules.unpacked(step.text)
            if bare != step.text:
                yield self._pick(catalog.spelled(key(bare)), step), step
        for step in steps:
            yield self._pick(catalog.reduced(rules.reduced(step.text)), step), step
        for step in steps:  # a size in the name of a model that has only one: deepseek-v3.1:671b
            size = rules.size(step.text)
            if size is not None:
                records = catalog.reduced(rules.reduced(without_size(step.text)))
                near = [r for r in records if r.total and is_near(r.total.mean, size[0])]
                yield self._pick(near, step), step

    def _moved(self, spelling: str, step: Step) -> ModelRecord | None:
        host = self.asked.id if self.asked else None
        record = self.catalog.moved(spelling, self.at, host)
        return self._pick([record], step) if record else None

    def _pick(self, records: list[ModelRecord], step: Step) -> ModelRecord | None:
        """The entry that the organization in front of the name allows."""
        if not records:
            return None
        maker, is_copy = self._org(step)
        if maker is not None and not is_copy:
            own = [r for r in records if r.maker == maker]
            if not own and self.rules.is_packed(step.text):
                own = [r for r in records if not r.is_closed]
            records = own
        elif step.orgs and not is_copy and not any(c.isdigit() for c in step.text):
            records = [r for r in records if not r.is_closed]  # ``acme/command``
        return as_of(best_first(records), self.at)

    def _family(self, text: str, steps: list[Step]) -> Resolution | None:
        """A name newer than the catalog, of a line that the catalog knows."""
        found = [(f, step) for step in steps if (f := self.catalog.family(step.text)) is not None]
        for (prefix, model, rest), step in sorted(found, key=lambda f: -len(f[0][0])):
            record = self.catalog.record(model, self.at)
            if record is None or not self._vouched(record.maker, step, rest):
                continue
            size = self.rules.size(step.text)
            if size and (record.total is None or not is_near(record.total.mean, size[0])):
                continue
            kind = self.rules.kind(step.text)
            if kind and kind != record.kind and record.kind in TEXT_KINDS:
                continue
            if not self.rules.unnoised("", rest, is_open=False) and (
                record in self.catalog.named(prefix.rstrip("-"))
            ):  # ``o3-low``
                how = f"{step.text!r} is {record.id!r} with words that say how it is asked"
                return self._of_record(record, "variant", how, text, steps)
            how = f"{step.text!r} begins like the family {prefix!r}; {record.id!r} stands in"
            return self._of_record(record, "family", how, text, steps)
        return None

    def _spans(self, text: str) -> Resolution | None:
        """A bare family name at a server of the user's own: any of the family's open models."""
        word = text.replace("\\", "/").rstrip("/").rpartition("/")[2]
        if self.is_ollama or not self._is_own(text) or not self.catalog.begins_some(word):
            return None
        steps = self.rules.unwrap(text)
        return self._any_of(self.rules.untuned(steps[-1].text), text, steps)

    def _any_of(self, family: str, text: str, steps: list[Step]) -> Resolution | None:
        """The range over the open models of which a bare family name is a part."""
        span = family_span(self.catalog, family) if family else None
        if span is None:
            return None
        maker, total, active = span
        how = f"{family!r} is a family of models of {total.min:g} to {total.max:g} x 10^9"
        return replace(
            self._unknown(text, steps),
            maker=maker,
            grade="family",
            total_params=total,
            active_params=active,
            how=how,
        )

    def _contained(self, text: str, steps: list[Step]) -> Resolution | None:
        """A longer name with a known model in it: a copy, or a fine-tune of its shape."""
        step = steps[-1]
        kind = self.rules.kind(step.text)
        within = model_within(self.catalog, step.text, lambda records: self._inside(records, step))
        if within is None or (kind and kind != within.record.kind):
            return None
        if not (self.is_ollama or within.has_size):
            family = self._any_of(within.span, text, steps)
            if family is not None:
                return replace(family, maker=self._tuner(step) or family.maker)
        rest = self.rules.unnoised(within.before, within.after, is_open=not within.record.is_closed)
        if self.rules.is_reshaped(rest):
            return self._pruned(within, text, steps)
        return self._copy(within, rest, text, steps)

    def _copy(self, within: Within, rest: str, text: str, steps: list[Step]) -> Resolution | None:
        """The known model inside a name, with other words around it."""
        step, record = steps[-1], within.record
        fits = within.has_size or not rest
        own = record.is_closed and not step.orgs and self._is_named_by_user()  # ``acme-gpt-4o``
        if not fits and (self.rules.names_class(rest) or (record.is_closed and not own)):
            return None
        grade = "variant" if fits or own else "family"
        found = self._of_record(record, grade, _contains(within, step), text, steps)
        is_copy = not rest and not self.rules.is_tuned(within.before, within.after)
        tuner = None if is_copy else self._tuner(step)
        if within.is_apart and tuner is None:
            return replace(found, maker=None)  # somebody's own name: ``llama3-chinese-8b``
        if tuner in (None, found.maker) or found.total_params is None or not within.has_size:
            return replace(found, maker=tuner or found.maker)
        total, active = with_stated(found, self.rules.size(step.text))
        return replace(found, maker=tuner, total_params=total, active_params=active)

    def _pruned(self, within: Within, text: str, steps: list[Step]) -> Resolution | None:
        """A copy with fewer experts or layers, as its name says."""
        step = steps[-1]
        kept = kept_share(step.text)
        found = self._of_record(within.record, "size", _contains(within, step), text, steps)
        if kept is None or found.total_params is None or self.rules.size(step.text):
            return None
        total = Range(kept * found.total_params.min, found.total_params.max)
        return replace(found, total_params=total, maker=self._tuner(step) or found.maker)

    def _inside(self, records: list[ModelRecord], step: Step) -> ModelRecord | None:
        """The entry that may stand inside a name of this organization: nobody tunes closed ones."""
        maker, is_copy = self._org(step)
        if maker is not None and not is_copy and maker not in {r.maker for r in records}:
            return as_of(best_first([r for r in records if not r.is_closed]), self.at)
        return self._pick(records, step)

    def _tuner(self, step: Step) -> str | None:
        """Who tuned a copy: the organization in front, where it is not one that only copies."""
        maker, is_copy = self._org(step)
        return None if is_copy else maker or self._unlisted(step)

    def _vouched(self, maker: str, step: Step, rest: str) -> bool:
        """Whether a name that only begins like a maker's model is that maker's."""
        org, is_copy = self._org(step)
        if org is not None and not is_copy:
            return org == maker
        if step.orgs and not is_copy:
            return False
        told = self.catalog.host(step.orgs[-1]) if step.orgs else None  # ``gemini/...``
        if any(host and self._own_maker(host) == maker for host in (told, self.asked)):
            return True
        return self.rules.is_plain(rest)

    def _sized(self, text: str, steps: list[Step]) -> Resolution | None:
        """A name that states its own size."""
        kind = self._kind(steps)
        step = steps[-1]
        size = self.rules.size(step.text)
        if size is None or kind not in COVERED:
            return None
        maker = self._maker(step)
        host = self._host(text, steps, maker, is_sized=True)
        total, active = sized(self.catalog, step.text, size)
        return Resolution(
            model=None,
            maker=maker,
            host=host.id,
            grade="size",
            kind=kind,
            total_params=total,
            active_params=active,
            zone=_zone(steps),
            region=self._region(text, host),
            how=f"{step.text!r} is not in the catalog but states its size",
        )

    def _unknown(self, text: str, steps: Iterable[Step]) -> Resolution:
        """A name of which nothing is known, or only what it makes."""
        steps = list(steps)
        kind = self._kind(steps)
        maker = self._maker(steps[-1]) if steps else None
        if kind not in COVERED and steps and self._is_foreign(steps[-1]):
            maker = None  # ``deepgram/nova-3``
        grade = "prior" if kind in COVERED else "unsupported"
        host = self._host(text, steps, maker)
        return Resolution(
            model=None,
            maker=maker,
            host=host.id,
            grade=grade,
            kind=kind,
            total_params=None,
            active_params=None,
            zone=_zone(steps),
            region=self._region(text, host),
            how=f"nothing is known about {text!r:.80}"
            if grade == "prior"
            else f"{text!r:.80} makes {kind}, not text",
        )

    # What they share

    def _of_record(
        self, record: ModelRecord, grade: str, how: str, text: str, steps: Iterable[Step]
    ) -> Resolution:
        host = self._host(text, steps := list(steps), record.maker, record)
        if record.is_closed and is_own(host) and self._is_proxy(steps):
            host = self.catalog.hosts[UNKNOWN]
        elif record.is_closed and is_own(host):
            return replace(
                self._unknown("", ()),
                host=host.id,
                kind=record.kind if record.kind in COVERED else "chat",
                how=f"{record.id!r} cannot run there: some other model answers by its name",
                is_other=True,
            )
        if record.kind not in COVERED:
            grade = "unsupported"
        elif record.total is None:
            grade, how = "prior", f"{how}; its size is not known"
        return Resolution(
            model=record.id,
            maker=record.maker,
            host=host.id,
            grade=grade,
            kind=record.kind,
            total_params=record.total,
            active_params=record.active,
            record=record,
            zone=_zone(steps),
            region=self._region(text, host),
            how=how,
        )


def _as_path(records: list[ModelRecord], step: Step) -> list[ModelRecord]:
    """For a path, those that are named by one: ``host/llama`` is not ``host-llama``."""
    if "/" not in step.text:
        return records
    return [r for r in records if any("/" in name for name in (r.id, *r.aliases))]


def _is_file(catalog: Catalog, name: str) -> bool:
    """Whether a name is a path: a server of open weights answered, whatever it was asked for."""
    return any(step.host == LOCAL for step in catalog.rules.unwrap(clean(name)))


def _contains(within: Within, step: Step) -> str:
    return f"{step.text!r} contains {within.record.id!r}"


def _zone(steps: list[Step]) -> str | None:
    return steps[-1].zone if steps else None
