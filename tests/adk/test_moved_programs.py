# SPDX-License-Identifier: Apache-2.0
"""Programs of the kinds that ADK's users write, with nothing but their imports changed.

Each is whole: it makes its agents, its services and its runner, as a program does. Only the models are ours, since no
test asks a real one.
"""

import asyncio
import copy
import json
import re
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr

from runwright import (
    Agent,
    AgentTool,
    App,
    BaseAgent,
    BaseLlm,
    BasePlugin,
    BaseTool,
    BaseToolset,
    CallbackContext,
    Event,
    EventActions,
    FunctionTool,
    GetSessionConfig,
    InMemoryArtifactService,
    InMemoryMemoryService,
    InMemoryRunner,
    InMemorySessionService,
    InvocationContext,
    LlmAgent,
    LlmRequest,
    LlmResponse,
    LongRunningFunctionTool,
    LoopAgent,
    ParallelAgent,
    ReadonlyContext,
    RunConfig,
    Runner,
    SequentialAgent,
    StreamingMode,
    ToolContext,
    exit_loop,
    types,
)
from runwright.errors import ConfigurationError
from runwright.testing import FunctionModel, ScriptedModel, call, stream

APP = "moved_app"
USER = "user_1"
SESSION = "session_001"


async def ask(runner, query, *, user_id=USER, session_id=SESSION, run_config=None):
    """What most programs call ``call_agent_async``: the text of the last final response."""
    content = types.Content(role="user", parts=[types.Part(text=query)])
    options = {} if run_config is None else {"run_config": run_config}
    final = "Agent did not produce a final response."
    async for event in runner.run_async(user_id=user_id, session_id=session_id, new_message=content, **options):
        if event.is_final_response():
            if event.content and event.content.parts:
                final = event.content.parts[0].text
            elif event.actions and event.actions.escalate:
                final = f"Agent escalated: {event.error_message or 'No specific message.'}"
    return final


async def set_up(agent, *, state=None, **services):
    """A session service with one session, and a runner on it."""
    session_service = InMemorySessionService()
    await session_service.create_session(app_name=APP, user_id=USER, session_id=SESSION, state=state)
    runner = Runner(agent=agent, app_name=APP, session_service=session_service, **services)
    return session_service, runner


async def state_of(session_service, *, user_id=USER, session_id=SESSION):
    session = await session_service.get_session(app_name=APP, user_id=user_id, session_id=session_id)
    return session.state


# --- custom agents


class StoryFlowAgent(BaseAgent):
    """Declares its agents as fields, sets ``model_config``, and has an ``__init__`` of its own."""

    story_generator: LlmAgent
    critic: LlmAgent
    reviser: LlmAgent
    tone_check: LlmAgent
    loop_agent: LoopAgent
    sequential_agent: SequentialAgent

    model_config = {"arbitrary_types_allowed": True}

    def __init__(self, name: str, story_generator: LlmAgent, critic: LlmAgent, reviser: LlmAgent, tone_check: LlmAgent):
        loop_agent = LoopAgent(name="CriticReviserLoop", sub_agents=[critic, reviser], max_iterations=2)
        sequential_agent = SequentialAgent(name="PostProcessing", sub_agents=[tone_check])
        super().__init__(
            name=name,
            story_generator=story_generator,
            critic=critic,
            reviser=reviser,
            tone_check=tone_check,
            loop_agent=loop_agent,
            sequential_agent=sequential_agent,
            sub_agents=[story_generator, loop_agent, sequential_agent],
        )

    async def _run_async_impl(self, ctx: InvocationContext) -> AsyncGenerator[Event, None]:
        async for event in self.story_generator.run_async(ctx):
            json.loads(event.model_dump_json(indent=2, exclude_none=True))
            yield event
        if "current_story" not in ctx.session.state or not ctx.session.state["current_story"]:
            return
        async for event in self.loop_agent.run_async(ctx):
            yield event
        async for event in self.sequential_agent.run_async(ctx):
            yield event
        if ctx.session.state.get("tone_check_result") == "negative":
            async for event in self.story_generator.run_async(ctx):
                yield event


def story_agents(tone: str, first: str = "A cat."):
    generator = ScriptedModel([first, "A happier cat."])
    agents = {
        "story_generator": LlmAgent(
            name="StoryGenerator",
            model=generator,
            instruction="Write a story about {topic}.",
            input_schema=None,
            output_key="current_story",
        ),
        "critic": LlmAgent(
            name="Critic",
            model=ScriptedModel(["More plot.", "Even more plot."]),
            instruction="Review {{current_story}}: {current_story}",
            output_key="criticism",
        ),
        "reviser": LlmAgent(
            name="Reviser",
            model=ScriptedModel(["A cat, revised.", "A cat, revised twice."]),
            instruction="Revise {current_story} by {criticism}.",
            output_key="current_story",
        ),
        "tone_check": LlmAgent(name="ToneCheck", model=ScriptedModel([tone]), output_key="tone_check_result"),
    }
    return StoryFlowAgent(name="StoryFlowAgent", **agents), generator


@pytest.mark.parametrize(("tone", "story"), [("negative", "A happier cat."), ("positive", "A cat, revised twice.")])
async def test_story_flow(tone, story):
    agent, generator = story_agents(tone)
    session_service, runner = await set_up(agent, state={"topic": "a brave kitten"})
    await ask(runner, "Generate a story about: robots")
    state = await state_of(session_service)
    assert state["current_story"] == story
    assert state["tone_check_result"] == tone
    assert state["criticism"] == "Even more plot."
    assert "about a brave kitten" in generator.requests[0].config.system_instruction
    reviser = agent.reviser.model.requests[1]
    assert reviser.config.system_instruction.startswith("Revise A cat, revised. by Even more plot.")


async def test_story_flow_stops_where_there_is_no_story():
    agent, _ = story_agents("positive", first="")
    _, runner = await set_up(agent, state={"topic": "x"})
    await ask(runner, "Go")
    assert agent.critic.model.requests == []


class EscalationChecker(BaseAgent):
    """Has an ``__init__`` that takes the name alone, and ends the loop by an event of its own."""

    def __init__(self, name: str):
        super().__init__(name=name)

    async def _run_async_impl(self, ctx: InvocationContext) -> AsyncGenerator[Event, None]:
        result = ctx.session.state.get("research_evaluation")
        if result and result.get("grade") == "pass":
            yield Event(author=self.name, actions=EventActions(escalate=True))
        else:
            yield Event(author=self.name)


class SearchQuery(BaseModel):
    search_query: str = Field(description="A highly specific and targeted query for web search.")


class Feedback(BaseModel):
    """Model for providing evaluation feedback on research quality."""

    grade: Literal["pass", "fail"] = Field(description="Evaluation result.")
    comment: str
    follow_up_queries: list[SearchQuery] | None = Field(default=None, description="What is still missing.")


