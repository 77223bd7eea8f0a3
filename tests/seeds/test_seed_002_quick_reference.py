# SPDX-License-Identifier: Apache-2.0
"""Seed 002, the runner's quick reference: each of its samples, and the flow that it describes."""

# ruff: noqa: T201 - the samples print

import asyncio
from contextlib import aclosing
from typing import Any

import pytest

import runwright
from runwright import (
    Agent,
    App,
    AuthConfig,
    AuthCredential,
    BaseAgent,
    BaseArtifactService,
    BaseCredentialService,
    BaseMemoryService,
    BasePlugin,
    BaseSessionService,
    ContextCacheConfig,
    Event,
    EventActions,
    InMemoryArtifactService,
    InMemoryCredentialService,
    InMemoryMemoryService,
    InMemoryRunner,
    InMemorySessionService,
    LiveRequestQueue,
    ResumabilityConfig,
    RunConfig,
    Runner,
    RunnerConfig,
    SequentialAgent,
    Session,
    StreamingMode,
    types,
)
from runwright.errors import RunnerClosedError
from runwright.plugin import PluginManager
from runwright.testing import ScriptedLiveModel, stream


@pytest.fixture
def my_agent():
    return Agent(name="my_agent", model="gemini-2.0-flash")


@pytest.fixture
def session_service():
    return InMemorySessionService()


@pytest.fixture
def artifact_service():
    return InMemoryArtifactService()


@pytest.fixture
def credential_service():
    return InMemoryCredentialService()


@pytest.fixture
async def runner(my_agent):
    async with InMemoryRunner(agent=my_agent, app_name="my_app") as made:
        yield made


def hello():
    return types.Content(role="user", parts=[types.Part(text="Hello")])


class Watching(BasePlugin):
    """Notes what it is told, and what is stored at that moment."""

    def __init__(self, service):
        super().__init__("watching")
        self.service = service
        self.seen = []

    async def note(self, what, context):
        session = await self.service.get_session(
            app_name=context.session.app_name, user_id=context.session.user_id, session_id=context.session.id
        )
        self.seen.append((what, len(session.events)))

    async def on_user_message_callback(self, *, invocation_context, user_message):
        await self.note("message", invocation_context)

    async def before_run_callback(self, *, invocation_context):
        await self.note("before run", invocation_context)

    async def before_agent_callback(self, *, agent, callback_context):
        await self.note("agent", callback_context)

    async def on_event_callback(self, *, invocation_context, event):
        await self.note("event", invocation_context)

    async def after_run_callback(self, *, invocation_context):
        await self.note("after run", invocation_context)


class TestInitialization:
    async def test_option_1_with_app(self, my_agent, session_service, artifact_service, credential_service, texts):
        plugin = Watching(session_service)
        app = App(name="my_app", root_agent=my_agent, plugins=[plugin])
        runner = Runner(
            app=app,
            session_service=session_service,
            artifact_service=artifact_service,
            credential_service=credential_service,
        )
        await session_service.create_session(app_name="my_app", user_id="user1", session_id="session1")
        assert texts(await runner.run("user1", "session1", "Hello")) == ["Answer 1: Hello"]
        assert plugin.seen
        assert runner.app is app
        await runner.close()

    async def test_option_2_without_app(self, my_agent, session_service, artifact_service, texts):
        runner = Runner(
            app_name="my_app",
            agent=my_agent,
            session_service=session_service,
            artifact_service=artifact_service,
        )
        await session_service.create_session(app_name="my_app", user_id="user1", session_id="session1")
        assert texts(await runner.run("user1", "session1", "Hello")) == ["Answer 1: Hello"]
        await runner.close()

    async def test_option_3_in_memory(self, my_agent, texts):
        runner = InMemoryRunner(agent=my_agent, app_name="my_app")
        assert texts(await runner.run("user1", "session1", "Hello")) == ["Answer 1: Hello"]
        await runner.close()

    def test_an_app_has_its_own_agent(self, my_agent):
        app = App(name="my_app", root_agent=my_agent)
        with pytest.raises(ValueError, match="either app= or agent="):
            Runner(app=app, agent=my_agent)


