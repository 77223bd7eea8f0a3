# SPDX-License-Identifier: Apache-2.0
"""The operations of an OpenAPI document: what each takes, and from where."""

import keyword
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

from runwright.errors import ConfigurationError
from runwright.record import Record
from runwright.tools.openapi.schemas import Schemas, is_file
from runwright.tools.openapi.spec import Document, Json

LONGEST_NAME = 60
"""Of a tool or an argument, in characters: providers allow 64."""

SAFE_METHODS = frozenset(("GET", "HEAD", "OPTIONS", "TRACE"))
IDEMPOTENCY_KEY = "idempotency-key"

PLACE = re.compile(r"\{([^{}]+)\}")
"""Where a parameter stands in a path."""
_METHODS = ("get", "post", "put", "delete", "patch", "head", "options", "trace")
_LOCATIONS = {"path": "simple", "query": "form", "header": "simple", "cookie": "form"}
_NOT_PARAMETERS = frozenset(("accept", "content-type", "authorization"))
_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


class OperationEndpoint(Record, kw_only=True):
    """Where an operation is.

    Attributes:
        base_url: The server, without the operation's path.
        path: The path, with ``{name}`` for parameters.
        method: The HTTP method.
    """

    base_url: str = ""
    path: str = ""
    method: str = "get"


@dataclass(frozen=True, slots=True)
class Parameter:
    """What goes into the path, the query, a header or a cookie.

    Attributes:
        name: Its name on the wire.
        argument: Its name for the model; None where it is not the model's to give.
        default: What is sent where a required one is missing; None for none.
    """

    name: str
    argument: str | None
    location: str
    style: str
    explode: bool
    required: bool
    allow_reserved: bool = False
    is_json: bool = False
    default: Any = None


