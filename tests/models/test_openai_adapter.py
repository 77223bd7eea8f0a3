# SPDX-License-Identifier: Apache-2.0
"""The adapter to OpenAI's models, over its real SDK and a server on this machine."""

import asyncio
import itertools
import sys
import threading
from typing import Any

import openai
import pytest

from runwright import Agent, InMemoryRunner, LlmRequest, RunConfig
from runwright.config import StreamingMode
from runwright.errors import ConfigurationError, MissingDependencyError, ModelAuthError, ModelRateLimitedError
from runwright.models.openai import OpenAI
from runwright.models.retry import NO_RETRY, RetryPolicy
from runwright.testing.wire import FaultServer, WireAnswer, faults, json_answer
from runwright.types import GenerateContentConfig, HttpOptions, UserContent
from tests.models.openai_answers import APIS, Api, calling, spoken

REASONING = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "secret=="}


def model(server: FaultServer, api: Api = "responses", **settings: Any) -> OpenAI:
    named: dict[str, Any] = {"model": "gpt-5", "api_key": "key", "retry": NO_RETRY, **settings}
    return OpenAI(api=api, base_url=f"{server.url}/v1", **named)


def add(a: int, b: int) -> int:
    """Adds two numbers."""
    return a + b


async def ask(llm: OpenAI, said: str = "hi", **config: Any) -> str:
    request = LlmRequest(contents=[UserContent(said)], config=GenerateContentConfig(**config))
    responses = [response async for response in llm.generate_content_async(request)]
    content = responses[-1].content
    return "".join(part.text or "" for part in (content.parts or [])) if content is not None else ""


async def run(agent: Agent, *prompts: str, stream: bool = False) -> list[Any]:
    runner = InMemoryRunner(agent=agent, app_name="app")
    await runner.session_service.create_session(app_name="app", user_id="u", session_id="s")
    config = RunConfig(streaming_mode=StreamingMode.SSE if stream else StreamingMode.NONE)
    events: list[Any] = []
    for prompt in prompts:
        async for event in runner.run_async(user_id="u", session_id="s", new_message=prompt, run_config=config):
            events.append(event)
    await runner.close()
    return events


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("api", APIS)
async def test_each_turn_begins_with_the_bytes_of_the_one_before_it(api: Api, stream: bool) -> None:
    answers = [
        calling(api, ("add", '{ "a": 1, "b": 2 }'), ("add", '{"a":3,"b":4}'), stream=stream, reasoning=REASONING),
        spoken(api, "Three", " and", " seven.", stream=stream),
        spoken(api, "You are", " welcome.", stream=stream),
    ]
    with FaultServer(answers) as server:
        llm = model(server, api)
        agent = Agent(name="adder", model=llm, instruction="Add.", tools=[add])
        events = await run(agent, "1 + 2 and 3 + 4?", "Thanks!", stream=stream)
        await llm.close()
    bodies = [request.body for request in server.requests]
    assert len(bodies) == 3
    for before, after in itertools.pairwise(bodies):
        assert before.endswith(b"]}")
        assert after.startswith(before[:-2])
    assert [call.id for event in events for call in event.get_function_calls()] == ["call-0", "call-1"]
    whole = [event for event in events if not event.partial]
    assert [part.text for part in whole[-1].content.parts] == ["You are welcome."]
    assert whole[-1].usage_metadata.total_token_count == 13
    if api == "responses":
        sent = server.requests[1].json()["input"]
        assert sent[1] == REASONING
        assert [item.get("id") for item in sent[2:4]] == ["fc-0", "fc-1"]
        assert sent[2]["arguments"] == '{ "a": 1, "b": 2 }'


@pytest.mark.parametrize("api", APIS)
async def test_arguments_that_are_no_json_are_the_models_to_correct(api: Api) -> None:
    answers = [calling(api, ("add", '{"a": 1,')), calling(api, ("add", '{"a":1,"b":2}')), spoken(api, "3")]
    with FaultServer(answers) as server:
        llm = model(server, api)
        events = await run(Agent(name="adder", model=llm, tools=[add]), "1 + 2?")
        await llm.close()
    responses = [answer.response for event in events for answer in event.get_function_responses()]
    assert "malformed_json" in responses[0]["error"]
    assert responses[1] == {"result": 3}
    assert events[-1].content.parts[0].text == "3"


@pytest.mark.parametrize("api", APIS)
async def test_what_a_call_costs_is_on_its_event(api: Api) -> None:
    pytest.importorskip("genai_prices")
    with FaultServer([spoken(api, "hello")]) as server:
        llm = model(server, api)
        events = await run(Agent(name="agent", model=llm), "hi")
        await llm.close()
    assert events[-1].usage_metadata.cost > 0


async def test_several_event_loops_use_one_adapter_at_the_same_time_and_are_closed_from_one() -> None:
    with FaultServer([spoken("responses", "hello")]) as server:
        llm = model(server)
        said: list[str] = []
        asked, closed = threading.Barrier(3, timeout=20), threading.Event()

        def in_a_loop_of_its_own() -> None:
            async def twice() -> None:
                said.extend([await ask(llm), await ask(llm)])
                await asyncio.to_thread(asked.wait)
                await asyncio.to_thread(closed.wait, 20)

            asyncio.run(twice())

        threads = [asyncio.create_task(asyncio.to_thread(in_a_loop_of_its_own)) for _ in range(2)]
        said.append(await ask(llm))
        await asyncio.to_thread(asked.wait)
        await llm.close()
        closed.set()
        await asyncio.gather(*threads)
    assert said == ["hello"] * 5


