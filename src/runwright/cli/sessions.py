# SPDX-License-Identifier: Apache-2.0
"""``runwright sessions``: looks at the sessions of a store, moves them and deletes them."""

import asyncio
import sys
from collections.abc import Callable, Coroutine, Iterable
from contextlib import aclosing
from datetime import datetime
from typing import Any, TextIO, TypeVar

import click
import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from runwright.cli.console import clean, describe_result, new_console, value_text
from runwright.cli.conversation import ReaderLeftError
from runwright.cli.stores import DEFAULT_STORE, VARIABLE, open_store
from runwright.durable import DurableSessionService, RunRecord
from runwright.errors import SessionNotFoundError
from runwright.event import Event
from runwright.session import BaseSessionService, GetSessionConfig, Session
from runwright.sessions.archive import export_session, import_session
from runwright.types import text_of

T = TypeVar("T")
Work = Callable[[BaseSessionService], Coroutine[Any, Any, T]]
_STATUSES = ("running", "paused", "completed", "failed", "cancelled")
_LIMIT = 50

_store = click.option(
    "--store",
    metavar="PLACE",
    envvar=VARIABLE,
    help=f"A database's URL, a SQLite file, or a folder of session files; {VARIABLE}, or {DEFAULT_STORE}, by default.",
)
_app = click.option("--app", metavar="NAME", required=True, help="The app's name: that of its root agent.")
_user = click.option("--user", metavar="ID", default="user", show_default=True, help="Whose session it is.")
_any_user = click.option("--user", metavar="ID", help="Of this user alone.")
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, one object a line.")


