# SPDX-License-Identifier: Apache-2.0
"""``runwright run`` in processes of its own: what it prints where, its exit codes and its sessions."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import ENVIRONMENT, SECONDS, Command


def events_of(stdout: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stdout.splitlines()]


class TestOneMessage:
    def test_text_tools_and_cost_are_shown_without_colours(self, command: Command) -> None:
        done = command("run", "sky", "What is the weather?")
        assert (done.returncode, done.stderr) == (0, "")
        assert "weather  city: Oslo" in done.stdout
        assert "city: Oslo · sky: blue" in done.stdout
        assert done.stdout.count("The sky over Oslo is **blue**.") == 1
        assert "2 model calls · 1 tool call · " in done.stdout
        assert "\x1b" not in done.stdout

    def test_colours_that_are_forced_do_not_make_a_pipe_a_terminal(self, command: Command) -> None:
        done = command("run", "sky", "What is the weather?", FORCE_COLOR="1")
        assert "thinking" not in done.stdout
        assert done.stdout.count("The sky over Oslo") == 1

    def test_a_dash_reads_the_message(self, command: Command) -> None:
        done = command("run", "sky", "-", typed="What did I say before?\n")
        assert "You said 1 things so far." in done.stdout

    @pytest.mark.parametrize("words", [("",), ("  ",), ("-",)])
    def test_an_empty_message_is_refused(self, command: Command, words: tuple[str, ...]) -> None:
        done = command("run", "sky", *words)
        assert (done.returncode, done.stdout) == (2, "")
        assert "The message is empty" in done.stderr

    def test_a_run_that_fails_says_so_in_one_line(self, command: Command) -> None:
        done = command("run", "sky", "fail")
        assert done.returncode == 1
        assert "Traceback" not in done.stderr
        lines = done.stderr.splitlines()
        assert len(lines) == 1
        assert lines[0].startswith("Error: ConnectionError: the model is out of reach (")
        assert "agent.py, line " in lines[0]

    def test_a_reader_that_leaves_early_is_no_error(self, folder: Path) -> None:
        process = subprocess.Popen(
            [sys.executable, "-m", "runwright", "run", "sky", "weather", "--json"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=folder, env=ENVIRONMENT,
        )  # fmt: skip
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        errors = process.stderr.read()
        process.stderr.close()
        assert process.wait(SECONDS) == 0
        assert errors == b""

    def test_the_words_of_a_model_do_not_reach_the_terminal_as_commands(self, folder: Path, command: Command) -> None:
        (folder / "odd.py").write_text(
            "from runwright import Agent\nfrom runwright.testing import ScriptedModel\n"
            "root_agent = Agent(name='odd', model=ScriptedModel(['a \\x1b]0;title\\x07 [red]b[/] c']))\n"
        )
        assert "a ]0;title [red]b[/] c\n" in command("run", "odd.py", "hello").stdout


class TestJson:
    def test_each_event_is_a_line_and_nothing_else_is_there(self, command: Command) -> None:
        done = command("run", "sky", "What is the weather?", "--json", "--session", "s", "--user", "u")
        assert (done.returncode, done.stderr) == (0, "")
        events = events_of(done.stdout)
        assert events[0]["content"]["parts"][0]["functionCall"]["args"] == {"city": "Oslo"}
        assert events[1]["content"]["parts"][0]["functionResponse"]["response"] == {"city": "Oslo", "sky": "blue"}
        assert [event.get("partial") for event in events[2:]] == [True, True, None]
        assert events[-1]["content"]["parts"][0]["text"] == "The sky over Oslo is **blue**."
        assert {event["author"] for event in events} == {"sky"}
        assert events[0]["actions"]["stateDelta"] == {}
        assert len({event["invocationId"] for event in events}) == 1

    def test_a_failure_is_an_event_and_a_line_elsewhere(self, command: Command) -> None:
        done = command("run", "sky", "fail", "--json")
        assert done.returncode == 1
        assert events_of(done.stdout)[-1]["errorCode"] == "ConnectionError"
        assert done.stderr.startswith("Error: ConnectionError: ")

    def test_lines_that_are_piped_in_are_messages(self, command: Command) -> None:
        done = command("run", "sky", "--json", typed="before 1\n\nbefore 2\nexit\nbefore 3\n")
        assert done.returncode == 0
        texts = [event["content"]["parts"][0]["text"] for event in events_of(done.stdout)]
        assert texts == ["You said 1 things so far.", "You said 3 things so far."]


class TestSessions:
    def test_a_store_beside_the_agent_keeps_the_session_and_is_closed(self, folder: Path, command: Command) -> None:
        for count in (1, 3):
            done = command("run", "durable", "before", "--session", "s")
            assert f"You said {count} things so far." in done.stdout
        assert "You said 1 things" in command("run", "durable", "before", "--session", "s", "--user", "other").stdout
        assert "You said 1 things" in command("run", "durable", "before").stdout
        assert (folder / "durable" / "closed").exists()

    @pytest.mark.parametrize(
        ("program", "session"), [("durable", ("--session", "s")), ("sky", ("--session", "s")), ("sky", ())]
    )
    def test_a_run_that_was_killed_goes_on(
        self, folder: Path, command: Command, program: str, session: tuple[str, ...]
    ) -> None:
        agent = folder / program / "agent.py"
        pause = 'time.sleep(0 if Path(__file__).with_name("go").exists() else 600)'
        text = agent.read_text().replace('"Tell the weather."\n', f'"Tell the weather."\n    {pause}\n')
        agent.write_text(f"import time\nfrom pathlib import Path\n\n{text}")
        words = [sys.executable, "-m", "runwright", "run", program, "weather", *session, "--json"]
        process = subprocess.Popen(words, stdout=subprocess.PIPE, cwd=folder, env=ENVIRONMENT)
        assert process.stdout is not None
        call = json.loads(process.stdout.readline())
        process.kill()
        process.wait(SECONDS)
        process.stdout.close()
        (folder / program / "go").touch()
        done = command("run", program, *session, "--resume", "--json")
        assert (done.returncode, done.stderr) == (0, "")
        events = events_of(done.stdout)
        assert {event["invocationId"] for event in events} == {call["invocationId"]}
        assert events[-1]["content"]["parts"][0]["text"] == "The sky over Oslo is **blue**."

    def test_a_run_that_failed_goes_on_and_then_there_is_nothing_more(self, folder: Path, command: Command) -> None:
        assert command("run", "durable", "fail", "--session", "s").returncode == 1
        agent = folder / "durable" / "agent.py"
        agent.write_text(
            agent.read_text().replace('raise ConnectionError("the model is out of reach")', 'return "Well."')
        )
        done = command("run", "durable", "--session", "s", "--resume")
        assert (done.returncode, done.stderr) == (0, "")
        assert "Well." in done.stdout
        again = command("run", "durable", "--session", "s", "--resume")
        assert (again.returncode, again.stdout) == (2, "")
        assert "came to its end" in again.stderr

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (("sky", "--resume"), "No run of user 'user' was interrupted"),
            (("sky", "hello", "--session", "s", "--resume"), "takes no MESSAGE"),
            (("sky", "--session", "s", "--resume", "--in-memory"), "keeps its sessions in memory"),
            (("sky", "--session", "s", "--resume"), "check --session and --user"),
            (("durable", "--session", "s", "--resume"), "check --session and --user"),
        ],
    )
    def test_what_cannot_go_on_is_told(self, command: Command, words: tuple[str, ...], said: str) -> None:
        done = command("run", *words)
        assert (done.returncode, done.stdout) == (2, "")
        assert said in " ".join(done.stderr.split())


class TestWhatCannotBeRun:
    def test_a_file_that_fails_shows_its_own_frames(self, folder: Path, command: Command) -> None:
        (folder / "broken.py").write_text("import json\n\ndef load():\n    return json.loads('{')\n\nload()\n")
        done = command("run", "broken.py", "hello")
        assert (done.returncode, done.stdout) == (2, "")
        assert "fails while it is imported: JSONDecodeError" in done.stderr
        assert "broken.py, line 6, in <module>\n    load()" in done.stderr
        assert "broken.py, line 4, in load" in done.stderr
        assert not any(word in done.stderr for word in ("importlib", "decoder.py", "loading.py", "Traceback"))

    def test_a_syntax_error_shows_its_line(self, folder: Path, command: Command) -> None:
        (folder / "broken.py").write_text("x = 1\nroot_agent = Agent(\n")
        done = command("run", "broken.py", "hello")
        assert done.returncode == 2
        assert "SyntaxError" in done.stderr
        assert "broken.py, line 2" in done.stderr
        assert "root_agent = Agent(" in done.stderr

    def test_an_agent_that_is_put_together_wrongly(self, folder: Path, command: Command) -> None:
        (folder / "wrong.py").write_text("from runwright import Agent\nroot_agent = Agent(name='no good')\n")
        done = command("run", "wrong.py", "hello")
        assert done.returncode == 2
        assert "'no good' cannot be an agent's name" in done.stderr
        assert "wrong.py, line 2" in done.stderr

    @pytest.mark.parametrize("target", ["nowhere", "nowhere.py", "no/where", "nowhere:agent"])
    def test_nothing_there(self, command: Command, target: str) -> None:
        done = command("run", target, "hello")
        assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
        assert "name a folder with an agent.py, a Python file, or module:name" in done.stderr

    def test_a_model_that_nobody_knows(self, command: Command) -> None:
        done = command("run", "sky", "hello", "--model", "unknown-1")
        assert (done.returncode, done.stdout) == (2, "")
        assert "No model class answers for 'unknown-1'" in done.stderr

    def test_another_model_answers(self, folder: Path, command: Command) -> None:
        (folder / "other.py").write_text(
            textwrap.dedent("""
            from runwright import Agent, BaseLlm, LLMRegistry
            from runwright.model import LlmResponse
            from runwright.types import ModelContent

            class Parrot(BaseLlm):
                @classmethod
                def supported_models(cls):
                    return ["parrot-.*"]

                async def generate_content_async(self, llm_request, stream=False):
                    yield LlmResponse(content=ModelContent(f"{self.model} says hello"))

            LLMRegistry.register(Parrot)
            root_agent = Agent(name="first", model="not-there", sub_agents=[Agent(name="second", model="neither")])
            """)
        )
        assert "parrot-2 says hello" in command("run", "other.py", "hi", "--model", "parrot-2").stdout
        failed = command("run", "other.py", "hi")
        assert failed.returncode == 1
        assert "No model class answers for 'not-there'" in failed.stderr

    def test_nothing_to_say(self, command: Command) -> None:
        done = command("run", "sky")
        assert done.returncode == 2
        assert "nothing to say" in done.stderr

    def test_unknown_options_and_help(self, command: Command) -> None:
        assert command("run", "--wrong").returncode == 2
        assert "Usage: runwright run" in command("run", "--help").stdout
        assert command().returncode == 0
        assert command("--version").stdout.startswith("runwright, version ")

    def test_a_missing_extra_is_named(self, folder: Path, command: Command) -> None:
        (folder / "click.py").write_text("raise ModuleNotFoundError(\"No module named 'click'\", name='click')\n")
        path = os.pathsep.join([str(folder), ENVIRONMENT["PYTHONPATH"]])
        done = command("demo", PYTHONPATH=path)
        assert done.returncode == 2
        assert done.stderr == "The command line needs click, which is not installed: pip install 'runwright[cli]'\n"
