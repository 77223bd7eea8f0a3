# SPDX-License-Identifier: Apache-2.0
"""Budgets: a run stops where its tokens, money, calls or time are used up, and its session stays sound."""

import asyncio
from typing import Any

import pytest

from runwright import (
    Agent,
    AgentTool,
    BaseAgent,
    Event,
    InMemoryRunner,
    InMemorySessionService,
    ParallelAgent,
    ReflectAndRetryToolPlugin,
    RunConfig,
    Runner,
    SequentialAgent,
    StreamingMode,
    types,
)
from runwright.budget import Budget, Spending, prompt_tokens
from runwright.errors import BudgetExceededError, ConfigurationError, RunwrightError
from runwright.event import LlmResponse
from runwright.model import LlmRequest
from runwright.testing import FunctionModel, ScriptedModel, call, delay, stream
from tests.runner.scene import HERE, assert_sound, say, stored, texts


def used(tokens: int, cost: float | None = None) -> types.GenerateContentResponseUsageMetadata:
    return types.GenerateContentResponseUsageMetadata(
        prompt_token_count=tokens - 1, candidates_token_count=1, total_token_count=tokens, cost=cost
    )


def answer(reply: Any, tokens: int, cost: float | None = None) -> LlmResponse:
    """What a model answers, and what that used."""
    part = types.Part(text=reply) if isinstance(reply, str) else types.Part(function_call=reply)
    return LlmResponse(content=types.Content(role="model", parts=[part]), usage_metadata=used(tokens, cost))


def look() -> str:
    """Looks."""
    return "nothing"


def looker(*usage: tuple[int, float | None], name: str = "looker", **options: Any) -> Agent:
    """Looks again and again, and each time a model call uses what is said here."""
    replies = [answer(call("look"), tokens, cost) for tokens, cost in usage]
    return Agent(name=name, model=ScriptedModel([*replies, "seen"]), tools=[look], **options)


def limited(**limits: Any) -> RunConfig:
    return RunConfig(budget=Budget(**limits))


async def stopped(
    agent: BaseAgent, config: RunConfig, *, runner: Runner | None = None, **options: Any
) -> tuple[BudgetExceededError, list[Event]]:
    """Runs until the budget is used up; the session must be sound then."""
    events: list[Event] = []
    runner = runner or InMemoryRunner(agent)
    async with runner:
        with pytest.raises(BudgetExceededError) as raised:
            async for event in runner.run_async(**HERE, run_config=config, **(options or {"new_message": "hello"})):
                events.append(event)
        assert_sound(await stored(runner))
    assert events[-1].error_code == "BUDGET_EXCEEDED" and events[-1].error_message == str(raised.value)
    return raised.value, events


