# SPDX-License-Identifier: Apache-2.0
"""What is made of OpenAI's answers: how they end, what they used, and what servers do that are only like OpenAI's."""

import base64
from typing import Any

import pytest

from runwright import LlmRequest
from runwright.errors import (
    ContentBlockedError,
    ContextTooLongError,
    ModelBadRequestError,
    ModelError,
    ModelOverloadedError,
    ModelRateLimitedError,
    ModelResponseError,
)
from runwright.event import LlmResponse
from runwright.models.openai import chat_request
from runwright.models.openai.chat_answer import ChatAnswer
from runwright.models.openai.names import Settings
from runwright.models.openai.responses_answer import ResponsesAnswer
from runwright.models.openai.responses_request import input_items
from runwright.models.openai.schemas import OutputForm
from runwright.types import Content, FinishReason, FunctionCall, Part

LIST_FORM = OutputForm("result", {"type": "object"}, strict=True, wrapped=True)


def message(*content: dict[str, Any]) -> dict[str, Any]:
    return {"type": "message", "id": "msg", "role": "assistant", "status": "completed", "content": list(content)}


def text(said: str, **more: Any) -> dict[str, Any]:
    return {"type": "output_text", "text": said, "annotations": [], **more}


def answered(*output: dict[str, Any], **more: Any) -> LlmResponse:
    return ResponsesAnswer(None).whole({"id": "r", "status": "completed", "output": list(output), **more})


def completed(reason: str = "stop", usage: Any = None, **said: Any) -> LlmResponse:
    choice = {"index": 0, "finish_reason": reason, "message": {"role": "assistant", "content": None, **said}}
    return ChatAnswer(None).whole({"id": "c", "model": "m", "choices": [choice], "usage": usage})


def streamed(*deltas: dict[str, Any], reason: str | None = "stop", usage: Any = None) -> list[LlmResponse]:
    answer = ChatAnswer(None)
    responses = [answer.chunk({"choices": [{"index": 0, "delta": delta}], "usage": None}) for delta in deltas]
    responses.append(answer.chunk({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}))
    responses.append(answer.chunk({"choices": [], "usage": usage}))
    return [*(response for response in responses if response is not None), answer.end()]


def parts_of(response: LlmResponse) -> list[Part]:
    return (response.content.parts or []) if response.content is not None else []


def calls_of(response: LlmResponse) -> list[FunctionCall]:
    return response.get_function_calls()


def test_a_refusal_is_an_error_that_says_what_the_model_said() -> None:
    refused = answered(message({"type": "refusal", "refusal": "I will not."}))
    for response in (
        refused,
        completed(refusal="I will not."),
        streamed({"refusal": "I will "}, {"refusal": "not."})[-1],
    ):
        assert response.content is None
        assert response.finish_reason is FinishReason.SAFETY
        assert (response.error_code, response.error_message) == ("REFUSAL", "I will not.")


def test_a_content_filter_is_an_error_beside_what_was_said_before_it() -> None:
    stopped = answered(message(text("Well")), status="incomplete", incomplete_details={"reason": "content_filter"})
    for response in (stopped, completed("content_filter", content="Well")):
        assert [part.text for part in parts_of(response)] == ["Well"]
        assert response.finish_reason is FinishReason.SAFETY
        assert response.error_code == "SAFETY"


def test_an_answer_that_ran_out_of_tokens_is_what_there_is_of_it() -> None:
    cut = answered(message(text("Well")), status="incomplete", incomplete_details={"reason": "max_output_tokens"})
    for response in (cut, completed("length", content="Well")):
        assert response.finish_reason is FinishReason.MAX_TOKENS
        assert response.error_code is None
        assert [part.text for part in parts_of(response)] == ["Well"]


def test_running_out_of_tokens_before_a_word_is_an_error() -> None:
    thought = {"type": "reasoning", "id": "rs", "summary": [{"type": "summary_text", "text": "Hm."}]}
    spent = answered(thought, status="incomplete", incomplete_details={"reason": "max_output_tokens"})
    for response in (spent, completed("length")):
        assert response.error_code == "MAX_TOKENS"


def test_usage_tells_thoughts_and_cached_tokens_apart() -> None:
    details = {"reasoning_tokens": 30}
    in_responses = answered(
        usage={
            "input_tokens": 100,
            "input_tokens_details": {"cached_tokens": 64, "cache_write_tokens": 7},
            "output_tokens": 50,
            "output_tokens_details": details,
            "total_tokens": 150,
        }
    )
    in_chat = completed(
        content="x",
        usage={
            "prompt_tokens": 100,
            "prompt_tokens_details": {"cached_tokens": 64, "audio_tokens": 5},
            "completion_tokens": 50,
            "completion_tokens_details": details,
            "total_tokens": 150,
        },
    )
    for response in (in_responses, in_chat):
        usage = response.usage_metadata
        assert usage is not None
        assert (usage.prompt_token_count, usage.cached_content_token_count) == (100, 64)
        assert (usage.candidates_token_count, usage.thoughts_token_count) == (20, 30)
        assert usage.total_token_count == 150
    assert in_chat.usage_metadata is not None
    assert in_chat.usage_metadata.prompt_tokens_details == [{"modality": "AUDIO", "tokenCount": 5}]


