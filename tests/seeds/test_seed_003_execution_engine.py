# SPDX-License-Identifier: Apache-2.0
"""Seed 003, execution engine: its signatures and each of its samples, with imports changed."""

# ruff: noqa: T201 - the samples print

import asyncio
import threading
from collections.abc import AsyncGenerator

import pytest

from runwright import (
    Agent,
    BasePlugin,
    InMemoryArtifactService,
    InMemoryCredentialService,
    InMemoryMemoryService,
    InMemoryRunner,
    InMemorySessionService,
    LiveRequestQueue,
    LLMRegistry,
    RunConfig,
    Runner,
    types,
)
from runwright.errors import ConfigurationError, InputValidationError, RunnerClosedError
from runwright.testing import ScriptedLiveModel


class Closing(BasePlugin):
    """Notes that the runner closed it."""

    closed = False

    async def close(self):
        self.closed = True


class TestSignatures:
    """Core runner classes: what the constructors and the methods take."""

    async def test_runner_takes_every_named_argument(self, texts):
        plugin = Closing("closing")
        runner = Runner(
            app_name="engine",
            agent=Agent(name="assistant", model="gemini-2.0-flash"),
            plugins=[plugin],
            artifact_service=InMemoryArtifactService(),
            session_service=InMemorySessionService(),
            memory_service=InMemoryMemoryService(),
            credential_service=InMemoryCredentialService(),
        )
        await runner.session_service.create_session(app_name="engine", user_id="user123", session_id="session456")
        stream = runner.run_async(
            user_id="user123",
            session_id="session456",
            new_message=types.Content(parts=[types.Part(text="Hello")]),
            state_delta={"topic": "greetings"},
            run_config=RunConfig(),
        )
        assert texts([event async for event in stream]) == ["Answer 1: Hello"]
        session = await runner.session_service.get_session(
            app_name="engine", user_id="user123", session_id="session456"
        )
        assert session.state == {"topic": "greetings"}
        await runner.close()
        assert plugin.closed

    def test_run_takes_every_named_argument(self, texts):
        runner = InMemoryRunner(Agent(name="assistant", model="gemini-2.0-flash"))
        events = runner.run(
            user_id="user123",
            session_id="session456",
            new_message=types.Content(parts=[types.Part(text="Hello")]),
            run_config=RunConfig(),
        )
        assert texts(events) == ["Answer 1: Hello"]
        runner.close()

    def test_in_memory_runner_takes_the_agent_first_and_has_its_own_name(self):
        agent = Agent(name="assistant", model="gemini-2.0-flash")
        runner = InMemoryRunner(agent)
        assert runner.agent is agent
        assert runner.app_name == "InMemoryRunner"
        named = InMemoryRunner(agent, app_name="other", plugins=[BasePlugin("idle")])
        assert named.app_name == "other"
        runner.close()
        named.close()

    @pytest.mark.parametrize(
        "keywords",
        [
            {"user_id": "u", "session_id": "s", "live_request_queue": None, "run_config": RunConfig()},
            {"session": None, "live_request_queue": None},
        ],
    )
    def test_run_live_without_a_queue_says_what_it_needs(self, keywords):
        agent = Agent(name="assistant", model="gemini-2.0-flash")
        with Runner(agent=agent) as runner, pytest.raises(InputValidationError, match="LiveRequestQueue"):
            runner.run_live(**keywords)

    async def test_run_live_takes_every_named_argument(self, texts):
        agent = Agent(name="assistant", model=ScriptedLiveModel(["Hello!"]))
        queue = LiveRequestQueue()
        queue.send_content("Hello")
        queue.close(after_answer=True)
        async with InMemoryRunner(agent) as runner:
            stream = runner.run_live(
                user_id="u", session_id="s", live_request_queue=queue, run_config=RunConfig(), session=None
            )
            assert isinstance(stream, AsyncGenerator)
            assert texts([event async for event in stream if not event.partial]) == ["Hello!"]

    async def test_run_async_is_an_async_generator(self, texts):
        async with InMemoryRunner(Agent(name="assistant", model="gemini-2.0-flash")) as runner:
            stream = runner.run_async(user_id="u", session_id="s", new_message="Hello")
            assert isinstance(stream, AsyncGenerator)
            assert texts([await anext(stream)]) == ["Answer 1: Hello"]
            await stream.aclose()
            with pytest.raises(StopAsyncIteration):
                await anext(stream)


