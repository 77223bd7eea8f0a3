# SPDX-License-Identifier: Apache-2.0
"""A model's calls: run at the same time, answered in order, and what is made of their results and failures."""

import asyncio
import dataclasses
import datetime
import decimal
import enum
import threading
import uuid

import pydantic
import pytest

from runwright import Agent, BaseTool, BaseToolset, FunctionTool, RunConfig, types
from runwright.errors import (
    ConfigurationError,
    LlmCallsLimitExceededError,
    ToolArgumentsError,
    ToolExecutionError,
    UnknownToolError,
)
from runwright.testing import ScriptedModel, call


def agent(*replies, **options):
    return Agent(name="a", model=ScriptedModel(list(replies)), **options)


def results(events):
    """What the tools answered, in order."""
    return [answer.response for event in events if not event.partial for answer in event.get_function_responses()]


async def test_calls_run_at_the_same_time_and_are_answered_in_their_order(chat):
    together, order = asyncio.Barrier(3), []

    async def meet(name: str) -> str:
        """Waits for the others."""
        place = await together.wait()
        for _ in range(place):  # they end in an order of their own
            await asyncio.sleep(0)
        order.append(name)
        return name

    a = agent([call("meet", name=name) for name in "xyz"], "done", tools=[meet])
    events = await chat(a).say()
    assert results(events) == [{"result": name} for name in "xyz"]
    assert len(events) == 3 and sorted(order) == ["x", "y", "z"]
    called = [one.id for one in events[0].get_function_calls()]
    assert [one.id for one in events[1].get_function_responses()] == called and len(set(called)) == 3
    assert (events[1].author, events[1].content.role) == ("a", "user")


async def test_plain_functions_run_at_the_same_time_in_threads(chat):
    together = threading.Barrier(3, timeout=30)

    def meet(name: str) -> str:
        """Waits for the others."""
        together.wait()
        return threading.current_thread().name

    events = await chat(agent([call("meet", name=name) for name in "xyz"], "done", tools=[meet])).say()
    names = {answer["result"] for answer in results(events)}
    assert len(names) == 3 and threading.current_thread().name not in names


async def test_a_plain_function_may_run_in_the_loop(chat):
    def where() -> str:
        """Where it runs."""
        return threading.current_thread().name

    events = await chat(agent(call("where"), "done", tools=[FunctionTool(where, run_in_thread=False)])).say()
    assert results(events) == [{"result": threading.current_thread().name}]


async def test_one_that_fails_cancels_the_others_and_each_call_gets_one_answer(chat, seen):
    cancelled, waiting = [], asyncio.Event()

    async def wait() -> None:
        """Waits."""
        waiting.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.append(True)

    async def done() -> str:
        """Is done."""
        return "done"

    async def fail() -> None:
        """Fails."""
        await waiting.wait()
        raise OSError("disk full")

    a = agent([call("wait"), call("done"), call("fail")], "next", tools=[wait, done, fail])
    talk = chat(a)
    error, events = await talk.fails(OSError)
    assert cancelled == [True] and str(error) == "disk full"
    waited, finished, failed = results(events)
    assert waited == {"error": "cancelled"} and finished == {"result": "done"} and "disk full" in failed["error"]
    assert events[-1].error_code == "OSError"
    await talk.say("again")
    assert [len(line) - 1 for line in seen(a.model.requests[1])] == [1, 3, 3, 1]


async def test_a_plain_function_that_fails_is_answered_with_its_error(chat):
    def fail() -> None:
        """Fails."""
        raise OSError("disk full")

    _, events = await chat(agent(call("fail"), tools=[fail])).fails(OSError)
    assert "disk full" in results(events)[0]["error"]


# --- results


@dataclasses.dataclass
class Point:
    x: int
    when: datetime.date


class Model(pydantic.BaseModel):
    name: str
    inner: list["Model"] = []


class Color(enum.Enum):
    RED = "red"


