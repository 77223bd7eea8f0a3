# SPDX-License-Identifier: Apache-2.0
"""Recorded exchanges with OpenAI, read as what they are about: who said what, and which tools there were.

An agent is made of what a recording's requests show: its instruction, its tools, the form of its answer. Its tools
answer what was answered then. So each recording replays without a test of its own, also those that are added later.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from runwright.testing.wire import Exchange, read_recording
from runwright.types import Content, FileData, FunctionCall, FunctionResponse, FunctionResponsePart, Part

FILE_HEADING = re.compile(r"This is file (\S+):")
Json = dict[str, Any]


class Said(NamedTuple):
    """What an answer says, as it was recorded."""

    text: str
    calls: list[tuple[str, Any]]
    thoughts: list[str]
    usage: Json


class Conversation(NamedTuple):
    """What a recording is about.

    Attributes:
        exchanges: Those with OpenAI.
        path: Where the API was.
        history: What had been said before, of which other exchanges may tell.
        prompts: What the user said, in order.
        outputs: What tools answered, by the id of the call.
        files: What files they answered with, by their names.
    """

    exchanges: list[Exchange]
    path: str
    body: Json
    history: list[Content]
    prompts: list[Content]
    outputs: dict[str, str]
    files: dict[str, FunctionResponsePart]

    @property
    def is_chat(self) -> bool:
        return "messages" in self.body

    @property
    def fails(self) -> bool:
        return any(said(exchange) is None for exchange in self.exchanges)

    @property
    def instruction(self) -> str:
        if not self.is_chat:
            return self.body.get("instructions") or ""
        systems = [one["content"] for one in self.body["messages"] if one["role"] in ("system", "developer")]
        return "\n\n".join(systems)

    @property
    def functions(self) -> list[Json]:
        tools = [tool for tool in self.body.get("tools", ()) if tool["type"] == "function"]
        return [tool.get("function", tool) for tool in tools]

    @property
    def native_tools(self) -> list[Json]:
        return [tool for tool in self.body.get("tools", ()) if tool["type"] != "function"]

    @property
    def form(self) -> Json | None:
        if self.is_chat:
            return (self.body.get("response_format") or {}).get("json_schema")
        form = (self.body.get("text") or {}).get("format") or {}
        return form if form.get("type") == "json_schema" else None


def conversation(path: Path) -> Conversation:
    """What a recording is about."""
    exchanges = [one for one in read_recording(path) if re.search("/(responses|completions)$", one.request.path)]
    bodies: list[Json] = [exchange.request.json() for exchange in exchanges]
    outputs: dict[str, str] = {}
    files: dict[str, FunctionResponsePart] = {}
    prompts: list[Content] = []
    for body in bodies:
        for item in items(body):
            if item.get("role") == "tool":
                outputs[item["tool_call_id"]] = item["content"]
            elif item.get("type") == "function_call_output":
                outputs[item["call_id"]] = item["output"]
            elif isinstance(item.get("content"), list):
                files |= _files(item["content"])
        if _is_prompt(items(body)[-1]):
            prompts.append(Content(role="user", parts=_parts(items(body)[-1]["content"])))
    before = [item for item in items(bodies[0])[:-1] if item.get("role") not in ("system", "developer")]
    where = re.sub("/(responses|chat/completions)$", "", exchanges[0].request.path)
    return Conversation(exchanges, where, bodies[0], _history(before), prompts, outputs, files)


def items(body: Json) -> list[Json]:
    """The messages of a request."""
    given = body.get("messages") or body.get("input")
    return [{"role": "user", "content": given}] if isinstance(given, str) else list(given or [])


def said(exchange: Exchange) -> Said | None:
    """What was answered; None where that was a failure, or no answer at all."""
    answer = exchange.answer
    if answer.status != 200:
        return None
    if answer.streamed:
        events = [line[5:].strip() for line in answer.body.decode().splitlines() if line.startswith("data:")]
        return _streamed([msgspec.json.decode(event) for event in events if event != "[DONE]"])
    try:
        found = msgspec.json.decode(answer.body)
    except msgspec.DecodeError:
        return None
    if "output" in found:
        return _response(found)
    if "choices" not in found:
        return None
    message = found["choices"][0]["message"]
    calls = [one["function"] for one in message.get("tool_calls") or ()]
    named = [(call["name"], msgspec.json.decode(call["arguments"])) for call in calls]
    return Said(message.get("content") or "", named, [], found["usage"])


def _streamed(events: list[Json]) -> Said:
    if "type" in events[0]:
        return _response(events[-1]["response"])
    deltas = [event["choices"][0]["delta"] for event in events if event["choices"]]
    text = "".join(delta.get("content") or "" for delta in deltas)
    names: dict[int, str] = {}
    arguments: dict[int, str] = {}
    for call in (call for delta in deltas for call in delta.get("tool_calls") or ()):
        names[call["index"]] = names.get(call["index"], "") + (call["function"].get("name") or "")
        arguments[call["index"]] = arguments.get(call["index"], "") + call["function"]["arguments"]
    calls = [(names[place], msgspec.json.decode(arguments[place] or "{}")) for place in names]
    return Said(text, calls, [], events[-1]["usage"])


def _response(found: Json) -> Said:
    output = found["output"]
    pieces = [piece for item in output if item["type"] == "message" for piece in item["content"]]
    calls = [item for item in output if item["type"] == "function_call"]
    summaries = [one["text"] for item in output if item["type"] == "reasoning" for one in item["summary"]]
    named = [(call["name"], msgspec.json.decode(call["arguments"] or "{}")) for call in calls]
    return Said("".join(piece.get("text", "") for piece in pieces), named, summaries, found["usage"])


def _is_prompt(item: Json) -> bool:
    if item.get("role") != "user":
        return False
    content = item["content"]
    return isinstance(content, str) or not FILE_HEADING.match(content[0].get("text", ""))


def _parts(content: Any) -> list[Part]:
    if isinstance(content, str):
        return [Part(text=content)]
    return [_part(piece) for piece in content]


def _part(piece: Json) -> Part:
    if piece["type"] in ("text", "input_text"):
        return Part(text=piece["text"])
    if piece["type"] == "input_audio":
        sound = piece["input_audio"]
        return Part.model_validate({"inlineData": {"data": sound["data"], "mimeType": f"audio/{sound['format']}"}})
    if piece["type"] in ("image_url", "input_image"):
        where = piece["image_url"]
        return Part(file_data=FileData(file_uri=where if isinstance(where, str) else where["url"], mime_type="image/*"))
    file = piece.get("file", piece)
    return Part(file_data=FileData(file_uri=file.get("file_url") or file.get("file_id") or file.get("file_data")))


def _files(content: list[Json]) -> dict[str, FunctionResponsePart]:
    """The files that follow the headings which name them."""
    found: dict[str, FunctionResponsePart] = {}
    for place, piece in enumerate(content[:-1]):
        if heading := FILE_HEADING.match(piece.get("text", "")):
            part = _part(content[place + 1])
            assert part.file_data is not None
            part.file_data.display_name = heading[1]
            found[heading[1]] = FunctionResponsePart(file_data=part.file_data)
    return found


def _history(before: list[Json]) -> list[Content]:
    """Messages as contents: what the user, the model and tools had said."""
    said: list[Content] = []
    names: dict[str, str] = {}
    for item in before:
        if item.get("role") == "tool":
            answer = FunctionResponse(
                id=item["tool_call_id"], name=names[item["tool_call_id"]], response={"result": item["content"]}
            )
            said.append(Content(role="user", parts=[Part(function_response=answer)]))
        elif item.get("role") == "user":
            said.append(Content(role="user", parts=_parts(item["content"])))
        elif item.get("role") == "assistant":
            parts = [Part(text=item["content"])] if item.get("content") else []
            for call in item.get("tool_calls") or ():
                function: Mapping[str, Any] = call["function"]
                names[call["id"]] = function["name"]
                args = msgspec.json.decode(function["arguments"])
                parts.append(Part(function_call=FunctionCall(id=call["id"], name=function["name"], args=args)))
            said.append(Content(role="model", parts=parts))
    return said
