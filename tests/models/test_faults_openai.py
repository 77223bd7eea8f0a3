# SPDX-License-Identifier: Apache-2.0
"""What becomes of a run when OpenAI fails: an error of ours, a session that is sound, and a next message that works."""

import asyncio
from typing import Any

import pytest

from runwright import Agent, Event, InMemoryRunner, RunConfig
from runwright.config import StreamingMode
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
from runwright.models.openai import OpenAI
from runwright.models.retry import NO_RETRY
from runwright.testing.wire import FaultServer, WireAnswer, faults
from tests.models.openai_answers import APIS, Api, calling, events_of, spoken

PATIENCE = 20.0
"""Seconds after which a run is taken to hang."""
WORDS = ("one ", "two ", "three")


def error(message: str, code: str | None = None, kind: str = "some_error") -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


STATUSES: list[Any] = [
    pytest.param(faults.rate_limited(error("slow"), retry_after=7), ModelRateLimitedError, 429, id="429-retry-after"),
    pytest.param(faults.rate_limited(error("slow")), ModelRateLimitedError, 429, id="429"),
    pytest.param(faults.failed(429, error("no money", "insufficient_quota")), ModelAuthError, 429, id="quota"),
    pytest.param(faults.failed(500, error("oops")), ModelOverloadedError, 500, id="500"),
    pytest.param(faults.failed(502, error("oops")), ModelOverloadedError, 502, id="502"),
    pytest.param(faults.failed(503, error("busy")), ModelOverloadedError, 503, id="503"),
    pytest.param(faults.failed(504, error("late")), ModelTimeoutError, 504, id="504"),
    pytest.param(faults.failed(529, error("busy")), ModelOverloadedError, 529, id="529"),
    pytest.param(faults.failed(401, error("bad key", "invalid_api_key")), ModelAuthError, 401, id="401"),
    pytest.param(faults.failed(403, error("not you")), ModelAuthError, 403, id="403"),
    pytest.param(faults.failed(404, error("no model", "model_not_found")), ModelBadRequestError, 404, id="404"),
    pytest.param(faults.failed(400, error("bad")), ModelBadRequestError, 400, id="400"),
    pytest.param(faults.failed(422, error("bad")), ModelBadRequestError, 422, id="422"),
    pytest.param(faults.failed(413, error("big")), ContextTooLongError, 413, id="413"),
    pytest.param(
        faults.failed(400, error("This model's maximum context length is 9 tokens", "context_length_exceeded")),
        ContextTooLongError,
        400,
        id="too-long",
    ),
    pytest.param(
        faults.failed(400, error("the request exceeds the available context size", None, "exceed_context_size_error")),
        ContextTooLongError,
        400,
        id="too-long-llama",
    ),
    pytest.param(faults.failed(400, error("no", "content_filter")), ContentBlockedError, 400, id="filtered"),
    pytest.param(faults.not_json(status=502), ModelOverloadedError, 502, id="502-html"),
]


