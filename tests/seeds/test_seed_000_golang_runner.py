# SPDX-License-Identifier: Apache-2.0
"""Seed 000, the Go runner: each of its samples in Python, and what it claims of the runner."""

# ruff: noqa: T201 - the samples print

import asyncio
import logging
import threading
from contextlib import aclosing

import pytest

from runwright import (
    Agent,
    App,
    BaseAgent,
    DatabaseSessionService,
    Event,
    EventActions,
    FileArtifactService,
    FileSessionService,
    HashingEmbedder,
    InMemoryArtifactService,
    InMemoryCredentialService,
    InMemoryMemoryService,
    InMemoryRunner,
    InMemorySessionService,
    ObjectStoreArtifactService,
    RunConfig,
    Runner,
    RunnerConfig,
    RunRequest,
    SequentialAgent,
    SqliteMemoryService,
    StreamingMode,
    types,
)
from runwright.errors import DeadlineExceededError, RunCancelledError, RunnerClosedError, SessionNotFoundError
from runwright.testing import stream


class MyAgent(BaseAgent):
    """The sample's own agent: it says what was said to it."""

    async def _run_async_impl(self, ctx):
        yield Event(author=self.name, content=types.ModelContent(f"{heard(ctx)}, too!"))


class Counting(BaseAgent):
    """Says 1, 2, 3, ... and notes how far it came."""

    count: int = 10
    made: int = 0

    async def _run_async_impl(self, ctx):
        for number in range(1, self.count + 1):
            self.made = number
            yield Event(author=self.name, invocation_id=ctx.invocation_id, content=types.ModelContent(str(number)))


class Gated(BaseAgent):
    """Waits at a gate, and notes which sessions are inside."""

    def __init__(self, **values):
        super().__init__(**values)
        self.inside, self.most = set(), 0
        self.arrived, self.gate = asyncio.Queue(), asyncio.Event()

    async def _run_async_impl(self, ctx):
        self.inside.add(ctx.session.id)
        self.most = max(self.most, len(self.inside))
        self.arrived.put_nowait(ctx.session.id)
        await self.gate.wait()
        self.inside.remove(ctx.session.id)
        yield Event(author=self.name, invocation_id=ctx.invocation_id, content=types.ModelContent("through"))


def heard(ctx):
    return ctx.user_content.parts[0].text.rstrip("!")


def request_of(text="Hello!", session_id="session456", **more):
    return RunRequest(
        user_id="user123",
        session_id=session_id,
        new_message=types.Content(role="user", parts=[types.Part(text=text)]),
        **more,
    )


async def stored(runner, session_id="session456"):
    return await runner.session_service.get_session(app_name=runner.app_name, user_id="user123", session_id=session_id)


def acting(**actions):
    """The agent of the sample "Event Processing", whose event does ``actions``."""

    class Acting(BaseAgent):
        async def _run_async_impl(self, ctx):
            yield Event(author="my_agent", actions=EventActions(**actions))

    return Acting


class TestBasicUsage:
    def test_sample(self, capsys):
        session_service = InMemorySessionService()

        agent = MyAgent(name="my_agent")

        runner = Runner("my-app", agent, session_service, auto_create_session=True)

        req = RunRequest(
            user_id="user123",
            session_id="session456",
            new_message=types.Content(role="user", parts=[types.Part(text="Hello!")]),
        )

        for event in runner.run(req):
            print(f"Event from {event.author}: {event.content}")

        runner.close()
        assert "Event from my_agent:" in (out := capsys.readouterr().out)
        assert "Hello, too!" in out

    async def test_asynchronously(self, texts):
        runner = Runner("my-app", MyAgent(name="my_agent"), InMemorySessionService(), auto_create_session=True)
        assert texts([event async for event in runner.run_async(request_of())]) == ["Hello, too!"]
        await runner.close()


