# SPDX-License-Identifier: Apache-2.0
"""Runs on a store that keeps them: how they stand, the ledger of their calls, one writer, and going on elsewhere."""

import asyncio
import gc
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from runwright import (
    START,
    Agent,
    BaseAgent,
    Event,
    FunctionTool,
    LongRunningFunctionTool,
    RunConfig,
    Runner,
    Session,
    Workflow,
    node,
    types,
)
from runwright.durable import RunRecord
from runwright.errors import LeaseLostError, ModelError, SessionBusyError, ToolExecutionError
from runwright.sessions.sqlite import SqliteSessionService
from runwright.testing import FunctionModel, ScriptedModel, call

WHO: dict[str, Any] = {"user_id": "u", "session_id": "s"}
KEY: dict[str, Any] = {"app_name": "app", **WHO}


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[SqliteSessionService]:
    async with Opened(tmp_path) as service:
        await service.create_session(**KEY)
        yield service


class Opened:
    """A service on the file of the test, closed at the end."""

    def __init__(self, folder: Path) -> None:
        self.service = SqliteSessionService(folder / "sessions.db", lease_seconds=1.0)

    async def __aenter__(self) -> SqliteSessionService:
        return self.service

    async def __aexit__(self, *_: Any) -> None:
        await self.service.close()


async def stored(service: SqliteSessionService) -> Session:
    session = await service.get_session(**KEY)
    assert session is not None
    return session


async def runs_of(service: SqliteSessionService) -> list[RunRecord]:
    return await service.list_runs(app_name="app")


def runner_of(service: SqliteSessionService, model: Any, *tools: Any) -> Runner:
    return Runner("app", Agent(name="a", model=model, tools=list(tools)), service)


def texts(events: list[Event]) -> list[str | None]:
    return [part.text for event in events if event.content for part in event.content.parts or () if part.text]


# --- how runs stand


async def test_a_run_is_recorded_before_any_work_and_completed_after_it(service: SqliteSessionService) -> None:
    seen: list[str] = []

    async def answer(request: Any) -> str:
        seen.extend(run.status for run in await runs_of(service))
        return "hello"

    async with runner_of(service, FunctionModel(answer)) as runner:
        events = await runner.run_async(**WHO, new_message="hi")
    assert seen == ["running"]
    (run,) = await runs_of(service)
    assert (run.status, run.invocation_id, run.interrupted) == ("completed", events[0].invocation_id, False)


async def test_a_run_that_failed_says_with_what(service: SqliteSessionService) -> None:
    async with runner_of(service, ScriptedModel([ModelError("no luck")])) as runner:
        with pytest.raises(ModelError):
            await runner.run_async(**WHO, new_message="hi")
    (run,) = await runs_of(service)
    assert (run.status, run.error) == ("failed", "no luck")


async def test_a_run_that_was_cancelled_or_left_is_cancelled(service: SqliteSessionService) -> None:
    entered = asyncio.Event()

    async def wait() -> None:
        """Waits."""
        entered.set()
        await asyncio.sleep(60)

    async with runner_of(service, ScriptedModel([call("wait"), "bye"]), wait) as runner:
        run = runner.start(**WHO, new_message="hi")
        await entered.wait()
        run.cancel("enough")
        await run.ended()
        async with aclosing(runner.run_async(**WHO, new_message="hi")) as events:
            async for _ in events:
                break
    first, second = await runs_of(service)
    assert first.status == second.status == "cancelled"
    assert "enough" in str(first.error)
    assert second.error == "its caller left"


async def test_a_run_that_waits_for_an_answer_is_paused_and_goes_on_with_it(service: SqliteSessionService) -> None:
    def ask(question: str) -> None:
        """Asks somebody."""

    model = ScriptedModel([call("ask", question="?"), "thanks"])
    async with runner_of(service, model, LongRunningFunctionTool(ask)) as runner:
        events = await runner.run_async(**WHO, new_message="hi")
        assert [run.status for run in await runs_of(service)] == ["paused"]
        (asked,) = events[0].get_function_calls()
        answer = types.FunctionResponse(id=asked.id, name="ask", response={"yes": True})
        await runner.run_async(
            **WHO, new_message=types.Content(role="user", parts=[types.Part(function_response=answer)])
        )
    (run,) = await runs_of(service)
    assert run.status == "completed"


# --- the ledger


