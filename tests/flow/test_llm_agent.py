# SPDX-License-Identifier: Apache-2.0
"""What an LLM agent's model is asked: which model, which instructions, which messages, which settings."""

import pytest

from runwright import (
    Agent,
    BaseLlm,
    BasePlanner,
    BuiltInPlanner,
    LLMRegistry,
    LlmResponse,
    RunConfig,
    SequentialAgent,
    types,
)
from runwright.errors import ConfigurationError, ModelNotFoundError, TemplateError
from runwright.testing import ScriptedModel, call

# --- the model


class Parrot(BaseLlm):
    """Answers with its own name."""

    @classmethod
    def supported_models(cls):
        return ["parrot-.*"]

    async def generate_content_async(self, llm_request, stream=False):
        yield LlmResponse(content=types.ModelContent(f"I am {llm_request.model}"))


@pytest.fixture
def parrots():
    LLMRegistry.register(Parrot)
    yield
    LLMRegistry.unregister(Parrot)


def answer(events):
    return events[-1].content.parts[0].text


@pytest.mark.usefixtures("parrots")
class TestModel:
    async def test_by_name(self, chat):
        assert answer(await chat(Agent(name="a", model="parrot-1")).say()) == "I am parrot-1"

    async def test_as_an_object(self, chat):
        assert answer(await chat(Agent(name="a", model=Parrot(model="any"))).say()) == "I am any"

    async def test_of_the_nearest_ancestor_that_has_one(self, chat):
        child = Agent(name="child")
        between = SequentialAgent(name="between", sub_agents=[child])
        Agent(name="root", model="parrot-root", sub_agents=[between])
        assert child.canonical_model.model == "parrot-root"

    async def test_the_default(self, chat, monkeypatch):
        monkeypatch.setattr(Agent, "DEFAULT_MODEL", Agent.DEFAULT_MODEL)
        Agent.set_default_model("parrot-default")
        assert answer(await chat(Agent(name="a")).say()) == "I am parrot-default"

    async def test_set_afterwards(self, chat):
        agent = Agent(name="a", model="parrot-1")
        talk = chat(agent)
        await talk.say()
        agent.model = "parrot-2"
        assert answer(await talk.say()) == "I am parrot-2"

    async def test_a_name_that_nobody_answers_for_fails_before_anything_is_stored(self, chat):
        talk = chat(Agent(name="a", model="owl-1"))
        error, events = await talk.fails(ModelNotFoundError)
        assert "owl-1" in str(error) and "parrot-.*" in str(error)
        assert events == [] and (await talk.session()).events == []

    def test_something_else_is_refused(self):
        with pytest.raises(ConfigurationError, match="BaseLlm"):
            Agent(name="a", model=42)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperature": 0.5}, r"generate_content_config=types.GenerateContentConfig\(temperature=...\)"),
        ({"temprature": 0.5}, r"did you mean generate_content_config=types.GenerateContentConfig\(temperature=...\)"),
        ({"instructions": "x"}, "did you mean instruction"),
        ({"zzz": 1}, "takes no zzz=; it takes name, "),
        ({"include_contents": "some"}, "'default' or 'none'"),
        ({"generate_content_config": types.GenerateContentConfig(tools=[types.Tool()])}, "Set tools="),
        ({"generate_content_config": types.GenerateContentConfig(system_instruction="x")}, "Set instruction="),
        ({"generate_content_config": types.GenerateContentConfig(response_schema=dict)}, "Set output_schema="),
    ],
)
def test_a_wrong_keyword_is_named_with_what_to_write_instead(options, message):
    with pytest.raises(ConfigurationError, match=message):
        Agent(name="a", model="m", **options)


# --- instructions


async def system_instruction(chat, *, state=None, name="a", **options):
    model = ScriptedModel(["ok"])
    talk = chat(Agent(name=name, model=model, **options))
    await talk.say(state_delta=state)
    return model.requests[0].config.system_instruction


