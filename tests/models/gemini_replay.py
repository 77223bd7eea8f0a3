# SPDX-License-Identifier: Apache-2.0
"""A recorded conversation with Gemini, held again by an agent of ours that is made from what the recording shows."""

import base64
import re
from dataclasses import dataclass, field
from typing import Any

import msgspec

from runwright import Agent, Event, InMemoryRunner, RunConfig, StreamingMode, types
from runwright.models.gemini import Gemini
from runwright.testing.wire import Comparison, Exchange, WireServer
from runwright.tool import BaseTool

IDENTITY = re.compile(r'You are an agent\. Your internal name is "(\w+)"\.(?: The description about you is "(.*)"\.)?')
SKIPPED_SIGNATURE = base64.b64encode(b"skip_thought_signature_validator").decode()
FREE_FORM = frozenset(
    {"args", "response", "parameters", "parametersJsonSchema", "responseJsonSchema", "responseSchema"}
)
"""Where names are a program's own, so that their spelling is kept."""


def camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def as_ours(body: Any) -> Any:
    """A request's body without what only its client makes of it: how names and base64 are spelled, ids of its own."""
    if isinstance(body, list):
        return [as_ours(item) for item in body]
    if not isinstance(body, dict):
        return body
    made: dict[str, Any] = {}
    for name, value in body.items():
        name = camel(name)
        if name in ("thoughtSignature", "data") and isinstance(value, str):
            value = value.replace("-", "+").replace("_", "/")
            if value == SKIPPED_SIGNATURE:
                continue
        if name == "id" and str(value).startswith("pyd_ai_"):
            continue
        if name == "contents":
            value = [content for content in value if content["parts"] != [{"text": ""}]]
        made[name] = value if name in FREE_FORM else as_ours(value)
    return made


def without_identity(body: Any) -> Any:
    """The same, without what an agent of ours is told of who it is, which other clients do not say."""
    body = as_ours(body)
    instruction = body.get("systemInstruction")
    if instruction is not None:
        text = IDENTITY.sub("", instruction["parts"][0]["text"]).strip()
        instruction["parts"][0]["text"] = text
        if not text:
            del body["systemInstruction"]
    return body


class RecordedTool(BaseTool):
    """Answers as the recording's tool did; a call whose answer was not recorded ends the run."""

    def __init__(self, declaration: dict[str, Any], answers: list[dict[str, Any]]) -> None:
        super().__init__(name=declaration["name"], description=declaration.get("description", ""))
        self.declaration = types.FunctionDeclaration.model_validate(declaration)
        self.answers = answers

    def _get_declaration(self) -> types.FunctionDeclaration:
        return self.declaration

    async def run_async(self, *, args: dict[str, Any], tool_context: Any) -> Any:
        for place, (expected, answer) in enumerate(self.answers):
            if expected == args:
                del self.answers[place]
                return answer
        tool_context.actions.skip_summarization = True
        return {}


