# SPDX-License-Identifier: Apache-2.0
"""McpToolset against servers written with the official SDK, each in a process of its own."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runwright import Agent, InMemoryRunner
from runwright.errors import (
    ConfigurationError,
    MissingDependencyError,
    NotFoundError,
    RunCancelledError,
    ToolExecutionError,
)
from runwright.testing import FunctionModel, ScriptedModel, call
from runwright.tools.mcp import (
    McpToolset,
    SseConnectionParams,
    StdioConnectionParams,
    StdioServerParameters,
    StreamableHTTPConnectionParams,
)

mcp = pytest.importorskip("mcp", reason="the extra mcp is not installed")
mcp_types = pytest.importorskip("mcp_types", reason="the extra mcp is not installed")

SERVER = Path(__file__).with_name("mcp_server.py")
COMMAND = StdioServerParameters(command=sys.executable, args=[str(SERVER), "stdio"])
STDIO = StdioConnectionParams(server_params=COMMAND, timeout=60)
NAMES = ["add", "ask", "climb", "die", "fail", "greet", "header", "picture", "pid", "plan", "wait", "who"]
MANY = 30
CHANGES = 20  # more than the connections that are kept
AT_ONCE = 6
SECONDS = 30.0


class HttpServer:
    """A server on loopback, which may be killed and started again on its port."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.port = 0
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(SERVER), self.kind, str(self.port)], stdout=subprocess.PIPE, text=True
        )
        self.port = int(self.process.stdout.readline())

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def params(self, **options: object) -> StreamableHTTPConnectionParams | SseConnectionParams:
        if self.kind == "sse":
            return SseConnectionParams(url=f"http://127.0.0.1:{self.port}/sse", **options)
        return StreamableHTTPConnectionParams(url=f"http://127.0.0.1:{self.port}/mcp", **options)


@pytest.fixture
def serve() -> Iterator[Callable[[str], HttpServer]]:
    started: list[HttpServer] = []

    def start(kind: str = "http") -> HttpServer:
        started.append(HttpServer(kind))
        return started[-1]

    yield start
    for server in started:
        server.kill()


@pytest.fixture
async def toolset():
    """Makes toolsets, of the server over stdio where nothing else is said, and closes them."""
    made: list[McpToolset] = []

    def make(connection_params=STDIO, **options) -> McpToolset:
        made.append(McpToolset(connection_params=connection_params, **options))
        return made[-1]

    yield make
    for one in made:
        await one.close()


@pytest.fixture(params=["stdio", "http", "legacy", "sse"])
def any_server(request, serve):
    """Each way to reach a server."""
    return STDIO if request.param == "stdio" else serve(request.param).params()


def text(result) -> str:
    return result["content"][0]["text"]


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def appears(path: Path) -> None:
    async with asyncio.timeout(SECONDS):
        while not await asyncio.to_thread(path.exists):  # noqa: ASYNC110 - another process writes it
            await asyncio.sleep(0.01)


async def run(agent: Agent) -> list[dict]:
    """One message to an agent; gives what its tools answered. The runner closes the toolset."""
    async with InMemoryRunner(agent) as runner:
        events = [event async for event in runner.run_async(user_id="ada", session_id="s", new_message="Go")]
    return [answer.response for event in events for answer in event.get_function_responses()]


# --- what a server has


async def test_tools_are_listed_and_called_over_each_transport(any_server, toolset):
    tools = toolset(any_server)
    listed = await tools.get_tools()
    assert [tool.name for tool in listed] == NAMES
    declaration = listed[0].get_declaration()
    assert declaration.description == "Adds two numbers."
    assert declaration.parameters_json_schema["required"] == ["a", "b"]
    assert declaration.response_json_schema["properties"]["result"]["type"] == "integer"
    assert await tools.call_tool("add", {"a": 1, "b": 2}) == {
        "content": [{"type": "text", "text": "3"}],
        "structuredContent": {"result": 3},
        "isError": False,
    }


async def test_an_agent_calls_tools_by_their_prefixed_names_and_sees_those_of_the_filter(toolset):
    tools = toolset(tool_filter=["add", "greet"], tool_name_prefix="my")
    model = ScriptedModel([[call("my_add", a=2, b=3), call("my_greet", name="Ada")], "Done"])
    first, second = await run(Agent(name="a", model=model, tools=[tools]))
    assert first["structuredContent"] == {"result": 5}
    assert text(second) == "Hello, Ada!"
    assert list(model.requests[0].tools_dict) == ["my_add", "my_greet"]


