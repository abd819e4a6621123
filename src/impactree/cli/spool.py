"""``impactree spool``: runs that wait to be delivered."""

from __future__ import annotations

import time
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from impactree.cli._printing import as_json_option, print_json
from impactree.delivery.address import Address, digest, spool_folder
from impactree.delivery.aside import Kept
from impactree.delivery.errors import reason
from impactree.delivery.house import House, max_bytes
from impactree.exceptions import ConfigurationError, ImpactreeError
from impactree.values.formatting import clean

if TYPE_CHECKING:
    from collections.abc import Iterator

    from impactree.delivery.exporter import SpooledExporter
    from impactree.delivery.journal import Folder

__all__ = ["spool"]


class _Row(NamedTuple):
    """What waits for one address in one process's folder."""

    id: str
    address: str
    runs: int
    process: str
    alive: bool

    def as_dict(self) -> dict[str, Any]:
        address = Address.parse(self.address)
        fields = self._asdict() | {"destination": address.destination, "owner": address.owner}
        return {k: fields[k] for k in ("destination", "owner", "id", "runs", "process", "alive")}


@click.group()
def spool() -> None:
    """Runs that wait to be delivered."""


@spool.command()
@as_json_option
def status(as_json: bool) -> None:
    """What waits, where it goes and as whom, and what was set aside."""
    with _open() as house:
        rows, aside = list(_pending(house)), house.aside.list()
    if as_json:
        kept = [
            {"address": k.address, "why": k.why, "at": k.at, "newer": k.newer, "set_aside": True}
            for k in aside
        ]
        print_json([*(row.as_dict() for row in rows), *kept])
        return
    waiting = sum(row.runs for row in rows)
    click.echo(f"spool {clean(str(house.path))}: {waiting} deliveries wait")
    for row in rows:
        alive = "running" if row.alive else "ended"
        where = clean(row.address)
        click.echo(f"{row.runs:>8}  {where}  (process {row.process}, {alive}; id {row.id})")
    if aside:
        click.echo(f"{len(aside)} runs are set aside: `impactree spool retry` sends them again")
    for (address, why, newer), runs in Counter((k.address, k.why, k.newer) for k in aside).items():
        said = "for a newer impactree" if newer else clean(why)
        click.echo(f"{runs:>8}  {clean(address)}  ({said}; id {digest(address)})")


@spool.command()
@click.option("--timeout", type=float, default=60.0, show_default=True, help="Seconds.")
@click.option("--db", "db_url", help="Database URL, where its password is needed.")
def replay(timeout: float, db_url: str | None) -> int:
    """Deliver what ended processes left; exit code 1 when something still waits."""
    with _open() as house:
        addresses = {row.address for row in _pending(house) if not row.alive}
    return _deliver(addresses, timeout, db_url)


@spool.command()
@click.option("--timeout", type=float, default=60.0, show_default=True, help="Seconds.")
@click.option("--db", "db_url", help="Database URL, where its password is needed.")
def retry(timeout: float, db_url: str | None) -> int:
    """Send runs that were set aside once more; exit code 1 when something still waits."""
    from impactree.delivery.codec import FORMAT, is_line, readdressed

    with _open() as house:
        moved = house.aside.take(
            lambda kept: (kept.newer is None or kept.newer <= FORMAT) and is_line(kept.line),
            lambda kept: _requeue(house, readdressed(kept.line, kept.address), kept.address),
        )
        addresses = {row.address for row in _pending(house)} if moved else set()
    click.echo(f"{moved} runs come again")
    return _deliver(addresses, timeout, db_url)


@spool.command()
@click.argument("source")
@click.argument("target", required=False)
@click.confirmation_option(prompt="Deliver them as somebody else?")
def adopt(source: str, target: str | None) -> int:
    """Let runs that wait as SOURCE go out as TARGET.

    For a rotated key, or a service that got a new name. SOURCE is an id or an address that
    `impactree spool status` shows. TARGET is an address; without one, it is what an exporter to
    the same destination with this environment's settings goes as. Only what ended processes left
    is adopted; the next process that exports as TARGET delivers it, or `impactree spool replay`.
    """
    from impactree.delivery.codec import is_line, readdressed

    with _open() as house:
        waiting = {row.address for row in _pending(house) if not row.alive}
        old = next((a for a in sorted(waiting) if source in (a, digest(a))), None)
        if old is None:
            known = ", ".join(f"{digest(a)} ({clean(a)})" for a in sorted(waiting)) or "nothing"
            raise ConfigurationError(f"nothing waits as {source!r:.100}; what waits: {known}")
        new = target or _here(Address.parse(old))
        if new == old:
            raise ConfigurationError(f"{clean(old)} is what this environment goes as already")
        moved = 0
        for left in house.others():
            folder = left.load()
            while batch := folder.read(old):
                for line in batch.lines:
                    if is_line(line):
                        _requeue(house, readdressed(line, new, old), new)
                        moved += 1
                    else:
                        house.aside.put(Kept(old, "not a journal line", time.time(), None, line))
                folder.check_off(old, batch)
            if not folder.addresses:
                house.remove(left)
    click.echo(f"{moved} runs that waited as {clean(old)} now go out as {clean(new)}")
    return 0


