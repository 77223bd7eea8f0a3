# SPDX-License-Identifier: Apache-2.0
"""RunRequest: what a run is given; the forms that it comes in, and what is checked of it before any work is done."""

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypedDict, cast

from runwright import live
from runwright.agent import BaseAgent
from runwright.config import RunConfig
from runwright.errors import InputValidationError
from runwright.record import Record
from runwright.state import check_storable, without_temp
from runwright.types import to_user_message

if TYPE_CHECKING:
    from runwright.live import LiveRequestQueue


class RunRequest(Record, kw_only=True):
    """One message for one session, with all that says how it is to be run.

    Attributes:
        agent: Who answers; the runner's agent where it is None.
        user_id: Who speaks.
        session_id: The session; a new one where it is None.
        new_message: A text, a ``types.Content`` or its JSON form, an object of ``google.genai.types``.
        invocation_id: The run to go on with.
        state_delta: Changes of state that are stored with the message.
        run_config: How the run goes.
        timeout: Seconds that it may take, waiting for the session included; the runner's default where it is None.
        yield_user_message: Whether the message's own event is yielded too.
        abort_signal: An ``asyncio.Event`` that cancels the run once it is set.
        resume: Whether an interrupted run goes on: that of ``invocation_id``, or the session's newest.
        live_request_queue: What the user sends while a live run goes on, in place of ``new_message``: a
            :class:`~runwright.LiveRequestQueue`.
    """

    agent: BaseAgent | None = None
    user_id: str = "default_user"
    session_id: str | None = None
    new_message: Any = None
    invocation_id: str | None = None
    state_delta: dict[str, Any] | None = None
    run_config: RunConfig | None = None
    timeout: float | None = None
    yield_user_message: bool = False
    abort_signal: asyncio.Event | None = None
    resume: bool = False
    live_request_queue: Any = None


_FIELDS = frozenset(RunRequest.__struct_fields__)


class RunOptions(TypedDict, total=False):
    """The fields of a :class:`RunRequest` as keywords."""

    agent: BaseAgent | None
    user_id: str
    session_id: str | None
    new_message: Any
    invocation_id: str | None
    state_delta: dict[str, Any] | None
    run_config: RunConfig | None
    timeout: float | None
    yield_user_message: bool
    abort_signal: asyncio.Event | None
    resume: bool
    live_request_queue: "LiveRequestQueue | None"


def request_of(args: tuple[Any, ...], options: RunOptions) -> RunRequest:
    """The request that the arguments of a run make, in any of their forms.

    Raises:
        InputValidationError: They make none.
    """
    if len(args) == 1 and isinstance(args[0], RunRequest):
        return args[0].model_copy(update=cast("dict[str, Any]", options)) if options else args[0]
    names = (
        ("agent", "new_message")
        if args and isinstance(args[0], BaseAgent)
        else ("user_id", "session_id", "new_message")
    )
    if len(args) > len(names) or any(name in options for name in names[: len(args)]):
        raise InputValidationError(
            "run takes (agent, message), (user_id, session_id, message), a RunRequest, or keywords"
        )
    given: dict[str, Any] = {**dict(zip(names, args, strict=False)), **options}
    unknown = given.keys() - _FIELDS
    if unknown:
        raise InputValidationError(
            f"run takes no {', '.join(sorted(unknown))}; it takes {', '.join(RunRequest.__struct_fields__)}"
        )
    if given.get("agent") is None:
        for name in ("user_id", "session_id"):
            if not given.get(name):
                raise InputValidationError(f"A run needs a {name}: run(user_id=..., session_id=..., new_message=...)")
    return RunRequest(**given)


def checked(request: RunRequest, *, agent: BaseAgent | None, run_config: RunConfig) -> RunRequest:
    """The request as it is run: what it leaves out filled in, and all that can be wrong with it looked for.

    Args:
        agent: Who answers where the request names nobody.
        run_config: How it goes where the request does not say.

    Raises:
        InputValidationError: It cannot be run.
        InvalidStateError: A value of its state cannot be stored.
    """
    agent = request.agent if request.agent is not None else agent
    if not isinstance(agent, BaseAgent):
        raise InputValidationError(
            "There is no agent to run: give one to Runner(agent=...), or with the run, runner.run(agent, 'Hello')"
            + (f"; {agent!r} is none" if agent is not None else "")
        )
    if request.timeout is not None and request.timeout <= 0:
        raise InputValidationError(f"A run's timeout is a positive number of seconds, not {request.timeout!r}")
    if request.state_delta is not None:
        _check_state(request.state_delta)
    message = request.new_message
    if request.resume and message is not None:
        raise InputValidationError("A run that is resumed has its message already: leave new_message out")
    if request.live_request_queue is not None:
        _check_live(request, agent)
    elif message is None and request.invocation_id is None and not request.resume:
        raise InputValidationError("A run needs a message, new_message=..., or an invocation_id to go on with")
    return request.model_copy(
        update={
            "agent": agent,
            "new_message": None if message is None else to_user_message(message),
            "run_config": request.run_config or run_config,
        }
    )


def _check_live(request: RunRequest, agent: BaseAgent) -> None:
    if not isinstance(request.live_request_queue, live.LiveRequestQueue):
        raise InputValidationError(
            f"live_request_queue is a LiveRequestQueue, not {type(request.live_request_queue).__name__}"
        )
    if request.new_message is not None or request.resume or request.invocation_id is not None:
        raise InputValidationError(
            "A live run takes its messages from its queue, live_request_queue.send_content(...), in place of a "
            "new_message; and it cannot be resumed: start another one"
        )
    for one in agent.root_agent.tree():
        one.check_live()


def _check_state(delta: Any) -> None:
    if not isinstance(delta, Mapping):
        raise InputValidationError(f"A run's state_delta is a dict of keys and values, not {type(delta).__name__}")
    check_storable(without_temp(cast("Mapping[str, Any]", delta)))
