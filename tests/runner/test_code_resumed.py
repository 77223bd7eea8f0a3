# SPDX-License-Identifier: Apache-2.0
"""Code and runs that stop: it is run at most once, and what came of it is told if anybody knows."""

import asyncio
import os
import signal
import subprocess
import sys
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from runwright import (
    Agent,
    BaseAgent,
    BaseCodeExecutor,
    CodeExecutionInput,
    CodeExecutionResult,
    Event,
    File,
    InMemorySessionService,
    LoopAgent,
    ParallelAgent,
    Runner,
    SequentialAgent,
    Session,
)
from runwright.artifacts import FileArtifactService
from runwright.model import LlmRequest
from runwright.sessions.sqlite import SqliteSessionService
from runwright.testing import FunctionModel, ScriptedModel
from tests.runner.scene import PATIENCE

WHO: dict[str, Any] = {"user_id": "u", "session_id": "s"}
ROOT = Path(__file__).parents[2]
UNKNOWN = "nobody knows whether it ran"


class Marking(BaseCodeExecutor):
    """Adds a line to a file for each code that it runs, and may kill its process then."""

    marks: Path
    kills: str = ""

    async def execute_code(
        self, invocation_context: Any, code_execution_input: CodeExecutionInput
    ) -> CodeExecutionResult:
        with self.marks.open("a") as file:
            file.write(f"{code_execution_input.code}\n")
        if self.kills and self.kills in code_execution_input.code:
            os.kill(os.getpid(), signal.SIGKILL)
        name = f"{code_execution_input.code}.txt"
        return CodeExecutionResult(stdout=code_execution_input.code, output_files=[File(name, b"made")])


def block(code: str) -> str:
    return f"```python\n{code}\n```"


def scripted(*replies: str) -> FunctionModel:
    """Answers by how often it has answered before, as the request tells."""

    def answer(request: LlmRequest) -> Any:
        return replies[sum(content.role == "model" for content in request.contents)]

    return FunctionModel(answer)


def agent_of(folder: Path, *replies: str, kills: str = "", name: str = "coder") -> Agent:
    executor = Marking(marks=folder / "marks", kills=kills)
    return Agent(name=name, model=scripted(*replies), code_executor=executor)


def results(events: list[Event]) -> list[tuple[str, str]]:
    """The outcomes and outputs of code, in their order."""
    found = [event.get_code_result() for event in events]
    return [(str(one.outcome), one.output or "") for one in found if one is not None]


def shape(events: list[Event]) -> list[tuple[str, str]]:
    return [
        (event.author, "code" if event.get_code_to_run() else "result" if event.get_code_result() else "text")
        for event in events
    ]


async def stored(service: Any) -> Session:
    session = await service.get_session(app_name="app", **WHO)
    assert session is not None
    return session


KILLED = """
import asyncio, sys
from pathlib import Path
from runwright import Runner
from runwright.artifacts import FileArtifactService
from runwright.sessions.sqlite import SqliteSessionService
from tests.runner.test_code_resumed import WHO, agent_of, block

async def main():
    folder = Path(sys.argv[1])
    agent = agent_of(folder, block("first"), block("second"), "done", kills="second")
    service = SqliteSessionService(folder / "s.db")
    async with Runner("app", agent, service, auto_create_session=True,
                      artifact_service=FileArtifactService(folder / "files")) as runner:
        await runner.run_async(**WHO, new_message="Go")

asyncio.run(main())
"""


