# SPDX-License-Identifier: Apache-2.0
"""How a live conversation with OpenAI is set up, and what is said in it, as the Realtime API's JSON (pure)."""

import base64
from collections.abc import Iterable, Mapping
from typing import Any, cast

from runwright.errors import ModelBadRequestError
from runwright.live_types import ActivityHandling, LiveConnectConfig, RealtimeInputConfig, StartSensitivity
from runwright.model import LlmRequest
from runwright.models.openai.choices import ShownFunction, effort, instructions, shown_tools, tool_choice
from runwright.models.openai.files import file_of, files_of
from runwright.models.openai.kept import answer_text, arguments_of
from runwright.models.openai.names import PROVIDER
from runwright.models.openai.pairing import CallIds
from runwright.models.openai.pcm import SAMPLE_RATE
from runwright.models.openai.responses_request import shown_text
from runwright.types import (
    AudioTranscriptionConfig,
    Blob,
    Content,
    FileData,
    FunctionResponse,
    GenerateContentConfig,
    Part,
)

_FORMAT = {"type": "audio/pcm", "rate": SAMPLE_RATE}
_TRANSCRIBER = "gpt-realtime-whisper"
"""OpenAI's model for transcribing what is heard while it is heard."""
_SENSITIVE, _DULL = 0.3, 0.7
"""How loud speech must be at least, from 0 to 1, for the two sensitivities; the provider's default is 0.5."""


def live_config(request: LlmRequest) -> LiveConnectConfig:
    """What a request says of the conversation."""
    return LiveConnectConfig.model_validate(request.live_connect_config or {})


def shown_config(request: LlmRequest) -> GenerateContentConfig:
    """A request's settings, with the tools that it has for a live conversation, where those are others."""
    tools = live_config(request).tools
    return request.config if tools is None else request.config.model_copy(update={"tools": tools})


def session_settings(
    request: LlmRequest, *, parallel_tool_calls: bool | None, extra: Mapping[str, Any]
) -> dict[str, Any]:
    """The session as ``session.update`` sets it. An answer is spoken where the request does not say otherwise.

    Args:
        request: What the conversation is about.
        parallel_tool_calls: Whether several tools may be called at once.
        extra: What is laid over it.
    """
    live, config = live_config(request), request.config
    session: dict[str, Any] = {"type": "realtime"}
    said = GenerateContentConfig(system_instruction=live.system_instruction or config.system_instruction)
    if text := instructions(said):
        session["instructions"] = text
    wanted = live.response_modalities or config.response_modalities or ["AUDIO"]
    session["output_modalities"] = ["text"] if [str(one).upper() for one in wanted] == ["TEXT"] else ["audio"]
    session["audio"] = {"input": _input(live), "output": _output(live, config)}
    shown = shown_config(request)
    if tools := shown_tools(shown, own=False, runs_tools=True):
        session["tools"] = [_tool(tool) for tool in tools]
        if parallel_tool_calls is not None:
            session["parallel_tool_calls"] = parallel_tool_calls
    if (choice := tool_choice(shown)) is not None:
        lone = choice.mode == "required" and len(choice.names) == 1
        session["tool_choice"] = {"type": "function", "name": choice.names[0]} if lone else choice.mode
    if (tokens := live.max_output_tokens or config.max_output_tokens) is not None:
        session["max_output_tokens"] = tokens
    thinking = live.thinking_config or config.thinking_config
    if (much := effort(GenerateContentConfig(thinking_config=thinking))) is not None:
        session["reasoning"] = {"effort": much}
    return _laid_over(session, extra)


def hears_turns(request: LlmRequest) -> bool:
    """Whether the provider tells by itself when the user speaks."""
    given = live_config(request).realtime_input_config
    detection = given.automatic_activity_detection if given is not None else None
    return detection is None or not detection.disabled


def _input(live: LiveConnectConfig) -> dict[str, Any]:
    heard: dict[str, Any] = {"format": dict(_FORMAT), "turn_detection": _turn_detection(live.realtime_input_config)}
    if live.input_audio_transcription is not None:
        heard["transcription"] = _transcription(live.input_audio_transcription)
    return heard


def _turn_detection(given: RealtimeInputConfig | None) -> dict[str, Any] | None:
    """Said in any case, so that a conversation goes as it does with Gemini: the user's speech ends the model's."""
    detection = given.automatic_activity_detection if given is not None else None
    if detection is not None and detection.disabled:
        return None
    handling = given.activity_handling if given is not None else None
    interrupts = handling != ActivityHandling.NO_INTERRUPTION
    shown: dict[str, Any] = {"type": "server_vad", "create_response": True, "interrupt_response": interrupts}
    if detection is None:
        return shown
    if detection.start_of_speech_sensitivity == StartSensitivity.START_SENSITIVITY_HIGH:
        shown["threshold"] = _SENSITIVE
    elif detection.start_of_speech_sensitivity == StartSensitivity.START_SENSITIVITY_LOW:
        shown["threshold"] = _DULL
    for name in ("prefix_padding_ms", "silence_duration_ms"):
        if (value := getattr(detection, name)) is not None:
            shown[name] = value
    return shown


