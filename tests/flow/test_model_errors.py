# SPDX-License-Identifier: Apache-2.0
"""Models that fail, report an error, say nothing or take too long."""

import asyncio

import pytest

from runwright import Agent, LlmResponse, RunConfig, StreamingMode, types
from runwright.errors import DeadlineExceededError
from runwright.testing import ScriptedModel, call, stream


def look() -> str:
    """Looks."""
    return "seen"


async def test_an_exception_is_an_event_and_then_raised_and_the_session_goes_on(chat, said, seen):
    model = ScriptedModel([OSError("no net"), "Back"])
    talk = chat(Agent(name="a", model=model))
    _, [event] = await talk.fails(OSError, "First")
    assert (event.author, event.error_code, event.error_message) == ("a", "OSError", "no net")
    assert (await talk.session()).events[-1].error_code == "OSError"
    assert said(await talk.say("Second")) == [("a", "Back")]
    assert seen(model.requests[1]) == [("user", "First"), ("user", "Second")]


async def test_an_error_that_the_model_reports_is_an_event(chat):
    response = LlmResponse(error_code="SAFETY", error_message="refused", finish_reason=types.FinishReason.SAFETY)
    talk = chat(Agent(name="a", model=ScriptedModel([response])))
    [event] = await talk.say()
    assert (event.error_code, event.error_message, event.finish_reason) == (
        "SAFETY",
        "refused",
        types.FinishReason.SAFETY,
    )
    assert (await talk.session()).events[-1] == event


async def test_an_error_with_content_keeps_both(chat):
    response = LlmResponse(error_code="MAX_TOKENS", content=types.ModelContent("Half an ans"))
    [event] = await chat(Agent(name="a", model=ScriptedModel([response]))).say()
    assert event.error_code == "MAX_TOKENS" and types.text_of(event.content) == "Half an ans"


@pytest.mark.parametrize("mode", [StreamingMode.NONE, StreamingMode.SSE])
async def test_a_hook_answers_for_a_model_that_failed(chat, said, mode):
    async def apologise(callback_context, llm_request, error):
        callback_context.state["failed"] = str(error)
        return LlmResponse(content=types.ModelContent(f"Sorry: {error}"))

    model = ScriptedModel([stream("Hel", OSError("no net")), "ok"])
    talk = chat(Agent(name="a", model=model, on_model_error_callback=apologise, output_key="answer"))
    events = await talk.say(run_config=RunConfig(streaming_mode=mode))
    assert said(events)[-1] == ("a", "Sorry: no net")
    assert await talk.state() == {"failed": "no net", "answer": "Sorry: no net"}
    assert said((await talk.session()).events) == [("user", "Hello"), ("a", "Sorry: no net")]


async def test_a_hook_may_call_a_tool_in_the_models_place(chat, said):
    def call_tool(callback_context, llm_request, error):
        return LlmResponse(content=types.ModelContent([call("look")]))

    model = ScriptedModel([OSError("no net"), "Done"])
    talk = chat(Agent(name="a", model=model, tools=[look], on_model_error_callback=call_tool))
    assert said(await talk.say()) == [("a", "look()"), ("a", {"look": {"result": "seen"}}), ("a", "Done")]


async def test_a_hook_that_does_not_answer_lets_the_error_through(chat):
    heard = []
    talk = chat(
        Agent(name="a", model=ScriptedModel([OSError("x")]), on_model_error_callback=lambda *given: heard.append(given))
    )
    await talk.fails(OSError)
    assert len(heard) == 1


async def test_an_error_in_the_middle_of_a_tool_turn_leaves_the_session_sound(chat, seen):
    model = ScriptedModel([call("look"), OSError("no net"), "ok"])
    talk = chat(Agent(name="a", model=model, tools=[look]))
    await talk.fails(OSError)
    await talk.say("again")
    assert seen(model.requests[2])[1:] == [
        ("model", "look()"),
        ("user", {"look": {"result": "seen"}}),
        ("user", "again"),
    ]


@pytest.mark.parametrize("handled", [True, False])
async def test_a_model_that_takes_too_long_is_stopped(chat, handled):
    stopped = []

    async def slow(request):
        try:
            await asyncio.Event().wait()
        finally:
            stopped.append(True)

    hook = (
        (lambda callback_context, llm_request, error: LlmResponse(content=types.ModelContent("late")))
        if handled
        else None
    )
    talk = chat(Agent(name="slow_one", model=ScriptedModel([slow], model="snail"), on_model_error_callback=hook))
    config = RunConfig(model_timeout=0.01)
    if handled:
        assert types.text_of((await talk.say(run_config=config))[-1].content) == "late"
    else:
        error, events = await talk.fails(DeadlineExceededError, run_config=config)
        assert "'snail'" in str(error) and "0.01" in str(error) and isinstance(error, TimeoutError)
        assert events[-1].error_code == "DeadlineExceededError"
    assert stopped == [True]


async def test_the_time_of_a_model_is_that_of_its_whole_stream(chat):
    async def trickle(request):
        while True:
            yield "drop "
            await asyncio.sleep(0.004)

    talk = chat(Agent(name="a", model=ScriptedModel([trickle])))
    config = RunConfig(model_timeout=0.02, streaming_mode=StreamingMode.SSE)
    _, events = await talk.fails(DeadlineExceededError, run_config=config)
    assert events[0].partial


EMPTY = {
    "nothing": stream(),
    "no content": LlmResponse(),
    "no parts": LlmResponse(content=types.Content(role="model")),
    "empty text": "",
}


@pytest.mark.parametrize("mode", [StreamingMode.NONE, StreamingMode.SSE])
@pytest.mark.parametrize("kind", EMPTY)
async def test_an_empty_answer_ends_the_turn_and_is_not_shown_again(chat, seen, kind, mode):
    model = ScriptedModel([EMPTY[kind], "ok"])
    talk = chat(Agent(name="a", model=model, output_key="answer"))
    events = await talk.say("First", run_config=RunConfig(streaming_mode=mode))
    assert all(types.text_of(event.content) == "" for event in events)
    assert await talk.state() == {}
    await talk.say("Second")
    assert seen(model.requests[1]) == [("user", "First"), ("user", "Second")]
