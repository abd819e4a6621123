"""Generating pictures: energy per picture as others measured it on open models, with wide bounds.

Nobody publishes what a picture by a closed model takes. Measured on open ones: medians of 0.086 to
4.08 Wh over 17 models (Bertazzini et al. 2025, arXiv 2506.17016), on average 2.907 Wh and at most
11.49 Wh over eight (Luccioni et al. 2024, arXiv 2311.16863, a node with A100s, one at a time). See
``docs/methodology/image.md``. Steps of denoising and the prompt are not used.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from impactree.methods.protocol import Constant, Judgement, Step, choose, result_steps
from impactree.values.figures import Figures
from impactree.values.messages import message

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from impactree.methods.situation import FactorChoice, Situation

__all__ = ["ImageMethod"]

WH: Final = (0.086, 2.907, 11.49)
"""Of the machine for one picture: low, expected, high."""
PIXELS: Final = 1024 * 1024
"""Of such a picture."""
POWER_W: Final = (1050.0, 700.0, 400.0)
"""Of a machine per accelerator, by which energy is time: the longest time is that of the least."""
SERVER: Final = (5700 / 8, 0.37 / 8, 70000 / 8)
"""Embodied kgCO2eq, kgSbeq and MJ of an eighth of a server without accelerators (BoaviztAPI)."""
LIFETIME_S: Final = (5 * 365 * 86400.0, 4 * 365 * 86400.0, 3 * 365 * 86400.0)
_LUCCIONI: Final = "https://arxiv.org/abs/2311.16863"
_BERTAZZINI: Final = "https://arxiv.org/abs/2506.17016"
_BOAVIZTA: Final = "https://github.com/Boavizta/boaviztapi"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageMethod:
    """The equations under the name of a method, with its electricity factors."""

    name: str
    factors: FactorChoice
    citation: str = "energy per picture as measured on open models, docs/methodology/image.md"
    checked: str = "2026-11-29"
    interval: str = "Pictures: from the least to the most that was measured on open models."
    plans_hardware: bool = False
    linear: bool = False

    def covers(self, kind: str, *, via: str | None = None) -> bool:
        """Pictures."""
        return kind == "image"

    def constants(self) -> list[Constant]:
        """What holds for every model and place."""
        return [
            Constant("e_min", "lowest median of 17 models", WH[0], "Wh", "", _BERTAZZINI, 2025),
            Constant("e", "mean of 8 models", WH[1], "Wh", "", _LUCCIONI, 2024),
            Constant("e_max", "highest of 8 models", WH[2], "Wh", "", _LUCCIONI, 2024),
            Constant("p_0", "pixels", PIXELS, "", "assumption", _LUCCIONI, 2024),
            Constant("P", "machine per accelerator", POWER_W[1], "W", "assumption", _BOAVIZTA),
            Constant("S_gwp", "embodied, eighth of a server", SERVER[0], "kgCO2eq", "", _BOAVIZTA),
        ]

    def judge(self, quantities: Any, kind: str = "image", plan: Any = None) -> Judgement:
        """Of pictures of unknown size a usual one is taken."""
        return _NO_SIZE if quantities.pixels is None else _KNOWN

    def plan(self, situation: Situation) -> Figures:
        """One picture of 1024 x 1024: the place alone decides."""
        site, mix, generic = situation.site, situation.mix, situation.generic
        assert generic is not None  # noqa: S101  # the engine names one
        it = [wh / 1000 for wh in WH]
        energy = [kwh * p for kwh, p in zip(it, site.pue, strict=True)]
        needs = (w + p * mix.wue for w, p in zip(site.wue, site.pue, strict=True))
        figures = (
            *energy,
            *(e * factor for factor in (mix.gwp, mix.adpe, mix.pe) for e in energy),
            *(kwh * need for kwh, need in zip(it, needs, strict=True)),
            *_made(it, generic),
            *(0.0, 0.0, it[1], 0.0, energy[1] - it[1]),
        )
        return Figures._make(figures)

    def impacts(
        self,
        plan: Figures,
        quantities: Any,
        latency_s: Any = None,
        *,
        where: Callable[[Any, Any, Any], Any] = choose,
    ) -> Figures:
        """The figures of one call; how long it took says nothing of a shared machine."""
        low, mean, high = _pictures(quantities, where)
        counts = (low, mean, high) * 8 + (mean,) * 5
        return Figures._make(one * n for one, n in zip(plan, counts, strict=True))

    def steps(self, plan: Figures, quantities: Any, latency_s: float | None = None) -> list[Step]:
        """Every intermediate of :meth:`impacts`, in order."""
        counted = _pictures(quantities, choose)
        return [
            Step("k", "pictures of 1024 x 1024", *counted, "", _SCALE),
            *result_steps(self.impacts(plan, quantities), "PUE k e", _WATER, (_MADE,) * 3),
        ]


def _made(it: list[float], generic: Any) -> Iterator[float]:
    """Embodied gwp, adpe and pe of the time that the energy takes."""
    for name, server in zip(("gwp", "adpe", "pe"), SERVER, strict=True):
        low, high = getattr(generic, name)
        sheet = (low, (low + high) / 2, high)
        for kwh, watts, made, life in zip(it, POWER_W, sheet, LIFETIME_S, strict=True):
            yield kwh * 3.6e6 / watts * (made + server) / life


def _pictures(quantities: Any, where: Callable[[Any, Any, Any], Any]) -> tuple[Any, Any, Any]:
    """How many pictures of the usual size the pictures are, low, expected and high.

    Doubling width and height took 1.3 to 4.7 times the energy (Bertazzini et al.): between no
    effect and one by pixels.
    """
    pixels, count = quantities.pixels, quantities.pieces
    if pixels is None:
        return count, count, count
    ratio = pixels / PIXELS
    low, high = where(ratio < 1, ratio, 1.0), where(ratio < 1, 1.0, ratio)
    return count * low, count * (1 + ratio) / 2, count * high


_SCALE: Final = "count x between 1 and p / p_0"
_WATER: Final = "k e (WUE_dc + PUE WUE_grid)"
_MADE: Final = "k e / P (U + S) / lifetime"
_OPEN: Final = message("image-by-open-models")
_KNOWN: Final = Judgement(warnings=(_OPEN,))
_NO_SIZE: Final = Judgement(warnings=(_OPEN, message("image-size-unknown")))

BY_METHOD: Final = {"impactree-1": ImageMethod(name="impactree-1", factors="yearly")}
