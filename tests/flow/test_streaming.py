# SPDX-License-Identifier: Apache-2.0
"""Answers in chunks: partial events, then the whole one, which alone is stored."""

import pytest

from runwright import Agent, BaseLlm, LlmResponse, RunConfig, StreamingMode, types
from runwright.testing import ScriptedModel, call, stream

SSE = RunConfig(streaming_mode=StreamingMode.SSE)
USAGE = types.UsageMetadata(total_token_count=7)


def chunk(*parts, **more):
    content = types.ModelContent(list(parts)) if parts else None
    return LlmResponse(partial=True, content=content, **more)


class Chunks(BaseLlm):
    """Gives these responses to its requests, each as it is, whether a stream is asked for or not."""

    answers: list[list[LlmResponse]]

    async def generate_content_async(self, llm_request, stream=False):
        for response in self.answers.pop(0):
            yield response


def look(where: str = "up") -> str:
    """Looks."""
    return f"seen {where}"


async def test_chunks_and_the_whole_share_an_id_and_only_the_whole_is_stored(chat, said):
    model = ScriptedModel([stream("Hel", "lo"), stream("Bye")])
    talk = chat(Agent(name="a", model=model, output_key="answer"))
    events = await talk.say(run_config=SSE)
    assert said(events) == [("a", "Hel"), ("a", "lo"), ("a", "Hello")]
    assert [bool(event.partial) for event in events] == [True, True, False]
    assert len({event.id for event in events}) == 1 and len({event.invocation_id for event in events}) == 1
    assert [event.actions.state_delta for event in events] == [{}, {}, {"answer": "Hello"}]
    assert [event.is_final_response() for event in events] == [False, False, True]
    assert said((await talk.session()).events) == [("user", "Hello"), ("a", "Hello")]
    assert len({event.id for event in events + await talk.say(run_config=SSE)}) == 2


async def test_without_streaming_there_are_no_chunks(chat, said):
    talk = chat(Agent(name="a", model=ScriptedModel([stream("Hel", "lo")])))
    assert said(await talk.say()) == [("a", "Hello")]


@pytest.mark.parametrize("mode", [StreamingMode.NONE, StreamingMode.SSE])
async def test_a_model_that_gives_chunks_alone(chat, said, mode):
    model = Chunks(
        model="m",
        answers=[
            [
                chunk(types.Part(text="hm", thought=True)),
                chunk(types.Part(text="m.", thought=True), types.Part(text="Hel")),
                chunk("lo", usage_metadata=USAGE, model_version="m-1"),
            ]
        ],
    )
    events = await chat(Agent(name="a", model=model)).say(run_config=RunConfig(streaming_mode=mode))
    last = events[-1]
    assert [(part.text, bool(part.thought)) for part in last.content.parts] == [("hmm.", True), ("Hello", False)]
    assert not last.partial and (last.usage_metadata, last.model_version) == (USAGE, "m-1")
    assert len(events) == (1 if mode is StreamingMode.NONE else 4)


LAST_WORDS = {
    "usage then finish": [chunk("Hi", usage_metadata=USAGE), chunk(finish_reason=types.FinishReason.STOP)],
    "finish then usage": [
        chunk("Hi", finish_reason=types.FinishReason.STOP, model_version="m-1"),
        chunk(usage_metadata=USAGE, model_version="m-1"),
    ],
    "a last response that is not partial and has no content": [
        chunk("Hi"),
        LlmResponse(usage_metadata=USAGE, finish_reason=types.FinishReason.STOP, turn_complete=True),
    ],
    "grounding in the middle": [
        chunk("H", grounding_metadata={"source": 1}),
        chunk("i", usage_metadata=USAGE, finish_reason=types.FinishReason.STOP, model_version="m-1"),
    ],
}


@pytest.mark.parametrize("mode", [StreamingMode.NONE, StreamingMode.SSE])
@pytest.mark.parametrize("words", LAST_WORDS)
async def test_what_comes_with_chunks_is_with_the_whole(chat, words, mode):
    model = Chunks(model="m", answers=[LAST_WORDS[words]])
    talk = chat(Agent(name="a", model=model))
    await talk.say(run_config=RunConfig(streaming_mode=mode))
    [_, stored] = (await talk.session()).events
    assert (types.text_of(stored.content), stored.usage_metadata) == ("Hi", USAGE)
    assert stored.finish_reason == types.FinishReason.STOP
    if words == "grounding in the middle":
        assert stored.grounding_metadata == {"source": 1}


