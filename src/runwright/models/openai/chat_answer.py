# SPDX-License-Identifier: Apache-2.0
"""An answer of Chat Completions, whole or as a stream of chunks."""

import base64
from collections.abc import Mapping
from typing import Any

from runwright.errors import ModelResponseError
from runwright.event import LlmResponse
from runwright.models.openai.answers import as_object, chunk, ended, likelihood, malformed, objects, usage_of
from runwright.models.openai.failures import reported_failure
from runwright.models.openai.kept import call_part, with_rest
from runwright.models.openai.names import PROVIDER
from runwright.models.openai.schemas import OutputForm, unwrapped
from runwright.types import Blob, Content, FinishReason, Part

_REASONS = {
    "stop": FinishReason.STOP,
    "tool_calls": FinishReason.STOP,
    "function_call": FinishReason.STOP,
    "length": FinishReason.MAX_TOKENS,
    "content_filter": FinishReason.SAFETY,
}
_THOUGHTS = ("reasoning_content", "reasoning")
"""What servers call the text of a model's thoughts."""
_DETAILS = "reasoning_details"
_SOUND_OF_STREAMS = "audio/pcm;rate=24000"


class _Call:
    """A function call, as far as it has come."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        self.id: str | None = None
        self.name = ""
        self.arguments: Any = ""
        self.rest: dict[str, Any] = {}
        self.add(given)

    def add(self, given: Mapping[str, Any]) -> None:
        function = as_object(given.get("function"))
        self.id = self.id or given.get("id")
        self.name = self.name or str(function.get("name") or "")
        arguments = function.get("arguments")
        if isinstance(arguments, str) and isinstance(self.arguments, str):
            self.arguments += arguments
        elif arguments is not None:
            self.arguments = arguments
        # Such as the signatures of thoughts, which servers want to see again.
        known = ("index", "id", "type", "function")
        self.rest |= {name: value for name, value in given.items() if name not in known and value is not None}

    def is_another(self, given: Mapping[str, Any]) -> bool:
        """Whether this begins another call, at servers that give all calls one index."""
        return bool(given.get("id") and self.id and given["id"] != self.id)

    def part(self) -> Part:
        return call_part(self.id, self.name, self.arguments, {"call": self.rest} if self.rest else None)


class ChatAnswer:
    """Reads one answer.

    Args:
        form: The form that was asked for.
    """

    def __init__(self, form: OutputForm | None) -> None:
        self._wrapped = form is not None and form.wrapped
        self._model: str | None = None
        self._usage: Any = None
        self._reason: str | None = None
        self._texts: list[str] = []
        self._thoughts: list[str] = []
        self._field = ""
        self._details: list[Any] = []
        self._refusal = ""
        self._calls: list[_Call] = []
        self._places: dict[Any, _Call] = {}
        self._sound = b""
        self._sound_type = "audio/wav"
        self._logprobs: list[dict[str, Any]] = []

    def whole(self, given: Any) -> LlmResponse:
        """The answer that came in one piece.

        Raises:
            ModelError: It is none, or says what went wrong.
        """
        answer = as_object(given)
        if error := as_object(answer.get("error")):
            raise reported_failure(error)
        choices = objects(answer.get("choices"))
        if not choices or not isinstance(choices[0].get("message"), dict):
            raise malformed("something that is no completion", given)
        self._about(answer)
        self._reason = choices[0].get("finish_reason") or "stop"
        self._logprobs.extend(objects(as_object(choices[0].get("logprobs")).get("content")))
        self._add(choices[0]["message"])
        return self._whole()

    def chunk(self, given: Any) -> LlmResponse | None:
        """Takes the next chunk of a stream, and gives the piece of the answer in it, if there is one.

        Raises:
            ModelError: The chunk says what went wrong.
        """
        part = as_object(given)
        if error := as_object(part.get("error")):
            raise reported_failure(error)
        self._about(part)
        choices = objects(part.get("choices"))
        if not choices:
            return None
        self._reason = choices[0].get("finish_reason") or self._reason
        self._logprobs.extend(objects(as_object(choices[0].get("logprobs")).get("content")))
        return self._add(as_object(choices[0].get("delta")), streamed=True)

    def end(self) -> LlmResponse:
        """The whole answer, once the stream has ended.

        Raises:
            ModelResponseError: The stream ended before the answer did.
        """
        if self._reason is None:
            raise ModelResponseError(f"{PROVIDER}'s stream ended before the answer did", provider=PROVIDER)
        return self._whole()

    def _about(self, answer: Mapping[str, Any]) -> None:
        self._model = answer.get("model") or self._model
        self._usage = answer.get("usage") or self._usage

    def _add(self, said: Mapping[str, Any], *, streamed: bool = False) -> LlmResponse | None:
        """Takes what a message or a delta says; gives the piece that is to be shown."""
        parts: list[Part] = []
        if thought := self._thought(said):
            parts.append(Part(text=thought, thought=True))
        if text := said.get("content"):
            # A list of parts at some servers.
            pieces = [text] if isinstance(text, str) else [str(one.get("text") or "") for one in objects(text)]
            self._texts.extend(pieces)
            if not self._wrapped:
                parts.append(Part(text="".join(pieces)))
        self._refusal += said.get("refusal") or ""
        if calls := said.get("tool_calls"):
            self._add_calls(calls)
        if (audio := as_object(said.get("audio"))) and (sound := self._heard(audio, streamed)):
            parts.append(sound)
        if not streamed or not parts:
            return None
        if len(parts) == 1 and parts[0].text is not None:
            return chunk(parts[0].text, thought=bool(parts[0].thought), model=self._model)
        return LlmResponse(partial=True, content=Content(role="model", parts=parts), model_version=self._model)

    def _thought(self, said: Mapping[str, Any]) -> str:
        self._details.extend(said.get(_DETAILS) or ())
        for field in _THOUGHTS:
            if isinstance(text := said.get(field), str) and text:
                self._field = field
                self._thoughts.append(text)
                return text
        return ""

    def _add_calls(self, calls: Any) -> None:
        for given in objects(calls):
            place = given.get("index", len(self._calls))
            known = self._places.get(place)
            if known is None or known.is_another(given):
                known = self._places[place] = _Call(given)
                self._calls.append(known)
            else:
                known.add(given)

    def _heard(self, audio: Mapping[str, Any], streamed: bool) -> Part | None:
        if words := audio.get("transcript"):
            self._texts.append(str(words))
        data = base64.b64decode(str(audio.get("data") or ""))
        if not data:
            return None
        self._sound += data
        self._sound_type = _SOUND_OF_STREAMS if streamed else self._sound_type
        return Part(inline_data=Blob(data=data, mime_type=self._sound_type))

    def _whole(self) -> LlmResponse:
        parts: list[Part] = []
        if thoughts := "".join(self._thoughts):
            parts.append(with_rest(Part(text=thoughts, thought=True), {"field": self._field}))
        if self._details:
            parts.append(with_rest(Part(text="", thought=True), {"message": {_DETAILS: self._details}}))
        if text := "".join(self._texts):
            parts.append(Part(text=unwrapped(text) if self._wrapped else text))
        if self._sound:
            parts.append(Part(inline_data=Blob(data=self._sound, mime_type=self._sound_type)))
        parts.extend(call.part() for call in self._calls)
        reason = _REASONS.get(str(self._reason), FinishReason.OTHER)
        return ended(
            parts,
            reason,
            refusal=self._refusal,
            model=self._model,
            usage=usage_of(self._usage, prompt="prompt", answer="completion"),
            **likelihood(self._logprobs),
        )
