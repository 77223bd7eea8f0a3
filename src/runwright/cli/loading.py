# SPDX-License-Identifier: Apache-2.0
"""Finds the agent of a program: in a package, a folder with an agent.py, a file, or under ``module:name``."""

import importlib
import importlib.machinery
import importlib.util
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from runwright.agent import BaseAgent
from runwright.app import App
from runwright.artifact import BaseArtifactService
from runwright.cli.failure import is_own, one_line, short_traceback
from runwright.credential import BaseCredentialService
from runwright.errors import AgentLoadError
from runwright.memory import BaseMemoryService
from runwright.session import BaseSessionService

_NAMES = ("app", "root_agent")
_SERVICES: dict[str, type] = {
    "session_service": BaseSessionService,
    "artifact_service": BaseArtifactService,
    "memory_service": BaseMemoryService,
    "credential_service": BaseCredentialService,
}


@dataclass(frozen=True, slots=True)
class Program:
    """What was loaded.

    Attributes:
        agent: An agent, or an app with one.
        services: The services that the module defines beside it, under the names that ``Runner`` takes them by.
    """

    agent: App | BaseAgent
    services: dict[str, Any]


def load_program(target: str) -> Program:
    """Import the agent that ``target`` names.

    A module that defines both ``app`` and ``root_agent`` gives its ``app``. What is imported stays importable, so that
    an agent may import more while it runs, until another one is loaded: modules of the same names are then its own.

    Args:
        target: A folder (a package, or one with an ``agent.py``), a Python file, a module, or one of these with
            ``:name`` for an agent that is called neither ``app`` nor ``root_agent``.

    Raises:
        AgentLoadError: There is no such thing, it fails to import, or it defines no agent.
    """
    place, name = _split(target)
    _loaded.forget()
    path = Path(place).expanduser()
    if path.exists():
        source = _source_of(path.resolve())
        module = _imported(source.module, source.roots, source.top)
    else:
        source = None
        module = _imported(place, [Path.cwd()], None) if _is_module(place) else _missing(place)
    modules = [module]
    if not name and source is not None and _found(module) is None and source.fallback is not None:
        modules.append(_imported(source.fallback, source.roots, None))
    holder, agent = _agent_in(modules, name, target)
    services: dict[str, Any] = {}
    for each in dict.fromkeys([holder, *modules]):
        for service, kind in _SERVICES.items():
            if isinstance(value := getattr(each, service, None), kind):
                services.setdefault(service, value)
    return Program(agent, services)


# --- what is meant


@dataclass(frozen=True, slots=True)
class _Top:
    """The outermost package: where it lies and what it is imported as."""

    name: str
    folder: Path


@dataclass(frozen=True, slots=True)
class _Source:
    """How a path is imported: the module, the folders it may import from, its package, and where else to look."""

    module: str
    roots: list[Path]
    top: _Top
    fallback: str | None = None


def _split(target: str) -> tuple[str, str]:
    """Take ``:name`` off, where it is one; a drive letter is none."""
    place, colon, name = target.rpartition(":")
    if not colon or Path(target).expanduser().exists() or not all(part.isidentifier() for part in name.split(".")):
        return target, ""
    return place, name


def _is_module(place: str) -> bool:
    return bool(place) and all(part.isidentifier() for part in place.split("."))


def _missing(place: str) -> ModuleType:
    raise AgentLoadError(
        f"There is no {place!r}: name a folder with an agent.py, a Python file, or module:name (paths count from "
        f"{Path.cwd()})"
    )


def _source_of(path: Path) -> _Source:
    if path.is_file() and path.suffix != ".py":
        raise AgentLoadError(f"{path.name!r} is no Python file: name a .py file, or the folder with the agent.py")
    folder = path if path.is_dir() else path.parent
    is_package = (folder / "__init__.py").is_file()
    if path.is_dir() and not is_package and not (path / "agent.py").is_file():
        found = sorted(child.parent.name for child in path.glob("*/agent.py"))
        hint = f": did you mean {', '.join(str(path / name) for name in found[:3])}?" if found else ""
        raise AgentLoadError(f"The folder {path.name!r} holds neither an agent.py nor an __init__.py{hint}")
    outermost = folder
    while is_package and (outermost.parent / "__init__.py").is_file():
        outermost = outermost.parent
    top = _Top(_free_name(outermost), outermost)
    package = ".".join([top.name, *folder.relative_to(outermost).parts])
    # A folder that is no package is one all the same, so that relative imports work, and a place to import from.
    roots = [outermost.parent] if is_package else [folder, folder.parent]
    if path.is_file():
        return _Source(package if path.name == "__init__.py" else f"{package}.{path.stem}", roots, top)
    if not is_package:
        return _Source(f"{package}.agent", roots, top)
    return _Source(package, roots, top, f"{package}.agent" if (path / "agent.py").is_file() else None)


