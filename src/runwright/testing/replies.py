# SPDX-License-Identifier: Apache-2.0
"""Replies: what a model that is not there says, written the short way."""

import asyncio
import inspect
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import aclosing
from typing import Any, NamedTuple, TypeAlias, cast

import msgspec

from runwright.event import LlmResponse
from runwright.model import LlmRequest
from runwright.types import (
    Content,
    FinishReason,
    FunctionCall,
    GenerateContentResponseUsageMetadata,
    Part,
    copy_content,
    copy_part,
    to_content,
    to_parts,
)

CHARACTERS_PER_TOKEN = 4
"""How long a token is taken to be, where usage is estimated."""


class Stream(NamedTuple):
    """Chunks of one message. Make it with :func:`stream`."""

    chunks: tuple[Any, ...]


class Delay(NamedTuple):
    """A reply, or a chunk, that comes later. Make it with :func:`delay`."""

    seconds: float
    reply: Any


Reply: TypeAlias = (
    str
    | LlmResponse
    | Content
    | Part
    | FunctionCall
    | Sequence[str | Part | FunctionCall]
    | BaseException
    | type[BaseException]
    | Stream
    | Delay
    | Callable[[LlmRequest], Any]
)
"""What one request is answered with: see :class:`~runwright.testing.ScriptedModel`."""


def call(tool: str, /, **args: Any) -> FunctionCall:
    """The model calls a tool: ``call("add", a=1, b=2)``."""
    return FunctionCall(name=tool, args=args)


def stream(*chunks: str | Part | FunctionCall | LlmResponse | BaseException | Delay) -> Stream:
    """A message in chunks: where the request asks for a stream, each as it is and then the whole; else the whole alone.

    An exception among the chunks is raised there; ``delay(seconds, chunk)`` lets one wait.
    """
    return Stream(chunks)


def delay(seconds: float, reply: Reply) -> Delay:
    """A reply that comes after so many seconds of ``asyncio.sleep``."""
    return Delay(seconds, reply)


async def answered(reply: Any, request: LlmRequest, *, stream: bool, prompt_tokens: int) -> AsyncGenerator[LlmResponse]:
    """The responses that a reply stands for.

    Args:
        stream: Whether the request asks for chunks.
        prompt_tokens: What the request is taken to have used.
    """
    settled = await _settled(reply, request)
    if isinstance(settled, AsyncGenerator):
        chunks = cast("AsyncGenerator[Any]", settled)
    elif isinstance(settled, Stream):
        chunks = _each(settled.chunks)
    else:
        yield _whole(settled, prompt_tokens)
        return
    parts: list[Part] = []
    ended = False
    async with aclosing(chunks):
        async for chunk in chunks:
            response = _chunk(await _settled(chunk, request))
            ended = not response.partial
            if ended:
                parts.clear()
            elif response.content is not None:
                _join(parts, response.content.parts or ())
            if stream or ended:
                yield response
    if parts or not ended:
        yield _whole(Content(role="model", parts=parts), prompt_tokens)


def estimated_tokens(contents: Iterable[Content]) -> int:
    """How many tokens messages are taken to hold, by their length."""
    return sum(_tokens(_length(part)) for content in contents for part in content.parts or ())


def prompt_tokens(request: LlmRequest) -> int:
    """How many tokens a request is taken to hold: its messages and its system instruction, if that is a text."""
    instruction = request.config.system_instruction
    return estimated_tokens(request.contents) + (_tokens(len(instruction)) if isinstance(instruction, str) else 0)


async def _settled(reply: Any, request: LlmRequest) -> Any:
    """Waits for, calls and raises what a reply is made of until something to say is left."""
    while True:
        if isinstance(reply, Delay):
            await asyncio.sleep(reply.seconds)
            reply = reply.reply
        elif isinstance(reply, BaseException):
            # One exception may be raised for many requests: each starts with a traceback of its own.
            raise reply.with_traceback(None)
        elif inspect.isawaitable(reply):
            reply = await reply
        elif callable(reply):
            reply = reply() if isinstance(reply, type) else reply(request)
        else:
            return reply


async def _each(chunks: Iterable[Any]) -> AsyncGenerator[Any]:
    for chunk in chunks:
        yield chunk


def _chunk(reply: Any) -> LlmResponse:
    if isinstance(reply, LlmResponse):
        return _copied(reply)
    content = copy_content(Content(role="model", parts=to_parts(reply)))
    return LlmResponse(partial=True, content=content)


def _whole(reply: Any, prompt_tokens: int) -> LlmResponse:
    if isinstance(reply, LlmResponse):
        return _copied(reply)
    if isinstance(reply, FunctionCall):
        reply = [reply]
    content = copy_content(to_content(reply, role="model"))
    said = estimated_tokens([content])
    usage = GenerateContentResponseUsageMetadata(
        prompt_token_count=prompt_tokens, candidates_token_count=said, total_token_count=prompt_tokens + said
    )
    return LlmResponse(content=content, finish_reason=FinishReason.STOP, usage_metadata=usage)


def _copied(response: LlmResponse) -> LlmResponse:
    """A copy, so that what the flow does to it does not change the script."""
    content = None if response.content is None else copy_content(response.content)
    return response.model_copy(update={"content": content})


def _join(parts: list[Part], chunk: Iterable[Part]) -> None:
    """Adds a chunk to the whole: text goes on where text of the same kind ended."""
    for part in chunk:
        last = parts[-1] if parts else None
        if part.text is not None and last is not None and last.text is not None and part.thought == last.thought:
            last.text += part.text
        else:
            parts.append(copy_part(part))


def _tokens(length: int) -> int:
    return -(-length // CHARACTERS_PER_TOKEN)


def _length(part: Part) -> int:
    if part.text is not None:
        return len(part.text)
    if part.inline_data is not None:
        return len(part.inline_data.data or b"")
    return len(msgspec.json.encode(part))
