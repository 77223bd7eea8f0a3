# SPDX-License-Identifier: Apache-2.0
"""Answers with a model of ours what an MCP server asks its client's model."""

from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import aclosing
from contextvars import ContextVar
from typing import Any

from mcp.client.session import ClientRequestContext, SamplingFnT
from mcp_types import INTERNAL_ERROR, INVALID_PARAMS, INVALID_REQUEST, CreateMessageRequestParams, ErrorData

from runwright.errors import BudgetExceededError, InputValidationError, LlmCallsLimitExceededError, ModelError
from runwright.event import LlmResponse
from runwright.invocation import InvocationContext
from runwright.model import BaseLlm, LlmRequest
from runwright.tools.mcp.sampling_messages import answer, question

CALLER: ContextVar[InvocationContext | None] = ContextVar("runwright_mcp_caller", default=None)
"""The run whose tool call it is that waits for an answer."""


def sampling_by(model: BaseLlm, callers: Callable[[], Iterable[InvocationContext | None]]) -> SamplingFnT:
    """What answers a server's questions with this model: text, images, audio and tools in; text and tool calls out.

    What the model uses counts for the run whose call the server works on: for its budget and for its ``max_llm_calls``.
    A server of the protocol before 2026-07-28 does not say for which call it asks. Where several runs have calls under
    way there, it counts for each of them. A server that asks while nobody calls a tool of it is refused: nobody would
    pay for it.

    Args:
        callers: The runs that have calls under way at the server, None for a call outside of a run.
    """

    async def answered(context: ClientRequestContext, params: CreateMessageRequestParams) -> Any:
        try:
            request = question(params, model.model)
        except InputValidationError as error:
            return ErrorData(code=INVALID_PARAMS, message=str(error))
        caller, waiting = CALLER.get(), list(callers())
        if caller is None and not waiting:
            return ErrorData(code=INVALID_REQUEST, message="No call of a tool is under way: ask within one")
        runs = [one for one in waiting if one is not None] if caller is None else [caller]
        whole: LlmResponse | None = None
        try:
            async with aclosing(_counted(model, request, runs)) as responses:
                async for response in responses:
                    whole = whole if response.partial else response
        except (ModelError, BudgetExceededError, LlmCallsLimitExceededError) as error:
            return ErrorData(code=INTERNAL_ERROR, message=f"The model could not answer: {error}")
        result = None if whole is None else answer(whole, model.model, has_tools=_has_tools(params))
        if result is None:
            said = "nothing" if whole is None else whole.error_message or whole.error_code or "nothing"
            return ErrorData(code=INTERNAL_ERROR, message=f"The model gave no answer: {said}")
        return result

    return answered


def _counted(
    model: BaseLlm, request: LlmRequest, runs: Sequence[InvocationContext]
) -> AsyncGenerator[LlmResponse, None]:
    """The model's responses, counted for the runs.

    Raises:
        LlmCallsLimitExceededError: A run may ask no more.
    """
    for run in {id(run.ledger): run for run in runs}.values():
        run.increment_llm_call_count()
    answering = model.generate_content_async(request)
    # A run and those of its tools share one budget. That of a run whose event log does not tell of it is noted apart.
    for spending in {id(run.spending): run.spending for run in runs}.values():
        if spending is not None:
            answering = spending.metered(answering, request, ledger=None)
    return answering


def _has_tools(params: CreateMessageRequestParams) -> bool:
    return params.tools is not None or params.tool_choice is not None
