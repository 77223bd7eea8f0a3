# SPDX-License-Identifier: Apache-2.0
"""Seed 004, the runners module: its samples, its run configuration, its best practices."""

# ruff: noqa: T201 - the samples print

import pytest

from runwright import (
    Agent,
    InMemoryArtifactService,
    InMemoryMemoryService,
    InMemoryRunner,
    InMemorySessionService,
    LiveRequestQueue,
    RunConfig,
    Runner,
    StreamingMode,
    types,
)
from runwright.config import RunConfig as RunConfigByModule
from runwright.testing import ScriptedLiveModel, stream


def text_message(text):
    return types.Content(role="user", parts=[types.Part(text=text)])


@pytest.fixture
def root_agent():
    return Agent(name="root_agent", model="gemini-2.0-flash")


@pytest.fixture
def test_agent():
    return Agent(name="test_agent", model="gemini-2.0-flash")


@pytest.fixture
async def session_service():
    service = InMemorySessionService()
    await service.create_session(app_name="my_app", user_id="user123", session_id="session456")
    return service


class TestUsageExamples:
    async def test_sample(self, root_agent, test_agent, session_service, capsys):
        """The sample whole, where top-level await works: async first, then a plain loop."""
        artifact_service, memory_service = InMemoryArtifactService(), InMemoryMemoryService()
        message, test_message = text_message("Hello"), text_message("Test")

        # Using standard Runner
        runner = Runner(
            app_name="my_app",
            agent=root_agent,
            session_service=session_service,
            artifact_service=artifact_service,
            memory_service=memory_service,
        )

        # Async execution
        async for event in runner.run_async(
            user_id="user123", session_id="session456", new_message=message, run_config=RunConfig()
        ):
            print(event)
        assert "Answer 1: Hello" in capsys.readouterr().out

        # Using InMemoryRunner for testing
        test_runner = InMemoryRunner(agent=test_agent, app_name="test_runner")

        # Synchronous execution for testing
        for event in test_runner.run(user_id="test_user", session_id="test_session", new_message=test_message):
            print(event)
        assert "Answer 1: Test" in capsys.readouterr().out

        await runner.close()
        await test_runner.close()

    def test_synchronous_execution_in_plain_code(self, test_agent, capsys):
        test_runner = InMemoryRunner(agent=test_agent, app_name="test_runner")

        for event in test_runner.run(user_id="test_user", session_id="test_session", new_message=text_message("Test")):
            print(event)

        assert "Answer 1: Test" in capsys.readouterr().out
        test_runner.close()


class TestMethods:
    async def test_run_and_run_async_take_a_run_config(self, root_agent, session_service, texts):
        runner = Runner(app_name="my_app", agent=root_agent, session_service=session_service)
        config = RunConfig(max_llm_calls=1)
        named = {"user_id": "user123", "session_id": "session456", "run_config": config}
        assert texts(await runner.run(new_message="One", **named)) == ["Answer 1: One"]
        assert texts([event async for event in runner.run_async(new_message="Two", **named)]) == ["Answer 2: Two"]
        await runner.close()

    async def test_run_live_takes_a_session(self, session_service, texts):
        agent = Agent(name="root_agent", model=ScriptedLiveModel(["Hello!"]))
        runner = Runner(app_name="my_app", agent=agent, session_service=session_service)
        session = await session_service.get_session(app_name="my_app", user_id="user123", session_id="session456")
        live_request_queue = LiveRequestQueue()
        live_request_queue.send_content("Hello")
        live_request_queue.close(after_answer=True)
        events = [event async for event in runner.run_live(session, live_request_queue, RunConfig())]
        assert texts(event for event in events if not event.partial) == ["Hello!"]
        session = await session_service.get_session(app_name="my_app", user_id="user123", session_id="session456")
        assert texts(session.events) == ["Hello", "Hello!"]
        await runner.close()

    async def test_close_session_adds_it_to_memory(self, root_agent, session_service):
        memory_service = InMemoryMemoryService()
        runner = Runner(
            app_name="my_app", agent=root_agent, session_service=session_service, memory_service=memory_service
        )
        # A copy from before the conversation will do: what is remembered is what is stored.
        session = await session_service.get_session(app_name="my_app", user_id="user123", session_id="session456")
        await runner.run("user123", "session456", "My cat is called Schnurri")

        await runner.close_session(session)

        found = await memory_service.search_memory(app_name="my_app", user_id="user123", query="Schnurri")
        assert [memory.author for memory in found.memories] == ["user", "root_agent"]
        await runner.close_session(session)
        again = await memory_service.search_memory(app_name="my_app", user_id="user123", query="Schnurri")
        assert len(again.memories) == 2
        await runner.close()

    async def test_close_session_without_a_memory_service(self, root_agent, session_service, texts):
        runner = Runner(app_name="my_app", agent=root_agent, session_service=session_service)
        session = await session_service.get_session(app_name="my_app", user_id="user123", session_id="session456")
        await runner.close_session(session)
        assert texts(await runner.run("user123", "session456", "Hello")) == ["Answer 1: Hello"]
        await runner.close()


class TestInMemoryRunner:
    def test_default_name(self, root_agent):
        runner = InMemoryRunner(agent=root_agent)
        assert runner.app_name == "InMemoryRunner"
        runner.close()

    async def test_self_contained(self, root_agent):
        """Two runners share nothing."""
        one, other = InMemoryRunner(agent=root_agent), InMemoryRunner(agent=root_agent)
        assert await one.run_simple("u", "s", "Hello") == "Answer 1: Hello"
        assert await other.run_simple("u", "s", "Hello") == "Answer 1: Hello"
        await one.close()
        await other.close()


