# SPDX-License-Identifier: Apache-2.0
"""InvocationContext: all that one run has; Ledger: what the run still owes its session."""

from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Any, Self

from runwright import clock
from runwright.artifact import BaseArtifactService
from runwright.budget import spending_of
from runwright.config import RunConfig
from runwright.credential import BaseCredentialService
from runwright.durable import CallRecord
from runwright.errors import LlmCallsLimitExceededError, RunCancelledError
from runwright.event import Event
from runwright.memory import BaseMemoryService
from runwright.plugin import PluginManager
from runwright.scope import CancelScope
from runwright.session import BaseSessionService, Session
from runwright.types import Content, FunctionCall, FunctionResponse

if TYPE_CHECKING:
    from runwright.agent import BaseAgent
    from runwright.app import ContextCacheConfig
    from runwright.live.queue import LiveRequestQueue
    from runwright.replay import Replay
    from runwright.tool import BaseTool

ChildRun = Callable[
    ["BaseAgent", Content, "InvocationContext", Sequence[Event]], Awaitable[tuple[list[Event], dict[str, Any]]]
]
"""Runs an agent apart, in a session of its own that starts like the given run's and holds the given events; gives its
events and state changes."""


REQUEST_CONFIRMATION = "adk_request_confirmation"
"""Asks the user whether a tool call may be made. Source: ADK's wire format."""

CODE_EXECUTION = "code_execution"
"""What the running of code is called in the ledger."""

REQUEST_CREDENTIAL = "adk_request_credential"
"""Asks the user for a credential that a tool call needs. Source: ADK's wire format."""

QUESTIONS = frozenset({REQUEST_CONFIRMATION, REQUEST_CREDENTIAL})
"""What asks the user about a tool call, which then waits."""

CALLS_TO_USER = QUESTIONS | {"adk_request_input"}
"""The names of calls that the engine itself makes and the user answers; no model sees them."""


def asks_user(event: Event) -> bool:
    """Whether an event asks the user something that has to be answered before its agent can go on."""
    return bool(event.long_running_tool_ids and questions_to_user(event))


def questions_to_user(event: Event) -> list[FunctionCall]:
    """What an event asks the user: calls of the engine, and none that a model makes under their names."""
    asked = event.long_running_tool_ids or ()
    return [call for call in event.get_function_calls() if call.name in CALLS_TO_USER and call.id in asked]


def call_asked_about(question: FunctionCall) -> FunctionCall:
    """The call that a question to the user, a call of :data:`REQUEST_CONFIRMATION`, is about."""
    return FunctionCall.model_validate((question.args or {}).get("originalFunctionCall") or {})


def ids_asked_about(question: FunctionCall, event: Event) -> list[str]:
    """The ids of the calls that a question of an event is about: several may need the same credential."""
    if question.name == REQUEST_CONFIRMATION:
        return [call_asked_about(question).id or ""]
    config = (question.args or {}).get("authConfig")
    return [call_id for call_id, needed in event.actions.requested_auth_configs.items() if needed == config]


class OpenCall:
    """A function call that has no response in the log yet, or code of a model's that has no result."""

    __slots__ = ("author", "branch", "id", "is_code", "key", "name", "response", "status")

    def __init__(
        self, call_id: str, name: str, author: str, branch: str | None, *, key: str, is_code: bool = False
    ) -> None:
        self.id = call_id
        self.key = key
        """Its id, or another where its run has had calls of this id before: there are models that count anew."""
        self.name = name
        self.author = author
        self.branch = branch
        self.is_code = is_code
        self.status = "pending" if name in CALLS_TO_USER else "cancelled"
        """What its response says if the run ends now: ``cancelled``, ``unknown`` (a thread that cannot be stopped), or
        ``pending``, to which an answer comes from outside."""
        self.response: FunctionResponse | None = None
        """Its result, from when the tool is done until the event with it is stored."""


