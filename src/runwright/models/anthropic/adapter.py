# SPDX-License-Identifier: Apache-2.0
"""Claude: the adapter to Anthropic's models."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import partial
from typing import Any, ClassVar, NamedTuple, cast

import msgspec

from runwright.budget import prompt_tokens
from runwright.clients import LoopClients
from runwright.errors import ModelAuthError, ModelBadRequestError, ModelResponseError
from runwright.event import LlmResponse
from runwright.model import BaseLlm, LlmRequest
from runwright.models.anthropic.answer import (
    PAUSED,
    Assembly,
    continued,
    response_of,
    said_by,
    usage_in,
    written_tokens,
)
from runwright.models.anthropic.failures import PROVIDER, cut_off, failure_of
from runwright.models.anthropic.request import (
    LEFT_OUT,
    LONGEST_UNSTREAMED,
    SAMPLING,
    SAMPLING_VERSION,
    PromptCache,
    build_body,
    count_body,
    model_name,
)
from runwright.models.anthropic.traits import traits
from runwright.models.loading import load, load_now
from runwright.models.prices import priced
from runwright.models.retry import RetryPolicy, retried
from runwright.models.tool_names import PLAIN_NAMES, with_own_names

_PATH = "/v1/messages"
_COUNT = "/count_tokens"
_MOST_PAUSES = 10
_SECONDS_OF_LONG_CACHE = 3600
"""From which time on the longer of the provider's two is asked for, which costs more."""


class _Asked(NamedTuple):
    """A request as it is sent."""

    url: str
    body: dict[str, Any]
    options: dict[str, Any]


