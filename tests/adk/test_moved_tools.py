# SPDX-License-Identifier: Apache-2.0
"""Programs that use tools with credentials, MCP servers and live runs, with nothing but their imports changed.

The services are real servers on loopback. Only the models are ours, since no test asks a real one.
"""

import json
import sys
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from runwright import (
    AuthConfig,
    AuthCredential,
    AuthCredentialTypes,
    AuthenticatedFunctionTool,
    FunctionTool,
    Gemini,
    HttpAuth,
    HttpCredentials,
    InMemoryRunner,
    InMemorySessionService,
    LiveRequestQueue,
    LlmAgent,
    McpToolset,
    OAuth2Auth,
    OpenAPIToolset,
    RunConfig,
    Runner,
    StdioConnectionParams,
    StdioServerParameters,
    StreamingMode,
    ToolContext,
    token_to_scheme_credential,
    types,
)
from runwright.testing import ScriptedLiveModel, ScriptedModel, call, heard, spoken
from tests.tools.api_server import KEY, ApiServer
from tests.tools.authorization_server import CLIENT_ID, CLIENT_SECRET, REDIRECT_URI, AuthorizationServer

WHO = {"user_id": "user_1", "session_id": "session_1"}
MCP_SERVER = Path(__file__).parents[1] / "tools" / "mcp_server.py"


@pytest.fixture
def api() -> Iterator[ApiServer]:
    with ApiServer() as running:
        yield running


@pytest.fixture
def authorization() -> Iterator[AuthorizationServer]:
    with AuthorizationServer() as running:
        yield running


async def say(runner, message):
    content = (
        message if isinstance(message, types.Content) else types.Content(role="user", parts=[types.Part(text=message)])
    )
    return [event async for event in runner.run_async(**WHO, new_message=content)]


def responses(events):
    return [response.response for event in events for response in event.get_function_responses()]


async def made(agent):
    session_service = InMemorySessionService()
    await session_service.create_session(app_name="moved", **WHO)
    return Runner(agent=agent, app_name="moved", session_service=session_service)


def in_header():
    return token_to_scheme_credential("apikey", "header", "X-Api-Key", KEY)


def basic():
    http = HttpAuth(scheme="basic", credentials=HttpCredentials(username="me", password=KEY))
    return {"type": "http", "scheme": "basic"}, AuthCredential(auth_type=AuthCredentialTypes.HTTP, http=http)


def bearer():
    return token_to_scheme_credential("oauth2Token", "header", "Authorization", KEY)


@pytest.mark.parametrize(("operation", "auth"), [("in_header", in_header), ("basic", basic), ("bearer", bearer)])
async def test_a_service_with_a_credential(api, operation, auth):
    pytest.importorskip("httpx2", reason="the extra openapi is not installed")
    auth_scheme, auth_credential = auth()
    toolset = OpenAPIToolset(
        spec_str=json.dumps(api.document()),
        spec_str_type="json",
        auth_scheme=auth_scheme,
        auth_credential=auth_credential,
        tool_filter=[operation],
        allow_private_hosts=True,
    )
    agent = LlmAgent(name="api_agent", model=ScriptedModel([call(operation), "Done."]), tools=[toolset])
    async with await made(agent) as runner:
        assert responses(await say(runner, "Ask the service")) == [{"ok": True}]


def get_auth_request_function_call(events):
    """As ADK's documentation writes it."""
    for event in events:
        for part in event.content.parts:
            function_call = part.function_call
            if (
                function_call
                and function_call.name == "adk_request_credential"
                and event.long_running_tool_ids
                and function_call.id in event.long_running_tool_ids
            ):
                return function_call
    return None


def follow(url):
    """The user's browser: where it is sent back to."""
    parts = urlsplit(url)
    connection = HTTPConnection(parts.netloc)
    try:
        connection.request("GET", f"{parts.path}?{parts.query}")
        return connection.getresponse().headers["location"]
    finally:
        connection.close()


def oauth_credential():
    oauth2 = OAuth2Auth(client_id=CLIENT_ID, client_secret=CLIENT_SECRET, redirect_uri=REDIRECT_URI)
    return AuthCredential(auth_type=AuthCredentialTypes.OAUTH2, oauth2=oauth2)


async def answer_request(runner, events):
    """What a client does with a request for a credential, as ADK's documentation writes it."""
    request = get_auth_request_function_call(events)
    auth_config = AuthConfig.model_validate(request.args["authConfig"])
    callback = follow(auth_config.exchanged_auth_credential.oauth2.auth_uri)
    auth_config.exchanged_auth_credential.oauth2.auth_response_uri = callback
    auth_config.exchanged_auth_credential.oauth2.redirect_uri = REDIRECT_URI
    response = types.FunctionResponse(id=request.id, name="adk_request_credential", response=auth_config.model_dump())
    return await say(runner, types.Content(role="user", parts=[types.Part(function_response=response)]))


async def test_a_service_that_the_user_signs_in_to(authorization):
    pytest.importorskip("httpx2", reason="the extra openapi is not installed")
    toolset = OpenAPIToolset(
        spec_dict=authorization.document(),
        auth_scheme=authorization.scheme(),
        auth_credential=oauth_credential(),
        allow_private_hosts=True,
    )
    agent = LlmAgent(name="pets_agent", model=ScriptedModel([call("pets"), "One cat."]), tools=[toolset])
    async with await made(agent) as runner:
        events = await answer_request(runner, await say(runner, "Which pets are there?"))
    assert responses(events) == [{"pets": ["cat"], "scope": "read"}]
    assert events[-1].content.parts[0].text == "One cat."


