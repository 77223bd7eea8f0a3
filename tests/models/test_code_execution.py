# SPDX-License-Identifier: Apache-2.0
"""Code that providers run: what the real SDKs send for it, what comes out of their answers, and what goes back."""

from contextlib import aclosing
from typing import Any

import msgspec
import pytest

from runwright import Agent, BaseLlm, BuiltInCodeExecutor, Event, InMemoryRunner, RunConfig, StreamingMode
from runwright.errors import ConfigurationError
from runwright.models.anthropic import Claude
from runwright.models.fallback import FallbackModel
from runwright.models.gemini import Gemini
from runwright.models.litellm import LiteLlm
from runwright.models.openai import OpenAI
from runwright.models.retry import NO_RETRY
from runwright.testing import ScriptedModel
from runwright.testing.wire import FaultServer, WireAnswer, json_answer, sse_answer
from tests.models import claude
from tests.models.openai_answers import RESPONSE_USAGE, spoken


async def hold(model: BaseLlm, *messages: str, stream: bool = False) -> list[list[Event]]:
    """Says messages to an agent of a model that has code run by its provider; gives the whole events of each."""
    mode = StreamingMode.SSE if stream else StreamingMode.NONE
    agent = Agent(name="coder", model=model, code_executor=BuiltInCodeExecutor())
    turns: list[list[Event]] = []
    async with InMemoryRunner(agent) as runner:
        for message in messages:
            running = runner.run_async(
                user_id="u", session_id="s", new_message=message, run_config=RunConfig(streaming_mode=mode)
            )
            async with aclosing(running):
                turns.append([event async for event in running if not event.partial])
    await model.close()
    return turns


def told(event: Event) -> list[Any]:
    """The parts of an event in short: texts, ``(language, code)`` and ``(outcome, output)``."""
    shown: list[Any] = []
    for part in (event.content and event.content.parts) or ():
        if (code := part.executable_code) is not None:
            shown.append((str(code.language), code.code))
        elif (result := part.code_execution_result) is not None:
            shown.append((str(result.outcome), result.output))
        elif part.text and not part.thought:
            shown.append(part.text)
    return shown


# --- Gemini

GEMINI_PARTS = [
    {"text": "I count."},
    {"executableCode": {"language": "PYTHON", "code": "print(1)"}},
    {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1\n"}},
    {"text": "It is 1."},
]


def gemini_answer(parts: list[Any], *, stream: bool) -> WireAnswer:
    def of(some: list[Any], **more: Any) -> Any:
        return {
            "candidates": [{"content": {"role": "model", "parts": some}, **more}],
            "modelVersion": "gemini-3.5-flash",
        }

    if not stream:
        return json_answer(of(parts, finishReason="STOP"))
    chunks = [*(of([part]) for part in parts), of([{"text": ""}], finishReason="STOP")]
    return sse_answer([b"data: " + msgspec.json.encode(chunk) + b"\n\n" for chunk in chunks])


@pytest.mark.parametrize("stream", [False, True])
async def test_gemini_runs_code_and_sees_it_again_as_it_was(stream: bool) -> None:
    answers = [gemini_answer(GEMINI_PARTS, stream=stream), gemini_answer([{"text": "Yes."}], stream=stream)]
    with FaultServer(answers) as server:
        model = Gemini(model="gemini-3.5-flash", api_key="key", base_url=server.url, retry=NO_RETRY)
        [[said], _] = await hold(model, "Count", "Sure?", stream=stream)
        bodies = [request.json() for request in server.requests]
    assert [body["tools"] for body in bodies] == [[{"codeExecution": {}}]] * 2
    assert told(said) == ["I count.", ("PYTHON", "print(1)"), ("OUTCOME_OK", "1\n"), "It is 1."]
    assert said.is_final_response()
    assert bodies[1]["contents"][1] == {"role": "model", "parts": GEMINI_PARTS}


async def test_an_answer_that_ends_with_a_result_is_gone_on_with() -> None:
    answers = [gemini_answer(GEMINI_PARTS[:3], stream=False), gemini_answer(GEMINI_PARTS[3:], stream=False)]
    with FaultServer(answers) as server:
        model = Gemini(model="gemini-3.5-flash", api_key="key", base_url=server.url, retry=NO_RETRY)
        [[first, last]] = await hold(model, "Count")
    assert (first.is_final_response(), told(last)) == (False, ["It is 1."])


# --- Claude

RAN = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "code_execution", "input": {"code": "print(1)"}}
CAME = {
    "type": "code_execution_tool_result",
    "tool_use_id": "srvtoolu_1",
    "content": {"type": "code_execution_result", "stdout": "1\n", "stderr": "", "return_code": 0, "content": []},
}
RAN_BASH = {"type": "server_tool_use", "id": "srvtoolu_2", "name": "bash_code_execution", "input": {"command": "ls x"}}
CAME_BASH = {
    "type": "bash_code_execution_tool_result",
    "tool_use_id": "srvtoolu_2",
    "content": {
        "type": "bash_code_execution_result",
        "stdout": "",
        "stderr": "no x\n",
        "return_code": 2,
        "content": [],
    },
}
RAN_LONG = {**RAN, "id": "srvtoolu_3", "input": {"code": "while True: pass"}}
CAME_LATE = {
    "type": "code_execution_tool_result",
    "tool_use_id": "srvtoolu_3",
    "content": {"type": "code_execution_tool_result_error", "error_code": "execution_time_exceeded"},
}


