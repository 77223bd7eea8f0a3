# SPDX-License-Identifier: Apache-2.0
"""Planners: what they tell a model, and what they make of what it says."""

from typing import Any

from runwright import (
    Agent,
    BasePlanner,
    BuiltInPlanner,
    CallbackContext,
    Event,
    InMemoryRunner,
    LlmRequest,
    PlanReActPlanner,
    ReadonlyContext,
    RunConfig,
    StreamingMode,
    types,
)
from runwright.testing import ScriptedModel, call, stream


def look(place: str) -> str:
    """Looks at a place."""
    return f"nothing in {place}"


async def run(model: ScriptedModel, planner: BasePlanner, *messages: str, streaming: bool = False) -> list[Event]:
    events: list[Event] = []
    config = RunConfig(streaming_mode=StreamingMode.SSE if streaming else StreamingMode.NONE)
    agent = Agent(name="a", model=model, planner=planner, tools=[look], output_key="answer")
    async with InMemoryRunner(agent=agent) as runner:
        runner.auto_create_session = True
        for message in messages or ("go",):
            told = runner.run_async(user_id="u", session_id="s", new_message=message, run_config=config)
            events.extend([event async for event in told])
    return events


def parts(event: Event) -> list[tuple[str | None, bool | None]]:
    assert event.content is not None
    return [(part.text, part.thought) for part in event.content.parts or ()]


async def said(*reply: Any) -> list[tuple[str | None, bool | None]]:
    """What becomes of one answer."""
    (event,) = await run(ScriptedModel([list(reply)]), PlanReActPlanner())
    return parts(event)


async def test_the_model_is_told_to_plan_with_tags() -> None:
    model = ScriptedModel(["ok"])
    await run(model, PlanReActPlanner())
    told = str(model.requests[0].config.system_instruction)
    for tag in ("PLANNING", "ACTION", "REASONING", "REPLANNING", "FINAL_ANSWER"):
        assert f"/*{tag}*/" in told


async def test_plan_and_reasoning_become_thoughts_and_the_rest_the_answer() -> None:
    text = "/*PLANNING*/\n1. look\n/*REASONING*/\nseen\n/*FINAL_ANSWER*/\nIt is empty."
    assert await said(text) == [("1. look\n\nseen", True), ("It is empty.", None)]


async def test_the_answer_alone_is_saved_as_output() -> None:
    (event,) = await run(ScriptedModel(["/*PLANNING*/ none /*FINAL_ANSWER*/ 42"]), PlanReActPlanner())
    assert event.actions.state_delta == {"answer": "42"}
    assert event.is_final_response()


async def test_a_text_without_tags_is_the_answer() -> None:
    assert await said("just this") == [("just this", None)]


async def test_a_plan_with_words_before_it_is_a_thought_too() -> None:
    assert await said("Sure. /*PLANNING*/ 1. look") == [("Sure.  1. look", True)]


async def test_the_last_final_answer_counts() -> None:
    assert await said("/*FINAL_ANSWER*/ no /*REPLANNING*/ again /*FINAL_ANSWER*/ yes") == [
        ("no  again", True),
        ("yes", None),
    ]


async def test_tags_with_nothing_behind_leave_nothing() -> None:
    assert await said("/*ACTION*/", "done") == [("done", None)]


async def test_what_the_model_thought_itself_stays_as_it_was() -> None:
    thought = types.Part(text="/*PLANNING*/ hm", thought=True)
    assert await said(thought, "/*FINAL_ANSWER*/yes") == [("/*PLANNING*/ hm", True), ("yes", None)]


async def test_a_signature_goes_with_the_last_piece() -> None:
    signed = types.Part(text="/*PLANNING*/ a /*FINAL_ANSWER*/ b", thought_signature=b"s")
    (event,) = await run(ScriptedModel([[signed]]), PlanReActPlanner())
    assert event.content is not None
    assert [part.thought_signature for part in event.content.parts or ()] == [None, b"s"]


async def test_what_is_said_behind_calls_is_dropped_and_all_calls_of_the_group_are_made() -> None:
    calls = [call("look", place="a"), call("look", place="b")]
    nameless = types.Part(function_call=types.FunctionCall(name=""))
    reply = ["/*ACTION*/ look", nameless, *calls, "/*REASONING*/ it was full", call("look", place="c")]
    events = await run(ScriptedModel([reply, "/*FINAL_ANSWER*/ empty"]), PlanReActPlanner())
    assert parts(events[0])[0] == ("look", True)
    assert [one.args for one in events[0].get_function_calls()] == [{"place": "a"}, {"place": "b"}]
    assert len(events[0].content.parts or ()) == 3 if events[0].content else False
    assert [one.response for one in events[1].get_function_responses()] == [
        {"result": "nothing in a"},
        {"result": "nothing in b"},
    ]
    assert parts(events[2]) == [("empty", None)]


async def test_the_model_sees_its_plan_as_plain_text_and_the_log_keeps_it_as_a_thought() -> None:
    model = ScriptedModel([["/*PLANNING*/ 1. look", call("look", place="a")], "/*FINAL_ANSWER*/ empty", "hello"])
    events = await run(model, PlanReActPlanner(), "go", "again")
    for request in model.requests[1:]:
        shown = [part for content in request.contents for part in content.parts or ()]
        assert [(part.text, part.thought) for part in shown if part.text][:2] == [("go", None), ("1. look", None)]
    assert parts(events[0])[0] == ("1. look", True)


async def test_streamed_the_whole_answer_is_sorted_out() -> None:
    model = ScriptedModel([stream("/*PLANNING*/ look ", "/*FINAL_ANSWER*/ done")])
    *chunks, whole = await run(model, PlanReActPlanner(), streaming=True)
    assert [chunk.partial for chunk in chunks] == [True, True]
    assert parts(whole) == [("look", True), ("done", None)]


async def test_a_planner_of_ones_own_makes_the_parts_that_are_kept() -> None:
    class Shouting(BasePlanner):
        def build_planning_instruction(self, readonly_context: ReadonlyContext, llm_request: LlmRequest) -> str:
            return f"Plan, {readonly_context.agent_name}."

        def process_planning_response(
            self, callback_context: CallbackContext, response_parts: list[types.Part]
        ) -> list[types.Part]:
            callback_context.state["planned"] = True
            return [types.Part(text=(part.text or "").upper()) for part in response_parts]

    model = ScriptedModel(["quiet"])
    (event,) = await run(model, Shouting())
    assert str(model.requests[0].config.system_instruction).endswith("Plan, a.")
    assert parts(event) == [("QUIET", None)]
    assert event.actions.state_delta["planned"] is True


async def test_the_built_in_planner_sets_how_the_model_thinks_and_leaves_what_it_says() -> None:
    thinking = types.ThinkingConfig(include_thoughts=True, thinking_budget=100)
    model = ScriptedModel(["/*PLANNING*/ as it is"])
    (event,) = await run(model, BuiltInPlanner(thinking_config=thinking))
    assert model.requests[0].config.thinking_config == thinking
    assert parts(event) == [("/*PLANNING*/ as it is", None)]