async def test_deep_research():
    """Plan, a parallel fan-out, a loop that a checker ends, a report that a callback completes."""
    sources_seen = []

    def collect_sources(callback_context: CallbackContext) -> None:
        session = callback_context._invocation_context.session
        sources = callback_context.state.get("sources", {})
        for event in session.events:
            if event.author.endswith("_researcher") and event.content:
                sources[f"src-{len(sources) + 1}"] = {"title": event.content.parts[0].text}
        callback_context.state["sources"] = sources
        sources_seen.append(len(sources))

    def replace_citations(callback_context: CallbackContext) -> types.Content:
        report = callback_context.state.get("final_cited_report", "")
        sources = callback_context.state.get("sources", {})
        processed = re.sub(
            r'<cite\s+source\s*=\s*["\']?\s*(src-\d+)\s*["\']?\s*/>',
            lambda match: f" [{sources[match.group(1)]['title']}]",
            report,
        )
        callback_context.state["final_report_with_citations"] = processed
        return types.Content(parts=[types.Part(text=processed)])

    researchers = ParallelAgent(
        name="fan_out",
        sub_agents=[
            LlmAgent(
                name=f"{topic}_researcher",
                model=ScriptedModel([f"About {topic}."]),
                instruction=f"Research {topic}.",
                output_key=f"{topic}_result",
            )
            for topic in ("solar", "wind")
        ],
        after_agent_callback=collect_sources,
    )
    evaluator = LlmAgent(
        name="research_evaluator",
        model=ScriptedModel(
            [
                json.dumps({"grade": "fail", "comment": "thin", "follow_up_queries": [{"search_query": "more"}]}),
                json.dumps({"grade": "pass", "comment": "good"}),
            ]
        ),
        output_schema=Feedback,
        disallow_transfer_to_parent=True,
        disallow_transfer_to_peers=True,
        output_key="research_evaluation",
    )
    enhancer = LlmAgent(name="enhanced_search", model=ScriptedModel(["More."]), output_key="more")
    composer = LlmAgent(
        name="report_composer",
        model=ScriptedModel(['Sun <cite source="src-1" /> and wind <cite source="src-2"/>']),
        instruction="Use {solar_result} and {wind_result}; {more?} {never_set?}",
        include_contents="none",
        output_key="final_cited_report",
        after_agent_callback=replace_citations,
    )
    pipeline = SequentialAgent(
        name="research_pipeline",
        description="Executes a research plan.",
        sub_agents=[
            researchers,
            LoopAgent(
                name="refinement",
                max_iterations=5,
                sub_agents=[evaluator, EscalationChecker(name="escalation_checker"), enhancer],
            ),
            composer,
        ],
    )
    session_service, runner = await set_up(pipeline)
    answer = await ask(runner, "Energy?")
    assert re.fullmatch(r"Sun  \[About \w+\.\] and wind  \[About \w+\.\]", answer)
    assert sources_seen == [2]
    state = await state_of(session_service)
    assert state["research_evaluation"] == {"grade": "pass", "comment": "good"}
    assert state["final_report_with_citations"] == answer
    assert len(enhancer.model.requests) == 1
    instruction = composer.model.requests[0].config.system_instruction
    assert instruction.startswith("Use About solar. and About wind.; More. \n")


async def test_document_improvement_loop():
    """The loop of the documentation: a refiner that calls ``exit_loop``."""

    def stop_refining(tool_context: ToolContext):
        """Call this function ONLY when the critique indicates no further changes are needed."""
        tool_context.actions.escalate = True
        tool_context.actions.skip_summarization = True
        return {}

    for tool in (stop_refining, exit_loop):
        name = tool.__name__
        critic = LlmAgent(
            name="CriticAgent", model=ScriptedModel(["Add a dog.", "Done."]), output_key="criticism",
            include_contents="none", instruction="Review: {{current_document}} {current_document}",
        )  # fmt: skip
        refiner = LlmAgent(
            name="RefinerAgent", model=ScriptedModel(["A dog.", call(name)]), tools=[tool],
            output_key="current_document", include_contents="none", instruction="{current_document} {criticism}",
        )  # fmt: skip
        root_agent = SequentialAgent(
            name="IterativeWritingPipeline",
            sub_agents=[
                LlmAgent(name="Writer", model=ScriptedModel(["A cat."]), output_key="current_document"),
                LoopAgent(name="RefinementLoop", sub_agents=[critic, refiner], max_iterations=5),
            ],
        )
        session_service, runner = await set_up(root_agent, state={"initial_topic": "pets"})
        await ask(runner, "Write")
        assert (await state_of(session_service))["current_document"] == "A dog."
        assert len(refiner.model.requests) == 2


class Counter(BaseAgent):
    """Keeps private attributes in pydantic's ways, and takes keywords that it does not declare."""

    model_config = ConfigDict(extra="allow", arbitrary_types_allowed=True)
    label: str = Field(default="n", description="What it counts")
    _count: int = PrivateAttr(default=0)
    _seen: dict[str, int] = PrivateAttr(default_factory=dict)
    _log: list[str] = []

    async def _run_async_impl(self, ctx: InvocationContext) -> AsyncGenerator[Event, None]:
        self._count += self.step
        self._seen[ctx.invocation_id] = self._count
        self._log.append(ctx.user_content.parts[0].text)
        text = f"{self.label}={self._count} {self._log}"
        yield Event(author=self.name, content=types.Content(role="model", parts=[types.Part(text=text)]))


async def test_an_agent_with_private_attributes():
    agent, other = Counter(name="a", step=2), Counter(name="b", step=1)
    _, runner = await set_up(agent)
    assert await ask(runner, "x") == "n=2 ['x']"
    assert await ask(runner, "y") == "n=4 ['x', 'y']"
    assert list(agent._seen.values()) == [2, 4]
    assert (other._count, other._seen, other._log) == (0, {}, [])


# --- callbacks


async def test_guardrails_around_the_model():
    """A callback that blocks a message or changes the instruction, and one that edits the answer."""

    def guard(callback_context: CallbackContext, llm_request: LlmRequest) -> LlmResponse | None:
        last_user_message = ""
        if llm_request.contents and llm_request.contents[-1].role == "user" and llm_request.contents[-1].parts:
            last_user_message = llm_request.contents[-1].parts[0].text
        original = llm_request.config.system_instruction or types.Content(role="system", parts=[])
        if not isinstance(original, types.Content):
            original = types.Content(role="system", parts=[types.Part(text=str(original))])
        if not original.parts:
            original.parts.append(types.Part(text=""))
        original.parts[0].text = "[Modified by Callback] " + (original.parts[0].text or "")
        llm_request.config.system_instruction = original
        if "BLOCK" in last_user_message.upper():
            callback_context.state["guardrail_block_keyword_triggered"] = True
            return LlmResponse(content=types.Content(role="model", parts=[types.Part(text="LLM call was blocked.")]))
        return None

    def rewrite(callback_context: CallbackContext, llm_response: LlmResponse) -> LlmResponse | None:
        if not (llm_response.content and llm_response.content.parts and llm_response.content.parts[0].text):
            return None
        modified_parts = [copy.deepcopy(part) for part in llm_response.content.parts]
        modified_parts[0].text = modified_parts[0].text.replace("joke", "funny story")
        return LlmResponse(
            content=types.Content(role="model", parts=modified_parts),
            grounding_metadata=llm_response.grounding_metadata,
        )

    model = ScriptedModel(["Here is a joke."])
    agent = LlmAgent(
        name="Guarded", model=model, instruction="Help.", before_model_callback=guard, after_model_callback=rewrite
    )
    session_service, runner = await set_up(agent)
    assert await ask(runner, "write the word joke") == "Here is a funny story."
    assert await ask(runner, "please block me") == "LLM call was blocked."
    assert (await state_of(session_service))["guardrail_block_keyword_triggered"] is True
    (request,) = model.requests
    assert request.config.system_instruction.parts[0].text.startswith("[Modified by Callback] Help.")


