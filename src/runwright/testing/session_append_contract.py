# SPDX-License-Identifier: Apache-2.0
"""What every session service does when an event is appended. Part of the session suite."""

import asyncio
import json
from typing import Any

import pytest

from runwright import types
from runwright.errors import InvalidStateError, SessionNotFoundError, StaleSessionError
from runwright.event import Event, EventActions, EventCompaction, LlmResponse, ToolConfirmation
from runwright.session import BaseSessionService
from runwright.testing.session_suite import SessionSuite

WRITERS = 50


class AppendContract(SessionSuite):
    async def test_an_event_is_added_to_the_log_and_to_the_copy(self, service: BaseSessionService) -> None:
        session = await service.create_session(app_name="app", user_id="u", session_id="s")
        event = self.said("hello", at=5.0)
        assert await service.append_event(session, event) is event
        assert session.events == [event]
        assert (session.seq, session.last_update_time) == (1, 5.0)
        again = await self.read(service)
        assert again.events == [event]
        assert (again.seq, again.last_update_time) == (1, 5.0)

    async def test_the_order_is_that_of_appending_whatever_the_clocks_say(self, service: BaseSessionService) -> None:
        session = await service.create_session(app_name="app", user_id="u", session_id="s")
        for text, time in [("a", 100.0), ("b", 100.0), ("c", 50.0), ("d", 0.0), ("e", 100.0)]:
            await service.append_event(session, self.said(text, at=time))
        service = await self.restarted(service)
        assert [self.text(event) for event in (await self.read(service)).events] == ["a", "b", "c", "d", "e"]

    async def test_a_partial_event_is_given_back_and_not_kept(self, service: BaseSessionService) -> None:
        session = await service.create_session(app_name="app", user_id="u", session_id="s")
        chunk = self.said("hel", {"k": 1})
        chunk.partial = True
        assert await service.append_event(session, chunk) is chunk
        assert (session.events, session.seq, session.state) == ([], 0, {})
        assert (await self.read(service)).state == {}
        await service.append_event(session, self.said("hello"))
        assert (await self.read(service)).seq == 1

    async def test_everything_in_an_event_comes_back_as_it_was(self, service: BaseSessionService) -> None:
        session = await service.create_session(app_name="app", user_id="u", session_id="s")
        events = _events_of_all_kinds()
        for event in events:
            await service.append_event(session, event)
        service = await self.restarted(service)
        again = (await self.read(service)).events
        assert len(again) == len(events)
        for kept, event in zip(again, events, strict=True):
            assert kept == event
            assert kept.model_dump(mode="json") == event.model_dump(mode="json")

    async def test_what_is_done_to_an_appended_event_does_not_reach_the_store(
        self, service: BaseSessionService
    ) -> None:
        session = await service.create_session(app_name="app", user_id="u", session_id="s")
        event = Event(
            author="agent", content=types.ModelContent([types.FunctionCall(id="1", name="f", args={"list": [1]})])
        )
        await service.append_event(session, event)
        assert event.content is not None and event.content.parts is not None
        call = event.content.parts[0].function_call
        assert call is not None and call.args is not None
        call.args["list"].append(2)
        kept = (await self.read(service)).events[0].get_function_calls()[0]
        assert kept.args == {"list": [1]}

    async def test_a_large_event(self, service: BaseSessionService) -> None:
        session = await service.create_session(app_name="app", user_id="u", session_id="s")
        text = "wörd " * 200_000
        await service.append_event(session, self.said(text))
        assert self.text((await self.read(service)).events[0]) == text

    # --- who may append -----------------------------------------------------------------------------------------

    async def test_a_session_that_is_not_there(self, service: BaseSessionService) -> None:
        session = await service.create_session(app_name="app", user_id="u", session_id="s")
        await service.delete_session(app_name="app", user_id="u", session_id="s")
        with pytest.raises(SessionNotFoundError, match="'s'"):
            await service.append_event(session, self.said("hello"))
        assert (session.events, session.seq) == ([], 0)
        assert await service.get_session(app_name="app", user_id="u", session_id="s") is None

    async def test_a_copy_that_does_not_know_the_newest_event(self, service: BaseSessionService) -> None:
        session = await service.create_session(app_name="app", user_id="u", session_id="s")
        other = await self.read(service)
        await service.append_event(other, self.said("first", {"k": 1}))
        with pytest.raises(StaleSessionError, match="read it again"):
            await service.append_event(session, self.said("second", {"k": 2, "user:k": 2, "app:k": 2}))
        assert (session.events, session.seq) == ([], 0)
        again = await self.read(service)
        assert [self.text(event) for event in again.events] == ["first"]
        assert again.state == {"k": 1}
        await service.append_event(again, self.said("second"))
        assert (await self.read(service)).seq == 2

    async def test_a_copy_of_a_session_that_was_made_again(self, service: BaseSessionService) -> None:
        old = await service.create_session(app_name="app", user_id="u", session_id="s")
        await service.delete_session(app_name="app", user_id="u", session_id="s")
        await service.create_session(app_name="app", user_id="u", session_id="s")
        with pytest.raises(StaleSessionError, match="read it again"):
            await service.append_event(old, self.said("to the old one"))
        assert (await self.read(service)).events == []

    async def test_a_copy_of_a_copy_may_append(self, service: BaseSessionService) -> None:
        session = await service.create_session(app_name="app", user_id="u", session_id="s")
        twin = session.model_copy(deep=True)
        await service.append_event(twin, self.said("hello"))
        assert (await self.read(service)).seq == 1

    async def test_fifty_writers_that_read_again_lose_nothing(self, service: BaseSessionService) -> None:
        await service.create_session(app_name="app", user_id="u", session_id="s")

        async def write(number: int) -> None:
            while True:
                session = await self.read(service)
                await asyncio.sleep(0)
                try:
                    await service.append_event(session, self.said(str(number), {f"k{number}": number, "last": number}))
                except StaleSessionError:
                    continue
                return

        await asyncio.gather(*(write(number) for number in range(WRITERS)))
        again = await self.read(service)
        texts = [self.text(event) for event in again.events]
        assert sorted(texts, key=int) == [str(number) for number in range(WRITERS)]
        assert again.seq == WRITERS
        assert again.state == {f"k{number}": number for number in range(WRITERS)} | {"last": int(texts[-1])}

    async def test_of_fifty_appends_to_one_copy_those_are_kept_that_did_not_fail(
        self, service: BaseSessionService
    ) -> None:
        session = await service.create_session(app_name="app", user_id="u", session_id="s")
        events = [self.said(str(number)) for number in range(WRITERS)]
        done = await asyncio.gather(*(service.append_event(session, event) for event in events), return_exceptions=True)
        assert all(isinstance(one, Event | StaleSessionError) for one in done)
        kept = {event.id for event, one in zip(events, done, strict=True) if isinstance(one, Event)}
        assert kept
        again = await self.read(service)
        assert {event.id for event in again.events} == kept
        assert again.seq == session.seq == len(kept)
        assert again.events == session.events

    async def test_sessions_do_not_wait_for_each_others_events(self, service: BaseSessionService) -> None:
        sessions = [
            await service.create_session(app_name="app", user_id="u", session_id=str(number)) for number in range(10)
        ]

        async def write(place: int) -> None:
            for number in range(5):
                await service.append_event(sessions[place], self.said(f"{place}.{number}", {"n": number}))

        await asyncio.gather(*(write(place) for place in range(10)))
        for place in range(10):
            again = await self.read(service, session_id=str(place))
            assert [self.text(event) for event in again.events] == [f"{place}.{number}" for number in range(5)]
            assert again.state == {"n": 4}

    # --- what cannot be stored ----------------------------------------------------------------------------------

    @pytest.mark.parametrize(
        "content",
        [
            types.ModelContent([types.FunctionCall(name="f", args={"bad": object()})]),
            types.ModelContent("half a pair: \ud800"),
        ],
        ids=["object", "surrogate"],
    )
    async def test_an_event_that_is_not_json_is_refused_whole(
        self, service: BaseSessionService, content: types.Content
    ) -> None:
        session = await service.create_session(app_name="app", user_id="u", session_id="s")
        event = Event(author="agent", content=content, actions=EventActions(state_delta={"k": 1, "user:k": 1}))
        with pytest.raises(InvalidStateError, match=event.id):
            await service.append_event(session, event)
        assert (session.events, session.seq, session.state) == ([], 0, {})
        again = await self.read(service)
        assert (again.events, again.seq, again.state) == ([], 0, {})
        await service.append_event(session, self.said("still sound"))
        assert (await self.read(service)).seq == 1


