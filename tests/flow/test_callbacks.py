# SPDX-License-Identifier: Apache-2.0
"""The eight callbacks of an agent: how they are called, what their answers do, and that what they write is stored."""

import dataclasses
import functools

import pytest

from runwright import Agent, LlmResponse, RunConfig, StreamingMode, types
from runwright.testing import ScriptedModel, call, stream


def fine(x: int) -> dict:
    """Works."""
    return {"fine": x}


def broken(x: int) -> dict:
    """Does not."""
    raise OSError("disk full")


REPLACEMENTS = {
    "before_agent_callback": types.ModelContent("replaced"),
    "after_agent_callback": types.ModelContent("replaced"),
    "before_model_callback": LlmResponse(content=types.ModelContent("replaced")),
    "after_model_callback": LlmResponse(content=types.ModelContent("replaced")),
    "on_model_error_callback": LlmResponse(content=types.ModelContent("replaced")),
    "before_tool_callback": {"replaced": True},
    "after_tool_callback": {"replaced": True},
    "on_tool_error_callback": {"replaced": True},
}
OFFERED = {
    "before_agent_callback": ["callback_context"],
    "after_agent_callback": ["callback_context", "events"],
    "before_model_callback": ["callback_context", "llm_request"],
    "after_model_callback": ["callback_context", "llm_response"],
    "on_model_error_callback": ["callback_context", "llm_request", "error"],
    "before_tool_callback": ["tool", "args", "tool_context"],
    "after_tool_callback": ["tool", "args", "tool_context", "tool_response"],
    "on_tool_error_callback": ["tool", "args", "tool_context", "error"],
}
HOOKS = sorted(OFFERED)


def agent_for(hook, callbacks):
    """An agent that calls a tool and answers; the tool or the model fails where the hook is about that."""
    first = call("fine", x=1)
    replies = [first, "said"]
    tools = [fine]
    if hook == "on_tool_error_callback":
        tools, replies = [broken], [call("broken", x=1), "said"]
    if hook == "on_model_error_callback":
        replies = [OSError("no net")]
    if hook in ("before_model_callback", "after_model_callback"):
        replies = ["said"]
    return Agent(name="a", model=ScriptedModel(replies), tools=tools, **{hook: callbacks})


SAID_WITH_REPLACEMENT = {
    "before_agent_callback": [("a", "replaced")],
    "after_agent_callback": [("a", "fine(x=1)"), ("a", {"fine": {"fine": 1}}), ("a", "said"), ("a", "replaced")],
    "before_model_callback": [("a", "replaced")],
    "after_model_callback": [("a", "replaced")],
    "on_model_error_callback": [("a", "replaced")],
    "before_tool_callback": [("a", "fine(x=1)"), ("a", {"fine": {"replaced": True}}), ("a", "said")],
    "after_tool_callback": [("a", "fine(x=1)"), ("a", {"fine": {"replaced": True}}), ("a", "said")],
    "on_tool_error_callback": [("a", "broken(x=1)"), ("a", {"broken": {"replaced": True}}), ("a", "said")],
}


def taking(names, body):
    """A function with these parameters, which calls ``body`` with them."""
    scope = {"body": body}
    passed = ", ".join(name.removesuffix("=None") for name in names if not name.startswith("**"))
    exec(f"def callback({', '.join(names)}): return body({passed})", scope)
    return scope["callback"]


def made_async(function):
    @functools.wraps(function)
    async def later(*args, **kwargs):
        return function(*args, **kwargs)

    return later


