# SPDX-License-Identifier: Apache-2.0
"""Exchanges with OpenAI of all kinds, written by hand after its APIs' documentation, replay as recordings do."""

from typing import Any

import msgspec
import pytest

from runwright.testing.wire import Exchange, WireAnswer, WireRequest, json_answer, sse_answer
from tests.models.openai_answers import RESPONSE_USAGE, USAGE, calling, spoken
from tests.models.openai_replay import check, conversations

CHAT, RESPONSES = "/v1/chat/completions", "/v1/responses"
PLACE = {
    "type": "object",
    "properties": {"place": {"type": "string"}},
    "required": ["place"],
    "additionalProperties": False,
}
OPTIONAL = {
    "type": "object",
    "properties": {"place": {"type": "string"}, "deep": {"type": "integer", "default": 1}},
    "required": ["place"],
}
TREE = {
    "type": "object",
    "$defs": {
        "Node": {
            "type": "object",
            "properties": {"next": {"anyOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}]}},
            "required": ["next"],
            "additionalProperties": False,
        }
    },
    "properties": {"root": {"$ref": "#/$defs/Node", "description": "The root."}},
    "required": ["root"],
    "additionalProperties": False,
}
IMAGE, SOUND, PDF = "data:image/png;base64,iVBORw==", "UklGRg==", "data:application/pdf;base64,JVBERg=="
REASONING = {
    "type": "reasoning",
    "id": "rs_1",
    "summary": [{"type": "summary_text", "text": "Hm."}],
    "encrypted_content": "gAAA",
}
FAILURE = {"error": {"message": "It went wrong", "type": "some_error", "param": None, "code": None}}
WORDS = {
    "type": "message",
    "id": "msg_1",
    "role": "assistant",
    "status": "completed",
    "content": [{"type": "output_text", "text": "I look.", "annotations": []}],
}
CALL = {
    "type": "function_call",
    "id": "fc-0",
    "call_id": "call-0",
    "name": "look",
    "arguments": '{"place": "box"}',
    "status": "completed",
}
SEARCH = {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "x"}}


def exchange(path: str, body: Any, given: WireAnswer) -> Exchange:
    sent = json_answer({"model": "gpt-4o", "stream": False, **body}).body
    return Exchange(request=WireRequest(method="POST", target=path, body=sent), answer=given)


def chat(*messages: Any, given: WireAnswer | None = None, path: str = CHAT, **body: Any) -> list[Exchange]:
    shown = [user("Hi"), *messages] if not messages else list(messages)
    return [
        exchange(path, {"messages": shown, **body}, given or spoken("chat", "Yes.", stream=bool(body.get("stream"))))
    ]


def respond(*given: Any, answer: WireAnswer | None = None, path: str = RESPONSES, **body: Any) -> list[Exchange]:
    shown = list(given) or [user("Hi")]
    answer = answer or spoken("responses", "Yes.", stream=bool(body.get("stream")))
    return [exchange(path, {"input": shown, **body}, answer)]


def user(content: Any, *more: Any) -> dict[str, Any]:
    return {"role": "user", "content": [content, *more] if not isinstance(content, str) else content}


def tool(schema: Any, name: str = "look", *, api: str = "chat", **more: Any) -> dict[str, Any]:
    shown = {"name": name, "description": "Looks.", "parameters": schema, **more}
    return {"type": "function", "function": shown} if api == "chat" else {"type": "function", **shown}


def called(*calls: tuple[str, str], content: str | None = None) -> dict[str, Any]:
    shown = [
        {"id": f"call-{at}", "type": "function", "function": {"name": name, "arguments": arguments}}
        for at, (name, arguments) in enumerate(calls)
    ]
    return {"role": "assistant", "content": content, "tool_calls": shown}


def result(content: Any, at: int = 0) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": f"call-{at}", "content": content}


def output(content: Any, at: int = 0) -> dict[str, Any]:
    return {"type": "function_call_output", "call_id": f"call-{at}", "output": content}


def item_of(name: str, arguments: str, at: int = 0) -> dict[str, Any]:
    return {"type": "function_call", "call_id": f"call-{at}", "name": name, "arguments": arguments}


def chat_loop(*calls: tuple[str, str], results: list[str], **body: Any) -> list[Exchange]:
    streams = bool(body.get("stream"))
    back = [user("Hi"), called(*calls), *(result(one, at) for at, one in enumerate(results))]
    first = chat(user("Hi"), given=calling("chat", *calls, stream=streams), **body)
    return [*first, *chat(*back, **body)]


def loop(*calls: tuple[str, str], results: list[str], reasoning: Any = None, **body: Any) -> list[Exchange]:
    streams = bool(body.get("stream"))
    own = [item_of(*call, at) | ({"id": f"fc-{at}"} if reasoning else {}) for at, call in enumerate(calls)]
    back = [user("Hi"), *([reasoning] if reasoning else []), *own, *(output(one, at) for at, one in enumerate(results))]
    answer = calling("responses", *calls, stream=streams, reasoning=reasoning)
    return [*respond(user("Hi"), answer=answer, **body), *respond(*back, **body)]


def completion(message: Any, reason: str = "stop", **more: Any) -> WireAnswer:
    choice = {"index": 0, "finish_reason": reason, "message": {"role": "assistant", "content": None, **message}}
    return json_answer(
        {
            "id": "c",
            "object": "chat.completion",
            "created": 1,
            "model": "gpt-4o",
            "choices": [choice],
            "usage": USAGE,
            **more,
        }
    )


def response(*items: Any, **more: Any) -> WireAnswer:
    return json_answer(
        {
            "id": "resp",
            "object": "response",
            "created_at": 1,
            "model": "gpt-4o",
            "status": "completed",
            "error": None,
            "output": list(items),
            "usage": RESPONSE_USAGE,
            **more,
        }
    )


def chunks(*given: Any) -> WireAnswer:
    return sse_answer(
        [*(b"data: " + msgspec.json.encode({"model": "gpt-4o", **one}) + b"\n\n" for one in given), b"data: [DONE]\n\n"]
    )


def delta(reason: str | None = None, **said: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": said, "finish_reason": reason}]}


def events(*given: Any) -> WireAnswer:
    return sse_answer(
        [f"event: {one['type']}\n".encode() + b"data: " + msgspec.json.encode(one) + b"\n\n" for one in given]
    )


LOOKS = [tool(PLACE)]
LOOKS_HERE = [tool(PLACE, api="responses", strict=True)]

OF_CHAT: dict[str, list[Exchange]] = {
    "text": chat(),
    "no stream is said": chat(stream=None),
    "system messages": chat(
        {"role": "system", "content": "Be"},
        {"role": "developer", "content": [{"type": "text", "text": "kind."}]},
        user("Hi"),
    ),
    "system in the middle": chat(user("Hi"), {"role": "system", "content": "Be kind."}, user("there")),
    "history": chat(user("Hi"), {"role": "assistant", "content": "Hello."}, user("Go on")),
    "history of calls": chat(
        user("Hi"),
        called(("look", '{"place": "a"}'), content="I look."),
        result("b"),
        {"role": "assistant", "content": "b"},
        user("And?"),
        tools=LOOKS,
    ),
    "results are last": chat(
        user("Hi"), called(("look", '{"place": "a"}')), result([{"type": "text", "text": "b"}]), tools=LOOKS
    ),
    "results and words": chat(user("Hi"), called(("look", "{}")), result("b"), user("Go on"), tools=LOOKS),
    "files": chat(
        user(
            {"type": "text", "text": "What is it?"},
            {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
            {"type": "image_url", "image_url": {"url": IMAGE, "detail": "high"}},
            {"type": "input_audio", "input_audio": {"data": SOUND, "format": "wav"}},
            {"type": "file", "file": {"filename": "a.pdf", "file_data": PDF}},
            {"type": "file", "file": {"file_id": "file-1"}},
        )
    ),
    "settings": chat(
        temperature=0.5,
        top_p=0.9,
        seed=1,
        presence_penalty=0.1,
        frequency_penalty=0.2,
        stop=["END"],
        max_completion_tokens=9,
        logprobs=True,
        top_logprobs=2,
        service_tier="flex",
        user="u",
        metadata={"a": "b"},
        prompt_cache_key="k",
        logit_bias={"1": 2},
        prediction={"type": "content", "content": "Hi"},
        store=False,
        verbosity="low",
        safety_identifier="s",
    ),
    "kept": chat(store=True, metadata={"a": "b"}, reasoning_effort="low", model="o4-mini", max_tokens=5),
    "form": chat(
        response_format={"type": "json_schema", "json_schema": {"name": "result", "schema": PLACE, "strict": True}}
    ),
    "loose form": chat(
        response_format={"type": "json_schema", "json_schema": {"name": "result", "schema": OPTIONAL, "strict": False}}
    ),
    "described form": chat(
        response_format={
            "type": "json_schema",
            "json_schema": {"name": "r", "schema": {**PLACE, "title": "R"}, "description": "d"},
        }
    ),
    "any json": chat(response_format={"type": "json_object"}),
    "tools": chat(
        tools=[tool(PLACE, strict=True), tool(OPTIONAL, "dig"), tool(TREE, "plant"), tool(None, "ask")],
        parallel_tool_calls=False,
    ),
    "tool must be called": chat(tools=LOOKS, tool_choice="required"),
    "one tool must be called": chat(tools=LOOKS, tool_choice={"type": "function", "function": {"name": "look"}}),
    "some tools": chat(
        tools=LOOKS,
        tool_choice={
            "type": "allowed_tools",
            "allowed_tools": {"mode": "auto", "tools": [{"type": "function", "function": {"name": "look"}}]},
        },
    ),
    "no tool may be called": chat(tools=LOOKS, tool_choice="none"),
    "custom tools": chat(tools=[{"type": "custom", "custom": {"name": "sql"}}], web_search_options={}),
    "loop": chat_loop(("look", '{"place": "box"}'), results=["a cat"], tools=LOOKS),
    "parallel": chat_loop(("look", '{"place": "box"}'), ("look", '{"place":"bag"}'), results=["a", "b"], tools=LOOKS),
    "tree": chat_loop(("plant", '{"root": {"next": {"next": null}}}'), results=["a"], tools=[tool(TREE, "plant")]),
    "no arguments": chat_loop(("ask", "{}"), results=["{}"], tools=[tool({"type": "object", "properties": {}}, "ask")]),
    "streamed": chat(stream=True, stream_options={"include_usage": True}),
    "streamed loop": chat_loop(
        ("look", '{"place": "box"}'),
        results=["a cat"],
        tools=LOOKS,
        stream=True,
        stream_options={"include_usage": True},
    ),
    "streamed without usage": chat(
        given=chunks(delta(role="assistant", content=""), delta(content="Yes"), delta("stop")), stream=True
    ),
    "streamed in pieces": chat(
        given=chunks(
            delta(
                role="assistant",
                content=None,
                tool_calls=[{"index": 0, "id": "c", "type": "function", "function": {"name": "look", "arguments": ""}}],
            ),
            delta(tool_calls=[{"index": 0, "function": {"arguments": '{"pla'}}]),
            delta(tool_calls=[{"index": 0, "function": {"arguments": 'ce": "a"}'}}]),
            delta("tool_calls"),
            {"choices": [], "usage": USAGE},
        ),
        tools=LOOKS,
        stream=True,
    ),
    "reasoning shown": [
        *chat(given=completion({"content": "Yes.", "reasoning_content": "Hm."}), model="deepseek-reasoner"),
        *chat(
            user("Hi"),
            {"role": "assistant", "content": "Yes.", "reasoning_content": "Hm."},
            user("Sure?"),
            model="deepseek-reasoner",
        ),
    ],
    "refused": chat(given=completion({"refusal": "I cannot."})),
    "refused in a stream": chat(
        given=chunks(delta(refusal="I can"), delta(refusal="not."), delta("stop"), {"choices": [], "usage": USAGE}),
        stream=True,
    ),
    "filtered": chat(given=completion({"content": ""}, "content_filter")),
    "cut off": chat(given=completion({"content": "I"}, "length"), max_completion_tokens=1),
    "logprobs": chat(given=completion({"content": "I"})),
    "without usage": chat(given=completion({"content": "I"}, usage=None)),
    "azure": chat(path="/openai/deployments/gpt-4o/chat/completions?api-version=2024-12-01-preview"),
    "gateway": chat(path="/api/v1/chat/completions", model="meta-llama/llama-3", max_tokens=5),
    "busy": [
        *chat(given=json_answer(FAILURE, status=429, headers={"retry-after": "60"})),
        *chat(given=json_answer(FAILURE, status=503)),
        *chat(),
    ],
    "several": [*chat(), *chat(model="gpt-4.1"), *chat(user("Other"))],
    "broken stream": chat(given=chunks(delta(content="I"), FAILURE), stream=True),
    "no answer": chat(given=WireAnswer(headers={"content-type": "application/json"})),
}

OF_RESPONSES: dict[str, list[Exchange]] = {
    "text": respond(),
    "plain text": [exchange(RESPONSES, {"input": "Hi", "instructions": "Be kind."}, spoken("responses", "Yes."))],
    "system items": respond(
        {"role": "system", "content": "Be"},
        {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "kind."}]},
        user("Hi"),
        instructions="You",
    ),
    "typed message": respond({"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]}),
    "history": respond(user("Hi"), {"role": "assistant", "content": "Hello."}, user("Go on")),
    "history of items": respond(
        user("Hi"), WORDS, CALL, output("a"), {**WORDS, "id": "msg_2"}, user("And?"), tools=LOOKS_HERE
    ),
    "results are last": respond(user("Hi"), CALL, output("a"), tools=LOOKS_HERE),
    "reasoned before": respond(
        user("Hi"),
        REASONING,
        CALL,
        output("a"),
        user("And?"),
        model="gpt-5",
        include=["reasoning.encrypted_content"],
        store=False,
        tools=LOOKS_HERE,
    ),
    "files as results": respond(
        user("Hi"),
        CALL,
        output([{"type": "input_text", "text": "See"}, {"type": "input_image", "image_url": IMAGE, "detail": "auto"}]),
        tools=LOOKS_HERE,
    ),
    "searched before": respond(user("Hi"), SEARCH, WORDS, user("And?"), tools=[{"type": "web_search"}]),
    "files": respond(
        user(
            {"type": "input_text", "text": "What is it?"},
            {"type": "input_image", "image_url": "https://example.com/a.png", "detail": "low"},
            {"type": "input_image", "image_url": IMAGE, "detail": "auto"},
            {"type": "input_image", "file_id": "file-1", "detail": "auto"},
            {"type": "input_file", "filename": "a.pdf", "file_data": PDF},
            {"type": "input_file", "file_url": "https://example.com/a.pdf"},
            {"type": "input_file", "file_id": "file-2"},
        )
    ),
    "settings": respond(
        temperature=0.5,
        top_p=0.9,
        max_output_tokens=9,
        top_logprobs=2,
        service_tier="auto",
        metadata={"a": "b"},
        user="u",
        truncation="auto",
        prompt_cache_key="k",
        prompt_cache_retention="24h",
        include=["message.output_text.logprobs"],
        text={"verbosity": "low"},
        store=False,
        safety_identifier="s",
        max_tool_calls=2,
        background=False,
        parallel_tool_calls=False,
        conversation="conv_1",
    ),
    "reasoning settings": respond(
        model="gpt-5", reasoning={"effort": "low", "summary": "detailed"}, include=["reasoning.encrypted_content"]
    ),
    "more of reasoning": respond(model="gpt-5", reasoning={"effort": "none", "generate_summary": "concise"}),
    "goes on by id": [*respond(), *respond(user("And?"), previous_response_id="resp")],
    "results by id": respond(output("a"), previous_response_id="resp", tools=LOOKS_HERE),
    "form": respond(text={"format": {"type": "json_schema", "name": "Place", "schema": PLACE, "strict": True}}),
    "loose form": respond(
        text={"format": {"type": "json_schema", "name": "Place", "schema": OPTIONAL, "strict": False}}
    ),
    "form and verbosity": respond(text={"format": {"type": "json_object"}, "verbosity": "low"}),
    "any json": respond(text={"format": {"type": "json_object"}}),
    "tools": respond(
        tools=[
            tool(PLACE, api="responses", strict=True),
            tool(OPTIONAL, "dig", api="responses", strict=False),
            tool(TREE, "plant", api="responses"),
        ],
        parallel_tool_calls=True,
    ),
    "provider's tools": respond(
        tools=[
            {"type": "web_search", "search_context_size": "low"},
            {"type": "file_search", "vector_store_ids": ["vs_1"]},
            {"type": "code_interpreter", "container": {"type": "auto"}},
            {"type": "image_generation"},
            {"type": "mcp", "server_label": "m", "server_url": "https://example.com/mcp", "require_approval": "never"},
        ],
        include=["code_interpreter_call.outputs", "web_search_call.action.sources"],
    ),
    "tool must be called": respond(tools=LOOKS_HERE, tool_choice="required"),
    "one tool must be called": respond(tools=LOOKS_HERE, tool_choice={"type": "function", "name": "look"}),
    "provider's tool must be called": respond(tools=[{"type": "web_search"}], tool_choice={"type": "web_search"}),
    "no tool may be called": respond(tools=LOOKS_HERE, tool_choice="none"),
    "loop": loop(("look", '{"place": "box"}'), results=["a cat"], tools=LOOKS_HERE),
    "parallel": loop(("look", '{"place": "box"}'), ("look", '{"place":"bag"}'), results=["a", "b"], tools=LOOKS_HERE),
    "loop with reasoning": loop(
        ("look", '{"place": "box"}'),
        results=["a"],
        reasoning=REASONING,
        tools=LOOKS_HERE,
        model="gpt-5",
        include=["reasoning.encrypted_content"],
        store=False,
    ),
    "streamed": respond(stream=True),
    "streamed loop": loop(
        ("look", '{"place": "box"}'), results=["a"], reasoning=REASONING, tools=LOOKS_HERE, model="gpt-5", stream=True
    ),
    "searched": respond(answer=response(SEARCH, WORDS), tools=[{"type": "web_search"}]),
    "code was run": respond(
        answer=response(
            {
                "type": "code_interpreter_call",
                "id": "ci",
                "code": "1",
                "status": "completed",
                "container_id": "c",
                "outputs": [{"type": "logs", "logs": "1"}],
            },
            WORDS,
        )
    ),
    "image was made": respond(
        answer=response({"type": "image_generation_call", "id": "ig", "status": "completed", "result": "iVBORw=="})
    ),
    "mcp was called": respond(
        answer=response(
            {"type": "mcp_list_tools", "id": "l", "server_label": "m", "tools": []},
            {"type": "mcp_call", "id": "m", "name": "x", "arguments": "{}", "output": "y", "server_label": "m"},
            WORDS,
        )
    ),
    "refused": respond(answer=response({**WORDS, "content": [{"type": "refusal", "refusal": "I cannot."}]})),
    "cut off": respond(answer=response(WORDS, status="incomplete", incomplete_details={"reason": "max_output_tokens"})),
    "filtered": respond(answer=response(WORDS, status="incomplete", incomplete_details={"reason": "content_filter"})),
    "failed": respond(answer=response(status="failed", error={"code": "server_error", "message": "Oh."})),
    "failed in a stream": respond(
        answer=events(
            {"type": "response.created", "response": {"model": "gpt-4o"}},
            {"type": "error", "code": "server_error", "message": "Oh."},
        ),
        stream=True,
    ),
    "without usage": respond(answer=response(WORDS, usage=None)),
    "azure": respond(path="/openai/v1/responses?api-version=preview"),
    "counted": respond(
        answer=json_answer({"object": "response.input_tokens", "input_tokens": 12}),
        path="/v1/responses/input_tokens",
        tools=LOOKS_HERE,
        instructions="Be kind.",
    ),
}


@pytest.mark.parametrize("name", OF_CHAT)
async def test_an_exchange_of_chat_completions_replays(name: str) -> None:
    await check(OF_CHAT[name])


@pytest.mark.parametrize("name", OF_RESPONSES)
async def test_an_exchange_of_the_responses_api_replays(name: str) -> None:
    await check(OF_RESPONSES[name])


@pytest.mark.parametrize("status", [400, 401, 403, 404, 408, 409, 413, 422, 429, 500, 503, 504, 529])
async def test_a_failure_in_the_middle_replays(status: int) -> None:
    broken = json_answer(FAILURE, status=status, headers={"retry-after": "0"})
    for name, exchanges in (("chat", OF_CHAT["loop"]), ("responses", OF_RESPONSES["loop"])):
        assert len(conversations(exchanges)) == 1, name
        await check([exchanges[0], Exchange(request=exchanges[1].request, answer=broken)])


def test_conversations_are_told_apart() -> None:
    of_chat = conversations([*OF_CHAT["parallel"], *OF_CHAT["reasoning shown"], *OF_CHAT["busy"], *OF_CHAT["several"]])
    assert [len(one.exchanges) for one in of_chat] == [2, 2, 3, 1, 1, 1]
    names = ("loop with reasoning", "streamed loop", "goes on by id")
    told = conversations([one for name in names for one in OF_RESPONSES[name]])
    assert [len(one.exchanges) for one in told] == [2, 2, 1, 1]


async def test_what_we_never_ask_is_skipped_with_its_address() -> None:
    others = [exchange(f"/v1/{name}", {}, json_answer({})) for name in ("embeddings", "files", "batches")]
    with pytest.raises(pytest.skip.Exception, match="POST /v1/batches, POST /v1/embeddings, POST /v1/files"):
        await check(others)
