# SPDX-License-Identifier: Apache-2.0
"""Nothing that a caller, a callback or a tool does to what it was handed reaches the session or a later request."""

import copy

import pytest

from runwright import Agent, BaseTool, FunctionTool, GetSessionConfig, LlmResponse, RunConfig, types
from runwright.testing import FunctionModel, ScriptedModel, call


def spoil(content):
    for part in content.parts:
        if part.text:
            part.text = "SPOILED"
        if part.function_call is not None:
            part.function_call.args["spoiled"] = True
        if part.function_response is not None:
            part.function_response.response["spoiled"] = True
    content.parts.append(types.Part(text="SPOILED"))


def look_up(word: str) -> dict:
    """Looks a word up."""
    return {"found": [word]}


async def test_changing_a_received_event_changes_nothing(chat, seen):
    model = ScriptedModel([call("look_up", word="x"), "One", "Two"])
    talk = chat(Agent(name="a", model=model, tools=[look_up], output_key="answer"))
    stream = talk.runner.run_async(user_id="ada", session_id="s", new_message="First")
    async for event in stream:
        spoil(event.content)
        event.actions.state_delta["spoiled"] = True
        event.author = "spoiled"
    await talk.say("Second")
    for request in model.requests:
        assert "SPOILED" not in repr(request.contents) and "spoiled" not in repr(request.contents)
    assert seen(model.requests[2]) == [
        ("user", "First"),
        ("model", "look_up(word='x')"),
        ("user", {"look_up": {"found": ["x"]}}),
        ("model", "One"),
        ("user", "Second"),
    ]
    assert await talk.state() == {"answer": "Two"}
    assert "SPOILED" not in repr((await talk.session()).events)


async def test_changing_the_message_that_was_sent_changes_nothing(chat, seen):
    model = ScriptedModel(["One", "Two"])
    talk = chat(Agent(name="a", model=model))
    message = types.UserContent("First")
    await talk.say(message)
    message.parts[0].text = "Second"
    await talk.say(message)
    assert seen(model.requests[1]) == [("user", "First"), ("model", "One"), ("user", "Second")]


async def test_changing_a_request_in_a_callback_changes_that_request_alone(chat, seen):
    def look_up_twice(word: str) -> dict:
        """Looks a word up."""
        return {"found": [word]}

    config = types.GenerateContentConfig(
        temperature=0.5,
        stop_sequences=["END"],
        labels={"team": "one"},
        safety_settings=[types.SafetySetting(threshold=types.HarmBlockThreshold.OFF)],
        http_options=types.HttpOptions(headers={"x": "1"}),
    )
    before = copy.deepcopy(config)

    def change(callback_context, llm_request):
        for content in llm_request.contents:
            spoil(content)
        llm_request.contents.clear()
        llm_request.contents.append(types.UserContent("Other"))
        llm_request.config.temperature = 1.0
        llm_request.config.system_instruction += " more"
        llm_request.config.stop_sequences.append("SPOILED")
        llm_request.config.labels["spoiled"] = "yes"
        llm_request.config.safety_settings[0].threshold = types.HarmBlockThreshold.BLOCK_NONE
        llm_request.config.http_options.headers["spoiled"] = "yes"
        declaration = llm_request.config.tools[0].function_declarations[0]
        declaration.description += " SPOILED"
        declaration.parameters_json_schema["properties"]["word"]["enum"] = ["SPOILED"]
        llm_request.tools_dict.clear()

    agent = Agent(
        name="a",
        model="unused",
        instruction="Be brief.",
        tools=[look_up_twice],
        generate_content_config=config,
        before_model_callback=change,
    )
    agent.model = model = ScriptedModel(["One", "Two"])
    talk = chat(agent)
    await talk.say("First")
    agent.before_model_callback = None
    await talk.say("Second")
    assert seen(model.requests[0]) == [("user", "Other")]
    assert seen(model.requests[1]) == [("user", "First"), ("model", "One"), ("user", "Second")]
    assert config == before
    second = model.requests[1].config
    assert second.system_instruction == 'Be brief.\n\nYou are an agent. Your internal name is "a".'
    assert (second.temperature, second.stop_sequences, second.labels) == (0.5, ["END"], {"team": "one"})
    assert "SPOILED" not in repr(second.tools)
    assert set(model.requests[1].tools_dict) == {"look_up_twice"}


async def test_a_response_that_a_callback_gives_again_and_again_is_a_new_answer_each_time(chat):
    cached = LlmResponse(
        content=types.Content(role="model", parts=[types.Part(function_call=call("look_up", word="x"))])
    )
    model = ScriptedModel(["One", "Two"])
    talk = chat(Agent(name="a", model=model, tools=[look_up]))

    def first_call_from_cache(callback_context, llm_request):
        last = llm_request.contents[-1].parts[-1]
        return cached if last.function_response is None else None

    talk.runner.agent.before_model_callback = first_call_from_cache
    first, second = await talk.say("First"), await talk.say("Second")
    ids = [event.get_function_calls()[0].id for event in (first[0], second[0])]
    assert ids[0] != ids[1] and all(ids)
    assert cached.content.parts[0].function_call.id is None


