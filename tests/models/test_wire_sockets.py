# SPDX-License-Identifier: Apache-2.0
"""The servers that replay recorded WebSockets, and those that go wrong, as a bare client meets them."""

import contextlib
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from runwright import errors
from runwright.testing.wire import (
    Comparison,
    FaultSocketServer,
    LoopbackSocketServer,
    SocketScript,
    WireMessage,
    WireMismatchError,
    WireSocketServer,
    read_messages,
    socket_faults,
)


def sent(data: Any) -> WireMessage:
    return WireMessage(direction="sent", data=data)


def received(data: Any) -> WireMessage:
    return WireMessage(direction="received", data=data)


def joined(server: LoopbackSocketServer, path: str = "/live") -> ClientConnection:
    return connect(f"{server.url.replace('http', 'ws')}{path}", close_timeout=1)


def say(client: ClientConnection, data: Any) -> None:
    client.send(json.dumps(data))


def hear(client: ClientConnection) -> Any:
    return json.loads(client.recv(timeout=5))


TALK = [received({"hello": 1}), sent({"ask": 1}), received({"a": 1}), received({"b": 2}), sent({"ask": 2})]


def test_a_conversation_is_replayed_in_its_order() -> None:
    with WireSocketServer(TALK) as server, joined(server, "/live?key=1") as client:
        assert hear(client) == {"hello": 1}
        with pytest.raises(TimeoutError):
            client.recv(timeout=0.05)
        say(client, {"ask": 1})
        assert [hear(client), hear(client)] == [{"a": 1}, {"b": 2}]
        say(client, {"ask": 2})
    assert server.requests[0].target == "/live?key=1"


def test_what_is_sent_may_come_before_it_is_waited_for() -> None:
    with WireSocketServer(TALK) as server, joined(server) as client:
        for number in (1, 2):
            say(client, {"ask": number})
        assert [hear(client) for _ in range(3)] == [{"hello": 1}, {"a": 1}, {"b": 2}]


def misbehaves(messages: list[WireMessage], act: Callable[[ClientConnection], None], **settings: Any) -> str:
    """What the server has to say about a client."""
    with (
        pytest.raises(WireMismatchError) as raised,
        WireSocketServer(messages, **settings) as server,
        joined(server) as client,
    ):
        act(client)
    return str(raised.value)


def test_another_message_is_a_difference_that_is_shown() -> None:
    def act(client: ClientConnection) -> None:
        say(client, {"ask": 9})
        with pytest.raises(ConnectionClosed) as closed:
            client.recv(timeout=5)
            client.recv(timeout=5)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1008

    shown = misbehaves(TALK, act)
    assert '-  "ask": 1' in shown
    assert '+  "ask": 9' in shown


def test_what_was_not_recorded_is_a_difference() -> None:
    def act(client: ClientConnection) -> None:
        for number in (1, 2, 3):
            say(client, {"ask": number})
        with pytest.raises(ConnectionClosed):
            for _ in range(4):
                client.recv(timeout=5)

    assert 'Message 2 was not recorded:\n{\n  "ask": 3' in misbehaves(TALK, act)


def test_a_client_that_leaves_early_is_a_difference() -> None:
    def act(client: ClientConnection) -> None:
        say(client, {"ask": 1})
        for _ in range(3):
            hear(client)

    shown = misbehaves(TALK, act)
    assert shown.startswith("It ended before the client sent message 1:")
    assert '"ask": 2' in shown


def test_a_client_that_says_nothing_is_a_difference() -> None:
    def act(client: ClientConnection) -> None:
        with pytest.raises(ConnectionClosed):
            while True:
                client.recv(timeout=5)

    assert "Nothing came for 0.1 seconds, where this was recorded:" in misbehaves(TALK, act, deadline=0.1)


def test_what_is_no_json_is_a_difference() -> None:
    def act(client: ClientConnection) -> None:
        client.send("{half")
        with pytest.raises(ConnectionClosed):
            while True:
                client.recv(timeout=5)

    assert "Message 0 is no JSON" in misbehaves(TALK, act)


def test_nobody_and_a_second_connection_are_differences() -> None:
    with pytest.raises(WireMismatchError, match="Nobody connected"), WireSocketServer(TALK):
        pass
    with (
        pytest.raises(WireMismatchError, match="A second connection"),
        WireSocketServer([received({})]) as server,
        joined(server) as client,
    ):
        hear(client)
        with pytest.raises(InvalidStatus), joined(server):
            pass


def test_an_error_of_the_test_is_shown_with_the_differences() -> None:
    with pytest.raises(ZeroDivisionError) as raised, WireSocketServer(TALK) as server:
        with joined(server) as client:
            say(client, {"ask": 9})
            with pytest.raises(ConnectionClosed):
                while True:
                    client.recv(timeout=5)
        _ = 1 / 0
    assert '+  "ask": 9' in raised.value.__notes__[0]


def test_spelling_and_numbers_do_not_count_and_the_rest_is_ignored_as_told() -> None:
    recorded = [sent({"client_content": {"turnComplete": True, "data": "-_8=", "n": 1.0, "args": {"my_key": 1}}})]
    said = {"clientContent": {"turn_complete": True, "data": "+/8=", "n": 1, "args": {"my_key": 1}}}
    with WireSocketServer(recorded) as server, joined(server) as client:
        say(client, said)
    with WireSocketServer([sent({"a": {"b": 1}})], Comparison(ignore=["a.b"])) as server, joined(server) as client:
        say(client, {"a": {"b": 2}})
    shown = misbehaves([sent({"args": {"my_key": 1}})], lambda client: say(client, {"args": {"myKey": 1}}))
    assert "myKey" in shown


