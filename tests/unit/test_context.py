# SPDX-License-Identifier: Apache-2.0
"""What callbacks and tools get."""

import pytest

from runwright import (
    Agent,
    AuthConfig,
    CallbackContext,
    InMemoryArtifactService,
    InMemoryCredentialService,
    InMemoryMemoryService,
    InvocationContext,
    ReadonlyContext,
    RunConfig,
    Session,
    ToolContext,
    types,
)
from runwright.errors import ConfigurationError, InputValidationError
from runwright.memory import MemoryEntry


def invocation(**services):
    session = Session(id="s", app_name="app", user_id="u", state={"a": 1})
    return InvocationContext(
        agent=Agent(name="agent"),
        session=session,
        user_content=types.UserContent("hi"),
        invocation_id="i",
        branch="b",
        **services,
    )


def test_what_can_be_read():
    ctx = invocation(run_config=RunConfig(labels={"x": "y"}))
    for context in (ReadonlyContext(ctx), CallbackContext(ctx)):
        assert (context.agent_name, context.app_name, context.user_id, context.invocation_id) == (
            "agent",
            "app",
            "u",
            "i",
        )
        assert (context.user_content, context.session.id, context.branch) == (types.UserContent("hi"), "s", "b")
        assert context.run_config.labels == {"x": "y"} and context.state["a"] == 1


def test_state_is_written_only_where_it_may_be():
    ctx = invocation()
    with pytest.raises(TypeError):
        ReadonlyContext(ctx).state["b"] = 2
    context = CallbackContext(ctx)
    context.state["b"] = 2
    assert context.actions.state_delta == {"b": 2} and ReadonlyContext(ctx).state["b"] == 2
    assert context.state is context.state and CallbackContext(ctx).state.has_delta() is False


def test_an_idempotency_key_is_of_one_call():
    ctx = invocation()
    keys = {ToolContext(ctx, function_call_id=one).idempotency_key for one in ("x", "y", "x")}
    assert keys == {"i:x", "i:y"}


async def test_files():
    context = CallbackContext(invocation(artifact_service=InMemoryArtifactService()))
    assert await context.save_artifact("f", types.Part(text="0")) == 0
    assert await context.save_artifact("f", {"text": "1"}, custom_metadata={"m": 1}) == 1
    assert await context.save_artifact("user:g", types.Part(text="g")) == 0
    assert context.actions.artifact_delta == {"f": 1, "user:g": 0}
    assert [(await context.load_artifact("f", version)).text for version in (None, 0, 1)] == ["1", "0", "1"]
    assert await context.load_artifact("none") is None
    assert sorted(await context.list_artifacts()) == ["f", "user:g"]
    assert (await context.get_artifact_version("f")).custom_metadata == {"m": 1}


async def test_memory():
    context = CallbackContext(invocation(memory_service=InMemoryMemoryService()))
    entry = MemoryEntry(content=types.UserContent("green tea"), author="user")
    await context.add_memory(memories=[entry])
    found = (await context.search_memory("tea")).memories
    assert [types.text_of(one.content) for one in found] == ["green tea"]
    await context.add_session_to_memory()


async def test_credentials():
    context = CallbackContext(invocation(credential_service=InMemoryCredentialService()))
    assert await context.load_credential(AuthConfig(credential_key="k")) is None


@pytest.mark.parametrize(
    ("use", "named"),
    [
        (lambda it: it.save_artifact("f", types.Part(text="x")), "artifact_service"),
        (lambda it: it.search_memory("x"), "memory_service"),
        (lambda it: it.load_credential(AuthConfig(credential_key="k")), "credential_service"),
    ],
)
async def test_a_service_that_is_not_there_is_named(use, named):
    with pytest.raises(ConfigurationError, match=named):
        await use(CallbackContext(invocation()))


async def test_an_agent_runs_only_inside_a_run():
    with pytest.raises(InputValidationError, match="Runner"):
        await CallbackContext(invocation()).run_agent(Agent(name="x"), types.UserContent("hi"))


def test_a_context_of_another_agent_shares_the_run():
    ctx = invocation()
    twin = ctx.model_copy(update={"agent": Agent(name="other"), "branch": "c"})
    assert (twin.agent.name, twin.branch, ctx.agent.name, ctx.branch) == ("other", "c", "agent", "b")
    twin.end_invocation = True
    assert ctx.end_invocation and twin.session is ctx.session and twin.ledger is ctx.ledger
