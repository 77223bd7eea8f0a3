# SPDX-License-Identifier: Apache-2.0
"""Agents served over MCP, asked by the official SDK's client: in this process, in a child's pipes, and over HTTP."""

import asyncio
import base64
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import BaseModel

from runwright import (
    START,
    Agent,
    App,
    AuthConfig,
    AuthCredential,
    BasePlugin,
    FunctionTool,
    InMemoryCredentialService,
    InMemoryRunner,
    InMemorySessionService,
    LlmResponse,
    Runner,
    Workflow,
    to_mcp_server,
)
from runwright.cli.loading import load_program
from runwright.errors import ConfigurationError, MissingDependencyError, ToolExecutionError
from runwright.testing import FunctionModel, ScriptedModel, call
from runwright.tools.mcp import McpToolset, StdioConnectionParams, StdioServerParameters, StreamableHTTPConnectionParams

httpx2 = pytest.importorskip("httpx2", reason="httpx2 is not installed")
mcp = pytest.importorskip("mcp", reason="the extra mcp is not installed")
mcp_types = pytest.importorskip("mcp_types", reason="the extra mcp is not installed")

PROGRAM = Path(__file__).with_name("mcp_agent.py")
PIXEL = b"\x89PNG\r\n\x1a\n-not-quite"
SECONDS = 30.0
MANY = 8
ENVIRONMENT = {"PYTHONPATH": str(Path(__file__).resolve().parents[2] / "src"), "PYTHONWARNINGS": "error"}
SESSION = "runwright/sessionId"

YES = mcp_types.ElicitResult(action="accept", content={"confirmed": True})
NO = mcp_types.ElicitResult(action="accept", content={"confirmed": False})
LEFT = mcp_types.ElicitResult(action="cancel")


def command(*words: str, path: str = str(PROGRAM)) -> list[str]:
    return ["-m", "runwright", "mcp", path, *words]


def stdio(*words: str, path: str = str(PROGRAM), cwd: Path | None = None) -> Any:
    return mcp.StdioServerParameters(command=sys.executable, args=command(*words, path=path), env=ENVIRONMENT, cwd=cwd)


class User:
    """Answers what a server asks, and keeps it."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked: list[Any] = []

    async def __call__(self, context: Any, params: Any) -> Any:
        self.asked.append(params)
        return self.answers.pop(0)


@pytest.fixture(params=["auto", "legacy"])
def era(request: pytest.FixtureRequest) -> str:
    """The protocol with connections, and the one without."""
    return request.param


def texts(result: Any) -> list[str]:
    return [block.text for block in result.content if block.type == "text"]


async def ask(client: Any, request: str, name: str = "helper", **arguments: Any) -> Any:
    return await client.call_tool(name, {"request": request, **arguments})


async def appears(path: Path) -> None:
    async with asyncio.timeout(SECONDS):
        while not await asyncio.to_thread(path.exists):  # noqa: ASYNC110 - another process writes it
            await asyncio.sleep(0.01)


def is_running(pid: int) -> bool:
    """Whether a process is there: one that has ended, and that nobody waits for, is not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/status")
    return not status.exists() or "\nState:\tZ" not in status.read_text(encoding="utf-8")


async def ends(pid: int) -> None:
    async with asyncio.timeout(SECONDS):
        while await asyncio.to_thread(is_running, pid):  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.05)


def served(name: str = "root_agent") -> Any:
    """The agent of the program, in this process."""
    return to_mcp_server(load_program(f"{PROGRAM}:{name}").agent)


def echo() -> Agent:
    def said(request: Any) -> str:
        return " ".join(
            part.text for one in request.contents if one.role == "user" for part in one.parts if part.text is not None
        )

    return Agent(name="echo", description="Says it again.", model=FunctionModel(said))


