# SPDX-License-Identifier: Apache-2.0
"""UserCredential: one credential of each user, as tools need it: asked for once, exchanged, refreshed and kept."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any, TypeVar
from weakref import WeakKeyDictionary, WeakValueDictionary

from runwright.context import Context, ToolContext
from runwright.credential import AuthConfig, AuthCredential, OAuth2Auth, snake_cased
from runwright.credential_request import keyed
from runwright.errors import StorageError, ToolExecutionError
from runwright.oauth import Endpoints, endpoints_of, is_oauth
from runwright.tools.auth.discovery import discovered, needs_discovery
from runwright.tools.auth.tokens import GRANT_REFUSED, TokenCache, client_flow, ends_soon, exchange_code, refresh
from runwright.tools.http.client import HttpClients
from runwright.tools.http.guard import AddressGuard

PENDING = {"pending": True, "message": "Needs your authorization to access your data."}
"""What a tool returns that waits for the user. Source: ADK."""

_SECONDS = 30.0
"""That an authorization server may take."""
_GRACE_SECONDS = 5.0
"""That a cancelled call waits for a token which is on its way: one that is not kept may be lost for good."""

_WAITS = (0.1, 0.4, 0.8)
"""How many seconds to wait each time for what another process may be about to keep."""

_METHODS = "token_endpoint_auth_methods_supported"
_Answer = TypeVar("_Answer")

_locks: WeakKeyDictionary[asyncio.AbstractEventLoop, WeakValueDictionary[tuple[str, str, str], asyncio.Lock]]
_locks = WeakKeyDictionary()
_making = threading.Lock()

_Renew = Callable[[Endpoints, AuthCredential | None, AuthCredential, HttpClients], Awaitable[AuthCredential]]


class UserCredential:
    """One credential of each user of a tool.

    It is kept by the run's credential service, under the config's key, so that the user's next session is not asked
    again. Of an OAuth credential, the code that the user's answer holds is exchanged when it is first needed, and the
    token refreshed shortly before it ends; for one user at a time.

    Args:
        auth_config: The scheme, the program's own credential (its OAuth client), and the key.
        clients: What sends requests to the authorization server, or what makes it for each exchange. By default it goes
            wherever the program wrote in the config.

    Attributes:
        config: The config, with its key.
    """

    def __init__(
        self, auth_config: AuthConfig, *, clients: HttpClients | Callable[[], HttpClients] | None = None
    ) -> None:
        self.config = keyed(auth_config)
        self._clients = partial(HttpClients, AddressGuard(True)) if clients is None else clients
        self._tokens = TokenCache()
        self._scheme: dict[str, Any] | None = None

    @property
    def asks_user(self) -> bool:
        """Whether it is a user who gives this credential, rather than the program, which has a key, token or client.

        Of OAuth, the program has to have a client to ask users with.
        """
        raw = self.config.raw_auth_credential
        scheme = self.config.auth_scheme
        if not is_oauth(scheme):
            return raw is None or not (raw.api_key or raw.http)
        client = snake_cased(None if raw is None else raw.oauth2)
        is_programs = raw is not None and bool(raw.http or client.get("access_token"))
        return bool(client.get("client_id")) and not is_programs and client_flow(scheme) is None

    async def of_program(self) -> AuthCredential | None:
        """The program's own credential, with its token, where no user has to be asked."""
        raw, scheme = self.config.raw_auth_credential, self.config.auth_scheme
        if raw is None or self.asks_user:
            return None
        if raw.oauth2 is None or not is_oauth(scheme) or snake_cased(raw.oauth2).get("access_token"):
            return raw
        token = await self._asked(partial(self._tokens.token, scheme, raw))
        return raw.model_copy(update={"oauth2": OAuth2Auth({**raw.oauth2, "access_token": token})})

    async def ready(self, context: Context) -> AuthCredential | None:
        """The user's credential, ready for use; None where the user has to be asked.

        Raises:
            ToolExecutionError: The authorization server refused the user's answer, or failed.
        """
        kept = await context.load_credential(self.config)
        if kept is None or self._is_usable(kept):
            return kept
        async with self._alone(context):
            kept = await context.load_credential(self.config)  # perhaps another call has done it meanwhile
            if kept is None or self._is_usable(kept):
                return kept
            given = snake_cased(kept.oauth2)
            if given.get("auth_code") and not given.get("access_token"):
                return await _finished(self._exchanged(context, kept))
            return await _finished(self._refreshed(context, kept)) if given.get("refresh_token") else None

    async def renewed(self, context: Context, refused: AuthCredential) -> AuthCredential | None:
        """Another credential in place of one that a service refused; None where the user has to be asked."""
        async with self._alone(context):
            kept = await context.load_credential(self.config)
            if kept is not None and self._is_usable(kept) and kept != refused:
                return kept
            if kept is None or not snake_cased(kept.oauth2).get("refresh_token"):
                return None
            return await _finished(self._refreshed(context, kept))

    def was_asked(self, context: ToolContext) -> bool:
        """Whether the user gave the credential for this very call, which is then not asked for once more."""
        return self.config.credential_key in context.auth_responses

    async def ask(self, context: ToolContext) -> dict[str, Any]:
        """Has the user asked; gives what the tool is to return.

        Raises:
            ConfigurationError: There is too little to ask with; the message says what is missing.
        """
        scheme = await self._found_scheme()
        context.request_credential(self.config.model_copy(update={"auth_scheme": scheme}))
        return dict(PENDING)

    def _is_usable(self, credential: AuthCredential) -> bool:
        if credential.api_key or credential.http:
            return True
        return bool(snake_cased(credential.oauth2).get("access_token")) and not ends_soon(credential)

    async def _exchanged(self, context: Context, answered: AuthCredential) -> AuthCredential:
        try:
            return await self._with_token(context, exchange_code, answered)
        except ToolExecutionError as error:
            if error.error_type == GRANT_REFUSED:  # it will not do better the next time
                await self._forget(context)
            raise

    async def _refreshed(self, context: Context, stale: AuthCredential) -> AuthCredential | None:
        try:
            return await self._with_token(context, refresh, stale)
        except ToolExecutionError as error:
            if error.error_type != GRANT_REFUSED:
                raise
        # Perhaps another process was quicker, and is about to keep what it got for the refresh token. What is kept is
        # not deleted, for it may be that by then; what the user is asked for takes its place.
        for seconds in _WAITS:
            kept = await context.load_credential(self.config)
            if kept is not None and kept != stale:
                return kept
            await asyncio.sleep(seconds)
        return None

    async def _with_token(self, context: Context, renew: _Renew, credential: AuthCredential) -> AuthCredential:
        endpoints = endpoints_of(await self._found_scheme())
        client = self._client()
        fresh = await self._asked(lambda clients: renew(endpoints, client, credential, clients))
        await context.save_credential(self.config.model_copy(update={"exchanged_auth_credential": fresh}))
        return fresh

    def _client(self) -> AuthCredential | None:
        """The program's client, which names itself in the way that the server takes."""
        client, methods = self.config.raw_auth_credential, (self._scheme or {}).get(_METHODS) or ()
        fields = snake_cased(None if client is None else client.oauth2)
        if client is None or fields.get("token_endpoint_auth_method") or "client_secret_basic" in methods:
            return client
        if "client_secret_post" not in methods:
            return client
        return client.model_copy(update={"oauth2": {**fields, "token_endpoint_auth_method": "client_secret_post"}})

    async def _forget(self, context: Context) -> None:
        service = context.invocation_context.credential_service
        assert service is not None  # it has just been asked
        try:
            await service.delete_credential(self.config, context)
        except StorageError:  # not each service can
            empty = AuthCredential(auth_type="oauth2")
            await context.save_credential(self.config.model_copy(update={"exchanged_auth_credential": empty}))

    async def _found_scheme(self) -> dict[str, Any]:
        if self._scheme is None:
            scheme = self.config.auth_scheme
            if needs_discovery(scheme):
                scheme = await self._asked(partial(discovered, scheme))
            self._scheme = scheme
        return self._scheme

    async def _asked(self, request: Callable[[HttpClients], Awaitable[_Answer]]) -> _Answer:
        """What the authorization server answers, within its time."""
        shared = isinstance(self._clients, HttpClients)
        clients = self._clients if isinstance(self._clients, HttpClients) else self._clients()
        limit = asyncio.timeout(_SECONDS)
        try:
            async with limit:
                return await request(clients)
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise ToolExecutionError(
                f"The authorization server took longer than {_SECONDS:g} seconds", "DEADLINE_EXCEEDED"
            ) from error
        finally:
            if not shared:
                await clients.close()

    def _alone(self, context: Context) -> asyncio.Lock:
        """Held while this user's credential is renewed, by whichever tool."""
        key = (context.app_name, context.user_id, self.config.credential_key)
        with _making:
            of_loop = _locks.setdefault(asyncio.get_running_loop(), WeakValueDictionary())
            lock = of_loop.get(key)
            if lock is None:
                lock = of_loop[key] = asyncio.Lock()
        return lock


async def _finished(work: Coroutine[Any, Any, _Answer]) -> _Answer:
    """Waits for a token to be fetched and kept; when cancelled, a short while longer."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task], timeout=_GRACE_SECONDS)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        raise
