# SPDX-License-Identifier: Apache-2.0
"""Exchanges with Claude of all kinds, written by hand after its API's documentation, replay as recordings do."""

from typing import Any

import pytest

from runwright.testing.wire import Exchange, WireAnswer, WireMismatchError, WireRequest, json_answer, sse_answer
from tests.models.claude import answer, events_of, failing, message, streamed, text, use
from tests.models.claude_replay import check, conversations

SYSTEM = {"system": "You are helpful."}
LOOK = {
    "name": "look",
    "description": "Looks.",
    "input_schema": {"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]},
}
TREE = {
    "name": "plant",
    "description": "",
    "input_schema": {
        "type": "object",
        "$defs": {
            "Node": {"type": "object", "properties": {"next": {"anyOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}]}}}
        },
        "properties": {"root": {"$ref": "#/$defs/Node"}},
        "required": ["root"],
        "additionalProperties": False,
    },
}
THOUGHT = {"type": "thinking", "thinking": "Let me look.", "signature": "EqEECkYICxgCKkAo+/=="}
REDACTED = {"type": "redacted_thinking", "data": "EmwKAhgBEgy3va3pzix/LafPsn4aDFIT2Xlxh0L5L8rLVyIw=="}
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw=="}}
MARK = {"cache_control": {"type": "ephemeral"}}
SEARCH = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "x"}}
FOUND = {
    "type": "web_search_tool_result",
    "tool_use_id": "srvtoolu_1",
    "content": [{"type": "web_search_result", "title": "R", "url": "https://example.com", "encrypted_content": "E=="}],
}
FORM = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False}


def user(*blocks: Any) -> dict[str, Any]:
    return {"role": "user", "content": blocks[0] if isinstance(blocks[0], str) else list(blocks)}


def said(*blocks: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": list(blocks)}


def result(content: Any, call_id: str = "toolu_1", **more: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": call_id, "content": content, **more}


def exchange(messages: list[Any], given: WireAnswer, path: str = "/v1/messages?beta=true", **body: Any) -> Exchange:
    head = {"max_tokens": 1024, "model": "claude-sonnet-4-5", "stream": False}
    if "count_tokens" in path:
        head = {"model": "claude-sonnet-4-5"}
    return Exchange(
        request=WireRequest(method="POST", target=path, body=json_body({**head, **body, "messages": messages})),
        answer=given,
    )


def json_body(body: Any) -> bytes:
    return json_answer(body).body


def asking(*messages: Any, **body: Any) -> list[Exchange]:
    """One request that is answered with a word."""
    return [exchange([user("Hi"), *messages] if not messages else list(messages), answer(text("Yes.")), **body)]


def loop(*called: Any, results: list[Any], **body: Any) -> list[Exchange]:
    """Tools are called, and answer."""
    asked = [user(text("Where is it?"))]
    make = streamed if body.get("stream") else answer
    back = [*asked, said(*called), user(*results)]
    return [exchange(asked, make(*called, stop="tool_use"), **body), exchange(back, make(text("There.")), **body)]


HISTORY = [user("Hi"), said(text("Hello.")), user(text("Look"), IMAGE)]
CALLED = [user("Hi"), said(text("I look."), use("look", place="box"), use("look", "toolu_2", place="bag"))]

EXCHANGES: dict[str, list[Exchange]] = {
    "text": asking(**SYSTEM),
    "no stream is said": asking(stream=None),
    "history": asking(*HISTORY),
    "history of calls": asking(*CALLED, user(result("a cat"), result("none", "toolu_2", is_error=True)), tools=[LOOK]),
    "results and words": asking(*CALLED, user(result("a"), result("b", "toolu_2"), text("Go on")), tools=[LOOK]),
    "files as results": asking(
        *CALLED, user(result([text("See"), IMAGE]), result([text("b")], "toolu_2")), tools=[LOOK]
    ),
    "result without content": asking(
        user("Hi"), said(use("look", place="a")), user({"type": "tool_result", "tool_use_id": "toolu_1"}), tools=[LOOK]
    ),
    "two messages of the user": asking(user("Hi"), user("there")),
    "system blocks": asking(system=[text("You are"), text("helpful.")]),
    "cached system blocks": asking(system=[text("You are"), {**text("helpful."), **MARK}]),
    "one cached system block": asking(system=[{**text("You are"), **MARK}], tools=[{**LOOK, **MARK}]),
    "cached messages": asking(user({**text("Hi"), **MARK}, text("there"))),
    "cached last message": asking(*HISTORY[:2], user(text("Hi"), {**IMAGE, **MARK})),
    "cached by itself": asking(cache_control={"type": "ephemeral", "ttl": "1h"}),
    "cached in a loop": loop(use("look", place="a"), results=[result("b")], tools=[{**LOOK, **MARK}]),
    "image by its address": asking(
        user({"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}})
    ),
    "image by its id": asking(user({"type": "image", "source": {"type": "file", "file_id": "file_1"}}), betas=None),
    "documents": asking(
        user(
            {
                "type": "document",
                "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERg=="},
                "title": "A",
            },
            {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "words"}},
            {
                "type": "document",
                "source": {"type": "url", "url": "https://example.com/a.pdf"},
                "citations": {"enabled": True},
            },
            {"type": "document", "source": {"type": "file", "file_id": "file_2"}, "context": "old"},
            text("What is this?"),
        )
    ),
    "search results and uploads": asking(
        user(
            {"type": "search_result", "source": "https://e.com", "title": "T", "content": [text("b")]},
            {"type": "container_upload", "file_id": "file_3"},
            text("What is this?"),
        )
    ),
    "settings": asking(
        temperature=0.5, top_k=3, stop_sequences=["END"], service_tier="auto", metadata={"user_id": "u"}, speed="fast"
    ),
    "form": asking(output_config={"format": {"type": "json_schema", "schema": FORM}}),
    "form of old": asking(output_format={"type": "json_schema", "schema": FORM}),
    "form and effort": asking(
        output_config={"format": {"type": "json_schema", "schema": FORM}, "effort": "low"}, model="claude-opus-4-6"
    ),
    "tool must be called": asking(tools=[LOOK, TREE], tool_choice={"type": "any"}),
    "one tool must be called": asking(tools=[LOOK, TREE], tool_choice={"type": "tool", "name": "plant"}),
    "no tool may be called": asking(tools=[LOOK], tool_choice={"type": "none"}),
    "one at a time": asking(tools=[LOOK], tool_choice={"type": "auto", "disable_parallel_tool_use": True}),
    "one at a time, forced": asking(tools=[LOOK], tool_choice={"type": "any", "disable_parallel_tool_use": True}),
    "several at a time": asking(tools=[LOOK], tool_choice={"type": "auto", "disable_parallel_tool_use": False}),
    "strict tools": asking(tools=[{**LOOK, "strict": True}, {**TREE, "type": "custom", "defer_loading": True}]),
    "loop": loop(text("I look."), use("look", place="box"), results=[result("a cat")], tools=[LOOK], **SYSTEM),
    "parallel": loop(
        use("look", place="box"),
        use("plant", "toolu_2", root={}),
        results=[result("a"), result("b", "toolu_2")],
        tools=[LOOK, TREE],
    ),
    "error of a tool": loop(use("look", place="x"), results=[result("No such place.", is_error=True)], tools=[LOOK]),
    "json of a tool": loop(use("look", place="x"), results=[result('{"a": 1,"b":[]}')], tools=[LOOK]),
    "client's memory": loop(
        use("memory", command="view", path="/memories"),
        results=[result("empty")],
        tools=[{"type": "memory_20250818", "name": "memory"}],
    ),
    "strict loop": loop(use("look", place="x"), results=[result("a")], tools=[{**LOOK, "strict": True}]),
    "streamed loop": loop(
        THOUGHT,
        REDACTED,
        text("I look."),
        use("look", place="box"),
        results=[result("a cat")],
        tools=[LOOK],
        stream=True,
        thinking={"type": "enabled", "budget_tokens": 1024},
        max_tokens=4096,
    ),
    "adaptive": loop(
        THOUGHT,
        use("look", place="b"),
        results=[result("c")],
        tools=[LOOK],
        thinking={"type": "adaptive"},
        model="claude-opus-4-6",
    ),
    "thoughts shown": asking(thinking={"type": "adaptive", "display": "summarized"}, model="claude-opus-4-7"),
    "no thoughts": asking(thinking={"type": "disabled"}),
    "web search": [
        exchange(
            [user("x?")],
            answer(text("I search."), SEARCH, FOUND, text("It is.")),
            tools=[{"type": "web_search_20250305", "name": "web_search", "max_uses": 2}],
        ),
        exchange(
            [user("x?"), said(text("I search."), SEARCH, FOUND, text("It is.")), user("Sure?")],
            answer(text("Yes.")),
            tools=[{"type": "web_search_20250305", "name": "web_search", "max_uses": 2}],
        ),
    ],
    "paused": [
        exchange(
            [user("x?")],
            answer(SEARCH, stop="pause_turn"),
            tools=[{"type": "web_search_20250305", "name": "web_search"}],
        ),
        exchange(
            [user("x?"), said(SEARCH)],
            answer(FOUND, text("It is.")),
            tools=[{"type": "web_search_20250305", "name": "web_search"}],
        ),
    ],
    "mcp": asking(
        mcp_servers=[{"type": "url", "url": "https://example.com/mcp", "name": "m"}],
        tools=[{"type": "mcp_toolset", "mcp_server_name": "m"}],
    ),
    "container": asking(
        container={"skills": [{"type": "anthropic", "skill_id": "pptx", "version": "latest"}]},
        tools=[{"type": "code_execution_20250825", "name": "code_execution"}],
    ),
    "refused": [exchange([user("x?")], answer(stop="refusal"))],
    "refused in a stream": [exchange([user("x?")], streamed(text("I"), stop="refusal"), stream=True)],
    "cut off": [exchange([user("x?")], answer(text("I"), stop="max_tokens"), max_tokens=1)],
    "cut off call": [
        exchange(
            [user("x?")], streamed(text("I"), use("look", place="b"), stop="max_tokens"), tools=[LOOK], stream=True
        )
    ],
    "stopped": [
        exchange([user("x?")], json_answer({**message(text("I"), stop="stop_sequence"), "stop_sequence": "END"}))
    ],
    "cached tokens": [
        exchange(
            [user("x?")], answer(text("I"), usage={"cache_read_input_tokens": 5, "cache_creation_input_tokens": 2})
        )
    ],
    "empty": [exchange([user("x?")], answer())],
    "busy": [
        exchange([user("x?")], json_answer(failing("overloaded_error", "Overloaded"), status=529)),
        exchange(
            [user("x?")], json_answer(failing("rate_limit_error", "Slow"), status=429, headers={"retry-after": "60"})
        ),
        exchange([user("x?")], answer(text("Yes."))),
    ],
    "broken stream": [
        exchange(
            [user("x?")],
            sse_answer(
                [
                    *events_of(message(text("Hello")))[:4],
                    b"event: error\ndata: " + json_body(failing("overloaded_error", "Overloaded")) + b"\n\n",
                ]
            ),
            stream=True,
        )
    ],
    "counted": [
        exchange(
            [user("x?")],
            json_answer({"input_tokens": 12}),
            "/v1/messages/count_tokens?beta=true",
            tools=[LOOK],
            **SYSTEM,
        )
    ],
    "several conversations": [
        *asking(),
        *asking(user("Other"), **SYSTEM),
        *asking(user("Hi"), model="claude-haiku-4-5"),
    ],
    "no body at the end": [
        exchange([user("x?")], WireAnswer(status=500, headers={"content-type": "application/json"}))
    ],
}


@pytest.mark.parametrize("name", EXCHANGES)
async def test_an_exchange_replays(name: str) -> None:
    await check(EXCHANGES[name])


@pytest.mark.parametrize("status", [400, 401, 403, 404, 408, 409, 413, 422, 429, 500, 503, 504, 529])
async def test_a_failure_in_the_middle_replays(status: int) -> None:
    first, second = loop(use("look", place="box"), results=[result("a cat")], tools=[LOOK])
    broken = json_answer(failing("some_error", "It went wrong"), status=status, headers={"retry-after": "0"})
    await check([first, Exchange(request=second.request, answer=broken)])


def test_conversations_are_told_apart() -> None:
    told = conversations([*EXCHANGES["parallel"], *EXCHANGES["paused"], *EXCHANGES["web search"], *EXCHANGES["busy"]])
    assert [len(one.exchanges) for one in told] == [2, 2, 2, 3]


async def test_what_cannot_be_sent_is_shown() -> None:
    backwards = [user(text("Look"), result("a cat")), said(text("I")), user("?")]
    with pytest.raises(WireMismatchError, match="recorded"):
        await check(asking(*backwards))


async def test_what_we_never_ask_is_skipped_with_its_address() -> None:
    batch = [exchange([user("x?")], json_answer({}), "/v1/messages/batches")]
    with pytest.raises(pytest.skip.Exception, match="POST /v1/messages/batches"):
        await check(batch)


async def test_a_prefill_is_skipped_with_its_reason() -> None:
    with pytest.raises(pytest.skip.Exception, match="prefill"):
        await check(asking(user("Hi"), said(text("{"))))
