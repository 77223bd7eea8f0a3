# SPDX-License-Identifier: Apache-2.0
"""Where a flow waits for the user: which calls need a word first, how it is asked for, and what the answer says.

There are two kinds of question: whether a call may be made, and for a credential that it needs. A question is an event
with a call of ``adk_request_confirmation`` or ``adk_request_credential``, whose arguments hold what is asked, and about
which call; a function response to it answers. Source: ADK's wire format.

An answer is bound to the very call that was asked about, with its arguments, and is used once: the question's id says
how often the call had been made by then, so the answer is worth nothing after the call was made again. Whatever is not
plainly yes is no. Only what the engine itself asked counts as a question: a model that calls one of the two asks
nothing.

Calls of one answer that need the same credential share a question. What the user gave is not in the answer as it is
stored, see ``flow/credentials.py``.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import msgspec

from runwright import clock
from runwright.durable import CallRecord
from runwright.event import Event, EventActions, NodeInfo, ToolConfirmation
from runwright.flow.history import CLIENT_CALL_ID_PREFIX
from runwright.invocation import (
    QUESTIONS,
    REQUEST_CONFIRMATION,
    REQUEST_CREDENTIAL,
    InvocationContext,
    call_asked_about,
    ids_asked_about,
)
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
_NO_CREDENTIAL = "The user did not give the credential that this call needs."
_ID = re.compile(rf"{CLIENT_CALL_ID_PREFIX}(ask|own|auth)(\d+)-")
"""What the ids of questions start with: their kind, and how often the call had been made."""

_Kind = Literal["ask", "own", "auth"]
"""Whether the engine asks for leave, or the tool does, or the tool needs a credential."""


class Asking(NamedTuple):
    """What the user is asked about a call before it is made.

    Attributes:
        subject: What is asked: a confirmation, or the JSON of the ``AuthConfig`` of a credential.
        kind: Where the tool itself asks for leave (``own``), it hears a no as well; otherwise a no means that it is not
            called.
        attempts: How often the call was made so far.
        memo: What the tool that asks for a credential keeps for itself meanwhile.
    """

    subject: ToolConfirmation | dict[str, Any]
    kind: _Kind
    attempts: int
    memo: Any = None


class Question(NamedTuple):
    """What the user was asked about a call, and the answer; None where there is none yet.

    Attributes:
        answer: For a credential, whether it was given.
        is_newest: Whether the newest message of the run is the one that answers it.
        credential_key: The name of the credential that was asked for.
        memo: What the tool has kept with it.
    """

    call: FunctionCall
    kind: _Kind
    attempts: int
    answer: ToolConfirmation | None
    is_newest: bool
    credential_key: str = ""
    memo: Any = None


class Word(NamedTuple):
    """What the user said of a call.

    Attributes:
        question: The newest question about it, which was answered.
        answer: That answer.
        told: What the tool is told: the answer to its own newest question, else to the engine's, if it had one.
        credential_keys: The names of the credentials that the user gave for it.
        memo: What the tool has kept with the newest question that it kept something with.
    """

    question: Question
    answer: ToolConfirmation
    told: ToolConfirmation | None
    credential_keys: frozenset[str] = frozenset()
    memo: Any = None

    @property
    def is_no(self) -> bool:
        """Whether the call is not to be made, whatever else is known of it."""
        hears_no = self.question.kind == "own" or (self.question.kind == "auth" and self.question.memo is not None)
        return not (self.answer.confirmed or hears_no)

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
        return past.response, asked_by_tool(past.actions, past.attempts)
    if tool.on_resume == "replay":
        return None, None
    if tool.on_resume == "never" and not was_asked:
        return FunctionResponse(response={"error": "unknown", "detail": _UNKNOWN}), None
    hint = f"The call of {tool.name} was interrupted, and may or may not have taken effect. Make it again?"
    return None, Asking(ToolConfirmation(hint=hint), "ask", past.attempts)


def asked_by_tool(actions: EventActions, attempts: int) -> Asking | None:
    """What the tool of one call wants the user asked before it does its work: for a credential before all else."""
    for call_id, config in actions.requested_auth_configs.items():
        kept = actions.requested_tool_confirmations.get(call_id)
        return Asking(config, "auth", attempts, None if kept is None else kept.memo)
    for confirmation in actions.requested_tool_confirmations.values():
        return Asking(confirmation, "own", attempts)
    return None


def approval(tool: BaseTool, attempts: int) -> Asking:
    """The question whether a tool may be called that needs confirmation."""
    hint = (
        f"Please approve or reject the tool call {tool.name}() by responding with a FunctionResponse with an expected "
        "ToolConfirmation payload."
    )
    return Asking(ToolConfirmation(hint=hint), "ask", attempts)


def declined(word: Word) -> dict[str, Any]:
    """What the model is told of a call that the user does not want to be made, or gave no credential for."""
    if word.question.kind == "auth":
        return {"error": word.answer.hint or _NO_CREDENTIAL}
    return {"error": "declined", "detail": _DECLINED} if word.question.attempts else {"error": _REJECTED}


def question_events(
    ctx: InvocationContext, asked: Sequence[tuple[FunctionCall, Asking]], written: Sequence[EventActions]
) -> Iterator[Event]:
    """The events that ask the user about calls: one for all credentials, one for all confirmations.

    Args:
        written: What the calls' tools have written before they asked. Where the run goes on is not theirs to say yet.
    """
    actions = EventActions()
    for one in written:
        actions.state_delta.update(one.state_delta)
        actions.artifact_delta.update(one.artifact_delta)
    credentials = [one for one in asked if one[1].kind == "auth"]
    confirmations = [one for one in asked if one[1].kind != "auth"]
    if credentials:
        parts = list(_credential_requests(credentials, actions))
        yield _question_event(ctx, Content(role="user", parts=parts), actions)
        actions = EventActions()
    if confirmations:
        parts = list(_confirmation_requests(confirmations, actions))
        yield _question_event(ctx, Content(role="model", parts=parts), actions)


def _confirmation_requests(asked: Sequence[tuple[FunctionCall, Asking]], actions: EventActions) -> Iterator[Part]:
    for call, asking in asked:
        question = asking.subject
        assert isinstance(question, ToolConfirmation)
        actions.requested_tool_confirmations[call.id or ""] = question
        args = {
            "originalFunctionCall": call.model_dump(mode="json", by_alias=True, exclude_none=True),
            "toolConfirmation": question.model_copy(update={"memo": None}).model_dump(
                mode="json", by_alias=True, exclude_none=True
            ),
        }
        yield _request(REQUEST_CONFIRMATION, asking, args)


def _credential_requests(asked: Sequence[tuple[FunctionCall, Asking]], actions: EventActions) -> Iterator[Part]:
    """One for each credential, however many calls need it."""
    shared: dict[tuple[str, int], dict[str, Any]] = {}
    for call, asking in asked:
        config = asking.subject
        assert isinstance(config, dict)
        key = (str(config.get("credentialKey")), asking.attempts)
        if key not in shared:
            shared[key] = config
            yield _request(REQUEST_CREDENTIAL, asking, {"functionCallId": call.id or "", "authConfig": config})
        actions.requested_auth_configs[call.id or ""] = shared[key]
        if asking.memo is not None:
            actions.requested_tool_confirmations[call.id or ""] = ToolConfirmation(memo=asking.memo)


def _request(name: str, asking: Asking, args: dict[str, Any]) -> Part:
    call_id = f"{CLIENT_CALL_ID_PREFIX}{asking.kind}{asking.attempts}-{clock.new_id()}"
    return Part(function_call=FunctionCall(id=call_id, name=name, args=args))


def _question_event(ctx: InvocationContext, content: Content, actions: EventActions) -> Event:
    return Event(
        invocation_id=ctx.invocation_id,
        author=ctx.agent.name,
        branch=ctx.branch,
        node_info=NodeInfo(path=ctx.node_path),
        content=content,
        actions=actions,
        long_running_tool_ids={
            part.function_call.id or "" for part in content.parts or () if part.function_call is not None
        },
    )


def is_engines_question(call: FunctionCall, event: Event) -> bool:
    """Whether a call of an event is a question that the engine asked, rather than a model in its place."""
    return bool(_ID.match(call.id or "")) and call.id in (event.long_running_tool_ids or ())


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
    made: dict[str | None, FunctionCall] = {}
    for event in events:
        if event.author != ctx.agent.name or event.branch != ctx.branch:
            continue
        for call in event.get_function_calls():
            if call.name not in QUESTIONS:
                found.pop(call.id, None)
                made[call.id] = call
            elif is_engines_question(call, event):
                answer, said_in = answers.get(call.id, (None, None))
                is_newest = said_in is not None and said_in is newest
                for question in _asked(call, event, made, answer, is_newest):
                    found.setdefault(question.call.id, []).append(question)
    return found


def _asked(
    request: FunctionCall,
    event: Event,
    made: Mapping[str | None, FunctionCall],
    answer: FunctionResponse | None,
    is_newest: bool,
) -> Iterator[Question]:
    """The questions that a request to the user is: one for each call that it is about."""
    known = _ID.match(request.id or "")
    assert known is not None
    attempts = int(known[2])
    if request.name == REQUEST_CONFIRMATION:
        kind = "own" if known[1] == "own" else "ask"
        about = call_asked_about(request)
        memo = _memo(event, about.id)
        yield Question(about, kind, attempts, _answer(answer, memo), is_newest, memo=memo)
        return
    config: dict[str, Any] = (request.args or {}).get("authConfig") or {}
    key = str(config.get("credentialKey") or "")
    for call_id in ids_asked_about(request, event):
        call = made.get(call_id) or FunctionCall(id=call_id)  # a node of a workflow makes its call without a model
        yield Question(call, "auth", attempts, _was_given(answer), is_newest, key, _memo(event, call_id))


def _memo(event: Event, call_id: str | None) -> Any:
    """What a tool has kept with a question."""
    kept = event.actions.requested_tool_confirmations.get(call_id or "")
    return None if kept is None else kept.memo


def words(ctx: InvocationContext) -> dict[str | None, Word]:
    """What the user has said in this run to the newest questions about calls of its agent, by the calls' ids."""
    said: dict[str | None, Word] = {}
    for call_id, asked in questions(ctx).items():
        answer = asked[-1].answer
        if answer is not None:
            told = {question.kind: question.answer for question in asked if question.answer is not None}
            keys = (one.credential_key for one in asked if one.answer is not None and one.answer.confirmed)
            memo = next((one.memo for one in reversed(asked) if one.memo is not None), None)
            own = told.get("own") or told.get("ask")
            said[call_id] = Word(asked[-1], answer, own, frozenset(filter(None, keys)), memo)
    return said


def word_on(call: FunctionCall, said: Mapping[str | None, Word]) -> Word | None:
    """What the user said of this very call; a question about the same call with other arguments does not count."""
    word = said.get(call.id)
    if word is None:
        return None
    about = word.question.call
    if about.name is None:
        return word
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


def _was_given(response: FunctionResponse | None) -> ToolConfirmation | None:
    """Whether the user gave a credential; why it was not taken is the hint."""
    if response is None:
        return None
    said: dict[str, Any] = response.response or {}
    return ToolConfirmation(confirmed=said.get("status") == "given", hint=str(said.get("detail") or ""))
