# SPDX-License-Identifier: Apache-2.0
"""From chunks to the whole answer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runwright import LlmResponse, types
from runwright.flow.collect import Collector


def text(words, **more):
    return types.Part(text=words, **more)


def thought(words):
    return types.Part(text=words, thought=True)


def call(name, **more):
    return types.Part(function_call=types.FunctionCall(name=name, args={}, **more))


IMAGE = types.Part.from_bytes(data=b"x", mime_type="m")


def collected(*chunks):
    collector = Collector()
    for chunk in chunks:
        parts = chunk if isinstance(chunk, list) else [chunk]
        collector.add(LlmResponse(partial=True, content=types.Content(role="model", parts=parts)))
    return collector.whole()


@pytest.mark.parametrize(
    ("chunks", "parts"),
    [
        ([text("a"), text("b")], [text("ab")]),
        ([thought("a"), thought("b"), text("c"), text("d"), thought("e")], [thought("ab"), text("cd"), thought("e")]),
        ([text("a"), call("f"), text("b")], [text("a"), call("f"), text("b")]),
        ([text("a", thought=False), text("b")], [text("ab")]),
        ([text("a"), IMAGE, IMAGE], [text("a"), IMAGE, IMAGE]),
        ([[text("a"), call("f")], [call("g"), text("b")]], [text("a"), call("f"), call("g"), text("b")]),
        (
            [text("a"), text("b", thought_signature=b"s"), text("c")],
            [text("a"), text("b", thought_signature=b"s"), text("c")],
        ),
        ([call("f", will_continue=True), call("f", partial_args=[{}]), call("f")], [call("f")]),
        ([[], text("a")], [text("a")]),
    ],
)
def test_what_chunks_make(chunks, parts):
    whole = collected(*chunks)
    shown = [part.model_copy(update={"thought": part.thought or None}) for part in whole.content.parts]
    assert shown == parts and whole.content.role == "model" and whole.partial is False


def test_no_chunks_make_nothing_and_empty_ones_an_answer_without_content():
    assert Collector().whole() is None
    assert collected([]).content is None


def test_of_what_comes_with_chunks_the_latest_of_each_kind_is_kept():
    collector = Collector()
    for more in (
        {"model_version": "1", "grounding_metadata": {"a": 1}},
        {"finish_reason": types.FinishReason.STOP, "usage_metadata": types.UsageMetadata(total_token_count=1)},
        {"usage_metadata": types.UsageMetadata(total_token_count=2), "model_version": "2"},
        {},
    ):
        collector.add(LlmResponse(partial=True, content=types.ModelContent("x"), **more))
    assert collector.whole() == LlmResponse(
        content=types.ModelContent("xxxx"),
        partial=False,
        model_version="2",
        grounding_metadata={"a": 1},
        finish_reason=types.FinishReason.STOP,
        usage_metadata=types.UsageMetadata(total_token_count=2),
    )


@given(st.lists(st.tuples(st.text(), st.booleans())))
def test_no_text_is_lost_or_changes_its_kind(pieces):
    whole = collected(*(text(words, thought=hidden) for words, hidden in pieces))
    parts = whole.content.parts if whole and whole.content else []
    for hidden in (True, False):
        assert "".join(part.text for part in parts if bool(part.thought) is hidden) == "".join(
            words for words, one in pieces if one is hidden
        )


def test_chunks_do_not_change_with_the_whole():
    part = call("f")
    whole = collected(part)
    whole.content.parts[0].function_call.args["x"] = 1
    assert part == call("f")
