# SPDX-License-Identifier: Apache-2.0
"""Recorded conversations with Claude, held again by agents that are made of what their requests show.

A recording may hold several conversations. A request goes on with the one before it where it sends back what was
answered and adds what a tool or the user said then; any other begins one of its own, with a history.
"""

import base64
import copy
import re
from collections.abc import Sequence
from typing import Any

import msgspec

from runwright import Agent, types
from runwright.errors import ModelError
from runwright.model import LlmRequest
from runwright.models.anthropic import Claude, PromptCache
from runwright.models.anthropic.blocks import part_of
from runwright.models.anthropic.traits import traits
from runwright.testing.wire import Comparison, Exchange, WireAnswer, WireServer
from runwright.tool import BaseTool
from tests.models.claude_recorded import UNFINISHED, Json, answered, blocks_in, fails, goes_on, normalised, unmarked
from tests.models.held_again import Held, hold, only_those_we_make, retries, skip_unsent

ASKED = re.compile(r"/v1/messages(/count_tokens)?$")
_FUNCTION = frozenset({"description", "input_schema", "name", "type"})
_SAMPLING = ("temperature", "top_k", "top_p")


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
    """A tool that answers each call as it was answered when the conversation was recorded.

    It may be one of the provider's words for a tool that its client runs, such as ``memory`` or ``bash``.
    """

    def __init__(self, declared: Json, results: dict[str, Any]) -> None:
        super().__init__(name=declared["name"], description=declared.get("description") or "")
        self.declared = declared
        self._results = results

    def _get_declaration(self) -> types.FunctionDeclaration:
        schema = self.declared.get("input_schema")
        return types.FunctionDeclaration(name=self.name, description=self.description, parameters_json_schema=schema)

    async def run_async(self, *, args: Json, tool_context: Any) -> Any:
        result = self._results.get(tool_context.function_call_id)
        if result is None:  # The recording ends with this call.
            tool_context.actions.skip_summarization = True
        return result