@spool.command()
@click.confirmation_option(prompt="Give up what ended processes left, and what is set aside?")
def clear() -> None:
    """Give up what ended processes left, and what is set aside."""
    with _open() as house:
        count = sum(row.runs for row in _pending(house) if not row.alive)
        for left in house.others():
            house.remove(left)
        aside = house.aside.take(lambda kept: True, lambda kept: None)
    click.echo(f"{count} deliveries given up" + (f", and {aside} set aside" if aside else ""))


@contextmanager
def _open() -> Iterator[House]:
    """The spool's folder.

    Raises:
        ConfigurationError: it cannot be used; the text says what to do.
    """
    # What is adopted or comes again is there twice for a moment: no reason to give others up.
    house = House(spool_folder(), 2 * max_bytes())
    try:
        house.base()
    except OSError as error:
        where = clean(str(house.path))
        raise ConfigurationError(f"the spool folder {where} is not used: {reason(error)}") from None
    try:
        yield house
    finally:
        house.close()


def _pending(house: House) -> Iterator[_Row]:
    """A row per folder and address with something pending."""
    for left in house.others(alive=True):
        try:
            folder: Folder = left.load()
        except OSError as error:
            click.echo(f"{left.name} cannot be read: {reason(error)}", err=True)
            continue
        process = left.name.partition("-")[0]
        for address in sorted(folder.addresses):
            yield _Row(digest(address), address, folder.count(address), process, left.alive)


def _requeue(house: House, line: bytes, address: str) -> None:
    if not house.write([line], [address]):
        raise ConfigurationError(f"the spool folder {clean(str(house.path))} takes nothing")


def _deliver(addresses: set[str], timeout: float, db_url: str | None) -> int:
    from impactree.delivery.spool import spool as process_spool

    exporters = []
    for address in sorted(addresses):
        try:
            exporter = _exporter_for(Address.parse(address), db_url)
        except ImpactreeError as error:  # a missing extra: the others go
            click.echo(f"left: {clean(address)}: {clean(str(error))}")
            continue
        if exporter is None:
            click.echo(
                f"left: {clean(address)}: the next process that exports there delivers it"
                + (" as the same owner" if Address.parse(address).owner else "")
            )
        else:
            exporters.append(exporter)
    if exporters:
        process_spool().flush(timeout, exporters)
    with _open() as house:
        left = sum(row.runs for row in _pending(house) if not row.alive)
    click.echo(f"{left} deliveries wait" if left else "nothing waits")
    return 1 if left else 0


def _exporter_for(address: Address, db_url: str | None) -> SpooledExporter | None:
    """An exporter for an address as the spool has it; None where that is not enough."""
    made = _made(address, db_url)
    matches = made is not None and Address(made.destination, made.owner) == address
    return made if matches else None


def _made(address: Address, db_url: str | None) -> SpooledExporter | None:
    """An exporter with the address's options, else with this environment's."""
    from impactree import exporters

    kind, _, rest = address.destination.partition(":")
    owner = address.owner
    if kind == "jsonl":
        return exporters.JSONLExporter(rest, **{k: _number(v) for k, v in owner.items()})
    if kind == "parquet":
        return exporters.ParquetExporter(rest)
    if kind == "codecarbon":
        return exporters.CodeCarbonExporter(rest)
    if kind == "sql":
        return exporters.SQLExporter(db_url or rest)
    if kind == "langsmith":
        return exporters.LangSmithExporter(project=owner.get("project"))
    return None


def _here(address: Address) -> str:
    """What this environment goes as, to the same destination."""
    if address.destination.partition(":")[0] == "langsmith":
        from impactree.exporters import LangSmithExporter

        exporter: SpooledExporter = LangSmithExporter()
        if exporter.destination != address.destination:
            raise ConfigurationError(
                f"this environment's LangSmith is {clean(exporter.destination)}, not "
                f"{clean(address.destination)}: set LANGSMITH_ENDPOINT, or name the target"
            )
        return str(Address(exporter.destination, exporter.owner))
    raise ConfigurationError(
        f"name whom {clean(address.destination)} shall go as: an address as `impactree spool "
        "status` shows it"
    )


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise ConfigurationError(f"expected a number among the address's options, not {text!r:.80}")
    return int(text)
