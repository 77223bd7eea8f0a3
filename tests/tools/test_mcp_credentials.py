# SPDX-License-Identifier: Apache-2.0
"""McpToolset with credentials: an MCP server in a process of its own, behind an authorization server on loopback."""

import hashlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from runwright import AuthCredential
from runwright.errors import ConfigurationError
from runwright.tools.mcp import McpToolset, StdioConnectionParams, StdioServerParameters, StreamableHTTPConnectionParams
from tests.tools.authorization_server import AuthorizationServer
from tests.tools.test_oauth import CLIENT, server, talk

pytest.importorskip("mcp", reason="the extra mcp is not installed")

__all__ = ["server", "talk"]

PROGRAM = Path(__file__).with_name("mcp_guarded_server.py")
BEARER = {"type": "http", "scheme": "bearer"}


@pytest.fixture
def url(server: AuthorizationServer) -> Iterator[Callable[..., str]]:
    """Starts servers; gives their URLs."""
    started: list[subprocess.Popen[str]] = []

    def start(*options: str) -> str:
        command = [sys.executable, str(PROGRAM), server.url, *options]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        return f"http://127.0.0.1:{int(started[-1].stdout.readline())}/mcp"

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


def toolset(url: str, **options: Any) -> McpToolset:
    return McpToolset(connection_params=StreamableHTTPConnectionParams(url=url), **options)


def told(token: str) -> str:
    return hashlib.sha256(f"Bearer {token}".encode()).hexdigest()


def texts(answers: list[Any]) -> list[str]:
    return [answer["content"][0]["text"] for answer in answers]


async def test_the_programs_bearer_token(talk, server, url):
    server.tokens["ours"] = ""
    http = {"scheme": "bearer", "credentials": {"token": "ours"}}
    one = talk(toolset(url(), auth_scheme=BEARER, auth_credential=AuthCredential(auth_type="http", http=http)))
    assert texts(await one.say("token")) == [told("ours")]


async def test_an_api_key_in_a_header_goes_beside_provided_ones(talk, server, url):
    server.tokens["ours"] = ""
    scheme = {"type": "apiKey", "in": "header", "name": "Authorization"}
    tools = toolset(
        url(),
        auth_scheme=scheme,
        auth_credential={"authType": "apiKey", "apiKey": "Bearer ours"},
        header_provider=lambda context: {"x-more": "1"},
    )
    assert texts(await talk(tools).say("token")) == [told("ours")]


async def test_a_call_asks_each_user_for_consent(talk, server, url):
    one = talk(toolset(url("calls"), auth_scheme=server.scheme(), auth_credential=CLIENT))
    assert await one.say("token") == []
    (first,) = texts(await one.consent())
    assert texts(await one.say("token", session="another")) == [first]
    assert await one.say("token", user="v") == []
    (second,) = texts(await one.consent(user="v"))
    assert first != second
    assert {first, second} == set(map(told, server.tokens))
    server.tokens.clear()
    (renewed,) = texts(await one.say("token"))
    assert renewed in map(told, server.tokens)
    server.revoke()
    assert await one.say("token") == [] and len(one.asked) == 1
    for secret in server.secrets:
        assert secret not in await one.log() + await one.log("v") + "".join(one.sent)


async def test_a_server_that_lists_nothing_without_a_credential(talk, server, url):
    options = {"auth_scheme": server.scheme(), "auth_credential": CLIENT}
    one = talk(toolset(url(), **options, tool_name_prefix="it", tool_filter=["token"]))
    assert await one.say("it_authorize") == []
    assert await one.consent() == [{"status": "The user has given access."}]
    assert texts(await one.say("it_token"))[0] in map(told, server.tokens)
    server.revoke()
    assert await one.say("it_authorize") == []
    await one.consent()
    assert texts(await one.say("it_token"))[0] in map(told, server.tokens)


async def test_a_user_who_gives_no_access(talk, server, url):
    server.says_no = True
    one = talk(toolset(url(), auth_scheme=server.scheme(), auth_credential=CLIENT))
    assert await one.say("authorize") == []
    assert await one.consent() == [{"error": "The authorization server said: access_denied"}]


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"auth_scheme": {"type": "apiKey", "in": "query", "name": "key"}}, "header"),
        ({"auth_credential": CLIENT}, "auth_scheme"),
        ({"auth_scheme": {"in": "header"}}, "type"),
    ],
)
def test_what_does_not_fit_is_named(options, named):
    with pytest.raises(ConfigurationError, match=named):
        toolset("http://127.0.0.1:9/mcp", **options)


def test_a_server_over_stdio_gets_no_credentials():
    command = StdioConnectionParams(server_params=StdioServerParameters(command="true"))
    with pytest.raises(ConfigurationError, match="env"):
        McpToolset(connection_params=command, auth_scheme=BEARER)
