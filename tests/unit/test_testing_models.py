# SPDX-License-Identifier: Apache-2.0
"""The models of the testing kit: what a script says, and what they remember of being asked."""

import asyncio
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import runwright.testing
from runwright import types
from runwright.errors import ConfigurationError, ModelError
from runwright.event import LlmResponse
from runwright.model import BaseLlm, LlmRequest
from runwright.testing import FunctionModel, ScriptedModel, call, delay, stream


def request(*texts: str, instruction: str | None = None) -> LlmRequest:
    config = types.GenerateContentConfig(system_instruction=instruction)
    return LlmRequest(contents=[types.UserContent(text) for text in texts or ("hello",)], config=config)


async def ask(model: BaseLlm, asked: LlmRequest | None = None, *, streamed: bool = False) -> list[LlmResponse]:
    return [response async for response in model.generate_content_async(asked or request(), stream=streamed)]


async def say(model: BaseLlm, asked: LlmRequest | None = None) -> str:
    (response,) = await ask(model, asked)
    return types.text_of(response.content)


class TestReplies:
    async def test_each_request_gets_the_next_reply(self) -> None:
        model = ScriptedModel(["one", "two"])
        assert [await say(model), await say(model)] == ["one", "two"]

    @pytest.mark.parametrize(
        ("reply", "parts"),
        [
            ("text", [types.Part(text="text")]),
            (types.Part(text="text"), [types.Part(text="text")]),
            (types.ModelContent("text"), [types.Part(text="text")]),
            (call("add", a=1, b=[2]), [types.Part.from_function_call(name="add", args={"a": 1, "b": [2]})]),
            (
                call("save", name="x", tool="y"),
                [types.Part.from_function_call(name="save", args={"name": "x", "tool": "y"})],
            ),
            (
                ["Let me see", call("a"), call("b")],
                [
                    types.Part(text="Let me see"),
                    types.Part.from_function_call(name="a", args={}),
                    types.Part.from_function_call(name="b", args={}),
                ],
            ),
        ],
    )
    @pytest.mark.parametrize("streamed", [True, False])
    async def test_one_message(self, reply: Any, parts: list[types.Part], streamed: bool) -> None:
        (response,) = await ask(ScriptedModel([reply]), streamed=streamed)
        assert response.content == types.Content(role="model", parts=parts)
        assert not response.partial
        assert response.finish_reason is types.FinishReason.STOP

    async def test_a_response_is_given_as_it_is(self) -> None:
        given_response = LlmResponse(error_code="SAFETY", error_message="no", content=types.ModelContent("x"))
        assert await ask(ScriptedModel([given_response])) == [given_response]

    async def test_what_is_done_to_a_response_does_not_change_the_script(self) -> None:
        model = ScriptedModel([[call("add", n=[1])], LlmResponse(content=types.ModelContent("x"))], repeat=True)
        for _ in range(2):
            (response,) = await ask(model)
            (called,) = response.get_function_calls()
            assert called == types.FunctionCall(name="add", args={"n": [1]})
            called.id = "changed"
            (called.args or {})["n"].append(2)
            (response,) = await ask(model)
            assert response.content is not None
            assert types.text_of(response.content) == "x"
            response.content.parts = []

    @pytest.mark.parametrize("error", [ValueError("bad luck"), ValueError])
    async def test_an_exception_is_raised(self, error: Any) -> None:
        model = ScriptedModel([error, "and then"])
        with pytest.raises(ValueError):
            await ask(model)
        assert await say(model) == "and then"

    async def test_a_function_sees_the_request(self) -> None:
        async def later(asked: LlmRequest) -> Any:
            await asyncio.sleep(0)
            return call("echo", text=types.text_of(asked.contents[-1]))

        model = ScriptedModel([lambda asked: f"{len(asked.contents)} messages", later])
        assert await say(model, request("a", "b")) == "2 messages"
        (response,) = await ask(model, request("a"))
        assert response.get_function_calls() == [call("echo", text="a")]

    async def test_a_delay_lets_others_go_first(self) -> None:
        model = ScriptedModel([delay(0.01, "late"), delay(0, lambda _: delay(0, "soon"))])
        order: list[str] = []

        async def work() -> None:
            order.append(await say(model))

        await asyncio.gather(work(), work())
        assert order == ["soon", "late"]

    async def test_a_delay_can_be_cancelled(self) -> None:
        task = asyncio.create_task(ask(ScriptedModel([delay(3600, "never")])))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