async def test_a_filter_may_be_a_function(toolset):
    tools = await toolset(tool_filter=lambda tool, context: tool.name.startswith("p")).get_selected_tools()
    assert [tool.name for tool in tools] == ["picture", "pid", "plan"]


async def test_a_picture_goes_to_the_model_as_a_file_beside_the_answer(toolset):
    model = ScriptedModel([call("picture"), "Pretty"])
    await run(Agent(name="a", model=model, tools=[toolset()]))
    response = model.requests[1].contents[-1].parts[0].function_response
    (file,) = response.parts
    assert file.inline_data.mime_type == "image/png"
    assert file.inline_data.data.startswith(b"\x89PNG")
    assert "content" not in response.response


async def test_the_model_reads_resources_by_a_tool_that_names_them(toolset):
    tools = toolset(use_mcp_resources=True, tool_filter=["load_mcp_resource"])
    read = [call("load_mcp_resource", resource_name=name) for name in ("note", "pixel", "poem")]
    model = ScriptedModel([read, "Done"])
    note, pixel, poem = await run(Agent(name="a", model=model, tools=[tools]))
    assert note == {"contents": ["Buy milk"]}
    assert pixel == {}
    assert "it has: note, pixel" in poem["error"]
    (declaration,) = model.requests[0].config.tools[0].function_declarations
    assert "note, pixel" in declaration.description
    answers = [part.function_response for part in model.requests[1].contents[-1].parts]
    assert answers[1].parts[0].inline_data.mime_type == "image/png"


async def test_a_call_that_needs_confirmation_is_not_made_without_it(toolset):
    tools = toolset(require_confirmation=lambda a: a > 10)
    model = ScriptedModel([[call("add", a=11, b=1), call("add", a=2, b=1)], "Done"])
    assert [answer["structuredContent"] for answer in await run(Agent(name="a", model=model, tools=[tools]))] == [
        {"result": 3}
    ]


async def test_resources_are_listed_and_read_by_name_and_by_uri(toolset):
    tools = toolset()
    assert sorted(await tools.list_resources()) == ["note", "pixel"]
    assert (await tools.get_resource_info("note"))["uri"] == "memo://note"
    (note,) = await tools.read_resource("note")
    assert note.text == "Buy milk"
    (pixel,) = await tools.read_resource("memo://pixel")
    assert pixel.inline_data.mime_type == "image/png"
    assert pixel.inline_data.data.startswith(b"\x89PNG")
    with pytest.raises(NotFoundError, match="note, pixel"):
        await tools.read_resource("poem")


async def test_prompts_are_listed_and_filled_in(toolset):
    tools = toolset()
    (prompt,) = await tools.list_prompts()
    assert (prompt["name"], prompt["arguments"][0]["name"]) == ("review", "code")
    (message,) = await tools.get_prompt("review", {"code": "x = 1"})
    assert (message.role, message.parts[0].text) == ("user", "Review this: x = 1")


# --- headers


@pytest.mark.parametrize("kind", ["http", "legacy", "sse"])
async def test_each_users_headers_go_with_what_is_asked_for_that_user(kind, serve, toolset):
    params = serve(kind).params(headers={"x-fixed": "always"})

    async def headers(context):
        return {"x-user": context.user_id}

    tools = toolset(params, header_provider=headers)
    replies = [[call("header", name="x-user"), call("header", name="x-fixed")], "Done"]
    agent = Agent(name="a", model=ScriptedModel(replies, repeat=True), tools=[tools])

    async def heard(runner, user):
        events = [event async for event in runner.run_async(user_id=user, session_id=user, new_message="Go")]
        return [text(answer.response) for event in events for answer in event.get_function_responses()]

    async with InMemoryRunner(agent) as runner:
        assert await heard(runner, "ada") == ["ada", "always"]
        assert await heard(runner, "bob") == ["bob", "always"]
        assert await heard(runner, "ada") == ["ada", "always"]


async def test_users_at_the_same_time_have_each_their_own_headers(serve, toolset):
    tools = toolset(serve().params(), header_provider=lambda context: {"x-user": context.user_id})
    replies = [call("header", name="x-user"), "Done"]
    agent = Agent(name="a", model=FunctionModel(lambda request: replies[len(request.contents) > 1]), tools=[tools])

    async def heard(runner, user):
        events = [event async for event in runner.run_async(user_id=user, session_id="s", new_message="Go")]
        return [text(answer.response) for event in events for answer in event.get_function_responses()]

    async with InMemoryRunner(agent) as runner:
        users = [f"user {number}" for number in range(AT_ONCE)]
        assert await asyncio.gather(*(heard(runner, user) for user in users)) == [[user] for user in users]