async def test_a_closed_adapter_opens_anew() -> None:
    with FaultServer([spoken("chat", "hello")]) as server:
        llm = model(server, "chat")
        await llm.close()
        assert await ask(llm) == "hello"
        await llm.close()
        await llm.close()
        assert await ask(llm) == "hello"
        await llm.close()


async def test_a_client_of_ones_own_is_used_and_left_open() -> None:
    with FaultServer([spoken("responses", "hello")]) as server:
        async with openai.AsyncOpenAI(api_key="mine", base_url=f"{server.url}/mine") as client:
            llm = OpenAI(model="gpt-5", client=client)
            assert await ask(llm) == "hello"
            await llm.close()
            assert await ask(llm) == "hello"
    assert server.requests[0].path == "/mine/responses"
    assert server.requests[0].headers["authorization"] == "Bearer mine"


async def test_what_is_sent_beside_the_request() -> None:
    with FaultServer([spoken("chat", "hello")]) as server:
        llm = model(server, "chat", headers={"x-mine": "1"}, extra_body={"prompt_cache_key": "k"}, organization="org")
        options = HttpOptions(headers={"x-call": "2"}, extra_body={"top_k": 5}, base_url=f"{server.url}/other/")
        await ask(llm, http_options=options)
        await llm.close()
    sent = server.requests[0]
    assert sent.path == "/other/chat/completions"
    assert (sent.headers["x-mine"], sent.headers["x-call"], sent.headers["openai-organization"]) == ("1", "2", "org")
    assert (sent.json()["prompt_cache_key"], sent.json()["top_k"]) == ("k", 5)
    assert sent.headers["content-type"] == "application/json"


async def test_the_name_may_say_whose_model_it_is() -> None:
    with FaultServer([spoken("responses", "hello")]) as server:
        llm = model(server, model="openai/gpt-4o")
        await ask(llm)
        await llm.close()
    assert server.requests[0].json()["model"] == "gpt-4o"


async def test_half_a_surrogate_pair_does_not_stop_a_run() -> None:
    with FaultServer([spoken("responses", "hello")]) as server:
        llm = model(server)
        assert await ask(llm, "broken \ud83d") == "hello"
        await llm.close()
    assert rb"\ud83d" in server.requests[0].body


async def test_a_missing_key_is_said_before_anything_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(ModelAuthError, match="OPENAI_API_KEY"):
        await ask(OpenAI(model="gpt-5", retry=NO_RETRY))


async def test_a_server_of_ones_own_needs_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with FaultServer([spoken("chat", "hello")]) as server:
        llm = model(server, "chat", model="qwen3", api_key=None)
        assert await ask(llm) == "hello"
        await llm.close()


async def test_without_the_sdk_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(MissingDependencyError, match=r"runwright\[openai\]"):
        await ask(OpenAI(model="gpt-5"))


def test_an_api_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="'responses' or 'chat'"):
        OpenAI(model="gpt-5", api="assistants")  # type: ignore[arg-type]


async def test_tokens_are_counted_by_the_api_where_it_can() -> None:
    with FaultServer([json_answer({"object": "response.input_tokens", "input_tokens": 42})]) as server:
        llm = model(server)
        request = LlmRequest(contents=[UserContent("hi")], config=GenerateContentConfig(temperature=0.5))
        assert await llm.count_tokens(request) == 42
        await llm.close()
    assert server.requests[0].path == "/v1/responses/input_tokens"
    assert server.requests[0].json() == {"model": "gpt-5", "input": [{"role": "user", "content": "hi"}]}


async def test_tokens_are_estimated_where_it_cannot() -> None:
    llm = OpenAI(model="llama", api="chat")
    short = await llm.count_tokens(LlmRequest(contents=[UserContent("hi")]))
    long = await llm.count_tokens(LlmRequest(contents=[UserContent("hi" * 400)]))
    assert 0 < short < long
    assert long - short in (199, 200)


async def test_it_asks_again_as_it_is_told_to() -> None:
    limited = faults.rate_limited({"error": {"message": "slow down", "code": "rate_limit_exceeded"}}, retry_after=0)
    patient = RetryPolicy(attempts=2, initial_delay=0, max_delay=0)
    with FaultServer([limited, spoken("responses", "hello")]) as server:
        llm = model(server, retry=patient)
        assert await ask(llm) == "hello"
        await llm.close()
    assert len(server.requests) == 2
    with FaultServer([limited]) as server:
        llm = model(server, retry=patient)
        with pytest.raises(ModelRateLimitedError):
            await ask(llm)
        await llm.close()
    assert len(server.requests) == 2


@pytest.mark.parametrize("api", APIS)
async def test_who_stops_reading_leaves_no_connection(api: Api) -> None:
    answer: WireAnswer = faults.silent(spoken(api, "one ", "two ", "three", stream=True), after=2)
    with FaultServer([answer, spoken(api, "hello")]) as server:
        llm = model(server, api)
        request = LlmRequest(contents=[UserContent("hi")])
        responses = llm.generate_content_async(request, stream=True)
        first = await anext(responses)
        assert first.partial
        await responses.aclose()
        assert await ask(llm) == "hello"
        await llm.close()
