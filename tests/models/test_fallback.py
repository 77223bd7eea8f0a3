# SPDX-License-Identifier: Apache-2.0
"""FallbackModel: who answers where others cannot, and who is left alone."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from runwright import Agent, BaseLlm, InMemoryRunner, LlmRequest, LlmResponse, errors, types
from runwright.models.circuit import Circuit
from runwright.models.fallback import FallbackModel
from runwright.testing import ScriptedModel


class Flaky(BaseLlm):
    """Fails as long as it is told to."""

    needs_call_ids = True
    chunks: int = 0

    def model_post_init(self, context: Any, /) -> None:
        self.error: Exception | None = None
        self.asked: list[str | None] = []
        self.closed = 0

    async def generate_content_async(
        self, llm_request: LlmRequest, stream: bool = False
    ) -> AsyncGenerator[LlmResponse, None]:
        self.asked.append(llm_request.model)
        for _ in range(self.chunks):
            yield LlmResponse(content=types.ModelContent("chunk"), partial=True)
        if self.error is not None:
            raise self.error
        yield LlmResponse(content=types.ModelContent(f"I am {self.model}"))

    async def close(self) -> None:
        self.closed += 1


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


async def answer(model: BaseLlm, *, stream: bool = False) -> str:
    request = LlmRequest(model=model.model, contents=[types.UserContent("Hi")])
    responses = [response async for response in model.generate_content_async(request, stream)]
    return responses[-1].content.parts[0].text  # type: ignore[union-attr,return-value]


def two(**settings: Any) -> tuple[Flaky, Flaky, FallbackModel]:
    first, second = Flaky(model="first"), Flaky(model="second")
    return first, second, FallbackModel([first, second], **settings)


async def test_the_first_one_answers_while_it_can() -> None:
    first, second, model = two()
    assert await answer(model) == "I am first"
    assert (first.asked, second.asked) == (["first"], [])


PASSED_ON = [
    errors.ModelAuthError("key"),
    errors.ModelConnectionError("gone"),
    errors.ModelOverloadedError("busy"),
    errors.ModelRateLimitedError("busy"),
    errors.ModelResponseError("?"),
    errors.ModelTimeoutError("late"),
    errors.ContextTooLongError("long"),
]


@pytest.mark.parametrize("error", PASSED_ON, ids=lambda error: type(error).__name__)
async def test_the_next_one_answers_where_it_cannot(error: Exception) -> None:
    first, second, model = two()
    first.error = error
    assert await answer(model) == "I am second"
    assert (first.asked, second.asked) == (["first"], ["second"])


@pytest.mark.parametrize(
    "error", [errors.ModelBadRequestError("no"), errors.ContentBlockedError("no"), ValueError("bug")]
)
async def test_what_is_wrong_in_itself_is_not_passed_on(error: Exception) -> None:
    first, second, model = two()
    first.error = error
    with pytest.raises(type(error)):
        await answer(model)
    assert second.asked == []


async def test_what_was_seen_is_not_said_by_another() -> None:
    first, second, model = two()
    first.chunks, first.error = 1, errors.ModelResponseError("cut off")
    with pytest.raises(errors.ModelResponseError):
        await answer(model, stream=True)
    assert second.asked == []


async def test_where_all_fail_the_last_error_tells_of_the_others() -> None:
    first, second, model = two()
    first.error, second.error = errors.ModelOverloadedError("busy"), errors.ModelAuthError("key")
    with pytest.raises(errors.ModelAuthError, match="key") as raised:
        await answer(model)
    assert raised.value.__notes__ == ["Before it, first failed: busy"]


async def test_a_model_that_fails_again_and_again_is_left_alone_for_a_while() -> None:
    clock = Clock()
    first, second, model = two(failure_threshold=2, recovery_seconds=30, now=clock)
    first.error = errors.ModelOverloadedError("busy")
    for _ in range(5):
        assert await answer(model) == "I am second"
    assert len(first.asked) == 2
    clock.seconds = 30.0
    assert await answer(model) == "I am second"
    assert len(first.asked) == 3
    assert await answer(model) == "I am second"
    assert len(first.asked) == 3
    clock.seconds, first.error = 60.0, None
    assert await answer(model) == "I am first"
    assert await answer(model) == "I am first"
    assert len(second.asked) == 7


async def test_a_request_that_was_wrong_says_nothing_of_the_provider() -> None:
    first, _, model = two(failure_threshold=1)
    first.error = errors.ContextTooLongError("long")
    assert await answer(model) == "I am second"
    first.error = None
    assert await answer(model) == "I am first"


async def test_where_all_are_left_alone_the_error_says_for_how_long() -> None:
    clock = Clock()
    first, second, model = two(failure_threshold=1, recovery_seconds=30, now=clock)
    first.error = second.error = errors.ModelOverloadedError("busy")
    with pytest.raises(errors.ModelOverloadedError, match="busy"):
        await answer(model)
    clock.seconds = 10.0
    with pytest.raises(errors.ModelOverloadedError, match="first, second") as raised:
        await answer(model)
    assert raised.value.retry_after == 20.0
    assert (len(first.asked), len(second.asked)) == (1, 1)


async def test_a_request_that_is_cancelled_leaves_the_circuit_as_it_was() -> None:
    class Slow(Flaky):
        async def generate_content_async(
            self, llm_request: LlmRequest, stream: bool = False
        ) -> AsyncGenerator[LlmResponse, None]:
            self.asked.append(llm_request.model)
            if self.error is not None:
                raise self.error
            waiting.set()
            await asyncio.Event().wait()
            yield LlmResponse()

    waiting, clock = asyncio.Event(), Clock()
    slow = Slow(model="slow")
    model = FallbackModel([slow, Flaky(model="other")], failure_threshold=1, recovery_seconds=1, now=clock)
    slow.error = errors.ModelOverloadedError("busy")
    await answer(model)
    clock.seconds, slow.error = 2.0, None
    asking = asyncio.create_task(answer(model))
    await waiting.wait()
    assert await answer(model) == "I am other"  # one at a time tries it
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    slow.error = errors.ModelOverloadedError("busy")
    assert await answer(model) == "I am other"
    assert len(slow.asked) == 3


async def test_an_agent_goes_on_with_another_model() -> None:
    broken = Flaky(model="broken")
    broken.error = errors.ModelConnectionError("gone")
    model = FallbackModel([broken, ScriptedModel(["Hello!"])])
    runner = InMemoryRunner(Agent(name="agent", model=model), app_name="app")
    events = [event async for event in runner.run_async(user_id="u", session_id="s", new_message="Hi")]
    await runner.close()
    assert types.text_of(events[-1].content) == "Hello!"
    assert model.needs_call_ids


async def test_closing_closes_all_of_them() -> None:
    first, second, model = two()
    await model.close()
    assert (first.closed, second.closed) == (1, 1)


def test_names_are_resolved() -> None:
    model = FallbackModel(["gemini-2.5-flash", Flaky(model="other")])
    assert [type(one).__name__ for one in model.models] == ["Gemini", "Flaky"]
    assert model.model == "gemini-2.5-flash"


@pytest.mark.parametrize("wrong", [{"models": []}, {"models": "gemini-2.5-flash"}])
def test_no_models_are_an_error(wrong: dict[str, Any]) -> None:
    with pytest.raises(errors.ConfigurationError):
        FallbackModel(**wrong)


def test_numbers_out_of_range_are_an_error() -> None:
    with pytest.raises(errors.ConfigurationError):
        FallbackModel([Flaky(model="m")], failure_threshold=0)
    with pytest.raises(errors.ConfigurationError):
        FallbackModel([Flaky(model="m")], recovery_seconds=-1)


def entered(circuit: Circuit) -> int:
    entry = circuit.enter()
    assert entry is not None
    return entry


def test_a_success_sets_the_count_back() -> None:
    circuit = Circuit(2, 30, Clock())
    for _ in range(3):
        circuit.failed(entered(circuit))
        circuit.succeeded(entered(circuit))
    assert circuit.opens_in == 0.0


@pytest.mark.parametrize("ending", ["succeeded", "failed", "left"])
def test_what_was_under_way_when_it_opened_says_nothing_of_who_tries_now(ending: str) -> None:
    clock = Clock()
    circuit = Circuit(1, 30, clock)
    slow, fast = entered(circuit), entered(circuit)
    circuit.failed(fast)
    clock.seconds = 10.0
    getattr(circuit, ending)(slow)
    assert circuit.opens_in == 20.0
    slower = slow
    clock.seconds = 30.0
    trying = entered(circuit)
    getattr(circuit, ending)(slower)
    assert circuit.enter() is None  # one at a time
    circuit.failed(trying)
    assert circuit.opens_in == 30.0
    clock.seconds = 60.0
    trying = entered(circuit)
    circuit.left(trying)
    trying = entered(circuit)
    circuit.succeeded(trying)
    assert (entered(circuit), circuit.opens_in) == (entered(circuit), 0.0)


async def test_many_at_once_leave_one_to_try() -> None:
    clock = Clock()
    first, _, model = two(failure_threshold=1, recovery_seconds=30, now=clock)
    first.error = errors.ModelOverloadedError("busy")
    await answer(model)
    clock.seconds = 30.0
    first.asked.clear()

    class Gate(Flaky):
        async def generate_content_async(
            self, llm_request: LlmRequest, stream: bool = False
        ) -> AsyncGenerator[LlmResponse, None]:
            self.asked.append(llm_request.model)
            await asyncio.sleep(0)
            yield LlmResponse(content=types.ModelContent("I am back"))

    model.models[0] = back = Gate(model="first")
    said = await asyncio.gather(*(answer(model) for _ in range(20)))
    assert said.count("I am back") == 1 and back.asked == ["first"]
    assert await answer(model) == "I am back"
