# SPDX-License-Identifier: Apache-2.0
"""From the messages of Gemini's Live API to LlmResponse (pure)."""

from collections.abc import Iterable
from typing import Any

from runwright.event import LlmResponse
from runwright.models.gemini.live_setup import is_audio
from runwright.models.gemini.response import read_part, read_usage
from runwright.types import Content, FunctionCall, Part, Transcription

_PASSED_ON = {
    "go_away": "go_away",
    "session_resumption_update": "live_session_resumption_update",
    "voice_activity": "voice_activity",
}
"""What comes beside the conversation, and the field of a response that has it."""


class LiveAnswers:
    """Reads the messages of one connection, of which several make one answer.

    Args:
        model: The model's name, for what it gives.
        session_id: The connection's id, where it has one.
    """

    def __init__(self, model: str, session_id: str | None = None) -> None:
        self._model = model
        self._session_id = session_id
        self._parts: list[Part] = []
        self._heard = ""
        self._spoken = ""
        self._grounding: dict[str, Any] | None = None

    def read(self, message: Any) -> list[LlmResponse]:
        """What a message says. Usage is with the last whole response, or one of its own."""
        responses: list[LlmResponse] = []
        if message.server_content is not None:
            self._read_content(message.server_content, responses)
        if message.tool_call is not None and message.tool_call.function_calls:
            self._end_text(responses)
            responses.append(self._response(content=_said(_call(one) for one in message.tool_call.function_calls)))
        if message.tool_call_cancellation is not None:
            ids = list(message.tool_call_cancellation.ids or ())
            responses.append(self._response(custom_metadata={"cancelled_tool_calls": ids}))
        for name, field in _PASSED_ON.items():
            if (value := getattr(message, name)) is not None:
                shown = value.model_dump(mode="json", by_alias=True, exclude_none=True)
                responses.append(self._response(**{field: shown}))
        if (usage := read_usage(message.usage_metadata, answer="response")) is not None:
            if not responses or responses[-1].partial:
                responses.append(self._response())
            responses[-1].usage_metadata = usage
        return responses

    def _read_content(self, content: Any, responses: list[LlmResponse]) -> None:
        if content.grounding_metadata is not None:
            grounding = content.grounding_metadata.model_dump(mode="json", by_alias=True, exclude_none=True)
            self._grounding = {**(self._grounding or {}), **grounding}
        if content.model_turn is not None:
            for part in content.model_turn.parts or ():
                self._take(read_part(part), responses)
        if (heard := content.input_transcription) is not None:
            if heard.text:
                self._heard += heard.text
                responses.append(self._piece(input_transcription=_transcription(heard)))
            if heard.finished:
                self._end_heard(responses)
        if (spoken := content.output_transcription) is not None:
            if spoken.text:
                self._spoken += spoken.text
                responses.append(self._piece(output_transcription=_transcription(spoken)))
            if spoken.finished:
                self._end_spoken(responses)
        interrupted = bool(content.interrupted)
        if interrupted or content.turn_complete or content.generation_complete:
            self._end_heard(responses)
            self._end_spoken(responses)
            self._end_text(responses, interrupted=interrupted)
        if content.turn_complete:
            responses.append(self._turn_complete(content))
        elif interrupted and not (responses and responses[-1].interrupted):
            responses.append(self._response(interrupted=True))

    def _take(self, part: Part, responses: list[LlmResponse]) -> None:
        """Passes a part on at once; what is not audio is part of the whole text too."""
        if part.text is not None and not part.text and part.thought_signature is None:
            return
        responses.append(self._piece(content=_said([part])))
        if is_audio(part.inline_data):
            return
        last = self._parts[-1] if self._parts else None
        if last is not None and _goes_on(last, part):
            last.text = (last.text or "") + (part.text or "")
        else:
            # One of its own: the chunk shares nothing with the whole that grows.
            self._parts.append(part.__copy__())

    def _end_text(self, responses: list[LlmResponse], *, interrupted: bool = False) -> None:
        if self._parts:
            whole = self._response(content=_said(self._parts), interrupted=interrupted or None, partial=False)
            responses.append(whole)
            self._parts = []

    def _end_heard(self, responses: list[LlmResponse]) -> None:
        if self._heard:
            whole = Transcription(text=self._heard, finished=True)
            responses.append(self._response(input_transcription=whole, partial=False))
            self._heard = ""

    def _end_spoken(self, responses: list[LlmResponse]) -> None:
        if self._spoken:
            whole = Transcription(text=self._spoken, finished=True)
            responses.append(self._response(output_transcription=whole, partial=False))
            self._spoken = ""

    def _turn_complete(self, content: Any) -> LlmResponse:
        grounding, self._grounding = self._grounding, None
        return self._response(
            turn_complete=True,
            interrupted=content.interrupted or None,
            turn_complete_reason=_name(content.turn_complete_reason),
            interaction_status=_name(content.interaction_status),
            grounding_metadata=grounding,
        )

    def _piece(self, **fields: Any) -> LlmResponse:
        return self._response(partial=True, **fields)

    def _response(self, **fields: Any) -> LlmResponse:
        return LlmResponse(model_version=self._model, live_session_id=self._session_id, **fields)


def _said(parts: Iterable[Part]) -> Content:
    return Content(role="model", parts=list(parts))


def _call(call: Any) -> Part:
    return Part(function_call=FunctionCall(id=call.id, name=call.name, args=call.args))


def _goes_on(last: Part, part: Part) -> bool:
    """Whether a text goes on with the one before: of the same kind, and without a signature to keep apart."""
    if last.text is None or part.text is None or bool(last.thought) is not bool(part.thought):
        return False
    return last.thought_signature is None and part.thought_signature is None


def _transcription(given: Any) -> Transcription:
    return Transcription(text=given.text, finished=False, language_code=given.language_code)


def _name(value: Any) -> str | None:
    return None if value is None else str(value.value)
