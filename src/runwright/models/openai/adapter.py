# SPDX-License-Identifier: Apache-2.0
"""OpenAI: the adapter to OpenAI's models, and to servers that speak its language."""

import asyncio
import json
import os
import re
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from functools import partial
from typing import Any, ClassVar, Literal, NamedTuple, Protocol

import msgspec

from runwright.clients import LoopClients
from runwright.connection import BaseLlmConnection
from runwright.errors import ConfigurationError, ModelAuthError
from runwright.event import LlmResponse
from runwright.model import BaseLlm, LlmRequest
from runwright.models.left_out import LeftOut
from runwright.models.loading import load
from runwright.models.openai import chat_request, responses_request
from runwright.models.openai.answers import as_object, malformed, written_to_cache
from runwright.models.openai.chat_answer import ChatAnswer
from runwright.models.openai.failures import sdk, sdk_failure, sdk_failures
from runwright.models.openai.live import live_connection
from runwright.models.openai.live_session import hears_turns, session_settings, shown_config
from runwright.models.openai.names import PROVIDER, ReasoningSummary, Settings, bare_name, is_own
from runwright.models.openai.responses_answer import ResponsesAnswer
from runwright.models.openai.schemas import OutputForm, output_form
from runwright.models.prices import priced
from runwright.models.retry import RetryPolicy, retried
from runwright.models.sockets import OPENING_SECONDS
from runwright.models.tool_names import PLAIN_NAMES, with_own_names
from runwright.types import HttpOptions

_CHARACTERS_PER_TOKEN = 4
_OWN_SERVERS = re.compile(r"^https://[^/]*\.(openai|azure)\.com(:\d+)?(/|$)")
_NO_KEY = "none"
"""What servers of one's own are given as a key where none is set; they do not look at it."""

_NO_OPTIONS = HttpOptions()
_Post = Callable[..., Awaitable[Any]]


class Answer(Protocol):
    """What reads an answer of one of the two APIs."""

    def whole(self, given: Any) -> LlmResponse: ...
    def chunk(self, given: Any) -> LlmResponse | None: ...
    def end(self) -> LlmResponse: ...


class _Api(NamedTuple):
    path: str
    body: Callable[..., dict[str, Any]]
    answer: Callable[[OutputForm | None], Answer]
    left_out: LeftOut


_LEFT_OUT = LeftOut("OpenAI's Responses API", responses_request.TAKEN)
_LEFT_OUT_OF_CHAT = LeftOut("Chat Completions", chat_request.TAKEN)
_APIS: dict[str, _Api] = {
    "responses": _Api(responses_request.PATH, responses_request.request_body, ResponsesAnswer, _LEFT_OUT),
    "chat": _Api(chat_request.PATH, chat_request.request_body, ChatAnswer, _LEFT_OUT_OF_CHAT),
}


