# SPDX-License-Identifier: Apache-2.0
"""Recorded conversations with OpenAI, held again by agents that are made of what their requests show.

A recording may hold several conversations. A request goes on with the one before it where it sends back what was
answered and adds what tools or the user said then; any other begins one of its own, with a history.
"""

import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
import openai

from runwright import Agent, BaseTool
from runwright.context import CallbackContext, ToolContext
from runwright.errors import ModelError
from runwright.model import LlmRequest
from runwright.models.openai import OpenAI
from runwright.models.openai.kept import call_part, signed, with_rest
from runwright.models.openai.schemas import strict_schema
from runwright.testing.wire import Comparison, Exchange, WireServer
from runwright.types import (
    Content,
    FileData,
    FunctionCallingConfig,
    FunctionDeclaration,
    FunctionResponse,
    FunctionResponsePart,
    Part,
    ThinkingConfig,
    ToolConfig,
)
from tests.models.held_again import Held, hold, only_those_we_make, retries, skip_unsent
from tests.models.openai_recorded import (
    ASKED,
    SYSTEM,
    Json,
    Said,
    goes_on,
    instructions,
    items,
    normalised,
    output_of,
    said_in,
    text_in,
)

NAME = "agent"
_OF_BOTH = {"temperature": "temperature", "top_p": "top_p", "service_tier": "service_tier", "top_logprobs": "logprobs"}
_OF_CHAT = {"stop": "stop_sequences", "seed": "seed", "logprobs": "response_logprobs"} | {
    name: name for name in ("presence_penalty", "frequency_penalty")
}
_MOST = ("max_completion_tokens", "max_output_tokens", "max_tokens")
_MODES = {"required": "ANY", "none": "NONE"}


def conversations(exchanges: Sequence[Exchange]) -> list["Conversation"]:
    """The conversations of a recording, and each question of how many tokens something has as one of its own."""
    groups: list[list[Exchange]] = []
    for exchange in only_those_we_make(exchanges, ASKED):
        if groups and goes_on(groups[-1][-1], exchange):
            groups[-1].append(exchange)
        else:
            groups.append([exchange])
    return [Conversation(group) for group in groups]


class RecordedTool(BaseTool):
    """A tool that answers what was answered then. One that never was answered ends the run."""

    def __init__(self, shown: Json, outputs: dict[str, str]) -> None:
        super().__init__(name=shown["name"], description=shown.get("description") or "")
        self._shown = shown
        self._outputs = outputs

    def _get_declaration(self) -> FunctionDeclaration:
        given = self._shown.get("parameters") or {"type": "object", "properties": {}}
        schema = {name: value for name, value in given.items() if name != "additionalProperties"}
        return FunctionDeclaration(name=self.name, description=self.description or None, parameters_json_schema=schema)

    @property
    def is_sent_as_it_is(self) -> bool:
        """Whether the adapter would show it as it was, but for what no server minds."""
        schema = self._get_declaration().parameters_json_schema
        strict = strict_schema(schema)
        return strict is None or normalised({"input": "", "s": strict}) == normalised({"input": "", "s": schema})

    async def run_async(self, *, args: dict[str, Any], tool_context: ToolContext) -> Any:
        call_id = tool_context.function_call_id or ""
        if call_id not in self._outputs:
            tool_context.actions.skip_summarization = True
        return self._outputs.get(call_id, "that is all")


