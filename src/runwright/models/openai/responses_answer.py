# SPDX-License-Identifier: Apache-2.0
"""An answer of the Responses API, whole or as a stream of events."""

import base64
from collections.abc import Mapping
from typing import Any

from runwright.errors import ModelResponseError
from runwright.event import LlmResponse
from runwright.models.openai.answers import as_object, chunk, ended, likelihood, malformed, objects, usage_of
from runwright.models.openai.failures import reported_failure
from runwright.models.openai.kept import call_part, signed, with_rest
from runwright.models.openai.names import PROVIDER
from runwright.models.openai.schemas import OutputForm, unwrapped
from runwright.types import CodeExecutionResult, ExecutableCode, FinishReason, Language, Outcome, Part

_BETWEEN_SUMMARIES = "\n\n"
_REASONS = {"max_output_tokens": FinishReason.MAX_TOKENS, "content_filter": FinishReason.SAFETY}


class ResponsesAnswer:
    """Reads one answer.

    Args:
        form: The form that was asked for.
    """

    def __init__(self, form: OutputForm | None) -> None:
        self._wrapped = form is not None and form.wrapped
        self._items: dict[int, dict[str, Any]] = {}
        self._end: dict[str, Any] | None = None
        self._model: str | None = None
        self._summaries: set[Any] = set()

    def whole(self, given: Any) -> LlmResponse:
        """The answer that came in one piece.

        Raises:
            ModelError: It is none, or says what went wrong.
        """
        answer = as_object(given)
        if "output" not in answer and "error" not in answer:
            raise malformed("something that is no response", given)
        return self._whole(answer, objects(answer.get("output")))

    def chunk(self, given: Any) -> LlmResponse | None:
        """Takes the next event of a stream, and gives the piece of the answer in it, if there is one.

        Raises:
            ModelError: The event says what went wrong.
        """
        event = as_object(given)
        kind, delta = event.get("type"), event.get("delta")
        if kind == "response.output_text.delta":
            return chunk(str(delta), model=self._model) if delta and not self._wrapped else None
        if kind in ("response.reasoning_summary_text.delta", "response.reasoning_text.delta"):
            return chunk(self._between(event) + str(delta), thought=True, model=self._model) if delta else None
        if kind == "response.output_item.done":
            place = event.get("output_index")
            self._items[place if isinstance(place, int) else len(self._items)] = as_object(event.get("item"))
        elif kind in ("response.completed", "response.incomplete", "response.failed"):
            self._end = as_object(event.get("response"))
        elif kind == "response.created":
            self._model = as_object(event.get("response")).get("model")
        elif kind == "error":
            raise reported_failure(as_object(event.get("error")) or event)
        return None

    def end(self) -> LlmResponse:
        """The whole answer, once the stream has ended.

        Raises:
            ModelResponseError: The stream ended before the answer did.
        """
        if self._end is None:
            raise ModelResponseError(f"{PROVIDER}'s stream ended before the answer did", provider=PROVIDER)
        # An item is complete when it is done; what the last event repeats of it may be encrypted anew.
        items = [self._items[place] for place in sorted(self._items)] or objects(self._end.get("output"))
        return self._whole(self._end, items)

    def _between(self, event: Mapping[str, Any]) -> str:
        """What separates a summary from the one before it, at its first piece."""
        at = (event.get("output_index"), event.get("summary_index"), event.get("content_index"))
        if at in self._summaries:
            return ""
        self._summaries.add(at)
        return _BETWEEN_SUMMARIES if len(self._summaries) > 1 else ""

    def _whole(self, answer: Mapping[str, Any], items: list[dict[str, Any]]) -> LlmResponse:
        if (error := answer.get("error")) or answer.get("status") in ("failed", "cancelled"):
            raise reported_failure(as_object(error))
        reasoned = any(item.get("type") == "reasoning" for item in items)
        parts: list[Part] = []
        refusals: list[str] = []
        citations: list[dict[str, Any]] = []
        for item in items:
            kind = item.get("type")
            if kind == "message":
                self._read_message(item, reasoned, parts, refusals, citations)
            elif kind == "function_call":
                rest = _rest(item, reasoned, "call_id", "name", "arguments")
                parts.append(call_part(item.get("call_id"), str(item.get("name")), item.get("arguments"), rest))
            elif kind == "reasoning":
                parts.append(signed(item, _summary(item)))
            else:
                parts.append(signed({name: value for name, value in item.items() if name != "result"}, ""))
                parts.extend(_shown(item))
        why = as_object(answer.get("incomplete_details")).get("reason")
        reason = (
            FinishReason.STOP if answer.get("status") != "incomplete" else _REASONS.get(str(why), FinishReason.OTHER)
        )
        return ended(
            parts,
            reason,
            refusal="\n".join(refusals),
            model=answer.get("model") or self._model,
            usage=usage_of(answer.get("usage"), prompt="input", answer="output"),
            citation_metadata={"citations": citations} if citations else None,
            **likelihood(_logprobs(items)),
        )

    def _read_message(
        self,
        item: Mapping[str, Any],
        reasoned: bool,
        parts: list[Part],
        refusals: list[str],
        citations: list[dict[str, Any]],
    ) -> None:
        texts: list[str] = []
        for piece in objects(item.get("content")):
            if piece.get("type") == "refusal":
                refusals.append(str(piece.get("refusal") or "The model refused without a word"))
            elif text := piece.get("text"):
                texts.append(str(text))
                citations.extend(_citation(note) for note in objects(piece.get("annotations")))
        text = "".join(texts)
        if text:
            part = Part(text=unwrapped(text) if self._wrapped else text)
            parts.append(with_rest(part, _rest(item, reasoned, "role", "content")))


