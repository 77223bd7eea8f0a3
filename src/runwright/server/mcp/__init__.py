# SPDX-License-Identifier: Apache-2.0
"""Agents as tools of an MCP server, over the official SDK (extra ``mcp``), which is imported when used."""

import importlib
from typing import TYPE_CHECKING, Any

from runwright.agent import BaseAgent
from runwright.app import App
from runwright.errors import ConfigurationError, MissingDependencyError
from runwright.runner import Runner

if TYPE_CHECKING:
    from runwright.server.mcp.agent_server import AgentServer

__all__ = ["to_mcp_server"]


def to_mcp_server(
    agent: BaseAgent | App,
    *,
    name: str | None = None,
    instructions: str | None = None,
    runner: Runner | None = None,
    user_id: str = "mcp_user",
) -> "AgentServer":
    """An MCP server with the agent as its tool.

    ::

        server = to_mcp_server(agent)
        server.run(transport="stdio")  # or "streamable-http"; server.streamable_http_app() is the ASGI app

    The tool takes a ``request``, or what the agent's ``input_schema`` says, and answers with what the agent says at
    last: text, and images, audio and other files as blocks of their own; where the agent has an ``output_schema``, its
    answer is structured content too. A call that goes wrong is a tool error with a message. A client that gives a
    progress token is told what the agent says as it is written, and which tools it calls. A client that cancels a call
    cancels the run.

    The calls of one connection are one conversation; calls at the same time wait for each other. An optional argument,
    ``session_id``, goes on with another conversation, or begins one of that name: a client that speaks for several
    users gives one for each. Each result names its conversation in ``_meta`` (``runwright/sessionId``). Streamable HTTP
    of the protocol 2026-07-28 knows no connections: there, each call without a ``session_id`` begins a conversation,
    which the answer names to the client's model. Over HTTP without authentication, only a ``session_id`` that an answer
    named is taken: what one client calls a conversation must not lead another one into it. With the SDK's
    authentication, each principal is a user, with conversations of its own. The SDK refuses websites where it listens
    on loopback alone: put a check of ``Origin`` before its ASGI app elsewhere, as ``runwright mcp`` does. Conversations
    in memory stay until the process ends: give a ``runner`` whose store deletes idle ones.

    What the agent asks its user is put to the client's user as a form (elicitation). Where the client cannot do that, a
    tool call that needs confirmation is not made, and the answer says so; a question that needs an answer is an error.
    Credentials are not asked for over MCP: a call that needs one is an error that names it, and finds it once it is in
    the runner's ``credential_service``.

    Args:
        agent: The agent, or an app with one.
        name: The name of the server and of the tool; the agent's where it is missing.
        instructions: What the client may tell its model of the server.
        runner: Runs the agent, with stores and plugins of one's own; it is the caller's to close. Without one, the
            server has one in memory while it runs.
        user_id: Whose the sessions are.

    Raises:
        ConfigurationError: ``agent`` is neither an agent nor an app.
        MissingDependencyError: The SDK is not installed.
        UnsupportedTypeError: A schema of the agent cannot be shown to a client.
    """
    if not isinstance(agent, BaseAgent | App):
        raise ConfigurationError(f"to_mcp_server takes an agent or an App, not {type(agent).__name__}")
    try:
        module: Any = importlib.import_module("runwright.server.mcp.agent_server")
    except ImportError as error:
        raise MissingDependencyError(f"mcp cannot be imported ({error}): pip install 'runwright[mcp]'") from error
    return module.AgentServer(agent, name=name, instructions=instructions, runner=runner, user_id=user_id)
