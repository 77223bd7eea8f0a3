# SPDX-License-Identifier: Apache-2.0
"""What an agent asks its user, as forms of the protocol (elicitation); and the answers, as the engine takes them."""

from collections.abc import Iterable, Mapping
from typing import Any, cast

import msgspec
from mcp_types import ClientCapabilities, ElicitRequestFormParams, ElicitResult

from runwright.errors import ToolExecutionError
from runwright.event import Event
from runwright.invocation import REQUEST_CONFIRMATION, REQUEST_CREDENTIAL, call_asked_about, questions_to_user
from runwright.legible import legible
from runwright.types import FunctionCall, FunctionResponse, Part
from runwright.workflow.pause import REQUEST_INPUT

_PRIMITIVES: tuple[tuple[type, str], ...] = ((bool, "boolean"), (int, "integer"), (float, "number"), (str, "string"))
_FORM_TYPES = frozenset({"string", "number", "integer", "boolean"})


class Question:
    """One question of the agent.

    Args:
        call: The call that asks it.
    """

    def __init__(self, call: FunctionCall) -> None:
        self.id = call.id or ""
        self.call = call
        self.is_confirmation = call.name == REQUEST_CONFIRMATION

    @property
    def text(self) -> str:
        """What is asked."""
        args = self.call.args or {}
        if not self.is_confirmation:
            return str(args.get("message") or f"The agent waits for {self.call.name}.")
        said = f"May the agent call {self.about}?"
        hint = str(self._confirmation.get("hint") or "")
        # The engine's own hint tells a program how to answer.
        return f"{said}\n{hint}" if hint and "FunctionResponse" not in hint else said

    @property
    def about(self) -> str:
        """The call that a confirmation is about."""
        call = call_asked_about(self.call)
        args = ", ".join(f"{name}={_json(value)}" for name, value in (call.args or {}).items())
        return legible(f"{call.name}({args})")

    def form(self) -> ElicitRequestFormParams:
        """The question as a form.

        Raises:
            ToolExecutionError: It is of a kind that a form cannot put.
        """
        if self.is_confirmation:
            return self._confirmation_form()
        if self.call.name != REQUEST_INPUT:
            raise ToolExecutionError(f"The agent needs its user for {self.call.name}, which a form cannot ask for")
        schema: dict[str, Any] = (self.call.args or {}).get("response_schema") or {}
        return ElicitRequestFormParams(message=self.text, requested_schema=_form(schema))

    def answer(self, result: ElicitResult | None) -> Part | None:
        """The user's answer; None where there is none. A confirmation without a plain yes is a no."""
        content = (result.content or {}) if result is not None and result.action == "accept" else None
        if self.is_confirmation:
            response: dict[str, Any] = {"confirmed": content is not None and content.get("confirmed") is True}
            if (payload := self._confirmation.get("payload")) is not None:
                values = _flat(payload)
                given = content or {}
                response["payload"] = payload if values is None else {**values, **_of(given, values)}
        elif content is None:
            return None
        else:
            response = dict(content)
        return Part(function_response=FunctionResponse(id=self.id, name=self.call.name, response=response))

    @property
    def _confirmation(self) -> Mapping[str, Any]:
        return (self.call.args or {}).get("toolConfirmation") or {}

    def _confirmation_form(self) -> ElicitRequestFormParams:
        fields: dict[str, Any] = {"confirmed": {"type": "boolean", "title": "Allow it"}}
        payload = self._confirmation.get("payload")
        shown = self.text
        if (values := _flat(payload)) is not None:
            fields.update({name: {"type": _type_of(value), "default": value} for name, value in values.items()})
        elif payload is not None:
            shown = f"{shown}\n{legible(_json(payload))}"
        schema = {"type": "object", "properties": fields, "required": ["confirmed"]}
        return ElicitRequestFormParams(message=shown, requested_schema=schema)


def questions_in(events: Iterable[Event]) -> list[Question]:
    """What the user is asked in the events of a run."""
    return [Question(call) for event in events for call in questions_to_user(event)]


def check_needs_no_credential(questions: Iterable[Question]) -> None:
    """Sees to it that no question is for a credential.

    Raises:
        ToolExecutionError: One is. No form may ask for a secret, and a server that sent its user to a page would not be
            told when they are back.
    """
    for question in questions:
        if question.call.name == REQUEST_CREDENTIAL:
            config: Mapping[str, Any] = (question.call.args or {}).get("authConfig") or {}
            raise ToolExecutionError(
                f"The agent needs a credential of its user, {config.get('credentialKey')!r}, which is never asked for "
                "over MCP, since the client would see it: whoever runs the server keeps it in the runner's "
                "credential_service"
            )


def takes_forms(capabilities: ClientCapabilities | None) -> bool:
    """Whether a client can show its user a form: an empty ``elicitation`` says so too."""
    elicitation = capabilities.elicitation if capabilities is not None else None
    return elicitation is not None and (elicitation.form is not None or elicitation.url is None)


def _is_form(schema: Mapping[str, Any]) -> bool:
    """Whether a schema is what the protocol allows for a form: an object of plain values."""
    properties = schema.get("properties")
    return isinstance(properties, dict) and all(map(_is_plain, cast("dict[str, Any]", properties).values()))


def _is_plain(schema: Mapping[str, Any]) -> bool:
    return schema.get("type") in _FORM_TYPES


def _form(schema: dict[str, Any]) -> dict[str, Any]:
    """What a question wants as a form; an answer that is no plain value is typed in as JSON."""
    if _is_form(schema):
        return schema if "required" in schema else {**schema, "required": list(schema["properties"])}
    field = {"type": "string", "title": "Answer, as JSON" if schema else "Answer"}
    if _is_plain(schema):
        field = {"title": "Answer", **schema}
    return {"type": "object", "properties": {"result": field}, "required": ["result"]}


def _flat(payload: Any) -> dict[str, Any] | None:
    """What a tool gives along with its question, where a form can show it."""
    if not isinstance(payload, dict):
        return None
    values = cast("dict[str, Any]", payload)
    return values if "confirmed" not in values and all(map(_type_of, values.values())) else None


def _of(given: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return {name: given[name] for name in names if name in given}


def _type_of(value: Any) -> str:
    return next((name for kind, name in _PRIMITIVES if isinstance(value, kind)), "")


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