async def test_the_ledger_has_one_row_a_call_written_before_it_and_finished_after(
    service: SqliteSessionService,
) -> None:
    seen: list[tuple[str, str]] = []

    async def pay(sum: int, tool_context: Any) -> dict[str, int]:
        """Pays."""
        tool_context.state["paid"] = sum
        ctx = tool_context.invocation_context
        rows = await service.list_calls(ctx.session, ctx.invocation_id)
        mine = next(row for row in rows if row.call_id == tool_context.function_call_id)
        seen.append((mine.status, tool_context.idempotency_key))
        return {"paid": sum}

    model = ScriptedModel([[call("pay", sum=1), call("pay", sum=2)], "done"])
    async with runner_of(service, model, pay) as runner:
        events = await runner.run_async(**WHO, new_message="hi")
    rows = await service.list_calls(await stored(service), events[0].invocation_id)
    assert [status for status, _ in seen] == ["started", "started"]
    assert len({key for _, key in seen}) == 2
    assert [(row.name, row.status, row.attempts) for row in rows] == [("pay", "finished", 1)] * 2
    assert [row.response.response for row in rows if row.response] == [{"paid": 1}, {"paid": 2}]
    assert [row.actions.state_delta for row in rows] == [{"paid": 1}, {"paid": 2}]


# --- going on elsewhere


async def interrupted(tmp_path: Path, model: Any, *tools: Any) -> None:
    """Leaves a run in the middle of its second tool call, as a process that ends at once does."""
    await interrupted_tree(tmp_path, lambda wait: Agent(name="a", model=model, tools=[*tools, wait]))


async def interrupted_tree(tmp_path: Path, tree: Callable[[Callable[[], Any]], BaseAgent]) -> None:
    """Leaves a run of an agent where the function that the agent is made with waits."""
    async with Opened(tmp_path) as service:
        await service.create_session(**KEY)
        entered = asyncio.Event()

        async def wait(reason: str = "") -> None:
            """Waits."""
            entered.set()
            await asyncio.sleep(60)

        agent = tree(wait)
        runner = Runner("app", agent, service)
        stream = runner.run_async(**WHO, new_message="hi")

        async def read() -> None:
            async for _ in stream:
                pass

        task = asyncio.create_task(read())
        async with asyncio.timeout(10):
            await entered.wait()
        await service.close()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    gc.collect()


@pytest.fixture
async def quiet_clean_up() -> None:
    """The store is closed under the run: what its clean-up then reports to the loop is expected."""
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)


@pytest.mark.parametrize("policy", ["never", "replay"])
@pytest.mark.usefixtures("quiet_clean_up")
async def test_an_interrupted_run_is_found_and_goes_on(tmp_path: Path, policy: Any) -> None:
    paid: list[int] = []

    async def pay(sum: int) -> dict[str, int]:
        """Pays."""
        paid.append(sum)
        return {"paid": sum}

    model = ScriptedModel([[call("pay", sum=1), call("wait")]])
    await interrupted(tmp_path, model, pay)
    async with Opened(tmp_path) as service:
        waited: list[str] = []

        async def wait() -> str:
            """Waits."""
            waited.append("again")
            return "over"

        tools = [pay, FunctionTool(wait, on_resume=policy)]
        async with runner_of(service, ScriptedModel(["done"]), *tools) as runner:
            (stopped,) = await runner.recover()
            events = await runner.resume(stopped)
            assert texts(events) == ["done"]
            assert await runner.recover() == []
            assert await runner.resume(stopped) == []
        answers = [answer for event in events for answer in event.get_function_responses()]
        rows = await service.list_calls(await stored(service), stopped.invocation_id)
    assert paid == [1]
    assert next(answer.response for answer in answers) == {"paid": 1}
    assert waited == (["again"] if policy == "replay" else [])
    assert [row.attempts for row in rows] == ([1, 2] if policy == "replay" else [1, 1])


@pytest.mark.parametrize("policy", ["never", "replay"])
@pytest.mark.usefixtures("quiet_clean_up")
async def test_the_tools_of_an_interrupted_workflow_go_by_their_policies(tmp_path: Path, policy: Any) -> None:
    done: list[str] = []

    async def pay(node_input: str, tool_context: Any) -> str:
        """Pays."""
        done.append(tool_context.idempotency_key)
        return "paid"

    def exclaim(node_input: str) -> str:
        return f"{node_input}!"

    def tree(wait: Callable[[], Any]) -> Workflow:
        waiting = node(FunctionTool(wait, on_resume=policy), name="wait")
        return Workflow(name="flow", edges=[(START, FunctionTool(pay), waiting, exclaim)])

    await interrupted_tree(tmp_path, tree)

    async def wait(reason: str = "") -> str:
        """Waits."""
        return "waited"

    async with Opened(tmp_path) as service, Runner("app", tree(wait), service) as runner:
        (stopped,) = await runner.recover()
        if policy == "never":
            with pytest.raises(ToolExecutionError, match="not repeated"):
                await runner.resume(stopped)
        else:
            events = await runner.resume(stopped)
            assert events[-1].output == "waited!"
    assert len(done) == 1


