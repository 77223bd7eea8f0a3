# SPDX-License-Identifier: Apache-2.0
"""Gemini: the adapter."""

import os
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, asynccontextmanager
from functools import partial
from types import TracebackType
from typing import Any, cast

from runwright.clients import LoopClients
from runwright.connection import BaseLlmConnection
from runwright.errors import ModelAuthError, ModelBadRequestError, ModelResponseError
from runwright.event import LlmResponse
from runwright.model import BaseLlm, LlmRequest
from runwright.models.gemini.connection import Connection, http_client, stream_of
from runwright.models.gemini.failures import gemini_error
from runwright.models.gemini.live import live_connection
from runwright.models.gemini.live_setup import live_config, shown_config
from runwright.models.gemini.request import ON_VERTEX, TAKEN, TOOL_NAMES, generation, plain_json, request_body
from runwright.models.gemini.response import PROVIDER, Joined, read_answer
from runwright.models.left_out import LeftOut
from runwright.models.loading import load
from runwright.models.prices import priced
from runwright.models.retry import RetryPolicy, retried
from runwright.models.sockets import OPENING_SECONDS
from runwright.models.tool_names import with_own_names
from runwright.types import HttpRetryOptions, SpeechConfig

_VERSION = "v1beta"
"""The Gemini API's version that has all of its models and features; Vertex AI's is the SDK's own choice."""
_PLACEHOLDER = "-"
"""Stands for the messages in what the SDK is given. They go beside it (``extra_body``), in the API's JSON already: the
SDK would read and convert each of them anew for each request, which takes most of its time in a long conversation."""
_LEFT_OUT = LeftOut("The Gemini API", TAKEN)
_LEFT_OUT_ON_VERTEX = LeftOut("Vertex AI", TAKEN | ON_VERTEX)


