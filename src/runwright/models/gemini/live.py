# SPDX-License-Identifier: Apache-2.0
"""A live conversation with Gemini, over google-genai's Live API."""

import json
from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager, contextmanager
from typing import Any, cast

import msgspec

from runwright.connection import BaseLlmConnection, RealtimeInput
from runwright.errors import InputValidationError, ModelError, ModelResponseError
from runwright.event import LlmResponse
from runwright.live_types import ActivityEnd, ActivityStart
from runwright.models.failures import failure
from runwright.models.gemini.failures import gemini_error
from runwright.models.gemini.live_answer import LiveAnswers
from runwright.models.gemini.live_setup import (
    TURN_TRIGGER,
    function_answers,
    history_turns,
    message_part,
)
from runwright.models.gemini.request import generation
from runwright.models.gemini.response import PROVIDER
from runwright.models.prices import priced
from runwright.models.sockets import NORMAL_CLOSURE, LiveSocket, closed_failure, closing_of, socket_failure
from runwright.models.tool_names import with_own_names
from runwright.types import Blob, Content


@asynccontextmanager
async def live_connection(
    client: Any, types: Any, *, model: str, config: Mapping[str, Any], renamed: Mapping[str, str], seconds: float
) -> AsyncGenerator[BaseLlmConnection]:
    """A connection, which is closed at the end of the block.

    Args:
        client: The SDK's client.
        types: Its module of types.
        model: The model that is spoken to.
        config: The SDK's ``LiveConnectConfig`` as JSON.
        renamed: The tools' own names, by those that they are shown under, where these are others.
        seconds: How long the connection may take to be set up.

    Raises:
        ModelError: There is none.
    """
    socket = LiveSocket(PROVIDER)
    with _our_errors():
        settings = types.LiveConnectConfig.model_validate_json(msgspec.json.encode(config))
        session = await socket.open(client.aio.live.connect(model=model, config=settings), seconds)
    try:
        yield _GeminiConnection(socket, session, types, model=model, renamed=renamed)
    finally:
        await socket.close()