class Conversation:
    """One recorded conversation."""

    def __init__(self, exchanges: Sequence[Exchange]) -> None:
        self.retry, self.exchanges = retries(exchanges)
        self.bodies: list[Json] = [one.request.json() for one in exchanges]
        self.body = self.bodies[0]
        self.counts = exchanges[0].request.path.endswith("/count_tokens")
        last = unmarked(self.bodies[-1])["messages"]
        self.results = {
            block["tool_use_id"]: {"error": block["content"]} if block["is_error"] else block["content"]
            for message in last
            for block in message["content"]
            if block["type"] == "tool_result"
        }
        begun = normalised(self.body)["messages"]
        self._names = {
            block["id"]: block["name"]
            for message in begun
            for block in message["content"]
            if block["type"] == "tool_use"
        }
        self.history = [self._content(message) for message in begun[:-1]]
        self.prompts = [self._content(begun[-1])]
        prefilled = begun[-1]["role"] == "assistant"
        self.unsent = (
            "it begins the model's own answer (a prefill), which our adapter never does" if prefilled else None
        )
        for message in normalised(self.bodies[-1])["messages"][len(begun) :]:
            if message["role"] == "user" and message["content"][0]["type"] != "tool_result":
                self.prompts.append(self._content(message))

    @property
    def expected(self) -> list[Json]:
        """The messages that were answered; a turn that paused and what went on with it are one."""
        said: list[Json] = []
        paused = False
        for one in self.exchanges:
            if fails(one.answer):
                continue
            message = answered(one.answer)
            if paused:
                usage = copy.deepcopy(said[-1]["usage"])
                for name, count in message["usage"].items():
                    usage[name] = usage.get(name, 0) + count if isinstance(count, int) else count
                message = {**message, "content": [*said.pop()["content"], *message["content"]], "usage": usage}
            paused = message["stop_reason"] == "pause_turn"
            said.append(message)
        return said

    @property
    def failure(self) -> WireAnswer | None:
        """The failure that it ends with."""
        return self.exchanges[-1].answer if fails(self.exchanges[-1].answer) else None

    async def hold(self) -> Held:
        """Holds the conversation again.

        Raises:
            WireMismatchError: What was sent is not what was recorded.
        """
        comparison = Comparison(ignore_query=("beta",), normalise=normalised)
        with WireServer(self.exchanges, comparison) as server:
            agent = self.agent(server.url)
            return await hold(agent, self.history, self.prompts, streams=bool(self.body.get("stream")))

    async def count(self) -> int | ModelError:
        """Asks for the number of tokens again."""
        comparison = Comparison(ignore_query=("beta",), normalise=normalised)
        with WireServer(self.exchanges, comparison) as server:
            agent = self.agent(server.url)
            config = types.GenerateContentConfig()
            request = LlmRequest(config=config, contents=[*self.history, *self.prompts])
            tools = [
                tool for tool in agent.tools if tool.declared.keys() <= _FUNCTION and "input_schema" in tool.declared
            ]
            request.append_tools(tools)
            self._as_recorded(None, request)
            try:
                return await agent.model.count_tokens(request)
            except ModelError as error:
                return error
            finally:
                await agent.model.close()

    def agent(self, url: str) -> Agent:
        """The agent that the requests show."""
        return Agent(
            name="claude",
            model=self._model(url),
            tools=[RecordedTool(tool, self.results) for tool in self.body.get("tools") or () if "name" in tool],
            before_model_callback=self._as_recorded,
        )

    def _as_recorded(self, callback_context: Any, llm_request: Any) -> None:
        body, config = self.body, llm_request.config
        system = body.get("system")
        config.system_instruction = [one["text"] for one in system] if isinstance(system, list) else system
        config.max_output_tokens = body.get("max_tokens")
        config.stop_sequences = body.get("stop_sequences")
        if traits(body["model"]).samples:
            for name in _SAMPLING:
                setattr(config, name, body.get(name))
        if body.get("service_tier") in ("auto", "standard_only"):
            config.service_tier = body["service_tier"]
        if (budget := self._budget()) is not None:
            config.thinking_config = types.ThinkingConfig(thinking_budget=budget)
        if (form := self._form()) is not None:
            config.response_json_schema = form
        self._choose(config)
        plain = [tool for tool in body.get("tools") or () if tool.keys() <= _FUNCTION | {"cache_control"}]
        named = {tool["name"] for tool in plain if "input_schema" in tool}
        for tool in config.tools or ():
            kept = [one for one in tool.function_declarations or () if one.name in named]
            tool.function_declarations = kept
        others = [tool for tool in body.get("tools") or () if tool.get("name") not in named]
        config.tools = [*(config.tools or ()), *({"type": "custom", **tool} for tool in others)] or None

    def _choose(self, config: Any) -> None:
        choice = self.body.get("tool_choice") or {}
        mode = {"any": "ANY", "tool": "ANY", "none": "NONE"}.get(choice.get("type"))
        if mode is not None:
            allowed = [choice["name"]] if "name" in choice else None
            calling = types.FunctionCallingConfig(mode=mode, allowed_function_names=allowed)
            config.tool_config = types.ToolConfig(function_calling_config=calling)

    def _budget(self) -> int | None:
        """How much it is to think, where that is all that is said of it."""
        thinking, takes = self.body.get("thinking"), traits(self.body["model"])
        if thinking == {"type": "disabled"} and not (takes.always_thinks or takes.thinks_between):
            return 0
        if thinking == {"type": "adaptive"} and takes.adapts:
            return -1
        if thinking and thinking.keys() == {"type", "budget_tokens"} and takes.budgets:
            return thinking["budget_tokens"]
        return None

    def _form(self) -> Json | None:
        output = self.body.get("output_config") or {}
        if output.keys() != {"format"} or not traits(self.body["model"]).formats:
            return None
        return output["format"]["schema"]

    def _model(self, url: str) -> Claude:
        body = self.body
        known = {"max_tokens", "messages", "model", "stop_sequences", "stream", "tool_choice", "tools"}
        if not isinstance(body.get("system"), list) or len(body["system"]) < 2:
            known.add("system")
        if traits(body["model"]).samples:
            known.update(_SAMPLING)
        if body.get("service_tier") in ("auto", "standard_only"):
            known.add("service_tier")
        if self._budget() is not None:
            known.add("thinking")
        if self._form() is not None:
            known.add("output_config")
        cache = self._cache()
        if "cache_control" in body:
            known.add("cache_control")
        return Claude(
            model=body["model"],
            api_key="key",
            base_url=url,
            cache=cache or False,
            retry=self.retry,
            betas=[name for name in self.exchanges[0].request.headers.get("anthropic-beta", "").split(",") if name],
            parallel_tool_calls=_opposite((body.get("tool_choice") or {}).get("disable_parallel_tool_use")),
            extra_body={name: value for name, value in body.items() if name not in known and value is not None},
        )

    def _cache(self) -> PromptCache | None:
        """Where the marks say that something is to be kept, as far as they say it at the ends."""
        body = self.body
        tools = bool(body.get("tools")) and "cache_control" in body["tools"][-1]
        system = isinstance(body.get("system"), list) and "cache_control" in body["system"][-1]
        users = [blocks_in(message)[-1] for message in reversed(body["messages"]) if message["role"] == "user"]
        count = next((at for at, block in enumerate(users) if "cache_control" not in block), len(users))
        marks = [
            body[name][-1]["cache_control"] for name, is_marked in (("tools", tools), ("system", system)) if is_marked
        ]
        marks += [block["cache_control"] for block in users[:count]]
        marks += [body["cache_control"]] if "cache_control" in body else []
        if not marks:
            return None
        messages: Any = "automatic" if "cache_control" in body else count
        return PromptCache(ttl=marks[0].get("ttl", "5m"), tools=tools, system=system, messages=messages)

    def _content(self, message: Json) -> types.Content:
        if message["role"] == "assistant":
            parts = [part for block in message["content"] if (part := part_of(block)) is not None]
            return types.Content(role="model", parts=parts)
        return types.Content(role="user", parts=[self._part(block) for block in message["content"]])

    def _part(self, block: Json) -> types.Part:
        if block["type"] == "tool_result":
            return types.Part(function_response=self._response(block))
        rest = {name: value for name, value in block.items() if name not in ("type", "text", "title", "source")}
        part = user_part(block)
        if part is None:
            part, rest = types.Part(), block
        part.part_metadata = {"anthropic": rest} if rest else None
        return part

    def _response(self, block: Json) -> types.FunctionResponse:
        call_id, content = block["tool_use_id"], block["content"]
        texts, files = content, []
        if isinstance(content, list):
            texts = "".join(one["text"] for one in content if one["type"] == "text")
            found = [user_part(one) for one in content if one["type"] != "text"]
            files = [
                types.FunctionResponsePart(inline_data=part.inline_data, file_data=part.file_data)
                for part in found
                if part is not None
            ]
        response = {"error" if block["is_error"] else "result": texts} if texts or not files else {}
        name = self._names.get(call_id, "unknown")
        return types.FunctionResponse(id=call_id, name=name, response=response, parts=files or None)