async def test_callbacks_that_change_in_place():
    """Programs that change what they are given, and return nothing."""

    def redact(callback_context, llm_request):
        for content in llm_request.contents:
            for part in content.parts or []:
                if part.text:
                    part.text = re.sub(r"\d{4}-\d{4}", "[CARD]", part.text)
        llm_request.append_instructions(["Never repeat card numbers."])
        llm_request.config.temperature = 0.1

    def sign(callback_context, llm_response):
        if llm_response.content and llm_response.content.parts and llm_response.content.parts[-1].text:
            llm_response.content.parts[-1].text += "\n-- bot"

    model = ScriptedModel(["Fine.", "Fine."])
    agent = LlmAgent(name="a", model=model, before_model_callback=[redact], after_model_callback=[sign])
    session_service, runner = await set_up(agent)
    assert await ask(runner, "My card is 1234-5678") == "Fine.\n-- bot"
    await ask(runner, "Again")
    assert model.requests[1].contents[0].parts[0].text == "My card is [CARD]"
    assert model.requests[1].contents[1].parts[0].text == "Fine.\n-- bot"
    assert "Never repeat" in model.requests[0].config.system_instruction
    session = await session_service.get_session(app_name=APP, user_id=USER, session_id=SESSION)
    assert session.events[0].content.parts[0].text == "My card is 1234-5678"


async def test_callbacks_around_tools():
    """Arguments changed on the way in, a call answered without the tool, a result edited on the way out."""

    def get_capital_city(country: str) -> str:
        """Retrieves the capital city of a given country."""
        return {"canada": "Ottawa", "france": "Paris"}.get(country.lower(), f"Capital not found for {country}")

    def before(tool: BaseTool, args: dict[str, Any], tool_context: ToolContext) -> dict | None:
        assert tool_context.agent_name == "ToolAgent"
        if tool.name == "get_capital_city" and args.get("country", "").lower() == "canada":
            args["country"] = "France"
            return None
        if args.get("country", "").upper() == "BLOCK":
            return {"result": "Tool execution was blocked by before_tool_callback."}
        return None

    def after(tool: BaseTool, args: dict[str, Any], tool_context: ToolContext, tool_response: dict) -> dict | None:
        original = tool_response if isinstance(tool_response, str) else tool_response.get("result", "")
        if original == "Paris":
            modified = copy.deepcopy({"result": original})
            modified["result"] = f"{original} (of {args['country']})"
            modified["note_added_by_callback"] = True
            tool_context.state["checked"] = tool.name
            return modified
        return None

    model = ScriptedModel(
        [[call("get_capital_city", country="Canada"), call("get_capital_city", country="block")], "ok"]
    )
    agent = LlmAgent(
        name="ToolAgent",
        model=model,
        tools=[FunctionTool(func=get_capital_city)],
        before_tool_callback=before,
        after_tool_callback=after,
    )
    session_service, runner = await set_up(agent)
    assert await ask(runner, "capital of Canada?") == "ok"
    first, second = (part.function_response for part in model.requests[1].contents[-1].parts)
    assert first.response == {"result": "Paris (of France)", "note_added_by_callback": True}
    assert second.response == {"result": "Tool execution was blocked by before_tool_callback."}
    assert (await state_of(session_service))["checked"] == "get_capital_city"


async def test_callbacks_around_agents():
    """Skips an agent by a flag in state; adds a note after it; reads ``state.to_dict()``."""

    def check_if_agent_should_run(callback_context: CallbackContext) -> types.Content | None:
        current_state = callback_context.state.to_dict()
        if current_state.get("skip_llm_agent", False):
            return types.Content(
                parts=[types.Part(text=f"Agent {callback_context.agent_name} skipped by callback.")], role="model"
            )
        callback_context.state["runs"] = current_state.get("runs", 0) + 1
        return None

    def note(callback_context: CallbackContext) -> types.Content | None:
        invocation_id = callback_context.invocation_id
        assert invocation_id.startswith("e-")
        if callback_context.state.to_dict().get("add_concluding_note", False):
            return types.Content(parts=[types.Part(text="Concluding note.")], role="model")
        return None

    agent = LlmAgent(
        name="MyLlmAgent",
        model=ScriptedModel(["Hello!"], repeat=True),
        before_agent_callback=check_if_agent_should_run,
        after_agent_callback=note,
    )
    runner = InMemoryRunner(agent=agent, app_name=APP)
    for session_id, state in (("run", {}), ("skip", {"skip_llm_agent": True}), ("note", {"add_concluding_note": True})):
        await runner.session_service.create_session(app_name=APP, user_id=USER, session_id=session_id, state=state)
    assert await ask(runner, "Hi", session_id="run") == "Hello!"
    assert await ask(runner, "Hi", session_id="skip") == "Agent MyLlmAgent skipped by callback."
    assert await ask(runner, "Hi", session_id="note") == "Concluding note."
    assert (await state_of(runner.session_service, session_id="note"))["runs"] == 1


async def test_callbacks_that_reach_for_the_invocation_context():
    """``_invocation_context`` is private in ADK, and what programs use all the same."""
    noted = {}

    async def save_to_memory(callback_context):
        ctx = callback_context._invocation_context
        await ctx.memory_service.add_session_to_memory(ctx.session)
        noted["agent"] = ctx.agent.name
        noted["asked"] = ctx.user_content.parts[0].text
        noted["service"] = ctx.session_service

    def tool(tool_context: ToolContext) -> str:
        """Says how long the session is."""
        return str(len(tool_context._invocation_context.session.events))

    def instruction(context: ReadonlyContext) -> str:
        return f"You serve {context._invocation_context.user_id}, {context.state['name']}."

    memory_service = InMemoryMemoryService()
    model = ScriptedModel([call("tool"), "I like tea."])
    agent = Agent(name="a", model=model, instruction=instruction, tools=[tool], after_agent_callback=save_to_memory)
    session_service, runner = await set_up(agent, memory_service=memory_service, state={"name": "Ann"})
    await ask(runner, "What do you like?")
    assert noted == {"agent": "a", "asked": "What do you like?", "service": session_service}
    assert model.requests[0].config.system_instruction.startswith("You serve user_1, Ann.")
    found = await memory_service.search_memory(app_name=APP, user_id=USER, query="tea")
    assert [memory.content.parts[0].text for memory in found.memories] == ["I like tea."]


# --- agents that work together


