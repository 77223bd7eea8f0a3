# SPDX-License-Identifier: Apache-2.0
"""LoggingPlugin and DebugLoggingPlugin: what is written down of a run, and what is not."""

import contextlib
import gc
import json
import logging
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runwright import Agent, App, DebugLoggingPlugin, InMemoryRunner, LoggingPlugin, RunConfig, StreamingMode, types
from runwright.plugin import HOOKS
from runwright.testing import ScriptedModel, call, stream
from tests.plugins.conversation import Chats

PASSWORD = "hunter2"


def login(user: str, password: str) -> dict[str, Any]:
    """Logs a user in."""
    return {"status": "in", "access_token": f"token of {password}", "nested": [{"apiKey": password}]}


def fail() -> None:
    """Fails."""
    raise ArithmeticError("two\nlines")


def logging_in(*replies: Any) -> Agent:
    return Agent(name="a", model=ScriptedModel(list(replies)), tools=[login, fail])


LOGIN = call("login", user="ada", password=PASSWORD)


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    with caplog.at_level(logging.INFO, logger="runwright.plugins.logging"):
        yield caplog


async def test_each_step_is_one_line_that_names_its_run(chat: Chats, log: pytest.LogCaptureFixture) -> None:
    events = await chat(logging_in(LOGIN, "done"), LoggingPlugin()).say("log me\nin")
    invocation = f"[{events[0].invocation_id}] "
    assert all(line.startswith(invocation) and "\n" not in line for line in log.messages)
    asked = "a asks scripted: {} messages, tools: login, fail"
    called = 'call login({"user":"ada","password":"[hidden]"})'
    answer = '{"status":"in","access_token":"[hidden]","nested":[{"apiKey":"[hidden]"}]}'
    usage = [
        f" ({one.usage_metadata.prompt_token_count} tokens in, {one.usage_metadata.candidates_token_count} out)"
        for one in events
        if one.usage_metadata is not None
    ]
    assert [line.removeprefix(invocation) for line in log.messages] == [
        "user 'u' in session 's' says 'log me\\nin'",
        "run starts with agent a",
        "agent a starts",
        asked.format(1),
        f"a is told {called}{usage[0]}",
        f"event of a: {called}",
        'a calls login with {"user":"ada","password":"[hidden]"}',
        f"login answers {answer}",
        f"event of a: login -> {answer}",
        asked.format(3),
        f"a is told 'done'{usage[1]}",
        "event of a (final): 'done'",
        "agent a ended",
        "run ended",
    ]


async def test_failures_are_errors(chat: Chats, log: pytest.LogCaptureFixture) -> None:
    with pytest.raises(ArithmeticError):
        await chat(logging_in(call("fail")), LoggingPlugin()).say("go")
    with pytest.raises(TimeoutError):
        await chat(logging_in(TimeoutError("too slow")), LoggingPlugin()).say("go")
    failures = [record.getMessage().partition("] ")[2] for record in log.records if record.levelno == logging.ERROR]
    assert failures == [
        "fail failed: ArithmeticError: 'two\\nlines'",
        "agent a failed: ArithmeticError: 'two\\nlines'",
        "run failed: ArithmeticError: 'two\\nlines'",
        "scripted failed: TimeoutError: 'too slow'",
        "agent a failed: TimeoutError: 'too slow'",
        "run failed: TimeoutError: 'too slow'",
    ]


async def test_texts_are_shortened_and_files_described(chat: Chats, log: pytest.LogCaptureFixture) -> None:
    sent = types.UserContent(
        [
            types.Part(text="x" * 50),
            types.Part(inline_data=types.Blob(data=b"12345", mime_type="text/plain", display_name="n.txt")),
            types.Part.from_uri(file_uri="https://files.example/n.txt?sig=abc"),
        ]
    )
    await chat(logging_in("ok"), LoggingPlugin(max_length=10)).say(sent)
    said = "says 'xxxxxxxxxx...', file 'n.txt' (text/plain, 5 bytes), file at 'https://files.example/n.txt'"
    assert log.messages[0].endswith(said)