class TestKeyAttributes:
    def test_each_is_there_with_its_type(self, my_agent, session_service, artifact_service, credential_service):
        app = App(
            name="my_app",
            root_agent=my_agent,
            context_cache_config=ContextCacheConfig(),
            resumability_config=ResumabilityConfig(is_resumable=True),
        )
        runner = Runner(
            app=app,
            session_service=session_service,
            artifact_service=artifact_service,
            memory_service=InMemoryMemoryService(),
            credential_service=credential_service,
        )
        assert runner.app_name == "my_app"
        assert isinstance(runner.agent, BaseAgent)
        assert isinstance(runner.session_service, BaseSessionService)
        assert isinstance(runner.artifact_service, BaseArtifactService)
        assert isinstance(runner.memory_service, BaseMemoryService)
        assert isinstance(runner.credential_service, BaseCredentialService)
        assert isinstance(runner.plugin_manager, PluginManager)
        assert isinstance(runner.context_cache_config, ContextCacheConfig)
        assert isinstance(runner.resumability_config, ResumabilityConfig)
        runner.close()

    def test_optional_ones_may_be_missing(self, my_agent, session_service):
        runner = Runner(app_name="my_app", agent=my_agent, session_service=session_service)
        assert runner.artifact_service is None
        assert runner.memory_service is None
        assert runner.credential_service is None
        assert runner.context_cache_config is None
        assert runner.resumability_config is None
        runner.close()


class TestRun:
    def test_sample(self, my_agent, capsys):
        runner = InMemoryRunner(agent=my_agent, app_name="my_app")
        for event in runner.run(user_id="user1", session_id="session1", new_message=hello()):
            print(event.content)
        assert "Answer 1: Hello" in capsys.readouterr().out
        runner.close()


class TestRunAsync:
    async def test_sample(self, runner, capsys):
        async for event in runner.run_async(
            user_id="user1",
            session_id="session1",
            new_message=hello(),
            run_config=RunConfig(custom_metadata={"trace": "t1"}),
        ):
            # Process events
            if event.content:
                print(event.content)
            assert event.custom_metadata == {"trace": "t1"}
        assert "Answer 1: Hello" in capsys.readouterr().out

    async def test_every_parameter(self, runner, texts):
        stream = runner.run_async(
            user_id="user1",
            session_id="session1",
            invocation_id=None,
            new_message=hello(),
            state_delta={"mood": "good", "user:name": "Ada"},
            run_config=RunConfig(),
        )
        assert texts([event async for event in stream]) == ["Answer 1: Hello"]
        session = await runner.session_service.get_session(app_name="my_app", user_id="user1", session_id="session1")
        assert session.state == {"mood": "good", "user:name": "Ada"}

    async def test_an_interrupted_invocation_goes_on_by_its_id(self, runner, offline, texts):
        offline.answer = offline.never
        run = runner.start(user_id="user1", session_id="session1", new_message=hello())
        await offline.asked.wait()
        run.cancel()
        await run.ended()
        session = await runner.session_service.get_session(app_name="my_app", user_id="user1", session_id="session1")
        interrupted = session.events[0].invocation_id

        offline.answer = offline.echo
        stream = runner.run_async(user_id="user1", session_id="session1", invocation_id=interrupted)
        events = [event async for event in stream]
        assert texts(events)[-1].startswith("Answer 1: Hello")
        assert {event.invocation_id for event in events} == {interrupted}


class TestRunDebug:
    async def test_sample(self, runner, texts, capsys):
        events = await runner.run_debug("What is 2+2?", user_id="test_user", session_id="test_session")
        assert texts(events) == ["Answer 1: What is 2+2?"]
        assert capsys.readouterr().out == "user > What is 2+2?\nmy_agent > Answer 1: What is 2+2?\n"

    async def test_multiple_messages(self, runner, texts):
        events = await runner.run_debug(["Hello!", "What is my name?"], session_id="test_session")
        assert texts(events) == ["Answer 1: Hello!", "Answer 2: What is my name?"]

    async def test_the_session_goes_on_with_the_next_call(self, runner, texts):
        await runner.run_debug("Hello!", quiet=True)
        assert texts(await runner.run_debug("And?", quiet=True)) == ["Answer 2: And?"]

    async def test_quiet_prints_nothing_and_verbose_prints_tool_calls(self, offline, capsys):
        def add(a: int, b: int) -> int:
            """Adds."""
            return a + b

        replies = [types.FunctionCall(name="add", args={"a": 2, "b": 2}), "It is 4."]
        offline.answer = lambda request: replies[(len(offline.requests) - 1) % 2]
        agent = Agent(name="my_agent", model="gemini-2.0-flash", tools=[add])
        async with InMemoryRunner(agent) as runner:
            await runner.run_debug("What is 2+2?", quiet=True)
            assert capsys.readouterr().out == ""
            await runner.run_debug("What is 2+2?")
            assert capsys.readouterr().out == "user > What is 2+2?\nmy_agent > It is 4.\n"
            await runner.run_debug("What is 2+2?", verbose=True)
            said = capsys.readouterr().out
            assert 'my_agent > calls add({"a":2,"b":2})' in said
            assert 'add answered {"result":4}' in said