async def test_customer_service():
    """A tree of agents that pass the conversation on, with state from login to cart."""

    class Item(BaseModel):
        sku: str
        quantity: int = 1

    def add_to_cart(items: list[Item], tool_context: ToolContext) -> dict:
        """Adds items to the cart.

        Args:
            items: What to add.
        """
        cart = tool_context.state.get("cart", [])
        cart = cart + [item.model_dump() for item in items]
        tool_context.state["cart"] = cart
        tool_context.state["user:last_sku"] = items[-1].sku
        return {"status": "success", "size": len(cart)}

    def escalate_to_human(tool_context: ToolContext) -> dict:
        """Hands over to a person."""
        tool_context.actions.transfer_to_agent = "human_desk"
        return {"status": "transferring"}

    sales = LlmAgent(
        name="sales_agent",
        description="Sells.",
        model=ScriptedModel(
            [
                call("add_to_cart", items=[{"sku": "soil-1", "quantity": 2}, {"sku": "pot-9"}]),
                "Added.",
                call("escalate_to_human"),
            ]
        ),
        instruction="Cart: {cart?}. Customer: {user:name}.",
        tools=[add_to_cart, escalate_to_human],
    )
    human = LlmAgent(name="human_desk", description="A person.", model=ScriptedModel(["Jane here."]))
    root_agent = Agent(
        name="customer_service_agent",
        model=ScriptedModel([call("transfer_to_agent", agent_name="sales_agent")]),
        global_instruction="The shop is called Cymbal.",
        sub_agents=[sales, human],
    )
    session_service, runner = await set_up(root_agent, state={"user:name": "Alex"})
    assert await ask(runner, "Two bags of soil and a pot") == "Added."
    assert await ask(runner, "A person, please") == "Jane here."
    state = await state_of(session_service)
    assert state["cart"] == [{"sku": "soil-1", "quantity": 2}, {"sku": "pot-9", "quantity": 1}]
    assert state["user:last_sku"] == "pot-9"
    assert "Customer: Alex." in sales.model.requests[0].config.system_instruction
    assert "The shop is called Cymbal." in sales.model.requests[0].config.system_instruction
    session = await session_service.get_session(app_name=APP, user_id=USER, session_id=SESSION)
    assert [event.author for event in session.events if event.is_final_response()] == [
        "user", "sales_agent", "user", "human_desk",
    ]  # fmt: skip


async def test_agents_as_tools():
    """A coordinator that calls other agents, directly and from a tool of its own, as the data-science sample does."""

    async def call_db_agent(question: str, tool_context: ToolContext):
        """Tool to call database agent."""
        agent_tool = AgentTool(agent=db_agent)
        output = await agent_tool.run_async(args={"request": question}, tool_context=tool_context)
        tool_context.state["db_agent_output"] = output
        return output

    db_agent = Agent(name="db_agent", model=ScriptedModel(["3 rows"]), output_key="rows")
    summarizer = Agent(name="summarizer", model=ScriptedModel(["Short."]), description="Summarizes text.")
    model = ScriptedModel([call("call_db_agent", question="How many?"), call("summarizer", request="Long"), "Done."])
    root_agent = Agent(
        name="root", model=model, tools=[call_db_agent, AgentTool(agent=summarizer, skip_summarization=False)]
    )
    session_service, runner = await set_up(root_agent)
    assert await ask(runner, "Count the rows") == "Done."
    state = await state_of(session_service)
    assert (state["db_agent_output"], state["rows"]) == ("3 rows", "3 rows")
    answers = [request.contents[-1].parts[0].function_response.response for request in model.requests[1:]]
    assert answers == [{"result": "3 rows"}, {"result": "Short."}]


async def test_an_intent_router():
    """A custom agent that classifies and then runs one of its agents, by ``find_agent`` and by field."""

    class Router(BaseAgent):
        classifier: LlmAgent
        routes: dict[str, str] = {}
        model_config = ConfigDict(arbitrary_types_allowed=True)

        def __init__(self, name: str, classifier: LlmAgent, handlers: list[BaseAgent], **kwargs):
            super().__init__(name=name, classifier=classifier, sub_agents=[classifier, *handlers], **kwargs)
            self.routes = {agent.name.removesuffix("_agent"): agent.name for agent in handlers}

        async def _run_async_impl(self, ctx: InvocationContext) -> AsyncGenerator[Event, None]:
            async for event in self.classifier.run_async(ctx):
                yield event
            intent = ctx.session.state["intent"].strip().lower()
            target = self.find_agent(self.routes.get(intent, ""))
            if target is None:
                yield Event(
                    invocation_id=ctx.invocation_id,
                    author=self.name,
                    branch=ctx.branch,
                    content=types.Content(role="model", parts=[types.Part.from_text(text=f"No route for {intent}")]),
                    actions=EventActions(state_delta={"unrouted": intent}),
                )
                return
            async for event in target.run_async(ctx):
                yield event

    classifier = LlmAgent(name="classifier", model=ScriptedModel(["Billing", "weather"]), output_key="intent")
    billing = LlmAgent(name="billing_agent", model=ScriptedModel(["You owe $5."]))
    agent = Router(name="router", classifier=classifier, handlers=[billing], description="Routes.")
    session_service, runner = await set_up(agent)
    assert await ask(runner, "What do I owe?") == "You owe $5."
    assert await ask(runner, "Rain?") == "No route for weather"
    assert (await state_of(session_service))["unrouted"] == "weather"


# --- tools


async def test_reimbursement_with_approval():
    """The long-running tool of the documentation: its ticket is polled and answered later."""

    def ask_for_approval(purpose: str, amount: float) -> dict[str, Any]:
        """Ask for approval for the reimbursement."""
        return {"status": "pending", "approver": "Sean", "purpose": purpose, "amount": amount, "ticket-id": "t-1"}

    def reimburse(purpose: str, amount: float) -> dict[str, Any]:
        """Reimburse the amount of money to the employee."""
        return {"status": "ok"}

    def get_long_running_function_call(event: Event) -> types.FunctionCall | None:
        if not event.long_running_tool_ids or not event.content or not event.content.parts:
            return None
        for part in event.content.parts:
            if part and part.function_call and part.function_call.id in event.long_running_tool_ids:
                return part.function_call
        return None

    def get_function_response(event: Event, function_call_id: str) -> types.FunctionResponse | None:
        if not event.content or not event.content.parts:
            return None
        for part in event.content.parts:
            if part and part.function_response and part.function_response.id == function_call_id:
                return part.function_response
        return None

    model = ScriptedModel(
        [
            call("ask_for_approval", purpose="meals", amount=200),
            "I asked your manager.",
            "Still waiting.",
            call("reimburse", purpose="meals", amount=200),
            "Paid.",
        ]
    )
    agent = Agent(
        model=model, name="reimbursement_agent", tools=[reimburse, LongRunningFunctionTool(func=ask_for_approval)]
    )
    session_service = InMemorySessionService()
    session = await session_service.create_session(app_name="human_in_the_loop", user_id=USER, session_id=SESSION)
    runner = Runner(agent=agent, app_name="human_in_the_loop", session_service=session_service)

    said = []
    pending_call = pending_response = None
    content = types.Content(role="user", parts=[types.Part(text="Please reimburse 200$ for meals")])
    async for event in runner.run_async(session_id=session.id, user_id=USER, new_message=content):
        if pending_call is None:
            pending_call = get_long_running_function_call(event)
        elif (found := get_function_response(event, pending_call.id)) is not None:
            pending_response = found
        if event.content and event.content.parts and (text := "".join(p.text or "" for p in event.content.parts)):
            said.append(text)
    assert pending_response is not None
    assert pending_response.response["ticket-id"] == "t-1"
    assert said == ["I asked your manager."]

    for status in ("pending", "approved"):
        updated_response = pending_response.model_copy(deep=True)
        updated_response.response = {"status": status}
        message = types.Content(parts=[types.Part(function_response=updated_response)], role="user")
        async for event in runner.run_async(session_id=session.id, user_id=USER, new_message=message):
            if event.content and event.content.parts and (text := "".join(p.text or "" for p in event.content.parts)):
                said.append(text)
    assert said == ["I asked your manager.", "Still waiting.", "Paid."]


