# SPDX-License-Identifier: Apache-2.0
"""The loop of an LLM agent: ask the model, run the tools it calls, and ask again, until it has answered."""

import asyncio
import math
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING

from runwright import clock
from runwright.config import StreamingMode
from runwright.errors import DeadlineExceededError, ToolError
from runwright.event import Event, EventActions, LlmResponse, NodeInfo
from runwright.flow.answer import ask_hooks, event_of, heard
from runwright.flow.calls import Calls
from runwright.flow.code import Coder
from runwright.flow.collect import Collector
from runwright.flow.output import OutputKeeper
from runwright.flow.recall import Recall
from runwright.flow.request import build_request
from runwright.invocation import InvocationContext
from runwright.model import BaseLlm, LlmRequest
from runwright.scope import next_within
from runwright.types import FunctionCall, copy_call

if TYPE_CHECKING:
    from runwright.agents.llm import LlmAgent


async def run_flow(agent: "LlmAgent", ctx: InvocationContext) -> AsyncGenerator[Event, None]:
    """Runs an agent's model and tools until it has answered, passed the conversation on, or waits for somebody.

    Yields:
        The model's chunks (streamed) and answers, what tools report, and the responses to its calls. Each event that is
        not partial must be in the session when the next one is asked for.

    Raises:
        ToolError: The model made more mistakes in a row than ``RunConfig.max_tool_errors``.
        LlmCallsLimitExceededError: It was asked more often than ``RunConfig.max_llm_calls``.
        BudgetExceededError: Too little is left of ``RunConfig.budget`` to ask it again.
    """
    model = agent.canonical_model
    keeper = OutputKeeper(agent)
    mistakes = 0
    coder = None if agent.code_executor is None else await Coder.ready(agent, ctx, model)
    recall = Recall(agent, ctx)
    for event in recall.events(keeper):
        if coder is not None:
            coder.note(event)
        yield event
    if recall.has_ended:
        return
    left_over, waits = recall.calls, recall.waits
    while not ctx.end_invocation:
        # What tools and callbacks write before there is an answer is carried to its event, which is what is stored.
        carried = EventActions()
        request = await build_request(agent, ctx, model, carried)
        calls, left_over = left_over, []
        if coder is not None:
            coder.prepare(request)
        if not calls and (coder is None or not coder.is_due):
            async with aclosing(_answers(agent, ctx, model, request, carried)) as answers:
                async for event in answers:
                    if not event.partial:
                        if coder is not None:
                            coder.take(event)
                        # Copies: what a caller does to the event that it gets changes nothing in what is called.
                        calls.extend(copy_call(call) for call in event.get_function_calls())
                        keeper.keep(event)
                    yield event
        if coder is not None and coder.is_due and not ctx.end_invocation:
            if (event := await coder.result()) is not None:
                yield event
            if not calls:
                continue
        if not calls or ctx.end_invocation:
            return
        made = Calls(agent, ctx, calls, request, keeper)
        async with aclosing(made.events()) as events:
            async for event in events:
                yield event
        if not made.goes_on or waits or (ctx.is_resumable and _waits_outside(ctx, calls, request)):
            return
        mistakes = 0 if made.mistake is None else mistakes + 1
        if made.mistake is not None and mistakes > ctx.run_config.max_tool_errors:
            raise gave_up(agent, mistakes, made.mistake)


def _waits_outside(ctx: InvocationContext, calls: list[FunctionCall], request: LlmRequest) -> bool:
    """Whether one of the calls is to be answered by the user."""
    tools = [request.tools_dict.get(call.name or "") for call in calls if call.id not in ctx.ledger.answered]
    return any(tool is not None and tool.is_long_running for tool in tools)


def gave_up(agent: "LlmAgent", mistakes: int, last: ToolError) -> ToolError:
    """The error of a model that made too many mistakes."""
    return type(last)(f"The model of {agent.name!r} made {mistakes} wrong calls in a row; the last one: {last}")


