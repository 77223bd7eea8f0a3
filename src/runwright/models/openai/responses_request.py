# SPDX-License-Identifier: Apache-2.0
"""A request in the form of the Responses API.

What stays the same from turn to turn comes first and the messages last, so that a request begins with the bytes of the
one before it.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from runwright.errors import ModelBadRequestError
from runwright.model import LlmRequest
from runwright.models.openai.choices import (
    ShownFunction,
    ToolChoice,
    effort,
    instructions,
    shown_tools,
    tool_choice,
    wants_thoughts,
)
from runwright.models.openai.files import file_of, files_of, input_item
from runwright.models.openai.kept import answer_text, arguments_of, rest_of, signed_item
from runwright.models.openai.names import Settings, reasons, takes_reasoning
from runwright.models.openai.pairing import CallIds
from runwright.models.openai.schemas import OutputForm
from runwright.models.tool_names import PLAIN_NAMES
from runwright.models.unreadable import said_now, told_of
from runwright.types import Blob, Content, FileData, FunctionResponse, GenerateContentConfig, Part

PATH = "/responses"
COUNT_PATH = "/responses/input_tokens"
TAKEN = frozenset(
    {"labels", "logprobs", "max_output_tokens", "response_logprobs", "service_tier", "temperature", "top_p"}
)
"""What the API has of a request's settings, beside those that all have."""


def request_body(request: LlmRequest, settings: Settings, form: OutputForm | None, *, stream: bool) -> dict[str, Any]:
    """The body of a request.

    Raises:
        ModelBadRequestError: A message holds a file that the API does not take.
    """
    body = _head(request.config, settings, form)
    if settings.store is not None:
        body["store"] = settings.store
    body["stream"] = stream
    body |= settings.extra
    body["input"] = input_items(request.contents, settings)
    return body


def count_body(request: LlmRequest, settings: Settings, form: OutputForm | None) -> dict[str, Any]:
    """The body of a request that only counts the tokens."""
    head = _head(request.config, settings, form)
    counted = ("model", "instructions", "tools", "tool_choice", "parallel_tool_calls", "text", "reasoning")
    body = {name: head[name] for name in counted if name in head}
    body["input"] = input_items(request.contents, settings)
    return body


def _head(config: GenerateContentConfig, settings: Settings, form: OutputForm | None) -> dict[str, Any]:
    body: dict[str, Any] = {"model": settings.model}
    if text := instructions(config):
        body["instructions"] = text
    if tools := shown_tools(config, own=settings.own, runs_tools=True):
        body["tools"] = [_tool(tool) for tool in tools]
        if settings.parallel_tool_calls is not None:
            body["parallel_tool_calls"] = settings.parallel_tool_calls
    if (choice := tool_choice(config)) is not None:
        body["tool_choice"] = _choice(choice)
    if form is not None:
        body["text"] = {"format": _format(form)}
    reasoning: dict[str, Any] = {}
    if (much := effort(config)) is not None:
        reasoning["effort"] = much
    if wants_thoughts(config):
        reasoning["summary"] = settings.summary
    if reasoning:
        body["reasoning"] = reasoning
    include = ["reasoning.encrypted_content"] if settings.own and reasons(settings.model) else []
    if any(isinstance(tool, dict) and tool.get("type") == "code_interpreter" for tool in tools):
        include.append("code_interpreter_call.outputs")
    if config.response_logprobs:
        include.append("message.output_text.logprobs")
    if include:
        body["include"] = include
    values = {
        "temperature": config.temperature,
        "top_p": config.top_p,
        "max_output_tokens": config.max_output_tokens,
        "top_logprobs": config.logprobs,
        "service_tier": config.service_tier,
        "metadata": config.labels,
    }
    body |= {name: value for name, value in values.items() if value is not None}
    return body


def _tool(tool: ShownFunction | dict[str, Any]) -> dict[str, Any]:
    if not isinstance(tool, ShownFunction):
        return tool
    shown: dict[str, Any] = {"type": "function", "name": tool.name}
    if tool.description is not None:
        shown["description"] = tool.description
    # Said in any case: without it the API makes all parameters required.
    return shown | {"parameters": tool.parameters, "strict": tool.strict}


def _choice(choice: ToolChoice) -> Any:
    if not choice.names:
        return choice.mode
    functions = [{"type": "function", "name": name} for name in choice.names]
    if choice.mode == "required" and len(functions) == 1:
        return functions[0]
    return {"type": "allowed_tools", "mode": choice.mode, "tools": functions}


