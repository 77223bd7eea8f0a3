# SPDX-License-Identifier: Apache-2.0
"""``runwright mcp``: serves the agent of a program to other programs, as a tool of an MCP server."""

import asyncio
import inspect
import logging
import signal
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from runwright.app import App
from runwright.cli.loading import Program, load_program
from runwright.cli.stores import VARIABLE, open_store
from runwright.errors import MissingDependencyError
from runwright.runner import Runner
from runwright.server.mcp import to_mcp_server

if TYPE_CHECKING:
    from runwright.server.mcp.wire import Wire

_THIS_MACHINE = ("127.0.0.1", "localhost", "::1")


@click.command()
@click.argument("path")
@click.option(
    "--transport",
    type=click.Choice(["stdio", "streamable-http"]),
    default="stdio",
    show_default=True,
    help="How clients reach it.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Where it listens, over HTTP.")
@click.option("--port", type=int, default=8000, show_default=True, help="The port, over HTTP; 0 for any.")
@click.option("--name", help="What the server and its tool are called; the agent's name by default.")
@click.option("--user", metavar="ID", default="user", show_default=True, help="Whose the sessions are.")
@click.option(
    "--store",
    metavar="PLACE",
    envvar=VARIABLE,
    help="Keep the sessions here: a database's URL, a SQLite file, or a folder. By default where the agent's module "
    "keeps its own, and else in memory.",
)
def mcp(path: str, transport: str, host: str, port: int, name: str | None, user: str, store: str | None) -> None:
    """Serve the agent at PATH as a tool of an MCP server.

    PATH is what runwright run takes. Over stdio, the client starts this command, and it ends with the client; all that
    is printed goes to standard error. Over HTTP it listens at /mcp until Ctrl-C.
    """
    if transport == "stdio" and sys.stdin.isatty():
        print("Waiting for an MCP client to speak on standard input. Ctrl-C ends it.", file=sys.stderr, flush=True)
    wire = _claimed() if transport == "stdio" else None
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
    program = load_program(path)
    services = _services(program, store)
    named: dict[str, Any] = {"app": program.agent} if isinstance(program.agent, App) else {"agent": program.agent}
    runner = Runner(**named, **services, auto_create_session=True)
    server = to_mcp_server(program.agent, name=name, runner=runner, user_id=user)
    if wire is not None:
        asyncio.run(_serve(server.run_wire(wire), runner, services))
        return
    from runwright.server.mcp.http import HttpServer

    http = HttpServer(server, host, port)
    print(f"Serving {server.name} at {http.url}. Ctrl-C ends it.", file=sys.stderr, flush=True)
    if host not in _THIS_MACHINE:
        print("There is no authentication: whoever reaches this port can use the agent.", file=sys.stderr, flush=True)
    asyncio.run(_serve(http.run_until_stopped(), runner, services, stop=http.stop))


def _claimed() -> "Wire":
    try:
        from runwright.server.mcp.wire import Wire
    except ImportError as error:
        raise MissingDependencyError(f"mcp cannot be imported ({error}): pip install 'runwright[mcp]'") from error
    return Wire.claim()


def _services(program: Program, store: str | None) -> dict[str, Any]:
    services = dict(program.services)
    typed = click.get_current_context().get_parameter_source("store") is ParameterSource.COMMANDLINE
    if store and (typed or "session_service" not in services):
        services["session_service"] = open_store(store, make=True)
    return services


async def _serve(
    serving: Any, runner: Runner, services: dict[str, Any], *, stop: Callable[[], object] | None = None
) -> None:
    """Serves until the client leaves, or a signal comes; then closes all that there is to close."""
    task = asyncio.ensure_future(serving)
    try:
        with _heard(stop or task.cancel), suppress(asyncio.CancelledError):
            await task
    finally:
        await runner.close()
        for service in services.values():
            close = getattr(service, "close", None)
            result = close() if close is not None else None
            if inspect.isawaitable(result):
                await result


@contextmanager
def _heard(stop: Callable[[], object]) -> Generator[None]:
    """Ctrl-C and SIGTERM end it in order."""
    loop = asyncio.get_running_loop()
    signals = (signal.SIGINT, signal.SIGTERM)
    with suppress(NotImplementedError):  # Windows: they break it off
        for number in signals:
            loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        with suppress(NotImplementedError):
            for number in signals:
                loop.remove_signal_handler(number)
