# SPDX-License-Identifier: Apache-2.0
"""What user code gets: ReadonlyContext for instructions; Context, which is CallbackContext and ToolContext."""

import threading
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

from runwright.artifact import ArtifactVersion, BaseArtifactService
from runwright.config import RunConfig
from runwright.credential import AuthConfig, AuthCredential, BaseCredentialService
from runwright.errors import ConfigurationError, InputValidationError
from runwright.event import Event, EventActions, ToolConfirmation
from runwright.invocation import InvocationContext
from runwright.lazy import LazyModule
from runwright.memory import BaseMemoryService, MemoryEntry, SearchMemoryResponse
from runwright.scope import Cancellation
from runwright.session import Session
from runwright.state import State
from runwright.types import Content, Part

if TYPE_CHECKING:
    from runwright import credential_request
    from runwright.agent import BaseAgent
else:
    credential_request = LazyModule("runwright.credential_request")


_NO_RESPONSES: Mapping[str, AuthCredential] = MappingProxyType({})


_making = threading.Lock()


class ProgressReporter(Protocol):
    """What the engine gives a tool call to report through."""

    def report(self, value: Any) -> None: ...
    async def deliver(self, value: Any) -> None: ...
    @property
    def seconds_left(self) -> float | None: ...


class ReadonlyContext:
    """What an instruction may look at."""

    __slots__ = ("invocation_context",)

    def __init__(self, invocation_context: InvocationContext) -> None:
        self.invocation_context = invocation_context

    @property
    def _invocation_context(self) -> InvocationContext:
        """What ADK calls it: private there, and programs use it all the same."""
        return self.invocation_context

    def get_invocation_context(self) -> InvocationContext:
        """The run's context, as ``invocation_context``."""
        return self.invocation_context

    @property
    def user_content(self) -> Content | None:
        """The message that started the run."""
        return self.invocation_context.user_content

    @property
    def invocation_id(self) -> str:
        return self.invocation_context.invocation_id

    @property
    def agent_name(self) -> str:
        return self.invocation_context.agent.name

    @property
    def app_name(self) -> str:
        return self.invocation_context.session.app_name

    @property
    def user_id(self) -> str:
        return self.invocation_context.session.user_id

    @property
    def session(self) -> Session:
        return self.invocation_context.session

    @property
    def run_config(self) -> RunConfig:
        return self.invocation_context.run_config

    @property
    def branch(self) -> str | None:
        return self.invocation_context.branch

    @property
    def is_aborted(self) -> bool:
        """Whether the run is being stopped. A tool looks at ``cancellation``, which knows more: that its call is."""
        return self.invocation_context.is_aborted

    @property
    def state(self) -> Mapping[str, Any] | State:
        """The session's state; here it cannot be written."""
        return MappingProxyType(self.invocation_context.session.state)