async def test_connections_for_headers_that_change_each_time_do_not_pile_up(serve, toolset):
    count = iter(range(CHANGES))
    tools = toolset(serve().params(), header_provider=lambda context: {"x-call": str(next(count))})
    before = asyncio.all_tasks()
    replies = [*[call("header", name="x-call")] * (CHANGES - 1), "Done"]
    answers = await run(Agent(name="a", model=ScriptedModel(replies), tools=[tools]))
    assert [text(answer) for answer in answers] == [str(number) for number in range(1, CHANGES)]
    assert asyncio.all_tasks() == before


# --- what goes wrong


async def test_a_failure_that_the_tool_reports_is_told_to_the_model(toolset):
    model = ScriptedModel([call("fail", why="no paper"), "Sorry"])
    (answer,) = await run(Agent(name="a", model=model, tools=[toolset()]))
    assert answer == {"error": "Error executing tool fail: no paper", "error_type": "MCP_TOOL_ERROR"}


async def test_bad_arguments_are_told_to_the_model_with_the_servers_words(toolset):
    with pytest.raises(ToolExecutionError, match="valid integer"):
        await toolset().call_tool("add", {"a": "x", "b": 1})


async def test_a_command_that_does_not_exist_says_so(toolset):
    with pytest.raises(ToolExecutionError, match=r"no-such-server.*No such file"):
        await toolset(StdioServerParameters(command="no-such-server")).get_tools()


async def test_a_server_that_is_never_ready_is_given_up_and_ended(toolset, tmp_path):
    noted = tmp_path / "pid"
    code = f"import os, time; open({str(noted)!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    command = StdioServerParameters(command=sys.executable, args=["-c", code])
    tools = toolset(StdioConnectionParams(server_params=command, timeout=2))
    with pytest.raises(ToolExecutionError, match="not ready within 2 seconds"):
        await tools.get_tools()
    await tools.close()
    assert not is_running(int(noted.read_text()))


async def test_nobody_listening_is_told_with_the_url_but_not_its_secrets(serve, toolset):
    server = serve()
    server.kill()
    tools = toolset(StreamableHTTPConnectionParams(url=f"http://me:word@127.0.0.1:{server.port}/mcp?key=secret"))
    with pytest.raises(ToolExecutionError) as raised:
        await tools.get_tools()
    assert raised.value.error_type == "MCP_CONNECTION_FAILED"
    assert f"http://127.0.0.1:{server.port}/mcp " in str(raised.value)
    assert "secret" not in str(raised.value)
    assert "word" not in str(raised.value)


async def test_a_server_that_answers_with_a_status_is_told_with_it(serve, toolset):
    params = StreamableHTTPConnectionParams(url=f"http://127.0.0.1:{serve().port}/elsewhere")
    with pytest.raises(ToolExecutionError, match="HTTP status 404"):
        await toolset(params).get_tools()
    url = f"http://127.0.0.1:{serve('sse').port}/elsewhere?key=secret"
    with pytest.raises(ToolExecutionError, match="HTTP status 404") as raised:
        await toolset(SseConnectionParams(url=url)).get_tools()
    assert "secret" not in str(raised.value)


def test_arguments_that_do_not_fit_are_named():
    with pytest.raises(ConfigurationError, match="header_provider"):
        McpToolset(connection_params=STDIO, header_provider=lambda context: {})
    with pytest.raises(ConfigurationError, match="connection_params"):
        McpToolset(connection_params="http://127.0.0.1/mcp")  # type: ignore[arg-type]