class TestBasicSynchronousExecution:
    def test_as_a_script(self, capsys):
        agent = Agent(name="assistant", model="gemini-2.0-flash")
        runner = InMemoryRunner(agent)

        user_message = types.Content(parts=[types.Part(text="Hello, how can you help me?")])

        for event in runner.run(user_id="user123", session_id="session456", new_message=user_message):
            if event.content and not event.partial:
                print(event.content)

        asyncio.run(runner.close())

        assert "Answer 1: Hello, how can you help me?" in capsys.readouterr().out
        with pytest.raises(RunnerClosedError):
            runner.run(user_id="user123", session_id="session456", new_message=user_message)

    async def test_where_top_level_await_works(self, capsys):
        """As in a notebook: the loop over the events is plain code, inside a running event loop."""
        agent = Agent(name="assistant", model="gemini-2.0-flash")
        runner = InMemoryRunner(agent)

        user_message = types.Content(parts=[types.Part(text="Hello, how can you help me?")])

        for event in runner.run(user_id="user123", session_id="session456", new_message=user_message):
            if event.content and not event.partial:
                print(event.content)

        await runner.close()

        assert "Answer 1: Hello, how can you help me?" in capsys.readouterr().out
        with pytest.raises(RunnerClosedError):
            runner.run(user_id="user123", session_id="session456", new_message=user_message)

    def test_the_message_and_the_answer_are_stored_in_a_session_that_nobody_created(self, texts):
        with InMemoryRunner(Agent(name="assistant", model="gemini-2.0-flash")) as runner:
            for message in ("first", "second"):
                for _ in runner.run(user_id="user123", session_id="session456", new_message=message):
                    pass
            session = asyncio.run(
                runner.session_service.get_session(
                    app_name="InMemoryRunner", user_id="user123", session_id="session456"
                )
            )
        assert texts(session.events) == ["first", "Answer 1: first", "second", "Answer 2: second"]


class TestAsynchronousExecution:
    def test_sample(self, capsys):
        async def main():
            agent = Agent(name="async_assistant", model="gemini-2.0-flash")
            runner = InMemoryRunner(agent)

            user_message = types.Content(parts=[types.Part(text="What's the weather like?")])

            async for event in runner.run_async(user_id="user123", session_id="session456", new_message=user_message):
                if event.content and not event.partial:
                    print(event.content)

            await runner.close()

        asyncio.run(main())

        assert "Answer 1: What's the weather like?" in capsys.readouterr().out


class TestLiveStreamingExecution:
    @pytest.fixture
    def live(self):
        """The model of the sample, live."""
        models = []

        class LiveGemini(ScriptedLiveModel):
            @classmethod
            def supported_models(cls):
                return [r"gemini-2\.0-flash"]

            def __init__(self, *, model):
                super().__init__([["Once ", "upon a time."]], model=model)
                models.append(self)

        LLMRegistry.register(LiveGemini)
        yield models
        LLMRegistry.unregister(LiveGemini)

    def test_sample(self, live, capsys):
        agent = Agent(name="streaming_assistant", model="gemini-2.0-flash")
        runner = Runner()

        # Execute in live mode for streaming responses
        for chunk in runner.run_live(agent, input_text="Tell me a story"):
            print(chunk, end="", flush=True)

        runner.close()

        assert capsys.readouterr().out == "Once upon a time."
        (model,) = live
        assert model.connections[0].request.live_connect_config.response_modalities == ["TEXT"]
        assert [content.parts[0].text for content in model.sent] == ["Tell me a story"]
        assert model.connections[0].closed

    async def test_the_same_where_an_event_loop_runs(self, live):
        agent = Agent(name="streaming_assistant", model="gemini-2.0-flash")
        async with Runner() as runner:
            assert list(runner.run_live(agent, input_text="Tell me a story")) == ["Once ", "upon a time."]
        agent = Agent(name="streaming_assistant", model="gemini-2.0-flash")
        async with Runner() as runner:
            chunks = [chunk async for chunk in runner.run_live(agent, input_text="Tell me a story")]
            assert chunks == ["Once ", "upon a time."]

    def test_a_model_without_a_live_connection_is_named_before_anything_is_done(self):
        agent = Agent(name="streaming_assistant", model="gemini-2.0-flash")
        with Runner() as runner, pytest.raises(ConfigurationError, match="no live connection"):
            runner.run_live(agent, input_text="Tell me a story")