@pytest.mark.parametrize(("level", "shown"), [(logging.DEBUG, 4), (logging.INFO, 0)])
async def test_chunks_are_for_those_who_want_everything(
    chat: Chats, caplog: pytest.LogCaptureFixture, level: int, shown: int
) -> None:
    with caplog.at_level(level, logger="runwright.plugins.logging"):
        streamed = RunConfig(streaming_mode=StreamingMode.SSE)
        await chat(logging_in(stream("one ", "two")), LoggingPlugin()).say("go", streamed)
    assert sum(line.endswith(("'one '", "'two'")) for line in caplog.messages) == shown
    assert any("event of a (final): 'one two'" in line for line in caplog.messages)


async def lines_of(chat: Chats, path: Path, agent: Agent, message: Any = "log me in") -> list[dict[str, Any]]:
    one = chat(agent, DebugLoggingPlugin(path))
    with contextlib.suppress(ArithmeticError):
        await one.say(message)
    return written(path)


def written(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


async def test_all_that_happens_is_written_as_lines_of_json(chat: Chats, tmp_path: Path) -> None:
    lines = await lines_of(chat, tmp_path / "run.jsonl", logging_in(LOGIN, "done"))
    model = ["before_model", "after_model", "on_event"]
    assert [line["hook"] for line in lines] == [
        *("on_user_message", "before_run", "before_agent"),
        *model,
        *("before_tool", "after_tool", "on_event"),
        *model,
        *("after_agent", "after_run"),
    ]
    assert len({line["invocationId"] for line in lines}) == 1
    assert [line["time"] for line in lines] == sorted(line["time"] for line in lines)
    before, asked, calling, answered = lines[1], lines[3], lines[6], lines[7]
    assert (before["appName"], before["userId"], before["sessionId"]) == ("chats", "u", "s")
    assert asked["llmRequest"]["contents"] == [{"role": "user", "parts": [{"text": "log me in"}]}]
    assert "log me in" not in str(asked["llmRequest"]["config"])
    assert asked["tools"] == ["login", "fail"]
    assert (calling["tool"], calling["agent"]) == ("login", "a")
    assert calling["toolArgs"] == {"user": "ada", "password": "[hidden]"}
    assert answered["result"] == {"status": "in", "access_token": "[hidden]", "nested": [{"apiKey": "[hidden]"}]}


async def test_no_secret_and_no_file_is_written(chat: Chats, tmp_path: Path) -> None:
    sent = types.UserContent([types.Part(text="see"), types.Part.from_bytes(data=b"12345", mime_type="text/plain")])
    path = tmp_path / "run.jsonl"
    lines = await lines_of(chat, path, logging_in(LOGIN, "done"), sent)
    assert lines[0]["userMessage"]["parts"][1]["inlineData"] == {"mimeType": "text/plain", "data": "<5 bytes>"}
    assert PASSWORD not in str(written(path))


async def test_failures_are_written_with_their_kind(chat: Chats, tmp_path: Path) -> None:
    lines = await lines_of(chat, tmp_path / "run.jsonl", logging_in(call("fail")))
    failures = [line for line in lines if "error" in line]
    assert [line["hook"] for line in failures] == ["on_tool_error", "on_agent_error", "on_run_error"]
    assert all(line["error"] == {"type": "ArithmeticError", "message": "two\nlines"} for line in failures)


async def test_a_file_that_is_there_is_gone_on_with(chat: Chats, tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    first = await lines_of(chat, path, logging_in("one"))
    both = await lines_of(chat, path, logging_in("two"))
    assert both[: len(first)] == first
    assert len(both) == 2 * len(first)


def test_only_its_owner_may_read_the_file(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    runner = InMemoryRunner(app=App(name="chats", root_agent=logging_in("one"), plugins=[DebugLoggingPlugin(path)]))
    assert not path.exists()
    with runner:
        runner.run(runner.agent, "hi")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_the_file_is_closed_with_the_runner(chat: Chats, tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    one = chat(logging_in("one"), DebugLoggingPlugin(path))
    await one.say("hi")
    await one.runner.close()  # An open file would be warned of, and warnings are errors.
    gc.collect()
    assert written(path)[-1]["hook"] == "after_run"


def test_every_hook_is_listened_to(tmp_path: Path) -> None:
    plugin = DebugLoggingPlugin(tmp_path / "run.jsonl")
    assert set(HOOKS) <= set(vars(plugin))
    assert set(HOOKS) <= set(vars(LoggingPlugin))
