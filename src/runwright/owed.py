# SPDX-License-Identifier: Apache-2.0
"""Owed: the responses that calls in a log still need, so that each has exactly one (pure)."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from runwright.durable import CallRecord
from runwright.event import Event
from runwright.invocation import CALLS_TO_USER, REQUEST_CONFIRMATION, OpenCall, call_asked_about
from runwright.types import Content, FunctionResponse, Part


class LeftOpen(NamedTuple):
    """The calls that an interrupted run left without a response."""

    invocation_id: str
    calls: list[OpenCall]


def responses(calls: Iterable[OpenCall], invocation_id: str) -> list[Event]:
    """What the log is told of open calls: one event for each agent that called."""
    groups: dict[tuple[str, str | None], list[Part]] = {}
    for call in calls:
        if call.status == "pending":
            continue
        response = call.response or FunctionResponse(id=call.id, name=call.name, response={"error": call.status})
        groups.setdefault((call.author, call.branch), []).append(Part(function_response=response))
    return [
        Event(
            invocation_id=invocation_id,
            author=author,
            branch=branch,
            content=Content(role="user", parts=parts),
        )
        for (author, branch), parts in groups.items()
    ]


def left_open(events: Sequence[Event], *, but_of: str) -> LeftOpen | None:
    """The calls without a response of the newest run but one, which nobody is to answer from outside.

    Args:
        but_of: The run that is not looked at: it is about to go on.
    """
    newest: str | None = None
    calls: dict[str, OpenCall] = {}
    closed: set[str] = set()
    for event in reversed(events):
        if event.invocation_id == but_of or (event.author == "user" and newest is None):
            continue
        newest = newest or event.invocation_id
        if event.invocation_id != newest:
            break
        closed |= {answer.id for answer in event.get_function_responses() if answer.id}
        closed |= event.long_running_tool_ids or set()
        for call in event.get_function_calls():
            if call.name == REQUEST_CONFIRMATION:
                closed.add(call_asked_about(call).id or "")
            elif call.id and call.name not in CALLS_TO_USER:
                calls[call.id] = OpenCall(call.id, call.name or "", event.author, event.branch)
    still = [call for call_id, call in reversed(calls.items()) if call_id not in closed]
    return LeftOpen(newest, still) if newest is not None and still else None


def settle(calls: Iterable[OpenCall], rows: Iterable[CallRecord]) -> None:
    """Says of open calls what the ledger knows of them: what they answered, or that nobody knows whether they did."""
    known = {row.call_id: row for row in rows}
    for call in calls:
        row = known.get(call.id)
        if row is None:
            continue
        call.status = "unknown" if row.status == "started" or row.response is not None else "pending"
        call.response = row.response
