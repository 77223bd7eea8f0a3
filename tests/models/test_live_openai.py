# SPDX-License-Identifier: Apache-2.0
"""Live conversations with OpenAI: what is sent over the real SDK, and what is made of what comes."""

from array import array
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest

from runwright import errors, types
from runwright.connection import BaseLlmConnection
from runwright.event import LlmResponse
from runwright.model import LlmRequest
from runwright.models.openai.pcm import SECOND_OF_SILENCE, Resampler
from runwright.testing.wire import WireMessage, WireSocketServer
from tests.models.live_messages import REALTIME, SOUND, Realtime, base64_of, sent
from tests.models.live_replay import given, openai, opened, pieces

TEXT = types.LiveConnectConfig(response_modalities=["TEXT"])
MANUAL = types.LiveConnectConfig.model_validate(
    {"realtime_input_config": {"automatic_activity_detection": {"disabled": True}}}
)
PCM = "audio/pcm;rate=24000"


@asynccontextmanager
async def talking(
    messages: list[WireMessage], live: types.LiveConnectConfig | None = None, **settings: Any
) -> AsyncIterator[BaseLlmConnection]:
    """A connection to a server that expects this conversation and no other."""
    with WireSocketServer(messages, deadline=20) as server:
        async with opened(openai(server, **settings), LlmRequest(live_connect_config=live)) as connection:
            yield connection


async def turn(connection: BaseLlmConnection, answers: dict[str, str] | None = None) -> list[LlmResponse]:
    """All that comes up to the end of the model's turn, its calls answered as they come."""
    seen: list[LlmResponse] = []
    async with aclosing(connection.receive()) as responses:
        async for response in responses:
            seen.append(response)
            for call in response.get_function_calls():
                await connection.send_content(result(call.id or "", (answers or {})[call.id or ""]))
            if response.turn_complete:
                break
    return seen


def result(call_id: str, text: str) -> types.Content:
    answer = types.FunctionResponse(id=call_id, name="look", response={"result": text})
    return types.Content(role="user", parts=[types.Part(function_response=answer)])


def append(data: bytes) -> WireMessage:
    return sent({"type": "input_audio_buffer.append", "audio": base64_of(data)})


COMMIT = sent({"type": "input_audio_buffer.commit"})


async def test_a_conversation_in_writing_over_several_turns() -> None:
    more = [*Realtime.turn("And?"), Realtime.BEGUN, Realtime.text("Bye"), Realtime.done()]
    async with talking([*REALTIME.messages, *more], TEXT) as connection:
        await connection.send_content(types.UserContent("Hi"))
        first = await turn(connection)
        await connection.send_content(types.UserContent("And?"))
        second = await turn(connection)
    assert pieces(first) == ("Hello there", "")
    assert (given(first).text, given(second).text) == ("Hello there", "Bye")
    assert (first[-1].live_session_id, first[-1].model_version) == ("sess_1", "gpt-realtime")