class TestRunLive:
    async def test_sample(self, session_service):
        sound = types.Blob(data=b"\0\1", mime_type="audio/pcm")
        agent = Agent(name="my_agent", model=ScriptedLiveModel([[sound, sound]]))
        runner = Runner(app_name="my_app", agent=agent, session_service=session_service, auto_create_session=True)

        queue = LiveRequestQueue()
        queue.send_realtime(sound)
        queue.send_audio_stream_end()

        heard = []
        async for event in runner.run_live(
            user_id="user1",
            session_id="session1",
            live_request_queue=queue,
        ):
            # Handle audio events
            heard += [part.inline_data for part in event.content.parts] if event.content else []
            if event.turn_complete:
                queue.close()

        assert heard == [sound, sound]
        await runner.close()


class TestExecutionFlow:
    async def test_the_seven_steps(self, my_agent, session_service):
        plugin = Watching(session_service)
        app = App(name="my_app", root_agent=my_agent, plugins=[plugin])
        runner = Runner(app=app, session_service=session_service, auto_create_session=True)

        events = runner.run_async(user_id="user1", session_id="session1", new_message=hello())
        first = await anext(events)

        # What was yielded is stored, and the end has not come yet.
        assert first.content.parts[0].text == "Answer 1: Hello"
        assert [what for what, _ in plugin.seen] == ["message", "before run", "agent", "event"]
        session = await session_service.get_session(app_name="my_app", user_id="user1", session_id="session1")
        assert [event.id for event in session.events][1:] == [first.id]

        assert [event async for event in events] == []
        assert plugin.seen == [
            ("message", 0),  # the session is loaded or made
            ("before run", 1),  # the message is stored
            ("agent", 1),
            ("event", 1),  # a hook may still replace the event
            ("after run", 2),
        ]
        await runner.close()

    @pytest.mark.parametrize("form", ["plain", "async", "run"])
    def test_who_leaves_early_ends_the_run(self, form, my_agent, session_service, texts):
        plugin = Watching(session_service)
        config = RunnerConfig(event_buffer_size=1)
        agents = [my_agent, *(my_agent.clone({"name": name}) for name in ("second", "third", "fourth"))]
        runner = Runner(
            "my_app",
            SequentialAgent(name="all", sub_agents=agents),
            session_service,
            plugins=[plugin],
            config=config,
            auto_create_session=True,
        )
        named = {"user_id": "user1", "session_id": "session1", "new_message": hello()}

        async def leave():
            stream = runner.run(**named) if form == "run" else runner.run_async(**named)
            async with aclosing(aiter(stream)) as events:
                assert await anext(events)
            if form == "run":
                await stream.ended()

        if form == "plain":
            for _ in runner.run(**named):
                break
        else:
            asyncio.run(leave())

        session = asyncio.run(session_service.get_session(app_name="my_app", user_id="user1", session_id="session1"))
        assert 2 <= len(session.events) < 5
        assert [event.error_message for event in session.events if event.error_message] == []
        assert [what for what, _ in plugin.seen].count("after run") == 1
        assert plugin.seen[-1] == ("after run", len(session.events))
        runner.close()

    async def test_before_run_may_end_the_run(self, my_agent, session_service, offline, texts):
        class Closed(BasePlugin):
            async def before_run_callback(self, *, invocation_context):
                return types.Content(role="model", parts=[types.Part(text="closed today")])

        runner = Runner("my_app", my_agent, session_service, plugins=[Closed("closed")], auto_create_session=True)
        assert texts(await runner.run("user1", "session1", "Hello")) == ["closed today"]
        assert offline.requests == []
        await runner.close()

    async def test_on_event_may_replace_an_event(self, my_agent, session_service, texts):
        class Stamping(BasePlugin):
            async def on_event_callback(self, *, invocation_context, event):
                return event.model_copy(update={"content": types.ModelContent("stamped")})

        runner = Runner("my_app", my_agent, session_service, plugins=[Stamping("stamping")], auto_create_session=True)
        assert texts(await runner.run("user1", "session1", "Hello")) == ["stamped"]
        session = await session_service.get_session(app_name="my_app", user_id="user1", session_id="session1")
        assert texts(session.events) == ["Hello", "stamped"]
        await runner.close()


class TestSessions:
    def test_what_a_session_holds(self):
        session = Session(id="session1", app_name="my_app", user_id="user1")
        assert (session.id, session.app_name, session.user_id) == ("session1", "my_app", "user1")
        assert (session.state, session.events, session.last_update_time) == ({}, [], 0.0)

    async def test_management(self, session_service):
        # Create
        session = await session_service.create_session(app_name="my_app", user_id="user1", session_id="session1")
        created = session.last_update_time

        # Get
        session = await session_service.get_session(app_name="my_app", user_id="user1", session_id="session1")

        event = Event(
            author="my_agent",
            content=types.ModelContent("Hi"),
            actions=EventActions(state_delta={"greeted": True}),
        )

        # Append event
        await session_service.append_event(session, event)

        assert session.state == {"greeted": True}
        again = await session_service.get_session(app_name="my_app", user_id="user1", session_id="session1")
        assert [one.id for one in again.events] == [event.id]
        assert again.state == {"greeted": True}
        assert again.last_update_time >= created
        assert await session_service.get_session(app_name="my_app", user_id="user2", session_id="session1") is None