def killed(folder: Path) -> None:
    """Runs an agent in another process, which is killed (SIGKILL) while its second code runs."""
    done = subprocess.run([sys.executable, "-c", KILLED, str(folder)], cwd=ROOT, timeout=PATIENCE, capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()


@pytest.fixture
def after_kill(tmp_path: Path) -> Path:
    killed(tmp_path)
    assert (tmp_path / "marks").read_text() == "first\nsecond\n"
    return tmp_path


async def test_code_that_was_killed_is_not_run_again_when_the_run_goes_on(after_kill: Path) -> None:
    service = SqliteSessionService(after_kill / "s.db")
    agent = agent_of(after_kill, block("first"), block("second"), "done")
    async with Runner("app", agent, service) as runner:
        (stopped,) = await runner.recover()
        events = await runner.resume(stopped)
        session = await stored(service)
        rows = await service.list_calls(session, stopped.invocation_id)
    await service.close()
    assert (after_kill / "marks").read_text() == "first\nsecond\n"
    assert shape(events) == [("coder", "result"), ("coder", "text")]
    [(well, _), (failed, told)] = results(session.events)
    assert (well, failed) == ("OUTCOME_OK", "OUTCOME_FAILED") and UNKNOWN in told
    assert [(row.name, row.status, row.attempts) for row in rows] == [
        ("code_execution", "finished", 1),
        ("code_execution", "started", 1),
    ]


async def test_a_message_after_a_killed_run_finds_its_code_answered(after_kill: Path) -> None:
    service = SqliteSessionService(after_kill / "s.db")
    model = ScriptedModel(["I look whether it ran."])
    agent = agent_of(after_kill)
    agent.model = model
    async with Runner("app", agent, service) as runner:
        await runner.run_async(**WHO, new_message="And?")
        session = await stored(service)
    await service.close()
    assert (after_kill / "marks").read_text() == "first\nsecond\n"
    assert UNKNOWN in results(session.events)[-1][1]
    said = [(content.role, (content.parts or [])[0].text or "") for content in model.requests[0].contents]
    assert [role for role, _ in said] == ["user", "model", "user", "model", "user", "user"]
    assert UNKNOWN in said[-2][1] and said[-1] == ("user", "And?")


def chain(folder: Path) -> BaseAgent:
    return agent_of(folder, block("one"), block("two"), "done")


def several(folder: Path) -> BaseAgent:
    both = ParallelAgent(
        name="both",
        sub_agents=[agent_of(folder, block(name), name, name=name) for name in ("left", "right")],
    )
    looped = LoopAgent(
        name="looped",
        sub_agents=[agent_of(folder, block("l1"), "l2", block("l3"), "l4", name="worker")],
        max_iterations=2,
    )
    return SequentialAgent(name="tree", sub_agents=[both, looped, agent_of(folder, block("z"), "end", name="last")])


@pytest.mark.parametrize("tree", [chain, several])
async def test_a_run_goes_on_after_each_event_and_runs_each_code_once(tmp_path: Path, tree: Any) -> None:
    """Each cut is where a process may have ended, right after it stored an event and before it ran the code in it."""
    whole = SqliteSessionService(tmp_path / "whole.db")
    async with Runner("app", tree(tmp_path), whole, auto_create_session=True) as runner:
        ran = await runner.run_async(**WHO, new_message="Go")
    await whole.close()
    all_code = sorted((tmp_path / "marks").read_text().split())
    for cut in range(1, len(ran)):
        (tmp_path / "marks").unlink()
        service = SqliteSessionService(tmp_path / f"{cut}.db")
        async with Runner("app", tree(tmp_path), service, auto_create_session=True) as runner:
            await stopped_after(runner, cut)
        await service.close()
        service = SqliteSessionService(tmp_path / f"{cut}.db")
        async with Runner("app", tree(tmp_path), service) as runner:
            for record in await runner.recover():
                await runner.resume(record)
            session = await stored(service)
        await service.close()
        assert sorted((tmp_path / "marks").read_text().split()) == all_code, cut
        assert [outcome for outcome, _ in results(session.events)] == ["OUTCOME_OK"] * len(all_code), cut
        assert sorted(shape(session.events[1:])) == sorted(shape(ran)), cut


async def stopped_after(runner: Runner, count: int) -> None:
    """Runs an agent until it has stored so many events, and lets the store forget that it went on."""
    stream = runner.run_async(**WHO, new_message="Go")
    async with aclosing(stream):
        async for _ in stream:
            count -= 1
            if count == 0:
                await runner.session_service.close()  # What it would write of its end is lost.
                return


@pytest.fixture(autouse=True)
async def quiet_clean_up() -> None:
    """The store is closed under the run: what its clean-up then reports to the loop is expected."""
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)


async def test_what_the_ledger_holds_of_finished_code_is_told(tmp_path: Path) -> None:
    """The process ended after the code, and before the event with its result was stored."""
    service = SqliteSessionService(tmp_path / "s.db")
    agent = agent_of(tmp_path, block("one"), "done")
    files = FileArtifactService(tmp_path / "files")
    async with Runner("app", agent, service, auto_create_session=True, artifact_service=files) as runner:
        append = service.append_event

        async def lose_results(session: Session, event: Event) -> Event:
            if event.get_code_result() is not None:
                await service.close()
            return await append(session, event)

        service.append_event = lose_results  # type: ignore[method-assign]
        with pytest.raises(Exception, match="closed"):
            await runner.run_async(**WHO, new_message="Go")
    service = SqliteSessionService(tmp_path / "s.db")
    async with Runner("app", agent, service, artifact_service=files) as runner:
        (record,) = await runner.recover()
        events = await runner.resume(record)
    await service.close()
    assert (tmp_path / "marks").read_text() == "one\n"
    assert results(events)[0][0] == "OUTCOME_OK" and "Saved artifacts:\n`one.txt`" in results(events)[0][1]
    assert events[0].actions.artifact_delta == {"one.txt": 0}


async def test_without_a_ledger_code_under_way_is_not_run_again(tmp_path: Path) -> None:
    """A store that keeps no ledger does not tell whether code was begun."""
    service = InMemorySessionService()
    agent = agent_of(tmp_path, block("one"), "done")
    async with Runner("app", agent, service, auto_create_session=True) as runner:
        events = await runner.run_async(**WHO, new_message="Go")
        session = await stored(service)
        fresh = await service.create_session(app_name="app", user_id="u", session_id="cut")
        for event in session.events[:2]:
            await service.append_event(fresh, event)
        gone_on = await runner.run_async(user_id="u", session_id="cut", invocation_id=events[0].invocation_id)
    assert (tmp_path / "marks").read_text() == "one\n"
    assert UNKNOWN in results(gone_on)[0][1] and shape(gone_on)[-1] == ("coder", "text")
