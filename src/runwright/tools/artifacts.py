# SPDX-License-Identifier: Apache-2.0
"""load_artifacts: the session's files, shown to the model when it asks for them."""

import asyncio
import html
import inspect
import io
import logging
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Sequence
from typing import Any, cast

import msgspec

from runwright.context import ToolContext
from runwright.errors import ToolArgumentsError
from runwright.model import LlmRequest
from runwright.tool import BaseTool
from runwright.types import Content, FunctionDeclaration, Part

_logger = logging.getLogger(__name__)

ProcessArtifact = Callable[[Part, str], Any]
"""Gets a file and the name it was loaded under; gives the part to show in its place, or None to show nothing. It may be
a coroutine function."""

_USER = "user:"
_NAME = "load_artifacts"
_SHOWN = "Their content is shown in the next request only: to see it again, call load_artifacts again."
_DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
_MOST_OF_A_DOCUMENT = 10 * 1024 * 1024
"""Bytes that are read of a packed document: a small file may unpack to a huge one."""
_PACKED_BY_WORD = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_WORDS = re.compile(r"<w:t(?:\s[^<>]*)?>([^<]*)</w:t>")
"""The text in a document's XML. It looks at each character once, whatever somebody has made the document of."""
_SEEN = ("image/", "audio/", "video/")
_DRAWN_IN_XML = frozenset({"image/svg", "image/svg+xml", "image/xml"})
_TEXTS = frozenset({"application/csv", "application/json", "application/xml", "application/svg+xml", *_DRAWN_IN_XML})
_TEXT_NAMES = (".csv", ".txt", ".json", ".xml", ".md")


class LoadArtifactsTool(BaseTool):
    """Tells the model which files there are, and shows it those that it asks for, in the request after its call.

    What is shown is not stored with the session. Images, sound, film and PDFs are shown as they are, texts and Word
    documents as text; of other files the model is told the type and the size.

    Args:
        process_artifact: Makes of a file what is shown, in place of the above.
    """

    on_resume = "replay"

    def __init__(self, *, process_artifact: ProcessArtifact | None = None) -> None:
        super().__init__(
            name=_NAME,
            description="Shows you files of this session, such as those that the user has uploaded. Call it before you "
            "say anything about what is in them.",
        )
        self._process_artifact = process_artifact

    def _get_declaration(self) -> FunctionDeclaration:
        names = {"type": "array", "items": {"type": "string"}, "description": "The names of the files."}
        return FunctionDeclaration(
            name=self.name,
            description=self.description,
            parameters_json_schema={
                "type": "object",
                "properties": {"artifact_names": names},
                "required": ["artifact_names"],
            },
        )

    async def run_async(self, *, args: dict[str, Any], tool_context: ToolContext) -> Any:
        names = _names_in(args)
        if names is None:
            raise ToolArgumentsError("artifact_names: expected a list of strings")
        return {"artifact_names": names, "status": _SHOWN}

    async def process_llm_request(self, *, tool_context: ToolContext, llm_request: LlmRequest) -> None:
        await super().process_llm_request(tool_context=tool_context, llm_request=llm_request)
        known = await tool_context.list_artifacts()
        if not known:
            return
        listed = msgspec.json.encode(known).decode()
        llm_request.append_instructions(
            [
                f"There are these files: {listed}\nWhere a question is about one of them, call {_NAME} first, even if "
                "you have seen the file before: it may have changed."
            ]
        )
        contents = llm_request.contents
        last = contents[-1] if contents else None
        for part in (last.parts if last is not None else None) or ():
            answer = part.function_response
            if answer is None or answer.name != _NAME:
                continue
            for asked in _names_in(answer.response or {}) or ():
                shown = await self._load(asked, known, tool_context)
                if shown is not None:
                    contents.append(Content(role="user", parts=[Part(text=f"Artifact {asked} is:"), shown]))

    async def _load(self, asked: str, known: Sequence[str], context: ToolContext) -> Part | None:
        """The file that the model means by a name, as it is shown; None where there is no such file."""
        # A model's word is taken only for a name that was listed: nothing else of the store can be reached.
        names = [asked, asked.removeprefix(_USER) if asked.startswith(_USER) else f"{_USER}{asked}"]
        if not any(name in known for name in names):
            _logger.warning("The model asked for the artifact %r, which is not there", asked)
            return None
        for name in sorted(names, key=lambda one: one not in known):
            artifact = await context.load_artifact(name)
            if artifact is None:
                continue
            if self._process_artifact is None:
                return await asyncio.to_thread(as_safe_part_for_llm, artifact, asked)  # a document may be large
            made: Any = self._process_artifact(artifact, name)
            return await made if inspect.isawaitable(made) else made
        return None


def as_safe_part_for_llm(artifact: Part, artifact_name: str) -> Part:
    """A file as a part that models take: itself, its text, or a note on what it is."""
    blob = artifact.inline_data
    if blob is None:
        return artifact
    mime = (blob.mime_type or "application/octet-stream").partition(";")[0].strip().lower()
    if mime == "application/pdf" or (mime.startswith(_SEEN) and mime not in _DRAWN_IN_XML):
        return artifact
    data, name = blob.data or b"", artifact_name.lower()
    if mime == _DOCX or name.endswith(".docx"):
        text = _text_of_document(data)
        if text is not None:
            return Part(text=text)
    if mime.startswith("text/") or mime in _TEXTS or name.endswith(_TEXT_NAMES):
        return Part(text=data.decode("utf-8", "replace"))
    return Part(text=f"[{artifact_name} is a file of type {mime} with {len(data)} bytes. It cannot be shown here.]")


def _names_in(given: dict[str, Any]) -> list[str] | None:
    names = given.get("artifact_names", [])
    if not isinstance(names, list | tuple) or not all(isinstance(one, str) for one in cast("list[Any]", names)):
        return None
    return list(cast("list[str]", names))


def _text_of_document(data: bytes) -> str | None:
    """The text of a Word document, a line a paragraph; None where it is none."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            found = packed.getinfo("word/document.xml")
            if found.compress_type not in _PACKED_BY_WORD:
                return None
            with packed.open(found) as file:
                xml = file.read(_MOST_OF_A_DOCUMENT).decode("utf-8", "replace")
    except (zipfile.BadZipFile, zlib.error, struct.error, KeyError, ValueError, RuntimeError, EOFError, OSError):
        return None  # damaged: zipfile has no error of its own for all that may be wrong
    # No XML parser: it would have to be kept from following what a file from anywhere may tell it to.
    paragraphs = ("".join(_WORDS.findall(one)) for one in xml.split("</w:p>"))
    return html.unescape("\n".join(paragraph for paragraph in paragraphs if paragraph))


load_artifacts = LoadArtifactsTool()
