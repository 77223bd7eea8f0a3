# SPDX-License-Identifier: Apache-2.0
"""What every test gets: a check that it leaves nothing running, and the same values each time in property tests."""

import asyncio
import inspect
import signal
import threading
import time
from collections.abc import AsyncIterator, Iterator

import pytest
from hypothesis import settings

pytest_plugins = ["tests.postgres"]

settings.register_profile("deterministic", derandomize=True, database=None, deadline=None, print_blob=True)
settings.load_profile("deterministic")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell has those that it starts in the background ignore Ctrl-C, and with them the programs that tests start.
    signal.signal(signal.SIGINT, signal.default_int_handler)

LOOP_TURNS_TO_FINISH = 20
SECONDS_TO_STOP = 2.0
TASKS_SHOWN = 5


@pytest.fixture(autouse=True)
def no_leaked_threads() -> Iterator[None]:
    """Fails a test after which threads run that did not run before it.

    It is set up before the test's event loop, and so looks after the loop and its executor were closed. A pool that
    was told to stop is given a moment; a test that leaves nothing never waits.
    """
    before = set(threading.enumerate())
    yield
    give_up_at = time.monotonic() + SECONDS_TO_STOP
    for thread in set(threading.enumerate()) - before:
        thread.join(max(0.0, give_up_at - time.monotonic()))
    leaked = sorted(thread.name for thread in set(threading.enumerate()) - before)
    if leaked:
        pytest.fail(f"the test left threads running: {', '.join(leaked)}", pytrace=False)


@pytest.fixture(autouse=True)
def no_leaked_tasks(request: pytest.FixtureRequest, no_leaked_threads: None) -> None:
    """Fails a coroutine test after which asyncio tasks run that it started; a plain test is left alone."""
    test = getattr(request.node, "obj", None)
    property_test = getattr(test, "hypothesis", None)
    if inspect.iscoroutinefunction(property_test.inner_test if property_test else test):
        request.getfixturevalue("loop_without_leaked_tasks")


@pytest.fixture
async def loop_without_leaked_tasks() -> AsyncIterator[None]:
    """Looks at the test's own event loop once the test and its other fixtures are done."""
    before = asyncio.all_tasks()
    yield
    for _ in range(LOOP_TURNS_TO_FINISH):
        leaked = asyncio.all_tasks() - before - {asyncio.current_task()}
        if not leaked:
            return
        await asyncio.sleep(0)
    described = "\n".join(sorted(map(repr, leaked))[:TASKS_SHOWN])
    for task in leaked:
        task.cancel()
    await asyncio.wait(leaked, timeout=SECONDS_TO_STOP)
    pytest.fail(f"the test left {len(leaked)} task(s) running:\n{described}", pytrace=False)