class Ledger:
    """What all the agents of one run share: the count of model calls, the open calls and code, whether to stop."""

    __slots__ = ("answered", "ended", "llm_calls", "made", "open_calls", "outside", "workflow_runs")

    def __init__(self) -> None:
        self.llm_calls = 0
        self.open_calls: dict[tuple[str | None, str], OpenCall] = {}
        """By branch and id: agents that run at the same time may have models that count alike."""
        self.made: dict[str, int] = {}
        """How many calls there were of each id."""
        self.answered: set[str] = set()
        """The calls that the user answered, each since it was made last."""
        self.outside: set[str] = set()
        """The calls that somebody outside is to answer, whatever the tool said first."""
        self.workflow_runs: dict[str, int] = {}
        """How many times each workflow has run, by its path without the number."""
        self.ended = False

    def note(self, event: Event) -> None:
        """Keeps the books on an event that was stored."""
        if event.content is None or not event.content.parts:
            return
        if event.long_running_tool_ids:
            self.outside |= event.long_running_tool_ids
        for part in event.content.parts:
            if (call := part.function_call) is not None and call.id:
                self.answered.discard(call.id)  # What was answered was an earlier call of this id.
                times = self.made[call.id] = self.made.get(call.id, 0) + 1
                key = call.id if times == 1 else f"{call.id}#{times}"
                made = OpenCall(call.id, call.name or "", event.author, event.branch, key=key)
                self.open_calls[event.branch, call.id] = made
                for asked_id in ids_asked_about(call, event) if call.name in QUESTIONS else ():
                    if (asked := self.find(event.branch, asked_id)) is not None:
                        asked.status = "pending"
            elif (answer := part.function_response) is not None and answer.id:
                self.open_calls.pop((event.branch, answer.id), None)
                if event.author == "user":
                    self.answered.add(answer.id)
                    # One message may answer calls of several branches.
                    for key in [key for key in self.open_calls if key[1] == answer.id]:
                        del self.open_calls[key]
            elif part.executable_code is not None and event.author != "user" and (code := event.get_code_to_run()):
                code_id = code.id or ""
                made = OpenCall(code_id, CODE_EXECUTION, event.author, event.branch, key=code_id, is_code=True)
                self.open_calls[event.branch, code_id] = made
            elif (result := part.code_execution_result) is not None and result.id:
                self.open_calls.pop((event.branch, result.id), None)

    def find(self, branch: str | None, call_id: str | None) -> OpenCall | None:
        """The open call of this id in a branch."""
        return self.open_calls.get((branch, call_id or ""))


class Handover:
    """The agents that passed the conversation on to each other, and who is to have it next."""

    __slots__ = ("active", "target")

    def __init__(self) -> None:
        self.active: list[str] = []
        self.target: str | None = None


class NodeTask:
    """What an agent works on that a workflow runs as one of its nodes, and what came of it.

    Attributes:
        input: What the node is given.
        message: The same as a message to a model; None where there is nothing to say.
        begin: How many events the session held when the node began.
        claims: The paths, beside the node's own, whose output the node's output is.
        output: What the node gives.
        waits_for: Ids of the calls that somebody outside has to answer before the node can go on.
    """

    __slots__ = ("begin", "claims", "input", "message", "output", "waits_for")

    def __init__(self, node_input: Any, message: Content | None, begin: int, claims: list[str]) -> None:
        self.input = node_input
        self.message = message
        self.begin = begin
        self.claims = claims
        self.output: Any = None
        self.waits_for: set[str] = set()

    def conversation(self, events: Sequence[Event], branch: str | None, *, whole: bool) -> list[Event]:
        """The events as the node's agent sees them: its message, and what came after; or ``whole``, all of them."""
        before = events[: self.begin] if whole else ()
        asked = next((event.content for event in reversed(before) if event.author == "user" and event.content), None)
        said = () if asked == self.message else (Event(author="user", content=self.message, branch=branch),)
        return [*before, *said, *events[self.begin :]]


