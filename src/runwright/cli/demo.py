# SPDX-License-Identifier: Apache-2.0
"""``runwright demo``: an agent at work, with real tools and no key."""

import shlex
import sys
from pathlib import Path
from typing import Any

import click

from runwright.cli import INTERRUPTED
from runwright.cli.console import describe_result, new_console, show_error
from runwright.cli.conversation import Conversation
from runwright.cli.demo_agent.agent import Workplace, describe
from runwright.cli.demo_agent.model import OfflineModel
from runwright.cli.display import Display
from runwright.cli.meter import Cost, Meter
from runwright.model import BaseLlm, LLMRegistry

_PACE = 0.02


@click.command()
@click.option("--folder", metavar="DIR", help="Search the files below this folder.")
@click.option("--database", metavar="FILE", help="Query this SQLite file; it is only read.")
@click.option("--ask", metavar="TEXT", multiple=True, help="Ask this, and no other questions; as often as you like.")
@click.option("--model", metavar="NAME", help="Let a provider's model answer, in place of the rules that need no key.")
@click.option("--session", metavar="ID", help="A name for the session.")
@click.argument("more", nargs=-1, metavar="")
def demo(
    folder: str | None,
    database: str | None,
    ask: tuple[str, ...],
    model: str | None,
    session: str | None,
    more: tuple[str, ...],
) -> int:
    """Show an agent at work: it searches documents, queries a database and tells the time.

    Without --folder and --database it works on data of its own, which is removed at the end.
    """
    questions = [text for text in (*ask, *more) if text.strip()]
    if (ask or more) and not questions:
        raise click.UsageError("--ask needs a question.")
    console = new_console(sys.stdout)
    llm: BaseLlm = LLMRegistry.new_llm(model) if model else OfflineModel(pace=_PACE if console.is_terminal else 0.0)
    meter = Meter()
    display = Display(console, meter, describe=_described)
    try:
        workplace = Workplace(_path(folder), _path(database))
        with workplace:
            agent = workplace.agent(llm)
            display.headline("Runwright demo", _introduction(workplace, llm))
            with Conversation(agent, plugins=[meter], session=session) as talk:
                code = _converse(talk, display, questions or workplace.questions)
    except (FileNotFoundError, NotADirectoryError, ValueError) as error:
        raise click.UsageError(str(error)) from error
    if code == 0 and not questions:
        display.headline("Try next", _next(folder, database, llm))
    return code


def _introduction(workplace: Workplace, llm: BaseLlm) -> str:
    model = (
        "rules in place of a model: no key, no network" if isinstance(llm, OfflineModel) else f"the model {llm.model}"
    )
    return f"An agent with {len(workplace.tools)} real tools, over {workplace.subject}. It is driven by {model}."


def _path(given: str | None) -> Path | None:
    return Path(given).expanduser() if given else None


def _described(tool: str, result: dict[str, Any]) -> str:
    return describe(tool, result) or describe_result(tool, result)


def _converse(talk: Conversation, display: Display, questions: list[str]) -> int:
    """Ask one question after the other, in one session; stop at the first that fails."""
    total = Cost()
    for question in questions:
        display.question(question)
        ending = talk.ask(question, display)
        if ending == "cancelled":
            display.note("Cancelled.")
            return INTERRUPTED
        if ending == "failed":
            show_error(talk.failure or "The run failed.")
            return 1
        total += display.cost()
    if len(questions) > 1:
        display.note(f"In all, {len(questions)} questions in one session: {total}")
    return 0


def _next(folder: str | None, database: str | None, llm: BaseLlm) -> str:
    named = [
        word for option, value in (("--folder", folder), ("--database", database)) if value for word in (option, value)
    ]
    lines = [
        ("Ask something else", shlex.join(["runwright", "demo", *named, "--ask", "What time is it in Nairobi?"])),
        ("Your own files and database", "runwright demo --folder DIR --database FILE.db"),
        ("A real model, where one is registered", "runwright demo --model NAME"),
        ("An agent of your own", "runwright run PATH"),
    ]
    return "\n".join(f"{what}:\n    {command}" for what, command in lines)