class OpenAI(BaseLlm):
    """OpenAI's models over its own SDK, and models of servers that speak its language (vLLM, Ollama, llama.cpp).

    ``OpenAI(model="gpt-5")`` speaks the Responses API; ``OpenAI(model="qwen3", api="chat",
    base_url="http://localhost:11434/v1")`` speaks Chat Completions, which such servers have. It may be used in several
    event loops at the same time.

    Attributes:
        model: The model's name, with or without ``openai/`` before it.
        api: Which of the two APIs to speak.
        api_key: The key; else that of the variable ``OPENAI_API_KEY``. A server of one's own may need none.
        base_url: Where the API is; else the variable ``OPENAI_BASE_URL``, else OpenAI's.
        organization: On whose account; else ``OPENAI_ORG_ID``.
        project: In which of its projects; else ``OPENAI_PROJECT_ID``.
        timeout: Seconds that a request may wait for the next bytes; the SDK's own default where it is None.
        headers: Headers to send beside the SDK's.
        extra_body: What goes into each request as it is, such as ``{"prompt_cache_key": "support"}``. It wins over
            what the adapter would write.
        live_session: What goes into the session of a live conversation as it is, such as ``{"audio": {"input":
            {"turn_detection": {"type": "semantic_vad"}}}}``. It wins over what the adapter would write.
        store: Whether the provider keeps the answers, for 30 days; None leaves that to its default. Off, reasoning
            goes back and forth encrypted.
        reasoning_summary: How long the summaries of reasoning are, where ``thinking_config.include_thoughts`` asks for
            them.
        parallel_tool_calls: Whether several tools may be called at once; None leaves that to the provider.
        retry: How often to ask again where the model is busy or cannot be reached.
        client: An ``openai.AsyncOpenAI`` of your own (such as an ``AsyncAzureOpenAI``), used in place of one that is
            made of the settings above. It is yours to close.
    """

    needs_call_ids: ClassVar[bool] = True

    api: Literal["responses", "chat"] = "responses"
    api_key: str | None = None
    base_url: str | None = None
    organization: str | None = None
    project: str | None = None
    timeout: float | None = None
    headers: dict[str, str] = {}
    extra_body: dict[str, Any] = {}
    live_session: dict[str, Any] = {}
    store: bool | None = None
    reasoning_summary: ReasoningSummary = "auto"
    parallel_tool_calls: bool | None = None
    retry: RetryPolicy = RetryPolicy()
    client: Any = None

    def model_post_init(self, context: Any, /) -> None:
        if self.api not in _APIS:
            raise ConfigurationError(f"OpenAI(api=...) is 'responses' or 'chat', not {self.api!r}")
        self._clients: LoopClients[Any] = LoopClients(self._new_client, _closed)

    @classmethod
    def supported_models(cls) -> list[str]:
        return [r"openai/.+", r"gpt-(?!oss).+", r"o\d(-.+)?", r"chatgpt-.+", r"codex-.+"]

    def shapes_output_beside_tools(self, llm_request: LlmRequest) -> bool:
        """Yes: the form of an answer and tools do not exclude each other here."""
        return True

    async def generate_content_async(
        self, llm_request: LlmRequest, stream: bool = False
    ) -> AsyncGenerator[LlmResponse, None]:
        """Answers a request, and asks again as ``retry`` says while nothing has come.

        Yields:
            One whole response; or, streamed, chunks with ``partial=True`` and then the whole response. Its reasoning is
            in thought parts whose signatures hold it as the provider gave it, so that it goes back unchanged.

        Raises:
            ModelError: The model could not answer; which of its kinds says why.
            MissingDependencyError: The SDK is not installed.
        """
        form = output_form(llm_request.config)
        api = _APIS[self.api]
        api.left_out.tell(llm_request.config)
        settings = self._settings(llm_request)
        body = _encoded(api.body(llm_request, settings, form, stream=stream))
        post = partial(await self._post(llm_request), api.path, body)
        policy = self.retry.with_options((llm_request.config.http_options or _NO_OPTIONS).retry_options)
        renamed = PLAIN_NAMES.changed(llm_request.config)

        def ask() -> AsyncGenerator[LlmResponse, None]:
            answer = api.answer(form)
            return _streamed(post, answer) if stream else _whole(post, answer)

        async with aclosing(retried(ask, policy)) as responses:
            async for response in responses:
                if not response.partial:
                    usage, model = response.usage_metadata, response.model_version or settings.model
                    await priced(usage, provider=PROVIDER, model=model, cache_write_tokens=written_to_cache(usage))
                yield with_own_names(response, renamed)

    @asynccontextmanager
    async def connect(self, llm_request: LlmRequest) -> AsyncGenerator[BaseLlmConnection]:
        """A live conversation over the Realtime API: ``async with model.connect(request) as connection``.

        Sound goes in as ``audio/pcm;rate=...``, of any rate, and comes out at 24,000 samples a second. What the model
        says is transcribed in any case; what the user says, where the request asks for it. Where the user breaks in,
        the provider knows what was said, not how much of it was heard.

        Raises:
            ModelError: There is no connection.
            MissingDependencyError: The SDK is not installed, or ``websockets``.
        """
        await load(PROVIDER, PROVIDER)
        await load("websockets.asyncio.client", PROVIDER)
        await load("openai.resources.realtime", PROVIDER)
        client = self.client if self.client is not None else self._clients.get()
        model = bare_name(llm_request.model or self.model)
        settings = session_settings(llm_request, parallel_tool_calls=self.parallel_tool_calls, extra=self.live_session)
        seconds = min(OPENING_SECONDS, self.timeout or OPENING_SECONDS)
        given = llm_request.config.http_options or _NO_OPTIONS
        context = client.realtime.connect(model=model, extra_headers=given.headers or {})
        hears, renamed = hears_turns(llm_request), PLAIN_NAMES.changed(shown_config(llm_request))
        async with live_connection(
            context, model=model, settings=settings, hears_turns=hears, renamed=renamed, seconds=seconds
        ) as connection:
            yield connection

    @property
    def runs_code(self) -> bool:
        """Over the Responses API; Chat Completions have no tool for it."""
        return self.api == "responses"

    async def count_tokens(self, llm_request: LlmRequest) -> int:
        """How many tokens a request holds: asked of the Responses API; with ``api="chat"`` estimated from its length.

        Raises:
            ModelError: The provider could not say.
        """
        settings, form = self._settings(llm_request), output_form(llm_request.config)
        if self.api == "chat":
            body = chat_request.request_body(llm_request, settings, form, stream=False)
            return -(-len(_encoded(body["messages"])) // _CHARACTERS_PER_TOKEN)
        content = _encoded(responses_request.count_body(llm_request, settings, form))
        post = await self._post(llm_request)
        try:
            given = await post(responses_request.COUNT_PATH, content)
        except sdk_failures() as error:
            raise sdk_failure(error) from error
        count = as_object(given).get("input_tokens")
        if not isinstance(count, int):
            raise malformed("no count of tokens", given)
        return count

    async def close(self) -> None:
        """Closes the connections, in each event loop. The adapter may be used again."""
        await self._clients.close()

    def _settings(self, request: LlmRequest) -> Settings:
        given = request.config.http_options
        extra = self.extra_body if given is None else self.extra_body | (given.extra_body or {})
        name = bare_name(request.model or self.model)
        return Settings(
            model=name,
            own=is_own(name) or not self._is_elsewhere(),
            store=self.store,
            summary=self.reasoning_summary,
            parallel_tool_calls=self.parallel_tool_calls,
            extra=extra,
        )

    def _is_elsewhere(self) -> bool:
        """Whether another server than OpenAI's (or Azure's, which has the same models) is spoken to."""
        given = self.base_url or os.environ.get("OPENAI_BASE_URL") if self.client is None else str(self.client.base_url)
        return given is not None and not _OWN_SERVERS.search(given)

    async def _post(self, request: LlmRequest) -> _Post:
        """What sends a body as it is, and gives what comes as JSON: neither is made into the SDK's types and back."""
        await load(PROVIDER, PROVIDER)
        client = self.client if self.client is not None else self._clients.get()
        given = request.config.http_options or _NO_OPTIONS
        headers = {"Content-Type": "application/json", **(given.headers or {})}
        options: dict[str, Any] = {"headers": headers, "max_retries": 0}
        if given.timeout is not None:
            options["timeout"] = given.timeout / 1000
        base = (given.base_url or "").rstrip("/")

        async def post(path: str, content: bytes, **streaming: Any) -> Any:
            return await client.post(f"{base}{path}", cast_to=object, content=content, options=options, **streaming)

        return post

    def _new_client(self) -> Any:
        openai = sdk()
        settings: dict[str, Any] = {"organization": self.organization, "project": self.project}
        settings |= {"base_url": self.base_url, "default_headers": self.headers, "max_retries": 0}
        if self.timeout is not None:
            settings["timeout"] = self.timeout
        try:
            return openai.AsyncOpenAI(api_key=self.api_key, **settings)
        except openai.OpenAIError as error:
            if self._is_elsewhere():
                return openai.AsyncOpenAI(api_key=_NO_KEY, **settings)
            raise ModelAuthError(
                f"There is no key for {PROVIDER}: set OPENAI_API_KEY, or give OpenAI(api_key=...)", provider=PROVIDER
            ) from error


async def _whole(post: _Post, answer: Answer) -> AsyncGenerator[LlmResponse, None]:
    """Asks once, for an answer in one piece."""
    try:
        response = answer.whole(await post())
    except sdk_failures() as error:
        raise sdk_failure(error) from error
    yield response


async def _streamed(post: _Post, answer: Answer) -> AsyncGenerator[LlmResponse, None]:
    """Asks once, for a stream."""
    begun = False
    try:
        events = await post(stream=True, stream_cls=sdk().AsyncStream[object])
        async with aclosing(events):
            async for event in events:
                if (response := answer.chunk(event)) is not None:
                    begun = True
                    yield response
    except sdk_failures() as error:
        raise sdk_failure(error, begun=begun) from error
    yield answer.end()


async def _closed(client: Any) -> None:
    await asyncio.shield(client.close())


def _encoded(body: Any) -> bytes:
    try:
        return msgspec.json.encode(body)
    except UnicodeEncodeError:
        return json.dumps(body).encode()  # half a surrogate pair, which is written as its escape
