# SPDX-License-Identifier: Apache-2.0
"""What the tests of live runs share."""

import asyncio
from collections.abc import Callable
from typing import Any

from runwright import Agent, Event, LiveRequestQueue, Runner, Session
from runwright.testing import ScriptedLiveModel
from runwright.types import Blob, Part, text_of
from tests.runner.scene import HERE, PATIENCE, stored

SPEECH = Blob(data=b"\x01\x02" * 80, mime_type="audio/pcm;rate=16000")
SOUND = Blob(data=b"\x03\x04" * 80, mime_type="audio/pcm;rate=24000")

OnEvent = Callable[[Event, LiveRequestQueue], Any]


def live_agent(*turns: Any, name: str = "live", **options: Any) -> Agent:
    return Agent(name=name, model=ScriptedLiveModel(list(turns)), **options)


def model_of(agent: Any) -> ScriptedLiveModel:
    assert isinstance(agent.model, ScriptedLiveModel)
    return agent.model


def filled(*contents: Any, closed: bool = True) -> LiveRequestQueue:
    """A queue with messages, closed once they are answered."""
    queue = LiveRequestQueue()
    for content in contents:
        queue.send_content(content)
    if closed:
        queue.close(after_answer=True)
    return queue


def saying(*messages: Any) -> OnEvent:
    """Says the messages one after the other, each when the one before was answered; then closes the queue."""
    left = list(messages)

    def say(event: Event, queue: LiveRequestQueue) -> None:
        if event.turn_complete:
            if left:
                queue.send_content(left.pop(0))
            else:
                queue.close()

    return say


async def talk(runner: Runner, queue: LiveRequestQueue, on_event: OnEvent | None = None, **options: Any) -> list[Event]:
    """One whole live run; gives its events."""
    events: list[Event] = []
    async with asyncio.timeout(PATIENCE):
        async for event in runner.run_live(**{**HERE, **options}, live_request_queue=queue):
            events.append(event)
            if on_event is not None:
                on_event(event, queue)
    return events


def said(event: Event) -> str:
    """An event, briefly."""
    if (heard := event.input_transcription) is not None:
        return f"{event.author} heard: {heard.text}"
    if (spoken := event.output_transcription) is not None:
        return f"{event.author} spoke: {spoken.text}"
    if event.get_function_calls():
        return f"{event.author} calls {', '.join(str(call.name) for call in event.get_function_calls())}"
    if event.get_function_responses():
        answered = (f"{one.name} {one.response}" for one in event.get_function_responses())
        return f"{event.author} answers {', '.join(answered)}"
    if text := text_of(event.content):
        return f"{event.author}: {text}"
    if event.content is not None and any(part.inline_data is not None for part in event.content.parts or ()):
        return f"{event.author} sounds"
    if event.interrupted:
        return f"{event.author} interrupted"
    if event.turn_complete:
        return f"{event.author} done"
    return f"{event.author} {event.error_code or 'else'}"


def wholes(events: list[Event]) -> list[str]:
    return [said(event) for event in events if not event.partial]


def pieces(events: list[Event]) -> list[str]:
    return [said(event) for event in events if event.partial]


async def log(runner: Runner, **options: Any) -> list[str]:
    """What the stored log says."""
    return [said(event) for event in (await stored(runner, **options)).events]


def assert_no_audio(session: Session) -> None:
    parts: list[Part] = [
        part for event in session.events for part in (event.content.parts if event.content else []) or []
    ]
    assert not any(part.inline_data is not None for part in parts)


def texts_sent(model: ScriptedLiveModel) -> list[str]:
    """The messages that the model was sent."""
    return [text_of(one) for one in model.sent if hasattr(one, "parts") and text_of(one)]
