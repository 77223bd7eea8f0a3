# SPDX-License-Identifier: Apache-2.0
"""McpToolset: the tools, resources and prompts of an MCP server."""

import asyncio
import importlib
import inspect
import threading
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from types import ModuleType
from typing import TYPE_CHECKING, Any, TextIO, TypeAlias

from runwright.context import ReadonlyContext, ToolContext
from runwright.errors import ConfigurationError, MissingDependencyError, ToolExecutionError
from runwright.model import BaseLlm
from runwright.tool import BaseTool, BaseToolset, OnResume, RequireConfirmation, ToolFilter
from runwright.tools.mcp.credentials import UNAUTHORIZED, AuthorizeTool, Credentials, GivenCredential
from runwright.tools.mcp.parameters import (
    ConnectionParams,
    Progress,
    ServerCommand,
    StdioConnectionParams,
    shown,
    to_connection_params,
)
from runwright.tools.mcp.tool import McpResourceTool, McpTool
from runwright.types import Content, Part

if TYPE_CHECKING:
    from mcp import SamplingCapability
    from mcp.client.session import ElicitationFnT, SamplingFnT

    from runwright.tools.mcp.connection import Route
    from runwright.tools.mcp.server import Server

_AUTHORIZE = "authorize"
_SERVER = "runwright.tools.mcp.server"
"""What knows the SDK."""

HeaderProvider: TypeAlias = Callable[[ReadonlyContext], Mapping[str, str] | Awaitable[Mapping[str, str]]]
"""Gives the headers for what is asked in a run."""


