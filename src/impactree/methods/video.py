"""Generating films: the equations of EcoLogits 0.11, for every method that has none of its own.

A regression of how long a machine works on a film, by pixels, frames and their product; energy is
that time by the power of the whole machine. Equations, machines and operators:
https://ecologits.ai/latest/methodology/video_generation/, ``docs/methodology/video.md``; figures:
``data/video.toml`` (MPL-2.0). Left out: reading the prompt, storage, streaming.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from impactree.methods.protocol import Constant, Judgement, Step, choose, result_steps
from impactree.values.figures import Figures
from impactree.values.messages import message

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from impactree.methods.situation import FactorChoice, Situation

__all__ = ["VideoMethod", "VideoPlan"]

LIFETIME_S: Final = 3 * 365 * 24 * 60 * 60
"""Of a machine, s."""
_PAGE: Final = "https://ecologits.ai/latest/methodology/video_generation/"
_LATENCY: Final = ("n", "m", "m1", "m2", "n1", "n2", "g")


class VideoPlan(NamedTuple):
    """What follows from the model and the place."""

    n: float
    """s per frame and pixel squared; the others likewise, see ``data/video.toml``."""
    m: float
    m1: float
    m2: float
    n1: float
    n2: float
    g: float
    silent: float
    """By which the time is less without sound."""
    it_mean: float
    """kWh per s of the machine; energy: with the data centre."""
    energy_min: float
    energy_mean: float
    energy_max: float
    water_min: float
    """L per s."""
    water_mean: float
    water_max: float
    gwp_per_kwh: float
    adpe_per_kwh: float
    pe_per_kwh: float
    pixels_min: float
    """Of the resolutions that the model is listed with; then the frames."""
    pixels_max: float
    frames_min: float
    frames_max: float
    sounds: float
    """Whether the model is listed as making sound."""
    made_gwp: float
    """Embodied, per s."""
    made_adpe: float
    made_pe: float


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoMethod:
    """The equations under the name of a method.

    Args:
        name: Of the method.
        factors: Whose electricity factors it uses.
        borrowed: Whether the equations are another method's, which each estimate then says; its
            expected value is that of the mean power, not the middle of the range.
    """

    name: str
    factors: FactorChoice
    borrowed: bool
    citation: str = f"EcoLogits 0.11.3, video generation, {_PAGE}"
    checked: str = "2026-11-29"
    interval: str = "Films: the range of the machine's power, 95 %."
    plans_hardware: bool = False
    linear: bool = False

    def covers(self, kind: str, *, via: str | None = None) -> bool:
        """Films."""
        return kind == "video"

    def constants(self) -> list[Constant]:
        """What holds for every model; the rest stands with the model."""
        days, licence = LIFETIME_S / 86400, "MPL-2.0 (EcoLogits)"
        rows = [("lifetime", "machine", days, "days", "assumption", _PAGE)]
        rows.append(("fps", "frames a second, and one", 24.0, "1/s", "assumption", _PAGE))
        return [Constant(*row, licence=licence) for row in rows]

    def judge(self, quantities: Any, kind: str = "video", plan: Any = None) -> Judgement:
        """A film needs its size and length; of one without a word on sound, sound is counted.

        One that the model is not listed with is estimated, and named.
        """
        if quantities.pixels is None:
            return _NO_SIZE
        if quantities.frame_count is None:
            return _NO_LENGTH
        known = _BORROWED if self.borrowed else _KNOWN
        beyond = "" if plan is None else _beyond(plan, quantities)
        if not beyond:
            return known
        return Judgement((*known.warnings, message("video-extrapolated", beyond)))

    def plan(self, situation: Situation) -> VideoPlan:
        """Everything that depends on the model and the place alone."""
        video, site, mix = situation.video, situation.site, situation.mix
        assert video is not None  # noqa: S101  # the engine asks for none else
        low, mean, high = (watts / 1000 / 3600 for watts in video["power"])
        energy = [kwh * p for kwh, p in zip((low, mean, high), site.pue, strict=True)]
        needs = (w + p * mix.wue for w, p in zip(site.wue, site.pue, strict=True))
        water = [kwh * need for kwh, need in zip((low, mean, high), needs, strict=True)]
        if not self.borrowed:
            mean, energy[1] = (low + high) / 2, (energy[0] + energy[2]) / 2
            water[1] = (water[0] + water[2]) / 2
        made = zip(video["rest"], video["accelerator"], strict=True)
        figures = (
            *(video["latency"].get(name, 0.0) for name in _LATENCY),
            *(video["silent"], mean, *energy, *water, mix.gwp, mix.adpe, mix.pe),
            *_listed(video),
            *((rest + video["accelerators"] * one) / LIFETIME_S for rest, one in made),
        )
        return VideoPlan._make(figures)

    def impacts(
        self,
        plan: VideoPlan,
        quantities: Any,
        latency_s: Any = None,
        *,
        where: Callable[[Any, Any, Any], Any] = choose,
    ) -> Figures:
        """The figures of one call: usage and embodied."""
        return _figures(plan, _seconds(plan, quantities, latency_s, where))

    def steps(self, plan: VideoPlan, quantities: Any, latency_s: float | None = None) -> list[Step]:
        """Every intermediate of :meth:`impacts`, in order."""
        busy = _seconds(plan, quantities, latency_s, choose)
        pixels, frames = quantities.pixels, quantities.frame_count
        return [
            Step("p", "pixels of a frame", pixels, pixels, pixels, "", "width height"),
            Step("f", "frames", frames, frames, frames, "", "24 t + 1"),
            Step("T", "time of the machine", busy, busy, busy, "s", _TIME),
            *result_steps(_figures(plan, busy), "PUE P T / 3600", _WATER, (_MADE,) * 3),
        ]


def _seconds(
    plan: VideoPlan, quantities: Any, latency_s: Any, where: Callable[[Any, Any, Any], Any]
) -> Any:
    """How long a machine works on the films of one call."""
    pixels, frames = quantities.pixels, quantities.frame_count
    volume = pixels * frames / 1000
    square = pixels * pixels
    busy = plan.n * frames * square + plan.m * volume + plan.m1 * frames + plan.m2 * square
    busy = busy + plan.n1 * frames * frames + plan.n2 * volume * volume + plan.g
    busy = busy * where(quantities.silent, plan.silent, 1.0)
    if latency_s is not None:
        busy = where(latency_s < busy, latency_s, busy)
    return busy * quantities.pieces


def _figures(plan: VideoPlan, busy: Any) -> Figures:
    e_lo, e, e_hi = busy * plan.energy_min, busy * plan.energy_mean, busy * plan.energy_max
    gwp, adpe, pe = plan.gwp_per_kwh, plan.adpe_per_kwh, plan.pe_per_kwh
    made = [busy * one for one in plan[-3:]]
    none = 0.0 * busy
    figures = (
        *(e_lo, e, e_hi, e_lo * gwp, e * gwp, e_hi * gwp, e_lo * adpe, e * adpe, e_hi * adpe),
        *(e_lo * pe, e * pe, e_hi * pe),
        *(busy * plan.water_min, busy * plan.water_mean, busy * plan.water_max),
        *(one for one in made for _ in range(3)),
        *(none, none, busy * plan.it_mean, none, busy * (plan.energy_mean - plan.it_mean)),
    )
    return Figures(*figures)


def _listed(video: Mapping[str, Any]) -> tuple[float, ...]:
    """Fewest and most pixels and frames that the model is listed with, and whether it sounds."""
    pixels = [math.prod(map(int, size.split("x"))) for size in video["resolutions"]]
    frames = video["frames"]
    ends = (min(pixels), max(pixels), min(frames), max(frames))
    return (*map(float, ends), float(video["sound"]))


def _beyond(plan: VideoPlan, quantities: Any) -> str:
    """In what a film leaves what its model is listed with; empty: in nothing."""
    found = []
    for what, value, low, high in (
        ("pixels", quantities.pixels, plan.pixels_min, plan.pixels_max),
        ("frames", quantities.frame_count, plan.frames_min, plan.frames_max),
    ):
        if not low <= value <= high:
            listed = f"{low:,.0f}" if low == high else f"{low:,.0f} to {high:,.0f}"
            found.append(f"{value:,} {what}, listed {listed}")
    if quantities.sound and not plan.sounds:
        found.append("sound, listed without")
    return f"({'; '.join(found)}.)" if found else ""


_TIME: Final = "min(n f p^2 + m p f/1000 + m1 f + m2 p^2 + n1 f^2 + n2 (p f/1000)^2 + g, L)"
_WATER: Final = "P T / 3600 (WUE_dc + PUE WUE_grid)"
_MADE: Final = "T (rest + accelerators) / lifetime"
_KNOWN: Final = Judgement()
_BORROWED: Final = Judgement(warnings=(message("video-by-ecologits"),))
_NO_SIZE: Final = Judgement(errors=(message("resolution-unknown"),))
_NO_LENGTH: Final = Judgement(errors=(message("length-unknown"),))

BY_METHOD: Final = {
    "ecologits-0.11": VideoMethod(
        name="ecologits-0.11", factors="ecologits-0.11.3", borrowed=False
    ),
    "impactree-1": VideoMethod(name="impactree-1", factors="yearly", borrowed=True),
}