class TestRunConfiguration:
    def test_it_is_the_one_of_its_module(self):
        assert RunConfigByModule is RunConfig

    async def test_sample(self, root_agent, session_service, texts):
        config = RunConfig(
            speech_config=None,
            response_modalities=None,
            save_input_blobs_as_artifacts=False,
            support_cfc=False,
            streaming_mode=StreamingMode.NONE,
            output_audio_transcription=None,
            max_llm_calls=500,
        )
        assert config == RunConfig(output_audio_transcription=None)  # ADK's default by now, which the sample turns off
        runner = Runner(app_name="my_app", agent=root_agent, session_service=session_service)
        events = await runner.run("user123", "session456", "Hello", run_config=config)
        assert texts(events) == ["Answer 1: Hello"]
        await runner.close()

    async def test_streaming_mode(self, root_agent, session_service, offline, texts):
        offline.answer = lambda request: stream("to", "gether")
        runner = Runner(app_name="my_app", agent=root_agent, session_service=session_service)
        named = {"user_id": "user123", "session_id": "session456", "new_message": "Hello"}
        whole = runner.run_async(**named, run_config=RunConfig(streaming_mode=StreamingMode.NONE))
        assert texts([event async for event in whole]) == ["together"]
        chunks = runner.run_async(**named, run_config=RunConfig(streaming_mode=StreamingMode.SSE))
        assert texts([event async for event in chunks]) == ["to", "gether", "together"]
        await runner.close()

    async def test_max_llm_calls(self, offline, session_service):
        def again():
            """Does nothing."""

        offline.answer = lambda request: types.FunctionCall(name="again", args={})
        agent = Agent(name="busy", model="gemini-2.0-flash", tools=[again])
        runner = Runner(app_name="my_app", agent=agent, session_service=session_service)
        with pytest.raises(Exception, match="llm calls limit of `3` exceeded"):
            await runner.run("user123", "session456", "Hello", run_config=RunConfig(max_llm_calls=3))
        assert len(offline.requests) == 3
        await runner.close()

    async def test_save_input_blobs_as_artifacts(self, root_agent, offline):
        runner = InMemoryRunner(agent=root_agent)
        message = types.Content(
            role="user",
            parts=[types.Part(text="Look"), types.Part.from_bytes(data=b"\x89PNG", mime_type="image/png")],
        )
        await runner.run("u", "s", message, run_config=RunConfig(save_input_blobs_as_artifacts=True))
        named = {"app_name": runner.app_name, "user_id": "u", "session_id": "s"}
        (name,) = await runner.artifact_service.list_artifact_keys(**named)
        artifact = await runner.artifact_service.load_artifact(**named, filename=name)
        assert artifact.inline_data.data == b"\x89PNG"
        session = await runner.session_service.get_session(**named)
        assert all(part.inline_data is None for event in session.events for part in event.content.parts)
        await runner.close()


class TestBestPractices:
    async def test_handle_errors_gracefully(self, root_agent, session_service, offline, texts):
        """A run that fails is told as an event and raised; the next one goes on."""

        def fail(request):
            raise OSError("no network")

        offline.answer = fail
        runner = Runner(app_name="my_app", agent=root_agent, session_service=session_service)
        seen = []
        with pytest.raises(OSError, match="no network"):
            async for event in runner.run_async(user_id="user123", session_id="session456", new_message="Hello"):
                seen.append((event.error_code, event.error_message))
        assert seen == [("OSError", "no network")]
        offline.answer = lambda request: "back"
        assert texts(await runner.run("user123", "session456", "Hello")) == ["back"]
        await runner.close()

    async def test_monitor_execution_progress(self, root_agent, session_service):
        runner = Runner(app_name="my_app", agent=root_agent, session_service=session_service)
        run = runner.start("user123", "session456", "Hello")
        assert run.status == "running"
        await run
        assert (run.status, run.text) == ("completed", "Answer 1: Hello")
        assert run.usage.total_token_count > 0
        await runner.close()

    async def test_clean_up_artifacts(self):
        service = InMemoryArtifactService()
        named = {"app_name": "my_app", "user_id": "u", "session_id": "s", "filename": "old.txt"}
        await service.save_artifact(**named, artifact=types.Part(text="old"))
        await service.delete_artifact(**named)
        assert await service.load_artifact(**named) is None

    async def test_handle_timeouts(self, root_agent, session_service, offline):
        offline.answer = offline.never
        runner = Runner(app_name="my_app", agent=root_agent, session_service=session_service)
        with pytest.raises(TimeoutError):
            await runner.run("user123", "session456", "Hello", timeout=0.05)
        await runner.close()

    async def test_handle_service_failures(self, root_agent):
        """A store that fails fails the run, and nothing is said that was not stored."""

        class Full(InMemorySessionService):
            async def append_event(self, session, event):
                if event.author != "user":
                    raise OSError("the store is full")
                return await super().append_event(session, event)

        runner = Runner("my_app", root_agent, Full(), auto_create_session=True)
        seen = []
        with pytest.raises(OSError, match="the store is full"):
            async for event in runner.run_async(user_id="u", session_id="s", new_message="Hello"):
                seen.append(event)
        assert seen == []
        await runner.close()
