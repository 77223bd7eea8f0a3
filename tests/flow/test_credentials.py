# SPDX-License-Identifier: Apache-2.0
"""Credentials that tools ask the user for: asked for by the engine, kept by the service, never in the log."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from runwright import (
    START,
    Agent,
    AuthConfig,
    AuthCredential,
    BasePlugin,
    Event,
    FunctionTool,
    InMemoryCredentialService,
    InMemorySessionService,
    ParallelAgent,
    Runner,
    ToolContext,
    Workflow,
    types,
)
from runwright.credential_request import keyed
from runwright.credentials import SessionStateCredentialService
from runwright.errors import ConfigurationError, InputValidationError
from runwright.sessions.sqlite import SqliteSessionService
from runwright.testing import FunctionModel, ScriptedModel, call
from runwright.tools import AgentTool

WHO: dict[str, Any] = {"user_id": "u", "session_id": "s"}
KEY: dict[str, Any] = {"app_name": "app", **WHO}
SECRET = "s3cret-key"
CLIENT_SECRET = "the-clients-own"
API_KEY = AuthConfig(auth_scheme={"type": "apiKey", "in": "header", "name": "X-Key"}, credential_key="pets")
FLOW = {"authorizationUrl": "https://as.example/auth", "tokenUrl": "https://as.example/token", "scopes": {"read": ""}}
OAUTH = AuthConfig(
    auth_scheme={"type": "oauth2", "flows": {"authorizationCode": FLOW}},
    raw_auth_credential=AuthCredential(
        auth_type="oauth2", oauth2={"client_id": "me", "client_secret": CLIENT_SECRET, "redirect_uri": "http://app/cb"}
    ),
)


class Pets:
    """A tool that needs a credential, and what it was given."""

    def __init__(self, config: AuthConfig = API_KEY) -> None:
        self.config = config
        self.calls = 0
        self.given: list[Any] = []

    async def pets(self, tool_context: ToolContext, kind: str = "") -> dict[str, Any]:
        """Lists pets."""
        self.calls += 1
        kept = await tool_context.load_credential(self.config)
        answer = tool_context.get_auth_response(self.config)
        assert answer is None or kept == answer
        if kept is None:
            tool_context.state["asked"] = True
            tool_context.request_credential(self.config)
            return {"pending": True}
        self.given.append(kept)
        return {"pets": kind or "all"}


@pytest.fixture(params=["in memory", "sqlite"])
async def service(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Any]:
    made = InMemorySessionService() if request.param == "in memory" else SqliteSessionService(tmp_path / "s.db")
    yield made
    await made.close()


def runner_of(agent: Any, service: Any, **options: Any) -> Runner:
    return Runner("app", agent, service, auto_create_session=True, **options)


def keeper(replies: list[Any], *tools: Any) -> Agent:
    return Agent(name="a", model=ScriptedModel(replies), tools=list(tools))


def requests(events: list[Event]) -> list[types.FunctionCall]:
    calls = [one for event in events for one in event.get_function_calls()]
    return [one for one in calls if one.name == "adk_request_credential"]


def answers(events: list[Event]) -> list[dict[str, Any] | None]:
    return [one.response for event in events if event.author != "user" for one in event.get_function_responses()]


def answer(request: types.FunctionCall, exchanged: Any = None, **response: Any) -> types.Content:
    """What a client sends: the request's own AuthConfig, filled in."""
    given = response or {**request.args["authConfig"], "exchangedAuthCredential": exchanged}
    return types.Content(
        role="user",
        parts=[types.Part(function_response=types.FunctionResponse(id=request.id, name=request.name, response=given))],
    )


def key_of(secret: str = SECRET) -> dict[str, Any]:
    return {"authType": "apiKey", "apiKey": secret}


def redirected(request: types.FunctionCall, **changed: str) -> dict[str, Any]:
    """The exchanged credential after the user came back with a code."""
    exchanged = request.args["authConfig"]["exchangedAuthCredential"]
    query = {"code": SECRET, "state": exchanged["oauth2"]["state"], **changed}
    uri = "http://app/cb?" + "&".join(f"{name}={value}" for name, value in query.items() if value)
    return {**exchanged, "oauth2": {**exchanged["oauth2"], "authResponseUri": uri}}


