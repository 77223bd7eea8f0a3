# SPDX-License-Identifier: Apache-2.0
"""What the user of a live run sends, as events of the log."""

from collections.abc import Iterator, Mapping

from runwright.connection import RealtimeInput
from runwright.errors import InputValidationError
from runwright.event import Event, EventActions
from runwright.flow.user_message import received
from runwright.invocation import CALLS_TO_USER, InvocationContext
from runwright.live.queue import LiveRequest
from runwright.live_types import AudioStreamEnd
from runwright.types import Content, FunctionResponse, Part, copy_content


class UserTurns:
    """Makes the events of what the user sends.

    Attributes:
        unfinished: What has come of a message that is not whole.
    """

    def __init__(self, ctx: InvocationContext) -> None:
        self._ctx = ctx
        self.unfinished: list[Part] = []

    def realtime(self, request: LiveRequest) -> Iterator[RealtimeInput]:
        """What is sent to the model as it comes, and not stored."""
        if request.activity_start is not None:
            yield request.activity_start
        elif request.activity_end is not None:
            yield request.activity_end
        elif request.audio_stream_end:
            yield AudioStreamEnd()
        elif request.blob is not None:
            yield request.blob

    def whole(self, request: LiveRequest) -> LiveRequest:
        """The request with all parts of its message, those that came before among them; without it while more comes."""
        if request.content is None or any(part.function_response for part in request.content.parts or ()):
            return request  # An answer is a message of its own, also in the midst of another one.
        self.unfinished.extend(request.content.parts or ())
        if request.partial:
            return request.model_copy(update={"content": None})
        content, self.unfinished = Content(role="user", parts=self.unfinished), []
        return request.model_copy(update={"content": content})

    async def event(self, request: LiveRequest) -> Event | None:
        """The event of a whole request; None where there is nothing to store.

        Raises:
            InputValidationError: It answers a call that the session does not hold.
        """
        ctx, content = self._ctx, None
        actions = EventActions(state_delta=dict(request.state_delta or {}))
        if request.content is not None and (parts := self._open(request.content)):
            content = await received(ctx, Content(role="user", parts=parts), actions)
        if content is None and not actions.state_delta:
            return None
        return Event(invocation_id=ctx.invocation_id, author="user", content=content, actions=actions)

    def _open(self, content: Content) -> list[Part]:
        """The parts of a message, but for answers to questions that were answered before, as by a second click.

        An answer has the name of its call, also where the user left it out.
        """
        if not any(part.function_response is not None for part in content.parts or ()):
            return list(content.parts or ())
        names = {call.id: call.name for event in self._ctx.session.events for call in event.get_function_calls()}
        return [part for part in copy_content(content).parts or () if not self._is_late(part.function_response, names)]

    def _is_late(self, answer: FunctionResponse | None, names: Mapping[str | None, str | None]) -> bool:
        if answer is None:
            return False
        if answer.id not in names:
            raise InputValidationError(
                f"The message answers function call {answer.id!r}, which the session does not hold: take the id from "
                "the event with the call (event.get_function_calls())"
            )
        answer.name = names[answer.id]
        return answer.name in CALLS_TO_USER and self._ctx.ledger.find(self._ctx.branch, answer.id) is None
