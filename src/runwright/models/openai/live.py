# SPDX-License-Identifier: Apache-2.0
"""A live conversation with OpenAI, over its SDK's Realtime API."""

import asyncio
import base64
from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import Any

import msgspec

from runwright.connection import BaseLlmConnection, RealtimeInput
from runwright.errors import ModelConnectionError, ModelError, ModelTimeoutError
from runwright.event import LlmResponse
from runwright.live_types import ActivityEnd, ActivityStart
from runwright.models.openai.answers import as_object, malformed
from runwright.models.openai.failures import reported_failure, sdk_failure, sdk_failures
from runwright.models.openai.live_answer import LiveAnswers
from runwright.models.openai.live_session import history_items, image_item, user_items
from runwright.models.openai.names import PROVIDER
from runwright.models.openai.pcm import SECOND_OF_SILENCE, Resampler
from runwright.models.prices import priced
from runwright.models.sockets import NORMAL_CLOSURE, LiveSocket, closing_of, socket_failure
from runwright.models.tool_names import with_own_names
from runwright.types import Blob, Content

_BUSY = "conversation_already_has_active_response"
_HARMLESS = frozenset({"input_audio_buffer_commit_empty", "response_cancel_not_active"})
"""Errors of what had no effect: the server had heard the end of the speech, or had cancelled, by itself."""
_EXPIRED = "session_expired"


@asynccontextmanager
async def live_connection(
    context: AbstractAsyncContextManager[Any],
    *,
    model: str,
    settings: Mapping[str, Any],
    hears_turns: bool,
    renamed: Mapping[str, str],
    seconds: float,
) -> AsyncGenerator[BaseLlmConnection]:
    """A connection, which is closed at the end of the block.

    Args:
        context: The SDK's connection.
        model: The model that is spoken to.
        settings: The session's settings.
        hears_turns: Whether the provider tells by itself when the user speaks.
        renamed: The tools' own names, by those that they are shown under, where these are others.
        seconds: How long the connection may take to be set up.

    Raises:
        ModelError: There is none.
    """
    socket = LiveSocket(PROVIDER)
    with _our_errors():
        wire = await socket.open(context, seconds)
    try:
        connection = _OpenAIConnection(socket, wire, model=model, hears_turns=hears_turns, renamed=renamed)
        await connection.set_up(settings, seconds)
        yield connection
    finally:
        await socket.close()


