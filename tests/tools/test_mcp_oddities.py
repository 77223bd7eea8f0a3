# SPDX-License-Identifier: Apache-2.0
"""McpToolset and servers that the SDK would not make: in processes of their own, over stdio, without the SDK."""

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from runwright import Agent, InMemoryRunner
from runwright.errors import ToolExecutionError
from runwright.testing import ScriptedModel, call
from runwright.tools.mcp import (
    McpToolset,
    StdioConnectionParams,
    StdioServerParameters,
    StreamableHTTPConnectionParams,
)

mcp = pytest.importorskip("mcp", reason="the extra mcp is not installed")
mcp_types = pytest.importorskip("mcp_types", reason="the extra mcp is not installed")

SERVER = Path(__file__).with_name("mcp_bare_server.py")
MEGABYTE = 2**20
TOOLS = 17


def bare(*odd: str, **options: Any) -> McpToolset:
    command = StdioServerParameters(command=sys.executable, args=[str(SERVER), *odd])
    timeout = options.pop("timeout", 30)
    return McpToolset(connection_params=StdioConnectionParams(server_params=command, timeout=timeout), **options)


@pytest.fixture
async def tools() -> AsyncIterator[McpToolset]:
    made = bare()
    yield made
    await made.close()


def text(result: Any) -> str:
    return result["content"][0]["text"]


async def run(model: ScriptedModel, tools: McpToolset) -> list[dict[str, Any]]:
    """What an agent's calls were answered."""
    async with InMemoryRunner(Agent(name="a", model=model, tools=[tools])) as runner:
        events = [event async for event in runner.run_async(user_id="ada", session_id="s", new_message="Go")]
    return [answer.response for event in events for answer in event.get_function_responses()]


# --- lists


async def test_all_pages_of_a_list_are_asked_for_and_odd_schemas_are_kept(tools: McpToolset) -> None:
    listed = {tool.name: tool.get_declaration().parameters_json_schema for tool in await tools.get_tools()}
    assert len(listed) == TOOLS
    assert listed["pid"] == {"type": "object"}
    assert listed["anything"]["properties"] == {"x": True, "y": {}}
    assert listed["tree"]["$defs"]["node"]["properties"] == {"next": {"$ref": "#/$defs/node"}}


async def test_a_list_without_an_end_is_given_up() -> None:
    tools = bare("endless")
    with pytest.raises(ToolExecutionError, match="lists without an end"):
        await tools.get_tools()
    await tools.close()


async def test_a_list_that_changed_is_asked_for_again(tools: McpToolset) -> None:
    model = ScriptedModel([call("grow"), "Done", call("grown_0"), "Done"])
    async with InMemoryRunner(Agent(name="a", model=model, tools=[tools])) as runner:
        for _ in range(2):
            events = [event async for event in runner.run_async(user_id="ada", session_id="s", new_message="Go")]
    assert "grown_0" not in model.requests[0].tools_dict
    assert "grown_0" in model.requests[2].tools_dict
    assert text(events[1].get_function_responses()[0].response) == "done"


# --- results


async def test_a_huge_result_arrives_whole(tools: McpToolset) -> None:
    assert len(text(await tools.call_tool("big", {"size": 5 * MEGABYTE}))) == 5 * MEGABYTE


async def test_each_kind_of_block_reaches_the_model(tools: McpToolset) -> None:
    model = ScriptedModel([call("blocks"), "Done"])
    (answer,) = await run(model, tools)
    note, link = answer["content"]
    assert note["resource"]["text"] == "a note"
    assert (link["type"], link["uri"]) == ("resource_link", "memo://c")
    assert answer["structuredContent"] == {"a": [1]}
    files = model.requests[1].contents[-1].parts[0].function_response.parts
    assert [file.inline_data.mime_type for file in files] == ["image/png", "audio/wav", "application/pdf"]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("wrong", {"error": "no paper", "error_type": "MCP_TOOL_ERROR"}),
        ("wrong_data", {"error": '{"code":7}', "error_type": "MCP_TOOL_ERROR"}),
        ("bad_bytes", {"error": "gave no proper answer", "error_type": "MCP_BAD_ANSWER"}),
        ("no_result", {"error": "gave no proper answer", "error_type": "MCP_BAD_ANSWER"}),
        ("die", {"error": "Whether the call took effect is not known", "error_type": "MCP_CONNECTION_FAILED"}),
    ],
)
async def test_what_is_wrong_with_a_result_is_told_to_the_model_and_the_next_call_is_made(
    name: str, told: dict[str, str], tools: McpToolset
) -> None:
    answer, after = await run(ScriptedModel([call(name), call("pid"), "Sorry"]), tools)
    assert told["error"] in answer["error"]
    assert answer["error_type"] == told["error_type"]
    assert int(text(after))


# --- noise


async def test_junk_on_standard_output_is_passed_over(tools: McpToolset, caplog: pytest.LogCaptureFixture) -> None:
    pid = text(await tools.call_tool("pid", {}))
    assert text(await tools.call_tool("junk", {})) == "done"
    assert text(await tools.call_tool("pid", {})) == pid
    assert "Failed to parse" in caplog.text
    noisy = bare("junk")
    assert len(await noisy.get_tools()) == TOOLS
    await noisy.close()


