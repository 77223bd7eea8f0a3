# SPDX-License-Identifier: Apache-2.0
"""What MCP servers ask: the client's model, which counts for the run that waits, and the user."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from runwright import Agent, AgentTool, Budget, InMemoryRunner, RunConfig
from runwright.budget import SPENT
from runwright.errors import BudgetExceededError, LlmCallsLimitExceededError, ToolExecutionError
from runwright.event import LlmResponse
from runwright.testing import FunctionModel, ScriptedModel, call
from runwright.tools.mcp import McpToolset, StdioConnectionParams, StdioServerParameters
from runwright.types import Content, FunctionCall, Part
from runwright.types import GenerateContentResponseUsageMetadata as Usage

mcp = pytest.importorskip("mcp", reason="the extra mcp is not installed")
mcp_types = pytest.importorskip("mcp_types", reason="the extra mcp is not installed")

sampling = pytest.importorskip("runwright.tools.mcp.sampling", reason="the extra mcp is not installed")

HERE = Path(__file__).parent
COMMANDS = {"2026": ["mcp_server.py", "stdio"], "2025": ["mcp_bare_server.py"]}
QUESTION = {"messages": [{"role": "user", "content": {"type": "text", "text": "A word on tea?"}}], "maxTokens": 20}
ASKS = {"2026": call("ask", topic="tea"), "2025": call("ask_model", **QUESTION)}
"""The call by which a server of each protocol asks the model."""
TOKENS = 100


def used(said: str | Content, tokens: int = TOKENS) -> LlmResponse:
    content = said if isinstance(said, Content) else Content(role="model", parts=[Part.from_text(text=said)])
    return LlmResponse(content=content, usage_metadata=Usage(total_token_count=tokens))


@pytest.fixture(params=["2026", "2025"])
def protocol(request: pytest.FixtureRequest) -> str:
    """The protocol in which a question belongs to a call, and the one in which it stands alone."""
    return request.param


@pytest.fixture
async def toolset() -> AsyncIterator[Callable[..., McpToolset]]:
    made: list[McpToolset] = []

    def make(protocol: str, **options: Any) -> McpToolset:
        script, *words = COMMANDS[protocol]
        command = StdioServerParameters(command=sys.executable, args=[str(HERE / script), *words])
        params = StdioConnectionParams(server_params=command, timeout=60)
        made.append(McpToolset(connection_params=params, **options))
        return made[-1]

    yield make
    for one in made:
        await one.close()


def text(result: Any) -> str:
    return result["content"][0]["text"]


# --- what it costs


async def test_what_it_uses_counts_for_the_budget_of_the_run(protocol: str, toolset: Callable[..., McpToolset]) -> None:
    tools = toolset(protocol, sampling_model=FunctionModel(lambda request: used("Lovely")))
    agent = Agent(name="a", model=ScriptedModel([ASKS[protocol], used("Done")]), tools=[tools])
    config = RunConfig(budget=Budget(tokens=10_000, llm_calls=10))
    async with InMemoryRunner(agent) as runner:
        run = runner.start(user_id="ada", session_id="s", new_message="Go", run_config=config)
        events = await run
        assert run.budget.used.llm_calls == 3
        assert run.budget.used.tokens >= 2 * TOKENS
        answer = next(event for event in events if event.get_function_responses())
        assert "Lovely" in text(answer.get_function_responses()[0].response)
        # For when the run goes on elsewhere.
        assert answer.custom_metadata[SPENT] == {"tokens": TOKENS, "llm_calls": 1}


async def test_a_budget_that_is_used_up_refuses_the_server_and_stops_the_run(
    protocol: str, toolset: Callable[..., McpToolset]
) -> None:
    asked = FunctionModel(lambda request: used("Lovely"))
    tools = toolset(protocol, sampling_model=asked)
    model = ScriptedModel([ASKS[protocol], used("Done")])
    agent = Agent(name="a", model=model, tools=[tools])
    async with InMemoryRunner(agent) as runner:
        config = RunConfig(budget=Budget(llm_calls=1))
        run = runner.start(user_id="ada", session_id="s", new_message="Go", run_config=config)
        with pytest.raises(BudgetExceededError):
            await run
    (answer,) = [one.response for event in run.events for one in event.get_function_responses()]
    assert "budget of 1 model calls" in json.dumps(answer)
    assert asked.requests == []
    assert len(model.requests) == 1


async def test_the_calls_count_for_max_llm_calls(protocol: str, toolset: Callable[..., McpToolset]) -> None:
    asked = FunctionModel(lambda request: "Lovely")
    tools = toolset(protocol, sampling_model=asked)
    model = ScriptedModel([ASKS[protocol], "Done"])
    async with InMemoryRunner(Agent(name="a", model=model, tools=[tools])) as runner:
        run = runner.start(user_id="ada", session_id="s", new_message="Go", run_config=RunConfig(max_llm_calls=2))
        with pytest.raises(LlmCallsLimitExceededError):
            await run
    assert (len(asked.requests), len(model.requests)) == (1, 1)


async def test_a_call_of_an_agent_that_is_a_tool_counts_once_for_the_budget_of_both(
    protocol: str, toolset: Callable[..., McpToolset]
) -> None:
    tools = toolset(protocol, sampling_model=FunctionModel(lambda request: used("Lovely")))
    inner = Agent(name="inner", description="Helps.", model=ScriptedModel([ASKS[protocol], "Done"]), tools=[tools])
    model = ScriptedModel([call("inner", request="Go"), "Done"])
    config = RunConfig(budget=Budget(llm_calls=10))
    async with InMemoryRunner(Agent(name="outer", model=model, tools=[AgentTool(inner)])) as runner:
        run = runner.start(user_id="ada", session_id="s", new_message="Go", run_config=config)
        await run
        assert run.budget.used.llm_calls == 5


async def test_runs_at_the_same_time_pay_each_for_its_own(toolset: Callable[..., McpToolset]) -> None:
    both = asyncio.Barrier(2)

    async def answered(request: Any) -> LlmResponse:
        await both.wait()
        return used("Lovely", TOKENS)

    tools = toolset("2026", sampling_model=FunctionModel(answered))
    replies = [ASKS["2026"], "Done"]
    agent = Agent(name="a", model=FunctionModel(lambda request: replies[len(request.contents) > 1]), tools=[tools])
    async with InMemoryRunner(agent) as runner:
        runs = [
            runner.start(
                user_id="ada", session_id=name, new_message="Go", run_config=RunConfig(budget=Budget(llm_calls=10))
            )
            for name in ("s", "t")
        ]
        for run in runs:
            await run
            assert run.budget.used.llm_calls == 3


async def test_outside_of_a_run_nothing_is_counted(protocol: str, toolset: Callable[..., McpToolset]) -> None:
    tools = toolset(protocol, sampling_model=ScriptedModel(["Lovely"]))
    asking = ASKS[protocol]
    assert "Lovely" in text(await tools.call_tool(asking.name, asking.args))


async def test_a_server_that_asks_while_nobody_calls_it_is_refused() -> None:
    model = ScriptedModel(["Lovely"], repeat=True)
    params = mcp_types.CreateMessageRequestParams.model_validate(QUESTION)
    context: Any = None  # it does not look at the connection
    refused = await sampling.sampling_by(model, list)(context, params)
    assert isinstance(refused, mcp_types.ErrorData) and "within one" in refused.message and model.requests == []
    assert not isinstance(await sampling.sampling_by(model, lambda: [None])(context, params), mcp_types.ErrorData)


# --- what is asked and answered


async def test_the_question_reaches_the_model_whole(protocol: str, toolset: Callable[..., McpToolset]) -> None:
    model = ScriptedModel(["Lovely"])
    tools = toolset(protocol, sampling_model=model)
    question = {**QUESTION, "systemPrompt": "Be brief."}
    asking = call("ask_model", **question) if protocol == "2025" else ASKS[protocol]
    await tools.call_tool(asking.name, asking.args)
    (request,) = model.requests
    assert request.contents[0].parts[0].text == "A word on tea?"
    assert request.config.system_instruction == "Be brief."
    assert request.config.max_output_tokens == 20


async def test_a_model_that_cannot_answer_is_a_failure_of_the_call(toolset: Callable[..., McpToolset]) -> None:
    tools = toolset("2026", sampling_model=ScriptedModel([]))
    with pytest.raises(ToolExecutionError, match="model could not answer"):
        await tools.call_tool("ask", {"topic": "tea"})


async def test_tools_are_shown_to_the_model_and_its_call_of_one_is_the_answer(
    toolset: Callable[..., McpToolset],
) -> None:
    asked = FunctionCall(id="2", name="weather", args={"city": "Oslo"})
    parts = [Part.from_text(text="Let me look."), Part(function_call=asked, thought_signature=b"xyz")]
    model = ScriptedModel([Content(role="model", parts=parts)])
    tools = toolset("2026", sampling_model=model)
    answer = json.loads(text(await tools.call_tool("plan", {"city": "Oslo"})))
    said, use = answer["content"]
    assert (answer["stopReason"], said["text"]) == ("toolUse", "Let me look.")
    assert (use["type"], use["id"], use["name"], use["input"]) == ("tool_use", "2", "weather", {"city": "Oslo"})
    assert use["_meta"] == {"runwright/thoughtSignature": "eHl6"}
    (request,) = model.requests
    (declaration,) = request.config.tools[0].function_declarations
    assert declaration.name == "weather"
    assert request.config.tool_config.function_calling_config.mode == "ANY"
    use, result = (content.parts[0] for content in request.contents[1:])
    assert (use.function_call.args, use.thought_signature) == ({"city": "Oslo"}, b"abc")
    assert (result.function_response.name, result.function_response.response) == ("weather", {"result": "Rain"})


async def test_a_result_of_a_tool_that_nobody_used_is_refused(toolset: Callable[..., McpToolset]) -> None:
    tools = toolset("2025", sampling_model=ScriptedModel(["Never"]))
    result = {"type": "tool_result", "toolUseId": "9", "content": []}
    question = {"messages": [{"role": "user", "content": result}], "maxTokens": 20}
    refusal = json.loads(text(await tools.call_tool("ask_model", question)))
    assert refusal == {"code": -32602, "message": "No tool use before has the id '9'"}


async def test_without_a_model_a_server_is_told_that_there_is_nobody(toolset: Callable[..., McpToolset]) -> None:
    tools = toolset("2025")
    assert "Sampling not supported" in text(await tools.call_tool("ask_model", QUESTION))


async def test_what_a_server_asks_the_user_is_answered_by_the_callback(toolset: Callable[..., McpToolset]) -> None:
    async def asked(context: Any, params: Any) -> Any:
        assert params.message == "Who are you?"
        return mcp_types.ElicitResult(action="accept", content={"name": "Ada"})

    tools = toolset("2026", elicitation_callback=asked)
    assert text(await tools.call_tool("who", {})) == "You are Ada"
