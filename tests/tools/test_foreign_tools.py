# SPDX-License-Identifier: Apache-2.0
"""Tools of LangChain and CrewAI, with the real packages where they are installed.

CrewAI brings a few hundred packages with it, so what is tested without it is an object built as its tools are: a
pydantic model whose ``run`` checks the keywords against ``args_schema`` and calls ``_run``.
"""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pydantic
import pytest

from runwright import Agent, CrewaiTool, InMemoryRunner, LangchainTool, types
from runwright.errors import ConfigurationError
from runwright.testing import ScriptedModel, call


class ToolException(Exception):
    """What LangChain's tools raise for the model to read."""


class Sum(pydantic.BaseModel):
    left: int = pydantic.Field(description="The first number")
    right: int = 1


class Plain:
    """A tool as LangChain has them."""

    name = "add numbers!"
    description = "Adds."
    args_schema: Any = Sum

    def __init__(self) -> None:
        self.thread: threading.Thread | None = None

    def invoke(self, given: dict[str, Any]) -> int:
        self.thread = threading.current_thread()
        if given["left"] < 0:
            raise ToolException("only from 0 on")
        return int(given["left"]) + int(given.get("right", 1))


class Async(Plain):
    return_direct = True

    async def ainvoke(self, given: dict[str, Any]) -> int:
        await asyncio.sleep(0)
        return self.invoke(given)

    async def _arun(self) -> None: ...


class CrewTool(pydantic.BaseModel):
    """A tool as CrewAI has them."""

    name: str = "Add Numbers"
    description: str = "Tool Name: Add Numbers\nTool Arguments: {}\nTool Description: Adds."
    args_schema: type[pydantic.BaseModel] = Sum
    result_as_answer: bool = False

    def run(self, **given: Any) -> Any:
        return self._run(**self.args_schema.model_validate(given).model_dump())

    async def arun(self, **given: Any) -> Any:
        raise NotImplementedError("no asynchronous code")

    async def _arun(self, **given: Any) -> Any:
        raise NotImplementedError("no asynchronous code")

    def _run(self, **given: Any) -> Any:
        raise NotImplementedError


class Adder(CrewTool):
    def _run(self, left: int, right: int) -> Any:
        return left + right


async def used(tool: Any, *calls: types.FunctionCall) -> tuple[Any, list[Any]]:
    """What the model was shown of a tool, and what its calls answered."""
    model = ScriptedModel([*calls, "done"])
    async with InMemoryRunner(Agent(name="a", model=model, tools=[tool])) as runner:
        events = await runner.run_async(user_id="u", session_id="s", new_message="go")
    declared = model.requests[0].config.tools[0].function_declarations[0]
    return declared, [one.response for event in events for one in event.get_function_responses()]


SHOWN = {
    "type": "object",
    "properties": {
        "left": {"type": "integer", "description": "The first number"},
        "right": {"type": "integer", "default": 1},
    },
    "required": ["left"],
}


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (Plain, "add_numbers"),
        (Async, "add_numbers"),
        (Adder, "Add_Numbers"),
        (lambda: LangchainTool(tool=Plain(), name="plus", description="Adds."), "plus"),
        (lambda: CrewaiTool(tool=Adder(), name=""), "add_numbers"),
        (lambda: CrewaiTool(tool=Adder(), name="plus", description="Adds."), "plus"),
    ],
    ids=["plain", "async", "of CrewAI", "LangchainTool", "CrewaiTool", "CrewaiTool with a name"],
)
async def test_it_is_shown_and_called(make: Callable[[], Any], name: str) -> None:
    shown, answers = await used(make(), call(name, left=2, right=3))
    assert (shown.name, shown.parameters_json_schema) == (name, SHOWN)
    assert shown.description.endswith("Adds.")
    assert answers == [{"result": 5}]


async def test_arguments_that_do_not_fit_go_back_to_the_model() -> None:
    tool = Plain()
    _, answers = await used(tool, call("add_numbers", left="two"), call("add_numbers"))
    assert all("left" in answer["error"] for answer in answers) and len(answers) == 2
    assert tool.thread is None


async def test_plain_code_runs_in_a_worker_thread_and_asynchronous_code_in_the_loop() -> None:
    plain, asynchronous = Plain(), Async()
    await used(plain, call("add_numbers", left=1))
    await used(asynchronous, call("add_numbers", left=1))
    assert plain.thread is not threading.main_thread() and asynchronous.thread is threading.main_thread()


async def test_what_it_wants_the_model_to_read_is_told() -> None:
    _, answers = await used(Plain(), call("add_numbers", left=-1))
    assert answers == [{"error": "only from 0 on"}]


async def test_other_failures_are_the_runs() -> None:
    class Broken(Plain):
        def invoke(self, given: dict[str, Any]) -> int:
            raise OSError("broken")

    with pytest.raises(OSError, match="broken"):
        await used(Broken(), call("add_numbers", left=1))


