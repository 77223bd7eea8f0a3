# SPDX-License-Identifier: Apache-2.0
"""From an LlmRequest to the JSON of the Gemini API (pure).

The order of everything is fixed and what was said stays as it was said, so that what one turn sends begins with what
the turn before sent.
"""

import base64
import re
from collections.abc import Mapping
from typing import Any, cast

import msgspec

from runwright.model import LlmRequest
from runwright.models.tool_names import ToolNames
from runwright.record import Record
from runwright.schema import json_schema
from runwright.types import Content, GenerateContentConfig, Part, Schema, Tool, to_content

TOOL_NAMES = ToolNames("A-Za-z0-9_.:-", first="A-Za-z_")
"""What the API takes as the name of a function."""
NOTHING_SAID = "Handle the requests as specified in the System Instruction."
"""What ADK's agents say where nobody has said anything."""
MODEL_SAID_LAST = "Go on with what you were asked. If there is nothing left to do, say in short what was done."
_UNSIGNED = base64.b64encode(b"skip_thought_signature_validator").decode()
"""What Google's documentation says to send from Gemini 3 on as the signature of a call that another model made."""
_FOREIGN = frozenset({"anthropic", "anthropic_container", "openai"})
"""Under these names parts keep in their metadata what other providers want to see again."""
_IN_ANSWERS = frozenset({"application/pdf", "image/jpeg", "image/png", "image/webp", "text/plain"})
"""The files that may be in a function's answer, from Gemini 3 on."""

_GENERATION = (
    "temperature",
    "top_p",
    "top_k",
    "candidate_count",
    "max_output_tokens",
    "stop_sequences",
    "presence_penalty",
    "frequency_penalty",
    "seed",
    "response_logprobs",
    "logprobs",
    "response_mime_type",
    "response_modalities",
    "media_resolution",
    "speech_config",
    "audio_timestamp",
    "thinking_config",
    "image_config",
    "routing_config",
)
"""The settings that are part of ``generationConfig``, under their own names."""
_BESIDE = ("tool_config", "safety_settings", "cached_content", "labels", "service_tier", "model_armor_config")
"""Those that stand beside it."""
ON_VERTEX = frozenset({"audio_timestamp", "labels", "model_armor_config", "model_selection_config", "routing_config"})
"""Those that Vertex AI alone has."""
TAKEN = frozenset({*_GENERATION, *_BESIDE, "http_options.api_version"}) - ON_VERTEX
"""What both APIs have of a request's settings."""


def generation(model: str) -> int:
    """Which generation of Gemini a model is of; 0 where its name does not say."""
    found = re.search(r"gemini-(\d+)", model)
    return int(found[1]) if found else 0


def request_body(request: LlmRequest, *, model: str, vertex: bool) -> dict[str, Any]:
    """The JSON of a request.

    Args:
        request: What is asked; read, not changed.
        model: The model that is asked.
        vertex: Whether it goes to Vertex AI. Settings that the Gemini API does not have are left out where it does not.
    """
    config = request.config
    body: dict[str, Any] = {}
    if config.system_instruction:
        instruction = to_content(config.system_instruction)
        body["systemInstruction"] = _content(instruction, vertex=vertex)
    if config.tools:
        body["tools"] = [tool_json(tool) for tool in config.tools]
    for name in _BESIDE:
        _put(body, config, name, vertex=vertex)
    if not vertex:
        for setting in body.get("safetySettings", ()):
            setting.pop("method", None)
    body["generationConfig"] = _generation(config, vertex=vertex)
    body["contents"] = _contents(request, model=model, vertex=vertex)
    if generation(model) >= 3:
        _sign_calls(body["contents"])
    if TOOL_NAMES.changed(config):
        _rename(body)
    if (http := config.http_options) is not None and http.extra_body:
        _merge(body, http.extra_body)
    return body


def _contents(request: LlmRequest, *, model: str, vertex: bool) -> list[Any]:
    """The messages. The last one is a user's: the API answers nothing else."""
    contents: list[Any] = []
    nests = generation(model) not in (1, 2)
    for content in request.contents:
        if not content.parts:
            continue
        shown = _content(content, vertex=vertex)
        if shown["parts"]:
            contents.append(shown)
            if content.role != "model" and (files := _files_apart(shown["parts"], nests=nests, vertex=vertex)):
                contents.append({"parts": files, "role": "user"})
    if not contents:
        return [_said_by_user(NOTHING_SAID)]
    if contents[-1].get("role") != "user":
        contents.append(_said_by_user(MODEL_SAID_LAST))
    return contents


def _files_apart(parts: list[dict[str, Any]], *, nests: bool, vertex: bool) -> list[dict[str, Any]]:
    """Takes out of functions' answers what the API refuses there; gives the files among it, for a message behind them.

    Beside the answers of one message nothing else may stand: it has as many parts as there were calls.
    """
    files: list[dict[str, Any]] = []
    for part in parts:
        answer = part.get("functionResponse")
        if answer is None:
            continue
        # In an answer's JSON, "$ref" is taken for the name of one of its files, and for nothing else.
        if (said := answer.get("response")) and b'"$ref"' in (text := msgspec.json.encode(said)):
            answer["response"] = {"result": text.decode()}
        kept: list[Any] = []
        for file in answer.pop("parts", ()):
            data: dict[str, Any] = file.get("inlineData") or file.get("fileData") or {}
            if nests and (vertex or "inlineData" in file) and data.get("mimeType") in _IN_ANSWERS:
                kept.append(file)
            else:
                files.append({"text": f"A file that {answer.get('name')} answered with:"})
                files.append(file)
            if not vertex:
                for one in file.values():
                    one.pop("displayName", None)
        if kept:
            answer["parts"] = kept
    return files


