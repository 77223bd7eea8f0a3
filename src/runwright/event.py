# SPDX-License-Identifier: Apache-2.0
"""Event: one entry of a session's log, and EventActions: what it changes beside being said.

Field order is the order of the JSON that ADK's clients know.
"""

from typing import TYPE_CHECKING, Any, Self

import msgspec

from runwright import clock
from runwright.errors import ConfigurationError
from runwright.record import Record, copy_json
from runwright.types import (
    CodeExecutionResult,
    Content,
    ExecutableCode,
    FinishReason,
    FunctionCall,
    FunctionResponse,
    GenerateContentResponseUsageMetadata,
    Transcription,
    copy_content,
    to_content,
)

LOCAL_CODE_ID_PREFIX = "adk-code-"
"""How the ids of code start that the engine runs, and of its results."""


class ToolConfirmation(Record, kw_only=True):
    """A question to the user whether a tool may run, and the answer."""

    hint: str = ""
    confirmed: bool = False
    payload: Any = None


class EventCompaction(Record, kw_only=True):
    """A summary that stands for the events between two times."""

    start_timestamp: float
    end_timestamp: float
    compacted_content: Content


class EventActions(Record, kw_only=True, gc=False):
    """What an event changes: state, artifacts, which agent goes on, how the run ends."""

    skip_summarization: bool | None = None
    state_delta: dict[str, Any] = {}
    artifact_delta: dict[str, int] = {}
    transfer_to_agent: str | None = None
    transfer_reason: str | None = None
    escalate: bool | None = None
    requested_auth_configs: dict[str, Any] = {}
    requested_tool_confirmations: dict[str, ToolConfirmation] = {}
    compaction: EventCompaction | None = None
    end_of_agent: bool | None = None
    agent_state: dict[str, Any] | None = None
    rewind_before_invocation_id: str | None = None
    route: Any = None
    render_ui_widgets: list[dict[str, Any]] | None = None
    set_model_response: Any = None

    def merge(self, other: "EventActions") -> None:
        """Takes over what ``other`` sets. Maps are joined; of two values for one key the later wins."""
        self.state_delta.update(other.state_delta)
        self.artifact_delta.update(other.artifact_delta)
        self.requested_auth_configs.update(other.requested_auth_configs)
        self.requested_tool_confirmations.update(other.requested_tool_confirmations)
        for name in _SINGLE_ACTIONS:
            if (value := getattr(other, name)) is not None:
                setattr(self, name, value)

    def private_copy(self) -> Self:
        """A copy that shares no map with this one."""
        twin = self.__copy__()
        twin.state_delta = copy_json(self.state_delta) if self.state_delta else {}
        twin.artifact_delta = dict(self.artifact_delta)
        twin.requested_auth_configs = dict(self.requested_auth_configs)
        twin.requested_tool_confirmations = dict(self.requested_tool_confirmations)
        if self.agent_state is not None:
            twin.agent_state = copy_json(self.agent_state)
        return twin

    def __bool__(self) -> bool:
        """Whether it changes anything at all."""
        return self != _NO_ACTIONS


_SINGLE_ACTIONS = tuple(
    field.name for field in msgspec.structs.fields(EventActions) if field.default_factory is msgspec.NODEFAULT
)
_NO_ACTIONS = EventActions()


class NodeInfo(Record, kw_only=True, gc=False):
    """Where in the tree of agents an event came from."""

    path: str = ""
    output_for: list[str] | None = None
    message_as_output: bool | None = None

    def __bool__(self) -> bool:
        """Whether it says anything at all."""
        return self != _NOWHERE


_NOWHERE = NodeInfo()


