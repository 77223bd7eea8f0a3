# SPDX-License-Identifier: Apache-2.0
"""Code that a model writes is run, and its result told to the model, until it answers without code."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from runwright import (
    START,
    Agent,
    BaseCodeExecutor,
    CodeExecutionInput,
    CodeExecutionResult,
    Event,
    File,
    InvocationContext,
    PlanReActPlanner,
    RunConfig,
    SandboxedCodeExecutor,
    StreamingMode,
    Workflow,
    types,
)
from runwright.errors import ConfigurationError
from runwright.plugins import ContextFilterPlugin
from runwright.testing import ScriptedModel, call, stream
from runwright.types import Outcome
from tests.flow.conftest import USER, Chat

Make = Callable[..., Chat]
CODE = "Let me see.\n```python\nprint(6 * 7)\n```\nIt prints 41."
SHOWN_CODE = "```tool_code\nprint(6 * 7)\n```"
SHOWN_RESULT = "```tool_output\nCode execution result:\n42\n\n\n```"


def block(code: str) -> str:
    return f"```python\n{code}\n```"


class Noted(BaseCodeExecutor):
    """Answers as it is told, and notes what it is given. A plain ``def``, as ADK's are."""

    answers: list[Any] = []
    given: list[CodeExecutionInput] = []
    invocations: list[str] = []

    def execute_code(
        self, invocation_context: InvocationContext, code_execution_input: CodeExecutionInput
    ) -> CodeExecutionResult:
        self.given.append(code_execution_input)
        self.invocations.append(invocation_context.invocation_id)
        answer = self.answers[len(self.given) - 1] if self.answers else CodeExecutionResult(stdout="42\n")
        if isinstance(answer, Exception):
            raise answer
        return answer


class Awaited(Noted):
    """The same, ``async``."""

    async def execute_code(
        self, invocation_context: InvocationContext, code_execution_input: CodeExecutionInput
    ) -> Any:
        await asyncio.sleep(0)
        return super().execute_code(invocation_context, code_execution_input)


class WithoutResult(BaseCodeExecutor):
    def execute_code(self, invocation_context: Any, code_execution_input: Any) -> Any:
        return "42"


def parts(events: list[Event]) -> list[list[Any]]:
    """What each whole event says, in short."""
    shown: list[list[Any]] = []
    for event in events:
        if event.partial or event.content is None:
            continue
        shown.append([])
        for part in event.content.parts or ():
            if (code := part.executable_code) is not None:
                shown[-1].append({"code": code.code})
            elif (result := part.code_execution_result) is not None:
                shown[-1].append((str(result.outcome), result.output))
            elif part.function_call is not None:
                shown[-1].append(part.function_call.name)
            elif part.function_response is not None:
                shown[-1].append(part.function_response.response)
            else:
                shown[-1].append(part.text)
    return shown


def outputs(events: list[Event]) -> list[tuple[str, str]]:
    return [part for shown in parts(events) for part in shown if isinstance(part, tuple)]


@pytest.mark.parametrize("executor", [Noted, Awaited])
async def test_code_is_run_and_its_result_told(chat: Make, seen: Any, executor: type[Noted]) -> None:
    model, noted = ScriptedModel([CODE, "It is 42."]), executor()
    talk = chat(Agent(name="a", model=model, code_executor=noted))
    events = await talk.say()
    assert parts(events) == [
        ["Let me see.\n", {"code": "print(6 * 7)"}],
        [("OUTCOME_OK", "Code execution result:\n42\n\n")],
        ["It is 42."],
    ]
    assert [event.author for event in events] == ["a"] * 3
    assert [event.is_final_response() for event in events] == [False, False, True]
    assert noted.given == [CodeExecutionInput(code="print(6 * 7)")]
    assert noted.invocations == [events[0].invocation_id]
    assert seen(model.requests[1]) == [
        ("user", "Hello"),
        ("model", "Let me see.\n", SHOWN_CODE),
        ("user", SHOWN_RESULT),
    ]
    assert (await talk.session()).events[1:] == events