class TestAdvancedConfiguration:
    def test_defaults_are_those_of_the_table(self):
        config = RunnerConfig()
        assert config.event_buffer_size == 100
        assert config.enable_event_processing is True
        assert config.max_concurrent_sessions == 0
        # The one that differs: a run ends after so many seconds only where its owner says so.
        assert config.default_timeout is None

    async def test_sample(self):
        session_service = InMemorySessionService()
        artifact_service = InMemoryArtifactService()
        memory_service = InMemoryMemoryService()
        credential_service = InMemoryCredentialService()

        async def save(callback_context):
            await callback_context.save_artifact("note.txt", types.Part(text="kept"))

        agent = MyAgent(name="my_agent", before_agent_callback=save)

        config = RunnerConfig(
            event_buffer_size=100,
            enable_event_processing=True,
            max_concurrent_sessions=50,
            default_timeout=30,
        )

        runner = Runner("my-app", agent, session_service, config=config, auto_create_session=True)

        runner.artifact_service = artifact_service
        runner.memory_service = memory_service
        runner.credential_service = credential_service

        await runner.run(request_of("I like tea"))
        await runner.close_session(await stored(runner))

        named = {"app_name": "my-app", "user_id": "user123"}
        kept = await artifact_service.load_artifact(**named, session_id="session456", filename="note.txt")
        assert kept.text == "kept"
        found = await memory_service.search_memory(**named, query="tea")
        assert found.memories[0].content.parts[0].text == "I like tea"
        assert runner.config == config
        await runner.close()

    async def test_a_session_service_set_afterwards_is_the_one_that_is_used(self, texts):
        runner = InMemoryRunner(MyAgent(name="my_agent"))
        await runner.run(request_of("One"))
        runner.session_service = InMemorySessionService()
        await runner.run(request_of("Two"))
        assert texts((await stored(runner)).events) == ["Two", "Two, too!"]
        await runner.close()

    @pytest.mark.parametrize(
        "wrong", [{"event_buffer_size": 0}, {"max_concurrent_sessions": -1}, {"default_timeout": 0}]
    )
    def test_a_wrong_option_is_named(self, wrong):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            RunnerConfig(**wrong)


class TestEventProcessing:
    async def test_sample(self, texts):
        Acting = acting(
            state_delta={"counter": 42, "status": "completed"},
            artifact_delta={"result.json": 1},
            transfer_to_agent="other_agent",
        )
        other = Agent(name="other_agent", model="gemini-2.0-flash", instruction="You are {status}: {counter}.")
        runner = InMemoryRunner(Acting(name="my_agent", sub_agents=[other]))

        events = await runner.run(request_of())

        session = await stored(runner)
        assert session.state == {"counter": 42, "status": "completed"}
        assert session.events[1].actions.artifact_delta == {"result.json": 1}
        assert events[0].invocation_id
        assert {event.invocation_id for event in session.events} == {events[0].invocation_id}
        assert [event.author for event in events] == ["my_agent", "other_agent"]
        assert texts(events) == ["Answer 1: Hello!"]
        await runner.close()

    async def test_what_was_passed_on_sees_the_state(self, offline):
        Acting = acting(state_delta={"status": "completed"}, transfer_to_agent="other_agent")
        other = Agent(name="other_agent", model="gemini-2.0-flash", instruction="It is {status}.")
        runner = InMemoryRunner(Acting(name="my_agent", sub_agents=[other]))
        await runner.run(request_of())
        assert "It is completed." in offline.requests[0].config.system_instruction
        await runner.close()

    async def test_a_transfer_to_nobody_says_so(self):
        runner = InMemoryRunner(acting(transfer_to_agent="nobody")(name="my_agent"))
        with pytest.raises(ValueError, match="nobody"):
            await runner.run(request_of())
        await runner.close()

    async def test_it_can_be_turned_off(self):
        Acting = acting(state_delta={"counter": 42}, artifact_delta={"result.json": 1})
        config = RunnerConfig(enable_event_processing=False)
        runner = InMemoryRunner(Acting(name="my_agent"), config=config)

        (event,) = await runner.run(request_of())

        assert event.actions.state_delta == {"counter": 42}
        assert event.actions.artifact_delta == {"result.json": 1}
        session = await stored(runner)
        assert session.state == {}
        assert [event.author for event in session.events] == ["user", "my_agent"]
        await runner.close()

    async def test_memory_service_integration(self):
        runner = InMemoryRunner(MyAgent(name="my_agent"), config=RunnerConfig(save_to_memory=True))
        await runner.run(request_of("I like tea"))
        found = await runner.memory_service.search_memory(app_name=runner.app_name, user_id="user123", query="tea")
        assert len(found.memories) == 2
        await runner.close()


