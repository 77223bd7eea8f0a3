# SPDX-License-Identifier: Apache-2.0
"""The code that a model writes: taken out of its answer, run at most once, and its result told to the model."""

import asyncio
import base64
import contextvars
import functools
import inspect
from typing import TYPE_CHECKING, NamedTuple

from runwright.artifact import USER_NAMESPACE
from runwright.code_executor import BaseCodeExecutor, CodeExecutionInput, File
from runwright.code_executor import CodeExecutionResult as Result
from runwright.context import CallbackContext
from runwright.durable import CallRecord
from runwright.errors import ConfigurationError, InputValidationError
from runwright.event import Event, EventActions
from runwright.flow.code_blocks import data_files, up_to_code
from runwright.invocation import CODE_EXECUTION, InvocationContext, OpenCall
from runwright.model import BaseLlm, LlmRequest
from runwright.types import (
    CodeExecutionResult,
    Content,
    ExecutableCode,
    FinishReason,
    FunctionResponse,
    Outcome,
    Part,
)

if TYPE_CHECKING:
    from runwright.agents.llm import LlmAgent

MOST_CHARACTERS = 32_000
"""How much of a result is stored and told: its beginning and its end."""

_INSTRUCTION = """\
You can have Python code run. Write it in one block, exactly like this, and end your answer there:

{0}print("hello"){1}

Its output is told to you in the next message, and you go on from there. Never write the output yourself. Write the \
code as text, as shown: there is no tool to call for it."""

_CANCELLED = "The run was stopped before this code was run."
_UNKNOWN = (
    "This code was interrupted: nobody knows whether it ran, or how far. It is not run again by itself. Find out what "
    "it did before you repeat it."
)


class Told(NamedTuple):
    """What the model is told of code."""

    outcome: Outcome
    output: str


def check_provider(name: str, executor: BaseCodeExecutor, model: BaseLlm) -> None:
    """Sees to it that an agent's model has the provider run code, where its executor leaves that to it.

    Raises:
        ConfigurationError: It does not.
    """
    if executor.runs_at_provider and not model.runs_code:
        raise ConfigurationError(
            f"{type(executor).__name__} leaves the code of {name!r} to its model's provider, but "
            f"{type(model).__name__} ({model.model!r}) has none run there: use SandboxedCodeExecutor(), or Gemini, "
            "Claude or OpenAI (over the Responses API)"
        )


def has_code_to_follow(agent: "LlmAgent", event: Event) -> bool:
    """Whether the agent's flow goes on after an answer because of code in it."""
    executor = agent.code_executor
    if executor is None:
        return False
    if not executor.runs_at_provider:
        return event.get_code_to_run() is not None
    # The provider ran code, and the model has not said what follows from it.
    ended_well = event.error_code is None and event.finish_reason in (None, FinishReason.STOP)
    return ended_well and event.has_trailing_code_execution_result()


def result_event(invocation_id: str, code: OpenCall) -> Event:
    """What the log is told of code whose run ended before it had a result."""
    if code.response is not None:
        told = _told_of(code.response)
    else:
        told = Told(Outcome.OUTCOME_FAILED, _UNKNOWN if code.status == "unknown" else _CANCELLED)
    return _event(invocation_id, code.author, code.branch, code.id, told)