async def test_a_toolset_with_a_filter_by_state():
    """A toolset that offers tools by the user's state, and is closed with the runner."""

    class MathToolset(BaseToolset):
        def __init__(self, prefix: str = "math_"):
            super().__init__()
            self.prefix = prefix
            self.closed = False
            self._add = FunctionTool(func=self.add)
            self._sub = FunctionTool(func=self.subtract)

        def add(self, a: int, b: int, tool_context: ToolContext) -> dict:
            """Adds two numbers."""
            tool_context.state["last_math_result"] = a + b
            return {"status": "success", "result": a + b}

        def subtract(self, a: int, b: int) -> dict:
            """Subtracts."""
            return {"status": "success", "result": a - b}

        async def get_tools(self, readonly_context: ReadonlyContext | None = None) -> list[BaseTool]:
            tools = [self._add]
            if readonly_context is not None and readonly_context.state.get("tier") == "pro":
                tools.append(self._sub)
            return tools

        async def close(self) -> None:
            self.closed = True

    toolset = MathToolset()
    model = ScriptedModel([call("add", a=1, b=2), "3", "no tool"])
    session_service, runner = await set_up(Agent(name="calculator", model=model, tools=[toolset]))
    await session_service.create_session(app_name=APP, user_id=USER, session_id="pro", state={"tier": "pro"})
    assert await ask(runner, "1 + 2") == "3"
    await ask(runner, "3 - 2", session_id="pro")
    offered = [[d.name for d in r.config.tools[0].function_declarations] for r in model.requests]
    assert offered == [["add"], ["add"], ["add", "subtract"]]
    assert (await state_of(session_service))["last_math_result"] == 3
    await runner.close()
    assert toolset.closed


async def test_a_tool_class_with_its_own_declaration():
    """A BaseTool that is declared by ``types.Schema`` and puts a word into the request."""

    class Lookup(BaseTool):
        def __init__(self):
            super().__init__(name="lookup", description="Looks up an order.")

        def _get_declaration(self) -> types.FunctionDeclaration | None:
            return types.FunctionDeclaration(
                name=self.name,
                description=self.description,
                parameters=types.Schema(
                    type=types.Type.OBJECT,
                    properties={"order_id": types.Schema(type=types.Type.STRING, description="Its id")},
                    required=["order_id"],
                ),
            )

        async def run_async(self, *, args: dict[str, Any], tool_context: ToolContext) -> Any:
            return {"order": args["order_id"], "call": tool_context.function_call_id}

        async def process_llm_request(self, *, tool_context: ToolContext, llm_request: LlmRequest) -> None:
            await super().process_llm_request(tool_context=tool_context, llm_request=llm_request)
            llm_request.append_instructions(["Look orders up."])

    model = ScriptedModel([call("lookup", order_id="o-1"), "It is on its way."])
    _, runner = await set_up(Agent(name="a", model=model, instruction="Help.", tools=[Lookup()]))
    assert await ask(runner, "Where is o-1?") == "It is on its way."
    first, second = model.requests
    assert first.config.system_instruction.endswith("Look orders up.")
    declared = first.config.tools[0].function_declarations[0]
    assert declared.parameters.properties["order_id"].type == "STRING"
    answer = second.contents[-1].parts[0].function_response.response
    assert answer["order"] == "o-1"
    assert answer["call"].startswith("adk-")


async def test_arguments_of_many_types():
    """What tools in programs take: models in models, enums, lists, optionals, a dict."""

    class Priority(str, Enum):  # noqa: UP042 - as programs write it
        LOW = "low"
        HIGH = "high"

    class Address(BaseModel):
        city: str
        zip_code: str | None = None

    class Customer(BaseModel):
        name: str = Field(description="Full name", min_length=1)
        address: Address
        tags: list[str] = []

    seen = {}

    def create_ticket(
        customer: Customer,
        priority: Priority,
        labels: dict[str, str],
        due: str | None = None,
        kind: Literal["bug", "task"] = "task",
    ) -> Customer:
        """Creates a ticket."""
        seen.update(customer=customer, priority=priority, labels=labels, due=due, kind=kind)
        return customer

    arguments = {
        "customer": {"name": "Ann", "address": {"city": "Bonn"}},
        "priority": "high",
        "labels": {"team": "x"},
    }
    model = ScriptedModel([call("create_ticket", **arguments), "ok"])
    _, runner = await set_up(Agent(name="a", model=model, tools=[create_ticket]))
    assert await ask(runner, "Ticket!") == "ok"
    assert seen["customer"] == Customer(name="Ann", address=Address(city="Bonn"))
    assert seen["priority"] is Priority.HIGH
    assert (seen["due"], seen["kind"]) == (None, "task")
    response = model.requests[1].contents[-1].parts[0].function_response.response
    assert response["result"]["address"]["city"] == "Bonn" if "result" in response else response["name"] == "Ann"


