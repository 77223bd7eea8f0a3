# SPDX-License-Identifier: Apache-2.0
"""BasePlanner: how a model is told to plan before it acts.

BuiltInPlanner: by the thinking that the model has built in. PlanReActPlanner: by tags in what it writes.
"""

import re
from abc import ABC, abstractmethod

from runwright.context import CallbackContext, ReadonlyContext
from runwright.model import LlmRequest
from runwright.types import Part, ThinkingConfig


class BasePlanner(ABC):
    """Tells a model to plan, and makes of what it says what is kept."""

    @abstractmethod
    def build_planning_instruction(self, readonly_context: ReadonlyContext, llm_request: LlmRequest) -> str | None:
        """What is added to the system instruction; None for nothing."""

    def process_planning_response(
        self, callback_context: CallbackContext, response_parts: list[Part]
    ) -> list[Part] | None:
        """Makes of the parts of a whole answer those that are kept, before it becomes an event.

        Returns:
            The parts, some marked as thoughts perhaps; None keeps them as they are.
        """

    def prepare(self, callback_context: CallbackContext, llm_request: LlmRequest) -> None:
        """Changes the finished request. The default does nothing."""


class BuiltInPlanner(BasePlanner):
    """Plans by the model's own thinking."""

    def __init__(self, *, thinking_config: ThinkingConfig) -> None:
        self.thinking_config = thinking_config

    def build_planning_instruction(self, readonly_context: ReadonlyContext, llm_request: LlmRequest) -> None:
        return None

    def prepare(self, callback_context: CallbackContext, llm_request: LlmRequest) -> None:
        llm_request.config.thinking_config = self.thinking_config


PLANNING_TAG = "/*PLANNING*/"
REPLANNING_TAG = "/*REPLANNING*/"
REASONING_TAG = "/*REASONING*/"
ACTION_TAG = "/*ACTION*/"
FINAL_ANSWER_TAG = "/*FINAL_ANSWER*/"

_TAG = re.compile(r"/\*(?:PLANNING|REPLANNING|REASONING|ACTION|FINAL_ANSWER)\*/")

_PLAN_FIRST = f"""\
Work in three steps: plan, act, answer. Mark each piece of what you write with the tag of its kind.

{PLANNING_TAG} Begin with a numbered plan that leads to everything the user asked for. Each item names the tools \
that it needs, which are some of those that you were given.
{ACTION_TAG} Then carry the plan out by calling tools, with the parameters that they declare and no others. Write no \
results yourself: wait for them.
{REASONING_TAG} After results came, say in short what is known now and what comes next.
{REPLANNING_TAG} When the results show that the plan does not work, write a better one and go on with that.
{FINAL_ANSWER_TAG} End with the answer alone, in the form that the user asked for. The user sees nothing else.

Rely on results of tools and on this conversation rather than on memory, and do not ask a tool again for what is there \
already. Where the request is unclear, or the tools cannot answer it, say so in the final answer and ask for what is \
missing."""


class PlanReActPlanner(BasePlanner):
    """Has any model write a plan, act on it step by step, and then answer.

    The plan and the reasoning become thoughts; what stands after the last ``/*FINAL_ANSWER*/`` is the answer. What the
    model writes behind its function calls, before it has their results, is dropped. Chunks of a stream are passed on as
    they come, tags and all; the whole answer is sorted out.
    """

    def build_planning_instruction(self, readonly_context: ReadonlyContext, llm_request: LlmRequest) -> str:
        return _PLAN_FIRST

    def process_planning_response(self, callback_context: CallbackContext, response_parts: list[Part]) -> list[Part]:
        kept: list[Part] = []
        called = False
        for part in response_parts:
            if part.function_call is not None:
                if part.function_call.name:
                    kept.append(part)
                    called = True
            elif called:
                break
            elif part.text and not part.thought:
                kept.extend(_sorted_out(part))
            else:
                kept.append(part)
        return kept

    def prepare(self, callback_context: CallbackContext, llm_request: LlmRequest) -> None:
        # Providers leave earlier thoughts out, but here they are the plan that the model is to follow.
        for content in llm_request.contents:
            for part in content.parts or ():
                part.thought = None


def _sorted_out(part: Part) -> list[Part]:
    """A text as thoughts and an answer, without the tags."""
    text = part.text or ""
    if _TAG.search(text) is None:
        return [part]
    thoughts, tag, answer = text.rpartition(FINAL_ANSWER_TAG)
    if not tag:
        thoughts, answer = text, ""
    pieces = [(_TAG.sub("", thoughts).strip(), True), (_TAG.sub("", answer).strip(), None)]
    sorted_out = [Part(text=piece, thought=thought) for piece, thought in pieces if piece]
    if sorted_out:
        sorted_out[-1].thought_signature = part.thought_signature
    return sorted_out
