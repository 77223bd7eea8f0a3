# SPDX-License-Identifier: Apache-2.0
"""Recall: what an agent's flow had said and done when the run stopped, and what is left of it to do."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from runwright.event import Event
from runwright.flow.code import has_code_to_follow
from runwright.flow.output import OutputKeeper, answer_event
from runwright.flow.pause import questions
from runwright.invocation import InvocationContext
from runwright.replay import Replay
from runwright.types import FunctionCall

if TYPE_CHECKING:
    from runwright.agents.llm import LlmAgent


class Recall:
    """The past of one run of an agent's flow, if it has one.

    Attributes:
        has_ended: Whether the flow had ended, or still waits for somebody: there is nothing left to do.
        calls: The calls to make before the model is asked again; those in the ledger are not made twice.
        waits: Whether other calls of the same answer wait for somebody, so that the model is not asked after those.
    """

    __slots__ = ("_agent", "_ctx", "_keeper", "_made", "calls", "has_ended", "waits")

    def __init__(self, agent: "LlmAgent", ctx: InvocationContext) -> None:
        self.has_ended = self.waits = False
        self.calls: list[FunctionCall] = []
        self._made: set[str | None] = set()
        self._agent = agent
        self._ctx = ctx

    def events(self, keeper: OutputKeeper) -> Iterator[Event]:
        """Gives the events again that the log holds, and one that it came short of; then the attributes are right."""
        replay = self._ctx.replay
        if replay is not None:
            self._keeper = keeper
            yield from self._recalled(replay)

    def _recalled(self, replay: Replay) -> Iterator[Event]:
        ctx = self._ctx
        while not (self.has_ended or self.calls or replay.reached(ctx.branch)):
            said = replay.take(self._agent.name, ctx.branch)
            if said is None:
                self.has_ended = True
                return
            ctx.ledger.llm_calls += 1
            calls: list[FunctionCall] = []
            more: Event | None = said
            has_code = False
            while more is not None:
                calls.extend(more.get_function_calls())
                has_code = has_code or has_code_to_follow(self._agent, more)
                self._keeper.keep(more)
                yield more
                more = replay.take_more(said, ctx.branch)
            self._made.update(call.id for call in calls)
            if has_code:
                if (result := replay.take_code_result(self._agent.name, ctx.branch)) is not None:
                    yield result
                if not calls:
                    continue
            if not calls:
                if self._was_answered_since(said):
                    continue  # That was not its last word.
                self.has_ended = True
                return
            last: Event | None = None
            while not self.has_ended and (event := replay.take_response(self._agent.name, ctx.branch)) is not None:
                last = event
                yield event
                yield from self._follow(event, replay)
            if self.has_ended:
                return
            if last is not None:
                if replay.reached(ctx.branch):
                    self._see_what_is_left(said, calls)
            elif replay.reached(ctx.branch):
                self.calls = [call for call in calls if ctx.ledger.find(ctx.branch, call.id) is not None]

    def _follow(self, event: Event, replay: Replay) -> Iterator[Event]:
        """Does what a response says of how the flow goes on."""
        ctx = self._ctx
        if event.actions.transfer_to_agent and ctx.handover is not None:
            ctx.handover.target = event.actions.transfer_to_agent
            self.has_ended = True
        elif (answer := answer_event(event)) is not None:
            self.has_ended = True
            stored = replay.take(self._agent.name, ctx.branch)
            if stored is not None:
                yield stored
            elif replay.reached(ctx.branch):
                self._keeper.keep(answer)
                yield answer
        elif event.actions.skip_summarization or event.content is None:
            self.has_ended = True

    def _was_answered_since(self, said: Event) -> bool:
        """Whether the user answered a call of the agent after it had said this: a first word is followed by others."""
        ctx, answered = self._ctx, set[str | None]()
        for event in reversed(ctx.session.events):
            if event.id == said.id:
                break
            if event.invocation_id == ctx.invocation_id and event.author == "user":
                answered |= {answer.id for answer in event.get_function_responses()}
        return not answered.isdisjoint(self._made)

    def _see_what_is_left(self, said: Event, calls: list[FunctionCall]) -> None:
        """Tells the calls to make from those that wait for the user, where some were answered already."""
        ctx = self._ctx
        asked = {call_id: of_call[-1].answer for call_id, of_call in questions(ctx).items()}
        left = [call for call in calls if ctx.ledger.find(ctx.branch, call.id) is not None]
        waits_outside = said.long_running_tool_ids or set[str]()
        self.calls = [
            call for call in left if (asked[call.id] is not None if call.id in asked else call.id not in waits_outside)
        ]
        waits_for_word = any(call.id in asked and asked[call.id] is None for call in left)
        self.waits = waits_for_word or ctx.holds_up(said)
        self.has_ended = not self.calls and self.waits