async def test_artifacts_in_tools_and_callbacks():
    """A report that a tool saves, another loads, and a callback lists; a file of the user's."""

    async def save_generated_report(tool_context: ToolContext, pages: int = 1) -> dict:
        """Saves a report."""
        part = types.Part.from_bytes(data=b"%PDF" * pages, mime_type="application/pdf")
        version = await tool_context.save_artifact(filename="report.pdf", artifact=part)
        await tool_context.save_artifact("user:profile.txt", types.Part(text="Ann"))
        return {"version": version}

    async def process_latest_report(tool_context: ToolContext) -> dict:
        """Reads it."""
        artifact = await tool_context.load_artifact(filename="report.pdf")
        if artifact and artifact.inline_data:
            return {"bytes": len(artifact.inline_data.data), "mime": artifact.inline_data.mime_type}
        return {"error": "not found"}

    listed = []

    async def list_files(callback_context: CallbackContext):
        listed.append(await callback_context.list_artifacts())

    artifact_service = InMemoryArtifactService()
    model = ScriptedModel([call("save_generated_report", pages=3), call("process_latest_report"), "Saved."])
    agent = Agent(
        name="a",
        model=model,
        instruction="Profile: {artifact.user:profile.txt?}",
        tools=[save_generated_report, process_latest_report],
        after_agent_callback=list_files,
    )
    _, runner = await set_up(agent, artifact_service=artifact_service)
    deltas = []
    content = types.UserContent(parts="Save it")
    async for event in runner.run_async(user_id=USER, session_id=SESSION, new_message=content):
        if event.actions and event.actions.artifact_delta:
            deltas.append(event.actions.artifact_delta)
    assert deltas == [{"report.pdf": 0, "user:profile.txt": 0}]
    assert listed == [["report.pdf", "user:profile.txt"]]
    answer = model.requests[2].contents[-1].parts[0].function_response.response
    assert answer == {"bytes": 12, "mime": "application/pdf"}
    loaded = await artifact_service.load_artifact(
        app_name=APP, user_id=USER, session_id=SESSION, filename="report.pdf", version=0
    )
    assert loaded.inline_data.data == b"%PDF%PDF%PDF"


async def test_memory_across_sessions():
    """One agent tells, the session goes to memory, another agent in a new session recalls."""

    async def recall(query: str, tool_context: ToolContext) -> dict:
        """Searches what was said before."""
        response = await tool_context.search_memory(query)
        texts = [part.text for memory in response.memories for part in memory.content.parts if part.text]
        return {"memories": texts, "authors": [memory.author for memory in response.memories]}

    session_service, memory_service = InMemorySessionService(), InMemoryMemoryService()
    capture = Runner(
        agent=LlmAgent(name="InfoCaptureAgent", model=ScriptedModel(["Noted."])),
        app_name=APP,
        session_service=session_service,
        memory_service=memory_service,
    )
    await session_service.create_session(app_name=APP, user_id=USER, session_id="info")
    await ask(capture, "My favorite project is Project Alpha.", session_id="info")
    completed = await session_service.get_session(app_name=APP, user_id=USER, session_id="info")
    await memory_service.add_session_to_memory(completed)

    model = ScriptedModel([call("recall", query="favorite project"), "Project Alpha."])
    recalling = Runner(
        agent=LlmAgent(name="MemoryRecallAgent", model=model, tools=[recall]),
        app_name=APP,
        session_service=session_service,
        memory_service=memory_service,
    )
    await session_service.create_session(app_name=APP, user_id=USER, session_id="recall")
    assert await ask(recalling, "What is my favorite project?", session_id="recall") == "Project Alpha."
    answer = model.requests[1].contents[-1].parts[0].function_response.response
    assert answer == {"memories": ["My favorite project is Project Alpha."], "authors": ["user"]}


# --- sessions and events


async def test_the_session_service_alone():
    """State by hand: created, changed by an appended event, listed, deleted."""
    session_service = InMemorySessionService()
    session = await session_service.create_session(
        app_name=APP, user_id=USER, session_id=SESSION, state={"user:login_count": 0, "task_status": "idle"}
    )
    assert (session.app_name, session.user_id, session.events) == (APP, USER, [])
    before = session.last_update_time
    actions = EventActions(
        state_delta={
            "task_status": "active",
            "user:login_count": session.state.get("user:login_count", 0) + 1,
            "app:theme": "dark",
            "temp:validation_needed": True,
        }
    )
    event = Event(invocation_id="inv_login_update", author="system", actions=actions, timestamp=before + 1)
    await session_service.append_event(session, event)
    updated = await session_service.get_session(app_name=APP, user_id=USER, session_id=SESSION)
    assert updated.state == {"task_status": "active", "user:login_count": 1, "app:theme": "dark"}
    assert updated.last_update_time > before
    assert session.state["task_status"] == "active"
    other = await session_service.create_session(app_name=APP, user_id=USER)
    assert other.state == {"user:login_count": 1, "app:theme": "dark"}
    response = await session_service.list_sessions(app_name=APP, user_id=USER)
    assert {one.id for one in response.sessions} == {SESSION, other.id}
    await session_service.delete_session(app_name=APP, user_id=USER, session_id=SESSION)
    assert await session_service.get_session(app_name=APP, user_id=USER, session_id=SESSION) is None
    recent = await session_service.get_session(
        app_name=APP, user_id=USER, session_id=other.id, config=GetSessionConfig(num_recent_events=5)
    )
    assert recent.events == []


async def test_state_written_between_runs():
    """A web backend that writes to the session between two messages, and keeps the object it got."""

    def instruction(context: ReadonlyContext) -> str:
        return f"Plan: {context.state.get('plan')}"

    model = ScriptedModel(["one", "two"])
    session_service, runner = await set_up(Agent(name="a", model=model, instruction=instruction))
    await ask(runner, "first")
    session = await session_service.get_session(app_name=APP, user_id=USER, session_id=SESSION)
    await session_service.append_event(
        session, Event(author="system", invocation_id="upgrade", actions=EventActions(state_delta={"plan": "pro"}))
    )
    await ask(runner, "second")
    assert [r.config.system_instruction.split("\n")[0] for r in model.requests] == ["Plan: None", "Plan: pro"]


async def test_what_a_web_server_does_with_events():
    """Server-sent events: each event as JSON with its aliases; the chunks first, then the whole."""

    def get_weather(city: str) -> dict:
        """Weather."""
        return {"status": "success", "report": f"Sunny in {city}."}

    model = ScriptedModel([call("get_weather", city="Rome"), stream("It is ", "sunny.")])
    _, runner = await set_up(Agent(name="weather_agent", model=model, tools=[get_weather]))
    lines, text = [], ""
    calls, responses = [], []
    async for event in runner.run_async(
        user_id=USER,
        session_id=SESSION,
        new_message=types.Content(role="user", parts=[types.Part.from_text(text="Rome?")]),
        run_config=RunConfig(streaming_mode=StreamingMode.SSE, max_llm_calls=200),
        state_delta={"locale": "it"},
    ):
        lines.append(event.model_dump_json(exclude_none=True, by_alias=True))
        assert json.loads(lines[-1]) == event.model_dump(exclude_none=True, by_alias=True, mode="json")
        calls += event.get_function_calls()
        responses += event.get_function_responses()
        if event.partial and event.content and event.content.parts:
            text += event.content.parts[0].text or ""
        if event.is_final_response():
            assert text == event.content.parts[0].text == "It is sunny."
    assert [(one.name, one.args) for one in calls] == [("get_weather", {"city": "Rome"})]
    assert responses[0].response == {"status": "success", "report": "Sunny in Rome."}
    decoded = [json.loads(line) for line in lines]
    assert [one.get("partial", False) for one in decoded] == [False, False, True, True, False]
    assert decoded[0]["content"]["parts"][0]["functionCall"]["name"] == "get_weather"
    assert decoded[0]["author"] == "weather_agent"
    assert decoded[0]["invocationId"] == decoded[-1]["invocationId"]
    assert decoded[-1]["usageMetadata"]["totalTokenCount"] > 0
    assert {"id", "timestamp", "actions"} <= decoded[-1].keys()
    assert decoded[-1]["actions"]["stateDelta"] == {}
    assert Event.model_validate_json(lines[-1]) == Event.model_validate(decoded[-1])


