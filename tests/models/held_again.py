# SPDX-License-Identifier: Apache-2.0
"""A conversation that was recorded, held again by an agent: what all providers' replays have in common."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import pytest

from runwright import Agent, Event, InMemoryRunner, RunConfig, StreamingMode
from runwright.errors import ModelError
from runwright.models.retry import NO_RETRY, RetryPolicy
from runwright.testing.wire import Exchange, WireAnswer
from runwright.types import Content

_WAITS = ("retry-after", "retry-after-ms")


class Held(NamedTuple):
    """What came of it: the events of its runs, and the error that ended them."""

    events: list[Event]
    error: ModelError | None

    @property
    def answers(self) -> list[Event]:
        """The model's whole answers."""
        failed = type(self.error).__name__
        whole = [event for event in self.events if not event.partial and not event.get_function_responses()]
        return [event for event in whole if event.error_code != failed and _is_answer(event)]

    def text(self, *, partial: bool, thought: bool = False) -> str:
        """All that the model said, in its chunks or in its whole answers."""
        shown = [event for event in self.events if bool(event.partial) is partial and event.content]
        parts = [part for event in shown for part in event.content.parts or ()]
        return "".join(part.text for part in parts if part.text and bool(part.thought) is thought)


def _is_answer(event: Event) -> bool:
    return bool(event.finish_reason or event.model_version or event.usage_metadata or event.error_code)


async def hold(agent: Agent, history: Sequence[Content], prompts: Sequence[Content], *, streams: bool) -> Held:
    """Says what was said, to an agent that knows what had been said before."""
    history = list(history)
    if not _is_session(history, prompts[0]):
        agent.before_model_callback = [*_listed(agent.before_model_callback), _told([*history, prompts[0]])]
        history, prompts = [], [Content.model_validate({"role": "user", "parts": [{"text": "Go on."}]}), *prompts[1:]]
    runner = InMemoryRunner(agent, app_name="replay")
    session = await runner.session_service.create_session(app_name="replay", user_id="u", session_id="s")
    for content in history:
        is_answer = any(part.function_response for part in content.parts or ())
        author = "user" if content.role == "user" and not is_answer else agent.name
        event = Event(author=author, content=content, invocation_id="before")
        await runner.session_service.append_event(session, event)
    config = RunConfig(streaming_mode=StreamingMode.SSE if streams else StreamingMode.NONE)
    events: list[Event] = []
    error = None
    try:
        for prompt in prompts:
            run = runner.run_async(user_id="u", session_id="s", new_message=prompt, run_config=config)
            async for event in run:
                events.append(event)
    except ModelError as raised:
        error = raised
    finally:
        await runner.close()
        await agent.model.close()
    return Held(events, error)


def _is_session(history: list[Content], prompt: Content) -> bool:
    """Whether a session of ours can be at that point: each answer of a tool follows its call, and stands alone."""
    waiting: list[Any] = []
    for content in [*history, prompt]:
        parts = content.parts or []
        answers = [part.function_response for part in parts if part.function_response]
        if answers and (len(answers) < len(parts) or [(one.id, one.name) for one in answers] != waiting):
            return False
        if waiting and not answers:
            return False
        waiting = [(part.function_call.id, part.function_call.name) for part in parts if part.function_call]
    return not any(part.function_response for part in prompt.parts or ())


def _told(contents: list[Content]) -> Any:
    """A callback that lets the model see these messages in place of the first one of the session."""

    def tell(callback_context: Any, llm_request: Any) -> None:
        llm_request.contents = [*(one.model_copy(deep=True) for one in contents), *llm_request.contents[1:]]

    return tell


def _listed(callback: Any) -> list[Any]:
    return callback if isinstance(callback, list) else [callback] if callback is not None else []


def only_those_we_make(exchanges: Sequence[Exchange], pattern: Any) -> list[Exchange]:
    """The exchanges at the addresses that our adapter asks; the test is skipped where there are none."""
    kept = [one for one in exchanges if one.request.method == "POST" and pattern.search(one.request.path)]
    if not kept:
        asked = sorted({f"{one.request.method} {one.request.path}" for one in exchanges})
        pytest.skip(f"our adapter asks none of these: {', '.join(asked) or 'the recording is empty'}")
    return kept


def skip_unsent(conversations: Sequence[Any]) -> None:
    """Skips a test, whose other conversations were held, where one cannot be: with the reason."""
    if reasons := {one.unsent for one in conversations if one.unsent}:
        pytest.skip("; ".join(sorted(reasons)))


def is_tried_again(answer: WireAnswer) -> bool:
    """Whether our adapters ask again after such a failure."""
    return answer.status == 429 or (answer.status >= 500 and answer.status != 504)


def retries(exchanges: Sequence[Exchange]) -> tuple[RetryPolicy, list[Exchange]]:
    """How often it was asked again, and the exchanges without the waits that were asked for."""
    failures = sum(is_tried_again(one.answer) for one in exchanges[:-1])
    if not failures:
        return NO_RETRY, list(exchanges)
    at_once = [replace(one, answer=_without_waits(one.answer)) for one in exchanges]
    return RetryPolicy(attempts=failures + 1, initial_delay=0, max_delay=0), at_once


def _without_waits(answer: WireAnswer) -> WireAnswer:
    headers = {name: value for name, value in answer.headers.items() if name not in _WAITS}
    return replace(answer, headers=headers, chunks=[one.replace(b"retryDelay", b"waited") for one in answer.chunks])
