# SPDX-License-Identifier: Apache-2.0
"""Credentials that users give: taken out of their messages before anything is stored, kept, and given to the calls.

What is stored of an answer is whether there was one. What was in it is kept by the credential service, under the key of
the request and for the user whose session it is: an OAuth code or URL as it came, until the tool exchanges it.
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from runwright.context import CallbackContext
from runwright.credential import AuthConfig, AuthCredential
from runwright.errors import InputValidationError
from runwright.event import Event, EventActions
from runwright.flow.history import without_rewound
from runwright.flow.pause import is_engines_question
from runwright.invocation import REQUEST_CREDENTIAL, InvocationContext
from runwright.lazy import LazyModule
from runwright.types import Content, FunctionCall, FunctionResponse, Part

if TYPE_CHECKING:
    from runwright import credential_request
else:
    credential_request = LazyModule("runwright.credential_request")


async def take_credentials(ctx: InvocationContext, message: Content, actions: EventActions) -> Content:
    """Keeps the credentials that a message answers requests with; gives the message without them.

    Only the first answer to a request counts, and only to one that the engine made in this session; a later one is
    stored as the first was.

    Args:
        actions: What the service writes to the session's state goes here.

    Raises:
        StorageError: The credential service failed; the message may be sent again.
    """
    if not any(part.function_response is not None for part in message.parts or ()):
        return message
    asked, answered = _requests(without_rewound(ctx.session.events))
    parts: list[Part] = []
    for part in message.parts or ():
        answer = part.function_response
        if answer is None or answer.id not in asked:
            parts.append(part)
            continue
        request = asked[answer.id]
        told = {"status": "ignored"} if request is None else answered.get(answer.id)
        if told is None and request is not None:
            told = answered[answer.id] = await _keep(ctx, request, answer.response or {}, actions)
        parts.append(Part(function_response=FunctionResponse(id=answer.id, name=REQUEST_CREDENTIAL, response=told)))
    return Content(role=message.role, parts=parts)


async def given_credentials(ctx: InvocationContext, keys: Iterable[str]) -> dict[str, AuthCredential]:
    """The credentials that the user gave, as they are kept, by their keys."""
    service, owner = ctx.credential_service, CallbackContext(ctx)
    if service is None:
        return {}
    found = {key: await service.load_credential(AuthConfig(credential_key=key), owner) for key in keys}
    return {key: credential for key, credential in found.items() if credential is not None}


def _requests(
    events: Sequence[Event],
) -> tuple[dict[str | None, AuthConfig | None], dict[str | None, dict[str, Any] | None]]:
    """What was asked for, by the calls' ids (None where it was not the engine that asked), and what was answered."""
    asked: dict[str | None, AuthConfig | None] = {}
    answered: dict[str | None, dict[str, Any] | None] = {}
    for event in events:
        for call in event.get_function_calls():
            if call.name == REQUEST_CREDENTIAL:
                asked[call.id] = _auth_config_of(call) if is_engines_question(call, event) else None
                answered.pop(call.id, None)
        answered.update({one.id: one.response for one in event.get_function_responses() if one.id in asked})
    return asked, answered


def _auth_config_of(request: FunctionCall) -> AuthConfig:
    """What a call of :data:`REQUEST_CREDENTIAL` asks for."""
    return AuthConfig.model_validate((request.args or {}).get("authConfig") or {})


async def _keep(
    ctx: InvocationContext, request: AuthConfig, response: dict[str, Any], actions: EventActions
) -> dict[str, Any]:
    """Keeps what a response gives; says what became of it, without what is secret."""
    try:
        credential = credential_request.read_answer(request, response)
    except InputValidationError as error:
        return {"status": "refused", "detail": str(error)}
    service = ctx.credential_service
    if credential is None:
        if service is None or response.get("status") != "given":
            return {"status": "declined"}
        # Whoever asked the user, as the agent that called this one, has kept it there.
        kept = await service.load_credential(request, CallbackContext(ctx))
        return {"status": "declined" if kept is None else "given"}
    if service is None:
        raise InputValidationError("There is nobody to keep the credential: give Runner(credential_service=...)")
    config = request.model_copy(update={"exchanged_auth_credential": credential})
    await service.save_credential(config, CallbackContext(ctx, event_actions=actions))
    return {"status": "given"}
