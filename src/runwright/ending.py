# SPDX-License-Identifier: Apache-2.0
"""Ending: how a run ends, well or not, so that its session is sound and its hooks see the end once."""

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from typing import Any

from runwright.durable import RunStatus
from runwright.errors import (
    BudgetExceededError,
    CallerLeftError,
    RunCancelledError,
    RunRolledBackError,
    RunwrightError,
)
from runwright.event import Event, EventActions
from runwright.invocation import InvocationContext
from runwright.log import RunLog
from runwright.owed import responses
from runwright.scope import shielded
from runwright.state import without_temp

SETTLE_SECONDS = 5.0
"""How long each step of the clean-up of a run that was stopped may take."""


class Ending:
    """The end of one run.

    Args:
        ctx: The run.
        log: Its session's log.
        saves_to_memory: Whether the session is added to memory when the run ended well.
    """

    def __init__(self, ctx: InvocationContext, log: RunLog, *, saves_to_memory: bool) -> None:
        self._ctx = ctx
        self._log = log
        self._saves_to_memory = saves_to_memory
        self._is_told = self._is_rewound = False

    async def finish(self) -> None:
        """Ends a run that went well."""
        await self._store_and_tell([], None)
        memory = self._ctx.memory_service
        if self._saves_to_memory and memory is not None:
            await memory.add_session_to_memory(self._ctx.session)
        ledger = self._log.ledger
        waits = ledger.open_calls or (self._ctx.is_resumable and ledger.answered < ledger.outside)
        await self._log.end("paused" if waits else "completed")

    def cause(self, error: Exception) -> Exception:
        """What a run failed with: where it was stopped, that, whatever its steps made of it."""
        stopped = self._ctx.scope.error
        if stopped is None or error is stopped:
            return error
        stopped.__cause__ = error
        return stopped

    async def fail(self, stream: AsyncGenerator[Event, None] | None, error: Exception) -> list[Event]:
        """Leaves the session sound after an error, and says in the log what happened; gives the events of it."""
        ctx = self._ctx
        if stream is not None:
            await _settled(stream.aclose())
        await _settled(self._log.look_for_unsure())
        said = Event(
            invocation_id=ctx.invocation_id,
            author=ctx.agent.name,
            error_code=_code(error),
            error_message=error.reason if isinstance(error, RunCancelledError) else str(error),
        )
        if ctx.spending is not None:
            ctx.spending.mark(said, ctx.ledger)
        # Where the caller left, nothing failed: as if it had iterated the run itself.
        left = isinstance(error, CallerLeftError)
        writes = self._log.may_write
        events = [*self.owed(), *([said] if writes and not left else [])]
        if writes and isinstance(error, RunRolledBackError):
            events.append(self._rewind())
        try:
            await shielded(self._store_and_tell(events, None if left else error), SETTLE_SECONDS)
            await shielded(self._log.end(_status(error), str(error)), SETTLE_SECONDS)
        except Exception as end_error:
            if isinstance(end_error, TimeoutError) and not isinstance(end_error, RunwrightError):
                # The store does not answer: what the run failed with says more.
                error.add_note(f"How the run ended could not be stored within {SETTLE_SECONDS:g} seconds")
                raise error from error.__cause__
            (end_error.__cause__ or end_error).__context__ = error  # so that both are shown
            raise
        return events

    async def abandon(self, stream: AsyncGenerator[Event, None] | None, error: BaseException) -> None:
        """The same where nobody listens any more: the caller left, or its task was cancelled."""
        try:
            if stream is not None:
                await _settled(stream.aclose())
        finally:
            await _settled(self._log.look_for_unsure())
            stopped = self._ctx.scope.error or error
            events = self.owed()
            if isinstance(stopped, RunRolledBackError) and not self._is_rewound and self._log.may_write:
                events.append(self._rewind())
            if events or not self._is_told:
                left = isinstance(stopped, GeneratorExit | CallerLeftError)
                await _settled(self._store_and_tell(events, None if left else stopped))
            why = "its caller left" if isinstance(stopped, GeneratorExit) else str(stopped) or type(stopped).__name__
            await _settled(self._log.end(_status(stopped), why))

    def owed(self) -> list[Event]:
        """The responses that the log's open calls still need, one event for each agent that called."""
        if not self._log.may_write:
            return []  # They are its writer's to give.
        return responses(self._log.ledger.open_calls.values(), self._ctx.invocation_id)

    def _rewind(self) -> Event:
        """Takes back what the run said and changed."""
        self._is_rewound = True
        return Event(
            invocation_id=self._ctx.invocation_id,
            author="user",
            actions=EventActions(
                rewind_before_invocation_id=self._ctx.invocation_id, state_delta=without_temp(self._log.undo)
            ),
        )

    async def _store_and_tell(self, events: list[Event], error: BaseException | None) -> None:
        try:
            for event in events:
                await self._log.append(event)
        finally:
            if not self._is_told:
                self._is_told = True
                await self._tell(error)

    async def _tell(self, error: BaseException | None) -> None:
        plugins = self._ctx.plugin_manager
        if error is None:
            if plugins.listens("after_run_callback"):
                await plugins.first_answer("after_run_callback", invocation_context=self._ctx)
        elif plugins.listens("on_run_error_callback"):
            await plugins.tell("on_run_error_callback", invocation_context=self._ctx, error=error)


def _code(error: Exception) -> str:
    """What an event says that a run failed with."""
    if isinstance(error, RunCancelledError):
        return "INVOCATION_ABORTED"
    return "BUDGET_EXCEEDED" if isinstance(error, BudgetExceededError) else type(error).__name__


def _status(error: BaseException) -> RunStatus:
    """How a run stands that ended with an error: only one that something went wrong in has failed."""
    is_failure = isinstance(error, Exception) and not isinstance(error, RunCancelledError)
    return "failed" if is_failure else "cancelled"


async def _settled(work: Coroutine[Any, Any, None]) -> None:
    """Ends a step of the clean-up. What goes wrong in it goes where loops report: the first error is the run's."""
    try:
        await shielded(work, SETTLE_SECONDS)
    except Exception as error:  # noqa: BLE001 - reported, as said
        report = {"message": "The clean-up of a run failed", "exception": error}
        asyncio.get_running_loop().call_exception_handler(report)
