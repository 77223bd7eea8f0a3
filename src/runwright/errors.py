# SPDX-License-Identifier: Apache-2.0
"""Every exception that Runwright raises on its own account.

::

    RunwrightError
     ├─ ConfigurationError (ValueError)      an agent, tool, plugin, app or runner was put together wrongly
     │   ├─ UnsupportedTypeError (TypeError) a type that has no JSON Schema, named with its parameter
     │   └─ AgentLoadError                   a file or module gave no agent
     ├─ InputValidationError (ValueError)    what the caller handed to a run cannot be run
     ├─ InvalidStateError (ValueError)       a state value that JSON cannot hold
     ├─ TemplateError (KeyError)             an instruction names state or a file that is not there
     ├─ NotFoundError (LookupError)
     │   ├─ SessionNotFoundError (ValueError)
     │   └─ InvocationNotFoundError (ValueError)
     ├─ AlreadyExistsError (ValueError)      the id is taken
     ├─ StaleSessionError                    somebody else wrote to the session first
     │   └─ LeaseLostError                   and runs it now, in place of this run
     ├─ SessionBusyError                     the session runs already, and the policy is ``reject``
     ├─ StorageError                         a store could not do it: a full disk, a server that is gone
     │   └─ CorruptedDataError               what it holds is damaged; the message says where
     ├─ LiveQueueFullError                   a live run does not keep up with what its user sends
     ├─ RunnerClosedError (RuntimeError)     a run after ``close()``
     ├─ RunCancelledError                    the run was stopped; ``reason`` says why
     │   ├─ CallerLeftError                  by those who followed it, who all left before its end
     │   └─ RunRolledBackError               and what it said and changed is taken back
     ├─ DeadlineExceededError (TimeoutError) a run, model or tool took longer than it was given
     │   ├─ NodeTimeoutError                 and so did a node of a workflow
     │   └─ ModelTimeoutError (ModelError)   and so did a model's provider
     ├─ LlmCallsLimitExceededError           ``RunConfig.max_llm_calls`` is used up
     ├─ BudgetExceededError                  and so is ``RunConfig.budget``; ``kind`` says what of it
     ├─ MissingDependencyError (ImportError) an extra is not installed; the message names it
     ├─ ModelError                           a model could not answer
     │   ├─ ModelNotFoundError (ValueError)  no model class is registered for the name
     │   ├─ ModelAuthError                   the provider does not know the key, or does not allow it this
     │   ├─ ModelBusyError                   it does not answer just now; ``retry_after`` says when to ask again
     │   │   ├─ ModelRateLimitedError        too many requests or tokens
     │   │   └─ ModelOverloadedError         too much to do, or something in it broke
     │   ├─ ModelTimeoutError                it took longer than it was given
     │   ├─ ModelConnectionError             there is no way to it, or the way broke before it answered
     │   ├─ ContextTooLongError              the request is longer than the model can read
     │   ├─ ModelBadRequestError             the provider refused the request as it is
     │   ├─ ModelResponseError               what came is no answer: malformed, or cut off
     │   └─ ContentBlockedError              the provider's rules forbid the request or its answer
     ├─ ToolError                            a tool call went wrong; the model is told
     │   ├─ UnknownToolError                 the model named a tool that does not exist
     │   ├─ ToolArgumentsError (ValueError)  the arguments do not fit the tool's schema
     │   └─ ToolExecutionError               raised by a tool to say what kind of failure it had
     └─ PluginError (RuntimeError)           a plugin's hook raised

The second base, where there is one, is what a caller would have caught had the standard library raised it.
Messages say what to do. Nothing here is ever swallowed by the engine.
"""


class RunwrightError(Exception):
    """The root of the tree: catch it to catch everything that Runwright raises on its own account."""


class ConfigurationError(RunwrightError, ValueError):
    """An agent, tool, plugin, app or runner was put together wrongly. Raised when it is made."""


class UnsupportedTypeError(ConfigurationError, TypeError):
    """A type that cannot be described to a model as JSON Schema."""


class AgentLoadError(ConfigurationError):
    """A path or module did not give an agent. The cause, where there is one, is chained."""


class InputValidationError(RunwrightError, ValueError):
    """What the caller handed over cannot be run. Raised before any work is done."""


class InvalidStateError(RunwrightError, ValueError):
    """A state value cannot be stored as JSON. Raised before anything is written."""


class TemplateError(RunwrightError, KeyError):
    """An instruction names a state key or an artifact that does not exist."""

    def __str__(self) -> str:
        return str(self.args[0])  # KeyError would show the message's repr


class NotFoundError(RunwrightError, LookupError):
    """Something that was named does not exist."""


class SessionNotFoundError(NotFoundError, ValueError):
    """There is no session with this app name, user id and session id."""


class InvocationNotFoundError(NotFoundError, ValueError):
    """The session holds no invocation with this id."""


class AlreadyExistsError(RunwrightError, ValueError):
    """The id is taken."""


class StaleSessionError(RunwrightError):
    """The session was changed by somebody else after it was read: read it again, then append."""


