# SPDX-License-Identifier: Apache-2.0
"""A live model that needs no provider: it follows a script."""

import asyncio
import inspect
import itertools
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any, TypeAlias, cast

from runwright.connection import BaseLlmConnection, RealtimeInput
from runwright.errors import ConfigurationError, ModelConnectionError, ModelError
from runwright.event import LlmResponse
from runwright.live_types import ActivityEnd, AudioStreamEnd
from runwright.model import BaseLlm, LlmRequest
from runwright.testing.replies import Delay
from runwright.types import Blob, Content, FunctionCall, Part, Transcription, copy_content, to_parts

LiveItem: TypeAlias = (
    str | Part | Blob | FunctionCall | LlmResponse | BaseException | type[BaseException] | Delay | Callable[[Any], Any]
)
"""What a live model says or does: see :class:`ScriptedLiveModel`."""


def heard(*pieces: str) -> list[LlmResponse]:
    """The user's words as the model has heard them: each piece, and then the whole."""
    return _transcribed("input_transcription", pieces)


def spoken(*pieces: str) -> list[LlmResponse]:
    """The model's own words, written down: each piece, and then the whole."""
    return _transcribed("output_transcription", pieces)


class ScriptedLiveModel(BaseLlm):
    """A live model that takes its first turn when it is first told something, its second the next time, and so on.

    It is told something by a message, by function responses, by a history that ends with the user, and by the end of
    the user's activity or audio stream. When the script is over, it listens and says nothing.

    A turn is one item, or a list of them (and of lists of them):

    - a text: a chunk of text; the whole follows the last one in a row,
    - ``types.Blob(data=..., mime_type="audio/pcm")``: a chunk of audio,
    - ``heard("Good ", "day")`` and ``spoken("Hello")``: transcriptions,
    - ``call("tool", x=1)``: those in a row are one response. They end the turn: what comes of them begins the next,
    - ``delay(seconds, item)``: an item, later,
    - an ``LlmResponse``, which is given as it is,
    - an exception, which is raised,
    - ``hang_up``: the model ends the conversation,
    - a function of what came last (a ``types.Content`` or realtime input) that returns items, or None; plain or async.

    After a turn comes ``turn_complete``, unless it ends with calls or an ``LlmResponse``.

    Args:
        turns: What it says, in order, over all connections.
        refusals: What the first connections fail with, one each; None where one does not.

    Attributes:
        connections: The connections that were opened, with what was sent over each.
    """

    def __init__(
        self,
        turns: Sequence[LiveItem | Sequence[Any]],
        *,
        refusals: Sequence[BaseException | None] = (),
        model: str = "scripted-live",
    ) -> None:
        super().__init__(model=model)
        given: Any = turns
        if isinstance(given, str) or not isinstance(given, Sequence):
            raise ConfigurationError('ScriptedLiveModel takes a list of turns: ScriptedLiveModel(["Hello!"])')
        self.connections: list[ScriptedLiveConnection] = []
        self._turns = list(turns)
        self._refusals = list(refusals)
        self._taken = 0
        self.call_numbers = itertools.count(1)

    @asynccontextmanager
    async def connect(self, llm_request: LlmRequest) -> AsyncGenerator["ScriptedLiveConnection"]:
        """Opens a connection.

        Raises:
            BaseException: What the script says.
        """
        if self._refusals and (refusal := self._refusals.pop(0)) is not None:
            raise refusal
        connection = ScriptedLiveConnection(self, llm_request)
        self.connections.append(connection)
        try:
            yield connection
        finally:
            await connection.close()

    async def generate_content_async(
        self, llm_request: LlmRequest, stream: bool = False
    ) -> AsyncGenerator[LlmResponse, None]:
        """It is for live runs alone.

        Raises:
            ModelError: Always.
        """
        raise ModelError(f"{self.model!r} is for run_live: use a ScriptedModel with run_async")
        yield  # makes this a generator, as its callers expect

    def next_turn(self) -> Any:
        """The next turn of the script; None where it is over."""
        if self._taken == len(self._turns):
            return None
        self._taken += 1
        return self._turns[self._taken - 1]

    @property
    def sent(self) -> list[Any]:
        """All that was sent, over all connections, histories aside."""
        return [one for connection in self.connections for one in connection.sent]


