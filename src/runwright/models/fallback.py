# SPDX-License-Identifier: Apache-2.0
"""FallbackModel: several models in a row, of which the first that can answers."""

import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AsyncExitStack, aclosing
from typing import Any

from runwright.errors import (
    ConfigurationError,
    ContextTooLongError,
    ModelAuthError,
    ModelConnectionError,
    ModelError,
    ModelOverloadedError,
    ModelRateLimitedError,
    ModelResponseError,
    ModelTimeoutError,
)
from runwright.event import LlmResponse
from runwright.model import BaseLlm, LLMRegistry, LlmRequest
from runwright.models.circuit import Circuit

_ILL = (
    ModelAuthError,
    ModelConnectionError,
    ModelOverloadedError,
    ModelRateLimitedError,
    ModelResponseError,
    ModelTimeoutError,
)
"""What says that a provider will fail the next request too."""
_PASSED_ON = (*_ILL, ContextTooLongError)


class FallbackModel(BaseLlm):
    """Asks models in their order until one answers: ``FallbackModel(["gemini-2.5-flash", "openai/gpt-5"])``.

    The next one is asked where a provider cannot be reached, is overloaded, limits its rate, takes too long, refuses
    the key, sends what is no answer, or where the request is too long for the model. A request that is wrong in itself,
    or that a provider's rules forbid, is not passed on; neither is an answer of which the caller has seen a chunk.

    Each model first asks again by its own ``retry``; with ``RetryPolicy(attempts=1)`` the next one is asked at once.

    A model that failed ``failure_threshold`` times in a row is left out for ``recovery_seconds``; then one request at a
    time tries it again.

    Args:
        models: The models, each an adapter or a name.
        model: A name for all of them; by default the first one's.
        failure_threshold: How many failures in a row leave a model out.
        recovery_seconds: For how long.
        now: A clock that never goes back, in seconds.

    Raises:
        ConfigurationError: There is no model, or a number is out of its range.
        ModelNotFoundError: There is no adapter for a name.
    """

    def __init__(
        self,
        models: Sequence[BaseLlm | str],
        *,
        model: str | None = None,
        failure_threshold: int = 3,
        recovery_seconds: float = 30.0,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        if isinstance(models, str) or not models:
            raise ConfigurationError('FallbackModel takes a list of models: FallbackModel(["gemini-2.5-flash", ...])')
        if failure_threshold < 1 or recovery_seconds < 0:
            raise ConfigurationError("FallbackModel needs failure_threshold >= 1 and recovery_seconds >= 0")
        self.models = [LLMRegistry.new_llm(one) if isinstance(one, str) else one for one in models]
        super().__init__(model=model or self.models[0].model)
        # What one of them needs, the messages for all of them have.
        vars(self)["needs_call_ids"] = any(one.needs_call_ids for one in self.models)
        self._circuits = [Circuit(failure_threshold, recovery_seconds, now) for _ in self.models]

    async def generate_content_async(
        self, llm_request: LlmRequest, stream: bool = False
    ) -> AsyncGenerator[LlmResponse, None]:
        """Answers a request with the first model that can.

        Raises:
            ModelError: The last one's error, with a note on each of the others; a ModelOverloadedError where all are
                left out for now.
        """
        errors: list[tuple[BaseLlm, ModelError]] = []
        for model, circuit in zip(self.models, self._circuits, strict=True):
            if not circuit.enter():
                continue
            answering = _watched(model, circuit, llm_request, stream)
            async with aclosing(answering):
                try:
                    first = await anext(answering, None)
                except _PASSED_ON as error:
                    errors.append((model, error))
                    continue
                if first is not None:
                    yield first
                async for response in answering:
                    yield response
                return
        raise self._all_failed(errors)

    def _all_failed(self, errors: list[tuple[BaseLlm, ModelError]]) -> ModelError:
        if not errors:
            wait = min(circuit.opens_in for circuit in self._circuits)
            names = ", ".join(model.model for model in self.models)
            return ModelOverloadedError(
                f"All of {names} failed again and again, and are left alone for {wait:.0f} more seconds",
                retry_after=wait,
            )
        for model, error in errors[:-1]:
            errors[-1][1].add_note(f"Before it, {model.model} failed: {error}")
        return errors[-1][1]

    async def count_tokens(self, llm_request: LlmRequest) -> int:
        """How many tokens the request has for the first model."""
        return await self.models[0].count_tokens(_for(self.models[0], llm_request))

    def shapes_output_beside_tools(self, llm_request: LlmRequest) -> bool:
        """Only where all of them do."""
        return all(one.shapes_output_beside_tools(_for(one, llm_request)) for one in self.models)

    @property
    def runs_code(self) -> bool:
        """Only where all of them do."""
        return all(one.runs_code for one in self.models)

    async def close(self) -> None:
        """Closes all of them."""
        async with AsyncExitStack() as stack:
            for model in self.models:
                stack.push_async_callback(model.close)


async def _watched(
    model: BaseLlm, circuit: Circuit, request: LlmRequest, stream: bool
) -> AsyncGenerator[LlmResponse, None]:
    """A model's answer; how it ends is told to its circuit."""
    tell: Any = circuit.left
    try:
        async with aclosing(model.generate_content_async(_for(model, request), stream)) as responses:
            async for response in responses:
                yield response
        tell = circuit.succeeded
    except _ILL:
        tell = circuit.failed
        raise
    except ModelError:
        tell = circuit.succeeded  # it was there to refuse
        raise
    finally:
        tell()


def _for(model: BaseLlm, request: LlmRequest) -> LlmRequest:
    return request.model_copy(update={"model": model.model})
