# SPDX-License-Identifier: Apache-2.0
"""What a live model says and does, as events."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING

from runwright import clock
from runwright.connection import RealtimeInput
from runwright.event import Event, EventActions, LlmResponse
from runwright.flow.answer import event_of, heard
from runwright.flow.output import OutputKeeper
from runwright.invocation import InvocationContext
from runwright.live.pieces import Pieces, audio_of, begins_turn, is_empty, is_signal, split
from runwright.live.recording import Recording
from runwright.model import LlmRequest
from runwright.types import Blob

if TYPE_CHECKING:
    from runwright.agents.llm import LlmAgent


class ModelTurns:
    """Makes the events of what a live model says and does, turn by turn, and counts the turns.

    Args:
        request: What opened the conversation.
        carried: What is stored with the first whole answer.

    Attributes:
        carried: What hooks have written since the last whole answer.
        is_under_way: Whether the model has begun a turn and not ended it.
    """

    def __init__(self, agent: "LlmAgent", ctx: InvocationContext, request: LlmRequest, carried: EventActions) -> None:
        self._agent = agent
        self._ctx = ctx
        self._request = request
        self.carried = carried
        self.is_under_way = False
        self._hears_answers = agent.after_model_callback is not None or ctx.plugin_manager.listens(
            "after_model_callback"
        )
        self._pieces = Pieces()
        self._ids: dict[str, str] = {}
        self._keeper = OutputKeeper(agent)
        self._recording = Recording(ctx) if ctx.run_config.save_live_blob else None

    async def events(self, response: LlmResponse) -> AsyncGenerator[Event, None]:
        """The events of one response.

        Raises:
            LlmCallsLimitExceededError: It begins a turn that is one too many.
            BudgetExceededError: It begins a turn that there is not enough left for.
        """
        if is_empty(response):
            return
        self._count(response)
        for missing in self._pieces.add(response):
            yield await self._event(missing)
        if (response.turn_complete or response.interrupted) and self._recording is not None:
            async with aclosing(self._recording.events(self._agent.name)) as events:
                async for event in events:
                    yield event
        for one in split(response):
            yield await self._event(one)
        if response.turn_complete or response.interrupted or response.get_function_calls():
            # After a call, what comes next is of the next turn, as it is of the next request elsewhere.
            self.is_under_way = False
            self._ids.clear()
        if response.turn_complete:
            self._keeper = OutputKeeper(self._agent)

    async def rest(self) -> AsyncGenerator[Event, None]:
        """What is left when the conversation is over."""
        for missing in self._pieces.rest():
            yield await self._event(missing)
        if self._recording is not None:
            async with aclosing(self._recording.events(self._agent.name)) as events:
                async for event in events:
                    yield event

    def record(self, realtime_input: RealtimeInput) -> None:
        """Takes note of what the model is sent as it comes."""
        if self._recording is not None and isinstance(realtime_input, Blob):
            self._recording.add("input", realtime_input)

    def _count(self, response: LlmResponse) -> None:
        ctx = self._ctx
        if not self.is_under_way and begins_turn(response):
            self.is_under_way = True
            ctx.increment_llm_call_count()
            if ctx.spending is not None:
                ctx.spending.begin_turn(self._request, ctx.ledger)
        if ctx.spending is not None and response.usage_metadata is not None:
            ctx.spending.count(response.usage_metadata, ctx.ledger)

    async def _event(self, response: LlmResponse) -> Event:
        """The event of a response. What is worth nothing later is partial, so that it is not stored."""
        if self._hears_answers and (begins_turn(response) or response.error_code):
            response = await heard(self._agent, self._ctx, self.carried, response)
        if is_signal(response) and not response.partial:
            response = response.model_copy(update={"partial": True})
        actions = EventActions()
        if not response.partial:
            actions, self.carried = self.carried, EventActions()
        event = event_of(self._agent, self._ctx, self._request, response, self._id(response), actions)
        if response.input_transcription is not None:
            event.author = "user"
        if not response.partial:
            self._keeper.keep(event)
        elif self._recording is not None:
            for part in audio_of(response):
                self._recording.add("output", part.inline_data)
        return event

    def _id(self, response: LlmResponse) -> str:
        """The pieces of one whole, and the whole, have the same id."""
        kind = "input" if response.input_transcription else "output" if response.output_transcription else "content"
        if response.content is None and kind == "content":
            return clock.new_id()
        if audio_of(response):
            kind = "audio"
        known = self._ids.setdefault(kind, clock.new_id())
        if not response.partial:
            del self._ids[kind]
        return known
