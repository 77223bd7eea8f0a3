# SPDX-License-Identifier: Apache-2.0
"""A runner with plugins, in a session that goes on."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from runwright import App, BaseAgent, BasePlugin, InMemoryRunner
from tests.plugins.conversation import Chat, Chats


@pytest.fixture
async def chat() -> AsyncIterator[Chats]:
    """Starts chats, each with a runner of its own, which is closed at the end."""
    async with AsyncExitStack() as stack:

        def start(agent: BaseAgent, *plugins: BasePlugin) -> Chat:
            runner = InMemoryRunner(app=App(name="chats", root_agent=agent, plugins=list(plugins)))
            runner.auto_create_session = True
            stack.push_async_callback(runner.close)
            return Chat(runner)

        yield start
