# SPDX-License-Identifier: Apache-2.0
"""What a user sees of live connections that fail: an error that says what it is, at once, and nothing left behind."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from runwright import errors, types
from runwright.connection import BaseLlmConnection
from runwright.event import LlmResponse
from runwright.model import BaseLlm, LlmRequest
from runwright.testing.models import ScriptedModel
from runwright.testing.wire import FaultSocketServer, SocketScript, socket_faults
from tests.models.live_messages import GOOGLE, REALTIME, SOUND, received
from tests.models.live_replay import gemini, given, openai, opened

DEADLINE = 20.0
"""No test waits this long: it is what a hang would take."""
REQUEST = LlmRequest(live_connect_config=types.LiveConnectConfig(response_modalities=["TEXT"]))


@dataclass(frozen=True)
class Provider:
    """A provider, its way to be spoken to, and a conversation with it.

    Attributes:
        set_up: How many messages the connection takes to be set up.
        asked: And how many more, before the answer begins.
    """

    name: str
    script: SocketScript
    make: Callable[..., BaseLlm]
    tls: bool
    set_up: int
    asked: int


GEMINI = Provider("gemini", GOOGLE, gemini, tls=True, set_up=2, asked=3)
OPENAI = Provider("openai", REALTIME, openai, tls=False, set_up=3, asked=5)
BOTH = pytest.mark.parametrize("provider", [GEMINI, OPENAI], ids=["gemini", "openai"])


@asynccontextmanager
async def connected(
    provider: Provider, script: SocketScript, **settings: Any
) -> AsyncIterator[tuple[BaseLlmConnection, FaultSocketServer]]:
    with FaultSocketServer([script], tls=provider.tls) as server:
        async with asyncio.timeout(DEADLINE), opened(provider.make(server, **settings), REQUEST) as connection:
            yield connection, server


async def talk(provider: Provider, script: SocketScript, **settings: Any) -> list[LlmResponse]:
    """Says something, and gives what comes until the connection ends."""
    seen: list[LlmResponse] = []
    async with connected(provider, script, **settings) as (connection, _):
        await connection.send_content(types.UserContent("Hi"))
        async for response in connection.receive():
            seen.append(response)
    return seen


async def fails(provider: Provider, script: SocketScript, **settings: Any) -> errors.ModelError:
    with pytest.raises(errors.ModelError) as raised:
        await talk(provider, script, **settings)
    assert raised.value.provider == provider.name
    return raised.value


@BOTH
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, errors.ModelBadRequestError),
        (401, errors.ModelAuthError),
        (403, errors.ModelAuthError),
        (404, errors.ModelBadRequestError),
        (429, errors.ModelRateLimitedError),
        (500, errors.ModelOverloadedError),
        (503, errors.ModelOverloadedError),
        (529, errors.ModelOverloadedError),
    ],
)
async def test_a_refused_connection_is_an_error_of_its_kind(
    provider: Provider, status: int, kind: type[errors.ModelError]
) -> None:
    body = {"error": {"message": "No, thanks", "status": "REFUSED", "code": "refused"}}
    error = await fails(provider, socket_faults.refused(status, body, headers={"retry-after": "7"}))
    assert type(error) is kind
    assert error.status == status
    assert "No, thanks" in str(error)
    if isinstance(error, errors.ModelRateLimitedError | errors.ModelOverloadedError):
        assert error.retry_after == 7


@BOTH
async def test_where_nobody_listens_there_is_no_connection(provider: Provider) -> None:
    with FaultSocketServer([provider.script], tls=provider.tls) as server:
        model = provider.make(server)
    with pytest.raises(errors.ModelConnectionError):
        async with asyncio.timeout(DEADLINE), opened(model, REQUEST):
            pass


@BOTH
@pytest.mark.parametrize(
    ("code", "reason", "kind"),
    [
        (1001, "", errors.ModelConnectionError),
        (1007, "Request contains an invalid argument.", errors.ModelBadRequestError),
        (1007, "API key not valid. Please pass a valid API key.", errors.ModelAuthError),
        (1008, "models/x is not found for API version v1beta", errors.ModelBadRequestError),
        (1008, "The input token count exceeds the maximum number of tokens allowed", errors.ContextTooLongError),
        (1011, "Internal error encountered.", errors.ModelOverloadedError),
        (1011, "You exceeded your current quota", errors.ModelRateLimitedError),
        (1012, "", errors.ModelConnectionError),
        (1013, "Try again", errors.ModelOverloadedError),
        (3000, "invalid_request_error.invalid_api_key", errors.ModelAuthError),
    ],
)
@pytest.mark.parametrize("when", ["before", "set up", "under way"])
async def test_a_connection_that_is_closed_says_why(
    provider: Provider, code: int, reason: str, kind: type[errors.ModelError], when: str
) -> None:
    after = {"before": 0, "set up": provider.set_up, "under way": provider.asked + 1}[when]
    error = await fails(provider, socket_faults.closed(provider.script, code, reason, after=after))
    assert type(error) is kind
    assert str(code) in str(error)


@BOTH
async def test_a_connection_that_is_closed_well_ends(provider: Provider) -> None:
    seen = await talk(provider, socket_faults.closed(provider.script, 1000, after=len(provider.script.messages)))
    assert (given(seen).text, given(seen).turns) == ("Hello there", 1)


@BOTH
@pytest.mark.parametrize("kept", range(9))
async def test_a_connection_that_breaks_is_an_error_wherever_it_breaks(provider: Provider, kept: int) -> None:
    after = min(kept, len(provider.script.messages))
    error = await fails(provider, socket_faults.cut_off(provider.script, after=after))
    assert type(error) is errors.ModelConnectionError


@BOTH
@pytest.mark.parametrize("text", ['{"half": ', "[1, 2]", "5", "\x00"])
@pytest.mark.parametrize("under_way", [False, True])
async def test_what_is_no_message_is_an_error(provider: Provider, text: str, under_way: bool) -> None:
    at = provider.asked if under_way else provider.set_up - 1
    error = await fails(provider, socket_faults.malformed(provider.script, at=at, text=text))
    assert type(error) is errors.ModelResponseError


async def test_an_empty_message_says_nothing_to_google_genai() -> None:
    script = socket_faults.malformed(GEMINI.script, at=GEMINI.asked, text="")
    seen = await talk(GEMINI, socket_faults.closed(script, 1000, after=len(script.messages)))
    assert given(seen).text == "Hello there"


async def test_an_error_that_is_a_message_is_one() -> None:
    told = received({"error": {"code": 429, "message": "Quota"}})
    for at in (2, 3):
        messages = [*GOOGLE.messages[:at], told, *GOOGLE.messages[at:]]
        assert isinstance(await fails(GEMINI, SocketScript(messages=messages)), errors.ModelRateLimitedError)
    for at, code, kind in (
        (0, "invalid_api_key", errors.ModelAuthError),
        (2, "invalid_value", errors.ModelBadRequestError),
        (5, "session_expired", errors.ModelConnectionError),
    ):
        told = received({"type": "error", "error": {"type": "invalid_request_error", "code": code, "message": "No"}})
        messages = [*REALTIME.messages[:at], told, *REALTIME.messages[at:]]
        assert type(await fails(OPENAI, SocketScript(messages=messages))) is kind


@BOTH
async def test_a_slow_connection_is_a_connection(provider: Provider) -> None:
    script = socket_faults.dripping(provider.script, seconds=0.02)
    seen = await talk(provider, socket_faults.closed(script, 1000, after=len(script.messages)))
    assert given(seen).text == "Hello there"


@BOTH
async def test_one_that_is_not_set_up_in_time_is_given_up(provider: Provider) -> None:
    error = await fails(provider, socket_faults.silent(provider.script), timeout=0.3)
    assert type(error) is errors.ModelTimeoutError
    assert isinstance(error, TimeoutError)


@BOTH
async def test_a_silent_conversation_can_be_cancelled_and_leaves_nothing(provider: Provider) -> None:
    script = socket_faults.silent(provider.script, after=provider.asked)
    with FaultSocketServer([script], tls=provider.tls) as server:
        at_work = asyncio.Event()

        async def talk_on() -> None:
            async with opened(provider.make(server), REQUEST) as connection:
                await connection.send_content(types.UserContent("Hi"))
                at_work.set()
                async for _ in connection.receive():
                    pass

        task = asyncio.create_task(talk_on())
        async with asyncio.timeout(DEADLINE):
            await at_work.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task


@BOTH
async def test_one_being_set_up_can_be_cancelled(provider: Provider) -> None:
    with FaultSocketServer([socket_faults.silent(provider.script)], tls=provider.tls) as server:

        async def connect() -> None:
            async with opened(provider.make(server), REQUEST):
                pass

        task = asyncio.create_task(connect())
        async with asyncio.timeout(DEADLINE):
            while not server.requests:  # noqa: ASYNC110  # what it waits for happens in the server's thread
                await asyncio.sleep(0.005)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task


@BOTH
async def test_closing_ends_what_is_being_received_and_may_be_repeated(provider: Provider) -> None:
    async with connected(provider, socket_faults.silent(provider.script, after=provider.asked)) as (connection, _):
        await connection.send_content(types.UserContent("Hi"))
        receiving = asyncio.create_task(all_of(connection))
        await asyncio.sleep(0.05)
        await connection.close()
        assert await receiving == []
        await connection.close()
        assert await all_of(connection) == []
        with pytest.raises(errors.ModelConnectionError):
            await connection.send_content(types.UserContent("Anybody?"))
        with pytest.raises(errors.ModelConnectionError):
            await connection.send_realtime(types.Blob(data=SOUND, mime_type="audio/pcm;rate=24000"))
        with pytest.raises(errors.ModelConnectionError):
            await connection.send_history([types.UserContent("Hi")])


async def all_of(connection: BaseLlmConnection) -> list[LlmResponse]:
    return [response async for response in connection.receive()]


@BOTH
async def test_one_task_sends_while_another_receives(provider: Provider) -> None:
    sound = types.Blob(data=SOUND * 50, mime_type="audio/pcm;rate=24000")
    script = socket_faults.dripping(provider.script, seconds=0.01)
    script = socket_faults.closed(script, 1000, after=len(script.messages))

    async def speak(connection: BaseLlmConnection) -> None:
        while True:
            await connection.send_realtime(sound)
            await asyncio.sleep(0.001)

    async with connected(provider, script) as (connection, _):
        await connection.send_content(types.UserContent("Hi"))
        speaking = asyncio.create_task(speak(connection))
        assert given(await all_of(connection)).text == "Hello there"
        with pytest.raises(errors.ModelConnectionError):
            await speaking


@BOTH
async def test_an_error_of_the_users_code_is_the_users(provider: Provider) -> None:
    with pytest.raises(ZeroDivisionError):
        async with connected(provider, provider.script):
            _ = 1 / 0


async def test_a_model_without_live_connections_says_so() -> None:
    with pytest.raises(errors.ModelError, match="ScriptedModel has no live connection"):
        ScriptedModel(["Hi"]).connect(REQUEST)