IDENTITY = 'You are an agent. Your internal name is "a".'


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("Speak {language}.", "Speak French."),
        ("{user:name}/{app:name}/{temp:name}", "Ada/Runs/now"),
        ("{ language }", "French"),
        ("[{missing?}]", "[]"),
        ("[{language?}]", "[French]"),
        ("[{nothing}]", "[]"),
        ("{count} {items} {zero}", "3 ['a', 'b'] 0"),
        ('Answer as {"a": 1}.', 'Answer as {"a": 1}.'),
        ("{a.b} {1st} {a-b} {} {not a name} {other:key}", "{a.b} {1st} {a-b} {} {not a name} {other:key}"),
        ("{language}{language}", "FrenchFrench"),
        ("no places", "no places"),
        ("{ open and } close", "{ open and } close"),
        ("{braces}", "{language}"),
    ],
)
async def test_places_in_an_instruction(chat, template, expected):
    state = {
        "language": "French",
        "user:name": "Ada",
        "app:name": "Runs",
        "temp:name": "now",
        "nothing": None,
        "count": 3,
        "items": ["a", "b"],
        "zero": 0,
        "braces": "{language}",
    }
    assert await system_instruction(chat, instruction=template, state=state) == f"{expected}\n\n{IDENTITY}"


@pytest.mark.parametrize("escaped", ["\\{language}", "$\\{language}"])
async def test_an_escaped_brace_stays(chat, escaped):
    told = await system_instruction(chat, instruction=f"Write {escaped}.", state={"language": "French"})
    assert "{language}" in told and "French" not in told


@pytest.mark.parametrize(
    ("template", "named"),
    [("{missing}", "'missing'"), ("{user:missing}", "'user:missing'"), ("{artifact.missing.txt}", "'missing.txt'")],
)
async def test_a_missing_value_is_named_and_fails_the_run(chat, template, named):
    talk = chat(Agent(name="a", model=ScriptedModel([]), instruction=template))
    error, events = await talk.fails(TemplateError)
    assert isinstance(error, KeyError) and named in str(error) and "?" in str(error) and "'a'" in str(error)
    assert events[-1].error_code == "TemplateError"


async def test_an_artifact_in_an_instruction(chat):
    model = ScriptedModel(["ok", "ok"])
    talk = chat(
        Agent(
            name="a",
            model=model,
            instruction="{artifact.rules.txt}|{artifact.bytes}|{artifact.no.txt?}|{artifact.user:u.txt}",
        )
    )
    for filename, part in {
        "rules.txt": types.Part(text="Be kind."),
        "bytes": types.Part.from_bytes(data=b"Be brief.", mime_type="text/plain"),
        "user:u.txt": types.Part(text="Be mine."),
    }.items():
        await talk.runner.artifact_service.save_artifact(
            app_name=talk.runner.app_name, user_id="ada", session_id="s", filename=filename, artifact=part
        )
    await talk.say()
    assert model.requests[0].config.system_instruction.startswith("Be kind.|Be brief.||Be mine.\n")


async def from_state_later(context):
    return f"{context.agent_name} {context.state['key']} {{key}} {context.user_id}"


@pytest.mark.parametrize(
    "provider",
    [lambda context: f"{context.agent_name} {context.state['key']} {{key}} {context.user_id}", from_state_later],
)
async def test_a_function_gives_the_instruction_as_it_is_to_be(chat, provider):
    told = await system_instruction(chat, instruction=provider, state={"key": 1})
    assert told.startswith("a 1 {key} ada\n")


async def test_state_cannot_be_written_by_an_instruction(chat):
    def provider(context):
        context.state["key"] = 1

    talk = chat(Agent(name="a", model=ScriptedModel([]), instruction=provider))
    await talk.fails(TypeError)


async def test_the_order_of_what_the_model_is_told(chat):
    told = await system_instruction(
        chat, global_instruction="Global {k}.", instruction="Own.", description="Good.", state={"k": 1}
    )
    assert told == f'Global 1.\n\nOwn.\n\n{IDENTITY} The description about you is "Good."'.replace(
        '"Good."', '"Good.".'
    )


async def test_the_global_instruction_is_the_roots(chat):
    model = ScriptedModel([call("transfer_to_agent", agent_name="child"), "ok"])
    child = Agent(name="child", global_instruction="Not this.", instruction="Child.")
    await chat(Agent(name="root", model=model, global_instruction=lambda _: "This.", sub_agents=[child])).say()
    told = model.requests[1].config.system_instruction
    assert told.startswith("This.\n\nChild.") and "Not this." not in told


