# SPDX-License-Identifier: Apache-2.0
"""Claude where the wire goes wrong: each fault is an error that says what it is, and the session goes on after it."""

import pytest

from runwright import Event, LlmResponse, RunConfig, StreamingMode, types
from runwright.errors import (
    ContentBlockedError,
    ContextTooLongError,
    DeadlineExceededError,
    ModelAuthError,
    ModelBadRequestError,
    ModelConnectionError,
    ModelError,
    ModelOverloadedError,
    ModelRateLimitedError,
    ModelResponseError,
    ModelTimeoutError,
)
from runwright.model import LlmRequest
from runwright.models.anthropic import Claude
from runwright.models.retry import RetryPolicy
from runwright.testing.wire import FaultServer, WireAnswer, faults, json_answer, sse_answer
from tests.models.claude import Talk, answer, events_of, failing, message, model_for, streamed, text, use, whole

AGAIN = RetryPolicy(attempts=2, initial_delay=0)
CALLS = message(text("I look."), use("look", place="box"), stop="tool_use")
OVERLOADED = sse_answer(
    [
        events_of(CALLS)[0],
        b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}\n\n',
    ]
)


def look(place: str) -> str:
    """Looks somewhere."""
    return f"a cat in the {place}"


async def _fails(
    kind: type[ModelError],
    fault: WireAnswer,
    *,
    stream: bool,
    before: list[WireAnswer] | None = None,
    **settings: object,
) -> ModelError:
    """The error of a run that meets a fault; its session is sound and goes on."""
    make = streamed if stream else answer
    first = before or []
    with FaultServer([*first, fault, make(text("Better."))]) as server:
        async with Talk(model_for(server.url, **settings), tools=[look]) as talk:
            events: list[Event] = []
            mode = StreamingMode.SSE if stream else StreamingMode.NONE
            with pytest.raises(kind) as raised:
                await talk.say_into(events, "Look", RunConfig(streaming_mode=mode))
            stored = await talk.stored()
            seen = [event for event in events if not event.partial]
            assert [event.id for event in stored] == [stored[0].id, *(event.id for event in seen)]
            assert stored[-1].error_code == type(raised.value).__name__ and stored[-1].error_message
            assert not any("Traceback" in (event.error_message or "") for event in stored)
            [after] = whole(await talk.say("Again", stream=stream))
            assert types.text_of(after.content) == "Better." and after.error_code is None
    assert type(raised.value) is kind and raised.value.provider == "anthropic"
    return raised.value


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("status", "name", "said", "kind"),
    [
        (400, "invalid_request_error", "messages: roles must alternate", ModelBadRequestError),
        (400, "invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum", ContextTooLongError),
        (400, "invalid_request_error", "input length and `max_tokens` exceed context limit", ContextTooLongError),
        (400, "invalid_request_error", "Output blocked by content filtering policy", ContentBlockedError),
        (401, "authentication_error", "invalid x-api-key", ModelAuthError),
        (403, "permission_error", "not yours", ModelAuthError),
        (404, "not_found_error", "model: claude-0", ModelBadRequestError),
        (413, "request_too_large", "Request exceeds the maximum size", ContextTooLongError),
        (429, "rate_limit_error", "slow down", ModelRateLimitedError),
        (500, "api_error", "Internal server error", ModelOverloadedError),
        (504, "timeout_error", "took too long", ModelTimeoutError),
        (529, "overloaded_error", "Overloaded", ModelOverloadedError),
    ],
)
async def test_a_failure_is_the_error_that_it_is(status, name, said, kind, stream):
    error = await _fails(kind, faults.failed(status, failing(name, said)), stream=stream)
    assert error.status == status and said in str(error)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("status", [500, 502, 529])
async def test_a_failure_whose_body_is_no_json_is_one_too(status, stream):
    error = await _fails(ModelOverloadedError, faults.not_json(status=status), stream=stream)
    assert error.status == status and "Bad gateway" in str(error)


@pytest.mark.parametrize("stream", [False, True])
async def test_when_to_ask_again_is_told(stream):
    limited = failing("rate_limit_error", "slow down")
    error = await _fails(ModelRateLimitedError, faults.rate_limited(limited, retry_after=7), stream=stream)
    assert isinstance(error, ModelRateLimitedError) and error.retry_after == 7
    error = await _fails(ModelRateLimitedError, faults.rate_limited(limited), stream=stream)
    assert isinstance(error, ModelRateLimitedError) and error.retry_after is None


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "fault",
    [
        faults.rate_limited(failing("rate_limit_error", "slow down"), retry_after=0),
        faults.failed(529, failing("overloaded_error", "Overloaded")),
        faults.failed(500, failing("api_error", "Internal server error")),
    ],
    ids=["429", "529", "500"],
)
async def test_what_may_pass_is_tried_again(fault, stream):
    make = streamed if stream else answer
    with FaultServer([fault, make(text("Better."))]) as server:
        async with Talk(model_for(server.url, retry=AGAIN)) as talk:
            [event] = whole(await talk.say("Hi", stream=stream))
        assert len(server.requests) == 2 and server.requests[0].body == server.requests[1].body
    assert types.text_of(event.content) == "Better."


async def test_what_will_not_pass_is_not_tried_again():
    fault = faults.failed(400, failing("invalid_request_error", "no"))
    with FaultServer([fault, answer(text("Better."))]) as server:
        model = model_for(server.url, retry=AGAIN)
        with pytest.raises(ModelBadRequestError):
            await _ask(model)
        await model.close()
        assert len(server.requests) == 1


@pytest.mark.parametrize("after", range(len(events_of(CALLS))))
async def test_a_stream_that_breaks_calls_nothing(after):
    kind = ModelConnectionError if after == 0 else ModelResponseError
    await _fails(kind, faults.cut_off(sse_answer(events_of(CALLS)), after=after), stream=True)


