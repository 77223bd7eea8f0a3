# SPDX-License-Identifier: Apache-2.0
"""Who answers a message, and which run it belongs to, as the session's events tell (pure)."""

from collections.abc import Iterator, Sequence

from runwright.agent import BaseAgent
from runwright.errors import InputValidationError, InvocationNotFoundError
from runwright.event import Event
from runwright.flow.history import without_rewound
from runwright.invocation import CALLS_TO_USER, QUESTIONS, ids_asked_about, questions_to_user
from runwright.types import Content, FunctionResponse, copy_content


def find_agent_to_run(events: Sequence[Event], root: BaseAgent, message: Content | None) -> BaseAgent:
    """The agent whose function call the message answers; else the one that spoke last, if the conversation was passed
    on to it and it can pass it back; else the root."""
    call = _answered_call(events, message)
    if call is not None:
        return _resuming(root.find_agent(call.author) or root)
    if not root.takes_handover:
        return root
    failed_in: str | None = None
    for event in _last_said(events):
        if event.error_code and event.content is None:
            failed_in = failed_in or event.author  # It tells that the run failed, and hides who had the conversation.
            continue
        agent = root.find_agent(event.actions.transfer_to_agent or event.author)
        if agent is root:
            return root
        if agent is not None and _can_pass_back(agent):
            return agent
    agent = root.find_agent(failed_in) if failed_in is not None else None
    return agent if agent is not None and _can_pass_back(agent) else root


def _resuming(agent: BaseAgent) -> BaseAgent:
    """Who goes on when a call of ``agent`` is answered: the topmost agent that has to go on with what is below it."""
    found = agent
    above = agent.parent_agent
    while above is not None:
        found = above if above.resumes_below else found
        above = above.parent_agent
    return found


def resumed_invocation(events: Sequence[Event], message: Content | None, invocation_id: str | None) -> str | None:
    """The id of the run that goes on; None where a new one starts.

    Raises:
        InputValidationError: The message answers a call that does not exist, or calls of several runs.
        InvocationNotFoundError: The session holds no run of this id, and there is no message to start one with.
    """
    call = _answered_call(events, message)
    if call is not None:
        if invocation_id is not None and invocation_id != call.invocation_id:
            raise InputValidationError(
                f"The message answers a call of invocation {call.invocation_id!r}, not of {invocation_id!r}: leave "
                "invocation_id out"
            )
        return call.invocation_id
    if message is None and invocation_id is not None:
        if not any(event.invocation_id == invocation_id for event in without_rewound(events)):
            raise InvocationNotFoundError(f"The session holds no invocation {invocation_id!r} to go on with")
        return invocation_id
    return None


def with_names(events: Sequence[Event], message: Content) -> Content:
    """The message with the names of the calls that it answers, where it tells only their ids."""
    if all(response.name for response in _responses(message)):
        return message
    calls = [call for event in _answered_calls(events, message) for call in event.get_function_calls()]
    names, whole = {call.id: call.name for call in calls}, copy_content(message)
    for response in _responses(whole):
        response.name = response.name or names.get(response.id)
    return whole


def user_content(events: Sequence[Event], invocation_id: str | None) -> Content | None:
    """The message that started a run."""
    for event in events:
        if event.invocation_id == invocation_id and event.author == "user" and event.content is not None:
            return event.content
    return None


def branch_of_answer(events: Sequence[Event], message: Content | None) -> str | None:
    """The branch of the call that a message answers; None also where it answers calls of several."""
    branches = {call.branch for call in _answered_calls(events, message)}
    return branches.pop() if len(branches) == 1 else None


def _responses(message: Content | None) -> list[FunctionResponse]:
    parts = (message.parts if message is not None else None) or []
    return [part.function_response for part in parts if part.function_response is not None]


def _answered_call(events: Sequence[Event], message: Content | None) -> Event | None:
    """The newest event with calls that a message answers."""
    calls = _answered_calls(events, message)
    return calls[0] if calls else None


def _answered_calls(events: Sequence[Event], message: Content | None) -> list[Event]:
    """The events with the calls that a message answers, the newest first.

    Raises:
        InputValidationError: The message answers calls of several invocations, one that the session does not hold, or
            one that is not the user's to answer: a tool has answered it, the user is asked about it, or a model has
            made it in the engine's name.
    """
    wanted = {response.id for response in _responses(message)}
    found: list[Event] = []
    if not wanted:
        return found
    tools_own: set[str | None] = set()
    for event in _newest_first(events):
        calls = [call for call in event.get_function_calls() if call.id in wanted]
        here = {call.id for call in calls}
        if not here:
            tools_own |= _answered_or_asked_about(event)
            continue
        if found and event.invocation_id != found[0].invocation_id:
            raise InputValidationError(
                "The message answers calls of several invocations: answer each in a message of its own"
            )
        made = {call.id for call in calls if call.id in tools_own or call.name in CALLS_TO_USER}
        if made := made - (event.long_running_tool_ids or set()):
            raise InputValidationError(
                f"The message answers function call {', '.join(sorted(map(repr, made)))}, whose result is not the "
                "user's to give: answer calls that are in event.long_running_tool_ids"
            )
        found.append(event)
        wanted -= here
        if not wanted:
            return found
    missing = ", ".join(repr(one) for one in sorted(str(one) for one in wanted))
    raise InputValidationError(
        f"The message answers function call {missing}, which the session does not hold: take the id from the event "
        "with the call (event.get_function_calls())"
    )


def _answered_or_asked_about(event: Event) -> set[str | None]:
    """The ids of calls that tools have answered in an event, or that it asks the user about."""
    if event.author == "user":
        return set()
    ids: set[str | None] = {response.id for response in event.get_function_responses()}
    for question in questions_to_user(event):
        if question.name in QUESTIONS:
            ids.update(ids_asked_about(question, event))
    return ids


def _last_said(events: Sequence[Event]) -> Iterator[Event]:
    """What agents said in the last run in which any did, the newest first."""
    invocation_id: str | None = None
    for event in _newest_first(events):
        if invocation_id is not None and event.invocation_id != invocation_id:
            return
        if event.author != "user":
            invocation_id = event.invocation_id
            yield event


def _newest_first(events: Sequence[Event]) -> Iterator[Event]:
    """The events that were not taken back, at the cost of those that are looked at."""
    for index in range(len(events) - 1, -1, -1):
        if events[index].actions.rewind_before_invocation_id:
            yield from reversed(without_rewound(events[: index + 1]))
            return
        yield events[index]


def _can_pass_back(agent: BaseAgent) -> bool:
    """Whether the conversation can get from an agent up to the root."""
    above: BaseAgent | None = agent
    while above is not None:
        if not above.takes_handover:
            return False
        if above.parent_agent is not None and getattr(above, "disallow_transfer_to_parent", False):
            return False
        above = above.parent_agent
    return True