async def test_a_flood_on_standard_error_goes_where_it_was_told_to_and_holds_nothing_up(tmp_path: Path) -> None:
    with (tmp_path / "errors").open("w") as errors:
        tools = bare(errlog=errors)
        assert text(await tools.call_tool("flood", {})) == "done"
        await tools.close()
    assert (tmp_path / "errors").stat().st_size == 200_000 * len("noise\n")


# --- servers that do not serve


async def test_a_server_that_leaves_at_once_is_named() -> None:
    tools = bare("leaves")
    with pytest.raises(ToolExecutionError, match=rf"{re.escape(sys.executable)}.*cannot be reached") as raised:
        await tools.get_tools()
    assert raised.value.error_type == "MCP_CONNECTION_FAILED"
    await tools.close()


async def test_a_server_that_hangs_is_named_with_its_deadline() -> None:
    tools = bare("silent", timeout=0.3)
    with pytest.raises(ToolExecutionError, match=rf"{re.escape(sys.executable)}.*not ready within 0.3 seconds"):
        await tools.get_tools()
    await tools.close()


async def test_a_server_over_http_that_takes_connections_and_never_answers_is_given_up() -> None:
    held: list[asyncio.StreamWriter] = []
    silent = await asyncio.start_server(lambda _, writer: held.append(writer), "127.0.0.1", 0)
    async with silent:
        port = silent.sockets[0].getsockname()[1]
        tools = McpToolset(
            connection_params=StreamableHTTPConnectionParams(url=f"http://127.0.0.1:{port}/mcp", timeout=0.3)
        )
        with pytest.raises(ToolExecutionError, match=rf"127.0.0.1:{port}/mcp cannot be reached: .*0.3 seconds"):
            await tools.get_tools()
        await tools.close()
        for writer in held:
            writer.close()


async def test_a_call_that_takes_too_long_is_told_and_ends_with_the_connection(tools: McpToolset) -> None:
    model = ScriptedModel([call("sleep", seconds=600), "Sorry"])
    agent = Agent(name="a", model=model, tools=[tools])
    for tool in await tools.get_tools():
        assert tool.timeout is None
    async with asyncio.timeout(30):
        async with InMemoryRunner(agent) as runner:
            run = runner.start(user_id="ada", session_id="s", new_message="Go")
            async for event in run:
                if event.get_function_calls():
                    break
            await asyncio.sleep(0.1)
            await tools.close()  # which kills a server that does not heed the end of its input
            (answer,) = [one.response for event in await run for one in event.get_function_responses()]
    assert "Whether the call took effect is not known" in answer["error"]


# --- loops and threads


def test_plain_code_uses_one_toolset_in_runs_and_runners_one_after_the_other() -> None:
    tools = bare()
    pids = []
    for _ in range(2):
        model = ScriptedModel([call("pid"), "Done"] * 2)
        with InMemoryRunner(Agent(name="a", model=model, tools=[tools])) as runner:
            for _ in range(2):
                run = runner.run(user_id="ada", session_id="s", new_message="Go")
                pids += [int(text(one.response)) for event in run for one in event.get_function_responses()]
    assert pids[0] == pids[1]
    assert pids[2] == pids[3]
    assert pids[0] != pids[2]
    for pid in set(pids):
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


# --- what it asks the user, and the model


async def test_what_a_server_asks_the_user_is_refused_where_nobody_answers(tools: McpToolset) -> None:
    form = {"message": "Who?", "requestedSchema": {"type": "object", "properties": {}}}
    assert "Elicitation not supported" in text(await tools.call_tool("ask_user", form))


async def test_forms_and_addresses_reach_the_callback() -> None:
    asked: list[Any] = []

    async def answer(context: Any, params: Any) -> Any:
        asked.append(params)
        if params.mode == "url":
            return mcp_types.ElicitResult(action="decline")
        return mcp_types.ElicitResult(action="accept", content={"name": "Ada"})

    tools = bare(elicitation_callback=answer)
    form = {"mode": "form", "message": "Who?", "requestedSchema": {"type": "object", "properties": {}}}
    assert '"name": "Ada"' in text(await tools.call_tool("ask_user", form))
    address = {"mode": "url", "message": "Sign in", "url": "https://example.com/", "elicitationId": "1"}
    assert '"action": "decline"' in text(await tools.call_tool("ask_user", address))
    assert [params.mode for params in asked] == ["form", "url"]
    assert asked[1].url == "https://example.com/"
    await tools.close()


def test_the_bare_server_ends_with_its_input() -> None:
    done = subprocess.run([sys.executable, str(SERVER)], input=b"", capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


async def test_a_toolset_may_be_closed_at_any_step_of_connecting(tools: McpToolset) -> None:
    await tools.get_tools()
    await tools.close()
    for steps in range(8):
        connecting = asyncio.create_task(tools.get_tools())
        for _ in range(steps):
            await asyncio.sleep(0)
        async with asyncio.timeout(30):
            await tools.close()
            await asyncio.wait([connecting])
        assert isinstance(connecting.exception(), ToolExecutionError | None)
        await tools.close()