@pytest.mark.parametrize("mode", [StreamingMode.NONE, StreamingMode.SSE])
async def test_calls_in_chunks_are_run_once(chat, said, mode):
    fragment = types.FunctionCall(name="look", partial_args=[{"jsonPath": "$.where"}], will_continue=True)
    model = Chunks(
        model="m",
        answers=[[chunk("I look. "), chunk(fragment), chunk(call("look", where="down"))], [chunk("Do"), chunk("ne")]],
    )
    talk = chat(Agent(name="a", model=model, tools=[look]))
    events = await talk.say(run_config=RunConfig(streaming_mode=mode))
    whole = [event for event in events if not event.partial]
    assert said(whole)[-3][-1] == "look(where='down')"
    assert said(whole)[-2:] == [("a", {"look": {"result": "seen down"}}), ("a", "Done")]
    answered = whole[-2].get_function_responses()
    assert [one.id for one in answered] == [one.id for one in whole[-3].get_function_calls()] and answered[0].id


async def test_several_whole_answers_of_one_request_are_events_of_their_own(chat, said, seen):
    first, second = (
        LlmResponse(content=types.ModelContent("I look.")),
        LlmResponse(content=types.ModelContent([call("look")])),
    )
    model = ScriptedModel([stream(first, second), "Done"])
    talk = chat(Agent(name="a", model=model, tools=[look]))
    events = await talk.say()
    assert said(events) == [("a", "I look."), ("a", "look()"), ("a", {"look": {"result": "seen up"}}), ("a", "Done")]
    assert len({event.id for event in events}) == 4
    assert [len(line) for line in seen(model.requests[1])] == [2, 2, 2, 2]


async def test_chunks_before_an_error_are_seen_and_not_stored(chat, said):
    talk = chat(Agent(name="a", model=ScriptedModel([stream("Hel", OSError("no net"))])))
    _, events = await talk.fails(OSError, run_config=SSE)
    assert said(events) == [("a", "Hel")] and events[-1].error_code == "OSError"
    assert said((await talk.session()).events) == [("user", "Hello")]


async def test_leaving_while_chunks_come_closes_the_model(chat):
    closed = []

    async def endless(request):
        try:
            while True:
                yield "tick"
        finally:
            closed.append(True)

    talk = chat(Agent(name="a", model=ScriptedModel([endless])))
    events = talk.runner.run_async(user_id="ada", session_id="s", new_message="go", run_config=SSE)
    await anext(events)
    await events.aclose()
    assert closed == [True]


async def test_a_changed_chunk_does_not_change_the_next_or_the_whole(chat):
    talk = chat(Agent(name="a", model=ScriptedModel([stream("Hel", "lo")])))
    texts = []
    async for event in talk.runner.run_async(user_id="ada", session_id="s", new_message="go", run_config=SSE):
        texts.append(event.content.parts[0].text)
        event.content.parts[0].text = "SPOILED"
        event.actions.state_delta["spoiled"] = 1
        event.node_info.path = "spoiled"
    assert texts == ["Hel", "lo", "Hello"]
    [_, stored] = (await talk.session()).events
    assert types.text_of(stored.content) == "Hello" and stored.node_info.path == "a@1"
    assert await talk.state() == {}


@pytest.mark.parametrize("partial", [True, False, None])
async def test_what_takes_the_place_of_a_chunk_or_of_the_whole_is_one_too(chat, said, partial):
    def shout(callback_context, llm_response):
        text = llm_response.content.parts[0].text
        return LlmResponse(content=types.ModelContent(text.upper()), partial=partial)

    agent = Agent(name="a", model=ScriptedModel([stream("Hel", "lo")]), after_model_callback=shout)
    talk = chat(agent)
    events = await talk.say(run_config=SSE)
    assert [(bool(event.partial), event.content.parts[0].text) for event in events] == [
        (True, "HEL"), (True, "LO"), (False, "HELLO"),
    ]  # fmt: skip
    assert said((await talk.session()).events) == [("user", "Hello"), ("a", "HELLO")]


async def test_all_that_a_model_tells_beside_its_answer_is_in_the_event(chat):
    told = {
        name: {"k": name}
        for name in ("grounding_metadata", "custom_metadata", "logprobs_result", "cache_metadata", "citation_metadata")
    }
    told |= {name: name for name in ("model_version", "interaction_id", "environment_id", "interaction_status")}
    told |= {"input_transcription": types.Transcription(text="in"), "turn_complete": True, "avg_logprobs": -0.5}
    answer = LlmResponse(content=types.ModelContent("said"), usage_metadata=USAGE, **told)
    [event] = await chat(Agent(name="a", model=Chunks(answers=[[answer]]))).say()
    assert {name: getattr(event, name) for name in told} == told and event.usage_metadata == USAGE
