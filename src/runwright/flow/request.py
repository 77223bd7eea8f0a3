# SPDX-License-Identifier: Apache-2.0
"""From an agent and its session to the request that its model is sent."""

from typing import TYPE_CHECKING, Any

from runwright.context import Context, ReadonlyContext
from runwright.event import EventActions
from runwright.flow import output, transfer
from runwright.flow.contents import Contents
from runwright.flow.history import View, Viewer, current_turn, messages
from runwright.instruction import instruction_text
from runwright.invocation import InvocationContext
from runwright.model import BaseLlm, LlmRequest, turn_begins
from runwright.tool import BaseTool, BaseToolset
from runwright.types import Content, GenerateContentConfig, HttpOptions, to_content

if TYPE_CHECKING:
    from runwright.agents.llm import LlmAgent


async def build_request(agent: "LlmAgent", ctx: InvocationContext, model: BaseLlm, actions: EventActions) -> LlmRequest:
    """The request for the agent's next model call.

    Args:
        actions: Gets what the tools and the planner write while they change the request.

    Raises:
        TemplateError: An instruction names state or an artifact that is not there.
        ConfigurationError: Two tools have the same name.
    """
    given = agent.generate_content_config
    config = GenerateContentConfig() if given is None else given.model_copy(deep=True)
    request = LlmRequest(model=model.model, config=config, contents=_contents(agent, ctx, model))
    request.cache_config = ctx.context_cache_config
    _apply_run_config(ctx, config)
    await _add_instructions(agent, ctx, request)
    context = Context(ctx, event_actions=actions)
    await _add_tools(agent, context, request, model)
    if agent.planner is not None:
        agent.planner.prepare(context, request)
    return request


def _contents(agent: "LlmAgent", ctx: InvocationContext, model: BaseLlm) -> Contents | list[Content]:
    config = ctx.run_config
    seen_code = None if agent.code_executor is None else agent.code_executor.shown_as
    viewer = Viewer(agent.name, ctx.branch, model.needs_call_ids, config.include_thoughts_from_other_agents, seen_code)
    contents: Contents | list[Content]
    task = ctx.node_task
    if task is not None and task.message is not None:
        # A node of a workflow sees what it was given and does, and the whole conversation only where that is asked for.
        whole = agent.include_contents == "default" and "include_contents" in agent.model_fields_set
        told = task.conversation(ctx.session.events, ctx.branch, whole=whole)
        contents = messages(current_turn(told, viewer) if agent.include_contents == "none" else told, viewer)
    elif agent.include_contents == "none":
        contents = messages(current_turn(ctx.session.events, viewer), viewer)
    else:
        view = ctx.views.get(viewer)
        if view is None:
            view = ctx.views[viewer] = View(viewer)
        contents = view.snapshot(ctx.session.events)
    if config.model_input_context:
        at = turn_begins(contents)
        contents[at:at] = config.model_input_context
    return contents


def _apply_run_config(ctx: InvocationContext, config: GenerateContentConfig) -> None:
    run = ctx.run_config
    if run.response_modalities is not None:
        config.response_modalities = run.response_modalities
    if run.speech_config is not None:
        config.speech_config = run.speech_config
    if run.http_options is not None:
        config.http_options = _merged(config.http_options, run.http_options)
    if run.service_tier is not None:
        config.service_tier = run.service_tier
    if run.labels:
        config.labels = {**(config.labels or {}), **run.labels}


def _merged(agents: HttpOptions | None, runs: HttpOptions) -> HttpOptions:
    """The run's options over the agent's: headers are joined, and so is what goes into the body."""
    if agents is None:
        return runs.model_copy(deep=True)
    said = {name: value for name in runs.__struct_fields__ if (value := getattr(runs, name)) is not None}
    for name in ("extra_body", "headers"):
        said[name] = {**(getattr(agents, name) or {}), **(said.get(name) or {})} or None
    return agents.model_copy(update=said)


async def _add_instructions(agent: "LlmAgent", ctx: InvocationContext, request: LlmRequest) -> None:
    readonly = ReadonlyContext(ctx)
    root: Any = agent.root_agent
    texts = [await instruction_text(getattr(root, "global_instruction", ""), readonly)]
    dynamic = await instruction_text(agent.instruction, readonly)
    if (static := agent.static_text) is None:
        texts.append(dynamic)
    elif ctx.live_request_queue is not None:
        texts += [static, dynamic]  # A live model would answer a message.
    else:
        # The static part stays at the very front of what is sent, so that a provider can cache it; the rest comes as a
        # message of this request.
        texts.append(static)
        if dynamic:
            request.contents.insert(turn_begins(request.contents), to_content(dynamic))
    texts.append(agent.identity)
    if agent.planner is not None:
        texts.append(agent.planner.build_planning_instruction(readonly, request) or "")
    request.append_instructions(texts)


async def _add_tools(agent: "LlmAgent", context: Context, request: LlmRequest, model: BaseLlm) -> None:
    """Puts the agent's tools into the request, then those that the engine gives it."""
    tools = agent.fixed_tools
    if tools is None:
        tools = await agent.canonical_tools(ReadonlyContext(context.invocation_context))
    plain: list[BaseTool] = []
    for tool in tools:
        if type(tool).process_llm_request is BaseTool.process_llm_request:
            plain.append(tool)
        else:
            await tool.process_llm_request(tool_context=context, llm_request=request)
    for toolset in agent.tools:
        if isinstance(toolset, BaseToolset):
            await toolset.process_llm_request(tool_context=context, llm_request=request)
    reachable = transfer.targets(agent)
    if reachable:
        plain.append(transfer.TransferTool(tuple(target.name for target in reachable)))
        request.append_instructions([transfer.instruction(agent, reachable)])
    if agent.output_schema is not None:
        # Beside tools of any kind, transfer among them, few models can be held to a form of answer.
        has_tools = tools or reachable or request.tools_dict
        # And one that is writes no code for us to run.
        writes_code = agent.code_executor is not None and not agent.code_executor.runs_at_provider
        if writes_code or (has_tools and not model.shapes_output_beside_tools(request)):
            plain.append(agent.answer_tool)
            request.append_instructions([output.INSTRUCTION])
        else:
            request.set_output_schema(agent.output_schema)
    request.append_tools(plain)
