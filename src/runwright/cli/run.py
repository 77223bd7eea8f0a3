# SPDX-License-Identifier: Apache-2.0
"""``runwright run``: talks to the agent of a program."""

import getpass
import importlib
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import Any

import click
from click.core import ParameterSource

from runwright.agent import BaseAgent
from runwright.agents.llm import LlmAgent
from runwright.app import App
from runwright.cli import INTERRUPTED
from runwright.cli.console import clean, new_console, show_error
from runwright.cli.conversation import Conversation, Ending, Screen
from runwright.cli.credentials import ask_credential
from runwright.cli.display import Display
from runwright.cli.loading import Program, load_program
from runwright.cli.meter import Meter
from runwright.cli.stores import DEFAULT_STORE, VARIABLE, open_store
from runwright.event import Event
from runwright.model import LLMRegistry
from runwright.session import Session
from runwright.sessions.in_memory import InMemorySessionService
from runwright.types import Content, FunctionResponse, Part

_CODES: dict[Ending, int] = {"done": 0, "failed": 1, "cancelled": INTERRUPTED}


@click.command()
@click.argument("path")
@click.argument("message", required=False)
@click.option("--session", metavar="ID", help="The session to talk in; a new one by default.")
@click.option("--user", metavar="ID", default="user", show_default=True, help="Who speaks.")
@click.option(
    "--store",
    metavar="PLACE",
    envvar=VARIABLE,
    help="Keep the session here: a database's URL, a SQLite file, or a folder. By default where the agent's module "
    f"keeps its own, and else in {DEFAULT_STORE}.",
)
@click.option("--in-memory", is_flag=True, help="Keep nothing.")
@click.option("--resume", is_flag=True, help="Go on with a run that was interrupted: the user's, or the session's.")
@click.option("--json", "as_json", is_flag=True, help="Print each event as a line of JSON, and nothing else.")
@click.option("--model", metavar="NAME", help="Answer with this model, in place of what the agents name.")
def run(
    path: str,
    message: str | None,
    session: str | None,
    user: str,
    store: str | None,
    in_memory: bool,
    resume: bool,
    as_json: bool,
    model: str | None,
) -> int:
    """Talk to the agent at PATH.

    PATH is a folder with an agent.py, a package, a Python file, or module:name. It defines root_agent or app, and may
    define session_service, artifact_service and memory_service beside it. MESSAGE is what to say, - reads it from
    standard input; without one, you talk with the agent until you type exit or press Ctrl-D.

    The conversation is kept, so that --session goes on with it later: see --store and --in-memory.
    """
    if resume and message is not None:
        raise click.UsageError("--resume goes on with a run that was interrupted, and takes no MESSAGE.")
    if message == "-":
        message = sys.stdin.read()
    if message is not None and not message.strip():
        raise click.UsageError("The message is empty.")
    if store and in_memory:
        if _was_typed("store"):
            raise click.UsageError("--store says where to keep the session, and --in-memory to keep nothing.")
        store = None
    program = load_program(path)
    services = _services(program, store, in_memory=in_memory)
    if model:
        _answer_with(model, program.agent)
    meter = Meter()
    console = new_console(sys.stdout)
    screen = _JsonLines() if as_json else Display(console, meter, names=len(list(_root(program).tree())) > 1)
    plugins = [] if as_json else [meter]
    with Conversation(program.agent, services=services, plugins=plugins, user=user, session=session) as talk:
        if resume:
            invocation_id = _interrupted_run(talk, in_any_session=session is None)
            ending = _told(talk, talk.ask(None, screen, invocation_id=invocation_id), screen)
            return _CODES[_with_credentials(talk, ending, screen)]
        if message is not None:
            return _CODES[_with_credentials(talk, _told(talk, talk.ask(message, screen), screen), screen)]
        return _interactive(talk, screen, _root(program).name)


def _root(program: Program) -> BaseAgent:
    return program.agent.root_agent if isinstance(program.agent, App) else program.agent


def _services(program: Program, store: str | None, *, in_memory: bool) -> dict[str, Any]:
    """Give the program's services, and a session store: the one that was asked for, its own, or the default."""
    services = dict(program.services)
    if in_memory:
        services["session_service"] = InMemorySessionService()
    elif (store and _was_typed("store")) or "session_service" not in services:
        services["session_service"] = open_store(store, make=True)
    return services


def _was_typed(name: str) -> bool:
    """Tell whether an option stands on the command line, rather than in the environment."""
    return click.get_current_context().get_parameter_source(name) is ParameterSource.COMMANDLINE


def _answer_with(model: str, agent: App | BaseAgent) -> None:
    """Give all agents another model.

    Raises:
        ModelNotFoundError: No class answers for the name.
    """
    llm = LLMRegistry.new_llm(model)
    for each in (agent.root_agent if isinstance(agent, App) else agent).tree():
        if isinstance(each, LlmAgent):
            each.model = llm


def _told(talk: Conversation, ending: Ending, screen: Screen) -> Ending:
    """Say how a run ended, where that is not seen from its events."""
    if ending == "failed":
        show_error(talk.failure or "The run failed.")
    if isinstance(screen, Display):
        if ending == "cancelled":
            screen.note("Cancelled.")
        screen.cost()
    return ending