class TestSynchronousExecution:
    def test_sample(self, capsys):
        runner = InMemoryRunner(Counting(name="counting", count=3))

        events = runner.run(request_of()).wait()

        print(f"Received {len(events)} events")
        assert [event.content.parts[0].text for event in events] == ["1", "2", "3"]
        assert capsys.readouterr().out == "Received 3 events\n"
        runner.close()

    def test_as_a_list(self, texts):
        with InMemoryRunner(Counting(name="counting", count=3)) as runner:
            assert texts(list(runner.run(request_of()))) == ["1", "2", "3"]


class TestEventStreamingPattern:
    async def test_python_sample(self, capsys):
        runner = InMemoryRunner(Agent(name="assistant", model="gemini-2.0-flash"))

        async def run_async(user_id: str, session_id: str, message: str):
            async for event in runner.run_async(user_id=user_id, session_id=session_id, new_message=message):
                print(f"Event: {event.content}")
                yield event

        events = [event async for event in run_async("user123", "session456", "Hello!")]

        assert len(events) == 1
        assert "Answer 1: Hello!" in capsys.readouterr().out
        await runner.close()

    def test_go_sample(self, capsys):
        runner = InMemoryRunner(Agent(name="assistant", model="gemini-2.0-flash"))

        def run_async(user_id, session_id, message):
            return runner.start(user_id=user_id, session_id=session_id, new_message=message)

        for event in run_async("user123", "session456", "Hello!"):
            print(f"Event: {event.content}")

        assert "Answer 1: Hello!" in capsys.readouterr().out
        runner.close()

    async def test_an_event_comes_when_it_is_made(self):
        agent = Counting(name="counting", count=3)
        runner = InMemoryRunner(agent)
        async for event in runner.run_async(request_of()):
            assert event.content.parts[0].text == str(agent.made)
        await runner.close()

    async def test_the_agent_is_never_further_ahead_than_the_buffer(self, texts):
        agent = Counting(name="counting", count=50)
        runner = InMemoryRunner(agent, config=RunnerConfig(event_buffer_size=4))
        run = runner.start(request_of())

        read = []
        async for event in run:
            read.append(event)
            for _ in range(20):  # the agent may go on as far as it can
                await asyncio.sleep(0)
            assert agent.made - len(read) <= 5
        assert texts(read) == [str(number) for number in range(1, 51)]
        await runner.close()

    def test_the_same_in_plain_code(self):
        agent = Counting(name="counting", count=1000)
        runner = InMemoryRunner(agent, config=RunnerConfig(event_buffer_size=2))
        for event in runner.run(request_of()):
            assert agent.made - int(event.content.parts[0].text) <= 4
        assert agent.made == 1000
        runner.close()

    def test_who_leaves_in_plain_code_stops_the_run(self, texts):
        agent = Counting(name="counting", count=1000)
        runner = InMemoryRunner(agent, config=RunnerConfig(event_buffer_size=2))
        for _ in runner.run(request_of()):
            break
        assert agent.made < 10
        said = texts(asyncio.run(stored(runner)).events)
        assert said[:2] == ["Hello!", "1"]
        assert len(said) == agent.made + 1
        runner.close()

    async def test_who_leaves_a_started_run_does_not_stop_it(self, texts):
        runner = InMemoryRunner(Counting(name="counting", count=1000), config=RunnerConfig(event_buffer_size=2))
        run = runner.start(request_of())
        async for _ in run:
            break
        assert len(await run) == 1000
        await runner.close()

    def test_plain_code_gets_every_chunk(self, offline, texts):
        offline.answer = lambda request: stream(*"abcdefgh")
        agent = Agent(name="assistant", model="gemini-2.0-flash")
        runner = InMemoryRunner(agent, run_config=RunConfig(streaming_mode=StreamingMode.SSE))
        for _ in range(5):
            assert texts(runner.run(request_of())) == [*"abcdefgh", "abcdefgh"]
        runner.close()

    async def test_several_may_follow_one_run(self, texts):
        runner = InMemoryRunner(Counting(name="counting", count=5))
        run = runner.start(request_of())

        async def follow():
            return texts([event async for event in run])

        assert await asyncio.gather(follow(), follow()) == [["1", "2", "3", "4", "5"]] * 2
        await runner.close()