async def test_a_workflows_tool_that_failed_is_tried_again_when_the_run_goes_on(service: SqliteSessionService) -> None:
    tries: list[str] = []

    async def pay(node_input: str, tool_context: Any) -> str:
        """Pays."""
        tries.append(tool_context.idempotency_key)
        if len(tries) == 1:
            raise ConnectionError("out of reach")
        return "paid"

    flow = Workflow(name="flow", edges=[(START, FunctionTool(pay))])
    async with Runner("app", flow, service) as runner:
        with pytest.raises(ConnectionError):
            await runner.run_async(**WHO, new_message="hi")
        (run,) = await runs_of(service)
        assert run.status == "failed"
        events = await runner.resume(run)
    assert events[-1].output == "paid"
    assert len(tries) == 2
    assert len(set(tries)) == 1


@pytest.mark.usefixtures("quiet_clean_up")
async def test_a_message_after_an_interrupted_run_finds_its_calls_answered(tmp_path: Path) -> None:
    async def pay(sum: int) -> dict[str, int]:
        """Pays."""
        return {"paid": sum}

    await interrupted(tmp_path, ScriptedModel([[call("pay", sum=1), call("wait")]]), pay)
    async with Opened(tmp_path) as service:
        async with runner_of(service, ScriptedModel(["hello again"]), pay) as runner:
            await runner.run_async(**WHO, new_message="still there?")
            assert await runner.recover() == []
        session = await stored(service)
        first, second = await runs_of(service)
    assert (first.status, second.status) == ("cancelled", "completed")
    assert [event.author for event in session.events] == ["user", "a", "a", "user", "a"]
    assert [answer.response for answer in session.events[2].get_function_responses()] == [
        {"paid": 1},
        {"error": "unknown"},
    ]


# --- one writer


def waiting_model(entered: asyncio.Event, release: asyncio.Event) -> FunctionModel:
    async def answer(request: Any) -> str:
        entered.set()
        await release.wait()
        return "first"

    return FunctionModel(answer)


async def test_two_runners_on_one_session_take_turns(tmp_path: Path, service: SqliteSessionService) -> None:
    entered, release = asyncio.Event(), asyncio.Event()
    async with (
        Opened(tmp_path) as other,
        runner_of(service, waiting_model(entered, release)) as one,
        runner_of(other, ScriptedModel(["second"])) as two,
    ):
        first = one.start(**WHO, new_message="1")
        await entered.wait()
        with pytest.raises(SessionBusyError):
            await two.run_async(**WHO, new_message="x", run_config=RunConfig(when_busy="reject"))
        second = two.start(**WHO, new_message="2")
        await asyncio.sleep(0.05)
        release.set()
        await asyncio.gather(_ended(first), _ended(second))
        assert (first.text, second.text) == ("first", "second")
    session = await stored(service)
    assert texts(session.events) == ["1", "first", "2", "second"]


async def _ended(run: Any) -> None:
    await run


@pytest.mark.parametrize("policy", ["interrupt", "rollback"])
async def test_an_interrupting_message_elsewhere_ends_the_run_here(
    tmp_path: Path, service: SqliteSessionService, policy: Any
) -> None:
    entered, release = asyncio.Event(), asyncio.Event()
    async with (
        Opened(tmp_path) as other,
        runner_of(service, waiting_model(entered, release)) as one,
        runner_of(other, ScriptedModel(["second"])) as two,
    ):
        first = one.start(**WHO, new_message="1")
        await entered.wait()
        await two.run_async(**WHO, new_message="2", run_config=RunConfig(when_busy=policy))
        release.set()
        with pytest.raises(LeaseLostError):
            await first
    session = await stored(service)
    assert texts(session.events) == ["1", "2", "second"]
    taken_back = [event.actions.rewind_before_invocation_id for event in session.events]
    assert any(taken_back) is (policy == "rollback")
    assert [run.status for run in await runs_of(service)] == ["cancelled", "completed"]


async def test_calls_whose_model_counts_anew_each_time_are_told_apart(service: SqliteSessionService) -> None:
    keys: list[str] = []

    async def pay(sum: int, tool_context: Any) -> dict[str, int]:
        """Pays."""
        keys.append(tool_context.idempotency_key)
        return {"paid": sum}

    same = [types.Part(function_call=types.FunctionCall(id="call_1", name="pay", args={"sum": n})) for n in (1, 2)]
    async with runner_of(service, ScriptedModel([[same[0]], [same[1]], "done"]), pay) as runner:
        events = await runner.run_async(**WHO, new_message="hi")
    rows = await service.list_calls(await stored(service), events[0].invocation_id)
    assert [row.response.response for row in rows if row.response] == [{"paid": 1}, {"paid": 2}]
    assert len(set(keys)) == 2
