# SPDX-License-Identifier: Apache-2.0
"""RecordingModel: a real model whose answers are written to a file once, and replayed from then on."""

import asyncio
import difflib
import threading
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any, Literal

import msgspec

from runwright import errors
from runwright.errors import ConfigurationError, ModelError
from runwright.event import LlmResponse
from runwright.model import BaseLlm, LLMRegistry, LlmRequest
from runwright.testing.recorded import Cleaner, Exchange, Failure, RecordingFile

_CANDIDATES = 20
"""To how many exchanges a request is compared that fits none, to show the one most like it."""
_LONGEST_DIFF = 200
"""How many lines of a difference are shown."""

Normalise = Callable[[dict[str, Any]], dict[str, Any]]


class RecordingMismatchError(ModelError, AssertionError):
    """What was asked is not in the recording. The message shows the differences, and says how to record anew."""


class RecordingModel(BaseLlm):
    """A real model whose answers are recorded in a file, and replayed without the model and without a key.

    ::

        agent = Agent(name="guide", model=RecordingModel("gemini-2.5-flash", "tests/recordings/guide.jsonl"))

    The first run, with a key, asks the model and writes down what it answers; later ones take the answers from the
    file. Delete the file to record anew.

    A request is answered by the first exchange of the file, not used yet, whose messages, settings and tools are the
    same: so agents that run at the same time may ask in any order. Chunks come as they came; where the recording was
    streamed and this request is not, the whole answer comes alone. A failure is raised again.

    Several agents may share a model, and several models a file, if all of them are made before the first is asked.

    Secrets are not written: HTTP options and headers are left out, and so are the values under keys such as
    ``api_key`` or ``password`` in calls and their results (a replayed call has ``[hidden]`` there), and the adapter's
    and the environment's keys wherever they stand. Everything else that was said is in the file. Of files that were
    sent, and of signatures that were sent back, it holds the hash.

    Args:
        model: The model, an adapter or a name.
        path: The file, JSON lines.
        mode: ``"replay"``: the file answers, and the model is never asked; ``"record"``: the model answers, and a new
            file takes the old one's place with the first answer; ``"auto"``: replay where there is a file when this is
            made, else record.
        normalise: Called with the JSON of each request that is compared, the recorded ones among them: what it returns
            is compared. For what is different each time, such as the date in an instruction.

    Raises:
        ConfigurationError: The mode is none of these, or there is no recording to replay.
        CorruptedDataError: The file is damaged.
        ModelNotFoundError: No adapter answers for the name.
    """

    def __init__(
        self,
        model: BaseLlm | str,
        path: str | Path,
        mode: Literal["auto", "record", "replay"] = "auto",
        *,
        normalise: Normalise | None = None,
    ) -> None:
        if mode not in ("auto", "record", "replay"):
            raise ConfigurationError(f"RecordingModel's mode is 'auto', 'record' or 'replay', not {mode!r}")
        self.real = LLMRegistry.new_llm(model) if isinstance(model, str) else model
        super().__init__(model=self.real.model)
        vars(self)["needs_call_ids"] = self.real.needs_call_ids  # a request looks the same with it and without
        self._file = RecordingFile(Path(path))
        self.replays = mode == "replay" or (mode == "auto" and self._file.path.exists())
        self._normalise = normalise
        self._lock = threading.Lock()
        self._left = self._file.read() if self.replays else []
        self._used: list[Exchange] = []

    async def generate_content_async(
        self, llm_request: LlmRequest, stream: bool = False
    ) -> AsyncGenerator[LlmResponse, None]:
        """Answers from the recording, or with the model and into it.

        Raises:
            RecordingMismatchError: The recording has no answer to this request.
            ModelError: The model failed, now or when it was recorded.
        """
        asked = Exchange(model=self._name(llm_request), stream=stream, request={}, responses=[])
        cleaner = Cleaner(self.real)
        # As it is when it was read from a file.
        asked.request = msgspec.json.decode(msgspec.json.encode(cleaner.request(llm_request)))
        answering = self._replayed(asked) if self.replays else self._recorded(asked, llm_request, cleaner)
        async with aclosing(answering) as responses:
            async for response in responses:
                yield response

    def shapes_output_beside_tools(self, llm_request: LlmRequest) -> bool:
        """Where the real model does."""
        return self.real.shapes_output_beside_tools(llm_request)

    @property
    def runs_code(self) -> bool:
        """Where the real model does."""
        return self.real.runs_code

    async def count_tokens(self, llm_request: LlmRequest) -> int:
        """As the real model counts; while it is replayed nobody can be asked.

        Raises:
            ModelError: It is replayed, or the real model cannot count.
        """
        if self.replays:
            raise ModelError(f"The recording {str(self._file.path)!r} holds answers, and no counts of tokens")
        return await self.real.count_tokens(llm_request)

    async def close(self) -> None:
        """Closes the real model."""
        await self.real.close()

    # --- recording

    async def _recorded(
        self, asked: Exchange, request: LlmRequest, cleaner: Cleaner
    ) -> AsyncGenerator[LlmResponse, None]:
        """Asks the model; what it said is written when it has ended, or when its whole answer was there."""
        is_whole = False
        try:
            async with aclosing(self.real.generate_content_async(request, asked.stream)) as responses:
                async for response in responses:
                    asked.responses.append(cleaner.response(response))  # now: it is the caller's to change
                    is_whole = not response.partial
                    yield response
            is_whole = True
        except Exception as error:
            is_whole = True
            asked.error = _failure(error, cleaner)
            raise
        finally:
            if is_whole:
                await asyncio.to_thread(self._file.append, asked)

    # --- replaying

    async def _replayed(self, asked: Exchange) -> AsyncGenerator[LlmResponse, None]:
        found = self._take(asked)
        responses = [msgspec.convert(one, LlmResponse) for one in found.responses]
        if not asked.stream and not all(one.partial for one in responses):
            responses = [one for one in responses if not one.partial]
        for response in responses:
            yield response
        if found.error is not None:
            raise _raised(found.error)

    def _take(self, asked: Exchange) -> Exchange:
        """The exchange that answers a request; it answers no other."""
        wanted = self._compared(asked)
        with self._lock:
            fitting = [one for one in self._left if one.model == asked.model and self._compared(one) == wanted]
            if fitting:
                found = next((one for one in fitting if one.stream is asked.stream), fitting[0])
                self._left = [one for one in self._left if one is not found]
                self._used.append(found)
                return found
            raise RecordingMismatchError(self._mismatch(asked, wanted))

    def _compared(self, exchange: Exchange) -> dict[str, Any]:
        if self._normalise is None:
            return exchange.request
        return self._normalise(msgspec.json.decode(msgspec.json.encode(exchange.request)))

    def _mismatch(self, asked: Exchange, wanted: dict[str, Any]) -> str:
        anew = (
            f"If the new request is right, record it anew: delete {str(self._file.path)!r} or make the model with "
            'mode="record", and run once with a key.'
        )
        if any(one.model == asked.model and self._compared(one) == wanted for one in self._used):
            return f"Request to {asked.model!r} was recorded, but not this often: each answer is given once. {anew}"
        if not self._left:
            return f"All {len(self._used)} answers of the recording are used, and {asked.model!r} is asked. {anew}"
        came = _lines(asked.model, wanted)
        others = [_lines(one.model, self._compared(one)) for one in self._left[:_CANDIDATES]]
        nearest = max(others, key=lambda lines: difflib.SequenceMatcher(None, lines, came, autojunk=False).ratio())
        diff = list(difflib.unified_diff(nearest, came, "recorded", "asked", lineterm="", n=3))
        if len(diff) > _LONGEST_DIFF:
            diff = [*diff[:_LONGEST_DIFF], f"... and {len(diff) - _LONGEST_DIFF} lines more"]
        return "\n".join(
            [f"The recording has no answer to this request to {asked.model!r}; the one most like it:", *diff, anew]
        )

    def _name(self, request: LlmRequest) -> str:
        return request.model or self.model


