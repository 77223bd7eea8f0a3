# SPDX-License-Identifier: Apache-2.0
"""Where a flow waits for the user: which calls need a word first, how it is asked for, and what the answer says.

A question is an event with a call of ``adk_request_confirmation``, whose arguments hold the call in question and what
is asked; a function response to it answers. Source: ADK's wire format.

An answer is bound to the very call that was asked about, with its arguments, and is used once: the question's id says
how often the call had been made by then, so the answer is worth nothing after the call was made again. Whatever is not
plainly yes is no. Only what the engine itself asked counts as a question: a model that calls
``adk_request_confirmation`` asks nothing.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from runwright import clock
from runwright.durable import CallRecord
from runwright.event import Event, EventActions, NodeInfo, ToolConfirmation
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
_REJECTED = "This tool call is rejected."
_ID = re.compile(rf"{CLIENT_CALL_ID_PREFIX}(ask|own)(\d+)-")
"""What the ids of questions start with: whether it is the tool's own, and how often the call had been made."""


class Asking(NamedTuple):
    """What the user is asked about a call before it is made.

    Attributes:
        confirmation: The question.
        is_own: Whether the tool asks, which then hears a no as well; after a no to the engine it is not called.
        attempts: How often the call was made so far.
    """

    confirmation: ToolConfirmation
    is_own: bool
    attempts: int


class Question(NamedTuple):
    """What the user was asked about a call, and the answer; None where there is none yet.

    Attributes:
        is_newest: Whether the newest message of the run is the one that answers it.
    """

    call: FunctionCall
    is_own: bool
    attempts: int
    answer: ToolConfirmation | None
    is_newest: bool


class Word(NamedTuple):
    """What the user said of a call.

    Attributes:
        question: The newest question about it, which was answered.
        answer: That answer.
        told: What the tool is told: the answer to its own newest question, if it had one.
    """

    question: Question
    answer: ToolConfirmation
    told: ToolConfirmation

    @property
    def is_no(self) -> bool:
        """Whether the call is not to be made, whatever else is known of it."""
        return not (self.answer.confirmed or self.question.is_own)

    def holds_for(self, past: CallRecord | None, *, has_ledger: bool) -> bool:
        """Whether the call has not been made since.

        Without a ledger nobody knows, once the user has said something else in the same run.
        """
        if not has_ledger:
            return self.question.is_newest
        return self.question.attempts == (0 if past is None else past.attempts)


def what_became(
    past: CallRecord, tool: BaseTool, *, was_asked: bool = False
) -> tuple[FunctionResponse | None, Asking | None]:
    """What a call gave that was made before the run stopped, and what the user is to be asked about it.

    Both are None where the call is to be made again, or had answered that its answer comes later.

    Args:
        was_asked: Whether the user was asked about it before, so that it is not made again without being asked.
    """
    if past.status == "finished":
        own = next(iter(past.actions.requested_tool_confirmations.values()), None)
        return past.response, None if own is None else Asking(own, True, past.attempts)
    if tool.on_resume == "replay":
        return None, None
    if tool.on_resume == "never" and not was_asked:
        return FunctionResponse(response={"error": "unknown", "detail": _UNKNOWN}), None
    hint = f"The call of {tool.name} was interrupted, and may or may not have taken effect. Make it again?"
    return None, Asking(ToolConfirmation(hint=hint), False, past.attempts)


def approval(tool: BaseTool, attempts: int) -> Asking:
    """The question whether a tool may be called that needs confirmation."""
    hint = (
        f"Please approve or reject the tool call {tool.name}() by responding with a FunctionResponse with an expected "
        "ToolConfirmation payload."
    )
    return Asking(ToolConfirmation(hint=hint), False, attempts)


def declined(word: Word) -> dict[str, Any]:
    """What the model is told of a call that the user does not want to be made."""
    return {"error": "declined", "detail": _DECLINED} if word.question.attempts else {"error": _REJECTED}