class Context(ReadonlyContext):
    """What a callback or a tool works with.

    What it writes to ``state`` and ``actions`` is stored with the event that the callback or the tool call makes.

    Args:
        function_call_id: The id of the call, for a tool.
        tool_confirmation: The user's answer, for a tool that needed confirmation or asked for it.
        progress: What a tool call reports through, where the engine passes on what it reports.

    Attributes:
        auth_responses: The credentials that the user gave for this call, by their keys, see ``get_auth_response``.
        memo: What the tool kept with its newest question, now that it was answered.
    """

    __slots__ = (
        "_actions",
        "_cancellation",
        "_state",
        "auth_responses",
        "function_call_id",
        "memo",
        "progress",
        "tool_confirmation",
    )

    def __init__(
        self,
        invocation_context: InvocationContext,
        *,
        event_actions: EventActions | None = None,
        function_call_id: str | None = None,
        tool_confirmation: ToolConfirmation | None = None,
        progress: ProgressReporter | None = None,
    ) -> None:
        self.invocation_context = invocation_context
        self._actions = EventActions() if event_actions is None else event_actions
        self.function_call_id = function_call_id
        self.tool_confirmation = tool_confirmation
        self.auth_responses = _NO_RESPONSES
        self.memo: Any = None
        self._state: State | None = None
        self.progress = progress
        self._cancellation: Cancellation | None = None

    @property
    def state(self) -> State:
        """The state, to read and to write."""
        if self._state is None:
            self._state = State(self.invocation_context.session.state, self._actions.state_delta)
        return self._state

    @property
    def actions(self) -> EventActions:
        """What the event will change, with all that was written to ``state`` so far."""
        if self._state is not None:
            self._state.record_changes_in_place()
        return self._actions

    @property
    def idempotency_key(self) -> str:
        """The same for each try of one tool call, and different for all others: give it to services that take one."""
        call = self.invocation_context.ledger.find(self.branch, self.function_call_id)
        return f"{self.invocation_id}:{self.function_call_id if call is None else call.key}"

    @property
    def cancellation(self) -> Cancellation:
        """Tells whether this tool call is cancelled, in any thread: the run was stopped, or the call took too long.

        A coroutine is cancelled itself. A plain ``def`` tool, whose thread cannot be stopped, looks at it and returns::

            while not tool_context.cancellation.wait(1.0):  # rather than time.sleep(1.0)
                ...
        """
        with _making:  # the tool's thread and the engine are to get the same one
            if self._cancellation is None:
                self._cancellation = Cancellation(self.invocation_context.scope)
        return self._cancellation

    @property
    def seconds_left(self) -> float | None:
        """How long this tool call may still take: its own limit, the run's deadline or budget, whichever ends first.

        None where there is no limit; 0 where it is over.
        """
        ctx = self.invocation_context
        limits = (
            None if self.progress is None else self.progress.seconds_left,
            ctx.scope.seconds_left,
            None if ctx.spending is None else ctx.spending.left.seconds,
        )
        return min((limit for limit in limits if limit is not None), default=None)

    def report_progress(self, value: Any) -> None:
        """Tells the caller how far this tool call is; from any thread, and without waiting.

        The caller gets a partial event while the call runs, with a function response of the call's id whose
        ``will_continue`` is true. It is not stored, and no model sees it. Of a tool that reports faster than the caller
        takes, the newest 64 reports are kept.

        Args:
            value: A dict or any other JSON value, which comes as ``{"result": value}``; images and files too.

        Raises:
            InputValidationError: This is not a tool call.
            ConfigurationError: JSON cannot hold the value.
        """
        if not self.function_call_id:
            raise InputValidationError("report_progress tells how far a tool call is: use it in a tool")
        if self.progress is not None:
            self.progress.report(value)

    async def deliver_progress(self, value: Any) -> None:
        """The same, and returns when the caller has taken it: nothing is dropped, and the caller sets the pace.

        The time that the caller takes is not counted as the tool's.
        """
        if self.progress is not None:
            await self.progress.deliver(value)

    def request_confirmation(self, *, hint: str | None = None, payload: Any = None, memo: Any = None) -> None:
        """Has the user asked before this tool call does its work; what the tool returns now is not looked at.

        Call it where ``tool_confirmation`` is None, and return. When the user has answered, yes or no, the tool is
        called again with the same arguments, and ``tool_confirmation`` holds the answer: ``confirmed``, and what the
        user put into ``payload``, and ``memo`` as it is here. An answer is used once.

        Args:
            hint: What the user is told.
            payload: JSON that the user may fill in.
            memo: JSON that the tool wants to have again when it is called with the answer, in another process too.

        Raises:
            InputValidationError: This is not a tool call.
        """
        if not self.function_call_id:
            raise InputValidationError("request_confirmation asks about a tool call: use it in a tool")
        asked = ToolConfirmation(hint=hint or "", payload=payload, memo=memo)
        self._actions.requested_tool_confirmations[self.function_call_id] = asked

    def request_credential(self, auth_config: AuthConfig) -> None:
        """Has the user asked for a credential that this tool call needs; what the tool returns now is not looked at.

        When the user has given it, the tool is called again with the same arguments, and :meth:`get_auth_response` has
        it; so has the credential service (:meth:`load_credential`), for this user's later calls and sessions. A user
        who gives none ends the matter: the tool is not called again, and the model is told. The user is sent
        ``auth_config`` without its secrets, and for OAuth with the URL to open.

        Raises:
            InputValidationError: This is not a tool call.
            ConfigurationError: ``auth_config`` does not say enough to ask the user.
        """
        if not self.function_call_id:
            raise InputValidationError("request_credential asks for what a tool call needs: use it in a tool")
        request = credential_request.credential_request(auth_config)
        asked = request.model_dump(mode="json", by_alias=True, exclude_none=True)
        self._actions.requested_auth_configs[self.function_call_id] = asked

    def get_auth_response(self, auth_config: AuthConfig) -> AuthCredential | None:
        """What the user gave when this tool call asked for it: a key or token, or for OAuth the code to get one with.

        Exchanging a code takes a request, which ``AuthenticatedFunctionTool`` and the toolsets make.
        """
        return self.auth_responses.get(credential_request.keyed(auth_config).credential_key)

    # --- artifacts

    async def save_artifact(self, filename: str, artifact: Part, custom_metadata: dict[str, Any] | None = None) -> int:
        """Saves a new version of a file of the session (or of the user, ``user:...``) and gives its number."""
        version = await self._artifacts.save_artifact(
            app_name=self.app_name,
            user_id=self.user_id,
            session_id=self.session.id,
            filename=filename,
            artifact=Part.model_validate(artifact),
            custom_metadata=custom_metadata,
        )
        self.actions.artifact_delta[filename] = version
        return version

    async def load_artifact(self, filename: str, version: int | None = None) -> Part | None:
        """A file in one version, the newest where none is named; None where there is none."""
        return await self._artifacts.load_artifact(
            app_name=self.app_name,
            user_id=self.user_id,
            session_id=self.session.id,
            filename=filename,
            version=version,
        )

    async def list_artifacts(self) -> list[str]:
        """The names of the session's and the user's files."""
        return await self._artifacts.list_artifact_keys(
            app_name=self.app_name, user_id=self.user_id, session_id=self.session.id
        )

    async def get_artifact_version(self, filename: str, version: int | None = None) -> ArtifactVersion | None:
        """What is known of one version of a file."""
        return await self._artifacts.get_artifact_version(
            app_name=self.app_name,
            user_id=self.user_id,
            session_id=self.session.id,
            filename=filename,
            version=version,
        )

    @property
    def _artifacts(self) -> BaseArtifactService:
        service = self.invocation_context.artifact_service
        if service is None:
            raise ConfigurationError("There is no artifact service: give the runner one, Runner(artifact_service=...)")
        return service

    # --- memory

    async def search_memory(self, query: str) -> SearchMemoryResponse:
        """What is remembered about ``query``, of this user in this app."""
        return await self._memory.search_memory(app_name=self.app_name, user_id=self.user_id, query=query)

    async def add_session_to_memory(self) -> None:
        """Remembers what was said in this session so far."""
        await self._memory.add_session_to_memory(self.session)

    async def add_events_to_memory(
        self, *, events: Sequence[Event], custom_metadata: Mapping[str, Any] | None = None
    ) -> None:
        """Remembers some events."""
        await self._memory.add_events_to_memory(
            app_name=self.app_name,
            user_id=self.user_id,
            session_id=self.session.id,
            events=events,
            custom_metadata=custom_metadata,
        )

    async def add_memory(self, *, memories: Sequence[MemoryEntry]) -> None:
        """Remembers entries as they are."""
        await self._memory.add_memory(app_name=self.app_name, user_id=self.user_id, memories=memories)

    async def delete_memory(self, *, memory_id: str) -> None:
        """Forgets one entry."""
        await self._memory.delete_memory(app_name=self.app_name, user_id=self.user_id, memory_id=memory_id)

    @property
    def _memory(self) -> BaseMemoryService:
        service = self.invocation_context.memory_service
        if service is None:
            raise ConfigurationError("There is no memory service: give the runner one, Runner(memory_service=...)")
        return service

    # --- credentials

    async def load_credential(self, auth_config: AuthConfig) -> AuthCredential | None:
        """The user's credential for ``auth_config``, or None."""
        return await self._credentials.load_credential(_keyed(auth_config), self)

    async def save_credential(self, auth_config: AuthConfig) -> None:
        """Keeps the user's credential of ``auth_config``."""
        await self._credentials.save_credential(_keyed(auth_config), self)

    @property
    def _credentials(self) -> BaseCredentialService:
        service = self.invocation_context.credential_service
        if service is None:
            raise ConfigurationError(
                "There is no credential service: give the runner one, Runner(credential_service=...)"
            )
        return service

    # --- other agents

    async def run_agent(self, agent: "BaseAgent", message: Content, *, past: Sequence[Event] = ()) -> list[Event]:
        """Runs an agent apart, in a session of its own that starts with this state.

        Gives all its events, that of the message among them. What it wrote to state is written here too, and the files
        that it saved are noted in ``actions``.

        Args:
            past: What was given before, where the agent then asked something and the message answers it.
        """
        run_child = self.invocation_context.run_child
        if run_child is None:
            raise InputValidationError("An agent can be run from here only while a Runner runs")
        events, state_delta = await run_child(agent, message, self.invocation_context, past)
        self.state.update(state_delta)
        for event in events:
            self.actions.artifact_delta.update(event.actions.artifact_delta)
        return events


def _keyed(auth_config: AuthConfig) -> AuthConfig:
    return auth_config if auth_config.credential_key else credential_request.keyed(auth_config)


CallbackContext = Context
ToolContext = Context