@dataclass
class Scene:
    """What a recording shows.

    Attributes:
        said: The user's messages, in order.
        before: What had been said before the first of them.
        expected: Each answer, as the provider gave it: its chunks as JSON.
    """

    exchanges: list[Exchange]
    agent: dict[str, Any] = field(default_factory=dict)
    model: dict[str, Any] = field(default_factory=dict)
    said: list[list[Any]] = field(default_factory=list)
    before: list[Any] = field(default_factory=list)
    expected: list[list[Any]] = field(default_factory=list)
    streams: bool = False
    has_identity: bool = False

    def __post_init__(self) -> None:
        bodies = [as_ours(exchange.request.json()) for exchange in self.exchanges]
        target = self.exchanges[0].request.target
        self.streams = "streamGenerateContent" in target
        self._read_model(target)
        self._read_agent(bodies)
        self._read_conversation(bodies)
        self.expected = [answer_chunks(exchange) for exchange in self.exchanges]

    def _read_model(self, target: str) -> None:
        found = re.match(r"/(\w+)/(?:projects/([^/]+)/locations/([^/]+)/publishers/google/)?models/([^:]+):", target)
        assert found is not None, target
        version, project, location, name = found.groups()
        self.model = {"model": name, "api_version": version}
        if project:
            self.model |= {"vertexai": True, "project": project, "location": location}
        else:
            self.model["api_key"] = "a-key"

    def _read_agent(self, bodies: list[Any]) -> None:
        first = bodies[0]
        text = first.get("systemInstruction", {}).get("parts", [{"text": ""}])[0]["text"]
        identity = IDENTITY.search(text)
        self.has_identity = identity is not None
        self.agent = {"name": identity[1] if identity else "agent"}
        if identity is not None and identity[2]:
            self.agent["description"] = identity[2]
        paragraphs = IDENTITY.sub("", text).strip().split("\n\n")
        instruction = "\n\n".join(paragraph for paragraph in paragraphs if paragraph)
        # A function, so that braces in the text are no places to fill in.
        self.agent["instruction"] = lambda _: instruction
        settings = {**first.get("generationConfig", {})}
        for name in ("toolConfig", "safetySettings", "modelArmorConfig", "cachedContent", "labels"):
            if name in first:
                settings[name] = first[name]
        self.agent["generate_content_config"] = types.GenerateContentConfig.model_validate(settings)
        answers = tool_answers(bodies[-1]["contents"])
        self.agent["tools"] = [
            RecordedTool(declaration, answers.get(declaration["name"], []))
            for tool in first.get("tools", [])
            for declaration in tool.get("functionDeclarations", [])
        ]
        if any("functionDeclarations" not in tool for tool in first.get("tools", [])):
            self.agent["before_model_callback"] = natives_added(first["tools"])

    def _read_conversation(self, bodies: list[Any]) -> None:
        contents = bodies[0]["contents"]
        self.before = contents[:-1]
        self.said = [contents[-1]["parts"]]
        for body in bodies[1:]:
            newest = body["contents"][-1]
            if newest["role"] == "user" and not any("functionResponse" in part for part in newest["parts"]):
                self.said.append(newest["parts"])

    async def play(self, **comparison: Any) -> list[Event]:
        """Holds the conversation again, and gives its events, whole ones and chunks.

        Raises:
            WireMismatchError: What was sent is not what was recorded.
        """
        normalise = as_ours if self.has_identity else without_identity
        with WireServer(self.exchanges, Comparison(normalise=normalise, **comparison)) as server:
            settings = dict(self.model)
            if settings.get("vertexai"):
                settings["credentials"] = anonymous()
            model = Gemini(base_url=server.url, **settings)
            try:
                return await self._converse(Agent(model=model, **self.agent))
            finally:
                await model.close()

    async def _converse(self, agent: Agent) -> list[Event]:
        runner = InMemoryRunner(agent, app_name="replay")
        session = await runner.session_service.create_session(app_name="replay", user_id="u", session_id="s")
        for content in self.before:
            author = "user" if content["role"] == "user" else agent.name
            event = Event(author=author, content=types.Content.model_validate(content), invocation_id="before")
            await runner.session_service.append_event(session, event)
        config = RunConfig(streaming_mode=StreamingMode.SSE if self.streams else StreamingMode.NONE)
        events: list[Event] = []
        for parts in self.said:
            message = types.Content(role="user", parts=[types.Part.model_validate(part) for part in parts])
            run = runner.run_async(user_id="u", session_id="s", new_message=message, run_config=config)
            events.extend([event async for event in run])
        await runner.close()
        return events


def natives_added(tools: list[Any]) -> Any:
    """A callback that puts the provider's own tools beside an agent's functions, in the order of the recording."""

    def add(callback_context: Any, llm_request: Any) -> None:
        functions = iter([llm_request.config.tools or []])
        shown = [next(functions, []) if "functionDeclarations" in tool else [dict(tool)] for tool in tools]
        llm_request.config.tools = [tool for group in shown for tool in group]

    return add


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
                call = next(call for call in calls if call["name"] == answer["name"])
                calls.remove(call)
                answers.setdefault(answer["name"], []).append((call.get("args", {}), answer["response"]))
    return answers


def answer_chunks(exchange: Exchange) -> list[Any]:
    """The answer's JSON: that of each chunk where it was streamed."""
    if not exchange.answer.streamed:
        return [msgspec.json.decode(exchange.answer.body)]
    return [msgspec.json.decode(event.removeprefix(b"data: ")) for event in exchange.answer.chunks if event.strip()]
