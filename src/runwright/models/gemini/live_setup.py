# SPDX-License-Identifier: Apache-2.0
"""How a live conversation with Gemini is set up, and what is said in it, as the Live API's JSON (pure)."""

from collections.abc import Iterable
from typing import Any

import msgspec

from runwright.live_types import LiveConnectConfig
from runwright.model import LlmRequest
from runwright.models.gemini.request import TOOL_NAMES, generation, plain_json, rename_tools, tool_json
from runwright.types import Blob, Content, FunctionResponse, GenerateContentConfig, Part

_SHARED = {
    "temperature": "temperature",
    "top_p": "topP",
    "top_k": "topK",
    "max_output_tokens": "maxOutputTokens",
    "media_resolution": "mediaResolution",
    "seed": "seed",
    "speech_config": "speechConfig",
    "thinking_config": "thinkingConfig",
    "safety_settings": "safetySettings",
    "response_modalities": "responseModalities",
}
"""Settings that requests of both kinds have. What is said of live conversations goes before."""
_VERTEX_ONLY = ("labels", "explicitVadSignal")
TURN_TRIGGER = "."
"""What makes a model from Gemini 3 on answer the history that it was given: it waits for something new."""


def live_config(request: LlmRequest, *, model: str, vertex: bool) -> dict[str, Any]:
    """The SDK's ``LiveConnectConfig`` as JSON. An answer is spoken where the request does not say otherwise."""
    given = LiveConnectConfig.model_validate(request.live_connect_config or {})
    config = request.config
    beside = {"system_instruction": None, "tools": None, "http_options": None}
    shown: dict[str, Any] = msgspec.to_builtins(given.model_copy(update=beside))
    for name, shown_name in _SHARED.items():
        value: Any = getattr(config, name)
        if value is not None and shown_name not in shown:
            shown[shown_name] = plain_json(value)
    shown.setdefault("responseModalities", ["AUDIO"])
    if instruction := given.system_instruction or config.system_instruction:
        shown["systemInstruction"] = plain_json(instruction)
    if tools := shown_config(request).tools:
        shown["tools"] = [tool_json(tool) for tool in tools]
        rename_tools(shown["tools"])
    if generation(model) >= 3 and request.contents:
        shown.setdefault("historyConfig", {"initialHistoryInClientContent": True})
    if (http := given.http_options or config.http_options) is not None:
        options = {"baseUrl": http.base_url, "apiVersion": http.api_version, "headers": http.headers}
        shown["httpOptions"] = {name: value for name, value in options.items() if value}
    if not vertex:
        for name in _VERTEX_ONLY:
            shown.pop(name, None)
    return shown


def shown_config(request: LlmRequest) -> GenerateContentConfig:
    """A request's settings, with the tools that it has for a live conversation, where it has some."""
    given = LiveConnectConfig.model_validate(request.live_connect_config or {})
    return request.config.model_copy(update={"tools": given.tools}) if given.tools else request.config


def history_turns(history: Iterable[Content]) -> list[dict[str, Any]]:
    """What was said before, as the Live API takes it: without audio, which it refuses, and without thoughts.

    It refuses calls and responses of functions too, which are told in words.
    """
    turns = ({"role": content.role or "user", "parts": _retold(content.parts or ())} for content in history)
    return [turn for turn in turns if turn["parts"]]


def _retold(parts: Iterable[Part]) -> list[dict[str, Any]]:
    shown: list[dict[str, Any]] = []
    for part in parts:
        if part.function_call is not None:
            call = part.function_call
            shown.append({"text": f"[Called {call.name} with {_json(call.args or {})}]"})
        elif part.function_response is not None:
            answer = part.function_response
            shown.append({"text": f"[{answer.name} answered {_json(answer.response or {})}]"})
        elif not part.thought and not is_audio(part.inline_data):
            made = message_part(part)
            if made:
                shown.append(made)
    return shown


def message_part(part: Part) -> dict[str, Any]:
    """A part of the user's message."""
    shown: dict[str, Any] = msgspec.to_builtins(part)
    for name in ("thoughtSignature", "partMetadata"):
        shown.pop(name, None)
    for name in ("inlineData", "fileData"):
        if name in shown:
            shown[name].pop("displayName", None)
    return shown


def function_answers(content: Content) -> list[FunctionResponse]:
    """The responses of functions in a message, under the names that the API takes."""
    answers = (part.function_response for part in content.parts or ())
    return [
        answer.model_copy(update={"name": TOOL_NAMES.shown(answer.name or "")})
        for answer in answers
        if answer is not None
    ]


def is_audio(blob: Blob | None) -> bool:
    """Whether these bytes are sound."""
    return blob is not None and (blob.mime_type or "").startswith("audio/")


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
