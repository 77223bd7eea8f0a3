# SPDX-License-Identifier: Apache-2.0
"""Passing the conversation on between agents."""

import sys

import pytest

from runwright import Agent, RunConfig, SequentialAgent, types
from runwright.errors import ConfigurationError, ToolArgumentsError
from runwright.flow.transfer import transfer_to_agent
from runwright.testing import FunctionModel, ScriptedModel, call


def to(name):
    return call("transfer_to_agent", agent_name=name)


def agent(name, *replies, **options):
    return Agent(name=name, model=ScriptedModel(list(replies)), **options)


def family(root=(), one=(), two=(), **options):
    """A root with two children."""
    children = [agent("one", *one, description="does one", **options), agent("two", *two, **options)]
    return agent("root", *root, sub_agents=children), *children


def speakers(events):
    return [event.author for event in events if event.content and event.content.parts[0].text]


async def test_to_a_child_and_the_next_turn_goes_to_it(chat, said, seen):
    root, one, _ = family(root=[to("one")], one=["I am one", "Still one"])
    talk = chat(root)
    events = await talk.say("Hi")
    assert said(events) == [
        ("root", "transfer_to_agent(agent_name='one')"),
        ("root", {"transfer_to_agent": {"result": None}}),
        ("one", "I am one"),
    ]
    assert events[1].actions.transfer_to_agent == "one"
    assert (events[0].node_info.path, events[2].node_info.path) == ("root@1", "root@1/one@1")
    assert said(await talk.say("And?")) == [("one", "Still one")]
    assert len(root.model.requests) == 1
    assert seen(one.model.requests[0])[0] == ("user", "Hi")


async def test_a_child_is_told_whom_it_can_reach(chat):
    root, one, _ = family(root=[to("one")], one=["ok"])
    await chat(root).say()
    told = root.model.requests[0].config.system_instruction
    assert "- one: does one" in told and "- two: no description" in told and "transfer_to_agent" in told
    declaration = root.model.requests[0].config.tools[0].function_declarations[0]
    assert declaration.parameters_json_schema["properties"]["agent_name"]["enum"] == ["one", "two"]
    told = one.model.requests[0].config.system_instruction
    assert "- root:" in told and "- two:" in told and "your parent agent, root" in told and "- one:" not in told


async def test_to_a_peer_to_the_parent_and_back(chat):
    root, one, two = family(root=[to("one"), to("two")], one=[to("two")], two=[to("root"), "two at last"])
    talk = chat(root)
    assert speakers(await talk.say()) == ["two"]
    assert [len(each.model.requests) for each in (root, one, two)] == [2, 1, 2]
    moves = [event.actions.transfer_to_agent for event in (await talk.session()).events]
    assert [target for target in moves if target] == [
        "one", "two", "root", "two",
    ]  # fmt: skip


async def test_in_a_later_turn_the_child_passes_it_back(chat):
    root, _, _ = family(root=[to("one"), "root again"], one=["one", to("root")])
    talk = chat(root)
    await talk.say()
    assert speakers(await talk.say()) == ["root"]
    root.model._replies.append("root still")
    assert speakers(await talk.say()) == ["root"]


async def test_ping_pong_does_not_grow_the_stack(chat):
    depths = []

    def frames():
        frame, count = sys._getframe(), 0
        while frame is not None:
            count, frame = count + 1, frame.f_back
        return count

    def passing(target):
        def reply(request):
            depths.append(frames())
            return to(target) if len(depths) < 60 else "enough"

        return FunctionModel(reply)

    one = Agent(name="one", model=passing("two"))
    two = Agent(name="two", model=passing("one"))
    root = Agent(name="root", model=ScriptedModel([to("one")]), sub_agents=[one, two])
    events = await chat(root).say()
    assert speakers(events)[-1:] and len(depths) == 60
    assert max(depths[2:]) == max(depths[2:6])


async def test_the_limit_of_model_calls_ends_a_ping_pong(chat):
    root, _, _ = family(root=[to("one")], one=[to("two")] * 9, two=[to("one")] * 9)
    error, _ = await chat(root).fails(Exception, run_config=RunConfig(max_llm_calls=7))
    assert "`7`" in str(error)


