# SPDX-License-Identifier: Apache-2.0
"""load_memory, preload_memory: what is remembered of earlier conversations, asked for by the model or shown to it."""

import logging
from typing import Any

from runwright.context import ToolContext
from runwright.errors import ConfigurationError
from runwright.memory import MemoryEntry
from runwright.model import LlmRequest, turn_begins
from runwright.tool import BaseTool, FunctionTool
from runwright.types import Content, Part

_logger = logging.getLogger(__name__)

_HOW_TO_LOAD = (
    "You remember earlier conversations with this user. Where a question may depend on them, call load_memory with a "
    "query before you answer."
)
_PRELOADED = """\
What follows was said in earlier conversations with this user. Use it where it helps with what the user says now.
<PAST_CONVERSATIONS>
{memories}
</PAST_CONVERSATIONS>"""


async def _load_memory(query: str, tool_context: ToolContext) -> dict[str, Any]:
    """Looks up what is remembered of earlier conversations with this user.

    Args:
        query: What to look for.
    """
    found = await tool_context.search_memory(query)
    told = [(entry, _text_of(entry)) for entry in found.memories]
    return {"memories": [_shown(entry, text) for entry, text in told if text]}


class LoadMemoryTool(FunctionTool):
    """Lets the model search what is remembered of this user in this app. It is given the entries' text."""

    def __init__(self) -> None:
        super().__init__(_load_memory, name="load_memory", on_resume="replay")

    async def process_llm_request(self, *, tool_context: ToolContext, llm_request: LlmRequest) -> None:
        await super().process_llm_request(tool_context=tool_context, llm_request=llm_request)
        llm_request.append_instructions([_HOW_TO_LOAD])


class PreloadMemoryTool(BaseTool):
    """Shows the model, with each request, what is remembered about the user's message; the model does not call it.

    It stands before the message, in this request only: it is not stored. Where the memory service fails, that is
    logged, and the model answers without.
    """

    def __init__(self) -> None:
        super().__init__(name="preload_memory", description="Shows what is remembered about the user's message.")

    async def run_async(self, *, args: dict[str, Any], tool_context: ToolContext) -> Any:
        """Is never called: the model is not shown the tool."""
        raise ConfigurationError("preload_memory changes requests and is not called: use load_memory")

    async def process_llm_request(self, *, tool_context: ToolContext, llm_request: LlmRequest) -> None:
        said = tool_context.user_content
        query = " ".join(part.text for part in (said.parts if said is not None else None) or () if part.text)
        if not query.strip():
            return
        try:
            found = await tool_context.search_memory(query)
        except ConfigurationError:
            raise  # There is no service at all: somebody has to know.
        except Exception:  # A memory that cannot be reached is no reason not to answer.
            _logger.warning("Nothing could be preloaded from memory", exc_info=True)
            return
        lines: list[str] = []
        for entry in found.memories:
            if text := _text_of(entry):
                lines.extend([f"Time: {entry.timestamp}"] if entry.timestamp else [])
                lines.append(f"{entry.author}: {text}" if entry.author else text)
        if lines:
            message = Content(role="user", parts=[Part(text=_PRELOADED.format(memories="\n".join(lines)))])
            llm_request.contents.insert(turn_begins(llm_request.contents), message)


def _text_of(entry: MemoryEntry) -> str:
    return " ".join(part.text for part in entry.content.parts or () if part.text and not part.thought)


def _shown(entry: MemoryEntry, text: str) -> dict[str, Any]:
    """An entry as the model reads it: what else there is in it than text would be told as long rows of characters."""
    shown: dict[str, Any] = {"content": {"parts": [{"text": text}], "role": entry.content.role}}
    if entry.author:
        shown["author"] = entry.author
    if entry.timestamp:
        shown["timestamp"] = entry.timestamp
    return shown


load_memory = LoadMemoryTool()
preload_memory = PreloadMemoryTool()