class TestARunStops:
    async def test_at_its_model_calls(self) -> None:
        agent = looker((1, None), (1, None))
        error, events = await stopped(agent, limited(llm_calls=2))
        assert error.kind == "llm_calls" and "2 model calls" in str(error) and "2 were made" in str(error)
        assert len(agent.model.requests) == 2 and len(events) == 5

    async def test_at_its_tokens(self) -> None:
        agent = looker((400, None), (590, None))
        error, _ = await stopped(agent, limited(tokens=1000))
        assert error.kind == "tokens" and "1000 tokens" in str(error) and "990 were used" in str(error)
        assert len(agent.model.requests) == 2

    async def test_before_a_prompt_that_does_not_fit(self) -> None:
        model = ScriptedModel(["never said"])
        agent = Agent(name="a", model=model, instruction="x" * 4_000)
        error, events = await stopped(agent, limited(tokens=1000))
        assert "0 were used" in str(error) and "the next prompt has about 10" in str(error)
        assert model.requests == [] and len(events) == 1

    async def test_at_its_cost(self) -> None:
        agent = looker((1, 0.02), (1, 0.03))
        error, _ = await stopped(agent, limited(cost=0.05))
        assert error.kind == "cost" and "0.05 US dollars" in str(error) and "0.05 were spent" in str(error)
        assert len(agent.model.requests) == 2

    async def test_when_its_time_is_over_in_the_middle_of_a_model_call(self) -> None:
        agent = Agent(name="a", model=ScriptedModel([stream("It is ", delay(60, "late"))]))
        config = RunConfig(budget=Budget(seconds=0.05), streaming_mode=StreamingMode.SSE)
        error, events = await stopped(agent, config)
        assert error.kind == "seconds" and "0.05 seconds" in str(error)
        assert [types.text_of(event.content) for event in events[:-1]] == ["It is "]

    async def test_when_its_time_is_over_after_a_tool(self) -> None:
        async def sleep() -> str:
            """Sleeps."""
            await asyncio.sleep(0.06)
            return "woken"

        agent = Agent(name="a", model=ScriptedModel([call("sleep"), "never said"]), tools=[sleep])
        error, events = await stopped(agent, limited(seconds=0.05))
        assert error.kind == "seconds" and len(agent.model.requests) == 1
        assert events[1].get_function_responses()[0].response == {"result": "woken"}

    async def test_whatever_hooks_make_of_the_failure_of_a_tool(self) -> None:
        helper = AgentTool(Agent(name="helper", model=ScriptedModel([]), instruction="x" * 8_000))
        model = ScriptedModel([call("helper", request="look"), "never said"])
        agent = Agent(name="boss", model=model, tools=[helper])
        runner = InMemoryRunner(agent, plugins=[ReflectAndRetryToolPlugin()])
        error, _ = await stopped(agent, limited(tokens=1_000), runner=runner)
        assert error.kind == "tokens" and len(model.requests) == 1

    async def test_and_the_session_goes_on_with_the_next_one(self) -> None:
        agent = looker((10, None))
        async with InMemoryRunner(agent) as runner:
            with pytest.raises(BudgetExceededError):
                await say(runner, run_config=limited(llm_calls=1))
            assert texts(await say(runner, run_config=limited(llm_calls=1))) == ["seen"]


class TestARunIsLetBe:
    async def test_with_its_last_answer_over_the_limit(self) -> None:
        agent = Agent(name="a", model=ScriptedModel([answer("long", 5_000, 7.0)]))
        async with InMemoryRunner(agent) as runner:
            assert texts(await say(runner, run_config=limited(tokens=100, cost=0.5, llm_calls=1))) == ["long"]

    async def test_where_a_price_is_not_known(self, caplog: pytest.LogCaptureFixture) -> None:
        agent = looker((10, None), (10, None))
        async with InMemoryRunner(agent) as runner:
            run = runner.run(**HERE, new_message="hello", run_config=limited(cost=0.01))
            await run
        assert run.text == "seen" and run.budget.used.cost is None and run.budget.unpriced_calls == 3
        assert ["without a price" in message for message in caplog.messages] == [True]  # told, and told once

    async def test_by_a_callback_that_answers_in_the_models_place(self) -> None:
        def say_so(callback_context: Any, llm_request: LlmRequest) -> LlmResponse:
            return LlmResponse(content=types.ModelContent("by myself"))

        agents = [Agent(name=f"a{n}", model=ScriptedModel([]), before_model_callback=say_so) for n in range(3)]
        async with InMemoryRunner(SequentialAgent(name="all", sub_agents=agents)) as runner:
            assert texts(await say(runner, run_config=limited(llm_calls=1))) == ["by myself"] * 3


