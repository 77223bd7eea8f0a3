# SPDX-License-Identifier: Apache-2.0
"""How a run goes on that stopped: which one it is, and what its log and ledger hold of it."""

from typing import NamedTuple

from runwright import router
from runwright.agent import BaseAgent
from runwright.durable import CallRecord
from runwright.errors import InvocationNotFoundError
from runwright.invocation import InvocationContext
from runwright.log import RunLog
from runwright.replay import Replay, part_to_replay


class Stopped(NamedTuple):
    """A run that is to go on, and whether it had come to its end."""

    invocation_id: str
    has_ended: bool


async def find_stopped(log: RunLog, invocation_id: str | None) -> Stopped:
    """The run that is to go on: the one of this id, or the session's newest that has not ended.

    Raises:
        InvocationNotFoundError: There is none.
    """
    recorded = await log.find_run(invocation_id)
    if recorded is not None:
        return Stopped(recorded.invocation_id, recorded.status == "completed")
    if invocation_id is None:
        session = log.held.session
        if log.durable is not None or not session.events:
            raise InvocationNotFoundError(f"Session {session.id!r} holds no run that has not ended")
        invocation_id = session.events[-1].invocation_id
    return Stopped(invocation_id, False)


async def recall(ctx: InvocationContext, root: BaseAgent, log: RunLog) -> None:
    """Has a run go on from what the log and the ledger hold of it, with the agent that it began with.

    Raises:
        InvocationNotFoundError: They hold nothing of it.
    """
    events = ctx.session.events
    part = part_to_replay(events, ctx.invocation_id, whole=ctx.is_resumable)
    if not part:
        raise InvocationNotFoundError(f"The session holds nothing of invocation {ctx.invocation_id!r} to go on with")
    start = next(index for index, event in enumerate(events) if event is part[0])
    asked = part[0].content if part[0].author == "user" else None
    ctx.agent = router.find_agent_to_run(events[:start], root, asked)
    ctx.agent.check()
    if not ctx.agent.resumes_below:
        ctx.branch = part[0].branch  # that of the call, where the user answered one
    # What the user said is done with, and what was answered is in the ledger.
    ctx.replay = Replay([event for event in part if event.author != "user"], {agent.name for agent in root.tree()})
    note_past(ctx)
    rows = [] if log.durable is None else await log.durable.list_calls(ctx.session, ctx.invocation_id)
    ctx.recorded_calls = {row.call_id: row for row in rows}
    for call in ctx.ledger.open_calls.values():
        waits_outside = call.id in ctx.ledger.outside
        if log.durable is None and (waits_outside or call.status != "pending"):  # Nobody knows how far it got.
            row = CallRecord(invocation_id=ctx.invocation_id, call_id=call.key, name=call.name)
            row.status = "finished" if waits_outside else "started"
            ctx.recorded_calls[call.key] = row


def note_past(ctx: InvocationContext) -> None:
    """Brings the books of a run that goes on up to what its log holds."""
    ledger = ctx.ledger
    ledger.open_calls.clear()
    ledger.made.clear()
    for event in ctx.session.events:
        if event.invocation_id == ctx.invocation_id:
            ledger.note(event)
    for call in ledger.open_calls.values():
        if call.id in ledger.outside:
            call.status = "pending"
    if ctx.spending is not None:
        of_run = (event for event in ctx.session.events if event.invocation_id == ctx.invocation_id)
        ctx.spending.recall(of_run, ledger)
