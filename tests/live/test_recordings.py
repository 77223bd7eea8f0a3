# SPDX-License-Identifier: Apache-2.0
"""Live runs over the providers' own SDKs: each recorded conversation, held again by an agent."""

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from runwright import Agent, BaseLlm, BaseTool, Event, InMemoryRunner, LiveRequestQueue, LlmRequest, ToolContext
from runwright.event import LlmResponse
from runwright.testing import wire
from runwright.types import ActivityEnd, ActivityStart, AudioStreamEnd, Blob, Content, FunctionDeclaration
from tests.live.scene import assert_no_audio, log, talk, wholes
from tests.models import live_replay as replay
from tests.models.recordings import recorded
from tests.runner.scene import assert_sound, stored


class AsRecorded(BaseLlm):
    """The real model, opened as it was recorded: an agent's own request says more."""

    inner: Any
    scene: Any

    def connect(self, llm_request: LlmRequest) -> Any:
        return self.inner.connect(self.scene.request)

    async def generate_content_async(
        self, llm_request: LlmRequest, stream: bool = False
    ) -> AsyncGenerator[LlmResponse, None]:
        raise AssertionError("it is asked live")
        yield


class AnsweringAsRecorded(BaseTool):
    def __init__(self, name: str, scene: Any) -> None:
        super().__init__(name=name, description="As recorded.")
        self.scene = scene

    def _get_declaration(self) -> FunctionDeclaration:
        return FunctionDeclaration(name=self.name, description=self.description)

    async def run_async(self, *, args: dict[str, Any], tool_context: ToolContext) -> Any:
        return self.scene.answers[tool_context.function_call_id]


def send(queue: LiveRequestQueue, said: Any) -> None:
    if isinstance(said, Content):
        queue.send_content(said)
    elif isinstance(said, Blob):
        queue.send_realtime(said)
    elif isinstance(said, ActivityStart):
        queue.send_activity_start()
    elif isinstance(said, ActivityEnd):
        queue.send_activity_end()
    else:
        assert isinstance(said, AudioStreamEnd)
        queue.send_audio_stream_end()


def agent_of(scene: Any, server: Any) -> Agent:
    make = replay.gemini if scene.is_gemini else replay.openai
    extra = {"live_session": scene.settings} if scene.settings else {}
    model = AsRecorded(model=scene.model, inner=make(server, scene.model, **extra), scene=scene)
    shown = [one.name for tool in scene.request.config.tools or () for one in tool.function_declarations or ()]
    return Agent(name="live", model=model, tools=[AnsweringAsRecorded(name, scene) for name in shown])


@pytest.mark.parametrize("path", recorded("realtime"))
async def test_a_recorded_conversation_is_held_again(path: Path) -> None:
    scene = replay.LiveScene(wire.read_messages(path))
    turns = list(scene.turns)

    def say(queue: LiveRequestQueue) -> None:
        for said in turns.pop(0):
            send(queue, said)
        if not turns:
            queue.close(after_answer=True)

    def on_event(event: Event, queue: LiveRequestQueue) -> None:
        if event.turn_complete and turns:
            say(queue)

    with replay.WireSocketServer(scene.messages, replay.AS_SENT, deadline=20, tls=scene.is_gemini) as server:
        async with InMemoryRunner(agent_of(scene, server)) as runner:
            queue = LiveRequestQueue()
            say(queue)
            lines = wholes(await talk(runner, queue, on_event))
            said = [line for line in lines if line.startswith(("live: ", "live spoke: "))]
            assert said and lines[-1] == "live done"
            assert sum(line.startswith("live answers") for line in lines) == len(scene.answers)
            assert (await log(runner))[1:] == lines
            session = await stored(runner)
            assert_sound(session)
            assert_no_audio(session)