class TestWhatCounts:
    async def run_of(self, agent: BaseAgent, config: RunConfig | None = None) -> Any:
        async with InMemoryRunner(agent) as runner:
            run = runner.run(**HERE, new_message="hello", run_config=config or limited(tokens=100_000))
            await run
            return run

    async def test_is_reported_on_the_run(self) -> None:
        run = await self.run_of(looker((100, 0.25), (200, 0.5)), limited(tokens=10_000, cost=9.0))
        seen = run.events[-1].usage_metadata.total_token_count
        assert run.usage.total_token_count == run.budget.used.tokens == 300 + seen
        assert run.cost == run.usage.cost == run.budget.used.cost == 0.75
        assert run.budget.used.llm_calls == 3
        assert run.budget.left[:3] == (9_700 - seen, 8.25, None)
        assert run.budget.limits == Budget(tokens=10_000, cost=9.0)
        assert run.budget.used.seconds == run.budget.used.seconds > 0, "the clock stands when the run has ended"

    async def test_without_a_budget_is_the_events_alone(self) -> None:
        run = await self.run_of(looker((100, 0.25)), RunConfig())
        assert run.budget is None and run.cost == 0.25 and run.usage.total_token_count > 100

    @pytest.mark.parametrize("whole", [True, False])
    async def test_is_a_streams_last_count(self, whole: bool) -> None:
        chunks: list[Any] = [
            LlmResponse(content=types.ModelContent(text), partial=True, usage_metadata=used(tokens))
            for text, tokens in (("a", 10), ("b", 20))
        ]
        chunks += [LlmResponse(content=types.ModelContent("ab"), usage_metadata=used(30))] if whole else []

        async def speak(request: LlmRequest) -> Any:
            return chunks

        class Speaker(FunctionModel):
            async def generate_content_async(self, llm_request: LlmRequest, stream: bool = False) -> Any:
                for chunk in chunks:
                    yield chunk

        config = RunConfig(budget=Budget(tokens=1_000), streaming_mode=StreamingMode.SSE)
        run = await self.run_of(Agent(name="a", model=Speaker(speak)), config)
        assert run.budget.used.tokens == run.usage.total_token_count == (30 if whole else 20)
        assert run.budget.used.llm_calls == 1

    async def test_is_what_came_though_a_callback_drops_it(self) -> None:
        def drop(callback_context: Any, llm_response: LlmResponse) -> LlmResponse:
            return llm_response.model_copy(update={"usage_metadata": None})

        run = await self.run_of(Agent(name="a", model=ScriptedModel([answer("x", 77)]), after_model_callback=drop))
        assert run.budget.used.tokens == 77

    async def test_is_the_length_of_what_was_said_where_the_provider_does_not_tell(self) -> None:
        model = ScriptedModel([LlmResponse(content=types.ModelContent("x" * 400))])
        run = await self.run_of(Agent(name="a", model=model))
        assert run.budget.used.tokens == prompt_tokens(model.requests[0]) + 100

    async def test_is_nothing_for_a_call_that_failed(self) -> None:
        agent = Agent(name="a", model=ScriptedModel([ValueError("oh")]))
        async with InMemoryRunner(agent) as runner:
            run = runner.run(**HERE, new_message="hello", run_config=limited(tokens=1_000))
            with pytest.raises(ValueError, match="oh"):
                await run
        assert run.budget.used[:3] == (0, None, 1) and run.budget.left.tokens == 1_000

    async def test_is_set_aside_for_calls_that_are_under_way(self) -> None:
        def talker(name: str) -> Agent:
            return Agent(name=name, model=ScriptedModel([delay(0.05, name)]), instruction="x" * 2_400)

        both = ParallelAgent(name="both", sub_agents=[talker("one"), talker("two")])
        error, _ = await stopped(both, limited(tokens=1_000))
        assert "0 were used" in str(error) and "set aside for calls under way" in str(error)

    async def test_of_money_is_set_aside_as_the_dearest_call_so_far(self) -> None:
        def talker(name: str) -> Agent:
            return Agent(name=name, model=ScriptedModel([delay(0.05, answer(name, 1, 0.25))]))

        first = Agent(name="first", model=ScriptedModel([answer("first", 1, 0.5)]))
        both = ParallelAgent(name="both", sub_agents=[talker("one"), talker("two")])
        error, events = await stopped(SequentialAgent(name="all", sub_agents=[first, both]), limited(cost=1.0))
        assert "0.5 were spent, 0.5 are set aside for calls under way" in str(error)
        assert "first" in texts(events)

    async def test_is_no_longer_set_aside_once_it_is_counted(self) -> None:
        answered = asyncio.Event()

        async def wait(callback_context: Any) -> None:
            await answered.wait()

        first = Agent(name="first", model=ScriptedModel([answer("first", 1, 0.5)]))
        fast = Agent(name="fast", model=ScriptedModel([answer("fast", 1, 0.5)]))
        late = Agent(name="late", model=ScriptedModel(["late"]), before_agent_callback=wait)
        agents = SequentialAgent(name="all", sub_agents=[first, ParallelAgent(name="both", sub_agents=[fast, late])])
        async with InMemoryRunner(agents) as runner:
            said: list[str] = []
            async for event in runner.run_async(**HERE, new_message="hello", run_config=limited(cost=1.25)):
                said += texts([event])
                if "fast" in said and not answered.is_set():
                    answered.set()  # What it cost is counted, and its event not yet let go.
                    for _ in range(20):
                        await asyncio.sleep(0)
        assert said == ["first", "fast", "late"]

    async def test_is_for_all_agents_together(self) -> None:
        agents = [Agent(name=f"a{n}", model=ScriptedModel([answer("x", 400)])) for n in range(3)]
        error, events = await stopped(SequentialAgent(name="all", sub_agents=agents), limited(tokens=700))
        assert texts(events) == ["x", "x"] and "800 were used" in str(error)

    async def test_is_what_runs_of_tools_use_too(self) -> None:
        helper = Agent(name="helper", model=ScriptedModel([answer("helped", 1_000, 0.5)]))
        model = ScriptedModel([answer(call("helper", request="x"), 10, 0.25), answer("done", 10, 0.25)])
        run = await self.run_of(
            Agent(name="boss", model=model, tools=[AgentTool(helper)]), limited(tokens=5_000, cost=5.0)
        )
        assert run.text == "done" and run.budget.used[:3] == (1_020, 1.0, 3) and run.usage.total_token_count == 20

    async def test_is_a_runs_own(self) -> None:
        config = limited(llm_calls=1)
        async with InMemoryRunner(Agent(name="a", model=ScriptedModel(["1", "2"])), run_config=config) as runner:
            runs = [runner.run(**HERE, new_message="hello") for _ in range(2)]
            for run in runs:
                await run
        assert [run.budget.used.llm_calls for run in runs] == [1, 1]
        assert isinstance(runs[0].budget, Spending) and isinstance(config.budget, Budget)


