# SPDX-License-Identifier: Apache-2.0
"""From the events of OpenAI's Realtime API to LlmResponse (pure)."""

import base64
import binascii
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from runwright.event import LlmResponse
from runwright.models.openai.answers import as_object, malformed, usage_of
from runwright.models.openai.kept import call_part
from runwright.models.openai.pcm import MIME_TYPE
from runwright.types import Blob, Content, FinishReason, Part, Transcription
from runwright.types import GenerateContentResponseUsageMetadata as Usage

_Event = Mapping[str, Any]
_REASONS = {"max_output_tokens": FinishReason.MAX_TOKENS, "content_filter": FinishReason.SAFETY}


class LiveAnswers:
    """Reads the events of one connection, of which many make one answer.

    Args:
        model: The model's name, for what it gives.
        session_id: The session's id.
    """

    def __init__(self, model: str, session_id: str | None) -> None:
        self._model = model
        self._session_id = session_id
        self._thoughts: dict[Any, str] = {}
        self._texts: dict[Any, str] = {}
        self._spoken: dict[Any, str] = {}
        self._heard: dict[Any, str] = {}
        self._names: dict[Any, str] = {}
        self._called: set[Any] = set()
        self._readers = self._by_kind()

    def read(self, event: _Event) -> list[LlmResponse]:
        """What an event says. Most say nothing of their own, and kinds that are newer than this say nothing."""
        reader = self._readers.get(str(event.get("type")))
        return reader(event) if reader is not None else []

    def error(self, event: _Event, *, ends_turn: bool) -> LlmResponse:
        """An error that leaves the conversation open; where no answer will come for it, it ends the turn."""
        error = as_object(event.get("error"))
        return self._response(
            error_code=str(error.get("code") or error.get("type") or "error"),
            error_message=str(error.get("message") or "OpenAI did not say why"),
            turn_complete=ends_turn or None,
        )

    def _by_kind(self) -> dict[str, Callable[[_Event], list[LlmResponse]]]:
        """What reads the events that say something; those with two names had the second one in the API's beta."""
        readers = (
            ("response.output_text.delta response.text.delta", self._text),
            ("response.output_text.done response.text.done", self._whole_text),
            ("response.reasoning_text.delta response.reasoning_summary_text.delta", self._thought),
            ("response.output_audio.delta response.audio.delta", self._audio),
            ("response.output_audio_transcript.delta response.audio_transcript.delta", self._speech),
            ("response.output_audio_transcript.done response.audio_transcript.done", self._whole_speech),
            ("response.output_item.added", self._item_added),
            ("response.function_call_arguments.done", self._arguments),
            ("response.output_item.done", self._item_done),
            ("conversation.item.input_audio_transcription.delta", self._hearing),
            ("conversation.item.input_audio_transcription.completed", self._heard_whole),
            ("conversation.item.input_audio_transcription.failed", self._not_heard),
            ("input_audio_buffer.speech_started", self._speech_started),
            ("input_audio_buffer.speech_stopped", self._speech_stopped),
            ("response.done", self._done),
        )
        return {kind: reader for kinds, reader in readers for kind in kinds.split()}

    # --- what the model says -----------------------------------------------------------------------------------

    def _text(self, event: _Event) -> list[LlmResponse]:
        return self._piece_of_text(self._texts, event, thought=None)

    def _thought(self, event: _Event) -> list[LlmResponse]:
        return self._piece_of_text(self._thoughts, event, thought=True)

    def _piece_of_text(self, texts: dict[Any, str], event: _Event, *, thought: bool | None) -> list[LlmResponse]:
        if not (delta := str(event.get("delta") or "")):
            return []
        place = _place(event)
        texts[place] = texts.get(place, "") + delta
        return [self._response(partial=True, content=_said([Part(text=delta, thought=thought)]))]

    def _whole_text(self, event: _Event) -> list[LlmResponse]:
        if text := event.get("text"):
            self._texts[_place(event)] = str(text)
        return []

    def _audio(self, event: _Event) -> list[LlmResponse]:
        try:
            data = base64.b64decode(str(event.get("delta") or ""))
        except binascii.Error:
            raise malformed("audio that is no base64", event) from None
        if not data:
            return []
        part = Part(inline_data=Blob(data=data, mime_type=MIME_TYPE))
        return [self._response(partial=True, content=_said([part]))]

    def _speech(self, event: _Event) -> list[LlmResponse]:
        if not (delta := str(event.get("delta") or "")):
            return []
        place = _place(event)
        self._spoken[place] = self._spoken.get(place, "") + delta
        return [self._response(partial=True, output_transcription=Transcription(text=delta, finished=False))]

    def _whole_speech(self, event: _Event) -> list[LlmResponse]:
        spoken = self._spoken.pop(_place(event), "")
        return self._spoken_whole(str(event.get("transcript") or spoken))

    def _spoken_whole(self, text: str) -> list[LlmResponse]:
        whole = Transcription(text=text, finished=True)
        return [self._response(partial=False, output_transcription=whole)] if text else []

    # --- what it calls -----------------------------------------------------------------------------------------

    def _item_added(self, event: _Event) -> list[LlmResponse]:
        item = as_object(event.get("item"))
        if item.get("type") == "function_call":
            self._names[item.get("id")] = str(item.get("name"))
        return []

    def _arguments(self, event: _Event) -> list[LlmResponse]:
        """A call is given as soon as it is whole. What is no JSON waits for its item, which says if it was cut off."""
        name = event.get("name") or self._names.get(event.get("item_id"))
        arguments = event.get("arguments")
        if not name or not _is_json(arguments):
            return []
        return self._call(event.get("call_id"), str(name), arguments)

    def _item_done(self, event: _Event) -> list[LlmResponse]:
        item = as_object(event.get("item"))
        if item.get("type") != "function_call" or item.get("status") == "incomplete":
            return []
        return self._call(item.get("call_id"), str(item.get("name")), item.get("arguments"))

    def _call(self, call_id: Any, name: str, arguments: Any) -> list[LlmResponse]:
        if call_id in self._called:
            return []
        self._called.add(call_id)
        return [self._response(content=_said([call_part(call_id, name, arguments)]))]

    # --- what the user says ------------------------------------------------------------------------------------

    def _hearing(self, event: _Event) -> list[LlmResponse]:
        if not (delta := str(event.get("delta") or "")):
            return []
        place = _place(event)
        self._heard[place] = self._heard.get(place, "") + delta
        return [self._response(partial=True, input_transcription=Transcription(text=delta, finished=False))]

    def _heard_whole(self, event: _Event) -> list[LlmResponse]:
        text = str(event.get("transcript") or self._heard.pop(_place(event), ""))
        self._heard.pop(_place(event), None)
        whole = Transcription(text=text, finished=True)
        return [self._response(partial=False, input_transcription=whole)] if text else []

    def _not_heard(self, event: _Event) -> list[LlmResponse]:
        """Keeps what there is of a transcription that failed."""
        return self._heard_whole({**event, "transcript": None})

    def _speech_started(self, event: _Event) -> list[LlmResponse]:
        return [self._response(voice_activity={"voiceActivityType": "ACTIVITY_START"})]

    def _speech_stopped(self, event: _Event) -> list[LlmResponse]:
        return [self._response(voice_activity={"voiceActivityType": "ACTIVITY_END"})]

    # --- how an answer ends ------------------------------------------------------------------------------------

    def _done(self, event: _Event) -> list[LlmResponse]:
        """The end of an answer. It is the end of the turn too, if the model does not wait for what it called."""
        answer = as_object(event.get("response"))
        status = answer.get("status")
        interrupted = status == "cancelled" or None
        responses = [one for text in self._spoken.values() for one in self._spoken_whole(text)]
        parts = [Part(text=text, thought=True) for text in self._thoughts.values()]
        parts += [Part(text=text) for text in self._texts.values()]
        if parts:
            responses.append(self._response(partial=False, content=_said(parts), interrupted=interrupted))
        end = self._response(usage_metadata=_usage(as_object(answer.get("usage"))), interrupted=interrupted)
        if status == "completed":
            end.finish_reason = FinishReason.STOP
        elif status in ("failed", "incomplete"):
            _read_failure(end, as_object(answer.get("status_details")), status)
        end.turn_complete = None if status == "completed" and self._called else True
        for kept in (self._thoughts, self._texts, self._spoken, self._names, self._called):
            kept.clear()
        if end.turn_complete or end.usage_metadata is not None:
            responses.append(end)
        return responses

    def _response(self, **fields: Any) -> LlmResponse:
        return LlmResponse(model_version=self._model, live_session_id=self._session_id, **fields)