class LeaseLostError(StaleSessionError):
    """Somebody else became the session's writer, as after a long stall or an interruption: this run is over."""


class SessionBusyError(RunwrightError):
    """The session is running another message and ``RunConfig.when_busy`` is ``"reject"``."""


class StorageError(RunwrightError):
    """A store could not do what it was asked: a full disk, a server that is gone. The cause is chained.

    What was acknowledged before is stored. Whether the write that failed was stored is not known where the message says
    so; otherwise it was not.
    """


class CorruptedDataError(StorageError):
    """What a store holds is damaged. The message says where; nothing of it was handed out as if it were whole."""


class LiveQueueFullError(RunwrightError):
    """A ``LiveRequestQueue`` holds as much as it may: nobody reads it, or the model does not keep up."""


class RunnerClosedError(RunwrightError, RuntimeError):
    """The runner was closed. Make a new one."""


class RunCancelledError(RunwrightError):
    """The run was cancelled. The session is sound and may be used again.

    Attributes:
        reason: What ``cancel(reason)`` was given.
    """

    def __init__(self, reason: str = "cancelled") -> None:
        super().__init__(f"The run was cancelled: {reason}")
        self.reason = reason


class CallerLeftError(RunCancelledError):
    """All who followed the run left before its end. Nothing failed: its hooks see the end of a run."""

    def __init__(self) -> None:
        super().__init__("its caller left")


class RunRolledBackError(RunCancelledError):
    """The run was cancelled, and what it said and changed is taken back."""


class DeadlineExceededError(RunwrightError, TimeoutError):
    """A run, a model or a tool took longer than it was given."""


class NodeTimeoutError(DeadlineExceededError):
    """A node of a workflow took longer than its ``timeout``."""


class LlmCallsLimitExceededError(RunwrightError):
    """The run made as many model calls as ``RunConfig.max_llm_calls`` allows."""


class BudgetExceededError(RunwrightError):
    """The run has used up its ``RunConfig.budget``, or what is left is too little for the next model call.

    Attributes:
        kind: What of it: ``"tokens"``, ``"cost"``, ``"llm_calls"`` or ``"seconds"``.
    """

    def __init__(self, message: str, *, kind: str) -> None:
        super().__init__(message)
        self.kind = kind

    def again(self) -> "BudgetExceededError":
        """The same, to be raised once more."""
        return BudgetExceededError(str(self), kind=self.kind)


class MissingDependencyError(RunwrightError, ImportError):
    """An optional dependency is not installed. The message names the extra that brings it."""


class ModelError(RunwrightError):
    """A model could not answer.

    Attributes:
        status: The HTTP status that the provider answered with, where it did.
        provider: Which provider it was, for example ``"gemini"``.
    """

    def __init__(self, message: str, *, status: int | None = None, provider: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.provider = provider


class ModelNotFoundError(ModelError, ValueError):
    """No model class is registered for this name."""


class ModelAuthError(ModelError):
    """The provider does not know the key, does not allow it this model or region, or has nothing left for its account
    to spend."""


class ModelBusyError(ModelError):
    """The provider does not answer just now: the same request may succeed later.

    Attributes:
        retry_after: In how many seconds to ask again, where the provider said so.
    """

    def __init__(
        self,
        message: str,
        *,
        retry_after: float | None = None,
        status: int | None = None,
        provider: str | None = None,
    ) -> None:
        super().__init__(message, status=status, provider=provider)
        self.retry_after = retry_after


class ModelRateLimitedError(ModelBusyError):
    """The provider takes no more requests or tokens for now."""


class ModelOverloadedError(ModelBusyError):
    """The provider is too busy, or something in it broke."""


class ModelTimeoutError(ModelError, DeadlineExceededError):
    """The provider took longer than it was given."""


class ModelConnectionError(ModelError):
    """There is no way to the provider, or the way broke before it answered."""


class ContextTooLongError(ModelError):
    """The request is longer than the model can read: shorten the conversation, or compact it."""


class ModelBadRequestError(ModelError):
    """The provider refused the request as it is: the same one will be refused again."""


class ModelResponseError(ModelError):
    """What came is no answer: malformed, or cut off before its end."""


class ContentBlockedError(ModelError):
    """The provider's rules forbid the request or its answer."""


class ToolError(RunwrightError):
    """A tool call went wrong in a way that the model is told about."""


class UnknownToolError(ToolError):
    """The model called a tool that the agent does not have."""


class ToolArgumentsError(ToolError, ValueError):
    """The arguments of a tool call do not fit the tool's schema."""


class ToolExecutionError(ToolError):
    """Raise it in a tool to name the kind of failure.

    Attributes:
        error_type: A short name of the kind, for example ``"HTTP_404"``.
    """

    def __init__(self, message: str, error_type: str | None = None) -> None:
        super().__init__(message)
        self.error_type = error_type


class PluginError(RunwrightError, RuntimeError):
    """A plugin's hook raised. The cause is chained."""