class TestInMemoryRunner:
    def test_it_makes_all_services_in_memory(self, my_agent):
        runner = InMemoryRunner(agent=my_agent)
        assert isinstance(runner.session_service, InMemorySessionService)
        assert isinstance(runner.artifact_service, InMemoryArtifactService)
        assert isinstance(runner.memory_service, InMemoryMemoryService)
        runner.close()

    async def test_every_argument(self, my_agent, texts):
        plugin = Watching(None)
        plugins: list[BasePlugin] = [BasePlugin("idle")]
        by_agent = InMemoryRunner(agent=my_agent, app_name="my_app", plugins=plugins)
        assert by_agent.app_name == "my_app"
        by_app = InMemoryRunner(app=App(name="its_own", root_agent=my_agent, plugins=[plugin]))
        plugin.service = by_app.session_service
        assert by_app.app_name == "its_own"
        assert texts(await by_agent.run("user1", "session1", "Hello")) == ["Answer 1: Hello"]
        assert texts(await by_app.run("user1", "session1", "Hello")) == ["Answer 1: Hello"]
        assert plugin.seen[-1] == ("after run", 2)
        await by_agent.close()
        await by_app.close()


class TestServices:
    async def test_session_service_in_memory(self):
        session_service = InMemorySessionService()
        assert (await session_service.create_session(app_name="my_app", user_id="user1")).id

    async def test_session_service_in_a_database(self, my_agent, tmp_path, texts):
        session_service = runwright.DatabaseSessionService(connection_string=f"sqlite:///{tmp_path}/sessions.db")

        runner = Runner("my_app", my_agent, session_service, auto_create_session=True)
        await runner.run("user1", "session1", "Hello")
        assert texts(await runner.run("user1", "session1", "Again")) == ["Answer 2: Again"]
        await runner.close()
        await session_service.close()

    async def test_artifact_service(self):
        artifact_service = InMemoryArtifactService()

        # Save
        await artifact_service.save_artifact(
            app_name="my_app",
            user_id="user1",
            session_id="session1",
            filename="output.txt",
            artifact=types.Part(text="the output"),
        )

        # Get
        artifact = await artifact_service.get_artifact(
            app_name="my_app", user_id="user1", session_id="session1", filename="output.txt"
        )

        assert artifact is not None
        assert artifact.text == "the output"

    async def test_credential_service(self, my_agent):
        credential_service = InMemoryCredentialService()

        config = AuthConfig(auth_scheme={"type": "apiKey", "in": "header", "name": "X-Key"}, credential_key="key")
        seen: list[Any] = []

        async def use(callback_context):
            config.exchanged_auth_credential = AuthCredential(auth_type="apiKey", api_key="secret")
            await callback_context.save_credential(config)
            seen.append(await callback_context.load_credential(config))

        my_agent.before_agent_callback = use
        runner = Runner("my_app", my_agent, credential_service=credential_service)
        await runner.run("user1", "session1", "Hello")
        assert seen[0].api_key == "secret"
        await runner.close()


class TestRunConfig:
    async def test_sample(self, runner, texts):
        run_config = RunConfig(
            support_cfc=True,
            response_modalities=["TEXT"],
            save_input_blobs_as_artifacts=False,
        )

        events = await runner.run_async(
            user_id="user1", session_id="session1", new_message=hello(), run_config=run_config
        )

        assert texts(events) == ["Answer 1: Hello"]

    async def test_what_is_awaited_is_the_whole_events(self, runner, offline, texts):
        offline.answer = lambda request: stream("to", "gether")
        run_config = RunConfig(streaming_mode=StreamingMode.SSE)
        events = await runner.run_async(
            user_id="user1", session_id="session1", new_message=hello(), run_config=run_config
        )
        assert texts(events) == ["together"]


class TestContextManagement:
    async def test_sample(self, my_agent, texts):
        runner = InMemoryRunner(agent=my_agent, app_name="my_app")
        said = []

        # Async context manager
        async with runner:
            # Run agents
            async for event in runner.run_async(user_id="user1", session_id="session1", new_message=hello()):
                said.append(event)
        # Automatically calls runner.close()

        assert texts(said) == ["Answer 1: Hello"]
        with pytest.raises(RunnerClosedError):
            runner.run_async(user_id="user1", session_id="session1", new_message=hello())

    async def test_it_closes_after_an_error_too(self, my_agent):
        runner = InMemoryRunner(agent=my_agent)
        with pytest.raises(KeyError):
            async with runner:
                raise KeyError("mine")
        with pytest.raises(RunnerClosedError):
            runner.run("user1", "session1", "Hello")