class Gemini(BaseLlm):
    """A Gemini model, over google-genai: ``pip install 'runwright[gemini]'``.

    Without settings it is spoken to as the SDK's own environment variables say: ``GOOGLE_API_KEY`` for the Gemini API;
    ``GOOGLE_GENAI_USE_VERTEXAI``, ``GOOGLE_CLOUD_PROJECT`` and ``GOOGLE_CLOUD_LOCATION`` for Vertex AI.

    Attributes:
        model: The model's name, or on Vertex AI also the full name of an endpoint.
        api_key: The key of the Gemini API.
        vertexai: Whether Vertex AI is spoken to.
        project: The project, on Vertex AI.
        location: The region, on Vertex AI.
        credentials: Google credentials, on Vertex AI.
        base_url: Another address of the API.
        api_version: Another version of it.
        headers: Sent with every request.
        timeout: Seconds without a byte of the answer after which a request fails; None is for ever.
        retry: How often it is asked again where that may help.
        retry_options: The same in ADK's words; it goes before ``retry``, and a request's own goes before both.
        client_kwargs: Further arguments of ``google.genai.Client``.
        client: A ``google.genai.Client`` of your own, in place of all that; you close it.
        speech_config: The voice of live conversations with this model; it goes before that of a run.
    """

    model: str = "gemini-2.5-flash"
    api_key: str | None = None
    vertexai: bool | None = None
    project: str | None = None
    location: str | None = None
    credentials: Any = None
    base_url: str | None = None
    api_version: str | None = None
    headers: Mapping[str, str] | None = None
    timeout: float | None = 600.0
    retry: RetryPolicy = RetryPolicy()
    retry_options: HttpRetryOptions | None = None
    client_kwargs: Mapping[str, Any] | None = None
    client: Any = None
    speech_config: SpeechConfig | None = None

    def model_post_init(self, context: Any, /) -> None:
        self._clients: LoopClients[Connection] = LoopClients(self._connect, Connection.close)
        self._genai: Any = None
        self._httpx: Any = None
        own = self.api_version or self.client or _version_in((self.client_kwargs or {}).get("http_options"))
        self._version = None if own or os.environ.get("GOOGLE_GENAI_API_VERSION") else _VERSION

    @classmethod
    def supported_models(cls) -> list[str]:
        return [
            r"(models/)?gemini-.+",
            r"(models/)?gemma-.+",
            r"model-optimizer-.+",
            r"projects/.+/endpoints/.+",
            r"projects/.+/publishers/google/models/.+",
        ]

    async def generate_content_async(
        self, llm_request: LlmRequest, stream: bool = False
    ) -> AsyncGenerator[LlmResponse, None]:
        """Answers a request.

        A prompt or an answer that was blocked is a response with an ``error_code``, as ``"SAFETY"``; so is an answer
        that ended in another way than it should. One that was cut off by ``max_output_tokens`` is a response with what
        there is, and its ``finish_reason`` says so.

        Raises:
            ModelError: Gemini could not answer.
            MissingDependencyError: google-genai is not installed.
        """
        client = await self._client()
        arguments = self._arguments(client, llm_request)
        renamed = TOOL_NAMES.changed(llm_request.config)
        ask = partial(_streamed if stream else _whole, client.aio.models, arguments)
        async with aclosing(retried(ask, self._policy(llm_request))) as responses:
            async for response in responses:
                if not response.partial:
                    model = response.model_version or arguments["model"]
                    await priced(response.usage_metadata, provider="google", model=model)
                yield with_own_names(response, renamed)

    @asynccontextmanager
    async def connect(self, llm_request: LlmRequest) -> AsyncGenerator[BaseLlmConnection]:
        """A live conversation over the Live API: ``async with gemini.connect(request) as connection``.

        It is spoken over TLS, also where ``base_url`` says otherwise. What stays unanswered there has no time limit:
        ``timeout`` is for the connection to be set up, within half a minute.

        Raises:
            ModelError: There is no connection.
            MissingDependencyError: google-genai is not installed.
        """
        client = await self._client()
        types = await load("google.genai.types", "gemini")
        model = llm_request.model or self.model
        config = live_config(llm_request, model=model, vertex=bool(client.vertexai))
        if self.speech_config is not None:
            config["speechConfig"] = plain_json(self.speech_config)
        if self._version is not None and not client.vertexai:
            config["httpOptions"] = {"apiVersion": self._version, **config.get("httpOptions", {})}
        renamed = TOOL_NAMES.changed(shown_config(llm_request))
        seconds = min(OPENING_SECONDS, self.timeout or OPENING_SECONDS)
        async with live_connection(
            client, types, model=model, config=config, renamed=renamed, seconds=seconds
        ) as connection:
            yield connection

    @property
    def runs_code(self) -> bool:
        return True

    async def count_tokens(self, llm_request: LlmRequest) -> int:
        """How many tokens the request has, its instructions and tools included.

        Raises:
            ModelError: Gemini could not be asked.
        """
        client = await self._client()
        arguments = self._arguments(client, llm_request)
        body = arguments["config"]["http_options"]["extra_body"]
        generation = body.pop("generationConfig")
        if client.vertexai:
            body = {name: body[name] for name in ("contents", "systemInstruction", "tools") if name in body}
            body["generationConfig"] = generation
        else:
            model = arguments["model"]
            named = model if model.startswith(("models/", "tunedModels/")) else f"models/{model}"
            body = {"generateContentRequest": {"model": named, **body}}
        arguments["config"] = {"http_options": {**arguments["config"]["http_options"], "extra_body": body}}
        with _OurErrors():
            counted = await client.aio.models.count_tokens(**arguments)
        if counted.total_tokens is None:
            raise ModelResponseError("Gemini did not say how many tokens there are", provider=PROVIDER)
        return int(counted.total_tokens)

    def shapes_output_beside_tools(self, llm_request: LlmRequest) -> bool:
        """From Gemini 3 on."""
        return generation(llm_request.model or self.model) >= 3

    async def close(self) -> None:
        """Closes the clients that it made."""
        await self._clients.close()

    def _arguments(self, client: Any, request: LlmRequest) -> dict[str, Any]:
        """What the SDK is called with."""
        model = request.model or self.model
        vertex = bool(client.vertexai)
        (_LEFT_OUT_ON_VERTEX if vertex else _LEFT_OUT).tell(request.config)
        options: dict[str, Any] = {"extra_body": request_body(request, model=model, vertex=vertex)}
        if self._version is not None and not vertex:
            options["api_version"] = self._version
        if (http := request.config.http_options) is not None:
            for name in ("api_version", "base_url", "headers", "timeout"):
                if (value := getattr(http, name)) is not None:
                    options[name] = value
        config = {"http_options": options, "automatic_function_calling": {"disable": True}}
        return {"model": model, "contents": _PLACEHOLDER, "config": config}

    def _policy(self, request: LlmRequest) -> RetryPolicy:
        http = request.config.http_options
        own = self.retry_options if http is None or http.retry_options is None else http.retry_options
        return self.retry.with_options(own)

    async def _client(self) -> Any:
        if self.client is not None:
            return self.client
        if self._genai is None:
            self._httpx = await load("httpx2", "gemini")
            self._genai = await load("google.genai", "gemini")
        return self._clients.get().client

    def _connect(self) -> Connection:
        http = http_client(self._httpx, self.timeout)
        options: dict[str, Any] = {
            "httpx_async_client": http,
            "base_url": self.base_url,
            "api_version": self.api_version,
        }
        options["headers"] = dict(self.headers) if self.headers else None
        named = {
            "api_key": self.api_key,
            "vertexai": self.vertexai,
            "project": self.project,
            "location": self.location,
            "credentials": self.credentials,
        }
        settings = {name: value for name, value in named.items() if value is not None}
        more = {**(self.client_kwargs or {})}
        given = more.pop("http_options", None)
        options |= given if isinstance(given, Mapping) else {}
        ours = {name: value for name, value in options.items() if value is not None}
        settings["http_options"] = ours if given is None or isinstance(given, Mapping) else given
        try:
            with _OurErrors():
                return Connection(self._genai.Client(**settings, **more), http)
        except ModelBadRequestError as error:
            raise ModelAuthError(
                f"google-genai cannot be set up ({error.__cause__}): give Gemini(api_key=...) or set GOOGLE_API_KEY; "
                "for Vertex AI give vertexai=True, project= and location=",
                provider=PROVIDER,
            ) from error


