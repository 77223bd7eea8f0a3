# SPDX-License-Identifier: Apache-2.0
"""``runwright run`` on a terminal, and stopped by signals."""

import contextlib
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import ENVIRONMENT, SECONDS, Start, without_slowness
from tests.cli.test_run import events_of


class TestSignals:
    def test_a_signal_ends_a_single_message_at_once_though_its_tool_sleeps(self, folder: Path) -> None:
        process = subprocess.Popen(
            [sys.executable, "-X", "dev", "-m", "runwright", "run", "sky", "slow", "--json"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=folder, env=ENVIRONMENT, text=True,
        )  # fmt: skip
        assert process.stdout is not None
        assert "functionCall" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        out, errors = process.communicate(timeout=SECONDS)
        assert process.returncode == 130
        assert without_slowness(errors) == ""
        assert events_of(out)[-1]["errorCode"] == "INVOCATION_ABORTED"

    def test_a_second_signal_gets_code_out_that_blocks_the_loop(self, folder: Path) -> None:
        (folder / "stuck.py").write_text(
            "import time\nfrom runwright import Agent\nfrom runwright.testing import ScriptedModel, call\n"
            "async def stuck():\n    print('stuck', flush=True)\n    time.sleep(600)\n"
            "root_agent = Agent(name='stuck', model=ScriptedModel([call('stuck')]), tools=[stuck])\n"
        )
        process = subprocess.Popen(
            [sys.executable, "-m", "runwright", "run", "stuck.py", "hello", "--json"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=folder, env=ENVIRONMENT, text=True,
        )  # fmt: skip
        assert process.stdout is not None
        while (line := process.stdout.readline()) != "stuck\n":
            assert line  # the event with the call; from "stuck" on the loop, and with it what is printed, stands still
        while process.poll() is None:
            process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(0.3)
        out, errors = process.communicate(timeout=SECONDS)
        assert process.returncode == 130
        assert "Traceback" not in out + errors
        assert errors.strip() == ""


class TestTerminal:
    def test_talking_on_a_terminal(self, terminal: Start) -> None:
        talk = terminal("run", "sky", "--session", "s")
        talk.wait_for("exit or Ctrl-D ends.")
        talk.wait_for("❯")  # noqa: RUF001
        talk.type("weather\r")
        shown = talk.wait_for("1 tool call")
        assert "weather  city: Oslo" in shown
        assert "The sky over Oslo is blue." in shown  # Markdown was rendered
        talk.type("slow\r")
        talk.wait_for("slow ")
        talk.type("\x03")
        assert "Cancelled." in talk.wait_for("model call")
        talk.type("what before?\r")
        talk.wait_for("things so far.")
        talk.wait_for("0 tool calls")
        talk.type("exit\r")
        assert talk.end() == 0
        assert "Traceback" not in talk.shown

    @pytest.mark.parametrize(("key", "code"), [("\x04", 0), ("\x03", 130), ("exit\r", 0)])
    def test_the_prompt_ends_cleanly(self, terminal: Start, key: str, code: int) -> None:
        talk = terminal("run", "sky")
        talk.wait_for("❯")  # noqa: RUF001
        talk.type(key)
        assert talk.end(pressing=key if key == "\x03" else "") == code
        assert "Traceback" not in talk.shown
        assert "Error" not in talk.shown

    def test_a_spinner_is_on_a_terminal_only(self, terminal: Start) -> None:
        talk = terminal("run", "sky", "slow")
        talk.wait_for("slow")
        talk.type("\x03")
        assert talk.end() == 130
        assert "Cancelled." in talk.shown
        assert "\x1b[?25h" in talk.raw  # the cursor is there again

    def test_what_a_tool_reports_is_seen_while_it_runs(self, terminal: Start, folder: Path) -> None:
        (folder / "walk.py").write_text(
            "from runwright import Agent, ToolContext\nfrom runwright.testing import ScriptedModel, call\n"
            "def walk(tool_context: ToolContext) -> str:\n    tool_context.report_progress('half way')\n"
            "    tool_context.cancellation.wait(600)\n    return 'there'\n"
            "root_agent = Agent(name='walker', model=ScriptedModel([call('walk')]), tools=[walk])\n"
        )
        talk = terminal("run", "walk.py", "go", "--in-memory")
        talk.wait_for("half way")
        talk.type("\x03")
        assert talk.end() == 130  # at once: the tool's thread is told
