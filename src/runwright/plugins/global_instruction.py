# SPDX-License-Identifier: Apache-2.0
"""GlobalInstructionPlugin: what all agents of an app are told."""

from runwright.context import CallbackContext
from runwright.errors import ConfigurationError
from runwright.instruction import Instruction, instruction_text
from runwright.model import LlmRequest
from runwright.plugin import BasePlugin


class GlobalInstructionPlugin(BasePlugin):
    """Puts an instruction before those of each agent.

    Args:
        global_instruction: A text with places for state (``{key}``), or a function of a ``ReadonlyContext`` that gives
            the text as it is to be, plain or ``async``.
        name: The plugin's name.
    """

    def __init__(self, global_instruction: Instruction = "", name: str = "global_instruction") -> None:
        super().__init__(name)
        self.global_instruction = global_instruction

    async def before_model_callback(self, *, callback_context: CallbackContext, llm_request: LlmRequest) -> None:
        text = await instruction_text(self.global_instruction, callback_context)
        if not text:
            return
        before = llm_request.config.system_instruction
        if before and not isinstance(before, str):
            raise ConfigurationError(
                f"Plugin {self.name!r} adds to a system instruction that is a text, not {type(before).__name__}: set "
                "llm_request.config.system_instruction to a str"
            )
        llm_request.config.system_instruction = f"{text}\n\n{before}" if before else text