class Conversation:
    """One recorded conversation."""

    def __init__(self, exchanges: Sequence[Exchange]) -> None:
        self.retry, self.exchanges = retries(exchanges)
        bodies: list[Json] = [one.request.json() for one in exchanges]
        self.body = bodies[0]
        self.counts = exchanges[0].request.path.endswith("/input_tokens")
        self.is_chat = "messages" in self.body
        self._names: dict[str, str] = {}
        told = [item for item in items(self.body) if item.get("role") not in SYSTEM]
        contents = self._contents(told)
        self.unsent = None
        if not contents or contents[-1].role != "user":
            self.unsent = "it does not end with what the user or a tool says, with which our agents' requests end"
        self.history, self.prompts = contents[:-1], contents[-1:]
        self.outputs: dict[str, str] = {}
        for body in bodies:
            for item in items(body):
                if item.get("role") == "tool" or item.get("type") == "function_call_output":
                    self.outputs[item.get("tool_call_id") or item["call_id"]] = output_of(item)
        for body in bodies[1:]:
            newest = items(body)[-1]
            if (
                newest.get("role") == "user"
                and body is not bodies[0]
                and newest != items(bodies[bodies.index(body) - 1])[-1]
            ):
                self.prompts += self._contents([newest])

    @property
    def expected(self) -> list[Said]:
        return [said for one in self.exchanges if (said := said_in(one)) is not None]

    @property
    def fails(self) -> bool:
        return said_in(self.exchanges[-1]) is None

    async def hold(self) -> Held:
        """Holds the conversation again.

        Raises:
            WireMismatchError: What was sent is not what was recorded.
        """
        with WireServer(self.exchanges, Comparison(normalise=normalised)) as server:
            agent = self.agent(server.url)
            try:
                return await hold(agent, self.history, self.prompts, streams=bool(self.body.get("stream")))
            finally:
                await _closed(agent)

    async def count(self) -> int | ModelError:
        """Asks for the number of tokens again."""
        with WireServer(self.exchanges, Comparison(normalise=normalised)) as server:
            agent = self.agent(server.url)
            request = LlmRequest(contents=[*self.history, *self.prompts])
            request.append_tools(list(agent.tools))
            self._as_recorded(None, request)
            try:
                return await agent.model.count_tokens(request)
            except ModelError as error:
                return error
            finally:
                await _closed(agent)

    def agent(self, url: str) -> Agent:
        """The agent that the requests show."""
        tools = [RecordedTool(shown, self.outputs) for shown in self._functions]
        return Agent(name=NAME, model=self._model(url), tools=tools, before_model_callback=self._as_recorded)

    @property
    def _functions(self) -> list[Json]:
        return [tool.get("function", tool) for tool in self.body.get("tools") or () if tool["type"] == "function"]

    def _as_recorded(self, callback_context: CallbackContext | None, llm_request: LlmRequest) -> None:
        body, config = self.body, llm_request.config
        config.system_instruction = instructions(body) or None
        for name, ours in self._settings.items():
            setattr(config, ours, body.get(name))
        config.max_output_tokens = next((body[name] for name in _MOST if body.get(name) is not None), None)
        reasoning = self._reasoning
        if (level := reasoning.get("effort") or body.get("reasoning_effort")) or reasoning:
            config.thinking_config = ThinkingConfig(
                thinking_level=level, include_thoughts=bool(reasoning.get("summary"))
            )
        choice = self._choice
        if choice is not None:
            config.tool_config = ToolConfig(function_calling_config=choice)
        form = self._form or {}
        if form.get("type") == "json_object":
            config.response_mime_type = "application/json"
        elif form:
            config.response_json_schema = {**form["schema"], "title": form["name"]}
        plain = {one["name"] for one in self._functions if RecordedTool(one, {}).is_sent_as_it_is}
        for tool in config.tools or ():
            tool.function_declarations = [one for one in tool.function_declarations or () if one.name in plain]
        others = [tool for tool in body.get("tools") or () if tool.get("function", tool).get("name") not in plain]
        config.tools = [*(config.tools or ()), *others] or None

    @property
    def _settings(self) -> dict[str, str]:
        return _OF_BOTH | (_OF_CHAT if self.is_chat else {})

    @property
    def _reasoning(self) -> Json:
        """How it is to reason, where that is all that is said of it."""
        given = {name: value for name, value in (self.body.get("reasoning") or {}).items() if value is not None}
        return given if given.keys() <= {"effort", "summary"} else {}

    @property
    def _choice(self) -> FunctionCallingConfig | None:
        """Which tools are to be called, where our settings have a word for it."""
        given, tools = self.body.get("tool_choice"), self.body.get("tools")
        if not given or not tools:
            return None
        if isinstance(given, str):
            return FunctionCallingConfig(mode=_MODES[given]) if given in _MODES else None
        if given.get("type") != "function":
            return None
        return FunctionCallingConfig(mode="ANY", allowed_function_names=[given.get("function", given)["name"]])

    @property
    def _form(self) -> Json | None:
        """The form of the answer, where the adapter would not make it stricter than it was."""
        if self.is_chat:
            given = self.body.get("response_format") or {}
            form = given.get("json_schema") or given
        else:
            text = self.body.get("text") or {}
            form = (text.get("format") or {}) if text.keys() <= {"format"} else {}
        if form.get("type") == "json_object":
            return form
        if (
            "schema" not in form
            or form["schema"].get("type") != "object"
            or form.keys() - {"name", "schema", "strict", "type"}
        ):
            return None
        strict = strict_schema({key: value for key, value in form["schema"].items() if key != "title"}, narrow=True)
        was = {key: value for key, value in form["schema"].items() if key != "title"}
        same = strict is None or normalised({"input": "", "s": strict}) == normalised({"input": "", "s": was})
        return form if same and "title" not in form["schema"] else None

    def _model(self, url: str) -> OpenAI:
        body = self.body
        known = {*self._settings, *_MOST, "input", "instructions", "messages", "model", "reasoning_effort", "store"}
        known |= {"stream", "stream_options", "tools"}
        if body.get("tools"):
            known.add("parallel_tool_calls")
        if self._reasoning:
            known.add("reasoning")
        if self._choice is not None:
            known.add("tool_choice")
        if self._form is not None:
            known |= {"response_format", "text"}
        request = self.exchanges[0].request
        where = url + re.sub("/(responses|chat/completions|responses/input_tokens)$", "", request.path)
        version = parse_qs(urlsplit(request.target).query).get("api-version")
        client: Any = None
        if version:
            client = openai.AsyncAzureOpenAI(api_key="key", base_url=where, api_version=version[0], max_retries=0)
        return OpenAI(
            model=body["model"],
            api="chat" if self.is_chat else "responses",
            api_key="key",
            base_url=where,
            client=client,
            store=body.get("store"),
            parallel_tool_calls=body.get("parallel_tool_calls"),
            reasoning_summary=self._reasoning.get("summary") or "auto",
            extra_body={name: value for name, value in body.items() if name not in known and value is not None},
            retry=self.retry,
        )

    def _contents(self, said: list[Json]) -> list[Content]:
        """Messages as contents: answers of one kind that follow each other are one."""
        contents: list[Content] = []
        kind = None
        for item in said:
            role, now, parts = self._read(item)
            if contents and now == kind and now != "user":
                contents[-1].parts = [*(contents[-1].parts or []), *parts]
            else:
                contents.append(Content(role=role, parts=parts))
            kind = now
        return contents

    def _read(self, item: Json) -> tuple[str, str, list[Part]]:
        """Whose it is, what kind of a content it belongs to, and its parts."""
        if item.get("role") == "user":
            return "user", "user", _parts(item["content"])
        if item.get("role") == "tool" or item.get("type") == "function_call_output":
            return "user", "answer", [Part(function_response=self._answer(item))]
        if item.get("role") == "assistant" and "type" not in item:
            return "model", f"model {id(item)}" if self.is_chat else "model", self._said(item)
        return "model", "model", [self._own(item)]

    def _answer(self, item: Json) -> FunctionResponse:
        call_id, output = item.get("tool_call_id") or item["call_id"], output_of(item)
        text, files = output, []
        if isinstance(output, list):
            text = "".join(piece.get("text") or "" for piece in output)
            found = [_part(piece) for piece in output if not piece.get("text")]
            files = [FunctionResponsePart(inline_data=one.inline_data, file_data=one.file_data) for one in found]
        response = {"result": text} if text or not files else {}
        name = self._names.get(call_id, "unknown")
        return FunctionResponse(id=call_id, name=name, response=response, parts=files or None)

    def _said(self, message: Json) -> list[Part]:
        parts: list[Part] = []
        for name in ("reasoning_content", "reasoning"):
            if isinstance(thought := message.get(name), str):
                parts.append(with_rest(Part(text=thought, thought=True), {"field": name}))
        if details := message.get("reasoning_details"):
            parts.append(with_rest(Part(text="", thought=True), {"message": {"reasoning_details": details}}))
        if text := text_in(message.get("content")):
            parts.append(Part(text=text))
        for call in message.get("tool_calls") or ():
            function = call["function"]
            self._names[call["id"]] = function["name"]
            rest = {name: value for name, value in call.items() if name not in ("id", "type", "function", "index")}
            parts.append(
                call_part(call["id"], function["name"], function["arguments"], {"call": rest} if rest else None)
            )
        return parts

    def _own(self, item: Json) -> Part:
        """An item that the model said."""
        if item.get("role") == "assistant":
            rest = {name: item[name] for name in ("id", "phase") if item.get(name)}
            return with_rest(Part(text=text_in(item["content"])), rest)
        if item["type"] == "function_call":
            self._names[item["call_id"]] = item["name"]
            known = ("arguments", "call_id", "name", "status", "type")
            rest = {name: value for name, value in item.items() if name not in known and value is not None}
            return call_part(item["call_id"], item["name"], item["arguments"], rest)
        return signed(item, "")


