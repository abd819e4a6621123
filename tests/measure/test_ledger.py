"""Readings are shared among the calls of their time: nothing is lost, nothing counts twice."""

from __future__ import annotations

import math
import random
import threading

import pytest
from fake_meter import Clock, FakeMeter
from hypothesis import given, settings
from hypothesis import strategies as st

from impactree.measure import Ledger

KWH = 1e-3
"""What 3600 W take in a second."""


def ledger(meter=None, clock=None, **more):
    clock = clock or Clock()
    problems = []
    made = Ledger(
        meter or FakeMeter(),
        note=lambda name, error: problems.append(name),
        clock=clock,
        wall=clock.wall,
        **more,
    )
    made.start()
    return made, clock, problems


def total(energies):
    return math.fsum(energies.values())


def test_one_call_has_what_was_read_in_its_time():
    book, clock, _ = ledger(FakeMeter(cpu_w=3600, ram_w=360))
    clock.now = 5
    claim = book.open()
    clock.now = 7
    assert book.close(claim, 100)
    assert claim.shares == pytest.approx({"measured": 2 * KWH, "modelled": 0.2 * KWH})
    clock.now = 10
    book.tick()
    assert book.unattributed() == pytest.approx({"measured": 8 * KWH, "modelled": 0.8 * KWH})


def test_calls_of_the_same_time_share_by_their_tokens():
    book, clock, _ = ledger()
    told = []
    first, second = book.open(), book.open()
    first.on_settled.append(lambda: told.append("first"))
    clock.now = 4
    assert not book.close(first, 100)
    assert book.so_far(first) == pytest.approx({"measured": 2 * KWH})  # as if both went on alike
    assert book.close(second, 300)
    assert told == ["first"]
    assert first.shares == pytest.approx({"measured": 1 * KWH})
    assert second.shares == pytest.approx({"measured": 3 * KWH})
    assert first.overlapped
    assert second.overlapped


def test_in_a_part_of_the_time_tokens_per_second_count():
    """The first, 100 tokens in 10 s, is alone for 5 s; the second, 100 in 5 s, is twice as fast."""
    book, clock, _ = ledger()
    first = book.open()
    clock.now = 5
    second = book.open()
    clock.now = 10
    book.close(first, 100)
    book.close(second, 100)
    assert total(first.shares) == pytest.approx((5 + 5 / 3) * KWH)
    assert total(second.shares) == pytest.approx(5 * 2 / 3 * KWH)


@pytest.mark.parametrize(("tokens", "parts"), [((None, 30), (0.5, 0.5)), ((0, 0), (0.5, 0.5))])
def test_tokens_that_nobody_knows_count_as_the_others(tokens, parts):
    book, clock, _ = ledger()
    claims = [book.open() for _ in tokens]
    clock.now = 1
    for claim, count in zip(claims, tokens, strict=True):
        book.close(claim, count)
    assert [total(claim.shares) for claim in claims] == pytest.approx([p * KWH for p in parts])


def test_what_ran_elsewhere_takes_no_share():
    book, clock, _ = ledger()
    here, cloud = book.open(), book.open()
    clock.now = 1
    assert not book.close(here, 10)
    book.cancel(cloud)
    assert total(here.shares) == pytest.approx(KWH)
    alone = book.open()
    clock.now = 3
    book.cancel(alone)
    book.cancel(alone)
    assert total(book.unattributed()) == pytest.approx(2 * KWH)


def test_the_idle_machine_is_nobodys():
    book, clock, _ = ledger(FakeMeter(cpu_w=100), baseline_w=40)
    claim = book.open()
    clock.now = 36
    book.close(claim, 1)
    assert total(claim.shares) == pytest.approx(60 * 36 / 3.6e6)
    assert total(book.unattributed()) == pytest.approx(40 * 36 / 3.6e6)
    much, clock, _ = ledger(FakeMeter(cpu_w=100), baseline_w=400)
    claim = much.open()
    clock.now = 36
    much.close(claim, 1)
    assert claim.failed == "energy-reading-zero"
    assert total(much.unattributed()) == pytest.approx(100 * 36 / 3.6e6)


