# SPDX-License-Identifier: Apache-2.0
"""A recorded live conversation, held again over a connection of ours that is made from what the recording shows."""

import base64
import json
from collections.abc import Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from runwright import types
from runwright.connection import BaseLlmConnection, RealtimeInput
from runwright.event import LlmResponse
from runwright.model import BaseLlm, LlmRequest
from runwright.models.gemini import Gemini
from runwright.models.openai import OpenAI
from runwright.testing.wire import Comparison, LoopbackSocketServer, WireMessage, WireSocketServer, spelled_alike


def _as_sent(message: Any) -> Any:
    """A message without what is only spelling, and with the defaults that it may leave out."""
    shown = spelled_alike(message)
    heard = shown.get("session", {}).get("audio", {}).get("input", {})
    if isinstance(turns := heard.get("turnDetection"), dict):
        heard["turnDetection"] = {"createResponse": True, "interruptResponse": True, **turns}
    return shown


AS_SENT = Comparison(normalise=_as_sent)
Said = types.Content | RealtimeInput


def gemini(server: LoopbackSocketServer, model: str = "gemini-2.5-flash-native-audio", **settings: Any) -> Gemini:
    """The model behind a server that speaks TLS, which is all that google-genai's live connections speak."""
    trusted = {"http_options": {"async_client_args": {"ssl": server.client_ssl()}}}
    return Gemini(**{"model": model, "api_key": "a-key", "base_url": server.url, "client_kwargs": trusted, **settings})


def openai(server: LoopbackSocketServer, model: str = "gpt-realtime", **settings: Any) -> OpenAI:
    return OpenAI(model=model, api_key="a-key", base_url=f"{server.url}/v1", **settings)