RESULTS = [
    ({"a": 1}, {"a": 1}),
    ("text", {"result": "text"}),
    (None, {"result": None}),
    ([1, None], {"result": [1, None]}),
    (3.5, {"result": 3.5}),
    (True, {"result": True}),
    ((1, 2), {"result": [1, 2]}),
    ({3}, {"result": [3]}),
    (Point(1, datetime.date(2026, 1, 2)), {"x": 1, "when": "2026-01-02"}),
    (Model(name="m", inner=[Model(name="n")]), {"name": "m", "inner": [{"name": "n", "inner": []}]}),
    ([Model(name="m")], {"result": [{"name": "m", "inner": []}]}),
    ({"at": datetime.datetime(2026, 1, 2, 3, tzinfo=datetime.UTC)}, {"at": "2026-01-02T03:00:00Z"}),
    (b"bytes", {"result": "Ynl0ZXM="}),
    (Color.RED, {"result": "red"}),
    (decimal.Decimal("1.10"), {"result": "1.10"}),
    (uuid.UUID(int=1), {"result": "00000000-0000-0000-0000-000000000001"}),
    ({1: "a", Color.RED: "b"}, {"1": "a", "red": "b"}),
    (types.Part(text="t"), {"text": "t"}),
]


@pytest.mark.parametrize(("value", "expected"), RESULTS, ids=lambda value: type(value).__name__)
async def test_a_result_of_any_type_becomes_json(chat, value, expected):
    def give():
        """Gives something."""
        return value

    talk = chat(agent(call("give"), "done", tools=[give]))
    assert results(await talk.say()) == [expected]
    assert results((await talk.session()).events) == [expected]


@pytest.mark.parametrize("value", [object(), {"deep": [object()]}, float("nan"), lambda: 1], ids=repr)
async def test_a_result_that_json_cannot_hold_is_named(chat, value):
    def give():
        """Gives something."""
        return value

    talk = chat(agent(call("give"), "done", tools=[give]))
    if value != value:  # JSON has no word for it: what is seen is what is stored
        events = await talk.say()
        assert results(events) == results((await talk.session()).events) == [{"result": None}]
        return
    error, _ = await talk.fails(ConfigurationError)
    assert "'give'" in str(error) and "return" in str(error)


async def test_of_an_async_generator_the_last_value_is_the_result(chat):
    async def count():
        """Counts."""
        for number in range(3):
            yield number

    assert results(await chat(agent(call("count"), "done", tools=[count])).say()) == [{"result": 2}]


async def test_what_several_calls_write_is_in_the_one_event(chat):
    def write(key: str, value: int, tool_context) -> None:
        """Writes."""
        tool_context.state[key] = value
        tool_context.state["last"] = value
        tool_context.actions.escalate = True

    async def save(name: str, tool_context) -> None:
        """Saves."""
        await tool_context.save_artifact(name, types.Part(text=name))

    tools = [FunctionTool(write, run_in_thread=False), save]
    calls = [
        call("write", key="a", value=1),
        call("save", name="f"),
        call("write", key="b", value=2),
        call("save", name="g"),
    ]
    talk = chat(agent(calls, "done", tools=tools))
    event = (await talk.say())[1]
    assert event.actions.state_delta == {"a": 1, "last": 2, "b": 2}
    assert event.actions.artifact_delta == {"f": 0, "g": 0} and event.actions.escalate
    assert await talk.state() == {"a": 1, "b": 2, "last": 2}


async def test_a_tool_sees_what_was_written_before_it(chat):
    def bump(tool_context) -> int:
        """Counts."""
        tool_context.state["n"] = tool_context.state.get("n", 0) + 1
        tool_context.state["temp:n"] = tool_context.state.get("temp:n", 0) + 1
        return tool_context.state["temp:n"]

    talk = chat(agent(call("bump"), call("bump"), "done", call("bump"), "done", tools=[bump]))
    assert results(await talk.say()) == [{"result": 1}, {"result": 2}]
    assert results(await talk.say()) == [{"result": 1}]
    assert await talk.state() == {"n": 3}


async def test_a_state_value_that_is_no_json_fails_the_run_and_nothing_of_it_is_stored(chat):
    def write(tool_context) -> None:
        """Writes."""
        tool_context.state["bad"] = object()

    talk = chat(agent(call("write"), "done", tools=[write]))
    error, _ = await talk.fails(ValueError)
    assert "'bad'" in str(error)
    assert await talk.state() == {}


# --- the model's mistakes


def add(a: int, b: int = 1) -> int:
    """Adds."""
    return a + b