def _free_name(folder: Path) -> str:
    """Give the name to import a folder under: its own, unless that belongs to something else or cannot be one."""
    name = folder.name.replace(".", "_") or "agent"
    known = sys.modules.get(name)
    taken = known is not None and name not in _loaded.modules
    return f"agent_{name}" if taken or name in sys.stdlib_module_names or name == "runwright" else name


# --- importing


@dataclass(slots=True)
class _Loaded:
    """What the program that was loaded last put into ``sys``."""

    path: list[str] = field(default_factory=list[str])
    modules: set[str] = field(default_factory=set[str])

    def forget(self) -> None:
        for entry in self.path:
            if entry in sys.path:
                sys.path.remove(entry)
        for name in self.modules:
            sys.modules.pop(name, None)
        self.path.clear()
        self.modules.clear()


_loaded = _Loaded()


def _imported(name: str, roots: list[Path], top: _Top | None) -> ModuleType:
    """Import a module, with its program's folders first on the path.

    Raises:
        AgentLoadError: It fails; the message is short and shows the program's own frames.
    """
    for root in reversed(roots):
        if str(root) not in _loaded.path:
            sys.path.insert(0, str(root))
            _loaded.path.append(str(root))
    importlib.invalidate_caches()
    before = set(sys.modules)
    try:
        if top is not None and top.name not in sys.modules:
            _import_folder(top)
        return importlib.import_module(name)
    except (Exception, SystemExit) as error:
        raise AgentLoadError(_told(name, error)) from error
    finally:
        _loaded.modules.update(new for new in set(sys.modules) - before if _is_own(sys.modules[new]))


def _import_folder(top: _Top) -> None:
    """Import a folder as a package under a name of our choice, whether it has an ``__init__.py`` or not."""
    init = top.folder / "__init__.py"
    loader = importlib.machinery.SourceFileLoader(top.name, str(init)) if init.is_file() else None
    spec = importlib.machinery.ModuleSpec(top.name, loader, origin=str(init) if loader else None, is_package=True)
    spec.submodule_search_locations = [str(top.folder)]
    spec.has_location = loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[top.name] = module
    if loader is not None:
        try:
            loader.exec_module(module)
        except BaseException:
            sys.modules.pop(top.name, None)
            raise


def _is_own(module: ModuleType | None) -> bool:
    """Tell whether a module is the program's, rather than a library that it uses."""
    places = [getattr(module, "__file__", None), *getattr(module, "__path__", ())]
    return any(isinstance(place, str) and is_own(place) for place in places)


def _told(name: str, error: BaseException) -> str:
    shown = f"sys.exit({error.code!r})" if isinstance(error, SystemExit) else one_line(error)
    if isinstance(error, ModuleNotFoundError) and error.name == name.partition(".")[0]:
        return f"There is no {name!r}: name a folder with an agent.py, a Python file, or module:name"
    frames = short_traceback(error)
    return f"The agent's code fails while it is imported: {shown}" + (f"\n{frames}" if frames else "")


# --- what it defines


def _agent_in(modules: list[ModuleType], name: str, target: str) -> tuple[ModuleType, App | BaseAgent]:
    """Give the agent, and the module that defines it.

    Raises:
        AgentLoadError: There is none; the message says what there is.
    """
    if name:
        value: Any = modules[-1]
        for part in name.split("."):
            value = getattr(value, part, None)
        if isinstance(value, App | BaseAgent):
            return modules[-1], value
        what = "no such name" if value is None else f"{type(value).__name__}, neither an agent nor an app"
        raise AgentLoadError(f"{target!r} is {what}.{_others(modules)}")
    for module in modules:
        if (agent := _found(module)) is not None:
            return module, agent
    wrong = [
        f"its {each} is a {type(value).__module__}.{type(value).__name__}"
        for module in modules
        for each in _NAMES
        if (value := getattr(module, each, None)) is not None and not isinstance(value, ModuleType)
    ]
    told = f": {' and '.join(wrong)}, which Runwright cannot run" if wrong else ""
    raise AgentLoadError(
        f"{target!r} defines neither app nor root_agent{told}. Write root_agent = Agent(...) in it.{_others(modules)}"
    )


def _found(module: ModuleType) -> App | BaseAgent | None:
    if isinstance(app := getattr(module, "app", None), App):
        return app
    agent = getattr(module, "root_agent", None)
    return agent if isinstance(agent, BaseAgent) else None


def _others(modules: list[ModuleType]) -> str:
    names = [name for module in modules for name, value in vars(module).items() if isinstance(value, App | BaseAgent)]
    return f" It has {', '.join(names)}: name one with :{names[0]} after the path" if names else ""
