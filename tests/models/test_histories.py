# SPDX-License-Identifier: Apache-2.0
"""What was said, kept on disk and sent again: to the model that said it, exactly; to another, what it understands."""

import base64
import itertools
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from runwright import Agent, LlmRequest, RunConfig, Runner, StreamingMode, types
from runwright.models.gemini import Gemini
from runwright.models.openai import OpenAI
from runwright.models.retry import NO_RETRY
from runwright.sessions.sqlite import SqliteSessionService
from runwright.testing.wire import FaultServer, WireAnswer, json_answer, sse_answer
from tests.models import claude
from tests.models.openai_answers import calling, spoken

PROVIDERS = ["gemini", "claude", "responses", "chat"]
SIGNATURE = base64.b64encode(bytes(range(256))).decode()
THOUGHT = {"type": "thinking", "thinking": "claudes thought", "signature": "EqEECkYICxgCKkAo+/=="}
REDACTED = {"type": "redacted_thinking", "data": "EmwKAhgBEgy3=="}
REASONING = {
    "type": "reasoning",
    "id": "rs_1",
    "summary": [{"type": "summary_text", "text": "openais thought"}],
    "encrypted_content": "ZW5jcnlwdGVk",
}
OF_ONE = {
    "gemini": [SIGNATURE, "geminis thought", "thoughtSignature"],
    "claude": ["claudes thought", "EqEECk", "EmwKAh", "redacted"],
    "responses": ["openais thought", "rs_1", "fc-0", "ZW5jcnlwdGVk"],
    "chat": [],
}
"""What no other provider is to see."""


def add(a: int, b: int) -> int:
    """Adds."""
    return a + b


def of_gemini(*parts: dict[str, Any], stream: bool) -> WireAnswer:
    candidate = {"content": {"role": "model", "parts": list(parts)}, "finishReason": "STOP"}
    given = {"candidates": [candidate], "modelVersion": "gemini-3-pro"}
    return sse_answer([b"data: " + msgspec.json.encode(given) + b"\r\n\r\n"]) if stream else json_answer(given)


def of_claude(*content: dict[str, Any], stream: bool, stop: str = "end_turn") -> WireAnswer:
    return claude.streamed(*content, stop=stop) if stream else claude.answer(*content, stop=stop)


def answers(provider: str, *, stream: bool) -> list[WireAnswer]:
    """Two calls at once after a thought; an answer; another one."""
    if provider == "gemini":
        first, second = ({"name": "add", "args": {"a": n, "b": 1}} for n in (1, 2))
        signed = {"functionCall": first, "thoughtSignature": SIGNATURE}
        thought = {"text": "geminis thought", "thought": True}
        said = {"text": "Five."}, {"text": "", "thoughtSignature": SIGNATURE}
        return [
            of_gemini(thought, signed, {"functionCall": second}, stream=stream),
            of_gemini(*said, stream=stream),
            of_gemini({"text": "Bye."}, stream=stream),
        ]
    if provider == "claude":
        calls = claude.use("add", "toolu_1", a=1, b=1), claude.use("add", "toolu_2", a=2, b=1)
        return [
            of_claude(THOUGHT, REDACTED, *calls, stop="tool_use", stream=stream),
            of_claude(THOUGHT, claude.text("Five."), stream=stream),
            of_claude(claude.text("Bye."), stream=stream),
        ]
    api: Any = provider
    reasoning = REASONING if provider == "responses" else None
    called = calling(api, ("add", '{"a": 1, "b":1}'), ("add", '{"a":2,"b":1}'), reasoning=reasoning, stream=stream)
    return [called, spoken(api, "Five.", stream=stream), spoken(api, "Bye.", stream=stream)]


def model_of(provider: str, url: str) -> Any:
    if provider == "claude":
        return claude.model_for(url)
    given: dict[str, Any] = {"api_key": "key", "retry": NO_RETRY}
    if provider == "gemini":
        return Gemini(model="gemini-3-pro", base_url=url, **given)
    return OpenAI(model="gpt-5" if provider == "responses" else "gpt-4o", api=provider, base_url=f"{url}/v1", **given)