async def test_a_static_instruction_stands_first_and_the_other_is_a_message(chat, seen):
    def look() -> str:
        """Looks."""
        return "seen"

    model = ScriptedModel([call("look"), "One", "Two"])
    agent = Agent(name="a", model=model, static_instruction="Static {key}.", instruction="Now {key}.", tools=[look])
    talk = chat(agent)
    await talk.say("First", state_delta={"key": 1})
    await talk.say("Second")
    assert model.requests[0].config.system_instruction == f"Static {{key}}.\n\n{IDENTITY}"
    assert seen(model.requests[0]) == [("user", "Now 1."), ("user", "First")]
    # Between a call and its response nothing may stand.
    assert seen(model.requests[1]) == [
        ("user", "Now 1."), ("user", "First"), ("model", "look()"), ("user", {"look": {"result": "seen"}}),
    ]  # fmt: skip
    assert seen(model.requests[2])[-2:] == [("user", "Now 1."), ("user", "Second")]


@pytest.mark.parametrize(
    "static", [types.Part.from_bytes(data=b"x", mime_type="image/png"), ["Text", types.Part.from_uri(file_uri="u")], 7]
)
def test_a_static_instruction_is_text_alone(static):
    with pytest.raises(ConfigurationError, match="static_instruction of 'a'"):
        Agent(name="a", static_instruction=static)


async def test_messages_of_one_run_that_are_not_stored(chat, seen):
    def look() -> str:
        """Looks."""
        return "seen"

    model = ScriptedModel([call("look"), "One", "Two"])
    talk = chat(Agent(name="a", model=model, tools=[look]))
    context = [types.UserContent("Background")]
    await talk.say("First", run_config=RunConfig(model_input_context=context))
    await talk.say("Second")
    assert seen(model.requests[0]) == [("user", "Background"), ("user", "First")]
    assert seen(model.requests[1]) == [
        ("user", "Background"), ("user", "First"), ("model", "look()"), ("user", {"look": {"result": "seen"}}),
    ]  # fmt: skip
    assert ("user", "Background") not in seen(model.requests[2])
    assert context == [types.UserContent("Background")]


# --- planners


class Planner(BasePlanner):
    def build_planning_instruction(self, readonly_context, llm_request):
        return f"Plan, {readonly_context.agent_name}."

    def process_planning_response(self, callback_context, response_parts):
        callback_context.state["planned"] = True
        for part in response_parts:
            part.thought = part.text.startswith("Plan:")
        return response_parts


async def test_a_planner_speaks_first_and_marks_what_is_plan(chat):
    model = ScriptedModel([["Plan: look.", "Done."]])
    talk = chat(Agent(name="a", model=model, planner=Planner(), output_key="answer"))
    await talk.say()
    assert model.requests[0].config.system_instruction.endswith("Plan, a.")
    assert await talk.state() == {"planned": True, "answer": "Done."}
    stored = (await talk.session()).events[-1].content.parts
    assert [(part.text, bool(part.thought)) for part in stored] == [("Plan: look.", True), ("Done.", False)]


async def test_the_built_in_planner_sets_thinking(chat):
    model = ScriptedModel(["ok"])
    thinking = types.ThinkingConfig(thinking_budget=100)
    await chat(Agent(name="a", model=model, planner=BuiltInPlanner(thinking_config=thinking))).say()
    assert model.requests[0].config.thinking_config == thinking


# --- settings and messages


async def test_settings_are_passed_on_the_run_ones_above_the_agents(chat):
    model = ScriptedModel(["ok"])
    config = types.GenerateContentConfig(temperature=0.2, labels={"a": "1", "b": "1"}, response_modalities=["AUDIO"])
    talk = chat(Agent(name="a", model=model, generate_content_config=config))
    await talk.say(run_config=RunConfig(labels={"b": "2"}, response_modalities=["TEXT"], service_tier="flex"))
    sent = model.requests[0].config
    assert (sent.temperature, sent.labels) == (0.2, {"a": "1", "b": "2"})
    assert (sent.response_modalities, sent.service_tier) == (["TEXT"], "flex")
    assert config.labels == {"a": "1", "b": "1"}