class Scene:
    """An agent on a server that fails first and then works."""

    def __init__(self, api: Api, *broken: WireAnswer, stream: bool) -> None:
        self.server = FaultServer([*broken, spoken(api, "well again", stream=stream)])
        self._api: Api = api
        self._stream = stream

    async def __aenter__(self) -> "Scene":
        self.server.start()
        self.model = OpenAI(
            model="gpt-4o", api=self._api, base_url=f"{self.server.url}/v1", api_key="key", retry=NO_RETRY
        )
        self.agent = Agent(name="agent", model=self.model, tools=[look])
        self.runner = InMemoryRunner(agent=self.agent, app_name="app")
        await self.runner.session_service.create_session(app_name="app", user_id="u", session_id="s")
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.runner.close()
        await self.model.close()
        self.server.stop()

    async def say(self, text: str, **options: Any) -> tuple[list[Event], Exception | None]:
        """Runs one message to its end, whichever that is."""
        mode = StreamingMode.SSE if self._stream else StreamingMode.NONE
        config = RunConfig(streaming_mode=mode, **options)
        events: list[Event] = []
        try:
            async with asyncio.timeout(PATIENCE):
                async for event in self.runner.run_async(
                    user_id="u", session_id="s", new_message=text, run_config=config
                ):
                    events.append(event)
        except (ModelError, DeadlineExceededError) as raised:
            return events, raised
        return events, None

    async def stored(self) -> list[Event]:
        session = await self.runner.session_service.get_session(app_name="app", user_id="u", session_id="s")
        assert session is not None
        return session.events

    async def fails_and_recovers(self, kind: type[Exception]) -> Exception:
        """Says something that fails as ``kind``, and then something that works; gives the failure."""
        events, failure = await self.say("hello")
        assert isinstance(failure, kind), failure
        assert events[-1].error_code == type(failure).__name__
        await self.is_kept(events)
        after, nothing = await self.say("again")
        assert nothing is None
        assert after[-1].content is not None and after[-1].content.parts is not None
        assert after[-1].content.parts[0].text == "well again"
        await self.is_kept([*events, *after])
        return failure

    async def is_kept(self, events: list[Event]) -> None:
        """Each whole event that was given out is stored, and no call is without its response."""
        stored = await self.stored()
        kept = {event.id for event in stored}
        assert all(event.id in kept for event in events if not event.partial)
        assert not any(event.partial for event in stored)
        calls = [call.id for event in stored for call in event.get_function_calls()]
        assert calls == [answer.id for event in stored for answer in event.get_function_responses()]


def look() -> str:
    """Looks."""
    return "seen"


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize(("answer", "kind", "status"), STATUSES)
async def test_a_status(answer: WireAnswer, kind: type[ModelError], status: int, api: Api, stream: bool) -> None:
    async with Scene(api, answer, stream=stream) as scene:
        failure = await scene.fails_and_recovers(kind)
    assert isinstance(failure, ModelError)
    assert (failure.status, failure.provider) == (status, "openai")
    if "retry-after" in answer.headers:
        assert isinstance(failure, ModelRateLimitedError)
        assert failure.retry_after == 7


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("answer", [faults.not_json(), faults.empty_body()], ids=["html", "nothing"])
async def test_a_body_that_is_no_answer(answer: WireAnswer, api: Api) -> None:
    async with Scene(api, answer, stream=False) as scene:
        await scene.fails_and_recovers(ModelResponseError)


@pytest.mark.parametrize("api", APIS)
async def test_a_body_that_is_cut_off(api: Api) -> None:
    async with Scene(api, faults.cut_off(spoken(api, "hello"), after=1), stream=False) as scene:
        await scene.fails_and_recovers(ModelConnectionError)


@pytest.mark.parametrize("how", ["cut", "ended"])
@pytest.mark.parametrize("api", APIS)
async def test_a_stream_that_stops_at_any_place(api: Api, how: str) -> None:
    whole = spoken(api, *WORDS, stream=True)
    # What comes after the answer's end may be missing: how much it used, and the mark that nothing follows.
    needed = len(events_of(whole)) if api == "responses" else len(WORDS) + 1
    for after in range(len(events_of(whole))):
        broken = faults.cut_off(whole, after=after) if how == "cut" else faults.ended_early(whole, after=after)
        async with Scene(api, broken, stream=True) as scene:
            if how == "ended" and after >= needed:
                events, failure = await scene.say("hello")
                assert failure is None
                assert events[-1].content is not None
                continue
            failure = await scene.fails_and_recovers(ModelError)
            assert isinstance(failure, ModelConnectionError | ModelResponseError)


@pytest.mark.parametrize("api", APIS)
async def test_a_stream_of_a_call_that_stops_at_any_place_calls_nothing(api: Api) -> None:
    whole = calling(api, ("look", "{}"), stream=True)
    needed = len(events_of(whole)) if api == "responses" else 2
    for after in range(needed):
        async with Scene(api, faults.ended_early(whole, after=after), stream=True) as scene:
            await scene.fails_and_recovers(ModelResponseError)