class _GeminiConnection(BaseLlmConnection):
    def __init__(self, socket: LiveSocket, session: Any, types: Any, *, model: str, renamed: Mapping[str, str]) -> None:
        self._socket = socket
        self._session = session
        self._types = types
        self._model = model
        self._renamed = renamed
        self._takes_realtime_text = generation(model) >= 3
        self._answers = LiveAnswers(model, session.session_id)

    async def send_history(self, history: Sequence[Content]) -> None:
        turns = history_turns(history)
        if not turns:
            return
        answers = turns[-1]["role"] == "user"
        await self._send_turns(turns, turn_complete=answers)
        if answers and self._takes_realtime_text:
            await self._send_realtime(text=TURN_TRIGGER)

    async def send_content(self, content: Content) -> None:
        answers = function_answers(content)
        if answers:
            with _our_errors():
                given = [self._types.FunctionResponse.model_validate_json(msgspec.json.encode(one)) for one in answers]
                await self._session.send_tool_response(function_responses=given)
        parts = [message_part(part) for part in content.parts or () if part.function_response is None]
        if not parts:
            return
        if self._takes_realtime_text and len(parts) == 1 and "text" in parts[0]:
            await self._send_realtime(text=parts[0]["text"])
        else:
            await self._send_turns([{"role": content.role or "user", "parts": parts}], turn_complete=True)

    async def send_realtime(self, realtime_input: RealtimeInput) -> None:
        if isinstance(realtime_input, Blob):
            mime = realtime_input.mime_type or ""
            blob = self._types.Blob(data=realtime_input.data or b"", mime_type=mime)
            if mime.startswith("audio/"):
                await self._send_realtime(audio=blob)
            elif mime.startswith(("image/", "video/")):
                await self._send_realtime(video=blob)
            else:
                raise InputValidationError(
                    f"A live conversation takes audio/... and image/..., not {mime!r}: set the Blob's mime_type"
                )
        elif isinstance(realtime_input, ActivityStart):
            await self._send_realtime(activity_start=self._types.ActivityStart())
        elif isinstance(realtime_input, ActivityEnd):
            await self._send_realtime(activity_end=self._types.ActivityEnd())
        else:
            await self._send_realtime(audio_stream_end=True)

    async def receive(self) -> AsyncGenerator[LlmResponse, None]:
        while True:
            # The SDK's stream ends with each turn.
            async with aclosing(cast("AsyncGenerator[Any, None]", self._session.receive())) as turn:
                while (message := await self._next(turn)) is not None:
                    if message is _ENDED:
                        return
                    for response in self._answers.read(message):
                        if response.usage_metadata is not None:
                            await priced(response.usage_metadata, provider="google", model=self._model)
                        yield with_own_names(response, self._renamed)

    async def close(self) -> None:
        await self._socket.close()

    async def _next(self, turn: AsyncGenerator[Any, None]) -> Any:
        """The next message of a turn; None at its end, and at the connection's what says so."""
        try:
            with _our_errors():
                return await anext(turn, None)
        except ModelError as error:
            cause = error.__cause__
            if cause is not None and "error" not in (_misplaced_message(cause) or {"error": ""}):
                return None  # of a kind that is newer than the SDK; the next stream goes on after it
            if cause is not None and (self._socket.closed or _code(cause) == NORMAL_CLOSURE):
                return _ENDED
            raise

    async def _send_turns(self, turns: list[dict[str, Any]], *, turn_complete: bool) -> None:
        with _our_errors():
            given = [self._types.Content.model_validate_json(msgspec.json.encode(turn)) for turn in turns]
            await self._session.send_client_content(turns=given, turn_complete=turn_complete)

    async def _send_realtime(self, **given: Any) -> None:
        with _our_errors():
            await self._session.send_realtime_input(**given)


_ENDED: Any = object()


@contextmanager
def _our_errors() -> Generator[None]:
    """Makes the failures of the SDK, and of what is below it, errors of ours."""
    try:
        yield
    except Exception as error:
        ours = _live_failure(error)
        if ours is None:
            raise
        raise ours from error


def _live_failure(error: Exception) -> ModelError | None:
    if isinstance(error, ModelError):
        return None
    code = _code(error)
    if code is not None:
        closing = closing_of(error)
        return closed_failure(PROVIDER, code, closing[1] if closing is not None else _reason(error))
    if isinstance(error.__context__, json.JSONDecodeError):
        return ModelResponseError(f"Gemini sent what is no JSON: {error!s:.300}", provider=PROVIDER)
    told: Any = (_misplaced_message(error) or {}).get("error")
    if isinstance(told, dict):
        named = cast("dict[str, Any]", told)
        status = named.get("code")
        return failure(PROVIDER, status if isinstance(status, int) else 400, str(named.get("message") or ""))
    return socket_failure(PROVIDER, error) or gemini_error(error, under_way=True)


def _code(error: BaseException) -> int | None:
    """The code with which the connection was closed, which the SDK tells as that of an API's error."""
    if (closing := closing_of(error)) is not None:
        return closing[0]
    code: Any = getattr(error, "code", None)
    return code if isinstance(code, int) and code >= NORMAL_CLOSURE else None


def _reason(error: Any) -> str:
    details: Any = error.details
    return details if isinstance(details, str) else str(error.message or details or "")


def _misplaced_message(error: BaseException) -> dict[str, Any] | None:
    """The message that the SDK failed over. It takes one of a kind that it does not know for an error, and fails as it
    looks for the error's code; only the traceback still has the message."""
    trace = error.__traceback__ if isinstance(error, TypeError) else None
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    message: Any = trace.tb_frame.f_locals.get("response_json") if trace is not None else None
    return cast("dict[str, Any]", message) if isinstance(message, dict) else None
