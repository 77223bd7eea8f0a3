# SPDX-License-Identifier: Apache-2.0
"""What the log tells of the nodes that an interrupted run has run (pure)."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

from runwright.errors import InputValidationError
from runwright.event import Event
from runwright.invocation import QUESTIONS
from runwright.types import Content, FunctionResponse, text_of
from runwright.workflow.pause import answer_of


class PastRun:
    """One run of a node, as its events tell.

    Attributes:
        begin: Where in the log its first event is.
        ended: Where the event is that ended it; None where it did not end, or was answered since.
        output: What it gave.
        route: Which way it went.
        said_that_it_ended: Whether an event tells so; otherwise the one with its output does.
    """

    def __init__(self, begin: int) -> None:
        self.said_that_it_ended = False
        self.begin = begin
        self.ended: int | None = None
        self.output: Any = None
        self.route: Any = None
        self.asked_below = False
        self._last = begin
        self._schemas: dict[str, dict[str, Any] | None] = {}
        self._responses: dict[str, dict[str, Any] | None] = {}
        self._answered = -1

    @property
    def open(self) -> set[str]:
        """The questions that are not answered."""
        return self._schemas.keys() - self._responses.keys()

    @property
    def has_news(self) -> bool:
        """Whether an answer came after all that the node did."""
        return self._answered > self._last

    @property
    def answered(self) -> int:
        """Where in the log the newest answer is; -1 where there is none."""
        return self._answered

    def answers(self) -> dict[str, Any]:
        """The answers to its questions.

        Raises:
            InputValidationError: One does not fit.
        """
        return {key: answer_of(response, self._schemas[key]) for key, response in self._responses.items()}

    def add(self, index: int, event: Event, path: str) -> None:
        """Takes note of an event of the node at ``path``, or of one below it."""
        self._last = index
        for call in event.get_function_calls():
            if call.id and call.id in (event.long_running_tool_ids or ()):
                self._schemas[call.id] = (call.args or {}).get("response_schema")
                self._responses.pop(call.id, None)
                # A question about a tool's call: the answer is not the output, the node goes on with the call.
                is_of_call = call.name in QUESTIONS
                self.asked_below = self.asked_below or is_of_call or event.node_info.path != path
        claims = event.node_info.output_for or ()
        if path in claims:
            self.output = output_of(event)
        if event.node_info.path == path and event.actions.route is not None:
            self.route = event.actions.route
            self.ended = index
        if event.node_info.path == path and event.actions.end_of_agent:
            self.ended, self.said_that_it_ended = index, True
        if path in claims:
            self.ended = index

    def answer(self, index: int, response: FunctionResponse) -> None:
        """Takes note of what the user answered to one of its questions. The first answer that fits stands."""
        key = response.id or ""
        if key in self.open or not self._fits(key):
            self._responses[key] = response.response
            self._answered = index
            self.ended = self.output = None  # What it gave before was not its last word.

    def _fits(self, key: str) -> bool:
        try:
            answer_of(self._responses[key], self._schemas[key])
        except InputValidationError:
            return False
        return True


class Past(NamedTuple):
    """What came before in an invocation.

    Attributes:
        message: What the user said at its start.
        runs: The runs of the nodes right below a path, by name and number, as ``node@1``.
    """

    message: Content | None
    runs: dict[str, PastRun]


def read_past(events: Sequence[Event], invocation_id: str, path: str) -> Past:
    """What the log tells of the nodes right below ``path``, at the cost of the invocation's part of it."""
    start, message = _start(events, invocation_id)
    runs: dict[str, PastRun] = {}
    askers: defaultdict[str, list[PastRun]] = defaultdict(list)
    below = f"{path}/"
    for index in range(start, len(events)):
        event = events[index]
        if event.invocation_id != invocation_id:
            continue
        if event.author == "user":
            for response in event.get_function_responses():
                if asking := askers[response.id or ""]:
                    next((run for run in asking if response.id in run.open), asking[-1]).answer(index, response)
        elif event.node_info.path.startswith(below):
            child = event.node_info.path[len(below) :].partition("/")[0]
            run = runs.setdefault(child, PastRun(index))
            run.add(index, event, below + child)
            for key in event.long_running_tool_ids or ():
                askers[key].append(run)
    return Past(message, runs)


def known_path(events: Sequence[Event], invocation_id: str, name: str, *, newest: bool) -> str | None:
    """The path of the newest or the first run of the workflow ``name`` in an invocation; None where it has not run."""
    start, _ = _start(events, invocation_id)
    for event in reversed(events[start:]) if newest else events[start:]:
        if event.invocation_id == invocation_id:
            steps = event.node_info.path.split("/")
            for index, step in enumerate(steps):
                if step.partition("@")[0] == name:
                    return "/".join(steps[: index + 1])
    return None


def output_of(event: Event) -> Any:
    """What an event that has a node's output says that it is."""
    return text_of(event.content) if event.node_info.message_as_output else event.output


def _start(events: Sequence[Event], invocation_id: str) -> tuple[int, Content | None]:
    """Where an invocation begins, and the message that began it."""
    start = len(events)
    for index in range(len(events) - 1, -1, -1):
        event = events[index]
        if event.invocation_id != invocation_id:
            continue
        start = index
        if event.author == "user" and event.content is not None and not event.get_function_responses():
            return start, event.content
    return start, None