@pytest.mark.parametrize(
    ("options", "reachable"),
    [
        ({}, {"root", "two"}),
        ({"disallow_transfer_to_parent": True}, {"two"}),
        ({"disallow_transfer_to_peers": True}, {"root"}),
        ({"disallow_transfer_to_parent": True, "disallow_transfer_to_peers": True}, None),
    ],
)
async def test_whom_a_child_may_reach(chat, options, reachable):
    root, one, _ = family(root=[to("one"), "root"], one=["ok", "ok"], **options)
    talk = chat(root)
    await talk.say()
    tools = one.model.requests[0].tools_dict
    assert (set(tools["transfer_to_agent"].names) if tools else None) == reachable
    answered_by = speakers(await talk.say())
    assert answered_by == (["root"] if options.get("disallow_transfer_to_parent") else ["one"])


async def test_an_unknown_agent_is_told_to_the_model(chat, said):
    root, _, _ = family(root=[to("nobody"), to("one")], one=["one"])
    events = await chat(root).say()
    answer = said(events)[1][1]["transfer_to_agent"]["error"]
    assert "'nobody'" in answer and "one, two" in answer
    assert speakers(events) == ["one"]


async def test_a_model_that_insists_on_an_unknown_agent_fails_the_run(chat):
    root, _, _ = family(root=[to("nobody")] * 5)
    error, _ = await chat(root).fails(ToolArgumentsError, run_config=RunConfig(max_tool_errors=1))
    assert len(root.model.requests) == 2 and "'nobody'" in str(error)


async def test_a_tool_of_ones_own_passes_it_on(chat):
    def escalate(tool_context) -> str:
        """Gets help."""
        transfer_to_agent("one", tool_context)
        return "called for help"

    root, _, _ = family(root=[call("escalate")], one=["one"])
    root.tools = [escalate]
    assert speakers(await chat(root).say()) == ["one"]


async def test_a_tool_that_names_an_agent_that_does_not_exist_fails_the_run(chat):
    def escalate(tool_context) -> None:
        """Gets help."""
        transfer_to_agent("nobody", tool_context)

    root, _, _ = family(root=[call("escalate")])
    root.tools = [escalate]
    error, _ = await chat(root).fails(ConfigurationError)
    assert "'nobody'" in str(error)


async def test_to_a_workflow_and_the_next_turn_is_the_roots(chat):
    line = SequentialAgent(name="line", sub_agents=[agent("a", "A"), agent("b", "B")])
    root = agent("root", to("line"), "root", sub_agents=[line])
    talk = chat(root)
    assert speakers(await talk.say()) == ["a", "b"]
    assert speakers(await talk.say()) == ["root"]


async def test_inside_a_workflow_agents_do_not_reach_each_other(chat):
    one = agent("one", "ok")
    await chat(SequentialAgent(name="line", sub_agents=[one, agent("two", "ok")])).say()
    assert one.model.requests[0].tools_dict == {}


async def test_a_transfer_beside_other_calls(chat, said):
    def note(text: str) -> str:
        """Notes."""
        return "noted"

    root, _, _ = family(root=[[call("note", text="x"), to("one")]], one=["one"])
    root.tools = [note]
    events = await chat(root).say()
    assert said(events)[1] == ("root", {"note": {"result": "noted"}}, {"transfer_to_agent": {"result": None}})
    assert speakers(events) == ["one"]


async def test_callbacks_of_each_agent_are_called_as_it_runs(chat):
    heard = []

    def listener(what):
        return lambda callback_context: heard.append(f"{what} {callback_context.agent_name}")

    hooks = {"before_agent_callback": listener("before"), "after_agent_callback": listener("after")}
    root, _, _ = family(root=[to("one")], one=["one"], **hooks)
    root.before_agent_callback, root.after_agent_callback = hooks.values()
    await chat(root).say()
    assert heard == ["before root", "before one", "after one", "after root"]


async def test_after_a_failure_the_next_turn_is_of_the_one_who_had_the_conversation(chat):
    root, _, _ = family(root=[to("one")], one=[OSError("no net"), "one again"])
    talk = chat(root)
    await talk.fails(OSError)
    assert speakers(await talk.say()) == ["one"]


async def test_deep_down_and_all_the_way_up(chat):
    leaf = agent("leaf", to("middle"))
    middle = agent("middle", to("leaf"), to("root"), sub_agents=[leaf])
    root = agent("root", to("middle"), "home", sub_agents=[middle])
    talk = chat(root)
    assert speakers(await talk.say()) == ["root"]
    assert types.text_of((await talk.session()).events[-1].content) == "home"
