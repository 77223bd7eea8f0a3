# SPDX-License-Identifier: Apache-2.0
"""What an MCP server answers, in the words of tools and messages."""

import base64
from typing import Any

import msgspec
from mcp_types import (
    AudioContent,
    BlobResourceContents,
    CallToolResult,
    ContentBlock,
    EmbeddedResource,
    GetPromptResult,
    ImageContent,
    ResourceLink,
    TextContent,
    TextResourceContents,
)
from pydantic import BaseModel

from runwright.errors import ToolExecutionError
from runwright.types import Content, Part

TOOL_FAILED = "MCP_TOOL_ERROR"
"""The kind of failure that a tool itself reported."""

_OF_THE_PROTOCOL = "io.modelcontextprotocol/"
_UNKNOWN_TYPE = "application/octet-stream"


def answer(result: CallToolResult, tool: str) -> dict[str, Any]:
    """A tool's result as the model is told it: ``content``, and ``structuredContent`` where there is some.

    Images, audio and other bytes are :class:`~runwright.types.Part` objects in their places in ``content``.

    Raises:
        ToolExecutionError: The tool said that it failed; the message is its own.
    """
    if result.is_error:
        texts = [text for block in result.content if (text := _text(block))]
        if not texts and result.structured_content is not None:
            texts = [msgspec.json.encode(result.structured_content).decode()]
        raise ToolExecutionError("\n".join(texts) or f"{tool} failed and did not say why", TOOL_FAILED)
    told = dumped(result)
    told.pop("resultType", None)
    told["content"] = [
        block_part(block) if _holds_bytes(block) else shown
        for block, shown in zip(result.content, told["content"], strict=True)
    ]
    return told


def _text(block: ContentBlock) -> str:
    """What a block says, where it is text."""
    if isinstance(block, EmbeddedResource) and isinstance(block.resource, TextResourceContents):
        return block.resource.text
    return block.text if isinstance(block, TextContent) else ""


def _holds_bytes(block: ContentBlock) -> bool:
    if isinstance(block, EmbeddedResource):
        return isinstance(block.resource, BlobResourceContents)
    return isinstance(block, ImageContent | AudioContent)


def dumped(model: BaseModel) -> dict[str, Any]:
    """A value of the protocol as JSON, without what is not there."""
    values = model.model_dump(mode="json", by_alias=True, exclude_none=True)
    meta: dict[str, Any] = values.pop("_meta", {})
    if own := {key: value for key, value in meta.items() if not key.startswith(_OF_THE_PROTOCOL)}:
        values["meta"] = own
    return values


def resource_part(contents: TextResourceContents | BlobResourceContents) -> Part:
    """One piece of a resource."""
    if isinstance(contents, TextResourceContents):
        return Part.from_text(text=contents.text)
    data = base64.b64decode(contents.blob)
    return Part.from_bytes(data=data, mime_type=contents.mime_type or _UNKNOWN_TYPE)


def block_part(block: ContentBlock) -> Part:
    """A piece of a message."""
    match block:
        case TextContent():
            return Part.from_text(text=block.text)
        case ImageContent() | AudioContent():
            return Part.from_bytes(data=base64.b64decode(block.data), mime_type=block.mime_type)
        case EmbeddedResource():
            return resource_part(block.resource)
        case ResourceLink():
            return Part.from_uri(file_uri=block.uri, mime_type=block.mime_type)


def messages(prompt: GetPromptResult) -> list[Content]:
    """A prompt's messages."""
    return [
        Content(role="user" if message.role == "user" else "model", parts=[block_part(message.content)])
        for message in prompt.messages
    ]
