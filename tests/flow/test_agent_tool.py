# SPDX-License-Identifier: Apache-2.0
"""An agent as another agent's tool."""

import json

import pydantic
import pytest

from runwright import Agent, AgentTool, BaseAgent, BaseToolset, FunctionTool, LlmResponse, SequentialAgent, types
from runwright.testing import FunctionModel, ScriptedModel, call


def agent(name, *replies, **options):
    return Agent(name=name, model=ScriptedModel(list(replies)), **options)


def asking(inner, *replies, skip_summarization=False, **options):
    """An agent that asks ``inner``."""
    tool = AgentTool(inner, skip_summarization=skip_summarization)
    return agent("outer", *replies, tools=[tool], **options)


async def test_its_answer_is_the_tools(chat, said, seen):
    inner = agent("inner", "42", description="Knows.")
    outer = asking(inner, call("inner", request="What is it?"), "It is 42.")
    talk = chat(outer)
    assert said(await talk.say()) == [
        ("outer", "inner(request='What is it?')"),
        ("outer", {"inner": {"result": "42"}}),
        ("outer", "It is 42."),
    ]
    assert seen(inner.model.requests[0]) == [("user", "What is it?")]
    shown = outer.model.requests[0].config.tools[0].function_declarations[0]
    assert (shown.name, shown.description, list(shown.parameters_json_schema["properties"])) == (
        "inner",
        "Knows.",
        ["request"],
    )
    assert {event.author for event in (await talk.session()).events} == {"user", "outer"}


async def test_state_goes_in_and_comes_out(chat):
    inner = agent("inner", "answer", instruction="Mood: {mood}, {user:name}.", output_key="user:answer")
    talk = chat(asking(inner, call("inner", request="x"), "ok"))
    await talk.say(state_delta={"mood": "good", "user:name": "Ada", "temp:secret": 1})
    assert inner.model.requests[0].config.system_instruction.startswith("Mood: good, Ada.")
    assert await talk.state() == {"mood": "good", "user:name": "Ada", "user:answer": "answer"}


async def test_files_it_saves_are_the_callers(chat):
    async def save(tool_context) -> int:
        """Saves."""
        return await tool_context.save_artifact("report.txt", types.Part(text="done"))

    async def read(tool_context) -> str:
        """Reads."""
        return (await tool_context.load_artifact("report.txt")).text

    inner = agent("inner", call("save"), "saved", tools=[save])
    outer = asking(inner, call("inner", request="x"), call("read"), "ok")
    outer.tools.append(read)
    talk = chat(outer)
    events = await talk.say()
    assert events[3].get_function_responses()[0].response == {"result": "done"}
    assert events[1].actions.artifact_delta == {"report.txt": 0}


class Question(pydantic.BaseModel):
    topic: str
    depth: int = 1


async def test_arguments_by_a_schema(chat, seen):
    inner = agent("inner", "ok", input_schema=Question)
    outer = asking(inner, call("inner", topic="x", depth="deep"), call("inner", topic="x", depth=2), "done")
    events = await chat(outer).say()
    assert "depth" in events[1].get_function_responses()[0].response["error"]
    [(role, text)] = seen(inner.model.requests[0])
    assert role == "user" and json.loads(text) == {"topic": "x", "depth": 2}
    shown = outer.model.requests[0].config.tools[0].function_declarations[0].parameters_json_schema
    assert set(shown["properties"]) == {"topic", "depth"} and shown["required"] == ["topic"]


async def test_a_wrong_request_is_told_to_the_model(chat):
    outer = asking(agent("inner"), call("inner", request=3), "ok")
    assert "'request'" in (await chat(outer).say())[1].get_function_responses()[0].response["error"]


async def test_an_answer_by_a_schema_is_data(chat):
    inner = agent("inner", '{"topic": "x", "depth": 3}', output_schema=Question)
    events = await chat(asking(inner, call("inner", request="x"), "ok")).say()
    assert events[1].get_function_responses()[0].response == {"topic": "x", "depth": 3}


