"""What waits belongs to whom it goes as: nobody else delivers it, until it is adopted."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from exporter_helpers import Sink, ids, run_tree  # type: ignore[import-not-found]
from hypothesis import given
from hypothesis import strategies as st
from test_exporters_cli import impactree  # type: ignore[import-not-found]

from impactree import ImpactTracker
from impactree.delivery import spool
from impactree.delivery.address import Address, digest, keyed_hash
from impactree.exporters import JSONLExporter, TreeRejectedError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path


class Owned(Sink):
    def __init__(self, whose: str, *errors: BaseException) -> None:
        super().__init__("shared", *errors)
        self.whose = whose

    @property
    def owner(self) -> Mapping[str, str]:
        return {"service": self.whose}


texts = st.text(max_size=20)


@given(texts, st.dictionaries(texts.filter(bool), texts, max_size=3))
def test_an_address_comes_back_from_its_text(destination: str, owner: dict[str, str]) -> None:
    address = Address(destination, owner)
    if owner:
        assert Address.parse(str(address)) == address
    assert "\n" not in str(Address("a\nb", {"x": "y\nz"}))


@given(st.tuples(texts, texts, texts, texts))
def test_two_owners_never_share_an_address(parts: tuple[str, str, str, str]) -> None:
    one, other = Address(parts[0], {"k": parts[1]}), Address(parts[2], {"k": parts[3]})
    assert (str(one) == str(other)) == (one == other)


def test_another_owners_runs_are_left_alone(dies: Callable[[], None]) -> None:
    run_tree(ImpactTracker(exporters=[Owned("a", *[OSError()] * 9)]))
    dies()
    b = Owned("b")
    mine = str(run_tree(ImpactTracker(exporters=[b])))
    assert ImpactTracker(exporters=[b]).flush(5)
    assert ids(b) == [mine]
    assert ": 1 deliveries wait" in impactree("spool", "status").output


def test_two_exporters_to_one_endpoint_are_two_lanes() -> None:
    a, b = Owned("a"), Owned("b")
    first, second = ImpactTracker(exporters=[a]), ImpactTracker(exporters=[b])
    of_a, of_b = str(run_tree(first)), str(run_tree(second))
    assert first.flush(5)
    assert second.flush(5)
    assert (ids(a), ids(b)) == ([of_a], [of_b])


def test_adopting_says_what_it_does_and_lets_them_go(dies: Callable[[], None]) -> None:
    root = str(run_tree(ImpactTracker(exporters=[Owned("old", *[OSError()] * 9)])))
    dies()
    old, new = "test:shared [service=old]", "test:shared [service=new]"
    assert impactree("spool", "adopt", digest(old), input="n\n").exit_code == 130
    refused = impactree("spool", "adopt", "nobody", new, "--yes")
    assert refused.output.startswith("impactree: nothing waits as 'nobody'; what waits: ")
    assert impactree("spool", "adopt", digest(old), "--yes").exit_code == 2  # whose, then?
    done = impactree("spool", "adopt", digest(old), new, "--yes")
    assert done.output == f"1 runs that waited as {old} now go out as {new}\n"
    heir = Owned("new")
    assert ImpactTracker(exporters=[heir]).flush(5)
    assert ids(heir) == [root]


def test_a_replay_uses_the_exporters_own_rotation(tmp_path: Path, dies: Callable[[], None]) -> None:
    """30 roots, of which a rotation of another size would write some twice, or lose them."""
    path = tmp_path / "later" / "impacts.jsonl"
    tracker = ImpactTracker(exporters=[JSONLExporter(path, max_bytes=20_000, backups=50)])
    roots = [str(run_tree(tracker)) for _ in range(30)]
    dies()
    path.parent.mkdir()
    assert impactree("spool", "replay", "--timeout", "10").output == "nothing waits\n"
    files = sorted(path.parent.glob("impacts.jsonl*"))
    assert len(files) > 5
    assert all(file.stat().st_size <= 20_000 for file in files)
    found = [json.loads(line)["id"] for file in files for line in file.read_text().splitlines()]
    assert sorted(found) == sorted(roots)


def test_what_was_set_aside_is_listed_and_sent_again(spool_dir: Path) -> None:
    class Picky(Sink):
        def deliver(self, trees: Any) -> None:
            if any(tree.root.name == "bad\x1b[2J" for tree in trees):
                raise TreeRejectedError("HTTP 422 \x1b]0;owned\x07")
            super().deliver(trees)

    tracker = ImpactTracker(exporters=[Picky("x")])
    run_tree(tracker, name="bad\x1b[2J")
    run_tree(tracker, name="good")
    assert tracker.flush(10)
    health = tracker.health()["test:x"]
    assert (health["delivered"], health["set_aside"], health["dropped"]) == (1, 1, 0)
    assert any("set aside" in name for name in tracker.problems)
    spool._close()
    shown = impactree("spool", "status").output
    assert "1 runs are set aside" in shown
    assert "HTTP 422" in shown
    assert "\x1b" not in shown
    assert "1 runs come again" in impactree("spool", "retry", "--timeout", "1").output
    assert "set aside" not in impactree("spool", "status").output
    heir = Sink("x")
    assert ImpactTracker(exporters=[heir]).flush(5)
    assert [tree.root.name for tree in heir.trees] == ["bad\x1b[2J"]


def test_a_keyed_hash_tells_keys_apart_and_is_each_spools_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = keyed_hash("sk-one")
    assert one == keyed_hash("sk-one") != keyed_hash("sk-two")
    monkeypatch.setenv("IMPACTREE_SPOOL_DIR", str(tmp_path / "another"))
    assert keyed_hash("sk-one") != one
    assert {p.stat().st_mode & 0o777 for p in (tmp_path / "another").iterdir()} == {0o600}


def test_another_key_or_project_of_langsmith_is_another_owner(service: Any) -> None:
    import langsmith

    from impactree.exporters import LangSmithExporter

    def owner(**options: Any) -> Mapping[str, str]:
        project = options.pop("project", None)
        client = langsmith.Client(api_url=service.url, auto_batch_tracing=False, **options)
        return LangSmithExporter(client=client, project=project).owner

    assert owner(api_key="a") == owner(api_key="a") != owner(api_key="b")
    assert owner(api_key="a", project="p") != owner(api_key="a", project="q")
    one = owner(api_key="a", workspace_id="ws")
    assert one == owner(api_key="rotated", workspace_id="ws")
    assert one["workspace"] == "ws"


def test_another_service_of_opentelemetry_is_another_owner() -> None:
    pytest.importorskip("opentelemetry.sdk")
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.resources import Resource

    from impactree.exporters import OTelExporter

    def owner(name: str) -> Mapping[str, str]:
        resource = Resource.create({"service.name": name})
        return OTelExporter(meter_provider=MeterProvider(resource=resource)).owner

    assert owner("a") == {"service.name": "a"} != owner("b")


def test_a_damaged_line_is_set_aside_when_the_others_are_adopted(
    dies: Callable[[], None], spool_dir: Path
) -> None:
    run_tree(ImpactTracker(exporters=[Owned("a", *[OSError()] * 9)]))
    dies()
    (journal,) = spool_dir.glob("*/*.jsonl")
    line = journal.read_bytes()
    journal.write_bytes(line.replace(b'"runs":', b'"ru\xffs:') + line)
    old, new = "test:shared [service=a]", "test:shared [service=b]"
    done = impactree("spool", "adopt", digest(old), new, "--yes")
    assert "1 runs that waited as" in done.output
    status = impactree("spool", "status")
    assert "1 runs are set aside" in status.output
    assert "not a journal line" in status.output
