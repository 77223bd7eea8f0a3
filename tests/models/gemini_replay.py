# SPDX-License-Identifier: Apache-2.0
"""Recorded conversations with Gemini, held again by agents of ours that are made from what the recording shows.

A recording may hold several conversations. A request goes on with the one before it where it sends back what was
answered and adds what tools or the user said then; any other begins one of its own, with a history.
"""

import base64
import re
from collections.abc import Sequence
from typing import Any

from runwright import Agent, Event, types
from runwright.errors import ModelError
from runwright.model import LlmRequest
from runwright.models.gemini import Gemini
from runwright.testing.wire import Comparison, Exchange, WireServer
from runwright.tool import BaseTool
from tests.models.gemini_recorded import (
    ASKED,
    Json,
    answer_chunks,
    as_ours,
    calls_in,
    camel,
    fails,
    goes_on,
    parts_of,
    signatures_in,
    text_in,
)
from tests.models.held_again import Held, hold, only_those_we_make, retries, skip_unsent

IDENTITY = re.compile(r'You are an agent\. Your internal name is "(\w+)"\.(?: The description about you is "(.*)"\.)?')
_OTHER_AGENTS = "You have a list of other agents"
_RESOURCE = re.compile(r"(?:projects/(?P<project>[^/]+)/locations/(?P<location>[^/]+)/)?(?P<model>.+)")
_BESIDE = frozenset({"contents", "generationConfig", "systemInstruction", "tools"})
_CONFIG = frozenset(camel(name) for name in types.GenerateContentConfig.__struct_fields__)
_USAGE = frozenset(camel(name) for name in types.GenerateContentResponseUsageMetadata.__struct_fields__)


def scenes(exchanges: Sequence[Exchange]) -> list["Scene"]:
    """The conversations of a recording, and each question of how many tokens something has as one of its own."""
    groups: list[list[Exchange]] = []
    for exchange in only_those_we_make(exchanges, ASKED):
        if groups and goes_on(groups[-1][-1], exchange):
            groups[-1].append(exchange)
        else:
            groups.append([exchange])
    return [Scene(group) for group in groups]


class RecordedTool(BaseTool):
    """Answers as the recording's tool did; a call whose answer was not recorded ends the run."""

    def __init__(self, declaration: Json, answers: list[tuple[Any, Any]]) -> None:
        super().__init__(name=declaration["name"], description=declaration.get("description", ""))
        self.declaration = types.FunctionDeclaration.model_validate(declaration)
        self.answers = answers

    def _get_declaration(self) -> types.FunctionDeclaration:
        return self.declaration

    async def run_async(self, *, args: Json, tool_context: Any) -> Any:
        for place, (expected, answer) in enumerate(self.answers):
            if expected == args:
                del self.answers[place]
                return answer
        tool_context.actions.skip_summarization = True
        return {}


