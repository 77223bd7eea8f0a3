# SPDX-License-Identifier: Apache-2.0
"""Where a flow waits for the user: which calls need a word first, how it is asked for, and what the answer says.

A question is an event with a call of ``adk_request_confirmation``, whose arguments hold the call in question and what
is asked; a function response to it answers. It is bound to that call's id. Source: ADK's wire format.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

from runwright import clock
from runwright.durable import CallRecord
from runwright.event import Event, NodeInfo, ToolConfirmation
from runwright.flow.history import CLIENT_CALL_ID_PREFIX
from runwright.invocation import REQUEST_CONFIRMATION, InvocationContext, call_asked_about
from runwright.tool import BaseTool
from runwright.types import Content, FunctionCall, FunctionResponse, Part

_UNKNOWN = (
    "The process that made this call was stopped before the answer came. Whether the call took effect is not known; it "
    "was not repeated."
)
_DECLINED = (
    "The process that made this call was stopped before the answer came, and the user does not want it repeated."
)


class Question(NamedTuple):
    """What the user was asked about a call, and the answer; None where there is none yet."""

    call: FunctionCall
    answer: ToolConfirmation | None


def what_became(past: CallRecord, tool: BaseTool, word: ToolConfirmation | None) -> tuple[Any, ToolConfirmation | None]:
    """What a call gave that was made before the run stopped, and what the user is to be asked about it.

    Both are None where the call is to be made again, or had answered that its answer comes later.

    Args:
        word: What the user said to the same question before.
    """
    if past.status == "finished":
        return (None if past.response is None else past.response.response), None
    if word is not None or tool.on_resume == "replay":
        return None, None
    if tool.on_resume == "never":
        return {"error": "unknown", "detail": _UNKNOWN}, None
    hint = f"The call of {tool.name} was interrupted, and may or may not have taken effect. Make it again?"
    return None, ToolConfirmation(hint=hint)


def declined() -> dict[str, Any]:
    """What the model is told of a call that the user does not want to be made."""
    return {"error": "declined", "detail": _DECLINED}


def question_event(ctx: InvocationContext, asked: Sequence[tuple[FunctionCall, ToolConfirmation]]) -> Event:
    """The event that asks the user about calls."""
    parts: list[Part] = []
    for call, question in asked:
        args = {
            "originalFunctionCall": call.model_dump(mode="json", by_alias=True, exclude_none=True),
            "toolConfirmation": question.model_dump(mode="json", by_alias=True, exclude_none=True),
        }
        call_id = f"{CLIENT_CALL_ID_PREFIX}{clock.new_id()}"
        parts.append(Part(function_call=FunctionCall(id=call_id, name=REQUEST_CONFIRMATION, args=args)))
    return Event(
        invocation_id=ctx.invocation_id,
        author=ctx.agent.name,
        branch=ctx.branch,
        node_info=NodeInfo(path=ctx.node_path),
        content=Content(role="model", parts=parts),
        long_running_tool_ids={part.function_call.id or "" for part in parts if part.function_call is not None},
    )


def questions(ctx: InvocationContext) -> Iterator[Question]:
    """What the user was asked in this run about calls of its agent, oldest first."""
    events = [event for event in ctx.session.events if event.invocation_id == ctx.invocation_id]
    answers: dict[str | None, FunctionResponse] = {}
    for event in events:
        if event.author == "user":
            answers.update({answer.id: answer for answer in event.get_function_responses()})
    for event in events:
        if event.author != ctx.agent.name or event.branch != ctx.branch:
            continue
        for call in event.get_function_calls():
            if call.name == REQUEST_CONFIRMATION:
                yield Question(call_asked_about(call), _answer(answers.get(call.id)))


def words(ctx: InvocationContext) -> dict[str | None, ToolConfirmation]:
    """What the user has said in this run to questions about calls of its agent, by the calls' ids; the newest word."""
    return {question.call.id: question.answer for question in questions(ctx) if question.answer is not None}


def _answer(response: FunctionResponse | None) -> ToolConfirmation | None:
    """The user's word; it is no where it is not plainly yes."""
    if response is None:
        return None
    given: dict[str, Any] = response.response or {}
    if isinstance(given.get("response"), str):  # as ADK's web page sends it: JSON in a text
        try:
            given = msgspec.json.decode(given["response"], type=dict[str, Any])
        except msgspec.DecodeError:
            given = {}
    return ToolConfirmation(confirmed=given.get("confirmed") is True, payload=given.get("payload"))