class TestSessionManagement:
    async def test_automatic_creation_and_retrieval(self, texts):
        service = InMemorySessionService()
        runner = Runner("my-app", Agent(name="assistant", model="gemini-2.0-flash"), service, auto_create_session=True)
        await runner.run(request_of("first"))
        assert texts(await runner.run(request_of("second"))) == ["Answer 2: second"]
        assert texts((await stored(runner)).events) == ["first", "Answer 1: first", "second", "Answer 2: second"]
        await runner.close()

    async def test_state_lasts_from_run_to_run(self):
        def count(callback_context):
            callback_context.state["turns"] = callback_context.state.get("turns", 0) + 1

        runner = InMemoryRunner(MyAgent(name="my_agent", before_agent_callback=count))
        for _ in range(3):
            await runner.run(request_of())
        assert (await stored(runner)).state == {"turns": 3}
        await runner.close()


class TestErrorHandling:
    async def test_sample(self, caplog):
        class Failing(BaseAgent):
            async def _run_async_impl(self, ctx):
                yield Event(author=self.name, invocation_id=ctx.invocation_id, content=types.ModelContent("so far"))
                raise OSError("the disk is full")

        runner = InMemoryRunner(Failing(name="failing"))
        log = logging.getLogger("sample")

        with pytest.raises(OSError, match="the disk is full"):
            async for event in runner.run_async(request_of()):
                if event.error_message is not None:
                    log.error("Agent error: %s", event.error_message)

        assert caplog.messages == ["Agent error: the disk is full"]
        session = await stored(runner)
        assert session.events[-1].error_message == "the disk is full"
        await runner.close()

    def test_immediate_errors_come_before_there_is_a_stream(self):
        runner = InMemoryRunner(MyAgent(name="my_agent"))
        with pytest.raises(ValueError, match="message is empty"):
            runner.run(request_of(""))
        with pytest.raises(ValueError, match="needs a session_id"):
            runner.run(user_id="user123", new_message="Hello!")
        runner.close()
        with pytest.raises(RunnerClosedError, match="closed"):
            runner.run(request_of())

    async def test_a_session_that_does_not_exist(self):
        runner = Runner("my-app", MyAgent(name="my_agent"), InMemorySessionService())
        with pytest.raises(SessionNotFoundError, match=r"session456.*auto_create_session"):
            await runner.run(request_of())
        await runner.close()

    async def test_the_session_goes_on_after_an_error(self, offline, texts):
        def fail(request):
            raise OSError("no network")

        runner = InMemoryRunner(Agent(name="assistant", model="gemini-2.0-flash"))
        offline.answer = fail
        with pytest.raises(OSError, match="no network"):
            await runner.run(request_of("first"))
        offline.answer = offline.echo
        assert texts(await runner.run(request_of("second")))[0].endswith(": second")
        await runner.close()