class Coder:
    """Runs the code of one run of an agent's flow.

    Attributes:
        is_due: Whether :meth:`result` is to be called before the model is asked again.
    """

    __slots__ = ("_agent", "_code", "_ctx", "_executor", "_failures", "_files", "is_due")

    def __init__(self, agent: "LlmAgent", ctx: InvocationContext, executor: BaseCodeExecutor) -> None:
        self._agent = agent
        self._ctx = ctx
        self._executor = executor
        self._code: ExecutableCode | None = None
        self._failures = 0
        self._files: list[File] = []
        self.is_due = False

    @classmethod
    async def ready(cls, agent: "LlmAgent", ctx: InvocationContext, model: BaseLlm) -> "Coder":
        """Makes one, before the model is asked.

        Raises:
            ConfigurationError: Code cannot be run here, or not with this model.
        """
        executor = agent.code_executor
        assert executor is not None
        check_provider(agent.name, executor, model)
        await executor.check()
        return cls(agent, ctx, executor)

    def prepare(self, request: LlmRequest) -> None:
        """Tells the model how code is run, and puts aside what the code is given."""
        executor = self._executor
        executor.process_llm_request(request)
        if executor.runs_at_provider:
            return
        if not self._has_given_up:
            request.append_instructions([_INSTRUCTION.format(*executor.code_block_delimiters[0])])
        if executor.optimize_data_file:
            self._files = data_files(request)

    def take(self, event: Event) -> None:
        """Makes code that is to be run a part of its own. What the model wrote behind it is dropped."""
        may_run = self._code is None and not self._has_given_up and not self._executor.runs_at_provider
        if may_run and event.content is not None and event.content.parts and event.error_code is None:
            plans = self._agent.planner is not None
            parts = up_to_code(event.content.parts, self._executor.code_block_delimiters, plans=plans)
            if parts is not None:
                event.content.parts = parts
                event.long_running_tool_ids = None
        self.note(event)

    def note(self, event: Event) -> None:
        """Keeps the books on an event of the flow, a new one or one that the log held already."""
        if (result := event.get_code_result()) is not None:
            self._code, self.is_due = None, False
            self._failures = 0 if result.outcome == Outcome.OUTCOME_OK else self._failures + 1
        elif (code := event.get_code_to_run()) is not None:
            self._code, self.is_due = code.__copy__(), True
        elif has_code_to_follow(self._agent, event):
            self.is_due = True

    async def result(self) -> Event | None:
        """Runs the code, unless it was run before the run stopped; gives the event of what came of it.

        None where the provider has run it.

        Raises:
            Exception: What the executor raised: the code could not be run.
        """
        code, self._code, self.is_due = self._code, None, False
        if code is None:
            return None
        ctx = self._ctx
        entry = ctx.ledger.find(ctx.branch, code.id)
        past = ctx.recorded_calls.get(code.id or "")
        actions = EventActions()
        if past is None:
            told = await self._run(code, entry, actions)
        else:
            actions.merge(past.actions)
            told = Told(Outcome.OUTCOME_FAILED, _UNKNOWN) if past.response is None else _told_of(past.response)
        event = _event(ctx.invocation_id, self._agent.name, ctx.branch, code.id or "", told)
        event.actions = actions
        self.note(event)
        return event

    @property
    def _has_given_up(self) -> bool:
        return self._failures >= max(1, self._executor.error_retry_attempts)

    async def _run(self, code: ExecutableCode, entry: OpenCall | None, actions: EventActions) -> Told:
        """Runs code, with its row in the ledger around it."""
        context = CallbackContext(self._ctx, event_actions=actions)
        write = self._ctx.record_call
        given = CodeExecutionInput(code=code.code or "", input_files=[*await self._artifacts(context), *self._files])
        if self._executor.stateful:
            given.execution_id = self._ctx.session.id
        row = CallRecord(invocation_id=self._ctx.invocation_id, call_id=code.id or "", name=CODE_EXECUTION)
        if write is not None:
            await write(row)
        if entry is not None:
            entry.status = "unknown"  # until it has ended: who stops it does not know how far it got
        try:
            told = await _told(await self._executed(given), context)
        except Exception as error:
            await self._keep(row, entry, Told(Outcome.OUTCOME_FAILED, f"The code could not be run: {error}"))
            raise
        row.actions = actions
        await self._keep(row, entry, told)
        return told

    async def _keep(self, row: CallRecord, entry: OpenCall | None, told: Told) -> None:
        """Writes down what came of code before anything else is done with it."""
        given = {"outcome": told.outcome.value, "output": told.output}
        response = FunctionResponse(id=row.call_id, name=CODE_EXECUTION, response=given)
        if entry is not None:
            entry.response = response
        if (write := self._ctx.record_call) is not None:
            await write(row.model_copy(update={"status": "finished", "response": response}))

    async def _executed(self, given: CodeExecutionInput) -> Result:
        execute = self._executor.execute_code
        if inspect.iscoroutinefunction(execute):
            answer = execute(self._ctx, given)
        else:
            execute_here = functools.partial(execute, self._ctx, given)
            call = functools.partial(contextvars.copy_context().run, execute_here)
            answer = await asyncio.get_running_loop().run_in_executor(self._ctx.executor, call)
        result = await answer if inspect.isawaitable(answer) else answer
        if not isinstance(result, Result):
            raise ConfigurationError(
                f"{type(self._executor).__name__}.execute_code gave {type(result).__name__}, not a CodeExecutionResult"
            )
        return result

    async def _artifacts(self, context: CallbackContext) -> list[File]:
        """The artifacts that the code is to find."""
        wanted = self._executor.input_artifacts
        if not wanted:
            return []
        files: list[File] = []
        for name in await context.list_artifacts() if wanted is True else wanted:
            part = await context.load_artifact(name)
            if part is None:
                continue
            inline = part.inline_data
            data = inline.data if inline is not None else None if part.text is None else part.text.encode()
            if data is not None:
                kind = (inline.mime_type if inline is not None else None) or "text/plain"
                files.append(File(name=name.removeprefix(USER_NAMESPACE), content=data, mime_type=kind))
        return files


