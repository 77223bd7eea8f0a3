# SPDX-License-Identifier: Apache-2.0
"""A request in the form of Chat Completions, which many servers speak.

What stays the same from turn to turn comes first and the messages last, so that a request begins with the bytes of the
one before it.
"""

from collections.abc import Iterable
from typing import Any

from runwright.errors import ModelBadRequestError
from runwright.model import LlmRequest
from runwright.models.openai.choices import ShownFunction, ToolChoice, effort, instructions, shown_tools, tool_choice
from runwright.models.openai.files import file_of, files_of, message_part, name_of
from runwright.models.openai.kept import answer_text, arguments_of, rest_of
from runwright.models.openai.names import Settings
from runwright.models.openai.pairing import CallIds
from runwright.models.openai.responses_request import shown_text
from runwright.models.openai.schemas import OutputForm
from runwright.models.tool_names import PLAIN_NAMES
from runwright.models.unreadable import said_now, told_of
from runwright.types import Blob, Content, FileData, FunctionResponse, GenerateContentConfig, Part

PATH = "/chat/completions"
TAKEN = frozenset(
    {"frequency_penalty", "labels", "logprobs", "max_output_tokens", "presence_penalty", "response_logprobs"}
    | {"response_modalities", "seed", "service_tier", "speech_config", "stop_sequences", "temperature", "top_p"}
)
"""What the API has of a request's settings, beside those that all have."""
_VOICE = "alloy"


def request_body(request: LlmRequest, settings: Settings, form: OutputForm | None, *, stream: bool) -> dict[str, Any]:
    """The body of a request.

    Raises:
        ModelBadRequestError: A message holds a file that the API does not take.
    """
    config = request.config
    body: dict[str, Any] = {"model": settings.model}
    if tools := shown_tools(config, own=settings.own, runs_tools=False):
        body["tools"] = [_tool(tool) for tool in tools]
        if settings.parallel_tool_calls is not None:
            body["parallel_tool_calls"] = settings.parallel_tool_calls
    if (choice := tool_choice(config)) is not None:
        body["tool_choice"] = _choice(choice)
    if form is not None:
        body["response_format"] = _format(form)
    values = {
        "reasoning_effort": effort(config),
        "temperature": config.temperature,
        "top_p": config.top_p,
        # Servers that are not OpenAI's often know the older name alone.
        "max_completion_tokens" if settings.own else "max_tokens": config.max_output_tokens,
        "stop": config.stop_sequences,
        "seed": config.seed,
        "presence_penalty": config.presence_penalty,
        "frequency_penalty": config.frequency_penalty,
        "logprobs": config.response_logprobs,
        "top_logprobs": config.logprobs,
        "service_tier": config.service_tier,
        "store": settings.store,
        # Taken for answers that are kept, and refused for all others.
        "metadata": config.labels if settings.store else None,
    }
    body |= {name: value for name, value in values.items() if value is not None}
    body |= _spoken(config, stream)
    body["stream"] = stream
    if stream:
        body["stream_options"] = {"include_usage": True}
    body |= settings.extra
    body["messages"] = messages(instructions(config), request.contents, compatible=not settings.own)
    return body


def _tool(tool: ShownFunction | dict[str, Any]) -> dict[str, Any]:
    if not isinstance(tool, ShownFunction):
        return tool
    shown: dict[str, Any] = {"name": tool.name}
    if tool.description is not None:
        shown["description"] = tool.description
    shown["parameters"] = tool.parameters
    if tool.strict:
        shown["strict"] = True
    return {"type": "function", "function": shown}


def _choice(choice: ToolChoice) -> Any:
    if not choice.names:
        return choice.mode
    functions = [{"type": "function", "function": {"name": name}} for name in choice.names]
    if choice.mode == "required" and len(functions) == 1:
        return functions[0]
    return {"type": "allowed_tools", "allowed_tools": {"mode": choice.mode, "tools": functions}}