def _lines(model: str, request: dict[str, Any]) -> list[str]:
    """A request to read: JSON, and its texts in lines as they are."""
    shown = msgspec.json.format(msgspec.json.encode({"model": model, **request}, order="sorted"), indent=2).decode()
    lines: list[str] = []
    for line in shown.splitlines():
        indent = " " * (len(line) - len(line.lstrip()) + 2)
        first, *more = line.replace("\\n", "\\n\n").split("\n")
        lines.extend([first, *(indent + one for one in more)])
    return lines


def _failure(error: Exception, cleaner: Cleaner) -> Failure:
    return Failure(
        type=type(error).__name__,
        message=cleaner.text(str(error)),
        status=getattr(error, "status", None) if isinstance(error, ModelError) else None,
        provider=getattr(error, "provider", None) if isinstance(error, ModelError) else None,
        retry_after=getattr(error, "retry_after", None) if isinstance(error, ModelError) else None,
    )


def _raised(failure: Failure) -> ModelError:
    """The error that a failure was; one that is not of Runwright's tree is a ModelError that names it."""
    kind = getattr(errors, failure.type, None)
    if not (isinstance(kind, type) and issubclass(kind, ModelError)):
        return ModelError(f"{failure.type}: {failure.message}")
    error = kind(failure.message, status=failure.status, provider=failure.provider)
    if failure.retry_after is not None:
        vars(error)["retry_after"] = failure.retry_after
    return error