async def test_the_model_is_told_how_code_is_run(chat: Make) -> None:
    model = ScriptedModel(["Hi"])
    executor = Noted(code_block_delimiters=[("<py>", "</py>")])
    await chat(Agent(name="a", model=model, code_executor=executor, instruction="Be short.")).say()
    told = model.requests[0].config.system_instruction
    assert told.startswith("Be short.") and '<py>print("hello")</py>' in told


async def test_the_next_turn_begins_as_the_one_before(chat: Make, seen: Any) -> None:
    model = ScriptedModel([CODE, "It is 42.", "Sure."])
    talk = chat(Agent(name="a", model=model, code_executor=Noted()))
    await talk.say()
    await talk.say("Sure?")
    first, second = seen(model.requests[1]), seen(model.requests[2])
    assert second[: len(first)] == first
    assert second[len(first) :] == [("model", "It is 42."), ("user", "Sure?")]


async def test_the_turn_begins_with_what_the_user_said_and_not_with_a_result(chat: Make, seen: Any) -> None:
    """What is put before the user's message stands at the same place in each request of the turn."""
    model = ScriptedModel(["hi", CODE, "It is 42."])
    agent = Agent(name="a", model=model, code_executor=Noted(), static_instruction="Stable.", instruction="Now.")
    talk = chat(agent)
    config = RunConfig(model_input_context=[types.Content(role="user", parts=[types.Part(text="Given.")])])
    await talk.say("First", run_config=config)
    await talk.say("Second", run_config=config)
    before = [("user", "First"), ("model", "hi"), ("user", "Now."), ("user", "Given."), ("user", "Second")]
    assert sorted(seen(model.requests[1])) == sorted(before)
    assert seen(model.requests[2])[: len(before)] == seen(model.requests[1])


async def test_a_plugin_that_drops_old_messages_keeps_what_code_was_asked_for(chat: Make, seen: Any) -> None:
    model = ScriptedModel(["hi", CODE, "It is 42."])
    talk = chat(Agent(name="a", model=model, code_executor=Noted()), plugins=[ContextFilterPlugin(1)])
    await talk.say("First")
    await talk.say("Second")
    assert [line[0:2] for line in seen(model.requests[2])] == [
        ("user", "Second"),
        ("model", "Let me see.\n"),
        ("user", SHOWN_RESULT),
    ]


async def test_a_streamed_answer_passes_on_and_its_whole_has_the_parts(chat: Make) -> None:
    pieces = ["Let me ", "see.\n```py", "thon\nprint(6", " * 7)\n```\nIt", " prints 41."]
    model = ScriptedModel([stream(*pieces), stream("It ", "is 42.")])
    talk = chat(Agent(name="a", model=model, code_executor=Noted()))
    events = await talk.say(run_config=RunConfig(streaming_mode=StreamingMode.SSE))
    chunks = [types.text_of(event.content) for event in events if event.partial]
    assert chunks == [*pieces, "It ", "is 42."]
    assert [shown[-1] for shown in parts(events)] == [
        {"code": "print(6 * 7)"},
        ("OUTCOME_OK", "Code execution result:\n42\n\n"),
        "It is 42.",
    ]
    whole = next(event for event in events if not event.partial)
    assert {event.id for event in events[: len(pieces)]} == {whole.id}


async def test_without_an_executor_code_is_text(chat: Make) -> None:
    assert parts(await chat(Agent(name="a", model=ScriptedModel([CODE]))).say()) == [[CODE]]


async def test_it_goes_on_until_there_is_no_code(chat: Make) -> None:
    model = ScriptedModel([block("1"), block("2"), block("3"), "done"])
    noted = Noted()
    await chat(Agent(name="a", model=model, code_executor=noted)).say()
    assert [given.code for given in noted.given] == ["1", "2", "3"]


FAILURE = CodeExecutionResult(stdout="so far\n", stderr="Traceback: no")