def _opposite(value: bool | None) -> bool | None:
    return None if value is None else not value


def user_part(block: Json) -> types.Part | None:
    """The part for a block of the user's; None for one that is the provider's own."""
    if block["type"] == "text":
        return types.Part(text=block["text"])
    if block["type"] not in ("image", "document"):
        return None
    source, title = block["source"], block.get("title")
    match source["type"]:
        case "base64":
            data = base64.b64decode(source["data"])
            return types.Part(inline_data=types.Blob(data=data, mime_type=source["media_type"], display_name=title))
        case "text":
            data = source["data"].encode()
            return types.Part(inline_data=types.Blob(data=data, mime_type="text/plain", display_name=title))
        case "url" | "file":
            mime = "image/*" if block["type"] == "image" else "application/pdf"
            uri = source.get("url") or source.get("file_id")
            return types.Part(file_data=types.FileData(file_uri=uri, mime_type=mime, display_name=title))
    return None


async def check(exchanges: Sequence[Exchange]) -> None:
    """That each conversation of a recording comes out the same."""
    told = conversations(exchanges)
    for one in told:
        if one.unsent:
            continue
        if one.counts:
            counted = await one.count()
            given = msgspec.json.decode(one.exchanges[0].answer.body)
            if one.failure is None:
                assert counted == given["input_tokens"]
            else:
                assert isinstance(counted, ModelError)
                assert (counted.status, counted.provider) == (one.failure.status, "anthropic")
                assert given["error"]["message"] in str(counted)
            continue
        check_answers(one, await one.hold())
    skip_unsent(told)