class _OpenAIConnection(BaseLlmConnection):
    """Asks for an answer only when none is under way and each call is answered, as the API wants it."""

    def __init__(
        self, socket: LiveSocket, wire: Any, *, model: str, hears_turns: bool, renamed: Mapping[str, str]
    ) -> None:
        self._socket = socket
        self._wire = wire
        self._model = model
        self._hears_turns = hears_turns
        self._renamed = renamed
        self._answers = LiveAnswers(model, None)
        self._sound = Resampler()
        self._has_sound = False
        self._asked = False
        """An answer was asked for, and has not begun."""
        self._answering = False
        self._owed = False
        """An answer is to be asked for as soon as that may be."""
        self._open_calls: set[str | None] = set()

    async def set_up(self, settings: Mapping[str, Any], seconds: float) -> None:
        """Waits for the session, and sets it up.

        Raises:
            ModelError: The provider refused, or said nothing for ``seconds``.
        """
        try:
            async with asyncio.timeout(seconds):
                created = await self._event_of("session.created")
                session = as_object(created.get("session"))
                self._answers = LiveAnswers(str(session.get("model") or self._model), session.get("id"))
                await self._send({"type": "session.update", "session": settings})
                await self._event_of("session.updated")
        except TimeoutError as error:
            raise ModelTimeoutError(
                f"There was no live session with {PROVIDER} within {seconds:g} seconds", provider=PROVIDER
            ) from error

    async def send_history(self, history: Sequence[Content]) -> None:
        items = history_items(history)
        for item in items:
            await self._send({"type": "conversation.item.create", "item": item})
        if items and history[-1].role != "model":
            await self._ask()

    async def send_content(self, content: Content) -> None:
        answers = [part.function_response for part in content.parts or () if part.function_response is not None]
        items = user_items(content)
        for item in items:
            await self._send({"type": "conversation.item.create", "item": item})
        if answers:
            self._open_calls.difference_update(answer.id for answer in answers)
        else:
            self._open_calls.clear()
        if items:
            await self._ask()

    async def send_realtime(self, realtime_input: RealtimeInput) -> None:
        if isinstance(realtime_input, Blob):
            mime = realtime_input.mime_type or ""
            if mime.startswith("image/"):
                await self._send({"type": "conversation.item.create", "item": image_item(realtime_input)})
            else:
                await self._hear(self._sound.take(realtime_input.data or b"", mime))
        elif isinstance(realtime_input, ActivityStart):
            if self._answering:
                await self._send({"type": "response.cancel"})
        elif isinstance(realtime_input, ActivityEnd) or not self._hears_turns:
            if self._has_sound:
                self._has_sound = False
                await self._send({"type": "input_audio_buffer.commit"})
                await self._ask()
        elif self._has_sound:
            # The server, which listens for it, hears the end of the speech.
            await self._hear(SECOND_OF_SILENCE)
            self._has_sound = False

    async def receive(self) -> AsyncGenerator[LlmResponse, None]:
        while True:
            try:
                event = await self._next()
            except ModelError as error:
                if self._has_ended(error):
                    return
                raise
            responses = self._answers.read(event)
            for call in (call for response in responses for call in response.get_function_calls()):
                self._open_calls.add(call.id)
            kind = event.get("type")
            if kind == "response.created":
                if not self._asked:  # the user goes on, though a call may be answered later only
                    self._open_calls.clear()
                self._asked, self._answering = False, True
            elif kind == "response.done":
                await self._end_answer()
            elif kind == "error":
                responses += await self._read_error(event)
            for response in responses:
                if response.usage_metadata is not None:
                    await priced(response.usage_metadata, provider=PROVIDER, model=response.model_version)
                yield with_own_names(response, self._renamed)

    async def close(self) -> None:
        await self._socket.close()

    async def _hear(self, sound: bytes) -> None:
        if sound:
            self._has_sound = True
            await self._send({"type": "input_audio_buffer.append", "audio": base64.b64encode(sound).decode()})

    async def _ask(self) -> None:
        """Asks for an answer now, or when the one under way has ended and each call is answered."""
        self._owed = True
        if not self._asked and not self._answering and not self._open_calls:
            self._owed, self._asked = False, True
            await self._send({"type": "response.create"})

    async def _end_answer(self) -> None:
        self._asked = self._answering = False
        if self._owed:
            await self._ask()

    async def _read_error(self, event: Mapping[str, Any]) -> list[LlmResponse]:
        """What an error of the provider's means.

        Raises:
            ModelError: It ends the conversation.
        """
        error = as_object(event.get("error"))
        code = error.get("code")
        if code == _BUSY:  # the server began one by itself; this one is asked for after it
            self._asked, self._answering, self._owed = False, True, True
            return []
        if code in _HARMLESS:
            return []
        if code == _EXPIRED:
            raise ModelConnectionError(f"{PROVIDER} ended the session: {error.get('message')}", provider=PROVIDER)
        ends_turn, self._asked = self._asked, False
        return [self._answers.error(event, ends_turn=ends_turn)]

    async def _event_of(self, kind: str) -> Mapping[str, Any]:
        """The next event of a kind, while nothing is said yet.

        Raises:
            ModelError: An error came in its place, or the end.
        """
        while True:
            event = await self._next()
            if event.get("type") == kind:
                return event
            if event.get("type") == "error":
                raise reported_failure(as_object(event.get("error")))

    async def _next(self) -> Mapping[str, Any]:
        """The next event.

        Raises:
            ModelError: The connection has ended, or what came is no event.
        """
        with _our_errors():
            data = await self._wire.recv_bytes()
        try:
            event: Any = msgspec.json.decode(data)
        except msgspec.DecodeError:
            event = None
        if not isinstance(event, dict):
            raise malformed("something that is no event", data[:300])
        return as_object(event)

    def _has_ended(self, error: ModelError) -> bool:
        """Whether that is only the end of the connection, as it should be."""
        closing = closing_of(error.__cause__) if error.__cause__ is not None else None
        return closing is not None and (self._socket.closed or closing[0] == NORMAL_CLOSURE)

    async def _send(self, event: Mapping[str, Any]) -> None:
        with _our_errors():
            await self._wire.send_raw(msgspec.json.encode(event).decode())


@contextmanager
def _our_errors() -> Generator[None]:
    """Makes the failures of the SDK, and of what is below it, errors of ours."""
    try:
        yield
    except ModelError:
        raise
    except Exception as error:
        ours = socket_failure(PROVIDER, error)
        if ours is None and isinstance(error, sdk_failures()):
            ours = sdk_failure(error)
        if ours is None:
            raise
        raise ours from error
