# SPDX-License-Identifier: Apache-2.0
"""Credentials: what every service that keeps them does, and where the two of ours keep them."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from runwright.credential import AuthConfig, AuthCredential, BaseCredentialService
from runwright.credentials import InMemoryCredentialService, SessionStateCredentialService
from runwright.errors import InputValidationError
from runwright.event import Event, EventActions
from runwright.sessions.in_memory import InMemorySessionService
from runwright.state import State


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


@pytest.mark.parametrize("make", [InMemoryCredentialService, SessionStateCredentialService])
class TestEveryCredentialService:
    async def test_what_was_saved_is_loaded(self, make: Callable[[], BaseCredentialService]) -> None:
        service, context = make(), Context()
        assert await service.load_credential(token(), context) is None
        await service.save_credential(token("t1"), context)
        await service.save_credential(token("t2"), context)
        assert await service.load_credential(token(), context) == token("t2").exchanged_auth_credential
        assert await service.load_credential(token(key="other"), context) is None

    async def test_one_users_credential_does_not_reach_another(self, make: Callable[[], BaseCredentialService]) -> None:
        service = make()
        await service.save_credential(token(), Context())
        for other in (Context(user_id="v"), Context(app_name="b")):
            assert await service.load_credential(token(), other) is None

    async def test_what_is_done_to_a_credential_does_not_reach_the_store(
        self, make: Callable[[], BaseCredentialService]
    ) -> None:
        service, context, config = make(), Context(), token()
        await service.save_credential(config, context)
        loaded = await service.load_credential(token(), context)
        for held in (config.exchanged_auth_credential, loaded):
            assert held is not None and held.oauth2 is not None
            held.oauth2["accessToken"] = "changed"
        assert await service.load_credential(token(), context) == token().exchanged_auth_credential

    async def test_what_cannot_be_kept_is_named(self, make: Callable[[], BaseCredentialService]) -> None:
        with pytest.raises(InputValidationError, match="credential_key"):
            await make().save_credential(token(key=""), Context())
        with pytest.raises(InputValidationError, match="exchanged_auth_credential"):
            await make().save_credential(AuthConfig(credential_key="k"), Context())


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