@pytest.mark.parametrize("text", ["no JSON", '{"topic": 3}'])
async def test_an_answer_that_does_not_fit_its_schema_is_told_to_the_model(chat, text):
    inner = agent("inner", text, output_schema=Question)
    events = await chat(asking(inner, call("inner", request="x"), "ok")).say()
    assert "inner" in events[1].get_function_responses()[0].response["error"]
    assert events[-1].content.parts[0].text == "ok"


async def test_without_a_summary_its_answer_ends_the_turn(chat, said):
    outer = asking(agent("inner", "42"), call("inner", request="x"), skip_summarization=True)
    events = await chat(outer).say()
    assert said(events)[-1] == ("outer", {"inner": {"result": "42"}})
    assert events[-1].is_final_response() and events[-1].actions.skip_summarization


async def test_an_error_the_model_reports_is_told_to_the_caller(chat):
    inner = agent("inner", LlmResponse(error_code="SAFETY", error_message="refused"))
    answer = (await chat(asking(inner, call("inner", request="x"), "ok")).say())[1].get_function_responses()[0].response
    assert "refused" in answer["error"] and answer["error_type"] == "SAFETY"


async def test_a_failure_inside_fails_the_run_or_is_handled_by_the_callers_hook(chat, said):
    error, events = await chat(asking(agent("inner", OSError("no net")), call("inner", request="x"))).fails(OSError)
    assert str(error) == "no net" and events[-1].author == "outer"

    def handle(tool, args, tool_context, error):
        return {"failed": str(error)}

    outer = asking(agent("inner", OSError("no net")), call("inner", request="x"), "ok", on_tool_error_callback=handle)
    assert said(await chat(outer).say())[1] == ("outer", {"inner": {"failed": "no net"}})


async def test_an_agent_that_says_nothing(chat, said):
    class Silent(BaseAgent):
        async def _run_async_impl(self, ctx):
            for _ in ():
                yield

    outer = asking(Silent(name="silent"), call("silent", request="x"), "ok")
    assert said(await chat(outer).say())[1] == ("outer", {"silent": {"result": ""}})


async def test_agents_as_tools_of_agents_as_tools(chat, said):
    deepest = agent("deepest", "bottom", output_key="found")
    middle = agent("middle", call("deepest", request="go"), "middle: {found}", tools=[AgentTool(deepest)])
    talk = chat(asking(middle, call("middle", request="go"), "ok"))
    assert said(await talk.say())[1] == ("outer", {"middle": {"result": "middle: {found}"}})
    assert await talk.state() == {"found": "bottom"}


async def test_a_workflow_is_a_tool(chat, said):
    line = SequentialAgent(name="line", sub_agents=[agent("a", "A", output_key="a"), agent("b", "B")])
    talk = chat(asking(line, call("line", request="x"), "ok"))
    assert said(await talk.say())[1] == ("outer", {"line": {"result": "B"}})
    assert await talk.state() == {"a": "A"}


async def test_several_at_the_same_time(chat, said):
    def reply(request):
        return request.contents[-1].parts[0].text.upper()

    inner = Agent(name="inner", model=FunctionModel(reply))
    outer = asking(inner, [call("inner", request=text) for text in ("a", "b", "c")], "ok")
    assert said(await chat(outer).say())[1] == ("outer", *({"inner": {"result": text}} for text in "ABC"))


async def test_its_toolsets_are_closed_with_the_runner(chat):
    closed = []

    class Toolset(BaseToolset):
        async def get_tools(self, readonly_context=None):
            return [FunctionTool(lambda: 1, name="one")]

        async def close(self):
            closed.append(True)

    talk = chat(asking(agent("inner", "42", tools=[Toolset()]), call("inner", request="x"), "ok"))
    await talk.say()
    await talk.runner.close()
    assert closed == [True]
