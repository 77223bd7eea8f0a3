# SPDX-License-Identifier: Apache-2.0
"""Runner: takes a message, runs the agents on it in its session, streams and keeps what happens."""

import asyncio
import sys
import threading
import weakref
from collections.abc import Awaitable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, Unpack, cast, overload

from runwright import live
from runwright.admission import Admission
from runwright.agent import BaseAgent
from runwright.app import App, check_app_name
from runwright.artifact import BaseArtifactService
from runwright.artifacts.in_memory import InMemoryArtifactService
from runwright.budget import spending_of
from runwright.closing import Done, close_each, models_of, toolsets_of
from runwright.config import RunConfig, RunnerConfig, ToolThreadPoolConfig
from runwright.credential import BaseCredentialService
from runwright.credentials.in_memory import InMemoryCredentialService
from runwright.durable import DurableSessionService, RunRecord
from runwright.errors import ConfigurationError, InputValidationError, RunnerClosedError
from runwright.event import Event
from runwright.held import HeldSessions
from runwright.invocation import InvocationContext
from runwright.memories.in_memory import InMemoryMemoryService
from runwright.memory import BaseMemoryService
from runwright.plugin import BasePlugin, PluginManager
from runwright.portal import Portal, in_event_loop, runs_here
from runwright.request import RunOptions, RunRequest, checked, request_of
from runwright.run import EventStream, Run
from runwright.scope import CancelScope
from runwright.session import BaseSessionService, Session
from runwright.sessions.in_memory import InMemorySessionService
from runwright.transcript import TextChunks, Transcript
from runwright.turn import Turn
from runwright.types import Content, to_content

if TYPE_CHECKING:
    from runwright.live import LiveRequestQueue

TOOLSET_CLOSE_SECONDS = 10.0
MODEL_CLOSE_SECONDS = 10.0


