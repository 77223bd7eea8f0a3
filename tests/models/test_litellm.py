# SPDX-License-Identifier: Apache-2.0
"""LiteLlm over its package: an answer, a stream, tools, and what goes wrong."""

import importlib
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from runwright import Agent, InMemoryRunner, LlmRequest, LlmResponse, types
from runwright.errors import (
    ContextTooLongError,
    ModelAuthError,
    ModelConnectionError,
    ModelOverloadedError,
    ModelRateLimitedError,
    ModelResponseError,
)
from runwright.models.litellm import LiteLlm
from runwright.models.retry import NO_RETRY
from runwright.testing.wire import FaultServer, WireAnswer, faults, json_answer, sse_answer

pytestmark = [
    # What the package warns of, and leaves running in the loop, is its own.
    pytest.mark.filterwarnings("ignore"),
]


@pytest.fixture(autouse=True)
async def package(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """The package, without the prices that it would fetch; what it leaves open and running is ended after the test."""
    monkeypatch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    litellm = pytest.importorskip("litellm", reason="litellm is not installed: pip install 'runwright[litellm]'")
    yield
    await litellm.close_litellm_async_clients()
    await importlib.import_module("litellm.litellm_core_utils.logging_worker").GLOBAL_LOGGING_WORKER.stop()


def completion(reason: str = "stop", **said: Any) -> WireAnswer:
    usage = {"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15}
    choice = {"index": 0, "message": {"role": "assistant", "content": None, **said}, "finish_reason": reason}
    head = {"id": "c", "object": "chat.completion", "created": 1, "model": "m"}
    return json_answer({**head, "choices": [choice], "usage": usage})


def chunks(*deltas: dict[str, Any], reason: str = "stop") -> list[bytes]:
    head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    made: list[Any] = [{**head, "choices": [{"index": 0, "delta": one, "finish_reason": None}]} for one in deltas]
    made.append({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
    usage = {"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15}
    made.append({**head, "choices": [], "usage": usage})
    return [*(b"data: " + msgspec.json.encode(one) + b"\n\n" for one in made), b"data: [DONE]\n\n"]


def model_for(server: FaultServer, **settings: Any) -> LiteLlm:
    given: dict[str, Any] = {"model": "litellm/openai/some-model", "retry": NO_RETRY, "api_key": "key", **settings}
    return LiteLlm(base_url=server.url, **given)


async def ask(model: LiteLlm, *, stream: bool = False, **config: Any) -> list[LlmResponse]:
    settings = types.GenerateContentConfig(**config)
    request = LlmRequest(contents=[types.UserContent("Hi")], config=settings)
    return [response async for response in model.generate_content_async(request, stream)]


def look(place: str) -> str:
    """Looks somewhere."""
    return f"a cat in the {place}"


async def test_an_answer_and_what_it_used():
    with FaultServer([completion(content="Hello")]) as server:
        [response] = await ask(model_for(server), system_instruction="Be kind.", temperature=0.5)
        sent = server.requests[0].json()
    assert types.text_of(response.content) == "Hello" and not response.partial
    assert (sent["model"], sent["temperature"], sent["messages"][0]["role"]) == ("some-model", 0.5, "system")
    usage = response.usage_metadata
    assert (usage.prompt_token_count, usage.candidates_token_count, usage.total_token_count) == (12, 3, 15)


async def test_options_of_the_package_are_keywords():
    with FaultServer([completion(content="Hello")]) as server:
        model = LiteLlm(
            "openai/some-model", api_base=server.url, api_key="key", seed=7, options={"presence_penalty": 0.5}
        )
        await ask(model)
        sent = server.requests[0].json()
    assert (sent["seed"], sent["presence_penalty"]) == (7, 0.5)


async def test_a_stream_is_chunks_and_then_the_whole():
    with FaultServer([sse_answer(chunks({"role": "assistant", "content": "Hel"}, {"content": "lo"}))]) as server:
        *pieces, whole = await ask(model_for(server), stream=True)
    assert [types.text_of(piece.content) for piece in pieces] == ["Hel", "lo"]
    assert all(piece.partial for piece in pieces) and not whole.partial
    assert types.text_of(whole.content) == "Hello" and whole.usage_metadata.total_token_count == 15


async def test_tools_are_called_and_their_results_go_back():
    called = [
        {"id": f"call_{place}", "type": "function", "function": {"name": "look", "arguments": f'{{"place":"{place}"}}'}}
        for place in ("box", "bag")
    ]
    answers = [completion("tool_calls", tool_calls=called), completion(content="Two cats.")]
    with FaultServer(answers) as server:
        runner = InMemoryRunner(Agent(name="a", model=model_for(server), tools=[look]))
        events = [event async for event in runner.run_async(user_id="u", session_id="s", new_message="Look")]
        await runner.close()
        messages = server.requests[1].json()["messages"]
    assert types.text_of(events[-1].content) == "Two cats."
    assert [one["id"] for one in messages[-3]["tool_calls"]] == ["call_box", "call_bag"]
    assert [one["content"] for one in messages[-2:]] == ["a cat in the box", "a cat in the bag"]


def failing(said: str, code: str | None = None) -> dict[str, Any]:
    return {"error": {"message": said, "type": "invalid_request_error", "code": code}}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (401, failing("bad key"), ModelAuthError),
        (429, failing("slow down"), ModelRateLimitedError),
        (500, failing("broken"), ModelOverloadedError),
        (
            400,
            failing("maximum context length is 8 tokens", "context_length_exceeded"),
            ContextTooLongError,
        ),
    ],
)
async def test_a_failure_is_the_error_that_it_is(status, body, kind, stream):
    with FaultServer([faults.failed(status, body)]) as server:
        with pytest.raises(kind) as raised:
            await ask(model_for(server), stream=stream)
        assert len(server.requests) == 1
    assert (raised.value.status, raised.value.provider) == (status, "litellm")


async def test_when_to_ask_again_is_told():
    limited = faults.rate_limited(failing("slow down"), retry_after=7)
    with FaultServer([limited]) as server, pytest.raises(ModelRateLimitedError) as raised:
        await ask(model_for(server))
    assert raised.value.retry_after == 7


async def test_a_stream_that_breaks_is_an_error():
    broken = faults.cut_off(sse_answer(chunks({"role": "assistant", "content": "Hel"})), after=1)
    with FaultServer([broken]) as server, pytest.raises(ModelResponseError, match="cut off"):
        await ask(model_for(server), stream=True)


async def test_nobody_there_is_an_error_that_may_pass():
    with FaultServer([completion()]) as server:
        model = model_for(server)
    with pytest.raises((ModelConnectionError, ModelOverloadedError)):
        await ask(model)