async def test_code_that_fails_is_told_and_given_up_after_some_in_a_row(chat: Make) -> None:
    good = CodeExecutionResult(stdout="ok")
    noted = Noted(answers=[FAILURE, good, FAILURE, FAILURE, good])
    model = ScriptedModel([*(block(str(at)) for at in range(9))])
    events = await chat(Agent(name="a", model=model, code_executor=noted)).say()
    failed = ("OUTCOME_FAILED", "Output:\nso far\n\n\n\nTraceback: no")
    assert outputs(events) == [failed, ("OUTCOME_OK", "Code execution result:\nok\n"), failed, failed]
    assert parts(events)[-1] == [block("4")] and events[-1].is_final_response()
    assert "You can have Python code run" in model.requests[3].config.system_instruction
    assert "You can have Python code run" not in model.requests[4].config.system_instruction


async def test_how_many_failures_are_too_many_can_be_set(chat: Make) -> None:
    noted = Noted(answers=[FAILURE] * 9, error_retry_attempts=4)
    model = ScriptedModel([block("1")] * 9)
    await chat(Agent(name="a", model=model, code_executor=noted)).say()
    assert len(noted.given) == 4


@pytest.mark.parametrize(
    ("result", "outcome"),
    [
        (CodeExecutionResult(stdout="1"), "OUTCOME_OK"),
        (CodeExecutionResult(stderr="no"), "OUTCOME_FAILED"),
        (CodeExecutionResult(exit_code=1), "OUTCOME_FAILED"),
        (CodeExecutionResult(stderr="a warning", outcome=Outcome.OUTCOME_OK), "OUTCOME_OK"),
        (CodeExecutionResult(outcome=Outcome.OUTCOME_DEADLINE_EXCEEDED), "OUTCOME_DEADLINE_EXCEEDED"),
    ],
)
async def test_the_outcome_is_the_executors(chat: Make, result: CodeExecutionResult, outcome: str) -> None:
    agent = Agent(name="a", model=ScriptedModel([block("1"), "done"]), code_executor=Noted(answers=[result]))
    [(told, _)] = outputs(await chat(agent).say())
    assert told == outcome


async def test_a_long_output_is_cut_in_its_middle(chat: Make) -> None:
    noted = Noted(answers=[CodeExecutionResult(stdout="a" * 50_000 + "b" * 50_000)])
    [(_, told)] = outputs(
        await chat(Agent(name="a", model=ScriptedModel([block("1"), "done"]), code_executor=noted)).say()
    )
    assert len(told) < 33_000 and "68000 characters are left out" in told and told.rstrip().endswith("b")


# --- which code is taken


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("```python\n1\n```", [{"code": "1"}]),
        ("a ```tool_code\n1\n``` b ```python\n2\n```", ["a ", {"code": "1"}]),
        ("a ```python\n1\n``` b ```tool_code\n2\n```", ["a ", {"code": "1"}]),
        ("```python\nx = '''\n``'''\n\n# é\n```", [{"code": "x = '''\n``'''\n\n# é"}]),
        (["one", "two ```python\n1\n```", "three"], ["one", "two ", {"code": "1"}]),
        ([block("1"), call("look")], [{"code": "1"}]),
        (types.Part.from_executable_code(code="1", language=types.Language.PYTHON), [{"code": "1"}]),
        (["```python\n\n```"], None),
        (["```python\n1"], None),
        (["```\n1\n```"], None),
        ([types.Part(text=block("1"), thought=True)], None),
    ],
)
async def test_the_first_block_is_taken_and_what_follows_is_dropped(chat: Make, said: Any, kept: Any) -> None:
    noted = Noted()
    events = await chat(Agent(name="a", model=ScriptedModel([said, "done"]), code_executor=noted)).say()
    assert parts(events)[0] == kept if kept else noted.given == []


async def test_calls_that_come_before_code_are_made_first(chat: Make) -> None:
    def look() -> str:
        """Looks."""
        return "seen"

    model = ScriptedModel([[call("look"), block("1")], block("2"), "done"])
    noted = Noted()
    events = await chat(Agent(name="a", model=model, code_executor=noted, tools=[look])).say()
    assert [given.code for given in noted.given] == ["2"]
    assert parts(events)[:2] == [["look", block("1")], [{"result": "seen"}]]


