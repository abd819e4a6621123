"""For maintainers: compare ``data/`` with what the field publishes, and propose a diff.

Two packages are read as they are installed: ``ecologits`` (its models' figures) and
``genai-prices`` (the ids that providers sell).

    python data/scripts/catalog_diff.py [--data FOLDER] [--output FILE] [--json]
"""

from __future__ import annotations

import argparse
import datetime as dt
import difflib
import json
import sys
from dataclasses import asdict, dataclass, field
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from impactree.catalog._catalog import Catalog
from impactree.catalog._compile import compile_files
from impactree.catalog._resolve import resolve_name
from impactree.catalog._schema import read_file
from impactree.catalog._sources import data_files
from impactree.exceptions import CatalogError, ImpactreeError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from impactree.catalog._records import ModelRecord

__all__ = ["Difference", "compare", "main"]

_ECOLOGITS_MAKERS: Final = {"google_genai": "google", "mistralai": "mistral"}
_ECOLOGITS: Final = "https://ecologits.ai/latest/methodology/llm_inference/"
_PAIR = tuple[float, float]


@dataclass(slots=True)
class Difference:
    """What differs between ``data/`` and an upstream."""

    new: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    patch: str = ""
    """A unified diff of ``data/`` that takes over what is new and changed, for review."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)

    def summary(self) -> str:
        """One line per finding."""
        lines = [
            f"{word:8} {line}"
            for word, found in (("new", self.new), ("changed", self.changed), ("gone", self.gone))
            for line in found
        ]
        counts = f"{len(self.new)} new, {len(self.changed)} changed, {len(self.gone)} gone"
        return "\n".join([*lines, counts])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Figures:
    """An EcoLogits model in this catalog's terms."""

    name: str
    maker: str
    total: _PAIR
    active: _PAIR
    tps: float | None
    ttft: float | None
    warnings: tuple[str, ...]
    sources: tuple[str, ...]


def compare(folder: Path, today: dt.date | None = None) -> Difference:
    """Compare a data folder with the installed ``ecologits`` and ``genai-prices``.

    Raises:
        CatalogError: the folder's files are wrong.
        ImpactreeError: one of the packages is not installed.
    """
    today = today or dt.datetime.now(tz=dt.UTC).date()
    if not (folder / "names.toml").is_file():
        raise CatalogError(f"{folder}: no folder of a catalog, it has no names.toml")
    files = {path: read_file(path) for path in data_files(folder)}
    catalog = Catalog(compile_files([(path.name, file) for path, file in files.items()]))
    homes = {file.maker: path for path, file in reversed(files.items()) if file.maker}
    found = Difference()
    entries: dict[Path, list[str]] = {}
    for maker, entry in [*_ecologits(catalog, found, today), *_genai_prices(catalog, found, today)]:
        home = homes.get(maker)
        if home is not None:
            entries.setdefault(home, []).append(entry)
    found.patch = "".join(_diff(folder, path, texts) for path, texts in sorted(entries.items()))
    return found


def _ecologits(catalog: Catalog, found: Difference, today: dt.date) -> list[tuple[str, str]]:
    """Its models that this catalog lacks or holds with other figures."""
    theirs, version = _read_ecologits(catalog)
    entries = []
    for model in theirs:
        ours = catalog.record(model.name)
        if ours is not None and _same(ours, model):
            continue
        (found.new if ours is None else found.changed).append(f"{model.name} (ecologits {version})")
        entries.append((model.maker, _entry(model, version, today, dated=ours is not None)))
    listed = {model.name.lower() for model in theirs}
    for record in catalog.records():
        names = {record.id.lower(), *(alias.lower() for alias in record.aliases)}
        if record.is_from_ecologits and not names & listed:
            found.gone.append(f"{record.id} (no longer in ecologits {version}; keep the entry)")
    return entries


def _read_ecologits(catalog: Catalog) -> tuple[list[_Figures], str]:
    try:
        from ecologits import __version__
        from ecologits.model_repository import models
    except ImportError as error:
        raise _missing("ecologits") from error
    # Its repository drops the sources on loading, so they are read from its file.
    raw = json.loads((resources.files("ecologits") / "data" / "models.json").read_text("utf-8"))
    sources = {(m["provider"], m["name"]): tuple(m["sources"] or ()) for m in raw["models"]}
    figures = [
        _figures(catalog, m, sources.get((m.provider.value, m.name), ()))
        for m in models.list_models()
    ]
    return figures, __version__


def _missing(package: str) -> ImpactreeError:
    return ImpactreeError(f"{package} is not installed; it comes with: pip install {package}")


