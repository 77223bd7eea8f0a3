# SPDX-License-Identifier: Apache-2.0
"""Conversation: one agent's part of a live run, from when its connection opens to when it ends."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING

from runwright.connection import BaseLlmConnection, RealtimeInput
from runwright.errors import ConfigurationError, ToolError
from runwright.event import Event, EventActions, LlmResponse
from runwright.flow.answer import ask_hooks
from runwright.flow.branches import Branches
from runwright.flow.calls import Calls
from runwright.flow.loop import gave_up
from runwright.flow.output import OutputKeeper
from runwright.flow.pause import word_on, words
from runwright.invocation import CALLS_TO_USER, InvocationContext, questions_to_user
from runwright.live.line import CLOSE_SECONDS, Line
from runwright.live.model_turn import ModelTurns
from runwright.live.owing import Owing
from runwright.live.pieces import cancelled_calls
from runwright.live.queue import LiveRequest, LiveRequestQueue
from runwright.live.request import build_live_request, is_task_completed, resumed
from runwright.live.user_turn import UserTurns
from runwright.live_types import ActivityEnd, AudioStreamEnd
from runwright.model import BaseLlm, LlmRequest
from runwright.scope import shielded
from runwright.types import Content, FunctionCall, Part, copy_call

if TYPE_CHECKING:
    from runwright.agents.llm import LlmAgent


class Conversation:
    """One agent's part of a live run.

    Three kinds of things go on at the same time, each a branch: the model is heard, what the user sends is passed on,
    and tools are called. Each gives its events in lock-step with the caller: what the model is told was stored.

    Args:
        request: What opens it.
        carried: What was written while that was made; it is stored with the first answer.
    """

    def __init__(
        self, agent: "LlmAgent", ctx: InvocationContext, model: BaseLlm, request: LlmRequest, carried: EventActions
    ) -> None:
        if ctx.live_request_queue is None:
            raise ConfigurationError(f"Agent {agent.name!r} runs live, without a queue of what its user sends")
        self._agent = agent
        self._ctx = ctx
        self._model = model
        self._request = request
        self._queue: LiveRequestQueue = ctx.live_request_queue
        seconds = ctx.run_config.model_timeout
        self._line = Line(model, request, seconds=seconds, renewed=self._renewed, may_leave=self._is_idle)
        self._turns = ModelTurns(agent, ctx, request, carried)
        self._unsent: set[str] = set()
        """The ids of the events that the model is still to be told."""
        self._branches: Branches[str] = Branches()
        self._calls_under_way = 0
        self._no_calls = asyncio.Event()
        self._no_calls.set()
        self._mistakes = 0
        self._owing = _owing(request)
        self._ends_when_answered = False
        self._unwanted: set[str | None] = set()
        """The ids of the calls that the model wants no response to any more."""
        self._questions: set[str] = set()
        """The ids of the questions that the user has not answered."""
        self._waiting: dict[str | None, FunctionCall] = {}
        """The calls that wait for an answer, by their ids."""

    async def events(self) -> AsyncGenerator[Event, None]:
        """What is said and done, until one side ends it or it is passed on."""
        note = f"raised in the live conversation of {self._agent.name!r}"
        self._branches.start("model", self._hear(), note=note)
        self._branches.start("user", self._listen(), note=note)
        try:
            async with aclosing(self._branches.events()) as events:
                async for event in events:
                    yield event
                    if self._ctx.end_invocation:
                        return
        finally:
            try:
                # Closed already, unless the task was cancelled once more while it was.
                await shielded(self._branches.close(), 2 * CLOSE_SECONDS)
            finally:
                self._withdraw_questions()

    # --- the model

    async def _hear(self) -> AsyncGenerator[Event, None]:
        """What the model says and does."""
        async with aclosing(self._responses()) as responses:
            async for response in responses:
                self._unwanted.update(cancelled_calls(response))
                self._owing.hear(response)
                async with aclosing(self._turns.events(response)) as events:
                    async for event in events:
                        calls = [copy_call(call) for call in event.get_function_calls()]
                        yield event
                        if calls:
                            self._start(calls)
                if response.turn_complete:
                    self._end_if_answered()
        async with aclosing(self._turns.rest()) as events:
            async for event in events:
                yield event
        self._branches.end()

    async def _responses(self) -> AsyncGenerator[LlmResponse, None]:
        """What comes over the line; where that fails, what the hooks answer in its place, as its last word."""
        try:
            async with aclosing(self._line.responses()) as responses:
                async for response in responses:
                    yield response
            return
        except Exception as error:
            actions = self._turns.carried
            offered = {"llm_request": self._request, "error": error}
            answer = await ask_hooks(self._agent, self._ctx, "on_model_error_callback", actions, **offered)
            if answer is None:
                raise
        yield answer

    async def _renewed(self, handle: str | None) -> LlmRequest:
        """The request that opens another connection: it goes on with ``handle``, or tells what was said up to now."""
        if handle is not None:
            self._owing = Owing()
            return resumed(self._request, handle)
        await self._no_calls.wait()  # A model that is told the history can be told of a call only with its response.
        self._unsent.difference_update([event.id for event in self._ctx.session.events])
        self._request = await build_live_request(self._agent, self._ctx, self._model, self._turns.carried)
        self._owing = _owing(self._request)
        return self._request

    # --- the user

    async def _listen(self) -> AsyncGenerator[Event, None]:
        """What the user sends."""
        turns = UserTurns(self._ctx)
        in_hand: LiveRequest | None = None
        event: Event | None = None
        try:
            while True:
                await self._line.wait()
                request = await self._queue.get()
                if request.close:
                    self._hang_up(request)
                    return
                event = None
                for realtime_input in turns.realtime(request):
                    await self._send_realtime(realtime_input)
                in_hand = turns.whole(request)
                event = await turns.event(in_hand)
                if event is not None:
                    self._unsent.add(event.id)
                    yield event
                in_hand = None
                if event is not None:
                    await self._pass_on(event)
        finally:
            # What did not get into the log is for the agent that the conversation goes on with.
            if in_hand is not None and (event is None or self._stored(event) is None):
                self._queue.put_back(in_hand)
            if turns.unfinished:
                self._queue.put_back(LiveRequest(content=Content(role="user", parts=turns.unfinished), partial=True))

    def _hang_up(self, request: LiveRequest) -> None:
        if request.after_answer:
            self._ends_when_answered = True
            self._end_if_answered()
        else:
            self._branches.end()

    async def _send_realtime(self, realtime_input: RealtimeInput) -> None:
        self._turns.record(realtime_input)

        async def write(connection: BaseLlmConnection) -> None:
            if isinstance(realtime_input, ActivityEnd | AudioStreamEnd):
                self._owing.tell()
            await connection.send_realtime(realtime_input)

        await self._line.send(write, unless=lambda: False)

    async def _pass_on(self, event: Event) -> None:
        """Does what a message of the user says: passes it to the model, or makes the calls that it allows."""
        to_model: list[Part] = []
        for part in self._stored_parts(event):
            answer = part.function_response
            if answer is None or answer.name not in CALLS_TO_USER:
                to_model.append(part)
            else:
                self._questions.discard(answer.id or "")
        if self._waiting:
            said = words(self._ctx)
            if answered := [call for call in self._waiting.values() if word_on(call, said) is not None]:
                for call in answered:
                    del self._waiting[call.id]
                self._start(answered)
        await self._tell(event, to_model)

    async def _tell(self, event: Event, parts: list[Part]) -> None:
        """Sends the model what an event of the log says, unless it was told that by the history of a new connection."""
        wanted = [part for part in parts if not self._is_unwanted(part)]
        if not wanted:
            return
        content = Content(role="user", parts=wanted)

        async def write(connection: BaseLlmConnection) -> None:
            self._owing.tell()
            await connection.send_content(content)

        await self._line.send(write, unless=lambda: event.id not in self._unsent)
        self._unsent.discard(event.id)

    def _is_unwanted(self, part: Part) -> bool:
        return part.function_response is not None and part.function_response.id in self._unwanted

    def _stored_parts(self, event: Event) -> list[Part]:
        """What an event of the log says, as it is stored: hooks may have changed it."""
        content = (self._stored(event) or event).content
        return (content.parts if content is not None else None) or []

    def _stored(self, event: Event) -> Event | None:
        return next((one for one in reversed(self._ctx.session.events) if one.id == event.id), None)

    # --- the tools

    def _start(self, calls: list[FunctionCall]) -> None:
        self._calls_under_way += 1
        self._no_calls.clear()
        note = f"raised by a tool of {self._agent.name!r}"
        self._branches.start("calls", self._call(calls), note=note)

    async def _call(self, calls: list[FunctionCall]) -> AsyncGenerator[Event, None]:
        """Makes the calls of one answer, and tells the model what came of them."""
        response: Event | None = None
        try:
            async with aclosing(self._made(calls)) as events:
                async for event in events:
                    if event.get_function_responses() and not event.partial:
                        response = event
                        self._unsent.add(event.id)
                    self._note_question(event, calls)
                    yield event
        finally:
            self._calls_under_way -= 1
            if not self._calls_under_way:
                self._no_calls.set()
        if response is None:
            self._end_if_answered()  # The answers come from somebody else, or never.
        elif self._is_over_with(response):
            self._branches.end()
        else:
            await self._tell(response, self._stored_parts(response))

    async def _made(self, calls: list[FunctionCall]) -> AsyncGenerator[Event, None]:
        """What the calls' tools report, their responses, and what the user is asked about them."""
        agent, ctx = self._agent, self._ctx
        made = Calls(agent, ctx, calls, self._request, OutputKeeper(agent))
        async with aclosing(made.events()) as events:
            async for event in events:
                yield event
        self._count_mistakes(made.mistake)

    def _note_question(self, event: Event, calls: list[FunctionCall]) -> None:
        """Keeps the calls that wait for what the user says."""
        if asked := questions_to_user(event):
            self._questions.update(call.id or "" for call in asked)
            self._waiting.update((call.id, call) for call in calls if self._ctx.ledger.find(self._ctx.branch, call.id))

    def _is_over_with(self, event: Event) -> bool:
        """Whether the agent's part ends with the responses in ``event``: it was passed on, or is done."""
        if event.actions.transfer_to_agent and self._ctx.handover is not None:
            return True
        return self._ctx.completes_task and is_task_completed(event)

    def _count_mistakes(self, mistake: ToolError | None) -> None:
        self._mistakes = self._mistakes + 1 if mistake is not None else 0
        if mistake is not None and self._mistakes > self._ctx.run_config.max_tool_errors:
            raise gave_up(self._agent, self._mistakes, mistake)

    # --- the end

    def _is_idle(self) -> bool:
        return not (self._turns.is_under_way or self._calls_under_way)

    def _end_if_answered(self) -> None:
        if self._ends_when_answered and not self._owing and not self._calls_under_way:
            self._branches.end()

    def _withdraw_questions(self) -> None:
        """Takes back what the user was asked and has not answered: nobody could go on with it any more."""
        for call_id in [*self._questions, *self._waiting]:
            entry = self._ctx.ledger.find(self._ctx.branch, call_id)
            if entry is not None:
                entry.status = "cancelled"


def _owing(request: LlmRequest) -> Owing:
    """What a model owes that is told the history of a request: it answers only the user."""
    owing = Owing()
    if request.contents and request.contents[-1].role == "user":
        owing.tell()
    return owing