MISTAKES = {
    "an unknown tool": (call("subtract", a=1), UnknownToolError, "'subtract'"),
    "an argument of the wrong type": (call("add", a="many"), ToolArgumentsError, "a"),
    "a missing argument": (call("add"), ToolArgumentsError, "a"),
    "an argument too many": (call("add", a=1, c=2), ToolArgumentsError, "c"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
async def test_a_mistake_is_told_to_the_model_which_may_put_it_right(chat, mistake):
    wrong, _, named = MISTAKES[mistake]
    events = await chat(agent(wrong, wrong, wrong, call("add", a=1), "done", tools=[add])).say()
    told = results(events)
    assert all(named in one["error"] for one in told[:3]) and told[3] == {"result": 2}
    assert types.text_of(events[-1].content) == "done"


@pytest.mark.parametrize("budget", [0, 2])
@pytest.mark.parametrize("mistake", MISTAKES)
async def test_after_too_many_mistakes_in_a_row_the_run_fails(chat, mistake, budget):
    wrong, kind, named = MISTAKES[mistake]
    a = agent(*[wrong] * 9, tools=[add])
    talk = chat(a)
    error, events = await talk.fails(kind, run_config=RunConfig(max_tool_errors=budget))
    assert named in str(error) and f"{budget + 1} wrong calls in a row" in str(error)
    assert len(a.model.requests) == budget + 1 == len(results(events))
    assert events[-1].error_code == kind.__name__


async def test_a_right_call_gives_the_budget_back(chat):
    wrong, right = call("subtract"), call("add", a=1)
    a = agent(wrong, right, wrong, right, wrong, "done", tools=[add])
    events = await chat(a).say(run_config=RunConfig(max_tool_errors=1))
    assert types.text_of(events[-1].content) == "done"


async def test_an_unknown_tool_beside_a_known_one(chat):
    events = await chat(agent([call("subtract"), call("add", a=1)], "done", tools=[add])).say()
    first, second = results(events)
    assert "add" in first["error"] and second == {"result": 2}


async def test_a_failure_that_a_tool_names_is_told_to_the_model(chat):
    def fetch() -> None:
        """Fetches."""
        raise ToolExecutionError("not there", "HTTP_404")

    events = await chat(agent(call("fetch"), "done", tools=[fetch])).say(run_config=RunConfig(max_tool_errors=0))
    assert results(events) == [{"error": "not there", "error_type": "HTTP_404"}]


async def test_the_number_of_model_calls_is_limited(chat):
    a = agent(*[call("add", a=1)] * 9, tools=[add])
    error, events = await chat(a).fails(LlmCallsLimitExceededError, run_config=RunConfig(max_llm_calls=3))
    assert len(a.model.requests) == 3 and "`3`" in str(error) and events[-1].error_code == "LlmCallsLimitExceededError"
    unlimited = agent(*[call("add", a=1)] * 9, "done", tools=[add])
    assert types.text_of((await chat(unlimited).say(run_config=RunConfig(max_llm_calls=0)))[-1].content) == "done"


# --- deadlines


async def test_a_tool_that_takes_too_long_is_stopped_and_the_model_told(chat):
    stopped = []

    async def slow() -> None:
        """Takes long."""
        try:
            await asyncio.Event().wait()
        finally:
            stopped.append(True)

    for tool, config in ((slow, RunConfig(tool_timeout=0.01)), (FunctionTool(slow, timeout=0.01), RunConfig())):
        events = await chat(agent(call("slow"), "done", tools=[tool])).say(run_config=config)
        [told] = results(events)
        assert "0.01 seconds" in told["error"] and told["error_type"] == "DEADLINE_EXCEEDED"
    assert stopped == [True, True]


async def test_a_timeout_of_the_tools_own_is_its_failure(chat):
    async def impatient() -> None:
        """Gives up."""
        raise TimeoutError("the other side")

    error, _ = await chat(agent(call("impatient"), tools=[impatient])).fails(
        TimeoutError, run_config=RunConfig(tool_timeout=60)
    )
    assert str(error) == "the other side"


# --- tools and toolsets


class Raw(BaseTool):
    """A tool that is written out."""

    def _get_declaration(self):
        return types.FunctionDeclaration(name=self.name, description=self.description)

    async def run_async(self, *, args, tool_context):
        return {"args": args, "call": tool_context.function_call_id is not None, "key": tool_context.idempotency_key}


async def test_a_tool_of_ones_own(chat):
    events = await chat(agent(call("raw", any="thing"), "done", tools=[Raw(name="raw", description="Raw.")])).say()
    [answer] = results(events)
    assert answer["args"] == {"any": "thing"} and answer["call"] is True
    assert answer["key"] == f"{events[0].invocation_id}:{events[0].get_function_calls()[0].id}"


class Letters(BaseToolset):
    """Three tools, by letter."""

    asked = 0

    async def get_tools(self, readonly_context=None):
        self.asked += 1
        return [Raw(name=letter, description=letter) for letter in "abc"]


FILTERS = [
    None,
    ["a", "c"],
    lambda tool, context: tool.name != "b",
    lambda tool, context: context.state["may"] == tool.name,
]


@pytest.mark.parametrize(("tool_filter", "names"), list(zip(FILTERS, ["abc", "ac", "ac", "c"], strict=True)))
@pytest.mark.parametrize("prefix", [None, "my"])
async def test_a_toolset_with_filter_and_prefix(chat, tool_filter, names, prefix):
    toolset = Letters(tool_filter=tool_filter, tool_name_prefix=prefix)
    name = f"{prefix}_c" if prefix else "c"
    a = agent(call(name, x=1), "done", tools=[toolset, add])
    events = await chat(a).say(state_delta={"may": "c"})
    declared = [one.name for one in a.model.requests[0].config.tools[0].function_declarations]
    assert sorted(declared) == sorted(["add", *(f"{prefix}_{one}" if prefix else one for one in names)])
    assert results(events)[0]["args"] == {"x": 1}


async def test_names_that_clash_are_refused(chat):
    with pytest.raises(ConfigurationError, match="two tools called 'add'"):
        agent(tools=[add, FunctionTool(add)])
    error, _ = await chat(agent(tools=[Letters(), Letters()])).fails(ConfigurationError)
    assert "tool_name_prefix" in str(error)
    error, _ = await chat(agent(tools=[Letters(), Raw(name="a", description="")])).fails(ConfigurationError)
    assert "'a'" in str(error)


async def test_tools_set_afterwards_count(chat):
    a = agent("one", call("add", a=1), "two")
    talk = chat(a)
    await talk.say()
    a.tools.append(add)
    assert results(await talk.say()) == [{"result": 2}]


async def test_a_tool_may_change_the_request_in_its_own_way(chat):
    class Search(BaseTool):
        async def process_llm_request(self, *, tool_context, llm_request):
            llm_request.config.tools = [*(llm_request.config.tools or []), types.Tool(google_search={})]
            llm_request.append_instructions([f"Search for {tool_context.agent_name}."])

        async def run_async(self, *, args, tool_context):
            raise AssertionError("the provider runs it")

    a = agent("ok", tools=[Search(name="search", description=""), add])
    await chat(a).say()
    config = a.model.requests[0].config
    assert config.system_instruction.endswith("Search for a.")
    assert config.tools[0].google_search == {} and [one.name for one in config.tools[1].function_declarations] == [
        "add"
    ]


async def test_what_a_tool_writes_while_it_changes_the_request_is_stored(chat):
    class Counting(FunctionTool):
        async def process_llm_request(self, *, tool_context, llm_request):
            await super().process_llm_request(tool_context=tool_context, llm_request=llm_request)
            tool_context.state["asked"] = tool_context.state.get("asked", 0) + 1

    talk = chat(agent(call("add", a=1), "done", tools=[Counting(add)]))
    events = await talk.say()
    assert [event.actions.state_delta for event in events] == [{"asked": 1}, {}, {"asked": 2}]
    assert await talk.state() == {"asked": 2}


async def test_skipping_the_summary_ends_the_turn(chat):
    def report(tool_context) -> str:
        """Reports."""
        tool_context.actions.skip_summarization = True
        return "report"

    a = agent(call("report"), tools=[report])
    events = await chat(a).say()
    assert len(a.model.requests) == 1 and events[-1].is_final_response()


async def test_a_tool_may_end_the_run(chat):
    def stop(tool_context) -> str:
        """Stops."""
        tool_context.invocation_context.end_invocation = True
        return "stopped"

    a = agent(call("stop"), tools=[stop])
    assert results(await chat(a).say()) == [{"result": "stopped"}] and len(a.model.requests) == 1
