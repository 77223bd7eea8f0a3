# SPDX-License-Identifier: Apache-2.0
"""Finding the agent of a program in each of the ways in which programs are laid out."""

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from runwright import App, InMemorySessionService
from runwright.cli.loading import Program, load_program
from runwright.errors import AgentLoadError
from tests.cli.conftest import ENVIRONMENT, SECONDS

AGENT = "from runwright import Agent\nroot_agent = Agent(name={name!r}, model='none')\n"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    return tmp_path


def write(root: Path, **files: str) -> None:
    """Writes files: ``a__b="text"`` makes ``a/b.py``."""
    for name, text in files.items():
        path = root / (name.replace("__init__", "INIT").replace("__", "/").replace("INIT", "__init__") + ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))


def name_of(program: Program) -> str:
    return program.agent.name


class TestWhereItIs:
    @pytest.mark.parametrize(
        "target", ["box", "box/", "box/agent.py", "box.agent", "box.agent:root_agent", "box:root_agent"]
    )
    def test_a_package_with_an_agent_module(self, here: Path, target: str) -> None:
        write(
            here,
            box____init__="from . import agent\nfrom .agent import root_agent",
            box__agent=AGENT.format(name="one"),
        )
        assert name_of(load_program(target)) == "one"

    def test_a_package_that_defines_it_itself(self, here: Path) -> None:
        write(here, box____init__=AGENT.format(name="one"))
        assert name_of(load_program("box")) == "one"

    def test_a_package_whose_init_is_empty(self, here: Path) -> None:
        write(here, box____init__="", box__agent=AGENT.format(name="one"))
        assert name_of(load_program("box")) == "one"

    @pytest.mark.parametrize("target", ["box", "box/agent.py", "box/agent.py:root_agent"])
    def test_a_folder_that_is_no_package(self, here: Path, target: str) -> None:
        write(here, box__agent="from . import near\nimport near as same\n" + AGENT.format(name="one"), box__near="")
        assert name_of(load_program(target)) == "one"

    def test_the_folder_one_stands_in(self, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        write(here, box__agent=AGENT.format(name="one"))
        monkeypatch.chdir(here / "box")
        assert name_of(load_program(".")) == "one"

    def test_relative_imports_reach_the_packages_above(self, here: Path) -> None:
        write(
            here,
            top____init__="", top__shared="NAME = 'one'", top__box____init__="",
            top__box__agent="from ..shared import NAME\nfrom top import shared\n" + AGENT.replace("{name!r}", "NAME"),
        )  # fmt: skip
        assert name_of(load_program("top/box")) == "one"
        assert name_of(load_program("top.box.agent")) == "one"

    @pytest.mark.parametrize("name", ["my-agent", "v1.2", "json", "email", "msgspec"])
    def test_folders_whose_names_are_no_good_for_modules(self, here: Path, name: str) -> None:
        taken = sys.modules.get(name)
        (here / name).mkdir()
        (here / name / "__init__.py").write_text("from . import agent")
        (here / name / "agent.py").write_text(AGENT.format(name="one"))
        assert name_of(load_program(name)) == "one"
        assert sys.modules.get(name) is taken or taken is None

    def test_an_app_is_preferred_and_a_stranger_called_app_is_not(self, here: Path) -> None:
        write(
            here,
            both=AGENT.format(name="one")
            + "from runwright import App\napp = App(name='whole', root_agent=root_agent)\n",
            web=AGENT.format(name="one") + "app = object()\n",
        )
        loaded = load_program("both.py").agent
        assert isinstance(loaded, App)
        assert loaded.name == "whole"
        assert name_of(load_program("web.py")) == "one"

    def test_services_beside_the_agent(self, here: Path) -> None:
        text = "from runwright import *\nsession_service = InMemorySessionService()\nmemory_service = 'no service'\n"
        write(here, box____init__=text, box__agent=AGENT.format(name="one"))
        services = load_program("box").services
        assert list(services) == ["session_service"]
        assert isinstance(services["session_service"], InMemorySessionService)


class TestOneAfterTheOther:
    def test_modules_of_the_same_names_are_each_programs_own(self, here: Path) -> None:
        for folder in ("left", "right"):
            write(
                here,
                **{
                    f"{folder}__box____init__": "",
                    f"{folder}__box__agent": "import tools\nfrom box import near\n"
                    "from runwright import Agent\nroot_agent = Agent(name=tools.NAME + near.NAME)\n",
                    f"{folder}__box__near": f"NAME = '_{folder}'",
                    f"{folder}__tools": f"NAME = '{folder}'",
                },
            )
        assert name_of(load_program("left/box")) == "left_left"
        assert name_of(load_program("right/box")) == "right_right"
        assert name_of(load_program("left/box")) == "left_left"

    def test_nothing_of_the_first_is_on_the_path_of_the_second(self, here: Path) -> None:
        before = list(sys.path)
        write(here, one__agent=AGENT.format(name="one"), one__only_here="", two__agent="import only_here\n")
        load_program("one")
        with pytest.raises(AgentLoadError, match="No module named 'only_here'"):
            load_program("two")
        assert [entry for entry in sys.path if entry.startswith(str(here / "one"))] == []
        assert set(before) <= set(sys.path)

    def test_a_file_that_was_mended_is_read_again(self, here: Path) -> None:
        write(here, box__agent="1 / 0\n")
        with pytest.raises(AgentLoadError, match="ZeroDivisionError"):
            load_program("box")
        write(here, box__agent="# mended\n" + AGENT.format(name="one"))
        assert name_of(load_program("box")) == "one"

    def test_imports_while_it_runs_still_work(self, here: Path) -> None:
        late = "def late():\n    import near\n    from . import other\n    return near.X + other.X\n"
        write(here, box__agent=late + AGENT.format(name="one"), box__near="X = 1", box__other="X = 2")
        load_program("box")
        assert sys.modules["box.agent"].late() == 3

    def test_libraries_stay_loaded(self, here: Path) -> None:
        library = sys.modules["msgspec"]
        write(
            here,
            box__agent="import msgspec, fractions\n" + AGENT.format(name="one"),
            two__agent=AGENT.format(name="two"),
        )
        load_program("box")
        fractions = sys.modules["fractions"]
        load_program("two")
        assert sys.modules["msgspec"] is library
        assert sys.modules["fractions"] is fractions


class TestWhatCannotBeLoaded:
    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("x = 1", r"defines neither app nor root_agent. Write root_agent = Agent\("),
            ("root_agent = 3", "its root_agent is a builtins.int, which Runwright cannot run"),
            ("from runwright import Agent\nbot = Agent(name='bot')", "It has bot: name one with :bot after the path"),
            ("raise SystemExit(3)", r"sys.exit\(3\)"),
            ("import nowhere_at_all", "ModuleNotFoundError: No module named 'nowhere_at_all'"),
        ],
    )
    def test_the_message_says_what_there_is(self, here: Path, text: str, said: str) -> None:
        write(here, box__agent=text)
        with pytest.raises(AgentLoadError, match=said):
            load_program("box")

    def test_another_name(self, here: Path) -> None:
        write(here, box="from runwright import Agent\nbot = Agent(name='bot')\nnumber = 3\n")
        assert name_of(load_program("box.py:bot")) == "bot"
        with pytest.raises(AgentLoadError, match=r"no such name\. It has bot"):
            load_program("box.py:nobody")
        with pytest.raises(AgentLoadError, match="is int, neither an agent nor an app"):
            load_program("box:number")

    def test_folders_of_agents_are_pointed_into(self, here: Path) -> None:
        write(here, all__first__agent="", all__second__agent="")
        with pytest.raises(AgentLoadError, match=r"did you mean .*first, .*second\?"):
            load_program("all")
        (here / "notes.txt").touch()
        with pytest.raises(AgentLoadError, match=r"'notes.txt' is no Python file"):
            load_program("notes.txt")

    def test_the_cause_is_chained(self, here: Path) -> None:
        write(here, box="def f():\n    raise KeyError('x')\nf()\n")
        with pytest.raises(AgentLoadError) as caught:
            load_program("box.py")
        assert isinstance(caught.value.__cause__, KeyError)

    def test_loading_a_thing_loads_no_command_line_library(self, here: Path) -> None:
        write(here, box=AGENT.format(name="one"))
        program = (
            "import sys\nfrom runwright.cli.loading import load_program\nload_program('box.py')\n"
            "print(sorted({'click', 'rich'} & set(sys.modules)))"
        )
        done = subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            text=True,
            cwd=here,
            env=ENVIRONMENT,
            timeout=SECONDS,
            check=True,
        )
        assert done.stdout == "[]\n"