@pytest.mark.parametrize("stream", [False, True])
async def test_claude_runs_code_and_sees_it_again_as_it_was(stream: bool) -> None:
    blocks = [claude.text("I look."), RAN, CAME, RAN_BASH, CAME_BASH, RAN_LONG, CAME_LATE, claude.text("It is 1.")]
    make = claude.streamed if stream else claude.answer
    with FaultServer([make(*blocks, container={"id": "box"}), make(claude.text("Yes."))]) as server:
        [[said], _] = await hold(
            claude.model_for(server.url, model="claude-sonnet-4-6"), "Count", "Sure?", stream=stream
        )
        bodies = [request.json() for request in server.requests]
    assert bodies[0]["tools"] == [{"type": "code_execution_20260521", "name": "code_execution"}]
    assert told(said) == [
        "I look.",
        ("PYTHON", "print(1)"),
        ("OUTCOME_OK", "1\n"),
        ("BASH", "ls x"),
        ("OUTCOME_FAILED", "no x\n"),
        ("PYTHON", "while True: pass"),
        ("OUTCOME_DEADLINE_EXCEEDED", "execution_time_exceeded"),
        "It is 1.",
    ]
    assert bodies[1]["messages"][1]["content"] == blocks
    assert bodies[1]["container"] == {"id": "box"}


async def test_an_older_claude_is_given_the_version_that_it_knows() -> None:
    with FaultServer([claude.answer(claude.text("Hi."))]) as server:
        await hold(claude.model_for(server.url, model="claude-sonnet-4-5"), "Hi")
        body = server.requests[0].json()
    assert body["tools"] == [{"type": "code_execution_20250825", "name": "code_execution"}]


# --- OpenAI

CALLED = {
    "type": "code_interpreter_call",
    "id": "ci_1",
    "status": "completed",
    "code": "print(1)",
    "container_id": "cntr_1",
    "outputs": [{"type": "logs", "logs": "1\n"}],
}
SAID = {
    "type": "message",
    "id": "msg_1",
    "role": "assistant",
    "status": "completed",
    "content": [{"type": "output_text", "text": "It is 1.", "annotations": []}],
}


def response(items: list[Any], *, stream: bool) -> WireAnswer:
    whole = {"id": "r", "object": "response", "model": "gpt-5", "status": "completed", "output": items, "error": None}
    whole["usage"] = RESPONSE_USAGE
    if not stream:
        return json_answer(whole)
    done = [{"type": "response.output_item.done", "output_index": at, "item": item} for at, item in enumerate(items)]
    events = [*done, {"type": "response.completed", "response": whole}]
    return sse_answer(
        [f"event: {one['type']}\n".encode() + b"data: " + msgspec.json.encode(one) + b"\n\n" for one in events]
    )


