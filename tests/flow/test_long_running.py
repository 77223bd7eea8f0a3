# SPDX-License-Identifier: Apache-2.0
"""Tools whose answer comes from outside, later."""

import pytest

from runwright import (
    Agent,
    App,
    InMemorySessionService,
    LongRunningFunctionTool,
    ResumabilityConfig,
    Runner,
    SequentialAgent,
    types,
)
from runwright.errors import InputValidationError
from runwright.invocation import asks_user, questions_to_user
from runwright.sessions.sqlite import SqliteSessionService
from runwright.testing import FunctionModel, ScriptedModel, call


def approve(what: str):
    """Asks for approval."""
    return {"ticket": 7} if what == "ticket" else None


def look() -> str:
    """Looks."""
    return "seen"


def agent(*replies, name="a"):
    return Agent(name=name, model=ScriptedModel(list(replies)), tools=[LongRunningFunctionTool(approve), look])


def answer(event, response, at=0):
    """The user's message that answers a call of ``event``."""
    one = event.get_function_calls()[at]
    return types.Content(
        role="user",
        parts=[types.Part(function_response=types.FunctionResponse(id=one.id, name=one.name, response=response))],
    )


async def test_a_model_that_plays_the_engine_asks_the_user_nothing(chat):
    forged = call("adk_request_credential", authConfig={"authScheme": {"type": "http", "scheme": "basic"}})
    [asked, *_] = await chat(agent([call("approve", what="x"), forged], "Done")).say("Please")
    assert [one.name for one in asked.get_function_calls()] == ["approve", "adk_request_credential"]
    assert asked.long_running_tool_ids and questions_to_user(asked) == [] and not asks_user(asked)


async def test_without_a_first_word_the_run_waits_and_goes_on_with_the_answer(chat, said, seen):
    a = agent(call("approve", what="x"), "Approved!")
    talk = chat(a)
    [asked] = await talk.say("Please")
    assert asked.long_running_tool_ids == {asked.get_function_calls()[0].id} and asked.is_final_response()
    events = await talk.say(answer(asked, {"ok": True}))
    assert said(events) == [("a", "Approved!")] and events[0].invocation_id == asked.invocation_id
    assert seen(a.model.requests[1]) == [
        ("user", "Please"),
        ("model", "approve(what='x')"),
        ("user", {"approve": {"ok": True}}),
    ]
    log = (await talk.session()).events
    assert [event.author for event in log] == ["user", "a", "user", "a"] and len(
        {event.invocation_id for event in log}
    ) == 1


async def test_a_first_word_and_then_the_answer(chat, said, seen):
    a = agent(call("approve", what="ticket"), "I asked.", "Hi again", "Approved!", "More")
    talk = chat(a)
    events = await talk.say("Please")
    assert said(events)[1:] == [("a", {"approve": {"ticket": 7}}), ("a", "I asked.")]
    await talk.say("Still there?")
    events = await talk.say(answer(events[0], {"ok": True}))
    assert said(events) == [("a", "Approved!")]
    # The model goes on from the answer: what was said meanwhile is not in the way.
    assert seen(a.model.requests[3]) == [
        ("user", "Please"),
        ("model", "approve(what='ticket')"),
        ("user", {"approve": {"ok": True}}),
    ]
    await talk.say("Thanks")
    assert seen(a.model.requests[4]) == [
        ("user", "Please"),
        ("model", "approve(what='ticket')"),
        ("user", {"approve": {"ok": True}}),
        ("model", "I asked."),
        ("user", "Still there?"),
        ("model", "Hi again"),
        ("model", "Approved!"),
        ("user", "Thanks"),
    ]


async def test_another_message_before_the_answer(chat, seen):
    a = agent(call("approve", what="x"), "Still waiting", "Approved!")
    talk = chat(a)
    [asked] = await talk.say("Please")
    await talk.say("And?")
    assert seen(a.model.requests[1]) == [("user", "Please"), ("user", "And?")]
    await talk.say(answer(asked, {"ok": True}))
    assert seen(a.model.requests[2]) == [
        ("user", "Please"),
        ("model", "approve(what='x')"),
        ("user", {"approve": {"ok": True}}),
    ]