async def _closed(agent: Agent) -> None:
    await agent.model.close()
    if agent.model.client is not None:
        await agent.model.client.close()


def _parts(content: Any) -> list[Part]:
    return [Part(text=content)] if isinstance(content, str) else [_part(piece) for piece in content]


def _part(piece: Json) -> Part:
    if piece["type"] in ("text", "input_text"):
        return Part(text=piece["text"])
    if piece["type"] == "input_audio":
        sound = piece["input_audio"]
        return Part.model_validate({"inlineData": {"data": sound["data"], "mimeType": f"audio/{sound['format']}"}})
    if piece["type"] in ("image_url", "input_image"):
        given = piece.get("image_url") or piece.get("file_id")
        where, detail = (given["url"], given.get("detail")) if isinstance(given, dict) else (given, piece.get("detail"))
        mime = None if where.startswith("data:") else "image/*"
        part = Part(file_data=FileData(file_uri=where, mime_type=mime))
        return with_rest(part, {"detail": detail} if detail not in (None, "auto") else {})
    file = piece.get("file", piece)
    where = file.get("file_url") or file.get("file_id") or file.get("file_data")
    return Part(file_data=FileData(file_uri=where, display_name=file.get("filename")))


# --- comparing -------------------------------------------------------------------------------------------------