@pytest.mark.parametrize("stream", [False, True])
async def test_openai_runs_code_and_sees_it_again_as_it_was(stream: bool) -> None:
    with FaultServer([response([CALLED, SAID], stream=stream), spoken("responses", "Yes.", stream=stream)]) as server:
        model = OpenAI(model="gpt-5", api_key="key", base_url=server.url, retry=NO_RETRY)
        [[said], _] = await hold(model, "Count", "Sure?", stream=stream)
        bodies = [request.json() for request in server.requests]
    assert bodies[0]["tools"] == [{"type": "code_interpreter", "container": {"type": "auto"}}]
    assert "code_interpreter_call.outputs" in bodies[0]["include"]
    assert told(said) == [("PYTHON", "print(1)"), ("OUTCOME_OK", "1\n"), "It is 1."]
    assert bodies[1]["input"][1] == CALLED
    assert bodies[1]["input"][2]["content"] == "It is 1."


# --- providers that have none, and answers of others

WITHOUT: list[BaseLlm] = [
    OpenAI(model="gpt-5", api="chat", api_key="key"),
    LiteLlm("mistral/mistral-large-latest"),
    ScriptedModel(["never said"]),
    FallbackModel([Gemini(api_key="key"), OpenAI(api="chat", api_key="key")]),
]


@pytest.mark.parametrize("model", WITHOUT, ids=lambda model: type(model).__name__)
async def test_a_provider_that_runs_no_code_is_an_error_before_anything_is_done(model: BaseLlm) -> None:
    agent = Agent(name="coder", model=model, code_executor=BuiltInCodeExecutor())
    async with InMemoryRunner(agent) as runner:
        with pytest.raises(ConfigurationError, match="has none run there: use SandboxedCodeExecutor"):
            await runner.run_async(user_id="u", session_id="s", new_message="Hi")
        session = await runner.session_service.get_session(app_name=runner.app_name, user_id="u", session_id="s")
    assert session is None or session.events == []


def test_a_chain_of_models_that_all_run_code_does_too() -> None:
    assert FallbackModel([Gemini(api_key="key"), Claude(api_key="key")]).runs_code


@pytest.mark.parametrize("to", ["gemini", "claude", "openai"])
async def test_another_provider_sees_code_as_text(to: str) -> None:
    """What one provider ran, the next one is told in words: it would not know its ids and versions."""
    from_claude = claude.answer(claude.text("I look."), RAN_BASH, CAME_BASH, claude.text("There is none."))
    answers = {
        "gemini": gemini_answer([{"text": "Yes."}], stream=False),
        "claude": claude.answer(claude.text("Yes.")),
        "openai": spoken("responses", "Yes."),
    }
    with FaultServer(
        [from_claude if to != "claude" else response([CALLED, SAID], stream=False), answers[to]]
    ) as server:
        models: dict[str, BaseLlm] = {
            "gemini": Gemini(model="gemini-3.5-flash", api_key="key", base_url=server.url, retry=NO_RETRY),
            "claude": claude.model_for(server.url),
            "openai": OpenAI(model="gpt-5", api_key="key", base_url=server.url, retry=NO_RETRY),
        }
        first = models["openai" if to == "claude" else "claude"]
        agent = Agent(name="coder", model=first, code_executor=BuiltInCodeExecutor())
        async with InMemoryRunner(agent) as runner:
            await runner.run_async(user_id="u", session_id="s", new_message="Look")
            agent.model = models[to]
            await runner.run_async(user_id="u", session_id="s", new_message="Sure?")
        for model in models.values():
            await model.close()
        sent = msgspec.json.encode(server.requests[1].json()).decode()
    wanted = "print(1)" if to == "claude" else "ls x"
    assert wanted in sent
    for mark in ("executableCode", "server_tool_use", 'code_interpreter_call"', "tool_result"):
        assert mark not in sent


def test_what_the_provider_decides_cannot_be_set() -> None:
    with pytest.raises(ConfigurationError, match="the provider decides"):
        BuiltInCodeExecutor(stateful=True)
