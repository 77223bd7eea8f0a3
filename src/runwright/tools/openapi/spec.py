# SPDX-License-Identifier: Apache-2.0
"""An OpenAPI document: read from text or a file, its references followed."""

import re
from pathlib import Path
from typing import Any, Literal, cast
from urllib.parse import unquote, urljoin

import msgspec

from runwright.errors import ConfigurationError
from runwright.tools.http.client import optional
from runwright.tools.http.reading import DEEPEST, read_json

Json = dict[str, Any]
SpecFormat = Literal["json", "yaml"]

_MOST_HOPS = 20
_MOST_REPEATED = 200_000
"""How many values of a YAML document may be there by reference to others."""


class Document:
    """An OpenAPI 3 document.

    Args:
        root: The document.
        url: Where it was fetched, for servers whose URLs are relative to it.

    Raises:
        ConfigurationError: It is no OpenAPI 3 document.
    """

    def __init__(self, root: Json, *, url: str | None = None) -> None:
        version = root.get("openapi")
        if "swagger" in root:
            raise ConfigurationError("This is a Swagger 2 document: convert it to OpenAPI 3 first")
        if not str(version or "3").startswith("3"):
            raise ConfigurationError(f"OpenAPI {version} is not known here: give a document of OpenAPI 3.0 or 3.1")
        if not isinstance(root.get("paths", {}), dict):
            raise ConfigurationError("The document's 'paths' is not an object: is this an OpenAPI document?")
        self.root = root
        self.url = url

    def follow(self, value: Any) -> Json:
        """An object of the document, or what it refers to.

        Raises:
            ConfigurationError: A reference that leads nowhere, in a circle, or out of the document.
        """
        for _ in range(_MOST_HOPS):
            if not isinstance(value, dict):
                raise ConfigurationError(f"The document has {value!r} where an object belongs")
            found = cast("Json", value)
            reference = found.get("$ref")
            if not isinstance(reference, str):
                return found
            value = self.at(reference)
        raise ConfigurationError(f"The reference {value!r} leads in a circle")

    def at(self, reference: str) -> Any:
        """What stands at ``#/a/b``."""
        if not reference.startswith("#"):
            raise ConfigurationError(f"The document refers to {reference!r}, another document: bundle them into one")
        value: Any = self.root
        for step in filter(None, reference[1:].split("/")):
            key = unquote(step).replace("~1", "/").replace("~0", "~")
            if isinstance(value, list) and key.isdigit() and int(key) < len(cast("list[Any]", value)):
                value = cast("list[Any]", value)[int(key)]
            elif isinstance(value, dict) and key in value:
                value = cast("Json", value)[key]
            else:
                raise ConfigurationError(f"The document refers to {reference!r}, which it does not have")
        return value

    def server(self, *holders: Json) -> str:
        """The URL of the first server that one of these objects names, the nearest first, or else the document."""
        for holder in (*holders, self.root):
            servers = holder.get("servers")
            if servers:
                server = self.follow(servers[0])
                return urljoin(
                    self.url or "", _with_defaults(str(server.get("url", "")), server.get("variables") or {})
                )
        return urljoin(self.url, "/") if self.url else ""


def read_text(text: str, kind: SpecFormat | None = None) -> Json:
    """A document of its text.

    Args:
        text: JSON or YAML.
        kind: Which of the two; None finds out.

    Raises:
        ConfigurationError: It is neither, or not an object.
        MissingDependencyError: It is YAML, and the package for that is not installed.
    """
    if kind not in (None, "json", "yaml"):
        raise ConfigurationError(f"spec_str_type is 'json' or 'yaml', not {kind!r}")
    is_json = kind == "json" or (kind is None and text.lstrip().startswith("{"))
    try:
        value: Any = read_json(text) if is_json else _read_yaml(text)
    except msgspec.DecodeError as error:
        hint = "; for YAML give spec_str_type='yaml'" if kind == "json" else ""
        raise ConfigurationError(f"The OpenAPI document is not JSON that can be read: {error}{hint}") from error
    if not isinstance(value, dict):
        raise ConfigurationError("The OpenAPI document is not an object")
    return cast("Json", value)


def read_file(path: str | Path) -> Json:
    """A document of a file, JSON or YAML."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"The OpenAPI document {path} cannot be read: {error}") from error
    return read_text(text)


def _read_yaml(text: str) -> Any:
    yaml = optional("yaml")

    class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # the one in C is ten times as fast
        """YAML as JSON has it: dates stay texts, and so do ``no`` and ``on``, which are names as often as not."""

    kept = {"tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:bool"}
    resolvers = yaml.SafeLoader.yaml_implicit_resolvers
    Loader.yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in known if tag not in kept] for first, known in resolvers.items()
    }
    Loader.add_implicit_resolver(
        "tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
    )
    try:
        _check_growth(yaml, text, Loader)
        return yaml.load(text, Loader=Loader)
    except yaml.YAMLError as error:
        raise ConfigurationError(f"The OpenAPI document is not YAML: {error}") from error


def _check_growth(yaml: Any, text: str, loader: type) -> None:
    """Refuses a document before it is built that would be nested too deeply, or grow by what it refers to with ``*``.

    The loader goes as deep as the document, beyond the end of its stack; and a few lines that refer to each other make
    more values than there is memory for.
    """
    sizes: dict[str, int] = {}
    opened: list[tuple[str | None, int]] = []
    size = added = 0
    for event in yaml.parse(text, Loader=loader):
        anchor: str | None = getattr(event, "anchor", None)
        if isinstance(event, yaml.AliasEvent):
            more = sizes.get(str(anchor))
            added += more or 0
            if more is None or added > _MOST_REPEATED:
                raise ConfigurationError(
                    "The OpenAPI document repeats too much of itself by YAML's anchors, or refers to what is not there "
                    f"yet (*{anchor}): write it with $ref"
                )
            size += more
        elif isinstance(event, yaml.CollectionStartEvent):
            opened.append((anchor, size))
            if len(opened) > DEEPEST:
                raise ConfigurationError(f"The OpenAPI document is nested deeper than {DEEPEST} levels")
            size += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = opened.pop()
            if anchor is not None:
                sizes[anchor] = size - before
        elif isinstance(event, yaml.ScalarEvent):
            size += 1
            if anchor is not None:
                sizes[anchor] = 1


def _with_defaults(url: str, variables: Json) -> str:
    for name, variable in variables.items():
        url = url.replace(f"{{{name}}}", str(variable.get("default", "")))
    return url
