# SPDX-License-Identifier: Apache-2.0
"""Replays a recording of OpenAI's through an agent, a runner and the real SDK, and says what the agent did."""

import re
from typing import Any, NamedTuple

from runwright import Agent, BaseTool, Event, InMemoryRunner, RunConfig
from runwright.config import StreamingMode
from runwright.context import CallbackContext, ToolContext
from runwright.errors import ModelError
from runwright.model import LlmRequest
from runwright.models.openai import OpenAI
from runwright.models.retry import NO_RETRY
from runwright.testing.wire import Comparison, WireServer
from runwright.types import (
    FunctionCallingConfig,
    FunctionDeclaration,
    GenerateContentConfig,
    ThinkingConfig,
    ToolConfig,
)
from tests.models.openai_recorded import Conversation, Json, items

NAME = "agent"
IDENTITY = f'You are an agent. Your internal name is "{NAME}".'
SETTINGS = ("temperature", "top_p", "seed", "presence_penalty", "frequency_penalty", "service_tier")


class Replayed(NamedTuple):
    """What came of a replay: the events of its runs, and the error that ended them."""

    events: list[Event]
    error: ModelError | None

    @property
    def answers(self) -> list[Event]:
        """The model's whole answers."""
        return [event for event in self.events if not event.partial and event.usage_metadata is not None]

    def text(self, *, partial: bool) -> str:
        """All that the model said, in its chunks or in its whole answers."""
        shown = [event for event in self.events if bool(event.partial) is partial and event.content]
        parts = [part for event in shown for part in event.content.parts or ()]
        return "".join(part.text for part in parts if part.text and not part.thought)


class RecordedTool(BaseTool):
    """A tool that answers what was answered then. One that never was answered ends the run."""

    def __init__(self, shown: Json, outputs: dict[str, str]) -> None:
        super().__init__(name=shown["name"], description=shown.get("description") or "")
        self._shown = shown
        self._outputs = outputs

    def _get_declaration(self) -> FunctionDeclaration:
        schema = {name: value for name, value in self._shown["parameters"].items() if name != "additionalProperties"}
        return FunctionDeclaration(name=self.name, description=self.description or None, parameters_json_schema=schema)

    async def run_async(self, *, args: dict[str, Any], tool_context: ToolContext) -> Any:
        call_id = tool_context.function_call_id or ""
        if call_id not in self._outputs and len(set(self._outputs.values())) == 1 and self.name != "final_result":
            call_id = next(iter(self._outputs))  # the recording's client has given it another id
        if call_id not in self._outputs:
            tool_context.actions.skip_summarization = True
        return self._outputs.get(call_id, "that is all")


async def replay(told: Conversation) -> Replayed:
    """Replays a conversation.

    Raises:
        WireMismatchError: What was sent is not what was recorded.
    """
    with WireServer(told.exchanges, Comparison(normalise=normalised)) as server:
        agent = agent_of(told, server.url)
        runner = InMemoryRunner(agent=agent, app_name="replay")
        session = await runner.session_service.create_session(app_name="replay", user_id="u", session_id="s")
        for content in told.history:
            said_by_user = content.role == "user" and not any(part.function_response for part in content.parts or ())
            event = Event(author="user" if said_by_user else NAME, content=content, invocation_id="before")
            await runner.session_service.append_event(session, event)
        streams = bool(told.body.get("stream"))
        config = RunConfig(streaming_mode=StreamingMode.SSE if streams else StreamingMode.NONE)
        events: list[Event] = []
        error = None
        try:
            for prompt in told.prompts:
                run = runner.run_async(user_id="u", session_id="s", new_message=prompt, run_config=config)
                async for event in run:
                    events.append(event)
        except ModelError as raised:
            error = raised
        finally:
            await runner.close()
            await agent.model.close()
    return Replayed(events, error)


def agent_of(told: Conversation, url: str) -> Agent:
    """The agent that a conversation's requests show."""
    body = told.body
    model = OpenAI(
        model=body["model"],
        api="chat" if told.is_chat else "responses",
        api_key="key",
        base_url=f"{url}{told.path}",
        reasoning_summary=(body.get("reasoning") or {}).get("summary") or "auto",
        retry=NO_RETRY,
    )
    form = told.form
    schema = {**form["schema"], "title": form["name"]} if form is not None else None
    return Agent(
        name=NAME,
        model=model,
        instruction=told.instruction,
        tools=[RecordedTool(shown, told.outputs) for shown in told.functions],
        output_schema=schema,
        generate_content_config=_config(told),
        before_model_callback=_files_added(told),
    )


def _config(told: Conversation) -> GenerateContentConfig:
    body = told.body
    config = GenerateContentConfig(**{name: body[name] for name in SETTINGS if body.get(name) is not None})
    config.max_output_tokens = next((body[name] for name in body if re.fullmatch("max_.*_?tokens", name)), None)
    reasoning = body.get("reasoning") or {}
    if level := reasoning.get("effort") or body.get("reasoning_effort"):
        config.thinking_config = ThinkingConfig(thinking_level=level, include_thoughts=bool(reasoning.get("summary")))
    if body.get("tool_choice") == "required":
        config.tool_config = ToolConfig(function_calling_config=FunctionCallingConfig(mode="ANY"))
    config.tools = list(told.native_tools) or None
    return config


def _files_added(told: Conversation) -> Any:
    """A callback that gives tools' answers the files that were recorded with them."""

    def add(callback_context: CallbackContext, llm_request: LlmRequest) -> None:
        for place, content in enumerate(llm_request.contents):
            for part in content.parts or ():
                answer = part.function_response
                text = str((answer.response or {}).get("result")) if answer is not None else ""
                named = [file for name, file in told.files.items() if name in text]
                if answer is not None and named:
                    answer.parts = named
                    llm_request.contents[place] = content

    return add if told.files else None


def normalised(body: Json) -> Json:
    """A request without what makes no difference: defaults that are spelled out, and who chose the ids."""
    if body.get("tool_choice") == "auto":
        del body["tool_choice"]
    body.pop("n", None)
    place = "messages" if "messages" in body else "input"
    body[place] = [item for item in map(_message, items(body)) if item]
    if "instructions" in body:
        body["instructions"] = _without_identity(body["instructions"] or "")
    names: dict[str, str] = {}
    return _plain(body, names)


def _message(item: Json) -> Json | None:
    content = item.get("content")
    if isinstance(content, list) and len(content) == 1 and content[0]["type"] in ("text", "input_text"):
        content = content[0]["text"]
    if item.get("role") == "system":
        content = _without_identity(content)
    if not content and item.get("role") in ("assistant", "system") and not item.get("tool_calls"):
        return None
    return {**item, "content": content} if "content" in item else item


def _without_identity(text: str) -> str:
    return text.replace(IDENTITY, "").strip()


def _plain(value: Any, names: dict[str, str]) -> Any:
    """Without what is empty, and with ids in place of which comes when."""
    if isinstance(value, list):
        return [_plain(item, names) for item in value]
    if not isinstance(value, dict):
        return value
    made: Json = {}
    for key, item in value.items():
        if key in ("strict", "additionalProperties") or item in (None, "", []) or item == {}:
            continue
        is_id = key in ("call_id", "tool_call_id") or (key == "id" and value.get("type") == "function")
        made[key] = names.setdefault(item, f"call-{len(names)}") if is_id else _plain(item, names)
    return made