def _with_credentials(talk: Conversation, ending: Ending, screen: Screen) -> Ending:
    """Go on with the credentials that a run asks for, while somebody is there to give them."""
    display = screen if isinstance(screen, Display) else None
    stream = sys.stdout if display is not None and sys.stdout.isatty() else sys.stderr
    console = new_console(stream)

    def read_secret(prompt: str) -> str | None:
        with suppress(EOFError):
            return getpass.getpass(prompt, stream)
        return None

    while ending == "done" and talk.requests:
        if not sys.stdin.isatty():
            show_error("A tool needs a credential, and nobody is at a terminal to give it. Run it on a terminal.")
            return "failed"
        parts: list[Part] = []
        for request in talk.requests:
            given = ask_credential(
                request.args or {},
                lambda line: console.print(clean(line), soft_wrap=True, markup=False, highlight=False),
                lambda prompt: _line(prompt, stream),
                read_secret,
            )
            answer = FunctionResponse(id=request.id, name=request.name, response=given)
            parts.append(Part(function_response=answer))
        ending = _told(talk, talk.ask(Content(role="user", parts=parts), screen), screen)
    return ending


# --- talking


def _interactive(talk: Conversation, screen: Screen, name: str) -> int:
    """Talk until there is nothing more to say. Lines that are piped in are messages, and the worst ending counts."""
    by_hand = sys.stdin.isatty()
    display = screen if isinstance(screen, Display) else None
    if by_hand and display is not None:
        display.note(f"Talking with {name}. Ctrl-C stops an answer, exit or Ctrl-D ends.")
        if _is_durable(talk):
            display.note(f"To come back to this session: --session {talk.session}")
    code, said = 0, False
    while (line := _next_line(display, by_hand)) is not None:
        if not (text := line.strip()):
            continue
        if text in ("exit", "quit"):
            return code
        if display is not None and not by_hand:
            display.question(text)
        said = True
        ending = _with_credentials(talk, _told(talk, talk.ask(text, screen), screen), screen)
        if not by_hand:
            code = max(code, _CODES[ending])
            if ending == "cancelled":
                break
    if not by_hand and not said:
        raise click.UsageError("There is nothing to say: give a MESSAGE, or pipe one in.")
    return code


def _next_line(display: Display | None, by_hand: bool) -> str | None:
    """Read what is said next; None where that is all."""
    if not by_hand:
        return sys.stdin.readline() or None
    prompt = display.prompt if display is not None else "> "
    return _line(prompt, sys.stdout if display is not None and sys.stdout.isatty() else sys.stderr)


def _line(prompt: str, stream: Any) -> str | None:
    """Read a line from the terminal; None where there are no more."""
    try:
        with _prompting_on(stream):
            return input(prompt)
    except EOFError:
        print(file=sys.stderr)
        return None
    except KeyboardInterrupt:
        print(file=sys.stderr)
        raise


@contextmanager
def _prompting_on(stream: Any) -> Generator[None]:
    """The prompt belongs to the one who types, never to a file that standard output is sent to."""
    with suppress(ImportError):
        importlib.import_module("readline")  # gives input() its line editing, where it is there
    before, sys.stdout = sys.stdout, stream
    try:
        yield
    finally:
        sys.stdout = before


# --- going on with a run


def _interrupted_run(talk: Conversation, *, in_any_session: bool) -> str:
    """Find the newest run whose process is gone; else, in a session, its last one, which must not have come to its end.

    Raises:
        UsageError: There is none to go on with; the message says why and what to do.
    """
    interrupted = talk.interrupted_runs(in_any_session=in_any_session)
    if interrupted:
        newest = max(interrupted, key=lambda run: run.start_time)
        talk.session = newest.session_id
        return newest.invocation_id
    if in_any_session:
        raise click.UsageError(
            f"No run of user {talk.user!r} was interrupted. To go on with one that failed or was cancelled, name its "
            "session: --session ID."
        )
    session = talk.stored_session()
    where = f"session {talk.session!r} of user {talk.user!r}"
    if session is None and not _is_durable(talk):
        raise click.UsageError(
            f"There is no {where} to go on with: this agent keeps its sessions in memory, where they end with the "
            "process. Define a durable session_service beside the agent."
        )
    if session is None:
        raise click.UsageError(f"There is no {where}: check --session and --user.")
    last = _last_run(session)
    if last is None:
        raise click.UsageError(f"In {where} there is no run to go on with. Say something: give a MESSAGE.")
    if _came_to_its_end(last):
        raise click.UsageError(f"The last run in {where} came to its end. Say something new: give a MESSAGE.")
    return last[-1].invocation_id


def _is_durable(talk: Conversation) -> bool:
    return type(talk.runner.session_service) is not InMemorySessionService


def _last_run(session: Session) -> list[Event] | None:
    if not session.events:
        return None
    invocation_id = session.events[-1].invocation_id
    return [event for event in session.events if event.invocation_id == invocation_id]


def _came_to_its_end(events: list[Event]) -> bool:
    last = events[-1]
    return last.author != "user" and last.is_final_response() and not last.error_code


class _JsonLines:
    """Prints events in their wire form, one a line."""

    def __init__(self) -> None:
        self.error: str | None = None

    @contextmanager
    def running(self) -> Generator[None]:
        self.error = None
        yield

    def show(self, event: Event) -> None:
        if event.error_code:
            self.error = f"{event.error_code}: {event.error_message}"
        print(event.model_dump_json(by_alias=True, exclude_none=True), flush=True)