def _format(form: OutputForm) -> dict[str, Any]:
    if form.schema is None:
        return {"type": "json_object"}
    return {"type": "json_schema", "json_schema": {"name": form.name, "schema": form.schema, "strict": form.strict}}


def _spoken(config: GenerateContentConfig, stream: bool) -> dict[str, Any]:
    """What asks for an answer that is spoken."""
    wanted = [modality.lower() for modality in config.response_modalities or ()]
    if "audio" not in wanted:
        return {}
    speech = config.speech_config
    chosen = (
        speech.voice_config.prebuilt_voice_config if speech is not None and speech.voice_config is not None else None
    )
    voice = (chosen.voice_name if chosen is not None else None) or _VOICE
    # A stream has no length to write into a header.
    return {"modalities": ["text", "audio"], "audio": {"voice": voice, "format": "pcm16" if stream else "wav"}}


def messages(system: str, contents: Iterable[Content], *, compatible: bool) -> list[dict[str, Any]]:
    """The messages, the system's before the others."""
    made: list[dict[str, Any]] = [{"role": "system", "content": system}] if system else []
    ids = CallIds()
    contents = list(contents)
    said = said_now(contents)
    for content in contents:
        if content.role == "model":
            made.extend(_said(content.parts or [], ids))
        else:
            made.extend(_heard(content.parts or [], ids, compatible, is_new=content is said))
    return made


def _heard(parts: list[Part], ids: CallIds, compatible: bool, *, is_new: bool) -> list[dict[str, Any]]:
    """What functions answered, and then what the user said and the files that came with the answers."""
    answers: list[dict[str, Any]] = []
    said: list[dict[str, Any]] = []
    for part in parts:
        if (answer := part.function_response) is not None:
            files = files_of(answer)
            answers.append(_answered(answer, files, ids))
            for file in files:
                said.append({"type": "text", "text": f"This is file {name_of(file)}:"})
                said.append(_part_or_words(file, compatible))
        elif (given := part.inline_data or part.file_data) is not None:
            shown = message_part(file_of(given), compatible=compatible) if is_new else _part_or_words(given, compatible)
            if shown["type"] == "image_url" and (detail := rest_of(part).get("detail")):
                shown["image_url"]["detail"] = detail
            said.append(shown)
        elif text := shown_text(part):
            said.append({"type": "text", "text": text})
    if not said:
        return answers
    lone = len(said) == 1 and said[0]["type"] == "text"
    return [*answers, {"role": "user", "content": said[0]["text"] if lone else said}]


def _answered(answer: FunctionResponse, files: list[Blob | FileData], ids: CallIds) -> dict[str, Any]:
    text = answer_text(answer.response)
    if files and not answer.response:
        # A tool's message takes text alone: the files follow in a message of the user's.
        text = f"See file {', '.join(map(name_of, files))}"
    return {"role": "tool", "tool_call_id": ids.answered(answer), "content": text}


def _part_or_words(file: Blob | FileData, compatible: bool) -> dict[str, Any]:
    try:
        return message_part(file_of(file), compatible=compatible)
    except ModelBadRequestError:
        return {"type": "text", "text": told_of(file)}


def _said(parts: list[Part], ids: CallIds) -> list[dict[str, Any]]:
    texts: list[str] = []
    calls: list[dict[str, Any]] = []
    beside: dict[str, Any] = {}
    for part in parts:
        rest = rest_of(part)
        beside |= rest.get("message", {})
        if part.thought:
            if isinstance(field := rest.get("field"), str):
                beside[field] = beside.get(field, "") + (part.text or "")
        elif part.function_call is not None:
            function = {"name": PLAIN_NAMES.shown(part.function_call.name or ""), "arguments": arguments_of(part)}
            call = {"id": ids.called(part.function_call), "type": "function", "function": function}
            calls.append(call | rest.get("call", {}))
        elif not rest.get("shown") and (text := shown_text(part)):
            texts.append(text)
    if not texts and not calls and not beside:
        return []
    message: dict[str, Any] = {"role": "assistant", "content": "".join(texts) or None, **beside}
    return [message | ({"tool_calls": calls} if calls else {})]
