# SPDX-License-Identifier: Apache-2.0
"""LiveRequestQueue: what a user sends to a live run while it goes on."""

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from runwright.errors import InputValidationError, LiveQueueFullError
from runwright.live_types import ActivityEnd, ActivityStart
from runwright.record import Record
from runwright.state import check_storable, without_temp
from runwright.types import Blob, Content, to_user_message


class LiveRequest(Record, kw_only=True):
    """One thing that the user sends. Of several fields, one of realtime input is sent first, and then the content.

    Attributes:
        content: A message, or the answers to function calls.
        blob: Audio or a picture as it comes.
        activity_start: The user begins to speak, where the client tells rather than the model.
        activity_end: The user has spoken.
        audio_stream_end: No audio comes for now, as when the microphone is off.
        close: The conversation is over; nothing else in the request counts.
        after_answer: It is over once the model has answered what it was told, rather than at once.
        partial: More of the message comes. It goes to the model with the rest of it.
        state_delta: Changes of state that are stored.
    """

    content: Content | None = None
    blob: Blob | None = None
    activity_start: ActivityStart | None = None
    activity_end: ActivityEnd | None = None
    audio_stream_end: bool = False
    close: bool = False
    after_answer: bool = False
    partial: bool = False
    state_delta: dict[str, Any] | None = None


class LiveRequestQueue:
    """What a user sends to a live run, in order: filled from any thread, before the run begins and while it goes on.

    It is bounded: where nobody reads it, or the model does not keep up, :meth:`send` and its kin raise rather than let
    speech pile up that nobody will hear in time. :meth:`put` waits for room instead. Once it was closed it takes
    nothing more, and says so by returning False.

    Args:
        max_size: How many requests it holds. The default is 20 seconds of audio in chunks of 20 milliseconds.

    Raises:
        InputValidationError: A message that no user can send; raised where it is sent.
        LiveQueueFullError: There is no room.
    """

    def __init__(self, max_size: int = 1_000) -> None:
        if max_size < 1:
            raise InputValidationError(f"LiveRequestQueue holds at least 1 request, not {max_size}")
        self._max_size = max_size
        self._lock = threading.Lock()
        self._requests: deque[LiveRequest] = deque()
        self._closing: LiveRequest | None = None
        self._waiting: set[_Waiter] = set()

    @property
    def closed(self) -> bool:
        """Whether it was closed: it takes nothing more. What was sent before is still read."""
        return self._closing is not None

    # --- to send

    def send_content(self, content: Any, partial: bool = False) -> bool:
        """Sends a message: all that ``types.to_content`` takes. ``partial``: more of it comes."""
        return self.send(LiveRequest(content=to_user_message(content), partial=partial))

    def send_realtime(self, blob: Blob) -> bool:
        """Sends audio or a picture as it comes."""
        return self.send(LiveRequest(blob=_checked_blob(blob)))

    def send_activity_start(self) -> bool:
        """Says that the user begins to speak, where the model does not find out by itself."""
        return self.send(LiveRequest(activity_start=ActivityStart()))

    def send_activity_end(self) -> bool:
        """Says that the user has spoken."""
        return self.send(LiveRequest(activity_end=ActivityEnd()))

    def send_audio_stream_end(self) -> bool:
        """Says that no audio comes for now, so that the model answers what it has heard."""
        return self.send(LiveRequest(audio_stream_end=True))

    def send(self, req: LiveRequest) -> bool:
        """Sends a request. False where the queue is closed."""
        return self._send(_checked(req), waits=False) is not None

    async def put(self, req: LiveRequest) -> bool:
        """Sends a request when there is room. False where the queue is closed."""
        req = _checked(req)
        while not (sent := self._send(req, waits=True)):
            if sent is None:
                return False
            await self._change(lambda: self.closed or len(self._requests) < self._max_size)
        return True

    def close(self, *, after_answer: bool = False) -> None:
        """Ends the conversation when what was sent before has gone to the model. Twice is once.

        Args:
            after_answer: Lets the model answer what it was told, and its tools end. Otherwise it is cut short.
        """
        self.send(LiveRequest(close=True, after_answer=after_answer))

    # --- to read

    async def get(self) -> LiveRequest:
        """The next request, when there is one; from when it was closed, again and again the one that closed it."""
        while True:
            with self._lock:
                if self._requests:
                    request = self._requests.popleft()
                    self._wake()
                    return request
                if self._closing is not None:
                    return self._closing
            await self._change(lambda: self.closed or bool(self._requests))

    def put_back(self, req: LiveRequest) -> None:
        """Gives back a request that was read and not used, for the next one who reads."""
        with self._lock:
            self._requests.appendleft(req)
            self._wake()

    def _send(self, request: LiveRequest, *, waits: bool) -> bool | None:
        """Adds a request. None where the queue is closed; False where there is no room, and the sender waits."""
        with self._lock:
            if self._closing is not None:
                return None
            if request.close:
                self._closing = LiveRequest(close=True, after_answer=request.after_answer)
            elif len(self._requests) >= self._max_size:
                if waits:
                    return False
                raise LiveQueueFullError(
                    f"The live queue holds {self._max_size} requests that no run has read: run it with "
                    "runner.run_live(live_request_queue=...), send less, or wait for room with 'await queue.put(...)'"
                )
            else:
                self._requests.append(request)
            self._wake()
        return True

    # --- to wait

    async def _change(self, is_so: Callable[[], bool]) -> None:
        """Returns when something may have changed so that ``is_so`` holds."""
        waiter = _Waiter()
        with self._lock:
            if is_so():
                return
            self._waiting.add(waiter)
        try:
            await waiter.future
        finally:
            with self._lock:
                self._waiting.discard(waiter)

    def _wake(self) -> None:
        for waiter in self._waiting:
            waiter.wake()
        self._waiting.clear()


class _Waiter:
    """One who waits for a change, in an event loop."""

    __slots__ = ("future", "loop")

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[None] = self.loop.create_future()

    def wake(self) -> None:
        with contextlib.suppress(RuntimeError):  # its loop is closed, and nobody waits any more
            self.loop.call_soon_threadsafe(self._set)

    def _set(self) -> None:
        if not self.future.done():
            self.future.set_result(None)


def _checked(request: LiveRequest) -> LiveRequest:
    """A request as it is read: a copy, once all that can be wrong with it was looked for."""
    if not isinstance(request, LiveRequest):
        raise InputValidationError(
            f"A live queue takes LiveRequest objects, not {type(request).__name__}: use send_content or send_realtime"
        )
    twin = request.model_copy()
    if twin.content is not None:
        twin.content = to_user_message(twin.content)
        blobs = [part.inline_data for part in twin.content.parts or () if part.inline_data is not None]
        if any((blob.mime_type or "").startswith("audio/") for blob in blobs):
            raise InputValidationError("Audio goes to a live run as it comes, not in a message: use send_realtime")
    if twin.blob is not None:
        twin.blob = _checked_blob(twin.blob)
    if twin.state_delta is not None:
        check_storable(without_temp(twin.state_delta))
    return twin


def _checked_blob(blob: Any) -> Blob:
    checked = Blob.model_validate(blob)
    if not checked.data or not checked.mime_type:
        raise InputValidationError("A live blob has data and a mime_type: types.Blob(data=..., mime_type='audio/pcm')")
    return checked