def _said(parts: list[Part]) -> Content:
    return Content(role="model", parts=parts)


def _place(event: _Event) -> tuple[Any, Any]:
    return event.get("item_id"), event.get("content_index")


def _is_json(arguments: Any) -> bool:
    try:
        return isinstance(msgspec.json.decode(str(arguments)), dict)
    except msgspec.DecodeError:
        return False


def _read_failure(end: LlmResponse, details: Mapping[str, Any], status: str) -> None:
    """Says why an answer failed, or ended before its end."""
    error, why = as_object(details.get("error")), str(details.get("reason") or "")
    if status == "incomplete":
        end.finish_reason = _REASONS.get(why, FinishReason.OTHER)
    if status == "failed" or end.finish_reason is FinishReason.SAFETY:
        end.error_code = str(error.get("code") or error.get("type") or end.finish_reason or "FAILED")
        end.error_message = str(error.get("message") or f"The model could not answer: {why or status}")


def _usage(given: Mapping[str, Any]) -> Usage | None:
    """The usage, whose details are of another name here, and tell sound that was cached."""
    read, made = as_object(given.get("input_token_details")), as_object(given.get("output_token_details"))
    usage = usage_of(
        {**given, "input_tokens_details": read, "output_tokens_details": made}, prompt="input", answer="output"
    )
    sound = as_object(read.get("cached_tokens_details")).get("audio_tokens")
    if usage is not None and isinstance(sound, int) and sound:
        usage.cache_tokens_details = [{"modality": "AUDIO", "tokenCount": sound}]
    return usage
