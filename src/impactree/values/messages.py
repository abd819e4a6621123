"""Every warning and error code with its sentence. Codes of EcoLogits 0.11 are kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["MESSAGES", "Message", "message"]


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
    "kind-not-covered": "The method does not cover this kind of call.",
    "kind-not-text": (
        "The model speaks, transcribes or draws; the method counts its output tokens as text."
    ),
    "kind-unsupported": "The model does not generate text; no method here estimates it.",
    "model-family": "The name is newer than the catalog; a model of the same family stands in.",
    "model-size-from-name": "The number of parameters was read from the model's name.",
    "model-prior": "Nothing is known about the model; a wide prior stands in.",
    "model-size-unknown": "The catalog knows the model but not its size.",
    "region-not-registered": "The cloud region is not in the catalog; the host's average is used.",
    "host-unknown": "Who runs the model is not known; PUE and WUE span the industry's range.",
    "local-hardware-not-modelled": (
        "The model runs on your own hardware, which this method does not model (it assumes "
        "a data-centre GPU shared by 64 requests); CodeCarbon measures local hardware."
    ),
    "output-tokens-unknown": "The number of output tokens is not known.",
    "input-tokens-unknown": (
        "The number of input tokens is not known; they are left out. Pass input_tokens."
    ),
    "cached-above-input": (
        "More tokens came from the cache than were read; input_tokens includes the cached ones."
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
    "estimate-failed": "The estimate failed with an internal error.",
}


def message(code: str, detail: str | None = None) -> Message:
    """The message of a code, its sentence followed by ``detail``."""
    sentence = MESSAGES[code]
    return Message(code, f"{sentence} {detail}" if detail else sentence)
