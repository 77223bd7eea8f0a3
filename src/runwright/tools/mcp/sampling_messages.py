# SPDX-License-Identifier: Apache-2.0
"""What an MCP server asks a model, as a request of ours; and the model's answer, as the protocol has it."""

import base64
import binascii
from typing import Any

import msgspec
from mcp_types import (
    AudioContent,
    CreateMessageRequestParams,
    CreateMessageResult,
    CreateMessageResultWithTools,
    ImageContent,
    SamplingMessage,
    SamplingMessageContentBlock,
    TextContent,
    ToolChoice,
    ToolResultContent,
    ToolUseContent,
)
from mcp_types import Tool as McpTool

from runwright import clock
from runwright.errors import InputValidationError
from runwright.event import LlmResponse
from runwright.model import LlmRequest
from runwright.tools.mcp.content import block_part
from runwright.types import (
    Content,
    FunctionCall,
    FunctionCallingConfig,
    FunctionCallingConfigMode,
    FunctionDeclaration,
    FunctionResponse,
    FunctionResponsePart,
    GenerateContentConfig,
    Part,
    Tool,
    ToolConfig,
)

_SIGNATURE = "runwright/thoughtSignature"
"""Under this name a tool use's ``_meta`` keeps what the provider wants back with it."""

_MODES = {
    "auto": FunctionCallingConfigMode.AUTO,
    "required": FunctionCallingConfigMode.ANY,
    "none": FunctionCallingConfigMode.NONE,
}


def question(params: CreateMessageRequestParams, model: str) -> LlmRequest:
    """The request for a model of ours.

    Raises:
        InputValidationError: A message holds bytes that are none, or a result of a tool that nobody used.
    """
    names: dict[str, str] = {}
    try:
        contents = [_content(message, names) for message in params.messages]
    except binascii.Error as error:
        raise InputValidationError(f"A message's data is no base64: {error}") from error
    config = GenerateContentConfig(
        system_instruction=params.system_prompt,
        temperature=params.temperature,
        max_output_tokens=params.max_tokens,
        stop_sequences=params.stop_sequences,
        tools=[Tool(function_declarations=[_declaration(tool) for tool in params.tools])] if params.tools else None,
        tool_config=_tool_config(params.tool_choice) if params.tools else None,
    )
    return LlmRequest(model=model, contents=contents, config=config)


def _declaration(tool: McpTool) -> FunctionDeclaration:
    return FunctionDeclaration(name=tool.name, description=tool.description, parameters_json_schema=tool.input_schema)


def _tool_config(choice: ToolChoice | None) -> ToolConfig | None:
    if choice is None or choice.mode is None:
        return None
    return ToolConfig(function_calling_config=FunctionCallingConfig(mode=_MODES[choice.mode]))


def _content(message: SamplingMessage, names: dict[str, str]) -> Content:
    """One message. ``names`` gets the tools that it uses, by the ids of the uses."""
    parts: list[Part] = []
    for block in message.content_as_list:
        match block:
            case ToolUseContent():
                names[block.id] = block.name
                parts.append(_use(block))
            case ToolResultContent():
                if block.tool_use_id not in names:
                    raise InputValidationError(f"No tool use before has the id {block.tool_use_id!r}")
                parts.append(Part(function_response=_response(block, names[block.tool_use_id])))
            case _:
                parts.append(block_part(block))
    return Content(role="user" if message.role == "user" else "model", parts=parts)


def _use(block: ToolUseContent) -> Part:
    signature = (block.meta or {}).get(_SIGNATURE)
    return Part(
        function_call=FunctionCall(id=block.id, name=block.name, args=block.input),
        thought_signature=base64.b64decode(signature) if isinstance(signature, str) else None,
    )


def _response(block: ToolResultContent, name: str) -> FunctionResponse:
    parts = [block_part(one) for one in block.content]
    text = "\n".join(part.text for part in parts if part.text)
    said: Any = block.structured_content if block.structured_content is not None else text
    files = [FunctionResponsePart(inline_data=part.inline_data, file_data=part.file_data) for part in parts]
    return FunctionResponse(
        id=block.tool_use_id,
        name=name,
        response={"error" if block.is_error else "result": said},
        parts=[file for file in files if file.inline_data is not None or file.file_data is not None] or None,
    )


def answer(
    response: LlmResponse, model: str, *, has_tools: bool
) -> CreateMessageResult | CreateMessageResultWithTools | None:
    """What a model answered; None where it is nothing that the protocol can say."""
    parts = [part for part in (response.content.parts if response.content else None) or () if not part.thought]
    reason = "maxTokens" if response.finish_reason == "MAX_TOKENS" else "endTurn"
    if has_tools:
        blocks = [block for part in parts if (block := _block(part)) is not None]
        if not blocks:
            return None
        reason = "toolUse" if any(isinstance(block, ToolUseContent) for block in blocks) else reason
        return CreateMessageResultWithTools(role="assistant", content=blocks, model=model, stop_reason=reason)
    if text := "".join(part.text for part in parts if part.text):
        block: Any = TextContent(text=text)
    else:
        block = next((block for part in parts if (block := _block(part)) is not None), None)
    if block is None or isinstance(block, ToolUseContent):
        return None
    return CreateMessageResult(role="assistant", content=block, model=model, stop_reason=reason)


def _block(part: Part) -> SamplingMessageContentBlock | None:
    if part.text:
        return TextContent(text=part.text)
    if (call := part.function_call) is not None and call.name:
        signature = part.thought_signature
        meta = {_SIGNATURE: base64.b64encode(signature).decode("ascii")} if signature else None
        arguments = msgspec.to_builtins(call.args or {})
        return ToolUseContent(id=call.id or clock.new_id(), name=call.name, input=arguments, _meta=meta)
    blob = part.inline_data
    if blob is None or blob.data is None or blob.mime_type is None:
        return None
    data = base64.b64encode(blob.data).decode("ascii")
    if blob.mime_type.startswith("image/"):
        return ImageContent(data=data, mime_type=blob.mime_type)
    return AudioContent(data=data, mime_type=blob.mime_type) if blob.mime_type.startswith("audio/") else None
