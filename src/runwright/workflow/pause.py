# SPDX-License-Identifier: Apache-2.0
"""RequestInput: a node's question to the user; and the answer."""

from typing import Any

import msgspec

from runwright import clock
from runwright.event import Event
from runwright.record import Record
from runwright.schema import json_schema, schema_decoder
from runwright.types import Content, FunctionCall, Part
from runwright.workflow.values import plain

REQUEST_INPUT = "adk_request_input"


class RequestInput(Record, kw_only=True):
    """A question to the user. A node yields or returns it; the run ends and goes on when the answer comes.

    The user answers by a function response with ``interrupt_id`` as its id.

    Attributes:
        interrupt_id: Tells this question from others; made where it is missing.
        message: What to ask.
        payload: Anything that a client needs to ask it.
        response_schema: What the answer is to be: a type, or JSON Schema as a dict.
    """

    interrupt_id: str = msgspec.field(default_factory=clock.new_id)
    payload: Any = None
    message: str | None = None
    response_schema: Any = None

    def event(self) -> Event:
        """The event that asks it."""
        schema = self.response_schema
        args = {
            "interruptId": self.interrupt_id,
            "payload": plain(self.payload, "payload of a RequestInput"),
            "message": self.message,
            "response_schema": None if schema is None else json_schema(schema, where="RequestInput.response_schema"),
        }
        call = FunctionCall(id=self.interrupt_id, name=REQUEST_INPUT, args=args)
        return Event(
            content=Content(role="model", parts=[Part(function_call=call)]), long_running_tool_ids={self.interrupt_id}
        )


def answer_of(response: dict[str, Any] | None, schema: dict[str, Any] | None) -> Any:
    """What the user answered. ``{"result": value}`` is the value; text that is JSON, as clients send it, is read.

    Raises:
        InputValidationError: The answer does not fit what the question said it has to be.
    """
    value: Any = response
    if response is not None and response.keys() == {"result"}:
        value = response["result"]
    if schema is not None:
        return schema_decoder(schema, where="The answer to the question")(value)
    if isinstance(value, str):
        try:
            return msgspec.json.decode(value)
        except msgspec.DecodeError:
            return value
    return value