def test_citations_are_kept() -> None:
    note = {"type": "url_citation", "url": "https://example.com", "title": "Example", "start_index": 0, "end_index": 4}
    assert answered(message(text("Well", annotations=[note]))).citation_metadata == {
        "citations": [{"startIndex": 0, "endIndex": 4, "uri": "https://example.com", "title": "Example"}]
    }


def test_what_a_tool_of_the_provider_made_is_shown_and_is_not_sent_twice() -> None:
    code = {
        "type": "code_interpreter_call",
        "id": "ci",
        "status": "completed",
        "container_id": "k",
        "code": "print(1)",
        "outputs": [{"type": "logs", "logs": "1\n"}],
    }
    image = {"type": "image_generation_call", "id": "ig", "status": "completed", "output_format": "webp"}
    response = answered(code, {**image, "result": base64.b64encode(b"image").decode()})
    shown = [part for part in parts_of(response) if not part.thought]
    assert shown[0].executable_code is not None and shown[0].executable_code.code == "print(1)"
    assert shown[1].code_execution_result is not None and shown[1].code_execution_result.output == "1\n"
    assert shown[2].inline_data is not None and shown[2].inline_data.data == b"image"
    assert shown[2].inline_data.mime_type == "image/webp"
    assert response.content is not None
    assert input_items([response.content], Settings("gpt-5")) == [code, image]


def test_an_answer_that_is_no_object_is_taken_out_of_the_one_it_came_in() -> None:
    whole = ResponsesAnswer(LIST_FORM).whole(
        {"status": "completed", "output": [message(text('{"answer":[1,2]}'))], "usage": None}
    )
    assert [part.text for part in parts_of(whole)] == ["[1,2]"]
    answer = ChatAnswer(LIST_FORM)
    chunk = {"choices": [{"delta": {"content": '{"answer":[1,2]}'}, "finish_reason": "stop"}]}
    assert answer.chunk(chunk) is None  # half of it would be no JSON that anybody asked for
    assert [part.text for part in parts_of(answer.end())] == ["[1,2]"]


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"code": "server_error", "message": "oops"}, ModelOverloadedError),
        ({"code": "rate_limit_exceeded", "message": "slow down"}, ModelRateLimitedError),
        ({"code": "invalid_prompt", "message": "no"}, ContentBlockedError),
        ({"code": "context_length_exceeded", "message": "long"}, ContextTooLongError),
        ({"code": "invalid_image", "message": "bad"}, ModelBadRequestError),
        ({"code": 503, "message": "busy"}, ModelOverloadedError),
    ],
)
def test_a_failure_in_an_answer_is_raised(error: dict[str, Any], kind: type[ModelError]) -> None:
    with pytest.raises(kind, match=str(error["message"])):
        answered(status="failed", error=error)
    with pytest.raises(kind, match=str(error["message"])):
        ResponsesAnswer(None).chunk({"type": "error", **error})
    with pytest.raises(kind, match=str(error["message"])):
        ChatAnswer(None).chunk({"error": error})


@pytest.mark.parametrize("given", ["text", None, [], {}, {"choices": []}, {"choices": [{"message": None}]}])
def test_what_is_no_answer_is_an_error(given: Any) -> None:
    with pytest.raises(ModelResponseError):
        ChatAnswer(None).whole(given)
    with pytest.raises(ModelResponseError):
        ResponsesAnswer(None).whole(given)


def test_reasoning_that_comes_in_pieces_reads_as_it_does_whole() -> None:
    item = {
        "type": "reasoning",
        "id": "rs",
        "summary": [{"type": "summary_text", "text": "One."}, {"type": "summary_text", "text": "Two."}],
        "encrypted_content": "done",
    }
    delta = {"type": "response.reasoning_summary_text.delta", "output_index": 0}
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": {"model": "gpt-5-x"}},
        {"type": "response.output_item.added", "output_index": 0, "item": {**item, "encrypted_content": "half"}},
        {**delta, "summary_index": 0, "delta": "One"},
        {**delta, "summary_index": 0, "delta": "."},
        {**delta, "summary_index": 1, "delta": "Two."},
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.output_text.delta", "output_index": 1, "delta": "Hi"},
        {"type": "response.output_item.done", "output_index": 1, "item": message(text("Hi"))},
        {
            "type": "response.completed",
            "response": {"status": "completed", "output": [{**item, "encrypted_content": "anew"}, message(text("Hi"))]},
        },
    ]
    answer = ResponsesAnswer(None)
    chunks = [chunk for event in events if (chunk := answer.chunk(event)) is not None]
    thoughts = [part.text or "" for chunk in chunks for part in parts_of(chunk) if part.thought]
    whole = parts_of(answer.end())
    assert "".join(thoughts) == whole[0].text == "One.\n\nTwo."
    assert b'"done"' in (whole[0].thought_signature or b"")
    assert whole[1].text == "Hi"
    assert all(chunk.partial and chunk.model_version == "gpt-5-x" for chunk in chunks)


