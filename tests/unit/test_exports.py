# SPDX-License-Identifier: Apache-2.0
"""The public names: all there, each loaded when it is first used, and none by accident."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import runwright

SOURCE = Path(runwright.__file__).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", runwright.__all__)
def test_each_public_name_is_there(name: str) -> None:
    assert getattr(runwright, name) is not None
    assert name in dir(runwright)


def test_type_checkers_see_the_names_that_run_time_has() -> None:
    block = next(node for node in ast.parse(SOURCE).body if isinstance(node, ast.If))
    shown = {
        alias.asname or alias.name
        for node in ast.walk(block)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert shown == set(runwright.__all__)


def test_type_checkers_see_each_name_in_its_home() -> None:
    block = next(node for node in ast.parse(SOURCE).body if isinstance(node, ast.If))
    homes = {
        alias.name: node.module
        for node in ast.walk(block)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.name != "types"
    }
    for name, module in homes.items():
        assert getattr(sys.modules[module], name) is getattr(runwright, name), name


def test_a_name_that_does_not_exist_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Ruiner'"):
        _ = runwright.Ruiner


def test_importing_the_package_loads_none_of_its_parts() -> None:
    code = "import sys, runwright; print([name for name in sys.modules if name.startswith('runwright.')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_names_that_programs_of_adk_use_are_here() -> None:
    wanted = """
        Agent LlmAgent BaseAgent SequentialAgent ParallelAgent LoopAgent AgentTool App BaseArtifactService BaseLlm
        BaseMemoryService BasePlugin BaseSessionService BaseTool BaseToolset CallbackContext Event EventActions
        FunctionTool InMemoryArtifactService InMemoryCredentialService InMemoryMemoryService InMemoryRunner
        InMemorySessionService InvocationContext LLMRegistry LlmRequest LlmResponse LongRunningFunctionTool
        ReadonlyContext RunConfig Runner Session State StreamingMode ToolContext exit_loop transfer_to_agent types
    """
    assert set(wanted.split()) <= set(runwright.__all__)


@pytest.mark.parametrize(
    "package", ["artifacts", "code_executors", "credentials", "memories", "models", "sessions", "tools"]
)
def test_packages_give_the_names_that_they_show(package: str) -> None:
    module = importlib.import_module(f"runwright.{package}")
    for name in module.__all__:
        assert getattr(module, name) is getattr(runwright, name, getattr(module, name)), name
