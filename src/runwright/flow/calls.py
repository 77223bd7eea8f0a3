# SPDX-License-Identifier: Apache-2.0
"""The calls of one answer of a model: run at the same time, answered in their order."""

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from runwright.errors import ToolError
from runwright.event import Event, EventActions
from runwright.flow.call import Call, Outcome
from runwright.flow.output import OutputKeeper, answer_event
from runwright.flow.pause import question_events, word_on, words
from runwright.flow.progress import Progress
from runwright.invocation import InvocationContext
from runwright.model import LlmRequest
from runwright.types import Content, FunctionCall, Part

if TYPE_CHECKING:
    from runwright.agents.llm import LlmAgent


class Calls:
    """The calls of one answer.

    Args:
        agent: Whose model calls.
        ctx: The agent's context.
        calls: The calls.
        request: What the model was asked; it has the tools.
        keeper: Keeps an answer that is made by a call.

    Attributes:
        goes_on: Whether the model is to be told what came of them, once they were made.
        mistake: What it did wrong, where it did.
    """

    def __init__(
        self,
        agent: "LlmAgent",
        ctx: InvocationContext,
        calls: list[FunctionCall],
        request: LlmRequest,
        keeper: OutputKeeper,
    ) -> None:
        self.goes_on = False
        self.mistake: ToolError | None = None
        self._agent = agent
        self._ctx = ctx
        self._calls = calls
        self._tools = request.tools_dict
        self._keeper = keeper
        self._outcomes: list[Outcome] = []

    async def events(self) -> AsyncGenerator[Event, None]:
        """Makes the calls.

        Yields:
            What the tools report while they run; then their responses, questions to the user, and the answer.

        Raises:
            Exception: What a tool raised and no hook made a result of; the other calls are cancelled.
        """
        ctx = self._ctx
        if self._may_report():
            progress = Progress(ctx)
            async with aclosing(progress.events(self._make(progress))) as reports:
                async for report in reports:
                    yield report
        else:
            await self._make(None)
        asked = [
            (call, one.question, one.actions)
            for call, one in zip(self._calls, self._outcomes, strict=True)
            if one.question is not None
        ]
        event = self._response_event()
        if event is not None:
            if ctx.spending is not None:
                ctx.spending.mark(event, ctx.ledger)
            yield event
        if asked:
            written = [actions for _, _, actions in asked]
            for question in question_events(ctx, [one[:2] for one in asked], written):
                if ctx.spending is not None:
                    ctx.spending.mark(question, ctx.ledger)
                yield question
        if event is None or asked:
            return
        if event.actions.transfer_to_agent and ctx.handover is not None:
            ctx.handover.target = event.actions.transfer_to_agent
        elif (answer := answer_event(event)) is not None:
            self._keeper.keep(answer)
            yield answer
        else:
            self.goes_on = not event.actions.skip_summarization and event.content is not None
            for outcome in self._outcomes:
                self.mistake = self.mistake or outcome.mistake

    def _may_report(self) -> bool:
        for call in self._calls:
            tool = self._tools.get(call.name or "")
            if tool is not None and tool.reports_progress:
                return True
        return False

    async def _make(self, progress: Progress | None) -> None:
        agent, ctx, tools = self._agent, self._ctx, self._tools
        said = words(ctx) if ctx.ledger.answered else {}
        runs: list[Coroutine[Any, Any, Outcome]] = [
            Call(agent, ctx, call, tools, word_on(call, said) if said else None, progress).outcome()
            for call in self._calls
        ]
        self._outcomes = [await runs[0]] if len(runs) == 1 else await _together(runs)

    def _response_event(self) -> Event | None:
        """The one event with all responses, in the order of the calls; None where all answers come later.

        What tools wrote that ask the user first is with the question.
        """
        parts = [Part(function_response=one.response) for one in self._outcomes if one.response is not None]
        given = [one.actions for one in self._outcomes if one.question is None]
        actions = given[0] if given else EventActions()
        for more in given[1:]:
            actions.merge(more)
        if not parts and not actions:
            return None
        return Event(
            invocation_id=self._ctx.invocation_id,
            author=self._agent.name,
            branch=self._ctx.branch,
            content=Content(role="user", parts=parts) if parts else None,
            actions=actions,
        )


async def _together(runs: list[Coroutine[Any, Any, Outcome]]) -> list[Outcome]:
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(run) for run in runs]
    except BaseExceptionGroup as failures:
        # One failure stands for all, as it would have had the calls run one after the other.
        raise failures.exceptions[0] from None
    return [task.result() for task in tasks]