def _version_in(http_options: Any) -> Any:
    """The API's version that the SDK's own options name, as a dict or as its ``HttpOptions``."""
    if isinstance(http_options, Mapping):
        return cast("Mapping[str, Any]", http_options).get("api_version")
    return getattr(http_options, "api_version", None)


async def _whole(models: Any, arguments: dict[str, Any]) -> AsyncGenerator[LlmResponse, None]:
    with _OurErrors():
        response = read_answer(await models.generate_content(**arguments))
    if response.finish_reason is None and response.error_code is None and response.content is None:
        raise ModelResponseError("Gemini's answer was empty", provider=PROVIDER)
    yield response


async def _streamed(models: Any, arguments: dict[str, Any]) -> AsyncGenerator[LlmResponse, None]:
    joined = Joined()
    under_way = False
    with _OurErrors():
        chunks: AsyncGenerator[Any, None] = await models.generate_content_stream(**arguments)
    async with stream_of(chunks) as stream:
        while True:
            try:
                with _OurErrors(under_way=under_way):
                    chunk = await stream.next()
                    if chunk is None:
                        break
                    response = read_answer(chunk)
            except ModelResponseError:
                if joined.is_finished:  # all was said: how the connection ended does not matter
                    break
                raise
            under_way = True
            joined.add(response)
            if response.content is not None:
                response.partial = True
                yield response
    yield joined.whole()


class _OurErrors:
    """Makes the SDK's failures errors of ours. There is no ``yield`` of the answer inside.

    Args:
        under_way: Whether a part of the answer had come.
    """

    __slots__ = ("_under_way",)

    def __init__(self, *, under_way: bool = False) -> None:
        self._under_way = under_way

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if isinstance(error, Exception):
            ours = gemini_error(error, under_way=self._under_way)
            if ours is not None:
                raise ours from error
