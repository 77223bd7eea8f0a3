# SPDX-License-Identifier: Apache-2.0
"""Tools with credentials of the user's: an authorization server on loopback, and a service that checks its tokens."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

import pytest

from runwright import (
    Agent,
    AuthConfig,
    AuthCredential,
    AuthenticatedFunctionTool,
    EncryptedCredentialService,
    Event,
    InMemoryCredentialService,
    InMemorySessionService,
    OpenAPIToolset,
    RestApiTool,
    Runner,
    SessionStateCredentialService,
    ToolContext,
    types,
)
from runwright.testing import FunctionModel, call
from tests.tools.authorization_server import (
    CLIENT_ID,
    CLIENT_SECRET,
    PUBLIC_CLIENT_ID,
    REDIRECT_URI,
    AuthorizationServer,
)

pytest.importorskip("httpx2", reason="the extra openapi is not installed")

CLIENT = AuthCredential(
    auth_type="oauth2",
    oauth2={"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "redirect_uri": REDIRECT_URI},
)
PUBLIC = AuthCredential(auth_type="oauth2", oauth2={"client_id": PUBLIC_CLIENT_ID, "redirect_uri": REDIRECT_URI})


@pytest.fixture
def server() -> Iterator[AuthorizationServer]:
    with AuthorizationServer() as running:
        yield running


def opened(url: str) -> str:
    """Where a browser is sent back to that opens a URL."""
    parts = urlsplit(url)
    connection = HTTPConnection(parts.netloc)
    try:
        connection.request("GET", f"{parts.path}?{parts.query}")
        return connection.getresponse().headers["location"]
    finally:
        connection.close()


class Talk:
    """A user who talks with an agent of some tools, which calls those that the message names."""

    def __init__(self, *tools: Any, credentials: Any = None, sessions: Any = None) -> None:
        self.sent: list[str] = []
        self.events: list[Event] = []

        def reply(request: Any) -> Any:
            self.sent.append("".join(content.model_dump_json() for content in request.contents))
            last = request.contents[-1].parts[-1]
            return "done" if last.function_response is not None else [call(name) for name in last.text.split()]

        agent = Agent(name="a", model=FunctionModel(reply), tools=list(tools))
        self.runner = Runner(
            "app",
            agent,
            sessions or InMemorySessionService(),
            credential_service=credentials,
            auto_create_session=True,
        )

    async def say(self, message: Any, *, user: str = "u", session: str = "s") -> list[Any]:
        """Gives what the tools answered."""
        events = await self.runner.run_async(user_id=user, session_id=session, new_message=message)
        self.events = events
        self.asked = [
            one for event in events for one in event.get_function_calls() if one.name == "adk_request_credential"
        ]
        return [one.response for event in events for one in event.get_function_responses()]

    async def consent(self, user: str = "u", session: str = "s", **changed: str) -> list[Any]:
        """Opens the URL that was asked with, and answers with where that leads."""
        (request,) = self.asked
        exchanged = request.args["authConfig"]["exchangedAuthCredential"]
        back = await asyncio.to_thread(opened, exchanged["oauth2"]["authUri"])
        given = {**exchanged, "oauth2": {**exchanged["oauth2"], "authResponseUri": back, **changed}}
        return await self.answer({**request.args["authConfig"], "exchangedAuthCredential": given}, user, session)

    async def answer(self, response: dict[str, Any], user: str = "u", session: str = "s") -> list[Any]:
        (request,) = self.asked
        told = types.FunctionResponse(id=request.id, name=request.name, response=response)
        message = types.Content(role="user", parts=[types.Part(function_response=told)])
        return await self.say(message, user=user, session=session)

    async def log(self, user: str = "u", session: str = "s") -> str:
        found = await self.runner.session_service.get_session(app_name="app", user_id=user, session_id=session)
        return found.model_dump_json() + repr(found)


@pytest.fixture
async def talk() -> AsyncIterator[Any]:
    made: list[Talk] = []

    def make(*tools: Any, **options: Any) -> Talk:
        made.append(Talk(*tools, **options))
        return made[-1]

    yield make
    for one in made:
        await one.runner.close()


def toolset(server: AuthorizationServer, kind: str = "oauth2", client: Any = CLIENT, **options: Any) -> OpenAPIToolset:
    return OpenAPIToolset(
        spec_dict=server.document(kind), auth_credential=client, **{"allow_private_hosts": True, **options}
    )


PETS = {"pets": ["cat"], "scope": "read"}


@pytest.mark.parametrize("client", [CLIENT, PUBLIC], ids=["confidential", "public"])
async def test_the_user_consents_once_and_the_calls_are_made(talk, server, client):
    one = talk(toolset(server, client=client))
    assert await one.say("pets") == []
    assert await one.consent() == [PETS]
    assert await one.say("pets dogs") == [PETS, PETS]
    assert await one.say("pets", session="another") == [PETS]
    assert server.grants == ["authorization_code"]
    assert await one.say("pets", user="somebody else") == []
    assert len(one.asked) == 1


async def test_endpoints_are_found_with_openid_connect(talk, server):
    one = talk(toolset(server, "openIdConnect"))
    assert await one.say("pets") == []
    assert await one.consent() == [{"pets": ["cat"], "scope": "openid read"}]


@pytest.mark.parametrize(
    "changed",
    [
        {"authorization_endpoint": "javascript:alert(1)"},
        {"token_endpoint": "file:///etc/passwd"},
        {"issuer": "https://as.test"},
    ],
    ids=str,
)
async def test_what_an_authorization_server_says_of_itself_is_looked_at(talk, server, monkeypatch, changed):
    metadata = server.metadata()[1]
    monkeypatch.setattr(server, "metadata", lambda: (200, {**metadata, **changed}))
    document = server.document("openIdConnect")
    document["components"]["securitySchemes"]["them"] = {"type": "oauth2", "issuer_url": server.url}
    tools = OpenAPIToolset(spec_dict=document, auth_credential=CLIENT, allow_private_hosts=True)
    (told,) = await talk(tools).say("pets")
    assert told["error_type"] == "AUTH_FAILED" and next(iter(changed)) in told["error"]


async def test_calls_at_the_same_time_share_a_request_and_a_token(talk, server):
    server.seconds = 0.05
    one = talk(toolset(server))
    assert await one.say("pets dogs") == []
    assert await one.consent() == [PETS, PETS]
    assert server.grants == ["authorization_code"]


async def test_a_token_is_refreshed_before_it_ends_once_for_all_calls(talk, server):
    server.expires_in = 10
    server.seconds = 0.05
    one = talk(toolset(server))
    await one.say("pets")
    assert await one.consent() == [PETS]
    server.expires_in = 3600
    assert await one.say("pets dogs pets") == [PETS, PETS, PETS]
    assert server.grants == ["authorization_code", "refresh_token"]
    assert await one.say("pets", session="another") == [PETS]
    assert len(server.grants) == 2, "what was refreshed is kept"


async def test_a_token_that_is_refused_is_refreshed_and_the_call_made_again(talk, server):
    one = talk(toolset(server))
    await one.say("pets")
    await one.consent()
    server.tokens.clear()
    assert await one.say("pets dogs") == [PETS, PETS]
    assert server.grants == ["authorization_code", "refresh_token"]


@pytest.mark.parametrize("expires_in", [3600, 10], ids=["refused by the service", "ended"])
async def test_after_all_was_revoked_the_user_is_asked_again(talk, server, expires_in):
    server.expires_in = expires_in
    one = talk(toolset(server))
    await one.say("pets")
    await one.consent()
    server.revoke()
    assert await one.say("pets") == []
    assert await one.consent() == [PETS]


async def test_a_service_that_takes_no_token_is_told_to_the_model_after_one_more_request(talk, server):
    one = talk(toolset(server))
    await one.say("pets")
    server.serve_pets = lambda authorization: (401, {"detail": "never"})
    (told,) = await one.consent()
    assert told["error_type"] == "HTTP_401"
    assert one.asked == []
    assert await one.say("pets") == []
    (told,) = await one.consent()
    assert told["error_type"] == "HTTP_401" and one.asked == []


async def test_a_user_who_says_no_is_told_to_the_model(talk, server):
    server.says_no = True
    one = talk(toolset(server))
    await one.say("pets")
    assert await one.consent() == [{"error": "The authorization server said: access_denied"}]
    assert server.grants == []


async def test_an_answer_from_another_request_is_not_exchanged(talk, server):
    one = talk(toolset(server))
    await one.say("pets")
    other = f"{REDIRECT_URI}?code=stolen&state=other"
    (told,) = await one.consent(authResponseUri=other)
    assert "state" in told["error"]
    assert server.grants == []


async def test_a_code_that_is_not_valid_is_told_without_it_and_asked_for_anew(talk, server):
    one = talk(toolset(server))
    await one.say("pets")
    state = one.asked[0].args["authConfig"]["exchangedAuthCredential"]["oauth2"]["state"]
    (told,) = await one.consent(authResponseUri=f"{REDIRECT_URI}?code=n0t-a-code&state={state}")
    assert told["error_type"] == "AUTH_REFUSED"
    assert "n0t-a-code" not in str(told)
    assert await one.say("pets") == []
    assert await one.consent() == [PETS]


async def test_another_verifier_than_the_requests_gets_no_token(talk, server):
    one = talk(toolset(server))
    await one.say("pets")
    (request,) = one.asked
    oauth2 = request.args["authConfig"]["exchangedAuthCredential"]["oauth2"]
    query = dict(part.split("=", 1) for part in oauth2["authUri"].partition("?")[2].split("&"))
    url = oauth2["authUri"].replace(query["code_challenge"], "somebody-elses")
    back = await asyncio.to_thread(opened, url)
    (told,) = await one.consent(authResponseUri=back)
    assert told["error_type"] == "AUTH_REFUSED"


@pytest.mark.parametrize("kind", ["oauth2", "openIdConnect"])
async def test_the_guard_covers_the_authorization_server_too(talk, server, kind):
    document = {**server.document(kind), "servers": [{"url": "http://pets.example"}]}
    one = talk(OpenAPIToolset(spec_dict=document, auth_credential=CLIENT))
    told = await one.say("pets")
    if kind == "oauth2":
        told = await one.consent()
    assert told[0]["error_type"] == "ADDRESS_REFUSED"
    assert server.grants == []


async def test_a_wrong_client_is_told_without_its_secret(talk, server):
    wrong = CLIENT.model_copy(update={"oauth2": {**CLIENT.oauth2, "client_secret": "wr0ng"}})
    one = talk(toolset(server, client=wrong))
    await one.say("pets")
    (told,) = await one.consent()
    assert told["error_type"] == "AUTH_FAILED"
    assert "invalid_client" in told["error"] and "wr0ng" not in told["error"]


@pytest.mark.parametrize("expires_in", ["3600", "soon", None])
async def test_a_server_may_say_in_its_own_way_how_long_a_token_holds(talk, server, expires_in):
    server.expires_in = expires_in
    one = talk(toolset(server))
    await one.say("pets")
    assert await one.consent() == [PETS]
    assert await one.say("pets") == [PETS]
    assert server.grants == ["authorization_code"]


async def test_a_tool_made_by_hand_asks_too(talk, server):
    tool = RestApiTool(
        "pets",
        "Lists pets.",
        {"base_url": server.url, "path": "/pets", "method": "get"},
        {"operationId": "pets"},
        allow_private_hosts=True,
    )
    tool.configure_auth_scheme(server.scheme())
    tool.configure_auth_credential(CLIENT)
    one = talk(tool)
    assert await one.say("pets") == []
    assert await one.consent() == [PETS]


async def test_an_authorization_server_that_fails_costs_no_consent(talk, server):
    server.expires_in = 10
    one = talk(toolset(server))
    await one.say("pets")
    await one.consent()
    works, server.token = server.token, lambda form, authorization: (500, {"error": "server_error"})
    (told,) = await one.say("pets")
    assert told["error_type"] == "AUTH_FAILED" and one.asked == []
    server.token = works
    assert await one.say("pets") == [PETS]


async def test_a_client_may_exchange_the_code_itself(talk, server):
    one = talk(toolset(server))
    await one.say("pets")
    server.tokens["by-the-client"] = "read"
    oauth2 = {"accessToken": "by-the-client", "expiresIn": 3600}
    assert await one.answer({"authType": "oauth2", "oauth2": oauth2}) == [PETS]
    assert server.grants == []


@pytest.mark.parametrize("keeps", ["memory", "file", "state", "nothing said"])
async def test_no_secret_is_in_the_log_or_goes_to_the_model(talk, server, keeps, tmp_path, caplog):
    services = {
        "memory": InMemoryCredentialService,
        "file": lambda: EncryptedCredentialService(tmp_path / "c.db", EncryptedCredentialService.generate_key()),
        "state": SessionStateCredentialService,
        "nothing said": lambda: None,
    }
    caplog.set_level(logging.DEBUG)
    credentials = services[keeps]()
    one = talk(toolset(server), credentials=credentials)
    await one.say("pets")
    assert await one.consent() == [PETS]
    server.tokens.clear()
    assert await one.say("pets") == [PETS]
    shown = "".join(one.sent) + repr(credentials) + caplog.text
    if keeps != "state":  # which says of itself that whoever may read the session reads the credential
        shown += repr(one.events) + await one.log()
    assert len(server.secrets) > 5
    for secret in server.secrets:
        assert secret not in shown
    if credentials is not None:
        await credentials.close()


async def test_a_request_outlives_its_runner(talk, server):
    sessions = InMemorySessionService()
    first = talk(toolset(server), sessions=sessions)
    await first.say("pets")
    second = talk(toolset(server), sessions=sessions)
    second.asked = first.asked
    assert await second.consent() == [PETS]


async def test_two_processes_that_refresh_at_the_same_time_both_go_on(talk, server):
    credentials = InMemoryCredentialService()
    server.expires_in = 10
    first = talk(toolset(server), credentials=credentials)
    await first.say("pets")
    await first.consent()
    server.expires_in, server.seconds = 3600, 0.2
    second = talk(toolset(server), credentials=credentials)

    def elsewhere() -> list[Any]:
        return asyncio.run(_closing(second))

    async def _closing(one: Talk) -> list[Any]:
        try:
            return await one.say("pets", session="elsewhere")
        finally:
            await one.runner.close()

    assert await asyncio.gather(first.say("pets"), asyncio.to_thread(elsewhere)) == [[PETS], [PETS]]


async def test_a_token_that_comes_while_the_run_is_cancelled_is_kept(talk, server):
    one = talk(toolset(server))
    await one.say("pets")
    server.seconds = 0.3
    consent = asyncio.ensure_future(one.consent())
    await asyncio.to_thread(server.asked.wait, 10)
    consent.cancel()
    await asyncio.gather(consent, return_exceptions=True)
    server.seconds = 0.0
    assert await one.say("pets") == [PETS]
    assert server.grants == ["authorization_code"]


# --- keys of the user's own


async def test_users_are_asked_for_their_own_key(talk):
    scheme = {"type": "apiKey", "in": "header", "name": "X-Key"}
    document = {
        "openapi": "3.0.3",
        "servers": [{"url": "http://127.0.0.1:9"}],
        "paths": {"/pets": {"get": {"operationId": "pets"}}},
    }
    tools = OpenAPIToolset(spec_dict=document, auth_scheme=scheme, credential_key="pets", allow_private_hosts=True)
    one = talk(tools)
    assert await one.say("pets") == []
    (told,) = await one.answer({"authType": "apiKey", "apiKey": "my-own"})
    assert told["error_type"] == "CONNECTION_FAILED", "it was called"
    assert "my-own" not in await one.log()


async def test_without_a_client_there_is_nobody_to_ask_with(talk, server):
    one = talk(toolset(server, client=None, credential_key="pets"))
    (told,) = await one.say("pets")
    assert told["error_type"] == "HTTP_401" and one.asked == []


# --- functions


async def test_a_function_gets_the_credential(talk, server):
    seen: list[AuthCredential] = []

    async def pets(credential: AuthCredential, tool_context: ToolContext, kind: str = "all") -> str:
        """Lists pets."""
        seen.append(credential)
        assert tool_context.get_auth_response(config) is not None
        return kind

    config = AuthConfig(auth_scheme=server.scheme(), raw_auth_credential=CLIENT)
    tool = AuthenticatedFunctionTool(func=pets, auth_config=config, response_for_auth_required="Please wait.")
    assert set(tool.get_declaration().parameters_json_schema["properties"]) == {"kind"}
    one = talk(tool)
    assert await one.say("pets") == []
    assert await one.consent() == [{"result": "all"}]
    assert seen[0].oauth2["access_token"] in server.tokens


async def test_a_plain_function_runs_in_a_thread_with_the_users_key(talk):
    def pets(credential: Any) -> str:
        """Lists pets."""
        return f"{len(credential.api_key)} letters"

    config = AuthConfig(auth_scheme={"type": "apiKey", "in": "header", "name": "X-Key"}, credential_key="pets")
    one = talk(AuthenticatedFunctionTool(func=pets, auth_config=config))
    assert await one.say("pets") == []
    assert await one.answer({"authType": "apiKey", "apiKey": "my-own"}) == [{"result": "6 letters"}]


async def test_without_a_config_a_function_gets_none(talk):
    async def pets(credential: Any) -> bool:
        """Lists pets."""
        return credential is None

    one = talk(AuthenticatedFunctionTool(func=pets))
    assert await one.say("pets") == [{"result": True}]


async def test_a_function_may_use_the_programs_own_credential(talk):
    async def pets(credential: AuthCredential) -> str:
        """Lists pets."""
        return "known" if credential.api_key == "ours" else "unknown"

    config = AuthConfig(
        auth_scheme={"type": "apiKey", "in": "header", "name": "X-Key"},
        raw_auth_credential=AuthCredential(auth_type="apiKey", api_key="ours"),
    )
    one = talk(AuthenticatedFunctionTool(func=pets, auth_config=config))
    assert await one.say("pets") == [{"result": "known"}]