SHAPES = {
    "by name": lambda names, body: taking(names, body),
    "in another order": lambda names, body: taking(names[::-1], lambda *got: body(*got[::-1])),
    "by position": lambda names, body: taking([f"own_{name}" for name in names], body),
    "any keywords": lambda names, body: lambda **given: body(*(given[name] for name in names)),
    "any positions": lambda names, body: lambda *given: body(*given),
    "one position and any keywords": lambda names, body: taking([*(f"own_{name}" for name in names), "**rest"], body),
    "defaults": lambda names, body: taking([f"own_{name}=None" for name in names], body),
    "async": lambda names, body: made_async(taking(names, body)),
    "partial": lambda names, body: functools.partial(lambda extra, *given: body(*given), 0),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("hook", HOOKS)
async def test_each_callback_is_called_in_any_shape_and_its_answer_counts(chat, said, hook, shape):
    calls = []

    def body(*given):
        calls.append(given)
        return REPLACEMENTS[hook]

    talk = chat(agent_for(hook, SHAPES[shape](OFFERED[hook], body)))
    events = await talk.say()
    assert said(events) == SAID_WITH_REPLACEMENT[hook]
    [given] = calls
    assert len(given) == len(OFFERED[hook])
    named = dict(zip(OFFERED[hook], given, strict=True))
    context = named.get("callback_context") or named["tool_context"]
    assert (context.agent_name, context.user_id, context.invocation_id) == ("a", "ada", events[0].invocation_id)
    if "args" in named:
        assert named["args"] == {"x": 1} and named["tool"].name in ("fine", "broken")
        assert context.function_call_id == events[0].get_function_calls()[0].id
    if "error" in named:
        assert isinstance(named["error"], OSError)
    if "tool_response" in named:
        assert named["tool_response"] == {"fine": 1}
    if "llm_response" in named:
        assert named["llm_response"].content == types.ModelContent("said")
    if "events" in named:
        assert [event.id for event in named["events"]] == [event.id for event in events[:-1]]


@pytest.mark.parametrize("hook", HOOKS)
async def test_of_several_callbacks_the_first_answer_counts(chat, said, hook):
    asked = []

    def silent(*_):
        asked.append("silent")

    async def decides(*_):
        asked.append("decides")
        return REPLACEMENTS[hook]

    def late(*_):
        asked.append("late")

    talk = chat(agent_for(hook, [silent, decides, late]))
    assert said(await talk.say()) == SAID_WITH_REPLACEMENT[hook]
    assert asked == ["silent", "decides"]


@pytest.mark.parametrize("hook", [hook for hook in HOOKS if not hook.startswith("on_")])
async def test_a_callback_that_says_nothing_changes_nothing(chat, said, hook):
    asked = []
    plain = said(await chat(agent_for(hook, None)).say())
    assert said(await chat(agent_for(hook, lambda *_: asked.append(1))).say()) == plain
    assert asked == [1]


@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize("answers", [True, False])
async def test_what_a_callback_writes_to_state_is_stored(chat, hook, answers):
    def write(*given):
        context = next(one for one in given if hasattr(one, "state"))
        context.state["written"] = hook
        context.state["temp:written"] = hook
        return REPLACEMENTS[hook] if answers or hook.startswith("on_") else None

    talk = chat(agent_for(hook, write))
    await talk.say()
    assert await talk.state() == {"written": hook}


@pytest.mark.parametrize("hook", HOOKS)
async def test_a_callback_set_afterwards_is_called_in_the_next_run(chat, said, hook):
    asked = []
    talk = chat(agent_for(hook, lambda *_: REPLACEMENTS[hook] if hook.startswith("on_") else None))
    talk.runner.agent.model._repeat = True
    await talk.say()
    setattr(talk.runner.agent, hook, lambda *_: asked.append(hook) or REPLACEMENTS[hook])
    await talk.say()
    assert asked == [hook]


@pytest.mark.parametrize("hook", HOOKS)
async def test_an_error_in_a_callback_fails_the_run(chat, hook):
    def fails(*_):
        raise LookupError("callback is wrong")

    talk = chat(agent_for(hook, fails))
    error, events = await talk.fails(LookupError)
    assert str(error) == "callback is wrong"
    assert events[-1].error_code == "LookupError" and events[-1].error_message == "callback is wrong"


async def test_an_object_that_can_be_called_and_cannot_be_hashed_is_a_callback(chat, said):
    @dataclasses.dataclass
    class Guard:
        word: str

        def __call__(self, callback_context):
            return types.ModelContent(self.word)

    talk = chat(agent_for("before_agent_callback", Guard("no")))
    assert said(await talk.say()) == [("a", "no")]


async def test_a_method_is_a_callback(chat, said):
    class Guards:
        def before(self, callback_context):
            return types.ModelContent(callback_context.user_content.parts[0].text + "?")

    assert said(await chat(agent_for("before_agent_callback", Guards().before)).say("Hi")) == [("a", "Hi?")]


@pytest.mark.parametrize(
    "answer", ["a text", {"role": "model", "parts": [{"text": "a text"}]}, [types.Part(text="a text")]]
)
async def test_an_agent_callback_may_answer_in_any_form_of_a_message(chat, said, answer):
    talk = chat(agent_for("before_agent_callback", lambda callback_context: answer))
    events = await talk.say()
    assert said(events) == [("a", "a text")] and events[0].content.role == "model"


async def test_a_callback_that_only_writes_state_makes_an_event_without_content(chat):
    def write(callback_context):
        callback_context.state["seen"] = True

    talk = chat(Agent(name="a", model=ScriptedModel(["hi"]), before_agent_callback=write, after_agent_callback=write))
    events = await talk.say()
    assert [(event.content is None, event.actions.state_delta) for event in events] == [
        (True, {"seen": True}),
        (False, {}),
        (True, {"seen": True}),
    ]


async def test_an_artifact_saved_in_a_callback_is_in_an_event(chat):
    async def save(callback_context):
        await callback_context.save_artifact("a.txt", types.Part(text="x"))

    talk = chat(Agent(name="a", model=ScriptedModel(["hi"]), before_agent_callback=save))
    assert (await talk.say())[0].actions.artifact_delta == {"a.txt": 0}


async def test_the_run_can_be_ended_by_a_callback(chat, said):
    def end(callback_context, llm_request):
        callback_context.invocation_context.end_invocation = True
        return LlmResponse(content=types.ModelContent("enough"))

    model = ScriptedModel([])
    talk = chat(Agent(name="a", model=model, before_model_callback=end, after_agent_callback=lambda **_: "not asked"))
    assert said(await talk.say()) == [("a", "enough")]


async def test_chunks_go_through_the_model_callback_too(chat, said):
    def loud(callback_context, llm_response):
        text = llm_response.content.parts[0].text
        callback_context.state["heard"] = callback_context.state.get("heard", 0) + 1
        return llm_response.model_copy(update={"content": types.ModelContent(text.upper())})

    model = ScriptedModel([stream("one ", "two")])
    talk = chat(Agent(name="a", model=model, after_model_callback=loud))
    events = await talk.say(run_config=RunConfig(streaming_mode=StreamingMode.SSE))
    assert said(events) == [("a", "ONE "), ("a", "TWO"), ("a", "ONE TWO")]
    assert [event.actions.state_delta for event in events] == [{}, {}, {"heard": 3}]
    assert await talk.state() == {"heard": 3}


async def test_arguments_changed_before_a_tool_are_what_it_gets(chat, said):
    def change(tool, args, tool_context):
        args["x"] = 2

    talk = chat(agent_for("before_tool_callback", change))
    assert said(await talk.say())[1] == ("a", {"fine": {"fine": 2}})


async def test_an_empty_result_of_a_callback_is_a_result(chat, said):
    talk = chat(agent_for("before_tool_callback", lambda tool, args, tool_context: {}))
    assert said(await talk.say())[1] == ("a", {"fine": {}})


async def test_a_callback_may_answer_for_a_tool_that_does_not_exist(chat, said):
    model = ScriptedModel([call("nowhere", x=1), "said"])
    agent = Agent(name="a", model=model, before_tool_callback=lambda tool, args, tool_context: {"stub": tool.name})
    assert said(await chat(agent).say())[1] == ("a", {"nowhere": {"stub": "nowhere"}})


async def test_what_is_made_of_a_tools_failure_is_a_result_like_any_other(chat, said):
    agent = agent_for("on_tool_error_callback", lambda **_: {"mended": True})
    agent.after_tool_callback = lambda tool_response, **_: {"after": tool_response}
    events = await chat(agent).say()
    assert said(events)[1] == ("a", {"broken": {"after": {"mended": True}}})


async def test_no_result_comes_of_a_tool_that_does_not_exist(chat, said):
    agent = Agent(name="a", model=ScriptedModel([call("absent"), "said"]), tools=[fine])
    agent.on_tool_error_callback = lambda **_: {"mended": True}
    agent.after_tool_callback = lambda **_: {"after": True}
    events = await chat(agent).say()
    assert said(events)[1] == ("a", {"absent": {"mended": True}})
