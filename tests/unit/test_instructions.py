# SPDX-License-Identifier: Apache-2.0
"""Texts with places for state and files."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runwright import Agent, InMemoryArtifactService, InvocationContext, ReadonlyContext, Session, types
from runwright.errors import ConfigurationError, TemplateError
from runwright.instruction import inject_session_state, instruction_text


def context(state=None, artifacts=None):
    session = Session(id="s", app_name="app", user_id="u", state=state or {})
    return ReadonlyContext(InvocationContext(agent=Agent(name="a"), session=session, artifact_service=artifacts))


@pytest.mark.parametrize(
    ("template", "filled"),
    [
        ("{a}{b}", "12"),
        ("{{a}}", "1"),
        ("{ a }{a }", "11"),
        ("{a}\n{b?}\n{c?}", "1\n2\n"),
        ("{user:x} {app:x} {temp:x?}", "U A "),
        ('{"key": "{a}"}', '{"key": "1"}'),
        ("{a:b} {a?b} {?} {a.b} {a b} {é}", "{a:b} {a?b} {?} {a.b} {a b} {é}"),
        ("{", "{"),
        ("}{", "}{"),
        ("", ""),
    ],
)
async def test_places(template, filled):
    assert await inject_session_state(template, context({"a": 1, "b": 2, "user:x": "U", "app:x": "A"})) == filled


@given(st.text())
def test_text_without_braces_stays(text):
    filling = inject_session_state(text.replace("{", ""), context())
    with pytest.raises(StopIteration) as done:
        filling.send(None)
    assert done.value.value == text.replace("{", "")


async def test_a_missing_value_is_a_key_error_that_says_what_to_do():
    with pytest.raises(
        TemplateError, match=r"'a' names state 'b', which is not set: set it, or write \{b\?\}"
    ) as raised:
        await inject_session_state("{b}", context({"a": 1}))
    assert isinstance(raised.value, KeyError)


async def test_files():
    artifacts = InMemoryArtifactService()
    key = {"app_name": "app", "user_id": "u", "session_id": "s"}
    await artifacts.save_artifact(**key, filename="a file.txt", artifact=types.Part(text="{x} text"))
    await artifacts.save_artifact(
        **key, filename="bytes", artifact=types.Part.from_bytes(data=b"caf\xc3\xa9 \xff", mime_type="m")
    )
    await artifacts.save_artifact(**key, filename="uri", artifact=types.Part.from_uri(file_uri="u"))
    template = "{artifact.a file.txt}|{artifact.bytes}|{artifact.uri}|{artifact.none?}"
    assert await inject_session_state(template, context(artifacts=artifacts)) == "{x} text|café \ufffd||"
    with pytest.raises(TemplateError, match=r"none\.txt"):
        await inject_session_state("{artifact.none.txt}", context(artifacts=artifacts))
    with pytest.raises(ConfigurationError, match="artifact_service"):
        await inject_session_state("{artifact.x}", context())


async def test_a_function_gives_its_text_as_it_is():
    async def later(readonly):
        return f"{readonly.agent_name} {{a}}"

    for instruction in (later, lambda readonly: f"{readonly.agent_name} {{a}}"):
        assert await instruction_text(instruction, context()) == "a {a}"
    assert await instruction_text("{a}", context({"a": 1})) == "1"
