# SPDX-License-Identifier: Apache-2.0
"""Gemini over its own SDK: recorded conversations, held again by agents of ours."""

import json
from pathlib import Path

import pytest

from runwright import Agent, InMemoryRunner
from runwright.models.gemini import Gemini
from runwright.testing.wire import Comparison, Exchange, WireRequest, WireServer, json_answer, read_recording
from tests.models.gemini_recorded import answer_chunks, as_ours
from tests.models.gemini_replay import Scene, check, check_answer, check_answers
from tests.models.recordings import recorded, recording


@pytest.mark.parametrize("path", recorded("google", "gemini-go"))
async def test_a_recorded_conversation_is_held_again(path: Path) -> None:
    await check(read_recording(path))


async def test_a_recorded_transfer_is_made_again() -> None:
    exchanges = read_recording(recording("gemini-go/TestPluginCallbackIntegration_transfer_to_agent_tool.httprr"))
    # Its client says in words of its own, and with another tool, which agents there are and what they did.
    ignore = ["systemInstruction", "tools", "contents.[12].**"]
    with WireServer(exchanges, Comparison(ignore=ignore, normalise=as_ours)) as server:
        model = Gemini(api_key="a-key", base_url=server.url)
        calculator = Agent(
            name="calculator",
            model=model,
            description="calculator agent\n Skills: add, subtract, multiply, divide",
            instruction="You are a calculator agent. You can calculate numbers.",
        )
        root = Agent(
            name="transfer_agent",
            model=model,
            description="transfer agent",
            instruction="You are a transfer agent. You can transfer to other agents using your tools.",
            sub_agents=[calculator],
        )
        runner = InMemoryRunner(root, app_name="replay")
        said = runner.run_async(user_id="u", session_id="s", new_message="Can you add 2 and 2?")
        events = [event async for event in said]
        await runner.close()
        await model.close()
    answers = [event for event in events if event.usage_metadata is not None]
    assert [event.author for event in answers] == ["transfer_agent", "calculator"]
    for exchange, event in zip(exchanges, answers, strict=True):
        check_answer(answer_chunks(exchange), event)


async def test_a_conversation_with_the_providers_own_tools_is_held_again() -> None:
    functions = {"functionDeclarations": [{"name": "look", "description": "Looks", "parameters": {"type": "OBJECT"}}]}
    files = [
        {"inlineData": {"data": "+/8=", "mimeType": "application/pdf"}},
        {"fileData": {"fileUri": "https://example.com/a.mp3", "mimeType": "audio/mpeg"}},
        {"text": "What is this?"},
    ]
    said = [
        {"executableCode": {"code": "1 + 1", "language": "PYTHON"}},
        {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "2"}},
        {"text": "Two"},
    ]
    asked = {
        "contents": [{"role": "user", "parts": files}],
        "tools": [{"googleSearch": {}}, functions, {"codeExecution": {}}],
        "generationConfig": {"responseModalities": ["TEXT"], "responseLogprobs": True, "logprobs": 2},
    }
    candidate = {"content": {"role": "model", "parts": said}, "finishReason": "STOP", "avgLogprobs": -0.5}
    answer = {"candidates": [candidate], "usageMetadata": {"promptTokenCount": 3, "totalTokenCount": 5}}
    target = "/v1beta/models/gemini-2.5-flash:generateContent"
    request = WireRequest(method="POST", target=target, body=json.dumps(asked).encode())
    scene = Scene([Exchange(request=request, answer=json_answer(answer))])
    held = await scene.hold()
    check_answers(scene, held)
    events = held.events
    assert [part.executable_code.code for part in events[-1].content.parts or () if part.executable_code] == ["1 + 1"]
    assert events[-1].avg_logprobs == -0.5
