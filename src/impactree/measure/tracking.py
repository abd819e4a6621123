"""What a tracker does with energy that need not be estimated."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from weakref import ref

from impactree.calls import KnownEnergy, ModelCall
from impactree.calls.reported_energy import ReportedEnergy, read_reported
from impactree.loops import off_loop
from impactree.runs import run_key
from impactree.values.impacts import Impacts
from impactree.values.sources import as_by_source

if TYPE_CHECKING:
    from impactree.calls.building import Asked
    from impactree.engine import Engine
    from impactree.measure.ledger import Claim
    from impactree.measure.measurement import Measurement
    from impactree.measure.measuring import Measuring
    from impactree.measure.scope import Verdict
    from impactree.runs import Run
    from impactree.runs.trees import RunTrees

__all__ = ["KnowsEnergy"]

_KINDS: Final = frozenset({"chat", "completion", "embedding", "rerank"})
"""Of runs that may be measured."""


class _Held(NamedTuple):
    run: ref[Run] | None
    """None: its run has not started yet."""
    claim: Claim
    class_name: str | None
    verdict: Verdict | None
    """At its start; None: nothing was known of it."""


class KnowsEnergy:
    """Puts known energy on calls; a tracker inherits this."""

    engine: Engine
    _trees: RunTrees
    knows_energy = measures = False
    """Whether any call may have some; whether some may be measured."""
    _reported: ReportedEnergy | None = None
    _measurement: Measurement | None = None
    _measuring: Measuring | None = None

    if TYPE_CHECKING:

        def note_problem(self, name: str, error: BaseException | None = None) -> None:  # noqa: D102
            ...

    def watch_energy(self, measure: Any = None) -> None:
        """Read the settings.

        Raises:
            ConfigurationError: one is wrong.
            MissingExtraError: nothing on this machine can be read without CodeCarbon.
        """
        settings = getattr(self.engine, "settings", None)  # a user's own engine may have none
        if settings is not None:
            self._reported = read_reported(settings.reported_energy)
            measure = settings.measure if measure is None else measure
        self._held: dict[Any, _Held] = {}
        if measure:
            from impactree.measure.measurement import read_measurement  # with the catalog's code

            self._measurement = read_measurement(measure)
            self._measuring = measuring = self._measurement.measuring()
            measuring.notes.add(self)
            measuring.start()
            self._nobodys_before = measuring.ledger.unattributed()
        self.measures = self._measuring is not None
        self.knows_energy = self._reported is not None or self.measures

    @property
    def unattributed(self) -> Impacts | None:
        """What was read since the tracker was made and no call can claim; in no total.

        None where nothing is measured.
        """
        if self._measuring is None:
            return None
        if self._measuring.ready:
            self._measuring.ledger.tick()
        now = self._measuring.ledger.unattributed()
        before = self._nobodys_before
        left = {source: max(0.0, kwh - before.get(source, 0.0)) for source, kwh in now.items()}
        if not left:
            return Impacts.zero()
        found = self.engine.estimate(ModelCall(model="-", provider="local", energy_kwh=left))
        return Impacts(
            found.figures, by_source=found.by_source, estimated_calls=0, unestimated_calls=0
        )

    @property
    def metered(self) -> dict[str, Any]:
        """What a report shows of it."""
        return {"unattributed": self.unattributed, "metering": self.metering}

    @property
    def metering(self) -> str | None:
        """What is read and how, in a line; None where nothing is measured."""
        measuring = self._measuring
        if measuring is None:
            return None
        if not measuring.ready:
            return f"the meter has not started: {measuring.failed or 'it is about to'}"
        return measuring.ledger.meter.describe()

    # What the tracker tells

    def measure_from(self, run: Run) -> None:
        """A run has started: from now on energy may be its; never raises."""
        if run.kind not in _KINDS or self._measuring is None or self._measurement is None:
            return
        try:
            self._sweep(self._measuring)
            self._open(self._measuring, run.key, run.pending, ref(run))
        except Exception as error:
            self.note_problem(f"energy reading: {type(error).__name__}", error)

    def measure_ahead(self, run_id: Any, pending: Any) -> None:
        """A call has started whose run is told at its end alone; never raises."""
        try:
            if self._measuring is not None:
                self._open(self._measuring, run_key(run_id), pending, None)
        except Exception as error:
            self.note_problem(f"energy reading: {type(error).__name__}", error)

    def with_energy(
        self, call: ModelCall | None, run: Run | None, *, cached: bool
    ) -> tuple[ModelCall | None, Claim | None]:
        """The call with the energy that is known of it; never raises.

        Returns:
            The call; and the claim of one whose share is not final yet.
        """
        held = None if run is None else self._held.pop(run.key, None)
        try:
            if held is not None and self._measuring is not None:
                self._measuring.stop(held.claim)
            if call is None or cached:
                self._cancel(run, held)
                return call, None
            if self._reported is not None:
                call = self._reported.of(call, getattr(run and run.pending, "places", ()))
            if self._measuring is None:
                return call, None
            return self._measured(call, run, held)
        except Exception as error:
            self.note_problem(f"known energy: {type(error).__name__}", error)
        return call, None

    def settle_if_known(self, run_id: Any, call: ModelCall, claim: Claim) -> None:
        """The last of the calls that share with this one may have ended meanwhile."""
        if not claim.waiting:
            self.settled(run_id, call, claim)

    def settled(self, run_id: Any, call: ModelCall, claim: Claim) -> None:
        """All of an ended call's share is known now."""
        try:
            self._trees.amend(run_id, _with_share(call, claim, claim.shares))
        except Exception as error:
            self.note_problem(f"known energy: {type(error).__name__}", error)

    # Inside

    def _open(self, measuring: Measuring, key: Any, pending: Any, run: ref[Run] | None) -> None:
        asking = getattr(pending, "asking", None)
        asked: Asked | None = asking() if asking is not None else None
        class_name = None if asked is None else asked.class_name
        verdict = None if asked is None else self._verdict(_as_call(asked), class_name)
        if verdict is not None and not verdict.here:
            return
        claim = measuring.open(key)
        if claim is not None:
            self._held[key] = _Held(run, claim, class_name, verdict)

    def _measured(
        self, call: ModelCall, run: Run | None, held: _Held | None
    ) -> tuple[ModelCall, Claim | None]:
        measuring = self._measuring
        assert measuring is not None  # noqa: S101
        if call.energy is not None or call.kind not in _KINDS:
            self._cancel(run, held)
            return call, None
        verdict = self._verdict(call, None if held is None else held.class_name)
        if verdict.note == "energy-of-unknown-server" and held is not None and held.verdict:
            verdict = held.verdict  # its server has ended meanwhile
        if not verdict.here:
            self._cancel(run, held)
            note = verdict.note
            return (_noted(call, note) if note else call), None
        if held is None or run is None:
            return _noted(call, "energy-not-read"), None
        final = measuring.close(run.key, held.claim, _tokens(call))
        if not self.engine.read(call).host.local:  # a name that elsewhere is a cloud's
            call = replace(call, provider="local")
        if self._others_compute(verdict):
            held.claim.notes = ("energy-gpu-shared",)
        if final:
            return _with_share(call, held.claim, held.claim.shares), None
        part = measuring.ledger.so_far(held.claim)
        told = partial(self.settled, run.id, call, held.claim)
        held.claim.on_settled.append(told)
        self._trees.wait_for(run.key)
        return _with_share(call, held.claim, part), held.claim

    def _cancel(self, run: Run | None, held: _Held | None) -> None:
        if held is not None and run is not None and self._measuring is not None:
            self._measuring.cancel(run.key, held.claim)

    def _verdict(self, call: ModelCall, class_name: str | None) -> Verdict:
        assert self._measurement is not None  # noqa: S101
        return self._measurement.scope.judge(call, class_name)

    def _others_compute(self, verdict: Verdict) -> bool:
        """Whether processes that are not the model's compute on the GPUs, too."""
        if not verdict.pids or self._measuring is None:
            return False
        users = off_loop(self._measuring.ledger.meter.gpu_users) - verdict.pids
        if not users:
            return False
        from impactree.measure.listeners import others_among

        return off_loop(lambda: others_among(users, verdict.pids))

    def _sweep(self, measuring: Measuring) -> None:
        """Let go of calls that nobody will end."""
        for key, held in list(self._held.items()):
            if held.run is None:
                continue
            run = held.run()
            if (run is None or run.end is not None) and self._held.pop(key, None) is not None:
                measuring.cancel(key, held.claim)


def _as_call(asked: Asked) -> ModelCall:
    return ModelCall(
        model=asked.requested or asked.class_name, provider=asked.provider, base_url=asked.base_url
    )


def _noted(call: ModelCall, note: str) -> ModelCall:
    return replace(call, usage_notes=(*call.usage_notes, note))


def _tokens(call: ModelCall) -> float | None:
    """What a call had the model work on; None where one of both is not known."""
    read, wrote = call.input_tokens, call.output_tokens
    if read is None or wrote is None:
        return None
    return max(0, read - (call.cached_input_tokens or 0)) + wrote


def _with_share(call: ModelCall, claim: Claim, shares: dict[str, float]) -> ModelCall:
    if claim.failed == "energy-no-reading":
        return replace(call, energy=KnownEnergy(by_source=(), notes=(claim.failed,)))
    if claim.failed or not sum(shares.values()) > 0:
        return _noted(replace(call, energy=None), claim.failed or "energy-reading-zero")
    notes = (*claim.notes, *(("energy-by-tokens",) if claim.overlapped else ()))
    return replace(call, energy=KnownEnergy(by_source=as_by_source(dict(shares)), notes=notes))
