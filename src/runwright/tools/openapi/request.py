# SPDX-License-Identifier: Apache-2.0
"""The HTTP request of one tool call (pure, but for the files that it sends)."""

import base64
import binascii
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import unquote, unquote_to_bytes

import msgspec

from runwright.errors import ToolArgumentsError
from runwright.tools.http.client import Outgoing
from runwright.tools.openapi.operation import PLACE, Body, Operation, Parameter, is_json
from runwright.tools.openapi.spec import Json
from runwright.tools.openapi.styles import in_header, in_path, in_query, text

_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_MEDIA_TYPE = re.compile(r"[\w!#$&^.+-]+/[\w!#$&^.+-]+", re.ASCII)

LoadFile = Callable[[str], Awaitable["FileContent | None"]]


@dataclass(frozen=True, slots=True)
class FileContent:
    """A file to send."""

    data: bytes
    media_type: str
    name: str


async def make_request(
    operation: Operation, args: Mapping[str, Any], *, load_file: LoadFile, idempotency_key: str
) -> Outgoing:
    """The request of a call.

    Args:
        operation: What is called.
        args: What the model gave.
        load_file: Gives a file of the session by name, or None.
        idempotency_key: For the header of this name, where the operation has one.

    Raises:
        ToolArgumentsError: An argument is missing, unknown or cannot be sent.
    """
    given = {key: value for key, value in args.items() if value is not None or _is_in_body(operation, key)}
    _check_names(operation, given)
    request = Outgoing(operation.endpoint.method.upper(), "")
    in_paths: dict[str, str] = {}
    for parameter in operation.parameters:
        if parameter.argument is None:
            request.headers[parameter.name] = idempotency_key
            continue
        value = given.get(parameter.argument)
        if value is None:
            value = parameter.default if parameter.required else None
        if value is not None:
            _place(parameter, value, request, in_paths)
    path = PLACE.sub(lambda place: _filled(place.group(1), in_paths), operation.endpoint.path)
    _check_steps(path)
    request.url = operation.endpoint.base_url.rstrip("/") + path
    if operation.body is not None:
        await _put_body(operation.body, given, request, load_file)
    return request


def _is_in_body(operation: Operation, argument: str) -> bool:
    """Whether a null is sent as one: only JSON can say it."""
    body = operation.body
    return body is not None and argument in body.properties and is_json(_kind(body))


def _check_names(operation: Operation, given: Mapping[str, Any]) -> None:
    known = list(operation.arguments["properties"])
    unknown = [name for name in given if name not in known]
    if unknown:
        raise ToolArgumentsError(
            f"{operation.name} has no argument {', '.join(map(repr, unknown))}; it has {', '.join(known) or 'none'}"
        )
    missing = [name for name in operation.arguments.get("required", ()) if name not in given]
    if missing:
        raise ToolArgumentsError(f"{operation.name} needs {', '.join(map(repr, missing))}")


def _place(parameter: Parameter, value: Any, request: Outgoing, in_paths: dict[str, str]) -> None:
    name = parameter.name
    if parameter.is_json:
        value = msgspec.json.encode(value).decode()
    if parameter.location == "path":
        _check_path(parameter, value)
        in_paths[name] = in_path(name, value, style=parameter.style, explode=parameter.explode)
        if not in_paths[name]:  # of an empty list, say
            raise ToolArgumentsError(f"{parameter.argument} must not be empty")
    elif parameter.location == "header":
        request.headers[name] = _header(parameter, in_header(value, explode=parameter.explode))
    else:
        pairs = in_query(
            name, value, style=parameter.style, explode=parameter.explode, allow_reserved=parameter.allow_reserved
        )
        (request.query if parameter.location == "query" else request.cookies).extend(pairs)


def _check_path(parameter: Parameter, value: Any) -> None:
    """Refuses what would make the request one for another path."""
    written = text(value)
    if not written:
        raise ToolArgumentsError(f"{parameter.argument} must not be empty")
    if any(step in (".", "..") for step in written.replace("\\", "/").split("/")):
        raise ToolArgumentsError(f"{parameter.argument} must not have '.' or '..' as a step: {written!r}")