class _Commands(click.Group):
    """Tells the end of a pipe apart from other errors: left to click, it would be one."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            raise ReaderLeftError from error


@click.group(cls=_Commands)
def sessions() -> None:
    """Look at stored sessions, move them and delete them."""


@sessions.command("ls")
@_store
@_app
@_any_user
@click.option("--limit", type=click.IntRange(1), default=_LIMIT, show_default=True, help="How many at the most.")
@click.option("--after", metavar="TOKEN", help="Go on where a page ended, as it said.")
@_json
def list_sessions(store: str | None, app: str, user: str | None, limit: int, after: str | None, as_json: bool) -> None:
    """List the sessions of an app, oldest first."""
    page = _with(
        store, lambda service: service.list_sessions(app_name=app, user_id=user, page_size=limit, page_token=after)
    )
    if as_json:
        _print_lines(_session_json(session) for session in page.sessions)
    else:
        _print_table(
            ("session", "user", "events", "last change"),
            ((one.id, one.user_id, str(one.seq), _time(one.last_update_time)) for one in page.sessions),
        )
    if page.next_page_token is not None:
        print(f"There are more: --after {page.next_page_token}", file=sys.stderr)


@sessions.command()
@click.argument("session")
@_store
@_app
@_user
@click.option("--last", type=click.IntRange(1), metavar="N", help="Only the newest so many events.")
@_json
def show(session: str, store: str | None, app: str, user: str, last: int | None, as_json: bool) -> None:
    """Show what was said in SESSION, and its state."""
    config = GetSessionConfig(num_recent_events=last)
    found = _with(
        store, lambda service: service.get_session(app_name=app, user_id=user, session_id=session, config=config)
    )
    if found is None:
        raise _no_session(session, user, app)
    if as_json:
        print(found.model_dump_json(by_alias=True, exclude_none=True), flush=True)
        return
    console = new_console(sys.stdout)
    with console.capture() as shown:
        console.print(
            Text.assemble((clean(found.id), "mark"), f"  {found.seq} events, {_time(found.last_update_time)}")
        )
        for event in found.events:
            _print_event(console, event)
        for key, value in sorted(found.state.items()):
            console.print(Text.assemble((clean(key), "tool"), f" = {value_text(value)}"))
    print(shown.get(), end="", flush=True)


@sessions.command("export")
@click.argument("session")
@_store
@_app
@_user
@click.option(
    "-o",
    "--output",
    type=click.File("w", encoding="utf-8", lazy=True),
    default="-",
    help="Write to this file, in place of standard output.",
)
def export(session: str, store: str | None, app: str, user: str, output: TextIO) -> None:
    """Write SESSION as lines of JSON, which import reads."""

    async def write(service: BaseSessionService) -> None:
        lines = export_session(service, app_name=app, user_id=user, session_id=session)
        async with aclosing(lines):
            async for line in lines:
                output.write(f"{line}\n")  # which makes the file: not before there is a first line
        output.flush()

    _with(store, write)


@sessions.command("import")
@click.argument("file", type=click.File("rb"))
@_store
@click.option("--app", metavar="NAME", help="The app to put it in, in place of its own.")
@click.option("--user", metavar="ID", help="The user to give it to, in place of its own.")
@click.option("--session", metavar="ID", help="Its id from now on, in place of its own.")
def import_(file: Iterable[bytes], store: str | None, app: str | None, user: str | None, session: str | None) -> None:
    """Make a session of FILE, which export wrote; - reads standard input."""
    made = _with(
        store,
        lambda service: import_session(service, file, app_name=app, user_id=user, session_id=session),
        make=True,
    )
    print(f"Session {clean(made.id)} of user {clean(made.user_id)} of app {clean(made.app_name)}: {made.seq} events")


@sessions.command()
@click.argument("session", nargs=-1, required=True)
@_store
@_app
@_user
@click.option("--yes", is_flag=True, help="Do not ask.")
def rm(session: tuple[str, ...], store: str | None, app: str, user: str, yes: bool) -> None:
    """Delete each SESSION, with everything that belongs to it."""

    async def find(service: BaseSessionService) -> None:
        config = GetSessionConfig(num_recent_events=0)
        for each in session:
            if await service.get_session(app_name=app, user_id=user, session_id=each, config=config) is None:
                raise _no_session(each, user, app)

    async def delete(service: BaseSessionService) -> None:
        for each in session:
            await service.delete_session(app_name=app, user_id=user, session_id=each)

    _with(store, find)
    if not yes:
        named = ", ".join(clean(each) for each in session)
        click.confirm(f"Delete {named} of user {clean(user)} of app {clean(app)} for good?", abort=True, err=True)
    _with(store, delete)


@sessions.command()
@_store
@_app
@_any_user
@click.option("--session", metavar="ID", help="Of this session alone; with --user.")
@click.option("--status", type=click.Choice(_STATUSES), multiple=True, help="Only those that stand so.")
@_json
def runs(
    store: str | None, app: str, user: str | None, session: str | None, status: tuple[Any, ...], as_json: bool
) -> None:
    """List the runs of an app, and how they stand; interrupted are those whose process is gone."""

    async def read(service: BaseSessionService) -> list[RunRecord]:
        if not isinstance(service, DurableSessionService):
            raise click.UsageError("This store does not keep runs.")
        return await service.list_runs(app_name=app, user_id=user, session_id=session, status=status or None)

    found = _with(store, read)
    if as_json:
        _print_lines(run.model_dump_json(by_alias=True, exclude_none=True) for run in found)
        return
    _print_table(
        ("run", "session", "user", "status", "since", "error"),
        (
            (
                run.invocation_id,
                run.session_id,
                run.user_id,
                "interrupted" if run.interrupted else run.status,
                _time(run.update_time),
                run.error or "",
            )
            for run in found
        ),
    )


def _with(store: str | None, work: Work[T], *, make: bool = False) -> T:
    """Do something with a store, which is closed then."""

    async def do() -> T:
        service = open_store(store, make=make)
        try:
            return await work(service)
        finally:
            await service.close()

    return asyncio.run(do())


def _no_session(session_id: str, user: str, app: str) -> SessionNotFoundError:
    return SessionNotFoundError(f"User {user!r} of app {app!r} has no session {session_id!r}: check --user and --app")


def _session_json(session: Session) -> str:
    shown = session.model_dump(mode="json", by_alias=True, exclude={"events"})
    return msgspec.json.encode(shown | {"eventCount": session.seq}).decode()


def _print_lines(lines: Iterable[str]) -> None:
    for line in lines:
        print(line)
    sys.stdout.flush()


def _print_table(columns: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
    console = new_console(sys.stdout)
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for column in columns:
        # On a terminal a cell takes the lines that it needs; elsewhere each row is one line.
        table.add_column(column, overflow="fold", no_wrap=not console.is_terminal)
    count = 0
    for row in rows:
        table.add_row(*(Text(" ".join(clean(cell).split())) for cell in row))
        count += 1
    if not count:
        return
    width = None if console.is_terminal else 10_000
    with console.capture() as shown:
        console.print(table, width=width)
    # Printed by hand: rich would end the process when whoever reads the output has enough.
    print("\n".join(line.rstrip() for line in shown.get().splitlines()), flush=True)


def _print_event(console: Console, event: Event) -> None:
    who = (f"{clean(event.author)}: ", "bold")
    if text := text_of(event.content):
        console.print(Text.assemble(who, clean(text)))
    for call in event.get_function_calls():
        words = "  ".join(f"{name}: {value_text(value)}" for name, value in (call.args or {}).items())
        console.print(Text.assemble(who, (clean(call.name or ""), "tool"), f"  {clean(words)}"))
    for answer in event.get_function_responses():
        told = describe_result(answer.name or "", answer.response or {})
        console.print(Text.assemble(who, (clean(answer.name or ""), "tool"), f" = {clean(told)}"))
    if event.error_code:
        console.print(Text.assemble(who, (clean(f"{event.error_code}: {event.error_message}"), "bad")))


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M:%S")
