# SPDX-License-Identifier: Apache-2.0
"""The run that is killed, in a process of its own, and the process that goes on with it."""

import asyncio
import os
from contextlib import aclosing
from pathlib import Path
from typing import Any

from runwright import (
    Agent,
    BaseAgent,
    FunctionTool,
    LoopAgent,
    ParallelAgent,
    Runner,
    SequentialAgent,
    ToolContext,
    exit_loop,
    types,
)
from runwright.artifacts import FileArtifactService
from runwright.model import LlmRequest
from runwright.testing import FunctionModel, call
from tests.faults.killing import Deadly, Point
from tests.faults.stores import APP, Place, read

USER = "u"
MESSAGE = "go"
REPORT = "all is well"

_write = os.write  # as it is before its calls are counted


def model(*replies: Any) -> FunctionModel:
    """Answers by how often it has answered since the user spoke, as the request tells: any process can go on."""

    def answer(request: LlmRequest) -> Any:
        spoken = [
            index for index, content in enumerate(request.contents) if types.Part(text=MESSAGE) in (content.parts or ())
        ]
        return replies[sum(content.role == "model" for content in request.contents[spoken[-1] :])]

    return FunctionModel(answer)


class Effects:
    """What the tools do to the world, in files that outlive the process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def tried(self, name: str, key: str) -> None:
        """Notes that a tool was called."""
        _add_line(self.folder / "tried", f"{name} {key}")

    def done(self, name: str, key: str, *, once: bool) -> None:
        """Does it; with ``once``, as a service does that knows the key."""
        path = self.folder / "done"
        line = f"{name} {key}"
        if once and path.exists() and line in path.read_text().splitlines():
            return
        _add_line(path, line)


def _add_line(path: Path, line: str) -> None:
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    _write(file, f"{line}\n".encode())
    os.close(file)


def tree(shape: str, effects: Effects) -> BaseAgent:
    """The agents that run: ``steps`` or ``branches``."""

    async def look_up(topic: str, tool_context: ToolContext) -> dict[str, str]:
        """Looks something up. It may be repeated."""
        effects.tried("look_up", tool_context.idempotency_key)
        await asyncio.sleep(0)
        effects.done("look_up", tool_context.idempotency_key, once=True)
        await asyncio.sleep(0)
        tool_context.state["looked_up"] = topic
        return {"found": topic}

    async def pay(amount: int, tool_context: ToolContext) -> dict[str, int]:
        """Pays. It may not be repeated."""
        effects.tried("pay", tool_context.idempotency_key)
        await asyncio.sleep(0)
        effects.done("pay", tool_context.idempotency_key, once=False)
        await asyncio.sleep(0)
        return {"paid": amount}

    def weigh(thing: str, tool_context: ToolContext) -> str:
        """Weighs something, in a thread."""
        effects.tried("weigh", tool_context.idempotency_key)
        effects.done("weigh", tool_context.idempotency_key, once=True)
        return f"{thing} is heavy"

    async def save_report(tool_context: ToolContext) -> str:
        """Saves an artifact."""
        await tool_context.save_artifact("report.txt", types.Part.from_text(text=REPORT))
        return "saved"

    async def note(text: str, tool_context: ToolContext) -> str:
        """Notes something in all scopes."""
        tool_context.state["note"] = tool_context.state["user:note"] = text
        tool_context.state[f"app:note_of_{tool_context.session.id}"] = text
        return "noted"

    def replayed(function: Any) -> FunctionTool:
        return FunctionTool(function, on_resume="replay")

    tools = {
        "look_up": replayed(look_up),
        "pay": FunctionTool(pay, on_resume="never"),
        "weigh": replayed(weigh),
        "save_report": replayed(save_report),
        "note": replayed(note),
    }
    return (_steps if shape == "steps" else _branches)(tools)


def _steps(tools: dict[str, FunctionTool]) -> BaseAgent:
    """Three model turns, tools at the same time, an artifact, a sub-agent, and a step after all that."""
    helper = Agent(name="helper", model=model(call("note", text="n"), "helped"), tools=[tools["note"]])
    boss = Agent(
        name="boss",
        model=model(
            [call("look_up", topic="t"), call("pay", amount=3), call("weigh", thing="w")],
            ["now the report", call("save_report")],
            call("transfer_to_agent", agent_name="helper"),
        ),
        tools=[tools[name] for name in ("look_up", "pay", "weigh", "save_report")],
        sub_agents=[helper],
    )
    return SequentialAgent(name="all", sub_agents=[boss, Agent(name="closer", model=model("done"))])


def _branches(tools: dict[str, FunctionTool]) -> BaseAgent:
    """Two agents at the same time, then one that goes round until it leaves the loop."""
    left = Agent(name="left", model=model(call("look_up", topic="t"), "left"), tools=[tools["look_up"]])
    right = Agent(
        name="right",
        model=model([call("pay", amount=3), call("weigh", thing="w")], "right"),
        tools=[tools["pay"], tools["weigh"]],
    )
    worker = Agent(
        name="worker",
        model=model("first", call("save_report"), "second", [call("note", text="n"), call("exit_loop")]),
        tools=[tools["save_report"], tools["note"], exit_loop],
    )
    both = ParallelAgent(name="both", sub_agents=[left, right])
    rounds = LoopAgent(name="rounds", sub_agents=[worker], max_iterations=5)
    return SequentialAgent(name="all", sub_agents=[both, rounds, Agent(name="closer", model=model("done"))])


def run(
    place: Any, folder: str, session_id: str, point: Any, send: bool = True, shape: str = "steps"
) -> dict[str, Any]:
    """Sends the message, or goes on with what an earlier process did of it, and dies at ``point`` on the way.

    In ``folder`` lie what the tools do, the artifacts, and the ids of the events that were acknowledged.
    """
    deadly = Deadly(Point(*point))
    effects = Effects(Path(folder))
    return asyncio.run(_run(Place(*place), tree(shape, effects), effects.folder, session_id, deadly, send))


async def _run(
    place: Place, agent: BaseAgent, folder: Path, session_id: str, deadly: Deadly, send: bool
) -> dict[str, Any]:
    service = place.open()
    deadly.watch(service)
    artifacts = FileArtifactService(folder / "artifacts")
    who: dict[str, Any] = {"user_id": USER, "session_id": session_id}
    async with Runner(APP, agent, service, artifact_service=artifacts, auto_create_session=True) as runner:
        streams = [runner.run_async(**who, new_message=MESSAGE)] if send else []
        if not send:
            for stopped in await runner.recover(**who):
                streams.append(runner.run_async(**who, invocation_id=stopped.invocation_id, resume=True))
            known = await service.get_session(app_name=APP, **who)
            if not streams and (known is None or not known.events):
                # It died before anything was acknowledged: the caller sends the message again.
                streams.append(runner.run_async(**who, new_message=MESSAGE))
        for stream in streams:
            async with aclosing(stream):
                async for event in stream:
                    _add_line(folder / "acknowledged", event.id)
        session = await read(service, USER, session_id)
        runs = await service.list_runs(app_name=APP, **who)
        report = await artifacts.load_artifact(app_name=APP, filename="report.txt", **who)
    await service.close()
    return {
        **deadly.counts(),
        "events": [event.model_dump(mode="json", exclude_none=True) for event in session.events],
        "state": session.state,
        "runs": [one.status for one in runs],
        "report": None if report is None else report.text,
    }