async def test_parts_as_dicts():
    """Messages whose parts are dicts: from the program, from a callback, and from an agent."""

    class Greeter(BaseAgent):
        async def _run_async_impl(self, ctx: InvocationContext) -> AsyncGenerator[Event, None]:
            yield Event(author=self.name, content=types.Content(role="model", parts=[{"text": "Hi."}]))

    def canned(callback_context: CallbackContext, llm_request: LlmRequest) -> LlmResponse:
        last = llm_request.contents[-1].parts[-1].text
        return LlmResponse(content=types.Content(role="model", parts=[{"text": f"Canned: {last}"}]))

    agent = Agent(name="a", model=ScriptedModel([]), before_model_callback=canned)
    _, runner = await set_up(SequentialAgent(name="s", sub_agents=[Greeter(name="greeter"), agent]))
    message = types.Content(role="user", parts=[{"text": "Hello"}, {"inlineData": {"mimeType": "a/b", "data": "aGk="}}])
    assert message.parts[1].inline_data.data == b"hi"
    texts = []
    async for event in runner.run_async(user_id=USER, session_id=SESSION, new_message=message):
        texts.append(event.content.parts[0].text)
    assert texts == ["Hi.", "Canned: [greeter] said: Hi."]


@pytest.mark.parametrize("mode", [StreamingMode.SSE, "sse"])
async def test_streaming_modes_by_value(mode):
    _, runner = await set_up(Agent(name="a", model=ScriptedModel([stream("It ", "is.")])))
    partial = []
    config = RunConfig(streaming_mode=mode)
    async for event in runner.run_async(user_id=USER, session_id=SESSION, new_message="?", run_config=config):
        partial.append(event.partial)
    assert partial == [True, True, None]
    with pytest.raises(ConfigurationError, match="streaming_mode"):
        RunConfig(streaming_mode="SSE ")


class CapitalInfo(BaseModel):
    capital: str = Field(description="The capital city of the country.")
    population_estimate: str = Field(description="An estimated population of the capital city.")


class CountryInput(BaseModel):
    country: str = Field(description="The country to get information about.")


async def test_structured_answers():
    """The capital agent of the documentation: JSON in, JSON out, a pydantic model around both."""
    model = ScriptedModel([CapitalInfo(capital="Paris", population_estimate="2 million").model_dump_json()])
    agent = LlmAgent(
        model=model,
        name="structured_info_agent_schema",
        description="Provides capital and estimated population in a specific JSON format.",
        instruction=f"Respond ONLY with a JSON object matching: {json.dumps(CapitalInfo.model_json_schema())}",
        input_schema=CountryInput,
        output_schema=CapitalInfo,
        output_key="structured_info_result",
        generate_content_config=types.GenerateContentConfig(temperature=0.2, max_output_tokens=250),
    )
    session_service, runner = await set_up(agent)
    content = types.Content(role="user", parts=[types.Part(text=json.dumps({"country": "France"}))])
    final = None
    async for event in runner.run_async(user_id=USER, session_id=SESSION, new_message=content):
        if event.is_final_response() and event.content and event.content.parts:
            final = event.content.parts[0].text
    assert CapitalInfo.model_validate_json(final).capital == "Paris"
    stored = (await state_of(session_service))["structured_info_result"]
    assert stored == {"capital": "Paris", "population_estimate": "2 million"}
    config = model.requests[0].config
    assert config.response_schema is CapitalInfo
    assert (config.response_mime_type, config.temperature) == ("application/json", 0.2)


class Order(BaseModel):
    sku: str
    quantity: int = 1
    note: str | None = None


@pytest.mark.parametrize(
    "answer",
    ['{"sku": "a", "quantity": "2"}', '```json\n{"sku": "a", "quantity": 2}\n```', '```{"sku":"a","quantity":2}```'],
)
async def test_a_structured_answer_is_kept_as_its_model_has_it(answer):
    """Models write numbers as text, fence their JSON, and leave out what has a default."""

    def total(callback_context: CallbackContext):
        order = callback_context.state["order"]
        callback_context.state["total"] = order["quantity"] * 5

    agent = Agent(
        name="a", model=ScriptedModel([answer, '{"sku": "b"}']), output_schema=Order, output_key="order",
        after_agent_callback=total,
    )  # fmt: skip
    session_service, runner = await set_up(agent)
    await ask(runner, "two a")
    assert await state_of(session_service) == {"order": {"sku": "a", "quantity": 2}, "total": 10}
    await ask(runner, "a b")
    assert await state_of(session_service) == {"order": {"sku": "b", "quantity": 1}, "total": 5}


async def test_a_structured_answer_has_the_defaults_of_a_dataclass():
    @dataclass
    class Address:
        city: str
        zip_code: str = "none"

    @dataclass
    class Person:
        home: Address
        age: int = 18

    agent = Agent(name="a", model=ScriptedModel(['{"home": {"city": "Bonn"}}']), output_schema=Person, output_key="p")
    session_service, runner = await set_up(agent)
    await ask(runner, "Who?")
    assert await state_of(session_service) == {"p": {"home": {"city": "Bonn", "zip_code": "none"}, "age": 18}}


async def test_a_structured_answer_of_an_agent_tool():
    expert = Agent(name="expert", model=ScriptedModel(['```json\n[{"sku": "b"}]\n```']), output_schema=list[Order])
    model = ScriptedModel([call("expert", request="order b"), "Ordered."])
    _, runner = await set_up(Agent(name="a", model=model, tools=[AgentTool(agent=expert)]))
    assert await ask(runner, "b, please") == "Ordered."
    answer = model.requests[1].contents[-1].parts[0].function_response.response
    assert answer == {"result": [{"sku": "b", "quantity": 1}]}


# --- plugins and apps


async def test_a_plugin_that_counts():
    """The plugin of the documentation, in an App."""

    class CountInvocationPlugin(BasePlugin):
        def __init__(self) -> None:
            super().__init__(name="count_invocation")
            self.agent_count = self.tool_count = self.llm_request_count = self.event_count = 0

        async def before_agent_callback(self, *, agent: BaseAgent, callback_context: CallbackContext) -> None:
            self.agent_count += 1

        async def before_model_callback(self, *, callback_context: CallbackContext, llm_request: LlmRequest) -> None:
            self.llm_request_count += 1

        async def after_tool_callback(
            self, *, tool: BaseTool, tool_args: dict[str, Any], tool_context: ToolContext, result: dict
        ) -> dict | None:
            self.tool_count += 1

        async def on_user_message_callback(
            self, *, invocation_context: InvocationContext, user_message: types.Content
        ) -> types.Content | None:
            return types.Content(role="user", parts=[*user_message.parts, types.Part(text="(be brief)")])

        async def on_event_callback(self, *, invocation_context: InvocationContext, event: Event) -> Event | None:
            self.event_count += 1
            event.custom_metadata = {"app": invocation_context.app_name}
            return event

    async def hello_world(tool_context: ToolContext, query: str):
        """Prints hello world."""
        return {"query": query}

    model = ScriptedModel([call("hello_world", query="x"), "Hello."])
    plugin = CountInvocationPlugin()
    root_agent = Agent(model=model, name="hello_world", description="Prints hello.", tools=[hello_world])
    app = App(name="test_app_with_plugin", root_agent=root_agent, plugins=[plugin])
    runner = InMemoryRunner(app=app)
    session = await runner.session_service.create_session(user_id="user", app_name="test_app_with_plugin")
    async for event in runner.run_async(
        user_id="user",
        session_id=session.id,
        new_message=types.Content(role="user", parts=[types.Part.from_text(text="hello world")]),
    ):
        assert event.custom_metadata == {"app": "test_app_with_plugin"}
    assert (plugin.agent_count, plugin.llm_request_count, plugin.tool_count, plugin.event_count) == (1, 2, 1, 3)
    assert [part.text for part in model.requests[0].contents[0].parts] == ["hello world", "(be brief)"]


