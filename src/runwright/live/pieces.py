# SPDX-License-Identifier: Apache-2.0
"""What a live model gives in pieces: audio apart from what is stored, and wholes that it left out."""

from runwright.event import LlmResponse
from runwright.flow.collect import Collector
from runwright.types import Content, Part, Transcription

_SAYS_SOMETHING = (
    "content",
    "error_code",
    "grounding_metadata",
    "input_transcription",
    "interrupted",
    "output_transcription",
    "turn_complete",
    "usage_metadata",
)
_SIGNALS = ("custom_metadata", "go_away", "live_session_resumption_update", "voice_activity")


def is_empty(response: LlmResponse) -> bool:
    """Whether a response says nothing at all."""
    return not any(getattr(response, name) for name in (*_SAYS_SOMETHING, *_SIGNALS))


def is_signal(response: LlmResponse) -> bool:
    """Whether it is about the connection alone, and worth nothing once that has ended."""
    return not any(getattr(response, name) for name in _SAYS_SOMETHING)


def begins_turn(response: LlmResponse) -> bool:
    """Whether the model says or does something in it."""
    return bool((response.content is not None and response.content.parts) or response.output_transcription)


def cancelled_calls(response: LlmResponse) -> list[str]:
    """The ids of the calls that the model wants no response to any more, as it was interrupted."""
    return (response.custom_metadata or {}).get("cancelled_tool_calls") or []


def audio_of(response: LlmResponse) -> list[Part]:
    """The parts of a response that are audio or video, as it is spoken or shown."""
    parts = (response.content.parts if response.content is not None else None) or []
    return [part for part in parts if _is_media(part)]


def split(response: LlmResponse) -> list[LlmResponse]:
    """A response with its audio in a chunk of its own, since chunks are never stored."""
    media = [] if response.partial else audio_of(response)
    content = response.content
    if not media or content is None:
        return [response]
    chunk = LlmResponse(partial=True, model_version=response.model_version, content=Content(role="model", parts=media))
    others = [part for part in content.parts or () if not _is_media(part)]
    rest = response.model_copy(update={"content": Content(role=content.role, parts=others) if others else None})
    return [chunk] if is_empty(rest) else [chunk, rest]


def _is_media(part: Part) -> bool:
    blob = part.inline_data
    return blob is not None and (blob.mime_type or "audio/").startswith(("audio/", "video/"))


class Pieces:
    """The pieces of a turn whose whole has not come."""

    def __init__(self) -> None:
        self._text = Collector()
        self._spoken: dict[str, str] = {}

    def add(self, response: LlmResponse) -> list[LlmResponse]:
        """Takes note of a response, and gives the wholes that the model left out before it."""
        missing: list[LlmResponse] = []
        if response.content is not None:
            if response.partial:
                if not audio_of(response):
                    self._text.add(LlmResponse(content=response.content, model_version=response.model_version))
            elif any(part.text for part in response.content.parts or ()):
                self._text = Collector()
            else:
                missing = self._text_so_far()
        for name in ("input_transcription", "output_transcription"):
            transcription: Transcription | None = getattr(response, name)
            if transcription is not None and transcription.finished:
                self._spoken.pop(name, None)
            elif transcription is not None and transcription.text:
                self._spoken[name] = self._spoken.get(name, "") + transcription.text
        return [*missing, *self.rest()] if response.turn_complete or response.interrupted else missing

    def rest(self) -> list[LlmResponse]:
        """The wholes that the pieces make, where the model says no more."""
        wholes: list[LlmResponse] = []
        for name, text in sorted(self._spoken.items()):
            whole = LlmResponse(partial=False)
            setattr(whole, name, Transcription(text=text, finished=True))
            wholes.append(whole)
        self._spoken = {}
        return [*wholes, *self._text_so_far()]

    def _text_so_far(self) -> list[LlmResponse]:
        text, self._text = self._text.whole(), Collector()
        return [] if text is None else [text]