class McpToolset(BaseToolset):
    """The tools of an MCP server.

    It connects when it is first asked, in each event loop anew, and again when the server went away. A call that may
    have reached the server is never repeated. ``close()`` may come from any task, thread and event loop, and ends the
    server's process where it has one; what is asked later connects again. How long an answer over HTTP may be is not
    limited: for a server that is not trusted, give an ``httpx_client_factory`` that limits it.

    Args:
        connection_params: How the server is reached: ``StdioConnectionParams``, ``StreamableHTTPConnectionParams`` or
            ``SseConnectionParams``; a bare ``StdioServerParameters`` is taken too.
        tool_filter: Names of the tools to keep, or what says of each whether to keep it.
        tool_name_prefix: Put before each name, with ``_`` between.
        auth_scheme: The OpenAPI security scheme of the server.
        auth_credential: What opens it: a key or token, or an OAuth client, in whose name users are asked for their
            consent when a tool is first called. Where the server does not even list its tools without, the model gets
            one tool that asks, ``authorize``.
        credential_key: Where the credential service keeps each user's own credential, which goes before
            ``auth_credential``.
        header_provider: Gives headers for what is asked in a run, beside those of the connection's parameters. Requests
            with different headers go over different connections.
        errlog: Where the standard error of the server's process goes; by default to this process's.
        sampling_model: The model that answers what the server asks its client's model, tools among it. What it uses
            counts for the run whose tool call the server works on: for its budget, and for ``max_llm_calls``.
        sampling_callback: Answers it in the SDK's own terms; nothing is counted. Without either, the server is told
            that there is nobody to ask.
        sampling_capabilities: What the server is told that ``sampling_callback`` can do.
        elicitation_callback: Answers what the server asks the user, in the SDK's own terms. ``params.mode`` is
            ``"form"``, or ``"url"`` where the user is to open one: the server is told that both can be done, so return
            ``ElicitResult(action="decline")`` for what cannot. Without it, the server is told that there is nobody to
            ask; it then does without, or its tool fails and says why.
        progress_callback: Is told how far a call is.
        use_mcp_resources: Whether the model gets a tool, ``load_mcp_resource``, that reads the server's resources.
        require_confirmation: Whether the user has to allow each call, see ``BaseTool.require_confirmation``.
        on_resume: What becomes of a call that was under way when the process stopped, see ``BaseTool.on_resume``.

    Raises:
        ConfigurationError: The arguments do not fit together.
    """

    def __init__(
        self,
        *,
        connection_params: ConnectionParams | ServerCommand,
        tool_filter: ToolFilter | None = None,
        tool_name_prefix: str | None = None,
        auth_scheme: Any = None,
        auth_credential: GivenCredential = None,
        credential_key: str | None = None,
        header_provider: HeaderProvider | None = None,
        errlog: TextIO | None = None,
        sampling_model: BaseLlm | None = None,
        sampling_callback: "SamplingFnT | None" = None,
        sampling_capabilities: "SamplingCapability | None" = None,
        elicitation_callback: "ElicitationFnT | None" = None,
        progress_callback: Progress | None = None,
        use_mcp_resources: bool = False,
        require_confirmation: RequireConfirmation = False,
        on_resume: OnResume | None = None,
    ) -> None:
        super().__init__(tool_filter=tool_filter, tool_name_prefix=tool_name_prefix)
        self.connection_params = to_connection_params(connection_params)
        is_stdio = isinstance(self.connection_params, StdioConnectionParams)
        if is_stdio and (header_provider is not None or auth_scheme is not None):
            raise ConfigurationError(
                "A server over stdio gets no headers: leave header_provider and auth_scheme out, or use env"
            )
        if sampling_model is not None and sampling_callback is not None:
            raise ConfigurationError("Give sampling_model or sampling_callback, not both")
        self.header_provider = header_provider
        self._credentials = Credentials(auth_scheme, auth_credential, credential_key)
        self._errlog = errlog
        self._sampling_model = sampling_model
        self._sampling_callback = sampling_callback
        self._sampling_capabilities = sampling_capabilities
        self._elicitation_callback = elicitation_callback
        self._progress_callback = progress_callback
        self._use_mcp_resources = use_mcp_resources
        self._require_confirmation: RequireConfirmation = require_confirmation
        self._on_resume: OnResume | None = on_resume
        self._server: Server | None = None
        self._making = threading.Lock()

    async def get_selected_tools(self, readonly_context: ReadonlyContext | None = None) -> list[BaseTool]:
        """The tools as the model sees them; or the one that asks the user for access to them."""
        if not self._credentials.may_ask() or readonly_context is None:
            return await super().get_selected_tools(readonly_context)
        name = f"{self.tool_name_prefix}_{_AUTHORIZE}" if self.tool_name_prefix else _AUTHORIZE
        authorize = AuthorizeTool(name, shown(self.connection_params), self._authorize)
        try:
            tools = await super().get_selected_tools(readonly_context)
        except ToolExecutionError as error:
            if error.error_type != UNAUTHORIZED:
                raise
            return [authorize]
        # A call of it waits to be made again: by now the user has answered, and the server lists its tools.
        waits = any(call.name == name for call in readonly_context.invocation_context.ledger.open_calls.values())
        return [*tools, authorize] if waits else tools

    async def get_tools(self, readonly_context: ReadonlyContext | None = None) -> list[BaseTool]:
        """The server's tools, by name: their order does not depend on the server's.

        Raises:
            MissingDependencyError: The SDK is not installed.
            ToolExecutionError: The server cannot be reached, or refused.
        """
        server = await self._reach()
        provided = await self._provided(readonly_context)
        listed = await self._credentials.authorized(
            readonly_context, lambda headers: server.list_tools({**provided, **headers})
        )
        tools: list[BaseTool] = [
            McpTool(tool, self, on_resume=self._on_resume, require_confirmation=self._require_confirmation)
            for tool in sorted(listed, key=lambda tool: tool.name)
        ]
        if self._use_mcp_resources:
            headers = await self._headers(readonly_context)
            if await server.has_resources(headers):
                resources = await server.list_resources(headers)
                tools.append(McpResourceTool([resource.name for resource in resources], self))
        return tools

    async def call_tool(
        self, name: str, args: dict[str, Any], readonly_context: ReadonlyContext | None = None
    ) -> dict[str, Any]:
        """Calls a tool by the server's name of it. Bytes in the result are ``types.Part`` objects.

        Raises:
            ToolArgumentsError: The server did not like the arguments.
            ToolExecutionError: The tool failed, or the server did.
        """
        server = await self._reach()
        provided = await self._provided(readonly_context)
        progress = self._progress_of(readonly_context)
        caller = None if readonly_context is None else readonly_context.invocation_context
        return await self._credentials.with_consent(
            readonly_context,
            lambda headers: server.call_tool({**provided, **headers}, name, args, progress=progress, caller=caller),
        )

    async def list_resources(self, readonly_context: ReadonlyContext | None = None) -> list[str]:
        """The names of the server's resources."""
        server = await self._reach()
        resources = await server.list_resources(await self._headers(readonly_context))
        return [resource.name for resource in resources]

    async def get_resource_info(self, name: str, readonly_context: ReadonlyContext | None = None) -> dict[str, Any]:
        """What the server says of a resource: ``uri``, ``name``, ``mimeType`` and so on.

        Raises:
            NotFoundError: It has none of this name.
        """
        server = await self._reach()
        return await server.resource_info(await self._headers(readonly_context), name)

    async def read_resource(self, name: str, readonly_context: ReadonlyContext | None = None) -> list[Part]:
        """What a resource holds: text, or bytes with their type.

        Args:
            name: Its name, or its URI, as one of a template must be read.
        """
        server = await self._reach()
        headers = await self._headers(readonly_context)
        uri = name if "://" in name else (await server.resource_info(headers, name))["uri"]
        return await server.read_resource(headers, uri)

    async def list_prompts(self, readonly_context: ReadonlyContext | None = None) -> list[dict[str, Any]]:
        """The server's prompts: ``name``, ``description`` and ``arguments`` of each."""
        server = await self._reach()
        return await server.list_prompts(await self._headers(readonly_context))

    async def get_prompt(
        self,
        name: str,
        arguments: Mapping[str, str] | None = None,
        *,
        readonly_context: ReadonlyContext | None = None,
    ) -> list[Content]:
        """A prompt, filled in: messages for a model."""
        server = await self._reach()
        headers = await self._headers(readonly_context)
        return await server.get_prompt(headers, name, dict(arguments or {}))

    async def close(self) -> None:
        """Ends all connections, in whichever event loop they are, and waits until what they held is given back."""
        if self._server is not None:
            await self._server.close()

    def _progress_of(self, readonly_context: ReadonlyContext | None) -> Progress | None:
        """Who is told how far a call is; where that is nobody, the server is not asked for it."""
        listeners: list[Progress] = [] if self._progress_callback is None else [self._progress_callback]
        if isinstance(readonly_context, ToolContext) and readonly_context.function_call_id:
            listeners.append(partial(_reported, readonly_context))
        if not listeners:
            return None

        async def told(progress: float, total: float | None, message: str | None) -> None:
            for listener in listeners:
                await listener(progress, total, message)

        return told

    async def _authorize(self, tool_context: ToolContext) -> Any:
        server = await self._reach()
        provided = await self._provided(tool_context)

        async def listed(headers: Mapping[str, str]) -> dict[str, Any]:
            await server.list_tools({**provided, **headers})
            return {"status": "The user has given access."}

        return await self._credentials.with_consent(tool_context, listed)

    async def _headers(self, readonly_context: ReadonlyContext | None) -> Mapping[str, str]:
        return {**await self._provided(readonly_context), **await self._credentials.headers(readonly_context)}

    async def _provided(self, readonly_context: ReadonlyContext | None) -> Mapping[str, str]:
        if self.header_provider is None or readonly_context is None:
            return {}
        headers = self.header_provider(readonly_context)
        if inspect.isawaitable(headers):
            headers = await headers
        return headers

    async def _reach(self) -> "Server":
        if self._server is not None:
            return self._server
        # The import takes its time, which no event loop should wait for.
        module: Any = await asyncio.to_thread(_load)
        with self._making:
            server: Server = self._server or module.Server(self._route(module))
            self._server = server
        return server

    def _route(self, module: Any) -> "Route":
        return module.Route(
            params=self.connection_params,
            errlog=self._errlog,
            sampling_model=self._sampling_model,
            sampling_callback=self._sampling_callback,
            sampling_capabilities=self._sampling_capabilities,
            elicitation_callback=self._elicitation_callback,
        )


def _load() -> ModuleType:
    try:
        return importlib.import_module(_SERVER)
    except ImportError as error:
        raise MissingDependencyError(f"mcp cannot be imported ({error}): pip install 'runwright[mcp]'") from error


async def _reported(tool_context: ToolContext, progress: float, total: float | None, message: str | None) -> None:
    """Passes on what a server says of a call, as its client's callback gets it."""
    said = {"progress": progress, "total": total, "message": message}
    tool_context.report_progress({name: value for name, value in said.items() if value is not None})
