# SPDX-License-Identifier: Apache-2.0
"""Which of a session's messages a model sees.

The rules, applied to the events in their order:

* what a rewind took back is gone;
* only events of the agent's own branch, or of one that leads to it, and only with something in them to see;
* what was spoken is seen as the text of its transcription; recordings of it, which no provider can fetch, are not;
* what other agents said is retold as context, in the user's role; their thoughts are left out;
* a function's response stands right behind its call, the newest one where there are several; a call without a
  response, and a response without a call, are left out;
* where the newest event answers a call from further back, what was said in between is left out, so that the model goes
  on from the answer.

:func:`messages` applies them to a whole log. :class:`View` gives the same for a log that grows, at the cost of what is
new: nearly every event only adds to the end.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

from runwright.event import Event
from runwright.flow.contents import Contents
from runwright.invocation import CALLS_TO_USER
from runwright.model import CODE_RESULT, RETOLD
from runwright.types import Content, Part, copy_part

CLIENT_CALL_ID_PREFIX = "adk-"
"""How the ids start that are given to calls which came without one."""

RECORDING_URI = "artifact://"
"""How the URIs of recordings start, which a live run keeps of what was spoken."""

_CallKey = tuple[str, int]
"""A call's id, and the how manieth call with this id it is."""


class Viewer(NamedTuple):
    """Who looks at the log.

    Attributes:
        keeps_call_ids: Whether the model is to see the ids that it did not give itself.
        sees_thoughts: Whether it sees the thoughts of other agents.
        code_as: What the code that it wrote, and the results of that, stand between where they are shown as text; None
            shows them as they are.
    """

    agent: str
    branch: str | None = None
    keeps_call_ids: bool = True
    sees_thoughts: bool = False
    code_as: tuple[tuple[str, str], tuple[str, str]] | None = None


def messages(events: Sequence[Event], viewer: Viewer) -> list[Content]:
    """The messages that ``viewer`` sees of ``events``."""
    return _messages(events, viewer)[0]


def _messages(events: Sequence[Event], viewer: Viewer) -> tuple[list[Content], bool]:
    """The messages, and whether some are left out until something is said after the newest event."""
    seen = [event for event in without_rewound(events) if _is_visible(event, viewer)]
    answers = _answers(seen, viewer)
    kept = _from_late_answer(seen, viewer)
    result: list[Content] = []
    times: Counter[str] = Counter()
    for event in kept:
        result.extend(_messages_of(event, viewer, answers, times))
    return result, len(kept) < len(seen)


def _answers(seen: list[Event], viewer: Viewer) -> dict[_CallKey, Part]:
    """The newest response to each call: there are models that give one id to a call in every turn."""
    answers: dict[_CallKey, Part] = {}
    times: Counter[str] = Counter()
    for event in seen:
        if _is_foreign(event, viewer):
            continue
        for part in _parts(event):
            if part.function_call is not None and part.function_call.id:
                times[part.function_call.id] += 1
            elif part.function_response is not None and (call_id := part.function_response.id):
                answers[call_id, times[call_id]] = part
    return answers


def current_turn(events: Sequence[Event], viewer: Viewer) -> Sequence[Event]:
    """The events since the user, or another agent, last spoke to this one."""
    for index in range(len(events) - 1, -1, -1):
        event = events[index]
        spoke = event.author == "user" or event.author != viewer.agent
        if spoke and _is_visible(event, viewer) and not event.get_function_responses():
            return events[index:]
    return events


def without_rewound(events: Sequence[Event]) -> Sequence[Event]:
    """The events that no later rewind took back."""
    if not any(event.actions.rewind_before_invocation_id for event in events):
        return events
    kept: list[Event] = []
    for event in events:
        rewound = event.actions.rewind_before_invocation_id
        if rewound:
            start = next((at for at, one in enumerate(kept) if one.invocation_id == rewound), len(kept))
            del kept[start:]
        else:
            kept.append(event)
    return kept


class View:
    """What one viewer sees of a log that grows. Feed it the log each time it is asked."""

    __slots__ = ("_contents", "_cut", "_fed", "_open", "_viewer")

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer
        self._contents: list[Content] = []
        self._fed = 0
        self._open: list[str] = []
        self._cut = False

    def snapshot(self, events: Sequence[Event]) -> Contents:
        """The messages so far, of a log whose beginning is what it was the last time."""
        for index in range(self._fed, len(events)):
            if not self._add(events[index]):
                return self._rebuilt(events)
        self._fed = len(events)
        if self._open:
            return self._rebuilt(events)
        return Contents(self._contents, len(self._contents))

    def _rebuilt(self, events: Sequence[Event]) -> Contents:
        # A new list: snapshots that are still in use share the old one.
        self._contents, self._cut = _messages(events, self._viewer)
        self._fed = len(events)
        self._open = []
        return Contents(self._contents, len(self._contents))

    def _add(self, event: Event) -> bool:
        """Adds one event to the end. False where it changes what stands before."""
        if event.actions.rewind_before_invocation_id:
            return False
        viewer = self._viewer
        if not _is_visible(event, viewer):
            return True
        if self._cut:
            return False
        if _is_foreign(event, viewer):
            if self._open:
                return False
            self._contents.extend(_retold(event, viewer))
            return True
        calls = [part.function_call for part in _parts(event) if part.function_call is not None]
        responses = [part.function_response for part in _parts(event) if part.function_response is not None]
        if responses:
            if calls or [answer.id for answer in responses] != self._open or len(responses) != len(_parts(event)):
                return False
            self._open = []
            self._contents.append(Content(role="user", parts=[_shown(part, viewer) for part in _parts(event)]))
            return True
        if self._open:
            return False
        self._contents.append(_own(event, viewer))
        self._open = [call.id or "" for call in calls]
        return True


