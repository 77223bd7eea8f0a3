# SPDX-License-Identifier: Apache-2.0
"""Line: the way to a live model, over one connection after the other."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing
from functools import partial
from types import TracebackType

from runwright.connection import BaseLlmConnection
from runwright.errors import DeadlineExceededError, ModelConnectionError
from runwright.event import LlmResponse
from runwright.live_types import LiveConnectConfig
from runwright.model import BaseLlm, LlmRequest

MAX_RECONNECTS = 5
"""How often a new connection is tried in a row, without a word from the model in between."""

CLOSE_SECONDS = 5.0
"""How long a connection may take to close."""

_FIRST_PAUSE = 0.1
"""Seconds before the second try; each further one takes twice as long."""


class Line:
    """The way to a live model. Where a connection breaks, or the model says that it will, it opens another one.

    The new one goes on with the conversation where the model has given a handle for that; otherwise it is told the
    history again. One task reads :meth:`responses`, which owns the connection; others send, each when it can.

    Args:
        model: The model.
        request: What opens the conversation.
        seconds: How long opening a connection may take.
        renewed: Makes the request of another connection, which goes on with the handle that it is given; or, without
            one, tells all that was said up to then.
        may_leave: Says whether now is the time to leave a model that has said that it will break the connection off.
    """

    def __init__(
        self,
        model: BaseLlm,
        request: LlmRequest,
        *,
        seconds: float | None,
        renewed: Callable[[str | None], Awaitable[LlmRequest]],
        may_leave: Callable[[], bool],
    ) -> None:
        self._model = model
        config: LiveConnectConfig = request.live_connect_config
        self._handle = config.session_resumption.handle if config.session_resumption is not None else None
        self._request = request
        self._seconds = seconds
        self._renewed = renewed
        self._connection: BaseLlmConnection | None = None
        self._open = asyncio.Event()
        self._sending = asyncio.Lock()
        self._was_open = self._leaves = self._is_broken = False
        self._may_leave = may_leave

    async def responses(self) -> AsyncGenerator[LlmResponse, None]:
        """What the model says and does, until it ends the conversation.

        Raises:
            ModelError: It failed, or no connection could be opened any more.
        """
        request, tries = self._request, 0
        while True:
            self._leaves = self._is_broken = False
            try:
                async with aclosing(self._over_one_connection(request)) as responses:
                    async for response in responses:
                        if response.content is not None or response.turn_complete:
                            tries = 0
                        yield response
            except ModelConnectionError:
                if not self._was_open or tries >= MAX_RECONNECTS:
                    raise
            else:
                if not (self._leaves or self._is_broken):
                    return
                if tries >= MAX_RECONNECTS:
                    raise ModelConnectionError(
                        f"The live connection of {self._model.model!r} broke {tries + 1} times in a row"
                    )
            if tries:
                await asyncio.sleep(_FIRST_PAUSE * 2 ** (tries - 1))
            tries += 1
            request = await self._renewed(self._handle)

    async def send(self, write: Callable[[BaseLlmConnection], Awaitable[None]], *, unless: Callable[[], bool]) -> None:
        """Sends something, over the next connection if this one breaks.

        Args:
            unless: Says, when there is a connection, that it was told already.

        Raises:
            ModelError: The model did not take it.
        """
        while True:
            await self._open.wait()
            async with self._sending:
                connection = self._connection
                if connection is None:
                    continue
                if unless():
                    return
                try:
                    await write(connection)
                    return
                except ModelConnectionError:
                    self._connection = None
                    self._open.clear()
                    self._is_broken = True
                    await connection.close()  # so that the one who reads hears of it

    async def wait(self) -> None:
        """Returns when there is a connection."""
        await self._open.wait()

    async def _over_one_connection(self, request: LlmRequest) -> AsyncGenerator[LlmResponse, None]:
        async with AsyncExitStack() as stack:
            connection = await self._opened(request, stack)
            try:
                async with aclosing(connection.receive()) as responses:
                    async for response in responses:
                        self._note(response)
                        yield response
                        if self._leaves and self._may_leave():
                            return
            finally:
                self._connection = None
                self._open.clear()

    async def _opened(self, request: LlmRequest, stack: AsyncExitStack) -> BaseLlmConnection:
        limit = asyncio.timeout(self._seconds)
        try:
            async with limit:
                opening = self._model.connect(request)
                connection = await opening.__aenter__()
                stack.push_async_exit(partial(_leave, opening))
                if request.contents:
                    await connection.send_history(request.contents)
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise DeadlineExceededError(
                f"Model {self._model.model!r} took longer than {self._seconds:g} seconds to open a live connection"
            ) from error
        self._connection = connection
        self._was_open = True
        self._open.set()
        return connection

    def _note(self, response: LlmResponse) -> None:
        update = response.live_session_resumption_update
        if update is not None and update.get("resumable", True) is not False:
            self._handle = update.get("newHandle") or update.get("new_handle") or self._handle
        self._leaves = self._leaves or response.go_away is not None


async def _leave(
    opened: AbstractAsyncContextManager[BaseLlmConnection],
    kind: type[BaseException] | None,
    error: BaseException | None,
    traceback: TracebackType | None,
) -> bool | None:
    """Closes a connection; one that does not close in time is left to itself."""
    limit = asyncio.timeout(CLOSE_SECONDS)
    try:
        async with limit:
            return await opened.__aexit__(kind, error, traceback)
    except TimeoutError:
        if not limit.expired():
            raise
    return None
