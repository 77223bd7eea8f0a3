# SPDX-License-Identifier: Apache-2.0
"""Seed 001, the Rust runner's Python bindings: its samples, and what it lists as missing there."""

import asyncio

import pytest

from runwright import (
    Agent,
    BaseAgent,
    BasePlugin,
    Event,
    InMemoryArtifactService,
    InMemoryMemoryService,
    InMemorySessionService,
    LoopAgent,
    ParallelAgent,
    RunConfig,
    Runner,
    SequentialAgent,
    StreamingMode,
    run_agent,
    types,
)
from runwright.testing import stream

user_id, session_id = "user-1", "session-1"


@pytest.fixture
async def session_service():
    service = InMemorySessionService()
    await service.create_session(app_name="my_app", user_id=user_id, session_id=session_id)
    return service


@pytest.fixture
def my_agent():
    return Agent(name="my_agent", model="gemini-2.0-flash")


class Custom(BaseAgent):
    async def _run_async_impl(self, ctx):
        yield Event(author=self.name, invocation_id=ctx.invocation_id, content=types.ModelContent("custom"))


class TestRunnerClass:
    async def test_sample(self, my_agent, session_service, texts):
        runner = Runner(
            app_name="my_app",
            agent=my_agent,
            session_service=session_service,
            run_config=RunConfig(streaming_mode=StreamingMode.SSE),
        )

        # Get all events
        events = await runner.run(user_id, session_id, "Hello")

        # Get just final text
        response = await runner.run_simple(user_id, session_id, "Hello")

        assert isinstance(events, list)
        assert texts(events) == ["Answer 1: Hello"]
        assert response == "Answer 2: Hello"
        await runner.close()

    async def test_by_position(self, my_agent, session_service, texts):
        runner = Runner("my_app", my_agent, session_service)
        assert texts(await runner.run(user_id, session_id, "Hello")) == ["Answer 1: Hello"]
        await runner.close()

    async def test_the_runners_run_config_is_that_of_its_runs(self, my_agent, session_service, offline, texts):
        offline.answer = lambda request: stream("Once ", "upon ", "a time")
        streaming = RunConfig(streaming_mode=StreamingMode.SSE)
        runner = Runner("my_app", my_agent, session_service, run_config=streaming)

        chunks = [event async for event in runner.run_async(user_id=user_id, session_id=session_id, new_message="Go")]
        assert [bool(event.partial) for event in chunks] == [True, True, True, False]
        assert texts(chunks) == ["Once ", "upon ", "a time", "Once upon a time"]

        whole = RunConfig(streaming_mode=StreamingMode.NONE)
        once = runner.run_async(user_id=user_id, session_id=session_id, new_message="Go", run_config=whole)
        assert texts([event async for event in once]) == ["Once upon a time"]
        await runner.close()

    async def test_the_collected_events_are_those_that_are_stored(self, my_agent, session_service, offline):
        offline.answer = lambda request: stream("Once ", "upon a time")
        runner = Runner("my_app", my_agent, session_service, run_config=RunConfig(streaming_mode=StreamingMode.SSE))
        events = await runner.run(user_id, session_id, "Go")
        session = await session_service.get_session(app_name="my_app", user_id=user_id, session_id=session_id)
        assert [event.id for event in events] == [event.id for event in session.events if event.author != "user"]
        assert (await runner.run_simple(user_id, session_id, "Go")) == "Once upon a time"
        await runner.close()

    async def test_an_error_is_raised(self, my_agent, session_service, offline):
        def fail(request):
            raise OSError("no network")

        offline.answer = fail
        runner = Runner("my_app", my_agent, session_service)
        with pytest.raises(OSError, match="no network"):
            await runner.run(user_id, session_id, "Hello")
        with pytest.raises(OSError, match="no network"):
            await runner.run_simple(user_id, session_id, "Hello")
        await runner.close()

    async def test_what_has_the_wrong_form_is_told(self, my_agent, session_service):
        runner = Runner("my_app", my_agent, session_service)
        with pytest.raises(ValueError, match="run takes"):
            runner.run(user_id, session_id, "Hello", "again")
        with pytest.raises(ValueError, match="app's name"):
            Runner(my_agent)
        await runner.close()


