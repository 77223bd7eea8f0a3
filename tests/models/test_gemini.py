# SPDX-License-Identifier: Apache-2.0
"""Gemini over its own SDK: recorded conversations, held again by agents of ours."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from runwright import Agent, Event, InMemoryRunner
from runwright.models.gemini import Gemini
from runwright.testing.wire import Comparison, Exchange, WireRequest, WireServer, json_answer, read_recording
from tests.models.gemini_replay import Scene, answer_chunks, as_ours
from tests.models.recordings import recorded, recording


def parts_of(chunks: list[Any]) -> list[Any]:
    candidates = [chunk["candidates"][0] for chunk in chunks if chunk.get("candidates")]
    return [part for candidate in candidates for part in candidate.get("content", {}).get("parts", [])]


def text_in(parts: list[Any], *, thought: bool) -> str:
    return "".join(part.get("text", "") for part in parts if bool(part.get("thought")) is thought)


def check_answer(chunks: list[Any], event: Event) -> None:
    """That an event says what the provider said."""
    parts = parts_of(chunks)
    said = [] if event.content is None else event.content.parts or []
    for thought in (False, True):
        ours = "".join(part.text or "" for part in said if bool(part.thought) is thought)
        assert ours == text_in(parts, thought=thought)
    calls = [(call.name, call.args) for call in event.get_function_calls()]
    assert calls == [
        (part["functionCall"]["name"], part["functionCall"]["args"]) for part in parts if "functionCall" in part
    ]
    signatures = [base64.b64encode(part.thought_signature).decode() for part in said if part.thought_signature]
    assert signatures == [part["thoughtSignature"] for part in parts if "thoughtSignature" in part]
    usage = [chunk["usageMetadata"] for chunk in chunks if "usageMetadata" in chunk][-1]
    assert event.usage_metadata is not None
    shown = event.usage_metadata.model_dump(mode="json", by_alias=True, exclude_none=True)
    assert shown == {name: value for name, value in usage.items() if name != "serviceTier"}
    reasons = [chunk["candidates"][0].get("finishReason") for chunk in chunks if chunk.get("candidates")]
    assert event.finish_reason == reasons[-1]
    candidates = [candidate for chunk in chunks for candidate in chunk.get("candidates", ())]
    said_why = [candidate["finishMessage"] for candidate in candidates if "finishMessage" in candidate]
    assert event.error_code is None or event.error_message in said_why


def check_answers(scene: Scene, events: list[Event]) -> None:
    answers = [event for event in events if not event.partial and event.usage_metadata is not None]
    assert len(answers) == len(scene.expected)
    for chunks, event in zip(scene.expected, answers, strict=True):
        check_answer(chunks, event)


TRANSFER = "TestPluginCallbackIntegration_transfer_to_agent_tool"


@pytest.mark.parametrize("path", [path for path in recorded("google", "gemini-go") if TRANSFER not in str(path)])
async def test_a_recorded_conversation_is_held_again(path: Path) -> None:
    scene = Scene(read_recording(path))
    check_answers(scene, await scene.play())


async def test_a_recorded_transfer_is_made_again() -> None:
    exchanges = read_recording(recording(f"gemini-go/{TRANSFER}.httprr"))
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
    events = await scene.play()
    check_answers(scene, events)
    assert [part.executable_code.code for part in events[-1].content.parts or () if part.executable_code] == ["1 + 1"]
    assert events[-1].avg_logprobs == -0.5