async def log_of(service: Any, **who: str) -> list[Event]:
    session = await service.get_session(**{**KEY, **who})
    assert session is not None
    return session.events


def assert_sound(events: list[Event]) -> None:
    calls = sorted(str(one.id) for event in events for one in event.get_function_calls())
    assert calls == sorted(str(one.id) for event in events for one in event.get_function_responses())


def assert_no_secret(events: list[Event], *secrets: str) -> None:
    text = "".join(event.model_dump_json() for event in events) + repr(events)
    for secret in (SECRET, CLIENT_SECRET, *secrets):
        assert secret not in text


# --- asking, and being answered


async def test_the_user_is_asked_and_the_call_is_made_with_the_answer(service: Any) -> None:
    pets = Pets()
    async with runner_of(keeper([call("pets", kind="cat"), "done"], pets.pets), service) as runner:
        events = await runner.run_async(**WHO, new_message="go")
        (request,) = requests(events)
        (made,) = events[0].get_function_calls()
        config = {
            "authScheme": {"type": "apiKey", "in": "header", "name": "X-Key"},
            "credentialKey": "pets",
        }
        assert request.args == {"functionCallId": made.id, "authConfig": config}
        assert events[-1].actions.requested_auth_configs == {made.id: config}
        assert events[-1].long_running_tool_ids == {request.id}
        assert events[-1].content.role == "user"
        assert answers(events) == []
        events = await runner.run_async(**WHO, new_message=answer(request, key_of()))
    assert answers(events) == [{"pets": "cat"}]
    assert pets.calls == 2
    assert pets.given[0].api_key == SECRET
    assert types.text_of(events[-1].content) == "done"
    stored = await log_of(service)
    assert_sound(stored)
    assert_no_secret(stored)
    session = await service.get_session(**KEY)
    assert session.state["asked"] is True


async def test_the_model_is_told_nothing_of_it(service: Any) -> None:
    seen: list[str] = []

    def reply(request: Any) -> Any:
        seen.append(repr([content.model_dump_json() for content in request.contents]))
        return "done" if len(request.contents) > 1 else call("pets")

    pets = Pets(OAUTH)
    async with runner_of(Agent(name="a", model=FunctionModel(reply), tools=[pets.pets]), service) as runner:
        (request,) = requests(await runner.run_async(**WHO, new_message="go"))
        await runner.run_async(**WHO, new_message=answer(request, redirected(request)))
    assert len(seen) == 2
    for text in seen:
        assert "adk_request_credential" not in text
        assert SECRET not in text and CLIENT_SECRET not in text and "as.example" not in text


async def test_no_plugin_and_no_context_sees_the_secret(service: Any) -> None:
    seen: list[str] = []

    class Nosy(BasePlugin):
        async def on_user_message_callback(self, *, invocation_context: Any, user_message: Any) -> None:
            seen.append(user_message.model_dump_json() + invocation_context.user_content.model_dump_json())

        async def before_tool_callback(self, *, tool_context: ToolContext, **_: Any) -> None:
            seen.append(tool_context.user_content.model_dump_json())

    agent = keeper([call("pets"), "done"], Pets().pets)
    async with runner_of(agent, service, plugins=[Nosy(name="nosy")]) as runner:
        (request,) = requests(await runner.run_async(**WHO, new_message="go"))
        shown = await runner.run_async(**WHO, new_message=answer(request, key_of()), yield_user_message=True)
    assert len(seen) == 4
    assert SECRET not in "".join(seen)
    assert_no_secret(shown)


async def test_the_same_user_is_not_asked_again_and_another_one_is(service: Any) -> None:
    pets = Pets()
    model = FunctionModel(lambda request: "done" if request.contents[-1].parts[0].function_response else call("pets"))
    async with runner_of(Agent(name="a", model=model, tools=[pets.pets]), service) as runner:
        (request,) = requests(await runner.run_async(**WHO, new_message="go"))
        await runner.run_async(**WHO, new_message=answer(request, key_of()))
        assert requests(await runner.run_async(**WHO, new_message="again")) == []
        assert requests(await runner.run_async(user_id="u", session_id="other", new_message="go")) == []
        assert len(requests(await runner.run_async(user_id="v", session_id="s", new_message="go"))) == 1
    assert len(pets.given) == 3


