# SPDX-License-Identifier: Apache-2.0
"""Answers with a model of ours what an MCP server asks its client's model."""

import base64
from contextlib import aclosing
from typing import Any

from mcp.client.session import ClientRequestContext, SamplingFnT
from mcp_types import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    AudioContent,
    CreateMessageRequestParams,
    CreateMessageResult,
    ErrorData,
    ImageContent,
    SamplingMessage,
    TextContent,
)

from runwright.errors import ModelError
from runwright.event import LlmResponse
from runwright.model import BaseLlm, LlmRequest
from runwright.types import Content, GenerateContentConfig, Part, text_of


def sampling_by(model: BaseLlm) -> SamplingFnT:
    """What answers a server's questions with this model: text, images and audio in, text out; no tools."""

    async def answered(context: ClientRequestContext, params: CreateMessageRequestParams) -> Any:
        request = _request(params, model.model)
        if request is None:
            return ErrorData(code=INVALID_PARAMS, message="This client's model takes text, images and audio, no tools")
        whole: LlmResponse | None = None
        try:
            async with aclosing(model.generate_content_async(request)) as responses:
                async for response in responses:
                    whole = whole if response.partial else response
        except ModelError as error:
            return ErrorData(code=INTERNAL_ERROR, message=f"The model could not answer: {error}")
        if whole is None or not (text := text_of(whole.content)):
            said = "nothing" if whole is None else whole.error_message or whole.error_code or "nothing"
            return ErrorData(code=INTERNAL_ERROR, message=f"The model gave no text: {said}")
        reason = "maxTokens" if whole.finish_reason == "MAX_TOKENS" else "endTurn"
        block = TextContent(type="text", text=text)
        return CreateMessageResult(role="assistant", content=block, model=model.model, stop_reason=reason)

    return answered


def _request(params: CreateMessageRequestParams, model: str) -> LlmRequest | None:
    """The question for a model of ours; None where it holds what was not offered."""
    contents = [_content(message) for message in params.messages]
    known = [content for content in contents if content is not None]
    if params.tools or len(known) < len(contents):
        return None
    config = GenerateContentConfig(
        system_instruction=params.system_prompt,
        temperature=params.temperature,
        max_output_tokens=params.max_tokens,
        stop_sequences=params.stop_sequences,
    )
    return LlmRequest(model=model, contents=list(known), config=config)


def _content(message: SamplingMessage) -> Content | None:
    parts: list[Part] = []
    for block in message.content_as_list:
        match block:
            case TextContent():
                parts.append(Part.from_text(text=block.text))
            case ImageContent() | AudioContent():
                parts.append(Part.from_bytes(data=base64.b64decode(block.data), mime_type=block.mime_type))
            case _:
                return None
    return Content(role="user" if message.role == "user" else "model", parts=parts)
