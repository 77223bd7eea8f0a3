# SPDX-License-Identifier: Apache-2.0
"""BaseCodeExecutor: what runs the code that a model writes; CodeExecutionInput, CodeExecutionResult and File: what goes
in and comes out."""

from abc import ABC, abstractmethod
from collections.abc import Awaitable
from typing import TYPE_CHECKING, ClassVar

from runwright.declared import Declared
from runwright.errors import ConfigurationError
from runwright.record import Record
from runwright.types import Outcome

if TYPE_CHECKING:
    from runwright.invocation import InvocationContext
    from runwright.model import LlmRequest


class File(Record):
    """A file that code is given, or that it made.

    Attributes:
        name: Its name, such as ``"plot.png"``; with ``/`` it lies in a folder.
        content: Its bytes; a ``str`` is their base64, as in ADK.
        mime_type: What is in it.
    """

    name: str
    content: str | bytes
    mime_type: str = "text/plain"


class CodeExecutionInput(Record):
    """What is to be run.

    Attributes:
        code: Python.
        input_files: The files that it finds in its folder.
        execution_id: The same for all code that shares variables, where the executor is ``stateful``.
    """

    code: str
    input_files: list[File] = []
    execution_id: str | None = None


class CodeExecutionResult(Record):
    """What came of it.

    Attributes:
        stdout: What the code printed.
        stderr: What it printed there; in an executor of one's own that it failed, unless ``outcome`` says otherwise.
        output_files: The files that it made.
        exit_code: The status that its process ended with; None where there is none.
        outcome: Whether it ran well; made of ``stderr`` and ``exit_code`` where it is missing.
    """

    stdout: str = ""
    stderr: str = ""
    output_files: list[File] = []
    exit_code: int | None = None
    outcome: Outcome | None = None


class BaseCodeExecutor(Declared, ABC):
    """Runs the code that a model writes. A subclass says how, in :meth:`execute_code`.

    The engine takes the first block of code out of an answer, has it run, stores what came of it as an event, and asks
    the model again. Code is run at most once: where a run stops between the code and its result, the model is told
    that nobody knows what became of it.

    Attributes:
        optimize_data_file: Whether CSV files in the user's messages are given to the code as files, and the model is
            told of their names in place of their content.
        input_artifacts: Whether the code finds the artifacts of the session and the user in its folder: all, or those
            that are named.
        stateful: Whether the variables of one block of code are there in the next one of the session.
        error_retry_attempts: After how many failures in a row code is no longer run: the answer then ends the turn.
        code_block_delimiters: What code stands between in an answer. The first of them is what the model is shown.
        execution_result_delimiters: What its result stands between when it is shown to the model.
        timeout_seconds: How long one execution may take, for executors that hold to it.
    """

    runs_at_provider: ClassVar[bool] = False
    """Whether the model's provider runs the code, within its own answer."""

    optimize_data_file: bool = False
    input_artifacts: bool | list[str] = False
    stateful: bool = False
    error_retry_attempts: int = 2
    code_block_delimiters: list[tuple[str, str]] = [("```tool_code\n", "\n```"), ("```python\n", "\n```")]
    execution_result_delimiters: tuple[str, str] = ("```tool_output\n", "\n```")
    timeout_seconds: float | None = None

    def __init__(self, **values: object) -> None:
        super().__init__(**values)
        kind = type(self).__name__
        pairs = [*self.code_block_delimiters, self.execution_result_delimiters]
        if not self.code_block_delimiters or not all(len(pair) == 2 and all(pair) for pair in pairs):
            raise ConfigurationError(
                f"{kind}: code_block_delimiters is a list of pairs, and execution_result_delimiters a pair, of what "
                "stands before and behind; none of them is empty"
            )
        if self.timeout_seconds is not None and self.timeout_seconds <= 0:
            raise ConfigurationError(f"{kind}: timeout_seconds is more than 0, not {self.timeout_seconds!r}")
        if self.error_retry_attempts < 0:
            raise ConfigurationError(f"{kind}: error_retry_attempts is 0 or more, not {self.error_retry_attempts!r}")

    @property
    def shown_as(self) -> tuple[tuple[str, str], tuple[str, str]] | None:
        """What code and results stand between where the model sees them as text; None: it sees them as they are."""
        return None if self.runs_at_provider else (self.code_block_delimiters[0], self.execution_result_delimiters)

    @abstractmethod
    def execute_code(
        self, invocation_context: "InvocationContext", code_execution_input: CodeExecutionInput
    ) -> CodeExecutionResult | Awaitable[CodeExecutionResult]:
        """Runs code. It may be ``async``; a plain ``def`` runs in a worker thread.

        Args:
            invocation_context: The run.
            code_execution_input: What is to be run.

        Returns:
            What came of it. That the code failed is a result too, which the model is shown.

        Raises:
            Exception: It could not be run; the run fails with it.
        """

    async def check(self) -> None:
        """Called before the model is asked.

        Raises:
            ConfigurationError: Code cannot be run here.
        """

    def process_llm_request(self, llm_request: "LlmRequest") -> None:
        """Changes a request before it is sent. The default does nothing."""