def question_event(
    ctx: InvocationContext, asked: Sequence[tuple[FunctionCall, Asking]], written: Sequence[EventActions]
) -> Event:
    """The event that asks the user about calls.

    Args:
        written: What the calls' tools have written before they asked. Where the run goes on is not theirs to say yet.
    """
    actions = EventActions()
    for one in written:
        actions.state_delta.update(one.state_delta)
        actions.artifact_delta.update(one.artifact_delta)
    parts: list[Part] = []
    for call, asking in asked:
        question = asking.confirmation
        actions.requested_tool_confirmations[call.id or ""] = question
        args = {
            "originalFunctionCall": call.model_dump(mode="json", by_alias=True, exclude_none=True),
            "toolConfirmation": question.model_copy(update={"memo": None}).model_dump(
                mode="json", by_alias=True, exclude_none=True
            ),
        }
        kind = "own" if asking.is_own else "ask"
        call_id = f"{CLIENT_CALL_ID_PREFIX}{kind}{asking.attempts}-{clock.new_id()}"
        parts.append(Part(function_call=FunctionCall(id=call_id, name=REQUEST_CONFIRMATION, args=args)))
    return Event(
        invocation_id=ctx.invocation_id,
        author=ctx.agent.name,
        branch=ctx.branch,
        node_info=NodeInfo(path=ctx.node_path),
        content=Content(role="model", parts=parts),
        actions=actions,
        long_running_tool_ids={part.function_call.id or "" for part in parts if part.function_call is not None},
    )


def questions(ctx: InvocationContext) -> dict[str | None, list[Question]]:
    """What the user was asked in this run about calls of its agent, by the calls' ids, oldest first.

    Questions about an earlier call of the same id are left out: there are models that count anew.
    """
    events = [event for event in ctx.session.events if event.invocation_id == ctx.invocation_id]
    answers: dict[str | None, tuple[FunctionResponse, Event]] = {}
    newest: Event | None = None
    for event in events:
        if event.author == "user":
            newest = event
            answers.update({answer.id: (answer, event) for answer in event.get_function_responses()})
    found: dict[str | None, list[Question]] = {}
    for event in events:
        if event.author != ctx.agent.name or event.branch != ctx.branch:
            continue
        for call in event.get_function_calls():
            if call.name != REQUEST_CONFIRMATION:
                found.pop(call.id, None)
            elif (known := _ID.match(call.id or "")) is not None:
                answer, said_in = answers.get(call.id, (None, None))
                about = call_asked_about(call)
                is_newest = said_in is not None and said_in is newest
                asked = event.actions.requested_tool_confirmations.get(about.id or "")
                said = _answer(answer, None if asked is None else asked.memo)
                question = Question(about, known[1] == "own", int(known[2]), said, is_newest)
                found.setdefault(about.id, []).append(question)
    return found


def words(ctx: InvocationContext) -> dict[str | None, Word]:
    """What the user has said in this run to the newest questions about calls of its agent, by the calls' ids."""
    said: dict[str | None, Word] = {}
    for call_id, asked in questions(ctx).items():
        answer = asked[-1].answer
        if answer is not None:
            own = [question.answer for question in asked if question.is_own and question.answer is not None]
            said[call_id] = Word(asked[-1], answer, own[-1] if own else answer)
    return said


def word_on(call: FunctionCall, said: Mapping[str | None, Word]) -> Word | None:
    """What the user said of this very call; a question about the same call with other arguments does not count."""
    word = said.get(call.id)
    if word is None:
        return None
    about = word.question.call
    return word if (about.name, about.args or {}) == (call.name, call.args or {}) else None


def _answer(response: FunctionResponse | None, memo: Any) -> ToolConfirmation | None:
    """The user's word, with what the tool has kept; it is no where it is not plainly yes."""
    if response is None:
        return None
    given: dict[str, Any] = response.response or {}
    if isinstance(given.get("response"), str):  # as ADK's web page sends it: JSON in a text
        try:
            given = msgspec.json.decode(given["response"], type=dict[str, Any])
        except msgspec.DecodeError:
            given = {}
    return ToolConfirmation(confirmed=given.get("confirmed") is True, payload=given.get("payload"), memo=memo)
