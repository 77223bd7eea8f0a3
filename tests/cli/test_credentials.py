# SPDX-License-Identifier: Apache-2.0
"""Credentials that tools ask for, given at a terminal."""

from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from tests.cli.conftest import Command, Start

AGENT = """
from runwright import Agent, AuthConfig, AuthCredential
from runwright.testing import FunctionModel, call

OAUTH = AuthConfig(
    auth_scheme={"type": "oauth2", "flows": {"authorizationCode": {
        "authorizationUrl": "https://as.example/authorize", "tokenUrl": "https://as.example/token", "scopes": {}}}},
    raw_auth_credential=AuthCredential(auth_type="oauth2", oauth2={"client_id": "me", "client_secret": "ours"}),
)
KEY = AuthConfig(auth_scheme={"type": "apiKey", "in": "header", "name": "X-Key"}, credential_key="pets")

async def calendar(tool_context) -> str:
    "Needs consent."
    given = tool_context.get_auth_response(OAUTH)
    if given is None:
        tool_context.request_credential(OAUTH)
        return "waiting"
    return f"a code of {len(given.oauth2['auth_code'])} letters"

async def pets(tool_context) -> str:
    "Needs a key."
    given = tool_context.get_auth_response(KEY)
    if given is None:
        tool_context.request_credential(KEY)
        return "waiting"
    return f"a key of {len(given.api_key)} letters"

def answer(request):
    last = request.contents[-1].parts[0]
    return f"It said: {last.function_response.response}" if last.function_response else call(last.text)

root_agent = Agent(name="asks", model=FunctionModel(answer), tools=[calendar, pets])
"""


def test_a_url_is_shown_and_where_it_leads_is_pasted(folder: Path, terminal: Start) -> None:
    (folder / "asks.py").write_text(AGENT)
    talk = terminal("run", "asks.py", "calendar", columns=400)
    shown = talk.wait_for("sends you to")
    url = next(line for line in shown.splitlines() if line.startswith("https://as.example/authorize"))
    (state,) = parse_qs(urlsplit(url.strip()).query)["state"]
    talk.type(f"https://app.example/back?code=s3cret&state={state}\r")
    talk.wait_for("a code of 6 letters")
    assert talk.end() == 0


def test_a_key_is_typed_and_not_shown(folder: Path, terminal: Start) -> None:
    (folder / "asks.py").write_text(AGENT)
    talk = terminal("run", "asks.py", "pets")
    talk.wait_for("API key (empty for no)")
    talk.type("s3cret\r")
    shown = talk.wait_for("a key of 6 letters")
    assert "s3cret" not in shown
    assert talk.end() == 0


def test_nothing_typed_is_a_no(folder: Path, terminal: Start) -> None:
    (folder / "asks.py").write_text(AGENT)
    talk = terminal("run", "asks.py", "calendar")
    talk.wait_for("sends you to")
    talk.type("\r")
    talk.wait_for("did not give the credential")
    assert talk.end() == 0


def test_without_a_terminal_it_says_what_to_do(folder: Path, command: Command) -> None:
    (folder / "asks.py").write_text(AGENT)
    done = command("run", "asks.py", "calendar")
    assert done.returncode == 1
    assert "Run it on a terminal" in done.stderr