class Claude(BaseLlm):
    """Anthropic's models over its own SDK. It may be used in several event loops at the same time.

    Thoughts come as thought parts that keep their signatures, and what the provider's own tools did as parts that keep
    it whole; both go back as they came. A turn that the provider pauses is gone on with, so that it is one answer.

    Attributes:
        model: The model's name, with or without ``anthropic/`` before it.
        api_key: The key; else what the SDK finds (``ANTHROPIC_API_KEY``, ``ANTHROPIC_AUTH_TOKEN``, a profile).
        base_url: Where the API is; else the variable ``ANTHROPIC_BASE_URL``, else Anthropic's.
        max_tokens: How long answers may be, in tokens, where the request does not say; by default what suits the model.
        cache: What the provider is to keep of a request, so that the next one that starts alike is cheaper; ``True``
            stands for ``PromptCache()``, ``False`` for nothing. Writing to the cache costs more than reading, so where
            it is None, nothing is kept unless the app's ``context_cache_config`` asks for it.
        server_tools: Tools that the provider runs, in its own words, such as
            ``{"type": "web_search_20250305", "name": "web_search"}``.
        parallel_tool_calls: Whether several tools may be called at once; None leaves that to the provider.
        betas: Names of the provider's betas to take part in.
        headers: Headers to send beside the SDK's.
        extra_body: What goes into each request as it is, such as ``{"container": "..."}`` or ``{"thinking": {...}}``.
            It wins over what the adapter would write.
        timeout: Seconds that a request may wait for the next bytes; the SDK's own default where it is None.
        retry: How often to ask again where the model is busy or cannot be reached.
        client: An ``anthropic.AsyncAnthropic`` of your own (such as an ``AsyncAnthropicVertex``), used in place of one
            that is made of the settings above. It belongs to one event loop, and is yours to close.
    """

    needs_call_ids: ClassVar[bool] = True

    model: str = "claude-sonnet-5-5"
    api_key: str | None = None
    base_url: str | None = None
    max_tokens: int | None = None
    cache: PromptCache | bool | None = None
    server_tools: list[dict[str, Any]] = []
    parallel_tool_calls: bool | None = None
    betas: list[str] = []
    headers: dict[str, str] = {}
    extra_body: dict[str, Any] = {}
    timeout: float | None = None
    retry: RetryPolicy = RetryPolicy()
    client: Any = None

    def model_post_init(self, context: Any, /) -> None:
        self._clients = LoopClients(self._new_client, self._close_client)

    @classmethod
    def supported_models(cls) -> list[str]:
        return [r"anthropic/.+", r"claude-.+"]

    def shapes_output_beside_tools(self, llm_request: LlmRequest) -> bool:
        return traits(model_name(llm_request.model or self.model)).formats

    async def generate_content_async(
        self, llm_request: LlmRequest, stream: bool = False
    ) -> AsyncGenerator[LlmResponse, None]:
        """Answers a request, and asks again as ``retry`` says while nothing has come.

        An answer that may be longer than the provider gives at once is streamed from it in any case.

        Yields:
            One whole response; or, streamed, chunks with ``partial=True`` and then the whole response. A refusal is a
            response with the ``error_code`` ``"REFUSAL"``.

        Raises:
            ModelError: The model could not answer; which of its kinds says why.
            MissingDependencyError: The SDK is not installed.
        """
        sdk = await load("anthropic", "anthropic")
        asked = self._asked(sdk, llm_request)
        LEFT_OUT.tell(llm_request.config)
        http = llm_request.config.http_options
        policy = self.retry.with_options(http.retry_options if http is not None else None)
        renamed = PLAIN_NAMES.changed(llm_request.config)
        streams = stream or asked.body["max_tokens"] > LONGEST_UNSTREAMED
        while asked is not None:
            again = None
            try:
                async with aclosing(retried(partial(self._answers, asked, streams), policy)) as responses:
                    async for response in responses:
                        if stream or not response.partial:
                            yield with_own_names(response, renamed)
            except ModelBadRequestError as error:
                if (again := self._without_container(asked, error)) is None:
                    raise
            asked = again

    @property
    def runs_code(self) -> bool:
        return True

    async def count_tokens(self, llm_request: LlmRequest) -> int:
        """How many tokens a request has, as the provider counts them: tools, files and instruction among them.

        Raises:
            ModelError: The provider could not say.
        """
        asked = self._asked(await load("anthropic", "anthropic"), llm_request)
        given = await self._post(asked.url + _COUNT, count_body(asked.body), asked.options)
        count = given.get("input_tokens")
        if not isinstance(count, int):
            raise ModelResponseError(f"anthropic answered with no count of tokens: {given!r:.200}", provider=PROVIDER)
        return count

    async def close(self) -> None:
        """Closes the connections, in each event loop. The adapter may be used again."""
        await self._clients.close()

    def _asked(self, sdk: Any, request: LlmRequest) -> _Asked:
        model = model_name(request.model or self.model)
        given = request.config.http_options
        body = build_body(
            request,
            model=model,
            takes=traits(model),
            max_tokens=self.max_tokens,
            cache=self._cache(request),
            server_tools=self.server_tools,
            parallel_tool_calls=self.parallel_tool_calls,
            shape=sdk.transform_schema,
        )
        extra = self.extra_body if given is None else self.extra_body | (given.extra_body or {})
        if extra:
            messages = {"messages": body.pop("messages")}
            body = {**body, **extra} if "messages" in extra else {**body, **extra, **messages}
        headers = {"Content-Type": "application/json"}
        if self.betas:
            headers["anthropic-beta"] = ",".join(self.betas)
        if SAMPLING & body.keys():
            headers["anthropic-version"] = SAMPLING_VERSION
        if given is not None and given.headers:
            headers |= given.headers
        options: dict[str, Any] = {"headers": headers, "max_retries": 0}
        if given is not None and given.timeout is not None:
            options["timeout"] = given.timeout / 1000
        base = (given.base_url or "").rstrip("/") if given is not None else ""
        return _Asked(base + _PATH, body, options)

    def _cache(self, request: LlmRequest) -> PromptCache | None:
        """What is to be kept of a request."""
        if self.cache is not None:
            return PromptCache() if self.cache is True else self.cache or None
        wanted = request.cache_config
        if wanted is None or (wanted.min_tokens > 0 and prompt_tokens(request) < wanted.min_tokens):
            return None
        is_long = wanted.ttl_seconds >= _SECONDS_OF_LONG_CACHE
        # Not all clouds keep a whole request by themselves; marked messages all of them do.
        return PromptCache(ttl="1h" if is_long else "5m", messages="automatic" if self.client is None else 2)

    def _without_container(self, asked: _Asked, error: ModelBadRequestError) -> _Asked | None:
        """The request without the place where the provider's tools ran before, should that be gone."""
        if "container" not in asked.body or "container" in self.extra_body or "container" not in str(error).lower():
            return None
        return asked._replace(body={name: value for name, value in asked.body.items() if name != "container"})

    async def _answers(self, asked: _Asked, streams: bool) -> AsyncGenerator[LlmResponse, None]:
        """Asks once, and again for what is left of a turn that is paused."""
        whole: dict[str, Any] | None = None
        for _ in range(_MOST_PAUSES + 1):
            said: list[Any] = [] if whole is None else [{"role": "assistant", "content": said_by(whole)}]
            body: dict[str, Any] = {"stream": streams, **asked.body}
            body["messages"] = [*body["messages"], *said]
            if whole is not None and isinstance(whole.get("container"), dict):
                body.setdefault("container", {"id": whole["container"]["id"]})
            if streams:
                assembly = Assembly()
                async with aclosing(self._chunks(asked.url, body, asked.options, assembly)) as chunks:
                    async for chunk in chunks:
                        yield chunk
                message = assembly.message
            else:
                message = await self._post(asked.url, body, asked.options)
            whole = continued(whole, message)
            if whole.get("stop_reason") != PAUSED:
                break
        assert whole is not None
        response = response_of(whole)
        written = written_tokens(usage_in(whole))
        await priced(
            response.usage_metadata, provider=PROVIDER, model=response.model_version, cache_write_tokens=written
        )
        yield response

    async def _chunks(
        self, url: str, body: dict[str, Any], options: dict[str, Any], assembly: Assembly
    ) -> AsyncGenerator[LlmResponse, None]:
        """The chunks of one message, which ``assembly`` puts together."""
        sdk, http = load_now("anthropic", "anthropic"), load_now("httpx2", "anthropic")
        try:
            stream = await self._send(url, body, options, stream=True, stream_cls=sdk.AsyncStream[object])
            async with stream:
                async for event in stream:
                    if (chunk := assembly.add(event)) is not None:
                        yield chunk
        except (sdk.AnthropicError, http.HTTPError, ValueError) as error:
            raise failure_of(error, sdk, http, began=assembly.began) from error
        if not assembly.is_whole:
            raise cut_off()

    async def _post(self, url: str, body: dict[str, Any], options: dict[str, Any]) -> dict[str, Any]:
        """What is answered, as JSON."""
        sdk, http = load_now("anthropic", "anthropic"), load_now("httpx2", "anthropic")
        try:
            answer = await self._send(url, body, options)
        except (sdk.AnthropicError, http.HTTPError, ValueError) as error:
            raise failure_of(error, sdk, http) from error
        if not isinstance(answer, dict):
            raise ModelResponseError(f"anthropic answered with no JSON object: {answer!r:.200}", provider=PROVIDER)
        return cast("dict[str, Any]", answer)

    async def _send(self, url: str, body: dict[str, Any], options: dict[str, Any], **streaming: Any) -> Any:
        """Sends a body as it is, and gives what comes as JSON: neither is made into the SDK's types and back."""
        client = self._clients.get()
        if self.client is not None:  # a cloud's client takes the body apart
            return await client.post(url, cast_to=object, body=body, options=options, **streaming)
        return await client.post(url, cast_to=object, content=_encoded(body), options=options, **streaming)

    def _new_client(self) -> Any:
        if self.client is not None:
            return self.client
        sdk = load_now("anthropic", "anthropic")
        settings: dict[str, Any] = {"api_key": self.api_key, "base_url": self.base_url, "max_retries": 0}
        settings["default_headers"] = self.headers
        if self.timeout is not None:
            settings["timeout"] = self.timeout
        try:
            client = sdk.AsyncAnthropic(**settings)
        except sdk.AnthropicError as error:
            raise ModelAuthError(f"anthropic's credentials cannot be loaded: {error}", provider=PROVIDER) from error
        names = {name.lower() for name in self.headers}
        if not (client.api_key or client.auth_token or client.credentials or names & {"authorization", "x-api-key"}):
            raise ModelAuthError(
                "There is no key for anthropic: set ANTHROPIC_API_KEY, or give Claude(api_key=...)", provider=PROVIDER
            )
        return client

    async def _close_client(self, client: Any) -> None:
        if client is not self.client:
            await asyncio.shield(client.close())


def _encoded(body: dict[str, Any]) -> bytes:
    try:
        return msgspec.json.encode(body)
    except UnicodeEncodeError:
        return json.dumps(body).encode()  # half a surrogate pair, which is written as its escape