class TestAgentLifecycleCallbacks:
    async def test_sample(self, caplog):
        caplog.set_level(logging.INFO, logger="lifecycle")
        log = logging.getLogger("lifecycle")
        agent = Counting(name="counting", count=3)

        def before(callback_context):
            log.info("Starting agent execution for session %s", callback_context.session.id)

        def after(callback_context, events):
            log.info("Agent execution completed with %d events", len(events))

        agent.before_agent_callback = before
        agent.after_agent_callback = after

        runner = InMemoryRunner(agent)
        await runner.run(request_of())

        assert caplog.messages == [
            "Starting agent execution for session session456",
            "Agent execution completed with 3 events",
        ]
        await runner.close()

    async def test_they_may_have_names_of_their_own_and_be_async(self):
        agent, seen = Counting(name="counting", count=2), []
        runner = InMemoryRunner(agent)

        async def after(context, made):
            seen.extend(event.content.parts[0].text for event in made)

        agent.after_agent_callback = after
        await runner.run(request_of())
        assert seen == ["1", "2"]
        await runner.close()

    async def test_one_that_takes_no_events_works_too(self):
        agent, seen = Counting(name="counting", count=2), []
        agent.after_agent_callback = lambda callback_context: seen.append(callback_context.agent_name)
        runner = InMemoryRunner(agent)
        await runner.run(request_of())
        assert seen == ["counting"]
        await runner.close()

    async def test_the_events_of_a_parent_are_those_of_its_children(self, texts):
        seen = []
        parent = SequentialAgent(
            name="parent", sub_agents=[Counting(name="one", count=1), Counting(name="two", count=2)]
        )
        parent.after_agent_callback = lambda callback_context, events: seen.extend(texts(events))
        runner = InMemoryRunner(parent)
        await runner.run(request_of())
        assert seen == ["1", "1", "2"]
        await runner.close()

    async def test_an_error_in_one_ends_the_run(self):
        def refuse(callback_context):
            raise PermissionError("not today")

        agent = MyAgent(name="my_agent")
        agent.before_agent_callback = refuse
        runner = InMemoryRunner(agent)
        with pytest.raises(PermissionError, match="not today"):
            await runner.run(request_of())
        assert (await stored(runner)).events[-1].error_message == "not today"
        await runner.close()


class TestCancellation:
    async def test_of_a_run(self, offline):
        offline.answer = offline.never
        runner = InMemoryRunner(Agent(name="assistant", model="gemini-2.0-flash"))
        run = runner.start(request_of())
        await offline.asked.wait()
        assert run.cancel("the user went away")
        with pytest.raises(RunCancelledError, match="the user went away"):
            await run
        assert run.status == "cancelled"
        assert (await stored(runner)).events[-1].error_message == "the user went away"
        await runner.close()

    async def test_of_the_callers_task(self, offline):
        offline.answer = offline.never
        runner = InMemoryRunner(Agent(name="assistant", model="gemini-2.0-flash"))

        async def consume():
            async with aclosing(runner.run_async(request_of())) as events:
                async for _ in events:
                    pass

        task = asyncio.create_task(consume())
        await offline.asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        offline.answer = offline.echo
        assert await runner.run_simple("user123", "session456", "again")
        await runner.close()

    async def test_by_a_signal(self, offline):
        """What Go hands on as a context."""
        offline.answer = offline.never
        runner, stop = InMemoryRunner(Agent(name="assistant", model="gemini-2.0-flash")), asyncio.Event()
        run = runner.start(request_of(abort_signal=stop))
        await offline.asked.wait()
        stop.set()
        with pytest.raises(RunCancelledError):
            await run
        await runner.close()