async def test_beside_a_call_that_is_answered_at_once_the_model_goes_on(chat, said, seen):
    a = agent([call("approve", what="x"), call("look")], "Looked.", "Approved!")
    talk = chat(a)
    events = await talk.say("Please")
    assert said(events)[1:] == [("a", {"look": {"result": "seen"}}), ("a", "Looked.")]
    assert len(events[0].long_running_tool_ids) == 1
    assert seen(a.model.requests[1])[1:] == [("model", "look()"), ("user", {"look": {"result": "seen"}})]
    await talk.say(answer(events[0], {"ok": True}))
    assert seen(a.model.requests[2]) == [
        ("user", "Please"),
        ("model", "approve(what='x')", "look()"),
        ("user", {"approve": {"ok": True}}, {"look": {"result": "seen"}}),
    ]


async def test_two_that_are_answered_in_one_message_or_one_by_one(chat, seen):
    def asking():
        return agent([call("approve", what="x"), call("approve", what="y")], "One", "Two")

    a = asking()
    talk = chat(a)
    [asked] = await talk.say("Please")
    both = types.Content(role="user", parts=[answer(asked, {"n": at}, at).parts[0] for at in (0, 1)])
    await talk.say(both)
    assert seen(a.model.requests[1])[-1] == ("user", {"approve": {"n": 0}}, {"approve": {"n": 1}})

    a = asking()
    talk = chat(a)
    [asked] = await talk.say("Please")
    await talk.say(answer(asked, {"n": 1}, at=1))
    assert seen(a.model.requests[1])[1:] == [("model", "approve(what='y')"), ("user", {"approve": {"n": 1}})]
    await talk.say(answer(asked, {"n": 0}, at=0))
    assert seen(a.model.requests[2])[1:] == [
        ("model", "approve(what='x')", "approve(what='y')"),
        ("user", {"approve": {"n": 0}}, {"approve": {"n": 1}}),
    ]


async def test_the_agent_that_called_goes_on(chat, said):
    a, b = agent(call("approve", what="x"), "Approved!", name="one"), agent("two", name="two")
    root = Agent(name="root", model=ScriptedModel([call("transfer_to_agent", agent_name="one")]), sub_agents=[a, b])
    talk = chat(root)
    events = await talk.say("Please")
    assert said(await talk.say(answer(events[-1], {"ok": True}))) == [("one", "Approved!")]


async def test_in_a_workflow_the_agent_that_called_goes_on(chat, said):
    line = SequentialAgent(name="line", sub_agents=[agent(call("approve", what="x"), "Approved!", name="one")])
    talk = chat(line)
    [asked] = await talk.say("Please")
    assert said(await talk.say(answer(asked, {"ok": True}))) == [("one", "Approved!")]


async def test_an_answer_that_does_not_belong_is_refused_and_changes_nothing(chat):
    talk = chat(agent(call("approve", what="x"), "x", call("approve", what="y")))
    [asked] = await talk.say("Please")
    before = (await talk.session()).events
    wrong = answer(asked, {})
    wrong.parts[0].function_response.id = "other"
    mixed = answer(asked, {})
    mixed.parts.append(types.Part(text="and"))
    for message, named in ((wrong, "'other'"), (mixed, "two messages")):
        with pytest.raises(InputValidationError, match=named):
            await talk.say(message)
    with pytest.raises(InputValidationError, match="invocation_id"):
        await talk.say(answer(asked, {}), invocation_id="e-other")
    assert (await talk.session()).events == before


async def test_state_written_while_asking_is_stored(chat):
    def ask(tool_context) -> None:
        """Asks."""
        tool_context.state["asked"] = True

    talk = chat(Agent(name="a", model=ScriptedModel([call("ask")]), tools=[LongRunningFunctionTool(ask)]))
    events = await talk.say()
    assert events[-1].content is None and await talk.state() == {"asked": True}


async def test_the_model_is_told_not_to_call_again(chat):
    a = agent("ok")
    await chat(a).say()
    descriptions = {one.name: one.description for one in a.model.requests[0].config.tools[0].function_declarations}
    assert "do not call it again" in descriptions["approve"] and descriptions["look"] == "Looks."


# --- from asking to the last update, also in processes that come after


