# SPDX-License-Identifier: Apache-2.0
"""BaseLlm: what a model adapter is; LlmRequest and LlmResponse: what goes in and comes out; LLMRegistry: names."""

import copy
import re
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Iterable, Mapping, MutableSequence
from typing import Any, ClassVar, Protocol, Self

from runwright.declared import Declared
from runwright.errors import ConfigurationError, ModelNotFoundError
from runwright.event import LlmResponse
from runwright.record import copy_json
from runwright.types import Content, FunctionDeclaration, GenerateContentConfig, Tool, copy_content

__all__ = ["RETOLD", "BaseLlm", "Declarable", "LLMRegistry", "LlmRequest", "LlmResponse"]

RETOLD = "For context:"
"""The first part of a message that retells, in the user's role, what another agent said."""


class Declarable(Protocol):
    """What a request needs to know of a tool."""

    name: str

    def get_declaration(self) -> FunctionDeclaration | None: ...


class LlmRequest:
    """What a model is asked. Callbacks and tools may change all of it.

    Attributes:
        model: The model's name.
        contents: The messages, oldest first. It reads and writes like a list, and what it gives are copies: changing
            them changes this request and nothing else.
        config: How to answer; ``config.system_instruction`` and ``config.tools`` are filled in.
        tools_dict: The tools that may be called, by name.
    """

    __slots__ = ("cache_config", "config", "contents", "live_connect_config", "model", "tools_dict")

    def __init__(
        self,
        *,
        model: str | None = None,
        contents: MutableSequence[Content] | None = None,
        config: GenerateContentConfig | None = None,
        tools_dict: dict[str, Any] | None = None,
        live_connect_config: Any = None,
        cache_config: Any = None,
    ) -> None:
        self.model = model
        self.contents: MutableSequence[Content] = [] if contents is None else contents
        self.config = GenerateContentConfig() if config is None else config
        self.tools_dict: dict[str, Any] = {} if tools_dict is None else tools_dict
        self.live_connect_config = live_connect_config
        self.cache_config = cache_config

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A request with some attributes replaced; ``deep`` copies its messages and settings too, the tools never."""
        twin = copy.copy(self)
        if deep:
            twin.contents = [copy_content(content) for content in self.contents]
            twin.config = self.config.model_copy(deep=True)
            twin.tools_dict = dict(self.tools_dict)
        for name, value in (update or {}).items():
            setattr(twin, name, value)
        return twin

    def append_instructions(self, instructions: Iterable[str]) -> None:
        """Adds texts to the system instruction, each a paragraph of its own.

        Raises:
            ConfigurationError: Somebody has set a system instruction that is no text.
        """
        texts = [text for text in instructions if text]
        before = self.config.system_instruction
        if isinstance(before, str) and before:
            texts.insert(0, before)
        elif before:
            raise ConfigurationError(
                f"Instructions can be appended to a text only, not to {type(before).__name__}: set "
                "llm_request.config.system_instruction to a str"
            )
        self.config.system_instruction = "\n\n".join(texts)

    def append_tools(self, tools: Iterable[Declarable]) -> None:
        """Shows tools to the model and makes them callable.

        Raises:
            ConfigurationError: Two tools have the same name.
        """
        declarations: list[FunctionDeclaration] = []
        for tool in tools:
            known = self.tools_dict.get(tool.name)
            if known is not None and known is not tool:
                raise ConfigurationError(
                    f"Two tools are called {tool.name!r}: rename one, or give its toolset a tool_name_prefix"
                )
            declaration = tool.get_declaration()
            if declaration is not None and known is None:
                # A copy: what a callback does to it does not reach the tool, which the next request shows again.
                parameters = copy_json(declaration.parameters_json_schema)
                declarations.append(declaration.model_copy(update={"parameters_json_schema": parameters}))
                self.tools_dict[tool.name] = tool
        if not declarations:
            return
        tools_shown = self.config.tools = [] if self.config.tools is None else self.config.tools
        for shown in tools_shown:
            if isinstance(shown, Tool) and shown.function_declarations is not None:
                shown.function_declarations.extend(declarations)
                return
        tools_shown.append(Tool(function_declarations=declarations))

    def set_output_schema(self, schema: Any) -> None:
        """Asks for an answer in JSON of this schema."""
        self.config.response_schema = schema
        self.config.response_mime_type = "application/json"


class BaseLlm(Declared, ABC):
    """A model adapter. A subclass declares its settings as annotated fields and answers requests.

    Attributes:
        model: The model's name, as its provider spells it.
    """

    needs_call_ids: ClassVar[bool] = False
    """Whether the provider pairs calls and responses by ids that it did not give itself."""

    model: str = ""

    @classmethod
    def supported_models(cls) -> list[str]:
        """Regular expressions of the names that :class:`LLMRegistry` gives to this class."""
        return []

    @abstractmethod
    def generate_content_async(
        self, llm_request: LlmRequest, stream: bool = False
    ) -> AsyncGenerator[LlmResponse, None]:
        """Answers a request.

        Args:
            llm_request: What is asked. It is the adapter's to read; ``contents`` may hold thousands of messages.
            stream: Whether to give chunks as they come.

        Yields:
            One whole response; or, streamed, chunks with ``partial=True`` and then the whole response. Where the whole
            one does not come, the flow joins the chunks.

        Raises:
            ModelError: The model could not answer. Any other exception is handled alike.
        """

    async def close(self) -> None:
        """Gives back what the adapter holds."""


class LLMRegistry:
    """Which class answers for a model's name."""

    _classes: ClassVar[dict[str, type[BaseLlm]]] = {}
    _resolved: ClassVar[dict[str, type[BaseLlm]]] = {}

    @classmethod
    def register(cls, llm_class: type[BaseLlm]) -> None:
        """Makes a class answer for the names that its ``supported_models()`` match. The latest one wins."""
        for pattern in llm_class.supported_models():
            cls._classes.pop(pattern, None)
            cls._classes[pattern] = llm_class
        cls._resolved.clear()

    @classmethod
    def unregister(cls, llm_class: type[BaseLlm]) -> None:
        """Takes a class out again."""
        cls._classes = {pattern: known for pattern, known in cls._classes.items() if known is not llm_class}
        cls._resolved.clear()

    @classmethod
    def resolve(cls, model: str) -> type[BaseLlm]:
        """The class for a name.

        Raises:
            ModelNotFoundError: There is none.
        """
        found = cls._resolved.get(model)
        if found is None:
            matches = (known for pattern, known in reversed(cls._classes.items()) if re.fullmatch(pattern, model))
            found = next(matches, None)
            if found is None:
                known = ", ".join(cls._classes) or "none"
                raise ModelNotFoundError(
                    f"No model class answers for {model!r} (registered: {known}). Pass a BaseLlm as the agent's model, "
                    "or register a class whose supported_models() match the name: LLMRegistry.register(MyLlm)"
                )
            cls._resolved[model] = found
        return found

    @classmethod
    def new_llm(cls, model: str) -> BaseLlm:
        """A new adapter for a name."""
        return cls.resolve(model)(model=model)
