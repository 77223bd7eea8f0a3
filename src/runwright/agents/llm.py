# SPDX-License-Identifier: Apache-2.0
"""LlmAgent: an agent that a language model drives."""

import difflib
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, ClassVar, Literal

from runwright import live
from runwright.agent import BaseAgent
from runwright.code_executor import BaseCodeExecutor
from runwright.context import ReadonlyContext
from runwright.errors import ConfigurationError, InputValidationError, ModelError
from runwright.event import Event
from runwright.flow.code import check_provider
from runwright.flow.loop import run_flow
from runwright.flow.output import SetModelResponseTool
from runwright.foreign_tool import as_tool
from runwright.instruction import Instruction
from runwright.invocation import Handover, InvocationContext
from runwright.model import BaseLlm, LLMRegistry
from runwright.planner import BasePlanner
from runwright.plugin import Callbacks
from runwright.schema import json_schema, read_answer
from runwright.tool import BaseTool, BaseToolset, ToolUnion
from runwright.types import GenerateContentConfig, to_content


class LlmAgent(BaseAgent):
    """An agent that a language model drives.

    Attributes:
        model: A name that :class:`LLMRegistry` knows, or a :class:`BaseLlm`; empty, it is the nearest ancestor's, and
            at the top ``LlmAgent.DEFAULT_MODEL``.
        instruction: What the model is told to do: a text with places (``{key}``, ``{user:key}``, ``{key?}``,
            ``{artifact.name}``), or a function of a :class:`ReadonlyContext` that gives the text as it is to be.
        global_instruction: The same for all agents of the tree, taken from its root.
        static_instruction: A text that never changes, or what makes a message of text alone, kept at the very front so
            that providers can cache it; ``instruction`` then comes as a message of its own.
        tools: Functions, :class:`BaseTool` and :class:`BaseToolset` objects, tools of LangChain and CrewAI.
        generate_content_config: Temperature, limits, safety and so on.
        disallow_transfer_to_parent: Keeps the model from passing the conversation back up.
        disallow_transfer_to_peers: Keeps it from passing it on to the parent's other children.
        include_contents: ``"default"``: the whole conversation; ``"none"``: the current turn alone.
        input_schema: What arguments the agent takes as a tool.
        output_schema: What its answer is to be: a pydantic model, dataclass, Struct, TypedDict, ``list[...]`` of such,
            or JSON Schema as a dict. With tools, the model answers by calling ``set_model_response``.
        output_key: The state key that its answer is saved under.
        planner: Tells the model to plan before it acts.
        code_executor: What runs the code that the model writes. Without one none is run.
        before_model_callback: Called with ``callback_context, llm_request``; a returned response is the answer. As all
            callbacks, one callable or a list, plain or ``async``; the first that returns something decides.
        after_model_callback: ``callback_context, llm_response``; a returned response takes its place.
        on_model_error_callback: ``callback_context, llm_request, error``; a returned response is the answer.
        before_tool_callback: ``tool, args, tool_context``; a returned dict is the result.
        after_tool_callback: ``tool, args, tool_context, tool_response``; a returned dict takes its place.
        on_tool_error_callback: ``tool, args, tool_context, error``; a returned dict is the result.
    """

    DEFAULT_MODEL: ClassVar[str] = "gemini-3.5-flash"
    takes_handover: ClassVar[bool] = True

    model: str | BaseLlm = ""
    instruction: Instruction = ""
    global_instruction: Instruction = ""
    static_instruction: Any = None
    tools: list[ToolUnion] = []
    generate_content_config: GenerateContentConfig | None = None
    disallow_transfer_to_parent: bool = False
    disallow_transfer_to_peers: bool = False
    include_contents: Literal["default", "none"] = "default"
    input_schema: Any = None
    output_schema: Any = None
    output_key: str | None = None
    planner: BasePlanner | None = None
    code_executor: BaseCodeExecutor | None = None
    before_model_callback: Callbacks = None
    after_model_callback: Callbacks = None
    on_model_error_callback: Callbacks = None
    before_tool_callback: Callbacks = None
    after_tool_callback: Callbacks = None
    on_tool_error_callback: Callbacks = None

    def __init__(self, **values: Any) -> None:
        self._wrapped: tuple[list[ToolUnion], list[BaseTool | BaseToolset]] = ([], [])
        self._resolved: tuple[str | BaseLlm, BaseLlm] | None = None
        self._answering: tuple[Any, SetModelResponseTool] | None = None
        super().__init__(**values)

    def validate(self) -> None:
        super().validate()
        if not isinstance(self.model, str | BaseLlm):
            raise ConfigurationError(f"{self.name!r} has {self.model!r} as its model: give a name or a BaseLlm")
        if self.include_contents not in ("default", "none"):
            raise ConfigurationError(f"include_contents is 'default' or 'none', not {self.include_contents!r}")
        if self.code_executor is not None and not isinstance(self.code_executor, BaseCodeExecutor):
            raise ConfigurationError(
                f"code_executor of {self.name!r} is a BaseCodeExecutor, such as SandboxedCodeExecutor(), not "
                f"{self.code_executor!r}"
            )
        config = self.generate_content_config
        for field, instead in (
            ("tools", "tools"),
            ("system_instruction", "instruction"),
            ("response_schema", "output_schema"),
        ):
            if config is not None and getattr(config, field):
                raise ConfigurationError(
                    f"Set {instead}= of the agent {self.name!r}, not generate_content_config.{field}"
                )
        for schema in (self.input_schema, self.output_schema):
            if schema is not None:
                json_schema(schema, where=f"agent {self.name!r}")
        _ = self.static_text
        self._check_tool_names()

    @classmethod
    def set_default_model(cls, model: str) -> None:
        """The model of agents that name none and have no ancestor that does."""
        LlmAgent.DEFAULT_MODEL = model

    @classmethod
    def hint(cls, name: str) -> str:
        settings = GenerateContentConfig.__struct_fields__
        if name in settings:
            return f"{name}=: put it into generate_content_config=types.GenerateContentConfig({name}=...)"
        near = difflib.get_close_matches(name, (*cls.declared, *settings), n=1)
        if near and near[0] not in cls.declared:
            return f"{name}=: did you mean generate_content_config=types.GenerateContentConfig({near[0]}=...)?"
        return super().hint(name)

    @property
    def canonical_model(self) -> BaseLlm:
        """The model adapter.

        Raises:
            ModelNotFoundError: No class answers for the name.
        """
        model = self.model
        ancestor: BaseAgent | None = self.parent_agent
        while not model and ancestor is not None:
            model = getattr(ancestor, "model", "")
            ancestor = ancestor.parent_agent
        model = model or LlmAgent.DEFAULT_MODEL
        if not isinstance(model, str):
            return model
        if self._resolved is None or self._resolved[0] != model:
            self._resolved = (model, LLMRegistry.new_llm(model))
        return self._resolved[1]

    @property
    def own_model(self) -> BaseLlm | None:
        """The adapter that it made from a model's name; None where it was given one, or has not needed one yet."""
        return None if self._resolved is None else self._resolved[1]

    @property
    def identity(self) -> str:
        """What the model is told of who it is."""
        text = f'You are an agent. Your internal name is "{self.name}".'
        return f'{text} The description about you is "{self.description}".' if self.description else text

    @property
    def static_text(self) -> str | None:
        """The text of ``static_instruction``; None where there is none.

        Raises:
            ConfigurationError: It is no message, or there is something other than text in it.
        """
        if self.static_instruction is None or isinstance(self.static_instruction, str):
            return self.static_instruction
        try:
            parts = to_content(self.static_instruction).parts or []
        except InputValidationError as error:
            raise ConfigurationError(f"static_instruction of {self.name!r}: {error}") from error
        texts = [part.text for part in parts if part.text is not None]
        if len(texts) < len(parts):
            raise ConfigurationError(
                f"static_instruction of {self.name!r} holds more than text, which a system instruction cannot: keep "
                "files as artifacts, or give them in RunConfig.model_input_context"
            )
        return "".join(texts)

    @property
    def fixed_tools(self) -> list[BaseTool] | None:
        """The tools, where they are the same in every run; None where a toolset must be asked."""
        tools = self._tools()
        fixed = [tool for tool in tools if isinstance(tool, BaseTool)]
        return fixed if len(fixed) == len(tools) else None

    async def canonical_tools(self, readonly_context: ReadonlyContext | None = None) -> list[BaseTool]:
        """All tools. Toolsets are asked for theirs, once in each run."""
        asked = {} if readonly_context is None else readonly_context.invocation_context.toolset_tools
        found: list[BaseTool] = []
        for tool in self._tools():
            if not isinstance(tool, BaseToolset):
                found.append(tool)
                continue
            if id(tool) not in asked:
                asked[id(tool)] = await tool.get_selected_tools(readonly_context)
            found.extend(asked[id(tool)])
        return found

    @property
    def answer_tool(self) -> SetModelResponseTool:
        """The tool by which the model answers in the form of ``output_schema`` beside other tools."""
        if self._answering is None or self._answering[0] is not self.output_schema:
            self._answering = (self.output_schema, SetModelResponseTool(self.output_schema))
        return self._answering[1]

    def _tools(self) -> list[BaseTool | BaseToolset]:
        given, wrapped = self._wrapped
        if given != self.tools:
            wrapped = [as_tool(tool, self.name) for tool in self.tools]
            self._wrapped = (list(self.tools), wrapped)
        return wrapped

    def _check_tool_names(self) -> None:
        seen: set[str] = set()
        for tool in self._tools():
            if isinstance(tool, BaseTool):
                if tool.name in seen:
                    raise ConfigurationError(
                        f"Agent {self.name!r} has two tools called {tool.name!r}: rename one, for example "
                        "FunctionTool(func, name=...)"
                    )
                seen.add(tool.name)

    def read_output(self, text: str) -> Any:
        """An answer as JSON data, as ``output_schema`` has it: converted, and with its defaults.

        Raises:
            ModelError: It does not fit.
        """
        try:
            return read_answer(text, self.answer_tool.decode)
        except InputValidationError as error:
            raise ModelError(f"The answer of {self.name!r} does not fit its output_schema: {error}") from error

    def check(self) -> None:
        model = self.canonical_model
        if self.code_executor is not None:
            check_provider(self.name, self.code_executor, model)

    def check_live(self) -> None:
        model = self.canonical_model
        if type(model).connect is BaseLlm.connect:
            raise ConfigurationError(
                f"Agent {self.name!r} cannot run live: its model, {type(model).__name__}, has no live connection. Give "
                "it one that has, such as Gemini's live models, or use run_async"
            )
        if self.output_schema is not None:
            raise ConfigurationError(
                f"Agent {self.name!r} cannot run live: models that speak cannot be held to an output_schema. Give it a "
                "tool that takes the data instead"
            )
        if self.code_executor is not None:
            raise ConfigurationError(
                f"Agent {self.name!r} cannot run live: it has a code_executor, and models that speak write no code for "
                "it. Give it a tool that runs the code instead"
            )

    def _steps(self, ctx: InvocationContext) -> AsyncGenerator[Event, None]:
        return self._run_async_impl(ctx)  # which passes the conversation on by itself

    def _live_steps(self, ctx: InvocationContext) -> AsyncGenerator[Event, None]:
        return self._run_live_impl(ctx)

    def _run_async_impl(self, ctx: InvocationContext) -> AsyncGenerator[Event, None]:
        return self._converse(ctx, is_live=False)

    def _run_live_impl(self, ctx: InvocationContext) -> AsyncGenerator[Event, None]:
        return self._converse(ctx, is_live=True)

    async def _converse(self, ctx: InvocationContext, *, is_live: bool) -> AsyncGenerator[Event, None]:
        """Runs the agent's flow, and the agents that it passes the conversation on to, until it has ended."""
        flow = live.run_live_flow if is_live else run_flow
        handover = ctx.handover
        if handover is None:
            handover = ctx.handover = Handover()
        ctx.enter(self.name)
        handover.active.append(self.name)
        try:
            while True:
                async with aclosing(flow(self, ctx)) as events:
                    async for event in events:
                        yield event
                while handover.target is not None and handover.target not in handover.active:
                    target = self.transfer_target(handover.target)
                    handover.target = None
                    async with aclosing(target.run_live(ctx) if is_live else target.run_async(ctx)) as events:
                        async for event in events:
                            yield event
                if handover.target != self.name:
                    return  # Done, or it goes back to an agent further up.
                handover.target = None
        finally:
            handover.active.remove(self.name)


Agent = LlmAgent