def _sign_calls(contents: list[Any]) -> None:
    """Gives the first call of each of the model's messages a signature, where another model made it without one."""
    for content in contents:
        if content.get("role") == "model":
            call = next((part for part in content["parts"] if "functionCall" in part), None)
            if call is not None:
                call.setdefault("thoughtSignature", _UNSIGNED)


def _rename(body: dict[str, Any]) -> None:
    """Gives functions names that the API takes, wherever they are named."""
    for content in body["contents"]:
        for part in content["parts"]:
            for kind in ("functionCall", "functionResponse"):
                if kind in part:
                    part[kind] = _renamed(part[kind])
    rename_tools(body["tools"])
    calling = body.get("toolConfig", {}).get("functionCallingConfig", {})
    if "allowedFunctionNames" in calling:
        calling["allowedFunctionNames"] = [TOOL_NAMES.shown(name) for name in calling["allowedFunctionNames"]]


def rename_tools(tools: list[dict[str, Any]]) -> None:
    """Gives the functions among the tools of a request names that the API takes."""
    for tool in tools:
        if declared := tool.get("functionDeclarations"):
            tool["functionDeclarations"] = [_renamed(one) for one in declared]


def _renamed(named: Mapping[str, Any]) -> dict[str, Any]:
    return {**named, "name": TOOL_NAMES.shown(named.get("name") or "")}


def _said_by_user(text: str) -> dict[str, Any]:
    return {"parts": [{"text": text}], "role": "user"}


def _content(content: Content, *, vertex: bool) -> dict[str, Any]:
    parts = [_part(part, vertex=vertex) for part in content.parts or ()]
    shown: dict[str, Any] = {"parts": [part for part in parts if part]}
    if content.role is not None:
        shown["role"] = content.role
    return shown


def _part(part: Part, *, vertex: bool) -> dict[str, Any]:
    """A part's JSON; that of another provider's thoughts is empty."""
    if type(part.text) is str and part.thought is None and part.thought_signature is None:
        return {"text": part.text}
    shown: dict[str, Any] = msgspec.to_builtins(part)
    metadata = shown.get("partMetadata", {})
    if not _FOREIGN.isdisjoint(metadata) or (part.thought_signature or b"").startswith(b'{"'):
        if part.thought:
            return {}
        if (code := part.executable_code) is not None:
            return {"text": f"```\n{code.code or ''}\n```"}
        if (result := part.code_execution_result) is not None:
            return {"text": f"The code's output:\n```\n{result.output or ''}\n```"}
        shown.pop("thoughtSignature", None)
        kept = {name: value for name, value in metadata.items() if name not in _FOREIGN}
        if kept:
            shown["partMetadata"] = kept
        else:
            shown.pop("partMetadata", None)
    if vertex:
        shown.pop("partMetadata", None)
    else:  # the Gemini API knows no names of files
        for name in ("inlineData", "fileData"):
            if name in shown:
                shown[name].pop("displayName", None)
    return shown


def tool_json(tool: Any) -> Any:
    """A tool's JSON."""
    if isinstance(tool, Tool):
        return msgspec.to_builtins(tool)
    if isinstance(tool, Mapping):
        return dict(cast("Mapping[str, Any]", tool))
    return tool.model_dump(mode="json", by_alias=True, exclude_none=True)


def _generation(config: GenerateContentConfig, *, vertex: bool) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    for name in _GENERATION:
        _put(shown, config, name, vertex=vertex)
    if config.model_selection_config is not None and vertex:
        shown["modelConfig"] = config.model_selection_config
    if (schema := config.response_json_schema) is not None:
        shown["responseJsonSchema"] = json_schema(schema, where="response_json_schema")
    elif (schema := config.response_schema) is not None:
        if isinstance(schema, Schema):
            shown["responseSchema"] = msgspec.to_builtins(schema)
        elif _is_openapi(schema):
            shown["responseSchema"] = dict(schema)
        else:
            shown["responseJsonSchema"] = json_schema(schema, where="response_schema")
    if "responseJsonSchema" in shown or "responseSchema" in shown:
        shown.setdefault("responseMimeType", "application/json")
    return shown


def _is_openapi(schema: Any) -> bool:
    """Whether a dict is a schema of the Gemini API's own kind, whose types are in capitals."""
    if not isinstance(schema, Mapping):
        return False
    kind: Any = cast("Mapping[str, Any]", schema).get("type")
    return isinstance(kind, str) and kind.isupper()


def _put(shown: dict[str, Any], config: GenerateContentConfig, name: str, *, vertex: bool) -> None:
    value: Any = getattr(config, name)
    if value is None or (name in ON_VERTEX and not vertex):
        return
    first, *rest = name.split("_")
    shown[first + "".join(word.capitalize() for word in rest)] = plain_json(value)


def plain_json(value: Any) -> Any:
    """The JSON of a setting."""
    if isinstance(value, Record | list):
        return msgspec.to_builtins(value)
    if (dump := getattr(value, "model_dump", None)) is not None:
        return dump(mode="json", by_alias=True, exclude_none=True)
    return value


def _merge(body: dict[str, Any], extra: Mapping[str, Any]) -> None:
    """Lays what a program adds to the body over it."""
    for name, value in extra.items():
        known = body.get(name)
        if isinstance(known, dict) and isinstance(value, Mapping):
            _merge(cast("dict[str, Any]", known), cast("Mapping[str, Any]", value))
        else:
            body[name] = value
