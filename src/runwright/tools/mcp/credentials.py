# SPDX-License-Identifier: Apache-2.0
"""What authenticates a toolset's requests to its server: the program's credential, or that of the run's user."""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, TypeAlias, TypeVar

from runwright.context import Context, ReadonlyContext, ToolContext
from runwright.credential import AuthCredential, as_scheme
from runwright.errors import ConfigurationError, ToolExecutionError
from runwright.tool import BaseTool
from runwright.tools.auth.authorization import Authorization, Used, program_credential
from runwright.tools.auth.tokens import TokenCache
from runwright.tools.http.client import HttpClients, Outgoing
from runwright.tools.http.guard import AddressGuard
from runwright.types import FunctionDeclaration

UNAUTHORIZED = "HTTP_401"
"""The kind of failure of a request that the server wants a credential for, or another one."""

GivenCredential: TypeAlias = AuthCredential | dict[str, Any] | str | None
"""A credential, its JSON, or that as a text."""

_Answer = TypeVar("_Answer")
_NO_ARGUMENTS = {"type": "object", "properties": dict[str, Any]()}


class Credentials:
    """Puts a credential into the headers of requests.

    Args:
        auth_scheme: An OpenAPI security scheme; None for none.
        auth_credential: What opens it.
        credential_key: Where the credential service keeps each user's own credential.

    Raises:
        ConfigurationError: The scheme puts its key elsewhere than into a header.
    """

    def __init__(
        self,
        auth_scheme: Any,
        auth_credential: AuthCredential | dict[str, Any] | str | None,
        credential_key: str | None,
    ) -> None:
        scheme = as_scheme(auth_scheme)
        if scheme is None and auth_credential is not None:
            raise ConfigurationError("auth_credential needs its auth_scheme: give both")
        if scheme is not None and scheme.get("type") == "apiKey" and scheme.get("in") != "header":
            raise ConfigurationError("An MCP server is sent credentials in headers: give an auth_scheme with in=header")
        self._clients = partial(HttpClients, AddressGuard(True))  # the program wrote where to go
        self._authorization: Authorization | None = None
        if scheme is not None:
            self._authorization = Authorization(
                scheme,
                program_credential(auth_credential),
                credential_key=credential_key,
                tokens=TokenCache(),
                clients=self._clients,
            )

    async def headers(self, context: ReadonlyContext | None) -> Mapping[str, str]:
        """What authenticates the run's user, as far as that is known."""
        return (await self._headers(context))[0]

    async def authorized(
        self, context: ReadonlyContext | None, request: Callable[[Mapping[str, str]], Awaitable[_Answer]]
    ) -> _Answer:
        """Makes a request with the user's headers, and again with a new token where the server refused the first.

        Raises:
            ToolExecutionError: As ``request`` does; of type :data:`UNAUTHORIZED` where there is no other credential.
        """
        return await self._tried(context, await self._headers(context), request)

    async def with_consent(
        self, context: ReadonlyContext | None, request: Callable[[Mapping[str, str]], Awaitable[_Answer]]
    ) -> _Answer | dict[str, Any]:
        """The same for a tool's call, which has the user asked where that is needed, and then gives what to return."""
        headers, used = await self._headers(context)
        if used is None and (pending := await self._asked(context)) is not None:
            return pending
        try:
            return await self._tried(context, (headers, used), request)
        except ToolExecutionError as error:
            if error.error_type == UNAUTHORIZED and (pending := await self._asked(context)) is not None:
                return pending
            raise

    async def _tried(
        self,
        context: ReadonlyContext | None,
        given: tuple[Mapping[str, str], Used | None],
        request: Callable[[Mapping[str, str]], Awaitable[_Answer]],
    ) -> _Answer:
        headers, used = given
        try:
            return await request(headers)
        except ToolExecutionError as error:
            if error.error_type != UNAUTHORIZED or self._authorization is None or used is None or context is None:
                raise
            if not await self._authorization.renew(used, _whole(context)):
                raise
        return await request((await self._headers(context))[0])

    def may_ask(self) -> bool:
        """Whether users are asked for the credential."""
        return self._authorization is not None and self._authorization.asks_user

    async def _headers(self, context: ReadonlyContext | None) -> tuple[dict[str, str], Used | None]:
        """The headers, and what is in them; None where the user would have to be asked."""
        if self._authorization is None or context is None:
            return {}, Used()
        request = Outgoing("POST", "")
        clients = self._clients()
        try:
            used = await self._authorization.apply(request, _whole(context), clients)
        finally:
            await clients.close()
        return request.headers, used

    async def _asked(self, context: ReadonlyContext | None) -> dict[str, Any] | None:
        if self._authorization is None or not isinstance(context, Context) or not context.function_call_id:
            return None
        return await self._authorization.ask(context)


class AuthorizeTool(BaseTool):
    """Has the user asked for the credential without which a server does not even say what tools it has."""

    def __init__(self, name: str, server: str, authorize: Callable[[ToolContext], Awaitable[Any]]) -> None:
        described = f"Asks the user for access to {server}. Its tools can be used afterwards."
        super().__init__(name=name, description=described, on_resume="replay")
        self._authorize = authorize
        self._declaration = FunctionDeclaration(
            name=name, description=described, parameters_json_schema=dict(_NO_ARGUMENTS)
        )

    def _get_declaration(self) -> FunctionDeclaration:
        return self._declaration

    async def run_async(self, *, args: dict[str, Any], tool_context: ToolContext) -> Any:
        return await self._authorize(tool_context)


def _whole(context: ReadonlyContext) -> Context:
    return context if isinstance(context, Context) else Context(context.invocation_context)
