# SPDX-License-Identifier: Apache-2.0
"""``runwright run`` asks the person at the terminal what a run asks, and goes on with the answer."""

import textwrap
from pathlib import Path

import pytest

from tests.cli.conftest import Command, Start
from tests.cli.test_run import events_of

KEEPER = """
from runwright import Agent, FunctionTool, ToolContext
from runwright.testing import FunctionModel, call

def delete_file(path: str, lines: list[int]) -> dict:
    "Deletes."
    return {"deleted": path}

def book(days: int, tool_context: ToolContext) -> dict:
    "Books days off."
    said = tool_context.tool_confirmation
    if said is None:
        tool_context.request_confirmation(hint="How many days?", payload={"approved": 0})
        return {}
    return {"booked": said.payload["approved"] if said.confirmed else "none"}

def reply(request):
    last = request.contents[-1].parts[-1]
    if last.function_response:
        return f"It said {last.function_response.response}."
    if last.text == "hide":
        return call("delete_file", path="/tmp/\\u202etxt.exe\\u200b\\u001b[8m", lines=[1])
    if last.text == "forge":
        return call("no\\u001b]0;title\\u0007\\u202esuch", a=1)
    if last.text == "both":
        return [call("delete_file", path="/a", lines=[1]), call("delete_file", path="/b", lines=[2])]
    return call("book", days=3) if last.text == "book" else call("delete_file", path="/tmp/x", lines=list(range(30)))

root_agent = Agent(
    name="keeper",
    model=FunctionModel(reply),
    tools=[FunctionTool(delete_file, require_confirmation=True), book],
)
"""

FLOW = """
from runwright import START, RequestInput, Workflow

def ask(node_input: str) -> RequestInput:
    return RequestInput(message="How many?", payload={"for": "tea"}, response_schema=int)

def tell(node_input: int) -> str:
    return f"{node_input} it is."

root_agent = Workflow(name="flow", edges=[(START, ask, tell)])
"""


@pytest.fixture
def folder(folder: Path) -> Path:
    (folder / "keeper.py").write_text(textwrap.dedent(KEEPER))
    (folder / "flow.py").write_text(textwrap.dedent(FLOW))
    return folder


@pytest.mark.parametrize(
    ("typed", "said"),
    [("y\r", "'deleted': '/tmp/x'"), ("YES\r", "'deleted'"), ("\r", "rejected"), ("ye\r", "rejected"),
     ("\x04", "rejected")],
    ids=["y", "YES", "Enter", "something else", "Ctrl-D"],
)  # fmt: skip
def test_a_call_is_allowed_by_a_plain_yes_alone(terminal: Start, typed: str, said: str) -> None:
    talk = terminal("run", "keeper.py", "delete", "--in-memory", columns=200)
    shown = talk.wait_for("Allow it? [y/N]")
    assert "May delete_file be called?" in shown and "path: /tmp/x" in shown and "Please approve or reject" in shown
    assert "26,27,28,29]" in shown  # all of the arguments
    assert "adk_request_confirmation" not in shown
    talk.type(typed)
    assert said in talk.wait_for("It said") + talk.wait_for("}.")
    assert talk.end() == 0 and "Traceback" not in talk.shown


def test_what_is_allowed_is_what_is_seen(terminal: Start) -> None:
    talk = terminal("run", "keeper.py", "hide", "--in-memory", columns=200)
    shown = talk.wait_for("[y/N]")
    assert r'path: "/tmp/\u202etxt.exe\u200b\u001b[8m"' in shown
    assert "\u202e" not in talk.raw and "\x1b[8m" not in talk.raw
    talk.type("n\r")
    assert talk.end() == 0


def test_what_a_model_calls_a_tool_does_not_move_the_terminal(command: Command) -> None:
    done = command("run", "keeper.py", "forge", "--in-memory")
    assert "no]0;titlesuch" in done.stdout
    assert not set("\x1b\x07\u202e") & set(done.stdout + done.stderr)


def test_each_call_is_asked_about(terminal: Start) -> None:
    talk = terminal("run", "keeper.py", "both", "--in-memory", columns=200)
    talk.wait_for("path: /a")
    talk.wait_for("[y/N]")
    talk.type("y\r")
    talk.wait_for("path: /b")
    talk.wait_for("[y/N]")
    talk.type("n\r")
    shown = talk.wait_for("It said")
    assert "deleted: /a" in shown and "rejected" in shown
    assert talk.end() == 0


def test_what_comes_with_a_yes_is_typed_as_json(terminal: Start) -> None:
    talk = terminal("run", "keeper.py", "book", "--in-memory", columns=200)
    assert "How many days?" in talk.wait_for("[y/N]")
    talk.type("y\r")
    talk.wait_for('With (JSON) [{"approved":0}]:')
    talk.type("two\r")
    talk.wait_for("not JSON")
    talk.wait_for("With (JSON)")
    talk.type('{"approved": 2}\r')
    talk.wait_for("'booked': 2")
    assert talk.end() == 0


def test_ctrl_c_at_a_question_leaves_it_open_and_it_is_asked_again_later(terminal: Start) -> None:
    talk = terminal("run", "keeper.py", "delete", "--session", "s", "--store", "s.db")
    talk.wait_for("[y/N]")
    talk.type("\x03")
    assert talk.end(pressing="\x03") == 130
    assert "Traceback" not in talk.shown
    talk = terminal("run", "keeper.py", "--resume", "--session", "s", "--store", "s.db", columns=200)
    talk.wait_for("[y/N]")
    talk.type("y\r")
    talk.wait_for("'deleted': '/tmp/x'")
    assert talk.end() == 0


def test_what_a_workflow_wants_to_know_is_asked_until_it_fits(terminal: Start) -> None:
    talk = terminal("run", "flow.py", "go", "--in-memory", "--json", columns=200)
    shown = talk.wait_for("Answer: ")
    assert "How many?" in shown and 'payload: {"for":"tea"}' in shown
    talk.type("many\r")
    talk.wait_for("Error: ")
    talk.wait_for("Answer: ")
    talk.type("7\r")
    talk.wait_for('"output":"7 it is."')
    assert talk.end() == 0 and "Traceback" not in talk.shown


def test_where_nobody_is_at_a_terminal_nothing_is_allowed_and_that_is_said(command: Command) -> None:
    done = command("run", "keeper.py", "delete", "--in-memory")
    assert done.returncode == 0 and "rejected" in done.stdout and "'deleted'" not in done.stdout
    assert "Nobody is at a terminal to answer whether delete_file may be called, so it is not." in done.stderr
    piped = command("run", "keeper.py", "--in-memory", typed="delete\ny\n")
    assert "'deleted'" not in piped.stdout and "Nobody is at a terminal" in piped.stderr


def test_the_answer_is_an_event_of_the_run(command: Command) -> None:
    done = command("run", "keeper.py", "delete", "--in-memory", "--json")
    events = events_of(done.stdout)
    assert [event["author"] for event in events] == ["keeper"] * 4
    assert len({event["invocationId"] for event in events}) == 1


def test_what_a_workflow_wants_to_know_stays_open_without_a_terminal(command: Command) -> None:
    done = command("run", "flow.py", "go", "--in-memory")
    assert done.returncode == 1
    assert "Nobody is at a terminal to answer what the workflow asks: How many?" in done.stderr
