# SPDX-License-Identifier: Apache-2.0
"""The suite that every credential service passes."""

import asyncio
from dataclasses import dataclass

import pytest

from runwright.credential import AuthConfig, AuthCredential, BaseCredentialService, CredentialOwner
from runwright.errors import InputValidationError
from runwright.testing.service_suite import ServiceSuite

ODD_NAMES = ["a/b", "..", "a\0b", "%", "'; DROP TABLE credentials; --", '"', "文字 🙂", " ", "user", "A" * 300]


@dataclass
class _Owner:
    app_name: str
    user_id: str


def _config(value: str = "t1", key: str = "github") -> AuthConfig:
    client = {"clientId": "c", "clientSecret": "the secret"}
    return AuthConfig(
        credential_key=key,
        raw_auth_credential=AuthCredential(auth_type="oauth2", oauth2=dict(client)),
        exchanged_auth_credential=AuthCredential(auth_type="oauth2", oauth2={**client, "accessToken": value}),
    )


class CredentialServiceContract(ServiceSuite[BaseCredentialService]):
    """Subclass it, say how the service is made, and pytest runs it (with pytest-asyncio in its ``auto`` mode)::

        class TestMyService(CredentialServiceContract):
            async def create_service(self):
                return MyService()

    Each test gets a new, empty service and closes it. A service whose credentials outlive it overrides ``reopen`` too,
    and one that looks for more in a context than whose it is overrides ``owner``.
    """

    def owner(self, app_name: str = "app", user_id: str = "u") -> CredentialOwner:
        """The context of a user's callback. The same user's is asked for several times in one test."""
        return _Owner(app_name, user_id)

    async def test_what_was_saved_is_loaded(self, service: BaseCredentialService) -> None:
        assert await service.load_credential(_config(), self.owner()) is None
        await service.save_credential(_config("t1"), self.owner())
        await service.save_credential(_config("t2"), self.owner())
        service = await self.restarted(service)
        assert await service.load_credential(_config(), self.owner()) == _config("t2").exchanged_auth_credential
        assert await service.load_credential(_config(key="other"), self.owner()) is None

    async def test_each_kind_comes_back_as_it_was(self, service: BaseCredentialService) -> None:
        kinds = [
            AuthCredential(auth_type="apiKey", api_key="k \0 文字 🙂"),
            AuthCredential(auth_type="http", http={"scheme": "bearer", "credentials": {"token": "t"}}),
            AuthCredential(auth_type="serviceAccount", service_account={"scopes": ["a", "b"], "n": [1, 2.5, None]}),
            AuthCredential(auth_type="oauth2", oauth2={"accessToken": "x" * 100_000}),
        ]
        for number, credential in enumerate(kinds):
            config = AuthConfig(credential_key=f"k{number}", exchanged_auth_credential=credential)
            await service.save_credential(config, self.owner())
        service = await self.restarted(service)
        for number, credential in enumerate(kinds):
            assert await service.load_credential(AuthConfig(credential_key=f"k{number}"), self.owner()) == credential

    async def test_one_users_credential_does_not_reach_another(self, service: BaseCredentialService) -> None:
        await service.save_credential(_config(), self.owner())
        for other in (self.owner(user_id="v"), self.owner(app_name="b")):
            assert await service.load_credential(_config(), other) is None
            await service.delete_credential(_config(), other)
        assert await service.load_credential(_config(), self.owner()) == _config().exchanged_auth_credential

    @pytest.mark.parametrize("odd", ODD_NAMES, ids=repr)
    async def test_odd_names_are_names_like_any_other(self, service: BaseCredentialService, odd: str) -> None:
        places = [
            (self.owner(), odd),
            (self.owner(user_id=odd), "key"),
            (self.owner(app_name=odd), "key"),
            (self.owner(user_id=f"u{odd}"), "key"),
        ]
        for number, (owner, key) in enumerate(places):
            await service.save_credential(_config(str(number), key), owner)
        service = await self.restarted(service)
        for number, (owner, key) in enumerate(places):
            expected = _config(str(number)).exchanged_auth_credential
            assert await service.load_credential(_config(key=key), owner) == expected

    async def test_what_was_deleted_is_gone(self, service: BaseCredentialService) -> None:
        await service.delete_credential(_config(), self.owner())
        for key in ("github", "other"):
            await service.save_credential(_config(key, key), self.owner())
        await service.delete_credential(_config(), self.owner())
        service = await self.restarted(service)
        assert await service.load_credential(_config(), self.owner()) is None
        other = await service.load_credential(_config(key="other"), self.owner())
        assert other == _config("other").exchanged_auth_credential
        await service.save_credential(_config("again"), self.owner())
        assert await service.load_credential(_config(), self.owner()) == _config("again").exchanged_auth_credential

    async def test_what_is_done_to_a_credential_does_not_reach_the_store(self, service: BaseCredentialService) -> None:
        config = _config()
        await service.save_credential(config, self.owner())
        loaded = await service.load_credential(_config(), self.owner())
        for held in (config.exchanged_auth_credential, loaded):
            assert held is not None and held.oauth2 is not None
            held.oauth2["accessToken"] = "changed"
        assert await service.load_credential(_config(), self.owner()) == _config().exchanged_auth_credential

    async def test_what_cannot_be_kept_is_named(self, service: BaseCredentialService) -> None:
        with pytest.raises(InputValidationError, match="credential_key"):
            await service.save_credential(_config(key=""), self.owner())
        with pytest.raises(InputValidationError, match="credential_key"):
            await service.delete_credential(_config(key=""), self.owner())
        with pytest.raises(InputValidationError, match="exchanged_auth_credential"):
            await service.save_credential(AuthConfig(credential_key="k"), self.owner())

    async def test_many_may_save_at_once(self, service: BaseCredentialService) -> None:
        users = [self.owner(user_id=str(number)) for number in range(20)]
        await asyncio.gather(*(service.save_credential(_config(user.user_id), user) for user in users))
        for user in users:
            expected = _config(user.user_id).exchanged_auth_credential
            assert await service.load_credential(_config(), user) == expected