def test_without_the_sdk_the_error_names_the_extra():
    code = (
        "import asyncio, sys; sys.modules['mcp'] = None\n"
        "from runwright.errors import MissingDependencyError\n"
        "from runwright.tools.mcp import McpToolset, StdioServerParameters\n"
        "try: asyncio.run(McpToolset(connection_params=StdioServerParameters(command='x')).get_tools())\n"
        "except MissingDependencyError as error: sys.exit(str(error))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "pip install 'runwright[mcp]'" in done.stderr
    assert issubclass(MissingDependencyError, ImportError)


# --- a server that goes away


async def test_a_call_that_the_server_did_not_survive_is_not_repeated_and_the_next_one_has_a_new_server(toolset):
    tools = toolset()
    first = (await tools.call_tool("pid", {}))["structuredContent"]["result"]
    with pytest.raises(ToolExecutionError, match="Whether the call took effect is not known") as raised:
        await tools.call_tool("die", {})
    assert raised.value.error_type == "MCP_CONNECTION_FAILED"
    second = (await tools.call_tool("pid", {}))["structuredContent"]["result"]
    assert first != second
    assert not is_running(first)


async def test_a_killed_server_is_started_again_for_the_next_run(toolset):
    tools = toolset()
    pid = (await tools.call_tool("pid", {}))["structuredContent"]["result"]
    os.kill(pid, signal.SIGKILL)
    assert [tool.name for tool in await tools.get_tools()] == NAMES
    assert (await tools.call_tool("add", {"a": 1, "b": 1}))["structuredContent"] == {"result": 2}


@pytest.mark.parametrize("kind", ["http", "legacy", "sse"])
async def test_a_server_that_was_started_again_is_connected_to_again(kind, serve, toolset):
    server = serve(kind)
    tools = toolset(server.params())
    await tools.call_tool("pid", {})
    server.kill()
    with pytest.raises(ToolExecutionError) as raised:
        await tools.get_tools()
    assert raised.value.error_type == "MCP_CONNECTION_FAILED"
    server.start()
    assert [tool.name for tool in await tools.get_tools()] == NAMES
    assert (await tools.call_tool("pid", {}))["structuredContent"] == {"result": server.process.pid}


async def test_a_call_in_a_session_that_the_server_forgot_is_made_in_a_new_one(serve, toolset):
    server = serve("legacy")
    tools = toolset(server.params())
    await tools.call_tool("pid", {})
    server.kill()
    server.start()
    result = await tools.call_tool("pid", {})
    assert result["structuredContent"] == {"result": server.process.pid}


async def test_what_a_tool_tells_of_its_progress_reaches_the_caller(toolset):
    agent = Agent(name="a", model=ScriptedModel([call("climb", steps=2), "Up."]), tools=[toolset()])
    async with InMemoryRunner(agent) as runner:
        events = [one async for one in runner.run_async(user_id="u", session_id="s", new_message="Up")]
    reports = [answer.response for one in events if one.partial for answer in one.get_function_responses()]
    assert reports == [{"progress": step, "total": 2, "message": f"step {step}"} for step in (1, 2)]


# --- cancelling and closing


@pytest.mark.parametrize("kind", ["stdio", "http", "legacy"])
async def test_a_cancelled_call_is_cancelled_at_the_server_and_the_connection_goes_on(kind, serve, toolset, tmp_path):
    told: asyncio.Queue[tuple[float, float | None, str | None]] = asyncio.Queue()

    async def progress(progress: float, total: float | None, message: str | None) -> None:
        told.put_nowait((progress, total, message))

    tools = toolset(STDIO if kind == "stdio" else serve(kind).params(), progress_callback=progress)
    before = await tools.call_tool("pid", {})
    started, cancelled = tmp_path / "started", tmp_path / "cancelled"
    waiting = asyncio.create_task(tools.call_tool("wait", {"started": str(started), "cancelled": str(cancelled)}))
    await appears(started)
    assert await told.get() == (1, 2, "waiting")
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await appears(cancelled)
    assert await tools.call_tool("pid", {}) == before


async def test_calls_from_many_tasks_share_one_connection(toolset):
    tools = toolset()
    sums = await asyncio.gather(*(tools.call_tool("add", {"a": n, "b": n}) for n in range(MANY)))
    assert [one["structuredContent"]["result"] for one in sums] == [2 * n for n in range(MANY)]
    pids = await asyncio.gather(*(tools.call_tool("pid", {}) for _ in range(MANY)))
    assert len({one["structuredContent"]["result"] for one in pids}) == 1


async def test_closing_ends_calls_that_are_under_way(toolset, tmp_path):
    tools = toolset()
    started = tmp_path / "started"
    waiting = asyncio.create_task(
        tools.call_tool("wait", {"started": str(started), "cancelled": str(tmp_path / "cancelled")})
    )
    await appears(started)
    await tools.close()
    with pytest.raises(ToolExecutionError, match="Whether the call took effect is not known"):
        await waiting


async def test_one_who_is_cancelled_while_it_connects_takes_nothing_from_the_others(toolset):
    tools = toolset()
    impatient, patient = asyncio.create_task(tools.get_tools()), asyncio.create_task(tools.get_tools())
    await asyncio.sleep(0)
    impatient.cancel()
    with pytest.raises(asyncio.CancelledError):
        await impatient
    assert [tool.name for tool in await patient] == NAMES


async def test_a_run_that_is_cancelled_cancels_its_call_at_the_server(toolset, tmp_path):
    started, cancelled = tmp_path / "started", tmp_path / "cancelled"
    model = ScriptedModel([call("wait", started=str(started), cancelled=str(cancelled))])
    async with InMemoryRunner(Agent(name="a", model=model, tools=[toolset()])) as runner:
        run = runner.start(user_id="ada", session_id="s", new_message="Go")
        await appears(started)
        run.cancel("enough")
        with pytest.raises(RunCancelledError):
            await run
        await appears(cancelled)


async def test_closing_while_it_connects_leaves_nothing(tmp_path):
    noted = tmp_path / "pid"
    code = f"import os, time; open({str(noted)!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    tools = McpToolset(connection_params=StdioServerParameters(command=sys.executable, args=["-c", code]))
    listing = asyncio.create_task(tools.get_tools())
    await appears(noted)
    await tools.close()
    with pytest.raises(ToolExecutionError, match="closed"):
        await listing
    assert not is_running(int(noted.read_text()))


REFUSING = """
import json, os, sys, time
for _ in range(2):
    asked = json.loads(sys.stdin.readline())
    error = {"code": -32603, "message": "not today"}
    print(json.dumps({"jsonrpc": "2.0", "id": asked["id"], "error": error}), flush=True)
open(sys.argv[1], "w").write(str(os.getpid()))
time.sleep(600)
"""


async def test_closing_does_not_break_off_the_end_of_a_server_that_refused_and_stays(tmp_path):
    noted = tmp_path / "pid"
    command = StdioServerParameters(command=sys.executable, args=["-c", REFUSING, str(noted)])
    tools = McpToolset(connection_params=command)
    listing = asyncio.create_task(tools.get_tools())
    await appears(noted)
    await asyncio.sleep(0.2)  # most likely the connection is being given up by now, which takes longer
    await tools.close()
    with pytest.raises(ToolExecutionError, match=r"not today|closed"):
        await listing
    assert not is_running(int(noted.read_text()))


async def test_after_closing_it_connects_again(toolset):
    tools = toolset()
    first = await tools.call_tool("pid", {})
    await tools.close()
    await tools.close()
    assert await tools.call_tool("pid", {}) != first


async def test_each_event_loop_has_its_connection_and_closing_reaches_all_of_them(toolset):
    tools = toolset()
    opened, stop, pids = threading.Event(), threading.Event(), []

    async def elsewhere() -> None:
        pids.append((await tools.call_tool("pid", {}))["structuredContent"]["result"])
        opened.set()
        await asyncio.to_thread(stop.wait)

    thread = threading.Thread(target=asyncio.run, args=(elsewhere(),))
    thread.start()
    try:
        pids.append((await tools.call_tool("pid", {}))["structuredContent"]["result"])
        await asyncio.to_thread(opened.wait)
        assert len(set(pids)) == 2
        await tools.close()
        assert [pid for pid in pids if is_running(pid)] == []
    finally:
        stop.set()
        await asyncio.to_thread(thread.join)


def test_a_loop_that_ends_takes_its_server_with_it():
    tools = McpToolset(connection_params=STDIO)

    async def pid() -> int:
        return (await tools.call_tool("pid", {}))["structuredContent"]["result"]

    first, second = asyncio.run(pid()), asyncio.run(pid())
    assert first != second
    assert not is_running(first)
    assert not is_running(second)
    asyncio.run(tools.close())


# --- what a server asks


async def test_a_server_over_http_of_the_older_protocol_may_ask_model_and_user(serve, toolset):
    async def asked(context, params):
        return mcp_types.ElicitResult(action="accept", content={"name": "Ada"})

    tools = toolset(serve("legacy").params(), sampling_model=ScriptedModel(["Lovely"]), elicitation_callback=asked)
    assert text(await tools.call_tool("ask", {"topic": "tea"})) == "The model says: Lovely"
    assert text(await tools.call_tool("who", {})) == "You are Ada"