async def test_code_in_a_plan_is_run_and_code_in_thoughts_is_not(chat: Make) -> None:
    thought = types.Part(text=block("never"), thought=True, thought_signature=b"own")
    model = ScriptedModel([[thought, f"/*PLANNING*/ 1. run\n/*ACTION*/\n{block('1')}"], "/*FINAL_ANSWER*/ done"])
    noted = Noted()
    agent = Agent(name="a", model=model, code_executor=noted, planner=PlanReActPlanner())
    events = await chat(agent).say()
    assert [given.code for given in noted.given] == ["1"]
    assert parts(events)[-1] == ["done"]


async def test_signatures_stay_with_what_they_are_of(chat: Make) -> None:
    signed = types.Part(text=CODE, thought_signature=b"s")
    bare = types.Part(text=block("1"), thought_signature=b"t")
    model = ScriptedModel([[signed], [bare], "done"])
    await chat(Agent(name="a", model=model, code_executor=Noted())).say()
    said = [content for content in model.requests[2].contents if content.role == "model"]
    assert [part.thought_signature for content in said for part in content.parts or ()] == [b"s", None, b"t"]


async def test_answers_in_a_form_are_given_by_calling_so_that_code_can_be_written(chat: Make) -> None:
    form = {"type": "object", "properties": {"number": {"type": "integer"}}, "required": ["number"]}
    model = ScriptedModel([CODE, call("set_model_response", number=42)])
    talk = chat(Agent(name="a", model=model, code_executor=Noted(), output_schema=form, output_key="out"))
    events = await talk.say()
    assert model.requests[0].config.response_schema is None
    assert parts(events)[-1] == ['{"number":42}']
    assert (await talk.state())["out"] == {"number": 42}


async def test_code_of_a_node_is_not_its_output(chat: Make) -> None:
    form = {"type": "object", "properties": {"number": {"type": "integer"}}, "required": ["number"]}
    model = ScriptedModel([CODE, call("set_model_response", number=42)])
    node = Agent(name="a", model=model, code_executor=Noted(), output_schema=form)

    def add(node_input: dict[str, int]) -> int:
        return node_input["number"] + 1

    events = await chat(Workflow(name="flow", edges=[(START, node, add)])).say()
    assert events[-1].output == 43


async def test_other_agents_are_retold_code_in_words(chat: Make, seen: Any) -> None:
    helper = Agent(name="helper", model=ScriptedModel(["thanks"]))
    model = ScriptedModel([CODE, call("transfer_to_agent", agent_name="helper")])
    await chat(Agent(name="a", model=model, code_executor=Noted(), sub_agents=[helper])).say()
    told = [part for _, *said in seen(helper.model.requests[0]) for part in said]  # type: ignore[union-attr]
    assert "[a] wrote code:\n```\nprint(6 * 7)\n```" in told
    assert any(part.startswith("[a] its code's result:") for part in told if isinstance(part, str))


# --- files


async def test_files_that_code_made_become_artifacts(chat: Make) -> None:
    made = [File("plot.png", b"\x89P", "image/png"), File("a/t.csv", "MSwy", "text/csv"), File("user:x", b"mine")]
    made.append(File("user:user:y", b"mine"))
    noted = Noted(answers=[CodeExecutionResult(output_files=[*made, File("../out", b"")])])
    talk = chat(Agent(name="a", model=ScriptedModel([block("1"), "done"]), code_executor=noted))
    events = await talk.say()
    assert events[1].actions.artifact_delta == {"plot.png": 0, "a/t.csv": 0, "x": 0, "y": 0}
    told = "Saved artifacts:\n`plot.png`,`a/t.csv`,`x`,`y`\n\nFiles that could not be saved:\n`../out`"
    assert outputs(events) == [("OUTCOME_OK", told)]
    service = talk.runner.artifact_service
    assert service is not None
    where = {"app_name": talk.runner.app_name, "user_id": USER, "session_id": "s"}
    kept = [await service.load_artifact(filename=name, **where) for name in ("plot.png", "a/t.csv")]
    assert [part and part.inline_data and part.inline_data.data for part in kept] == [b"\x89P", b"1,2"]


