# SPDX-License-Identifier: Apache-2.0
"""RestApiTool: one operation of an HTTP API as a tool."""

import asyncio
import ssl
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import Any, Self

from runwright.context import ReadonlyContext, ToolContext
from runwright.credential import AuthCredential, as_scheme
from runwright.errors import ToolArgumentsError, ToolExecutionError
from runwright.tool import BaseTool
from runwright.tools.auth.authorization import Authorization, program_credential
from runwright.tools.auth.tokens import TokenCache
from runwright.tools.http.client import Answer, HttpClients, Outgoing
from runwright.tools.http.guard import AddressGuard
from runwright.tools.openapi.operation import (
    LONGEST_NAME,
    SAFE_METHODS,
    Operation,
    OperationEndpoint,
    read_operation,
)
from runwright.tools.openapi.request import FileContent, make_request
from runwright.tools.openapi.response import result_of
from runwright.tools.openapi.spec import Document, Json, read_text
from runwright.types import FunctionDeclaration

HeaderProvider = Callable[[ReadonlyContext], dict[str, str]]
ClientFactory = Callable[[], Any]

SECONDS = 60.0
"""That one call may take, redirects and tokens included, where nothing else is said."""


class RestApiTool(BaseTool):
    """Calls one operation of an HTTP API.

    ``OpenAPIToolset`` makes these of a document. One that is made by hand opens a connection for each call. A call that
    was under way when the process stopped is made again where its method is safe (GET, HEAD, OPTIONS), see
    ``BaseTool.on_resume``.

    Args:
        name: What the model calls it by.
        description: What the model is told about it.
        endpoint: Where the operation is: an ``OperationEndpoint``, a dict, or its JSON.
        operation: The OpenAPI operation object: a dict or its JSON, without references.
        auth_scheme: The OpenAPI security scheme.
        auth_credential: What opens it, see ``OpenAPIToolset``.
        ssl_verify: How certificates are checked: True, False, the path of a bundle, or a context.
        header_provider: Gives headers for each call.
        httpx_client_factory: Makes ``httpx2`` clients in place of ours, as for a proxy.
        credential_key: Where the credential service keeps each user's own credential.
        allow_private_hosts: Which hosts that are not on the open internet may be connected to: True, or a list of
            hosts, addresses and networks.
        allow_private_network_access: The same as ``allow_private_hosts=True``.
        timeout: Seconds that one call may take; a minute where it is None.

    Raises:
        ConfigurationError: The operation cannot be read.
        MissingDependencyError: The extra ``openapi`` is not installed.
    """

    _new_clients: Callable[[], HttpClients]
    _authorization: Authorization

    def __init__(
        self,
        name: str,
        description: str,
        endpoint: OperationEndpoint | Json | str,
        operation: Json | str,
        auth_scheme: Any = None,
        auth_credential: AuthCredential | Json | str | None = None,
        *,
        ssl_verify: ssl.SSLContext | str | bool | None = None,
        header_provider: HeaderProvider | None = None,
        httpx_client_factory: ClientFactory | None = None,
        credential_key: str | None = None,
        allow_private_hosts: bool | Iterable[str] = False,
        allow_private_network_access: bool = False,
        timeout: float | None = None,
    ) -> None:
        where = OperationEndpoint.model_validate(read_text(endpoint) if isinstance(endpoint, str) else endpoint)
        raw = read_text(operation, "json") if isinstance(operation, str) else operation
        read = read_operation(Document({"paths": {}}), {**raw, "security": None}, where)
        guard = AddressGuard(allow_private_network_access or allow_private_hosts)
        self._set_up(replace(read, name=name[:LONGEST_NAME], description=description), None, timeout)
        # For each call its own: nobody closes a tool, and calls may be made at the same time.
        self._new_clients = partial(HttpClients, guard, verify=ssl_verify, factory=httpx_client_factory)
        self._new_clients()  # Says what is missing, and opens nothing.
        self._header_provider = header_provider
        self._authorization = Authorization(
            as_scheme(auth_scheme),
            program_credential(auth_credential),
            credential_key=credential_key,
            tokens=TokenCache(),
            clients=self._new_clients,
        )

    def _set_up(self, operation: Operation, clients: HttpClients | None, timeout: float | None) -> None:
        is_safe = operation.endpoint.method.upper() in SAFE_METHODS
        BaseTool.__init__(
            self,
            name=operation.name,
            description=operation.description,
            timeout=timeout,
            on_resume="replay" if is_safe else None,
        )
        self.operation = operation
        self.endpoint = operation.endpoint
        self._schema: Json | None = None
        self._clients = clients
        self._header_provider: HeaderProvider | None = None
        self._default_headers: dict[str, str] = {}

    @classmethod
    def from_operation(
        cls,
        operation: Operation,
        *,
        clients: HttpClients,
        authorization: Authorization,
        header_provider: HeaderProvider | None = None,
        timeout: float | None = None,
    ) -> Self:
        """The tool of an operation that was read, over clients that others share and close."""
        tool = cls.__new__(cls)
        tool._set_up(operation, clients, timeout)
        tool._authorization = authorization
        tool._header_provider = header_provider
        return tool

    @property
    def auth_scheme(self) -> Json | None:
        return self._authorization.scheme

    @property
    def auth_credential(self) -> AuthCredential | None:
        return self._authorization.credential

    def configure_auth_scheme(self, auth_scheme: Any) -> None:
        """Sets the security scheme: a dict, its JSON, or a model of it."""
        known = self._authorization
        known.configure(as_scheme(auth_scheme), known.credential, known.credential_key)

    def configure_auth_credential(self, auth_credential: Any = None) -> None:
        """Sets the credential: an ``AuthCredential``, a dict, or its JSON."""
        known = self._authorization
        known.configure(known.scheme, program_credential(auth_credential), known.credential_key)

    def configure_credential_key(self, credential_key: str | None = None) -> None:
        """Sets where the credential service keeps each user's own credential."""
        known = self._authorization
        known.configure(known.scheme, known.credential, credential_key)

    def set_default_headers(self, headers: dict[str, str]) -> None:
        """Sets headers of each request, for where the call has none of that name."""
        self._default_headers = dict(headers)

    def _get_declaration(self) -> FunctionDeclaration:
        if self._schema is None:
            self._schema = self.operation.schema()
        return FunctionDeclaration(
            name=self.name, description=self.description or None, parameters_json_schema=self._schema
        )

    async def run_async(self, *, args: dict[str, Any], tool_context: ToolContext) -> Any:
        return await self.call(args=args, tool_context=tool_context)

    async def call(self, *, args: dict[str, Any], tool_context: ToolContext) -> Any:
        """Makes the call.

        Returns:
            What the server answered, see ``result_of``; or that the user is asked for a credential.

        Raises:
            ToolArgumentsError: An argument is missing, unknown or cannot be sent.
            ToolExecutionError: The server refused or failed, or there was no way to it.
        """
        seconds = SECONDS if self.timeout is None else self.timeout
        limit = asyncio.timeout(seconds)
        clients = self._new_clients() if self._clients is None else self._clients
        try:
            async with limit:
                answer = await self._answer(args, tool_context, clients)
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise ToolExecutionError(
                f"{self.name} took longer than {seconds:g} seconds", "DEADLINE_EXCEEDED"
            ) from error
        finally:
            if self._clients is None:
                await clients.close()
        if not isinstance(answer, Answer):
            return answer
        return await result_of(answer, tool=self.name, context=tool_context)

    async def _answer(self, args: dict[str, Any], context: ToolContext, clients: HttpClients) -> Answer | Json:
        async def load_file(name: str) -> FileContent | None:
            return await _artifact(name, context)

        operation = self.operation
        request = await make_request(
            operation, args, load_file=load_file, idempotency_key=_idempotency_key(operation, context)
        )
        provided = self._header_provider(context) if self._header_provider is not None else {}
        _put_headers(
            request, {"Accept": "application/json, */*;q=0.5", "User-Agent": "runwright", **self._default_headers}
        )
        request.headers.update(provided)
        again = replace(request, query=[*request.query], headers={**request.headers}, cookies=[*request.cookies])
        authorization = self._authorization
        used = await authorization.apply(request, context, clients)
        if used is None:
            if (pending := await authorization.ask(context)) is None:
                raise ToolExecutionError("The credential that the user gave does not hold any more", "AUTH_REQUIRED")
            return pending
        answer = await clients.send(request)
        if answer.status == 401 and await authorization.renew(used, context):
            used = await authorization.apply(again, context, clients)
            answer = await clients.send(again)
        if answer.status == 401 and (used is None or used.credential is not None):
            return await authorization.ask(context) or answer
        return answer


def _put_headers(request: Outgoing, headers: dict[str, str]) -> None:
    known = {name.lower() for name in request.headers}
    request.headers.update({name: value for name, value in headers.items() if name.lower() not in known})


def _idempotency_key(operation: Operation, context: ToolContext) -> str:
    """Asked for only where it is sent."""
    return context.idempotency_key if any(one.argument is None for one in operation.parameters) else ""


async def _artifact(name: str, context: ToolContext) -> FileContent | None:
    if context.invocation_context.artifact_service is None:
        raise ToolArgumentsError(f"There are no files here, and so no {name!r}")
    part = await context.load_artifact(name)
    if part is None:
        return None
    if part.inline_data is not None and part.inline_data.data is not None:
        kind = part.inline_data.mime_type or "application/octet-stream"
        return FileContent(part.inline_data.data, kind, name.removeprefix("user:"))
    return FileContent((part.text or "").encode(), "text/plain; charset=utf-8", name.removeprefix("user:"))
