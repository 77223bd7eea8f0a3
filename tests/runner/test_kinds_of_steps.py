# SPDX-License-Identifier: Apache-2.0
"""Kinds of steps together: code beside calls, progress, questions and agents that are tools."""

from collections.abc import AsyncGenerator
from typing import Any

import pytest

from runwright import (
    Agent,
    BaseCodeExecutor,
    BuiltInCodeExecutor,
    CodeExecutionInput,
    CodeExecutionResult,
    InMemoryRunner,
    LlmRequest,
    LlmResponse,
)
from runwright.model import BaseLlm
from runwright.testing import call
from runwright.tools import AgentTool
from runwright.types import Content, Outcome, Part
from runwright.types import CodeExecutionResult as ProvidersResult
from runwright.types import ExecutableCode
from tests.runner.scene import assert_sound, say, scripted_agent, stored

CODE = "```python\nprint(1)\n```"


class Counting(BaseCodeExecutor):
    """Counts what it runs."""

    ran: list[str] = []

    async def execute_code(
        self, invocation_context: Any, code_execution_input: CodeExecutionInput
    ) -> CodeExecutionResult:
        self.ran.append(code_execution_input.code)
        return CodeExecutionResult(stdout="1\n")


class SeveralAnswers(BaseLlm):
    """Gives to each request the next group of whole answers."""

    runs_code: bool = True

    def __init__(self, *groups: list[Any]) -> None:
        super().__init__(model="several")
        self.groups = list(groups)
        self.requests: list[LlmRequest] = []

    async def generate_content_async(
        self, llm_request: LlmRequest, stream: bool = False
    ) -> AsyncGenerator[LlmResponse, None]:
        self.requests.append(llm_request)
        for parts in self.groups.pop(0):
            yield LlmResponse(content=Content(role="model", parts=list(parts)))


def said(events: list[Any]) -> list[str]:
    shown: list[str] = []
    for event in events:
        for part in (event.content.parts or ()) if event.content is not None else ():
            kinds = ("function_call", "function_response", "executable_code", "code_execution_result", "text")
            shown.append(next(kind for kind in kinds if getattr(part, kind) is not None))
    return shown


CALL = Part(function_call=call("look"))
WRITTEN = Part(text=CODE)


@pytest.mark.parametrize("group", [[[CALL], [WRITTEN]], [[WRITTEN], [CALL]]], ids=["call first", "code first"])
async def test_code_and_calls_in_several_answers_to_one_request_are_both_done(group: list[Any]) -> None:
    looked: list[int] = []

    async def look() -> str:
        """Looks."""
        looked.append(1)
        return "seen"

    executor = Counting()
    model = SeveralAnswers(group, [[Part(text="done")]])
    async with InMemoryRunner(Agent(name="a", model=model, tools=[look], code_executor=executor)) as runner:
        events = await say(runner, "go")
        assert (looked, executor.ran) == ([1], ["print(1)"])
        assert said(events)[-1] == "text" and len(model.requests) == 2
        assert_sound(await stored(runner))


async def test_calls_before_code_that_the_provider_ran_are_made() -> None:
    async def look() -> str:
        """Looks."""
        return "seen"

    ran = [
        CALL,
        Part(executable_code=ExecutableCode(code="print(1)", language="PYTHON")),
        Part(code_execution_result=ProvidersResult(outcome=Outcome.OUTCOME_OK, output="1")),
    ]
    model = SeveralAnswers([ran], [[Part(text="done")]])
    async with InMemoryRunner(
        Agent(name="a", model=model, tools=[look], code_executor=BuiltInCodeExecutor())
    ) as runner:
        events = await say(runner, "go")
        assert said(events) == [
            "function_call",
            "executable_code",
            "code_execution_result",
            "function_response",
            "text",
        ]
        assert_sound(await stored(runner))


def test_an_agent_that_runs_code_is_not_run_again_as_a_tool() -> None:
    coder = scripted_agent("x", name="coder", code_executor=Counting())
    below = scripted_agent("x", name="above", tools=[AgentTool(coder)])
    assert AgentTool(coder).on_resume == AgentTool(below).on_resume == "never"
    with_provider = scripted_agent("x", name="other", code_executor=BuiltInCodeExecutor())
    assert AgentTool(with_provider).on_resume == "replay"