class TestInMemoryRunnerForTesting:
    def test_sample(self, capsys):
        runner = InMemoryRunner()
        agent = Agent(name="test_agent", model="gemini-2.0-flash")

        response = runner.run(agent, "Test input")
        print(response)

        runner.close()

        assert capsys.readouterr().out == "Answer 1: Test input\n"

    async def test_the_same_where_an_event_loop_runs(self, capsys):
        runner = InMemoryRunner()
        agent = Agent(name="test_agent", model="gemini-2.0-flash")

        response = runner.run(agent, "Test input")
        print(response)

        await runner.close()

        assert capsys.readouterr().out == "Answer 1: Test input\n"


class TestContextManagerPattern:
    def test_sample(self, capsys):
        agent = Agent(name="context_agent", model="gemini-2.0-flash")

        with Runner() as runner:
            response = runner.run(agent, "What can you do?")
            print(response)

        assert capsys.readouterr().out == "Answer 1: What can you do?\n"
        with pytest.raises(RunnerClosedError, match="closed"):
            runner.run(agent, "And now?")

    async def test_the_same_where_an_event_loop_runs(self, capsys):
        agent = Agent(name="context_agent", model="gemini-2.0-flash")

        with Runner() as runner:
            response = runner.run(agent, "What can you do?")
            print(response)

        assert capsys.readouterr().out == "Answer 1: What can you do?\n"
        with pytest.raises(RunnerClosedError, match="closed"):
            runner.run(agent, "And now?")
        await runner.close()

    def test_it_closes_what_the_runner_has(self):
        plugin = Closing("closing")
        with Runner(plugins=[plugin]):
            assert not plugin.closed
        assert plugin.closed

    def test_it_closes_after_an_error_too(self):
        plugin = Closing("closing")
        with pytest.raises(KeyError, match="mine"), Runner(plugins=[plugin]):
            raise KeyError("mine")
        assert plugin.closed

    def test_a_bare_close_in_an_event_loop_takes_effect(self):
        plugin = Closing("closing")

        async def main():
            runner = Runner(plugins=[plugin])
            runner.close()
            await runner.close()

        asyncio.run(main())
        assert plugin.closed


class TestBatchProcessing:
    def test_sample(self, offline):
        agent = Agent(name="batch_processor", model="gemini-2.0-flash")
        runner = Runner()

        inputs = ["Summarize this text...", "Translate this to French...", "Analyze this data..."]

        responses = []
        for input_text in inputs:
            response = runner.run(agent, input_text)
            responses.append(response)

        runner.close()

        # Each input stands alone: the model sees no other one.
        assert [str(response) for response in responses] == [f"Answer 1: {text}" for text in inputs]
        assert [len(request.contents) for request in offline.requests] == [1, 1, 1]


class TestErrorHandling:
    def handle(self, timeout=30):
        """The sample."""
        agent = Agent(name="error_handling_agent", model="gemini-2.0-flash")
        runner = Runner()

        try:
            response = runner.run(agent, "Process this request", timeout=timeout)
            print(response)
        except TimeoutError:
            print("Agent execution timed out")
        except Exception as e:  # noqa: BLE001
            print(f"Error during execution: {e}")
        finally:
            runner.close()
        return runner

    def test_an_answer_in_time(self, capsys):
        runner = self.handle()
        assert capsys.readouterr().out == "Answer 1: Process this request\n"
        with pytest.raises(RunnerClosedError):
            runner.run(Agent(name="late", model="gemini-2.0-flash"), "Too late")

    def test_a_model_that_takes_too_long(self, offline, capsys):
        offline.answer = offline.never
        self.handle(timeout=0.05)
        assert capsys.readouterr().out == "Agent execution timed out\n"

    def test_a_model_that_fails(self, offline, capsys):
        def fail(request):
            raise ConnectionError("the provider cannot be reached")

        offline.answer = fail
        self.handle()
        assert capsys.readouterr().out == "Error during execution: the provider cannot be reached\n"

    def test_close_leaves_no_thread(self):
        before = threading.active_count()
        self.handle()
        assert threading.active_count() == before

    def test_there_is_no_agent(self):
        with Runner() as runner, pytest.raises(ValueError, match=r"no agent to run.*runner\.run\(agent"):
            runner.run(user_id="user123", session_id="session456", new_message="Hello")