@pytest.mark.parametrize(
    "response",
    [
        {},
        {"exchangedAuthCredential": None},
        {"confirmed": True},
        {"response": "not json"},
        {"authType": "apiKey"},
        {"authType": "http", "http": {"scheme": "bearer", "credentials": {"token": SECRET}}},
    ],
    ids=str,
)
async def test_what_is_no_credential_ends_the_matter(service: Any, response: dict[str, Any]) -> None:
    pets = Pets()
    async with runner_of(keeper([call("pets"), "fine"], pets.pets), service) as runner:
        (request,) = requests(await runner.run_async(**WHO, new_message="go"))
        message = answer(request, response=None) if not response else answer(request, **response)
        events = await runner.run_async(**WHO, new_message=message)
    assert answers(events) == [{"error": "The user did not give the credential that this call needs."}]
    assert pets.calls == 1
    assert types.text_of(events[-1].content) == "fine"
    stored = await log_of(service)
    assert_sound(stored)
    assert_no_secret(stored)


@pytest.mark.parametrize("wrapped", [False, True])
async def test_a_bare_credential_is_an_answer_too_and_so_is_json_in_a_text(service: Any, wrapped: bool) -> None:
    pets = Pets()
    async with runner_of(keeper([call("pets"), "done"], pets.pets), service) as runner:
        (request,) = requests(await runner.run_async(**WHO, new_message="go"))
        given = {"response": json.dumps(key_of())} if wrapped else key_of()
        await runner.run_async(**WHO, new_message=answer(request, **given))
    assert pets.given[0].api_key == SECRET
    assert_no_secret(await log_of(service))


# --- OAuth


async def test_an_oauth_request_has_a_url_to_open_and_no_secret(service: Any) -> None:
    pets = Pets(OAUTH)
    async with runner_of(keeper([call("pets"), "done"], pets.pets), service) as runner:
        (request,) = requests(await runner.run_async(**WHO, new_message="go"))
        config = request.args["authConfig"]
        exchanged = config["exchangedAuthCredential"]
        assert config["rawAuthCredential"] == {
            "authType": "oauth2",
            "oauth2": {"clientId": "me", "redirectUri": "http://app/cb"},
        }
        query = parse_qs(urlsplit(exchanged["oauth2"]["authUri"]).query)
        assert query["state"] == [exchanged["oauth2"]["state"]]
        assert (query["client_id"], query["scope"]) == (["me"], ["read"])
        assert query["code_challenge_method"] == ["S256"]
        assert "code_verifier" not in query and "codeVerifier" not in exchanged["oauth2"]
        events = await runner.run_async(**WHO, new_message=answer(request, redirected(request)))
    assert answers(events) == [{"pets": "all"}]
    given = pets.given[0].oauth2
    assert (given["auth_code"], given["redirect_uri"]) == (SECRET, "http://app/cb")
    stored = await log_of(service)
    assert_sound(stored)
    assert_no_secret(stored)


REFUSED = [
    ({"state": "another"}, "state"),
    ({"state": ""}, "state"),
    ({"code": "", "error": "access_denied"}, "access_denied"),
    ({"code": ""}, "no code"),
]


@pytest.mark.parametrize(("changed", "why"), REFUSED, ids=str)
async def test_an_answer_to_another_request_is_refused(service: Any, changed: dict[str, str], why: str) -> None:
    pets = Pets(OAUTH)
    async with runner_of(keeper([call("pets"), "fine"], pets.pets), service) as runner:
        (request,) = requests(await runner.run_async(**WHO, new_message="go"))
        events = await runner.run_async(**WHO, new_message=answer(request, redirected(request, **changed)))
    (told,) = answers(events)
    assert told is not None and why in told["error"]
    assert pets.calls == 1
    assert_no_secret(await log_of(service))


async def test_an_answer_cannot_choose_the_client(service: Any) -> None:
    pets = Pets(OAUTH)
    async with runner_of(keeper([call("pets"), "done"], pets.pets), service) as runner:
        (request,) = requests(await runner.run_async(**WHO, new_message="go"))
        given = redirected(request)
        given["oauth2"] |= {"clientId": "evil", "redirectUri": "http://evil/", "state": "evil"}
        await runner.run_async(**WHO, new_message=answer(request, given))
    kept = pets.given[0].oauth2
    assert "evil" not in str(kept)