def _events_of_all_kinds() -> list[Event]:
    every_byte = bytes(range(256))
    parts: list[Any] = [
        types.Part.from_bytes(data=every_byte, mime_type="application/octet-stream"),
        types.Part.from_bytes(data=b"", mime_type="text/plain"),
        types.Part.from_uri(file_uri="gs://bucket/file.png", mime_type="image/png"),
        types.Part(text="thinking", thought=True, thought_signature=every_byte),
        types.Part(text="", part_metadata={"k": [1, None]}),
        types.Part.from_executable_code(code="print(1)"),
        types.Part.from_code_execution_result(outcome=types.Outcome.OUTCOME_OK, output="1\n"),
    ]
    arguments: dict[str, Any] = {
        "text": 'ünï "quoted" \\ \n\t\x00 文字 🙂',
        "n": 2**53 + 1,
        "x": 0.1,
        "none": None,
        "deep": [[{}]],
        "": "",
    }
    answer = types.FunctionResponse(
        id="c1",
        name="f",
        response=arguments,
        parts=[types.FunctionResponsePart(inline_data=types.Blob(data=every_byte, mime_type="image/png"))],
    )
    usage = types.GenerateContentResponseUsageMetadata(prompt_token_count=3, total_token_count=7)
    return [
        Event(author="user", invocation_id="i", content=types.UserContent("hello"), timestamp=1700000000.123456),
        Event(author="user", content=types.UserContent(parts)),
        Event(
            author="agent",
            content=types.ModelContent([types.FunctionCall(id="c1", name="f", args=arguments)]),
            long_running_tool_ids={"c1"},
            usage_metadata=usage,
            finish_reason=types.FinishReason.STOP,
        ),
        Event(author="agent", content=types.UserContent([answer]), branch="root.child", isolation_scope="x"),
        Event(author="agent", error_code="500", error_message="no", interrupted=True, turn_complete=True),
        Event(author="agent", custom_metadata=json.loads(json.dumps(arguments)), output={"any": [1, "two"]}),
        Event(
            author="agent",
            actions=EventActions(
                artifact_delta={"a.txt": 3},
                transfer_to_agent="other",
                escalate=True,
                agent_state={"step": 2},
                requested_tool_confirmations={"c1": ToolConfirmation(hint="sure?", payload={"k": 1})},
                compaction=EventCompaction(
                    start_timestamp=1.0, end_timestamp=2.5, compacted_content=types.ModelContent("in short")
                ),
            ),
        ),
        Event(author="agent", **LlmResponse(model_version="m-1", avg_logprobs=-0.25).model_dump(exclude_defaults=True)),
    ]