@dataclass
class LiveScene:
    """What a recording shows.

    Attributes:
        turns: What the user said and sent before each answer.
        answers: What functions answered, by the ids of their calls.
        history: What had been said before.
    """

    messages: list[WireMessage]
    model: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    request: LlmRequest = field(default_factory=LlmRequest)
    turns: list[list[Said]] = field(default_factory=lambda: [[]])
    answers: dict[str, dict[str, Any]] = field(default_factory=dict)
    history: list[types.Content] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.is_gemini = any("setup" in one.data for one in self.sent)
        for message in self.messages:
            if message.direction == "sent":
                self._read_google(message.data) if self.is_gemini else self._read_openai(message.data)
            elif self._ends_turn(message.data) and self.turns[-1]:
                self.turns.append([])
        if not self.turns[-1]:
            self.turns.pop()

    @property
    def sent(self) -> list[WireMessage]:
        return [one for one in self.messages if one.direction == "sent"]

    @property
    def received(self) -> list[Any]:
        return [one.data for one in self.messages if one.direction == "received"]

    def _ends_turn(self, data: Any) -> bool:
        if self.is_gemini:
            return bool(data.get("serverContent", {}).get("turnComplete"))
        if data["type"] != "response.done":
            return False
        return not any(item["type"] == "function_call" for item in data["response"]["output"])

    def _read_google(self, data: Any) -> None:
        (kind, value), *_ = data.items()
        if kind == "setup":
            self._read_setup(value)
        elif kind == "client_content":
            turns = [types.Content.model_validate(turn) for turn in value.get("turns", [])]
            if len(turns) == 1 and value.get("turnComplete"):
                self.turns[-1].append(turns[0])
            else:
                self.history.extend(turns)
        elif kind == "tool_response":
            for answer in value["functionResponses"]:
                self.answers[answer["id"]] = answer["response"]
        elif kind == "realtime_input":
            self._read_realtime(value)

    def _read_setup(self, setup: Any) -> None:
        self.model = setup["model"].rpartition("/")[2]
        generation = dict(setup.get("generationConfig", {}))
        live = {name: setup[name] for name in setup if name not in _NOT_LIVE}
        instruction = setup.get("systemInstruction", {}).get("parts", [{}])[0].get("text")
        tools = [types.Tool.model_validate(tool) for tool in setup.get("tools", [])]
        config = types.GenerateContentConfig(system_instruction=instruction, tools=tools or None)
        live_config = types.LiveConnectConfig.model_validate(generation | live)
        self.request = LlmRequest(config=config, live_connect_config=live_config)

    def _read_realtime(self, value: Any) -> None:
        for kind in ("audio", "video", "media"):
            if kind in value:
                blob = types.Blob.model_validate(value[kind])
                self.turns[-1].append(blob)
        if "text" in value:
            self.turns[-1].append(types.UserContent(value["text"]))
        if "activityStart" in value:
            self.turns[-1].append(types.ActivityStart())
        if "activityEnd" in value:
            self.turns[-1].append(types.ActivityEnd())
        if value.get("audioStreamEnd"):
            self.turns[-1].append(types.AudioStreamEnd())

    def _read_openai(self, data: Any) -> None:
        kind = data["type"]
        if kind == "session.update":
            self._read_session(data["session"])
        elif kind == "conversation.item.create":
            self._read_item(data["item"])
        elif kind == "input_audio_buffer.append":
            sound = base64.b64decode(data["audio"])
            self.turns[-1].append(types.Blob(data=sound, mime_type="audio/pcm;rate=24000"))
        elif kind == "input_audio_buffer.commit":
            self.turns[-1].append(types.ActivityEnd())
        elif kind == "response.cancel":
            self.turns[-1].append(types.ActivityStart())

    def _read_session(self, session: Any) -> None:
        known = [data["session"] for data in self.received if data["type"] == "session.created"]
        self.model = known[0].get("model") or "gpt-realtime" if known else "gpt-realtime"
        sound = session.get("audio", {}).get("input", {})
        declarations = [
            types.FunctionDeclaration(
                name=tool["name"], description=tool.get("description"), parameters_json_schema=tool.get("parameters")
            )
            for tool in session.get("tools", [])
            if tool["type"] == "function"
        ]
        tools: list[Any] = [types.Tool(function_declarations=declarations)] if declarations else []
        tools += [tool for tool in session.get("tools", []) if tool["type"] != "function"]
        config = types.GenerateContentConfig(system_instruction=session.get("instructions"), tools=tools or None)
        wanted = session.get("output_modalities", ["audio"])
        live = types.LiveConnectConfig(response_modalities=[one.upper() for one in wanted])
        if "transcription" in sound:
            live.input_audio_transcription = types.AudioTranscriptionConfig()
        if sound.get("turn_detection", {}) is None:
            detection = types.AutomaticActivityDetection(disabled=True)
            live.realtime_input_config = types.RealtimeInputConfig(automatic_activity_detection=detection)
        self.request = LlmRequest(config=config, live_connect_config=live)
        # What our own settings have no word for goes in as it is.
        own = _OWN_WORDS - (set() if _is_plain(session.get("audio", {})) else {"audio"})
        self.settings = {name: session[name] for name in session if name not in own}

    def _read_item(self, item: Any) -> None:
        if item["type"] == "function_call_output":
            self.answers[item["call_id"]] = {"result": item["output"]}
            return
        parts: list[types.Part] = []
        for piece in item["content"]:
            if piece["type"] in ("input_text", "output_text"):
                parts.append(types.Part(text=piece["text"]))
            elif piece["type"] == "input_image":
                parts.append(types.Part.from_uri(file_uri=piece["image_url"]))
        content = types.Content(role="model" if item["role"] == "assistant" else "user", parts=parts)
        if content.role == "model":
            self.history = [*(one for turn in self.turns for one in turn if isinstance(one, types.Content)), content]
            self.turns = [[]]
        else:
            self.turns[-1].append(content)

    async def play(self) -> list[LlmResponse]:
        """Holds the conversation again, and gives all that came.

        Raises:
            WireMismatchError: What was sent is not what was recorded.
        """
        seen: list[LlmResponse] = []
        with WireSocketServer(self.messages, AS_SENT, deadline=20, tls=self.is_gemini) as server:
            make = gemini if self.is_gemini else openai
            extra = {"live_session": self.settings} if self.settings else {}
            async with opened(make(server, self.model, **extra), self.request) as connection:
                if self.history:
                    await connection.send_history(self.history)
                receiving = connection.receive()
                for turn in self.turns:
                    for said in turn:
                        await send(connection, said)
                    async for response in receiving:
                        seen.append(response)
                        await self._answer(connection, response)
                        if response.turn_complete:
                            break
                await receiving.aclose()
        return seen

    async def _answer(self, connection: BaseLlmConnection, response: LlmResponse) -> None:
        parts = [
            types.Part(
                function_response=types.FunctionResponse(
                    id=call.id, name=call.name, response=self.answers[call.id or ""]
                )
            )
            for call in response.get_function_calls()
            if (call.id or "") in self.answers
        ]
        if parts:
            await connection.send_content(types.Content(role="user", parts=parts))


_NOT_LIVE = frozenset({"model", "generationConfig", "systemInstruction", "tools"})
_OWN_WORDS = frozenset({"type", "instructions", "output_modalities", "audio", "tools"})