def _parts(event: Event) -> list[Part]:
    if event.content is None:
        spoken = event.input_transcription or event.output_transcription
        return [Part(text=spoken.text)] if spoken is not None and spoken.text else []
    return event.content.parts or []


def _is_visible(event: Event, viewer: Viewer) -> bool:
    if event.partial or not (parts := _parts(event)) or not _leads_to(event.branch, viewer.branch):
        return False
    return any(
        part.text
        or (part.function_call is not None and part.function_call.name not in CALLS_TO_USER)
        or (part.function_response is not None and part.function_response.name not in CALLS_TO_USER)
        or part.inline_data is not None
        or (part.file_data is not None and not (part.file_data.file_uri or "").startswith(RECORDING_URI))
        or part.executable_code is not None
        or part.code_execution_result is not None
        or part.thought_signature is not None
        for part in parts
    )


def _leads_to(branch: str | None, viewed_from: str | None) -> bool:
    if branch is None or viewed_from is None or branch == viewed_from:
        return True
    return viewed_from.startswith(f"{branch}.")


def _is_foreign(event: Event, viewer: Viewer) -> bool:
    return event.author not in ("user", viewer.agent)


def _from_late_answer(seen: list[Event], viewer: Viewer) -> list[Event]:
    """Leaves out what was said between a call and the newest event, where that answers the call."""
    if len(seen) < 2 or _is_foreign(seen[-1], viewer):
        return seen
    answered = {response.id for response in seen[-1].get_function_responses()}
    if not answered:
        return seen
    for index in range(len(seen) - 2, -1, -1):
        if not _is_foreign(seen[index], viewer) and any(
            call.id in answered for call in seen[index].get_function_calls()
        ):
            return [*seen[: index + 1], seen[-1]]
    return seen


def _messages_of(event: Event, viewer: Viewer, answers: dict[_CallKey, Part], times: Counter[str]) -> Iterator[Content]:
    if _is_foreign(event, viewer):
        yield from _retold(event, viewer)
        return
    kept: list[Part] = []
    answered: list[Part] = []
    for part in _parts(event):
        if (call := part.function_call) is not None:
            call_id = call.id or ""
            times[call_id] += 1
            if (answer := answers.get((call_id, times[call_id]))) is None:
                continue
            answered.append(answer)
        elif part.function_response is not None:
            continue
        kept.append(part)
    if kept:
        yield Content(role=_role(event, viewer), parts=[_shown(part, viewer) for part in kept])
    if answered:
        yield Content(role="user", parts=[_shown(part, viewer) for part in answered])


def _own(event: Event, viewer: Viewer) -> Content:
    return Content(role=_role(event, viewer), parts=[_shown(part, viewer) for part in _parts(event)])


def _role(event: Event, viewer: Viewer) -> str:
    if viewer.code_as is not None and event.get_code_result() is not None:
        return "user"
    if event.content is not None and event.content.role:
        return event.content.role
    return "user" if event.author == "user" else "model"


def _shown(part: Part, viewer: Viewer) -> Part:
    twin = copy_part(part)
    if viewer.code_as is not None:
        _show_code(twin, *viewer.code_as)
    if not viewer.keeps_call_ids:
        for holder in (twin.function_call, twin.function_response):
            if holder is not None and holder.id is not None and holder.id.startswith(CLIENT_CALL_ID_PREFIX):
                holder.id = None
    return twin


def _show_code(part: Part, code_between: tuple[str, str], result_between: tuple[str, str]) -> None:
    """Makes a text of code, or of its result."""
    if (code := part.executable_code) is not None:
        part.executable_code, part.text = None, (code.code or "").join(code_between)
    elif (result := part.code_execution_result) is not None:
        part.code_execution_result, part.text = None, (result.output or "").join(result_between)
        part.part_metadata = {CODE_RESULT: True}  # It is in the user's role, who has not said it.


def _retold(event: Event, viewer: Viewer) -> list[Content]:
    """What another agent said, as context in the user's role."""
    told = [Part(text=RETOLD)]
    for part in _parts(event):
        if part.thought and not viewer.sees_thoughts:
            continue
        if part.text:
            told.append(Part(text=f"[{event.author}] said: {part.text}"))
        elif part.function_call is not None:
            call = part.function_call
            told.append(Part(text=f"[{event.author}] called tool `{call.name}` with parameters: {_json(call.args)}"))
        elif part.function_response is not None:
            answer = part.function_response
            told.append(Part(text=f"[{event.author}] `{answer.name}` tool returned result: {_json(answer.response)}"))
        elif part.executable_code is not None:
            told.append(Part(text=f"[{event.author}] wrote code:\n```\n{part.executable_code.code or ''}\n```"))
        elif part.code_execution_result is not None:
            output = part.code_execution_result.output or ""
            told.append(Part(text=f"[{event.author}] its code's result:\n```\n{output}\n```"))
        else:
            told.append(copy_part(part))
    return [Content(role="user", parts=told)] if len(told) > 1 else []


def _json(value: Any) -> str:
    return msgspec.json.encode(value or {}).decode()
