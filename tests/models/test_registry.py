# SPDX-License-Identifier: Apache-2.0
"""Which adapter a model's name gives."""

import importlib.metadata
import subprocess
import sys
from collections.abc import AsyncGenerator, Iterator
from typing import Any

import pytest

from runwright import Agent, BaseLlm, LLMRegistry, LlmRequest, LlmResponse, errors


class Mine(BaseLlm):
    @classmethod
    def supported_models(cls) -> list[str]:
        return [r"mine/.+"]

    async def generate_content_async(
        self, llm_request: LlmRequest, stream: bool = False
    ) -> AsyncGenerator[LlmResponse, None]:
        yield LlmResponse()


class Greedy(Mine):
    @classmethod
    def supported_models(cls) -> list[str]:
        return [r"gemini-.*"]


class Point:
    """An entry point of an installed package."""

    def __init__(self, name: str, loaded: Any) -> None:
        self.name = name
        self.loaded = loaded
        self.loads = 0

    def load(self) -> Any:
        self.loads += 1
        if isinstance(self.loaded, Exception):
            raise self.loaded
        return self.loaded


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Point]]:
    """The entry points that installed packages have, to be filled."""
    points: list[Point] = []
    asked: list[str] = []

    def entry_points(*, group: str) -> list[Point]:
        asked.append(group)
        return points

    monkeypatch.setattr(importlib.metadata, "entry_points", entry_points)
    monkeypatch.setattr(LLMRegistry, "_installed", None)
    monkeypatch.setattr(LLMRegistry, "_broken", [])
    monkeypatch.setattr(LLMRegistry, "_resolved", {})
    yield points
    assert set(asked) <= {"runwright.models"}


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("gemini-2.5-flash", "Gemini"),
        ("models/gemini-2.5-flash", "Gemini"),
        ("gemma-3-27b-it", "Gemini"),
        ("projects/p/locations/l/publishers/google/models/gemini-2.5-pro", "Gemini"),
        ("projects/p/locations/l/endpoints/123", "Gemini"),
        ("openai/gpt-5", "OpenAI"),
        ("gpt-4o-mini", "OpenAI"),
        ("o3-mini", "OpenAI"),
        ("anthropic/claude-sonnet-4-5", "Claude"),
        ("claude-3-7-sonnet-latest", "Claude"),
        ("litellm/groq/llama-3", "LiteLlm"),
    ],
)
def test_a_name_gives_its_adapter(name: str, kind: str) -> None:
    model = LLMRegistry.new_llm(name)
    assert type(model).__name__ == kind
    assert Agent(name="agent", model=name).canonical_model.__class__ is type(model)


def test_an_unknown_name_says_what_would_install_it(installed: list[Point]) -> None:
    with pytest.raises(errors.ModelNotFoundError) as raised:
        LLMRegistry.resolve("nobody-knows-me")
    said = str(raised.value)
    for extra in ("gemini", "openai", "anthropic", "litellm"):
        assert f"pip install 'runwright[{extra}]'" in said
    assert "nobody-knows-me" in said and "litellm/PROVIDER/MODEL" in said


def test_an_installed_package_brings_its_own(installed: list[Point]) -> None:
    installed.append(Point("mine", Mine))
    assert LLMRegistry.resolve("mine/small") is Mine
    assert LLMRegistry.resolve("mine/large") is Mine
    assert installed[0].loads == 1


def test_an_installed_package_may_give_its_class_later(installed: list[Point]) -> None:
    installed.append(Point("mine", lambda: Mine))
    assert type(LLMRegistry.new_llm("mine/small")) is Mine


def test_a_package_that_cannot_be_loaded_is_named(installed: list[Point]) -> None:
    installed.extend([Point("broken", ImportError("no module named x")), Point("mine", Mine)])
    assert LLMRegistry.resolve("mine/small") is Mine
    with pytest.raises(errors.ModelNotFoundError, match=r"broken \(no module named x\)"):
        LLMRegistry.resolve("nobody-knows-me")


def test_what_was_registered_goes_first(installed: list[Point]) -> None:
    assert LLMRegistry.resolve("gemini-2.5-flash").__name__ == "Gemini"
    LLMRegistry.register(Greedy)
    try:
        assert LLMRegistry.resolve("gemini-2.5-flash") is Greedy
    finally:
        LLMRegistry.unregister(Greedy)
    assert LLMRegistry.resolve("gemini-2.5-flash").__name__ == "Gemini"


@pytest.mark.parametrize("name", ["gemini-2.5-flash", "openai/gpt-5", "anthropic/claude-sonnet-4-5"])
def test_naming_a_model_imports_no_sdk(name: str) -> None:
    code = (
        f"import sys; from runwright import Agent; Agent(name='a', model={name!r}).canonical_model; "
        "print([m for m in ('google.genai', 'openai', 'anthropic', 'tenacity', 'genai_prices') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"


async def test_a_missing_sdk_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "google.genai", None)
    model = LLMRegistry.new_llm("gemini-2.5-flash")
    with pytest.raises(errors.MissingDependencyError, match=r"pip install 'runwright\[gemini\]'"):
        _ = [response async for response in model.generate_content_async(LlmRequest())]