class TestConcurrentExecution:
    async def test_max_concurrent_sessions_is_a_real_limit(self, texts):
        agent = Gated(name="gated")
        runner = InMemoryRunner(agent, config=RunnerConfig(max_concurrent_sessions=2))
        runs = [runner.start(request_of(session_id=f"s{number}")) for number in range(5)]
        first = {await agent.arrived.get(), await agent.arrived.get()}
        for _ in range(50):
            await asyncio.sleep(0)
        assert agent.inside == first
        agent.gate.set()
        for run in runs:
            assert texts(await run) == ["through"]
        assert agent.most == 2
        await runner.close()

    async def test_zero_is_no_limit(self):
        agent = Gated(name="gated")
        runner = InMemoryRunner(agent)
        runs = [runner.start(request_of(session_id=f"s{number}")) for number in range(20)]
        for _ in runs:
            await agent.arrived.get()
        assert len(agent.inside) == 20
        agent.gate.set()
        for run in runs:
            await run
        await runner.close()

    async def test_fifty_messages_to_one_session_are_fifty_whole_turns(self, texts):
        runner = InMemoryRunner(MyAgent(name="my_agent"))
        await asyncio.gather(*(runner.run(request_of(f"m{number}")) for number in range(50)))
        said = texts((await stored(runner)).events)
        assert len(said) == 100
        assert [f"{message}, too!" for message in said[::2]] == said[1::2]
        assert set(said[::2]) == {f"m{number}" for number in range(50)}
        await runner.close()

    def test_threads_share_a_runner(self, texts):
        runner = InMemoryRunner(MyAgent(name="my_agent"))
        answers = {}

        def ask(number):
            answers[number] = texts(runner.run(request_of(f"m{number}", session_id=f"s{number % 3}")))

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert answers == {number: [f"m{number}, too!"] for number in range(12)}
        runner.close()


class TestDefaultTimeout:
    async def test_it_ends_a_run(self, offline):
        offline.answer = offline.never
        runner = InMemoryRunner(
            Agent(name="assistant", model="gemini-2.0-flash"), config=RunnerConfig(default_timeout=0.05)
        )
        with pytest.raises(TimeoutError, match=r"0\.05 seconds"):
            await runner.run(request_of())
        assert (await stored(runner)).events[-1].error_code == DeadlineExceededError.__name__
        await runner.close()

    async def test_a_timeout_of_the_runs_own_takes_its_place(self, texts):
        runner = InMemoryRunner(Gated(name="gated"), config=RunnerConfig(default_timeout=3600))
        with pytest.raises(TimeoutError, match=r"0\.05 seconds"):
            await runner.run(request_of(timeout=0.05))
        await runner.close()


class TestIntegration:
    """Integration with ADK components: what of it belongs to this place."""

    async def test_an_app_holds_the_agent(self, texts):
        runner = Runner(app=App(name="my-app", root_agent=MyAgent(name="my_agent")))
        assert texts(await runner.run(request_of(run_config=RunConfig(max_llm_calls=1)))) == ["Hello, too!"]
        await runner.close()

    @pytest.mark.parametrize("kind", ["files", "database"])
    async def test_file_based_and_database_sessions(self, kind, tmp_path, texts):
        def service():
            if kind == "files":
                return FileSessionService(tmp_path / "sessions")
            return DatabaseSessionService(f"sqlite:///{tmp_path}/sessions.db")

        for held in (2, 4):  # a new service each time, as in a new process
            sessions = service()
            runner = Runner("my-app", MyAgent(name="my_agent"), sessions, auto_create_session=True)
            assert texts(await runner.run(request_of())) == ["Hello, too!"]
            assert len((await stored(runner)).events) == held
            await runner.close()
            await sessions.close()

    @pytest.mark.parametrize("kind", ["files", "cloud storage"])
    async def test_artifacts_in_files_and_in_cloud_storage(self, kind, tmp_path):
        artifacts = FileArtifactService(tmp_path) if kind == "files" else ObjectStoreArtifactService("memory://")
        place = {"app_name": "my-app", "user_id": "user", "session_id": "session", "filename": "report.txt"}
        assert await artifacts.save_artifact(**place, artifact=types.Part(text="all is well")) == 0
        loaded = await artifacts.load_artifact(**place)
        assert loaded is not None
        assert loaded.text == "all is well"
        await artifacts.close()

    async def test_memory_in_a_vector_database(self, tmp_path):
        memory = SqliteMemoryService(tmp_path / "memory.db", embedder=HashingEmbedder())
        runner = Runner(app=App(name="my-app", root_agent=MyAgent(name="my_agent")), memory_service=memory)
        await runner.run(request_of("The giraffe lives in Kenya"))
        session = await stored(runner)
        await runner.close_session(session)
        found = await memory.search_memory(app_name="my-app", user_id=session.user_id, query="where giraffes live")
        assert "giraffe" in found.memories[0].content.parts[0].text
        await runner.close()
        await memory.close()