def _is_plain(audio: Any) -> bool:
    """Whether a session says of its sound no more than our own settings do."""
    heard, spoken = audio.get("input", {}), audio.get("output", {})
    turns = heard.get("turn_detection") or {}
    known = {"create_response", "interrupt_response", "type"}
    is_known = turns.keys() <= known and turns.get("type", "server_vad") == "server_vad"
    return is_known and heard.keys() <= {"format", "transcription", "turn_detection"} and spoken.keys() <= {"format"}


async def send(connection: BaseLlmConnection, said: Said) -> None:
    if isinstance(said, types.Content):
        await connection.send_content(said)
    else:
        await connection.send_realtime(said)


@asynccontextmanager
async def opened(model: BaseLlm, request: LlmRequest | None = None) -> Any:
    """A connection of a model that is closed with it."""
    try:
        async with model.connect(request or LlmRequest()) as connection:
            yield connection
    finally:
        await model.close()


@dataclass
class Outcome:
    """What an answer comes to, as it was recorded or as it was given."""

    text: str = ""
    thoughts: str = ""
    sound: bytes = b""
    spoken: str = ""
    heard: str = ""
    calls: list[Any] = field(default_factory=list)
    usage: list[tuple[int, int]] = field(default_factory=list)
    turns: int = 0


def given(responses: list[LlmResponse]) -> Outcome:
    """What responses come to. Text is that of whole responses, sound that of pieces."""
    outcome = Outcome()
    for response in responses:
        for part in _parts(response):
            if part.inline_data is not None and response.partial:
                outcome.sound += part.inline_data.data or b""
            elif part.text and not response.partial and part.thought:
                outcome.thoughts += part.text
            elif part.text and not response.partial:
                outcome.text += part.text
        outcome.spoken += _whole(response, response.output_transcription)
        outcome.heard += _whole(response, response.input_transcription)
        outcome.calls += [(call.id, call.name, call.args) for call in response.get_function_calls()]
        if (usage := response.usage_metadata) is not None:
            outcome.usage.append((usage.prompt_token_count or 0, usage.total_token_count or 0))
        outcome.turns += bool(response.turn_complete)
    return outcome


def _whole(response: LlmResponse, transcription: types.Transcription | None) -> str:
    if transcription is None or not transcription.finished:
        return ""
    assert response.partial is False
    return transcription.text or ""


def pieces(responses: list[LlmResponse]) -> tuple[str, str]:
    """The text and the thoughts that came in pieces."""
    shown = [part for response in responses if response.partial for part in _parts(response) if part.text]
    text = "".join(part.text or "" for part in shown if not part.thought)
    return text, "".join(part.text or "" for part in shown if part.thought)


def _parts(response: LlmResponse) -> Iterator[types.Part]:
    yield from (response.content.parts or ()) if response.content is not None else ()


def recorded_outcome(scene: LiveScene) -> Outcome:
    """What the recording received comes to, read from its JSON alone."""
    outcome = Outcome()
    read = _google_outcome if scene.is_gemini else _openai_outcome
    for data in scene.received:
        read(data, outcome)
    return outcome


def _google_outcome(data: Any, outcome: Outcome) -> None:
    content = data.get("serverContent", {})
    for part in content.get("modelTurn", {}).get("parts", []):
        if "inlineData" in part:
            outcome.sound += base64.b64decode(part["inlineData"]["data"])
        elif part.get("thought"):
            outcome.thoughts += part["text"]
        else:
            outcome.text += part.get("text", "")
    outcome.spoken += content.get("outputTranscription", {}).get("text", "")
    outcome.heard += content.get("inputTranscription", {}).get("text", "")
    outcome.calls += [
        (call["id"], call["name"], call.get("args") or {}) for call in data.get("toolCall", {}).get("functionCalls", [])
    ]
    if "usageMetadata" in data:
        usage = data["usageMetadata"]
        outcome.usage.append((usage.get("promptTokenCount", 0), usage.get("totalTokenCount", 0)))
    outcome.turns += bool(content.get("turnComplete"))


def _openai_outcome(data: Any, outcome: Outcome) -> None:
    kind = data["type"]
    if kind == "response.output_text.delta":
        outcome.text += data["delta"]
    elif kind == "response.output_audio.delta":
        outcome.sound += base64.b64decode(data["delta"])
    elif kind == "response.output_audio_transcript.done":
        outcome.spoken += data["transcript"]
    elif kind == "conversation.item.input_audio_transcription.completed":
        outcome.heard += data["transcript"]
    elif kind == "response.done":
        response = data["response"]
        calls = [item for item in response["output"] if item["type"] == "function_call"]
        outcome.calls += [(item["call_id"], item["name"], json.loads(item["arguments"] or "{}")) for item in calls]
        if usage := response.get("usage"):
            outcome.usage.append((usage["input_tokens"], usage["total_tokens"]))
        outcome.turns += not calls
