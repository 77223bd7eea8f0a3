# SPDX-License-Identifier: Apache-2.0
"""OpenAPIToolset: the operations of an OpenAPI document as tools."""

import asyncio
import ssl
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from runwright.context import ReadonlyContext
from runwright.credential import AuthCredential, as_scheme
from runwright.errors import ConfigurationError, ToolExecutionError
from runwright.tool import BaseTool, BaseToolset, ToolFilter
from runwright.tools.auth.authorization import Authorization, fits, program_credential
from runwright.tools.auth.tokens import TokenCache
from runwright.tools.http.client import HttpClients, Outgoing, shown_url
from runwright.tools.http.guard import AddressGuard
from runwright.tools.openapi.operation import Operation, operations_of
from runwright.tools.openapi.rest_api_tool import SECONDS, ClientFactory, HeaderProvider, RestApiTool
from runwright.tools.openapi.spec import Document, Json, SpecFormat, read_file, read_text

_LONGEST_DOCUMENT = 100_000_000
"""In bytes."""


class OpenAPIToolset(BaseToolset):
    """The operations of an OpenAPI 3 document as tools.

    ``OpenAPIToolset(spec_url="https://api.example.com/openapi.json", auth_credential=...)``. Each operation is a tool
    named after its ``operationId`` in snake case; parameters, and the properties of an object that is the body, are its
    arguments. Answers: see ``runwright.tools.openapi.response``. Tools connect to the open internet only, also where a
    server redirects them, unless told otherwise.

    Args:
        spec_dict: The document. Give one of the four ``spec_...``.
        spec_str: The document as text.
        spec_str_type: ``"json"`` or ``"yaml"``; None finds out.
        spec_path: The document's file.
        spec_url: Where to fetch the document, when the tools are first asked for. Servers may be relative to it. What
            is fetched says where credentials go: for a document that others may change, give ``base_url``, and an
            ``auth_scheme`` with its token's URL.
        base_url: The server, in place of those that the document names.
        auth_scheme: The OpenAPI security scheme of all operations, in place of those that they name. Without one, the
            credential is used by the operations whose own scheme it fits.
        auth_credential: What opens it. Where that is the client of an OAuth2 flow of authorization codes, or of OpenID
            Connect, users are asked for their consent when a tool is first called, see ``Context.request_credential``.
        credential_key: Where the credential service keeps each user's own credential, which goes before
            ``auth_credential``; users are asked for it where there is no ``auth_credential``.
        tool_filter: Which of the tools to keep.
        tool_name_prefix: Put before each name, with ``_`` between.
        ssl_verify: How certificates are checked: True, False, the path of a bundle, or a context.
        header_provider: Gives headers for each call.
        httpx_client_factory: Makes ``httpx2`` clients in place of ours, one for each event loop, as for a proxy. Hosts
            are looked up and checked before a request, but which address such a client connects to is its own matter.
        preserve_property_names: Whether arguments keep the names of the document, rather than to be in snake case.
        allow_private_hosts: Which hosts that are not on the open internet may be connected to: True for all, or a list
            of hosts, addresses and networks such as ``10.1.0.0/16``.
        allow_private_network_access: The same as ``allow_private_hosts=True``.
        timeout: Seconds that one call may take; a minute where it is None.

    Raises:
        ConfigurationError: The document cannot be read, or the credential does not fit it.
        MissingDependencyError: The extra ``openapi`` is not installed.
    """

    def __init__(
        self,
        *,
        spec_dict: Json | None = None,
        spec_str: str | None = None,
        spec_str_type: SpecFormat | None = None,
        spec_path: str | Path | None = None,
        spec_url: str | None = None,
        base_url: str | None = None,
        auth_scheme: Any = None,
        auth_credential: AuthCredential | Json | str | None = None,
        credential_key: str | None = None,
        tool_filter: ToolFilter | None = None,
        tool_name_prefix: str | None = None,
        ssl_verify: ssl.SSLContext | str | bool | None = None,
        header_provider: HeaderProvider | None = None,
        httpx_client_factory: ClientFactory | None = None,
        preserve_property_names: bool = False,
        allow_private_hosts: bool | Iterable[str] = False,
        allow_private_network_access: bool = False,
        timeout: float | None = None,
    ) -> None:
        super().__init__(tool_filter=tool_filter, tool_name_prefix=tool_name_prefix)
        given = {"spec_dict": spec_dict, "spec_str": spec_str, "spec_path": spec_path, "spec_url": spec_url}
        named = [name for name, value in given.items() if value is not None]
        if len(named) != 1:
            raise ConfigurationError(f"Give one of {', '.join(given)}; there is {' and '.join(named) or 'none'}")
        self._base_url = base_url
        self._auth_scheme = as_scheme(auth_scheme)
        self._credential = program_credential(auth_credential)
        self._credential_key = credential_key
        self._header_provider = header_provider
        self._keep_names = preserve_property_names
        self._timeout = timeout
        self._tokens = TokenCache()
        guard = AddressGuard(allow_private_network_access or allow_private_hosts)
        self._clients = HttpClients(guard, verify=ssl_verify, factory=httpx_client_factory)
        self._url = spec_url
        self._loading: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = WeakKeyDictionary()
        self._tools: list[RestApiTool] | None = None
        if spec_dict is not None:
            self._tools = self._read(Document(spec_dict))
        elif spec_str is not None:
            self._tools = self._read(Document(read_text(spec_str, spec_str_type)))
        elif spec_path is not None:
            self._tools = self._read(Document(read_file(spec_path)))

    async def get_tools(self, readonly_context: ReadonlyContext | None = None) -> list[BaseTool]:
        """The tools, before the filter and the prefix. The first time, the document is fetched where it has a URL.

        Raises:
            ConfigurationError: What was fetched is no OpenAPI document.
            ToolExecutionError: It could not be fetched.
        """
        if self._tools is None:
            lock = self._loading.setdefault(asyncio.get_running_loop(), asyncio.Lock())
            async with lock:
                if self._tools is None:
                    self._tools = await self._fetch()
        return list(self._tools)

    def get_tool(self, tool_name: str) -> RestApiTool | None:
        """A tool by its name, without the prefix; None where there is none.

        Raises:
            ConfigurationError: The document was not fetched yet.
        """
        if self._tools is None:
            raise ConfigurationError(f"{shown_url(str(self._url))} was not fetched yet: await get_tools() first")
        return next((tool for tool in self._tools if tool.name == tool_name), None)

    async def close(self) -> None:
        """Closes the connections. The tools may be used again; then new ones are opened."""
        await self._clients.close()

    async def _fetch(self) -> list[RestApiTool]:
        url = str(self._url)
        limit = asyncio.timeout(SECONDS if self._timeout is None else self._timeout)
        try:
            async with limit:
                request = Outgoing("GET", url, headers={"Accept": "application/json, */*;q=0.5"})
                answer = await self._clients.send(request, longest=_LONGEST_DOCUMENT)
        except TimeoutError as error:
            raise ToolExecutionError(f"Fetching {shown_url(url)} took too long", "DEADLINE_EXCEEDED") from error
        if answer.status != 200:
            raise ToolExecutionError(
                f"The OpenAPI document {shown_url(url)} could not be fetched: HTTP status {answer.status}",
                f"HTTP_{answer.status}",
            )
        # In a thread: a long document takes a while.
        return await asyncio.to_thread(lambda: self._read(Document(read_text(answer.text), url=answer.url)))

    def _read(self, document: Document) -> list[RestApiTool]:
        tools: list[RestApiTool] = []
        operations = list(operations_of(document, base_url=self._base_url, keep_names=self._keep_names))
        for operation in operations:
            scheme = _with_scopes(operation, operations) if self._auth_scheme is None else self._auth_scheme
            authorization = Authorization(
                scheme,
                self._credential,
                credential_key=self._credential_key,
                tokens=self._tokens,
                clients=self._clients,
            )
            tool = RestApiTool.from_operation(
                operation,
                clients=self._clients,
                authorization=authorization,
                header_provider=self._header_provider,
                timeout=self._timeout,
            )
            tools.append(tool)
        self._check_credential(tools)
        for tool in tools:
            if not tool.endpoint.base_url.startswith(("http://", "https://")):
                raise ConfigurationError(
                    f"The document's server for {tool.name} is {tool.endpoint.base_url!r}: give base_url='https://...'"
                )
        return tools

    def _check_credential(self, tools: list[RestApiTool]) -> None:
        """A credential that no tool would ever send is a mistake."""
        credential = self._credential
        if credential is None or not tools:
            return
        schemes = [tool.auth_scheme for tool in tools if tool.auth_scheme is not None]
        if not schemes:
            raise ConfigurationError("No operation of the document asks for a credential: give auth_scheme too")
        if not any(fits(scheme, credential) for scheme in schemes):
            kinds = ", ".join(sorted({str(scheme.get("type")) for scheme in schemes}))
            raise ConfigurationError(
                f"auth_credential is of type {credential.auth_type!r}, which does not fit the auth schemes: {kinds}"
            )


def _with_scopes(operation: Operation, operations: list[Operation]) -> Json | None:
    """An operation's security scheme; OpenID Connect does not say itself what the operations need of it."""
    scheme = operation.auth_scheme
    if scheme is None or scheme.get("type") != "openIdConnect" or scheme.get("scopes"):
        return scheme
    scopes = {scope for other in operations if other.auth_scheme == scheme for scope in other.scopes}
    return {**scheme, "scopes": sorted(scopes | {"openid"})}
