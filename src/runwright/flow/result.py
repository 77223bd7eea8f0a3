# SPDX-License-Identifier: Apache-2.0
"""What a tool gave, as the model is told it: a JSON object, and beside it the images and files that were in it."""

from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import msgspec

from runwright.errors import ConfigurationError, ToolError, ToolExecutionError
from runwright.tool import BaseTool
from runwright.types import Blob, Content, FileData, FunctionResponse, FunctionResponsePart, Part

_PLAIN = frozenset({str, int, float, bool, type(None)})
_DEEPEST = 8
"""How deep in a result files are looked for."""
_NOTHING_LEFT = object()


class Told(NamedTuple):
    """What the model is told of a call.

    Attributes:
        response: A JSON object.
        files: The images and files that come with it.
    """

    response: dict[str, Any]
    files: list[FunctionResponsePart] | None = None


def told(tool: BaseTool, result: Any, verb: str = "returned") -> Told:
    """A tool's result as the model is sent it.

    Parts, blobs and file data, alone or inside of lists and dicts, are taken out and go along as files. A
    ``FunctionResponse`` is taken as it is, but for its id and name, which are the call's.

    Args:
        verb: What the tool did with it, for an error's message.

    Raises:
        ConfigurationError: JSON cannot hold what is left.
    """
    files: list[FunctionResponsePart] = []
    if isinstance(result, FunctionResponse):
        files.extend(result.parts or ())
        result = result.response or {}
    if type(result) not in _PLAIN:
        result = _without_files(result, files, 0)
        if result is _NOTHING_LEFT:
            return Told({}, files)
    try:
        value: Any = msgspec.json.decode(msgspec.json.encode(result, enc_hook=_dumped))
    except (TypeError, ValueError, RecursionError) as error:
        raise ConfigurationError(
            f"Tool {tool.name!r} {verb} {type(result).__name__}, which JSON cannot hold ({error}): give strings, "
            "numbers, booleans, None, lists, dicts, dataclasses, models or types.Part objects of such"
        ) from error
    return Told(cast("dict[str, Any]", value) if isinstance(value, dict) else {"result": value}, files or None)


def told_of(error: Exception) -> Told:
    """What the model is told of a failure."""
    if not isinstance(error, ToolError):
        return Told({"error": f"{type(error).__name__}: {error}"})
    response = {"error": str(error)}
    if isinstance(error, ToolExecutionError) and error.error_type:
        response["error_type"] = error.error_type
    return Told(response)


def _without_files(value: Any, files: list[FunctionResponsePart], depth: int) -> Any:
    """The value without the files in it, which go to ``files``; the very same value where there are none."""
    if type(value) in _PLAIN or depth > _DEEPEST:
        return value
    if isinstance(value, dict):
        return _object_without_files(cast("dict[Any, Any]", value), files, depth)
    if isinstance(value, list | tuple):
        return _list_without_files(cast("Sequence[Any]", value), files, depth)
    if isinstance(value, Content):
        return _without_files(list(value.parts or ()), files, depth)
    if isinstance(value, Blob):
        files.append(FunctionResponsePart(inline_data=value))
        return _NOTHING_LEFT
    if isinstance(value, FileData):
        files.append(FunctionResponsePart(file_data=value))
        return _NOTHING_LEFT
    if isinstance(value, Part | FunctionResponsePart):
        data, file = value.inline_data, value.file_data
    elif hasattr(value, "inline_data") and hasattr(value, "model_dump"):  # a part of another library
        part = Part.model_validate(value.model_dump())
        data, file = part.inline_data, part.file_data
    else:
        return value
    if data is None and file is None:
        return value
    files.append(FunctionResponsePart(inline_data=data, file_data=file))
    return _NOTHING_LEFT


def _object_without_files(value: dict[Any, Any], files: list[FunctionResponsePart], depth: int) -> Any:
    left = {key: _without_files(item, files, depth + 1) for key, item in value.items()}
    if all(left[key] is item for key, item in value.items()):
        return value
    return {key: item for key, item in left.items() if item is not _NOTHING_LEFT} or _NOTHING_LEFT


def _list_without_files(value: Sequence[Any], files: list[FunctionResponsePart], depth: int) -> Any:
    left = [_without_files(item, files, depth + 1) for item in value]
    if all(one is item for one, item in zip(left, value, strict=True)):
        return value
    return [item for item in left if item is not _NOTHING_LEFT] or _NOTHING_LEFT


def _dumped(value: Any) -> Any:
    dump = getattr(value, "model_dump", None)
    if dump is None:
        raise TypeError(f"a {type(value).__module__}.{type(value).__qualname__} is not JSON")
    return dump(mode="json")