def answer(call_id: str) -> dict[str, Any]:
    return {"id": call_id, "response": {"output": call_id}}


def output(call_id: str) -> dict[str, Any]:
    return {"type": "conversation.item.create", "item": {"type": "function_call_output", "call_id": call_id}}


def test_answers_of_tools_come_in_any_order_together_or_apart() -> None:
    apart = [sent({"tool_response": {"functionResponses": [answer(name)]}}) for name in "ab"]
    together = {"tool_response": {"functionResponses": [answer("b"), answer("a")]}}
    with WireSocketServer(apart) as server, joined(server) as client:
        say(client, together)
    with WireSocketServer([sent(together)]) as server, joined(server) as client:
        for message in apart:
            say(client, message.data)
    with WireSocketServer([sent(output("a")), sent(output("b")), sent({"go": 1})]) as server, joined(server) as client:
        for message in (output("b"), output("a"), {"go": 1}):
            say(client, message)
    misbehaves([sent(output("a")), sent({"go": 1})], lambda client: say(client, {"go": 1}))


def test_a_recording_is_read(tmp_path: Path) -> None:
    path = tmp_path / "talk.yaml"
    path.write_text(
        "version: 1\ninteractions:\n- {kind: open}\n- {kind: message, direction: received, data: {a: 1}}\n"
        "- {direction: sent, data: {b: é}}\n",
        encoding="utf-8",
    )
    assert read_messages(path) == [received({"a": 1}), sent({"b": "é"})]
    for text in ("5", "a: b", "interactions: [{request: {}, response: {}}]"):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(errors.InputValidationError, match=r"talk\.yaml"):
            read_messages(path)


SCRIPT = SocketScript(messages=[received({"n": 0}), sent({}), received({"n": 1}), received({"n": 2})])


def everything(client: ClientConnection) -> tuple[list[str], int]:
    """What comes until the connection ends, and the code of its end."""
    with contextlib.suppress(ConnectionClosed):
        say(client, {})
    seen: list[str] = []
    while True:
        try:
            seen.append(str(client.recv(timeout=5)))
        except ConnectionClosed as closed:
            return seen, closed.rcvd.code if closed.rcvd is not None else 1006


@pytest.mark.parametrize(
    ("script", "seen", "code"),
    [
        (socket_faults.cut_off(SCRIPT), [], 1006),
        (socket_faults.cut_off(SCRIPT, after=3), ['{"n":0}', '{"n":1}'], 1006),
        (socket_faults.closed(SCRIPT, 1011, "Internal error", after=1), ['{"n":0}'], 1011),
        (socket_faults.closed(SCRIPT, 1008, after=4), ['{"n":0}', '{"n":1}', '{"n":2}'], 1008),
        (
            socket_faults.closed(socket_faults.malformed(SCRIPT, at=2), 1000, after=4),
            ['{"n":0}', '{"half": ', '{"n":1}'],
            1000,
        ),
        (
            socket_faults.closed(socket_faults.dripping(SCRIPT, seconds=0.001), 1000, after=4),
            ['{"n":0}', '{"n":1}', '{"n":2}'],
            1000,
        ),
    ],
)
def test_faults_look_as_they_do_at_a_provider(script: SocketScript, seen: list[str], code: int) -> None:
    with FaultSocketServer([script]) as server:
        for _ in range(2):  # the last script again and again
            with joined(server) as client:
                assert everything(client) == (seen, code)


def test_a_refusal_is_an_answer_of_http() -> None:
    refused = socket_faults.refused(429, {"error": {"message": "Slow"}}, headers={"retry-after": "3"})
    with FaultSocketServer([refused]) as server, pytest.raises(InvalidStatus) as raised, joined(server):
        pass
    response = raised.value.response
    assert (response.status_code, response.headers["retry-after"]) == (429, "3")
    assert json.loads(response.body or b"") == {"error": {"message": "Slow"}}


def test_silence_lasts_until_the_server_goes() -> None:
    with FaultSocketServer([socket_faults.silent(SCRIPT, after=1)]) as server, joined(server) as client:
        assert hear(client) == {"n": 0}
        say(client, {"anybody": "there"})
        with pytest.raises(TimeoutError):
            client.recv(timeout=0.05)
        waiting = threading.Thread(target=server.stop)
        waiting.start()
        with pytest.raises(ConnectionClosed):
            client.recv(timeout=5)
        waiting.join()


def test_a_server_speaks_tls_with_those_who_trust_it() -> None:
    with (
        WireSocketServer([received({"n": 1})], tls=True) as server,
        connect(server.url.replace("https", "wss"), ssl=server.client_ssl()) as client,
    ):
        assert hear(client) == {"n": 1}


def test_a_server_without_scripts_or_outside_of_its_block_is_an_error() -> None:
    with pytest.raises(errors.ConfigurationError):
        FaultSocketServer([])
    with pytest.raises(errors.ConfigurationError, match="with block"):
        _ = FaultSocketServer([SCRIPT]).url