class ScriptedLiveConnection(BaseLlmConnection):
    """One connection to a :class:`ScriptedLiveModel`.

    Attributes:
        request: What opened it.
        history: What it was told of what was said before; None where it was not.
        sent: The messages and the realtime input that it was sent.
        closed: Whether it was closed.
        broken: Whether it takes nothing more, as if the network were gone; set it.
    """

    def __init__(self, model: ScriptedLiveModel, request: LlmRequest) -> None:
        self.request = request
        self.history: list[Content] | None = None
        self.sent: list[Any] = []
        self.closed = self.broken = False
        self._model = model
        self._came: asyncio.Queue[Any] = asyncio.Queue()

    async def send_history(self, history: Sequence[Content]) -> None:
        self.history = [copy_content(content) for content in history]
        if history and history[-1].role == "user":
            self._came.put_nowait(self.history[-1])

    async def send_content(self, content: Content) -> None:
        self._take(copy_content(content), is_turn=True)

    async def send_realtime(self, realtime_input: RealtimeInput) -> None:
        self._take(realtime_input, is_turn=isinstance(realtime_input, ActivityEnd | AudioStreamEnd))

    async def receive(self) -> AsyncGenerator[LlmResponse, None]:
        while (came := await self._came.get()) is not None:
            turn = self._model.next_turn()
            try:
                async with aclosing(self._said(turn, came)) as responses:
                    async for response in responses:
                        if self.closed:
                            return
                        yield response
            except _HungUp:
                return

    async def close(self) -> None:
        if not self.closed:
            self.closed = True
            self._came.put_nowait(None)

    def _take(self, sent: Any, *, is_turn: bool) -> None:
        if self.closed or self.broken:
            raise ModelConnectionError("The scripted connection is closed")
        self.sent.append(sent)
        if is_turn:
            self._came.put_nowait(sent)

    async def _said(self, turn: Any, came: Any) -> AsyncGenerator[LlmResponse, None]:
        """The responses of one turn."""
        if turn is None:
            return
        text: list[str] = []
        calls: list[FunctionCall] = []
        last: Any = None
        async for item in self._items(turn, came):
            if calls and not isinstance(item, FunctionCall):
                yield _response(calls)
                calls.clear()
            if item is _PAUSE:
                continue
            if text and not isinstance(item, str):
                yield _response("".join(text))
                text.clear()
            if isinstance(item, str):
                text.append(item)
                yield _response(item, partial=True)
            elif isinstance(item, FunctionCall):
                calls.append(
                    item.model_copy(update={"id": item.id or f"live-{next(self._model.call_numbers)}"}, deep=True)
                )
            elif isinstance(item, LlmResponse):
                yield item.model_copy(deep=True)
            else:
                yield _response(item, partial=True)
            last = item
        if text:
            yield _response("".join(text))
        if calls:
            yield _response(calls)
        elif not isinstance(last, LlmResponse) or last.output_transcription or last.input_transcription:
            yield LlmResponse(turn_complete=True)

    async def _items(self, turn: Any, came: Any) -> AsyncGenerator[Any, None]:
        """The items of a turn, one after the other: waits for, calls and raises what they are made of."""
        left = deque([turn])
        while left:
            item = left.popleft()
            if isinstance(item, Delay | BaseException) or callable(item):
                yield _PAUSE  # what came before is given out first
            if isinstance(item, Delay):
                await asyncio.sleep(item.seconds)
                left.appendleft(item.reply)
            elif isinstance(item, list | tuple):
                left.extendleft(reversed(cast("Sequence[Any]", item)))
            elif isinstance(item, BaseException):
                raise item.with_traceback(None)
            elif callable(item):
                made: Any = item() if isinstance(item, type) else item(came)
                left.appendleft(await made if inspect.isawaitable(made) else made)
            elif item is not None:
                yield item


_PAUSE = object()
"""Stands between items where the model waits, or fails."""


class _HungUp(Exception):
    """The model ends the conversation."""


def hang_up(_: Any) -> None:
    """The model ends the conversation: an item of a :class:`ScriptedLiveModel`'s turn."""
    raise _HungUp


def _transcribed(field: str, pieces: Sequence[str]) -> list[LlmResponse]:
    """A transcription in pieces, and then whole."""
    texts = [(text, False) for text in pieces] + [("".join(pieces), True)]
    said: list[LlmResponse] = []
    for text, finished in texts:
        response = LlmResponse(partial=not finished)
        setattr(response, field, Transcription(text=text, finished=finished))
        said.append(response)
    return said


def _response(parts: Any, *, partial: bool = False) -> LlmResponse:
    return LlmResponse(partial=partial, content=Content(role="model", parts=to_parts(parts)))