@pytest.mark.parametrize("after", range(len(events_of(CALLS))))
async def test_a_stream_that_ends_early_calls_nothing(after):
    await _fails(ModelResponseError, faults.ended_early(sse_answer(events_of(CALLS)), after=after), stream=True)


# What is in a ping is not read.
@pytest.mark.parametrize("at", [at for at, event in enumerate(events_of(CALLS)) if b"ping" not in event])
async def test_a_stream_with_a_malformed_event_calls_nothing(at):
    await _fails(ModelResponseError, faults.malformed_stream(events_of(CALLS), at=at), stream=True)


async def test_a_failure_in_the_middle_of_a_stream_is_the_error_that_it_is():
    error = await _fails(ModelOverloadedError, OVERLOADED, stream=True)
    assert error.status == 529


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "fault",
    [faults.not_json(), faults.empty_body(), faults.empty_stream(), json_answer([1]), json_answer({"type": "message"})],
    ids=["no json", "empty body", "empty stream", "a list", "no message"],
)
async def test_what_is_no_answer_is_an_error(fault, stream):
    await _fails(ModelResponseError, fault, stream=stream)


@pytest.mark.parametrize("events", [b'{"type":"content_block_delta","index":7,"delta":{}}', b"[1]", b'{"type":1}'])
async def test_events_that_the_api_does_not_send_are_an_error(events):
    await _fails(ModelResponseError, sse_answer([b"event: message_start\ndata: " + events + b"\n\n"]), stream=True)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_body_that_breaks_is_an_error(stream):
    kind = ModelResponseError if stream else ModelConnectionError
    made = streamed(text("Hi.")) if stream else answer(text("Hi."))
    await _fails(kind, faults.cut_off(made, after=1), stream=stream)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_silent_provider_is_given_up_on(stream):
    fault = faults.silent(sse_answer(events_of(CALLS)), after=3) if stream else faults.silent()
    await _fails(ModelTimeoutError, fault, stream=stream, timeout=0.2)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_deadline_of_the_run_holds_for_a_silent_provider(stream):
    with FaultServer([faults.silent(sse_answer(events_of(CALLS)), after=2)]) as server:
        async with Talk(model_for(server.url)) as talk:
            with pytest.raises(DeadlineExceededError):
                await talk.say("Hi", stream=stream, model_timeout=0.2)


async def test_a_slow_drip_is_the_whole_answer():
    dripping = faults.dripping(sse_answer(events_of(message(text("Höher ⛰ geht es nicht.")))), seconds=0.0005, size=3)
    with FaultServer([dripping]) as server:
        async with Talk(model_for(server.url)) as talk:
            [event] = whole(await talk.say("Hi", stream=True))
    assert types.text_of(event.content) == "Höher ⛰ geht es nicht."


@pytest.mark.parametrize("stream", [False, True])
async def test_a_call_to_an_unknown_tool_is_told_to_the_model(stream):
    make = streamed if stream else answer
    with FaultServer([make(use("fly"), stop="tool_use"), make(text("Sorry."))]) as server:
        async with Talk(model_for(server.url), tools=[look]) as talk:
            events = await talk.say("Fly", stream=stream)
        [*_, result] = server.requests[1].json()["messages"]
    assert result["content"][0]["is_error"] and "look" in result["content"][0]["content"]
    assert types.text_of(events[-1].content) == "Sorry."


@pytest.mark.parametrize("stream", [False, True])
async def test_a_fault_after_a_tool_was_called_keeps_what_was_done(stream):
    make = streamed if stream else answer
    calls = make(text("I look."), use("look", place="box"), stop="tool_use")
    fault = faults.failed(529, failing("overloaded_error", "Overloaded"))
    await _fails(ModelOverloadedError, fault, stream=stream, before=[calls])


async def test_a_caller_who_leaves_in_the_middle_of_a_stream_leaves_nothing_behind():
    with FaultServer([faults.silent(sse_answer(events_of(CALLS)), after=4), streamed(text("Better."))]) as server:
        async with Talk(model_for(server.url)) as talk:
            running = talk.runner.run_async(
                user_id="ada", session_id="s", new_message="Hi", run_config=RunConfig(streaming_mode=StreamingMode.SSE)
            )
            assert (await anext(running)).partial
            await running.aclose()
            [event] = whole(await talk.say("Again", stream=True))
    assert types.text_of(event.content) == "Better."


async def test_nobody_there_is_a_connection_error():
    with FaultServer([answer()]) as server:
        url = server.url
    model = model_for(url)
    with pytest.raises(ModelConnectionError, match="reached"):
        await _ask(model)
    await model.close()


async def test_without_a_key_nothing_is_sent(monkeypatch, tmp_path):
    for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_PROFILE", "ANTHROPIC_CONFIG_DIR"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HOME", "USERPROFILE", "XDG_CONFIG_HOME", "APPDATA"):
        monkeypatch.setenv(name, str(tmp_path))
    with FaultServer([answer()]) as server:
        model = model_for(server.url, api_key=None)
        with pytest.raises(ModelAuthError, match="ANTHROPIC_API_KEY"):
            await _ask(model)
        assert server.requests == []


async def test_half_a_character_does_not_stop_a_request():
    with FaultServer([answer(text("Hi."))]) as server:
        model = model_for(server.url)
        await _ask(model, "\ud83d")
        await model.close()
        assert b"\\ud83d" in server.requests[0].body


async def _ask(model: Claude, said: str = "Hi") -> list[LlmResponse]:
    request = LlmRequest(contents=[types.UserContent(said)])
    return [response async for response in model.generate_content_async(request)]