def check_answers(told: Conversation, held: Held) -> None:
    if told.failure is None:
        assert held.error is None
    else:
        assert held.error is not None and held.error.provider == "anthropic"
        if told.failure.status != 200:
            assert held.error.status == told.failure.status
    assert len(held.answers) == len(told.expected)
    for event, message in zip(held.answers, told.expected, strict=True):
        _check_answer(event, message)
    if told.body.get("stream") and told.failure is None:
        for thought in (True, False):
            assert held.text(partial=True, thought=thought) == held.text(partial=False, thought=thought)


def _check_answer(event: Any, message: Json) -> None:
    stop, blocks = message["stop_reason"], message["content"]
    if stop == "refusal":
        blocks = [block for block in blocks if block["type"] != "tool_use"]
    elif stop in UNFINISHED and blocks and blocks[-1]["type"] == "tool_use":
        blocks = blocks[:-1]
    assert blocks_of(event) == [shown for block in blocks if (shown := plain(block))]
    assert event.model_version == message["model"]
    assert event.finish_reason == UNFINISHED.get(stop, "STOP")
    if stop not in UNFINISHED:
        assert event.error_code is None
    usage, counted = event.usage_metadata, message["usage"]
    assert usage is not None
    cached = (counted.get(f"cache_{kind}_input_tokens") or 0 for kind in ("creation", "read"))
    prompt = counted["input_tokens"] + sum(cached)
    assert usage.prompt_token_count == prompt
    assert (usage.candidates_token_count or 0) + (usage.thoughts_token_count or 0) == counted["output_tokens"]
    assert usage.total_token_count == prompt + counted["output_tokens"]


def plain(block: Json) -> Json | None:
    """A block without what is empty."""
    shown = {name: value for name, value in block.items() if value is not None}
    if shown.get("caller") == {"type": "direct"}:
        del shown["caller"]
    return None if shown == {"type": "text", "text": ""} else shown


def blocks_of(event: Any) -> list[Json]:
    """The blocks that an event stands for, read from what is public of it."""
    blocks: list[Json] = []
    for part in event.content.parts if event.content is not None else ():
        kept = dict((part.part_metadata or {}).get("anthropic", {}))
        if (call := part.function_call) is not None:
            blocks.append({"type": "tool_use", "id": call.id, "name": call.name, "input": call.args, **kept})
        elif part.thought and kept["type"] == "thinking":
            signature = part.thought_signature.decode() if part.thought_signature else ""
            blocks.append({**kept, "thinking": part.text, "signature": signature})
        elif part.thought:
            blocks.append({**kept, "data": part.thought_signature.decode()})
        elif part.text is not None:
            blocks.append({"type": "text", "text": part.text, **kept})
        else:
            blocks.append(kept)
    return blocks
