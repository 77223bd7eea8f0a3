# SPDX-License-Identifier: Apache-2.0
"""Live conversations with Gemini: what is sent over the real SDK, and what is made of what comes."""

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest

from runwright import errors, types
from runwright.connection import BaseLlmConnection
from runwright.event import LlmResponse
from runwright.model import LlmRequest
from runwright.testing.wire import WireMessage, WireSocketServer
from tests.models.gemini_replay import anonymous
from tests.models.live_messages import GOOGLE, MODEL, SOUND, Google, base64_of, received, sent
from tests.models.live_replay import gemini, given, opened, pieces

TEXT = types.LiveConnectConfig(response_modalities=["TEXT"])


@asynccontextmanager
async def talking(
    messages: list[WireMessage], request: LlmRequest | None = None, model: str = MODEL
) -> AsyncIterator[BaseLlmConnection]:
    """A connection to a server that expects this conversation and no other."""
    with WireSocketServer(messages, deadline=20, tls=True) as server:
        async with opened(gemini(server, model), request or LlmRequest()) as connection:
            yield connection


async def turn(connection: BaseLlmConnection) -> list[LlmResponse]:
    """All that comes up to the end of the model's turn."""
    seen: list[LlmResponse] = []
    async with aclosing(connection.receive()) as responses:
        async for response in responses:
            seen.append(response)
            if response.turn_complete:
                break
    return seen


def answer(call_id: str, name: str, response: dict[str, Any]) -> types.Part:
    return types.Part(function_response=types.FunctionResponse(id=call_id, name=name, response=response))


async def test_a_conversation_in_writing_over_several_turns() -> None:
    more = [Google.turn("And?"), Google.said({"text": "Bye"}), Google.turn_complete()]
    async with talking([*GOOGLE.messages, *more], LlmRequest(live_connect_config=TEXT)) as connection:
        await connection.send_content(types.UserContent("Hi"))
        first = await turn(connection)
        await connection.send_content(types.UserContent("And?"))
        second = await turn(connection)
    assert pieces(first) == ("Hello there", "")
    assert given(first).text == "Hello there"
    assert (given(second).text, given(second).turns) == ("Bye", 1)
    end = first[-1]
    assert (end.turn_complete, end.live_session_id, end.model_version) == (True, "s-1", MODEL)
    assert end.usage_metadata is not None
    assert (end.usage_metadata.candidates_token_count, end.usage_metadata.total_token_count) == (2, 3)


async def test_one_receive_goes_across_turns_until_the_connection_ends() -> None:
    more = [Google.turn("And?"), Google.said({"text": "Bye"}), Google.turn_complete()]
    seen: list[LlmResponse] = []
    async with talking([*GOOGLE.messages, *more], LlmRequest(live_connect_config=TEXT)) as connection:
        await connection.send_content(types.UserContent("Hi"))
        async for response in connection.receive():
            seen.append(response)
            if response.turn_complete and given(seen).turns == 1:
                await connection.send_content(types.UserContent("And?"))
            elif response.turn_complete:
                await connection.close()
    assert given(seen).text == "Hello thereBye"


async def test_what_is_said_is_heard_transcribed_and_may_be_broken_off() -> None:
    messages = [
        *Google.setup(inputAudioTranscription={}, outputAudioTranscription={}),
        sent({"realtime_input": {"audio": {"data": base64_of(SOUND), "mimeType": "audio/pcm;rate=16000"}}}),
        sent({"realtime_input": {"audioStreamEnd": True}}),
        Google.content(inputTranscription={"text": "Tell me"}),
        Google.content(inputTranscription={"text": " a story"}),
        Google.content(outputTranscription={"text": "Once"}),
        Google.said({"inlineData": {"data": base64_of(SOUND), "mimeType": "audio/pcm;rate=24000"}}),
        Google.content(interrupted=True),
        Google.turn_complete(),
    ]
    live = types.LiveConnectConfig.model_validate({"inputAudioTranscription": {}, "outputAudioTranscription": {}})
    async with talking(messages, LlmRequest(live_connect_config=live)) as connection:
        await connection.send_realtime(types.Blob(data=SOUND, mime_type="audio/pcm;rate=16000"))
        await connection.send_realtime(types.AudioStreamEnd())
        seen = await turn(connection)
    assert (given(seen).heard, given(seen).spoken, given(seen).sound) == ("Tell me a story", "Once", SOUND)
    whole = [one for one in seen if not one.partial]
    assert [bool(one.interrupted) for one in whole] == [False, False, True, False]
    assert [one.turn_complete for one in whole] == [None, None, None, True]
    sounds = [one for one in seen if one.content is not None]
    assert [one.partial for one in sounds] == [True]


async def test_a_text_that_is_broken_off_is_kept() -> None:
    script = [*GOOGLE.messages[:-1], Google.content(interrupted=True), Google.turn_complete()]
    async with talking(script, LlmRequest(live_connect_config=TEXT)) as connection:
        await connection.send_content(types.UserContent("Hi"))
        seen = await turn(connection)
    assert [(one.interrupted, given([one]).text) for one in seen if not one.partial] == [
        (True, "Hello there"),
        (None, ""),
    ]


