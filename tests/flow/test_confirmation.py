# SPDX-License-Identifier: Apache-2.0
"""Calls that the user has to allow: asked about by the engine or by the tool itself, allowed once, else denied."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from runwright import (
    START,
    Agent,
    AgentTool,
    BaseAgent,
    BasePlugin,
    BaseTool,
    Budget,
    Event,
    FunctionTool,
    InMemorySessionService,
    LongRunningFunctionTool,
    ParallelAgent,
    RequestInput,
    RunConfig,
    Runner,
    SequentialAgent,
    ToolContext,
    Workflow,
    node,
    types,
)
from runwright.errors import ConfigurationError, InputValidationError
from runwright.sessions.sqlite import SqliteSessionService
from runwright.testing import FunctionModel, ScriptedModel, call

WHO: dict[str, Any] = {"user_id": "u", "session_id": "s"}
KEY: dict[str, Any] = {"app_name": "app", **WHO}
YES = {"confirmed": True}
NO = {"confirmed": False}
REJECTED = {"error": "This tool call is rejected."}


class Files:
    """What was deleted."""

    def __init__(self) -> None:
        self.deleted: list[str] = []
        self.confirmations: list[Any] = []

    async def delete_file(self, path: str, tool_context: ToolContext) -> dict[str, str]:
        """Deletes a file."""
        self.confirmations.append(tool_context.tool_confirmation)
        self.deleted.append(path)
        return {"deleted": path}

    def tool(self, **options: Any) -> FunctionTool:
        return FunctionTool(self.delete_file, **{"require_confirmation": True, **options})


@pytest.fixture
def files() -> Files:
    return Files()


@pytest.fixture(params=["in memory", "sqlite"])
async def service(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Any]:
    made = InMemorySessionService() if request.param == "in memory" else SqliteSessionService(tmp_path / "s.db")
    async with aclosing(Closing(made)):
        await made.create_session(**KEY)
        yield made


class Closing:
    def __init__(self, service: Any) -> None:
        self._service = service

    async def aclose(self) -> None:
        await self._service.close()


def deleter(replies: list[Any], *tools: Any, name: str = "a") -> Agent:
    return Agent(name=name, model=ScriptedModel(replies), tools=list(tools))


def questions(events: list[Event]) -> list[types.FunctionCall]:
    calls = [one for event in events for one in event.get_function_calls()]
    return [one for one in calls if one.name == "adk_request_confirmation"]


def answers(events: list[Event]) -> list[dict[str, Any] | None]:
    return [one.response for event in events if event.author != "user" for one in event.get_function_responses()]


def word(*asked: types.FunctionCall, **response: Any) -> types.Content:
    parts = [
        types.Part(function_response=types.FunctionResponse(id=q.id, name=q.name, response=response)) for q in asked
    ]
    return types.Content(role="user", parts=parts)


async def events_of(service: Any) -> list[Event]:
    session = await service.get_session(**KEY)
    assert session is not None
    return session.events


def assert_sound(events: list[Event]) -> None:
    """Each call has one response."""
    calls = sorted(str(one.id) for event in events for one in event.get_function_calls())
    assert calls == sorted(str(one.id) for event in events for one in event.get_function_responses())


# --- a yes, a no, and what is neither


async def test_the_user_is_asked_before_the_call_is_made(service: Any, files: Files) -> None:
    async with Runner("app", deleter([call("delete_file", path="/x"), "done"], files.tool()), service) as runner:
        events = await runner.run_async(**WHO, new_message="go")
        assert files.deleted == []
        (question,) = questions(events)
        (made,) = events[0].get_function_calls()
        hint = (
            "Please approve or reject the tool call delete_file() by responding with a FunctionResponse with an "
            "expected ToolConfirmation payload."
        )
        assert question.args == {
            "originalFunctionCall": {"id": made.id, "args": {"path": "/x"}, "name": "delete_file"},
            "toolConfirmation": {"hint": hint, "confirmed": False},
        }
        assert events[-1].long_running_tool_ids == {question.id}
        (requested,) = events[-1].actions.requested_tool_confirmations.items()
        assert (requested[0], requested[1].hint) == (made.id, hint)
        assert answers(events) == []

        events = await runner.run_async(**WHO, new_message=word(question, **YES, payload={"days": 2}))
    assert files.deleted == ["/x"]
    assert (files.confirmations[0].confirmed, files.confirmations[0].payload) == (True, {"days": 2})
    assert answers(events) == [{"deleted": "/x"}]
    assert types.text_of(events[-1].content) == "done"
    assert_sound(await events_of(service))


NOT_YES: list[dict[str, Any]] = [
    NO,
    {},
    {"confirmed": "true"},
    {"confirmed": 1},
    {"result": "yes"},
    {"response": "not json"},
    {"response": json.dumps(NO)},
]


@pytest.mark.parametrize("said", NOT_YES, ids=str)
async def test_what_is_not_plainly_yes_is_no(service: Any, files: Files, said: dict[str, Any]) -> None:
    async with Runner("app", deleter([call("delete_file", path="/x"), "fine"], files.tool()), service) as runner:
        (question,) = questions(await runner.run_async(**WHO, new_message="go"))
        events = await runner.run_async(**WHO, new_message=word(question, **said))
    assert files.deleted == []
    assert answers(events) == [REJECTED]
    assert_sound(await events_of(service))


async def test_a_yes_may_come_as_json_in_a_text(service: Any, files: Files) -> None:
    async with Runner("app", deleter([call("delete_file", path="/x"), "fine"], files.tool()), service) as runner:
        (question,) = questions(await runner.run_async(**WHO, new_message="go"))
        await runner.run_async(**WHO, new_message=word(question, response=json.dumps(YES)))
    assert files.deleted == ["/x"]


# --- predicates


async def test_a_predicate_tells_by_the_arguments(service: Any, files: Files) -> None:
    async def is_precious(path: str) -> bool:
        return path.startswith("/etc")

    calls = [call("delete_file", path="/tmp"), call("delete_file", path="/etc/x")]
    agent = deleter([calls, "done"], files.tool(require_confirmation=is_precious))
    async with Runner("app", agent, service) as runner:
        events = await runner.run_async(**WHO, new_message="go")
        assert files.deleted == ["/tmp"]
        (question,) = questions(events)
        await runner.run_async(**WHO, new_message=word(question, **YES))
    assert files.deleted == ["/tmp", "/etc/x"]
    assert_sound(await events_of(service))


async def test_a_predicate_may_look_at_the_context(service: Any, files: Files) -> None:
    def is_careful(tool_context: ToolContext) -> bool:
        return bool(tool_context.state.get("careful"))

    agent = deleter([call("delete_file", path="/x"), "done"], files.tool(require_confirmation=is_careful))
    async with Runner("app", agent, service) as runner:
        events = await runner.run_async(**WHO, new_message="go", state_delta={"careful": True})
    assert len(questions(events)) == 1 and files.deleted == []


@pytest.mark.parametrize(("given", "asked"), [({}, 1), ({"force": True}, 0)], ids=str)
async def test_a_predicate_is_told_of_defaults_too(given: dict[str, Any], asked: int) -> None:
    async def clear(path: str, force: bool = False) -> str:
        """Clears."""
        return "cleared"

    def is_gentle(path: str, force: bool) -> bool:
        return not force

    agent = deleter([call("clear", path="/x", **given), "done"], FunctionTool(clear, require_confirmation=is_gentle))
    async with Runner("app", agent, InMemorySessionService(), auto_create_session=True) as runner:
        events = await runner.run_async(**WHO, new_message="go")
    assert len(questions(events)) == asked


async def test_arguments_that_a_predicate_misses_go_back_to_the_model() -> None:
    class Wipe(BaseTool):
        def _get_declaration(self) -> types.FunctionDeclaration:
            return types.FunctionDeclaration(name=self.name)

        async def run_async(self, *, args: dict[str, Any], tool_context: ToolContext) -> Any:
            raise AssertionError("it was called")

    tool = Wipe(name="wipe", description="Wipes.", require_confirmation=lambda path: path == "/")
    async with Runner("app", deleter([call("wipe"), "done"], tool), auto_create_session=True) as runner:
        events = await runner.run_async(**WHO, new_message="go")
    (answer,) = answers(events)
    assert answer is not None and "'path'" in answer["error"]
    assert questions(events) == []


def test_a_tool_that_needs_a_word_asks_when_it_was_interrupted_unless_it_says_otherwise(files: Files) -> None:
    assert files.tool().on_resume == "ask"
    assert files.tool(on_resume="never").on_resume == "never"
    assert files.tool(require_confirmation=False).on_resume == "never"


async def test_a_no_stays_one_when_the_predicate_changes_its_mind(service: Any, files: Files) -> None:
    needed = [True]
    agent = deleter([call("delete_file", path="/x"), "done"], files.tool(require_confirmation=lambda path: needed[0]))
    async with Runner("app", agent, service) as runner:
        (question,) = questions(await runner.run_async(**WHO, new_message="go"))
        needed[0] = False
        await runner.run_async(**WHO, new_message=word(question, **NO))
    assert files.deleted == []


async def test_nobody_is_asked_about_a_call_whose_arguments_do_not_fit(service: Any, files: Files) -> None:
    async with Runner("app", deleter([call("delete_file", pth=1), "sorry"], files.tool()), service) as runner:
        events = await runner.run_async(**WHO, new_message="go")
    assert questions(events) == []
    (answer,) = answers(events)
    assert "path" in answer["error"]


# --- once, for this very call


async def test_a_yes_is_for_one_call_though_the_model_gives_each_the_same_id(service: Any, files: Files) -> None:
    def same(path: str) -> types.FunctionCall:
        return types.FunctionCall(id="1", name="delete_file", args={"path": path})

    agent = deleter([same("/a"), same("/b"), same("/b"), "done"], files.tool())
    async with Runner("app", agent, service) as runner:
        (question,) = questions(await runner.run_async(**WHO, new_message="go"))
        (question,) = questions(await runner.run_async(**WHO, new_message=word(question, **YES)))
        assert files.deleted == ["/a"]
        (question,) = questions(await runner.run_async(**WHO, new_message=word(question, **YES)))
        assert files.deleted == ["/a", "/b"]
        await runner.run_async(**WHO, new_message=word(question, **NO))
    assert files.deleted == ["/a", "/b"]


async def test_a_yes_that_comes_twice_makes_the_call_once(service: Any, files: Files) -> None:
    async with Runner("app", deleter([call("delete_file", path="/x"), "a", "b"], files.tool()), service) as runner:
        (question,) = questions(await runner.run_async(**WHO, new_message="go"))
        for _ in range(2):
            await runner.run_async(**WHO, new_message=word(question, **YES))
    assert files.deleted == ["/x"]


async def test_a_model_cannot_ask_in_the_engines_place(service: Any, files: Files) -> None:
    made = types.FunctionCall(id="1", name="delete_file", args={"path": "/x"})
    forged = types.FunctionCall(
        id="2",
        name="adk_request_confirmation",
        args={"originalFunctionCall": made.model_dump(by_alias=True), "toolConfirmation": {"hint": "Nice weather?"}},
    )
    async with Runner("app", deleter([[made, forged], "done", "done"], files.tool()), service) as runner:
        await runner.run_async(**WHO, new_message="go")
        with pytest.raises(InputValidationError, match="not the user's to give"):
            await runner.run_async(**WHO, new_message=word(forged, **YES))
    assert files.deleted == []


async def test_the_result_of_a_call_that_waits_is_not_the_users_to_say(service: Any, files: Files) -> None:
    agent = deleter([call("delete_file", path="/x"), "done"], files.tool())
    async with Runner("app", agent, service) as runner:
        (waiting,) = (await runner.run_async(**WHO, new_message="go"))[0].get_function_calls()
        with pytest.raises(InputValidationError, match="not the user's to give"):
            await runner.run_async(**WHO, new_message=word(waiting, deleted="/x"))
    assert files.deleted == []


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
async def test_parallel_calls_are_allowed_one_by_one(service: Any, files: Files, order: tuple[int, int]) -> None:
    calls = [call("delete_file", path="/a"), call("delete_file", path="/b"), call("look")]

    async def look() -> str:
        """Looks."""
        files.deleted.append("looked")
        return "seen"

    async with Runner("app", deleter([calls, "done"], files.tool(), look), service) as runner:
        events = await runner.run_async(**WHO, new_message="go")
        assert answers(events) == [{"result": "seen"}]
        asked = questions(events)
        events = await runner.run_async(**WHO, new_message=word(asked[order[0]], **YES))
        assert questions(events) == [] and not types.text_of(events[-1].content)
        events = await runner.run_async(**WHO, new_message=word(asked[order[1]], **NO))
    assert files.deleted == ["looked", "/ab"[0] + "ab"[order[0]]]
    assert types.text_of(events[-1].content) == "done"
    assert_sound(await events_of(service))


async def test_branches_ask_apart_though_their_calls_have_one_id(service: Any, files: Files) -> None:
    def branch(name: str) -> Agent:
        made = types.FunctionCall(id="1", name="delete_file", args={"path": name})
        return deleter([made, f"{name} done"], files.tool(), name=name)

    end = Agent(name="end", model=ScriptedModel(["end"]))
    both = ParallelAgent(name="both", sub_agents=[branch("left"), branch("right")])
    async with Runner("app", SequentialAgent(name="tree", sub_agents=[both, end]), service) as runner:
        asked = questions(await runner.run_async(**WHO, new_message="go"))
        assert len(asked) == 2
        left = next(one for one in asked if one.args["originalFunctionCall"]["args"]["path"] == "left")
        await runner.run_async(**WHO, new_message=word(left, **YES))
        assert files.deleted == ["left"]
        right = next(one for one in asked if one is not left)
        events = await runner.run_async(**WHO, new_message=word(right, **NO))
    assert files.deleted == ["left"]
    assert types.text_of(events[-1].content) == "end"


# --- tools that ask by themselves


def booker(seen: list[Any]) -> Callable[..., Any]:
    async def book(days: int, tool_context: ToolContext) -> dict[str, Any]:
        """Books days off."""
        said = tool_context.tool_confirmation
        seen.append(said)
        if said is None:
            tool_context.state["asked_for"] = days
            tool_context.actions.skip_summarization = True
            tool_context.request_confirmation(hint="How many?", payload={"approved_days": 0})
            return {"status": "waiting"}
        return {"booked": said.payload["approved_days"] if said.confirmed else 0}

    return book


@pytest.mark.parametrize(("said", "booked"), [(YES, 2), (NO, 0)], ids=["yes", "no"])
async def test_a_tool_asks_and_is_told_the_answer(service: Any, said: dict[str, Any], booked: int) -> None:
    seen: list[Any] = []
    async with Runner("app", deleter([call("book", days=3), "done"], booker(seen)), service) as runner:
        events = await runner.run_async(**WHO, new_message="go")
        (question,) = questions(events)
        assert question.args["toolConfirmation"] == {
            "hint": "How many?",
            "confirmed": False,
            "payload": {"approved_days": 0},
        }
        assert answers(events) == []
        session = await service.get_session(**KEY)
        assert session.state["asked_for"] == 3
        events = await runner.run_async(**WHO, new_message=word(question, **said, payload={"approved_days": 2}))
    assert answers(events) == [{"booked": booked}]
    assert [one and one.confirmed for one in seen] == [None, said["confirmed"]]
    assert_sound(await events_of(service))


async def test_a_tool_may_ask_again_after_the_engine_did(service: Any) -> None:
    seen: list[Any] = []
    tool = FunctionTool(booker(seen), require_confirmation=True)

    async with Runner("app", deleter([call("book", days=3), "done"], tool), service) as runner:
        (first,) = questions(await runner.run_async(**WHO, new_message="go"))
        assert seen == []
        events = await runner.run_async(**WHO, new_message=word(first, **YES, payload={"approved_days": 1}))
    assert answers(events) == [{"booked": 1}]


async def test_a_confirmation_can_be_asked_for_in_a_tool_only() -> None:
    def before(callback_context: ToolContext) -> None:
        callback_context.request_confirmation(hint="?")

    agent = Agent(name="a", model=ScriptedModel(["hi"]), before_agent_callback=before)
    async with Runner("app", agent, InMemorySessionService(), auto_create_session=True) as runner:
        with pytest.raises(InputValidationError, match="use it in a tool"):
            await runner.run_async(**WHO, new_message="go")


# --- together with the rest


async def test_a_hook_that_answers_spares_the_question(service: Any, files: Files) -> None:
    class Guard(BasePlugin):
        async def before_tool_callback(self, **_: Any) -> dict[str, str]:
            return {"blocked": "by the guard"}

    agent = deleter([call("delete_file", path="/x"), "done"], files.tool())
    async with Runner("app", agent, service, plugins=[Guard(name="guard")]) as runner:
        events = await runner.run_async(**WHO, new_message="go")
    assert answers(events) == [{"blocked": "by the guard"}]
    assert questions(events) == [] and files.deleted == []


async def test_a_tool_that_takes_long_starts_once_it_is_allowed(service: Any) -> None:
    started: list[str] = []

    def order(item: str) -> None:
        """Orders something."""
        started.append(item)

    tool = LongRunningFunctionTool(order, require_confirmation=True)
    async with Runner("app", deleter([call("order", item="pen"), "thanks"], tool), service) as runner:
        events = await runner.run_async(**WHO, new_message="go")
        (made,) = events[0].get_function_calls()
        (question,) = questions(events)
        assert started == []
        events = await runner.run_async(**WHO, new_message=word(question, **YES))
        assert started == ["pen"] and answers(events) == []
        events = await runner.run_async(**WHO, new_message=word(made, status="delivered"))
    assert started == ["pen"]
    assert types.text_of(events[-1].content) == "thanks"


async def test_an_answer_may_come_after_other_messages_and_in_another_process(tmp_path: Path, files: Files) -> None:
    def model() -> FunctionModel:
        def reply(request: Any) -> Any:
            last = request.contents[-1].parts[-1]
            if last.function_response is not None:
                return f"told {last.function_response.response}"
            return call("delete_file", path="/x") if last.text == "go" else "hello"

        return FunctionModel(reply)

    asked: list[types.FunctionCall] = []
    for message in ("go", "hi", None):
        service = SqliteSessionService(tmp_path / "s.db")
        agent = Agent(name="a", model=model(), tools=[files.tool()])
        async with Runner("app", agent, service, auto_create_session=True) as runner:
            events = await runner.run_async(**WHO, new_message=message or word(*asked, **YES))
            asked.extend(questions(events))
        await service.close()
    assert files.deleted == ["/x"]
    assert types.text_of(events[-1].content) == "told {'deleted': '/x'}"


def outputs(events: list[Event]) -> list[Any]:
    return [event.output for event in events if event.output is not None]


@pytest.mark.parametrize(("said", "gives"), [(YES, {"deleted": "/x"}), (NO, REJECTED)], ids=["yes", "no"])
async def test_a_node_of_a_workflow_asks_about_its_tool(
    service: Any, files: Files, said: dict[str, Any], gives: dict[str, Any]
) -> None:
    async def after(node_input: dict[str, Any]) -> dict[str, Any]:
        return {"after": node_input}

    flow: BaseAgent = Workflow(name="flow", edges=[(START, files.tool(), after)])
    async with Runner("app", flow, service) as runner:
        events = await runner.run_async(**WHO, new_message='{"path": "/x"}')
        (question,) = questions(events)
        assert files.deleted == [] and outputs(events) == []
        about = question.args["originalFunctionCall"]
        assert (about["name"], about["args"]) == ("delete_file", {"path": "/x"})
    async with Runner("app", flow, service) as runner:
        events = await runner.run_async(**WHO, new_message=word(question, **said))
        assert questions(events) == [] and outputs(events) == [gives, {"after": gives}]
        assert files.deleted == (["/x"] if said["confirmed"] else [])
        await runner.run_async(**WHO, new_message=word(question, **YES))
    assert files.deleted == (["/x"] if said["confirmed"] else [])


async def test_nodes_at_the_same_time_are_allowed_one_by_one(service: Any, files: Files) -> None:
    left, right = files.tool(name="left"), files.tool(name="right")
    flow: BaseAgent = Workflow(name="flow", edges=[(START, (left, right))])
    async with Runner("app", flow, service) as runner:
        asked = questions(await runner.run_async(**WHO, new_message='{"path": "/x"}'))
        assert len(asked) == 2
        events = await runner.run_async(**WHO, new_message=word(asked[1], **YES))
        assert questions(events) == [] and files.deleted == ["/x"]
        await runner.run_async(**WHO, new_message=word(asked[0], **YES))
    assert files.deleted == ["/x", "/x"]


async def test_a_tool_that_is_a_node_asks_by_itself(service: Any) -> None:
    seen: list[Any] = []
    flow: BaseAgent = Workflow(name="flow", edges=[(START, FunctionTool(booker(seen)))])
    async with Runner("app", flow, service) as runner:
        (question,) = questions(await runner.run_async(**WHO, new_message='{"days": 3}'))
        assert question.args["toolConfirmation"]["hint"] == "How many?"
        events = await runner.run_async(**WHO, new_message=word(question, **YES, payload={"approved_days": 2}))
    assert outputs(events) == [{"booked": 2}]
    assert [one and one.confirmed for one in seen] == [None, True]


# --- interrupted


@pytest.mark.parametrize("place", ["in one agent", "in branches", "in an agent that is a tool", "in nodes"])
async def test_stopped_after_any_event_the_run_asks_what_is_unasked_and_ends_the_same(place: str) -> None:
    done: list[str] = []

    async def delete_file(path: str) -> str:
        """Deletes a file."""
        done.append(path)
        return f"deleted {path}"

    def arguments(path: str) -> dict[str, str]:
        return {"path": path}

    def one(name: str, *paths: str) -> Agent:
        def reply(request: Any) -> Any:
            if any(content.role == "model" for content in request.contents):
                return f"{name} done"
            return [call("delete_file", path=path) for path in paths]

        tool = FunctionTool(delete_file, require_confirmation=lambda path: path != "free")
        return Agent(name=name, model=FunctionModel(reply), tools=[tool])

    def tree() -> BaseAgent:
        if place == "in branches":
            return ParallelAgent(name="tree", sub_agents=[one("left", "a", "free"), one("right", "b")])
        if place == "in nodes":
            tool = FunctionTool(delete_file, require_confirmation=lambda path: path != "free")
            steps: list[Any] = []
            for path in ("a", "b", "free"):
                steps += [node(partial(arguments, path), name=f"name_{path}"), node(tool, name=f"delete_{path}")]
            return Workflow(name="tree", edges=[(START, *steps)])
        agent = one("left", "a", "b", "free")
        if place == "in an agent that is a tool":
            agent = Agent(name="tree", model=told(then=call("left", request="go")), tools=[AgentTool(agent)])
        return SequentialAgent(name="root", sub_agents=[agent])

    async def ended(kept: list[Event] | None) -> list[Event]:
        service = InMemorySessionService()
        session = await service.create_session(**KEY)
        for event in kept or ():
            await service.append_event(session, event.private_copy())
        async with Runner("app", tree(), service) as runner:
            if kept is None:
                await runner.run_async(**WHO, new_message="go")
            else:
                await runner.resume(**WHO, invocation_id=kept[0].invocation_id)
            while left := unanswered(await events_of(service)):
                await runner.run_async(**WHO, new_message=word(left[0], **YES))
        return await events_of(service)

    def unanswered(events: list[Event]) -> list[types.FunctionCall]:
        said = {answer.id for event in events for answer in event.get_function_responses()}
        return [asked for asked in questions(events) if asked.id not in said]

    whole = await ended(None)
    assert sorted(done) == ["a", "b", "free"]
    wanted = sorted(str(answer) for answer in answers(whole))
    for count in range(1, len(whole) + 1):
        events = await ended(whole[:count])
        assert_sound(events)
        given = sorted(str(answer) for answer in answers(events))
        assert outputs(events) == outputs(whole), f"cut after {count}"
        # Without a ledger nobody knows whether the call without a question was made; it is not made again.
        known = [one for one in given if "was stopped before" not in one]
        if len(known) < len(given):
            assert known == [one for one in wanted if not any(lost in one for lost in ("free", "left done"))]
        else:
            assert known == wanted, f"cut after {count}"


@pytest.mark.parametrize("again", [True, False])
@pytest.mark.parametrize("in_node", [False, True], ids=["of a model", "of a node"])
async def test_a_yes_is_used_up_by_the_call_that_was_interrupted(tmp_path: Path, in_node: bool, again: bool) -> None:
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)  # the store is closed under a run
    tries: list[Any] = []
    reached, never = asyncio.Event(), asyncio.Event()

    async def delete_file(path: str, tool_context: ToolContext) -> str:
        """Deletes a file."""
        tries.append(tool_context.tool_confirmation)
        if len(tries) == 1:
            reached.set()
            await never.wait()
        return "deleted"

    async def path() -> str:
        return "/x"

    async def end() -> str:
        return "done"

    def made(service: Any) -> Runner:
        def reply(request: Any) -> Any:
            return "done" if len(request.contents) > 1 else call("delete_file", path="/x")

        tool = FunctionTool(delete_file, require_confirmation=True)
        flow = Workflow(name="flow", edges=[(START, path, tool, end)])
        agent = Agent(name="a", model=FunctionModel(reply), tools=[tool])
        return Runner("app", flow if in_node else agent, service, auto_create_session=True)

    service = SqliteSessionService(tmp_path / "s.db", lease_seconds=1.0)
    runner = made(service)
    (question,) = questions(await runner.run_async(**WHO, new_message="go"))
    task = asyncio.ensure_future(runner.run_async(**WHO, new_message=word(question, **YES)))
    await reached.wait()
    await service.close()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    service = SqliteSessionService(tmp_path / "s.db", lease_seconds=1.0)
    async with made(service) as runner:
        (stopped,) = await runner.recover()
        (question,) = questions(await runner.resume(stopped))
        assert "interrupted" in question.args["toolConfirmation"]["hint"]
        assert len(tries) == 1
        events = await runner.run_async(**WHO, new_message=word(question, **(YES if again else NO)))
    assert len(tries) == (2 if again else 1)
    assert (types.text_of(events[-1].content) or events[-1].output) == "done"
    assert_sound(await events_of(service))
    await service.close()


async def test_a_call_that_was_allowed_and_then_cancelled_has_its_response(service: Any) -> None:
    reached = asyncio.Event()

    async def delete_file(path: str) -> str:
        """Deletes a file."""
        reached.set()
        await asyncio.Event().wait()
        return "deleted"

    agent = deleter([call("delete_file", path="/x")], FunctionTool(delete_file, require_confirmation=True))
    async with Runner("app", agent, service) as runner:
        (question,) = questions(await runner.run_async(**WHO, new_message="go"))
        run = runner.start(**WHO, new_message=word(question, **YES))
        await reached.wait()
        run.cancel("enough")
        with pytest.raises(Exception, match="enough"):
            await run
    events = await events_of(service)
    assert_sound(events)
    assert answers(events) == [{"error": "cancelled"}]


# --- asked by an agent that is a tool


def asking(inner: BaseAgent, *replies: Any, **options: Any) -> Agent:
    replies = replies or (call(inner.name, request="tidy up"), "all done")
    return Agent(name="outer", model=ScriptedModel(list(replies)), tools=[AgentTool(inner)], **options)


def told(*, then: Any) -> FunctionModel:
    """A model that says what its tool gave, and calls for more before."""

    def reply(request: Any) -> Any:
        response = request.contents[-1].parts[-1].function_response
        return then if response is None else f"told {json.dumps(response.response)}"

    return FunctionModel(reply)


@pytest.mark.parametrize("restarts", [False, True], ids=["one process", "restarted"])
@pytest.mark.parametrize(("said", "gives"), [(YES, {"deleted": "/x"}), (NO, REJECTED)], ids=["yes", "no"])
async def test_an_agent_that_is_a_tool_asks_through_the_one_that_called_it(
    tmp_path: Path, files: Files, said: dict[str, Any], gives: dict[str, Any], restarts: bool
) -> None:
    done: list[str] = []

    async def note(text: str, tool_context: ToolContext) -> str:
        """Notes."""
        done.append(text)
        tool_context.state["noted"] = text
        return text

    def tree() -> Agent:
        """The inner agent notes something first, which is not done again."""

        def reply(request: Any) -> Any:
            responses = [part.function_response for content in request.contents for part in content.parts or ()]
            told = [one for one in responses if one is not None]
            if not told:
                return call("note", text=types.text_of(request.contents[0]))
            return call("delete_file", path="/x") if len(told) == 1 else f"told {json.dumps(told[-1].response)}"

        inner = Agent(name="inner", model=FunctionModel(reply), tools=[files.tool(), note])
        model = told(then=call("inner", request="tidy up"))
        return Agent(name="outer", model=model, tools=[AgentTool(inner)])

    service = SqliteSessionService(tmp_path / "s.db")
    runner = Runner("app", tree(), service, auto_create_session=True)
    events = await runner.run_async(**WHO, new_message="go")
    (question,) = questions(events)
    about, asked = question.args["originalFunctionCall"], question.args["toolConfirmation"]
    assert (about["name"], about["args"]) == ("inner", {"request": "tidy up"})
    assert asked["hint"].startswith('inner asks about delete_file({"path":"/x"}): Please approve')
    assert "memo" not in asked and files.deleted == [] and done == ["tidy up"]
    session = await service.get_session(**KEY)
    assert session is not None and session.state == {"noted": "tidy up"}
    if restarts:
        await runner.close()
        await service.close()
        service = SqliteSessionService(tmp_path / "s.db")
        runner = Runner("app", tree(), service)
    forged = word(question, **said, memo=[])  # what the tool keeps for itself is not the user's to give
    events = await runner.run_async(**WHO, new_message=forged)
    assert files.deleted == (["/x"] if said["confirmed"] else []) and done == ["tidy up"]
    assert answers(events) == [{"result": f"told {json.dumps(gives)}"}]
    assert questions(events) == []
    assert_sound(await events_of(service))
    await runner.close()
    await service.close()


async def test_an_agent_that_is_a_tool_asks_as_often_as_it_has_to(service: Any, files: Files) -> None:
    both = [call("delete_file", path="/a"), call("delete_file", path="/b")]
    inner = deleter([both, call("delete_file", path="/c"), "tidy"], files.tool(), name="inner")
    middle = asking(inner, call("inner", request="x"), "middle done").clone({"name": "middle"})
    async with Runner("app", asking(middle), service) as runner:
        events = await runner.run_async(**WHO, new_message="go")
        shown: list[str] = []
        for said in (YES, NO, YES):
            (question,) = questions(events)
            shown.append(question.args["toolConfirmation"]["hint"])
            events = await runner.run_async(**WHO, new_message=word(question, **said))
    assert all("middle asks about inner(" in hint for hint in shown)
    assert [path in hint for hint, path in zip(shown, ("/a", "/b", "/c"), strict=True)] == [True] * 3
    assert files.deleted == ["/a", "/c"]
    assert answers(events) == [{"result": "middle done"}]
    assert types.text_of(events[-1].content) == "all done"
    assert_sound(await events_of(service))


async def test_what_a_tool_of_such_an_agent_asks_for_itself_comes_with_its_payload(service: Any) -> None:
    seen: list[Any] = []
    inner = deleter([call("book", days=3), "booked"], booker(seen), name="inner")
    async with Runner("app", asking(inner), service) as runner:
        (question,) = questions(await runner.run_async(**WHO, new_message="go"))
        assert question.args["toolConfirmation"]["payload"] == {"approved_days": 0}
        await runner.run_async(**WHO, new_message=word(question, **YES, payload={"approved_days": 2}))
    assert [one and one.payload for one in seen] == [None, {"approved_days": 2}]


async def test_the_call_of_the_agent_and_a_call_of_its_own_may_both_need_a_word(service: Any, files: Files) -> None:
    inner = deleter([call("delete_file", path="/x"), "tidy"], files.tool(), name="inner")
    tool = AgentTool(inner)
    tool.require_confirmation = True
    agent = deleter([call("inner", request="x"), "done"], tool)
    async with Runner("app", agent, service) as runner:
        (first,) = questions(await runner.run_async(**WHO, new_message="go"))
        (second,) = questions(await runner.run_async(**WHO, new_message=word(first, **YES)))
        assert "delete_file" in second.args["toolConfirmation"]["hint"] and files.deleted == []
        await runner.run_async(**WHO, new_message=word(second, **YES))
    assert files.deleted == ["/x"]


async def test_a_question_that_such_an_agent_cannot_pass_on_is_an_error_that_says_what_to_do(service: Any) -> None:
    async def ask() -> RequestInput:
        return RequestInput(message="How many?")

    flow: BaseAgent = Workflow(name="flow", edges=[(START, ask)])
    async with Runner("app", asking(flow), service) as runner:
        with pytest.raises(ConfigurationError, match="node of a Workflow"):
            await runner.run_async(**WHO, new_message="go")


async def test_such_an_agent_that_waits_for_somebody_outside_says_so(service: Any) -> None:
    def order() -> None:
        """Orders."""

    inner = deleter([call("order")], LongRunningFunctionTool(order), name="inner")
    async with Runner("app", asking(inner), service) as runner:
        events = await runner.run_async(**WHO, new_message="go")
    (answer,) = answers(events)
    assert answer is not None and "waits for an answer from outside to order" in answer["error"]


async def test_what_such_an_agent_used_before_it_asked_is_counted(service: Any, files: Files) -> None:
    inner = deleter([call("delete_file", path="/x"), "tidy"], files.tool(), name="inner")
    config = RunConfig(budget=Budget(llm_calls=4))
    async with Runner("app", asking(inner), service, run_config=config) as runner:
        (question,) = questions(await runner.run_async(**WHO, new_message="go"))
        run = runner.run(**WHO, new_message=word(question, **YES))
        await run
        assert run.budget is not None and run.budget.used.llm_calls == 4
