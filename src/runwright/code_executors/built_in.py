# SPDX-License-Identifier: Apache-2.0
"""BuiltInCodeExecutor: code that the model's provider runs."""

from typing import TYPE_CHECKING, ClassVar

from runwright.code_executor import BaseCodeExecutor, CodeExecutionInput, CodeExecutionResult
from runwright.errors import ConfigurationError
from runwright.model import LlmRequest
from runwright.types import Tool

if TYPE_CHECKING:
    from runwright.invocation import InvocationContext


class BuiltInCodeExecutor(BaseCodeExecutor):
    """Has the model's provider run the code, on the provider's machines, within its own answer.

    Gemini, Claude, and OpenAI's models over the Responses API can; for others the run ends with a ConfigurationError
    before it asks the model. What the model wrote and what came of it are parts of its answer, ``executable_code`` and
    ``code_execution_result``, which go back to the provider as they came. Gemini's models before Gemini 3 do not take
    it beside function tools, which the provider tells.
    """

    runs_at_provider: ClassVar[bool] = True

    def model_post_init(self, context: object, /) -> None:
        if self.optimize_data_file or self.input_artifacts or self.stateful:
            raise ConfigurationError(
                "BuiltInCodeExecutor takes neither optimize_data_file, input_artifacts nor stateful: the provider "
                "decides what the code finds"
            )

    async def execute_code(
        self, invocation_context: "InvocationContext", code_execution_input: CodeExecutionInput
    ) -> CodeExecutionResult:
        """Is not called.

        Raises:
            ConfigurationError: Always: nothing can be run here.
        """
        raise ConfigurationError("BuiltInCodeExecutor runs nothing itself: the model's provider runs its code")

    def process_llm_request(self, llm_request: LlmRequest) -> None:
        config = llm_request.config
        config.tools = [*(config.tools or ()), Tool(code_execution={})]
