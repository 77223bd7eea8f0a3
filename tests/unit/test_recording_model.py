# SPDX-License-Identifier: Apache-2.0
"""RecordingModel: what a real model said is written once, and replayed without it."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from runwright import Agent, Event, InMemoryRunner, ParallelAgent, RunConfig, StreamingMode, types
from runwright.errors import ConfigurationError, CorruptedDataError, ModelError, ModelRateLimitedError
from runwright.event import LlmResponse
from runwright.model import BaseLlm, LlmRequest
from runwright.testing import RecordingMismatchError, RecordingModel, ScriptedModel, call, stream

KEY = "sk-live-0123456789abcdef"


class Keyed(ScriptedModel):
    """A model that was given a key, and pairs calls by ids that it does not give."""

    needs_call_ids = True

    def __init__(self, replies: list[Any], **options: Any) -> None:
        super().__init__(replies, **options)
        self.api_key = KEY


def nobody() -> ScriptedModel:
    """A real model that must not be asked."""
    return ScriptedModel([])


def request(*texts: str, **config: Any) -> LlmRequest:
    return LlmRequest(
        contents=[types.UserContent(text) for text in texts], config=types.GenerateContentConfig(**config)
    )


async def ask(model: BaseLlm, asked: LlmRequest | None = None, *, streamed: bool = False) -> list[LlmResponse]:
    return [one async for one in model.generate_content_async(asked or request("hello"), stream=streamed)]


async def say(model: BaseLlm, asked: LlmRequest | None = None) -> str:
    return "".join(types.text_of(one.content) for one in await ask(model, asked))


async def talk(agent: Any, *messages: Any, config: RunConfig | None = None) -> list[Event]:
    async with InMemoryRunner(agent) as runner:
        events: list[Event] = []
        for message in messages:
            events += [
                event
                async for event in runner.run_async(
                    user_id="u", session_id="s", new_message=message, run_config=config or RunConfig()
                )
            ]
        return events


def told(events: list[Event]) -> list[Any]:
    """What events say, without what differs from run to run."""
    return [
        (event.author, bool(event.partial), event.usage_metadata, event.finish_reason, part.text)
        if part.text is not None
        else (event.author, part.function_call and part.function_call.args, part.function_response)
        for event in events
        for part in (event.content.parts if event.content else None) or ()
        if part.function_response is None
    ]


def written(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


def lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in written(path).splitlines()]


def cut(path: Path, size: int) -> None:
    """Takes the end off a file."""
    path.write_bytes(path.read_bytes()[:-size])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "recordings" / "talk.jsonl"


def add(a: int, b: int) -> int:
    """Adds."""
    return a + b


class TestAnAgentsConversation:
    @pytest.mark.parametrize("mode", [StreamingMode.NONE, StreamingMode.SSE])
    async def test_is_replayed_as_it_was(self, path: Path, mode: StreamingMode) -> None:
        def guide(real: BaseLlm) -> Agent:
            return Agent(name="guide", model=RecordingModel(real, path), tools=[add], instruction="Count {user:who?}.")

        replies = [call("add", a=1, b=2), stream("It ", "is ", "3."), "Bye"]
        config = RunConfig(streaming_mode=mode)
        first = await talk(guide(Keyed(replies)), "1 + 2?", "Thanks", config=config)
        again = await talk(guide(Keyed([])), "1 + 2?", "Thanks", config=config)
        assert told(again) == told(first)
        assert any(event.partial for event in again) is (mode is StreamingMode.SSE)
        assert types.text_of(again[-1].content) == "Bye"

    async def test_is_written_for_people_to_read(self, path: Path) -> None:
        agent = Agent(name="guide", model=RecordingModel(ScriptedModel(["Grüezi"]), path), tools=[add])
        await talk(agent, "Hello")
        header, exchange = lines(path)
        assert "delete this file" in header["note"]
        assert exchange["model"] == "scripted"
        assert exchange["request"]["contents"] == [{"role": "user", "parts": [{"text": "Hello"}]}]
        assert exchange["request"]["config"]["tools"][0]["functionDeclarations"][0]["name"] == "add"
        assert exchange["responses"][0]["content"]["parts"] == [{"text": "Grüezi"}]
        assert "Grüezi" in written(path)

    async def test_of_several_agents_is_in_one_file(self, path: Path) -> None:
        def team(*reals: BaseLlm) -> ParallelAgent:
            names = ("left", "right")
            return ParallelAgent(
                name="team",
                sub_agents=[
                    Agent(name=name, model=RecordingModel(real, path, "auto"), instruction=f"You are {name}.")
                    for name, real in zip(names, reals, strict=True)
                ],
            )

        first = await talk(team(ScriptedModel(["L1", "L2"]), ScriptedModel(["R1", "R2"])), "Hello", "Again")
        again = await talk(team(nobody(), nobody()), "Hello", "Again")
        assert sorted(told(first), key=str) == sorted(told(again), key=str)
        assert len(lines(path)) == 5

    async def test_that_changed_shows_how(self, path: Path) -> None:
        def guide(real: BaseLlm, instruction: str) -> Agent:
            return Agent(name="guide", model=RecordingModel(real, path), instruction=instruction)

        await talk(guide(ScriptedModel(["Hi"]), "Be brief.\nBe kind."), "Hello")
        with pytest.raises(RecordingMismatchError) as raised:
            await talk(guide(nobody(), "Be brief.\nBe loud."), "Hello")
        message = str(raised.value)
        assert "-" in message and "Be kind." in message and "Be loud." in message
        assert "Be brief" in message and 'mode="record"' in message and str(path) in message
        changed = [line for line in message.splitlines() if line.startswith(("-", "+")) and "Be " in line]
        assert [line[0] for line in changed] == ["-", "+"] and "kind" in changed[0] and "loud" in changed[1]


class TestModes:
    async def test_record_takes_the_old_ones_place(self, path: Path) -> None:
        for said in ("old", "new"):
            model = RecordingModel(ScriptedModel([said]), path, "record")
            assert await say(model) == said
        assert await say(RecordingModel(nobody(), path, "replay")) == "new"
        assert len(lines(path)) == 2

    async def test_models_made_together_record_to_one_file_that_had_an_older_recording(self, path: Path) -> None:
        await say(RecordingModel(ScriptedModel(["1"]), path, "record"))
        one = RecordingModel(ScriptedModel(["1"]), path, "record")
        two = RecordingModel(ScriptedModel(["2"]), path, "record")
        assert [await say(one), await say(two)] == ["1", "2"]
        assert [line["responses"][0]["content"]["parts"][0]["text"] for line in lines(path)[1:]] == ["1", "2"]

    async def test_a_recording_stays_until_there_is_a_new_answer(self, path: Path) -> None:
        await say(RecordingModel(ScriptedModel(["old"]), path))
        RecordingModel(nobody(), path, "record")
        assert await say(RecordingModel(nobody(), path)) == "old"

    def test_nothing_to_replay_says_how_to_get_it(self, path: Path) -> None:
        with pytest.raises(ConfigurationError, match='mode="record"'):
            RecordingModel(nobody(), path, "replay")

    def test_an_unknown_mode(self, path: Path) -> None:
        wrong: Any = "rewind"
        with pytest.raises(ConfigurationError, match="'rewind'"):
            RecordingModel(nobody(), path, wrong)

    async def test_another_file_is_not_overwritten(self, tmp_path: Path) -> None:
        other = tmp_path / "notes.txt"
        other.write_text("dear diary\n")
        with pytest.raises(ConfigurationError, match="no recording"):
            RecordingModel(nobody(), other, "record")
        assert other.read_text() == "dear diary\n"

    async def test_a_damaged_line_is_named(self, path: Path) -> None:
        model = RecordingModel(ScriptedModel(["1", "2"]), path)
        await say(model)
        await say(model)
        cut(path, 20)
        with pytest.raises(CorruptedDataError, match="Line 3"):
            RecordingModel(nobody(), path)


class TestAnswers:
    async def test_are_found_in_any_order_and_given_once(self, path: Path) -> None:
        model = RecordingModel(ScriptedModel(["A1", "B", "A2"]), path)
        for text in ("a", "b", "a"):
            await ask(model, request(text))
        replay = RecordingModel(nobody(), path)
        assert [await say(replay, request(text)) for text in ("b", "a", "a")] == ["B", "A1", "A2"]
        with pytest.raises(RecordingMismatchError, match="not this often"):
            await ask(replay, request("a"))
        with pytest.raises(RecordingMismatchError, match="All 3 answers"):
            await ask(replay, request("c"))

    async def test_keep_all_that_came(self, path: Path) -> None:
        usage = types.GenerateContentResponseUsageMetadata(prompt_token_count=3, total_token_count=5, cost=0.25)
        thought = types.Part(text="hm", thought=True, thought_signature=b"\x00\xff\xfe")
        image = types.Part.from_bytes(data=b"\x89PNG\x00", mime_type="image/png")
        answer = LlmResponse(
            content=types.Content(role="model", parts=[thought, image]),
            usage_metadata=usage,
            finish_reason=types.FinishReason.MAX_TOKENS,
            custom_metadata={"a": [1, None]},
            grounding_metadata={"webSearchQueries": ["x"]},
        )
        first = await ask(RecordingModel(ScriptedModel([answer]), path))
        again = await ask(RecordingModel(nobody(), path))
        assert first == again == [answer]

    @pytest.mark.parametrize("streamed", [True, False])
    async def test_chunks_come_as_they_came(self, path: Path, streamed: bool) -> None:
        first = await ask(RecordingModel(ScriptedModel([stream("a", "b")]), path), streamed=True)
        again = await ask(RecordingModel(nobody(), path), streamed=streamed)
        assert again == (first if streamed else first[-1:])

    async def test_a_failure_is_raised_again_after_what_came_before_it(self, path: Path) -> None:
        limited = ModelRateLimitedError("slow down", retry_after=7.0, status=429, provider="acme")
        with pytest.raises(ModelRateLimitedError):
            await ask(RecordingModel(ScriptedModel([stream("a", limited)]), path), streamed=True)
        came: list[str] = []
        with pytest.raises(ModelRateLimitedError, match="slow down") as raised:
            async for one in RecordingModel(nobody(), path).generate_content_async(request("hello"), stream=True):
                came.append(types.text_of(one.content))
        assert came == ["a"]
        assert (raised.value.retry_after, raised.value.status, raised.value.provider) == (7.0, 429, "acme")

    async def test_an_error_of_another_kind_is_named(self, path: Path) -> None:
        with pytest.raises(ZeroDivisionError):
            await ask(RecordingModel(ScriptedModel([ZeroDivisionError("oh")]), path))
        with pytest.raises(ModelError, match="ZeroDivisionError: oh"):
            await ask(RecordingModel(nobody(), path))

    async def test_an_answer_whose_caller_left_is_not_written(self, path: Path) -> None:
        answering = RecordingModel(ScriptedModel([stream("a", "b")]), path).generate_content_async(
            request("hello"), stream=True
        )
        await anext(answering)
        await answering.aclose()
        assert written(path) == ""

    async def test_a_whole_answer_is_written_though_its_caller_left_then(self, path: Path) -> None:
        answering = RecordingModel(ScriptedModel(["Hi"]), path).generate_content_async(request("hello"))
        await anext(answering)
        await answering.aclose()
        assert await say(RecordingModel(nobody(), path)) == "Hi"

    async def test_of_a_crowd_are_all_written(self, path: Path) -> None:
        model = RecordingModel(ScriptedModel([str(n) for n in range(20)]), path)
        said = await asyncio.gather(*(say(model, request(f"q{n}")) for n in range(20)))
        replay = RecordingModel(nobody(), path)
        assert [await say(replay, request(f"q{n}")) for n in range(20)] == said

    async def test_what_differs_each_time_may_be_left_out(self, path: Path) -> None:
        def without_day(asked: dict[str, Any]) -> dict[str, Any]:
            asked["config"].pop("systemInstruction", None)
            return asked

        await ask(RecordingModel(ScriptedModel(["Hi"]), path), request("a", system_instruction="It is Monday"))
        tuesday = request("a", system_instruction="It is Tuesday")
        with pytest.raises(RecordingMismatchError, match="Tuesday"):
            await ask(RecordingModel(nobody(), path), tuesday)
        assert await say(RecordingModel(nobody(), path, normalise=without_day), tuesday) == "Hi"

    @pytest.mark.parametrize(
        "other",
        [
            request("hello", temperature=0.5),
            request("hello", "hello"),
            request("hello", tools=[types.Tool(google_search={})]),
            LlmRequest(model="another", contents=[types.UserContent("hello")]),
        ],
    )
    async def test_are_for_their_request_alone(self, path: Path, other: LlmRequest) -> None:
        await ask(RecordingModel(ScriptedModel(["Hi"]), path))
        with pytest.raises(RecordingMismatchError, match="the one most like it"):
            await ask(RecordingModel(nobody(), path), other)

    async def test_files_are_told_apart_by_what_is_in_them(self, path: Path) -> None:
        def picture(data: bytes) -> LlmRequest:
            part = types.Part.from_bytes(data=data, mime_type="image/png")
            return LlmRequest(contents=[types.Content(role="user", parts=[part])])

        await ask(RecordingModel(ScriptedModel(["a cat"]), path), picture(b"cat" * 10_000))
        assert len(written(path)) < 2_000
        with pytest.raises(RecordingMismatchError, match="sha256"):
            await ask(RecordingModel(nobody(), path), picture(b"dog" * 10_000))
        assert await say(RecordingModel(nobody(), path), picture(b"cat" * 10_000)) == "a cat"

    async def test_tokens_are_counted_by_the_real_model_alone(self, path: Path) -> None:
        with pytest.raises(ModelError, match="cannot count"):
            await RecordingModel(ScriptedModel([]), path).count_tokens(request("a"))
        await ask(RecordingModel(ScriptedModel(["Hi"]), path))
        with pytest.raises(ModelError, match="no counts"):
            await RecordingModel(nobody(), path).count_tokens(request("a"))


class TestSecrets:
    async def test_are_not_written(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("ACME_API_KEY", "env-key-9876543210")
        headers = types.HttpOptions(headers={"Authorization": "Bearer hush-hush"})
        said = [f"The key is {KEY}, and env-key-9876543210", call("login", user="ada", password="open sesame")]
        asked = request(f"use {KEY}", http_options=headers, tools=[types.Tool(google_maps={"apiKey": "maps"})])
        first = await ask(RecordingModel(Keyed([said]), path), asked)
        assert types.text_of(first[0].content).endswith("env-key-9876543210")
        for secret in (KEY, "env-key", "hush", "open sesame", '"maps"'):
            assert secret not in written(path)
        (again,) = await ask(RecordingModel(Keyed([]), path), asked)
        assert types.text_of(again.content) == "The key is [hidden], and [hidden]"
        assert again.get_function_calls()[0].args == {"user": "ada", "password": "[hidden]"}

    async def test_are_not_in_failures(self, path: Path) -> None:
        with pytest.raises(ModelError):
            await ask(RecordingModel(Keyed([ModelError(f"{KEY} is no key")]), path))
        assert KEY not in written(path) and "[hidden] is no key" in written(path)

    async def test_a_page_of_a_list_and_a_parameters_schema_are_none(self, path: Path) -> None:
        def login(password: str) -> str:
            """Logs in."""
            return password

        agent = Agent(name="a", model=RecordingModel(ScriptedModel([call("show", page_token="p2")]), path))
        agent.tools = [login]
        with pytest.raises(Exception, match="script"):
            await talk(agent, "Hello")
        exchange = lines(path)[1]
        declared = exchange["request"]["config"]["tools"][0]["functionDeclarations"][0]
        assert declared["parametersJsonSchema"]["properties"]["password"] == {"type": "string"}
        assert exchange["responses"][0]["content"]["parts"][0]["functionCall"]["args"] == {"page_token": "p2"}
