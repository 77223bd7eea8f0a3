# SPDX-License-Identifier: Apache-2.0
"""load_memory and preload_memory: what the model is shown of earlier conversations."""

import logging
from typing import Any

import pytest

from runwright import Agent, InMemoryMemoryService, InMemoryRunner, InMemorySessionService, MemoryEntry, Runner, types
from runwright.errors import ConfigurationError
from runwright.memory import SearchMemoryResponse
from runwright.testing import ScriptedModel, call
from runwright.tools.memory import load_memory, preload_memory

WHO: dict[str, Any] = {"user_id": "u", "session_id": "s"}


async def remembering(runner: InMemoryRunner, *texts: str, user_id: str = "u") -> None:
    entries = [
        MemoryEntry(
            author="u",
            timestamp="2026-01-02",
            content=types.Content(
                role="user", parts=[types.Part(text=text), types.Part.from_bytes(data=b"x" * 99, mime_type="image/png")]
            ),
        )
        for text in texts
    ]
    assert runner.memory_service is not None
    await runner.memory_service.add_memory(app_name=runner.app_name, user_id=user_id, memories=entries)


def shown(request: Any) -> list[Any]:
    return [
        part.text or (part.function_call and part.function_call.name) or part.function_response.response
        for content in request.contents
        for part in content.parts
    ]


async def test_the_model_looks_up_what_it_is_asked_about() -> None:
    model = ScriptedModel([call("load_memory", query="favourite colour"), "blue"])
    async with InMemoryRunner(Agent(name="a", model=model, tools=[load_memory])) as runner:
        await remembering(runner, "My favourite colour is blue")
        await remembering(runner, "My favourite colour is red", user_id="somebody else")
        await runner.run_async(**WHO, new_message="What is it?")
    first, second = model.requests
    assert "load_memory" in first.config.system_instruction
    (tool,) = first.config.tools or []
    (declared,) = tool.function_declarations
    assert declared.name == "load_memory"
    assert declared.parameters_json_schema["required"] == ["query"]
    assert shown(second)[-1] == {
        "memories": [
            {
                "content": {"parts": [{"text": "My favourite colour is blue"}], "role": "user"},
                "author": "u",
                "timestamp": "2026-01-02",
            }
        ]
    }


async def test_where_there_is_no_memory_the_run_says_so() -> None:
    for tool in (load_memory, preload_memory):
        model = ScriptedModel([call("load_memory", query="x"), "no"])
        agent = Agent(name="a", model=model, tools=[tool])
        async with Runner("app", agent, InMemorySessionService(), auto_create_session=True) as runner:
            with pytest.raises(ConfigurationError, match="memory service"):
                await runner.run_async(**WHO, new_message="Hello")


async def test_what_is_remembered_about_the_message_stands_before_it_and_is_not_stored() -> None:
    def look() -> str:
        """Looks."""
        return "seen"

    model = ScriptedModel(["hi", call("look"), "blue"])
    async with InMemoryRunner(Agent(name="a", model=model, tools=[preload_memory, look])) as runner:
        await remembering(runner, "My favourite colour is blue")
        await runner.run_async(**WHO, new_message="Hello")
        await runner.run_async(**WHO, new_message="Which colour?")
        session = await runner.session_service.get_session(app_name=runner.app_name, **WHO)
    unasked, asked, going_on = (shown(request) for request in model.requests)
    assert unasked == ["Hello"]
    assert asked[:2] == ["Hello", "hi"] and asked[3:] == ["Which colour?"]
    assert "Time: 2026-01-02\nu: My favourite colour is blue" in asked[2]
    assert going_on == [*asked, "look", {"result": "seen"}]
    assert session is not None
    assert not any("PAST" in (part.text or "") for event in session.events for part in event.content.parts)
    names = [one.name for tool in model.requests[0].config.tools for one in tool.function_declarations]
    assert names == ["look"]


async def test_a_memory_that_fails_is_logged_and_the_model_answers(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(InMemoryMemoryService):
        async def search_memory(self, *, app_name: str, user_id: str, query: str) -> SearchMemoryResponse:
            raise OSError("unplugged")

    agent = Agent(name="a", model=ScriptedModel(["hi"]), tools=[preload_memory])
    service = InMemorySessionService()
    runner = Runner("app", agent, service, memory_service=Broken(), auto_create_session=True)
    with caplog.at_level(logging.WARNING):
        async with runner:
            events = await runner.run_async(**WHO, new_message="Hello")
    assert types.text_of(events[-1].content) == "hi"
    assert "unplugged" in caplog.text
