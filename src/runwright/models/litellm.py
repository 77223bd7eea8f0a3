# SPDX-License-Identifier: Apache-2.0
"""LiteLlm: the adapter to the many models that the package ``litellm`` speaks to."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, ClassVar

from runwright.errors import (
    ContentBlockedError,
    ContextTooLongError,
    ModelConnectionError,
    ModelError,
    ModelResponseError,
    ModelTimeoutError,
)
from runwright.event import LlmResponse
from runwright.model import BaseLlm, LlmRequest
from runwright.models.failures import failure, read_retry_after
from runwright.models.loading import load, load_now
from runwright.models.openai.chat_answer import ChatAnswer
from runwright.models.openai.chat_request import request_body
from runwright.models.openai.names import Settings
from runwright.models.openai.schemas import OutputForm, output_form
from runwright.models.prices import priced
from runwright.models.retry import RetryPolicy, retried
from runwright.models.tool_names import PLAIN_NAMES, with_own_names

_PROVIDER = "litellm"


class LiteLlm(BaseLlm):
    """Models of any provider, over ``litellm``, which speaks to each in the language of Chat Completions.

    Use a provider's own adapter where there is one: it keeps what this language has no words for, such as the
    signatures of thoughts. The connections are ``litellm``'s, which keeps them for the whole process.

    ``LiteLlm("mistral/mistral-large-latest", api_base="...", vertex_project="...")``: what is no field of its own is
    an option of ``litellm``'s.

    Attributes:
        model: The model's name as ``litellm`` spells it, such as ``"mistral/mistral-large-latest"``, with or without
            ``litellm/`` before it.
        api_key: The key; else the variable that ``litellm`` looks at for the provider.
        base_url: Where the API is; else the provider's own.
        timeout: Seconds that a request may take; ``litellm``'s own default where it is None.
        headers: Headers to send beside its own.
        options: What else ``litellm.acompletion`` is to be given, such as ``{"vertex_project": "..."}``. It wins over
            what the adapter would give.
        retry: How often to ask again where the model is busy or cannot be reached.
    """

    needs_call_ids: ClassVar[bool] = True

    api_key: str | None = None
    base_url: str | None = None
    timeout: float | None = None
    headers: dict[str, str] = {}
    options: dict[str, Any] = {}
    retry: RetryPolicy = RetryPolicy()

    def __init__(self, model: str = "", **values: Any) -> None:
        fields = {name: value for name, value in values.items() if name in type(self).declared}
        fields["options"] = {**fields.get("options", {}), **{n: v for n, v in values.items() if n not in fields}}
        super().__init__(model=model, **fields)

    @classmethod
    def supported_models(cls) -> list[str]:
        return [r"litellm/.+"]

    async def generate_content_async(
        self, llm_request: LlmRequest, stream: bool = False
    ) -> AsyncGenerator[LlmResponse, None]:
        """Answers a request, and asks again as ``retry`` says while nothing has come.

        Yields:
            One whole response; or, streamed, chunks with ``partial=True`` and then the whole response.

        Raises:
            ModelError: The model could not answer; which of its kinds says why.
            MissingDependencyError: ``litellm`` is not installed.
        """
        sdk: Any = await load("litellm", "litellm")
        sdk.suppress_debug_info = True  # else it prints advice with each failure
        form = output_form(llm_request.config)
        given = self._given(llm_request, form, stream)
        http = llm_request.config.http_options
        policy = self.retry.with_options(http.retry_options if http is not None else None)
        renamed = PLAIN_NAMES.changed(llm_request.config)

        def ask() -> AsyncGenerator[LlmResponse, None]:
            return self._answers(sdk, given, ChatAnswer(form), stream)

        async with aclosing(retried(ask, policy)) as responses:
            async for response in responses:
                yield with_own_names(response, renamed)

    async def count_tokens(self, llm_request: LlmRequest) -> int:
        """How many tokens a request has, as ``litellm`` estimates them here, without asking the provider."""
        sdk = await load("litellm", "litellm")
        given = self._given(llm_request, None, False)
        counted: dict[str, Any] = {"model": given["model"], "messages": given["messages"], "tools": given.get("tools")}
        return await asyncio.to_thread(lambda: sdk.token_counter(**counted))

    def _given(self, request: LlmRequest, form: OutputForm | None, stream: bool) -> dict[str, Any]:
        """What ``litellm`` is given."""
        model = (request.model or self.model).removeprefix("litellm/")
        given = request_body(request, Settings(model), form, stream=stream)
        # What the provider does not know is left out; asking again is ours.
        given |= {"drop_params": True, "num_retries": 0, "max_retries": 0}
        http = request.config.http_options
        headers = {**self.headers, **((http.headers or {}) if http is not None else {})}
        timeout = http.timeout / 1000 if http is not None and http.timeout is not None else self.timeout
        beside = {"api_key": self.api_key, "base_url": self.base_url, "timeout": timeout, "extra_headers": headers}
        given |= {name: value for name, value in beside.items() if value}
        return given | self.options

    async def _answers(
        self, sdk: Any, given: dict[str, Any], answer: ChatAnswer, stream: bool
    ) -> AsyncGenerator[LlmResponse, None]:
        """Asks once."""
        begun = False
        try:
            answering = await sdk.acompletion(**given)
            if not stream:
                response = answer.whole(answering.model_dump(exclude_none=True))
            else:
                async with aclosing(answering):
                    async for chunk in answering:
                        if (piece := answer.chunk(chunk.model_dump(exclude_none=True))) is not None:
                            begun = True
                            yield piece
                response = answer.end()
        except (load_now("openai", "litellm").OpenAIError, ValueError) as error:
            raise _failure(sdk, error, begun=begun) from error
        provider, _, name = str(given["model"]).rpartition("/")
        await priced(response.usage_metadata, provider=provider.partition("/")[0] or "openai", model=name)
        yield response


def _failure(sdk: Any, error: Exception, *, begun: bool) -> ModelError:
    """The error for what ``litellm`` raised, all of which is OpenAI's too."""
    status: Any = getattr(error, "status_code", None)
    told = str(error)
    if isinstance(error, sdk.ContextWindowExceededError):
        told = f"{told} (shorten or compact the conversation)"
        return ContextTooLongError(told, status=status, provider=_PROVIDER)
    if isinstance(error, sdk.ContentPolicyViolationError):
        return ContentBlockedError(told, status=status, provider=_PROVIDER)
    if isinstance(error, sdk.Timeout):
        return ModelTimeoutError(told, status=status, provider=_PROVIDER)
    if begun:
        return ModelResponseError(f"The answer was cut off: {told}", provider=_PROVIDER)
    if isinstance(error, sdk.APIConnectionError):
        return ModelConnectionError(told, provider=_PROVIDER)
    if isinstance(status, int):
        headers = getattr(error, "litellm_response_headers", None)
        return failure(_PROVIDER, status, told, retry_after=read_retry_after(headers))
    return ModelResponseError(told, provider=_PROVIDER)