class TestARunThatGoesOn:
    async def test_counts_what_it_used_before(self) -> None:
        service = InMemorySessionService()
        said = [answer(call("look"), 200, 0.25), answer("helped", 300, 0.25)]
        helper = Agent(name="helper", model=ScriptedModel(said), tools=[look])
        replies = [answer(call("helper", request="x"), 100, 0.25), answer(call("look"), 100, 0.25)]

        def runner(*said: Any) -> Runner:
            model = ScriptedModel(list(said))
            agent = Agent(name="boss", model=model, tools=[AgentTool(helper), look])
            return Runner("app", agent, service, auto_create_session=True)

        first = runner(*replies)
        error, events = await stopped(first.agent, limited(tokens=750), runner=first)
        assert "700 were used" in str(error)

        invocation_id = events[0].invocation_id
        again = runner("never said")
        error, _ = await stopped(
            again.agent, limited(tokens=760), runner=again, invocation_id=invocation_id, resume=True
        )
        assert "700 were used" in str(error)

        for limits, name in (({"cost": 1.0}, "cost"), ({"llm_calls": 4}, "llm_calls")):
            again = runner("never said")
            error, _ = await stopped(
                again.agent, limited(**limits), runner=again, invocation_id=invocation_id, resume=True
            )
            assert error.kind == name

        async with runner(answer("done", 50, 0.125)) as last:
            run = last.resume(**HERE, invocation_id=invocation_id, run_config=limited(tokens=2_000))
            assert texts(await run) == ["done"]
        assert run.budget.used[:3] == (750, 1.125, 5)
        assert_sound(await stored(last))

    async def test_counts_what_runs_of_its_tools_used_before_they_were_stopped(self) -> None:
        service = InMemorySessionService()
        helper = looker((300, 0.5), (300, 0.5), name="helper")

        def runner(*said: Any) -> Runner:
            agent = Agent(name="boss", model=ScriptedModel(list(said)), tools=[AgentTool(helper)])
            return Runner("app", agent, service, auto_create_session=True)

        first = runner(answer(call("helper", request="x"), 100, 0.25))
        _, events = await stopped(first.agent, limited(cost=1.25), runner=first)
        async with runner(answer("done", 50, 0.125)) as last:
            run = last.resume(**HERE, invocation_id=events[0].invocation_id, run_config=limited(tokens=2_000))
            assert texts(await run) == ["done"]
        assert run.budget.used[:3] == (750, 1.375, 4)

    async def test_does_not_count_the_time_between(self) -> None:
        begun = [Event(author="user", timestamp=100.0), Event(author="a", timestamp=103.0)]
        failed = Event(author="a", timestamp=104.0, error_code="ValueError")
        answered = [Event(author="user", timestamp=900.0), Event(author="a", timestamp=901.0)]
        again = Event(author="a", timestamp=950.0)
        spending = Spending(Budget(seconds=60.0))
        spending.recall([*begun, *answered, failed], None)
        assert spending.used.seconds == 4.0
        spending.recall([*begun, failed, again], None)
        assert spending.used.seconds == 4.0


