"""What of a prompt is not text: images, sound, video and files, by the blocks of its messages."""

from __future__ import annotations

from typing import Any, Final

__all__ = ["LEFT_OUT", "media_in"]

LEFT_OUT: Final = {
    "images": "Left out: the encoder that reads the images.",
    "sound": "Left out: the encoder that reads the sound.",
    "video": "Left out: taking the video apart, and the encoder that reads it.",
    "files": "Left out: reading the files, and the encoder of pages that are pictures.",
}
"""Sentences of the notes on what is not text, by code."""

_NOTES: Final = {
    **dict.fromkeys(("image", "image_url", "input_image"), "images"),
    **dict.fromkeys(("audio", "input_audio"), "sound"),
    **dict.fromkeys(("video", "video_url", "input_video"), "video"),
    **dict.fromkeys(("file", "input_file", "document", "application"), "files"),
}
"""By the type of a block as LangChain, LlamaIndex and providers name it, or by its MIME type."""


def media_in(messages: Any, blocks: str) -> tuple[str, ...]:
    """Codes of :data:`LEFT_OUT` for messages, in order.

    Args:
        messages: Those of a chat; a prompt that is a text has none.
        blocks: The attribute of a message that holds its blocks, where it has any.
    """
    if not isinstance(messages, list | tuple):
        return ()
    found: set[str] = set()
    for message in messages:
        parts = getattr(message, blocks, None)
        if isinstance(parts, list):
            found.update(filter(None, map(_note, parts)))
    return tuple(sorted(found)) if found else ()


def _note(block: Any) -> str | None:
    """The code of a block; None: text, or something that stands for it."""
    if not isinstance(block, dict):
        return _NOTES.get(getattr(block, "block_type", ""))
    kind = block.get("type")
    if kind in ("media", "file"):  # Gemini's, and LangChain's for anything
        kind = str(block.get("mime_type") or kind).partition("/")[0]
    elif kind is None:  # Bedrock's have their kind as key
        kind = next((key for key in _NOTES if key in block), None)
    return _NOTES.get(kind) if isinstance(kind, str) else None
