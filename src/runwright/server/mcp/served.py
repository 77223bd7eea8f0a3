# SPDX-License-Identifier: Apache-2.0
"""An agent in the words of the protocol: the tool that it is, its arguments as a message, its answer as blocks."""

import base64
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

import msgspec
from mcp_types import (
    AudioContent,
    BlobResourceContents,
    CallToolResult,
    ContentBlock,
    EmbeddedResource,
    ImageContent,
    ResourceLink,
    TextContent,
    Tool,
)

from runwright.agent import BaseAgent
from runwright.errors import InputValidationError, ToolArgumentsError, ToolExecutionError
from runwright.event import Event
from runwright.schema import json_schema, read_answer, schema_decoder
from runwright.types import Blob, Content, Part, text_of

SESSION_ID = "session_id"
"""The argument that names a conversation."""

_UNKNOWN_TYPE = "application/octet-stream"
_REQUEST: dict[str, Any] = {
    "type": "object",
    "properties": {
        "request": {"type": "string", "description": "What the agent is to do, with all that it needs to know."}
    },
    "required": ["request"],
}
_SESSION: dict[str, Any] = {
    "type": "string",
    "description": "The conversation to go on with, as an earlier answer named it. Leave it out for the connection's "
    "own conversation, or to begin one.",
}


class ServedAgent:
    """An agent as a tool.

    Args:
        name: What the tool is called.

    Raises:
        UnsupportedTypeError: A schema of the agent cannot be shown to a client.
    """

    def __init__(self, agent: BaseAgent, name: str) -> None:
        self.name = name
        takes: Any = getattr(agent, "input_schema", None)
        gives: Any = getattr(agent, "output_schema", None)
        where = f"agent {agent.name!r}, "
        self._read_input = None if takes is None else schema_decoder(takes, where=f"{where}input_schema")
        self._read_output = None if gives is None else schema_decoder(gives, where=f"{where}output_schema")
        takes_schema = _REQUEST if takes is None else json_schema(takes, where=f"{where}input_schema")
        gives_schema = None if gives is None else json_schema(gives, where=f"{where}output_schema")
        properties: dict[str, Any] = takes_schema.get("properties", {})
        self._takes_session = SESSION_ID not in properties
        """Whether ``session_id`` is ours: an agent's own argument of that name is the agent's."""
        self._is_wrapped = gives_schema is not None and gives_schema.get("type") != "object"
        """Whether the structured answer is put into an object, as the protocol before 2026-07-28 wants."""
        if self._takes_session:
            properties = {**properties, SESSION_ID: _SESSION}
        self.tool = Tool(
            name=name,
            description=agent.description or f"Runs the agent {name}.",
            input_schema={"type": "object", **takes_schema, "properties": properties},
            output_schema=_wrapped(gives_schema) if gives_schema is not None and self._is_wrapped else gives_schema,
        )

    def read(self, arguments: dict[str, Any]) -> tuple[Content, str | None]:
        """The message that the arguments make, and the conversation that they name.

        Raises:
            ToolArgumentsError: They do not fit.
        """
        given = dict(arguments)
        session_id = given.pop(SESSION_ID, None) if self._takes_session else None
        if session_id is not None and (not isinstance(session_id, str) or not session_id):
            raise ToolArgumentsError(f"{SESSION_ID!r} is the id of a conversation, a text, not {session_id!r}")
        return Content(role="user", parts=[Part.from_text(text=self._text(given))]), session_id

    def _text(self, given: dict[str, Any]) -> str:
        if self._read_input is None:
            request = given.get("request")
            if not isinstance(request, str) or not request.strip():
                raise ToolArgumentsError(f"{self.name} needs 'request', a text that says what to do")
            return request
        try:
            self._read_input(given)
        except InputValidationError as error:
            raise ToolArgumentsError(f"The arguments of {self.name} do not fit: {error}") from error
        return msgspec.json.encode(given).decode()

    def result(self, events: Iterable[Event]) -> CallToolResult:
        """What the final events of a run say.

        Raises:
            ToolExecutionError: They say that it failed, or an answer that does not fit the agent's ``output_schema``.
        """
        said: list[ContentBlock] = []
        text, output, last = "", None, None
        for event in events:
            said += blocks_of(event.content)
            text = text_of(event.content) or text
            output = output if event.output is None else event.output
            last = event
        if last is not None and not blocks_of(last.content):
            if last.error_code:
                raise ToolExecutionError(last.error_message or f"The agent failed: {last.error_code}")
            if last.output is not None:  # a node of a workflow that gives something and says nothing
                said.append(_text(last.output))
        structured = self._structured(output, text) if text or output is not None else None
        return CallToolResult(content=said, structured_content=structured)

    def _structured(self, output: Any, text: str) -> Any:
        """The answer as data; None where the agent does not say what it is to be."""
        if self._read_output is None:
            return None
        try:
            value = read_answer(text if output is None else msgspec.json.encode(output).decode(), self._read_output)
        except InputValidationError as error:
            raise ToolExecutionError(f"The answer of {self.name} does not fit its output_schema: {error}") from error
        return {"result": value} if self._is_wrapped else value


def blocks_of(content: Content | None) -> list[ContentBlock]:
    """The pieces of a message, thoughts and calls left out."""
    parts = (content.parts or ()) if content is not None else ()
    blocks: list[ContentBlock] = []
    for part in parts:
        if part.thought:
            continue
        if part.text:
            blocks.append(TextContent(text=part.text))
        elif part.inline_data is not None and part.inline_data.data is not None:
            blocks.append(_file(part.inline_data, part.inline_data.data))
        elif (file := part.file_data) is not None and file.file_uri:
            name = file.display_name or file.file_uri.rpartition("/")[2] or file.file_uri
            blocks.append(ResourceLink(uri=file.file_uri, name=name, mime_type=file.mime_type))
    return blocks


def _text(output: Any) -> TextContent:
    return TextContent(text=output if isinstance(output, str) else msgspec.json.encode(output).decode())


def _file(blob: Blob, data: bytes) -> ContentBlock:
    kind = blob.mime_type or _UNKNOWN_TYPE
    coded = base64.b64encode(data).decode("ascii")
    if kind.startswith("image/"):
        return ImageContent(data=coded, mime_type=kind)
    if kind.startswith("audio/"):
        return AudioContent(data=coded, mime_type=kind)
    uri = f"resource://answer/{quote(blob.display_name or 'file')}"
    return EmbeddedResource(resource=BlobResourceContents(uri=uri, blob=coded, mime_type=kind))


def _wrapped(schema: dict[str, Any]) -> dict[str, Any]:
    inner = dict(schema)
    definitions = {name: inner.pop(name) for name in ("$defs", "definitions") if name in inner}
    return {"type": "object", "properties": {"result": inner}, "required": ["result"], **definitions}