class TestBadInput:
    def test_a_budget_is_one(self) -> None:
        wrong: Any = 1_000
        with pytest.raises(ConfigurationError, match="budget"):
            RunConfig(budget=wrong)
        given: Any = {"llmCalls": 3, "cost": 0.5}
        assert RunConfig(budget=given).budget == Budget(llm_calls=3, cost=0.5)

    @pytest.mark.parametrize("limits", [{"tokens": 0}, {"cost": -1.0}, {"llm_calls": 0}, {"seconds": float("nan")}])
    def test_a_limit_is_positive(self, limits: dict[str, Any]) -> None:
        with pytest.raises(ConfigurationError, match=next(iter(limits))):
            Budget(**limits)

    def test_the_error_is_of_the_tree(self) -> None:
        error = BudgetExceededError("x", kind="tokens")
        assert isinstance(error, RunwrightError) and error.kind == "tokens"


class TestThePromptsLength:
    def test_is_taken_of_all_that_is_sent(self) -> None:
        def tokens(*parts: types.Part, **config: Any) -> int:
            content = types.Content(role="user", parts=list(parts))
            return prompt_tokens(LlmRequest(contents=[content], config=types.GenerateContentConfig(**config)))

        assert tokens() == 0
        assert tokens(types.Part(text="x" * 400)) == 100
        assert tokens(types.Part(text="x"), system_instruction="y" * 403) == 101
        picture = types.Part.from_bytes(data=b"x" * 1_000_000, mime_type="image/png")
        assert 0 < tokens(picture) < 1_000
        assert tokens(types.Part.from_function_call(name="f", args={"a": "z" * 400})) > 100
        assert tokens(types.Part.from_function_response(name="f", response={"a": "z" * 400})) > 100
        declared = types.Tool(function_declarations=[types.FunctionDeclaration(name="f", description="d" * 400)])
        assert tokens(tools=[declared]) > 100