async def check(exchanges: Sequence[Exchange]) -> None:
    """That each conversation of a recording comes out the same."""
    told = conversations(exchanges)
    for one in told:
        if one.unsent:
            continue
        if not one.counts:
            check_answers(one, await one.hold())
            continue
        counted, answer = await one.count(), one.exchanges[0].answer
        if answer.status == 200:
            assert counted == msgspec.json.decode(answer.body)["input_tokens"]
        else:
            assert isinstance(counted, ModelError) and counted.status == answer.status
    skip_unsent(told)


def check_answers(told: Conversation, held: Held) -> None:
    last = told.exchanges[-1].answer
    if told.fails:
        assert held.error is not None and held.error.provider == "openai"
        assert last.status == 200 or held.error.status == last.status
        assert held.events[-1].error_code == type(held.error).__name__
    else:
        assert held.error is None
    assert len(held.answers) == len(told.expected)
    for event, then in zip(held.answers, told.expected, strict=True):
        _check_answer(event, then)
    if told.body.get("stream") and not told.fails:
        assert held.text(partial=True) == held.text(partial=False)


def _check_answer(event: Any, then: Said) -> None:
    parts = event.content.parts if event.content is not None else []
    assert "".join(part.text or "" for part in parts if not part.thought) == then.text
    assert "\n\n".join(part.text for part in parts if part.thought and part.text) == "\n\n".join(then.thoughts)
    assert [(call.name, call.args) for call in event.get_function_calls()] == then.calls
    if then.refusal:
        assert (event.error_code, event.error_message) == ("REFUSAL", then.refusal)
    elif then.reason == "content_filter":
        assert event.error_code == "SAFETY"
    if not then.usage:
        assert event.usage_metadata is None
        return
    usage, counted = event.usage_metadata, then.usage
    came, went = ("prompt", "completion") if "prompt_tokens" in counted else ("input", "output")
    thoughts = usage.thoughts_token_count or 0
    assert usage.prompt_token_count == counted[f"{came}_tokens"]
    assert (usage.candidates_token_count or 0) + thoughts == counted[f"{went}_tokens"]
    assert thoughts == ((counted.get(f"{went}_tokens_details") or {}).get("reasoning_tokens") or 0)
    cached = (counted.get(f"{came}_tokens_details") or {}).get("cached_tokens") or 0
    assert (usage.cached_content_token_count or 0) == cached
    assert usage.total_token_count == counted["total_tokens"]