# --- models and scripts


class EchoLlm(BaseLlm):
    """A model of the program's own, as programs write them for other providers."""

    model: str = "echo-1"
    api_key: str | None = None
    calls: int = 0

    @classmethod
    def supported_models(cls) -> list[str]:
        return [r"echo-.*"]

    async def generate_content_async(
        self, llm_request: LlmRequest, stream: bool = False
    ) -> AsyncGenerator[LlmResponse, None]:
        self.calls += 1
        text = "".join(part.text or "" for part in llm_request.contents[-1].parts or [])
        if stream:
            for word in text.split():
                yield LlmResponse(
                    content=types.Content(role="model", parts=[types.Part.from_text(text=word)]), partial=True
                )
        yield LlmResponse(
            content=types.Content(role="model", parts=[types.Part(text=f"{llm_request.model}: {text}")]),
            usage_metadata=types.GenerateContentResponseUsageMetadata(prompt_token_count=1, total_token_count=2),
            finish_reason=types.FinishReason.STOP,
        )


async def test_a_model_around_a_model():
    """A model that tries another one first, with a copy of the request, and keeps the requests that it saw."""

    class Fallback(BaseLlm):
        model: str = "fallback"
        models: list[BaseLlm]
        _requests: list = PrivateAttr(default_factory=list)

        async def generate_content_async(
            self, llm_request: LlmRequest, stream: bool = False
        ) -> AsyncGenerator[LlmResponse, None]:
            self._requests.append(llm_request.model_copy(deep=True))
            for number, model in enumerate(self.models):
                request = llm_request.model_copy(update={"model": model.model})
                request.config = request.config.model_copy(update={"temperature": number})
                try:
                    async for response in model.generate_content_async(request, stream=stream):
                        yield response
                except RuntimeError:
                    continue
                return

    def redact(callback_context: CallbackContext, llm_request: LlmRequest):
        llm_request.contents[-1].parts[0].text = "[redacted]"

    first, second = ScriptedModel([RuntimeError("down")], model="first"), ScriptedModel(["ok"], model="second")
    fallback = Fallback(models=[first, second])
    _, runner = await set_up(Agent(name="a", model=fallback, before_model_callback=redact))
    assert await ask(runner, "secret") == "ok"
    assert [model.requests[0].model for model in (first, second)] == ["first", "second"]
    assert [model.requests[0].config.temperature for model in (first, second)] == [0, 1]
    (kept,) = fallback._requests
    assert (kept.model, kept.config.temperature) == ("fallback", None)
    kept.contents[0].parts[0].text = "changed"
    assert second.requests[0].contents[0].parts[0].text == "[redacted]"


def test_a_plain_script():
    """``runner.run`` in a loop, and ``asyncio.run`` around the session service, as scripts and notebooks do."""
    session_service = InMemorySessionService()
    session = asyncio.run(session_service.create_session(app_name=APP, user_id=USER))
    agent = LlmAgent(name="assistant", model=EchoLlm(api_key="none"))
    with Runner(agent=agent, app_name=APP, session_service=session_service) as runner:
        for query in ("Hello", "Goodbye"):
            content = types.Content(role="user", parts=[types.Part(text=query)])
            events = runner.run(user_id=USER, session_id=session.id, new_message=content)
            answers = [event.content.parts[0].text for event in events if event.is_final_response()]
            assert answers == [f"echo-1: {query}"]
    assert agent.model.calls == 2
    stored = asyncio.run(session_service.get_session(app_name=APP, user_id=USER, session_id=session.id))
    assert len(stored.events) == 4


def test_main_of_a_script():
    """Several users at once, each with a session, in one ``asyncio.run(main())``."""

    def remember(fact: str, tool_context: ToolContext) -> dict:
        """Remembers a fact."""
        tool_context.state["user:facts"] = [*tool_context.state.get("user:facts", []), fact]
        return {"status": "ok"}

    def answer(request: LlmRequest):
        last = request.contents[-1].parts[-1]
        return "Saved." if last.function_response else call("remember", fact=last.text)

    async def main():
        agent = Agent(name="memo", model=FunctionModel(answer), tools=[remember])
        runner = InMemoryRunner(agent=agent, app_name=APP)
        users = [f"user_{number}" for number in range(5)]
        sessions = await asyncio.gather(
            *(runner.session_service.create_session(app_name=APP, user_id=user) for user in users)
        )
        for fact in ("a", "b"):
            texts = await asyncio.gather(
                *(ask(runner, f"{s.user_id} {fact}", user_id=s.user_id, session_id=s.id) for s in sessions)
            )
            assert texts == ["Saved."] * len(users)
        for session in sessions:
            state = await state_of(runner.session_service, user_id=session.user_id, session_id=session.id)
            assert state["user:facts"] == [f"{session.user_id} a", f"{session.user_id} b"]
        await runner.close()

    asyncio.run(main())


async def test_messages_in_other_forms():
    """Dicts in either spelling, as a web server gets them, and files beside text."""
    model = ScriptedModel(["ok"], repeat=True)
    _, runner = await set_up(Agent(name="a", model=model))
    messages = [
        {"role": "user", "parts": [{"text": "Hi"}]},
        {"role": "user", "parts": [{"text": "Look"}, {"inlineData": {"mimeType": "image/png", "data": "aGk="}}]},
        {"parts": [{"text": "Look"}, {"inline_data": {"mime_type": "image/png", "data": "aGk="}}]},
        types.Content(
            role="user",
            parts=[
                types.Part.from_text(text="Look"),
                types.Part.from_uri(file_uri="gs://b/o.mp4", mime_type="video/mp4"),
                types.Part(inline_data=types.Blob(mime_type="image/png", data=b"hi")),
            ],
        ),
    ]
    for message in messages:
        async for event in runner.run_async(user_id=USER, session_id=SESSION, new_message=message):
            assert event.content.role == "model"
    for content in model.requests[-1].contents[2:5:2]:
        assert content.parts[1].inline_data.data == b"hi"
        assert content.role == "user"
