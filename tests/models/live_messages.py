# SPDX-License-Identifier: Apache-2.0
"""Messages of the two providers' live APIs, written by hand after their documentation."""

import base64
from typing import Any

from runwright.testing.wire import SocketScript, WireMessage

SOUND = bytes(range(248, 256)) * 2
MODEL = "gemini-2.5-flash-native-audio"


def sent(data: Any) -> WireMessage:
    return WireMessage(direction="sent", data=data)


def received(data: Any) -> WireMessage:
    return WireMessage(direction="received", data=data)


def base64_of(data: bytes) -> str:
    return base64.b64encode(data).decode()


class Google:
    """What goes between a client and Gemini's Live API."""

    @staticmethod
    def setup(model: str = MODEL, *modalities: str, **more: Any) -> list[WireMessage]:
        generation = {"responseModalities": list(modalities or ("AUDIO",))}
        setup = {"model": f"models/{model}", "generationConfig": generation, **more}
        return [sent({"setup": setup}), received({"setupComplete": {"sessionId": "s-1"}})]

    @staticmethod
    def turn(text: str) -> WireMessage:
        turns = [{"parts": [{"text": text}], "role": "user"}]
        return sent({"client_content": {"turns": turns, "turnComplete": True}})

    @staticmethod
    def content(**content: Any) -> WireMessage:
        return received({"serverContent": content})

    @staticmethod
    def said(*parts: dict[str, Any]) -> WireMessage:
        return Google.content(modelTurn={"parts": list(parts)})

    @staticmethod
    def turn_complete(**usage: int) -> WireMessage:
        done: dict[str, Any] = {"serverContent": {"turnComplete": True}}
        return received(done | ({"usageMetadata": usage} if usage else {}))

    @staticmethod
    def calls(*calls: dict[str, Any]) -> WireMessage:
        return received({"toolCall": {"functionCalls": list(calls)}})

    @staticmethod
    def answers(*answers: tuple[str, str, Any]) -> WireMessage:
        shown = [{"id": call_id, "name": name, "response": response} for call_id, name, response in answers]
        return sent({"tool_response": {"functionResponses": shown}})


class Realtime:
    """What goes between a client and OpenAI's Realtime API."""

    FORMAT = {"type": "audio/pcm", "rate": 24000}
    LISTENING = {"type": "server_vad", "create_response": True, "interrupt_response": True}

    @staticmethod
    def setup(modality: str = "audio", sound: dict[str, Any] | None = None, **more: Any) -> list[WireMessage]:
        heard = {"format": Realtime.FORMAT, "turn_detection": Realtime.LISTENING, **(sound or {})}
        session = {
            "type": "realtime",
            "output_modalities": [modality],
            "audio": {"input": heard, "output": {"format": Realtime.FORMAT}},
            **more,
        }
        known = {"id": "sess_1", "model": "gpt-realtime"}
        return [
            received({"type": "session.created", "session": known}),
            sent({"type": "session.update", "session": session}),
            received({"type": "session.updated", "session": known}),
        ]

    @staticmethod
    def item(item: dict[str, Any]) -> WireMessage:
        return sent({"type": "conversation.item.create", "item": item})

    @staticmethod
    def message(*content: dict[str, Any], role: str = "user") -> WireMessage:
        return Realtime.item({"type": "message", "role": role, "content": list(content)})

    @staticmethod
    def turn(text: str) -> list[WireMessage]:
        return [Realtime.message({"type": "input_text", "text": text}), Realtime.ASK]

    @staticmethod
    def output(call_id: str, output: str) -> WireMessage:
        return Realtime.item({"type": "function_call_output", "call_id": call_id, "output": output})

    @staticmethod
    def event(kind: str, **event: Any) -> WireMessage:
        return received({"type": kind, **event})

    @staticmethod
    def text(text: str, item_id: str = "item_1") -> WireMessage:
        return Realtime.event("response.output_text.delta", item_id=item_id, content_index=0, delta=text)

    @staticmethod
    def call(call_id: str, arguments: str, name: str = "look") -> list[WireMessage]:
        item = {"id": f"item_{call_id}", "type": "function_call", "name": name, "call_id": call_id}
        done = {"item_id": f"item_{call_id}", "call_id": call_id, "arguments": arguments}
        return [
            Realtime.event("response.output_item.added", item={**item, "status": "in_progress"}),
            Realtime.event("response.function_call_arguments.done", **done),
        ]

    @staticmethod
    def done(status: str = "completed", **response: Any) -> WireMessage:
        return Realtime.event("response.done", response={"status": status, "output": [], **response})

    ASK = sent({"type": "response.create"})
    BEGUN = received({"type": "response.created", "response": {}})


GOOGLE = SocketScript(
    messages=[
        *Google.setup(MODEL, "TEXT"),
        Google.turn("Hi"),
        Google.said({"text": "Hello"}),
        Google.said({"text": " there"}),
        Google.turn_complete(promptTokenCount=1, responseTokenCount=2, totalTokenCount=3),
    ]
)
REALTIME = SocketScript(
    messages=[
        *Realtime.setup("text"),
        *Realtime.turn("Hi"),
        Realtime.BEGUN,
        Realtime.text("Hello"),
        Realtime.text(" there"),
        Realtime.done(),
    ]
)
"""A short conversation in writing with each of them."""