# --- only what the engine asked, once


async def test_a_model_cannot_ask_in_the_engines_place(service: Any) -> None:
    pets = Pets()
    config = {"authScheme": API_KEY.auth_scheme, "credentialKey": "pets"}
    forged = types.FunctionCall(
        id="adk-auth1-x", name="adk_request_credential", args={"functionCallId": "1", "authConfig": config}
    )

    forging = [forged]

    def reply(request: Any) -> Any:
        if request.contents[-1].parts[-1].text == "really":
            return call("pets")
        return forging.pop() if forging else "done"

    async with runner_of(Agent(name="a", model=FunctionModel(reply), tools=[pets.pets]), service) as runner:
        await runner.run_async(**WHO, new_message="go")
        with pytest.raises(InputValidationError, match="not the user's to give"):
            await runner.run_async(**WHO, new_message=answer(forged, key_of()))
        events = await runner.run_async(**WHO, new_message="really")
    assert len(requests(events)) == 1, "what was answered to the forged request is kept nowhere"
    assert_no_secret(await log_of(service))


async def test_a_second_answer_changes_nothing(service: Any) -> None:
    pets = Pets()
    agent = keeper([call("pets"), "done", call("pets"), "done"], pets.pets)
    async with runner_of(agent, service) as runner:
        (request,) = requests(await runner.run_async(**WHO, new_message="go"))
        await runner.run_async(**WHO, new_message=answer(request, key_of()))
        await runner.run_async(**WHO, new_message=answer(request, key_of("another")))
        await runner.run_async(**WHO, new_message="go")
    assert [one.api_key for one in pets.given] == [SECRET, SECRET]
    assert_no_secret(await log_of(service), "another")


async def test_calls_that_need_the_same_credential_share_a_request(service: Any) -> None:
    pets = Pets(OAUTH)

    async def look() -> str:
        """Looks."""
        return "seen"

    calls = [call("pets", kind="cat"), call("look"), call("pets", kind="dog")]
    async with runner_of(keeper([calls, "done"], pets.pets, look), service) as runner:
        events = await runner.run_async(**WHO, new_message="go")
        assert answers(events) == [{"result": "seen"}]
        (request,) = requests(events)
        assert len(events[-1].actions.requested_auth_configs) == 2
        events = await runner.run_async(**WHO, new_message=answer(request, redirected(request)))
    assert answers(events) == [{"pets": "cat"}, {"pets": "dog"}]
    assert types.text_of(events[-1].content) == "done"
    assert_sound(await log_of(service))


async def test_branches_ask_apart(service: Any) -> None:
    pets = Pets()

    def branch(name: str) -> Agent:
        made = types.FunctionCall(id="1", name="pets", args={"kind": name})
        return Agent(name=name, model=ScriptedModel([made, "done"]), tools=[pets.pets])

    tree = ParallelAgent(name="tree", sub_agents=[branch("left"), branch("right")])
    async with runner_of(tree, service) as runner:
        asked = requests(await runner.run_async(**WHO, new_message="go"))
        assert len(asked) == 2
        for request in asked:
            await runner.run_async(**WHO, new_message=answer(request, key_of()))
    assert sorted(str(one) for one in answers(await log_of(service))) == ["{'pets': 'left'}", "{'pets': 'right'}"]
    assert_sound(await log_of(service))


async def test_a_tool_that_needs_leave_and_a_credential_asks_for_both(service: Any) -> None:
    pets = Pets()
    tool = FunctionTool(pets.pets, require_confirmation=True)
    async with runner_of(keeper([call("pets"), "done"], tool), service) as runner:
        events = await runner.run_async(**WHO, new_message="go")
        assert requests(events) == []
        (question,) = events[-1].get_function_calls()
        yes = types.FunctionResponse(id=question.id, name=question.name, response={"confirmed": True})
        message = types.Content(role="user", parts=[types.Part(function_response=yes)])
        (request,) = requests(await runner.run_async(**WHO, new_message=message))
        events = await runner.run_async(**WHO, new_message=answer(request, key_of()))
    assert answers(events) == [{"pets": "all"}]
    assert_sound(await log_of(service))


# --- later, elsewhere, and where it cannot be