async def say(path: Path, provider: str, message: str, given: list[WireAnswer], *, stream: bool) -> list[bytes]:
    """Says something in the session that is kept at ``path``, with nothing left of it in memory; the bodies sent."""
    with FaultServer(given) as server:
        model, sessions = model_of(provider, server.url), SqliteSessionService(path)
        agent = Agent(name="adder", model=model, instruction="Add.", tools=[add])
        runner = Runner(agent=agent, app_name="app", session_service=sessions, auto_create_session=True)
        mode = RunConfig(streaming_mode=StreamingMode.SSE if stream else StreamingMode.NONE)
        await runner.run_async(user_id="u", session_id="s", new_message=message, run_config=mode)
        await runner.close()
        await sessions.close()
        await model.close()
        return [request.body for request in server.requests]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_stored_conversation_is_sent_again_as_it_was(provider: str, stream: bool, tmp_path: Path) -> None:
    given = answers(provider, stream=stream)
    bodies = await say(tmp_path / "a.db", provider, "1 + 1 and 2 + 1?", given[:2], stream=stream)
    bodies += await say(tmp_path / "a.db", provider, "Thanks!", given[2:], stream=stream)
    messages = {"gemini": "contents", "responses": "input"}.get(provider, "messages")
    for before, after in itertools.pairwise(bodies):
        first, second = msgspec.json.decode(before), msgspec.json.decode(after)
        said = first.pop(messages)
        assert second.pop(messages)[: len(said)] == said
        assert msgspec.json.encode(first) == msgspec.json.encode(second)  # in this order, too
        if provider != "gemini":  # whose SDK orders the whole
            assert after.startswith(before[:-2])
    last = bodies[-1].decode()
    assert all(one in last for one in OF_ONE[provider])
    if provider == "gemini":
        parts = [part for content in msgspec.json.decode(last)["contents"] for part in content["parts"]]
        assert [part.get("thoughtSignature") for part in parts].count(SIGNATURE) == 2
        signed = next(part for part in parts if "functionCall" in part)
        assert signed["thoughtSignature"] == SIGNATURE


@pytest.mark.parametrize(("first", "second"), list(itertools.permutations(PROVIDERS, 2)))
async def test_another_model_sees_nothing_that_it_does_not_understand(first: str, second: str, tmp_path: Path) -> None:
    await say(tmp_path / "a.db", first, "1 + 1 and 2 + 1?", answers(first, stream=False)[:2], stream=False)
    bodies = await say(tmp_path / "a.db", second, "Thanks!", answers(second, stream=False)[2:], stream=False)
    sent = bodies[0].decode()
    assert not [one for one in OF_ONE[first] if one in sent and one != "thoughtSignature"]
    assert "partMetadata" not in sent and "openai" not in sent and "anthropic" not in sent
    assert sent.count("Five.") == 1 and "Thanks!" in sent


@pytest.mark.parametrize("provider", ["claude", "responses", "chat"])
async def test_calls_of_a_model_that_counts_anew_are_told_apart(provider: str) -> None:
    call = types.Part(function_call=types.FunctionCall(id="call_0", name="add", args={}))
    heard = types.Part(function_response=types.FunctionResponse(id="call_0", name="add", response={"result": 1}))
    turn = [
        types.UserContent("Hi"),
        types.Content(role="model", parts=[call]),
        types.Content(role="user", parts=[heard]),
        types.ModelContent("Done."),
    ]
    with FaultServer([answers(provider, stream=False)[2]]) as server:
        model = model_of(provider, server.url)
        request = LlmRequest(contents=[*turn, *turn, types.UserContent("Bye")])
        assert [one async for one in model.generate_content_async(request)]
        await model.close()
        sent = server.requests[0].body.decode()
    made, answered = {
        "claude": (r'"type":"tool_use","id":"([^"]+)"', r'"tool_use_id":"([^"]+)"'),
        "responses": (r'"type":"function_call","call_id":"([^"]+)"', r'"function_call_output","call_id":"([^"]+)"'),
        "chat": (r'"tool_calls":\[{"id":"([^"]+)"', r'"tool_call_id":"([^"]+)"'),
    }[provider]
    assert re.findall(made, sent) == re.findall(answered, sent) == ["call_0", "call_0-2"]
