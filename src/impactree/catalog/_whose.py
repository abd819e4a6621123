"""Whose a name is: who made the model, and who runs it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from impactree.catalog._places import LOCAL, UNKNOWN, addressed, is_ollama, region_in
from impactree.catalog._text import clean, without_tuner

if TYPE_CHECKING:
    import datetime as dt

    from impactree.catalog._catalog import Catalog
    from impactree.catalog._records import Host, ModelRecord
    from impactree.catalog._rules import Rules, Step

__all__ = ["COVERED", "TEXT_KINDS", "Whose", "is_own", "stem"]

TEXT_KINDS: Final = ("chat", "completion")
COVERED: Final = (*TEXT_KINDS, "embedding", "rerank")
_SLUG: Final = re.compile(r"[a-z][a-z0-9._-]{1,80}")
_COMPANY: Final = re.compile(
    r"(?:[-_](?:ai|labs?|research|org|hq|inc|community|llm|nlp|official))+$"
)
"""What organizations append to their maker's name."""


class Whose:
    """What one call says about organizations and hosts, for any of its names."""

    def __init__(
        self,
        catalog: Catalog,
        host: Host | None,
        provider: str | None,
        base_url: str | None,
        at: dt.date | None,
    ) -> None:
        self.catalog = catalog
        self.rules: Rules = catalog.rules
        self.asked = host
        self.provider = provider
        self.base_url = base_url
        self.at = at
        self.is_ollama = is_ollama(host, provider, base_url)

    def _org(self, step: Step) -> tuple[str | None, bool]:
        """Whose the organization in front of a name is, and whether it hosts others' weights."""
        orgs = [org for org in step.orgs if org not in self.rules.no_orgs]
        if not orgs:
            return None, bool(step.orgs)
        org = orgs[-1]
        if org in self.rules.copies or org in self.rules.shared_orgs:
            return None, True
        maker = self.rules.org_makers.get(org) or self._if_maker(org)
        maker = maker or self.rules.lines.get(org)  # ``codellama/``
        if len(orgs) == 1 and self.catalog.host(org) is not None:
            prefix_host = self._is_gateway() or maker is None
            return (None, True) if prefix_host else (maker, False)
        bare = _COMPANY.sub("", org)
        if maker is None and len(orgs) == 1 and self._is_gateway():
            return None, True  # a gateway's name for a host that nobody lists
        return maker or self.rules.org_makers.get(bare) or self._if_maker(bare), False

    def _if_maker(self, slug: str) -> str | None:
        return slug if slug in self.catalog.makers else None

    def _unlisted(self, step: Step) -> str | None:
        """The organization in front of a name that is neither listed, nor a gateway's or host's."""
        orgs = [org for org in step.orgs if org not in self.rules.no_orgs]
        if not orgs or (len(orgs) == 1 and self._is_gateway()):
            return None
        return orgs[-1] if _SLUG.fullmatch(orgs[-1]) else None

    def _maker(self, step: Step) -> str | None:
        maker, is_copy = self._org(step)
        if not step.text or self.rules.says_nothing(step.text):
            return None
        if maker is not None or (step.orgs and not is_copy):
            return maker or self._unlisted(step)
        org = next((o for o in reversed(step.orgs) if o not in self.rules.no_orgs), "")
        fallback = self.rules.org_makers.get(org) if org in self.rules.shared_orgs else None
        return self.rules.line(step.text, is_copy=org in self.rules.copies) or fallback

    def _is_foreign(self, step: Step) -> bool:
        """Whether what stands in front of a name is no organization or host that is listed."""
        org = step.orgs[-1] if step.orgs else None
        return org is not None and self._org(step)[0] is None and self.catalog.host(org) is None

    def _kind(self, steps: list[Step]) -> str:
        for step in steps:
            kind = self.rules.kind(step.text)
            if kind is not None:
                return kind
        return "chat"

    def _is_proxy(self, steps: list[Step]) -> bool:
        """Whether only a private address, not a server's kind or a file, says who answered."""
        if not self.base_url or any(step.host == LOCAL for step in steps):
            return False
        hinted = self.catalog.host(self.provider)
        return not self.is_ollama and (hinted is None or not is_own(hinted))

    def _is_own(self, text: str) -> bool:
        """Whether the user's own server answers, by who was asked or by the name (``vllm/...``)."""
        asked = self._prefix_host(text) if self._is_gateway() else self.asked
        return asked is not None and is_own(asked) and not text.startswith("ollama")

    def _is_gateway(self) -> bool:
        return self.asked is not None and self.asked.id in self.rules.prefix_hosts

    def _is_named_by_user(self) -> bool:
        """Whether names there are the user's own: a deployment ``gpt-4o-acme`` is ``gpt-4o``."""
        asked = self.asked
        return asked is not None and (is_own(asked) or asked.id in self.rules.named_by_users)

    def _own_maker(self, host: Host) -> str:
        return self.rules.own.get(host.id, host.id)

    def _region(self, text: str, host: Host) -> str | None:
        return region_in(self.catalog, host, text, self.base_url)

    def _host(
        self,
        text: str,
        steps: list[Step],
        maker: str | None,
        record: ModelRecord | None = None,
        *,
        is_sized: bool = False,
    ) -> Host:
        """Who runs the model: who was asked, else what the name tells, else the maker."""
        hosts = self.catalog.hosts
        last = steps[-1] if steps else None
        asked = self.asked
        if last and last.instead_of and (asked is None or asked.id == last.instead_of):
            asked = hosts[last.host] if last.host else asked
        if asked is not None and self._is_borrowed(asked, maker, record, is_sized):
            return hosts[UNKNOWN]
        if asked is not None and not self._is_gateway():
            return asked
        told = self._prefix_host(text)
        if told and self.base_url and told.id in self.rules.first_party:  # openai/...: a protocol
            told = addressed(self.catalog, self.base_url)
        if last and last.host and (told is None or told.id in (last.instead_of, last.host)):
            told = hosts[last.host]
        if told is None and asked is None:
            told = self._home(text, maker, record)
        return told or asked or hosts[UNKNOWN]

    def _is_borrowed(
        self, asked: Host, maker: str | None, record: ModelRecord | None, is_sized: bool
    ) -> bool:
        """Whether a hint such as ``openai`` only says that the server speaks that protocol."""
        if self.base_url or asked.id not in self.rules.first_party:
            return False
        if record is None:
            return is_sized
        return maker != asked.id or not record.is_closed

    def _prefix_host(self, text: str) -> Host | None:
        """The host that the first part of a path names, unless it can be an organization."""
        first, slash, _ = text.partition("/")
        if not slash:
            return None
        host = self.catalog.host(first)
        if host is None or self._is_gateway():
            return host
        is_org = first in self.rules.org_makers or first in self.catalog.makers
        return None if is_org else host

    def _home(self, text: str, maker: str | None, record: ModelRecord | None) -> Host | None:
        """Where a maker's own API runs, for names as that API writes them."""
        if record is None and (named := self.catalog.host(text)) is not None:
            return named  # a client's class name, the last resort
        if record is not None and not record.is_closed and "/" in record.id:
            return None
        return self.catalog.host(maker)


def is_own(host: Host) -> bool:
    return host.local or host.id == "self-hosted"


def stem(catalog: Catalog, name: str) -> str:
    """What of a name is read: names with one stem are read alike."""
    text = clean(name)
    bare = without_tuner(text)
    return text if bare != text and catalog.named(text) else bare
