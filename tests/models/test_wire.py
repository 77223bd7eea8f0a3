# SPDX-License-Identifier: Apache-2.0
"""The loopback servers: what they replay, what they find different, and how their faults look to a client."""

import asyncio
import base64
import gzip
import http.client
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from runwright import errors
from runwright.testing.wire import (
    Comparison,
    Exchange,
    FaultServer,
    LoopbackServer,
    WireAnswer,
    WireMismatchError,
    WireRequest,
    WireServer,
    faults,
    json_answer,
    read_httprr,
    read_recording,
    read_vcr,
    sse_answer,
    sse_events,
)
from tests.models.recordings import recorded


def post(server: LoopbackServer, target: str, body: Any, method: str = "POST") -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=10)
    try:
        connection.request(method, target, body if isinstance(body, bytes) else json.dumps(body))
        response = connection.getresponse()
        headers = {name.lower(): value for name, value in response.getheaders()}
        return response.status, headers, response.read()
    finally:
        connection.close()


def exchange(target: str, body: Any, answer: Any, method: str = "POST") -> Exchange:
    request = WireRequest(method=method, target=target, body=json.dumps(body).encode())
    return Exchange(request=request, answer=json_answer(answer))


def test_what_was_recorded_is_answered() -> None:
    with WireServer([exchange("/v1/ask?b=2&a=1", {"x": 1, "y": [1, 2]}, {"z": 3})]) as server:
        status, headers, body = post(server, "/v1/ask?a=1&b=2", {"y": [1, 2], "x": 1.0})
    assert (status, headers["content-type"], json.loads(body)) == (200, "application/json", {"z": 3})


@pytest.mark.parametrize(
    ("target", "body", "method", "shown"),
    [
        ("/other", {"x": 1}, "POST", "+POST /other"),
        ("/ask?q=1", {"x": 1}, "POST", "+POST /ask?q=1"),
        ("/ask", {"x": 2}, "POST", '+  "x": 2'),
        ("/ask", {"x": 1, "extra": True}, "POST", '+  "extra": true,'),
        ("/ask", {}, "POST", '-  "x": 1'),
        ("/ask", {"x": 1}, "PUT", "+PUT /ask"),
        ("/ask", b"no json", "POST", "+b'no json'"),
    ],
)
def test_what_differs_is_shown(target: str, body: Any, method: str, shown: str) -> None:
    with pytest.raises(WireMismatchError) as raised, WireServer([exchange("/ask", {"x": 1}, {"z": 3})]) as server:
        assert json.loads(post(server, target, body, method)[2]) == {"z": 3}
    assert shown in str(raised.value).splitlines()


def test_what_was_not_recorded_is_refused() -> None:
    refused = pytest.raises(WireMismatchError, match="Request 2 was not recorded: POST /ask")
    with refused, WireServer([exchange("/ask", {}, {})]) as server:
        assert post(server, "/ask", {})[0] == 200
        assert post(server, "/ask", {})[0] == 400


def test_what_was_not_asked_for_is_told() -> None:
    told = pytest.raises(WireMismatchError, match="Not asked for: POST /b")
    with told, WireServer([exchange("/a", {}, {}), exchange("/b", {}, {})]) as server:
        post(server, "/a", {})


def test_requests_side_by_side_come_in_any_order() -> None:
    with WireServer([exchange("/a", {"n": 1}, 1), exchange("/a", {"n": 2}, 2)]) as server:
        assert [json.loads(post(server, "/a", {"n": n})[2]) for n in (2, 1)] == [2, 1]


def test_differences_are_a_note_on_the_error_that_they_caused() -> None:
    with pytest.raises(KeyError) as raised, WireServer([exchange("/a", {"n": 1}, 1)]) as server:
        post(server, "/a", {"n": 2})
        raise KeyError("broken")
    assert any('+  "n": 2' in note for note in raised.value.__notes__)


def test_what_does_not_count_is_left_out() -> None:
    recorded_body = {"tools": [{"name": "f", "strict": True}], "ids": [{"id": "1", "deep": {"id": "2"}}], "key": 1}
    sent_body = {"tools": [{"name": "f"}], "ids": [{"id": "9", "deep": {}}], "key": 1}
    comparison = Comparison(ignore=["tools.*.strict", "ids.**.id"], ignore_query=["key"])
    with WireServer([exchange("/a?key=1", recorded_body, {})], comparison) as server:
        post(server, "/a?key=2", sent_body)


def test_both_sides_are_normalised() -> None:
    lower = Comparison(normalise=lambda body: {name.lower(): value for name, value in body.items()})
    with WireServer([exchange("/a", {"Name": 1}, {})], lower) as server:
        post(server, "/a", {"name": 1})


HTTPRR_REQUEST = b"POST https://host/v1/a?b=c HTTP/1.1\r\nContent-Type: application/json\r\n\r\n" + b'{"n":1}'


def httprr(*responses: bytes) -> bytes:
    trace = b"httprr trace v1\n"
    for response in responses:
        trace += b"%d %d\n" % (len(HTTPRR_REQUEST), len(response)) + HTTPRR_REQUEST + response
    return trace


def test_an_httprr_trace_is_read() -> None:
    plain = b"HTTP/2.0 200 OK\r\nContent-Type: application/json\r\nX-A: b\r\n\r\n{}"
    chunked = b"HTTP/1.1 429 Slow\r\nTransfer-Encoding: chunked\r\nRetry-After: 3\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
    stream = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\r\n\r\ndata: 2\n\ndata: 3"
    first, second, third = read_httprr(httprr(plain, chunked, stream))
    assert (first.request.method, first.request.target, first.request.json()) == ("POST", "/v1/a?b=c", {"n": 1})
    assert (first.answer.status, first.answer.headers["x-a"], first.answer.body) == (200, "b", b"{}")
    assert (second.answer.status, second.answer.headers["retry-after"], second.answer.body) == (429, "3", b"{}")
    assert list(third.answer.chunks) == [b"data: 1\r\n\r\n", b"data: 2\n\n", b"data: 3"]


