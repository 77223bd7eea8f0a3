# SPDX-License-Identifier: Apache-2.0
"""Owed: what a log still needs of the run before, so that each call has exactly one response (pure)."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from runwright.durable import CallRecord
from runwright.event import Event, EventActions
from runwright.flow.code import result_event
from runwright.invocation import Ledger, OpenCall
from runwright.types import Content, FunctionResponse, Part


class LeftOpen(NamedTuple):
    """The calls that an interrupted run left without a response."""

    invocation_id: str
    calls: list[OpenCall]


def responses(calls: Iterable[OpenCall], invocation_id: str) -> list[Event]:
    """What the log is told of open calls: one event for each agent that called, and one for each piece of code."""
    groups: dict[tuple[str, str | None], list[Part]] = {}
    results: list[Event] = []
    for call in calls:
        if call.status == "pending":
            continue
        if call.is_code:
            results.append(result_event(invocation_id, call))
            continue
        response = call.response or FunctionResponse(id=call.id, name=call.name, response={"error": call.status})
        groups.setdefault((call.author, call.branch), []).append(Part(function_response=response))
    answers = [
        Event(
            invocation_id=invocation_id,
            author=author,
            branch=branch,
            content=Content(role="user", parts=parts),
        )
        for (author, branch), parts in groups.items()
    ]
    return [*answers, *results]


def left_open(events: Sequence[Event], *, but_of: str) -> LeftOpen | None:
    """The calls without a response of the newest run but one, which nobody is to answer from outside.

    It costs what that run's last part did, unless it finds some.

    Args:
        but_of: The run that is not looked at: it is about to go on.
    """
    newest: str | None = None
    answers: Counter[str | None] = Counter()
    is_open = False
    for event in reversed(events):
        # A run that came to say no more than that it was stopped is not the one that left something.
        if event.invocation_id == but_of or (newest is None and (event.author == "user" or event.content is None)):
            continue
        newest = newest or event.invocation_id
        if event.invocation_id != newest:
            break
        answers.update(answer.id for answer in event.get_function_responses())
        if (result := event.get_code_result()) is not None:
            answers[result.id] += 1
        elif (code := event.get_code_to_run()) is not None:
            is_open = is_open or not answers[code.id]
            answers[code.id] -= 1
        for call in event.get_function_calls():
            is_open = is_open or not answers[call.id]
            answers[call.id] -= 1
    if newest is None or not is_open:
        return None
    ledger = Ledger()
    for event in events:
        if event.invocation_id == newest:
            ledger.note(event)
    calls = [one for one in ledger.open_calls.values() if one.status != "pending" and one.id not in ledger.outside]
    return LeftOpen(newest, calls) if calls else None


def settle(calls: Iterable[OpenCall], rows: Iterable[CallRecord]) -> None:
    """Says of open calls what the ledger knows of them: what they answered, or that nobody knows whether they did."""
    known = {row.call_id: row for row in rows}
    for call in calls:
        row = known.get(call.key)
        if row is None:
            continue
        if row.status == "started" or row.response is not None:
            call.status = "unknown"
        elif not (row.actions.requested_tool_confirmations or row.actions.requested_auth_configs):
            call.status = "pending"  # Otherwise it was to ask the user, and the question is not in the log.
        call.response = row.response


def taken_back(events: Sequence[Event], *, but_of: str) -> Event | None:
    """The event that takes back what the newest run but one, which another process ran, has said and changed.

    A state key that no event had set before that run keeps its value: the log does not tell what it was.
    """
    newest = next((event.invocation_id for event in reversed(events) if event.invocation_id != but_of), None)
    if newest is None:
        return None
    changed = {key for event in events if event.invocation_id == newest for key in event.actions.state_delta}
    before: dict[str, Any] = {}
    for event in events:
        if event.invocation_id == newest:
            break
        before.update({key: value for key, value in event.actions.state_delta.items() if key in changed})
    actions = EventActions(rewind_before_invocation_id=newest, state_delta=before)
    return Event(invocation_id=newest, author="user", actions=actions)