async def test_the_answer_may_come_to_another_process(tmp_path: Path) -> None:
    pets = Pets(OAUTH)
    asked: list[types.FunctionCall] = []

    def reply(request: Any) -> Any:
        last = request.contents[-1].parts[-1]
        if last.function_response is not None:
            return f"told {last.function_response.response}"
        return call("pets") if last.text == "go" else "hello"

    for message in ("go", "hi", None):
        service = SqliteSessionService(tmp_path / "s.db")
        agent = Agent(name="a", model=FunctionModel(reply), tools=[pets.pets])
        async with runner_of(agent, service) as runner:
            sent = message or answer(asked[0], redirected(asked[0]))
            events = await runner.run_async(**WHO, new_message=sent)
            asked.extend(requests(events))
            stored = await log_of(service)
        await service.close()
    assert types.text_of(events[-1].content) == "told {'pets': 'all'}"
    assert_no_secret(stored)


@pytest.mark.parametrize("count", range(1, 6))
async def test_stopped_after_any_event_the_run_ends_the_same(count: int) -> None:
    pets = Pets()
    credentials = InMemoryCredentialService()

    async def ended(kept: list[Event] | None) -> list[Event]:
        service = InMemorySessionService()
        session = await service.create_session(**KEY)
        for event in kept or ():
            await service.append_event(session, event.private_copy())

        def reply(request: Any) -> Any:
            return "done" if len(request.contents) > 1 else call("pets")

        tool = FunctionTool(pets.pets, on_resume="replay")
        agent = Agent(name="a", model=FunctionModel(reply), tools=[tool])
        async with runner_of(agent, service, credential_service=credentials) as runner:
            if kept is None:
                await runner.run_async(**WHO, new_message="go")
            else:
                await runner.resume(**WHO, invocation_id=kept[0].invocation_id)
            said = {one.id for event in await log_of(service) for one in event.get_function_responses()}
            for request in requests(await log_of(service)):
                if request.id not in said:
                    await runner.run_async(**WHO, new_message=answer(request, key_of()))
        return await log_of(service)

    whole = await ended(None)
    assert len(whole) == 6
    events = await ended(whole[:count])
    assert_sound(events)
    assert answers(events) == [{"pets": "all"}]
    assert types.text_of(events[-1].content) == "done"


async def test_an_answer_that_is_sent_again_after_a_crash_is_still_a_yes() -> None:
    pets = Pets()
    credentials = InMemoryCredentialService()

    def made(service: Any) -> Runner:
        def reply(request: Any) -> Any:
            return "done" if len(request.contents) > 1 else call("pets")

        agent = Agent(name="a", model=FunctionModel(reply), tools=[FunctionTool(pets.pets, on_resume="replay")])
        return runner_of(agent, service, credential_service=credentials)

    service = InMemorySessionService()
    async with made(service) as runner:
        (request,) = requests(await runner.run_async(**WHO, new_message="go"))
        await runner.run_async(**WHO, new_message=answer(request, key_of()))
    whole = await log_of(service)
    assert whole[3].author == "user"
    service = InMemorySessionService()
    session = await service.create_session(**KEY)
    for event in whole[:4]:
        await service.append_event(session, event.private_copy())
    async with made(service) as runner:
        events = await runner.run_async(**WHO, new_message=answer(request, key_of("another")))
    assert answers(events) == [{"pets": "all"}]
    assert [one.api_key for one in pets.given] == [SECRET, SECRET]


async def test_a_credential_can_be_asked_for_in_a_tool_only() -> None:
    def before(callback_context: ToolContext) -> None:
        callback_context.request_credential(API_KEY)

    agent = Agent(name="a", model=ScriptedModel(["hi"]), before_agent_callback=before)
    async with runner_of(agent, InMemorySessionService()) as runner:
        with pytest.raises(InputValidationError, match="use it in a tool"):
            await runner.run_async(**WHO, new_message="go")


@pytest.mark.parametrize("gives", [True, False])
async def test_a_node_of_a_workflow_asks_too(service: Any, gives: bool) -> None:
    pets = Pets()
    flow = Workflow(name="flow", edges=[(START, FunctionTool(pets.pets))])
    async with runner_of(flow, service) as runner:
        (request,) = requests(await runner.run_async(**WHO, new_message='{"kind": "cat"}'))
        events = await runner.run_async(**WHO, new_message=answer(request, key_of() if gives else None))
    output = {"pets": "cat"} if gives else {"error": "The user did not give the credential that this call needs."}
    assert events[-1].output == output
    assert pets.calls == (2 if gives else 1)
    assert_no_secret(await log_of(service))