class Scene:
    """One recorded conversation.

    Attributes:
        history: What had been said before the first prompt.
        prompts: What the user said, in order.
        expected: Each answer, as the provider gave it: its chunks as JSON.
        unsent: Why our agents cannot hold it, if so.
    """

    def __init__(self, exchanges: Sequence[Exchange]) -> None:
        self.retry, self.exchanges = retries(exchanges)
        self.bodies: list[Json] = [as_ours(one.request.json()) for one in exchanges]
        self.body = self.bodies[0]
        request = exchanges[0].request
        self.counts = request.path.endswith(":countTokens")
        self.streams = request.path.endswith(":streamGenerateContent")
        contents = [types.Content.model_validate(one) for one in self.body.get("contents", [])]
        self.history, self.prompts = contents[:-1], contents[-1:]
        for before, body in zip(self.bodies, self.bodies[1:], strict=False):
            newest = body["contents"][-1]
            asked_again = len(body["contents"]) == len(before["contents"])
            if not asked_again and not any("functionResponse" in part for part in newest["parts"]):
                self.prompts.append(types.Content.model_validate(newest))
        self.expected = [answer_chunks(one) for one in exchanges if not fails(one)]
        self.unsent = None
        if self.streams and "alt=sse" not in request.target:
            self.unsent = "it streams a JSON array (without alt=sse), for which google-genai never asks"
        elif not contents or contents[-1].role == "model":
            self.unsent = "it does not end with what the user or a tool says, with which our requests end"
        self._instruction = self.body.get("systemInstruction", {}).get("parts", [])
        self._identity = self._find_identity()

    @property
    def failure(self) -> Exchange | None:
        """The failure that it ends with."""
        return self.exchanges[-1] if fails(self.exchanges[-1]) else None

    def _find_identity(self) -> re.Match[str] | None:
        """Where the recording's agent says of itself what agents of ours say, if it says no more than they do."""
        text = self._instruction[0].get("text", "") if len(self._instruction) == 1 else ""
        return IDENTITY.search(text) if _OTHER_AGENTS not in text else None

    async def hold(self, **comparison: Any) -> Held:
        """Holds the conversation again.

        Raises:
            WireMismatchError: What was sent is not what was recorded.
        """
        with WireServer(self.exchanges, Comparison(normalise=as_ours, **comparison)) as server:
            return await hold(self._agent(server.url), self.history, self.prompts, streams=self.streams)

    async def count(self) -> int | ModelError:
        """Asks for the number of tokens again."""
        with WireServer(self.exchanges, Comparison(normalise=as_ours)) as server:
            agent = self._agent(server.url)
            request = LlmRequest(contents=[*self.history, *self.prompts])
            request.append_tools(list(agent.tools))
            self._as_recorded(None, request)
            try:
                return await agent.model.count_tokens(request)
            except ModelError as error:
                return error
            finally:
                await agent.model.close()

    def _model(self, url: str) -> Gemini:
        request = self.exchanges[0].request
        found = ASKED.search(request.path)
        assert found is not None, request.target
        version, resource, _ = found.groups()
        named = _RESOURCE.fullmatch(resource)
        assert named is not None, resource
        settings: Json = {"api_version": version, "base_url": url + request.path[: found.start()], "retry": self.retry}
        model = named["model"].removeprefix("publishers/google/").removeprefix("models/")
        if named["project"]:
            settings |= {"vertexai": True, "project": named["project"], "location": named["location"]}
            settings["credentials"] = anonymous()
            model = resource if model.startswith("endpoints/") else model
        else:
            settings["api_key"] = "a-key"
            settings["vertexai"] = True if resource.startswith("publishers/") else None
        return Gemini(model=model, **settings)

    def _agent(self, url: str) -> Agent:
        answers = tool_answers(self.bodies[-1].get("contents", []))
        tools = [
            RecordedTool(declaration, answers.get(declaration["name"], []))
            for tool in self.body.get("tools", [])
            for declaration in tool.get("functionDeclarations", [])
        ]
        shown: Json = {"name": "agent"}
        if self._identity is not None:
            shown["name"] = self._identity[1]
            if self._identity[2]:
                shown["description"] = self._identity[2]
            paragraphs = IDENTITY.sub("", self._instruction[0]["text"]).strip().split("\n\n")
            instruction = "\n\n".join(paragraph for paragraph in paragraphs if paragraph)
            # A function, so that braces in the text are no places to fill in.
            shown["instruction"] = lambda _: instruction
        return Agent(model=self._model(url), tools=tools, before_model_callback=self._as_recorded, **shown)

    def _as_recorded(self, callback_context: Any, llm_request: Any) -> None:
        body = self.body
        given = {**body.get("generationConfig", {}), **{name: body[name] for name in body.keys() - _BESIDE}}
        config = types.GenerateContentConfig.model_validate({name: given[name] for name in given.keys() & _CONFIG})
        more: Json = {name: body[name] for name in body.keys() - _BESIDE - _CONFIG}
        if generation := {
            name: value for name, value in body.get("generationConfig", {}).items() if name not in _CONFIG
        }:
            more["generationConfig"] = generation
        if more:
            config.http_options = types.HttpOptions(extra_body=more)
        config.system_instruction = llm_request.config.system_instruction
        if self._identity is None:
            config.system_instruction = types.Content.model_validate({"parts": self._instruction, "role": "user"})
            if not self._instruction:
                config.system_instruction = None
        config.tools = self._tools(llm_request.config.tools)
        llm_request.config = config

    def _tools(self, functions: list[Any] | None) -> list[Any] | None:
        """An agent's functions, with the provider's own tools beside them, in the order of the recording."""
        declared = {one.name: one for tool in functions or () for one in tool.function_declarations or ()}
        shown: list[Any] = []
        for tool in self.body.get("tools", []):
            if "functionDeclarations" in tool:
                names = [one["name"] for one in tool["functionDeclarations"]]
                made = types.Tool(function_declarations=[declared[name] for name in names])
                others = {name: value for name, value in tool.items() if name != "functionDeclarations"}
                shown.append(made if not others else {**made.model_dump(exclude_none=True, by_alias=True), **others})
            else:
                shown.append(dict(tool))
        return shown or None