@asynccontextmanager
async def serving(*words: str) -> AsyncIterator[str]:
    """The command over HTTP, on any port; gives the URL."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *command("--transport", "streamable-http", "--port", "0", *words),
        env={**os.environ, **ENVIRONMENT},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    assert process.stderr is not None
    try:
        async with asyncio.timeout(SECONDS):
            first = (await process.stderr.readline()).decode()
            found = re.search(r"at (http://\S+/mcp)\.", first)
            assert found is not None, first + (await process.stderr.read()).decode()
            yield found[1]
            process.send_signal(signal.SIGTERM)
            assert await process.wait() == 0
            rest = (await process.stderr.read()).decode()
            assert [line for line in rest.splitlines() if line.startswith(("ERROR", "Exception"))] == []
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "0.0.0.0"])
async def test_websites_may_not_use_a_server(host: str) -> None:
    """A page that a browser shows, of a name that leads to this machine, say."""
    asked = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    headers = {"accept": "application/json, text/event-stream"}
    async with serving("--host", host) as url, httpx2.AsyncClient(trust_env=False) as client:
        here = url.replace("0.0.0.0", "127.0.0.1")
        for origin in ("http://evil.test:8000", "null", "http://localhost.evil.test", "http://["):
            answer = await client.post(here, json=asked, headers={**headers, "origin": origin})
            assert answer.status_code == 403, origin
        for mine in ({}, {"origin": "http://localhost:6274"}):
            assert (await client.post(here, json=asked, headers={**headers, **mine})).status_code != 403
        if host == "127.0.0.1":
            answer = await client.post(here, json=asked, headers={**headers, "host": "evil.test:8000"})
            assert answer.status_code == 421
            large = await client.post(
                here, content=b"x" * 5_000_000, headers={**headers, "content-type": "application/json"}
            )
            assert large.status_code == 413


# --- the tool


async def test_an_agent_is_a_tool_by_its_name_with_its_description(era: str) -> None:
    async with mcp.Client(to_mcp_server(echo(), instructions="Ask it."), mode=era) as client:
        assert client.instructions == "Ask it."
        (tool,) = (await client.list_tools()).tools
        assert (tool.name, tool.description) == ("echo", "Says it again.")
        assert tool.input_schema["required"] == ["request"]
        assert set(tool.input_schema["properties"]) == {"request", "session_id"}
        result = await ask(client, "Hi", "echo")
        assert (texts(result), result.is_error, result.structured_content) == (["Hi"], False, None)


class Order(BaseModel):
    dish: str
    count: int = 1


class Bill(BaseModel):
    total: float


async def test_its_schemas_are_the_tools_and_its_answer_is_structured(era: str) -> None:
    model = ScriptedModel(['```json\n{"total": 12.5}\n```', "That was good."])
    agent = Agent(name="cook", model=model, input_schema=Order, output_schema=Bill)
    async with mcp.Client(to_mcp_server(agent, name="kitchen"), mode=era) as client:
        (tool,) = (await client.list_tools()).tools
        assert tool.name == "kitchen"
        assert tool.input_schema["required"] == ["dish"]
        assert tool.output_schema["properties"] == {"total": {"type": "number"}}
        result = await client.call_tool("kitchen", {"dish": "soup", "count": 2})
        assert result.structured_content == {"total": 12.5}
        assert json.loads(model.requests[0].contents[-1].parts[0].text) == {"dish": "soup", "count": 2}
        result = await client.call_tool("kitchen", {"count": "many"})
        assert result.is_error
        assert "count" in texts(result)[0]
        result = await client.call_tool("kitchen", {"dish": "cake"})
        assert result.is_error
        assert "does not fit its output_schema" in texts(result)[0]


async def test_an_answer_that_is_no_object_is_put_into_one(era: str) -> None:
    agent = Agent(name="cook", model=ScriptedModel(['[{"total": 1}]']), output_schema=list[Bill])
    async with mcp.Client(to_mcp_server(agent), mode=era) as client:
        await client.list_tools()  # from now on the client checks results
        assert (await ask(client, "Go", "cook")).structured_content == {"result": [{"total": 1}]}


async def test_an_argument_of_the_agents_own_called_session_id_is_the_agents(era: str) -> None:
    class Lookup(BaseModel):
        session_id: int

    model = ScriptedModel(["Found"])
    agent = Agent(name="look", model=model, input_schema=Lookup)
    async with mcp.Client(to_mcp_server(agent), mode=era) as client:
        assert texts(await client.call_tool("look", {"session_id": 7})) == ["Found"]
    assert model.requests[0].contents[-1].parts[0].text == '{"session_id":7}'


async def test_the_answer_of_a_workflow_is_what_it_says_and_gives(era: str) -> None:
    def shout(node_input: str) -> dict[str, str]:
        return {"said": node_input.upper()}

    def begin() -> str:
        return "never told"

    writer = Agent(name="writer", model=ScriptedModel(["draft"]))
    flow = Workflow(name="flow", edges=[(START, begin, writer, shout)])
    async with mcp.Client(to_mcp_server(flow), mode=era) as client:
        assert texts(await ask(client, "Go", "flow")) == ["draft", '{"said":"DRAFT"}']


async def test_an_answer_that_the_provider_blocked_is_an_error(era: str) -> None:
    blocked = LlmResponse(error_code="SAFETY", error_message="The answer was blocked.")
    async with mcp.Client(to_mcp_server(Agent(name="a", model=ScriptedModel([blocked]))), mode=era) as client:
        result = await ask(client, "Go", "a")
    assert result.is_error
    assert texts(result) == ["The answer was blocked."]


async def test_a_runner_and_an_app_of_ones_own_are_used_and_left_open(era: str) -> None:
    heard: list[str] = []

    class Listening(BasePlugin):
        async def before_run_callback(self, *, invocation_context: Any) -> None:
            heard.append(invocation_context.user_id)

    app = App(name="shop", root_agent=echo(), plugins=[Listening(name="listening")])
    sessions = InMemorySessionService()
    async with Runner(app=app, session_service=sessions) as runner:
        server = to_mcp_server(app, runner=runner, user_id="ada")
        for _ in range(2):
            async with mcp.Client(server, mode=era) as client:
                session_id = (await ask(client, "Hi", "echo")).meta[SESSION]
                stored = await sessions.get_session(app_name="shop", user_id="ada", session_id=session_id)
                assert stored is not None and len(stored.events) == 2
        assert heard == ["ada", "ada"]
        assert await runner.run_simple("ada", session_id, "again") == "Hi again"


async def test_other_tools_may_stand_beside_it(era: str) -> None:
    server = to_mcp_server(echo())
    server.add_tool(lambda: "pong", name="ping", description="Answers.")
    async with mcp.Client(server, mode=era) as client:
        assert [tool.name for tool in (await client.list_tools()).tools] == ["echo", "ping"]
        assert texts(await client.call_tool("ping", {})) == ["pong"]
        assert (await client.call_tool("pong", {})).is_error


async def test_files_in_the_answer_are_blocks(era: str) -> None:
    async with mcp.Client(served(), mode=era) as client:
        text, picture, sound, paper = (await ask(client, "draw")).content
    assert text.text == "Here:"
    assert (picture.type, picture.mime_type, base64.b64decode(picture.data)) == ("image", "image/png", PIXEL)
    assert (sound.type, sound.mime_type) == ("audio", "audio/wav")
    assert (paper.resource.mime_type, base64.b64decode(paper.resource.blob)) == ("application/pdf", b"%PDF")


# --- what goes wrong


async def test_what_goes_wrong_is_a_tool_error_with_a_message(era: str) -> None:
    async with mcp.Client(served(), mode=era) as client:
        for arguments, said in (
            ({"request": "fail no paper"}, "ValueError: no paper"),
            ({"request": 3}, "helper needs 'request'"),
            ({}, "helper needs 'request'"),
            ({"request": "Hi", "session_id": ""}, "'session_id' is the id of a conversation"),
        ):
            result = await client.call_tool("helper", arguments)
            assert result.is_error
            (text,) = texts(result)
            assert said in text
            assert "Traceback" not in text
        assert not (await ask(client, "Hi")).is_error


def test_without_the_sdk_the_error_names_the_extra() -> None:
    code = "import sys; sys.modules['mcp'] = None; from runwright import Agent, to_mcp_server; "
    code += "to_mcp_server(Agent(name='a', model='m'))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "pip install 'runwright[mcp]'" in done.stderr
    assert issubclass(MissingDependencyError, ImportError)


# --- conversations


async def test_the_calls_of_a_connection_are_one_conversation_and_others_have_a_name(era: str) -> None:
    async with mcp.Client(served(), mode=era) as client:
        first = await ask(client, "one")
        assert texts(await ask(client, "two")) == ["You said one, two"]
        assert texts(await ask(client, "a", session_id="other")) == ["You said a"]
        assert texts(await ask(client, "b", session_id="other")) == ["You said a, b"]
        assert texts(await ask(client, "three", session_id=first.meta[SESSION])) == ["You said one, two, three"]


async def test_calls_at_the_same_time_wait_for_each_other_and_none_is_lost(era: str) -> None:
    async with mcp.Client(to_mcp_server(echo()), mode=era) as client:
        answers = await asyncio.gather(*(ask(client, str(number), "echo") for number in range(MANY)))
        said = sorted((texts(answer)[0].split() for answer in answers), key=len)
        assert [len(one) for one in said] == list(range(1, MANY + 1))
        assert all(longer[: len(one)] == one for one, longer in pairwise(said))


async def test_a_store_keeps_conversations_beyond_the_process(era: str, tmp_path: Path) -> None:
    place = stdio("--store", str(tmp_path / "sessions.db"))
    async with mcp.Client(place, mode=era) as client:
        session_id = (await ask(client, "one")).meta[SESSION]
    async with mcp.Client(place, mode=era) as client:
        assert texts(await ask(client, "two")) == ["You said two"]
        assert texts(await ask(client, "three", session_id=session_id)) == ["You said one, three"]


async def test_over_http_each_connection_has_its_conversation_and_names_must_be_known() -> None:
    async with serving() as url:
        async with mcp.Client(url, mode="legacy") as ada, mcp.Client(url, mode="legacy") as bob:
            first = await ask(ada, "one")
            assert texts(await ask(bob, "a")) == ["You said a"]
            assert texts(await ask(ada, "two")) == ["You said one, two"]
            guessed = await ask(bob, "b", session_id="ada")
            assert guessed.is_error
            assert "There is no conversation 'ada'" in texts(guessed)[0]
        async with mcp.Client(url) as client:
            assert client.protocol_version == "2026-07-28"
            assert texts(await ask(client, "three", session_id=first.meta[SESSION])) == ["You said one, two, three"]
            said, how = (await ask(client, "alone")).content
            assert said.text == "You said alone"
            assert how.annotations.audience == ["assistant"]
            session_id = re.search(r"session_id '(\S+)'", how.text)[1]
            assert texts(await ask(client, "more", session_id=session_id)) == ["You said alone, more"]


# --- what the agent asks its user


async def test_a_confirmation_is_put_to_the_clients_user(era: str) -> None:
    user = User(YES, NO, LEFT)
    async with mcp.Client(stdio(), mode=era, elicitation_callback=user) as client:
        assert texts(await ask(client, "delete x")) == ["It says deleted x"]
        assert texts(await ask(client, "delete y")) == ["It says This tool call is rejected."]
        assert texts(await ask(client, "delete z")) == ["It says This tool call is rejected."]
    assert user.asked[0].message == 'May the agent call delete(path="x")?'
    assert user.asked[0].requested_schema["properties"]["confirmed"]["type"] == "boolean"


async def test_without_a_way_to_ask_a_confirmation_is_denied_and_the_answer_says_so(era: str) -> None:
    async with mcp.Client(served(), mode=era) as client:
        said, note = texts(await ask(client, "delete x"))
    assert said == "It says This tool call is rejected."
    assert note == (
        'delete(path="x") was not allowed. The client cannot put questions to its user: it does not support '
        "elicitation."
    )


async def test_a_tools_own_question_shows_its_hint_and_its_values_can_be_changed(era: str) -> None:
    def book(days: int, tool_context: Any) -> Any:
        """Books."""
        if (word := tool_context.tool_confirmation) is None:
            tool_context.request_confirmation(hint="How long?", payload={"days": days})
            return None
        return f"{word.confirmed} {word.payload}"

    model = FunctionModel(
        lambda request: (
            str(request.contents[-1].parts[0].function_response.response["result"])
            if request.contents[-1].parts[0].function_response
            else call("book", days=3)
        )
    )
    user = User(mcp_types.ElicitResult(action="accept", content={"confirmed": True, "days": 5}))
    server = to_mcp_server(Agent(name="agency", model=model, tools=[book]))
    async with mcp.Client(server, mode=era, elicitation_callback=user) as client:
        assert texts(await ask(client, "Go", "agency")) == ["True {'days': 5}"]
    assert user.asked[0].message == "May the agent call book(days=3)?\nHow long?"
    assert user.asked[0].requested_schema["properties"]["days"] == {"type": "integer", "default": 3}


async def test_several_questions_are_put_and_those_that_come_after_them_too(era: str) -> None:
    deleted: list[str] = []

    def delete(path: str) -> str:
        """Deletes a file."""
        deleted.append(path)
        return path

    model = ScriptedModel([[call("delete", path="x"), call("delete", path="y")], call("delete", path="z"), "Done"])
    user = User(YES, NO, YES)
    agent = Agent(name="tidy", model=model, tools=[FunctionTool(delete, require_confirmation=True)])
    async with mcp.Client(to_mcp_server(agent), mode=era, elicitation_callback=user) as client:
        assert texts(await ask(client, "Go", "tidy")) == ["Done"]
    asked = sorted(params.message for params in user.asked[:2])
    assert asked == ['May the agent call delete(path="x")?', 'May the agent call delete(path="y")?']
    assert len(deleted) == 2 and deleted[1] == "z"


async def test_a_question_of_a_workflow_is_put_to_the_user_too(era: str) -> None:
    user = User(mcp_types.ElicitResult(action="accept", content={"result": 36}), LEFT)
    async with mcp.Client(served("asking"), mode=era, elicitation_callback=user) as client:
        assert texts(await ask(client, "Go", "asking")) == ["You are 36"]
        left = await ask(client, "Go", "asking", session_id="another")
        assert left.is_error
        assert "How old are you?" in texts(left)[0]
    assert user.asked[0].message == "How old are you?"
    assert user.asked[0].requested_schema["properties"]["result"]["type"] == "integer"
    async with mcp.Client(served("asking"), mode=era) as client:
        result = await ask(client, "Go", "asking")
        assert result.is_error
        assert "How old are you? The client cannot put questions to its user" in texts(result)[0]


@pytest.mark.parametrize("asks", [True, False], ids=["with forms", "without"])
async def test_a_credential_is_never_asked_for_over_the_protocol(era: str, asks: bool) -> None:
    key = AuthConfig(auth_scheme={"type": "apiKey", "in": "header", "name": "X-Key"}, credential_key="pets")

    async def pets(tool_context: Any) -> str:
        """Lists pets."""
        kept = await tool_context.load_credential(key)
        if kept is None:
            tool_context.request_credential(key)
            return "asked"
        return "all pets"

    model = FunctionModel(
        lambda request: "There they are" if request.contents[-1].parts[0].function_response else call("pets")
    )
    credentials, user = InMemoryCredentialService(), User()
    agent = Agent(name="keeper", model=model, tools=[pets])
    options: dict[str, Any] = {"elicitation_callback": user} if asks else {}
    async with InMemoryRunner(agent) as runner:
        runner.credential_service = credentials
        server = to_mcp_server(agent, runner=runner)
        async with mcp.Client(server, mode=era, **options) as client:
            result = await ask(client, "Go", "keeper")
            assert result.is_error and user.asked == []
            assert "needs a credential of its user, 'pets'" in texts(result)[0]
            given = key.model_copy(
                update={"exchanged_auth_credential": AuthCredential(auth_type="apiKey", api_key="s3cret")}
            )
            owner: Any = SimpleNamespace(app_name=runner.app_name, user_id="mcp_user")
            await credentials.save_credential(given, owner)
            assert texts(await ask(client, "Go", "keeper"))[0] == "There they are"


# --- progress, cancelling, the end


async def test_a_client_that_asks_is_told_what_is_said_as_it_is_written(era: str) -> None:
    told: list[tuple[float, str | None]] = []

    async def progress(progress: float, total: float | None, message: str | None) -> None:
        told.append((progress, message))

    async with mcp.Client(stdio(), mode=era, elicitation_callback=User(YES)) as client:
        result = await client.call_tool("helper", {"request": "hello"}, progress_callback=progress)
        assert texts(result) == ["You said hello"]
        assert told == [(1, "You said "), (2, "hello")]
        told.clear()
        await client.call_tool("helper", {"request": "delete x"}, progress_callback=progress)
        assert [message for _, message in told] == ["Calls delete", "It says ", "deleted x"]
        told.clear()
        await client.call_tool("helper", {"request": "count"}, progress_callback=progress)
        reports = ['count: {"result":1}', 'count: {"done":2}']
        assert [message for _, message in told][:3] == ["Calls count", *reports]


@pytest.mark.parametrize("transport", ["stdio", "http"])
async def test_a_client_that_cancels_cancels_the_run_and_goes_on(era: str, transport: str, tmp_path: Path) -> None:
    async def check(client: Any) -> None:
        waiting = asyncio.create_task(ask(client, f"wait {tmp_path}"))
        await appears(tmp_path / "started")
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await appears(tmp_path / "cancelled")
        assert "hello" in texts(await ask(client, "hello"))[0]

    if transport == "stdio":
        async with mcp.Client(stdio(), mode=era) as client:
            await check(client)
        return
    async with serving() as url, mcp.Client(url, mode=era) as client:
        await check(client)


async def speak(*words: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *command(*words),
        env={**os.environ, **ENVIRONMENT},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def line(number: int, request: str) -> bytes:
    meta = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {"elicitation": {}},
    }
    params = {"name": "helper", "arguments": {"request": request}, "_meta": meta}
    return json.dumps({"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params}).encode() + b"\n"


async def test_standard_output_is_the_protocols_alone_and_the_end_of_input_is_the_end() -> None:
    process = await speak()
    async with asyncio.timeout(SECONDS):
        process.stdin.write(line(1, "hello") + b"this is no JSON\n" + line(2, "delete x"))
        lines = [json.loads(await process.stdout.readline()) for _ in range(2)]
        out, err = await process.communicate(b"")  # which closes it
    assert [one["id"] for one in lines] == [1, 2]
    assert out == b""
    assert process.returncode == 0
    assert b"printed while it is loaded" in err
    assert b"printed by a child" in err
    assert b"Traceback" not in err


@pytest.mark.parametrize("end", ["input", "signal"])
async def test_the_end_stops_what_runs_and_leaves_no_process(end: str, tmp_path: Path) -> None:
    process = await speak()
    (tmp_path / "stuck").mkdir()
    async with asyncio.timeout(SECONDS):
        process.stdin.write(line(1, f"wait {tmp_path}"))
        await appears(tmp_path / "started")
        if end == "signal":
            process.send_signal(signal.SIGTERM)
        else:
            process.stdin.close()
        _, err = await asyncio.gather(process.stdout.read(), process.stderr.read())
        assert await process.wait() == 0
    assert (tmp_path / "cancelled").exists()
    assert b"Traceback" not in err
    process.stdin.close()


async def test_a_client_that_is_killed_takes_the_server_and_its_children_along(tmp_path: Path) -> None:
    code = (
        "import subprocess, sys, time\n"
        "server = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE, stdout=subprocess.PIPE)\n"
        f"server.stdin.write({line(1, f'stuck {tmp_path}')!r}); server.stdin.flush()\n"
        "print(server.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    client = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-c", code, sys.executable, *command()),
        env={**os.environ, **ENVIRONMENT},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    server = int(await client.stdout.readline())
    await appears(tmp_path / "started")
    child = int((tmp_path / "child").read_text())
    client.kill()
    await client.wait()
    await ends(server)
    await ends(child)


async def test_a_port_that_is_taken_is_told() -> None:
    taken = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    async with taken:
        port = taken.sockets[0].getsockname()[1]
        process = await speak("--transport", "streamable-http", "--port", str(port))
        _, err = await process.communicate()
    assert process.returncode == 2
    assert f"Cannot listen on 127.0.0.1, port {port}" in err.decode()


# --- an agent of ours asks one of ours


@pytest.mark.parametrize("transport", ["stdio", "http"])
async def test_an_agent_asks_another_one_over_the_protocol(transport: str, tmp_path: Path) -> None:
    async def run(params: Any) -> None:
        toolset = McpToolset(connection_params=params)
        try:
            result = await toolset.call_tool("helper", {"request": "hello"})
            assert result["content"][0]["text"] == "You said hello"
            with pytest.raises(ToolExecutionError, match="ValueError: no paper"):
                await toolset.call_tool("helper", {"request": "fail no paper"})
        finally:
            await toolset.close()

    if transport == "stdio":
        server = StdioServerParameters(command=sys.executable, args=command(), env=ENVIRONMENT)
        await run(StdioConnectionParams(server_params=server))
        return
    async with serving() as url:
        await run(StreamableHTTPConnectionParams(url=url))


def test_what_is_no_agent_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="takes an agent or an App, not str"):
        to_mcp_server("helper")  # type: ignore[arg-type]