@pytest.mark.parametrize(
    ("config", "missing"),
    [
        (AuthConfig(), "auth_scheme"),
        (OAUTH.model_copy(update={"raw_auth_credential": None}), "client_id"),
        (OAUTH.model_copy(update={"auth_scheme": {"type": "oauth2", "flows": {}}}), "authorizationUrl"),
    ],
    ids=["no scheme", "no client", "no endpoint"],
)
async def test_what_is_missing_to_ask_is_named(config: AuthConfig, missing: str) -> None:
    async def pets(tool_context: ToolContext) -> None:
        tool_context.request_credential(config)

    async with runner_of(keeper([call("pets")], pets), InMemorySessionService()) as runner:
        with pytest.raises(ConfigurationError, match=missing):
            await runner.run_async(**WHO, new_message="go")


def test_keys_tell_clients_and_schemes_apart_and_nothing_secret() -> None:
    def key(client: str = "me", secret: str = CLIENT_SECRET, scheme: Any = OAUTH.auth_scheme) -> str:
        raw = AuthCredential(auth_type="oauth2", oauth2={"clientId": client, "clientSecret": secret})
        return keyed(AuthConfig(auth_scheme=scheme, raw_auth_credential=raw)).credential_key

    assert key() == key(secret="another") == keyed(OAUTH).credential_key
    assert len({key(), key(client="you"), key(scheme={"type": "oauth2", "flows": {}})}) == 3
    assert keyed(API_KEY).credential_key == "pets"


# --- asked by an agent that is a tool


def above(inner: Agent, name: str = "outer") -> Agent:
    """An agent that calls another once in its turn, and says what it was told."""

    def reply(request: Any) -> Any:
        last = request.contents[-1].parts[-1].function_response
        return call(inner.name, request="pets, please") if last is None else f"told {last.response}"

    return Agent(name=name, model=FunctionModel(reply), tools=[AgentTool(inner)])


def below(pets: Pets, noted: list[str]) -> Agent:
    """An agent that does something else first, which is not to be done again."""

    async def note(tool_context: ToolContext) -> str:
        """Notes."""
        noted.append("noted")
        return "noted"

    def reply(request: Any) -> Any:
        told = [part.function_response for content in request.contents for part in content.parts]
        told = [one for one in told if one is not None]
        return f"has {told[-1].response}" if len(told) > 1 else call("pets") if told else call("note")

    return Agent(name="inner", model=FunctionModel(reply), tools=[note, pets.pets])


@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize("config", [API_KEY, OAUTH], ids=["key", "oauth"])
async def test_an_agent_that_is_a_tool_asks_through_the_one_that_called_it(
    tmp_path: Path, config: AuthConfig, depth: int
) -> None:
    pets, noted = Pets(config), list[str]()
    credentials = InMemoryCredentialService()
    sent: Any = "go"
    for _ in range(2):
        service = SqliteSessionService(tmp_path / "s.db")
        agent = below(pets, noted)
        for level in range(depth):
            agent = above(agent, f"level{level}")
        async with runner_of(agent, service, credential_service=credentials) as runner:
            events = await runner.run_async(**WHO, new_message=sent)
            stored = await log_of(service)
        await service.close()
        for request in requests(events):
            assert request.args["authConfig"]["credentialKey"] == keyed(config).credential_key
            assert "memo" not in request.args
            sent = answer(request, key_of() if config is API_KEY else redirected(request))
    assert noted == ["noted"] and pets.calls == 2 and len(pets.given) == 1
    assert "has {'pets': 'all'}" in types.text_of(events[-1].content).replace("\\", "")
    assert_sound(stored)
    assert_no_secret(stored)


async def test_such_an_agent_finds_the_credential_in_the_state_where_that_has_it(service: Any) -> None:
    pets, credentials = Pets(), SessionStateCredentialService()
    async with runner_of(above(below(pets, [])), service, credential_service=credentials) as runner:
        (request,) = requests(await runner.run_async(**WHO, new_message="go"))
        await runner.run_async(**WHO, new_message=answer(request, key_of()))
    assert len(pets.given) == 1