def test_a_reading_that_fails_is_counted_and_the_call_is_not_measured():
    meter = FakeMeter(cpu_w=3600, ram_w=360)
    book, clock, problems = ledger(meter)
    claim = book.open()
    clock.now = 1
    meter.missing = ("cpu",)
    book.tick()
    meter.missing = ()
    clock.now = 2
    book.close(claim, 10)
    assert claim.failed == "energy-reading-failed"
    assert problems == ["energy reading: cpu could not be read"]
    assert not claim.shares
    assert total(book.unattributed()) == pytest.approx(total(book.read_so_far()))
    again = book.open()
    clock.now = 3
    book.close(again, 10)
    assert total(again.shares) == pytest.approx(1.1 * KWH)


def test_a_meter_that_raises_is_counted_and_breaks_nothing():
    meter = FakeMeter()
    book, clock, problems = ledger(meter)
    clock.now = 1
    claim = book.open()
    meter.fails = OSError("gone")
    clock.now = 2
    assert book.close(claim, 10)
    assert claim.failed == "energy-reading-failed"
    assert problems == ["energy reading: OSError"]


def test_no_reading_at_all_has_a_code():
    book, clock, _ = ledger(FakeMeter(cpu_w=0))
    claim = book.open()
    clock.now = 1
    book.close(claim, 10)
    assert claim.failed == "energy-no-reading"


def test_counters_that_stand_still_are_no_measurement():
    meter = FakeMeter()
    book, clock, _ = ledger(meter)
    meter.powers["cpu"] = ("measured", 1e-300)
    meter.powers["ram"] = ("measured", 0.0)
    book.tick()
    claim = book.open()
    meter.read = lambda seconds: [type(meter).read(meter, 0.0)[0]]
    clock.now = 1
    book.close(claim, 10)
    assert claim.failed == "energy-reading-zero"


def test_a_machine_that_slept_has_not_been_measured():
    book, clock, problems = ledger()
    claim = book.open()
    clock.now, clock.slept = 1, 3600
    book.close(claim, 10)
    assert claim.failed == "energy-reading-failed"
    assert problems == ["energy reading: the machine slept, or its clock was set"]
    assert not total(book.read_so_far())


def test_more_than_a_machine_takes_is_a_counter_that_was_reset():
    book, clock, _ = ledger(FakeMeter(cpu_w=5e7))
    claim = book.open()
    clock.now = 1
    book.close(claim, 10)
    assert claim.failed


events = st.lists(
    st.tuples(
        st.sampled_from(["open", "close", "cancel", "tick", "fail"]),
        st.integers(0, 9),
        st.one_of(st.none(), st.integers(0, 10_000)),
        st.integers(0, 30),
    ),
    max_size=40,
)


@settings(max_examples=300)
@given(events, st.sampled_from([0.0, 50.0, 5000.0]))
def test_shares_and_what_is_nobodys_add_up_to_the_readings(steps, baseline_w):
    meter = FakeMeter(cpu_w=3600, ram_w=100)
    book, clock, _ = ledger(meter, baseline_w=baseline_w)
    open_claims, ended = [], []
    for what, which, tokens, seconds in steps:
        clock.now += seconds
        meter.missing = ("cpu",) if what == "fail" else ()
        if what in ("tick", "fail"):
            book.tick()
        elif what == "open":
            open_claims.append(book.open())
        elif open_claims:
            claim = open_claims.pop(which % len(open_claims))
            if what == "close":
                book.close(claim, tokens)
                ended.append(claim)
            else:
                book.cancel(claim)
    for claim in open_claims:
        clock.now += 1
        book.close(claim, 1)
    ended += open_claims
    for source, kwh in book.read_so_far().items():
        given_out = math.fsum(c.shares.get(source, 0.0) for c in ended if not c.failed)
        assert given_out + book.unattributed().get(source, 0.0) == pytest.approx(kwh, rel=1e-9)
    assert not any(claim.waiting for claim in ended)


def test_threads_lose_nothing():
    """32 calls at a time."""
    book = Ledger(FakeMeter(cpu_w=3600), note=lambda name, error: None)
    book.start()
    ended, gate = [], threading.Barrier(32)

    def calls():
        gate.wait()
        for _ in range(20):
            claim = book.open()
            book.close(claim, random.randint(1, 500))
            ended.append(claim)

    threads = [threading.Thread(target=calls) for _ in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    shared = math.fsum(total(c.shares) for c in ended if not c.failed)
    assert len(ended) == 640
    assert shared + total(book.unattributed()) == pytest.approx(total(book.read_so_far()), rel=1e-9)