def _logprobs(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    pieces = [piece for item in items if item.get("type") == "message" for piece in objects(item.get("content"))]
    return [token for piece in pieces for token in objects(piece.get("logprobs"))]


def _rest(item: Mapping[str, Any], reasoned: bool, *known: str) -> dict[str, Any]:
    """What an item has that parts do not; its id only where reasoning refers to it."""
    left_out = {"type", "status", *known} if reasoned else {"type", "status", "id", *known}
    return {name: value for name, value in item.items() if name not in left_out and value is not None}


def _summary(item: Mapping[str, Any]) -> str:
    said = objects(item.get("summary")) or objects(item.get("content"))
    return _BETWEEN_SUMMARIES.join(str(one.get("text") or "") for one in said)


def _citation(note: Mapping[str, Any]) -> dict[str, Any]:
    """A citation as the Gemini API names its fields."""
    fields = {
        "startIndex": note.get("start_index"),
        "endIndex": note.get("end_index"),
        "uri": note.get("url") or note.get("file_id"),
        "title": note.get("title") or note.get("filename"),
    }
    return {name: value for name, value in fields.items() if value is not None}


def _shown(item: Mapping[str, Any]) -> list[Part]:
    """What a tool of the provider's made, for people to see; the model gets the item itself."""
    shown: list[Part] = []
    if item.get("type") == "image_generation_call" and item.get("result"):
        data = base64.b64decode(str(item["result"]))
        shown.append(Part.from_bytes(data=data, mime_type=f"image/{item.get('output_format') or 'png'}"))
    elif item.get("type") == "code_interpreter_call" and item.get("code"):
        shown.append(Part(executable_code=ExecutableCode(code=str(item["code"]), language=Language.PYTHON)))
        logs = [str(one.get("logs")) for one in objects(item.get("outputs")) if one.get("logs")]
        outcome = Outcome.OUTCOME_FAILED if item.get("status") == "failed" else Outcome.OUTCOME_OK
        shown.append(Part(code_execution_result=CodeExecutionResult(outcome=outcome, output="".join(logs))))
    return [with_rest(part, {"shown": True}) for part in shown]