@pytest.mark.parametrize("tool", [Async(), Adder(result_as_answer=True)], ids=["return_direct", "result_as_answer"])
async def test_a_result_that_is_the_answer_ends_the_turn(tool: Any) -> None:
    name = "add_numbers" if isinstance(tool, Async) else "Add_Numbers"
    model = ScriptedModel([call(name, left=1)])
    async with InMemoryRunner(Agent(name="a", model=model, tools=[tool])) as runner:
        events = await runner.run_async(user_id="u", session_id="s", new_message="go")
    assert events[-1].actions.skip_summarization and len(model.requests) == 1


async def test_json_schema_serves_as_well() -> None:
    class Written(Plain):
        args_schema = {"type": "object", "properties": {"left": {"type": "integer"}}, "required": ["left"]}

    shown, answers = await used(Written(), call("add_numbers", left=4))
    assert shown.parameters_json_schema == Written.args_schema and answers == [{"result": 5}]


async def test_an_object_with_a_run_method_is_known_by_its_signature() -> None:
    class Search:
        name, description = "search", "Searches."

        def run(self, query: str, limit: int = 3) -> str:
            return query * limit

    shown, answers = await used(LangchainTool(Search()), call("search", query="ab"), call("search"))
    assert list(shown.parameters_json_schema["properties"]) == ["query", "limit"]
    assert answers[0] == {"result": "ababab"} and "query" in answers[1]["error"]


def test_what_cannot_be_called_is_named() -> None:
    with pytest.raises(ConfigurationError, match="ainvoke"):
        LangchainTool(object())
    with pytest.raises(ConfigurationError, match="LangChain"):
        Agent(name="a", model=ScriptedModel([]), tools=[object()])


# --- the real ones


async def test_real_tools_of_langchain() -> None:
    tools = pytest.importorskip("langchain_core.tools", reason="langchain-core is not installed")

    @tools.tool
    def add(left: int, right: int = 1) -> int:
        """Adds."""
        if left < 0:
            raise tools.ToolException("only from 0 on")
        return left + right

    @tools.tool
    async def shout(text: str) -> str:
        """Shouts."""
        return text.upper()

    class Find(tools.BaseTool):
        name: str = "find"
        description: str = "Finds."

        def _run(self, what: str, times: int = 1, run_manager: Any = None) -> list[str]:
            return [what] * times

    legacy = tools.Tool(name="echo", description="Echoes.", func=lambda text: f"said {text}")
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    written = tools.StructuredTool(name="twice", description="Doubles.", func=lambda n: 2 * n, args_schema=schema)

    shown, answers = await used(add, call("add", left=2, right=3), call("add", left=-1), call("add", left="x"))
    assert list(shown.parameters_json_schema["properties"]) == ["left", "right"]
    assert answers[:2] == [{"result": 5}, {"error": "only from 0 on"}] and "left" in answers[2]["error"]
    assert (await used(shout, call("shout", text="a")))[1] == [{"result": "A"}]
    shown, answers = await used(Find(), call("find", what="it"))
    assert list(shown.parameters_json_schema["properties"]) == ["what", "times"] and answers == [{"result": ["it"]}]
    assert shown.parameters_json_schema["required"] == ["what"]
    shown, answers = await used(legacy, call("echo", tool_input="hi"))
    assert list(shown.parameters_json_schema["properties"]) == ["tool_input"] and answers == [{"result": "said hi"}]
    shown, answers = await used(written, call("twice", n=4), call("twice"))
    assert shown.parameters_json_schema["properties"] == schema["properties"]
    assert answers[0] == {"result": 8} and "n" in answers[1]["error"]
    assert (await used(LangchainTool(add, name="plus"), call("plus", left=1)))[1] == [{"result": 2}]


async def test_real_tools_of_crewai(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CREWAI_DISABLE_TELEMETRY", "CREWAI_TELEMETRY_OPT_OUT", "OTEL_SDK_DISABLED"):
        monkeypatch.setenv(name, "true")  # otherwise importing it starts threads that report to its makers
    tools = pytest.importorskip("crewai.tools", reason="crewai is not installed")

    @tools.tool("Add Numbers")
    def add(left: int, right: int) -> int:
        """Adds."""
        return left + right

    class Shout(tools.BaseTool):
        name: str = "Shout"
        description: str = "Shouts."

        def _run(self, text: str) -> str:
            return text.upper()

    @tools.tool("Later")
    async def later(text: str) -> str:
        """Answers later."""
        await asyncio.sleep(0)
        return text

    assert (await used(add, call("Add_Numbers", left=1, right=2)))[1] == [{"result": 3}]
    assert (await used(later, call("Later", text="a")))[1] == [{"result": "a"}]
    shown, answers = await used(CrewaiTool(tool=Shout(), name=""), call("shout", text="a"), call("shout"))
    assert (shown.name, shown.description) == ("shout", "Shouts.")
    assert answers[0] == {"result": "A"} and "text" in answers[1]["error"]
