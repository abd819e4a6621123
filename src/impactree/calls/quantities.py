"""What was asked for beside tokens: pictures, films, sound."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any, Final, TypedDict

from impactree.calls.tokens import MAX_TOKENS, Tokens, is_count

__all__ = ["FRAMES_PER_S", "MAX_S", "MEDIA_FIELDS", "MEDIA_KINDS", "Media", "MediaFields"]

MEDIA_KINDS: Final = frozenset({"image", "video", "speech", "transcription"})
FRAMES_PER_S: Final = 24
"""As EcoLogits counts: a film of t s has 24 t + 1 frames."""
_NAMED: Final = {
    "480p": (854, 480),
    "720p": (1280, 720),
    "1080p": (1920, 1080),
    "4k": (3840, 2160),
}
_SIZE: Final = re.compile(r"(\d{1,6})\s*[x×:*]\s*(\d{1,6})")  # as people write it
MAX_S: Final = 1e9


class MediaFields(TypedDict, total=False):
    """The fields of :class:`Media` beside the tokens, as arguments."""

    resolution: str | None
    seconds: float | None
    frames: int | None
    sound: bool | None
    count: int | None
    steps: int | None
    characters: int | None


MEDIA_FIELDS: Final = tuple(MediaFields.__annotations__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Media(Tokens):
    """Tokens, where a provider counts any, and what else a call makes or takes in.

    What nobody knows is None, never 0.

    Raises:
        TypeError: a value of the wrong type.
        ValueError: a value that cannot be.
    """

    resolution: str | None = None
    """Of pictures and films: ``1280x720``, ``720p``, ``1080p``, ``4k``."""
    seconds: float | None = None
    """How long the film or the sound is."""
    frames: int | None = None
    """Of a film; None: 24 a second, and one."""
    sound: bool | None = None
    """Whether a film has sound; None: not known."""
    count: int | None = None
    """How many pictures or films; None: one."""
    steps: int | None = None
    """Of denoising."""
    characters: int | None = None
    """Of a text that is spoken."""

    def __post_init__(self) -> None:
        Tokens.__init__(self, **{name: getattr(self, name) for name in Tokens.__slots__})
        for name in ("frames", "count", "steps", "characters"):
            value = getattr(self, name)
            if value is not None and not (is_count(value) and value > 0):
                kind = ValueError if isinstance(value, int | float) else TypeError
                raise kind(f"{name} must be a whole number > 0 or None, not {value!r:.80}")
        seconds = self.seconds
        if seconds is not None:
            real = isinstance(seconds, int | float) and not isinstance(seconds, bool)
            if not (real and 0 < seconds <= MAX_S):
                kind = ValueError if real else TypeError
                raise kind(f"seconds must be a number > 0 or None, not {seconds!r:.80}")
        if self.sound not in (True, False, None):
            raise TypeError(f"sound must be True, False or None, not {self.sound!r:.80}")
        if self.resolution is not None:
            object.__setattr__(self, "resolution", "x".join(map(str, _size(self.resolution))))

    @property
    def pixels(self) -> int | None:
        """Of one frame or picture; None: not known."""
        return None if self.resolution is None else math.prod(_size(self.resolution))

    @property
    def frame_count(self) -> int | None:
        """Frames of one film; None: not known."""
        if self.frames is not None or self.seconds is None:
            return self.frames
        return int(self.seconds * FRAMES_PER_S + 1)

    @property
    def pieces(self) -> int:
        """How many pictures or films."""
        return self.count or 1

    @property
    def silent(self) -> bool:
        """Whether a film is known to have no sound."""
        return self.sound is False

    def known(self) -> dict[str, Any]:
        """What is known beside the tokens, by name."""
        found = {name: getattr(self, name) for name in MEDIA_FIELDS}
        return {name: value for name, value in found.items() if value is not None}


def _size(said: Any) -> tuple[int, int]:
    """Width and height in pixels."""
    if not isinstance(said, str):
        raise TypeError(f"resolution must be a string such as '1280x720', not {said!r:.80}")
    text = said.strip().lower()
    match = _SIZE.fullmatch(text)
    width, height = _NAMED.get(text) or ((int(match[1]), int(match[2])) if match else (0, 0))
    if not 0 < width * height <= MAX_TOKENS:
        raise ValueError(
            f"resolution must be {', '.join(_NAMED)} or width x height such as '1280x720', "
            f"not {said!r:.80}"
        )
    return width, height