def _check_steps(path: str) -> None:
    """The same for the whole path: steps may be made of lists, and of several parameters."""
    for step in path.split("/"):
        if {".", ".."} & set(re.split(r"[/\\]", unquote(step))):
            raise ToolArgumentsError(f"The arguments must not make '.' or '..' a step of the path: {path!r}")


def _header(parameter: Parameter, value: str) -> str:
    if _CONTROL.search(value) or not value.isascii():
        raise ToolArgumentsError(f"{parameter.argument} goes into a header: give plain ASCII on one line")
    return value


def _filled(name: str, in_paths: Mapping[str, str]) -> str:
    if name not in in_paths:
        raise ToolArgumentsError(f"The path needs {name!r}, and there is no such argument")
    return in_paths[name]


async def _put_body(body: Body, given: Mapping[str, Any], request: Outgoing, load_file: LoadFile) -> None:
    kind = _kind(body)
    if body.argument is not None:
        if body.argument not in given:
            return
        value = given[body.argument]
    else:
        value = {**body.defaults, **{name: given[name] for name in body.properties if name in given}}
        value = {body.properties[argument]: item for argument, item in value.items()}
        if not value and not body.required:
            return
    if kind == "multipart/form-data" and isinstance(value, dict):
        request.body["files"] = [part async for part in _parts(body, cast(Json, value), load_file)]
        return  # The header is written with the boundary.
    request.headers["Content-Type"] = body.media_type
    if is_json(kind):
        request.body["content"] = msgspec.json.encode(value)
    elif kind == "application/x-www-form-urlencoded" and isinstance(value, dict):
        request.body["content"] = "&".join(_form(body, cast(Json, value))).encode()
    elif body.is_file:
        request.body["content"] = (await _file(text(value), load_file)).data
    else:
        request.body["content"] = text(value).encode()


def _form(body: Body, value: Json) -> list[str]:
    pairs: list[str] = []
    for name, item in value.items():
        how = body.encoding.get(name, {})
        style = str(how.get("style") or "form")
        if isinstance(item, Mapping) and "style" not in how:
            item = msgspec.json.encode(item).decode()
        explode = bool(how.get("explode", style == "form"))
        reserved = how.get("allowReserved") is True
        pairs += in_query(name, item, style=style, explode=explode, allow_reserved=reserved)
    return [pair.replace("%20", "+") for pair in pairs]


async def _parts(body: Body, value: Json, load_file: LoadFile) -> AsyncIterator[Any]:
    for name, item in value.items():
        wanted = body.encoding.get(name, {}).get("contentType")
        for one in cast("list[Any]", item) if isinstance(item, list) else [item]:
            if name in body.files:
                file = await _file(text(one), load_file)
                named = wanted if isinstance(wanted, str) and not set(wanted) & set("*,") else file.media_type
                yield name, (file.name, file.data, named)
            elif isinstance(one, Mapping | list):
                yield name, (None, msgspec.json.encode(one), wanted or "application/json")
            else:
                yield name, (None, text(one).encode(), wanted)


async def _file(given: str, load_file: LoadFile) -> FileContent:
    """What a model means by a file: one of the session's, bytes, or the text itself."""
    if given.startswith("artifact:"):
        name = given.removeprefix("artifact:")
        file = await load_file(name)
        if file is None:
            raise ToolArgumentsError(f"There is no file {name!r} in this session")
        return file
    if given.startswith("data:") and "," in given:
        head, _, data = given.removeprefix("data:").partition(",")
        media_type, *options = head.split(";")
        if media_type and not _MEDIA_TYPE.fullmatch(media_type):
            raise ToolArgumentsError(f"What follows 'data:' is no media type: {media_type!r}")
        try:
            content = base64.b64decode(data, validate=True) if "base64" in options else unquote_to_bytes(data)
        except binascii.Error as error:
            raise ToolArgumentsError(f"What follows 'base64,' is not base64: {error}") from error
        return FileContent(content, media_type or "text/plain", "file")
    return FileContent(given.encode(), "text/plain; charset=utf-8", "file.txt")


def _kind(body: Body) -> str:
    return body.media_type.partition(";")[0].strip().lower()
