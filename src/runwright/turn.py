# SPDX-License-Identifier: Apache-2.0
"""Turn: the way of one message through its session, from admission to the last hook."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import TYPE_CHECKING

from runwright import clock, live, router
from runwright.agent import BaseAgent
from runwright.config import RunConfig
from runwright.ending import Ending
from runwright.errors import InputValidationError, InvocationNotFoundError, RunCancelledError
from runwright.event import Event, EventActions
from runwright.flow.user_message import received
from runwright.invocation import InvocationContext, new_invocation_id
from runwright.log import RunLog
from runwright.request import RunRequest
from runwright.resume import find_stopped, note_past, recall
from runwright.scope import CancelScope
from runwright.types import Content, to_content

if TYPE_CHECKING:
    from runwright.runner import Runner

_ENTRY_FIELDS = ("id", "invocation_id", "timestamp")


class Turn:
    """One run.

    Args:
        runner: Whose services, plugins and limits it uses.
        request: What to run; it was checked.
        scope: What stops it.
    """

    def __init__(self, runner: "Runner", request: RunRequest, scope: CancelScope) -> None:
        self._runner = runner
        self._request = request
        self._scope = scope
        self._config = request.run_config or RunConfig()
        self._key = (runner.app_name, request.user_id, request.session_id or clock.new_id())
        self._message = None if request.new_message is None else to_content(request.new_message)
        self._goes_on = request.new_message is None and request.live_request_queue is None
        """Whether it is a run that stopped, and goes on without a new message."""
        answers_calls = self._message is not None and _answers_calls(self._message)
        if self._config.get_session_config is not None and (self._goes_on or answers_calls):
            # What a run did before it stopped is needed whole.
            self._config = self._config.model_copy(update={"get_session_config": None})
        self._watcher: asyncio.Task[None] | None = None
        self._is_admitted = False
        self._has_ended = False
        """Whether that run had come to its end."""
        self._is_live = request.live_request_queue is not None
        self._answers = False
        """Whether the message answers a call, and its run goes on."""
        self._log: RunLog
        self._ctx: InvocationContext | None = None

    async def events(self) -> AsyncGenerator[Event, None]:
        """Runs it. What is yielded is stored, partial events aside.

        Whatever happens, each function call in the log ends up with one response, the hooks see the end once, and the
        session is free for the next one.
        """
        scope = self._scope
        ending: Ending | None = None
        stream: AsyncGenerator[Event, None] | None = None
        failure: Exception | None = None
        try:
            ctx, ending = await self._enter()
            if self._has_ended:
                return
            try:
                with scope:
                    event, first = await self._begin(ctx)
                if event is not None and self._request.yield_user_message:
                    yield event
                if first is not None:
                    if ctx.replay is None or first.id not in ctx.replay.ids:
                        yield await self._record(ctx, first)
                else:
                    stream = ctx.agent.run_live(ctx) if self._is_live else ctx.agent.run_async(ctx)
                    hears_chunks = self._hears_chunks(ctx)
                    while True:
                        with scope:
                            try:
                                event = await stream.__anext__()
                            except StopAsyncIteration:
                                break
                        if ctx.replay is not None and event.id in ctx.replay.ids:
                            continue
                        if hears_chunks or not event.partial:
                            event = await self._record(ctx, event)
                        if self._is_live and self._is_from_queue(event):
                            continue
                        yield event
            except Exception as error:  # noqa: BLE001 - raised again below, once the session is sound
                failure = ending.cause(error)
            if failure is not None:
                for event in await ending.fail(stream, failure):
                    yield event
                raise failure
            for event in ending.owed() if ctx.ledger.open_calls else ():
                await self._log.append(event)
                yield event
            with scope:
                await ending.finish()
        except BaseException as error:
            # The caller left (GeneratorExit), its task was cancelled, or the end itself failed.
            if ending is not None and error is not failure:
                await ending.abandon(stream, error)
            raise
        finally:
            self._leave()

    # --- the beginning

    async def _enter(self) -> tuple[InvocationContext, Ending]:
        """Waits until the session is this run's alone, and opens it."""
        runner, request, scope = self._runner, self._request, self._scope
        scope.start(request.timeout if request.timeout is not None else runner.config.default_timeout)
        if request.abort_signal is not None:
            self._watcher = asyncio.create_task(self._watch(request.abort_signal))
        with scope:
            await runner.admission.enter(self._key, scope, self._config.when_busy)
            self._is_admitted = True
        with scope:
            ctx = await self._open()
        return ctx, Ending(ctx, self._log, saves_to_memory=runner.config.save_to_memory)

    def _leave(self) -> None:
        """Gives back the session, and the place."""
        runner = self._runner
        if self._watcher is not None:
            self._watcher.cancel()
        self._scope.close()
        if self._ctx is not None and self._config.get_session_config is None:
            log = self._log
            if runner.session_service is log.service and not (log.is_lost or log.is_doubtful):
                runner.sessions.put(self._key, log.held)
        if self._is_admitted:
            runner.admission.leave(self._key)

    async def _watch(self, abort_signal: asyncio.Event) -> None:
        await abort_signal.wait()
        self._scope.cancel(RunCancelledError("Invocation was aborted by client."))

    async def _open(self) -> InvocationContext:
        """Loads or creates the session, and finds who answers."""
        runner, request = self._runner, self._request
        self._log = log = RunLog(
            runner.session_service,
            self._key,
            config=self._config,
            may_create=runner.auto_create_session or request.session_id is None,
            applies_changes=runner.config.enable_event_processing,
        )
        held = runner.sessions.take(self._key)
        if self._config.get_session_config is not None:
            held = None  # a part of the log is read for this run alone
        session = await log.open(held)
        wanted = request.invocation_id
        if self._goes_on:
            wanted, self._has_ended = await find_stopped(log, wanted)
        try:
            resumed = router.resumed_invocation(session.events, self._message, wanted)
        except (InputValidationError, InvocationNotFoundError):
            if held is None:
                raise
            await log.read_again()  # perhaps somebody else wrote what is missing
            resumed = router.resumed_invocation(session.events, self._message, wanted)
        if resumed is not None and self._message is not None:
            self._answers = True
            self._message = router.with_names(session.events, self._message)
        agent = self._find_agent(session.events)
        agent.check()
        self._ctx = ctx = InvocationContext(
            agent=agent,
            session=session,
            session_service=log.service,
            invocation_id=resumed or request.invocation_id or new_invocation_id(),
            artifact_service=runner.artifact_service,
            memory_service=runner.memory_service,
            credential_service=runner.credential_service or runner.own_credentials,
            plugin_manager=runner.plugin_manager,
            run_config=self._config,
            user_content=self._message or router.user_content(session.events, resumed),
            executor=runner.executor_for(self._config),
            scope=self._scope,
            run_child=runner.run_child,
            views=log.held.views,
            ledger=log.ledger,
            is_resumable=runner.is_resumable,
            live_request_queue=request.live_request_queue,
        )
        ctx.context_cache_config = runner.context_cache_config
        if log.durable is not None:
            ctx.record_call = log.record_call
        return ctx

    def _find_agent(self, events: Sequence[Event]) -> BaseAgent:
        return router.find_agent_to_run(events, self._root, self._message)

    @property
    def _root(self) -> BaseAgent:
        root = self._request.agent
        assert root is not None  # the runner saw to it
        return root

    async def _begin(self, ctx: InvocationContext) -> tuple[Event | None, Event | None]:
        """Stores the message; gives its event, and the one that ends the run at once, if a hook says so."""
        plugins, request = ctx.plugin_manager, self._request
        message = self._message
        actions = EventActions(state_delta=dict(request.state_delta or {}))
        if message is not None:
            message = await received(ctx, message, actions)
        event = None
        if message is not None or actions.state_delta:
            event = Event(
                invocation_id=ctx.invocation_id,
                author="user",
                content=message,
                actions=actions,
                branch=router.branch_of_answer(ctx.session.events, message),
            )
        await self._log.begin(ctx.invocation_id, event)
        if self._goes_on or self._answers:
            await recall(ctx, self._root, self._log)
        else:
            if self._request.invocation_id is not None:
                note_past(ctx)  # A run that the caller gave a name may have been before.
            if self._log.held.was_reset:  # others may have passed the conversation on
                ctx.agent = self._find_agent(ctx.session.events[:-1])
        if plugins.listens("before_run_callback"):
            answer = await plugins.first_answer("before_run_callback", invocation_context=ctx)
            if answer is not None:
                said = None if ctx.replay is None else ctx.replay.take("model", None)
                content = to_content(answer, role="model")
                return event, said or Event(invocation_id=ctx.invocation_id, author="model", content=content)
        return event, None

    # --- each event

    def _is_from_queue(self, event: Event) -> bool:
        """Whether an event is the user's own message, which is yielded where that is asked for."""
        if event.author != "user" or self._request.yield_user_message or live.is_recording(event):
            return False
        return event.content is not None or bool(event.actions.state_delta)

    def _hears_chunks(self, ctx: InvocationContext) -> bool:
        """Whether anything is done to partial events."""
        return bool(self._config.custom_metadata) or ctx.plugin_manager.listens("on_event_callback")

    async def _record(self, ctx: InvocationContext, event: Event) -> Event:
        """Makes an event of the agents one of the log: metadata, hooks, append."""
        plugins = ctx.plugin_manager
        self._log.label(event)
        if plugins.listens("on_event_callback"):
            with self._scope:
                answer = await plugins.first_answer("on_event_callback", invocation_context=ctx, event=event)
            if answer is not None and answer is not event:
                event = _replaced(event, answer)
        if not event.partial:
            await self._log.append(event)
        return event


def _answers_calls(message: Content) -> bool:
    return any(part.function_response is not None for part in message.parts or ())


def _replaced(event: Event, answer: Event) -> Event:
    """What a hook put in an event's place: it stays the same entry of the log, and keeps what the hook left empty."""
    kept = {name: getattr(event, name) for name in _ENTRY_FIELDS}
    for name in Event.__struct_fields__:
        if not getattr(answer, name):
            kept[name] = getattr(event, name)
    return answer.model_copy(update=kept)