async def test_signals_and_pictures_go_in_as_they_happen() -> None:
    picture = {"data": base64_of(SOUND), "mimeType": "image/jpeg"}
    messages = [
        *Google.setup(realtimeInputConfig={"automaticActivityDetection": {"disabled": True}}),
        sent({"realtime_input": {"activityStart": {}}}),
        sent({"realtime_input": {"video": picture}}),
        sent({"realtime_input": {"activityEnd": {}}}),
        Google.turn_complete(),
    ]
    live = {"realtime_input_config": {"automatic_activity_detection": {"disabled": True}}}
    async with talking(messages, LlmRequest(live_connect_config=live)) as connection:
        for one in (types.ActivityStart(), types.Blob(data=SOUND, mime_type="image/jpeg"), types.ActivityEnd()):
            await connection.send_realtime(one)
        await turn(connection)
        with pytest.raises(errors.InputValidationError, match="mime_type"):
            await connection.send_realtime(types.Blob(data=b"x", mime_type="text/plain"))


async def test_functions_are_called_together_and_answered_together() -> None:
    functions = [{"name": "look", "parameters": {"type": "OBJECT", "properties": {"at": {"type": "STRING"}}}}]
    messages = [
        *Google.setup(tools=[{"functionDeclarations": functions}]),
        Google.turn("Look around"),
        Google.said({"text": "Let me see", "thought": True}),
        Google.calls({"id": "c1", "name": "look", "args": {"at": "left"}}, {"id": "c2", "name": "look"}),
        Google.answers(("c1", "look", {"result": "sky"}), ("c2", "look", {"result": "sea"})),
        Google.said({"text": "Sky and sea"}),
        received({"toolCallCancellation": {"ids": ["c2"]}}),
        Google.turn_complete(),
    ]
    tools = [types.Tool.model_validate({"function_declarations": functions})]
    request = LlmRequest(config=types.GenerateContentConfig(tools=tools))
    async with talking(messages, request) as connection:
        await connection.send_content(types.UserContent("Look around"))
        seen: list[LlmResponse] = []
        async for response in connection.receive():
            seen.append(response)
            if response.get_function_calls():
                parts = [answer("c1", "look", {"result": "sky"}), answer("c2", "look", {"result": "sea"})]
                await connection.send_content(types.Content(role="user", parts=parts))
            if response.turn_complete:
                break
    outcome = given(seen)
    assert outcome.calls == [("c1", "look", {"at": "left"}), ("c2", "look", None)]
    assert (outcome.thoughts, outcome.text) == ("Let me see", "Sky and sea")
    assert [one.custom_metadata for one in seen if one.custom_metadata] == [{"cancelled_tool_calls": ["c2"]}]


async def test_what_was_said_before_goes_in_without_sound_thoughts_and_calls() -> None:
    history = [
        types.UserContent([types.Part.from_bytes(data=SOUND, mime_type="audio/pcm"), "Hi"]),
        types.ModelContent(
            [types.Part(text="Hm", thought=True), types.Part.from_function_call(name="f", args={"a": 1})]
        ),
        types.UserContent([types.Part.from_function_response(name="f", response={"b": 2})]),
        types.ModelContent([types.Part.from_bytes(data=SOUND, mime_type="audio/pcm")]),
        types.UserContent("Go on"),
    ]
    turns = [
        {"role": "user", "parts": [{"text": "Hi"}]},
        {"role": "model", "parts": [{"text": '[Called f with {"a":1}]'}]},
        {"role": "user", "parts": [{"text": '[f answered {"b":2}]'}]},
        {"role": "user", "parts": [{"text": "Go on"}]},
    ]
    before = sent({"client_content": {"turns": turns, "turnComplete": True}})
    async with talking([*Google.setup(), before, Google.turn_complete()]) as connection:
        await connection.send_history(history)
        await turn(connection)
    waiting = sent({"client_content": {"turns": turns[:2], "turnComplete": False}})
    async with talking([*Google.setup(), waiting, Google.turn("Hi"), Google.turn_complete()]) as connection:
        await connection.send_history([])
        await connection.send_history(history[:2])
        await connection.send_content(types.UserContent("Hi"))
        await turn(connection)


async def test_a_later_model_is_given_text_as_it_happens() -> None:
    turns = [{"role": "user", "parts": [{"text": "Hi"}]}]
    messages = [
        *Google.setup("gemini-3.1-flash-live", historyConfig={"initialHistoryInClientContent": True}),
        sent({"client_content": {"turns": turns, "turnComplete": True}}),
        sent({"realtime_input": {"text": "."}}),
        Google.turn_complete(),
        sent({"realtime_input": {"text": "More"}}),
        Google.turn_complete(),
    ]
    history = [types.UserContent("Hi")]
    async with talking(messages, LlmRequest(contents=history), "gemini-3.1-flash-live") as connection:
        await connection.send_history(history)
        await turn(connection)
        await connection.send_content(types.UserContent("More"))
        await turn(connection)


