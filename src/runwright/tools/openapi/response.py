# SPDX-License-Identifier: Apache-2.0
"""What a model is told of an HTTP answer."""

import base64
import mimetypes
import re
from email.message import Message
from typing import Any

import msgspec

from runwright.context import ToolContext
from runwright.errors import ToolExecutionError
from runwright.tools.http.client import Answer
from runwright.tools.openapi.operation import is_json
from runwright.types import Part

_LONGEST_ERROR = 4_000
_LONGEST_INLINE = 20_000
_TEXTS = ("application/xml", "application/javascript", "application/yaml", "application/x-www-form-urlencoded")


async def result_of(answer: Answer, *, tool: str, context: ToolContext) -> Any:
    """An answer as a tool's result.

    JSON is given as it is, text as ``{"text": ...}``, an empty answer as ``{"status": ...}``. Other content becomes a
    file of the session, ``{"artifact": name, "version": ..., "mime_type": ..., "size": bytes}``; without an artifact
    service it is given as base64 where it is short.

    Raises:
        ToolExecutionError: The server refused or failed; the message has what it said, and ``error_type`` the status,
            such as ``"HTTP_404"``.
    """
    if not 200 <= answer.status < 300:
        raise _failure(answer, tool)
    if not answer.content:
        return {"status": answer.status}
    kind = answer.media_type
    if is_json(kind) or not kind:
        try:
            return answer.json()
        except msgspec.DecodeError as error:
            if kind:
                raise ToolExecutionError(f"{tool} answered with malformed JSON: {error}", "BAD_ANSWER") from error
    if kind.startswith("text/") or kind in _TEXTS or kind.endswith("+xml") or (not kind and _is_text(answer.content)):
        return {"text": answer.text}
    return await _file(answer, tool, context)


def _is_text(content: bytes) -> bool:
    try:
        return "\0" not in content.decode()
    except UnicodeDecodeError:
        return False


def _failure(answer: Answer, tool: str) -> ToolExecutionError:
    said = answer.text.strip()
    if len(said) > _LONGEST_ERROR:
        said = f"{said[:_LONGEST_ERROR]}... ({len(said)} characters)"
    after = answer.headers.get("retry-after")
    wait = f" It may be tried again after {after} (Retry-After)." if after else ""
    return ToolExecutionError(
        f"{tool} failed with HTTP status {answer.status}.{wait}{' The server said: ' + said if said else ''}",
        f"HTTP_{answer.status}",
    )


async def _file(answer: Answer, tool: str, context: ToolContext) -> dict[str, Any]:
    kind = answer.media_type or "application/octet-stream"
    about: dict[str, Any] = {"mime_type": kind, "size": len(answer.content)}
    if context.invocation_context.artifact_service is not None:
        name = _name(answer, tool, kind)
        version = await context.save_artifact(name, Part.from_bytes(data=answer.content, mime_type=kind))
        return {"artifact": name, "version": version, **about}
    if len(answer.content) > _LONGEST_INLINE:
        raise ToolExecutionError(
            f"{tool} answered with {len(answer.content)} bytes of {kind}: give the runner an artifact service for such",
            "BAD_ANSWER",
        )
    return {"base64": base64.b64encode(answer.content).decode(), **about}


def _name(answer: Answer, tool: str, kind: str) -> str:
    """The name that the server gave, without its directories, or one that says what the file is."""
    head = Message()
    head["content-disposition"] = answer.headers.get("content-disposition", "")
    given = re.split(r"[/\\]", head.get_filename() or "")[-1]
    given = re.sub(r"[^\w.() -]", "_", given).strip(". ")
    return given or f"{tool}{mimetypes.guess_extension(kind) or '.bin'}"