@dataclass(frozen=True, slots=True)
class Body:
    """What goes into the body.

    Attributes:
        argument: The argument that is the whole body; None where ``properties`` make it.
        properties: The names on the wire, by argument.
        files: The names on the wire of those that are files.
        encoding: How single properties of a form are written, by name.
        required: Whether there is a body also where nothing was given for it.
    """

    media_type: str
    argument: str | None = None
    properties: dict[str, str] = field(default_factory=dict[str, str])
    files: frozenset[str] = frozenset()
    is_file: bool = False
    encoding: dict[str, Json] = field(default_factory=dict[str, Json])
    required: bool = False
    defaults: dict[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation.

    Attributes:
        arguments: The schema of the arguments, whose references ``schemas`` knows.
        auth_scheme: The security scheme that it asks for; None where it asks for none, or not necessarily.
        scopes: What that scheme must allow.
    """

    name: str
    description: str
    endpoint: OperationEndpoint
    parameters: list[Parameter]
    body: Body | None
    arguments: Json
    schemas: Schemas
    auth_scheme: Json | None = None
    scopes: tuple[str, ...] = ()

    def schema(self) -> Json:
        """The JSON Schema of the arguments. It is large where the document's schemas are, so it is made when asked."""
        return self.schemas.finish(self.arguments)


def operations_of(document: Document, *, base_url: str | None = None, keep_names: bool = False) -> Iterator[Operation]:
    """The operations of a document, in its order, each with a name of its own.

    Args:
        document: The document.
        base_url: The server, in place of those that the document names.
        keep_names: Whether arguments keep their names, rather than to be in snake case.

    Raises:
        ConfigurationError: The document is wrong; the message names the operation.
    """
    taken: set[str] = set()
    schemas = Schemas(document)
    for path, given in document.root.get("paths", {}).items():
        item = document.follow(given or {})
        for method in _METHODS:
            if item.get(method) is None:
                continue
            raw = document.follow(item[method])
            server = base_url if base_url is not None else document.server(raw, item)
            endpoint = OperationEndpoint(base_url=server, path=path, method=method)
            shared: list[Any] = item.get("parameters") or []
            try:
                yield read_operation(
                    document, raw, endpoint, shared=shared, keep_names=keep_names, taken=taken, schemas=schemas
                )
            except (AttributeError, KeyError, TypeError, ConfigurationError) as error:
                raise ConfigurationError(f"{method.upper()} {path}: {_said(error)}") from error


def read_operation(
    document: Document,
    raw: Json,
    endpoint: OperationEndpoint,
    *,
    shared: list[Any] | None = None,
    keep_names: bool = False,
    taken: set[str] | None = None,
    schemas: Schemas | None = None,
) -> Operation:
    """One operation, as its object in the document says.

    Args:
        document: Where references lead.
        raw: The operation's object.
        endpoint: Where it is.
        shared: The parameters of its path.
        keep_names: Whether arguments keep their names.
        taken: The names of tools so far; this one's is added.
        schemas: The document's schemas.
    """
    reader = _Reader(document, keep_names, Schemas(document) if schemas is None else schemas)
    parameters = reader.parameters([*(shared or []), *(raw.get("parameters") or [])], endpoint.path)
    body = reader.body(document.follow(raw["requestBody"])) if raw.get("requestBody") else None
    wanted = snake_case(str(raw.get("operationId") or f"{endpoint.path}_{endpoint.method}")) or endpoint.method
    scheme, scopes = _security(document, raw.get("security", document.root.get("security")))
    return Operation(
        name=_free(wanted[:LONGEST_NAME], set[str]() if taken is None else taken),
        description=str(raw.get("description") or raw.get("summary") or ""),
        endpoint=endpoint,
        parameters=parameters,
        body=body,
        arguments=reader.arguments(),
        schemas=reader.schemas,
        auth_scheme=scheme,
        scopes=scopes,
    )


def snake_case(name: str) -> str:
    """``listPets``, ``list-pets`` and ``ListPETs`` as ``list_pets``."""
    words = re.sub(r"[^a-zA-Z0-9]+", "_", name)
    words = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", words)
    words = re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1_\2", words)
    return re.sub(r"_+", "_", words).strip("_").lower()


class _Reader:
    """Reads what one operation takes, and makes one schema of it."""

    def __init__(self, document: Document, keep_names: bool, schemas: Schemas) -> None:
        self._document = document
        self._keep_names = keep_names
        self.schemas = schemas
        self._properties: Json = {}
        self._required: list[str] = []

    def parameters(self, given: list[Any], path: str) -> list[Parameter]:
        # Without those that documents forget the operation could not be called.
        found: dict[tuple[str, str], Json] = {
            (name, "path"): {"name": name, "in": "path", "schema": {"type": "string"}} for name in PLACE.findall(path)
        }
        for one in map(self._document.follow, given):
            found[one["name"], one["in"]] = one  # The operation's own come last, and hold.
        return [
            self._parameter(one)
            for (name, location), one in found.items()
            if not (location == "header" and name.lower() in _NOT_PARAMETERS)
        ]

    def _parameter(self, one: Json) -> Parameter:
        name, location = str(one["name"]), str(one["in"])
        if location not in _LOCATIONS:
            raise ConfigurationError(f"parameter {name!r} is in {location!r}: that is path, query, header or cookie")
        content: Any = one.get("content")
        schema: Any = next(iter(content.values())).get("schema", {}) if content else one.get("schema", {})
        required = location == "path" or one.get("required") is True
        style = str(one.get("style") or _LOCATIONS[location])
        argument = None
        if location != "header" or name.lower() != IDEMPOTENCY_KEY:
            argument = self._add(name, schema, required, location, description=one.get("description"))
        return Parameter(
            name=name,
            argument=argument,
            location=location,
            style=style,
            explode=bool(one.get("explode", style == "form")),
            required=required,
            allow_reserved=one.get("allowReserved") is True,
            is_json=bool(content),
            default=self._default(schema),
        )

    def body(self, given: Json) -> Body | None:
        content: Json = given.get("content") or {}
        if not content:
            return None
        media_type = min(content, key=_preference)
        media = self._document.follow(content[media_type] or {})
        kind = media_type.partition(";")[0].strip().lower()
        schema: Any = media.get("schema", {})
        seen = self._document.follow(schema) if isinstance(schema, dict) else {}
        properties: Json = seen.get("properties") or {}
        must = given.get("required") is True
        is_object = seen.get("type", "object") == "object" and bool(properties)
        if not is_object or any(key in seen for key in ("allOf", "anyOf", "oneOf")):
            wanted = "array" if seen.get("type") == "array" else "body"
            is_bytes = is_file(seen) or (not seen and not is_json(kind) and not kind.startswith("text/"))
            if is_bytes:
                schema = {"type": "string", "format": "binary"}
            argument = self._add(wanted, schema, must, "body", description=given.get("description"))
            return Body(
                media_type=media_type,
                argument=argument,
                is_file=is_bytes,
                encoding=media.get("encoding") or {},
                required=must,
            )
        return replace(self._object(media_type, media.get("encoding") or {}, seen, properties), required=must)

    def _object(self, media_type: str, encoding: dict[str, Json], seen: Json, properties: Json) -> Body:
        names: dict[str, str] = {}
        files: set[str] = set()
        defaults: dict[str, Any] = {}
        required = set(cast("list[str]", seen.get("required") or []))
        for name, schema in properties.items():
            inner = self._document.follow(schema) if isinstance(schema, dict) else {}
            if inner.get("readOnly") is True:
                continue
            argument = self._add(name, schema, name in required, "body")
            names[argument] = name
            item: Any = inner.get("items")
            if is_file(inner) or (isinstance(item, dict) and is_file(self._document.follow(item))):
                files.add(name)
            if name in required and "default" in inner:
                defaults[argument] = inner["default"]
        return Body(
            media_type=media_type,
            properties=names,
            files=frozenset(files),
            encoding=encoding,
            defaults=defaults,
        )

    def _add(self, name: str, schema: Any, required: bool, location: str, *, description: Any = None) -> str:
        """Puts an argument into the schema, under a name that no other one has."""
        wanted = re.sub(r"[^a-zA-Z0-9_.-]", "_", name) if self._keep_names else snake_case(name)
        wanted = wanted[:LONGEST_NAME] or ("body" if location == "body" else f"{location}_param")
        if keyword.iskeyword(wanted):
            wanted = f"param_{wanted}"
        argument, number = wanted, 0
        while argument in self._properties:
            argument, number = f"{wanted}_{number}", number + 1
        made = self.schemas.convert(schema)
        if description and "description" not in made:
            made["description"] = str(description)
        self._properties[argument] = made
        if required and self._default(schema) is None:
            self._required.append(argument)
        return argument

    def _default(self, schema: Any) -> Any:
        return self._document.follow(schema).get("default") if isinstance(schema, dict) else None

    def arguments(self) -> Json:
        whole: Json = {"type": "object", "properties": self._properties}
        if self._required:
            whole["required"] = self._required
        self.schemas.check(whole)
        return whole


def is_json(media_type: str) -> bool:
    """Whether a media type, without its parameters, is of JSON."""
    return media_type in ("application/json", "text/json") or media_type.endswith("+json")


def _preference(media_type: str) -> int:
    kind = media_type.partition(";")[0].strip().lower()
    return 0 if is_json(kind) else 1 + _FORMS.index(kind) if kind in _FORMS else len(_FORMS) + 1


def _free(wanted: str, taken: set[str]) -> str:
    name, number = wanted, 2
    while name in taken:
        end = f"_{number}"
        name, number = wanted[: LONGEST_NAME - len(end)] + end, number + 1
    taken.add(name)
    return name


def _security(document: Document, requirements: Any) -> tuple[Json | None, tuple[str, ...]]:
    """The scheme that an operation cannot do without, and its scopes."""
    if not requirements or any(not one for one in requirements):
        return None, ()
    name, scopes = next(iter(cast("Mapping[str, list[str]]", requirements[0]).items()))
    schemes: Json = document.root.get("components", {}).get("securitySchemes") or {}
    if name not in schemes:
        raise ConfigurationError(f"security asks for {name!r}, which is not among components/securitySchemes")
    return document.follow(schemes[name]), tuple(scopes or ())


def _said(error: Exception) -> str:
    return f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else str(error)
