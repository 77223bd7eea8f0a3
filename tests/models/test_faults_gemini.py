# SPDX-License-Identifier: Apache-2.0
"""What a user sees of Gemini's failures: an error that says what it is, and a session that goes on."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import pytest

from runwright import Agent, Event, InMemoryRunner, LlmRequest, RunConfig, StreamingMode, errors, types
from runwright.models.gemini import Gemini
from runwright.models.retry import NO_RETRY, RetryPolicy
from runwright.testing.wire import FaultServer, WireAnswer, faults, json_answer, sse_answer

QUICK = RetryPolicy(attempts=3, initial_delay=0.001, max_delay=0.01)


def chunk(*parts: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"parts": list(parts), "role": "model"}, "index": 0}
    if finish:
        candidate["finishReason"] = finish
    usage = {"promptTokenCount": 3, "candidatesTokenCount": 2, "totalTokenCount": 5}
    return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "gemini-2.5-flash"}


def sse(*chunks: Any) -> list[bytes]:
    return [b"data: " + json.dumps(one).encode() + b"\r\n\r\n" for one in chunks]


def error_body(code: int, status: str, message: str, **details: Any) -> dict[str, Any]:
    return {"error": {"code": code, "status": status, "message": message, "details": [details] if details else []}}


EVENTS = sse(
    chunk({"text": "Hello"}), chunk({"text": ", "}), chunk({"text": "world."}), chunk({"text": ""}, finish="STOP")
)
GOOD_STREAM = sse_answer(EVENTS)
GOOD = json_answer(chunk({"text": "Hello, world."}, finish="STOP"))
OVERLOADED = error_body(503, "UNAVAILABLE", "The model is overloaded. Please try again later.")
LIMITED = error_body(429, "RESOURCE_EXHAUSTED", "Quota exceeded.")
LIMITED_FOR_LONG = error_body(429, "RESOURCE_EXHAUSTED", "Quota.", retryDelay="3600s")
BOTH = pytest.mark.parametrize("streams", [False, True], ids=["whole", "streamed"])


def good(streams: bool) -> WireAnswer:
    return GOOD_STREAM if streams else GOOD


class Chat:
    """A session with an agent whose model gets these answers."""

    def __init__(self, server: FaultServer, *, streams: bool, tools: Sequence[Any] = (), **settings: Any) -> None:
        self.model = Gemini(**{"api_key": "a-key", "base_url": server.url, "retry": QUICK, **settings})
        self.runner = InMemoryRunner(Agent(name="agent", model=self.model, tools=list(tools)), app_name="app")
        self.config = RunConfig(streaming_mode=StreamingMode.SSE if streams else StreamingMode.NONE)
        self.seen: list[Event] = []

    async def say(self, text: str = "Hi") -> list[Event]:
        """Sends a message, and gives the events of its run, which are seen also where it fails."""
        self.seen = []
        run = self.runner.run_async(user_id="u", session_id="s", new_message=text, run_config=self.config)
        async for event in run:
            self.seen.append(event)
        return self.seen

    async def stored(self) -> list[Event]:
        session = await self.runner.session_service.get_session(app_name="app", user_id="u", session_id="s")
        return [] if session is None else session.events

    async def close(self) -> None:
        await self.runner.close()
        await self.model.close()


def text(events: list[Event]) -> str:
    whole = [event for event in events if not event.partial and event.content is not None]
    return "".join(part.text or "" for event in whole for part in event.content.parts or ())  # type: ignore[union-attr]


async def fails(answer: WireAnswer, *, streams: bool, **settings: Any) -> tuple[errors.ModelError, list[Event]]:
    """The error of a run that gets this answer, and its events; then its session gets a good answer to what comes."""
    with FaultServer([answer, good(streams)]) as server:
        chat = Chat(server, streams=streams, **{"retry": NO_RETRY, **settings})
        with pytest.raises(errors.ModelError) as raised:
            await chat.say()
        seen = list(chat.seen)
        stored = await chat.stored()
        assert [event.id for event in seen if not event.partial] == [event.id for event in stored[1:]]
        assert text(await chat.say("Again")) == "Hello, world."
        sent = server.requests[-1].json()["contents"]
        assert [content["parts"][-1]["text"] for content in sent if content["role"] == "user"][-1] == "Again"
        await chat.close()
    assert raised.value.provider == "gemini"
    return raised.value, seen


@BOTH
@pytest.mark.parametrize(
    ("answer", "kind", "status"),
    [
        (faults.rate_limited(LIMITED), errors.ModelRateLimitedError, 429),
        (faults.failed(500, error_body(500, "INTERNAL", "An internal error.")), errors.ModelOverloadedError, 500),
        (faults.failed(503, OVERLOADED), errors.ModelOverloadedError, 503),
        (faults.failed(529, error_body(529, "OVERLOADED", "Overloaded.")), errors.ModelOverloadedError, 529),
        (faults.failed(504, error_body(504, "DEADLINE_EXCEEDED", "Too slow.")), errors.ModelTimeoutError, 504),
        (faults.failed(401, error_body(401, "UNAUTHENTICATED", "No key.")), errors.ModelAuthError, 401),
        (faults.failed(403, error_body(403, "PERMISSION_DENIED", "Not you.")), errors.ModelAuthError, 403),
        (faults.failed(400, error_body(400, "INVALID_ARGUMENT", "API key not valid.")), errors.ModelAuthError, 400),
        (faults.failed(404, error_body(404, "NOT_FOUND", "No such model.")), errors.ModelBadRequestError, 404),
        (faults.failed(400, error_body(400, "INVALID_ARGUMENT", "Bad schema.")), errors.ModelBadRequestError, 400),
        (
            faults.failed(
                400,
                error_body(
                    400,
                    "INVALID_ARGUMENT",
                    "The input token count (2000000) exceeds the maximum number of tokens allowed (1048576).",
                ),
            ),
            errors.ContextTooLongError,
            400,
        ),
        (faults.not_json(status=502), errors.ModelOverloadedError, 502),
    ],
)
async def test_a_status_is_an_error_of_its_kind(
    answer: WireAnswer, kind: type[errors.ModelError], status: int, streams: bool
) -> None:
    error, _ = await fails(answer, streams=streams)
    assert type(error) is kind
    assert error.status == status


@BOTH
@pytest.mark.parametrize(
    ("answer", "seconds"),
    [
        (faults.rate_limited(LIMITED), None),
        (faults.rate_limited(LIMITED, retry_after=7), 7.0),
        (faults.rate_limited(LIMITED_FOR_LONG), 3600.0),
    ],
    ids=["without", "header", "body"],
)
async def test_retry_after_is_told(answer: WireAnswer, seconds: float | None, streams: bool) -> None:
    error, _ = await fails(answer, streams=streams)
    assert isinstance(error, errors.ModelRateLimitedError)
    assert error.retry_after == seconds


@BOTH
@pytest.mark.parametrize(
    "answer",
    [
        faults.rate_limited(LIMITED),
        faults.rate_limited(LIMITED, retry_after=0),
        faults.failed(503, OVERLOADED),
        faults.cut_off(GOOD_STREAM),
    ],
    ids=["429", "429-after", "503", "cut"],
)
async def test_what_passes_is_asked_again(answer: WireAnswer, streams: bool) -> None:
    with FaultServer([answer, answer, good(streams)]) as server:
        chat = Chat(server, streams=streams)
        assert text(await chat.say()) == "Hello, world."
        await chat.close()
        assert len(server.requests) == 3
        assert server.requests[0].body == server.requests[2].body


@BOTH
async def test_retries_can_be_told_in_adks_words(streams: bool) -> None:
    options = types.HttpRetryOptions(attempts=2, initial_delay=0.001, max_delay=0.01)
    with FaultServer([faults.failed(503, OVERLOADED)]) as server:
        chat = Chat(server, streams=streams, retry_options=options)
        with pytest.raises(errors.ModelOverloadedError):
            await chat.say()
        assert len(server.requests) == 2
        chat.config.http_options = types.HttpOptions(retry_options=types.HttpRetryOptions(attempts=0))
        with pytest.raises(errors.ModelOverloadedError):
            await chat.say()
        assert len(server.requests) == 3
        await chat.close()


@BOTH
async def test_a_longer_wait_than_the_deadline_is_not_begun(streams: bool) -> None:
    with FaultServer([faults.rate_limited(LIMITED_FOR_LONG)]) as server:
        chat = Chat(server, streams=streams)
        with pytest.raises(errors.ModelRateLimitedError):
            await chat.say()
        await chat.close()
        assert len(server.requests) == 1


@pytest.mark.parametrize("after", range(1, len(EVENTS)))
async def test_a_stream_that_breaks_off_is_an_error(after: int) -> None:
    error, seen = await fails(faults.cut_off(GOOD_STREAM, after=after), streams=True, retry=QUICK)
    assert type(error) is errors.ModelResponseError
    assert [event.partial for event in seen] == [True] * after + [None]
    assert seen[-1].error_code == "ModelResponseError"


async def test_a_stream_that_breaks_off_after_its_end_is_whole() -> None:
    with FaultServer([faults.cut_off(GOOD_STREAM, after=len(EVENTS))]) as server:
        chat = Chat(server, streams=True)
        assert text(await chat.say()) == "Hello, world."
        await chat.close()


@pytest.mark.parametrize("after", range(1, len(EVENTS)))
async def test_a_stream_that_ends_too_early_is_an_error(after: int) -> None:
    error, _ = await fails(faults.ended_early(GOOD_STREAM, after=after), streams=True, retry=QUICK)
    assert type(error) is errors.ModelResponseError
    assert "cut off" in str(error)


@pytest.mark.parametrize("at", range(len(EVENTS)))
async def test_malformed_json_in_a_stream_is_an_error(at: int) -> None:
    error, _ = await fails(faults.malformed_stream(EVENTS, at=at), streams=True, retry=QUICK)
    assert type(error) is errors.ModelResponseError


@pytest.mark.parametrize("body", ["", "{", "<html></html>", "[]", "5", '{"candidates": 5}', '{"candidates": ["x"]}'])
async def test_an_answer_that_cannot_be_read_is_an_error(body: str) -> None:
    error, _ = await fails(faults.not_json(body), streams=False)
    assert type(error) is errors.ModelResponseError


@pytest.mark.parametrize(
    "event", ["[]", "5", '{"candidates": 5}', '{"candidates": ["x"]}', '{"candidates": [{"content": 1}]}']
)
async def test_a_chunk_that_cannot_be_read_is_an_error(event: str) -> None:
    answer = sse_answer([EVENTS[0], b"data: " + event.encode() + b"\r\n\r\n"])
    error, _ = await fails(answer, streams=True)
    assert type(error) is errors.ModelResponseError


@pytest.mark.parametrize("size", [1, 5, 64])
async def test_a_slow_drip_is_read_whole(size: int) -> None:
    with FaultServer([faults.dripping(GOOD_STREAM, seconds=0.0005, size=size)]) as server:
        chat = Chat(server, streams=True)
        assert text(await chat.say()) == "Hello, world."
        await chat.close()


@BOTH
async def test_an_empty_answer_is_an_error(streams: bool) -> None:
    error, _ = await fails(faults.empty_stream() if streams else json_answer({}), streams=streams)
    assert type(error) is errors.ModelResponseError
    assert "empty" in str(error)


@BOTH
async def test_an_answer_without_content_ends_the_run_well(streams: bool) -> None:
    nothing = {"candidates": [{"finishReason": "STOP"}], "usageMetadata": {"promptTokenCount": 3}}
    with FaultServer([sse_answer(sse(nothing)) if streams else json_answer(nothing), good(streams)]) as server:
        chat = Chat(server, streams=streams)
        events = await chat.say()
        assert text(events) == ""
        assert all(event.error_code is None for event in events)
        assert text(await chat.say()) == "Hello, world."
        await chat.close()


@BOTH
async def test_silence_ends_with_the_timeout(streams: bool) -> None:
    with FaultServer([faults.silent(GOOD_STREAM, after=1 if streams else 0)]) as server:
        chat = Chat(server, streams=streams, retry=NO_RETRY, timeout=0.2)
        with pytest.raises(errors.ModelTimeoutError) as raised:
            await chat.say()
        assert isinstance(raised.value, TimeoutError)
        await chat.close()


@BOTH
async def test_an_address_that_is_none_is_a_connection_error(streams: bool) -> None:
    with FaultServer([GOOD]) as server:
        chat = Chat(server, streams=streams, retry=NO_RETRY, base_url="http://127.0.0.1:x")
        with pytest.raises(errors.ModelError):
            await chat.say()
        await chat.close()


@BOTH
async def test_a_server_that_is_not_there_is_a_connection_error(streams: bool) -> None:
    with FaultServer([GOOD]) as server:
        gone = server
        chat = Chat(gone, streams=streams, retry=NO_RETRY)
    with pytest.raises(errors.ModelConnectionError):
        await chat.say()
    await chat.close()


@BOTH
async def test_a_run_that_is_cancelled_lets_the_connection_go(streams: bool) -> None:
    with FaultServer([faults.silent(GOOD_STREAM, after=1 if streams else 0), good(streams)]) as server:
        chat = Chat(server, streams=streams)
        asking = asyncio.create_task(chat.say())
        while not server.requests:  # noqa: ASYNC110  # what it waits for happens in the server's thread
            await asyncio.sleep(0.005)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert text(await chat.say()) == "Hello, world."
        await chat.close()


@BOTH
async def test_an_unknown_tool_is_told_to_the_model(streams: bool) -> None:
    call = chunk({"functionCall": {"name": "no_such_tool", "args": {}}}, finish="STOP")
    with FaultServer([sse_answer(sse(call)) if streams else json_answer(call), good(streams)]) as server:
        chat = Chat(server, streams=streams, tools=[lambda_tool])
        assert text(await chat.say()) == "Hello, world."
        answer = server.requests[1].json()["contents"][-1]["parts"][0]["functionResponse"]
        assert answer["name"] == "no_such_tool"
        assert "no_such_tool" in json.dumps(answer["response"])
        await chat.close()


def lambda_tool(city: str) -> str:
    """Says something about a city."""
    return city


@BOTH
@pytest.mark.parametrize(
    "reason", ["SAFETY", "RECITATION", "PROHIBITED_CONTENT", "MALFORMED_FUNCTION_CALL", "MODEL_ARMOR"]
)
async def test_a_blocked_answer_is_an_event(reason: str, streams: bool) -> None:
    blocked = {
        "candidates": [{"finishReason": reason}],
        "usageMetadata": {"promptTokenCount": 3},
    }
    with FaultServer([sse_answer(sse(blocked)) if streams else json_answer(blocked), good(streams)]) as server:
        chat = Chat(server, streams=streams)
        event = (await chat.say())[-1]
        assert (event.error_code, event.finish_reason) == (reason, reason)
        assert event.error_message is not None and reason in event.error_message
        assert event.id == (await chat.stored())[-1].id
        assert text(await chat.say()) == "Hello, world."
        await chat.close()


@BOTH
async def test_a_blocked_prompt_is_an_event(streams: bool) -> None:
    blocked = {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "usageMetadata": {"promptTokenCount": 3}}
    with FaultServer([sse_answer(sse(blocked)) if streams else json_answer(blocked), good(streams)]) as server:
        chat = Chat(server, streams=streams)
        event = (await chat.say())[-1]
        assert event.error_code == "PROHIBITED_CONTENT"
        assert event.usage_metadata is not None and event.usage_metadata.prompt_token_count == 3
        assert text(await chat.say()) == "Hello, world."
        await chat.close()


async def test_a_stream_that_is_stopped_for_safety_keeps_what_was_said() -> None:
    events = sse(chunk({"text": "Well"}), {"candidates": [{"finishReason": "SAFETY"}]})
    with FaultServer([sse_answer(events)]) as server:
        chat = Chat(server, streams=True)
        event = (await chat.say())[-1]
        assert (text([event]), event.error_code) == ("Well", "SAFETY")
        await chat.close()


@BOTH
async def test_without_a_key_the_error_says_what_to_give(streams: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GOOGLE_API_KEY", "GEMINI_API_KEY", "GOOGLE_GENAI_USE_VERTEXAI"):
        monkeypatch.delenv(name, raising=False)
    runner = InMemoryRunner(Agent(name="agent", model=Gemini()), app_name="app")
    with pytest.raises(errors.ModelAuthError, match="api_key="):
        _ = [event async for event in runner.run_async(user_id="u", session_id="s", new_message="Hi")]
    await runner.close()


IN_STREAM = b'data: {"error": {"code": 503, "message": "Overloaded.", "status": "UNAVAILABLE"}}\r\n\r\n'


async def test_an_error_in_a_stream_is_of_its_kind() -> None:
    error, _ = await fails(sse_answer([IN_STREAM]), streams=True)
    assert (type(error), error.status) == (errors.ModelOverloadedError, 503)
    error, _ = await fails(sse_answer([EVENTS[0], IN_STREAM]), streams=True, retry=QUICK)
    assert (type(error), error.status) == (errors.ModelResponseError, 503)


@pytest.mark.parametrize(
    "answer",
    [
        faults.silent(GOOD_STREAM, after=1),
        faults.cut_off(GOOD_STREAM, after=1),
        sse_answer([EVENTS[0], IN_STREAM]),
        faults.malformed_stream(EVENTS, at=1),
    ],
    ids=["left", "cut", "error", "malformed"],
)
def test_a_stream_that_is_not_read_to_its_end_leaves_nothing_open(answer: WireAnswer) -> None:
    complaints: list[dict[str, Any]] = []

    async def ask(server: FaultServer) -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, complaint: complaints.append(complaint))
        model = Gemini(api_key="a-key", base_url=server.url, retry=NO_RETRY)
        request = LlmRequest(contents=[types.UserContent("Hi")])
        responses = model.generate_content_async(request, stream=True)
        assert (await anext(responses)).partial
        if answer.ending == "silent":
            await responses.aclose()
        else:
            with pytest.raises(errors.ModelResponseError):
                await anext(responses)
        await model.close()

    with FaultServer([answer]) as server:
        asyncio.run(ask(server))
    assert complaints == []