class InvocationContext:
    """All that one run has. Each agent gets its own, which shares the session, the services and the ledger.

    Attributes:
        invocation_id: The run's id.
        agent: The agent that runs.
        branch: The line of the tree of agents that its events belong to.
        session: The session; its events are those stored so far.
        user_content: The message that started the run.
        end_invocation: Set it to end the run after the current step.
    """

    def __init__(
        self,
        *,
        agent: "BaseAgent",
        session: Session,
        session_service: BaseSessionService | None = None,
        invocation_id: str | None = None,
        artifact_service: BaseArtifactService | None = None,
        memory_service: BaseMemoryService | None = None,
        credential_service: BaseCredentialService | None = None,
        plugin_manager: PluginManager | None = None,
        run_config: RunConfig | None = None,
        user_content: Content | None = None,
        branch: str | None = None,
        executor: Executor | None = None,
        scope: CancelScope | None = None,
        run_child: ChildRun | None = None,
        views: dict[Any, Any] | None = None,
        ledger: Ledger | None = None,
        is_resumable: bool = False,
        live_request_queue: "LiveRequestQueue | None" = None,
    ) -> None:
        self.agent = agent
        self.session = session
        self.session_service = session_service
        self.invocation_id = new_invocation_id() if invocation_id is None else invocation_id
        self.artifact_service = artifact_service
        self.memory_service = memory_service
        self.credential_service = credential_service
        self.plugin_manager = PluginManager() if plugin_manager is None else plugin_manager
        self.run_config = RunConfig() if run_config is None else run_config
        self.user_content = user_content
        self.branch = branch
        self.executor = executor
        self.scope = CancelScope() if scope is None else scope
        self.run_child = run_child
        self.views: dict[Any, Any] = {} if views is None else views
        """What was derived from the session's events, kept from run to run by the one who made it."""
        self.ledger = Ledger() if ledger is None else ledger
        self.spending = spending_of(self.run_config.budget)
        """What the run has used of its budget, where it has one."""
        if self.spending is not None:
            self.spending.start(self.ledger)
        self.handover: Handover | None = None
        self.toolset_tools: dict[int, list[BaseTool]] = {}
        """What each toolset gave, by its identity: it is asked once in a run."""
        self.node_path = ""
        self.node_task: NodeTask | None = None
        self.is_resumable = is_resumable
        """Whether an agent that waits for an answer holds up those that run it, which go on when it is there."""
        self.context_cache_config: ContextCacheConfig | None = None
        """What the app says of providers' caches."""
        self.live_request_queue = live_request_queue
        """What the user of a live run sends."""
        self.completes_task = False
        """Whether the agent of a live run says when its part is done, so that the next agent's begins."""
        self.replay: Replay | None = None
        """What the log holds already of a run that goes on."""
        self.record_call: Callable[[CallRecord], Awaitable[None]] | None = None
        """Writes a row of the ledger of tool calls, where the store keeps one."""
        self.recorded_calls: dict[str, CallRecord] = {}
        """The ledger of a run that goes on, by the calls' ids."""
        self.agent_states: dict[str, dict[str, Any]] = {}
        """What agents have saved of where they are, by their names."""
        self.end_of_agents: dict[str, bool] = {}
        """The agents that said that they have ended."""

    @property
    def app_name(self) -> str:
        return self.session.app_name

    @property
    def user_id(self) -> str:
        return self.session.user_id

    @property
    def end_invocation(self) -> bool:
        return self.ledger.ended

    @end_invocation.setter
    def end_invocation(self, value: bool) -> None:
        self.ledger.ended = value

    def model_copy(self, *, update: dict[str, Any] | None = None) -> Self:
        """A context for another agent or branch of the same run, with some attributes replaced."""
        twin = object.__new__(type(self))
        twin.__dict__.update(self.__dict__)
        if update:
            for name, value in update.items():
                setattr(twin, name, value)
        return twin

    def enter(self, name: str) -> None:
        """Goes down to the agent of this name in the path of what runs, unless whoever runs it has done so."""
        if not self.node_path.rpartition("/")[2].startswith(f"{name}@"):
            self.node_path = f"{self.node_path}/{name}@1" if self.node_path else f"{name}@1"

    def set_agent_state(self, agent_name: str, *, agent_state: Any = None, end_of_agent: bool = False) -> None:
        """Notes where an agent is, or that it has ended; or forgets both. ``create_agent_state_event`` stores it.

        Args:
            agent_state: A Record, a model or a dict, all of JSON values.
        """
        if end_of_agent or agent_state is None:
            self.agent_states.pop(agent_name, None)
        else:
            dump = getattr(agent_state, "model_dump", None)
            self.agent_states[agent_name] = dict(agent_state) if dump is None else dump(mode="json")
        if end_of_agent or agent_state is not None:
            self.end_of_agents[agent_name] = end_of_agent
        else:
            self.end_of_agents.pop(agent_name, None)

    def holds_up(self, event: Event) -> bool:
        """Whether an event waits for an answer from outside that those who run its agent have to wait for too."""
        if not event.long_running_tool_ids or not (self.is_resumable or asks_user(event)):
            return False
        return not self.ledger.answered.issuperset(event.long_running_tool_ids)

    @property
    def is_aborted(self) -> bool:
        """Whether the run is being stopped: it was cancelled, or its deadline has passed."""
        return self.scope.error is not None

    def abort(self, reason: str = "aborted") -> None:
        """Stops the run at its current step, as :meth:`Run.cancel` does. From any thread."""
        self.scope.cancel(RunCancelledError(reason))

    def increment_llm_call_count(self) -> None:
        """Counts a model call.

        Raises:
            LlmCallsLimitExceededError: It is one too many.
        """
        limit = self.run_config.max_llm_calls
        self.ledger.llm_calls += 1
        if 0 < limit < self.ledger.llm_calls:
            raise LlmCallsLimitExceededError(
                f"Max number of llm calls limit of `{limit}` exceeded: raise RunConfig.max_llm_calls if it needs more"
            )


def new_invocation_id() -> str:
    """An id for a run."""
    return f"e-{clock.new_id()}"