@pytest.mark.parametrize("api", APIS)
async def test_a_stream_with_an_event_that_is_no_json(api: Api) -> None:
    events = events_of(spoken(api, *WORDS, stream=True))
    for at in range(len(events)):
        if b"[DONE]" in events[at]:
            continue
        async with Scene(api, faults.malformed_stream(events, at=at), stream=True) as scene:
            await scene.fails_and_recovers(ModelResponseError)


@pytest.mark.parametrize("api", APIS)
async def test_an_empty_stream(api: Api) -> None:
    async with Scene(api, faults.empty_stream(), stream=True) as scene:
        await scene.fails_and_recovers(ModelResponseError)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("api", APIS)
async def test_an_answer_without_anything_in_it_ends_the_run(api: Api, stream: bool) -> None:
    async with Scene(api, spoken(api, stream=stream), stream=stream) as scene:
        events, failure = await scene.say("hello")
        assert failure is None
        await scene.is_kept(events)
        after, _ = await scene.say("again")
        assert after[-1].content is not None


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("api", APIS)
async def test_an_answer_that_drips(api: Api, stream: bool) -> None:
    dripping = faults.dripping(spoken(api, *WORDS, stream=stream), seconds=0.0001)
    async with Scene(api, dripping, stream=stream) as scene:
        events, failure = await scene.say("hello")
        assert failure is None
        assert events[-1].content is not None and events[-1].content.parts is not None
        assert events[-1].content.parts[0].text == "one two three"


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("api", APIS)
async def test_a_call_to_a_tool_that_does_not_exist_is_the_models_to_correct(api: Api, stream: bool) -> None:
    async with Scene(api, calling(api, ("fly", "{}"), stream=stream), stream=stream) as scene:
        events, failure = await scene.say("hello")
        assert failure is None
        await scene.is_kept(events)
        told = [answer.response for event in events for answer in event.get_function_responses()]
        assert "no tool 'fly'" in str(told)
        assert events[-1].content is not None and events[-1].content.parts is not None
        assert events[-1].content.parts[0].text == "well again"


@pytest.mark.parametrize("api", APIS)
async def test_a_silent_stream_ends_at_the_deadline(api: Api) -> None:
    silent = faults.silent(spoken(api, *WORDS, stream=True), after=2)
    async with Scene(api, silent, stream=True) as scene:
        events, failure = await scene.say("hello", model_timeout=1.0)
        assert isinstance(failure, DeadlineExceededError)
        await scene.is_kept(events)
        after, nothing = await scene.say("again")
        assert nothing is None and after[-1].content is not None


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("api", APIS)
async def test_a_server_that_does_not_answer_in_time(api: Api, stream: bool) -> None:
    async with Scene(api, faults.silent(), stream=stream) as scene:
        scene.model.timeout = 0.3
        await scene.fails_and_recovers(ModelTimeoutError)


@pytest.mark.parametrize("api", APIS)
async def test_a_server_that_is_not_there(api: Api) -> None:
    async with Scene(api, stream=False) as scene:
        scene.server.stop()
        _, failure = await scene.say("hello")
        assert isinstance(failure, ModelConnectionError)


@pytest.mark.parametrize("api", APIS)
async def test_a_failure_in_the_middle_of_a_stream(api: Api) -> None:
    begun = events_of(spoken(api, *WORDS, stream=True))[:2]
    told = b'data: {"error":{"message":"The server had an error","type":"server_error","code":null}}\n\n'
    if api == "responses":
        told = b'event: error\ndata: {"type":"error","code":"server_error","message":"The server had an error"}\n\n'
    broken = WireAnswer(headers={"content-type": "text/event-stream"}, chunks=[*begun, told], streamed=True)
    async with Scene(api, broken, stream=True) as scene:
        failure = await scene.fails_and_recovers(ModelOverloadedError)
    assert "The server had an error" in str(failure)