class TestMissingFromAdkRust:
    """What the seed says that the bindings lack. Here it is there."""

    async def test_artifact_and_memory_services(self, session_service, offline):
        async def keep(tool_context):
            """Keeps a note."""
            await tool_context.save_artifact("note.txt", types.Part(text="from the tool"))
            found = await tool_context.search_memory("tea")
            return {"remembered": [text_of(memory.content) for memory in found.memories]}

        def text_of(content):
            return content.parts[0].text

        artifacts, memories = InMemoryArtifactService(), InMemoryMemoryService()
        await memories.add_events_to_memory(
            app_name="my_app", user_id=user_id, events=[Event(author="user", content=types.UserContent("I like tea"))]
        )
        answers = iter([types.FunctionCall(name="keep", args={}), "Done"])
        offline.answer = lambda request: next(answers)
        runner = Runner(
            "my_app",
            Agent(name="keeper", model="gemini-2.0-flash", tools=[keep]),
            session_service,
            artifact_service=artifacts,
            memory_service=memories,
        )

        events = await runner.run(user_id, session_id, "Keep it")

        (answer,) = events[1].get_function_responses()
        assert answer.response == {"remembered": ["I like tea"]}
        assert events[1].actions.artifact_delta == {"note.txt": 0}
        kept = await artifacts.load_artifact(
            app_name="my_app", user_id=user_id, session_id=session_id, filename="note.txt"
        )
        assert kept.text == "from the tool"
        await runner.close()

    async def test_model_callbacks_for_the_whole_runner(self, my_agent, session_service):
        class Callbacks(BasePlugin):
            async def before_model_callback(self, *, callback_context, llm_request):
                llm_request.append_instructions(["Be brief."])

            async def after_model_callback(self, *, callback_context, llm_response):
                llm_response.content = types.ModelContent("changed")

        runner = Runner("my_app", my_agent, session_service, plugins=[Callbacks("callbacks")])
        assert await runner.run_simple(user_id, session_id, "Hello") == "changed"
        await runner.close()

    async def test_model_callbacks_of_the_agent(self, my_agent, session_service, offline):
        my_agent.before_model_callback = lambda context, request: request.append_instructions(["Brief."])
        my_agent.after_model_callback = lambda callback_context, llm_response: llm_response.model_copy(
            update={"content": types.ModelContent("changed")}
        )
        runner = Runner("my_app", my_agent, session_service)
        assert await runner.run_simple(user_id, session_id, "Hello") == "changed"
        assert offline.requests[0].config.system_instruction.endswith("Brief.")
        await runner.close()

    async def test_true_streaming(self, my_agent, session_service, offline):
        """A chunk is there before the next one is made."""
        second = asyncio.Event()

        async def chunks():
            yield "first"
            await second.wait()
            yield " second"

        offline.answer = lambda request: chunks()
        runner = Runner("my_app", my_agent, session_service, run_config=RunConfig(streaming_mode=StreamingMode.SSE))
        events = runner.run_async(user_id=user_id, session_id=session_id, new_message="Go")
        assert (await anext(events)).content.parts[0].text == "first"
        second.set()
        assert [event.content.parts[0].text async for event in events] == [" second", "first second"]
        await runner.close()

    @pytest.mark.parametrize(
        ("agent", "said"),
        [
            (lambda a, b: SequentialAgent(name="kind", sub_agents=[a, b]), ["a", "b"]),
            (lambda a, b: ParallelAgent(name="kind", sub_agents=[a, b]), ["a", "b"]),
            (lambda a, b: LoopAgent(name="kind", sub_agents=[a, b], max_iterations=2), ["a", "b", "a", "b"]),
            (lambda a, b: a, ["a"]),
            (lambda a, b: Custom(name="kind"), ["kind"]),
        ],
        ids=["SequentialAgent", "ParallelAgent", "LoopAgent", "LlmAgent", "CustomAgent"],
    )
    async def test_agent_type_flexibility(self, agent, said, session_service):
        made = agent(*(Agent(name=name, model="gemini-2.0-flash") for name in "ab"))
        runner = Runner("my_app", made, session_service)
        events = await runner.run(user_id, session_id, "Hello")
        assert [event.author for event in events] == said
        await runner.close()


class TestRunAgent:
    async def test_sample(self, my_agent):
        response = await run_agent(
            agent=my_agent,
            message="Hello",
            user_id="default_user",
            session_id="default_session",
            app_name="adk_app",
        )
        assert response == "Answer 1: Hello"

    async def test_with_defaults_alone(self, my_agent):
        seen = []
        my_agent.before_agent_callback = lambda callback_context: seen.append(
            (callback_context.app_name, callback_context.user_id, callback_context.session.id)
        )
        assert await run_agent(my_agent, "Hello") == "Answer 1: Hello"
        assert seen == [("adk_app", "default_user", "default_session")]

    async def test_nothing_is_kept_between_calls(self, my_agent):
        assert await run_agent(my_agent, "My name is Ada") == "Answer 1: My name is Ada"
        assert await run_agent(my_agent, "What is my name?") == "Answer 1: What is my name?"