async def test_a_function_that_gets_the_users_token(authorization):
    pytest.importorskip("httpx2", reason="the extra openapi is not installed")
    tokens = []

    def list_pets(credential: AuthCredential) -> str:
        """Lists the pets."""
        tokens.append(credential.oauth2.access_token)
        return "cat"

    auth_config = AuthConfig(auth_scheme=authorization.scheme(), raw_auth_credential=oauth_credential())
    tool = AuthenticatedFunctionTool(func=list_pets, auth_config=auth_config)
    agent = LlmAgent(name="pets_agent", model=ScriptedModel([call("list_pets"), "One cat."]), tools=[tool])
    async with await made(agent) as runner:
        await answer_request(runner, await say(runner, "Which pets are there?"))
    assert tokens == list(authorization.tokens)


async def test_a_function_that_asks_for_a_token_itself():
    """``request_credential``, and ``get_auth_response`` when the user has answered."""
    auth_config = AuthConfig(auth_scheme={"type": "http", "scheme": "bearer"}, credential_key="the_service")

    def call_service(tool_context: ToolContext) -> dict:
        """Calls a service."""
        auth_response = tool_context.get_auth_response(auth_config)
        if auth_response and auth_response.http and auth_response.http.credentials:
            return {"token": len(auth_response.http.credentials.token)}
        tool_context.request_credential(auth_config)
        return {"status": "pending"}

    model = ScriptedModel([call("call_service"), "Done."])
    async with await made(LlmAgent(name="a", model=model, tools=[FunctionTool(call_service)])) as runner:
        request = get_auth_request_function_call(await say(runner, "Call it"))
        answered = AuthConfig.model_validate(request.args["authConfig"])
        http = HttpAuth(scheme="bearer", credentials=HttpCredentials(token="t0ken"))
        answered.exchanged_auth_credential = AuthCredential(auth_type=AuthCredentialTypes.HTTP, http=http)
        response = types.FunctionResponse(id=request.id, name=request.name, response=answered.model_dump())
        message = types.Content(role="user", parts=[types.Part(function_response=response)])
        assert responses(await say(runner, message)) == [{"token": 5}]


@pytest.mark.parametrize("params", ["ours", "the SDK's"])
async def test_tools_of_an_mcp_server(params):
    mcp = pytest.importorskip("mcp", reason="the extra mcp is not installed")
    kind = StdioServerParameters if params == "ours" else mcp.StdioServerParameters
    toolset = McpToolset(
        connection_params=StdioConnectionParams(
            server_params=kind(command=sys.executable, args=[str(MCP_SERVER), "stdio"]), timeout=60
        ),
        tool_filter=["greet"],
    )
    model = ScriptedModel([call("greet", name="Ann"), "Done."])
    agent = LlmAgent(name="mcp_agent", model=model, instruction="Help the user.", tools=[toolset])
    async with await made(agent) as runner:
        (answer,) = responses(await say(runner, "Greet Ann"))
    assert "Ann" in answer["content"][0]["text"]
    declared = model.requests[0].config.tools[0].function_declarations
    assert [one.name for one in declared] == ["greet"]


async def test_a_live_conversation():
    """A queue, a voice, transcriptions: what a server does that streams audio."""
    voice = types.SpeechConfig(
        voice_config=types.VoiceConfig(prebuilt_voice_config=types.PrebuiltVoiceConfig(voice_name="Kore"))
    )
    run_config = RunConfig(
        streaming_mode=StreamingMode.BIDI,
        response_modalities=["AUDIO"],
        speech_config=voice,
        output_audio_transcription=types.AudioTranscriptionConfig(),
        realtime_input_config=types.RealtimeInputConfig(
            automatic_activity_detection=types.AutomaticActivityDetection(disabled=True)
        ),
        history_config=types.HistoryConfig(initial_history_in_client_content=True),
        explicit_vad_signal=True,
    )
    sound = types.Blob(data=bytes(320), mime_type="audio/pcm")
    model = ScriptedLiveModel([[*heard("Hello?"), sound, *spoken("Hello!")]])
    async with InMemoryRunner(agent=LlmAgent(name="host", model=model), app_name="live") as runner:
        session = await runner.session_service.create_session(app_name="live", user_id="user_1")
        live_request_queue = LiveRequestQueue()
        live_request_queue.send_activity_start()
        live_request_queue.send_realtime(types.Blob(data=bytes(320), mime_type="audio/pcm;rate=16000"))
        live_request_queue.send_activity_end()
        said, played = [], 0
        async for event in runner.run_live(
            user_id="user_1", session_id=session.id, live_request_queue=live_request_queue, run_config=run_config
        ):
            if event.output_transcription and event.output_transcription.finished:
                said.append(event.output_transcription.text)
            for part in event.content.parts if event.content and event.content.parts else []:
                played += len(part.inline_data.data)
            if event.turn_complete:
                live_request_queue.close()
    assert (said, played) == (["Hello!"], 320)
    config = model.connections[0].request.live_connect_config
    assert config.speech_config == voice
    assert config.history_config.initial_history_in_client_content is True
    assert config.explicit_vad_signal is True


def test_a_model_with_its_own_settings():
    model = Gemini(
        model="gemini-2.5-flash",
        retry_options=types.HttpRetryOptions(initial_delay=1, attempts=2),
        speech_config=types.SpeechConfig(language_code="en-US"),
    )
    assert LlmAgent(name="a", model=model).canonical_model is model