async def test_a_list_in_state_that_was_read_and_changed_in_place_is_stored(chat):
    def append(value: int, tool_context) -> int:
        """Adds a value."""
        tool_context.state["numbers"].append(value)
        return len(tool_context.state["numbers"])

    def look(tool_context) -> int:
        """Only reads."""
        return len(tool_context.state["numbers"])

    model = ScriptedModel([call("append", value=2), "a", call("look"), "b"])
    talk = chat(Agent(name="a", model=model, tools=[append, look]))
    await talk.say("go", state_delta={"numbers": [1]})
    assert (await talk.state())["numbers"] == [1, 2]
    assert not any(event.actions.state_delta for event in await talk.say("go"))


async def test_a_change_in_place_past_the_context_is_not_stored(chat):
    def past(tool_context) -> None:
        """Changes what the session holds, which nobody records."""
        tool_context.session.state["numbers"].append(2)

    model = ScriptedModel([call("past"), "a", "b"])
    talk = chat(Agent(name="a", model=model, tools=[past]))
    await talk.say("go", state_delta={"numbers": [1]})
    await talk.say("go")
    assert (await talk.state())["numbers"] == [1]
    assert (
        await talk.runner.session_service.get_session(app_name=talk.runner.app_name, user_id="ada", session_id="s")
    ).state["numbers"] == [1]


async def test_callbacks_change_state_in_place_too(chat):
    def note(callback_context, **_) -> None:
        callback_context.state["seen"].append(callback_context.agent_name)

    agent = Agent(name="a", model=ScriptedModel(["x"]), before_model_callback=note, after_agent_callback=note)
    talk = chat(agent)
    await talk.say("go", state_delta={"seen": []})
    assert (await talk.state())["seen"] == ["a", "a"]


async def test_what_was_assigned_is_stored_as_it_was_then(chat):
    kept = []

    def assign(tool_context) -> None:
        """Assigns."""
        tool_context.state["numbers"] = numbers = [1]
        kept.append(numbers)

    def change(tool_context) -> list:
        """Changes what was assigned."""
        kept[0].append(2)
        tool_context.state["numbers"].append(3)
        return tool_context.state["numbers"]

    model = ScriptedModel([call("assign"), call("change"), "done", "next"])
    talk = chat(Agent(name="a", model=model, tools=[assign, change]))
    await talk.say()
    assert (await talk.state())["numbers"] == [1, 3]
    held = talk.runner.sessions.take((talk.runner.app_name, "ada", "s"))
    deltas = [event.actions.state_delta for event in held.session.events if event.actions.state_delta]
    assert deltas == [{"numbers": [1]}, {"numbers": [1, 3]}]


async def test_a_session_that_was_read_reaches_no_run(chat, seen):
    model = ScriptedModel(["One", "Two"])
    talk = chat(Agent(name="a", model=model))
    await talk.say("First", state_delta={"key": [1]})
    session = await talk.session()
    session.state["key"].append(2)
    session.state["other"] = 1
    spoil(session.events[0].content)
    session.events.clear()
    await talk.say("Second")
    assert seen(model.requests[1]) == [("user", "First"), ("model", "One"), ("user", "Second")]
    assert await talk.state() == {"key": [1]}


async def test_a_run_that_loaded_few_events_does_not_shorten_the_next_ones(chat, seen):
    model = ScriptedModel(["One", "Two", "Three", "Four"])
    talk = chat(Agent(name="a", model=model))
    await talk.say("1")
    await talk.say("2")
    await talk.say("3", run_config=RunConfig(get_session_config=GetSessionConfig(num_recent_events=2)))
    await talk.say("4")
    assert seen(model.requests[2]) == [("user", "2"), ("model", "Two"), ("user", "3")]
    assert seen(model.requests[3]) == [
        ("user", "1"),
        ("model", "One"),
        ("user", "2"),
        ("model", "Two"),
        ("user", "3"),
        ("model", "Three"),
        ("user", "4"),
    ]


@pytest.mark.parametrize("in_thread", [True, False])
async def test_arguments_changed_by_a_tool_or_a_callback_do_not_change_the_call_in_the_log(chat, seen, in_thread):
    def greedy(items: list[int], options: dict) -> int:
        """Takes things."""
        items.clear()
        options["taken"] = True
        return 1

    def before(tool: BaseTool, args: dict, tool_context) -> None:
        args["options"]["seen"] = True

    model = ScriptedModel([call("greedy", items=[1, 2], options={}), "done"])
    tool = FunctionTool(greedy, run_in_thread=in_thread)
    talk = chat(Agent(name="a", model=model, tools=[tool], before_tool_callback=before))
    await talk.say()
    assert seen(model.requests[1])[1] == ("model", "greedy(items=[1, 2], options={})")


async def test_what_a_tool_returned_can_be_changed_by_it_later(chat, seen):
    shared = {"count": 1}

    def current() -> dict:
        """The count."""
        return shared

    model = ScriptedModel([call("current"), "One", "Two"])
    talk = chat(Agent(name="a", model=model, tools=[current]))
    await talk.say()
    shared["count"] = 2
    await talk.say()
    assert seen(model.requests[2])[2] == ("user", {"current": {"count": 1}})


async def test_a_model_that_gives_the_same_response_object_again(chat, seen):
    response = LlmResponse(content=types.ModelContent("Same"))
    model = FunctionModel(lambda request: response)
    talk = chat(Agent(name="a", model=model))
    events = await talk.say() + await talk.say()
    spoil(events[0].content)
    assert response.content == types.ModelContent("Same")
