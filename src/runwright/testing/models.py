# SPDX-License-Identifier: Apache-2.0
"""Models that need no provider: one that follows a script, one that is a function."""

import threading
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import Any

from runwright.errors import ConfigurationError, ModelError
from runwright.model import BaseLlm, LlmRequest, LlmResponse
from runwright.testing.replies import Reply, answered, prompt_tokens
from runwright.types import Tool, copy_content, text_of


class ScriptedModel(BaseLlm):
    """A model that answers its first request with the first reply, its second with the second, and so on.

    A reply is

    - a text, a part, a ``types.Content``, or a list of texts, parts and calls that make one message,
    - ``call("tool", x=1)``, a ``types.FunctionCall``, or a list of them: the model calls tools,
    - an exception, which is raised,
    - ``stream("chunk", "chunk")``: chunks and then the whole, where chunks are asked for,
    - ``delay(seconds, reply)``: any of these, later,
    - an ``LlmResponse``, which is given as it is,
    - a function of the ``LlmRequest`` that returns any of these, plain or async, or an async generator of chunks.

    Token counts are estimated from the length of the text, the same each time. Several event loops may share it; the
    replies are given out in the order in which the requests come.

    Args:
        replies: What it says, in order.
        model: Its name.
        repeat: Whether to start again after the last reply, rather than to fail.
        record: Whether to keep ``requests`` and to count their tokens. Without it a request costs the same
            however long it is: for measurements.

    Attributes:
        requests: The requests that came, each as it was then.

    Raises:
        ConfigurationError: ``replies`` is not a list of replies.
    """

    def __init__(
        self, replies: Sequence[Reply], *, model: str = "scripted", repeat: bool = False, record: bool = True
    ) -> None:
        super().__init__(model=model)
        given: Any = replies
        if isinstance(given, str) or not isinstance(given, Sequence):
            raise ConfigurationError('ScriptedModel takes a list with one reply a request: ScriptedModel(["Hello!"])')
        if repeat and not replies:
            raise ConfigurationError("ScriptedModel has nothing to repeat: give it a reply")
        self.requests: list[LlmRequest] = []
        self._replies = list(replies)
        self._repeat = repeat
        self._record = record
        self._asked = 0
        self._lock = threading.Lock()

    async def generate_content_async(
        self, llm_request: LlmRequest, stream: bool = False
    ) -> AsyncGenerator[LlmResponse, None]:
        """Answers with the next reply.

        Raises:
            ModelError: There is no reply left.
        """
        request = _snapshot(llm_request) if self._record else llm_request
        with self._lock:
            place, self._asked = self._asked, self._asked + 1
            if self._record:
                self.requests.append(request)
        if self._repeat:
            place %= len(self._replies)
        elif place >= len(self._replies):
            raise ModelError(
                f"The script of {self.model!r} has {len(self._replies)} replies, and this is request {place + 1}: give "
                f"it more, or repeat=True. The request ends with {_last_message(llm_request)}"
            )
        tokens = prompt_tokens(request) if self._record else 0
        responses = answered(self._replies[place], llm_request, stream=stream, prompt_tokens=tokens)
        async with aclosing(responses):
            async for response in responses:
                yield response


class FunctionModel(BaseLlm):
    """A model that is a function of the request.

    Args:
        function: Takes an ``LlmRequest`` and returns a reply of the kinds that :class:`ScriptedModel` takes. It may be
            plain or async, or an async generator of chunks (texts, parts, calls, ``LlmResponse``): those are joined to
            the whole message, unless it ends with a response that is not partial.
        model: Its name.

    Attributes:
        requests: The requests that came, each as it was then.
    """

    def __init__(self, function: Callable[[LlmRequest], Any], *, model: str = "function") -> None:
        super().__init__(model=model)
        if not callable(function):
            raise ConfigurationError("FunctionModel takes a function of an LlmRequest that returns what the model says")
        self.requests: list[LlmRequest] = []
        self._function = function

    async def generate_content_async(
        self, llm_request: LlmRequest, stream: bool = False
    ) -> AsyncGenerator[LlmResponse, None]:
        """Answers with what the function makes of the request."""
        request = _snapshot(llm_request)
        self.requests.append(request)
        responses = answered(self._function, llm_request, stream=stream, prompt_tokens=prompt_tokens(request))
        async with aclosing(responses):
            async for response in responses:
                yield response


def _snapshot(request: LlmRequest) -> LlmRequest:
    """The request as it is now: later changes to its messages, settings and tools do not show."""
    config = request.config.model_copy()
    if config.tools is not None:
        config.tools = [
            tool.model_copy(update={"function_declarations": list(tool.function_declarations or ())})
            if isinstance(tool, Tool)
            else tool
            for tool in config.tools
        ]
    return LlmRequest(
        model=request.model,
        contents=[copy_content(content) for content in request.contents],
        config=config,
        tools_dict=dict(request.tools_dict),
        live_connect_config=request.live_connect_config,
        cache_config=request.cache_config,
    )


def _last_message(request: LlmRequest) -> str:
    if not request.contents:
        return "no message"
    last = request.contents[-1]
    return f"{text_of(last) or last.parts!r:.300} ({last.role})"