def _figures(catalog: Catalog, model: Any, sources: tuple[str, ...]) -> _Figures:
    size = model.architecture.parameters
    total, active = getattr(size, "total", size), getattr(size, "active", size)
    served = model.deployment
    maker = _ECOLOGITS_MAKERS.get(model.provider.value, model.provider.value)
    org, slash, _ = model.name.lower().rpartition("/")
    if slash:
        maker = catalog.org_makers.get(org, org)
    return _Figures(
        name=model.name,
        maker=maker,
        total=_pair(total),
        active=_pair(active),
        tps=getattr(served, "tps", None),
        ttft=getattr(served, "ttft", None),
        warnings=tuple(w.code for w in model.warnings or ()),
        sources=sources or (_ECOLOGITS,),
    )


def _pair(value: Any) -> _PAIR:
    low, high = getattr(value, "min", value), getattr(value, "max", value)
    return float(low), float(high)


def _same(ours: ModelRecord, theirs: _Figures) -> bool:
    if ours.total is None or ours.active is None:
        return False
    total, active = ours.ecologits_total or ours.total, ours.ecologits_total or ours.active
    sizes = (total.min, total.max), (active.min, active.max)
    rest = (ours.tps, ours.ttft, set(ours.warnings))
    return sizes == (theirs.total, theirs.active) and rest == (
        theirs.tps,
        theirs.ttft,
        set(theirs.warnings),
    )


def _entry(model: _Figures, version: str, today: dt.date, *, dated: bool) -> str:
    values: dict[str, Any] = {"id": model.name, "total": _plain(model.total)}
    if model.active != model.total:
        values["active"] = _plain(model.active)
    values.update({"tps": model.tps, "ttft": model.ttft, "warnings": list(model.warnings)})
    silent = "model-arch-not-released" in model.warnings
    why = "Expert estimate published by EcoLogits; the maker has not released the architecture."
    values["basis"] = "estimate" if silent else "published"
    values.update({"rationale": why if silent else None, "via": f"ecologits-{version}"})
    values["sources"] = list(model.sources)
    return _toml({k: v for k, v in values.items() if v not in (None, [])}, today, dated=dated)


def _plain(pair: _PAIR) -> Any:
    return pair[0] if pair[0] == pair[1] else list(pair)


def _genai_prices(catalog: Catalog, found: Difference, today: dt.date) -> list[tuple[str, str]]:
    """Ids that providers sell and that no entry answers for, and entries that nobody sells now."""
    try:
        from genai_prices.data_snapshot import get_snapshot
    except ImportError as error:
        raise _missing("genai-prices") from error
    entries: dict[str, tuple[str, str]] = {}
    sold = set()
    for provider in get_snapshot().providers:
        for model in provider.models:
            read = resolve_name(catalog, model.id, provider.id)
            sold.add(read.model)
            if read.model is not None and read.grade != "family":
                continue
            found.new.append(f"{model.id} at {provider.id} (genai-prices), now {read.grade}")
            core = model.id.rpartition("/")[2].lower()
            names_one = not core.endswith("latest") and core not in entries
            if names_one and read.maker is not None and provider.pricing_urls:
                values = {"id": core, "kind": read.kind, "sources": provider.pricing_urls[:1]}
                entries[core] = (read.maker, _toml(values, today, dated=False))
    found.gone += [
        f"{record.id} (figure from its price, but no id of genai-prices now)"
        for record in catalog.records()
        if record.basis == "price" and record.id not in sold
    ]
    return list(entries.values())


def _toml(values: dict[str, Any], today: dt.date, *, dated: bool) -> str:
    lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in values.items()]
    lines.append(f"checked = {today.isoformat()}")
    if dated:
        lines.append(f"from = {today.isoformat()}")
    return "\n".join(["", "[[models]]", *lines, ""])


def _diff(folder: Path, path: Path, entries: list[str]) -> str:
    before = path.read_text(encoding="utf-8")
    after = before + "".join(entries)
    name = f"{folder.name}/{path.relative_to(folder).as_posix()}"
    return "".join(
        difflib.unified_diff(
            before.splitlines(keepends=True),
            after.splitlines(keepends=True),
            f"a/{name}",
            f"b/{name}",
        )
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare and print. Returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[1], metavar="FOLDER")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the diff to a file")
    parser.add_argument("--json", action="store_true", help="print JSON")
    asked = parser.parse_args(arguments)
    try:
        found = compare(asked.data)
    except ImpactreeError as error:
        print(f"catalog_diff: {error}", file=sys.stderr)
        return 2
    if asked.output is not None:
        asked.output.write_text(found.patch, encoding="utf-8")
    if asked.json:
        print(json.dumps(found.to_dict(), indent=2, ensure_ascii=False))
    else:
        print(found.summary())
        if asked.output is None and found.patch:
            print("\n" + found.patch)
    return 0


if __name__ == "__main__":
    sys.exit(main())