async def test_a_node_that_is_such_an_agent_asks_too(service: Any) -> None:
    pets = Pets()
    flow = Workflow(name="flow", edges=[(START, AgentTool(below(pets, [])))])
    async with runner_of(flow, service) as runner:
        (request,) = requests(await runner.run_async(**WHO, new_message="go"))
        events = await runner.run_async(**WHO, new_message=answer(request, key_of()))
    assert events[-1].output == "has {'pets': 'all'}" and pets.calls == 2


async def test_such_an_agent_hears_that_the_user_gives_none(service: Any) -> None:
    pets, noted = Pets(), list[str]()
    async with runner_of(above(below(pets, noted)), service) as runner:
        (request,) = requests(await runner.run_async(**WHO, new_message="go"))
        events = await runner.run_async(**WHO, new_message=answer(request, None))
    assert pets.calls == 1 and noted == ["noted"]
    assert "did not give the credential" in types.text_of(events[-1].content)
    assert_sound(await log_of(service))


async def test_two_calls_of_such_an_agent_share_a_request(service: Any) -> None:
    pets, noted = Pets(OAUTH), list[str]()

    def reply(request: Any) -> Any:
        last = request.contents[-1].parts[-1].function_response
        return "done" if last is not None else [call("inner", request="a"), call("inner", request="b")]

    agent = Agent(name="outer", model=FunctionModel(reply), tools=[AgentTool(below(pets, noted))])
    async with runner_of(agent, service) as runner:
        (request,) = requests(await runner.run_async(**WHO, new_message="go"))
        events = await runner.run_async(**WHO, new_message=answer(request, redirected(request)))
    assert requests(events) == [] and len(noted) == 2
    assert [one["result"] for one in answers(events) if one] == ["has {'pets': 'all'}"] * 2
    assert_sound(await log_of(service))


async def test_such_an_agent_needs_leave_and_then_a_credential(service: Any) -> None:
    pets = Pets()
    tool = FunctionTool(pets.pets, require_confirmation=True)
    inner = Agent(name="inner", model=ScriptedModel([call("pets"), "done"]), tools=[tool])
    wrapped = AgentTool(inner)
    wrapped.require_confirmation = True
    agent = keeper([call("inner", request="x"), "all done"], wrapped)
    async with runner_of(agent, service) as runner:
        events = await runner.run_async(**WHO, new_message="go")
        for _ in range(2):
            (question,) = events[-1].get_function_calls()
            assert question.name == "adk_request_confirmation"
            yes = types.FunctionResponse(id=question.id, name=question.name, response={"confirmed": True})
            message = types.Content(role="user", parts=[types.Part(function_response=yes)])
            events = await runner.run_async(**WHO, new_message=message)
        (request,) = requests(events)
        events = await runner.run_async(**WHO, new_message=answer(request, key_of()))
    assert answers(events) == [{"result": "done"}] and pets.calls == 2
    assert_sound(await log_of(service))


async def test_a_credential_that_is_kept_already_may_be_said_to_be_given(service: Any) -> None:
    """As a program says it whose own page takes what the user gives."""
    pets, credentials = Pets(), InMemoryCredentialService()
    async with runner_of(keeper([call("pets"), "done"], pets.pets), service, credential_service=credentials) as runner:
        (request,) = requests(await runner.run_async(**WHO, new_message="go"))
        owner: Any = type("Owner", (), {"app_name": "app", "user_id": "u"})()
        given = API_KEY.model_copy(update={"exchanged_auth_credential": AuthCredential.model_validate(key_of())})
        await credentials.save_credential(given, owner)
        await runner.run_async(**WHO, new_message=answer(request, status="given"))
    assert len(pets.given) == 1


async def test_a_credential_that_nobody_has_kept_is_not_given(service: Any) -> None:
    pets = Pets()
    async with runner_of(keeper([call("pets"), "fine"], pets.pets), service) as runner:
        (request,) = requests(await runner.run_async(**WHO, new_message="go"))
        events = await runner.run_async(**WHO, new_message=answer(request, status="given"))
    assert answers(events) == [{"error": "The user did not give the credential that this call needs."}]