class TestStreams:
    async def test_chunks_and_then_the_whole(self) -> None:
        *chunks, whole = await ask(ScriptedModel([stream("Hel", "lo", " you")]), streamed=True)
        assert [types.text_of(chunk.content) for chunk in chunks] == ["Hel", "lo", " you"]
        assert all(chunk.partial for chunk in chunks)
        assert not whole.partial
        assert whole.content == types.ModelContent("Hello you")
        assert whole.usage_metadata is not None

    async def test_the_whole_alone_where_no_stream_is_asked_for(self) -> None:
        (whole,) = await ask(ScriptedModel([stream("Hel", "lo", " you")]))
        assert whole.content == types.ModelContent("Hello you")
        assert not whole.partial

    async def test_thoughts_and_calls_stay_apart_from_text(self) -> None:
        thought = types.Part(text="hm", thought=True)
        *chunks, whole = await ask(
            ScriptedModel([stream(thought, thought, "I ", "add", call("add", a=1))]), streamed=True
        )
        assert len(chunks) == 5
        assert whole.content == types.ModelContent([types.Part(text="hmhm", thought=True), "I add", call("add", a=1)])

    async def test_a_stream_that_breaks(self) -> None:
        model = ScriptedModel([stream("Hel", ConnectionError("lost"))])
        seen: list[str] = []
        with pytest.raises(ConnectionError, match="lost"):
            async for response in model.generate_content_async(request(), stream=True):
                seen.append(types.text_of(response.content))
        assert seen == ["Hel"]

    async def test_a_consumer_that_leaves_ends_the_stream(self) -> None:
        model = ScriptedModel([stream("a", delay(3600, "b")), "next"])
        responses = model.generate_content_async(request(), stream=True)
        assert types.text_of((await anext(responses)).content) == "a"
        await responses.aclose()
        assert await say(model) == "next"

    async def test_a_chunk_may_wait(self) -> None:
        responses = await ask(ScriptedModel([stream("a", delay(0.001, "b"))]), streamed=True)
        assert [types.text_of(response.content) for response in responses] == ["a", "b", "ab"]

    @given(st.lists(st.text(), max_size=6))
    def test_the_whole_is_what_the_chunks_say(self, texts: list[str]) -> None:
        async def play() -> None:
            model = ScriptedModel([stream(*texts)], repeat=True)
            *chunks, whole = await ask(model, streamed=True)
            assert [types.text_of(chunk.content) for chunk in chunks] == texts
            assert types.text_of(whole.content) == "".join(texts)
            (again,) = await ask(model)
            assert again == whole

        asyncio.run(play())


