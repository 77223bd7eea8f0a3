# SPDX-License-Identifier: Apache-2.0
"""FunctionTool and its kin, apart from a run."""

import contextvars
import functools

import pytest

from runwright import (
    Agent,
    BaseToolset,
    Context,
    FunctionTool,
    InvocationContext,
    LlmRequest,
    LongRunningFunctionTool,
    Session,
    ToolContext,
)
from runwright.errors import ConfigurationError, ToolArgumentsError, UnsupportedTypeError
from runwright.foreign_tool import as_tool


def context():
    session = Session(id="s", app_name="app", user_id="u")
    return ToolContext(InvocationContext(agent=Agent(name="a"), session=session), function_call_id="c")


def add(a: int, b: int = 2) -> int:
    """Adds.

    Args:
        a: The first.
    """
    return a + b


async def add_later(a: int, b: int = 2) -> int:
    return a + b


class Adder:
    """Adds."""

    def __call__(self, a: int, b: int = 2) -> int:
        return a + b

    def method(self, a: int, b: int = 2) -> int:
        return a + b

    @classmethod
    def of_class(cls, a: int, b: int = 2) -> int:
        return a + b


@pytest.mark.parametrize(
    ("function", "name", "in_thread"),
    [
        (add, "add", True),
        (add_later, "add_later", False),
        (Adder().method, "method", True),
        (Adder.of_class, "of_class", True),
        (functools.partial(add, b=2), "add", True),
        (functools.partial(add_later, b=2), "add_later", False),
    ],
    ids=lambda value: str(value),
)
async def test_anything_that_can_be_called_is_a_tool(function, name, in_thread):
    tool = FunctionTool(function)
    assert (tool.name, tool.runs_in_thread) == (name, in_thread)
    assert await tool.run_async(args={"a": 1}, tool_context=context()) == 3
    with pytest.raises(ToolArgumentsError, match="a"):
        await tool.run_async(args={"a": "x"}, tool_context=context())


async def test_an_object_is_a_tool_under_a_name():
    assert await FunctionTool(Adder(), name="add").run_async(args={"a": 1}, tool_context=context()) == 3


def test_how_it_is_shown():
    shown = FunctionTool(add).get_declaration()
    assert shown.name == "add" and shown.description.startswith("Adds.")
    assert shown.parameters_json_schema["required"] == ["a"]
    assert shown.parameters_json_schema["properties"]["a"] == {"type": "integer", "description": "The first."}
    renamed = FunctionTool(add, name="sum", description="Sums.").get_declaration()
    assert (renamed.name, renamed.description) == ("sum", "Sums.")
    assert FunctionTool(add_later).get_declaration().description is None


def by_name(x: int, tool_context) -> str:
    return tool_context.function_call_id


def by_type(x: int, anything: ToolContext) -> str:
    return anything.function_call_id


def by_either_type(x: int, ctx: Context) -> str:
    return ctx.function_call_id


def by_optional_type(x: int, tool_context: ToolContext | None = None) -> str:
    return tool_context.function_call_id


def by_quoted_type(x: int, ctx: "ToolContext") -> str:
    return ctx.function_call_id


@pytest.mark.parametrize("function", [by_name, by_type, by_either_type, by_optional_type, by_quoted_type])
async def test_the_context_is_given_and_not_shown(function):
    tool = FunctionTool(function)
    assert list(tool.get_declaration().parameters_json_schema["properties"]) == ["x"]
    assert await tool.run_async(args={"x": 1}, tool_context=context()) == "c"


async def test_context_variables_reach_a_thread():
    variable = contextvars.ContextVar("variable")
    variable.set("here")
    assert await FunctionTool(lambda: variable.get(), name="read").run_async(args={}, tool_context=context()) == "here"


def test_what_cannot_be_a_tool():
    def odd(x: complex) -> None: ...

    with pytest.raises(UnsupportedTypeError, match="x"):
        FunctionTool(odd)
    for value in (3, None, "add"):
        with pytest.raises(ConfigurationError, match="'owner'"):
            as_tool(value, "owner")
    with pytest.raises(ConfigurationError):
        FunctionTool(3)


def test_as_a_tool():
    tool = FunctionTool(add)
    assert as_tool(tool, "a") is tool and as_tool(add, "a").func is add


def test_a_long_running_tool_says_so():
    tool = LongRunningFunctionTool(add, name="sum")
    assert tool.is_long_running and tool.name == "sum"
    assert tool.get_declaration().description == tool.description and "do not call it again" in tool.description
    assert LongRunningFunctionTool(add_later).description


async def test_a_prefixed_tool_is_the_same_tool_under_another_name():
    class Set(BaseToolset):
        async def get_tools(self, readonly_context=None):
            return [LongRunningFunctionTool(add, timeout=3, custom_metadata={"m": 1})]

    [tool] = await Set(tool_name_prefix="my").get_selected_tools()
    assert (tool.name, tool.get_declaration().name, tool.is_long_running) == ("my_add", "my_add", True)
    assert (tool.timeout, tool.custom_metadata, tool.runs_in_thread) == (3, {"m": 1}, True)
    assert await tool.run_async(args={"a": 1}, tool_context=context()) == 3


async def test_a_prefixed_tool_changes_the_request_in_its_own_way():
    class Telling(FunctionTool):
        async def process_llm_request(self, *, tool_context, llm_request):
            await super().process_llm_request(tool_context=tool_context, llm_request=llm_request)
            llm_request.append_instructions([f"Use {self.name}."])

    class Set(BaseToolset):
        async def get_tools(self, readonly_context=None):
            return [original]

    original = Telling(add)
    [tool] = await Set(tool_name_prefix="my").get_selected_tools()
    request = LlmRequest()
    await tool.process_llm_request(tool_context=context(), llm_request=request)
    assert request.tools_dict == {"my_add": tool} and request.config.system_instruction == "Use my_add."
    assert [shown.name for shown in request.config.tools[0].function_declarations] == ["my_add"]
    assert isinstance(tool, Telling) and (original.name, original.get_declaration().name) == ("add", "add")


def test_tools_in_a_request():
    request = LlmRequest()
    one, two = FunctionTool(add), FunctionTool(add_later)
    request.append_tools([one])
    request.append_tools([one, two])
    assert [shown.name for shown in request.config.tools[0].function_declarations] == ["add", "add_later"]
    assert request.tools_dict == {"add": one, "add_later": two}
    with pytest.raises(ConfigurationError, match="Two tools are called 'add'"):
        request.append_tools([FunctionTool(add)])


def test_instructions_in_a_request():
    request = LlmRequest()
    request.append_instructions(["a", "", "b"])
    request.append_instructions([])
    request.append_instructions(["c"])
    assert request.config.system_instruction == "a\n\nb\n\nc"
