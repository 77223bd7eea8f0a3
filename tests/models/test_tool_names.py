# SPDX-License-Identifier: Apache-2.0
"""Tools whose names a provider does not take: it is shown others, and the agent's own tools are called."""

from typing import Any

import pytest

from runwright import Agent, InMemoryRunner, RunConfig, StreamingMode, types
from runwright.models.gemini import Gemini
from runwright.models.openai import OpenAI
from runwright.models.retry import NO_RETRY
from runwright.models.tool_names import PLAIN_NAMES
from runwright.testing.wire import LoopbackServer, WireAnswer, WireRequest, json_answer
from runwright.tool import FunctionTool
from tests.models import claude
from tests.models.openai_answers import calling, spoken

NAMES = ["files.read", "files/read", "datei lesen", "größe", "x" * 80, "x" * 79 + "y", "", "1st", "plain_name"]


def test_each_name_is_made_into_one_of_its_own_that_is_taken() -> None:
    shown = [PLAIN_NAMES.shown(name) for name in NAMES]
    assert len(set(shown)) == len(NAMES)
    assert all(len(name) <= 64 and name.replace("-", "_").isascii() for name in shown)
    assert all(name.replace("-", "").replace("_", "").isalnum() for name in shown if name)
    assert shown[-3:] == ["", "1st", "plain_name"]
    assert shown == [PLAIN_NAMES.shown(name) for name in NAMES]


class Caller(LoopbackServer):
    """A provider whose model calls the first function that it is shown, and is content then."""

    def __init__(self, provider: str) -> None:
        super().__init__()
        self.provider = provider
        self.bodies: list[Any] = []

    def answer(self, request: WireRequest) -> WireAnswer:
        self.bodies.append(request.json())
        tool = self.bodies[0]["tools"][0]
        last = len(self.bodies) > 1
        if self.provider == "claude":
            return claude.answer(claude.text("Done.")) if last else claude.answer(claude.use(tool["name"], path="a"))
        if self.provider == "gemini":
            call = {"functionCall": {"name": tool["functionDeclarations"][0]["name"], "args": {"path": "a"}}}
            parts = [{"text": "Done."}] if last else [call]
            return json_answer({"candidates": [{"content": {"role": "model", "parts": parts}, "finishReason": "STOP"}]})
        api: Any = self.provider
        named = tool["function"]["name"] if api == "chat" else tool["name"]
        return spoken(api, "Done.") if last else calling(api, (named, '{"path": "a"}'))

    def model(self) -> Any:
        given: dict[str, Any] = {"api_key": "key", "retry": NO_RETRY}
        if self.provider == "claude":
            return claude.model_for(self.url)
        if self.provider == "gemini":
            return Gemini(base_url=self.url, **given)
        return OpenAI(model="gpt-5", base_url=f"{self.url}/v1", api=self.provider, **given)


@pytest.mark.parametrize("name", ["files read/größe", "files.read"])
@pytest.mark.parametrize("provider", ["claude", "gemini", "responses", "chat"])
async def test_the_agents_own_tool_is_called(provider: str, name: str) -> None:
    asked: list[str] = []

    def read(path: str) -> str:
        """Reads a file."""
        asked.append(path)
        return "content"

    with Caller(provider) as server:
        model = server.model()
        config = types.GenerateContentConfig(
            tool_config=types.ToolConfig(
                function_calling_config=types.FunctionCallingConfig(
                    mode=types.FunctionCallingConfigMode.ANY, allowed_function_names=[name]
                )
            )
        )
        agent = Agent(name="agent", model=model, tools=[FunctionTool(read, name=name)], generate_content_config=config)
        runner = InMemoryRunner(agent, app_name="app")
        mode = RunConfig(streaming_mode=StreamingMode.NONE)
        said = runner.run_async(user_id="u", session_id="s", new_message="Read a.", run_config=mode)
        events = [event async for event in said]
        await runner.close()
        await model.close()
    assert asked == ["a"]
    assert [call.name for event in events for call in event.get_function_calls()] == [name]
    sent = str(server.bodies[-1])
    kept = provider == "gemini" and name == "files.read"  # which takes dots
    assert (f"'{name}'" in sent) is kept
    shown = server.bodies[0]["tools"][0]
    named = {"claude": shown, "responses": shown, "chat": shown.get("function")}.get(provider)
    told = (named or shown["functionDeclarations"][0])["name"]
    # Shown, to be chosen, called, and with Gemini answered.
    assert sent.count(f"'{told}'") >= (4 if provider == "gemini" else 3)
