# SPDX-License-Identifier: Apache-2.0
"""The queue of what a user sends to a live run."""

import asyncio
import threading
from typing import Any

import pytest

from runwright import LiveRequest, LiveRequestQueue
from runwright.errors import InputValidationError, InvalidStateError, LiveQueueFullError
from runwright.types import Blob, Content, FunctionCall, Part
from tests.live.scene import SPEECH
from tests.runner.scene import PATIENCE

CLOSING = LiveRequest(close=True)


async def drained(queue: LiveRequestQueue) -> list[LiveRequest]:
    found: list[LiveRequest] = []
    async with asyncio.timeout(PATIENCE):
        while not (request := await queue.get()).close:
            found.append(request)
    return found


async def test_what_is_sent_comes_out_in_order() -> None:
    queue = LiveRequestQueue()
    assert queue.send_content("Hi") and queue.send_content("more", partial=True) and queue.send_realtime(SPEECH)
    assert queue.send_activity_start() and queue.send_activity_end() and queue.send_audio_stream_end()
    queue.close()
    found = await drained(queue)
    assert [request.model_dump(exclude_defaults=True) for request in found[:2]] == [
        {"content": {"role": "user", "parts": [{"text": "Hi"}]}},
        {"content": {"role": "user", "parts": [{"text": "more"}]}, "partial": True},
    ]
    assert found[2].blob == SPEECH
    assert found[3].activity_start is not None and found[4].activity_end is not None and found[5].audio_stream_end


async def test_a_closed_queue_takes_nothing_and_says_so() -> None:
    queue = LiveRequestQueue()
    assert not queue.closed
    queue.close(after_answer=True)
    queue.close()
    assert queue.closed
    assert not queue.send_content("too late") and not await queue.put(LiveRequest(blob=SPEECH))
    for _ in range(2):
        assert await queue.get() == LiveRequest(close=True, after_answer=True)
    closed = LiveRequestQueue()
    closed.send(LiveRequest(close=True))
    assert await closed.get() == CLOSING


async def test_a_reader_waits_and_may_be_cancelled_without_losing_anything() -> None:
    queue = LiveRequestQueue()
    first = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    queue.send_content("Hi")
    first.cancel()
    await asyncio.wait([first])
    request = await queue.get() if first.cancelled() else first.result()
    assert request.content is not None
    waiting = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    await asyncio.to_thread(queue.close)
    assert await waiting == CLOSING


async def test_a_full_queue_raises_or_waits() -> None:
    queue = LiveRequestQueue(max_size=2)
    queue.send_content("1")
    queue.send_content("2")
    with pytest.raises(LiveQueueFullError, match="holds 2 requests"):
        queue.send_content("3")
    waiting = asyncio.create_task(queue.put(LiveRequest(blob=SPEECH)))
    await asyncio.sleep(0)
    assert not waiting.done()
    await queue.get()
    assert await waiting is True
    again = asyncio.create_task(queue.put(LiveRequest(blob=SPEECH)))
    await asyncio.sleep(0)
    queue.close()  # which needs no room
    assert await again is False
    assert len(await drained(queue)) == 2


async def test_what_is_given_back_comes_first_even_where_there_is_no_room() -> None:
    queue = LiveRequestQueue(max_size=1)
    queue.send_content("1")
    request = await queue.get()
    queue.send_content("2")
    queue.put_back(request)
    queue.close()
    assert [one.content.parts[0].text for one in await drained(queue)] == ["1", "2"]  # pyright: ignore


@pytest.mark.parametrize(
    "content",
    [
        "",
        None,
        3,
        Content(role="user", parts=[]),
        Part(function_call=FunctionCall(name="x")),
        Part(inline_data=Blob(data=b"x", mime_type="audio/pcm")),
    ],
)
def test_a_message_that_no_user_can_send(content: Any) -> None:
    with pytest.raises(InputValidationError):
        LiveRequestQueue().send_content(content)


@pytest.mark.parametrize("blob", [None, Blob(), Blob(data=b"x"), Blob(mime_type="audio/pcm"), "sound"])
def test_audio_without_data_or_kind(blob: Any) -> None:
    queue = LiveRequestQueue()
    with pytest.raises(InputValidationError):
        queue.send_realtime(blob)


def test_other_things_that_cannot_be_sent() -> None:
    queue = LiveRequestQueue()
    request: Any = "Hi"
    with pytest.raises(InputValidationError, match="LiveRequest objects, not str"):
        queue.send(request)
    with pytest.raises(InvalidStateError):
        queue.send(LiveRequest(state_delta={"x": object()}))
    with pytest.raises(InputValidationError, match="at least 1"):
        LiveRequestQueue(max_size=0)


async def test_a_caller_who_changes_what_it_sent_changes_nothing() -> None:
    queue = LiveRequestQueue()
    request = LiveRequest(blob=SPEECH)
    queue.send(request)
    request.blob = None
    assert (await queue.get()).blob == SPEECH


async def test_readers_and_senders_in_several_loops_and_threads() -> None:
    queue = LiveRequestQueue(max_size=3)
    got: list[LiveRequest] = []

    def send() -> None:
        async def put() -> None:
            for _ in range(50):
                assert await queue.put(LiveRequest(blob=SPEECH))

        asyncio.run(put())

    threads = [threading.Thread(target=send) for _ in range(3)]
    for thread in threads:
        thread.start()
    async with asyncio.timeout(PATIENCE):
        while len(got) < 150:
            got.append(await queue.get())
    for thread in threads:
        thread.join(PATIENCE)