def _transcription(given: AudioTranscriptionConfig) -> dict[str, Any]:
    shown: dict[str, Any] = {"model": _TRANSCRIBER}
    if given.language_codes and len(given.language_codes) == 1:
        shown["language"] = given.language_codes[0].partition("-")[0].lower()
    return shown


def _output(live: LiveConnectConfig, config: GenerateContentConfig) -> dict[str, Any]:
    shown: dict[str, Any] = {"format": dict(_FORMAT)}
    speech = live.speech_config or config.speech_config
    voice = speech.voice_config.prebuilt_voice_config if speech is not None and speech.voice_config else None
    if voice is not None and voice.voice_name:
        shown["voice"] = voice.voice_name
    return shown


def _tool(tool: ShownFunction | dict[str, Any]) -> dict[str, Any]:
    if not isinstance(tool, ShownFunction):
        if tool.get("type") in ("function", "mcp"):
            return tool
        raise ModelBadRequestError(
            f"OpenAI's live models do not have the tool {tool.get('type')!r}: give them functions", provider=PROVIDER
        )
    shown: dict[str, Any] = {"type": "function", "name": tool.name, "parameters": tool.parameters}
    if tool.description is not None:
        shown["description"] = tool.description
    return shown


def _laid_over(settings: dict[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    for name, value in extra.items():
        known = settings.get(name)
        if isinstance(known, dict) and isinstance(value, Mapping):
            _laid_over(cast("dict[str, Any]", known), cast("Mapping[str, Any]", value))
        else:
            settings[name] = value
    return settings


def history_items(history: Iterable[Content]) -> list[dict[str, Any]]:
    """What was said before, as items: without audio, of which there are transcriptions, and without thoughts."""
    items: list[dict[str, Any]] = []
    ids = CallIds()
    for content in history:
        parts = [part for part in content.parts or () if not part.thought and not _is_audio(part.inline_data)]
        if content.role == "model":
            items.extend(_model_items(parts, ids))
        else:
            items.extend(_user_items(parts, ids))
    return items


def user_items(content: Content) -> list[dict[str, Any]]:
    """A message of the user's, or what functions answered, as items."""
    return _user_items(content.parts or [], CallIds())


def image_item(blob: Blob) -> dict[str, Any]:
    """A picture of what the user sees, which asks for no answer."""
    return _message("user", [_image(blob)])


def _user_items(parts: list[Part], ids: CallIds) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    said: list[dict[str, Any]] = []
    for part in parts:
        if part.function_response is not None:
            items.append(_answered(part.function_response, ids))
            said.extend(map(_image, _images(part.function_response)))
        elif _is_audio(part.inline_data):
            said.append({"type": "input_audio", "audio": base64.b64encode(_bytes(part.inline_data)).decode()})
        elif (file := part.inline_data or part.file_data) is not None:
            said.append(_image(file))
        elif text := shown_text(part):
            said.append({"type": "input_text", "text": text})
    return [*items, _message("user", said)] if said else items


def _model_items(parts: list[Part], ids: CallIds) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    for part in parts:
        if (call := part.function_call) is not None:
            named = {"call_id": ids.called(call), "name": call.name or "", "arguments": arguments_of(part)}
            items.append({"type": "function_call", **named})
        elif text := shown_text(part):
            items.append(_message("assistant", [{"type": "output_text", "text": text}]))
    return items


def _message(role: str, content: list[dict[str, Any]]) -> dict[str, Any]:
    return {"type": "message", "role": role, "content": content}


def _answered(answer: FunctionResponse, ids: CallIds) -> dict[str, Any]:
    return {"type": "function_call_output", "call_id": ids.answered(answer), "output": answer_text(answer.response)}


def _images(answer: FunctionResponse) -> list[Blob | FileData]:
    return [file for file in files_of(answer) if (file.mime_type or "").startswith("image/")]


def _image(given: Blob | FileData) -> dict[str, Any]:
    file = file_of(given)
    if file.kind != "image" or file.url is None:
        raise ModelBadRequestError(
            f"OpenAI's live models take text, audio and images, not {file.mime_type or 'a file'}", provider=PROVIDER
        )
    return {"type": "input_image", "image_url": file.url}


def _is_audio(blob: Blob | None) -> bool:
    return blob is not None and (blob.mime_type or "").startswith("audio/")


def _bytes(blob: Blob | None) -> bytes:
    return (blob.data or b"") if blob is not None else b""
