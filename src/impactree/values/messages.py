"""Every warning and error code with its sentence. Codes of EcoLogits 0.11 are kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeVar

from impactree.values.formatting import clean

__all__ = ["MESSAGES", "Message", "merge", "message"]


@dataclass(frozen=True, slots=True)
class Message:
    """A warning or an error: a stable code and a sentence."""

    code: str
    message: str

    def to_dict(self) -> dict[str, str]:
        """``{"code": ..., "message": ...}``."""
        return {"code": self.code, "message": self.message}

    def __str__(self) -> str:
        return f"{self.message} [{self.code}]"


MESSAGES: Final[dict[str, str]] = {
    # EcoLogits' own
    "model-arch-not-released": (
        "The maker has not released the model's architecture; its parameters are an estimate."
    ),
    "model-arch-multimodal": (
        "The model is multimodal; the equations are fitted on text, so precision is lower."
    ),
    "electricity-mix-adpe-world": "The zone has no ADPe factor of its own; the world's is used.",
    "electricity-mix-pe-world": "The zone has no PE factor of its own; the world's is used.",
    "electricity-mix-wue-world": "The zone has no water factor of its own; the world's is used.",
    "model-not-registered": "The model is not in the catalog.",
    "zone-not-registered": "The electricity mix zone is not in the catalog.",
    # impactree's
    "electricity-mix-pe-disputed": (
        "EcoLogits' PE factor counts fossil and uranium energy alone, and the world's is France's "
        "divided by 3.6; the method impactree-1 has another."
    ),
    "electricity-mix-adpe-disputed": (
        "EcoLogits' ADPe factor of the world is France's divided by 3.6; the method impactree-1 "
        "has none there."
    ),
    "electricity-mix-gwp-disputed": (
        "EcoLogits' GHG factor of the zone is 0; the method impactree-1 has the published one."
    ),
    "electricity-mix-gwp-direct": (
        "The zone's GHG factor counts the stacks of power plants alone, without fuel supply and "
        "construction; its country's counts them."
    ),
    "electricity-mix-gwp-undated": "The zone has no GHG factor whose year is known.",
    "electricity-mix-adpe-none": "Nobody publishes an open ADPe factor of the zone; ADPe is None.",
    "electricity-mix-pe-none": "The zone has no primary energy factor; PE is None.",
    "electricity-mix-country": "The country's factors stand in for those the zone lacks.",
    "kind-not-covered": "The method does not cover this kind of call.",
    "kind-not-text": (
        "The model speaks, transcribes or draws; the method counts its output tokens as text."
    ),
    "kind-unsupported": (
        "The model does not generate text, and the call says nothing of films (kind='video') or "
        "pictures (kind='image')."
    ),
    "model-family": (
        "The name is newer than the catalog, or does not say which model of a family it is; its "
        "family stands in. Name the model with the setting `deployments`."
    ),
    "model-size-from-name": (
        "The number of parameters was read from the model's name, which rounds it. Add the model "
        "with the setting `models`."
    ),
    "model-prior": (
        "The size of the model is not known; a wide prior stands in. Say what the name stands for "
        "with the setting `deployments`, or add the model with `models`."
    ),
    "model-size-unknown": "The catalog knows the model but not its size.",
    "region-not-registered": "The cloud region is not in the catalog; the host's average is used.",
    "provider-not-registered": (
        "The provider is not in the catalog, and where the model runs was told from its name; say "
        "who runs it with `deployments`, or where with `provider_zones`."
    ),
    "region-elsewhere": (
        "The cloud region is not one of the host's and has no effect; say where the host runs the "
        "model with `zone` or `provider_zones`."
    ),
    "host-unknown": (
        "Who runs the model is not known; PUE and WUE span the industry's range. The settings "
        "`deployments` (whose model a name is) and `provider_zones` (where it runs) say more."
    ),
    "local-hardware-not-modelled": (
        "The model runs on your own hardware, which this method does not model (it assumes "
        "a data-centre GPU shared by 64 requests); CodeCarbon measures local hardware: "
        "ImpactHandler(measure='local')."
    ),
    "energy-modelled": (
        "The machine has no counter for a part of the energy (CPU, RAM or GPU), or lets nobody "
        "read it; CodeCarbon models that part by load and rated power."
    ),
    "energy-of-gpu": (
        "The energy is that of the accelerators alone; the server around them is left out."
    ),
    "energy-not-reported": (
        "The answer holds no energy where reported_energy says; the energy is estimated. Streams "
        "often leave it out: ask with invoke, or look at what the client keeps of the answer."
    ),
    "energy-unreadable": (
        "What the answer holds where reported_energy says is no energy; the energy is estimated."
    ),
    "energy-no-reading": (
        "The call ran on this machine, and nothing of its energy could be read: the meter has "
        "given no reading at all."
    ),
    "energy-reading-failed": (
        "The energy of this machine could not be read to the end of the call; it is estimated."
    ),
    "energy-reading-zero": (
        "The counters of this machine did not move during the call; its energy is estimated."
    ),
    "energy-not-read": (
        "The call ran on this machine, and its start was not seen, or came before the meter had "
        "started; its energy is estimated."
    ),
    "energy-by-tokens": (
        "Calls overlapped: what was read meanwhile is shared by the tokens of each per second."
    ),
    "energy-gpu-shared": (
        "Other processes used the GPUs of this machine, too: their energy is among what was read."
    ),
    "energy-behind-proxy": (
        "What listens on this machine's port is a proxy or a tunnel, or the model is one that only "
        "its maker runs: the energy was not measured."
    ),
    "energy-of-unknown-server": (
        "What listens on this machine's port is no inference server that is known: the energy was "
        "not measured. If the model runs here, list its address: "
        'measure=["local", "http://localhost:8000"].'
    ),
    "energy-boundary-unknown": (
        "Whether the reported energy is that of the accelerators or of the whole server is not "
        "known. Say it with 'boundary' in reported_energy, or energy_boundary."
    ),
    "energy-alone-unknown": (
        "Whether the reported energy is of this request alone is not known: a server may report "
        "that of all it answered meanwhile. Say it with 'alone' in reported_energy, or "
        "energy_alone."
    ),
    "energy-shared": (
        "The reported energy is not of this request alone: a sum over requests counts it twice."
    ),
    "embodied-not-counted": (
        "Making the hardware is not counted. State local hardware with the setting `deployment`, "
        'e.g. {"local": {"accelerator": "RTX-4090"}}.'
    ),
    "output-tokens-unknown": "The number of output tokens is not known.",
    "input-tokens-unknown": (
        "The number of input tokens is not known; they are left out. Pass input_tokens."
    ),
    "cached-above-input": (
        "More tokens came from the cache than were read; input_tokens includes the cached ones."
    ),
    "part-above-whole": (
        "More tokens are reported as cached, written to a cache or thought than in all; the totals "
        "count as they are. input_tokens and output_tokens include their parts."
    ),
    "architecture-from-size": (
        "The model's architecture is not published; it follows from the number of parameters."
    ),
    "architecture-secondary": (
        "The model's architecture was read in a table of others, not in its maker's file."
    ),
    "hardware-power-unknown": (
        "Nobody publishes the power of the host's accelerators; a generic one stands in. "
        "deployment= says what you know of them."
    ),
    "token-count-approximate": "Tokens were counted locally, since the answer reported none.",
    "input-not-text": (
        "What is not text in the prompt counts as the tokens that the provider reports for it."
    ),
    "usage-reconciled": "The reported usage contradicts itself; it was read by its numbers.",
    "usage-unclear": "The reported usage may not be the whole one.",
    "video-by-ecologits": (
        "The equations are EcoLogits 0.11's, fitted on few models; the range is that of the "
        "machine's power alone."
    ),
    "video-extrapolated": (
        "EcoLogits does not list the model with such films; its equations are carried on beyond "
        "what they were fitted on."
    ),
    "video-not-registered": "No equations are known for films of this model.",
    "image-by-open-models": (
        "Nobody publishes what pictures by this model take: what was measured on open models "
        "stands in, from the least to the most."
    ),
    "image-size-unknown": "The pictures' size is not known; 1024x1024 is taken. Pass resolution.",
    "resolution-unknown": "The resolution is not known. Pass resolution, e.g. '1280x720'.",
    "length-unknown": "The length of the film is not known. Pass seconds or frames.",
    "training-shared": (
        "The share of training rests on an assumption: nobody publishes how many calls a model "
        "answers in its life. Set it with include_training={'requests': ...}."
    ),
    "training-unknown": (
        "What training the model cost is not known, and no rule gives it; the share of training "
        "leaves the call out."
    ),
    "requests-summed": (
        "The record sums several requests; each is taken as their mean, which this method does not "
        "add up exactly. Read logs of single requests."
    ),
    "requests-unknown": (
        "The record sums requests and does not say how many; what each costs beside its tokens is "
        "left out, and a method that is not linear in tokens cannot tell. Read logs of single "
        "requests, or use ecologits-0.11."
    ),
    "figures-entered": "Figures that were entered stand in for the catalog's.",
    "estimate-failed": "The estimate failed with an internal error.",
}


def message(code: str, detail: str | None = None) -> Message:
    """The message of a code, its sentence followed by ``detail``, which may hold foreign text."""
    sentence = MESSAGES[code]
    return Message(code, f"{sentence} {clean(detail)}" if detail else sentence)


_M = TypeVar("_M", bound=Message)


def merge(a: tuple[_M, ...], b: tuple[_M, ...]) -> tuple[_M, ...]:
    """Both lists, one message per code: sums of any length stay bounded."""
    if a == b or not b:
        return a
    if not a:
        return b
    seen = {m.code for m in a}
    return a + tuple(m for m in b if m.code not in seen)