async def _answers(
    agent: "LlmAgent", ctx: InvocationContext, model: BaseLlm, request: LlmRequest, carried: EventActions
) -> AsyncGenerator[Event, None]:
    """Asks the model once, with its hooks, and gives its chunks and its answer as events."""
    listens = ctx.plugin_manager.listens
    if agent.before_model_callback is not None or listens("before_model_callback"):
        response = await ask_hooks(agent, ctx, "before_model_callback", carried, llm_request=request)
        if response is not None:
            yield event_of(agent, ctx, request, response, clock.new_id(), carried)
            return
    hears_answers = agent.after_model_callback is not None or listens("after_model_callback")
    streams = ctx.run_config.streaming_mode is StreamingMode.SSE
    chunk = _chunk(agent, ctx)
    first_id, given = chunk.id, 0
    collector = Collector()
    ctx.increment_llm_call_count()
    watched = ctx.run_config.model_timeout is not None or _hears_errors(agent, ctx)
    on_error = EventActions()
    answering = (
        _watched(agent, ctx, model, request, streams, on_error)
        if watched
        else model.generate_content_async(request, streams)
    )
    if ctx.spending is not None:
        answering = ctx.spending.metered(answering, request, ctx.ledger)
    async with aclosing(answering) as responses:
        async for response in responses:
            if watched and on_error:
                carried.merge(on_error)
            if response.partial:
                collector.add(response)
                if not streams:
                    continue
                if not hears_answers:
                    yield _chunk_event(chunk, response)
                    continue
            elif collector.started and _says_nothing(response):
                collector.add(response)  # What comes with the answer, whose chunks were all of it.
                continue
            elif _is_empty(response):
                continue
            else:
                collector = Collector()
            if hears_answers:
                response = await heard(agent, ctx, carried, response)
            if response.partial:
                yield _chunk_event(chunk, response)
            else:
                yield event_of(agent, ctx, request, response, chunk.id, carried)
                given += 1  # Its id says that what comes next is of the same answer.
                chunk, carried = chunk.model_copy(update={"id": f"{first_id}.{given}"}), EventActions()
    if (response := collector.whole()) is not None:
        if hears_answers:
            response = await heard(agent, ctx, carried, response)
        yield event_of(agent, ctx, request, response, chunk.id, carried)


def _hears_errors(agent: "LlmAgent", ctx: InvocationContext) -> bool:
    return agent.on_model_error_callback is not None or ctx.plugin_manager.listens("on_model_error_callback")


async def _watched(
    agent: "LlmAgent",
    ctx: InvocationContext,
    model: BaseLlm,
    request: LlmRequest,
    streams: bool,
    on_error: EventActions,
) -> AsyncGenerator[LlmResponse, None]:
    """The model's responses within its deadline; where it fails, what the hooks answer in its place.

    What those hooks write goes to ``on_error``, which is complete when their answer comes.
    """
    seconds = ctx.run_config.model_timeout
    now = asyncio.get_running_loop().time
    left = math.inf if seconds is None else seconds

    def late() -> DeadlineExceededError:
        return DeadlineExceededError(f"Model {model.model!r} took longer than {seconds:g} seconds")

    try:
        async with aclosing(model.generate_content_async(request, stream=streams)) as responses:
            while True:
                began = now()
                limit = asyncio.timeout_at(None if seconds is None else began + left)
                response = await next_within(responses, limit, late)
                if response is None:
                    break
                left -= now() - began  # what the caller takes over a chunk is not the model's time
                yield response
        return
    except Exception as error:
        answer = await ask_hooks(agent, ctx, "on_model_error_callback", on_error, llm_request=request, error=error)
        if answer is None:
            raise
    yield answer


def _says_nothing(response: LlmResponse) -> bool:
    said = response.content is not None and response.content.parts
    return not (said or response.error_code or response.interrupted)


def _is_empty(response: LlmResponse) -> bool:
    return not (response.content or response.error_code or response.interrupted or response.usage_metadata)


def _chunk(agent: "LlmAgent", ctx: InvocationContext) -> Event:
    """What the chunks of one answer have in common, the id of the whole answer's event among it."""
    return Event(
        partial=True,
        invocation_id=ctx.invocation_id,
        author=agent.name,
        node_info=NodeInfo(path=ctx.node_path),
        branch=ctx.branch,
    )


def _chunk_event(chunk: Event, response: LlmResponse) -> Event:
    """The event of one chunk: a copy of what all have in common, since making one anew would cost twice as much."""
    event = chunk.__copy__()
    event.content = response.content
    event.actions = EventActions()
    event.timestamp = clock.now()
    event.model_version = response.model_version
    event.usage_metadata = response.usage_metadata
    event.finish_reason = response.finish_reason
    event.custom_metadata = response.custom_metadata
    event.grounding_metadata = response.grounding_metadata
    return event