def anonymous() -> Any:
    """Credentials that are sent as they are, to a server that does not look at them."""
    from google.oauth2.credentials import Credentials  # noqa: PLC0415  # needed on Vertex AI alone

    return Credentials(token="a-token")


def tool_answers(contents: list[Any]) -> dict[str, list[tuple[Any, Any]]]:
    """What each tool was called with and answered, in order."""
    answers: dict[str, list[tuple[Any, Any]]] = {}
    calls: list[Any] = []
    for content in contents:
        for part in content["parts"]:
            if "functionCall" in part:
                calls.append(part["functionCall"])
            elif "functionResponse" in part:
                answer = part["functionResponse"]
                call = next((call for call in calls if call["name"] == answer["name"]), None)
                if call is not None:
                    calls.remove(call)
                    answers.setdefault(answer["name"], []).append((call.get("args") or {}, answer.get("response")))
    return answers


# --- comparing -------------------------------------------------------------------------------------------------


async def check(exchanges: Sequence[Exchange]) -> None:
    """That each conversation of a recording comes out the same."""
    told = scenes(exchanges)
    for scene in told:
        if scene.unsent:
            continue
        if scene.counts:
            _check_count(await scene.count(), scene)
        else:
            check_answers(scene, await scene.hold())
    skip_unsent(told)


def _check_count(counted: int | ModelError, scene: Scene) -> None:
    if scene.failure is None:
        assert counted == scene.expected[0][0]["totalTokens"]
    else:
        assert isinstance(counted, ModelError) and counted.status == scene.failure.answer.status


def check_answers(scene: Scene, held: Held) -> None:
    if scene.failure is None:
        assert held.error is None
    else:
        assert held.error is not None and held.error.provider == "gemini"
        assert scene.failure.answer.status in (200, held.error.status)
    assert len(held.answers) == len(scene.expected)
    for chunks, event in zip(scene.expected, held.answers, strict=True):
        check_answer(chunks, event)


def check_answer(chunks: list[Any], event: Event) -> None:
    """That an event says what the provider said."""
    parts = parts_of(chunks)
    said = [] if event.content is None else event.content.parts or []
    for thought in (False, True):
        ours = "".join(part.text or "" for part in said if bool(part.thought) is thought)
        assert ours == text_in(parts, thought=thought)
    assert [(call.name, call.args or {}) for call in event.get_function_calls()] == calls_in(parts)
    signatures = [base64.b64encode(part.thought_signature).decode() for part in said if part.thought_signature]
    assert signatures == signatures_in(parts)
    _check_usage([chunk["usageMetadata"] for chunk in chunks if chunk.get("usageMetadata")], event)
    candidates = [candidate for chunk in chunks for candidate in (chunk.get("candidates") or ())[:1]]
    reasons = [candidate["finishReason"] for candidate in candidates if candidate.get("finishReason")]
    assert event.finish_reason == (reasons[-1] if reasons else None)
    said_why = [candidate["finishMessage"] for candidate in candidates if "finishMessage" in candidate]
    blocks = [chunk["promptFeedback"] for chunk in chunks if (chunk.get("promptFeedback") or {}).get("blockReason")]
    if blocks and not candidates:
        assert event.error_code == blocks[-1]["blockReason"]
    elif event.error_code is not None and said_why:
        # The SDK keeps what Vertex AI says of it, and drops what the Gemini API says.
        assert event.error_message in [*said_why, f"The model stopped: {reasons[-1]}"]
    elif reasons and reasons[-1] not in ("STOP", "MAX_TOKENS"):
        assert event.error_code == reasons[-1]


def _check_usage(usages: list[Any], event: Event) -> None:
    if not usages:
        assert event.usage_metadata is None
        return
    assert event.usage_metadata is not None
    shown = event.usage_metadata.model_dump(mode="json", by_alias=True, exclude_none=True)
    assert {name: shown.get(name) for name in usages[-1].keys() & _USAGE} == {
        name: value for name, value in usages[-1].items() if name in _USAGE
    }