class Runner:
    """Runs agents in sessions.

    Args:
        app_name: The app's name; the agent's where it is missing.
        agent: The agent that answers first; without one, it is given with each run.
        session_service: Where sessions are kept; in this process's memory where it is missing.
        app: An app, in place of ``app_name``, ``agent`` and ``plugins``.
        plugins: Hooks into all runs.
        artifact_service: Where files are kept.
        memory_service: Where memories are kept.
        credential_service: Where credentials are kept.
        config: How all runs are treated.
        run_config: How runs go that are given no :class:`RunConfig` of their own.
        auto_create_session: Whether a session that does not exist is made; by default it is where the runner keeps the
            sessions itself.
        plugin_close_timeout: Seconds that each plugin has to close.

    The services may be replaced afterwards by assignment; runs that have begun keep the ones they began with.

    Raises:
        ConfigurationError: The arguments do not go together.
    """

    def __init__(
        self,
        app_name: str | None = None,
        agent: BaseAgent | None = None,
        session_service: BaseSessionService | None = None,
        *,
        app: App | None = None,
        plugins: list[BasePlugin] | None = None,
        artifact_service: BaseArtifactService | None = None,
        memory_service: BaseMemoryService | None = None,
        credential_service: BaseCredentialService | None = None,
        config: RunnerConfig | None = None,
        run_config: RunConfig | None = None,
        auto_create_session: bool | None = None,
        plugin_close_timeout: float = 5.0,
    ) -> None:
        if isinstance(app_name, BaseAgent):
            raise ConfigurationError("Runner's first argument is the app's name: write Runner(agent=...)")
        if app is not None and (agent is not None or plugins):
            raise ConfigurationError("Give Runner either app= or agent= and plugins=: an app has its own")
        agent = app.root_agent if app is not None else agent
        if agent is not None and not isinstance(agent, BaseAgent):
            raise ConfigurationError(f"{agent!r} is no agent: give Runner an Agent, or another BaseAgent")
        self.app = app
        self.agent = agent
        self.app_name = app_name or (app.name if app is not None else agent.name if agent is not None else "runwright")
        check_app_name(self.app_name)
        self.config = RunnerConfig() if config is None else config
        self.plugin_manager = PluginManager((app.plugins if app is not None else plugins) or ())
        self.context_cache_config = app.context_cache_config if app is not None else None
        self.resumability_config = app.resumability_config if app is not None else None
        self.events_compaction_config = app.events_compaction_config if app is not None else None
        self.auto_create_session = session_service is None if auto_create_session is None else auto_create_session
        self.admission = Admission(self.config.max_concurrent_sessions)
        self.sessions = HeldSessions(self.config.held_sessions)
        self.artifact_service = artifact_service
        self.memory_service = memory_service
        self.credential_service = credential_service
        self.own_credentials = InMemoryCredentialService()
        """Keeps what users give while there is no other service for it: no session ever holds it."""
        self._owned: list[Any] = []
        if session_service is None:
            session_service = InMemorySessionService()
            self._owned.append(session_service)
        self._session_service = session_service
        self._run_config = RunConfig() if run_config is None else run_config
        self._plugin_close_timeout = plugin_close_timeout
        self._portal = Portal(f"runwright {self.app_name}")
        self._executors: dict[int, ThreadPoolExecutor] = {}
        self._lock = threading.Lock()
        self._runs: weakref.WeakSet[Run] = weakref.WeakSet()
        self._guests: dict[int, BaseAgent] = {}
        self._closed = False
        self._closing: asyncio.Task[None] | None = None
        weakref.finalize(self, self._portal.stop)

    @property
    def is_resumable(self) -> bool:
        """Whether an agent that waits for an answer holds up those that run it: ``ResumabilityConfig``."""
        return self.resumability_config is not None and self.resumability_config.is_resumable

    @property
    def run_config(self) -> RunConfig:
        """How runs go that are given no :class:`RunConfig` of their own."""
        return self._run_config

    @property
    def session_service(self) -> BaseSessionService:
        """Where sessions are kept."""
        return self._session_service

    @session_service.setter
    def session_service(self, service: BaseSessionService) -> None:
        self._session_service = service
        self.sessions.clear()

    # --- running

    def run_async(self, *args: Any, **options: Unpack[RunOptions]) -> EventStream:
        """Runs a message, in the caller's own task: the run goes on as the caller asks for events.

        ::

            async for event in runner.run_async(user_id="u", session_id="s", new_message="Hello"): ...

        The keywords are those of :class:`RunRequest`; it takes what :meth:`run` takes. An event is stored before it is
        yielded; partial chunks are not stored. Awaited rather than iterated, it gives the list of the whole events.

        Raises:
            InputValidationError: The message cannot be run; raised before anything is done.
            RunnerClosedError: The runner was closed.
            SessionNotFoundError: There is no such session.
            Exception: What an agent, a model or a tool raised, after the event that says so.
        """
        return EventStream(Turn(self, self._checked(request_of(args, options)), CancelScope()).events())

    def run(self, *args: Any, **options: Unpack[RunOptions]) -> Run:
        """Runs a message and gives its :class:`Run`, which is iterated in plain code or awaited.

        ::

            for event in runner.run(user_id="u", session_id="s", new_message="Hello"): ...
            events = await runner.run("u", "s", "Hello")
            print(runner.run(agent, "Hello", timeout=30))

        With an agent first, it runs at once in plain code, in a session of its own unless one is named, and raises what
        goes wrong, ``TimeoutError`` among it. In every form the keywords are those of :class:`RunRequest`.
        """
        request = self._checked(request_of(args, options))
        run = self._new_run(request, outlives_caller=False)
        if args and isinstance(args[0], BaseAgent) and not in_event_loop():
            run.wait()
        return run

    def start(self, *args: Any, **options: Unpack[RunOptions]) -> Run:
        """Starts a run in a task of its own and gives its handle. It takes what :meth:`run` takes.

        The run goes on when those who follow it leave. In plain code it runs in the runner's thread.
        """
        run = self._new_run(self._checked(request_of(args, options)), outlives_caller=True)
        if in_event_loop():
            run.start()
        else:
            run.start_in_thread()
        return run

    def resume(self, run: RunRecord | None = None, /, **options: Unpack[RunOptions]) -> Run:
        """Goes on with a run that stopped, in this process or another, and gives its :class:`Run`.

        ::

            for stopped in await runner.recover():
                await runner.resume(stopped)

        What the log holds is not done again: neither what models answered, nor calls that a tool has answered. A call
        that was under way goes by its tool's ``on_resume``. A run that had come to its end gives no events; so it does
        no harm to resume one twice.

        Args:
            run: Which one, as :meth:`recover` gave it.
            options: The fields of :class:`RunRequest`: ``user_id``, ``session_id`` and ``invocation_id`` name one too.
                Without an ``invocation_id`` it is the session's newest that has not ended.

        Raises:
            InvocationNotFoundError: There is no such run; raised when the run is iterated or awaited.
        """
        options["resume"] = True
        if run is not None:
            options["user_id"], options["session_id"] = run.user_id, run.session_id
            options["invocation_id"] = run.invocation_id
        return self.run(**options)

    async def recover(self, *, user_id: str | None = None, session_id: str | None = None) -> list[RunRecord]:
        """The app's runs whose process is gone, oldest first in each session: :meth:`resume` goes on with them.

        There are none where the session store keeps no runs, as the one in memory. A writer on another machine is known
        to be gone only after its lease has run out before the eyes of this process: ask again later.
        """
        service = self.session_service
        if not isinstance(service, DurableSessionService):
            return []
        runs = await service.list_runs(
            app_name=self.app_name, user_id=user_id, session_id=session_id, status=("running",)
        )
        return [run for run in runs if run.interrupted]

    async def run_simple(self, *args: Any, **options: Unpack[RunOptions]) -> str:
        """Runs a message and gives the text of all final responses. It takes what :meth:`run` takes."""
        run = self.run(*args, **options)
        await run
        return run.text

    async def run_debug(
        self,
        user_messages: Any,
        *,
        user_id: str = "debug_user_id",
        session_id: str = "debug_session_id",
        run_config: RunConfig | None = None,
        quiet: bool = False,
        verbose: bool = False,
    ) -> list[Event]:
        """Runs one message, or several in turn, in one session, which is made where it is missing; prints what is said.

        Args:
            quiet: Prints nothing.
            verbose: Prints tool calls and their results too.
        """
        transcript = None if quiet else Transcript(sys.stdout, verbose=verbose)
        messages = cast("list[Any]", user_messages) if isinstance(user_messages, list) else [user_messages]
        events: list[Event] = []
        key: dict[str, Any] = {"app_name": self.app_name, "user_id": user_id, "session_id": session_id}
        if await self.session_service.get_session(**key) is None:
            await self.session_service.create_session(**key)
        for message in messages:
            if transcript is not None:
                transcript.show_user(to_content(message))
            request = RunRequest(user_id=user_id, session_id=session_id, new_message=message, run_config=run_config)
            async with aclosing(self.run_async(request)) as stream:
                async for event in stream:
                    events.append(event)
                    if transcript is not None:
                        transcript.show(event)
        return events

    @overload
    def run_live(
        self, session: BaseAgent, /, *, input_text: str, run_config: RunConfig | None = None, **options: Any
    ) -> TextChunks: ...

    @overload
    def run_live(
        self,
        session: Session | None = None,
        live_request_queue: "LiveRequestQueue | None" = None,
        run_config: RunConfig | None = None,
        **options: Any,
    ) -> EventStream: ...

    def run_live(
        self,
        session: Session | BaseAgent | None = None,
        live_request_queue: "LiveRequestQueue | None" = None,
        run_config: RunConfig | None = None,
        *,
        input_text: str | None = None,
        **options: Any,
    ) -> EventStream | TextChunks:
        """Runs the agent live: its user and its model talk in both directions at once, by audio, video and text.

        ::

            queue = LiveRequestQueue()
            async for event in runner.run_live(user_id="u", session_id="s", live_request_queue=queue): ...

            for chunk in runner.run_live(agent, input_text="Tell me a story"): print(chunk, end="")

        What the user sends is put into the queue while the run goes on, from any thread. The run ends when the queue is
        closed, or when the model ends the conversation. Messages are stored as the user's events, what is spoken as
        its finished transcription; audio comes in partial events, which are not stored. :meth:`start` with a
        ``live_request_queue`` gives a live run's :class:`Run`.

        Args:
            session: The session, in place of ``user_id`` and ``session_id``; or the agent that answers ``input_text``.
            live_request_queue: What the user sends.
            run_config: How the run goes; its ``response_modalities`` are ``["AUDIO"]`` by default, and ``["TEXT"]`` for
                an ``input_text``.
            input_text: A message that is answered as text, in chunks; then the run ends. It is iterated in plain or in
                ``async`` code.
            options: Further fields of :class:`RunRequest`.

        Raises:
            InputValidationError: It cannot be run; raised before anything is done.
            ConfigurationError: An agent of the tree cannot run live, or its model has no live connection.
        """
        if isinstance(session, BaseAgent):
            options["agent"] = session
        elif isinstance(session, Session):
            options.update(user_id=session.user_id, session_id=session.id)
        elif session is not None:
            raise InputValidationError(
                f"run_live's first argument is a Session, or the agent for an input_text, not {type(session).__name__}"
            )
        if input_text is not None:
            return self._run_text_live(input_text, live_request_queue, run_config, options)
        if live_request_queue is None:
            raise InputValidationError(
                "A live run needs a queue of what its user sends: run_live(user_id=..., session_id=..., "
                "live_request_queue=LiveRequestQueue())"
            )
        named: Any = {**options, "live_request_queue": live_request_queue, "run_config": run_config}
        return self.run_async(**named)

    def _run_text_live(
        self, text: str, queue: "LiveRequestQueue | None", run_config: RunConfig | None, options: dict[str, Any]
    ) -> TextChunks:
        """Runs one message live, which is answered as text."""
        if queue is not None:
            raise InputValidationError("Give run_live either input_text or a live_request_queue: the queue takes texts")
        queue = live.LiveRequestQueue()
        queue.send_content(text)
        queue.close(after_answer=True)
        config = run_config or self._run_config
        if config.response_modalities is None:
            config = config.model_copy(update={"response_modalities": ["TEXT"]})
        if options.get("agent") is None and options.get("session_id") is None:
            options["agent"] = self.agent
        named: Any = {**options, "live_request_queue": queue, "run_config": config}
        return TextChunks(self.run(**named))

    async def run_child(
        self, agent: BaseAgent, message: Content, parent: InvocationContext, past: Sequence[Event] = ()
    ) -> tuple[list[Event], dict[str, Any]]:
        """Runs an agent apart, for a tool: in a store of its own, with this runner's plugins and other services.

        It runs as the parent does and under its session's ids, so that files and memories are the same user's, and
        starts with its state. Gives its events, the message's first, and the changes of state that they made.

        Args:
            past: What an earlier run of it gave, which the message answers.
        """
        session = parent.session
        changed: dict[str, Any] = {"get_session_config": None}
        if parent.live_request_queue is not None:
            changed |= {"response_modalities": None, "speech_config": None}  # What it is asked is text, not speech.
        child = Runner(
            app_name=session.app_name,
            agent=agent,
            artifact_service=self.artifact_service,
            memory_service=self.memory_service,
            credential_service=parent.credential_service,
            run_config=parent.run_config.model_copy(update=changed),
        )
        child.plugin_manager = self.plugin_manager
        child._executors = self._executors
        child.context_cache_config = self.context_cache_config
        apart = await child.session_service.create_session(
            app_name=session.app_name, user_id=session.user_id, session_id=session.id, state=session.state
        )
        for event in past:
            await child.session_service.append_event(apart, event)
        events: list[Event] = []
        changes: dict[str, Any] = {}
        request = RunRequest(
            user_id=session.user_id, session_id=session.id, new_message=message, yield_user_message=True
        )
        async with aclosing(child.run_async(request)) as stream:
            async for event in stream:
                if not event.partial:
                    events.append(event)
                    changes.update(event.actions.state_delta)
        return events, changes

    def executor_for(self, run_config: RunConfig) -> ThreadPoolExecutor:
        """The threads that plain ``def`` tools of a run are called in."""
        workers = (run_config.tool_thread_pool_config or ToolThreadPoolConfig()).max_workers
        executor = self._executors.get(workers)
        if executor is None:
            executor = self._executors[workers] = ThreadPoolExecutor(workers, thread_name_prefix="runwright-tool")
        return executor

    def _new_run(self, request: RunRequest, *, outlives_caller: bool) -> Run:
        run = Run(
            lambda scope: Turn(self, request, scope).events(),
            portal=self._portal,
            buffer_size=self.config.event_buffer_size,
            outlives_caller=outlives_caller,
            budget=spending_of(request.run_config.budget if request.run_config is not None else None),
        )
        with self._lock:
            self._check_open()  # again: another thread may have closed it meanwhile
            self._runs.add(run)
        return run

    def _checked(self, request: RunRequest) -> RunRequest:
        """The request as it is run, once all that can be wrong with it was looked for."""
        self._check_open()
        whole = checked(request, agent=self.agent, run_config=self._run_config)
        config = whole.run_config
        if config is not None and (spending := spending_of(config.budget)) is not None:
            whole.run_config = config.model_copy(update={"budget": spending})
        guest = request.agent
        if guest is not None and any(True for _ in toolsets_of(guest)):
            self._guests[id(guest)] = guest
        return whole

    def _check_open(self) -> None:
        if self._closed:
            raise RunnerClosedError("The runner was closed: make a new one, or close it later")

    # --- the end

    async def close_session(self, session: Session) -> None:
        """Ends a conversation: what was said in it is added to memory."""
        if self.memory_service is None:
            return
        stored = await self.session_service.get_session(
            app_name=session.app_name, user_id=session.user_id, session_id=session.id
        )
        await self.memory_service.add_session_to_memory(stored or session)

    def close(self) -> Awaitable[None]:
        """Cancels what runs, and closes toolsets, models that were named, plugins, and the runner's own services.

        In plain code all is done when it returns; in an event loop, when what it returns was awaited. Twice is once.
        """
        with self._lock:
            first, self._closed = not self._closed, True
            runs = list(self._runs)
        if not first:
            closing = self._closing
            return asyncio.shield(closing) if closing is not None and runs_here(closing) else Done()
        for run in runs:
            run.cancel("the runner was closed")
        if in_event_loop():
            self._closing = asyncio.get_running_loop().create_task(self._close())
            return asyncio.shield(self._closing)  # one that waits and is cancelled does not stop it
        self._portal.call(self._close())
        self._portal.stop()
        return Done()

    async def _close(self) -> None:
        with self._lock:
            runs = list(self._runs)
        for run in runs:
            await run.ended()
        agents = [*([self.agent] if self.agent is not None else []), *self._guests.values()]
        toolsets = {id(toolset): toolset for agent in agents for toolset in toolsets_of(agent)}
        models = {id(model): model for agent in agents for model in models_of(agent)}
        failures = await close_each(
            *((toolset, TOOLSET_CLOSE_SECONDS) for toolset in toolsets.values()),
            *((model, MODEL_CLOSE_SECONDS) for model in models.values()),
            *((plugin, self._plugin_close_timeout) for plugin in self.plugin_manager.plugins),
            *((service, None) for service in self._owned),
        )
        for executor in self._executors.values():
            executor.shutdown(wait=False, cancel_futures=True)
        if in_event_loop() and not self._portal.is_current():
            await asyncio.to_thread(self._portal.stop)
        if failures:
            raise failures[0] if len(failures) == 1 else ExceptionGroup("Several parts failed to close", failures)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()


class InMemoryRunner(Runner):
    """A runner that keeps everything in this process's memory, and makes sessions that are missing."""

    def __init__(
        self,
        agent: BaseAgent | None = None,
        *,
        app_name: str | None = None,
        plugins: list[BasePlugin] | None = None,
        app: App | None = None,
        config: RunnerConfig | None = None,
        run_config: RunConfig | None = None,
        plugin_close_timeout: float = 5.0,
    ) -> None:
        super().__init__(
            app_name or ("InMemoryRunner" if app is None else None),
            agent,
            app=app,
            plugins=plugins,
            artifact_service=InMemoryArtifactService(),
            memory_service=InMemoryMemoryService(),
            credential_service=InMemoryCredentialService(),
            config=config,
            run_config=run_config,
            auto_create_session=True,
            plugin_close_timeout=plugin_close_timeout,
        )


async def run_agent(
    agent: BaseAgent,
    message: Any,
    *,
    user_id: str = "default_user",
    session_id: str = "default_session",
    app_name: str = "adk_app",
) -> str:
    """Runs one message in a session that nothing is kept of, and gives the answer's text."""
    async with InMemoryRunner(agent, app_name=app_name) as runner:
        return await runner.run_simple(user_id, session_id, message)