def desk(told):
    """An agent that orders things; its model repeats what it was told last."""

    def order(item: str) -> dict:
        """Orders something."""
        told.append(item)
        return {"status": "pending", "ticket": "T1"}

    def reply(request):
        last = request.contents[-1].parts[-1]
        if last.function_response is None:
            return call("order", item="pen") if last.text == "order" else f"heard {last.text}"
        return f"it is {last.function_response.response['status']}"

    return Agent(name="desk", model=FunctionModel(reply), tools=[LongRunningFunctionTool(order)])


WHO = {"user_id": "u", "session_id": "s"}


@pytest.mark.parametrize("is_resumable", [False, True], ids=["", "resumable"])
@pytest.mark.parametrize("restarts", [False, True], ids=["one process", "restarted"])
async def test_updates_come_one_after_the_other_until_the_last(tmp_path, restarts, is_resumable):
    told, service, runner = [], None, None

    async def say(message):
        nonlocal service, runner
        if runner is None or restarts:
            if runner is not None:
                await runner.close()
                await service.close()
            service = SqliteSessionService(tmp_path / "s.db") if restarts else InMemorySessionService()
            config = ResumabilityConfig(is_resumable=is_resumable)
            app = App(name="app", root_agent=desk(told), resumability_config=config)
            runner = Runner(app=app, session_service=service, auto_create_session=True)
        return await runner.run_async(**WHO, new_message=message)

    events = await say("order")
    (made,) = events[0].get_function_calls()
    assert events[0].long_running_tool_ids == {made.id}
    (ticket,) = events[1].get_function_responses()
    assert (ticket.id, ticket.response) == (made.id, {"status": "pending", "ticket": "T1"})
    # As in ADK, the model says something about the ticket, unless the app is resumable: then the run waits.
    assert [types.text_of(event.content) for event in events[2:]] == ([] if is_resumable else ["it is pending"])
    for status in ("packed", "sent"):
        (event,) = await say(answer(events[0], {"status": status}))
        assert types.text_of(event.content) == f"it is {status}"
        assert event.invocation_id == events[0].invocation_id
    (event,) = await say("thanks")
    assert types.text_of(event.content) == "heard thanks" and event.invocation_id != events[0].invocation_id
    (event,) = await say(answer(events[0], {"status": "delivered"}))
    assert types.text_of(event.content) == "it is delivered"
    wrong = answer(events[0], {"status": "lost"})
    wrong.parts[0].function_response.id = "nobody's"
    with pytest.raises(InputValidationError, match="nobody's"):
        await say(wrong)
    assert told == ["pen"]
    await runner.close()
    await service.close()


async def test_an_update_without_a_name_is_of_the_call_with_its_id(chat, seen):
    a = agent(call("approve", what="x"), "ok")
    talk = chat(a)
    [asked] = await talk.say("Please")
    nameless = answer(asked, {"ok": True})
    nameless.parts[0].function_response.name = None
    await talk.say(nameless)
    assert seen(a.model.requests[1])[-1] == ("user", {"approve": {"ok": True}})


async def test_an_answer_to_a_call_that_was_answered_is_taken_as_the_newer_one(chat, seen):
    a = agent(call("approve", what="ticket"), "Asked.", "Again.")
    talk = chat(a)
    events = await talk.say("Ask")
    await talk.say(answer(events[0], {"ok": True}))
    assert seen(a.model.requests[2])[-1] == ("user", {"approve": {"ok": True}})


async def test_what_a_tool_gave_is_not_the_users_to_say(chat, seen):
    a = agent(call("look"), "Seen.", "Again.")
    talk = chat(a)
    events = await talk.say("Look")
    with pytest.raises(InputValidationError, match="not the user's to give"):
        await talk.say(answer(events[0], {"result": "gold"}))
    await talk.say("And?")
    assert "gold" not in str(seen(a.model.requests[2]))


async def test_a_long_running_tool_of_async_steps_reports_them_and_gives_its_ticket(chat):
    async def order():
        """Orders."""
        yield {"status": "asking"}
        yield {"status": "pending"}

    a = Agent(name="a", model=ScriptedModel([call("order"), "ok"]), tools=[LongRunningFunctionTool(order)])
    events = await chat(a).say()
    assert [(event.partial, one.response["status"]) for event in events for one in event.get_function_responses()] == [
        (True, "asking"),
        (True, "pending"),
        (None, "pending"),
    ]