class TestTheScript:
    async def test_when_it_runs_out_the_error_says_what_was_asked(self) -> None:
        model = ScriptedModel(["one"], model="my-model")
        await say(model)
        with pytest.raises(ModelError, match=r"'my-model' has 1 replies, and this is request 2.*what now\?"):
            await ask(model, request("first", "what now?"))

    async def test_repeated_it_starts_again(self) -> None:
        model = ScriptedModel(["one", "two"], repeat=True)
        assert [await say(model) for _ in range(5)] == ["one", "two", "one", "two", "one"]

    @pytest.mark.parametrize("replies", ["hello", call("add")])
    def test_one_reply_alone_is_not_a_script(self, replies: Any) -> None:
        with pytest.raises(ConfigurationError, match="list"):
            ScriptedModel(replies)

    def test_nothing_cannot_be_repeated(self) -> None:
        with pytest.raises(ConfigurationError, match="nothing to repeat"):
            ScriptedModel([], repeat=True)

    async def test_requests_are_kept_as_they_were(self) -> None:
        model = ScriptedModel(["one", "two"])
        asked = request("a", instruction="be kind")
        asked.config.tools = [types.Tool(function_declarations=[types.FunctionDeclaration(name="f")])]
        asked.tools_dict["f"] = object()
        await say(model, asked)
        assert asked.contents[0].parts is not None
        asked.contents[0].parts[0].text = "changed"
        asked.contents.append(types.UserContent("b"))
        asked.config.system_instruction = "changed"
        asked.config.tools[0].function_declarations.clear()
        asked.tools_dict.clear()
        await say(model, asked)
        first, second = model.requests
        assert [types.text_of(content) for content in first.contents] == ["a"]
        assert first.config.system_instruction == "be kind"
        assert first.config.tools == [types.Tool(function_declarations=[types.FunctionDeclaration(name="f")])]
        assert list(first.tools_dict) == ["f"]
        assert [types.text_of(content) for content in second.contents] == ["changed", "b"]

    async def test_without_record_nothing_is_kept_or_counted(self) -> None:
        model = ScriptedModel(["four"], record=False, repeat=True)
        (response,) = await ask(model)
        assert model.requests == []
        assert response.usage_metadata is not None
        assert (response.usage_metadata.prompt_token_count, response.usage_metadata.candidates_token_count) == (0, 1)

    async def test_tokens_are_counted_the_same_each_time(self) -> None:
        model = ScriptedModel([["12345", call("add", a=1)]], repeat=True)
        first, second = [(await ask(model, request("x" * 40, instruction="y" * 8)))[0].usage_metadata for _ in range(2)]
        assert first == second
        assert first is not None
        assert first.prompt_token_count == 10 + 2
        assert first.candidates_token_count is not None and first.candidates_token_count > 2
        assert first.total_token_count == first.prompt_token_count + first.candidates_token_count

    def test_several_event_loops_share_one_script(self) -> None:
        count, loops = 100, 4
        model = ScriptedModel([str(number) for number in range(count * loops)])
        heard: list[str] = []

        async def work() -> None:
            for _ in range(count):
                heard.append(await say(model))

        threads = [threading.Thread(target=lambda: asyncio.run(work())) for _ in range(loops)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(heard, key=int) == [str(number) for number in range(count * loops)]
        assert len(model.requests) == count * loops


class TestFunctionModel:
    async def test_a_plain_function(self) -> None:
        model = FunctionModel(lambda asked: f"you said {types.text_of(asked.contents[-1])}", model="echo")
        assert model.model == "echo"
        assert await say(model, request("hi")) == "you said hi"
        assert types.text_of(model.requests[0].contents[0]) == "hi"

    async def test_an_async_function(self) -> None:
        async def answer(asked: LlmRequest) -> Any:
            await asyncio.sleep(0)
            return [call("add", a=1)]

        (response,) = await ask(FunctionModel(answer))
        assert response.get_function_calls() == [call("add", a=1)]

    async def test_an_exception_of_the_function_is_the_models(self) -> None:
        def answer(asked: LlmRequest) -> Any:
            raise RuntimeError("no answer")

        with pytest.raises(RuntimeError, match="no answer"):
            await ask(FunctionModel(answer))

    async def test_a_generator_of_chunks(self) -> None:
        closed: list[bool] = []

        async def answer(asked: LlmRequest) -> AsyncIterator[Any]:
            try:
                yield "Hel"
                yield "lo"
            finally:
                closed.append(True)

        model = FunctionModel(answer)
        responses = await ask(model, streamed=True)
        assert [(types.text_of(one.content), bool(one.partial)) for one in responses] == [
            ("Hel", True),
            ("lo", True),
            ("Hello", False),
        ]
        assert await say(model) == "Hello"
        leaving = model.generate_content_async(request(), stream=True)
        await anext(leaving)
        await leaving.aclose()
        assert closed == [True, True, True]

    async def test_a_generator_that_gives_the_whole_itself(self) -> None:
        async def answer(asked: LlmRequest) -> AsyncIterator[Any]:
            yield LlmResponse(partial=True, content=types.ModelContent("He"))
            yield LlmResponse(content=types.ModelContent("Hello!"), model_version="v1")

        streamed = await ask(FunctionModel(answer), streamed=True)
        assert [types.text_of(one.content) for one in streamed] == ["He", "Hello!"]
        (whole,) = await ask(FunctionModel(answer))
        assert whole.model_version == "v1"

    def test_what_is_not_a_function_is_refused(self) -> None:
        not_a_function: Any = "hello"
        with pytest.raises(ConfigurationError, match="function"):
            FunctionModel(not_a_function)


class TestThePackage:
    def test_the_models_need_no_pytest(self) -> None:
        program = (
            "import sys; from runwright.testing import ScriptedModel, FunctionModel, call, stream, delay; "
            "sys.exit('pytest' in sys.modules)"
        )
        assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0

    def test_every_public_name_is_there(self) -> None:
        for name in runwright.testing.__all__:
            assert getattr(runwright.testing, name) is not None
        with pytest.raises(AttributeError, match="no_such_name"):
            _ = runwright.testing.no_such_name  # pyright: ignore[reportAttributeAccessIssue]