def _format(form: OutputForm) -> dict[str, Any]:
    if form.schema is None:
        return {"type": "json_object"}
    return {"type": "json_schema", "name": form.name, "schema": form.schema, "strict": form.strict}


def input_items(contents: Iterable[Content], settings: Settings) -> list[dict[str, Any]]:
    """The messages as the API's items."""
    items: list[dict[str, Any]] = []
    ids = CallIds()
    contents = list(contents)
    said = said_now(contents)
    for content in contents:
        if content.role == "model":
            items.extend(_said(content.parts or [], settings, ids))
        else:
            items.extend(_heard(content.parts or [], ids, is_new=content is said))
    return items


def _heard(parts: list[Part], ids: CallIds, *, is_new: bool) -> list[dict[str, Any]]:
    """What the user said and what functions answered."""
    items: list[dict[str, Any]] = []
    said: list[dict[str, Any]] = []
    for part in parts:
        if part.function_response is not None:
            items.append(_answered(part.function_response, ids))
        elif (given := part.inline_data or part.file_data) is not None:
            item = input_item(file_of(given)) if is_new else _item_or_words(given)
            if item["type"] == "input_image" and (detail := rest_of(part).get("detail")):
                item["detail"] = detail
            said.append(item)
        elif text := shown_text(part):
            said.append({"type": "input_text", "text": text})
    if len(said) == 1 and said[0]["type"] == "input_text":
        items.append({"role": "user", "content": said[0]["text"]})
    elif said:
        items.append({"role": "user", "content": said})
    return items


def _answered(answer: FunctionResponse, ids: CallIds) -> dict[str, Any]:
    output: Any = answer_text(answer.response)
    if files := files_of(answer):
        text = [{"type": "input_text", "text": output}] if answer.response else []
        output = [*text, *map(_item_or_words, files)]
    return {"type": "function_call_output", "call_id": ids.answered(answer), "output": output}


def _item_or_words(file: Blob | FileData) -> dict[str, Any]:
    try:
        return input_item(file_of(file))
    except ModelBadRequestError:
        return {"type": "input_text", "text": told_of(file)}


def _said(parts: list[Part], settings: Settings, ids: CallIds) -> list[dict[str, Any]]:
    """What the model said. Items go back with their ids only where the reasoning goes back that they belong to."""
    items: list[dict[str, Any]] = []
    reasoned = False
    for part in parts:
        if (item := signed_item(part)) is not None:
            if _may_go_back(item, settings):
                items.append(item)
                reasoned = reasoned or item.get("type") == "reasoning"
        elif part.thought or rest_of(part).get("shown"):
            continue
        elif part.function_call is not None:
            rest = _rest(part, reasoned)
            name = PLAIN_NAMES.shown(part.function_call.name or "")
            call = {"call_id": ids.called(part.function_call), "name": name}
            items.append({"type": "function_call", **rest, **call, "arguments": arguments_of(part)})
        elif text := shown_text(part):
            items.append(_message(text, _rest(part, reasoned)))
    # Reasoning is refused where what came of it does not follow, as after a call that was never answered.
    while items and items[-1].get("type") == "reasoning":
        items.pop()
    return items


def _may_go_back(item: Mapping[str, Any], settings: Settings) -> bool:
    if item.get("type") == "reasoning" and not takes_reasoning(settings.model):
        return False
    # What the provider does not keep it knows by its content alone.
    by_id_alone = item.get("type") in ("reasoning", "image_generation_call") and not item.get("encrypted_content")
    return settings.store is not False or not by_id_alone


def _rest(part: Part, reasoned: bool) -> dict[str, Any]:
    left_out = ("arguments",) if reasoned else ("arguments", "id")
    return {name: value for name, value in rest_of(part).items() if name not in left_out}


def _message(text: str, rest: dict[str, Any]) -> dict[str, Any]:
    if "id" not in rest:
        return {"role": "assistant", "content": text, **rest}
    content: list[dict[str, Any]] = [{"type": "output_text", "text": text, "annotations": []}]
    return {"type": "message", "role": "assistant", "status": "completed", **rest, "content": content}


def shown_text(part: Part) -> str:
    """A part as text: what was said, or code and what came of it."""
    if part.text is not None:
        return part.text
    if part.executable_code is not None:
        language = (part.executable_code.language or "").lower()
        return f"```{language}\n{part.executable_code.code or ''}\n```"
    if part.code_execution_result is not None:
        return f"```\n{part.code_execution_result.output or ''}\n```"
    return ""