def _event(invocation_id: str, author: str, branch: str | None, code_id: str, told: Told) -> Event:
    result = CodeExecutionResult(id=code_id, outcome=told.outcome, output=told.output)
    content = Content(role="model", parts=[Part(code_execution_result=result)])
    return Event(invocation_id=invocation_id, author=author, branch=branch, content=content)


def _told_of(response: FunctionResponse) -> Told:
    """What the ledger holds of a result."""
    given = response.response or {}
    return Told(Outcome(given.get("outcome") or Outcome.OUTCOME_FAILED), str(given.get("output") or ""))


async def _told(result: Result, context: CallbackContext) -> Told:
    """What the model is told of a result. Files that the code made become artifacts."""
    failed = bool(result.stderr) or bool(result.exit_code)
    outcome = result.outcome or (Outcome.OUTCOME_FAILED if failed else Outcome.OUTCOME_OK)
    saved: list[str] = []
    lost: list[str] = []
    for file in result.output_files:
        name = file.name
        while name.startswith(USER_NAMESPACE):  # code speaks for its session alone
            name = name.removeprefix(USER_NAMESPACE)
        data = base64.b64decode(file.content) if isinstance(file.content, str) else file.content
        try:
            await context.save_artifact(name, Part.from_bytes(data=data, mime_type=file.mime_type))
        except (ConfigurationError, InputValidationError):  # there is no place for it, or none of this name
            lost.append(name)
        else:
            saved.append(name)
    pieces: list[str] = []
    if result.stdout or not (result.output_files or result.stderr):
        label = "Code execution result" if outcome == Outcome.OUTCOME_OK else "Output"
        pieces.append(f"{label}:\n{_shortened(result.stdout)}\n")
    if result.stderr:
        pieces.append(_shortened(result.stderr))
    for label, names in (("Saved artifacts", saved), ("Files that could not be saved", lost)):
        if names:
            pieces.append(f"{label}:\n{','.join(f'`{name}`' for name in names)}")
    return Told(outcome, "\n\n".join(pieces))


def _shortened(text: str) -> str:
    left_out = len(text) - MOST_CHARACTERS
    if left_out <= 0:
        return text
    half = MOST_CHARACTERS // 2
    return f"{text[:half]}\n... {left_out} characters are left out ...\n{text[-half:]}"
