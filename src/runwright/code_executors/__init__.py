# SPDX-License-Identifier: Apache-2.0
"""What runs the code that models write: the model's provider, or a sandbox on this machine."""

from typing import TYPE_CHECKING

from runwright.code_executor import BaseCodeExecutor
from runwright.lazy import lazy_names

if TYPE_CHECKING:
    from runwright.code_executors.built_in import BuiltInCodeExecutor
    from runwright.code_executors.sandboxed import SandboxedCodeExecutor

__all__ = ["BaseCodeExecutor", "BuiltInCodeExecutor", "SandboxedCodeExecutor"]

_HOMES = {"BuiltInCodeExecutor": "built_in", "SandboxedCodeExecutor": "sandboxed"}

__getattr__ = lazy_names(__name__, _HOMES)
