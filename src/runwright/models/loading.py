# SPDX-License-Identifier: Apache-2.0
"""Optional packages, imported when they are first used."""

import asyncio
import importlib
import sys
from types import ModuleType

from runwright.errors import MissingDependencyError


async def load(module: str, extra: str) -> ModuleType:
    """A module of an optional package. The import, which may take a second, keeps no event loop waiting.

    Args:
        module: Its name.
        extra: The extra of Runwright that brings the package.

    Raises:
        MissingDependencyError: It is not installed.
    """
    known = sys.modules.get(module)
    spec = getattr(known, "__spec__", None)
    if known is not None and not getattr(spec, "_initializing", False):
        return known
    return await asyncio.to_thread(load_now, module, extra)


def load_now(module: str, extra: str) -> ModuleType:
    """The same at once, for code that does not run in an event loop."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingDependencyError(
            f"{module} cannot be imported ({error}): pip install 'runwright[{extra}]'"
        ) from error