def test_parallel_calls_come_in_pieces() -> None:
    def piece(index: int, **function: str) -> dict[str, Any]:
        return {"tool_calls": [{"index": index, "function": function}]}

    first = {"tool_calls": [{"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": ""}}]}
    second = {"tool_calls": [{"index": 1, "id": "b", "type": "function", "function": {"name": "g", "arguments": ""}}]}
    pieces = [piece(0, arguments='{"x"'), piece(1, arguments="{}"), piece(0, arguments=":1}")]
    whole = streamed(first, second, *pieces, reason="tool_calls")[-1]
    assert [(call.id, call.name, call.args) for call in calls_of(whole)] == [("a", "f", {"x": 1}), ("b", "g", {})]
    assert whole.finish_reason is FinishReason.STOP


def test_servers_that_give_all_calls_one_index_are_understood() -> None:
    def call(name: str) -> dict[str, Any]:
        return {"index": 0, "id": f"id-{name}", "function": {"name": name, "arguments": '{"x":1}'}}

    whole = streamed({"tool_calls": [call("f")]}, {"tool_calls": [call("g")]})[-1]
    assert [(call.name, call.args) for call in calls_of(whole)] == [("f", {"x": 1}), ("g", {"x": 1})]


def test_servers_that_give_arguments_as_an_object_are_understood() -> None:
    whole = completed("tool_calls", tool_calls=[{"id": "a", "function": {"name": "f", "arguments": {"x": 1}}}])
    assert calls_of(whole)[0].args == {"x": 1}


@pytest.mark.parametrize("arguments", ['{"x": ', "[1]", "nothing"])
def test_arguments_that_are_no_object_do_not_get_lost(arguments: str) -> None:
    whole = completed("tool_calls", tool_calls=[{"id": "a", "function": {"name": "f", "arguments": arguments}}])
    assert calls_of(whole)[0].args == {"malformed_json": arguments}


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_thoughts_of_other_servers_are_shown_and_go_back_in_the_same_field(field: str) -> None:
    detail = {"type": "reasoning.encrypted", "data": "xyz", "index": 0}
    chunks = streamed({field: "Hm"}, {field: ".", "reasoning_details": [detail]}, {"content": "Aha."})
    assert [(parts_of(chunk)[0].text, bool(parts_of(chunk)[0].thought)) for chunk in chunks[:-1]] == [
        ("Hm", True),
        (".", True),
        ("Aha.", False),
    ]
    content = chunks[-1].content
    assert content is not None
    stored = Content.model_validate_json(content.model_dump_json(by_alias=True))
    body = chat_request.request_body(LlmRequest(contents=[stored]), Settings("deepseek-v4"), None, stream=False)
    assert body["messages"] == [
        {"role": "assistant", "content": "Aha.", field: "Hm.", "reasoning_details": [detail]},
    ]


def test_what_servers_add_to_a_call_goes_back_with_it() -> None:
    extra = {"google": {"thought_signature": "abc"}}
    whole = completed(tool_calls=[{"id": "a", "function": {"name": "f", "arguments": "{}"}, "extra_content": extra}])
    assert whole.content is not None
    body = chat_request.request_body(LlmRequest(contents=[whole.content]), Settings("x"), None, stream=False)
    assert body["messages"][0]["tool_calls"][0]["extra_content"] == extra


def test_a_spoken_answer_is_sound_and_its_words() -> None:
    audio = {"id": "au", "data": base64.b64encode(b"beep").decode(), "transcript": "Hello."}
    words, sound = parts_of(completed(audio=audio))
    assert words.text == "Hello."
    assert sound.inline_data is not None and (sound.inline_data.data, sound.inline_data.mime_type) == (
        b"beep",
        "audio/wav",
    )


def test_log_probabilities_are_kept() -> None:
    logprobs = {"content": [{"token": "a", "logprob": -1.0}, {"token": "b", "logprob": -3.0}]}
    choice = {"finish_reason": "stop", "message": {"content": "ab"}, "logprobs": logprobs}
    assert ChatAnswer(None).whole({"choices": [choice]}).avg_logprobs == -2.0
    response = answered(message(text("ab", logprobs=logprobs["content"])))
    assert response.avg_logprobs == -2.0
    assert response.logprobs_result == {"chosenCandidates": logprobs["content"]}
    assert answered(message(text("ab", logprobs=[]))).avg_logprobs is None


def test_a_stream_that_ends_before_its_answer_is_an_error() -> None:
    with pytest.raises(ModelResponseError, match="ended before"):
        streamed({"content": "Hel"}, reason=None)
    with pytest.raises(ModelResponseError, match="ended before"):
        ResponsesAnswer(None).end()