async def test_settings_of_both_kinds_are_set_up() -> None:
    messages = [
        *Google.setup(
            MODEL,
            "AUDIO",
            generationConfig={
                "responseModalities": ["AUDIO"],
                "temperature": 0.5,
                "speechConfig": {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "Puck"}}},
                "thinkingConfig": {"thinkingBudget": 0},
            },
            systemInstruction={"role": "user", "parts": [{"text": "Be brief"}]},
            tools=[{"googleSearch": {}}],
            sessionResumption={"handle": "h"},
            contextWindowCompression={"slidingWindow": {}},
        )
    ]
    config = types.GenerateContentConfig(
        temperature=0.5,
        system_instruction="Be brief",
        tools=[types.Tool(google_search={})],
        speech_config=types.SpeechConfig(voice_config={"prebuilt_voice_config": {"voice_name": "Kore"}}),  # type: ignore[arg-type]
        thinking_config=types.ThinkingConfig(thinking_budget=0),
    )
    live = types.LiveConnectConfig.model_validate(
        {
            "speech_config": {"voice_config": {"prebuilt_voice_config": {"voice_name": "Puck"}}},
            "session_resumption": {"handle": "h"},
            "context_window_compression": {"sliding_window": {}},
            "labels": {"team": "vertex only"},
        }
    )
    with WireSocketServer(messages, deadline=20, tls=True) as server:
        async with opened(gemini(server), LlmRequest(config=config, live_connect_config=live)):
            pass
    request = server.requests[0]
    assert request.headers["x-goog-api-key"] == "a-key"
    assert "v1beta" in request.target


async def test_a_models_own_voice_goes_before_that_of_the_run() -> None:
    voices = [
        types.SpeechConfig(
            voice_config=types.VoiceConfig(prebuilt_voice_config=types.PrebuiltVoiceConfig(voice_name=name))
        )
        for name in ("Kore", "Puck")
    ]
    spoken = {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "Kore"}}}
    generation = {"responseModalities": ["AUDIO"], "speechConfig": spoken}
    messages = Google.setup(MODEL, "AUDIO", generationConfig=generation)
    live = types.LiveConnectConfig(speech_config=voices[1])
    with WireSocketServer(messages, deadline=20, tls=True) as server:
        async with opened(gemini(server, speech_config=voices[0]), LlmRequest(live_connect_config=live)):
            pass


async def test_vertex_ai_is_spoken_to_in_its_own_words() -> None:
    name = "projects/p/locations/l/publishers/google/models/gemini-live"
    setup = {"model": name, "generationConfig": {"responseModalities": ["AUDIO"]}, "labels": {"team": "a"}}
    messages = [
        sent({"setup": setup}),
        received({"setupComplete": {"sessionId": "s-2"}}),
        Google.turn("Hi"),
        Google.said({"text": "Hello"}),
        Google.turn_complete(),
    ]
    with WireSocketServer(messages, deadline=20, tls=True) as server:
        settings = {"vertexai": True, "project": "p", "location": "l", "credentials": anonymous()}
        model = gemini(server, "gemini-live", **{"api_key": None, **settings})
        request = LlmRequest(live_connect_config=types.LiveConnectConfig(labels={"team": "a"}))
        async with opened(model, request) as connection:
            await connection.send_content(types.UserContent("Hi"))
            assert given(await turn(connection)).text == "Hello"
    assert server.requests[0].headers["authorization"] == "Bearer a-token"


async def test_news_of_the_connection_are_passed_on_and_what_is_unknown_is_not() -> None:
    messages = [
        *Google.setup(),
        Google.turn("Hi"),
        received({"sessionResumptionUpdate": {"newHandle": "h2", "resumable": True}}),
        received({"somethingNew": {"a": 1}}),
        received({"goAway": {"timeLeft": "10s"}, "usageMetadata": {"promptTokenCount": 3, "totalTokenCount": 3}}),
        Google.content(waitingForInput=True, somethingNew={"b": 2}),
        Google.said({"executableCode": {"code": "1+1", "language": "PYTHON"}}, {"somethingNew": 1}),
        Google.content(groundingMetadata={"webSearchQueries": ["sky"]}),
        Google.content(turnComplete=True, turnCompleteReason="NEED_MORE_INPUT", interactionStatus="IDLE"),
    ]
    async with talking(messages) as connection:
        await connection.send_content(types.UserContent("Hi"))
        seen = await turn(connection)
    assert [one.live_session_resumption_update for one in seen if one.live_session_resumption_update] == [
        {"newHandle": "h2", "resumable": True}
    ]
    away = next(one for one in seen if one.go_away)
    assert away.go_away == {"timeLeft": "10s"}
    assert away.usage_metadata is not None
    whole = next(one for one in seen if one.content is not None and not one.partial)
    assert whole.content is not None
    assert [part.executable_code.code for part in whole.content.parts or () if part.executable_code] == ["1+1"]
    assert seen[-1].turn_complete_reason == "NEED_MORE_INPUT"
    assert seen[-1].grounding_metadata == {"webSearchQueries": ["sky"]}
