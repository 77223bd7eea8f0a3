# SPDX-License-Identifier: Apache-2.0
"""What is said and done in a live run, what of it is stored, and what the model is told."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from runwright import (
    Agent,
    AuthConfig,
    Budget,
    Event,
    FunctionTool,
    InMemoryRunner,
    LiveRequest,
    LiveRequestQueue,
    LongRunningFunctionTool,
    RunConfig,
    SequentialAgent,
    ToolContext,
)
from runwright.errors import BudgetExceededError, LlmCallsLimitExceededError, ToolError
from runwright.event import LlmResponse
from runwright.testing import FunctionModel, ScriptedLiveModel, ScriptedModel, call, hang_up, heard, spoken
from runwright.tools import AgentTool
from runwright.types import (
    ActivityEnd,
    ActivityStart,
    AudioStreamEnd,
    Blob,
    Content,
    FunctionResponse,
    GenerateContentResponseUsageMetadata,
    Part,
    Transcription,
    text_of,
)
from tests.live.scene import (
    SOUND,
    SPEECH,
    assert_no_audio,
    filled,
    live_agent,
    log,
    model_of,
    pieces,
    said,
    saying,
    talk,
    texts_sent,
    wholes,
)
from tests.runner.scene import HERE, HeldUp, Recorder, answers, assert_sound, say, stored, texts


async def add(a: int, b: int) -> int:
    """Adds."""
    return a + b


# --- what is said


async def test_text_in_text_out() -> None:
    agent = live_agent(["Hel", "lo!"], "Fine.")
    async with InMemoryRunner(agent) as runner:
        events = await talk(runner, filled("Hi", closed=False), saying("How are you?"))
        assert pieces(events) == ["live: Hel", "live: lo!", "live: Fine."]
        assert wholes(events) == ["live: Hello!", "live done", "live: Fine.", "live done"]
        assert await log(runner) == [
            "user: Hi",
            "live: Hello!",
            "live done",
            "user: How are you?",
            "live: Fine.",
            "live done",
        ]
        assert texts_sent(model_of(agent)) == ["Hi", "How are you?"]
        assert model_of(agent).connections[0].closed


async def test_chunks_and_their_whole_have_one_id_and_the_next_answer_another() -> None:
    async with InMemoryRunner(live_agent(["Hel", "lo!"], "Fine.")) as runner:
        events = await talk(runner, filled("Hi", closed=False), saying("And?"))
        ids = [event.id for event in events if text_of(event.content)]
        assert ids[0] == ids[1] == ids[2] != ids[3] == ids[4]
        assert len({event.invocation_id for event in events}) == 1


async def test_what_was_yielded_is_stored_as_it_was() -> None:
    async with InMemoryRunner(live_agent(["a", *spoken("b"), SOUND], [*heard("c"), call("add", a=1, b=2)], "end",
                                         tools=[add])) as runner:  # fmt: skip
        events = await talk(runner, filled("Hi", closed=False), saying("And?"), yield_user_message=True)
        session = await stored(runner)
        assert [event for event in events if not event.partial] == session.events
        assert_no_audio(session)


async def test_audio_in_and_out() -> None:
    agent = live_agent([*heard("Good ", "day"), SOUND, SOUND, *spoken("Good day ", "to you")])
    queue = LiveRequestQueue()
    queue.send_realtime(SPEECH)
    queue.send_realtime(SPEECH)
    queue.send_audio_stream_end()
    queue.close(after_answer=True)
    async with InMemoryRunner(agent) as runner:
        events = await talk(runner, queue)
        assert pieces(events) == [
            "user heard: Good ",
            "user heard: day",
            "live sounds",
            "live sounds",
            "live spoke: Good day ",
            "live spoke: to you",
        ]
        assert await log(runner) == ["user heard: Good day", "live spoke: Good day to you", "live done"]
        assert model_of(agent).sent == [SPEECH, SPEECH, AudioStreamEnd()]
        sounds = [event for event in events if said(event) == "live sounds"]
        assert all(event.partial for event in sounds)
        session = await stored(runner)
        assert_no_audio(session)
        assert [(e.author, e.input_transcription or e.output_transcription) for e in session.events[:2]] == [
            ("user", Transcription(text="Good day", finished=True)),
            ("live", Transcription(text="Good day to you", finished=True)),
        ]


async def test_the_users_own_signals_of_speech() -> None:
    agent = live_agent("Heard.")
    queue = LiveRequestQueue()
    queue.send_activity_start()
    queue.send_realtime(SPEECH)
    queue.send_activity_end()
    queue.close(after_answer=True)
    async with InMemoryRunner(agent) as runner:
        await talk(runner, queue)
        assert model_of(agent).sent == [ActivityStart(), SPEECH, ActivityEnd()]


async def test_audio_that_does_not_come_as_a_chunk_is_not_stored_either() -> None:
    both = LlmResponse(content=Content(role="model", parts=[Part(inline_data=SOUND), Part(text="Listen!")]))
    alone = LlmResponse(content=Content(role="model", parts=[Part(inline_data=SOUND)]), turn_complete=True)
    async with InMemoryRunner(live_agent([both, alone])) as runner:
        events = await talk(runner, filled("Hi"))
        assert [(said(event), bool(event.partial)) for event in events] == [
            ("live sounds", True),
            ("live: Listen!", False),
            ("live sounds", True),
            ("live done", False),
        ]
        assert_no_audio(await stored(runner))


async def test_a_whole_that_the_model_leaves_out_is_joined_from_its_pieces() -> None:
    chunks = [LlmResponse(partial=True, content=Content(role="model", parts=[Part(text=text)])) for text in "ab"]
    piece = LlmResponse(partial=True, output_transcription=Transcription(text="spoken"))
    async with InMemoryRunner(live_agent([*chunks, piece, LlmResponse(turn_complete=True)])) as runner:
        events = await talk(runner, filled("Hi"))
        assert wholes(events) == ["live spoke: spoken", "live: ab", "live done"]
        assert [event.id for event in events if text_of(event.content)] == [events[0].id] * 3


async def test_an_interrupted_turn_is_passed_on_and_what_was_said_is_kept() -> None:
    chunk = LlmResponse(partial=True, content=Content(role="model", parts=[Part(text="I was going to")]))
    agent = live_agent([chunk, SOUND, LlmResponse(interrupted=True), LlmResponse(turn_complete=True)], "Yes?")
    async with InMemoryRunner(agent) as runner:
        events = await talk(runner, filled("Talk", closed=False), saying("Wait!"))
        assert wholes(events) == ["live: I was going to", "live interrupted", "live done", "live: Yes?", "live done"]
        assert await log(runner) == ["user: Talk", *wholes(events)[:3], "user: Wait!", *wholes(events)[3:]]


async def test_signals_of_the_connection_are_passed_on_and_not_stored() -> None:
    handle = LlmResponse(live_session_resumption_update={"newHandle": "h", "resumable": True})
    activity = LlmResponse(voice_activity={"type": "START"})
    async with InMemoryRunner(live_agent([handle, activity, "Hello", LlmResponse(turn_complete=True)])) as runner:
        events = await talk(runner, filled("Hi"))
        assert [bool(event.partial) for event in events[:2]] == [True, True]
        assert events[0].live_session_resumption_update == {"newHandle": "h", "resumable": True}
        assert await log(runner) == ["user: Hi", "live: Hello", "live done"]


async def test_the_users_message_is_yielded_where_that_is_asked_for() -> None:
    async with InMemoryRunner(live_agent("Hello")) as runner:
        events = await talk(runner, filled("Hi"), yield_user_message=True)
        assert wholes(events) == ["user: Hi", "live: Hello", "live done"]


async def test_a_message_in_parts_goes_to_the_model_whole() -> None:
    agent = live_agent("Hello")
    queue = LiveRequestQueue()
    queue.send_content("Good ", partial=True)
    queue.send_content("day", partial=True)
    queue.send(LiveRequest(state_delta={"alone": 1}))
    queue.send_content("!")
    queue.close(after_answer=True)
    async with InMemoryRunner(agent) as runner:
        await talk(runner, queue)
        assert texts_sent(model_of(agent)) == ["Good day!"]
        assert (await log(runner))[:2] == ["user else", "user: Good day!"]


async def test_state_comes_with_a_message_or_alone() -> None:
    queue = LiveRequestQueue()
    queue.send(LiveRequest(state_delta={"alone": 1}))
    queue.send(LiveRequest(content=Content(parts=[Part(text="Hi")]), state_delta={"with": 2}))
    queue.close(after_answer=True)
    async with InMemoryRunner(live_agent("Hello")) as runner:
        events = await talk(runner, queue)
        assert wholes(events) == ["live: Hello", "live done"]
        assert (await stored(runner)).state == {"alone": 1, "with": 2}


async def test_what_the_agent_says_is_saved_under_its_output_key() -> None:
    async with InMemoryRunner(live_agent(["One", "."], "Two.", output_key="answer")) as runner:
        await talk(runner, filled("Hi", closed=False), saying("And?"))
        assert (await stored(runner)).state == {"answer": "Two."}


# --- what the model is told


async def test_the_request_has_instruction_tools_and_settings() -> None:
    agent = live_agent("Hello", instruction="Be {tone}.", tools=[add], static_instruction="You are kind.")
    config = RunConfig(
        response_modalities=["TEXT"],
        session_resumption={"transparent": True},
        input_audio_transcription=None,
        proactivity={"proactiveAudio": True},
    )
    async with InMemoryRunner(agent) as runner:
        await runner.session_service.create_session(
            app_name=runner.app_name, user_id="u", session_id="s", state={"tone": "brief"}
        )
        await talk(runner, filled("Hi"), run_config=config)
    request = model_of(agent).connections[0].request
    assert "You are kind." in request.config.system_instruction and "Be brief." in request.config.system_instruction
    assert list(request.tools_dict) == ["add"]
    connect = request.live_connect_config
    assert connect.response_modalities == ["TEXT"]
    assert connect.session_resumption.transparent is True
    assert connect.input_audio_transcription is None and connect.output_audio_transcription is not None
    assert connect.proactivity is not None
    assert not request.contents and model_of(agent).connections[0].history is None


async def test_speech_is_what_is_asked_for_by_default() -> None:
    agent = live_agent("Hello")
    async with InMemoryRunner(agent) as runner:
        await talk(runner, filled("Hi"))
    connect = model_of(agent).connections[0].request.live_connect_config
    assert connect.response_modalities == ["AUDIO"]
    assert connect.input_audio_transcription is not None and connect.output_audio_transcription is not None


async def test_a_later_run_is_told_what_was_said_and_spoken_before() -> None:
    agent = live_agent([*heard("Good day"), SOUND, *spoken("Hello")], "Again?")
    queue = LiveRequestQueue()
    queue.send_audio_stream_end()
    queue.close(after_answer=True)
    async with InMemoryRunner(agent) as runner:
        await talk(runner, queue)
        await talk(runner, filled("It is me"))
        history = model_of(agent).connections[1].history
        assert history is not None
        assert [(content.role, text_of(content)) for content in history] == [("user", "Good day"), ("model", "Hello")]

        plain = ScriptedModel(["In writing."])
        agent.model = plain
        assert texts(await say(runner, "And now?")) == ["In writing."]
        assert [text_of(content) for content in plain.requests[0].contents] == [
            "Good day",
            "Hello",
            "It is me",
            "Again?",
            "And now?",
        ]


async def test_a_history_that_ends_with_the_user_is_answered() -> None:
    agent = live_agent("Here I am.")
    queue = LiveRequestQueue()
    queue.close(after_answer=True)
    async with InMemoryRunner(agent) as runner:
        session = await runner.session_service.create_session(app_name=runner.app_name, user_id="u", session_id="s")
        await runner.session_service.append_event(
            session, Event(author="user", message=Content(role="user", parts=[Part(text="Anybody?")]))
        )
        assert wholes(await talk(runner, queue)) == ["live: Here I am.", "live done"]


# --- tools


async def test_a_tool_is_called_and_its_response_stored_before_the_model_gets_it() -> None:
    seen: list[list[str]] = []

    async def look(_: Any) -> None:
        seen.append(await log(runner))

    agent = live_agent(call("add", a=1, b=2), [look, "3"], tools=[add])
    async with InMemoryRunner(agent) as runner:
        events = await talk(runner, filled("Add"))
        assert wholes(events) == ["live calls add", "live answers add {'result': 3}", "live: 3", "live done"]
        assert seen == [["user: Add", "live calls add", "live answers add {'result': 3}"]]
        sent = model_of(agent).sent[1].parts[0].function_response
        assert (sent.id, sent.response) == (events[0].get_function_calls()[0].id, {"result": 3})
        assert_sound(await stored(runner))


async def test_calls_of_one_answer_run_at_the_same_time_and_are_answered_in_order() -> None:
    first, second = asyncio.Event(), asyncio.Event()

    async def ping() -> str:
        """Waits for pong."""
        first.set()
        await second.wait()
        return "ping"

    async def pong() -> str:
        """Waits for ping."""
        await first.wait()
        second.set()
        return "pong"

    agent = live_agent([call("ping"), call("pong")], "Both.", tools=[ping, pong])
    async with InMemoryRunner(agent) as runner:
        events = await talk(runner, filled("Go"))
        assert wholes(events)[1] == "live answers ping {'result': 'ping'}, pong {'result': 'pong'}"
        assert_sound(await stored(runner))


async def test_the_conversation_goes_on_while_a_tool_runs() -> None:
    held = HeldUp()

    async def slow() -> str:
        """Takes its time."""
        await held.stop()
        return "done"

    agent = live_agent(call("slow"), "Still waiting.", "It is done.", tools=[slow])
    async with InMemoryRunner(agent) as runner:
        queue = filled("Go", closed=False)
        seen: list[str] = []
        async for event in runner.run_live(**HERE, live_request_queue=queue):
            if event.partial:
                continue
            seen.append(said(event))
            if event.get_function_calls():
                queue.send_content("Well?")
            elif said(event) == "live: Still waiting.":
                assert held.reached.is_set()
                held.go.set()
                queue.close(after_answer=True)
        assert [line for line in seen if line != "live done"] == [
            "live calls slow",
            "live: Still waiting.",
            "live answers slow {'result': 'done'}",
            "live: It is done.",
        ]
        assert_sound(await stored(runner))


async def test_a_tool_sees_the_session_and_writes_state() -> None:
    async def note(text: str, tool_context: ToolContext) -> str:
        """Notes."""
        tool_context.state["note"] = text
        return f"{len(tool_context.session.events)} events"

    async with InMemoryRunner(live_agent(call("note", text="x"), "Noted.", tools=[note])) as runner:
        await talk(runner, filled("Note x"))
        session = await stored(runner)
        assert session.state == {"note": "x"} and answers(session) == {"note": {"result": "2 events"}}


async def test_a_wrong_call_is_told_and_too_many_end_the_run() -> None:
    async with InMemoryRunner(live_agent(call("ad"), call("add", a="x"), "Sorry.", tools=[add])) as runner:
        events = await talk(runner, filled("Add"))
        assert "There is no tool 'ad'" in wholes(events)[1] and wholes(events)[-2] == "live: Sorry."
    agent = live_agent(call("ad"), call("ad"), call("ad"), tools=[add])
    async with InMemoryRunner(agent) as runner:
        with pytest.raises(ToolError, match="3 wrong calls in a row"):
            await talk(runner, filled("Add"), run_config=RunConfig(max_tool_errors=2))
        assert_sound(await stored(runner))


async def test_a_response_that_the_model_has_cancelled_is_stored_and_not_sent() -> None:
    held = HeldUp()

    async def slow() -> str:
        """Takes its time."""
        await held.stop()
        return "late"

    cancelled = LlmResponse(custom_metadata={"cancelled_tool_calls": ["c"]}, interrupted=True)
    agent = live_agent(
        call("slow").model_copy(update={"id": "c"}), [cancelled, LlmResponse(turn_complete=True)], tools=[slow]
    )
    async with InMemoryRunner(agent) as runner:
        queue = filled("Go", closed=False)

        def react(event: Event, queue: LiveRequestQueue) -> None:
            if event.get_function_calls():
                queue.send_content("Never mind")
            if event.interrupted:
                held.go.set()
            if event.get_function_responses():
                queue.close()

        await talk(runner, queue, react)
        assert answers(await stored(runner)) == {"slow": {"result": "late"}}
        assert texts_sent(model_of(agent)) == ["Go", "Never mind"] and len(model_of(agent).sent) == 2


async def test_a_call_that_needs_confirmation_asks_through_the_queue() -> None:
    tool = FunctionTool(add, require_confirmation=True)
    confirmed = False

    def confirm(event: Event, queue: LiveRequestQueue) -> None:
        if event.long_running_tool_ids:
            question = event.get_function_calls()[0]
            for name in (None, question.name):  # a second click changes nothing
                answer = FunctionResponse(id=question.id, name=name, response={"confirmed": confirmed})
                queue.send_content(Part(function_response=answer))
        elif event.get_function_responses():
            queue.close(after_answer=True)

    for said_yes, response in ((True, {"result": 3}), (False, {"error": "This tool call is rejected."})):
        confirmed = said_yes
        agent = live_agent(call("add", a=1, b=2), "There.", tools=[tool])
        async with InMemoryRunner(agent) as runner:
            events = await talk(runner, filled("Add", closed=False), confirm)
            assert wholes(events) == [
                "live calls add",
                "live calls adk_request_confirmation",
                f"live answers add {response}",
                "live: There.",
                "live done",
            ]
            sent = [part.function_response for part in model_of(agent).sent[1].parts]
            assert [(one.name, one.response) for one in sent] == [("add", response)]
            assert len(model_of(agent).sent) == 2
            assert_sound(await stored(runner))


async def test_a_credential_given_through_the_queue_is_neither_in_the_log_nor_told_the_model() -> None:
    key = AuthConfig(auth_scheme={"type": "apiKey", "in": "header", "name": "X-Key"}, credential_key="pets")

    async def pets(tool_context: ToolContext) -> str:
        given = tool_context.get_auth_response(key)
        if given is None:
            tool_context.request_credential(key)
            return "asked"
        return f"{len(given.api_key or '')} letters"

    def give(event: Event, queue: LiveRequestQueue) -> None:
        if event.long_running_tool_ids:
            response = {"exchangedAuthCredential": {"authType": "apiKey", "apiKey": "s3cret-key"}}
            answer = FunctionResponse(id=event.get_function_calls()[0].id, response=response)
            queue.send_content(Part(function_response=answer))
        elif event.get_function_responses():
            queue.close(after_answer=True)

    agent = live_agent(call("pets"), "There.", tools=[pets])
    async with InMemoryRunner(agent) as runner:
        assert wholes(await talk(runner, filled("Pets", closed=False), give)) == [
            "live calls pets",
            "live calls adk_request_credential",
            "live answers pets {'result': '10 letters'}",
            "live: There.",
            "live done",
        ]
        session = await stored(runner)
        assert_sound(session)
        assert "s3cret-key" not in session.model_dump_json()
        assert "s3cret-key" not in repr(model_of(agent).sent)


async def test_an_agent_that_is_a_tool_is_asked_for_text_and_asks_through_the_queue() -> None:
    asked: list[Any] = []

    def answer(request: Any) -> Any:
        asked.append(request.config.response_modalities)
        return "Four." if request.contents[-1].parts[-1].function_response else call("guarded")

    async def guarded() -> str:
        """Needs leave."""
        return "made"

    def allow(event: Event, queue: LiveRequestQueue) -> None:
        if event.long_running_tool_ids:
            response = {"confirmed": True}
            answer = FunctionResponse(id=event.get_function_calls()[0].id, response=response)
            queue.send_content(Part(function_response=answer))
        elif event.get_function_responses():
            queue.close(after_answer=True)

    tool = FunctionTool(guarded, require_confirmation=True)
    inner = Agent(name="inner", model=FunctionModel(answer), tools=[tool])
    agent = live_agent(call("inner", request="2 + 2"), "There.", tools=[AgentTool(inner)])
    async with InMemoryRunner(agent) as runner:
        config = RunConfig(response_modalities=["AUDIO"])
        events = wholes(await talk(runner, filled("Ask", closed=False), allow, run_config=config))
        assert "live answers inner {'result': 'Four.'}" in events
        assert asked == [None, None]
        assert_sound(await stored(runner))


async def test_what_a_tool_reports_comes_while_it_runs() -> None:
    go_on = asyncio.Event()

    async def count() -> AsyncGenerator[int, None]:
        yield 1
        await go_on.wait()
        yield 2

    reports: list[Any] = []

    def react(event: Event, queue: LiveRequestQueue) -> None:
        for response in event.get_function_responses():
            reports.append((event.partial, response.response))
            go_on.set()
            if not event.partial:
                queue.close(after_answer=True)

    agent = live_agent(call("count"), "Two.", tools=[count])
    async with InMemoryRunner(agent) as runner:
        await talk(runner, filled("Count", closed=False), react)
        assert reports == [(True, {"result": 1}), (True, {"result": 2}), (None, {"result": 2})]
        assert answers(await stored(runner)) == {"count": {"result": 2}}
        sent = [part.function_response for part in model_of(agent).sent[1].parts]
        assert [one.response for one in sent] == [{"result": 2}]


async def test_a_question_that_nobody_answers_is_withdrawn_with_the_conversation() -> None:
    agent = live_agent(call("add", a=1, b=2), tools=[FunctionTool(add, require_confirmation=True)])
    async with InMemoryRunner(agent) as runner:
        await talk(runner, filled("Add"))
        session = await stored(runner)
        assert answers(session)["add"] == {"error": "cancelled"}
        assert_sound(session)


async def test_the_answer_of_a_long_running_call_comes_through_the_queue() -> None:
    def submit() -> None:
        """Submits."""

    agent = live_agent(call("submit"), "Approved!", tools=[LongRunningFunctionTool(submit)])

    def approve(event: Event, queue: LiveRequestQueue) -> None:
        if event.get_function_calls():
            asked = event.get_function_calls()[0]
            given = FunctionResponse(id=asked.id, name=asked.name, response={"status": "approved"})
            queue.send_content(Part(function_response=given))
            queue.close(after_answer=True)

    async with InMemoryRunner(agent) as runner:
        events = await talk(runner, filled("Go", closed=False), approve)
        assert wholes(events) == ["live calls submit", "live: Approved!", "live done"]
        assert await log(runner) == [
            "user: Go",
            "live calls submit",
            "user answers submit {'status': 'approved'}",
            "live: Approved!",
            "live done",
        ]
        assert_sound(await stored(runner))


# --- several agents


async def test_a_conversation_is_passed_on_over_a_connection_of_its_own() -> None:
    expert = live_agent("I am the expert.", "Anything else?", "Still here.", name="expert")
    root = live_agent([*spoken("One moment"), call("transfer_to_agent", agent_name="expert")], sub_agents=[expert])
    async with InMemoryRunner(root) as runner:
        events = await talk(runner, filled("Help", closed=False), saying("More"))
        assert wholes(events) == [
            "live spoke: One moment",
            "live calls transfer_to_agent",
            "live answers transfer_to_agent {'result': None}",
            "expert: I am the expert.",
            "expert done",
            "expert: Anything else?",
            "expert done",
        ]
        assert model_of(root).connections[0].closed and len(model_of(root).connections) == 1
        history = model_of(expert).connections[0].history
        assert history is not None
        assert [text_of(content) for content in history][0:2] == ["Help", "For context:[live] said: One moment"]
        assert_sound(await stored(runner))
        # The next run goes on with who has the conversation.
        await talk(runner, filled("Still there?", closed=False), lambda event, queue: queue.close())
        assert len(model_of(expert).connections) == 2


async def test_a_conversation_that_is_passed_back_goes_on_with_the_first_agent() -> None:
    expert = live_agent(call("transfer_to_agent", agent_name="live"), name="expert")
    root = live_agent(call("transfer_to_agent", agent_name="expert"), "Back again.", sub_agents=[expert])
    async with InMemoryRunner(root) as runner:
        events = await talk(runner, filled("Help", closed=False), lambda e, q: q.close() if e.turn_complete else None)
        assert wholes(events)[-2:] == ["live: Back again.", "live done"]
        assert [len(model_of(one).connections) for one in (root, expert)] == [2, 1]


async def test_what_is_sent_while_the_conversation_is_passed_on_is_not_lost() -> None:
    held = HeldUp()

    async def on_message(_: Any) -> None:
        await held.stop()

    expert = live_agent("I am the expert.", "Both heard.", name="expert")
    root = live_agent(call("transfer_to_agent", agent_name="expert"), sub_agents=[expert])
    async with InMemoryRunner(root) as runner:
        queue = filled("Help", closed=False)

        def react(event: Event, queue: LiveRequestQueue) -> None:
            if event.get_function_calls():
                queue.send_content("more ", partial=True)
            if event.get_function_responses():
                queue.send_content("of it")
                queue.send_realtime(SPEECH)
                queue.close(after_answer=True)

        await talk(runner, queue, react)
        sent = [*model_of(root).sent[1:], *model_of(expert).sent]
        assert SPEECH in sent
        assert "user: more of it" in await log(runner)


async def test_the_agents_of_a_sequence_have_the_user_one_after_the_other() -> None:
    first = live_agent("Your name?", call("task_completed"), name="first")
    second = live_agent("Your age?", "Thanks.", name="second")
    root = SequentialAgent(name="both", sub_agents=[first, second])
    async with InMemoryRunner(root) as runner:
        events = await talk(runner, filled("Hi", closed=False), saying("Ada", "36"))
        assert [line for line in wholes(events) if ": " in line and "answers" not in line] == [
            "first: Your name?",
            "second: Your age?",
            "second: Thanks.",
        ]
        assert "task_completed" in model_of(first).connections[0].request.tools_dict
        assert "task_completed" not in model_of(second).connections[0].request.tools_dict
        assert_sound(await stored(runner))


async def test_a_sequence_ends_when_the_user_does() -> None:
    first, second = live_agent("Your name?", name="first"), live_agent("Your age?", name="second")
    async with InMemoryRunner(SequentialAgent(name="both", sub_agents=[first, second])) as runner:
        await talk(runner, filled("Hi"))
        assert not model_of(second).connections


async def test_a_custom_agent_runs_live_agents() -> None:
    class Greeter(Agent):
        async def _run_live_impl(self, ctx: Any) -> AsyncGenerator[Event, None]:
            yield Event(author=self.name, invocation_id=ctx.invocation_id, message="Welcome.")
            for child in self.sub_agents:
                async for event in child.run_live(ctx):
                    yield event

    # What another agent said before is retold in the user's role, and so is answered.
    root = Greeter(name="greeter", model=ScriptedLiveModel([]), sub_agents=[live_agent("Hello", "Yes?")])
    async with InMemoryRunner(root) as runner:
        events = await talk(runner, filled("Hi"))
        assert [line for line in wholes(events) if ": " in line] == ["greeter: Welcome.", "live: Hello", "live: Yes?"]


# --- hooks and limits


async def test_the_hooks_are_those_of_other_runs_in_their_order() -> None:
    recorder = Recorder()
    agent = live_agent(call("add", a=1, b=2), ["3"], tools=[add])
    async with InMemoryRunner(agent, plugins=[recorder]) as runner:
        await talk(runner, filled("Add"))
    assert recorder.seen == [
        "before_run",
        "before_agent",
        "before_model",
        "on_user_message",
        "on_event",
        "after_model",
        "on_event",
        "before_tool",
        "after_tool",
        "on_event",
        "after_model",
        "on_event:partial",
        "after_model",
        "on_event",
        "on_event",
        "after_agent",
        "after_run",
    ]


async def test_hooks_change_what_is_said_before_it_is_stored_and_told() -> None:
    class Redaction(Recorder):
        async def on_user_message_callback(self, *, invocation_context: Any, user_message: Content) -> Content:
            return Content(role="user", parts=[Part(text=text_of(user_message).replace("secret", "***"))])

        async def on_event_callback(self, *, invocation_context: Any, event: Event) -> Event | None:
            if event.get_function_responses():
                changed = event.private_copy()
                changed.get_function_responses()[0].response = {"result": "***"}
                return changed
            return None

    agent = live_agent(call("add", a=1, b=2), "Done.", tools=[add])
    async with InMemoryRunner(agent, plugins=[Redaction()]) as runner:
        await talk(runner, filled("my secret"))
        assert texts_sent(model_of(agent)) == ["my ***"]
        assert (await log(runner))[0] == "user: my ***"
        assert model_of(agent).sent[1].parts[0].function_response.response == {"result": "***"}


async def test_callbacks_answer_in_place_of_the_model_and_the_agent() -> None:
    agent = live_agent(
        "Never.",
        before_model_callback=lambda llm_request: LlmResponse(
            content=Content(role="model", parts=[Part(text="Closed.")])
        ),
    )
    async with InMemoryRunner(agent) as runner:
        assert wholes(await talk(runner, filled("Hi"))) == ["live: Closed."]
        assert not model_of(agent).connections
    agent = live_agent("Never.", before_agent_callback=lambda callback_context: "Not now.")
    async with InMemoryRunner(agent) as runner:
        assert wholes(await talk(runner, filled("Hi"))) == ["live: Not now."]
    agent = live_agent(["a", *spoken("b")], after_agent_callback=lambda callback_context: "Bye.")
    async with InMemoryRunner(agent) as runner:
        assert wholes(await talk(runner, filled("Hi")))[-1] == "live: Bye."


async def test_after_model_callbacks_hear_what_is_spoken() -> None:
    def mute(llm_response: LlmResponse) -> LlmResponse | None:
        if llm_response.output_transcription is None:
            return None
        return LlmResponse(output_transcription=Transcription(text="***", finished=True))

    async with InMemoryRunner(live_agent(spoken("rude"), after_model_callback=mute)) as runner:
        await talk(runner, filled("Hi"))
        assert (await log(runner))[1] == "live spoke: ***"


async def test_a_turn_counts_as_a_model_call() -> None:
    agent = live_agent("1", "2", "3")
    async with InMemoryRunner(agent) as runner:
        with pytest.raises(LlmCallsLimitExceededError):
            await talk(runner, filled("a", closed=False), saying("b", "c"), run_config=RunConfig(max_llm_calls=2))
        assert [line for line in await log(runner) if line.startswith("live: ")] == ["live: 1", "live: 2"]
        assert model_of(agent).connections[0].closed


def used(tokens: int) -> LlmResponse:
    usage = GenerateContentResponseUsageMetadata(total_token_count=tokens)
    return LlmResponse(usage_metadata=usage, turn_complete=True)


async def test_a_budget_holds_and_the_run_says_what_was_used() -> None:
    agent = live_agent(["1", used(60)], ["2", used(60)], "3")
    async with InMemoryRunner(agent) as runner:
        queue = filled("a", closed=False)
        run = runner.start(**HERE, live_request_queue=queue, run_config=RunConfig(budget=Budget(tokens=100)))
        with pytest.raises(BudgetExceededError):
            on_event = saying("b", "c")
            async for event in run:
                on_event(event, queue)
        assert run.usage.total_token_count == 120
        assert run.budget is not None and run.budget.used.tokens == 120
        assert run.budget.used.llm_calls == 2


async def test_the_model_hangs_up() -> None:
    queue = LiveRequestQueue()
    queue.send_content("Hi")
    async with InMemoryRunner(live_agent(["Bye.", hang_up])) as runner:
        assert wholes(await talk(runner, queue)) == ["live: Bye."]
        assert not queue.closed


# --- recordings


async def test_what_is_heard_and_said_is_kept_as_artifacts() -> None:
    agent = live_agent([SOUND, SOUND, *spoken("Hello")], "x")
    queue = LiveRequestQueue()
    queue.send_realtime(SPEECH)
    queue.send_realtime(SPEECH)
    queue.send_audio_stream_end()
    queue.close(after_answer=True)
    async with InMemoryRunner(agent) as runner:
        events = await talk(runner, queue, run_config=RunConfig(save_live_blob=True))
        session = await stored(runner)
        assert_no_audio(session)
        kept = [event for event in session.events if event.actions.artifact_delta]
        assert [event.author for event in kept] == ["user", "live"]
        assert [event for event in events if event.actions.artifact_delta] == kept
        for event, data in zip(kept, (SPEECH.data, SOUND.data), strict=True):
            file = event.content.parts[0].file_data  # pyright: ignore[reportOptionalMemberAccess, reportOptionalSubscript]
            assert file is not None and file.display_name is not None
            saved = await runner.artifact_service.load_artifact(  # pyright: ignore[reportOptionalMemberAccess]
                app_name=runner.app_name, user_id="u", session_id="s", filename=file.display_name
            )
            assert saved is not None and saved.inline_data is not None
            assert saved.inline_data.data == (data or b"") * 2
        # No model is shown what it could not fetch.
        await talk(runner, filled("Again"))
        history = model_of(agent).connections[1].history
        assert history is not None and [text_of(content) for content in history] == ["Hello"]


async def test_pictures_go_in_as_they_come() -> None:
    picture = Blob(data=b"\xff\xd8", mime_type="image/jpeg")
    agent = live_agent("A cat.")
    queue = LiveRequestQueue()
    queue.send_realtime(picture)
    queue.send_content("What is it?")
    queue.close(after_answer=True)
    async with InMemoryRunner(agent) as runner:
        await talk(runner, queue)
        assert model_of(agent).sent[0] == picture