@pytest.mark.parametrize("data", [b"", b"other\n", httprr(b"HTTP/1.1 200 OK\r\n\r\n")[:-3], b"httprr trace v1\nx y\n"])
def test_a_damaged_trace_is_an_error(data: bytes) -> None:
    with pytest.raises(errors.InputValidationError):
        read_httprr(data)


def test_a_cassette_is_read() -> None:
    text = """
version: 1
interactions:
- request: {method: post, uri: 'https://host/a', headers: {accept: ['*/*']}, parsed_body: {n: 1}}
  response: {status: {code: 200, message: OK}, headers: {content-type: [application/json]}, parsed_body: {z: é}}
- request: {method: GET, uri: 'https://host/b', body: ''}
  response:
    status: {code: 200}
    headers: {content-type: [text/event-stream]}
    body: {string: "data: 1\\n\\ndata: 2\\n\\n"}
"""
    first, second = read_vcr(text)
    assert (first.request.method, first.request.target, first.request.json()) == ("POST", "/a", {"n": 1})
    assert json.loads(first.answer.body) == {"z": "é"}
    assert (second.request.body, list(second.answer.chunks)) == (b"", [b"data: 1\n\n", b"data: 2\n\n"])


@pytest.mark.parametrize("text", ["5", "a: b", "interactions: [{kind: message}]"])
def test_what_is_no_cassette_is_an_error(text: str) -> None:
    with pytest.raises(errors.InputValidationError):
        read_vcr(text)


def test_a_compressed_body_is_replayed_plain(tmp_path: Path) -> None:
    packed = gzip.compress(b'{"a":1}')
    response = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed) + packed
    path = tmp_path / "a.httprr"
    path.write_bytes(httprr(response))
    with WireServer(path) as server:
        status, headers, body = post(server, "/v1/a?b=c", {"n": 1})
    assert (status, body) == (200, b'{"a":1}')
    assert "content-encoding" not in headers


def test_a_file_of_another_kind_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(errors.InputValidationError, match="notes"):
        read_recording(tmp_path / "notes.txt")


@pytest.mark.parametrize("path", recorded("google", "gemini-go", "openai", "openai_responses", "anthropic"))
def test_every_recording_is_read_and_replayed(path: Path) -> None:
    exchanges = read_recording(path)
    assert exchanges
    with WireServer(path) as server:
        for one in exchanges:
            status, _, body = post(server, one.request.target, one.request.body, one.request.method)
            assert (status, body) == (one.answer.status, one.answer.body)


EVENTS = sse_events(b"data: one\n\ndata: two\n\ndata: three\n\n")


def test_faults_look_as_they_do_at_a_provider() -> None:
    answers = [
        faults.rate_limited({"error": 1}, retry_after=2),
        faults.failed(529, {"error": 2}),
        faults.not_json(),
        faults.ended_early(sse_answer(EVENTS), after=1),
        faults.dripping(sse_answer(EVENTS), seconds=0.0, size=3),
        faults.malformed_stream([b'data: {"a": 1}\n\n']),
        faults.empty_stream(),
        faults.empty_body(),
    ]
    with FaultServer(answers) as server:
        got = [post(server, "/", {}) for _ in answers]
        again = post(server, "/", {})
        assert len(server.requests) == 9
    assert [status for status, _, _ in got] == [429, 529, 200, 200, 200, 200, 200, 200]
    assert got[0][1]["retry-after"] == "2"
    assert [body for _, _, body in got[3:]] == [b"data: one\n\n", b"".join(EVENTS), b"data: {\r\n\r\n", b"", b""]
    assert again[2] == b""


@pytest.mark.parametrize("after", range(len(EVENTS) + 1))
def test_a_cut_is_seen_by_the_client(after: int) -> None:
    cut = faults.cut_off(sse_answer(EVENTS), after=after)
    with FaultServer([cut]) as server, pytest.raises(http.client.IncompleteRead) as raised:
        post(server, "/", {})
    assert raised.value.partial == b"".join(EVENTS[:after])


async def test_silence_lasts_until_the_server_goes() -> None:
    server = FaultServer([faults.silent(sse_answer(EVENTS), after=1)])
    with server:
        asking = asyncio.create_task(asyncio.to_thread(post, server, "/", {}))
        while not server.requests:  # noqa: ASYNC110  # what it waits for happens in the server's thread
            await asyncio.sleep(0.005)
        assert not asking.done()
    with pytest.raises(http.client.IncompleteRead):
        await asking


def test_a_server_without_answers_is_an_error() -> None:
    with pytest.raises(errors.ConfigurationError):
        FaultServer([])
    with pytest.raises(errors.ConfigurationError, match="with block"):
        _ = FaultServer([WireAnswer()]).url


def test_a_body_may_be_base64_of_what_was_compressed():
    body = base64.b64encode(gzip.compress(b'{"a": 1}')).decode()
    response = {"status": {"code": 200}, "headers": {"Content-Encoding": ["gzip"]}, "body": {"base64_string": body}}
    cassette = {"interactions": [{"request": {"method": "POST", "uri": "/x", "body": None}, "response": response}]}
    [exchange] = read_vcr(json.dumps(cassette))
    assert exchange.answer.body == b'{"a": 1}'