@pytest.mark.parametrize("agents", [None, types.HttpOptions(base_url="https://a.test", headers={"x": "a", "y": "a"})])
async def test_the_http_options_of_a_run_go_over_the_agents(chat, agents):
    runs = types.HttpOptions(timeout=5_000, headers={"y": "run"})

    def spoil(callback_context, llm_request):
        sent.append(llm_request.config.http_options.model_copy(deep=True))
        llm_request.config.http_options.headers["spoiled"] = "yes"

    sent = []
    config = types.GenerateContentConfig(http_options=agents)
    model = ScriptedModel(["hi"], repeat=True)
    agent = Agent(name="a", model=model, generate_content_config=config, before_model_callback=spoil)
    talk = chat(agent)
    for _ in range(2):
        await talk.say(run_config=RunConfig(http_options=runs))
    merged = types.HttpOptions(base_url="https://a.test", timeout=5_000, headers={"x": "a", "y": "run"})
    assert sent == [runs if agents is None else merged] * 2
    assert runs.headers == {"y": "run"}


async def test_metadata_of_the_run_is_on_every_event(chat):
    model = ScriptedModel([LlmResponse(content=types.ModelContent("ok"), custom_metadata={"own": 1, "both": "event"})])
    talk = chat(Agent(name="a", model=model))
    events = await talk.say(run_config=RunConfig(custom_metadata={"run": 1, "both": "run"}), yield_user_message=True)
    assert [event.custom_metadata for event in events] == [
        {"run": 1, "both": "run"},
        {"run": 1, "own": 1, "both": "event"},
    ]


async def test_without_contents_an_agent_sees_the_current_turn_alone(chat, seen):
    def look() -> str:
        """Looks."""
        return "seen"

    model = ScriptedModel(["One", call("look"), "Two"])
    talk = chat(Agent(name="a", model=model, include_contents="none", tools=[look]))
    await talk.say("First")
    await talk.say("Second")
    assert seen(model.requests[1]) == [("user", "Second")]
    assert seen(model.requests[2]) == [("user", "Second"), ("model", "look()"), ("user", {"look": {"result": "seen"}})]


async def test_without_contents_an_agent_sees_what_the_agent_before_it_said(chat, seen):
    first, second = ScriptedModel(["One"]), ScriptedModel(["Two"])
    pipeline = SequentialAgent(
        name="pipeline",
        sub_agents=[Agent(name="one", model=first), Agent(name="two", model=second, include_contents="none")],
    )
    await chat(pipeline).say("Hello")
    assert seen(second.requests[0]) == [("user", "For context:", "[one] said: One")]


async def test_what_other_agents_said_and_did_is_retold(chat, seen):
    def look(where: str) -> str:
        """Looks."""
        return "seen"

    thought = types.Part(text="hm", thought=True)
    first = ScriptedModel([[thought, call("look", where="up")], [thought, "One"]])
    second = ScriptedModel(["Two"])
    pipeline = SequentialAgent(
        name="pipeline", sub_agents=[Agent(name="one", model=first, tools=[look]), Agent(name="two", model=second)]
    )
    await chat(pipeline).say("Hello")
    assert seen(second.requests[0]) == [
        ("user", "Hello"),
        ("user", "For context:", '[one] called tool `look` with parameters: {"where":"up"}'),
        ("user", "For context:", '[one] `look` tool returned result: {"result":"seen"}'),
        ("user", "For context:", "[one] said: One"),
    ]
    talk = chat(pipeline.clone())
    first._asked = second._asked = 0
    await talk.say("Hello", run_config=RunConfig(include_thoughts_from_other_agents=True))
    assert ("user", "For context:", "[one] said: hm", "[one] said: One") in seen(second.requests[1])


async def test_ids_of_calls_are_shown_only_to_models_that_pair_by_them(chat):
    def look() -> str:
        """Looks."""
        return "seen"

    class Pairing(ScriptedModel):
        needs_call_ids = True

    for kind, shown in ((ScriptedModel, False), (Pairing, True)):
        model = kind([[call("look"), types.FunctionCall(id="own", name="look", args={})], "ok"])
        await chat(Agent(name="a", model=model, tools=[look])).say()
        parts = [part for content in model.requests[1].contents for part in content.parts][1:]
        ids = [(part.function_call or part.function_response).id for part in parts]
        assert ids[1] == ids[3] == "own"
        assert (ids[0] is not None) is shown and ids[0] == ids[2]


async def test_a_name_that_is_no_name_is_refused_when_the_agent_is_made():
    for name in ("", "user", "with space", "1st", "a-b", None):
        with pytest.raises(ConfigurationError):
            Agent(name=name, model="m")