class LlmResponse(Record, kw_only=True, gc=False):
    """What a model answered: a chunk (``partial``), a whole message, or an error."""

    model_version: str | None = None
    content: Content | None = None
    grounding_metadata: dict[str, Any] | None = None
    partial: bool | None = None
    turn_complete: bool | None = None
    turn_complete_reason: str | None = None
    interaction_status: str | None = None
    finish_reason: FinishReason | None = None
    error_code: str | None = None
    error_message: str | None = None
    interrupted: bool | None = None
    custom_metadata: dict[str, Any] | None = None
    usage_metadata: GenerateContentResponseUsageMetadata | None = None
    live_session_resumption_update: dict[str, Any] | None = None
    live_session_id: str | None = None
    go_away: dict[str, Any] | None = None
    voice_activity: dict[str, Any] | None = None
    input_transcription: Transcription | None = None
    output_transcription: Transcription | None = None
    avg_logprobs: float | None = None
    logprobs_result: dict[str, Any] | None = None
    cache_metadata: dict[str, Any] | None = None
    citation_metadata: dict[str, Any] | None = None
    interaction_id: str | None = None
    environment_id: str | None = None

    def get_function_calls(self) -> list[FunctionCall]:
        """The function calls in it, in order."""
        if self.content is None or not self.content.parts:
            return []
        return [part.function_call for part in self.content.parts if part.function_call is not None]

    def get_function_responses(self) -> list[FunctionResponse]:
        """The functions' answers in it, in order."""
        if self.content is None or not self.content.parts:
            return []
        return [part.function_response for part in self.content.parts if part.function_response is not None]

    def get_code_to_run(self) -> ExecutableCode | None:
        """The code in it that is the engine's to run, which is its last part; not what the model's provider runs."""
        code = self.content.parts[-1].executable_code if self.content is not None and self.content.parts else None
        return code if code is not None and (code.id or "").startswith(LOCAL_CODE_ID_PREFIX) else None

    def get_code_result(self) -> CodeExecutionResult | None:
        """The outcome of code that the engine ran, which is an event of its own."""
        if self.content is None or not self.content.parts:
            return None
        result = self.content.parts[-1].code_execution_result
        return result if result is not None and (result.id or "").startswith(LOCAL_CODE_ID_PREFIX) else None


class _EventMaker(type(msgspec.Struct)):
    """Takes the short forms of an event's fields, and dicts for its parts, as ADK's constructor does."""

    if not TYPE_CHECKING:

        def __call__(cls, *, message=None, state=None, route=None, node_path=None, **fields):
            event = super().__call__(**fields)
            if type(event.content) is dict:
                event.content = to_content(event.content, role="model")
            if type(event.actions) is dict:
                event.actions = EventActions.model_validate(event.actions)
            if message is not None:
                if event.content is not None:
                    raise ConfigurationError("Give an event either message= or content=, not both")
                event.content = to_content(message, role="model")
            if state is not None:
                event.actions.state_delta.update(state)
            if route is not None:
                event.actions.route = route
            if node_path is not None:
                event.node_info.path = node_path
            return event


class Event(LlmResponse, kw_only=True, gc=False, metaclass=_EventMaker):
    """One entry of a session's log. Once appended it is never changed.

    Beside its fields, the constructor takes ``message`` (anything that makes a message, for ``content``), ``state``
    (for ``actions.state_delta``), ``route`` (for ``actions.route``) and ``node_path`` (for ``node_info.path``).

    Attributes:
        invocation_id: The run that it belongs to.
        author: ``"user"`` or the name of the agent.
        actions: What it changes.
        long_running_tool_ids: Calls in it whose answer comes from outside, later.
        branch: Which line of the tree of agents sees it: ``None`` is seen by all.
        timestamp: Seconds since the epoch; it orders nothing.
    """

    invocation_id: str = ""
    author: str = ""
    actions: EventActions = msgspec.field(default_factory=EventActions)
    output: Any = None
    node_info: NodeInfo = msgspec.field(default_factory=NodeInfo)
    long_running_tool_ids: set[str] | None = None
    branch: str | None = None
    isolation_scope: str | None = None
    id: str = msgspec.field(default_factory=clock.new_id)
    timestamp: float = msgspec.field(default_factory=clock.now)

    @classmethod
    def new_id(cls) -> str:
        """An id for a new event."""
        return clock.new_id()

    def is_final_response(self) -> bool:
        """Whether this is what the agent says to the user at last, rather than a step on the way.

        Events that wait for somebody outside (a long-running tool, a skipped summary) are final too.
        """
        if self.actions.skip_summarization or self.long_running_tool_ids:
            return True
        if self.partial or self.has_trailing_code_execution_result() or self.get_code_to_run() is not None:
            return False
        return not any(
            part.function_call is not None or part.function_response is not None
            for part in (self.content.parts or () if self.content is not None else ())
        )

    def has_trailing_code_execution_result(self) -> bool:
        """Whether the last part is the outcome of code that the model wanted run."""
        parts = self.content.parts if self.content is not None else None
        return bool(parts) and parts[-1].code_execution_result is not None

    def private_copy(self) -> Self:
        """A copy that shares nothing which a reader would think of changing."""
        twin = self.__copy__()
        if self.content is not None:
            twin.content = copy_content(self.content)
        twin.actions = self.actions.private_copy()
        twin.node_info = self.node_info.__copy__()
        if self.custom_metadata is not None:
            twin.custom_metadata = copy_json(self.custom_metadata)
        if self.long_running_tool_ids is not None:
            twin.long_running_tool_ids = set(self.long_running_tool_ids)
        if self.usage_metadata is not None:
            twin.usage_metadata = self.usage_metadata.__copy__()
        return twin