@pytest.mark.parametrize("wanted", [True, ["in.csv", "missing"]])
async def test_code_finds_the_artifacts_that_it_is_to_find(chat: Make, wanted: Any) -> None:
    noted = Noted(input_artifacts=wanted)
    talk = chat(Agent(name="a", model=ScriptedModel([block("1"), "done"]), code_executor=noted))
    service = talk.runner.artifact_service
    assert service is not None
    for name in ("in.csv", "user:mine.csv"):
        part = types.Part.from_bytes(data=b"1", mime_type="text/csv")
        where = {"app_name": talk.runner.app_name, "user_id": USER, "session_id": "s"}
        await service.save_artifact(filename=name, artifact=part, **where)
    await talk.say()
    names = ["in.csv", "mine.csv"] if wanted is True else ["in.csv"]
    assert noted.given[0].input_files == [File(name, b"1", "text/csv") for name in names]


async def test_data_files_go_to_the_code_and_their_names_to_the_model(chat: Make, seen: Any) -> None:
    noted = Noted(optimize_data_file=True)
    model = ScriptedModel([block("1"), "done", "again"])
    talk = chat(Agent(name="a", model=model, code_executor=noted))
    blob = types.Blob(data=b"1,2", mime_type="text/csv")
    await talk.say(types.UserContent(["Sum it", types.Part(inline_data=blob)]))
    await talk.say("Again")
    assert noted.given[0].input_files == [File("data_1.csv", b"1,2", "text/csv")]
    for request in model.requests:
        assert seen(request)[0] == ("user", "Sum it", "\nAvailable file: `data_1.csv`\n")
    assert (await talk.session()).events[0].content == types.UserContent(["Sum it", types.Part(inline_data=blob)])


async def test_data_files_keep_their_names_where_those_are_names(chat: Make) -> None:
    noted = Noted(optimize_data_file=True)
    talk = chat(Agent(name="a", model=ScriptedModel([block("1"), "done"]), code_executor=noted))
    named = ["sums.csv", "../../sums.csv", "C:\\all.csv", ".."]
    blobs = [types.Blob(data=b"1", mime_type="text/csv", display_name=name) for name in named]
    await talk.say(types.UserContent([types.Part(inline_data=blob) for blob in blobs]))
    assert [file.name for file in noted.given[0].input_files] == ["sums.csv", "data_2.csv", "all.csv", "data_4.csv"]


async def test_code_of_a_stateful_executor_is_told_what_it_shares(chat: Make) -> None:
    noted = Noted(stateful=True)
    await chat(Agent(name="a", model=ScriptedModel([block("1"), "done"]), code_executor=noted)).say()
    assert noted.given[0].execution_id == "s"


# --- what goes wrong


async def test_an_executor_that_fails_ends_the_run_and_the_session_is_sound(chat: Make, seen: Any) -> None:
    noted = Noted(answers=[OSError("out of order")])
    model = ScriptedModel([block("1"), "on we go"])
    talk = chat(Agent(name="a", model=model, code_executor=noted))
    await talk.fails(OSError)
    stored = (await talk.session()).events
    assert outputs(stored) == [("OUTCOME_FAILED", "The code could not be run: out of order")]
    assert parts(await talk.say("And now?")) == [["on we go"]]


async def test_an_executor_that_gives_no_result_is_named(chat: Make) -> None:
    agent = Agent(name="a", model=ScriptedModel([block("1")]), code_executor=WithoutResult())
    error, _ = await chat(agent).fails(ConfigurationError)
    assert "WithoutResult.execute_code gave str" in str(error)


