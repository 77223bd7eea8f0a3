# SPDX-License-Identifier: Apache-2.0
"""The command line as a user has it: in a process of its own, on pipes or on a terminal."""

import codecs
import os
import re
import select
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

try:
    import pty
except ImportError:  # Windows
    pty = None

SECONDS = 60.0
ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")},
    "PYTHONPATH": str(Path(__file__).resolve().parents[2] / "src"),
    "PYTHONWARNINGS": "error",
    "PYTHONUTF8": "1",
    "TERM": "xterm-256color",
}
ESCAPES = re.compile(r"\x1b(?:\[[0-9;?]*[a-zA-Z]|[()].|[=>])|\r")

AGENT = """
import time
from runwright import Agent
from runwright.testing import FunctionModel, call, stream

def weather(city: str) -> dict:
    "Tell the weather."
    return {"city": city, "sky": "blue"}

def slow() -> str:
    "Take very long."
    time.sleep(600)

def answer(request):
    last = request.contents[-1].parts[0]
    if last.function_response:
        return stream("The sky over ", "Oslo is **blue**.")
    if "slow" in last.text:
        return call("slow")
    if "fail" in last.text:
        raise ConnectionError("the model is out of reach")
    if "before" in last.text:
        return f"You said {len(request.contents)} things so far."
    return call("weather", city="Oslo")

root_agent = Agent(name="sky", model=FunctionModel(answer), tools=[weather, slow])
"""

# A store that outlives its process: the one in memory, with its events in a file beside it.
DURABLE = """
import json
from pathlib import Path
from runwright import Event, InMemorySessionService

class FileSessions(InMemorySessionService):
    path = Path(__file__).with_name("log.jsonl")
    loaded = False

    async def get_session(self, *, app_name, user_id, session_id, config=None):
        named = {"app_name": app_name, "user_id": user_id, "session_id": session_id}
        if not self.loaded:
            self.loaded = True
            for line in self.path.read_text().splitlines() if self.path.exists() else []:
                entry = json.loads(line)
                session = await super().get_session(**entry["key"]) or await self.create_session(**entry["key"])
                await super().append_event(session, Event.model_validate(entry["event"]))
        return await super().get_session(**named, config=config)

    async def append_event(self, session, event):
        stored = await super().append_event(session, event)
        if not event.partial:
            key = {"app_name": session.app_name, "user_id": session.user_id, "session_id": session.id}
            entry = {"key": key, "event": json.loads(event.model_dump_json(by_alias=True, exclude_none=True))}
            with self.path.open("a") as file:
                file.write(json.dumps(entry) + "\\n")
        return stored

    async def close(self):
        with self.path.with_name("closed").open("w") as file:
            file.write("yes")

session_service = FileSessions()
"""


class Terminal:
    """A command on a terminal that is typed to and read."""

    def __init__(self, words: list[str], folder: Path, *, columns: int, environment: dict[str, str]) -> None:
        assert pty is not None
        self.pid, self.fd = pty.fork()
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        if self.pid == 0:
            os.chdir(folder)
            size = {"COLUMNS": str(columns), "LINES": "40"}
            command = [sys.executable, "-X", "dev", "-m", "runwright", *words]
            os.execve(sys.executable, command, {**ENVIRONMENT, **size, **environment})
        self.raw = ""
        self._seen = 0

    def wait_for(self, text: str) -> str:
        """Reads until ``text`` was shown after what was waited for last, and gives all that was shown up to it."""
        while (found := self.shown.find(text, self._seen)) < 0:
            if not self._more():
                pytest.fail(f"{text!r} was not shown, but this was:\n{self.shown}")
        # What was read along with it is for the next one who waits.
        start, self._seen = self._seen, found + len(text)
        return self.shown[start : self._seen]

    def type(self, text: str) -> None:
        os.write(self.fd, text.encode())

    def end(self, *, pressing: str = "") -> int:
        """Reads to the end, and gives the exit code.

        Args:
            pressing: A key to press again while nothing happens: Python's prompt is deaf to a Ctrl-C that comes in the
                instant in which it is drawn.
        """
        while self._more(pressing):
            pass
        _, status = os.waitpid(self.pid, 0)
        self.pid = 0
        return os.waitstatus_to_exitcode(status)

    @property
    def shown(self) -> str:
        return ESCAPES.sub("", self.raw)

    def _more(self, pressing: str = "") -> bool:
        patience = SECONDS
        while not select.select([self.fd], [], [], 1.0)[0]:
            patience -= 1.0
            if patience < 0:
                pytest.fail(f"nothing more was shown after:\n{self.shown}")
            self.type(pressing)
        try:
            data = os.read(self.fd, 65_536)
        except OSError:  # Linux says so when the other end is gone
            return False
        self.raw += self._decoder.decode(data)
        return bool(data)

    def close(self) -> None:
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.fd)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with an agent in ``sky/agent.py`` and one with a durable store in ``durable/agent.py``."""
    for name, text in (("sky", AGENT), ("durable", AGENT + DURABLE)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "agent.py").write_text(textwrap.dedent(text))
    return tmp_path


Command = Callable[..., "subprocess.CompletedProcess[str]"]
Start = Callable[..., Terminal]


def without_slowness(errors: str) -> str:
    """Standard error without what asyncio's debug mode says of how slow the machine is."""
    return "".join(line for line in errors.splitlines(keepends=True) if not re.match(r"Executing <.* took ", line))


@pytest.fixture
def command(folder: Path) -> Command:
    """Runs ``runwright`` on pipes."""

    def run(*words: str, typed: str = "", **environment: str) -> "subprocess.CompletedProcess[str]":
        done = subprocess.run(
            [sys.executable, "-X", "dev", "-m", "runwright", *words],
            input=typed,
            capture_output=True,
            text=True,
            encoding="utf-8",
            cwd=folder,
            env={**ENVIRONMENT, **environment},
            timeout=SECONDS,
            check=False,
        )
        done.stderr = without_slowness(done.stderr)
        return done

    return run


@pytest.fixture
def terminal(folder: Path) -> Iterator[Start]:
    """Runs ``runwright`` on a terminal."""
    if pty is None:
        pytest.skip("this system has no pseudo terminals")
    opened: list[Terminal] = []

    def start(*words: str, columns: int = 80, **environment: str) -> Terminal:
        opened.append(Terminal(list(words), folder, columns=columns, environment=environment))
        return opened[-1]

    yield start
    for each in opened:
        each.close()
