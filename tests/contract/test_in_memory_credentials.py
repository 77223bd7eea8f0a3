# SPDX-License-Identifier: Apache-2.0
"""Credentials: what every service that keeps them does, and where the two of ours keep them."""

import json
from dataclasses import dataclass, field

import pytest

from runwright.credential import AuthConfig, AuthCredential, BaseCredentialService, CredentialOwner
from runwright.credentials import InMemoryCredentialService, SessionStateCredentialService
from runwright.errors import InputValidationError, StorageError
from runwright.event import Event, EventActions
from runwright.sessions.in_memory import InMemorySessionService
from runwright.state import State
from runwright.testing import CredentialServiceContract


@dataclass
class Context:
    app_name: str = "app"
    user_id: str = "u"
    state: State = field(default_factory=lambda: State({}, {}))


def token(value: str = "t1", key: str = "github") -> AuthConfig:
    return AuthConfig(
        credential_key=key,
        raw_auth_credential=AuthCredential(auth_type="oauth2", oauth2={"clientId": "c", "clientSecret": "the secret"}),
        exchanged_auth_credential=AuthCredential(
            auth_type="oauth2", oauth2={"clientId": "c", "clientSecret": "the secret", "accessToken": value}
        ),
    )


class TestCredentialsInMemory(CredentialServiceContract):
    async def create_service(self) -> InMemoryCredentialService:
        return InMemoryCredentialService()


class TestCredentialsInSessionState(CredentialServiceContract):
    async def create_service(self) -> SessionStateCredentialService:
        self._contexts: dict[tuple[str, str], Context] = {}
        return SessionStateCredentialService()

    def owner(self, app_name: str = "app", user_id: str = "u") -> Context:
        """Each user in a session of their own."""
        return self._contexts.setdefault((app_name, user_id), Context(app_name, user_id))


async def test_a_service_that_cannot_delete_says_so() -> None:
    class Minimal(BaseCredentialService):
        async def load_credential(self, auth_config: AuthConfig, callback_context: CredentialOwner) -> None:
            return None

        async def save_credential(self, auth_config: AuthConfig, callback_context: CredentialOwner) -> None:
            pass

    with pytest.raises(StorageError, match="Minimal cannot delete"):
        await Minimal().delete_credential(token(), Context())


async def test_in_session_state_the_clients_secret_is_left_out() -> None:
    service, context = SessionStateCredentialService(), Context()
    await service.save_credential(token(), context)
    assert "the secret" not in json.dumps(context.state.to_dict())
    assert "t1" in json.dumps(context.state["github"])
    without_client = AuthConfig(credential_key="github")
    loaded = await service.load_credential(without_client, context)
    assert loaded is not None and loaded.oauth2 == {"clientId": "c", "accessToken": "t1"}


async def test_in_session_state_it_lives_as_long_as_its_key_does() -> None:
    sessions, service = InMemorySessionService(), SessionStateCredentialService()
    session = await sessions.create_session(app_name="app", user_id="u", session_id="s")
    delta = {}
    context = Context(state=State(session.state, delta))
    for key in ("github", "user:github", "temp:github"):
        await service.save_credential(token(key=key), context)
    await sessions.append_event(session, Event(author="agent", actions=EventActions(state_delta=delta)))

    async def kept(session_id: str) -> list[str]:
        read = await sessions.get_session(app_name="app", user_id="u", session_id=session_id)
        assert read is not None
        later = Context(state=State(read.state, {}))
        keys = ("github", "user:github", "temp:github")
        return [key for key in keys if await service.load_credential(token(key=key), later) is not None]

    await sessions.create_session(app_name="app", user_id="u", session_id="t")
    assert await kept("s") == ["github", "user:github"]
    assert await kept("t") == ["user:github"]


async def test_in_session_state_what_is_not_a_credential_is_none() -> None:
    context = Context(state=State({"github": "a bare token"}, {}))
    assert await SessionStateCredentialService().load_credential(token(), context) is None


async def test_in_session_state_a_key_for_all_users_is_refused() -> None:
    with pytest.raises(InputValidationError, match="app:"):
        await SessionStateCredentialService().save_credential(token(key="app:github"), Context())


async def test_without_state_the_context_is_asked_for() -> None:
    @dataclass
    class Owner:
        app_name: str = "app"
        user_id: str = "u"

    with pytest.raises(InputValidationError, match="callback_context"):
        await SessionStateCredentialService().load_credential(token(), Owner())
