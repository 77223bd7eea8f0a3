# SPDX-License-Identifier: Apache-2.0
"""Conversation: messages to one session, one after the other, shown as they run and cancelled with Ctrl-C."""

import asyncio
import inspect
import signal
import threading
from collections.abc import Generator, Iterable
from contextlib import contextmanager, suppress
from typing import Any, Literal, Protocol, Self, TypeVar

from runwright import clock
from runwright.agent import BaseAgent
from runwright.app import App
from runwright.cli.failure import one_line
from runwright.cli.questions import open_questions
from runwright.config import RunConfig, StreamingMode
from runwright.durable import RunRecord
from runwright.errors import RunCancelledError, RunwrightError
from runwright.event import Event
from runwright.invocation import questions_to_user
from runwright.plugin import BasePlugin, PluginManager
from runwright.run import Run
from runwright.runner import Runner
from runwright.session import Session
from runwright.types import Content, FunctionCall

Ending = Literal["done", "failed", "cancelled"]
T = TypeVar("T")


class ReaderLeftError(Exception):
    """Nobody reads standard output any more."""


class Screen(Protocol):
    """What shows a run."""

    error: str | None
    """What the last event said went wrong, where the run ended with one."""

    def running(self) -> Any: ...
    def show(self, event: Event) -> None: ...


class Conversation:
    """A runner in an event loop of its own, driven from plain code.

    Args:
        agent: Who answers, or an app.
        services: The services to use, by the names that ``Runner`` has for them.
        plugins: Put before the app's own.
        user: Who speaks.
        session: The session's id; a new one where it is None.
    """

    def __init__(
        self,
        agent: App | BaseAgent,
        *,
        services: dict[str, Any] | None = None,
        plugins: Iterable[BasePlugin] = (),
        user: str = "user",
        session: str | None = None,
    ) -> None:
        named: dict[str, Any] = {"app": agent} if isinstance(agent, App) else {"agent": agent}
        self._services = services or {}
        self.runner = Runner(**named, **self._services, auto_create_session=True)
        self.runner.plugin_manager = PluginManager([*plugins, *self.runner.plugin_manager.plugins])
        self.user = user
        self.session = session or clock.new_id()
        self.failure: str | None = None
        """Why the last run failed."""
        self.questions: list[FunctionCall] = []
        """What the last run asks the user before it can go on."""
        self._loop = asyncio.Runner()

    def ask(self, message: str | Content | None, screen: Screen, *, invocation_id: str | None = None) -> Ending:
        """Runs a message, or goes on with a run, and shows it; why it failed is then in ``failure``.

        Ctrl-C cancels the run; once more, and ``KeyboardInterrupt`` is raised.
        """
        try:
            return self._loop.run(self._ask(message, screen, invocation_id))
        except asyncio.CancelledError:  # by the second Ctrl-C
            raise KeyboardInterrupt from None

    def stored_session(self) -> Session | None:
        """Gives the session as it is stored; None where there is none."""
        return self._loop.run(self._session())

    def interrupted_runs(self, *, in_any_session: bool) -> list[RunRecord]:
        """Gives the runs of the session, or of all of the user's, whose process is gone."""
        session_id = None if in_any_session else self.session
        return self._loop.run(self.runner.recover(user_id=self.user, session_id=session_id))

    async def _session(self) -> Session | None:
        service, app_name = self.runner.session_service, self.runner.app_name
        return await service.get_session(app_name=app_name, user_id=self.user, session_id=self.session)

    async def _ask(self, message: str | Content | None, screen: Screen, invocation_id: str | None) -> Ending:
        self.failure, self.questions = None, []
        try:
            run = self.runner.start(
                user_id=self.user,
                session_id=self.session,
                new_message=message,
                invocation_id=invocation_id,
                run_config=RunConfig(streaming_mode=StreamingMode.SSE),
            )
            with screen.running(), _cancelled_by_ctrl_c(run):
                async for event in run:
                    self.questions.extend(questions_to_user(event))
                    _show(screen, event)
        except ReaderLeftError:
            raise
        except RunCancelledError:
            return "cancelled"
        except RunwrightError as error:
            self.failure = str(error)
        except Exception as error:  # noqa: BLE001 - whatever the agent's own code raises is told, and the caller goes on
            self.failure = one_line(error)
        else:
            self.failure = screen.error
            if message is None:  # What it asked before it stopped is not asked again.
                session = await self._session()
                self.questions = [] if session is None else open_questions(session.events)
        return "failed" if self.failure else "done"

    def close(self) -> None:
        """Closes the runner, and the services that it was given."""
        with self._loop as loop:
            loop.run(self._close())

    async def _close(self) -> None:
        await self.runner.close()
        for service in self._services.values():
            close = getattr(service, "close", None)
            result = close() if close is not None else None
            if inspect.isawaitable(result):
                await result

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()


def _show(screen: Screen, event: Event) -> None:
    try:
        screen.show(event)
    except BrokenPipeError as error:  # told apart from one that a tool raises
        raise ReaderLeftError from error


@contextmanager
def _cancelled_by_ctrl_c(run: Run) -> Generator[None]:
    """Ctrl-C cancels the run. Once more means now: what runs may be stuck in code that does not let go."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop, asking = asyncio.get_running_loop(), asyncio.current_task()
    pressed = False

    def cancel(_number: int, _frame: object) -> None:
        nonlocal pressed
        if not pressed:
            pressed = True
            loop.call_soon_threadsafe(run.cancel, "interrupted with Ctrl-C")
        elif asyncio.current_task(loop) is not None:
            raise asyncio.CancelledError  # in the midst of the code that does not let go
        elif asking is not None:
            loop.call_soon_threadsafe(asking.cancel)

    before = signal.getsignal(signal.SIGINT)
    with suppress(
        NotImplementedError
    ):  # Windows wakes a loop that sleeps by itself; elsewhere this makes signals do it
        loop.add_signal_handler(signal.SIGINT, _nothing)
    signal.signal(signal.SIGINT, cancel)
    try:
        yield
    finally:
        with suppress(NotImplementedError):
            loop.remove_signal_handler(signal.SIGINT)
        signal.signal(signal.SIGINT, before)


def _nothing() -> None:
    """What is to be done on Ctrl-C is done by the handler that needs no loop."""