async def test_several_calls_of_one_answer_are_answered_before_the_next_is_asked_for() -> None:
    messages = [
        *Realtime.setup("text"),
        *Realtime.turn("Look around"),
        Realtime.BEGUN,
        *Realtime.call("c1", '{"at": "left"}'),
        Realtime.output("c1", "sky"),
        *Realtime.call("c2", "{}"),
        Realtime.event(
            "response.output_item.done",
            item={"type": "function_call", "status": "completed", "name": "look", "call_id": "c2", "arguments": "{}"},
        ),
        Realtime.output("c2", "sea"),
        Realtime.done(usage={"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}),
        Realtime.ASK,
        Realtime.BEGUN,
        Realtime.text("Sky and sea"),
        Realtime.done(),
    ]
    async with talking(messages, TEXT) as connection:
        await connection.send_content(types.UserContent("Look around"))
        seen = await turn(connection, {"c1": "sky", "c2": "sea"})
    outcome = given(seen)
    assert outcome.calls == [("c1", "look", {"at": "left"}), ("c2", "look", {})]
    assert (outcome.text, outcome.turns, outcome.usage) == ("Sky and sea", 1, [(1, 3)])


async def test_an_answer_is_asked_for_after_slow_functions_too() -> None:
    messages = [
        *Realtime.setup("text"),
        *Realtime.turn("Look around"),
        Realtime.BEGUN,
        *Realtime.call("c1", "{}"),
        *Realtime.call("c2", "{}"),
        Realtime.done(usage={"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}),
        Realtime.output("c1", "sky"),
        Realtime.output("c2", "sea"),
        Realtime.ASK,
        Realtime.BEGUN,
        Realtime.text("Sky and sea"),
        Realtime.done(),
    ]
    async with talking(messages, TEXT) as connection:
        await connection.send_content(types.UserContent("Look around"))
        receiving = connection.receive()
        while given([await anext(receiving)]).usage == []:
            pass
        await connection.send_content(result("c1", "sky"))
        await connection.send_content(result("c2", "sea"))
        await receiving.aclose()
        assert given(await turn(connection)).text == "Sky and sea"


async def test_a_call_that_was_cut_off_is_none_and_one_that_is_no_json_is_told() -> None:
    cut = {"type": "function_call", "status": "incomplete", "name": "look", "call_id": "c1", "arguments": '{"at": "le'}
    bad = {"type": "function_call", "status": "completed", "name": "look", "call_id": "c2", "arguments": '{"at": le}'}
    messages = [
        *Realtime.setup("text"),
        *Realtime.turn("Look"),
        Realtime.BEGUN,
        *Realtime.call("c1", cut["arguments"]),
        Realtime.event("response.output_item.done", item=cut),
        Realtime.event("response.output_item.done", item=bad),
        Realtime.output("c2", "no JSON"),
        Realtime.done("cancelled", status_details={"type": "cancelled", "reason": "turn_detected"}),
        Realtime.ASK,
    ]
    async with talking(messages, TEXT) as connection:
        await connection.send_content(types.UserContent("Look"))
        seen = await turn(connection, {"c2": "no JSON"})
    assert [call[0] for call in given(seen).calls] == ["c2"]
    assert (seen[-1].interrupted, seen[-1].turn_complete) == (True, True)


async def test_what_is_said_is_heard_transcribed_and_may_be_broken_off() -> None:
    heard = {"item_id": "item_u", "content_index": 0}
    spoken = {"item_id": "item_m", "content_index": 0}
    messages = [
        *Realtime.setup(sound={"transcription": {"model": "gpt-realtime-whisper", "language": "en"}}),
        append(SOUND),
        append(SECOND_OF_SILENCE),
        Realtime.event("input_audio_buffer.speech_started", item_id="item_u"),
        Realtime.event("input_audio_buffer.speech_stopped", item_id="item_u"),
        Realtime.event("input_audio_buffer.committed", item_id="item_u"),
        Realtime.BEGUN,
        Realtime.event("conversation.item.input_audio_transcription.delta", delta="Tell me", **heard),
        Realtime.event("conversation.item.input_audio_transcription.completed", transcript="Tell me a story", **heard),
        Realtime.event("response.output_audio_transcript.delta", delta="Once", **spoken),
        Realtime.event("response.output_audio.delta", delta=base64_of(SOUND), **spoken),
        Realtime.event("something.new", delta="?", **spoken),
        Realtime.done("cancelled", status_details={"type": "cancelled", "reason": "turn_detected"}),
    ]
    live = types.LiveConnectConfig(
        input_audio_transcription=types.AudioTranscriptionConfig(language_codes=["en-US"]),
        output_audio_transcription=types.AudioTranscriptionConfig(),
    )
    async with talking(messages, live) as connection:
        await connection.send_realtime(types.Blob(data=SOUND, mime_type=PCM))
        await connection.send_realtime(types.AudioStreamEnd())
        await connection.send_realtime(types.AudioStreamEnd())
        seen = await turn(connection)
    outcome = given(seen)
    assert (outcome.heard, outcome.spoken, outcome.sound) == ("Tell me a story", "Once", SOUND)
    assert [one.voice_activity for one in seen if one.voice_activity] == [
        {"voiceActivityType": "ACTIVITY_START"},
        {"voiceActivityType": "ACTIVITY_END"},
    ]
    assert (seen[-1].interrupted, seen[-1].turn_complete) == (True, True)
    assert [one.partial for one in seen if one.content is not None] == [True]


async def test_a_text_that_is_broken_off_is_kept() -> None:
    script = [*REALTIME.messages[:-1], Realtime.done("cancelled")]
    async with talking(script, TEXT) as connection:
        await connection.send_content(types.UserContent("Hi"))
        seen = await turn(connection)
    assert [(one.interrupted, given([one]).text) for one in seen if not one.partial] == [
        (True, "Hello there"),
        (True, ""),
    ]


async def test_the_user_says_when_it_speaks() -> None:
    picture = {"type": "input_image", "image_url": f"data:image/jpeg;base64,{base64_of(SOUND)}"}
    messages = [
        *Realtime.setup(sound={"turn_detection": None}),
        append(SOUND),
        Realtime.message(picture),
        COMMIT,
        Realtime.ASK,
        Realtime.BEGUN,
        Realtime.text("Well"),
        sent({"type": "response.cancel"}),
        Realtime.event("error", error={"type": "invalid_request_error", "code": "response_cancel_not_active"}),
        Realtime.done("cancelled"),
        append(SOUND),
        COMMIT,
        Realtime.ASK,
        Realtime.BEGUN,
        Realtime.done(),
    ]
    async with talking(messages, MANUAL) as connection:
        await connection.send_realtime(types.ActivityStart())
        await connection.send_realtime(types.Blob(data=SOUND, mime_type=PCM))
        await connection.send_realtime(types.Blob(data=SOUND, mime_type="image/jpeg"))
        await connection.send_realtime(types.ActivityEnd())
        receiving = connection.receive()
        assert (await anext(receiving)).partial
        await connection.send_realtime(types.ActivityStart())
        await receiving.aclose()
        assert (await turn(connection))[-1].interrupted
        await connection.send_realtime(types.Blob(data=SOUND, mime_type=PCM))
        await connection.send_realtime(types.AudioStreamEnd())
        assert (await turn(connection))[-1].turn_complete


async def test_what_was_said_before_goes_in_as_items() -> None:
    history = [
        types.UserContent([types.Part.from_bytes(data=SOUND, mime_type="audio/pcm"), "Hi"]),
        types.ModelContent([types.Part(text="Hm", thought=True), types.Part(text="Hello")]),
        types.ModelContent([types.Part(function_call=types.FunctionCall(id="c1", name="look", args={"a": 1}))]),
        result("c1", "sky"),
    ]
    call = {"type": "function_call", "call_id": "c1", "name": "look", "arguments": '{"a":1}'}
    messages = [
        *Realtime.setup(),
        Realtime.message({"type": "input_text", "text": "Hi"}),
        Realtime.message({"type": "output_text", "text": "Hello"}, role="assistant"),
        Realtime.item(call),
        Realtime.output("c1", "sky"),
        Realtime.ASK,
        Realtime.BEGUN,
        Realtime.done(),
    ]
    async with talking(messages) as connection:
        await connection.send_history(history)
        assert (await turn(connection))[-1].turn_complete
    async with talking([*messages[:5], *Realtime.turn("Go on"), Realtime.BEGUN, Realtime.done()]) as connection:
        await connection.send_history(history[:2])
        await connection.send_content(types.UserContent("Go on"))
        assert (await turn(connection))[-1].turn_complete


async def test_settings_are_set_up() -> None:
    tool = {"type": "function", "name": "look", "parameters": {"type": "object", "properties": {}}}
    audio = {
        "input": {
            "format": Realtime.FORMAT,
            "turn_detection": {
                "type": "server_vad",
                "create_response": True,
                "interrupt_response": False,
                "threshold": 0.7,
                "silence_duration_ms": 300,
                "prefix_padding_ms": 20,
            },
            "noise_reduction": {"type": "near_field"},
        },
        "output": {"format": Realtime.FORMAT, "voice": "marin"},
    }
    more = {
        "instructions": "Be brief",
        "tools": [tool],
        "tool_choice": {"type": "function", "name": "look"},
        "max_output_tokens": 99,
        "reasoning": {"effort": "low"},
        "truncation": "disabled",
    }
    live = {
        "realtime_input_config": {
            "automatic_activity_detection": {
                "start_of_speech_sensitivity": "START_SENSITIVITY_LOW",
                "silence_duration_ms": 300,
                "prefix_padding_ms": 20,
            },
            "activity_handling": "NO_INTERRUPTION",
        },
        "speech_config": {"voice_config": {"prebuilt_voice_config": {"voice_name": "marin"}}},
    }
    config = types.GenerateContentConfig.model_validate(
        {
            "system_instruction": "Be brief",
            "tools": [{"function_declarations": [{"name": "look"}]}],
            "tool_config": {"function_calling_config": {"mode": "ANY", "allowed_function_names": ["look"]}},
            "thinking_config": {"thinking_level": "LOW"},
            "max_output_tokens": 99,
            "http_options": {"headers": {"x-team": "a"}},
        }
    )
    extra = {"truncation": "disabled", "audio": {"input": {"noise_reduction": {"type": "near_field"}}}}
    with WireSocketServer(Realtime.setup(**{"audio": audio, **more}), deadline=20) as server:
        request = LlmRequest(model="openai/gpt-realtime-2", config=config, live_connect_config=live)
        async with opened(openai(server, live_session=extra), request):
            pass
    came = server.requests[0]
    assert came.target == "/v1/realtime?model=gpt-realtime-2"
    assert (came.headers["authorization"], came.headers["x-team"]) == ("Bearer a-key", "a")


async def test_a_native_tool_that_live_models_do_not_have_is_an_error_before_anything_is_sent() -> None:
    config = types.GenerateContentConfig(tools=[types.Tool(google_search={})])
    with pytest.raises(errors.ModelBadRequestError, match="web_search"):
        async with openai_without_server().connect(LlmRequest(config=config)):
            pass


def openai_without_server() -> Any:
    class Nowhere:
        url = "http://127.0.0.1:9"

    return openai(Nowhere())  # type: ignore[arg-type]


async def test_an_answer_that_failed_says_why_and_the_conversation_goes_on() -> None:
    failed = {"type": "failed", "error": {"type": "server_error", "code": "rate_limit_exceeded", "message": "Slow"}}
    short = {"type": "incomplete", "reason": "max_output_tokens"}
    unsafe = {"type": "incomplete", "reason": "content_filter"}
    refused = {"type": "invalid_request_error", "code": "invalid_value", "message": "No"}
    messages = [
        *Realtime.setup("text"),
        *Realtime.turn("1"),
        Realtime.BEGUN,
        Realtime.done("failed", status_details=failed),
        *Realtime.turn("2"),
        Realtime.BEGUN,
        Realtime.text("Well"),
        Realtime.done("incomplete", status_details=short),
        *Realtime.turn("3"),
        Realtime.BEGUN,
        Realtime.done("incomplete", status_details=unsafe),
        *Realtime.turn("4"),
        Realtime.event("error", error=refused),
        *Realtime.turn("5"),
        Realtime.BEGUN,
        Realtime.done(),
    ]
    async with talking(messages, TEXT) as connection:
        ends: list[LlmResponse] = []
        for number in range(1, 6):
            await connection.send_content(types.UserContent(str(number)))
            ends.append((await turn(connection))[-1])
    assert [end.error_code for end in ends] == ["rate_limit_exceeded", None, "SAFETY", "invalid_value", None]
    assert [end.finish_reason for end in ends] == [None, "MAX_TOKENS", "SAFETY", None, "STOP"]
    assert ends[3].error_message == "No"


async def test_an_answer_that_the_server_began_by_itself_is_waited_for() -> None:
    busy = {"type": "invalid_request_error", "code": "conversation_already_has_active_response", "message": "Busy"}
    messages = [
        *Realtime.setup("text"),
        *Realtime.turn("Hi"),
        Realtime.event("error", error=busy),
        Realtime.text("One"),
        Realtime.done(),
        Realtime.ASK,
        Realtime.BEGUN,
        Realtime.text("Two"),
        Realtime.done(),
    ]
    async with talking(messages, TEXT) as connection:
        await connection.send_content(types.UserContent("Hi"))
        assert given(await turn(connection)).text == "One"
        assert given(await turn(connection)).text == "Two"


def samples(data: bytes) -> list[int]:
    return list(array("h", data))


def test_sound_of_another_rate_is_brought_to_24000() -> None:
    wave = array("h", [0, 300, 600, 900, 600, 300, 0, -300]).tobytes()
    whole = Resampler().take(wave, "audio/pcm;rate=16000")
    assert samples(whole)[:6] == [0, 0, 100, 300, 500, 700]
    pieces_of_it = Resampler()
    # Cut in the middle of samples.
    assert b"".join(pieces_of_it.take(wave[at : at + 5], "audio/pcm;rate=16000") for at in range(0, 16, 5)) == whole
    longer = Resampler().take(bytes(2 * 16_000), "audio/pcm;rate=16000")
    assert len(longer) == 2 * 24_000
    lower = Resampler().take(array("h", [10] * 480).tobytes(), "audio/pcm;rate=48000")
    assert len(samples(lower)) == 240
    assert Resampler().take(wave, "audio/pcm") == wave
    assert Resampler().take(wave[:3], PCM) == wave[:2]
    with pytest.raises(errors.InputValidationError, match="audio/pcm"):
        Resampler().take(wave, "audio/mp3")