async def test_a_cancelled_run_says_that_nobody_knows(chat: Make) -> None:
    class Slow(BaseCodeExecutor):
        async def execute_code(self, invocation_context: Any, code_execution_input: Any) -> Any:
            invocation_context.abort("enough")
            await asyncio.sleep(100)

    talk = chat(Agent(name="a", model=ScriptedModel([block("1"), "on we go"]), code_executor=Slow()))
    await talk.fails(Exception)
    [(outcome, told)] = outputs((await talk.session()).events)
    assert outcome == "OUTCOME_FAILED" and "nobody knows whether it ran" in told
    assert parts(await talk.say("And now?")) == [["on we go"]]


async def test_code_that_was_not_begun_is_said_not_to_have_run(chat: Make) -> None:
    noted = Noted()
    talk = chat(Agent(name="a", model=ScriptedModel([block("1"), "on we go"]), code_executor=noted))
    async for _ in talk.runner.run_async(user_id=USER, session_id="s", new_message="Hello"):
        break  # The caller leaves.
    await talk.say("And now?")
    assert outputs((await talk.session()).events) == [
        ("OUTCOME_FAILED", "The run was stopped before this code was run.")
    ]
    assert noted.given == []


async def test_an_executor_that_cannot_run_here_is_an_error_before_the_model_is_asked(
    chat: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runwright.code_executors.sandboxed.sys.platform", "darwin")
    model = ScriptedModel(["never said"])
    error, _ = await chat(Agent(name="a", model=model, code_executor=SandboxedCodeExecutor())).fails(ConfigurationError)
    assert "isolation='limits', network='allow'" in str(error) and model.requests == []


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"code_block_delimiters": []}, "a list of pairs"),
        ({"code_block_delimiters": [("", "```")]}, "none of them is empty"),
        ({"execution_result_delimiters": ("a",)}, "a pair"),
        ({"timeout_seconds": -1}, "more than 0"),
        ({"error_retry_attempts": -1}, "0 or more"),
        ({"timeout": 1}, "did you mean timeout_seconds="),
    ],
)
def test_settings_that_cannot_be_are_named(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        Noted(**settings)


def test_what_is_no_executor_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"code_executor of 'a' is a BaseCodeExecutor, such as Sandboxed"):
        Agent(name="a", code_executor=SandboxedCodeExecutor)  # type: ignore[arg-type]


# --- with the sandbox


@pytest.fixture
async def sandbox() -> SandboxedCodeExecutor:
    executor = SandboxedCodeExecutor(timeout_seconds=20)
    try:
        await executor.check()
    except ConfigurationError as error:
        pytest.skip(f"NOT TESTED, code cannot be kept in here: {error}")
    return executor


async def test_a_model_mends_its_code_by_the_traceback(chat: Make, sandbox: SandboxedCodeExecutor) -> None:
    replies = [block("total = sum([1, 2, '3'])"), block("print(sum([1, 2, 3]))"), "It is 6."]
    model = ScriptedModel(replies)
    events = await chat(Agent(name="a", model=model, code_executor=sandbox)).say()
    [(failed, traceback), (well, output)] = outputs(events)
    assert (failed, well) == ("OUTCOME_FAILED", "OUTCOME_OK")
    assert "total = sum([1, 2, '3'])" in traceback and "TypeError: unsupported operand" in traceback
    assert output == "Code execution result:\n6\n\n"
    assert "TypeError" in (types.text_of(model.requests[1].contents[-1]))


async def test_code_goes_on_with_the_files_of_the_code_before(chat: Make, sandbox: SandboxedCodeExecutor) -> None:
    sandbox.input_artifacts = True
    model = ScriptedModel([block("open('n.txt', 'w').write('42')"), block("print(open('n.txt').read())"), "done"])
    events = await chat(Agent(name="a", model=model, code_executor=sandbox)).say()
    assert outputs(events) == [
        ("OUTCOME_OK", "Saved artifacts:\n`n.txt`"),
        ("OUTCOME_OK", "Code execution result:\n42\n\n"),
    ]
