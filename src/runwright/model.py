# SPDX-License-Identifier: Apache-2.0
"""BaseLlm: what a model adapter is; LlmRequest and LlmResponse: what goes in and comes out; LLMRegistry: names."""

import copy
import importlib
import re
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Iterable, Mapping, MutableSequence, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol, Self

from runwright.declared import Declared
from runwright.errors import ConfigurationError, ModelError, ModelNotFoundError
from runwright.event import LlmResponse
from runwright.record import copy_json
from runwright.types import Content, FunctionDeclaration, GenerateContentConfig, Tool, copy_content

if TYPE_CHECKING:
    from runwright.connection import BaseLlmConnection

__all__ = [
    "CODE_RESULT",
    "RETOLD",
    "BaseLlm",
    "Declarable",
    "LLMRegistry",
    "LlmRequest",
    "LlmResponse",
    "is_said_by_user",
    "turn_begins",
]

RETOLD = "For context:"
"""The first part of a message that retells, in the user's role, what another agent said."""

CODE_RESULT = "runwright_code_result"
"""The ``part_metadata`` of a text that tells a model, in the user's role, the result of the code that it wrote."""


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
        cache_config: What the app says of providers' caches, a :class:`~runwright.app.ContextCacheConfig`.
        live_connect_config: How a live conversation goes, a ``LiveConnectConfig``.
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

    def connect(self, llm_request: LlmRequest) -> AbstractAsyncContextManager["BaseLlmConnection"]:
        """A live conversation: ``async with llm.connect(request) as connection``.

        Args:
            llm_request: How the conversation goes: ``config`` has the instruction and the tools,
                ``live_connect_config`` the rest. ``contents`` is not sent: ``connection.send_history`` does that.

        Raises:
            ModelError: There is no way to the model, or it has no live connection.
        """
        raise ModelError(f"{type(self).__name__} has no live connection: take a model that has one, such as Gemini")

    async def count_tokens(self, llm_request: LlmRequest) -> int:
        """How many tokens a request has, as the provider counts them.

        Raises:
            ModelError: The provider could not be asked, or this adapter cannot ask it.
        """
        raise ModelError(f"{type(self).__name__} cannot count tokens")

    def shapes_output_beside_tools(self, llm_request: LlmRequest) -> bool:
        """Whether the model can be held to an ``output_schema`` by the provider while it has tools too.

        Where it cannot, it is given a tool to answer with.
        """
        return False

    @property
    def runs_code(self) -> bool:
        """Whether the model's provider runs code itself: ``Tool(code_execution={})`` in a request."""
        return False

    async def close(self) -> None:
        """Gives back what the adapter holds."""


class _Provided(NamedTuple):
    """An adapter that comes with Runwright, imported when one of its names is first used."""

    pattern: str
    module: str
    name: str
    extra: str
    shown: str


_GEMINI = r"(models/)?(gemini|gemma)-.+|model-optimizer-.+|projects/.+/(endpoints|publishers/google/models)/.+"
_PROVIDED = (
    _Provided(_GEMINI, "runwright.models.gemini", "Gemini", "gemini", "gemini-*"),
    _Provided(r"openai/.+|gpt-.+|chatgpt-.+|o\d.*", "runwright.models.openai", "OpenAI", "openai", "openai/*"),
    _Provided(r"(anthropic/)?claude-.+", "runwright.models.anthropic", "Claude", "anthropic", "anthropic/claude-*"),
    _Provided(r"litellm/.+", "runwright.models.litellm", "LiteLlm", "litellm", "litellm/*"),
)
_ENTRY_POINTS = "runwright.models"


class LLMRegistry:
    """Which class answers for a model's name.

    Asked first are the classes that were registered, the latest first; then the adapters of Runwright; then those of
    installed packages, which name a class, or a function that gives one, under the entry point group
    ``runwright.models``.
    """

    _classes: ClassVar[dict[str, type[BaseLlm]]] = {}
    _resolved: ClassVar[dict[str, type[BaseLlm]]] = {}
    _installed: ClassVar[list[type[BaseLlm]] | None] = None
    _broken: ClassVar[list[str]] = []

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
            found = cls._registered(model) or _provided(model) or cls._from_packages(model)
            if found is None:
                raise ModelNotFoundError(cls._not_found(model))
            cls._resolved[model] = found
        return found

    @classmethod
    def _registered(cls, model: str) -> type[BaseLlm] | None:
        matches = (known for pattern, known in reversed(cls._classes.items()) if re.fullmatch(pattern, model))
        return next(matches, None)

    @classmethod
    def _from_packages(cls, model: str) -> type[BaseLlm] | None:
        """The class of an installed package; all of them are loaded once, when a name is looked for in vain."""
        if cls._installed is None:
            installed: list[type[BaseLlm]] = []
            broken: list[str] = []
            metadata = importlib.import_module("importlib.metadata")  # slow to import, and seldom needed
            for point in metadata.entry_points(group=_ENTRY_POINTS):
                try:
                    loaded: Any = point.load()
                except (ImportError, AttributeError) as error:
                    broken.append(f"{point.name} ({error})")
                    continue
                installed.append(loaded if isinstance(loaded, type) else loaded())
            cls._installed, cls._broken = installed, broken
        for known in cls._installed:
            if any(re.fullmatch(pattern, model) for pattern in known.supported_models()):
                return known
        return None

    @classmethod
    def _not_found(cls, model: str) -> str:
        names = "; ".join(f"{one.shown} (pip install 'runwright[{one.extra}]')" for one in _PROVIDED)
        registered = f" Registered: {', '.join(cls._classes)}." if cls._classes else ""
        broken = f" Installed, but not to be loaded: {'; '.join(cls._broken)}." if cls._broken else ""
        return (
            f"No model class answers for {model!r}. Known names: {names}; other providers' as litellm/PROVIDER/MODEL."
            f"{registered}{broken} Or pass a BaseLlm as the agent's model, or register a class whose "
            "supported_models() match the name: LLMRegistry.register(MyLlm)"
        )

    @classmethod
    def new_llm(cls, model: str) -> BaseLlm:
        """A new adapter for a name."""
        return cls.resolve(model)(model=model)


def turn_begins(contents: Sequence[Content]) -> int:
    """Where in a request the user's newest message stands.

    What comes before it is the same in each request of the turn. It is never between a call and its response, which
    some providers refuse.
    """
    at = len(contents)
    while at > 0 and not is_said_by_user(contents[at - 1]):
        at -= 1
    while at > 0 and is_said_by_user(contents[at - 1]):
        at -= 1
    return at


def is_said_by_user(content: Content) -> bool:
    """Whether a message in the user's role is neither a function's response nor the result of code."""
    return content.role == "user" and not any(
        part.function_response is not None or (part.part_metadata is not None and CODE_RESULT in part.part_metadata)
        for part in content.parts or ()
    )


def _provided(model: str) -> type[BaseLlm] | None:
    for one in _PROVIDED:
        if re.fullmatch(one.pattern, model):
            return getattr(importlib.import_module(one.module), one.name)
    return None
