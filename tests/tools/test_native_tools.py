# SPDX-License-Identifier: Apache-2.0
"""Tools that the provider runs are named in the request; get_user_choice waits for the user; exit_loop ends a loop."""

import json
from typing import Any

from runwright import Agent, InMemoryRunner, LoopAgent, exit_loop, types
from runwright.testing import ScriptedModel, call
from runwright.tools.native import (
    GoogleSearchTool,
    NativeTool,
    enterprise_web_search,
    google_maps_grounding,
    google_search,
    url_context,
)
from runwright.tools.user_choice import get_user_choice

WHO: dict[str, Any] = {"user_id": "u", "session_id": "s"}


def look() -> str:
    """Looks."""
    return "seen"


async def tools_shown(*tools: Any) -> tuple[list[Any], Any]:
    model = ScriptedModel(["hi"])
    async with InMemoryRunner(Agent(name="a", model=model, tools=list(tools))) as runner:
        await runner.run_async(**WHO, new_message="Hello")
    (request,) = model.requests
    return request.config.tools or [], request


async def test_they_go_into_the_request_beside_functions() -> None:
    tools = [google_search, url_context, google_maps_grounding, enterprise_web_search, look]
    shown, request = await tools_shown(*tools)
    names = ["google_search", "url_context", "google_maps", "enterprise_web_search"]
    for tool, name in zip(shown, names, strict=False):
        assert [one for one in names if getattr(tool, one) is not None] == [name]
        assert not tool.function_declarations
    assert [one.name for one in shown[-1].function_declarations] == ["look"]
    assert list(request.tools_dict) == ["look"]
    assert [tool.name for tool in tools[:-1]] == [
        "google_search",
        "url_context",
        "google_maps",
        "enterprise_web_search",
    ]


async def test_a_providers_own_words_are_passed_on() -> None:
    given = {"type": "web_search", "filters": {"allowed_domains": ["example.org"]}}
    tool = NativeTool(given)
    assert tool.name == "web_search"
    assert NativeTool(types.Tool(file_search={"store": "s"})).name == "file_search"
    shown, _ = await tools_shown(tool)
    assert shown == [given]


def test_settings_of_such_tools_are_written_as_programs_write_them() -> None:
    tools = types.Tool(
        google_search=types.GoogleSearch(exclude_domains=["example.org"], search_types=None),
        google_maps=types.GoogleMaps(enable_widget=True),
        url_context=types.UrlContext(),
        code_execution=types.ToolCodeExecution(),
    )
    assert json.loads(tools.model_dump_json(by_alias=True, exclude_none=True)) == {
        "googleSearch": {"excludeDomains": ["example.org"]},
        "googleMaps": {"enableWidget": True},
        "urlContext": {},
        "codeExecution": {},
    }


async def test_the_search_may_be_another_models() -> None:
    _, request = await tools_shown(GoogleSearchTool(model="gemini-other"))
    assert request.model == "gemini-other"


async def test_a_model_that_calls_one_as_a_function_is_told() -> None:
    model = ScriptedModel([call("google_search", query="x"), "sorry"])
    async with InMemoryRunner(Agent(name="a", model=model, tools=[google_search])) as runner:
        events = await runner.run_async(**WHO, new_message="Hello")
    assert types.text_of(events[-1].content) == "sorry"


async def test_the_user_chooses() -> None:
    model = ScriptedModel([call("get_user_choice", options=["tea", "coffee"]), "Coffee it is"])
    async with InMemoryRunner(Agent(name="a", model=model, tools=[get_user_choice])) as runner:
        events = await runner.run_async(**WHO, new_message="I am thirsty")
        (asked,) = events[0].get_function_calls()
        assert asked.args == {"options": ["tea", "coffee"]}
        assert events[0].long_running_tool_ids == {asked.id}
        assert not any(event.get_function_responses() for event in events)
        answer = types.FunctionResponse(id=asked.id, name=asked.name, response={"result": "coffee"})
        message = types.Content(role="user", parts=[types.Part(function_response=answer)])
        events = await runner.run_async(**WHO, new_message=message)
    assert types.text_of(events[-1].content) == "Coffee it is"
    declared = model.requests[0].config.tools[0].function_declarations[0]
    assert (declared.name, list(declared.parameters_json_schema["properties"])) == ("get_user_choice", ["options"])


async def test_exit_loop_ends_the_loop() -> None:
    model = ScriptedModel(["once", call("exit_loop")])
    loop = LoopAgent(name="loop", sub_agents=[Agent(name="a", model=model, tools=[exit_loop])], max_iterations=9)
    async with InMemoryRunner(loop) as runner:
        await runner.run_async(**WHO, new_message="Hello")
    assert len(model.requests) == 2
